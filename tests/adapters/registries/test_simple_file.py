"""Do-not-call files: what is read, and that nothing is ever skipped."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from fairdial.adapters.registries.simple import SimpleEntry, read_simple
from fairdial.core.ids import E164
from fairdial.exceptions import UnusableList

DAY = date(2026, 11, 20)


def save(folder: Path, text: str) -> Path:
    path = folder / "do-not-call.txt"
    path.write_text(text, encoding="utf-8")
    return path


def numbers(path: Path) -> list[str]:
    return [entry.number for entry in read_simple(path)]


def day_of(path: Path, as_of: date | None = None) -> date | None:
    with read_simple(path, as_of) as reading:
        return reading.as_of


def refusal(path: Path, as_of: date | None = None) -> str:
    with pytest.raises(UnusableList) as caught:
        list(read_simple(path, as_of))
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_reads_numbers_days_and_the_day_of_the_copy(tmp_path: Path) -> None:
    text = "# as_of: 2026-11-20\nnumber,registered_on\n+12125550142,2019-05-06\n2125550143\n"
    reading = read_simple(save(tmp_path, text))
    assert reading.as_of == DAY
    assert list(reading) == [
        SimpleEntry(number=E164("+12125550142"), registered_on=date(2019, 5, 6)),
        SimpleEntry(number=E164("+12125550143"), registered_on=None),
    ]
    assert reading.entries == 2


def test_reads_one_number_per_line_in_any_spelling(tmp_path: Path) -> None:
    text = "\ufeff(212) 555-0142\n1-212-555-0143\n\n# since yesterday\n12125550144\n+442079460123\n"
    found = numbers(save(tmp_path, text))
    assert found == ["+12125550142", "+12125550143", "+12125550144", "+442079460123"]


def test_reads_the_registrys_own_two_cells(tmp_path: Path) -> None:
    assert numbers(save(tmp_path, "212,5550142\n646,5550143\n")) == ["+12125550142", "+16465550143"]


def test_keeps_a_number_that_is_not_in_service(tmp_path: Path) -> None:
    assert numbers(save(tmp_path, "9995550142\n")) == ["+19995550142"]


def test_takes_the_day_of_the_copy_from_the_caller(tmp_path: Path) -> None:
    path = save(tmp_path, "2125550142\n")
    assert (day_of(path, DAY), day_of(path)) == (DAY, None)


def test_refuses_two_different_days(tmp_path: Path) -> None:
    path = save(tmp_path, "# as of: 2026-11-20\n2125550142\n")
    assert "correct one of them" in refusal(path, date(2026, 11, 21))
    assert day_of(path, DAY) == DAY


def test_a_sandbox_copy_has_no_day_of_its_own(tmp_path: Path) -> None:
    path = save(tmp_path, "# as_of: sandbox\n2125550142\n")
    with read_simple(path) as reading:
        assert (reading.is_for_sandbox, reading.as_of) == (True, None)
    assert "was given too" in refusal(path, DAY)
    with read_simple(save(tmp_path, "2125550142\n")) as reading:
        assert not reading.is_for_sandbox


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2125550142\nRosa Vale\n", "line 2: “Rosa Vale”"),
        ("2125550142\n555-0143\n", "line 2: “555-0143”: it is too short"),
        ("2125550142,2019-13-01\n", "line 1: the registered_on date “2019-13-01”"),
        ("2125550142,05/06/2019\n", "line 1: the registered_on date"),
        ("2125550142,2019-05-06,x\n", "line 1: 3 cells"),
        ("# as_of: yesterday\n2125550142\n", "line 1: the as_of date “yesterday”"),
        ("2125550142\n# as_of: 2026-11-20\n", "line 2: as_of belongs before"),
        (f"2125550142\n{'1' * 300}\n", "line 2: 300 characters"),
        ("", "is empty"),
    ],
)
def test_never_skips_what_it_cannot_read(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in refusal(save(tmp_path, text))


def test_a_file_without_entries_is_an_empty_list(tmp_path: Path) -> None:
    reading = read_simple(save(tmp_path, "# as_of: 2026-11-20\nnumber\n"))
    assert (reading.as_of, list(reading)) == (DAY, [])


def test_refuses_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nowhere.txt")
    assert "is a folder" in refusal(tmp_path)

"""Each registry's form is read as it is handed out, and nothing else is."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from fairdial.adapters.registries.forms import FormReading
from fairdial.core.registry import RegistryForm
from fairdial.exceptions import UnusableList

COUNTRIES = {"212": "US", "646": "US", "416": "CA", "604": "CA", "876": "JM", "800": None}

Row = tuple[int, str | None, str]


def rows(
    path: Path, form: RegistryForm, as_of: date | None = None
) -> list[tuple[int, str | None, str]]:
    """Each number with its day and its mark."""
    found: list[Row] = []
    with FormReading(path, form, countries=COUNTRIES, as_of=as_of) as reading:
        for batch in reading.batches():
            for at, number in enumerate(batch.numbers.tolist()):
                day = int(batch.days[at])
                mark = ""
                if batch.is_deleted is not None:
                    mark = "D" if batch.is_deleted[at] else "A"
                if batch.is_listed is not None:
                    mark = "Y" if batch.is_listed[at] else "N"
                found.append((number, date.fromordinal(day).isoformat() if day else None, mark))
    return found


def save(folder: Path, text: str | bytes) -> Path:
    path = folder / "registry.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


GOLDEN: list[tuple[RegistryForm, str, list[Row]]] = [
    (
        RegistryForm.US_FULL,
        "212,5550142\n646,5550143\n",
        [(12125550142, None, ""), (16465550143, None, "")],
    ),
    (
        RegistryForm.US_FULL,
        "2125550142\r\n6465550143\r\n",
        [
            (12125550142, None, ""),
            (16465550143, None, ""),
        ],
    ),
    (RegistryForm.US_FULL, "\ufeffarea code,number\n212,5550142\n\n", [(12125550142, None, "")]),
    (
        RegistryForm.US_CHANGES,
        "212,5550142,2026-11-25,A\n212,5550143,2026-11-25T13:07:00,D\n",
        [(12125550142, "2026-11-25", "A"), (12125550143, "2026-11-25", "D")],
    ),
    (
        RegistryForm.US_CHANGES,
        "2125550142,11/25/2026,a\n8005550143,11/26/2026,d\n",
        [(12125550142, "2026-11-25", "A"), (18005550143, "2026-11-26", "D")],
    ),
    (
        RegistryForm.CA_FULL,
        "4165550142\n6045550143\n",
        [
            (14165550142, None, ""),
            (16045550143, None, ""),
        ],
    ),
    (
        RegistryForm.CA_CHANGES,
        "4165550142,A\n6045550143,D\n",
        [
            (14165550142, None, "A"),
            (16045550143, None, "D"),
        ],
    ),
    (
        RegistryForm.CA_CHANGES,
        "416,5550142,20261125,A\n",
        [(14165550142, "2026-11-25", "A")],
    ),
    (
        RegistryForm.STATE,
        "Phone,Registered\n2125550142,2019-05-06\n(212) 555-0143,\n12125550144,05/06/2019\n",
        [
            (12125550142, "2019-05-06", ""),
            (12125550143, None, ""),
            (12125550144, "2019-05-06", ""),
        ],
    ),
    (
        RegistryForm.STATE,
        '"2125550142","2019-05-06"\n"2125550143",""\n',
        [(12125550142, "2019-05-06", ""), (12125550143, None, "")],
    ),
    (
        RegistryForm.UK,
        "02079460958\n07700900123\n+442079460959\n020 7946 0960\n",
        [
            (442079460958, None, ""),
            (447700900123, None, ""),
            (442079460959, None, ""),
            (442079460960, None, ""),
        ],
    ),
    (RegistryForm.UK, "02079460958,2026-11-20\n", [(442079460958, "2026-11-20", "")]),
    (
        RegistryForm.AU,
        "0291234567\n0491570156\n",
        [(61291234567, None, ""), (61491570156, None, "")],
    ),
    (
        RegistryForm.AU_WASHED,
        "Number,Result\n0291234567,Y\n0491570156,N\n",
        [(61291234567, None, "Y"), (61491570156, None, "N")],
    ),
    (
        RegistryForm.SIMPLE,
        "# as_of: 2026-11-20\nnumber,registered_on\n+12125550142,2019-05-06\n+442079460123\n",
        [(12125550142, "2019-05-06", ""), (442079460123, None, "")],
    ),
]


@pytest.mark.parametrize(("form", "text", "expected"), GOLDEN)
def test_reads_a_form_as_it_is_handed_out(
    tmp_path: Path, form: RegistryForm, text: str, expected: list[Row]
) -> None:
    assert rows(save(tmp_path, text), form) == expected


def test_every_form_has_a_golden_file() -> None:
    assert {form for form, _, _ in GOLDEN} == set(RegistryForm)


US, CHANGES = RegistryForm.US_FULL, RegistryForm.US_CHANGES
BAD: list[tuple[RegistryForm, str | bytes, str]] = [
    (US, "212,5550142\n212,555014\n", "line 2: “212,555014”: each row begins with area code"),
    (US, "212,5550142\n212,55501a2\n", "line 2: .*each row begins with"),
    (US, "212,5550142\n2125550143\n", "line 2: .*each row begins with"),
    (US, "212,5550142\n\n112,5550142\n", "line 3: .*there can be no such number"),
    (US, "212,5550142\n911,5550142\n", "line 2: .*there can be no such number"),
    (US, "212,5550142\n212,0550142\n", "line 2: .*there can be no such number"),
    (US, "212,5550142\n416,5550142\n", "line 2: .*area code 416 is of CA, and this form is of US"),
    (RegistryForm.CA_FULL, "2125550142\n", "line 1: .*area code 212 is of US"),
    (US, "212,5550142,2026-11-25,A\n", "line 1: .*more than 2 cells"),
    (US, "212,5550142\n212,5550143", "ends in the middle of line 2, without a line break"),
    (US, "212,5550142\n212,555\xe9143\n", "line 2: the byte 0xc3"),
    (US, b"212,5550142\n212,5550\x00143\n", "line 2: a NUL byte"),
    (US, "212,5550142\n".encode("utf-16"), "utf-16 text: save it as CSV UTF-8"),
    (US, b"PK\x03\x04rest", "zip archive"),
    (US, "<?xml version='1.0'?>\n", "XML or a web page"),
    (US, b"", "is empty"),
    (US, "1" * 200_000, "no line ends within"),
    (CHANGES, "212,5550142\n", "line 1: .*a change ends with A"),
    (CHANGES, "212,5550142,2026-11-25,X\n", "line 1: .*a change ends with A"),
    (
        CHANGES,
        "212,5550142,2026-11-25,A\n212,5550142,2026-02-30,A\n",
        "line 2: .*day of the change",
    ),
    (CHANGES, "212,5550142,yesterday,A\n", "line 1: .*day of the change"),
    (RegistryForm.STATE, "2125550142\n555-0143\n", "line 2: .*too short"),
    (RegistryForm.STATE, "2125550142\n2120550142\n", "line 2: .*there can be no such number"),
    (RegistryForm.STATE, "2125550142,Rosa,x\n", "line 1: .*more than 2 cells"),
    (RegistryForm.STATE, "2125550142,last May\n", "line 1: .*day of registration"),
    (RegistryForm.UK, "02079460958\n0207946\n", "line 2: "),
    (RegistryForm.UK, "02079460958\n00079460958\n", "line 2: "),
    (RegistryForm.AU, "0291234567\n02912345678\n", "line 2: "),
    (RegistryForm.AU_WASHED, "0291234567,maybe\n", "line 1: .*followed by Y"),
    (RegistryForm.AU_WASHED, "0291234567\n", "line 1: .*followed by Y"),
]


@pytest.mark.parametrize(("form", "content", "reason"), BAD)
def test_refuses_what_it_cannot_read_and_names_the_line(
    tmp_path: Path, form: RegistryForm, content: str | bytes, reason: str
) -> None:
    with pytest.raises(UnusableList, match=reason):
        rows(save(tmp_path, content), form)


def test_a_file_without_rows_has_none(tmp_path: Path) -> None:
    assert rows(save(tmp_path, "area code,number\n"), RegistryForm.US_FULL) == []


def test_the_line_is_right_in_a_later_piece_of_a_long_file(tmp_path: Path) -> None:
    good = "212,5550142\n" * 500_000
    with pytest.raises(UnusableList, match=r"line 500001: “212,555”"):
        rows(save(tmp_path, good + "212,555\n"), RegistryForm.US_FULL)

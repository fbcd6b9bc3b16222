"""Rejected rows come out so that they can be mended and imported again."""

from __future__ import annotations

import csv
import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairdial.adapters.files.lists import read_list
from fairdial.adapters.files.rejects import RejectFile, rejects_path, write_rejects
from fairdial.core.intake import NewLead, RejectedRow, RejectKind
from fairdial.exceptions import UnusableList

LIST = """\
name,phone,note
Rosa Vale,212-555-HELP,"likes ""quotes""; and, commas"
Hugo Wren,2125550143,ok
Ida Lane,2125550144
Omar Pike,(212) 555-0143,"two
lines"
Vera "V" Moss,21255501,é
"""


def rejected_of(path: Path) -> list[RejectedRow]:
    return [r for r in read_list(path) if isinstance(r, RejectedRow)]


def write_all(path: Path) -> Path:
    """Import a list as `flow` does and write its rejected rows down."""
    target = rejects_path(path)
    with read_list(path) as reading, RejectFile(target, reading.header) as file:
        for result in reading:
            if isinstance(result, RejectedRow):
                file.add(result)
    return target


def a_row(*cells: str) -> RejectedRow:
    return RejectedRow(line=2, kind=RejectKind.NUMBER, why="no number.", original=cells)


def test_lies_beside_its_list() -> None:
    assert rejects_path(Path("in/leads.csv")) == Path("in/leads.rejected.csv")
    assert rejects_path(Path("in/leads.2026")) == Path("in/leads.2026.rejected.csv")


def test_holds_line_reason_and_the_cells_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text(LIST, encoding="utf-8")
    with write_all(path).open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [
            ["rejected row", "rejected because", "name", "phone", "note"],
            ["2", "“212-555-HELP”: it contains letters (EHLP).", "Rosa Vale", "212-555-HELP",
             'likes "quotes"; and, commas'],
            ["4", "the row has 2 cells, the header has 3: a separator is missing or a cell that "
             "holds one is not in quotes.", "Ida Lane", "2125550144"],
            ["5", "duplicate of row 3", "Omar Pike", "(212) 555-0143", "two\nlines"],
            ["7", "“21255501”: it is too short: 8 digits, a North American number has 10 (11 with "
             "the 1).", 'Vera "V" Moss', "21255501", "é"],
        ]  # fmt: skip


def test_mended_rows_are_imported_again(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text(LIST, encoding="utf-8")
    mended = write_all(path)
    text = mended.read_text(encoding="utf-8")
    text = text.replace("212-555-HELP,", "212-555-0142,").replace(
        "Lane,2125550144", "Lane,2125550144,"
    )
    text = text.replace(",21255501,", ",2125550145,")
    mended.write_text(text, encoding="utf-8")
    found = [r for r in read_list(mended) if isinstance(r, NewLead)]
    assert [(lead.number, lead.name, lead.attributes) for lead in found] == [
        ("+12125550142", "Rosa Vale", {"note": 'likes "quotes"; and, commas'}),
        ("+12125550144", "Ida Lane", {}),
        ("+12125550143", "Omar Pike", {"note": "two\nlines"}),
        ("+12125550145", 'Vera "V" Moss', {"note": "é"}),
    ]


def test_unmended_rows_are_rejected_again_with_one_note_each(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text("phone,note\n555,a\n2125550142\nx,b\n", encoding="utf-8")
    first = write_all(path)
    again = write_all(first)
    assert again.name == "leads.rejected.rejected.csv"
    assert [r.original for r in rejected_of(again)] == [
        ("2", rejected_of(first)[0].why, "555", "a"),
        ("3", rejected_of(first)[1].why, "2125550142"),
        ("4", rejected_of(first)[2].why, "x", "b"),
    ]


_CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=30)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(_CELL, _CELL), min_size=1, max_size=8))
def test_every_cell_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.rejected.csv"
    assert write_rejects(path, ("phone", "note"), (a_row(*row) for row in rows)) == len(rows)
    with path.open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.reader(file))
    assert found[1:] == [["2", "no number.", *row] for row in rows]


def test_without_rejected_rows_there_is_no_file(tmp_path: Path) -> None:
    assert write_rejects(tmp_path / "leads.rejected.csv", ("phone",), []) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_broken_import_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "leads.rejected.csv"
    path.write_text("older", encoding="utf-8")

    def breaks_off() -> None:
        with RejectFile(path, ("phone",)) as file:
            file.add(a_row("555"))
            raise UnusableList("the list ends in rubbish")

    with pytest.raises(UnusableList, match="rubbish"):
        breaks_off()
    assert [p.name for p in tmp_path.iterdir()] == ["leads.rejected.csv"]
    assert path.read_text(encoding="utf-8") == "older"


def test_says_that_the_folder_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "leads.rejected.csv"
    with pytest.raises(UnusableList, match="cannot be written"):
        write_rejects(path, ("phone",), [a_row("555")])


def test_says_that_the_disk_has_no_room_and_leaves_no_half_file(tmp_path: Path) -> None:
    # A limit on the size of files stands for the full disk: the same call fails, at the same place.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    rows = [a_row("555", "x" * 1_000)] * 1_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(UnusableList, match=r"File too large.*Make room"):
            write_rejects(tmp_path / "leads.rejected.csv", ("phone",), rows)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []

"""Lists as people send them: good ones, odd ones, and files that are no list."""

from __future__ import annotations

import csv
import io
import os
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairdial.adapters.files import lists
from fairdial.adapters.files.lines import LINE_CHARS_ENDLESS, LINE_CHARS_MAX
from fairdial.adapters.files.lists import ListSummary, read_list
from fairdial.core.intake import NewLead, RejectedRow, RejectKind
from fairdial.exceptions import UnusableList

Result = NewLead | RejectedRow


def save(folder: Path, content: str | bytes, name: str = "leads.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def results(folder: Path, content: str | bytes, encoding: str | None = None) -> list[Result]:
    return list(read_list(save(folder, content), encoding))


def brief(found: list[Result]) -> list[tuple[int, str]]:
    """The line of each result with its number or its kind of rejection."""
    return [(r.row, r.number) if isinstance(r, NewLead) else (r.line, r.kind) for r in found]


def refusal(path: Path, encoding: str | None = None) -> str:
    with pytest.raises(UnusableList) as caught:
        list(read_list(path, encoding))
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_finds_out_the_separator_and_the_line_breaks(
    tmp_path: Path, separator: str, line_break: str
) -> None:
    rows = ["name,phone", "Rosa Vale,2125550142", "Hugo Wren,2125550143"]
    text = line_break.join(rows).replace(",", separator) + line_break
    assert brief(results(tmp_path, text)) == [(2, "+12125550142"), (3, "+12125550143")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_finds_out_the_encoding(tmp_path: Path, encoding: str) -> None:
    found = results(tmp_path, "name,phone\nZoë Čapek,2125550142\n".encode(encoding))
    assert [r.name for r in found if isinstance(r, NewLead)] == ["Zoë Čapek"]


def test_reads_cp1252_only_when_asked(tmp_path: Path) -> None:
    content = "name,phone\nAnn,2125550141\nZoë,2125550142\n".encode("cp1252")
    path = save(tmp_path, content)
    said = refusal(path)
    assert f"line 3, byte offset {content.index(0xEB)}:" in said
    assert "--encoding cp1252" in said
    found = list(read_list(path, "cp1252"))
    assert [r.name for r in found if isinstance(r, NewLead)] == ["Ann", "Zoë"]


def test_names_the_place_of_a_bad_byte_far_into_the_file(tmp_path: Path) -> None:
    rows = b"phone,note\r\n" + b"2125550142,x\r\n" * 20_000
    path = save(tmp_path, rows + b"2125550143,\xff\r\n")
    assert f"line 20002, byte offset {len(rows) + 11}:" in refusal(path)


def test_refuses_an_encoding_that_it_does_not_know(tmp_path: Path) -> None:
    assert "utf-8, utf-16" in refusal(save(tmp_path, "phone\n2125550142\n"), "klingon")


def test_honours_excels_own_separator_line(tmp_path: Path) -> None:
    assert brief(results(tmp_path, "sep=;\nphone;a,b\n2125550142;x\n")) == [(3, "+12125550142")]


def test_refuses_a_missing_file(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nowhere.csv")


def test_refuses_a_folder(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)


def test_refuses_a_pipe_instead_of_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in refusal(tmp_path / "pipe")


def test_refuses_a_file_that_this_user_must_not_read() -> None:
    # Root may read everything, so as root the test looks as nobody does, in a folder open to all.
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        path = save(Path(name), "phone\n2125550142\n")
        path.chmod(0o000)
        was = os.geteuid()
        if was == 0:
            os.seteuid(65_534)
        try:
            assert "must not be read by this user" in refusal(path)
        finally:
            os.seteuid(was)


def test_refuses_an_empty_file(tmp_path: Path) -> None:
    assert "is empty" in refusal(save(tmp_path, b""))
    assert "nothing but blank lines" in refusal(save(tmp_path, "\n\n  \n"))
    assert "nothing but blank lines" in refusal(save(tmp_path, "\ufeff"))


def test_refuses_a_header_without_rows(tmp_path: Path) -> None:
    assert "a header but no rows" in refusal(save(tmp_path, "phone,name\n"))
    assert "a header but no rows" in refusal(save(tmp_path, "phone,name\n\n,\n"))


def test_refuses_a_list_without_a_phone_column(tmp_path: Path) -> None:
    said = refusal(save(tmp_path, "who;where\nRosa;NY\n"))
    assert "line 1: no column is known to hold telephone numbers" in said
    assert "Columns found: “who”, “where”. Name it one of: phone," in said


def test_refuses_a_list_whose_phone_column_holds_text(tmp_path: Path) -> None:
    rows = "".join(f"Rosa,212-555-{i:04d}\n" for i in range(100, 150))
    said = refusal(save(tmp_path, "phone,ring\n" + rows))
    assert "of the first 50 rows, 50 are unreadable (for example “Rosa”)" in said
    assert "look like numbers: “ring”" in said


@pytest.mark.parametrize(
    ("magic", "name"),
    [
        (b"PK\x03\x04\x14\x00", "Excel workbook (xlsx) or a zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Excel workbook"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\x1f\x8b\x08\x00", "gzip"),
    ],
)
def test_names_what_a_file_is_when_it_is_no_text(tmp_path: Path, magic: bytes, name: str) -> None:
    assert name in refusal(save(tmp_path, magic + b"\x00" * 64))


def test_refuses_nul_bytes_with_their_place(tmp_path: Path) -> None:
    assert "line 2, near byte 12: a NUL byte" in refusal(save(tmp_path, "phone\n212555\x000142\n"))


def test_refuses_utf16_without_a_byte_order_mark(tmp_path: Path) -> None:
    assert "NUL byte" in refusal(save(tmp_path, "phone\n2125550142\n".encode("utf-16-le")))


def test_refuses_a_quote_that_is_never_closed(tmp_path: Path) -> None:
    said = refusal(save(tmp_path, 'phone,name\n2125550142,"Rosa\n2125550143,Hugo\n'))
    assert "line 2: a quote is opened and not closed" in said


def test_refuses_a_quote_that_is_not_closed_for_hundreds_of_lines(tmp_path: Path) -> None:
    rows = "2125550143,Hugo\n" * 1_000
    assert "line 2: a quote" in refusal(save(tmp_path, f'phone,name\n2125550142,"R\n{rows}"x"\n'))


def test_refuses_a_header_whose_quotes_do_not_pair(tmp_path: Path) -> None:
    assert "quotes of the header" in refusal(save(tmp_path, '"phone,name\n2125550142,Rosa\n'))


def test_a_quote_in_the_wrong_place_rejects_its_row_only(tmp_path: Path) -> None:
    text = 'phone,name\n2125550142,"Rosa" Vale\n2125550143,Hugo\n'
    found = results(tmp_path, text)
    assert brief(found) == [(2, RejectKind.QUOTING), (3, "+12125550143")]
    assert isinstance(found[0], RejectedRow)
    assert found[0].original == ('2125550142,"Rosa" Vale',)


def test_rows_with_wrong_cell_counts_cost_only_themselves(tmp_path: Path) -> None:
    text = "phone,name\n2125550142\n2125550143,a,b\n2125550144,Rosa\n"
    assert brief(results(tmp_path, text)) == [
        (2, RejectKind.CELL_COUNT),
        (3, RejectKind.CELL_COUNT),
        (4, "+12125550144"),
    ]


def test_a_row_joined_by_quotes_says_which_lines(tmp_path: Path) -> None:
    found = results(tmp_path, 'phone,name,age\n2125550142,"Rosa\n2125550143,Hugo",\n"x",y\n')
    rejected = found[-1]
    assert brief(found) == [(2, "+12125550142"), (4, RejectKind.CELL_COUNT)]
    assert isinstance(rejected, RejectedRow)
    found = results(tmp_path, 'phone,name,age\n2125550142,"Rosa\nHugo"\n2125550143,a,b\n')
    assert isinstance(found[0], RejectedRow)
    assert "joins lines 2 to 3" in found[0].why


def test_the_first_of_two_equal_numbers_wins_however_it_is_written(tmp_path: Path) -> None:
    found = results(tmp_path, "phone\n2125550142\n(212) 555-0142\n+1 212 555 0142\n")
    assert brief(found) == [(2, "+12125550142"), (3, "duplicate"), (4, "duplicate")]
    assert [r.why for r in found if isinstance(r, RejectedRow)] == ["duplicate of row 2"] * 2


def test_a_million_characters_in_a_cell_reject_the_row_in_little_memory(tmp_path: Path) -> None:
    long = "x" * 1_000_000
    text = f"phone,note\n2125550142,{long}\n2125550143,{long[:5000]}\n2125550144,ok\n"
    path = save(tmp_path, text)
    tracemalloc.start()
    found = list(read_list(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert brief(found) == [
        (2, RejectKind.TOO_LONG),
        (3, RejectKind.TOO_LONG),
        (4, "+12125550144"),
    ]
    assert all(len(r.why) < 200 for r in found if isinstance(r, RejectedRow))
    assert peak < 12_000_000


def test_a_quoted_cell_of_a_million_characters_is_rejected_too(tmp_path: Path) -> None:
    text = f'phone,note\n2125550142,"{"x" * (LINE_CHARS_MAX - 100)}"\n2125550144,ok\n'
    found = results(tmp_path, text)
    assert brief(found) == [(2, RejectKind.TOO_LONG), (3, "+12125550144")]


def test_a_line_without_end_is_no_list(tmp_path: Path) -> None:
    path = save(tmp_path, b"phone,name\n" + b"x" * (LINE_CHARS_ENDLESS + 70_000))
    assert "line 2: the line does not end" in refusal(path)


def test_a_first_line_of_a_million_characters_is_no_header(tmp_path: Path) -> None:
    path = save(tmp_path, b"phone," + b"x" * LINE_CHARS_MAX + b"\n2125550142,x\n")
    assert "line 1: 1,000,006 characters" in refusal(path)


def test_memory_does_not_grow_with_the_length_of_the_list(tmp_path: Path) -> None:
    path = save(tmp_path, "phone,note\n" + f"555,{'y' * 4_000}\n2125550142,\n" * 3_000)
    tracemalloc.start()
    rows = sum(1 for _ in read_list(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 6_000
    assert path.stat().st_size > 12_000_000
    assert peak < 4_000_000


def test_refuses_more_rows_than_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "ROWS_MAX", 3)
    path = save(tmp_path, "phone\n" + "".join(f"212555014{i}\n" for i in range(4)))
    assert "line 5: more than 3 rows" in refusal(path)


def test_row_numbers_are_lines_through_blank_lines_and_quoted_breaks(tmp_path: Path) -> None:
    text = '\nphone,note\n\n2125550142,"one\ntwo\n\nthree"\n , \n2125550143,x\n'
    reading = read_list(save(tmp_path, text))
    assert brief(list(reading)) == [(4, "+12125550142"), (9, "+12125550143")]
    assert reading.summary == ListSummary(rows=2, leads=2, rejected=0, empty=2, rejected_by_kind={})


def test_the_summary_counts_every_row_once(tmp_path: Path) -> None:
    text = "phone,name\n2125550142,a\n2125550142,b\n555,c\n2125550143\n\n2125550144,d\n"
    reading = read_list(save(tmp_path, text))
    list(reading)
    assert reading.header == ("phone", "name")
    assert reading.summary == ListSummary(
        rows=5,
        leads=2,
        rejected=3,
        empty=1,
        rejected_by_kind={
            RejectKind.DUPLICATE: 1,
            RejectKind.NUMBER: 1,
            RejectKind.CELL_COUNT: 1,
        },
    )


def test_a_reading_can_be_left_early(tmp_path: Path) -> None:
    with read_list(save(tmp_path, "phone\n2125550142\n2125550143\n")) as reading:
        assert isinstance(next(reading), NewLead)
    assert list(reading) == []


_BYTES = st.binary(max_size=300) | st.builds(
    lambda head, tail: head + tail,
    st.sampled_from([b"phone,name\n", b'"phone";x\r\n', b"\xff\xfep\x00", b"\xef\xbb\xbfphone\n"]),
    st.binary(max_size=300) | st.text('",;\n\r\t |0125 a', max_size=120).map(str.encode),
)


@settings(max_examples=300, deadline=None)
@given(content=_BYTES, encoding=st.sampled_from([None, "cp1252", "utf-16"]))
def test_any_bytes_are_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, encoding: str | None
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    try:
        found: list[Result] | str = list(read_list(path, encoding))
    except UnusableList as refused:
        found = str(refused)
    # Either rows, or a refusal that names the file; any other exception fails the test.
    assert found
    assert isinstance(found, list) or str(path) in found


_NOTES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.just("\n"))


@settings(max_examples=100, deadline=None)
@given(notes=st.lists(st.tuples(_NOTES, st.booleans()), min_size=1, max_size=15))
def test_row_numbers_are_right_whatever_the_cells_hold(
    tmp_path_factory: pytest.TempPathFactory, notes: list[tuple[str, bool]]
) -> None:
    text = io.StringIO("phone,note\n")
    text.seek(0, io.SEEK_END)
    out = csv.writer(text, lineterminator="\n")
    expected = []
    for index, (note, is_good) in enumerate(notes):
        line = text.getvalue().count("\n") + 1
        number = f"+121255501{index:02d}"
        out.writerow([number if is_good else "555", note])
        expected.append((line, number if is_good else RejectKind.NUMBER))
    path = tmp_path_factory.getbasetemp() / "rows.csv"
    path.write_bytes(text.getvalue().encode())
    assert brief(list(read_list(path))) == expected

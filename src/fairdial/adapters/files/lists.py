"""Lead lists: CSV and its cousins, read row by row in bounded memory.

Finds out the separator and the encoding, refuses a file that is no list (`UnusableList`), and
hands every row to `core.intake`. A bad row never costs the others: it comes out as a
`RejectedRow`, which `rejects` writes down to be mended. Next stop: `flow.intake`.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Container, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from fairdial.adapters.files.lines import (
    LINE_CHARS_MAX,
    Line,
    encoding_of,
    open_file,
    read_lines,
)
from fairdial.core.intake import (
    CELL_CHARS_MAX,
    COLUMNS_MAX,
    SAMPLE_ROWS,
    ColumnMap,
    HeaderFault,
    NewLead,
    RejectedRow,
    RejectKind,
    read_header,
    read_row,
    reject_duplicate,
    text_column_fault,
)
from fairdial.exceptions import UnusableList

DELIMITERS = (",", ";", "\t", "|")
ROW_LINES_MAX = 200
"""The most lines that one row may span through quoted cells."""
ROWS_MAX = 2_000_000
"""The most rows of one list: the numbers seen are kept in memory to find duplicates."""
_SAMPLE_CHARS_MAX = 8_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSummary:
    """What a list held, up to the row that was read last."""

    rows: int
    """Rows read, without the header and empty rows."""
    leads: int
    rejected: int
    empty: int
    rejected_by_kind: Mapping[RejectKind, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """One row as the file has it: its cells, or why they cannot be told apart."""

    first: int
    last: int
    cells: tuple[str, ...]
    chars: int
    fault: RejectedRow | None = None


class ListReading(Iterator[NewLead | RejectedRow]):
    """A list being read, row by row. Made by `read_list`; closes its file at the end or by `with`.

    `next` raises `UnusableList` when the file turns out to be no list further down, so whoever
    imports does it in one transaction.
    """

    def __init__(
        self, path: Path, file: BinaryIO, asked: str | None, region: str, area_codes: Container[str]
    ) -> None:
        self.path = path
        self.encoding = encoding_of(path, file, asked)
        self._file = file
        self._region = region
        self._area_codes = area_codes
        lines = read_lines(path, file, self.encoding)
        self.delimiter, self.columns = _read_head(path, lines)
        self._records = _records(path, lines, self.delimiter)
        self._results = self._read()
        self._leads = 0
        self._empty = 0
        self._kinds: Counter[RejectKind] = Counter()
        self._sample = self._take_sample()

    @property
    def header(self) -> tuple[str, ...]:
        """The columns' names as the file has them."""
        return self.columns.header

    @property
    def summary(self) -> ListSummary:
        """The figures so far; those of the whole list once it is read to its end."""
        rejected = self._kinds.total()
        return ListSummary(
            rows=self._leads + rejected,
            leads=self._leads,
            rejected=rejected,
            empty=self._empty,
            rejected_by_kind=dict(self._kinds),
        )

    def close(self) -> None:
        """Close the file; reading on ends as if the list had ended."""
        self._results.close()
        self._file.close()

    def __enter__(self) -> ListReading:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> ListReading:
        return self

    def __next__(self) -> NewLead | RejectedRow:
        return next(self._results)

    def _take_sample(self) -> list[_Record]:
        """The first rows, read ahead to see that there are any and that the phones are phones."""
        sample: list[_Record] = []
        chars = 0
        for record in self._records:
            if _is_empty(record):
                self._empty += 1
                continue
            sample.append(record)
            chars += record.chars
            if len(sample) >= SAMPLE_ROWS or chars > _SAMPLE_CHARS_MAX:
                break
        if not sample:
            raise UnusableList(f"{self.path} holds a header but no rows: export it again.")
        why = text_column_fault(
            [r.cells for r in sample if r.fault is None],
            self.columns,
            region=self._region,
            area_codes=self._area_codes,
        )
        if why is not None:
            raise UnusableList(f"{self.path}: {why}")
        return sample

    def _read(self) -> Generator[NewLead | RejectedRow]:
        first_rows: dict[int, int] = {}
        try:
            for record in self._all_records():
                result = record.fault or self._one(record)
                if isinstance(result, NewLead):
                    # As integers: half the memory of text.
                    first = first_rows.setdefault(int(result.number[1:]), result.row)
                    if first != result.row:
                        result = reject_duplicate(result, first_row=first, original=record.cells)
                if isinstance(result, RejectedRow):
                    self._kinds[result.kind] += 1
                else:
                    self._leads += 1
                if self._leads + self._kinds.total() > ROWS_MAX:
                    raise UnusableList(
                        f"{self.path}, line {record.first}: more than {ROWS_MAX:,} rows. Split the "
                        "list into several files."
                    )
                yield result
        finally:
            self._file.close()

    def _all_records(self) -> Iterator[_Record]:
        sample, self._sample = self._sample, []
        yield from sample
        for record in self._records:
            if _is_empty(record):
                self._empty += 1
            else:
                yield record

    def _one(self, record: _Record) -> NewLead | RejectedRow:
        result = read_row(
            record.cells,
            self.columns,
            row=record.first,
            region=self._region,
            area_codes=self._area_codes,
        )
        if (
            isinstance(result, RejectedRow)
            and result.kind is RejectKind.CELL_COUNT
            and record.last > record.first
        ):
            return replace(
                result,
                why=f"{result.why} A quote joins lines {record.first} to {record.last} into it.",
            )
        return result


def read_list(
    path: Path,
    encoding: str | None = None,
    *,
    region: str = "US",
    area_codes: Container[str] = frozenset(),
) -> ListReading:
    """Open a list and read its header and first rows; the rest follows as it is iterated.

    `region` is the country of numbers written without a country code, `area_codes` are those in
    service beyond what the phone metadata knows (the rulebook's). Raises `UnusableList` with
    the place and the remedy when this is no list.
    """
    file = open_file(path)
    try:
        return ListReading(path, file, encoding, region, area_codes)
    except BaseException:
        file.close()
        raise


def _read_head(path: Path, lines: Iterator[Line]) -> tuple[str, ColumnMap]:
    """The separator and the columns, by the first line that is not blank."""
    stated: str | None = None
    for line in lines:
        if line.text is None:
            raise UnusableList(
                f"{path}, line {line.number}: {line.chars:,} characters are too many for a line "
                "of column names. Add a header line."
            )
        text = line.text.strip(" ")
        if not text:
            continue
        if stated is None and text[:4].lower() == "sep=" and text[4:] in DELIMITERS:
            # Excel's own way of naming the separator.
            stated = text[4:]
            continue
        return _columns(path, line, (stated,) if stated else DELIMITERS)
    raise UnusableList(f"{path} holds nothing but blank lines: export the list again.")


def _columns(path: Path, line: Line, delimiters: tuple[str, ...]) -> tuple[str, ColumnMap]:
    assert line.text is not None, "the caller has refused over-long lines"
    heads: list[tuple[str, list[str]]] = []
    for delimiter in delimiters:
        try:
            heads.append((delimiter, next(_csv_reader(iter([line.text]), delimiter))))
        except csv.Error:
            continue
    if not heads:
        raise UnusableList(
            f"{path}, line {line.number}: the quotes of the header do not pair. Every quoted "
            "column name begins and ends with one quote."
        )
    # The separator that shows a phone column is right; else the one that makes most columns.
    heads.sort(key=lambda head: -len(head[1]))
    for delimiter, cells in heads:
        columns = read_header(cells)
        if isinstance(columns, ColumnMap):
            return delimiter, columns
    fault = read_header(heads[0][1])
    assert isinstance(fault, HeaderFault), "every separator was tried above"
    raise UnusableList(f"{path}, line {line.number}: {fault.why}")


def _is_empty(record: _Record) -> bool:
    return record.fault is None and not any(cell.strip() for cell in record.cells)


class _Feed(Iterator[str]):
    """Hands the lines of one row to the csv reader, and no more of them than a row may have."""

    def __init__(self, path: Path, lines: Iterator[Line]) -> None:
        self._path = path
        self._lines = lines
        self._next: str | None = None
        self.taken: list[str] = []
        self.first = 0
        self.last = 0
        self.chars = 0

    def begin(self, line: Line) -> None:
        """Start a new row with this line."""
        self._next = line.text
        self.taken, self.chars = [], 0
        self.first = self.last = line.number

    def __next__(self) -> str:
        if self._next is not None:
            text, self._next = self._next, None
        else:
            # The csv reader asks for more only inside a quoted cell.
            line = next(self._lines, None)
            if line is None or line.text is None or self.last - self.first >= ROW_LINES_MAX:
                raise self.unbalanced()
            text, self.last = line.text, line.number
        self.taken.append(text)
        self.chars += len(text)
        if self.chars > LINE_CHARS_MAX:
            raise self.unbalanced()
        return text + "\n"

    def unbalanced(self) -> UnusableList:
        """Raised for the whole file: beyond an open quote no row can be told from the next."""
        return UnusableList(
            f"{self._path}, line {self.first}: a quote is opened and not closed within "
            f"{ROW_LINES_MAX} lines or before the end of the file. Close it, or remove it."
        )


def _records(path: Path, lines: Iterator[Line], delimiter: str) -> Iterator[_Record]:
    """The rows after the header, in order."""
    feed = _Feed(path, lines)
    reader = _csv_reader(feed, delimiter)
    for line in lines:
        if line.text is None:
            why = f"the row has {line.chars:,} characters; at most {LINE_CHARS_MAX:,} fit."
            yield _faulty(line.number, line.number, RejectKind.TOO_LONG, why, ())
            continue
        feed.begin(line)
        try:
            cells = tuple(next(reader))
        except csv.Error:
            why = (
                f"the quotes on {_lines_shown(feed)} do not pair: a quote inside a quoted cell is "
                "written twice."
            )
            fits = len(feed.taken) == 1 and feed.chars <= CELL_CHARS_MAX
            original = (feed.taken[0],) if fits else ()
            yield _faulty(feed.first, feed.last, RejectKind.QUOTING, why, original)
            continue
        if len(cells) > 2 * COLUMNS_MAX:
            why = f"the row has {len(cells):,} cells; at most {COLUMNS_MAX} columns can be read."
            yield _faulty(feed.first, feed.last, RejectKind.CELL_COUNT, why, ())
            continue
        yield _Record(first=feed.first, last=feed.last, cells=cells, chars=feed.chars)


def _faulty(
    first: int, last: int, kind: RejectKind, why: str, original: tuple[str, ...]
) -> _Record:
    fault = RejectedRow(line=first, kind=kind, why=why, original=original)
    return _Record(first=first, last=last, cells=(), chars=0, fault=fault)


def _lines_shown(feed: _Feed) -> str:
    if feed.first == feed.last:
        return f"line {feed.first}"
    return f"lines {feed.first} to {feed.last}"


def _csv_reader(lines: Iterator[str], delimiter: str) -> Iterator[list[str]]:
    # The limit belongs to the whole process, so it is only ever raised. Lines are bounded before
    # they come here, so a cell can never reach it.
    csv.field_size_limit(max(csv.field_size_limit(), 2 * LINE_CHARS_MAX))
    return csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)

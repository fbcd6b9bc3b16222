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
from typing import BinaryIO

from fairdial.adapters.files.lines import FileReading, Line, encoding_of, open_file, read_lines
from fairdial.adapters.files.rows import (
    DELIMITERS,
    Record,
    csv_reader,
    is_empty,
    read_records,
)
from fairdial.core.intake import (
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


class ListReading(FileReading[NewLead | RejectedRow]):
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
        self._records = read_records(path, lines, self.delimiter)
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

    def __next__(self) -> NewLead | RejectedRow:
        return next(self._results)

    def _take_sample(self) -> list[Record]:
        """The first rows, read ahead to see that there are any and that the phones are phones."""
        sample: list[Record] = []
        chars = 0
        for record in self._records:
            if is_empty(record):
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

    def _all_records(self) -> Iterator[Record]:
        sample, self._sample = self._sample, []
        yield from sample
        for record in self._records:
            if is_empty(record):
                self._empty += 1
            else:
                yield record

    def _one(self, record: Record) -> NewLead | RejectedRow:
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
            heads.append((delimiter, next(csv_reader(iter([line.text]), delimiter))))
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

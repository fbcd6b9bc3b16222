"""The rows of a delimited file: lines put together where a quoted cell spans several.

Hands out each row with its cells and its place, or with why its cells cannot be told apart. Reads
in bounded memory. What the cells mean is decided by whoever asks: `lists`, `facts`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fairdial.adapters.files.lines import LINE_CHARS_MAX, Line
from fairdial.core.intake import CELL_CHARS_MAX, COLUMNS_MAX, RejectedRow, RejectKind
from fairdial.exceptions import UnusableList

DELIMITERS = (",", ";", "\t", "|")
ROW_LINES_MAX = 200
"""The most lines that one row may span through quoted cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One row as the file has it: its cells, or why they cannot be told apart."""

    first: int
    last: int
    cells: tuple[str, ...]
    chars: int
    fault: RejectedRow | None = None


def is_empty(record: Record) -> bool:
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


def read_records(path: Path, lines: Iterator[Line], delimiter: str) -> Iterator[Record]:
    """The rows after the header, in order."""
    feed = _Feed(path, lines)
    reader = csv_reader(feed, delimiter)
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
        yield Record(first=feed.first, last=feed.last, cells=cells, chars=feed.chars)


def _faulty(first: int, last: int, kind: RejectKind, why: str, original: tuple[str, ...]) -> Record:
    fault = RejectedRow(line=first, kind=kind, why=why, original=original)
    return Record(first=first, last=last, cells=(), chars=0, fault=fault)


def _lines_shown(feed: _Feed) -> str:
    if feed.first == feed.last:
        return f"line {feed.first}"
    return f"lines {feed.first} to {feed.last}"


def csv_reader(lines: Iterator[str], delimiter: str) -> Iterator[list[str]]:
    # The limit belongs to the whole process, so it is only ever raised. Lines are bounded before
    # they come here, so a cell can never reach it.
    csv.field_size_limit(max(csv.field_size_limit(), 2 * LINE_CHARS_MAX))
    return csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)

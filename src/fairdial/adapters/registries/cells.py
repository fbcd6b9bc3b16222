"""The cells of a delimited text file, millions of rows at a time.

A row is not an object here: a piece of the file is one array of bytes, and its cells are where each
begins and ends. So a file of 250 million lines is read in a minute and in bounded memory. What the
cells mean is decided in `forms`. Raises `UnusableList` with the line for what is no plain text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from fairdial.exceptions import UnusableList

PIECE_BYTES = 1 << 22
LINE_BYTES_MAX = 1 << 16
DIGITS_MAX = 15
"""The most digits of a number (ITU-T E.164)."""

Places: TypeAlias = "npt.NDArray[np.int64]"
Bytes: TypeAlias = "npt.NDArray[np.uint8]"
Mask: TypeAlias = "npt.NDArray[np.bool_]"
Numbers: TypeAlias = "npt.NDArray[np.uint64]"


@dataclass(slots=True)
class Cells:
    """Some rows of a file."""

    path: Path
    buffer: Bytes
    lines: Places
    """The line of each row, counted from 1."""
    starts: Places
    """Rows × columns: where each cell begins in the buffer."""
    ends: Places

    def text(self, row: int) -> str:
        """A row as it stands in the file, for a message."""
        raw = bytes(self.buffer[self.starts[row, 0] : self.ends[row, -1]])
        return raw[:60].decode("ascii", "replace")

    def cell(self, row: int, column: int) -> str:
        """One cell."""
        raw = bytes(self.buffer[self.starts[row, column] : self.ends[row, column]])
        return raw[:80].decode("utf-8", "replace")

    def digits(self, column: int) -> tuple[Numbers, Places, Mask]:
        """Cells as unsigned numbers, how wide each is, and which are digits throughout."""
        return digits_of(self.buffer, self.starts[:, column], self.ends[:, column])

    def first_byte(self, column: int) -> Bytes:
        """The first byte of each cell; 0 for an empty one."""
        starts, ends = self.starts[:, column], self.ends[:, column]
        found = self.buffer[np.minimum(starts, len(self.buffer) - 1)].copy()
        found[starts == ends] = 0
        return found

    def fault(self, row: int, why: str) -> UnusableList:
        """What to raise about a row."""
        return UnusableList(f"{self.path}, line {self.lines[row]}: “{self.text(row)}”: {why}")


class Reading:
    """A file read in pieces of whole lines, with what was read so far."""

    def __init__(self, path: Path, file: BinaryIO, *, size: int, line: int = 1) -> None:
        self.path = path
        self.size = size
        self.bytes_read = file.tell()
        self.line = line
        """The next line."""
        self._file = file
        self._left = b""

    def pieces(self) -> Iterator[bytes]:
        """Pieces that end with a line, in order. The last line needs no line break."""
        while True:
            raw = self._file.read(PIECE_BYTES)
            self.bytes_read += len(raw)
            if not raw:
                break
            cut = raw.rfind(b"\n") + 1
            if not cut:
                if len(self._left) + len(raw) > PIECE_BYTES + LINE_BYTES_MAX or len(raw) > (
                    LINE_BYTES_MAX
                ):
                    raise self._endless()
                self._left += raw
                continue
            yield self._left + raw[:cut]
            self._left = raw[cut:]
            if len(self._left) > LINE_BYTES_MAX:
                raise self._endless()
        if self._left:
            yield self._left + b"\n"

    def _endless(self) -> UnusableList:
        return UnusableList(
            f"{self.path}, after line {self.line}: no line ends within {LINE_BYTES_MAX:,} "
            "characters, so this is no list of numbers."
        )

    @property
    def is_cut_off(self) -> bool:
        """Whether the file ended without a line break."""
        return bool(self._left)

    def cells(self, separator: str, columns: int) -> Iterator[Cells]:
        """All rows with at most so many cells; missing ones at the end are empty."""
        for piece in self.pieces():
            yield from self._cells(piece, ord(separator), columns)

    def _cells(self, piece: bytes, separator: int, columns: int) -> Iterator[Cells]:
        buffer = np.frombuffer(piece, np.uint8)
        self._refuse_what_is_no_text(buffer)
        lines, starts, ends = rows_of(buffer, self.line)
        self.line += int(np.count_nonzero(buffer == 10))
        if not len(lines):
            return
        commas = np.flatnonzero(buffer == separator)
        cells = Cells(self.path, buffer, lines, starts[:, None], ends[:, None])
        places = split(starts, ends, commas, columns)
        if places is None:
            row = too_many(starts, ends, commas, columns)
            raise cells.fault(row, f"more than {columns} cells, which do not belong there.")
        cells.starts, cells.ends = places
        _strip(cells)
        yield cells

    def _refuse_what_is_no_text(self, buffer: Bytes) -> None:
        bad = np.flatnonzero((buffer > 126) | (buffer == 0))
        if len(bad):
            at = int(bad[0])
            line = self.line + int(np.count_nonzero(buffer[:at] == 10))
            what = "a NUL byte" if buffer[at] == 0 else f"the byte 0x{int(buffer[at]):02x}"
            raise UnusableList(
                f"{self.path}, line {line}: {what}, which no registry's file holds. It is damaged, "
                "or not plain text: download it again, or save it as CSV UTF-8."
            )


def digits_of(buffer: Bytes, starts: Places, ends: Places) -> tuple[Numbers, Places, Mask]:
    """Stretches of text as unsigned numbers, how wide each is, and which are digits throughout."""
    widths = ends - starts
    values = np.zeros(len(starts), np.uint64)
    good = (widths > 0) & (widths <= DIGITS_MAX)
    widest = int(widths[good].max(initial=0))
    even = bool((widths == widest).all()) and widest > 0
    last = len(buffer) - 1
    for place in range(widest):
        here = starts + place
        if not even:
            np.minimum(here, last, out=here)
        digit = buffer[here] - np.uint8(48)
        if even:
            good &= digit <= 9
            values *= np.uint64(10)
            values += digit
        else:
            inside = place < widths
            good &= (digit <= 9) | ~inside
            values = np.where(inside, values * np.uint64(10) + digit, values)
    return values, widths, good


def rows_of(buffer: Bytes, line: int) -> tuple[Places, Places, Places]:
    """The rows of a piece that ends with a line: the line of each, where it begins and ends.

    Empty lines are left out.
    """
    breaks = np.flatnonzero(buffer == 10)
    lines = np.arange(line, line + len(breaks))
    starts = np.concatenate(([0], breaks[:-1] + 1)) if len(breaks) else breaks
    ends = breaks.copy()
    ends -= (ends > starts) & (buffer[ends - 1] == 13)
    full = ends > starts
    if full.all():
        return lines, starts, ends
    return lines[full], starts[full], ends[full]


def split(
    starts: Places, ends: Places, commas: Places, columns: int, *, has_more: bool = False
) -> tuple[Places, Places] | None:
    """Where the cells of rows begin and end, rows × columns; missing ones are empty.

    None when a row has more than `columns`, unless `has_more`: then the last one holds the rest.
    """
    rows = len(starts)
    if columns == 1:
        return None if len(commas) and not has_more else (starts[:, None], ends[:, None])
    if len(commas) == rows * (columns - 1):
        cuts = commas.reshape(rows, columns - 1)
        if bool((cuts[:, 0] >= starts).all()) and bool((cuts[:, -1] < ends).all()):
            return np.column_stack((starts, cuts + 1)), np.column_stack((cuts, ends))
    first = np.searchsorted(commas, starts)
    count = np.searchsorted(commas, ends) - first
    if not has_more and bool((count >= columns).any()):
        return None
    padded = np.concatenate((commas, np.zeros(columns, np.int64)))
    begins, stops = np.empty((2, rows, columns), np.int64)
    begins[:, 0] = starts
    for column in range(columns - 1):
        cut = np.where(column < count, padded[first + column], ends)
        stops[:, column] = cut
        begins[:, column + 1] = np.minimum(cut + 1, ends)
    stops[:, -1] = ends
    return begins, stops


def too_many(starts: Places, ends: Places, commas: Places, columns: int) -> int:
    """The first row with more than so many cells."""
    count = np.searchsorted(commas, ends) - np.searchsorted(commas, starts)
    return int(np.flatnonzero(count >= columns)[0])


def _strip(cells: Cells) -> None:
    """Leave out spaces and quotation marks around cells, where a piece has any."""
    for sign in (32, 34, 32):
        if not (cells.buffer == sign).any():
            continue
        for _ in range(4):
            last = len(cells.buffer) - 1
            inside = cells.ends > cells.starts
            front = inside & (cells.buffer[np.minimum(cells.starts, last)] == sign)
            cells.starts = cells.starts + front
            inside = cells.ends > cells.starts
            back = inside & (cells.buffer[cells.ends - 1] == sign)
            cells.ends = cells.ends - back
            if not front.any() and not back.any():
                break


def checksum(path: Path) -> str:
    """The SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

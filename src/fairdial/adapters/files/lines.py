"""The lines of a text file, decoded strictly and in bounded memory.

Reads in pieces, so a file of any size, or a single line of any length, costs the same memory.
Refuses what is no text with the byte offset, the line and the remedy. Knows nothing of cells.
"""

from __future__ import annotations

import codecs
import io
import re
import stat
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeVar

from fairdial.exceptions import UnusableList

T_co = TypeVar("T_co", covariant=True)

CHUNK_BYTES = 65_536
LINE_CHARS_MAX = 1_000_000
"""The longest line that is kept; a longer one is counted and passed on without its text."""
LINE_CHARS_ENDLESS = 16_000_000
"""A line without an end within so many characters ends the reading."""
ENCODINGS = ("utf-8", "utf-16", "cp1252", "iso-8859-1", "iso-8859-15", "mac-roman")
"""What may be asked for. Without asking: UTF-8, or what a byte order mark names."""

_MAGIC = (
    (b"PK\x03\x04", "an Excel workbook (xlsx) or a zip archive: save the sheet as CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (xls): save the sheet as CSV UTF-8"),
    (b"%PDF", "a PDF document: ask for the list as CSV"),
    (b"\x1f\x8b", "compressed with gzip: unpack it first"),
    (b"\xfd7zXZ", "compressed with xz: unpack it first"),
    (b"BZh", "compressed with bzip2: unpack it first"),
    (b"SQLite format 3", "an SQLite database: export the table as CSV"),
)


class FileReading(Iterator[T_co]):
    """A file being read, item by item; `with` closes it, however the reading ends."""

    @abstractmethod
    def close(self) -> None:
        """Close the file; reading on ends as if the file had ended."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One physical line, without its line break."""

    number: int
    """Counted from 1, as editors do."""
    text: str | None
    """None when the line is longer than `LINE_CHARS_MAX`."""
    chars: int


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading; every way in which that fails is an `UnusableList`."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UnusableList(f"{path} is a folder: name the file inside it.")
        if not stat.S_ISREG(mode):
            # A pipe or a device may never end, or never begin.
            raise UnusableList(f"{path} is no regular file: save it to a file first.")
        return path.open("rb")
    except FileNotFoundError:
        raise UnusableList(f"{path} does not exist: check the spelling and the folder.") from None
    except PermissionError:
        raise UnusableList(
            f"{path} must not be read by this user: give the account that runs Fairdial the "
            "permission to read it."
        ) from None
    except (OSError, ValueError) as error:
        raise UnusableList(f"{path} cannot be opened: {error}.") from error


def encoding_of(path: Path, file: BinaryIO, asked: str | None) -> str:
    """The file's encoding by its first bytes, or what was asked for; leaves the file at its start.

    A byte order mark wins: no text in another encoding begins with one.
    """
    if asked is not None and asked.lower() not in ENCODINGS:
        raise UnusableList(
            f"{path}: the encoding {asked!r} is not known here. Use one of {', '.join(ENCODINGS)}."
        )
    start = file.read(16)
    file.seek(0)
    if not start:
        raise UnusableList(f"{path} is empty (0 bytes): export the list again.")
    for magic, what in _MAGIC:
        if start.startswith(magic):
            raise UnusableList(f"{path} is {what}.")
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise UnusableList(f"{path} is UTF-32 text: save it as UTF-8.")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8" if asked is None else asked.lower()


def read_lines(path: Path, file: BinaryIO, encoding: str) -> Iterator[Line]:
    """The lines of an open file. Line breaks may be LF, CR LF or CR."""
    number, parts, chars = 1, [], 0
    for text in _decoded(path, file, encoding):
        *ended, rest = text.split("\n")
        for piece in ended:
            parts.append(piece)
            yield _line(number, parts, chars + len(piece))
            number, parts, chars = number + 1, [], 0
        chars += len(rest)
        if chars > LINE_CHARS_ENDLESS:
            raise UnusableList(
                f"{path}, line {number}: the line does not end within {LINE_CHARS_ENDLESS:,} "
                "characters, so this is no list of rows. Export it again."
            )
        if chars <= LINE_CHARS_MAX:
            parts.append(rest)
    if chars:
        yield _line(number, parts, chars)


def _line(number: int, parts: list[str], chars: int) -> Line:
    text = "".join(parts) if chars <= LINE_CHARS_MAX else None
    return Line(number=number, text=text, chars=chars)


def _decoded(path: Path, file: BinaryIO, encoding: str) -> Iterator[str]:
    """The file's text in pieces, every line break a `\\n`."""
    decoder = codecs.getincrementaldecoder(encoding)()
    breaks = io.IncrementalNewlineDecoder(None, translate=True)
    offset, line, raw = 0, 1, b"-"
    while raw:
        try:
            raw = file.read(CHUNK_BYTES)
        except OSError as error:
            raise UnusableList(f"{path} cannot be read after byte {offset}: {error}.") from error
        pending = len(decoder.getstate()[0])
        carried = b"\r" if breaks.getstate()[1] & 1 else b""
        try:
            text = decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            line += _breaks(carried + error.object[: error.start])
            raise _undecodable(path, encoding, offset - pending + error.start, line) from None
        except UnicodeError as error:
            raise UnusableList(f"{path} is no {encoding} text: {error}.") from None
        nul = text.find("\0")
        if nul >= 0:
            line += _breaks(carried + text[:nul].encode("utf-8"))
            # Only the exact byte of single-byte text can be named without decoding twice.
            near = "near" if encoding.startswith("utf") else "at"
            raise UnusableList(
                f"{path}, line {line}, {near} byte {offset - pending + nul}: a NUL byte, so this "
                "is a binary file or UTF-16 text without a byte order mark. Save it as CSV UTF-8."
            )
        text = breaks.decode(text, final=not raw)
        line += text.count("\n")
        offset += len(raw)
        yield text


def _breaks(raw: bytes) -> int:
    return len(re.findall(rb"\r\n|\r|\n", raw))


def _undecodable(path: Path, encoding: str, offset: int, line: int) -> UnusableList:
    name = "utf-8" if encoding == "utf-8-sig" else encoding
    where = f"{path}, line {line}, byte offset {offset}"
    if name == "utf-8":
        return UnusableList(
            f"{where}: not UTF-8 text. Save the file as CSV UTF-8; if it comes from an older "
            "Windows program, import it with --encoding cp1252 and check the names."
        )
    return UnusableList(f"{where}: not {name} text. Save the file as CSV UTF-8.")

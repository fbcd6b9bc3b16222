"""The file of one version of a registry: written once, then only mapped.

A header, then blocks of a million numbers each, keyed by the E.164 number // 1,000,000 and kept
only where a number is listed; a sorted index; and the days of registration that are young enough
to matter. A block is a bitmap of 125,000 bytes, or a sorted row of offsets where that is smaller,
so 250 million US numbers take about 350 MB and a state's few thousand take kilobytes. Looking one
number up is two halvings and one byte, without numpy; every process that maps the file shares its
pages. The file says itself whether it is whole. Which version is in force is not known here.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import sys
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO

from fairdial.exceptions import RegistryUnavailable

MAGIC = b"FAIRDNC\n"
FORMAT = 1
BLOCK = 1_000_000
"""Numbers of one block."""
BITMAP_BYTES = BLOCK // 8
SPARSE_MAX = BITMAP_BYTES // 4 - 1
"""The most numbers that take less room as 4-byte offsets than as a bitmap."""
DATA_AT = 4096
"""Where the blocks begin: the header has a page of its own."""

_HEADER = struct.Struct("<8sIIQQQII64s32s")
"""Magic, format, blocks, entries, where the index is, where the days are, days, as-of, name,
SHA-256 of all that follows the header's page. A SHA-256 of the header itself comes after it."""

assert sys.byteorder == "little", "the files are mapped as they are, little-endian"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The listed numbers of one block."""

    key: int
    """The number // 1,000,000."""
    count: int
    content: bytes | memoryview
    """A bitmap, lowest bit first; or `count` sorted offsets of 4 bytes when `count` is small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written."""

    sha256: str
    entries: int
    size: int
    """Bytes."""


def write_file(
    path: Path,
    *,
    name: str,
    as_of: date,
    blocks: Iterable[Block],
    days: tuple[bytes, bytes],
    marks_from: int,
) -> Written:
    """Write a version whole and safe on the disk, under a name that did not exist.

    `days` are the sorted numbers (8 bytes each) with a day of registration, and those days as
    ordinals (4 bytes each). Blocks from key `marks_from` on are marks and no entries. Until the
    header is written, last, the file is none.
    """
    digest = hashlib.sha256()
    keys, offsets, counts = bytearray(), bytearray(), bytearray()
    entries = 0
    with path.open("xb") as file:
        file.seek(DATA_AT)
        at = DATA_AT

        def put(content: bytes | bytearray | memoryview) -> None:
            nonlocal at
            file.write(content)
            digest.update(content)
            at += len(content)

        for block in blocks:
            assert len(block.content) == size_of(block.count), "a block has its count's size"
            keys += block.key.to_bytes(8, "little")
            offsets += at.to_bytes(8, "little")
            counts += block.count.to_bytes(4, "little")
            if block.key < marks_from:
                entries += block.count
            put(block.content)
        put(bytes(-at % 8))
        index_at = at
        for index in (keys, offsets, counts):
            put(index)
        put(bytes(-at % 8))
        days_at = at
        for column in days:
            put(column)
        put(bytes(-at % 8))
        header = _HEADER.pack(
            *(MAGIC, FORMAT, len(keys) // 8, entries, index_at, days_at, len(days[0]) // 8),
            *(as_of.toordinal(), name.encode()[:64], digest.digest()),
        )
        file.truncate(at)
        file.seek(0)
        file.write(header + hashlib.sha256(header).digest())
        file.flush()
        os.fsync(file.fileno())
    return Written(sha256=digest.hexdigest(), entries=entries, size=at)


def size_of(count: int) -> int:
    """The bytes of a block of so many numbers."""
    return count * 4 if count <= SPARSE_MAX else BITMAP_BYTES


class BlockFile:
    """An open version. It stays readable for whoever has it open, even when the file is removed.

    Opening raises `RegistryUnavailable` for what is missing, cut off, foreign or altered in its
    header; `verify` reads all of it.
    """

    def __init__(self, path: Path, *, sha256: str | None = None) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self.map = _mapped(path, file)
        except OSError as error:
            raise RegistryUnavailable(
                f"The registry file {path} cannot be opened: {error.strerror}. What to do: bring "
                "it back from a backup, or import that registry again."
            ) from error
        raw = self.map[: _HEADER.size]
        sealed = self.map[_HEADER.size : _HEADER.size + 32]
        magic, form, blocks, entries, index_at, days_at, days, as_of, name, digest = _HEADER.unpack(
            raw
        )
        if magic != MAGIC or hashlib.sha256(raw).digest() != sealed:
            raise _damaged(path, "its header is none of a registry file")
        if form != FORMAT:
            raise _damaged(path, f"it has format {form}, this version of Fairdial reads {FORMAT}")
        end = days_at + days * 12
        if len(self.map) != end + -end % 8:
            raise _damaged(path, f"it has {len(self.map):,} bytes in place of {end:,}")
        if sha256 is not None and digest.hex() != sha256:
            raise _damaged(path, "it is another version than the one that was published")
        self.name: str = name.rstrip(b"\0").decode()
        self.entries: int = entries
        self.as_of = date.fromordinal(as_of)
        self.sha256: str = digest.hex()
        self.blocks: int = blocks
        self.days: int = days
        self.index_at: int = index_at
        self.days_at: int = days_at
        view = memoryview(self.map)
        self._longs = view.cast("Q")
        self._words = view.cast("I")
        self._keys_from = index_at // 8
        self._keys_to = self._keys_from + blocks
        self._counts_from = (index_at + 16 * blocks) // 4

    def has(self, number: int) -> bool:
        """Whether the number, its digits as an integer, is listed."""
        key, rest = divmod(number, BLOCK)
        at = bisect_left(self._longs, key, self._keys_from, self._keys_to)
        if at == self._keys_to or self._longs[at] != key:
            return False
        start = self._longs[at + self.blocks]
        count = self._words[self._counts_from + at - self._keys_from]
        if count > SPARSE_MAX:
            return bool(self.map[start + (rest >> 3)] >> (rest & 7) & 1)
        low, high = start // 4, start // 4 + count
        found = bisect_left(self._words, rest, low, high)
        return found < high and self._words[found] == rest

    def registered_on(self, number: int) -> date | None:
        """The day a listed number was registered; None when that is unknown, or long ago."""
        low = self.days_at // 8
        high = low + self.days
        at = bisect_left(self._longs, number, low, high)
        if at == high or self._longs[at] != number:
            return None
        return date.fromordinal(self._words[2 * high + at - low])

    def verify(self) -> None:
        """Read the whole file and hold it against its seal. Raises `RegistryUnavailable`."""
        digest = hashlib.sha256()
        for at in range(DATA_AT, len(self.map), 1 << 22):
            digest.update(self.map[at : at + (1 << 22)])
        if digest.hexdigest() != self.sha256:
            raise _damaged(self.path, "its content is not what was written")


def _mapped(path: Path, file: BinaryIO) -> mmap.mmap:
    if os.fstat(file.fileno()).st_size < DATA_AT:
        raise _damaged(path, "it is cut off")
    return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)


def _damaged(path: Path, why: str) -> RegistryUnavailable:
    return RegistryUnavailable(
        f"The registry file {path} must not be used: {why}. What to do: bring it back from a "
        "backup, or import that registry again."
    )

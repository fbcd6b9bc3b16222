"""Gathering numbers into blocks, and asking a version about millions of numbers at once.

Arrays in, arrays out: a row at a time would take hours for a registry. A block begins as a sorted
row of offsets and becomes a bitmap when that is smaller, so a registry of 250 million numbers is
built in about as much memory as its file takes. Where numbers come from is not known here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from fairdial.adapters.registries.block_file import (
    BITMAP_BYTES,
    BLOCK,
    SPARSE_MAX,
    Block,
    BlockFile,
)

Numbers: TypeAlias = "npt.NDArray[np.uint64]"
Offsets: TypeAlias = "npt.NDArray[np.uint32]"
Bitmap: TypeAlias = "npt.NDArray[np.uint8]"
Mask: TypeAlias = "npt.NDArray[np.bool_]"

TABLE_KEYS_MAX = 1 << 20
"""As long as a file's keys lie this near together, a table finds a block faster than halving."""
WHOLE_BLOCK = 50_000
"""From so many numbers of one block on, packing all its bits is cheaper than setting each."""

_NONE: Offsets = np.empty(0, np.uint32)


@dataclass(slots=True)
class _Growing:
    """One block while it is built: offsets until a bitmap is smaller."""

    offsets: Offsets = field(default_factory=lambda: _NONE)
    bitmap: Bitmap | None = None

    def has(self, rest: Offsets) -> Mask:
        if self.bitmap is not None:
            return bits_of(self.bitmap, rest)
        return _is_in(self.offsets, rest)

    def add(self, rest: Offsets) -> None:
        if self.bitmap is None and len(self.offsets) + len(rest) <= SPARSE_MAX:
            self.offsets = np.union1d(self.offsets, rest) if len(self.offsets) else rest.copy()
            return
        if self.bitmap is None:
            self.bitmap, self.offsets = bitmap_of(self.offsets), _NONE
        if len(rest) >= WHOLE_BLOCK:
            self.bitmap |= bitmap_of(rest)
        else:
            where, bits = _bytes_of(rest)
            self.bitmap[where] |= bits

    def remove(self, rest: Offsets) -> None:
        if self.bitmap is None:
            self.offsets = np.setdiff1d(self.offsets, rest, assume_unique=True)
        else:
            where, bits = _bytes_of(rest)
            self.bitmap[where] &= ~bits

    def frozen(self, key: int) -> Block | None:
        """As it lies in a file; None when nothing is listed."""
        if self.bitmap is None:
            return _sparse(key, self.offsets)
        count = int(np.bitwise_count(self.bitmap).sum(dtype=np.int64))
        if count <= SPARSE_MAX:
            return _sparse(key, offsets_of(self.bitmap))
        return Block(key=key, count=count, content=self.bitmap.data)


class Gathering:
    """A set of numbers that grows, begun empty or with what a former version lists."""

    def __init__(self, former: Bulk | None = None) -> None:
        self._former = former
        self._blocks: dict[int, _Growing] = {}

    def add(self, numbers: Numbers) -> Numbers:
        """List numbers; returns those that were there before, or twice among them, ascending."""
        ordered, repeated = _ascending(numbers)
        known: list[Numbers] = [repeated]
        for key, rest in _by_block(ordered):
            block = self._block(key)
            there = block.has(rest)
            if there.any():
                known.append(rest[there].astype(np.uint64) + np.uint64(key * BLOCK))
            block.add(rest)
        return np.unique(np.concatenate(known))

    def remove(self, numbers: Numbers) -> Numbers:
        """Take numbers off; returns those that were not there, ascending."""
        ordered, _ = _ascending(numbers)
        strange: list[Numbers] = [ordered[:0]]
        for key, rest in _by_block(ordered):
            block = self._block(key)
            there = block.has(rest)
            if not there.all():
                strange.append(rest[~there].astype(np.uint64) + np.uint64(key * BLOCK))
            block.remove(rest[there])
        return np.concatenate(strange)

    def has(self, numbers: Numbers) -> Mask:
        """Which of the numbers are listed by now."""
        order = np.argsort(numbers, kind="stable")
        found = np.zeros(len(numbers), np.bool_)
        at = 0
        for key, rest in _by_block(numbers[order]):
            found[order[at : at + len(rest)]] = self._block(key).has(rest)
            at += len(rest)
        return found

    def keys(self) -> list[int]:
        """The keys of all blocks, ascending; some may list nothing any more."""
        former = () if self._former is None else self._former.keys.tolist()
        return sorted({*former, *self._blocks})

    def block(self, key: int) -> Block | None:
        """One block as it is to be written."""
        if key in self._blocks:
            return self._blocks[key].frozen(key)
        return None if self._former is None else self._former.block(key)

    def _block(self, key: int) -> _Growing:
        found = self._blocks.get(key)
        if found is None:
            found = self._blocks[key] = _Growing()
            former = None if self._former is None else self._former.block(key)
            if former is not None:
                bits = array_of(former)
                if former.count <= SPARSE_MAX:
                    found.offsets = bits.view(np.uint32)
                else:
                    found.bitmap = bits.copy()
        return found


class Bulk:
    """An open version, asked about many numbers at once."""

    def __init__(self, file: BlockFile) -> None:
        self.file = file
        self._map: Bitmap = np.frombuffer(file.map, np.uint8)
        at, blocks = file.index_at, file.blocks
        self.keys: Numbers = np.frombuffer(file.map, np.uint64, blocks, at)
        self.offsets: Numbers = np.frombuffer(file.map, np.uint64, blocks, at + 8 * blocks)
        self.counts: Offsets = np.frombuffer(file.map, np.uint32, blocks, at + 16 * blocks)
        self.day_numbers: Numbers = np.frombuffer(file.map, np.uint64, file.days, file.days_at)
        self.days: Offsets = np.frombuffer(
            file.map, np.uint32, file.days, file.days_at + 8 * file.days
        )
        self._first = int(self.keys[0]) if blocks else 0
        self._table: npt.NDArray[np.int32] | None = None
        if blocks and int(self.keys[-1]) - self._first < TABLE_KEYS_MAX:
            self._table = np.full(int(self.keys[-1]) - self._first + 1, -1, np.int32)
            self._table[self.keys.astype(np.int64) - self._first] = np.arange(blocks)

    def has(self, numbers: Numbers) -> Mask:
        """Which of the numbers are listed."""
        if not len(self.keys):
            return np.zeros(len(numbers), np.bool_)
        keys = numbers // np.uint64(BLOCK)
        rest = (numbers - keys * np.uint64(BLOCK)).astype(np.uint32)
        at = self._at(keys)
        counts = self.counts[at]
        dense = (at >= 0) & (counts > SPARSE_MAX)
        where = self.offsets[at] + (rest >> np.uint32(3))
        where[~dense] = 0
        bits = self._map[where] >> (rest & np.uint32(7)).astype(np.uint8)
        found: Mask = dense & np.not_equal(bits & np.uint8(1), 0)
        sparse = np.flatnonzero((at >= 0) & ~dense)
        if len(sparse):
            order = sparse[np.argsort(at[sparse], kind="stable")]
            cuts = np.flatnonzero(np.diff(at[order])) + 1
            for rows in np.split(order, cuts):
                found[rows] = _is_in(self._offsets(int(at[rows[0]])), rest[rows])
        return found

    def block(self, key: int) -> Block | None:
        """One block, as it lies in the file."""
        at = int(self._at(np.array([key], np.uint64))[0])
        if at < 0:
            return None
        start, count = int(self.offsets[at]), int(self.counts[at])
        size = count * 4 if count <= SPARSE_MAX else BITMAP_BYTES
        return Block(key=key, count=count, content=self._map[start : start + size].data)

    def _at(self, keys: Numbers) -> npt.NDArray[np.int64]:
        """Where in the index each key stands; -1 for a key that does not."""
        if self._table is not None:
            away = keys.astype(np.int64) - self._first
            inside = (away >= 0) & (away < len(self._table))
            away[~inside] = 0
            at = self._table[away].astype(np.int64)
            at[~inside] = -1
            return at
        at = np.searchsorted(self.keys, keys).astype(np.int64)
        at[at == len(self.keys)] = 0
        if len(self.keys):
            at[self.keys[at] != keys] = -1
        else:
            at[:] = -1
        return at

    def _offsets(self, at: int) -> Offsets:
        start, count = int(self.offsets[at]), int(self.counts[at])
        return self._map[start : start + 4 * count].view(np.uint32)


def difference(new: Block | None, old: Block | None) -> tuple[int, int]:
    """How many numbers of a block were added and removed between two versions of it."""
    if new is None or old is None:
        return (new.count if new else 0, old.count if old else 0)
    both = int(
        np.bitwise_count(_bitmap(new) & _bitmap(old)).sum(dtype=np.int64)
        if max(new.count, old.count) > SPARSE_MAX
        else len(np.intersect1d(array_of(new).view(np.uint32), array_of(old).view(np.uint32)))
    )
    return new.count - both, old.count - both


def array_of(block: Block) -> Bitmap:
    """A block's content as bytes; what lies in a file is not copied."""
    return np.frombuffer(block.content, np.uint8)


def bitmap_of(rest: Offsets) -> Bitmap:
    """A bitmap of offsets, which need no order."""
    seen = np.zeros(BLOCK, np.uint8)
    seen[rest] = 1
    return np.packbits(seen, bitorder="little")


def offsets_of(bitmap: Bitmap) -> Offsets:
    """The offsets that are set in a bitmap, ascending."""
    return np.flatnonzero(np.unpackbits(bitmap, bitorder="little")).astype(np.uint32)


def bits_of(bitmap: Bitmap, rest: Offsets) -> Mask:
    """Which offsets are set."""
    bits = bitmap[rest >> np.uint32(3)] >> (rest & np.uint32(7)).astype(np.uint8)
    found: Mask = np.not_equal(bits & np.uint8(1), 0)
    return found


def _bitmap(block: Block) -> Bitmap:
    bits = array_of(block)
    return bits if block.count > SPARSE_MAX else bitmap_of(bits.view(np.uint32))


def _sparse(key: int, offsets: Offsets) -> Block | None:
    if not len(offsets):
        return None
    return Block(key=key, count=len(offsets), content=offsets.tobytes())


def _is_in(listed: Offsets, rest: Offsets) -> Mask:
    """Which offsets stand in a sorted row of offsets."""
    if not len(listed):
        return np.zeros(len(rest), np.bool_)
    at = np.searchsorted(listed, rest)
    at[at == len(listed)] = 0
    found: Mask = np.equal(listed[at], rest)
    return found


def _bytes_of(rest: Offsets) -> tuple[npt.NDArray[np.int64], Bitmap]:
    """Ascending offsets as the bytes of a bitmap that they touch, and the bits in each."""
    if not len(rest):
        return np.empty(0, np.int64), np.empty(0, np.uint8)
    where = (rest >> np.uint32(3)).astype(np.int64)
    bits = np.uint8(1) << (rest & np.uint32(7)).astype(np.uint8)
    starts = np.flatnonzero(np.concatenate(([True], where[1:] != where[:-1])))
    return where[starts], np.bitwise_or.reduceat(bits, starts)


def _ascending(numbers: Numbers) -> tuple[Numbers, Numbers]:
    """The numbers in order and each once; and those that were there twice or more."""
    if len(numbers) < 2 or bool((numbers[1:] > numbers[:-1]).all()):
        return numbers, numbers[:0]
    ordered = np.sort(numbers)
    again = np.concatenate(([False], ordered[1:] == ordered[:-1]))
    if not again.any():
        return ordered, ordered[:0]
    return ordered[~again], np.unique(ordered[again])


def _by_block(ordered: Numbers) -> Iterator[tuple[int, Offsets]]:
    """Ascending numbers, block by block."""
    if not len(ordered):
        return
    keys = ordered // np.uint64(BLOCK)
    starts = [0, *(np.flatnonzero(keys[1:] != keys[:-1]) + 1).tolist(), len(ordered)]
    for start, end in itertools.pairwise(starts):
        key = int(keys[start])
        yield key, (ordered[start:end] - np.uint64(key * BLOCK)).astype(np.uint32)

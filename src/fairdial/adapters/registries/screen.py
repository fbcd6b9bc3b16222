"""Screening a list: millions of rows held against every registry and stop request at once.

A list is read like a registry's file where its rows are plain, and row by row where they are not;
no row is passed over. What is written is each number that is listed, that no registry was asked
about, or that cannot be read, with the reasons. Nothing here allows a call: the permit judges.
"""

from __future__ import annotations

import csv
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np

from fairdial.adapters.files.lines import encoding_of, open_file
from fairdial.adapters.registries.block_file import BlockFile
from fairdial.adapters.registries.blocks import Bulk, Mask, Numbers
from fairdial.adapters.registries.cells import Bytes, Places, Reading, digits_of, rows_of, split
from fairdial.adapters.registries.library import MARK
from fairdial.core.intake import ACCEPTED_NAMES, Role, header_key
from fairdial.core.number import NumberFault, parse_e164
from fairdial.core.registry import Coverage, RegistryCopy
from fairdial.exceptions import UnusableList
from fairdial.ports import RegistryProgress

ROWS = 100_000
"""Rows that are read one by one before they are looked up together."""
STOP_REQUEST = "stop request"
UNREADABLE = "no number that can be read"

_NANP = np.uint64(10**10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A version in force, with what it covers."""

    copy: RegistryCopy
    file: BlockFile


@dataclass(slots=True, kw_only=True)
class Screened:
    """What came of a list."""

    rows: int = 0
    listed: int = 0
    """Rows with at least one reason."""
    by_reason: Counter[str] = field(default_factory=Counter)


def screen(
    path: Path,
    out: Path,
    sources: Iterable[Source],
    stop_requested: Iterable[str],
    *,
    countries: Mapping[str, str | None],
    column: str | None = None,
    say: Callable[[RegistryProgress], None] = lambda _: None,
) -> Screened:
    """Screen a list and write what stands against its numbers to `out`, whole or not at all.

    Raises `UnusableList` for a file without a column of numbers.
    """
    judge = _Judge(sources, stop_requested, countries)
    part = out.with_name(f".{out.name}.part")
    done = Screened()
    try:
        with open_file(path) as file, part.open("w", encoding="utf-8") as written:
            written.write("number,reasons\n")
            encoding = encoding_of(path, file, None)
            if encoding not in ("utf-8", "utf-8-sig"):
                raise UnusableList(f"{path} is {encoding} text: save it as CSV UTF-8.")
            file.seek(3 if encoding == "utf-8-sig" else 0)
            size = max(1, path.stat().st_size)
            begin = file.tell()
            head = file.readline(1 << 16).decode("utf-8", "replace").strip("\r\n")
            separator = next((s for s in ",;\t|" if s in head), ",")
            at, has_names = _column(path, next(csv.reader([head], delimiter=separator), []), column)
            if not has_names:
                file.seek(begin)
            reading = Reading(path, file, size=size)
            for numbers, unreadable in _numbers(reading, separator, at):
                judge.write(numbers, unreadable, written, done)
                say(
                    RegistryProgress(
                        what="screening", done=reading.bytes_read, total=size, rows=done.rows
                    )
                )
        part.replace(out)
    except OSError as error:
        raise UnusableList(f"{out} cannot be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
    return done


class _Judge:
    """Every reason that may stand against a number, each a bit."""

    def __init__(
        self,
        sources: Iterable[Source],
        stop_requested: Iterable[str],
        countries: Mapping[str, str | None],
    ) -> None:
        self._stops: Numbers = np.unique(np.fromiter((int(n) for n in stop_requested), np.uint64))
        self._tests: list[tuple[str, Callable[[Numbers], Mask]]] = [(STOP_REQUEST, self._stopped)]
        for source in sources:
            bulk = Bulk(source.file)
            name = source.copy.setup.name
            self._tests.append((name, bulk.has))
            test = _uncovered(source.copy, bulk, countries)
            if test is not None:
                self._tests.append((f"never looked into {name}", test))
        self._texts: dict[int, str] = {}

    def write(
        self, numbers: Numbers, unreadable: list[str], written: TextIO, done: Screened
    ) -> None:
        """Hold some rows against everything; write and count what stands against them."""
        reasons = np.zeros(len(numbers), np.int64)
        for bit, (name, test) in enumerate(self._tests):
            found = test(numbers)
            count = int(np.count_nonzero(found))
            if count:
                done.by_reason[name] += count
                reasons |= found.astype(np.int64) << bit
        listed = np.flatnonzero(reasons)
        texts = self._texts
        for kind in np.unique(reasons[listed]).tolist():
            if kind not in texts:
                names = [n for bit, (n, _) in enumerate(self._tests) if kind >> bit & 1]
                texts[kind] = " | ".join(names)
        lines = [
            f"+{number},{texts[kind]}\n"
            for number, kind in zip(numbers[listed].tolist(), reasons[listed].tolist(), strict=True)
        ]
        written.writelines(lines)
        if unreadable:
            done.by_reason[UNREADABLE] += len(unreadable)
            csv.writer(written, lineterminator="\n").writerows(
                (text[:80], UNREADABLE) for text in unreadable
            )
        done.rows += len(numbers) + len(unreadable)
        done.listed += len(listed) + len(unreadable)

    def _stopped(self, numbers: Numbers) -> Mask:
        if not len(self._stops):
            return np.zeros(len(numbers), np.bool_)
        at = np.searchsorted(self._stops, numbers)
        at[at == len(self._stops)] = 0
        found: Mask = np.equal(self._stops[at], numbers)
        return found


def _uncovered(
    copy: RegistryCopy, bulk: Bulk, countries: Mapping[str, str | None]
) -> Callable[[Numbers], Mask] | None:
    """What tells numbers of the registry's country that it was never asked about."""
    if copy.setup.coverage is Coverage.AREA_CODES:
        missing = np.zeros(1000, np.bool_)
        for code, country in countries.items():
            missing[int(code)] = country == copy.setup.country and code not in copy.areas

        def is_missing(numbers: Numbers) -> Mask:
            inside = numbers // _NANP == 1
            code = (numbers // np.uint64(10**7) % np.uint64(1000)).astype(np.int64)
            found: Mask = inside & missing[code]
            return found

        return is_missing
    if copy.setup.coverage is Coverage.NUMBERS:

        def is_unwashed(numbers: Numbers) -> Mask:
            text = numbers.astype("U16")
            of_country = np.char.startswith(text, "61")
            found: Mask = of_country & ~bulk.has(numbers + np.uint64(MARK))
            return found

        return is_unwashed
    return None


def _column(path: Path, head: list[str], asked: str | None) -> tuple[int, bool]:
    """Which column has the numbers, and whether the first row has the columns' names."""
    keys = [header_key(cell) for cell in head]
    if asked is not None:
        if header_key(asked) not in keys:
            raise UnusableList(f"{path} has no column {asked!r}; it has {', '.join(head)}.")
        return keys.index(header_key(asked)), True
    for at, key in enumerate(keys):
        if key in ACCEPTED_NAMES[Role.NUMBER]:
            return at, True
    for at, cell in enumerate(head):
        if not isinstance(parse_e164(cell, area_codes=_EVERY), NumberFault):
            return at, False
    raise UnusableList(
        f"{path}: no column is named as one of telephone numbers; say which with --column."
    )


class _EveryCode:
    """Whether an area code is in service does not matter here: it may be listed all the same."""

    def __contains__(self, code: object) -> bool:
        return True


_EVERY = _EveryCode()


def _numbers(reading: Reading, separator: str, column: int) -> Iterator[tuple[Numbers, list[str]]]:
    """All numbers of a list in order, and beside them what cannot be read."""
    sign, columns = ord(separator), column + 2
    pieces = reading.pieces()
    for piece in pieces:
        buffer = np.frombuffer(piece, np.uint8)
        if (buffer == 34).any():
            # Quoted cells may hold separators and line breaks: from here on as CSV is read.
            rest = itertools.chain([piece], pieces)
            yield from _row_by_row(rest, separator, column)
            return
        _, starts, ends = rows_of(buffer, 1)
        if not len(starts):
            continue
        commas = np.flatnonzero(buffer == sign)
        cells = split(starts, ends, commas, columns, has_more=True)
        assert cells is not None, "more cells are left alone"
        yield _read(buffer, cells[0][:, column], cells[1][:, column])


def _read(buffer: Bytes, starts: Places, ends: Places) -> tuple[Numbers, list[str]]:
    """Cells as numbers: plain spellings together, the others one by one."""
    last = len(buffer) - 1
    plus = (ends > starts) & (buffer[np.minimum(starts, last)] == 43)
    digits, widths, good = digits_of(buffer, starts + plus, ends)
    ten = good & ~plus & (widths == 10) & (digits >= 2 * 10**9)
    eleven = good & (widths == 11) & (digits // _NANP == 1)
    world = good & plus & (widths >= 8) & (digits // _NANP != 1)
    numbers = np.where(ten, digits + _NANP, digits)
    known = ten | eleven | world
    unreadable: list[str] = []
    for row in np.flatnonzero(~known).tolist():
        text = bytes(buffer[starts[row] : ends[row]])[:80].decode("utf-8", "replace")
        found = parse_e164(text, area_codes=_EVERY)
        if isinstance(found, NumberFault):
            unreadable.append(text)
        else:
            numbers[row] = int(found)
            known[row] = True
    return numbers[known], unreadable


def _row_by_row(
    pieces: Iterator[bytes], separator: str, column: int
) -> Iterator[tuple[Numbers, list[str]]]:
    lines = (line.decode("utf-8", "replace") for piece in pieces for line in piece.splitlines(True))
    rows = csv.reader(lines, delimiter=separator)
    while batch := list(itertools.islice((r for r in rows if r), ROWS)):
        numbers: list[int] = []
        unreadable: list[str] = []
        for row in batch:
            text = row[column] if column < len(row) else ""
            found = parse_e164(text, area_codes=_EVERY)
            if isinstance(found, NumberFault):
                unreadable.append(text)
            else:
                numbers.append(int(found))
        yield np.array(numbers, np.uint64), unreadable

"""The library: makes versions of registries in a folder, and looks numbers up in them.

A version is written under a temporary name, made safe on the disk and renamed, so a file with its
final name is whole. It counts for nothing until the database names it; a crash before that leaves
a file that the next import of the registry clears. One import of a registry at a time holds its
lock, which the system gives back however a process ends.
"""

from __future__ import annotations

import fcntl
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np

from fairdial.adapters.registries.block_file import BLOCK, Block, BlockFile, write_file
from fairdial.adapters.registries.blocks import Bulk, Gathering, Mask, Numbers, difference
from fairdial.adapters.registries.cells import Places, checksum
from fairdial.adapters.registries.forms import Batch, Days, FormReading
from fairdial.core.ids import E164
from fairdial.core.registry import (
    DAYS_KEPT,
    WHOLE,
    AreaCopy,
    Coverage,
    RegistryCopy,
    RegistryForm,
    RegistryOrder,
    RegistrySetup,
    changes_fault,
    full_fault,
)
from fairdial.exceptions import RegistryUnavailable, UnusableList
from fairdial.ports import Listing, RegistryDraft, RegistryProgress

MARK = 10**16
"""Added to a number that was washed: no number of E.164 is that long."""
OPEN_MAX = 64
"""The most versions kept open; the one that was looked into longest ago goes first."""
CHANGE_ROWS_MAX = 20_000_000
"""More changes than this are no change file."""

_REPEATS_BELONG = frozenset({RegistryForm.STATE, RegistryForm.SIMPLE, RegistryForm.AU_WASHED})
"""Forms in which a number may stand twice: on account of two people, or of two requests."""

Say = Callable[[RegistryProgress], None]


class FileLibrary:
    """The `RegistryLibrary` port in a folder; also the shelf that the store looks into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: OrderedDict[str, BlockFile] = OrderedDict()

    # --- looking ----------------------------------------------------------------------------------

    def look(self, file: str, sha256: str, coverage: Coverage, number: E164) -> Listing:
        """What a version says about one number. Raises `RegistryUnavailable`."""
        version = self.opened(file, sha256)
        digits = int(number)
        if not version.has(digits):
            is_covered = coverage is not Coverage.NUMBERS or version.has(digits + MARK)
            return Listing(is_listed=False, registered_on=None, is_covered=is_covered)
        return Listing(is_listed=True, registered_on=version.registered_on(digits), is_covered=True)

    def opened(self, file: str, sha256: str) -> BlockFile:
        """An open version. Raises `RegistryUnavailable` when it is not what was published."""
        found = self._open.get(file)
        if found is None or found.sha256 != sha256:
            found = self._open[file] = BlockFile(self.folder / file, sha256=sha256)
            while len(self._open) > OPEN_MAX:
                self._open.popitem(last=False)
        self._open.move_to_end(file)
        return found

    def verify(self, file: str, sha256: str) -> None:
        """Read a whole version against its seal. Raises `RegistryUnavailable`."""
        self.opened(file, sha256).verify()

    # --- making -----------------------------------------------------------------------------------

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Nobody else imports this registry meanwhile. Raises `RegistryUnavailable` if one does."""
        self._make_folder()
        with (self.folder / f".{name}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise RegistryUnavailable(
                    f"another process is importing registry {name}; wait for it to end."
                ) from None
            yield

    def checksum(self, path: Path) -> tuple[int, str]:
        """The bytes and the SHA-256 of a file to be imported. Raises `UnusableList`."""
        try:
            return path.stat().st_size, checksum(path)
        except OSError as error:
            raise UnusableList(f"{path} cannot be read: {error.strerror}.") from error

    def day_of(
        self, path: Path, order: RegistryOrder, *, today: date, is_sandbox: bool
    ) -> date | None:
        """The day of a full file, by its order or its head. Raises `UnusableList`."""
        with FormReading(path, order.form, countries={}, as_of=order.as_of) as reading:
            return today if reading.is_for_sandbox and is_sandbox else reading.as_of

    def build(
        self,
        path: Path,
        order: RegistryOrder,
        setup: RegistrySetup,
        copy: RegistryCopy | None,
        *,
        file: str,
        countries: Mapping[str, str | None],
        today: date,
        is_sandbox: bool,
        say: Say,
    ) -> RegistryDraft:
        """Make the version that a registry's file leads to; nothing is in force by it.

        `copy` is the version in force. Raises `UnusableList` for a file that must not follow it.
        """
        former = None if copy is None else Bulk(self.opened(copy.file, copy.sha256))
        with FormReading(path, order.form, countries=countries, as_of=order.as_of) as reading:
            if reading.is_for_sandbox and is_sandbox:
                reading.as_of = today
            work = _Work(
                path=path,
                order=order,
                setup=setup,
                copy=copy,
                former=former,
                reading=reading,
                today=today,
                say=say,
            )
            version = work.changes() if order.is_changes else work.full()
        self._make_folder()
        return self._write(file, version, say)

    def discard(self, file: str) -> None:
        """Remove a version, and what is left of one that was begun. Open ones stay readable."""
        self._open.pop(file, None)
        (self.folder / file).unlink(missing_ok=True)
        self._part(file).unlink(missing_ok=True)

    def _write(self, file: str, version: _Version, say: Say) -> RegistryDraft:
        part = self._part(file)
        added = removed = 0

        def blocks() -> Iterator[Block]:
            nonlocal added, removed
            keys = version.keys()
            for at, key in enumerate(keys):
                new, old = version.block(key), version.former_block(key)
                if key < MARK // BLOCK:
                    more, less = difference(new, old)
                    added, removed = added + more, removed + less
                if at % 64 == 0:
                    say(RegistryProgress(what="writing", done=at, total=len(keys), rows=None))
                if new is not None:
                    yield new

        try:
            written = write_file(
                part,
                name=version.name,
                as_of=version.as_of,
                blocks=blocks(),
                days=(version.day_numbers.tobytes(), version.days.astype(np.uint32).tobytes()),
                marks_from=MARK // BLOCK,
            )
            part.rename(self.folder / file)
            self._sync_folder()
        except OSError as error:
            part.unlink(missing_ok=True)
            raise RegistryUnavailable(
                f"{self.folder / file} cannot be written: {error.strerror}. What to do: make room "
                f"for {version.size_estimate():,} bytes there. The former version is in force."
            ) from error
        return RegistryDraft(
            file=file,
            sha256=written.sha256,
            size=written.size,
            as_of=version.as_of,
            entries=written.entries,
            rows=version.rows,
            added=added,
            removed=removed,
            repeated=version.repeated,
            known=version.known,
            areas=version.areas,
        )

    def _part(self, file: str) -> Path:
        return self.folder / f".{file}.part"

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise RegistryUnavailable(
                f"the folder {self.folder} cannot be made: {error.strerror}"
            ) from error

    def _sync_folder(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@dataclass(slots=True, kw_only=True)
class _Version:
    """A version that is ready to be written."""

    name: str
    as_of: date
    gathering: Gathering
    former: Bulk | None
    keeps: Callable[[int], bool]
    """Whether a block that was not gathered anew is taken over from the former version."""
    areas: dict[str, AreaCopy]
    rows: int
    repeated: int
    known: int
    day_numbers: Numbers
    days: Days

    def keys(self) -> list[int]:
        former = () if self.former is None else self.former.keys.tolist()
        return sorted({*self.gathering.keys(), *former})

    def block(self, key: int) -> Block | None:
        return self.former_block(key) if self.keeps(key) else self.gathering.block(key)

    def former_block(self, key: int) -> Block | None:
        return None if self.former is None else self.former.block(key)

    def size_estimate(self) -> int:
        return 125_000 * len(self.keys())


@dataclass(slots=True, kw_only=True)
class _Work:
    """One import: the file, what it follows, and what was found so far."""

    path: Path
    order: RegistryOrder
    setup: RegistrySetup
    copy: RegistryCopy | None
    former: Bulk | None
    reading: FormReading
    today: date
    say: Say
    rows: int = 0
    _numbers_with_day: list[Numbers] = field(default_factory=list)
    _days: list[Days] = field(default_factory=list)

    # --- full files -------------------------------------------------------------------------------

    def full(self) -> _Version:
        """Everything that the registry lists, or that it lists in the file's area codes."""
        as_of = self._stated_day()
        limit = as_of.toordinal() - DAYS_KEPT
        gathering = Gathering()
        repeats: list[Numbers] = []
        for batch in self._batches():
            self._hold_to_area_codes(batch)
            late = np.flatnonzero(batch.days > as_of.toordinal())
            if len(late):
                raise self._fault(
                    batch, int(late[0]), f"its day lies after the day of the file, {as_of}."
                )
            numbers = batch.numbers
            if batch.is_listed is not None:
                gathering.add(numbers + np.uint64(MARK))
                numbers = numbers[batch.is_listed]
            again = gathering.add(numbers)
            if len(again):
                if self.order.form not in _REPEATS_BELONG:
                    raise self._repeated(batch, again)
                repeats.append(again)
            self._note_days(batch, batch.days >= max(limit, 1))
        repeated = np.unique(np.concatenate(repeats)) if repeats else np.empty(0, np.uint64)
        counts = self._counts(gathering)
        if not self.rows and not counts.keys() - {WHOLE} and self._is_by_area:
            raise UnusableList(f"{self.path} lists no number: download it again.")
        fault = full_fault(self.order, self.copy, counts, as_of=as_of, today=self.today)
        if fault is not None:
            raise UnusableList(f"{self.path}: {fault}")
        areas = {} if self.copy is None else dict(self.copy.areas)
        areas |= {area: AreaCopy(as_of=as_of, entries=count) for area, count in counts.items()}
        keeps = self._keeps(counts.keys())
        numbers, days = self._kept_days(limit, gathering, keeps, drop=repeated)
        return _Version(
            name=self.order.name,
            as_of=max(copy.as_of for copy in areas.values()),
            gathering=gathering,
            former=self.former,
            keeps=keeps,
            areas=areas,
            rows=self.rows,
            repeated=len(repeated),
            known=0,
            day_numbers=numbers,
            days=days,
        )

    def _keeps(self, covered: Iterable[str]) -> Callable[[int], bool]:
        if not self._is_by_area:
            return lambda _: False
        names = frozenset(covered)
        return lambda key: _area(key) not in names

    def _counts(self, gathering: Gathering) -> dict[str, int]:
        """How many numbers of each area the file lists; 0 for one that it was said to hold."""
        counts = dict.fromkeys(self.order.area_codes, 0) if self._is_by_area else {WHOLE: 0}
        for key in gathering.keys():  # noqa: SIM118 - no mapping
            block = gathering.block(key)
            if block is not None and key < MARK // BLOCK:
                area = _area(key) if self._is_by_area else WHOLE
                counts[area] = counts.get(area, 0) + block.count
        return counts

    # --- changes ----------------------------------------------------------------------------------

    def changes(self) -> _Version:
        """The version in force with numbers added and taken off."""
        copy, former = self.copy, self.former
        if copy is None or former is None:
            raise UnusableList(
                f"{self.path}: registry {self.order.name} has no version in force that these "
                "changes could follow: import its full file first."
            )
        change = self._read_changes()
        since, as_of = self._days_of(change)
        codes = (change.numbers // np.uint64(10_000_000) % np.uint64(1000)).astype(np.int64)
        touched = {f"{code}" for code in np.unique(codes)} | self.order.area_codes
        if self.order.holds_all_area_codes:
            touched |= copy.areas.keys()
        fault = changes_fault(copy, touched, since=since, as_of=as_of, today=self.today)
        if fault is not None:
            raise UnusableList(f"{self.path}: {fault}")
        was_day = np.zeros(1000, np.int64)
        for area, was in copy.areas.items():
            was_day[int(area)] = was.as_of.toordinal()
        gathering = Gathering(former)
        known = self._apply(change, was_day[codes], gathering)
        areas = dict(copy.areas)
        counts = dict.fromkeys(touched, 0)
        for key in gathering.keys():  # noqa: SIM118 - no mapping
            if _area(key) in counts and (block := gathering.block(key)) is not None:
                counts[_area(key)] += block.count
        areas |= {area: AreaCopy(as_of=as_of, entries=count) for area, count in counts.items()}
        limit = as_of.toordinal() - DAYS_KEPT
        numbers, days = self._kept_days(limit, gathering, lambda _: False)
        return _Version(
            name=self.order.name,
            as_of=max(as_of, copy.as_of),
            gathering=gathering,
            former=former,
            keeps=lambda _: False,
            areas=areas,
            rows=self.rows,
            repeated=len(change.numbers) - len(np.unique(change.numbers)),
            known=known,
            day_numbers=numbers,
            days=days,
        )

    def _read_changes(self) -> _Changes:
        parts: list[Batch] = []
        for batch in self._batches():
            self._hold_to_area_codes(batch)
            parts.append(batch)
            if self.rows > CHANGE_ROWS_MAX:
                raise UnusableList(
                    f"{self.path} has more than {CHANGE_ROWS_MAX:,} changes: import a full file."
                )
        if not parts and not (self.order.area_codes or self.order.holds_all_area_codes):
            raise UnusableList(
                f"{self.path} holds no change. If that is right, say of which area codes it is: "
                "--area-codes or --all-area-codes."
            )
        empty = np.empty(0, np.uint64)
        change = _Changes(
            numbers=np.concatenate([empty, *(b.numbers for b in parts)]),
            days=np.concatenate([np.empty(0, np.int32), *(b.days for b in parts)]),
            deleted=np.concatenate(
                [np.empty(0, np.bool_), *(b.is_deleted for b in parts if b.is_deleted is not None)]
            ),
            lines=np.concatenate(
                [np.empty(0, np.int64), *(b.cells.lines for b in parts if b.cells is not None)]
            ),
        )
        return change.in_order()

    def _days_of(self, change: _Changes) -> tuple[date, date]:
        """The first and the last day of the changes."""
        dated = change.days[change.days > 0]
        first, last = (int(dated.min()), int(dated.max())) if len(dated) else (0, 0)
        as_of = self.order.as_of or (date.fromordinal(last) if last else None)
        since = self.order.since or (date.fromordinal(first) if first else None)
        if as_of is None or since is None:
            raise UnusableList(
                f"{self.path}: its changes have no days: say with --since and --as-of from which "
                "to which day they are."
            )
        if last > as_of.toordinal():
            at = int(np.argmax(change.days))
            raise UnusableList(
                f"{self.path}, line {change.lines[at]}: a change of {date.fromordinal(last)}, "
                f"after the day of the file, {as_of}."
            )
        return since, as_of

    def _apply(self, change: _Changes, was_day: Places, gathering: Gathering) -> int:
        """Make the changes; returns how many additions were known already.

        What a file repeats from before the copy in force may add, and never take off.
        """
        numbers, days, deleted = change.numbers, change.days, change.deleted
        if not len(numbers):
            return 0
        again = np.flatnonzero((numbers[1:] == numbers[:-1]) & (days[1:] == days[:-1]))
        if len(again):
            at = int(again[0]) + 1
            line, before = sorted((int(change.lines[at]), int(change.lines[at - 1])))[::-1]
            raise UnusableList(
                f"{self.path}, line {line}: +{numbers[at]} was changed in line {before} already, "
                "on the same day: nobody can tell which holds. Download it again."
            )
        is_first = np.concatenate(([True], numbers[1:] != numbers[:-1]))
        is_last = np.concatenate((numbers[1:] != numbers[:-1], [True]))
        fresh = (days == 0) | (days > was_day)
        there = gathering.has(numbers)
        strange = np.flatnonzero(is_first & deleted & fresh & ~there)
        if len(strange):
            at = int(strange[np.argmin(change.lines[strange])])
            raise UnusableList(
                f"{self.path}, line {change.lines[at]}: it takes +{numbers[at]} off, which the "
                "version in force does not list: changes before it are missing. Import the full "
                "file."
            )
        early = (days > 0) & (days < was_day)
        gathering.remove(numbers[is_last & deleted & ~early & there])
        adds = is_last & ~deleted
        gathering.add(numbers[adds])
        self._numbers_with_day = [numbers[adds & (days > 0)]]
        self._days = [days[adds & (days > 0)]]
        return int(np.count_nonzero(adds & there))

    # --- shared -----------------------------------------------------------------------------------

    @property
    def _is_by_area(self) -> bool:
        return self.setup.coverage is Coverage.AREA_CODES

    def _batches(self) -> Iterator[Batch]:
        for batch in self.reading.batches():
            self.rows += len(batch.numbers)
            yield batch
            self.say(
                RegistryProgress(
                    what="reading",
                    done=self.reading.bytes_read,
                    total=self.reading.size,
                    rows=self.rows,
                )
            )

    def _stated_day(self) -> date:
        if self.reading.as_of is None:
            raise UnusableList(
                f"{self.path}: the day of this copy is not stated. Write the line "
                "`# as_of: 2026-11-20` at its top, or say it with --as-of (in a campaign file: "
                "do_not_call_as_of)."
            )
        return self.reading.as_of

    def _hold_to_area_codes(self, batch: Batch) -> None:
        if not self.order.area_codes or not self._is_by_area:
            return
        wanted = np.zeros(1000, np.bool_)
        wanted[[int(code) for code in self.order.area_codes]] = True
        codes = (batch.numbers // np.uint64(10_000_000) % np.uint64(1000)).astype(np.int64)
        other = np.flatnonzero(~wanted[codes])
        if len(other):
            raise self._fault(
                batch, int(other[0]), "it is of none of the area codes that the file should hold."
            )

    def _note_days(self, batch: Batch, keep: Mask) -> None:
        if batch.is_listed is not None:
            keep = keep & batch.is_listed
        if keep.any():
            self._numbers_with_day.append(batch.numbers[keep])
            self._days.append(batch.days[keep])

    def _kept_days(
        self,
        limit: int,
        gathering: Gathering,
        keeps: Callable[[int], bool],
        drop: Numbers | None = None,
    ) -> tuple[Numbers, Days]:
        """The days of registration that are young enough to matter, by number.

        A number that stands in the file twice has no known day, which is judged as long ago.
        """
        numbers = np.concatenate([np.empty(0, np.uint64), *self._numbers_with_day])
        days = np.concatenate([np.empty(0, np.int32), *self._days])
        if drop is not None and len(drop):
            fine = ~np.isin(numbers, drop)
            numbers, days = numbers[fine], days[fine]
        if self.former is not None and len(self.former.days):
            was, was_days = self.former.day_numbers, self.former.days.astype(np.int32)
            keys, places = np.unique(was // np.uint64(BLOCK), return_inverse=True)
            kept = np.array([keeps(key) for key in keys.tolist()], np.bool_)[places]
            stays = kept | gathering.has(was)
            numbers = np.concatenate((numbers, was[stays]))
            days = np.concatenate((days, was_days[stays]))
        young = days >= limit
        found, at = np.unique(numbers[young], return_index=True)
        return found, days[young][at]

    def _repeated(self, batch: Batch, again: Numbers) -> UnusableList:
        rows = np.flatnonzero(np.isin(batch.numbers, again))
        seen: set[int] = set()
        row = int(rows[0])
        for row in rows.tolist():
            number = int(batch.numbers[row])
            if number in seen:
                break
            seen.add(number)
        else:
            row = int(rows[0])
        return self._fault(
            batch,
            row,
            "the number is in the file twice, so this is not one download as it was handed out. "
            "Download it again.",
        )

    def _fault(self, batch: Batch, row: int, why: str) -> UnusableList:
        if batch.cells is not None:
            return batch.cells.fault(row, why)
        return UnusableList(f"{self.path}: +{batch.numbers[row]}: {why}")


@dataclass(slots=True, kw_only=True)
class _Changes:
    """All changes of a file, by number and then by day."""

    numbers: Numbers
    days: Days
    deleted: Mask
    lines: Places

    def in_order(self) -> _Changes:
        order = np.lexsort((self.lines, self.days, self.numbers))
        return _Changes(
            numbers=self.numbers[order],
            days=self.days[order],
            deleted=self.deleted[order],
            lines=self.lines[order],
        )


def _area(key: int) -> str:
    """The area code of a block of North American numbers: 1 212 5."""
    return f"{key // 10 % 1000}"

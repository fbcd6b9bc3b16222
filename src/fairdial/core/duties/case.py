"""A case: one set of facts at one moment, with what all duties need worked out once."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from fairdial.core.facts import Facts
from fairdial.core.ids import Instant
from fairdial.core.jurisdiction import AreaCodeTable, Location
from fairdial.core.verdict import Ruling


class Finding(NamedTuple):
    """What a duty says about a case: the verdict without the rule's name."""

    ruling: Ruling
    why: str
    next_allowed_at: Instant | None = None


@lru_cache(maxsize=8192)
def allowed(why: str) -> Finding:
    """A finding that stands in nobody's way: one object for one sentence, known by sight."""
    return Finding(Ruling.ALLOW, why)


class LocalTime(NamedTuple):
    """The moment of judging in one candidate zone."""

    zone: ZoneInfo
    wall: datetime
    """Aware, in `zone`."""
    second: int
    """Seconds since local midnight by the wall clock."""
    weekday: int
    """Monday is 0."""

    @property
    def clock(self) -> str:
        """For sentences: `09:41:07 in America/Chicago`."""
        return f"{self.wall:%H:%M:%S} in {self.zone.key}"


class Case(NamedTuple):
    """One set of facts at one moment, with what all duties need worked out once."""

    facts: Facts
    now: Instant
    location: Location
    locals: tuple[LocalTime, ...]
    """One per candidate zone; empty when the place is unknown."""
    table: AreaCodeTable
    days: tuple[date, ...]
    """The dates it is in the candidate zones, the latest last; by UTC when no zone is known."""

    @property
    def today_latest(self) -> date:
        """The latest date it is in any candidate zone: the strict day for what runs out."""
        return self.days[-1]


def case_of(
    facts: Facts,
    now: Instant,
    location: Location,
    zones: tuple[ZoneInfo, ...],
    table: AreaCodeTable,
) -> Case:
    """Work out once what all duties need: the wall clock and date of every candidate zone."""
    times = []
    days: tuple[date, ...] = ()
    for zone in zones:
        wall = now.astimezone(zone)
        times.append(LocalTime(zone, wall, second_of(wall), wall.weekday()))
        day = wall.date()
        if day not in days:
            days = (*days, day)
    if not days:
        days = (now.date(),)
    elif len(days) > 1:
        days = tuple(sorted(days))
    return Case(facts, now, location, tuple(times), table, days)


def first_instant(day: date, second: int, zone: ZoneInfo) -> Instant:
    """The first moment of a local day whose wall clock shows `second` of the day or later.

    Where the clock is put back the first pass counts; where it is put forward over that time, the
    moment of the change.
    """
    wall = datetime.combine(day, time(), zone) + timedelta(seconds=second)
    instant = wall.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return instant
    # In a gap, fold=0 uses the offset before the change and lands after it, fold=1 lands before it.
    low = wall.replace(fold=1).astimezone(UTC)
    high = instant
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).replace(tzinfo=None) >= wall.replace(tzinfo=None):
            high = middle
        else:
            low = middle
    return high


def second_of(wall: datetime) -> int:
    """Seconds since local midnight by the wall clock."""
    return wall.hour * 3600 + wall.minute * 60 + wall.second

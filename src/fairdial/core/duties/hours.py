"""Hours and days: when a call may start by the clock and calendar of the called party."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from fairdial.core.duties.calendar import WEEK, NamedDay, Observed, is_closed, named_day
from fairdial.core.duties.case import Case, Finding, LocalTime, allowed, first_instant, second_of
from fairdial.core.duties.lift import NO_LIFT, Lift, read_lift
from fairdial.core.ids import Instant
from fairdial.core.toml_table import Table
from fairdial.core.verdict import Ruling

DAY_S = 24 * 60 * 60
SEARCH_DAYS = 15
"""How far ahead an opening is looked for. No law closes a state for longer."""

Interval = tuple[int, int]
"""Half-open [open, close) in seconds since local midnight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallingWindow:
    """A call may start only inside these local hours, in every candidate zone at once."""

    week: tuple[tuple[Interval, ...], ...]
    """Monday to Sunday; an empty day is closed."""
    lifted_by: Lift = NO_LIFT

    @classmethod
    def read(cls, row: Table) -> CallingWindow:
        week: dict[str, tuple[Interval, ...]] = {}
        for key in (*_GROUPS, *WEEK):
            if row.has(key):
                intervals = _intervals(row, key)
                for day in _GROUPS.get(key, (key,)):
                    if day in week:
                        raise row.fault(f"{day} is given twice")
                    week[day] = intervals
        absent = [day for day in WEEK if day not in week]
        if absent:
            raise row.fault(f'{", ".join(absent)} missing; write "closed" for a closed day')
        return cls(week=tuple(week[day] for day in WEEK), lifted_by=read_lift(row))

    def judge(self, case: Case) -> Finding:
        if not case.locals:
            return Finding(Ruling.UNKNOWN, "no candidate time zone is known")
        outside = [t for t in case.locals if not self.is_open(t.weekday, t.second)]
        if not outside:
            return allowed(
                "; ".join(f"within {self.hours(t)} in {t.zone.key}" for t in case.locals),
            )
        lifted = self.lifted_by.reason(case)
        if lifted is not None:
            return allowed(lifted)
        return Finding(
            Ruling.REFUSE,
            "; ".join(f"{t.clock} is outside {self.hours(t)}" for t in outside),
            self.next_open(case.now, tuple(t.zone for t in case.locals)),
        )

    def is_open(self, weekday: int, second: int) -> bool:
        """Whether the local wall time lies in a window; Monday is 0."""
        for opens, closes in self.week[weekday]:  # noqa: SIM110 - judged a million times an hour
            if opens <= second < closes:
                return True
        return False

    def hours(self, at: LocalTime) -> str:
        """The day's hours in words."""
        return _hours_text(at.weekday, self.week[at.weekday])

    def next_open(self, now: Instant, zones: tuple[ZoneInfo, ...]) -> Instant | None:
        """The first moment from `now` on that lies inside the window in all zones at once.

        Exact to the second across closed days and clock changes. None when there is none within
        `SEARCH_DAYS`. Every candidate moment is an opening in one of the zones, so walking from
        opening to opening cannot pass over one.
        """
        moment, limit = now, now + timedelta(days=SEARCH_DAYS)
        while moment <= limit:
            latest = moment
            for zone in zones:
                opening = self._next_open_in(latest, zone)
                if opening is None:
                    return None
                latest = max(latest, opening)
            if latest == moment:
                return moment
            moment = latest
        return None

    def _next_open_in(self, now: Instant, zone: ZoneInfo) -> Instant | None:
        wall = now.astimezone(zone)
        if self.is_open(wall.weekday(), second_of(wall)):
            return now
        for ahead in range(SEARCH_DAYS + 1):
            day = wall.date() + timedelta(days=ahead)
            for opens, closes in self.week[day.weekday()]:
                opening = first_instant(day, opens, zone)
                if opening < now:
                    continue
                local = opening.astimezone(zone)
                # A clock change can swallow a window whole; then it does not open that day.
                if local.date() == day and opens <= second_of(local) < closes:
                    return opening
        return None


def _hhmm(second: int) -> str:
    return f"{second // 3600:02d}:{second % 3600 // 60:02d}"


@lru_cache(maxsize=1024)
def _hours_text(weekday: int, intervals: tuple[Interval, ...]) -> str:
    if not intervals:
        return f"any window: {_WEEKDAYS[weekday]} is closed"
    return " and ".join(f"{_hhmm(opens)}–{_hhmm(closes)}" for opens, closes in intervals)


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_GROUPS = {"every_day": WEEK, "weekdays": WEEK[:5], "weekend": WEEK[5:]}


def _intervals(row: Table, key: str) -> tuple[Interval, ...]:
    value = row.raw(key)
    if value == "closed":
        return ()
    texts = value if isinstance(value, list) else [value]
    intervals: list[Interval] = []
    for text in texts:
        match = (
            re.fullmatch(r"([0-9]{2}):([0-5][0-9])-([0-9]{2}):([0-5][0-9])", text)
            if isinstance(text, str)
            else None
        )
        if match is None:
            raise row.fault(f'{key} must be "08:00-21:00", a list of such or "closed": {text!r}')
        opens, closes = (
            int(match[1]) * 3600 + int(match[2]) * 60,
            int(match[3]) * 3600 + int(match[4]) * 60,
        )
        if not (opens < closes <= DAY_S) or (intervals and opens < intervals[-1][1]):
            raise row.fault(f"{key}: {text} is not a span of one day that follows the one before")
        intervals.append((opens, closes))
    if not intervals:
        raise row.fault(f'{key} is empty; write "closed"')
    return tuple(intervals)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedDay:
    """No call starts on these days of the week, holidays and dates, by any candidate zone."""

    weekdays: frozenset[int] = frozenset()
    """Monday is 0."""
    days: tuple[NamedDay, ...] = ()
    observed: Observed = Observed.NEVER
    dates: frozenset[date] = frozenset()
    """Single days that somebody proclaimed."""
    lifted_by: Lift = NO_LIFT

    @classmethod
    def read(cls, row: Table) -> ClosedDay:
        weekdays, days = set(), []
        for text in row.texts("weekdays") if row.has("weekdays") else ():
            if text not in WEEK:
                raise row.fault(f"weekdays has {text!r}; it must be of: {', '.join(WEEK)}")
            weekdays.add(WEEK.index(text))
        for text in row.texts("days") if row.has("days") else ():
            named = named_day(text)
            if named is None:
                raise row.fault(
                    f"days has {text!r}, which names no day of a year; write for example "
                    '"july 4", "third monday of january", "good friday"'
                )
            days.append(named)
        observed = row.one_of("observed", Observed) if row.has("observed") else Observed.NEVER
        dates = frozenset(row.days("dates")) if row.has("dates") else frozenset()
        if not (weekdays or days or dates):
            raise row.fault("it needs weekdays, days or dates")
        return cls(
            weekdays=frozenset(weekdays),
            days=tuple(days),
            observed=observed,
            dates=dates,
            lifted_by=read_lift(row),
        )

    def judge(self, case: Case) -> Finding:
        if not case.locals:
            return Finding(Ruling.UNKNOWN, "no candidate time zone is known")
        shut = [
            f"{local.wall.date()} is closed ({why})"
            for local in case.locals
            if (why := self.why_closed(local.wall.date())) is not None
        ]
        if not shut:
            return _OPEN_DAY
        lifted = self.lifted_by.reason(case)
        if lifted is not None:
            return allowed(lifted)
        zones = tuple(local.zone for local in case.locals)
        return Finding(
            Ruling.REFUSE, "; ".join(dict.fromkeys(shut)), self.next_open(case.now, zones)
        )

    def why_closed(self, day: date) -> str | None:
        """The name of the closed day, or None when the day is open."""
        if day.weekday() in self.weekdays:
            return WEEK[day.weekday()].capitalize()
        if day in self.dates:
            return "proclaimed"
        return is_closed(day, self.days, self.observed) if self.days else None

    def next_open(self, now: Instant, zones: tuple[ZoneInfo, ...]) -> Instant | None:
        """The first moment from `now` on that lies on an open day in all zones at once."""
        moment = now
        for _ in range(SEARCH_DAYS * len(zones)):
            latest = max(self._next_open_in(moment, zone) for zone in zones)
            if latest == moment:
                return moment
            moment = latest
        return None

    def _next_open_in(self, now: Instant, zone: ZoneInfo) -> Instant:
        today = now.astimezone(zone).date()
        for ahead in range(SEARCH_DAYS):
            day = today + timedelta(days=ahead)
            if self.why_closed(day) is None:
                return now if ahead == 0 else first_instant(day, 0, zone)
        return first_instant(today + timedelta(days=SEARCH_DAYS), 0, zone)


_OPEN_DAY = allowed("no closed day")

"""Named days of the year, as statutes name them: "fourth thursday of november", "good friday".

A rule's data names days in these words; here they become dates. Nothing else about holidays is
built in, because every statute has a list of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}
_EASTER = {
    "mardi gras": -47,
    "good friday": -2,
    "easter sunday": 0,
    "easter monday": 1,
    "ascension day": 39,
    "whit monday": 50,
}

_FIXED = re.compile(rf"({'|'.join(_MONTHS)}) ([0-9]{{1,2}})")
_NTH = re.compile(rf"({'|'.join(_ORDINALS)}) ({'|'.join(WEEK)}) of ({'|'.join(_MONTHS)})")
_AFTER = re.compile(rf"({'|'.join(WEEK)}) after (.+)")


class Observed(StrEnum):
    """Which other day is closed when a named day falls on a weekend; the day stays closed too."""

    NEVER = "never"
    NEAREST_WEEKDAY = "nearest_weekday"
    """Saturday: the Friday before; Sunday: the Monday after (5 USC 6103)."""
    NEXT_WEEKDAY = "next_weekday"
    """Saturday and Sunday: the next weekday that is not itself a named day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedDay:
    """One day of every year, in a statute's words."""

    text: str

    def of(self, year: int) -> date | None:
        """Its date in a year; None in a year without it (29 February)."""
        return _date_of(self.text, year)


def named_day(text: str) -> NamedDay | None:
    """Read the words; None when they name no day of a year."""
    # 2028 is a leap year, so that 29 February is a day.
    try:
        return NamedDay(text=text) if _date_of(text, 2028) is not None else None
    except ValueError:
        return None


def easter_sunday(year: int) -> date:
    """Easter by the Gregorian computus (Meeus, Astronomical Algorithms, 1991, chapter 8)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    j = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 19 * j) // 433
    month = (h + j - 7 * m + 90) // 25
    return date(year, month, (h + j - 7 * m + 33 * month + 19) % 32)


@lru_cache(maxsize=4096)
def _date_of(text: str, year: int) -> date | None:
    if text in _EASTER:
        return easter_sunday(year) + timedelta(days=_EASTER[text])
    if match := _FIXED.fullmatch(text):
        try:
            return date(year, _MONTHS.index(match[1]) + 1, int(match[2]))
        except ValueError:
            return None
    if match := _NTH.fullmatch(text):
        month, weekday = _MONTHS.index(match[3]) + 1, WEEK.index(match[2])
        return _nth(year, month, weekday, _ORDINALS[match[1]])
    if match := _AFTER.fullmatch(text):
        before = _date_of(match[2], year)
        if before is None:
            return None
        days = (WEEK.index(match[1]) - before.weekday() - 1) % 7 + 1
        return before + timedelta(days=days)
    raise ValueError(text)


def _nth(year: int, month: int, weekday: int, nth: int) -> date:
    if nth > 0:
        first = date(year, month, 1)
        return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
    last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    return last - timedelta(days=(last.weekday() - weekday) % 7)


@lru_cache(maxsize=8192)
def is_closed(day: date, days: tuple[NamedDay, ...], observed: Observed) -> str | None:
    """The name of the day if it is one of the named days, or the day observed for one."""
    closed: dict[date, str] = {}
    # A day observed for New Year may lie in the year before.
    for year in (day.year - 1, day.year, day.year + 1):
        for named in days:
            when = named.of(year)
            if when is not None:
                closed.setdefault(when, named.text)
    if day in closed:
        return closed[day]
    for when, text in closed.items():
        if when.weekday() >= 5 and _observed_on(when, observed, closed) == day:
            return f"{text}, observed"
    return None


def _observed_on(when: date, observed: Observed, closed: dict[date, str]) -> date | None:
    if observed is Observed.NEVER:
        return None
    if observed is Observed.NEAREST_WEEKDAY:
        return when + timedelta(days=-1 if when.weekday() == 5 else 1)
    other = when + timedelta(days=1)
    # Two named days on one weekend (Christmas, Boxing Day) move to two weekdays.
    taken = {d for d in closed if d.weekday() < 5}
    taken |= {
        _observed_on(d, observed, closed) or d
        for d in closed
        if d.weekday() >= 5 and d < when and (when - d).days < 3
    }
    while other.weekday() >= 5 or other in taken:
        other += timedelta(days=1)
    return other

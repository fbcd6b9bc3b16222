"""Caller IDs: which number of a campaign's pool is shown to whom, and how often a day.

People pick up rather when the number is of their own place (local presence), and carriers soon mark
a number that calls too often as spam, so each has a daily cap and the least used comes first. Every
number of a pool belongs to the caller and is answered when people ring back: 47 U.S.C. 227(e)
forbids one that misleads. Pure: what was used, and where numbers are, is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from fairdial.core.ids import E164
from fairdial.core.jurisdiction import Location
from fairdial.core.number import area_code

NUMBERS_MAX = 1_000
"""The most numbers of one pool."""
CALLS_A_DAY_MAX = 10_000
DAY = timedelta(hours=24)
"""The span that a cap counts, up to now; uses are kept by the hour, so an hour more is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerIdPool:
    """The numbers that a campaign may show beside its own, and how they are taken in turn."""

    numbers: tuple[E164, ...]
    local_presence: bool = False
    """Whether the number nearest to the called one is shown."""
    calls_a_day_max: int | None = None
    """The most calls of any 24 hours that show one number, over all campaigns; None sets no cap."""


def nearest_first(
    numbers: Sequence[E164], called: E164, at: Location, locate: Callable[[E164], Location]
) -> list[list[E164]]:
    """The pool in groups: of the called area code, its state or province, its country, the rest.

    `at` is where the called party may be, `locate` tells where a number of the pool is.
    """
    groups: list[list[E164]] = [[], [], [], []]
    code = area_code(called)
    places = {name for name in at.jurisdiction_names if "/" in name}
    for number in numbers:
        here = locate(number)
        if code is not None and area_code(number) == code:
            groups[0].append(number)
        elif places & set(here.jurisdiction_names):
            groups[1].append(number)
        elif here.country_of_number == at.country_of_number:
            groups[2].append(number)
        else:
            groups[3].append(number)
    return [group for group in groups if group]


def least_used(numbers: Iterable[E164], uses: Mapping[E164, int], most: int | None) -> E164 | None:
    """The number that was shown least, the first of equals; None when all are at their cap."""
    able = [number for number in numbers if most is None or uses.get(number, 0) < most]
    return min(able, key=lambda number: uses.get(number, 0), default=None)


def calls_left(numbers: Iterable[E164], uses: Mapping[E164, int], most: int) -> int:
    """How many calls more the caps of these numbers allow now."""
    return sum(max(0, most - uses.get(number, 0)) for number in numbers)

"""Mutants of rule files: each value that is written there, perturbed in turn.

A mutant is one rule with one mistake that somebody might make: an opening a minute early, a holiday
forgotten, a cap one higher, a consent weakened, an exemption too many. The situations beside the
rules must notice it. What the loader refuses is no mutant. Titles, citations and days of review
judge nothing and are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from fairdial.core.abandon import ClockStart, Denominator
from fairdial.core.campaign import Method, Purpose
from fairdial.core.duties.calendar import WEEK, Observed
from fairdial.core.duties.caps import RestAfter
from fairdial.core.facts import Restriction, SuppressionKind
from fairdial.core.jurisdiction import AreaCodeTable
from fairdial.core.lead import ConsentKind, LineType, Party
from fairdial.core.outcome import Outcome
from fairdial.core.rule_file import read_rule
from fairdial.core.rules import Rule
from fairdial.exceptions import RulebookError

Change = tuple[str, Any]
"""What was done, in words, and the new content; `None` in place of a content: the key is gone."""

CLOSED_SETS: Mapping[str, type[StrEnum]] = {
    "purposes": Purpose,
    "methods": Method,
    "parties": Party,
    "line_types": LineType,
    "counts": Outcome,
    "after": RestAfter,
    "restrictions": Restriction,
    "list": SuppressionKind,
    "needs": ConsentKind,
    "consent": ConsentKind,
    "clock_start": ClockStart,
    "denominator": Denominator,
    "observed": Observed,
}
IMPLIED = {"unknown", "not_dialed"}
"""Members that no list may hold."""

LIFTABLE = {"calling_window", "closed_day", "suppression", "attempt_cap", "rest_period", "ban"}
DEALINGS = ("purchase_months", "inquiry_months", "contract_months")
SWITCHES = {"attempt_cap": "over_all_sellers", "rest_period": "lifted_by_agent"}
BY_HALF = {"consent_days_max", "consent_months_max"}
WINDOW = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One rule with one mistake in it."""

    rule: Rule
    what: str
    """`value 1, every_day: 08:00-21:00 became 07:59-21:00`"""


def mutants_of(
    path: str, content: Mapping[str, Any], area_codes: AreaCodeTable
) -> Iterator[Mutant]:
    """Every mutant of one rule file that the loader accepts."""
    for what, changed in _changes(content):
        try:
            rule = read_rule(path, changed, area_codes, {})
        except RulebookError:
            continue
        yield Mutant(rule=rule, what=what)


def _changes(content: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from _at(content, ("applies",), lambda t: _of_table(t, _of_key))
    for number, row in enumerate(content["value"]):
        where = ("value", number)
        yield from _at(content, where, lambda t: _of_table(t, _of_key))
        yield from _at(content, where, lambda t: _additions(content["kind"], t))
        yield from _moved(content, number, row)


def _at(
    content: Mapping[str, Any],
    where: tuple[str | int, ...],
    change: Callable[[dict[str, Any]], Iterator[Change]],
) -> Iterator[tuple[str, dict[str, Any]]]:
    table: Any = content
    for step in where:
        table = table[step]
    for what, changed in change(table):
        copy = deepcopy(dict(content))
        parent: Any = copy
        for step in where[:-1]:
            parent = parent[step]
        parent[where[-1]] = changed
        yield f"{' '.join(str(s) for s in where)}: {what}", copy


def _of_table(
    table: Mapping[str, Any], of_key: Callable[[str, Any], Iterator[Change]]
) -> Iterator[Change]:
    for key, value in table.items():
        if isinstance(value, dict):
            if key == "lifted_by":
                yield "nothing lifts it", {k: v for k, v in table.items() if k != key}
            changes: Iterator[Change] = (
                (f"{key} {what}", changed) for what, changed in _of_table(value, of_key)
            )
        else:
            changes = ((f"{key} {what}", changed) for what, changed in of_key(key, value))
        for what, changed in changes:
            if changed is None:
                yield what, {k: v for k, v in table.items() if k != key}
            else:
                yield what, {**table, key: changed}


def _of_key(key: str, value: Any) -> Iterator[Change]:
    if key in ("from", "until", "no_duty"):
        return  # `_moved` does these, because two values share a day.
    if isinstance(value, list):
        yield from _of_list(key, value)
    elif value is True:
        yield "is gone", None
    elif isinstance(value, int):
        yield f"{value} became {value + 1}", value + 1
        yield f"{value} became {value - 1}", value - 1
        if key in (*DEALINGS, *BY_HALF, "purchase_days", "inquiry_days"):
            yield "is gone", None
    elif isinstance(value, float):
        for share in (round(value + 0.01, 4), round(value - 0.01, 4)):
            yield f"{value} became {share}", share
    elif key in CLOSED_SETS:
        for member in CLOSED_SETS[key]:
            if member.value != value:
                yield f"{value} became {member.value}", member.value
        if key in ("consent", "observed"):
            yield "is gone", None
    elif key in ("country", "state"):
        yield "became ZZ", "ZZ"
        yield "is gone", None
    else:
        for other in _other_texts(value):
            yield f"{value} became {other}", other


def _of_list(key: str, value: list[Any]) -> Iterator[Change]:
    for number, item in enumerate(value):
        without = value[:number] + value[number + 1 :]
        yield f"lost {item}", without
        if isinstance(item, date):
            for days in (1, -1):
                moved = item + timedelta(days=days)
                yield f"{item} became {moved}", [*without, moved]
        elif (key not in CLOSED_SETS and key not in ("weekdays", "days")) or WINDOW.fullmatch(item):
            for other in _other_texts(item):
                yield f"{item} became {other}", [*value[:number], other, *value[number + 1 :]]
    members = [m.value for m in CLOSED_SETS[key]] if key in CLOSED_SETS else []
    if key == "weekdays" and not any(WINDOW.fullmatch(item) for item in value):
        members = list(WEEK)
    for member in members:
        if member not in value and member not in IMPLIED:
            yield f"gained {member}", [*value, member]


def _other_texts(text: str) -> Iterator[str]:
    if text == "closed":
        yield "00:00-24:00"
        return
    match = WINDOW.fullmatch(text)
    if match is None:
        # What is said, since when, a number series, a place: any other text is another duty.
        yield f"{text}1" if text[-1].isdigit() else f"{text} or not"
        return
    opens, closes = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    for a, b in (
        (opens - 1, closes),
        (opens + 1, closes),
        (opens, closes - 1),
        (opens, closes + 1),
    ):
        yield f"{a // 60:02d}:{a % 60:02d}-{b // 60:02d}:{b % 60:02d}"
    yield "closed"


def _additions(kind: str, table: Mapping[str, Any]) -> Iterator[Change]:
    """What was not written: a lift too many, a switch."""
    if "no_duty" in table:
        return
    lift = table.get("lifted_by", {})
    if kind in LIFTABLE and "consent" not in lift:
        for consent in ConsentKind:
            yield (
                f"lifted_by gained {consent.value} consent",
                {**table, "lifted_by": {**lift, "consent": consent.value}},
            )
    if kind in LIFTABLE or kind == "consent":
        for dealing in DEALINGS:
            if dealing not in lift and dealing.replace("months", "days") not in lift:
                yield (
                    f"lifted_by gained {dealing}",
                    {**table, "lifted_by": {**lift, dealing: 18}},
                )
    switch = SWITCHES.get(kind)
    if switch is not None and switch not in table:
        yield f"gained {switch}", {**table, switch: True}


def _moved(
    content: Mapping[str, Any], number: int, row: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """A day of change moved. Where one value follows another, both days move."""
    values = content["value"]
    for days in (1, -1):
        step = timedelta(days=days)
        if number == 0:
            copy = deepcopy(dict(content))
            copy["value"][0]["from"] += step
            yield f"value 0: from {row['from']} became {row['from'] + step}", copy
        if "until" in row:
            copy = deepcopy(dict(content))
            copy["value"][number]["until"] += step
            if number + 1 < len(values) and values[number + 1]["from"] == row["until"]:
                copy["value"][number + 1]["from"] += step
            yield f"value {number}: until {row['until']} became {row['until'] + step}", copy

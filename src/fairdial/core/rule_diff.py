"""What two rulebooks say differently, rule by rule, and which of it rewrites the past.

A value that was in force on any day up to today judged calls on that day, and will judge them again
when somebody asks. So it is never edited; the next value is added. Whatever breaks that is a fault.
Refuses to know where the rulebooks come from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from fairdial.core.duties import Duty, Told
from fairdial.core.duties.words import in_words
from fairdial.core.rulebook import Rulebook
from fairdial.core.rules import DatedValue, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that two rulebooks say differently about one rule."""

    rule: str
    what: str
    """A sentence with the old and the new."""
    is_fault: bool = False
    """Whether calls of the past would be judged otherwise than they were."""


def differences(old: Rulebook, new: Rulebook, today: date) -> tuple[Difference, ...]:
    """All differences, by rule. Empty when both judge, cite and explain alike."""
    before = {rule.id: rule for rule in old.rules}
    after = {rule.id: rule for rule in new.rules}
    found: list[Difference] = []
    for name in sorted(before | after):
        if name not in before:
            found += _added(after[name])
        elif name not in after:
            found.append(_removed(before[name], today))
        else:
            found += _changed(before[name], after[name], today)
    return tuple(found)


def _added(rule: Rule) -> Iterator[Difference]:
    yield Difference(rule=rule.id, what=f"added: {rule.title} ({rule.citation})")
    for value in rule.values:
        yield Difference(rule=rule.id, what=f"from {value.from_on}: {_words(value.duty)}")


def _removed(rule: Rule, today: date) -> Difference:
    was_in_force = any(value.from_on <= today for value in rule.values)
    why = "; it was in force: end its value instead" if was_in_force else ""
    return Difference(rule=rule.id, what=f"removed: {rule.title}{why}", is_fault=was_in_force)


def _changed(old: Rule, new: Rule, today: date) -> Iterator[Difference]:
    was_in_force = any(value.from_on <= today for value in old.values)
    if old.applies != new.applies:
        # It has no date of its own, so it changes for the past as well.
        what = "applies to other calls than it did"
        if was_in_force:
            what += "; it was in force: leave it and add a rule beside it"
        yield Difference(rule=old.id, what=what, is_fault=was_in_force)
    if old.jurisdiction != new.jurisdiction:
        what = f"jurisdiction: {old.jurisdiction} became {new.jurisdiction}"
        yield Difference(rule=old.id, what=what, is_fault=was_in_force)
    for name, was, now in (
        ("title", old.title, new.title),
        ("citation", old.citation, new.citation),
        ("confidence", old.confidence.value, new.confidence.value),
        ("stricter reading", old.stricter_reading or "none", new.stricter_reading or "none"),
        ("reviewed", old.reviewed_on.isoformat(), new.reviewed_on.isoformat()),
    ):
        if was != now:
            yield Difference(rule=old.id, what=f"{name}: {was!r} became {now!r}")
    before = {value.from_on: value for value in old.values}
    after = {value.from_on: value for value in new.values}
    for day in sorted(before | after):
        yield from _value(old.id, before.get(day), after.get(day), today)


def _value(
    rule: str, old: DatedValue | None, new: DatedValue | None, today: date
) -> Iterator[Difference]:
    if old is None:
        assert new is not None, "a day is of one of the two"
        is_late = new.from_on <= today
        why = "; that day is past, and was judged without it" if is_late else ""
        what = f"added from {new.from_on}: {_words(new.duty)}{why}"
        yield Difference(rule=rule, what=what, is_fault=is_late)
        return
    was_in_force = old.from_on <= today
    why = "; it was in force: add the next value instead" if was_in_force else ""
    if new is None:
        what = f"removed from {old.from_on}: {_words(old.duty)}{why}"
        yield Difference(rule=rule, what=what, is_fault=was_in_force)
        return
    if old.duty != new.duty:
        what = f"from {old.from_on}: {_words(old.duty)} became {_words(new.duty)}{why}"
        yield Difference(rule=rule, what=what, is_fault=was_in_force)
    if old.until_on != new.until_on:
        ends = min(value.until_on or date.max for value in (old, new))
        is_past = ends <= today
        what = f"from {old.from_on}: until {old.until_on or 'open'} became {new.until_on or 'open'}"
        why = "; days of the past change their law" if is_past else ""
        yield Difference(rule=rule, what=what + why, is_fault=is_past)


def _words(duty: Duty | Told | None) -> str:
    return f"“{in_words(duty)}”" if duty is not None else "no such duty"

"""What is recorded reads back as it was, also from before a field was there."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairdial.core import record
from fairdial.core.attempt import Attempt
from fairdial.core.audit import canonical
from fairdial.core.campaign import Campaign
from fairdial.core.checkpoint import Checkpoint
from fairdial.core.facts import Facts
from fairdial.core.lead import StatedLocation
from fairdial.core.permit import plain
from fairdial.core.verdict import Verdict
from fairdial.rules import load_rulebook, read_files
from fairdial.rules.situations import read_situations

SITUATIONS = read_situations(read_files())
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a recorded type, made by its type hints alone, not by the reader's code."""
    kind = getattr(kind, "__supertype__", kind)
    arguments = typing.get_args(kind)
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([st.none() if a is type(None) else values_of(a) for a in arguments])
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    if origin is not None:
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=2)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return st.builds(
            kind, **{f.name: values_of(hints[f.name]) for f in dataclasses.fields(kind)}
        )
    if issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    return {
        datetime: MOMENTS,
        date: st.dates(),
        timedelta: st.integers(0, 10**6).map(lambda s: timedelta(seconds=s)),
        UUID: st.uuids(),
        str: st.text(max_size=8),
        bool: st.booleans(),
        int: st.integers(-(10**9), 10**9),
        float: st.integers(-(10**6), 10**6).map(lambda n: n / 8),
    }[kind]


@pytest.mark.parametrize("kind", [Facts, Verdict, Checkpoint, Attempt, Campaign])
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_everything_recorded_reads_back_as_it_was(kind: type, data: st.DataObject) -> None:
    value = data.draw(values_of(kind))
    assert record.read(kind, json.loads(canonical(plain(value)))) == value


def test_the_facts_of_every_situation_read_back_and_are_judged_the_same() -> None:
    rulebook = load_rulebook()
    for situation in SITUATIONS:
        facts = record.read(Facts, json.loads(canonical(plain(situation.facts))))
        assert rulebook.judge(facts, situation.at) == rulebook.judge(situation.facts, situation.at)


def test_a_field_that_came_later_takes_its_default() -> None:
    assert record.read(StatedLocation, {"state": "FL"}) == StatedLocation(state="FL")


def test_a_field_without_a_default_must_be_there() -> None:
    with pytest.raises(ValueError, match="Verdict: citation, ruling, why is missing"):
        record.read(Verdict, {"rule": "us.tcpa.hours"})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"mood": "good"}, "Facts: Facts has no mood"),
        ({"purpose": "fun"}, "Facts.purpose: 'fun' is not a valid Purpose"),
        ({"gathered_at": 7}, "Facts.gathered_at: 7 is not of the recorded type"),
        ({"gathered_at": "soon"}, "Facts.gathered_at: "),
        ({"gathered_at": "2026-12-01T15:40:00"}, "Facts.gathered_at: 2026-12-01T15:40:00 says no"),
        ({"is_sandbox": 1}, "Facts.is_sandbox: 1 is no bool"),
        ({"number": None}, "Facts.number: None is no str"),
        ({"suppressions": [{}]}, "Facts.suppressions[0]: "),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError) as caught:
        record.read(Facts, {**plain(SITUATIONS[0].facts), **change})
    assert str(caught.value).startswith(why)

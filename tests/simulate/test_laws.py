"""Others' laws, held to worked examples, and to what is known of their behaviour."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.pacing.cast import quiet

from fairdial.core.pacing import Statistics
from fairdial.simulate.laws import (
    OverLimit,
    Vicidial,
    VicidialSeen,
    VicidialSettings,
    issabel_calls,
    laws,
    mean_answer_s,
    mean_talk_s,
    vicidial_level,
)


def seen(surplus: float, **more: int) -> VicidialSeen:
    return VicidialSeen(ready=max(surplus, 0), waiting=max(-surplus, 0), agents=20, **more)


def settings(over_limit: OverLimit = OverLimit.AVERAGE, **more: int) -> VicidialSettings:
    return VicidialSettings(over_limit=over_limit, **more)


@pytest.mark.parametrize(
    ("level", "surplus", "intensity", "target", "expected"),
    [
        (2.0, 3, 0, 0, 2.3),
        (2.0, 3, 20, 0, 2.36),
        (2.0, -2, 20, 0, 1.84),
        (2.0, -2, -20, 0, 1.76),
        (2.9, 4, 0, 0, 3.0),
        (2.4, 1, 0, -1, 2.4),
        (1.0, -20, 0, 0, 1.0),
    ],
)
def test_the_level_follows_the_surplus_of_agents(
    level: float, surplus: float, intensity: int, target: int, expected: float
) -> None:
    given_settings = settings(intensity=intensity, target=target)
    assert vicidial_level(level, seen(surplus), given_settings) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("over_limit", "hhmm", "expected"),
    [
        (OverLimit.HARD_LIMIT, 1130, 1.0),
        (OverLimit.AVERAGE, 1130, 1.32),
        (OverLimit.TAPERED, 1130, 2.5608),
        (OverLimit.TAPERED, 1659, 1.1642),
        (OverLimit.TAPERED, 1000, 2.64),
        (OverLimit.TAPERED, 2101, 1.0),
    ],
)
def test_over_the_limit_each_law_does_its_own(
    over_limit: OverLimit, hhmm: int, expected: float
) -> None:
    day = seen(2, day_calls=1000, day_drops=31, hhmm=hhmm)
    assert vicidial_level(2.4, day, settings(over_limit)) == pytest.approx(expected, abs=5e-5)


def test_few_calls_have_no_limit_and_a_bad_minute_halves() -> None:
    few = seen(2, day_calls=50, day_drops=20)
    assert vicidial_level(2.4, few, settings()) == pytest.approx(2.64)
    minute = seen(2, minute_calls=21, minute_drops=11)
    assert vicidial_level(2.4, minute, settings()) == pytest.approx(1.32)


def test_agents_in_wrap_up_do_not_count_and_bridged_calls_do() -> None:
    law = Vicidial(settings(), level=2.0)
    busy = {"talking_s": (10.0,) * 4, "wrapping_s": (5.0,) * 3}
    decision = law(quiet(ready=2, **busy, in_flight_s=(1.0,)), 0.0)
    assert decision.calls == 2 * (2 + 4) - 1 - 4
    assert law(quiet(ready=2, **busy), 1.0).calls == 0, "every 2.5 s, and not before"


def learned() -> Statistics:
    known = Statistics.cold()
    for _ in range(40):
        known = known.after_call(elapsed_s=10.0, picked_up=True).after_talk(60.0)
        known = known.after_call(elapsed_s=22.0, picked_up=False)
    return known


def test_issabel_counts_agents_who_have_talked_for_long() -> None:
    known = learned()
    assert mean_talk_s(known) == pytest.approx(60.0, rel=0.1)
    assert mean_answer_s(known) == pytest.approx(11.0, abs=1.0)
    # -ln(0.03) = 3.5 mean talks, less the time to an answer.
    assert issabel_calls(quiet(ready=2, statistics=known), overcommits=False) == 2
    assert issabel_calls(quiet(talking_s=(150.0,), statistics=known), overcommits=False) == 0
    assert issabel_calls(quiet(talking_s=(260.0,), statistics=known), overcommits=False) == 1
    assert issabel_calls(quiet(ready=3, statistics=known), overcommits=True) == 6
    assert issabel_calls(quiet(ready=3), overcommits=True) == 3, "it knows too little"


@given(
    name=st.sampled_from(sorted(laws())),
    ready=st.integers(0, 30),
    talking=st.integers(0, 30),
    flying=st.integers(0, 60),
    waiting=st.integers(0, 10),
    room=st.integers(0, 40),
)
def test_no_law_places_less_than_none_or_more_than_there_is_room(
    name: str, ready: int, talking: int, flying: int, waiting: int, room: int
) -> None:
    law = laws()[name]
    seen_now = quiet(
        pace=law.pace,
        ready=ready,
        talking_s=tuple(30.0 * k for k in range(talking)),
        in_flight_s=tuple(float(k) for k in range(flying)),
        waiting=waiting,
        room=room,
        statistics=learned(),
    )
    assert 0 <= law.make()(seen_now, 0.0).calls <= room

"""What a decision promises, whatever the snapshot."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import exp, lgamma, log
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.pacing.cast import quiet

from fairdial.core.campaign import DialMode, Pace
from fairdial.core.pacing import Decision, Snapshot, Statistics, decide
from fairdial.core.pacing.allowance import Account, burst, risk
from fairdial.core.pacing.chance import distribution, no_agent_exact, no_agent_normal


def learned(answer_share: float = 0.3, calls: int = 600) -> Statistics:
    rng = Random(7)
    statistics = Statistics.cold()
    for _ in range(calls):
        if rng.random() < answer_share:
            statistics = statistics.after_call(
                elapsed_s=2.0 + rng.gammavariate(3.0, 3.0), picked_up=True
            )
            statistics = statistics.after_talk(rng.expovariate(1 / 90))
            statistics = statistics.after_wrap_up(rng.gammavariate(4.0, 5.0))
        else:
            statistics = statistics.after_call(elapsed_s=24.0, picked_up=False)
    return statistics


LEARNED = learned()


def floor(mode: DialMode = DialMode.PREDICTIVE, **changes: object) -> Snapshot:
    """Ten agents of an established campaign."""
    usual = quiet(
        pace=Pace(mode=mode),
        ready=2,
        talking_s=tuple(7.0 * i for i in range(8) if i % 4 > 0),
        wrapping_s=(0.0, 28.0),
        in_flight_s=(3.0, 14.0),
        statistics=LEARNED,
        live_answers=5000,
        abandoned=105,
        room=500,
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def test_progressive_places_one_call_per_ready_agent() -> None:
    assert decide(floor(DialMode.PROGRESSIVE, ready=7, waiting=1)) == Decision(
        calls=4,
        why="Progressive, one call per ready agent: 7 agents ready, 2 calls in flight, 1 waiting.",
        dial_level=6 / 7,
    )


def test_power_places_its_level_per_ready_agent() -> None:
    snapshot = floor(DialMode.POWER, ready=7, waiting=1, room=5)
    assert decide(snapshot) == Decision(
        calls=5,
        why="Power, 1.5 calls per ready agent: 7 agents ready, 2 calls in flight, 1 waiting. "
        "Lines and call rate leave room for 5 of 7.",
        dial_level=1.0,
    )


def test_predictive_dials_ahead_for_agents_who_are_soon_free() -> None:
    decision = decide(floor())
    assert decision.calls > 0
    assert "allowed are" in decision.why


def test_a_young_campaign_dials_as_progressive() -> None:
    for answers in range(116):
        young = floor(ready=4, live_answers=answers, abandoned=0)
        assert decide(young).calls == decide(replace(young, pace=Pace())).calls


def test_a_restart_dials_as_progressive_until_ring_times_are_known() -> None:
    assert decide(floor(ready=4, statistics=Statistics.cold())).calls == 2
    assert decide(floor(ready=4)).calls > 2


def test_who_has_overspent_dials_no_more_than_who_has_not() -> None:
    calls = [decide(floor(abandoned=n)).calls for n in range(60, 220, 10)]
    assert calls == sorted(calls, reverse=True)
    assert calls[0] > calls[-1]


def test_a_call_that_rings_long_does_not_hold_a_place() -> None:
    fresh, stale = (6.5,) * 12, (22.5,) * 12
    assert decide(floor(in_flight_s=stale)).calls > decide(floor(in_flight_s=fresh)).calls


def test_allowance_has_no_cliff() -> None:
    risks = [
        risk(Account(live_answers=n, abandoned=0, at_stake=0.0, target=0.0285)) for n in range(2000)
    ]
    assert risks[115] == 0.0
    steps = [b - a for a, b in pairwise(risks)]
    assert min(steps) >= 0.0
    assert max(steps) < 0.005


@pytest.mark.parametrize("answers", [200, 1000, 5000])
def test_spending_the_allowance_shows_a_rate_under_target_at_95_percent(answers: int) -> None:
    """Were the true rate the target, so few abandoned calls would be luck of 5 % or less."""
    granted = Account(live_answers=answers, abandoned=0, at_stake=0.0, target=0.0285).granted
    mean = 0.0285 * answers
    luck = sum(exp(-mean + k * log(mean) - lgamma(k + 1)) for k in range(int(granted) + 1))
    assert 0.015 < luck <= 0.05


def test_a_burst_may_spend_a_quarter_of_what_is_left() -> None:
    account = Account(live_answers=1000, abandoned=8, at_stake=0.5, target=0.0285)
    assert burst(account) == pytest.approx(5.0)


def test_exact_and_normal_chances_agree_for_a_middling_team() -> None:
    frees = [(0.3, 10)]
    exact = no_agent_exact(
        answers_mean=4.0, answers_squares=1.0, agents=3, frees=distribution(frees)
    )
    normal = no_agent_normal(answers_mean=4.0, answers_var=3.0, agents_mean=6.0, agents_var=2.1)
    assert exact == pytest.approx(normal, abs=0.02)


def test_exact_chance_of_two_coins_and_one_agent() -> None:
    chance = no_agent_exact(answers_mean=1.0, answers_squares=0.5, agents=1, frees=[1.0])
    assert chance == pytest.approx(0.75)


anything = st.floats(allow_nan=True, allow_infinity=True)
counts = st.one_of(st.integers(-3, 40), st.sampled_from([10**6, 10**12, 10**400]))
snapshots = st.builds(
    Snapshot,
    pace=st.builds(
        Pace,
        mode=st.sampled_from(DialMode),
        dial_level=anything,
        dial_level_max=anything,
        abandon_rate_target=anything,
    ),
    ready=counts,
    talking_s=st.lists(anything).map(tuple),
    wrapping_s=st.lists(anything).map(tuple),
    in_flight_s=st.lists(anything).map(tuple),
    waiting=counts,
    statistics=st.sampled_from([Statistics.cold(), LEARNED]),
    live_answers=counts,
    abandoned=counts,
    ring_s=anything,
    connect_s_max=anything,
    wrap_up_s_max=anything,
    room=counts,
)


@settings(max_examples=300, deadline=None)
@given(snapshots)
def test_any_snapshot_gets_an_answer_within_room(snapshot: Snapshot) -> None:
    decision = decide(snapshot)
    assert 0 <= decision.calls <= max(0, snapshot.room)
    assert 0.0 <= decision.dial_level < float("inf")
    assert decision.why.endswith(".")
    assert decide(snapshot) == decision


@settings(max_examples=100, deadline=None)
@given(snapshots)
def test_predictive_never_dials_less_than_progressive(snapshot: Snapshot) -> None:
    predictive = replace(snapshot, pace=replace(snapshot.pace, mode=DialMode.PREDICTIVE))
    progressive = replace(snapshot, pace=replace(snapshot.pace, mode=DialMode.PROGRESSIVE))
    assert decide(predictive).calls >= decide(progressive).calls


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 60), st.integers(0, 20), st.integers(0, 30))
def test_one_more_ready_agent_is_never_fewer_calls(ready: int, waiting: int, ringing: int) -> None:
    for mode in (DialMode.PROGRESSIVE, DialMode.POWER):
        one = floor(
            mode,
            ready=ready,
            waiting=waiting,
            in_flight_s=(1.0,) * ringing,
        )
        assert decide(replace(one, ready=ready + 1)).calls >= decide(one).calls


@settings(max_examples=100, deadline=None)
@given(anything, st.booleans())
def test_statistics_take_any_duration(duration: float, picked_up: bool) -> None:
    statistics = (
        Statistics.cold()
        .after_call(elapsed_s=duration, picked_up=picked_up)
        .after_talk(duration)
        .after_wrap_up(duration)
    )
    assert sum(statistics.talk_ends) == pytest.approx(1.0, rel=0.01)
    assert sum(statistics.ring_answers) + sum(statistics.ring_ends) == pytest.approx(1.0, rel=0.01)


@settings(max_examples=150, deadline=None)
@given(snapshots)
def test_who_forgets_what_was_learned_dials_no_more(snapshot: Snapshot) -> None:
    predictive = replace(
        snapshot,
        pace=replace(snapshot.pace, mode=DialMode.PREDICTIVE),
        statistics=LEARNED,
    )
    forgot = replace(predictive, statistics=Statistics.cold())
    assert decide(forgot).calls <= decide(predictive).calls


@settings(max_examples=150, deadline=None)
@given(
    ready=st.integers(0, 12),
    ages=st.lists(st.floats(0, 25), max_size=20),
    answers=st.integers(0, 6_000),
    share=st.floats(0, 1),
)
def test_fewer_answers_without_an_abandoned_call_are_no_reason_to_dial_more(
    ready: int, ages: list[float], answers: int, share: float
) -> None:
    long = floor(ready=ready, in_flight_s=tuple(ages), live_answers=answers, abandoned=0)
    short = replace(long, live_answers=int(answers * share))
    assert decide(short).calls <= decide(long).calls

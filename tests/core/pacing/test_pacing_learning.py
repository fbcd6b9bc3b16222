"""What is learned from bursts, jumps and long talks."""

from __future__ import annotations

from random import Random

import pytest
from tests.core.pacing.cast import quiet

from fairdial.core.pacing import Statistics
from fairdial.core.pacing.prediction import forecast


def campaign(rate: float, calls: int, statistics: Statistics, seed: int = 1) -> Statistics:
    rng = Random(seed)
    for _ in range(calls):
        if rng.random() < rate:
            statistics = statistics.after_call(elapsed_s=rng.uniform(4.0, 16.0), picked_up=True)
        else:
            statistics = statistics.after_call(elapsed_s=24.0, picked_up=False)
    return statistics


def expected_answers(statistics: Statistics, *ages_s: float) -> float:
    """Answers expected of calls of these ages by the last horizon."""
    ahead = forecast(quiet(statistics=statistics, in_flight_s=ages_s))
    return ahead.horizons[-1].answers.mean


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.6])
def test_learns_the_answer_rate(rate: float) -> None:
    """The last horizon is when 5 of 6 of those who answer have answered."""
    statistics = campaign(rate, 1500, Statistics.cold())
    assert expected_answers(statistics, 0.1) == pytest.approx(rate * 5 / 6, rel=0.35)


def test_follows_a_jump_of_the_answer_rate() -> None:
    before = campaign(0.1, 2000, Statistics.cold())
    after = campaign(0.4, 100, before, seed=2)
    assert expected_answers(after, 0.1) > 2.0 * expected_answers(before, 0.1)


def test_expects_nothing_of_a_call_that_rang_past_the_last_answers() -> None:
    statistics = campaign(0.3, 1500, Statistics.cold())
    assert expected_answers(statistics, 20.0) < 0.05 < expected_answers(statistics, 6.0)


def test_a_talk_that_outlived_the_refusals_is_expected_to_go_on() -> None:
    rng = Random(5)
    statistics = campaign(0.3, 300, Statistics.cold())
    for _ in range(400):
        statistics = statistics.after_talk(rng.gauss(35.0, 5.0)).after_wrap_up(4.0)
        statistics = statistics.after_talk(rng.gauss(300.0, 30.0)).after_wrap_up(4.0)
    chances = []
    for elapsed in (30.0, 100.0):
        ahead = forecast(quiet(statistics=statistics, talking_s=(elapsed,)))
        chances.append(ahead.horizons[-1].frees[0][0])
    assert chances[0] > 0.2
    assert chances[1] < 0.05


def test_talks_that_all_last_the_same_are_no_riddle() -> None:
    statistics = campaign(0.3, 300, Statistics.cold())
    for _ in range(5_000):
        statistics = statistics.after_talk(60.0).after_wrap_up(4.0)
    for elapsed in (0.0, 59.0, 61.0, 3_000.0):
        snapshot = quiet(statistics=statistics, talking_s=(elapsed,))
        assert all(0.0 <= p <= 1.0 for h in forecast(snapshot).horizons for p, _ in h.frees)

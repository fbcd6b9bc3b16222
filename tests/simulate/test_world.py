"""Whole floors in virtual time: the world itself first, then what each dial mode does in it."""

from __future__ import annotations

from statistics import mean

import pytest

from fairdial.core.campaign import DialMode, Pace
from fairdial.simulate.world import Outcome, World, play

PREDICTIVE = Pace(mode=DialMode.PREDICTIVE)
PROGRESSIVE = Pace(mode=DialMode.PROGRESSIVE)
RATIO = Pace(mode=DialMode.POWER, dial_level=2.0)


def window_rate(world: World, outcome: Outcome) -> float:
    """The rate the law sees: with what the campaign did before."""
    abandoned = world.abandoned_before + outcome.abandoned
    return abandoned / (world.live_answers_before + outcome.connected + outcome.abandoned)


def test_one_progressive_agent_follows_the_renewal_formula() -> None:
    """A cycle is: dead calls one after another, one answered call, talk, wrap-up."""
    p, ring_s = 0.3, 45.0  # It rings so long that every person who will answer does.
    world = World(
        agents=1,
        person_rate=p,
        machine_rate=0.0,
        ring_s=ring_s,
        pause_every_s=0.0,
        minutes=60 * 20,
        seed=4,
    )
    outcome = play(world, PROGRESSIVE)
    failed = 0.14
    setup = 1.65
    dead = failed * 1.75 + (1 - failed) * (setup + ring_s)
    cycle = (1 - p) / p * dead + setup + 9.5 + 0.5 * 35.0 + 0.5 * 200.0 + 20.0
    assert outcome.connected * cycle == pytest.approx(world.minutes * 60, rel=0.1)


def test_ringing_calls_follow_littles_law() -> None:
    world = World(agents=20, machine_rate=0.0, pause_every_s=0.0, minutes=120, seed=2)
    outcome = play(world, PROGRESSIVE)
    # Persons answer after 11.1 s (a few would after we give up), failures end after 1.75 s, and
    # the rest ring out at 23.65 s.
    ringing = 0.15 * 10.9 + 0.85 * (0.14 * 1.75 + 0.86 * 23.65)
    arrivals = outcome.dialled / outcome.seconds
    assert outcome.ringing_s / outcome.seconds == pytest.approx(arrivals * ringing, rel=0.03)


@pytest.mark.parametrize("agents", [1, 7, 40])
def test_progressive_never_abandons_while_agents_stay(agents: int) -> None:
    outcome = play(World(agents=agents, person_rate=0.4, minutes=20), PROGRESSIVE)
    assert outcome.connected > 0
    assert outcome.abandoned == 0


@pytest.mark.parametrize(
    ("agents", "person_rate", "machine_rate", "shift", "minutes", "before"),
    [
        (2, 0.15, 0.2, 3.0, 40, (400, 3)),
        (2, 0.5, 0.0, 1 / 3, 40, (400, 3)),
        (5, 0.05, 0.2, 3.0, 30, (400, 3)),
        (5, 0.3, 0.0, 1 / 3, 30, (400, 3)),
        (10, 0.15, 0.2, 3.0, 24, (400, 3)),
        (10, 0.5, 0.0, 1 / 3, 16, (400, 3)),
        (30, 0.05, 0.0, 3.0, 16, (800, 12)),
        (30, 0.5, 0.2, 1 / 3, 12, (800, 12)),
        (100, 0.15, 0.2, 3.0, 8, (3000, 60)),
        (100, 0.3, 0.0, 1 / 3, 6, (3000, 60)),
    ],
)
def test_predictive_ends_under_three_percent(
    agents: int,
    person_rate: float,
    machine_rate: float,
    shift: float,
    minutes: float,
    before: tuple[int, int],
) -> None:
    world = World(
        agents=agents,
        person_rate=person_rate,
        machine_rate=machine_rate,
        shift=shift,
        minutes=minutes,
        live_answers_before=before[0],
        abandoned_before=before[1],
        seed=11,
    )
    outcome = play(world, PREDICTIVE)
    assert outcome.connected > 0
    assert window_rate(world, outcome) <= 0.03


def test_predictive_keeps_thirty_agents_far_busier_than_progressive() -> None:
    world = World(agents=30, minutes=15, live_answers_before=1500, abandoned_before=28, seed=5)
    predictive, progressive = play(world, PREDICTIVE), play(world, PROGRESSIVE)
    assert predictive.utilisation > progressive.utilisation + 0.15
    assert window_rate(world, predictive) <= 0.03


def test_short_runs_abandon_at_most_a_rare_call() -> None:
    """Some 60 answers have earned no abandoned call yet."""
    outcomes = [play(World(agents=10, minutes=30, seed=seed), PREDICTIVE) for seed in range(6)]
    assert mean(o.connected for o in outcomes) > 40
    assert sum(o.abandoned for o in outcomes) <= 1


def test_the_same_seed_is_the_same_world() -> None:
    world = World(agents=5, minutes=10, seed=9)
    first, second = play(world, RATIO), play(world, RATIO)
    facts = [(o.connected, o.abandoned, o.dialled, o.busy_s) for o in (first, second)]
    assert facts[0] == facts[1]
    assert facts[0] != (0, 0, 0, 0.0)

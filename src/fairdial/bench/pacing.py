"""Pacing measured: every law on the same people, by the size of the floor and the answer rate.

The people are drawn by `simulate.world` from a seed before anybody is called, so a difference
between two rows is one of the dialing. Figures are of this simulation, not of a live floor.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from fairdial.bench.machine import machine
from fairdial.core.campaign import DialMode, Pace
from fairdial.core.pacing import Snapshot, Statistics, decide
from fairdial.simulate.compare import BOUNDS, as_figures, compare
from fairdial.simulate.laws import laws
from fairdial.simulate.world import World

SIZES = (5, 10, 20, 50, 100)
RATES = (0.10, 0.25)
DECISIONS = 50


def run(
    *,
    sizes: Sequence[int] = SIZES,
    rates: Sequence[float] = RATES,
    minutes: float = 240.0,
    seeds: int = 4,
    names: Sequence[str] = (),
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Play every law (or those named) at every size and rate; figures ready for JSON.

    A campaign begins with nothing known and nothing earned. No machine answers, so that every
    abandoned call is a person and every law is measured by what the rules count.
    """
    known = tuple(names) or (*laws(), *BOUNDS)
    floors = []
    for rate in rates:
        for agents in sizes:
            say(f"{agents} agents, {rate:.0%} answer")
            world = World(agents=agents, minutes=minutes, person_rate=rate, machine_rate=0.0)
            rows = compare(world, known, seeds=seeds, workers=min(os.cpu_count() or 1, seeds))
            floors.append({"agents": agents, "person_rate": rate, "rows": as_figures(rows)})
    return {
        "measured_on": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine(),
        "asked": {"minutes": minutes, "seeds": seeds},
        "floors": floors,
        "one_decision_ms": one_decision_ms(agents=1_000, in_flight=5_000),
    }


def one_decision_ms(*, agents: int, in_flight: int) -> dict[str, float]:
    """How long predictive takes for one decision of a large floor, milliseconds."""
    learned = Statistics.cold()
    for n in range(4_000):
        learned = learned.after_call(elapsed_s=2.0 + n % 22, picked_up=n % 5 == 0)
        learned = learned.after_talk(20.0 + n % 300).after_wrap_up(5.0 + n % 30)
    snapshot = Snapshot(
        pace=Pace(mode=DialMode.PREDICTIVE),
        ready=agents // 20,
        talking_s=tuple(float(n % 400) for n in range(agents) if n % 6 > 0),
        wrapping_s=tuple(float(n % 400) for n in range(agents) if n % 6 == 0),
        in_flight_s=tuple(n % 240 / 10 for n in range(in_flight)),
        waiting=0,
        statistics=learned,
        live_answers=50_000,
        abandoned=1_000,
        ring_s=22.0,
        connect_s_max=2.0,
        wrap_up_s_max=60.0,
        room=10_000,
    )
    took = []
    for _ in range(DECISIONS):
        begun = perf_counter()
        decide(snapshot)
        took.append(1000 * (perf_counter() - begun))
    took.sort()
    return {
        "agents": agents,
        "in_flight": in_flight,
        "median": round(took[len(took) // 2], 3),
        "max": round(took[-1], 3),
    }

"""Pacing measured: predictive, progressive and a fixed ratio on the same people, by floor size.

The people are drawn by `world` from a seed before anybody is called, so that a difference between
two rows is a difference of the dialling. Figures are of this simulation, not of a live floor.
"""

from __future__ import annotations

from typing import Any

from fairdial.core.campaign import DialMode, Pace
from fairdial.simulate.world import World, play

SIZES = (5, 10, 30, 100)
PACES = {
    "predictive": Pace(mode=DialMode.PREDICTIVE),
    "progressive": Pace(mode=DialMode.PROGRESSIVE),
    "ratio 2.0": Pace(mode=DialMode.POWER, dial_level=2.0),
}
BEFORE = (3000, 70)
"""Live answers and abandoned calls of an established campaign: as much as its target has earned."""


def run(minutes: int = 60, *, seed: int = 1, is_established: bool = False) -> dict[str, Any]:
    """Play every floor with every pace and return the figures, ready for JSON.

    A new campaign begins with nothing known and nothing earned; an established one with BEFORE in
    its legal window (its statistics begin cold all the same, as after a restart). Takes about a
    minute of computing for an hour of calling.
    """
    if minutes < 1:
        raise ValueError(f"minutes is {minutes}; play at least 1 minute of calling")
    live, abandoned = BEFORE if is_established else (0, 0)
    rows: list[dict[str, Any]] = []
    for agents in SIZES:
        world = World(
            agents=agents,
            minutes=minutes,
            seed=seed,
            live_answers_before=live,
            abandoned_before=abandoned,
        )
        for name, pace in PACES.items():
            outcome = play(world, pace)
            answers = outcome.connected + outcome.abandoned
            rows.append(
                {
                    "agents": agents,
                    "pace": name,
                    "utilisation": round(outcome.utilisation, 4),
                    "talk_minutes_per_agent_hour": round(outcome.talk_minutes_per_hour, 2),
                    "live_answers": answers,
                    "abandoned": outcome.abandoned,
                    "abandon_rate": round(outcome.abandon_rate, 5),
                    "abandon_rate_with_history": round(
                        (outcome.abandoned + abandoned) / max(1, answers + live), 5
                    ),
                    "persons_abandoned": outcome.persons_abandoned,
                    "dialled": outcome.dialled,
                    "decisions": outcome.decisions,
                    "decide_ms_mean": round(1e3 * outcome.decide_s / max(1, outcome.decisions), 4),
                    "decide_ms_max": round(1e3 * outcome.decide_s_max, 3),
                }
            )
    return {"minutes": minutes, "seed": seed, "is_established": is_established, "rows": rows}

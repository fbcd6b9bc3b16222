"""A snapshot of a floor where nothing goes on, to be changed by whoever needs one."""

from __future__ import annotations

from fairdial.core.campaign import DialMode, Pace
from fairdial.core.pacing import Snapshot, Statistics


def quiet(**changes: object) -> Snapshot:
    """Nobody is ready, nothing rings, nothing is known."""
    values: dict[str, object] = {
        "pace": Pace(mode=DialMode.PREDICTIVE),
        "ready": 0,
        "talking_s": (),
        "wrapping_s": (),
        "in_flight_s": (),
        "waiting": 0,
        "statistics": Statistics.cold(),
        "live_answers": 0,
        "abandoned": 0,
        "ring_s": 22.0,
        "connect_s_max": 3.0,
        "wrap_up_s_max": 60.0,
        "room": 1_000,
    }
    return Snapshot(**{**values, **changes})  # type: ignore[arg-type]

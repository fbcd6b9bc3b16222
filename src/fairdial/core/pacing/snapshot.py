"""What pacing sees and what it says: values only, so that any decision can be replayed."""

from __future__ import annotations

from dataclasses import dataclass

from fairdial.core.campaign import Pace
from fairdial.core.pacing.statistics import Statistics


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One campaign at one moment."""

    pace: Pace
    ready: int
    """Agents who could take a call this instant."""
    talking_s: tuple[float, ...]
    """For how long each agent who talks, or is about to, has been at it, seconds."""
    wrapping_s: tuple[float, ...]
    """The same of each wrap-up. Paused agents are nowhere: they may not come back."""
    in_flight_s: tuple[float, ...]
    """Seconds since the INVITE of each call that was neither answered nor ended."""
    waiting: int
    """Answered calls that wait for an agent."""
    statistics: Statistics
    live_answers: int
    """Persons connected, plus abandoned calls, of this campaign in the legal window (30 days)."""
    abandoned: int
    """Abandoned calls of this campaign in the legal window."""
    ring_s: float
    """How long a phone rings before we give up, seconds."""
    connect_s_max: float
    """From pick-up to the connect deadline, seconds."""
    wrap_up_s_max: float
    """After so many seconds of wrap-up an agent becomes ready without asking."""
    room: int
    """Free lines and calls-per-second credit: the most calls that could be placed now."""

    @property
    def busy(self) -> int:
        """Agents who talk or wrap up."""
        return len(self.talking_s) + len(self.wrapping_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How many calls to place now, and why."""

    calls: int
    """Never negative, never more than the snapshot's `room`."""
    why: str
    """A sentence for a supervisor, with the figures that decided."""
    dial_level: float
    """Calls in flight (after this decision) per agent ready or soon free. 0 with no agent."""

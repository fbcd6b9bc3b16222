"""A verdict: one rule's answer about one attempt, with what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fairdial.core.ids import Instant


class Ruling(StrEnum):
    """One rule's answer. Unknown is not yes."""

    ALLOW = "allow"
    REFUSE = "refuse"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One rule's answer about one attempt, with what it rests on."""

    rule: str
    """The rule's id: `us.tcpa.hours`."""
    citation: str
    ruling: Ruling
    why: str
    """A sentence with the figures used: `09:41 in America/Chicago is within 08:00–21:00`."""
    next_allowed_at: Instant | None = None
    """For a refusal by time: when this rule alone would allow the call, if it ever will."""

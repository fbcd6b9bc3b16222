"""Recordings of calls: when one runs, what the person is told, and how long it is kept.

Many places ask that everybody on the line knows of a recording (Cal. Penal Code 632.7; 18 U.S.C.
2511(2)(d) leaves it to the states), so a campaign that records must have the sentence that says so.
The audio itself is the engine's and the shelf's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from fairdial.core.ids import CallId, CampaignId, Instant, RecordingId, SessionId


class RecordingPolicy(StrEnum):
    """Which talks are recorded."""

    ALL = "all"
    """Every talk, from the moment that an agent is joined."""
    ON_DEMAND = "on_demand"
    """Those for which the agent asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingPlan:
    """How a campaign records."""

    policy: RecordingPolicy
    notice: str
    """What the agent says of it; shown while a recording runs."""
    keep: timedelta
    """How long a recording is kept after its end; then its file is deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecording:
    """One recording of one call; a call may have several, one after the other."""

    id: RecordingId
    campaign_id: CampaignId
    call_id: CallId
    session_id: SessionId
    """The agent session in whose talk it began."""
    file: str
    """Where it is, under the installation's folder of recordings."""
    started_at: Instant
    is_paused: bool = False
    """Silence is recorded, while a card's number is told."""
    ended_at: Instant | None = None
    seconds: float | None = None
    """How much was recorded; None while it runs."""
    sha256: str = ""
    """Of the file as it was completed; the audit chain seals it."""
    fault: str = ""
    """Why it is shorter than the talk, or is not there."""
    deleted_at: Instant | None = None

"""Monitoring: a supervisor's phone follows one agent from call to call.

Decides who may take which part; the engine's table of who hears whom is `core.conversation`.
"""

from __future__ import annotations

from dataclasses import dataclass

from fairdial.core.conversation import Part
from fairdial.core.ids import CallId, CampaignId, Instant, MonitorId, SessionId

PARTS = frozenset({Part.LISTEN, Part.WHISPER, Part.TALK})
"""What a supervisor may do: listen, prompt the agent alone, or join in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """One supervisor who follows one agent session."""

    id: MonitorId
    campaign_id: CampaignId
    supervisor: str
    session_id: SessionId
    """The agent session that is followed."""
    part: Part
    since: Instant
    is_leg_up: bool = False
    call_id: CallId | None = None
    """The call that the supervisor's leg is in."""
    ended_at: Instant | None = None

    @property
    def leg_id(self) -> SessionId:
        """The supervisor's leg, as the engine knows it."""
        return SessionId(self.id)

"""Rows of tables as the values of core, where several parts of the store read the same table."""

from __future__ import annotations

from psycopg.rows import DictRow

from fairdial.core.agent import AgentSession, AgentState
from fairdial.core.hopper import Again
from fairdial.core.ids import AgentId, AttemptId, CampaignId, InboundId, SessionId


def session_of(row: DictRow) -> AgentSession:
    """An agent session with the name of its agent."""
    return AgentSession(
        id=SessionId(row["id"]),
        agent_id=AgentId(row["agent_id"]),
        agent_name=row["agent_name"],
        campaign_id=CampaignId(row["campaign_id"]),
        phone=row["phone"],
        state=AgentState(row["state"]),
        since=row["since"],
        attempt_id=None if row["attempt_id"] is None else AttemptId(row["attempt_id"]),
        inbound_id=None if row["inbound_id"] is None else InboundId(row["inbound_id"]),
        deadline_at=row["deadline_at"],
        pause_asked=row["pause_asked"],
        wrap_up_s=row["wrap_up_s"],
        is_leg_up=row["is_leg_up"],
        is_muted=row["is_muted"],
    )


def again_values(step: Again) -> dict[str, object]:
    """What a lead's row takes from a next step that comes again."""
    return {"due_at": step.at, "why": step.why, "is_callback": step.is_callback}

"""What a call's step does to its agents' sessions, in the same transaction."""

from __future__ import annotations

from fairdial.core import agent as desk
from fairdial.core.agent import AgentSession, AgentState
from fairdial.core.ids import CallId, Instant, SessionId
from fairdial.exceptions import ImpossibleEvent
from fairdial.flow.floor import log
from fairdial.ports import Transaction


async def move_agent(
    tx: Transaction, session_id: SessionId, call_id: CallId, event: desk.Event, now: Instant
) -> AgentSession | None:
    """Move an agent who has this call at hand; None for one who has another one, or none, by now.

    The agent may have left or broken off in the meantime: their own event has told their story.
    """
    session = await tx.session(session_id)
    if session is None or session.call_id != call_id:
        return None
    try:
        moved = desk.step(session, event, now)
    except ImpossibleEvent as error:
        log.warning("%s", error)
        return session
    if moved is not session:
        await tx.save_session(moved, was=session)
    return moved


async def begins_wrap_up(
    tx: Transaction, session_id: SessionId, call_id: CallId, now: Instant
) -> bool:
    """The call is over; whether its agent is there to record what came of it."""
    session = await move_agent(tx, session_id, call_id, desk.TalkEnded(), now)
    return session is not None and session.state is AgentState.WRAP_UP

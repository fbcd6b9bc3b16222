"""A live call of either kind, one that we made or one made to us, for what people do with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fairdial.core import attempt as line
from fairdial.core import inbound as caller
from fairdial.core import talk
from fairdial.core.agent import AgentSession, AgentState
from fairdial.core.attempt import Attempt, AttemptState
from fairdial.core.ids import CallId, Instant, SessionId
from fairdial.core.inbound import InboundCall, InboundState
from fairdial.exceptions import ImpossibleEvent
from fairdial.flow import call_events, inbound
from fairdial.flow.floor import Floor
from fairdial.ports import Transaction

LiveCall = Attempt | InboundCall

Command = Callable[[], Awaitable[None]]
"""Something to tell the engine once a transaction is committed."""


async def held(tx: Transaction, call_id: CallId) -> LiveCall | None:
    """The call, for update."""
    attempt = await tx.attempt(call_id)  # type: ignore[arg-type]  # One kind of id is the other's.
    if attempt is not None:
        return attempt
    return await tx.switchboard.inbound(call_id)


async def talker(floor: Floor, session_id: SessionId) -> tuple[AgentSession, CallId]:
    """An agent who talks, and on which call, not held. Raises `ImpossibleEvent` for another."""
    async with floor.store.transaction(durable=False) as tx:
        session = await tx.glance(session_id)
    if session is None or session.state is not AgentState.TALKING or session.call_id is None:
        raise nobody(session_id)
    return session, session.call_id


def nobody(session_id: SessionId) -> ImpossibleEvent:
    """What an agent is told who asks for something about a call and has none."""
    return ImpossibleEvent(f"agent session {session_id} talks with nobody; nothing was changed")


def is_talking(call: LiveCall) -> bool:
    """Whether an agent session of ours has the call and talks."""
    return call.state in (AttemptState.TALKING, InboundState.TALKING)


def is_parked(call: LiveCall) -> bool:
    """Whether the call waits to be picked up."""
    return call.state in (AttemptState.PARKED, InboundState.PARKED)


def is_ended(call: LiveCall) -> bool:
    """Whether the call's leg is gone and its disposition is still to be recorded."""
    return call.state in (AttemptState.ENDED, InboundState.ENDED)


async def move(
    tx: Transaction,
    floor: Floor,
    call: LiveCall,
    event: talk.Event | line.HangUpAsked,
    now: Instant,
) -> tuple[LiveCall, Command]:
    """Apply an event in the caller's transaction; returns the call as it stands, and what to tell
    the engine after the commit. Raises `ImpossibleEvent` where the call cannot have it."""
    if isinstance(call, Attempt):
        stepped = line.step(call, event, now)
        await call_events.record(tx, floor, call, stepped, now)
        return stepped.attempt, lambda: call_events.tell_engine(floor, stepped)
    moved = caller.step(call, event, now)
    await inbound.record(tx, floor, call, moved, now)
    return moved.call, lambda: inbound.tell_engine(floor, moved)


async def apply(
    floor: Floor, call_id: CallId, event: line.HangUpAsked | line.AgentLost, now: Instant
) -> None:
    """Apply an event of ours to a call of either kind. Late and doubled events do nothing."""
    async with floor.store.transaction(durable=False) as tx:
        call = await held(tx, call_id)
    match call:
        case Attempt():
            await call_events.apply(floor, call.id, event, now)
        case InboundCall():
            await inbound.apply(floor, call.id, event, now)
        case None:
            pass

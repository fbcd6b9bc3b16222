"""The line keys of a desk: what an agent does with a live call.

Hold, mute, keys, a message left on a machine, transfer to a colleague or to a named destination,
conference, park and pick up. All but the message works alike for calls that we made and for calls
to us. Every function raises `ImpossibleEvent`, with a sentence for the agent, when the call or the
desk is not in a state for it; nothing is changed then.
"""

from __future__ import annotations

from fairdial.core import agent as desk
from fairdial.core import attempt as line
from fairdial.core import talk
from fairdial.core import transfer as machine
from fairdial.core.agent import AgentSession
from fairdial.core.attempt import Attempt
from fairdial.core.ids import CallId, CampaignId, SessionId, TransferId
from fairdial.core.inbound import InboundCall
from fairdial.core.outcome import Disposition
from fairdial.core.transfer import DESTINATION_RING, Transfer, TransferKind, TransferState
from fairdial.exceptions import EngineUnavailable, ImpossibleEvent
from fairdial.flow import agent_desk, call_events, live_calls, monitor, transfers
from fairdial.flow.floor import Floor
from fairdial.flow.live_calls import LiveCall
from fairdial.ports import ParkedCall, Part, Transaction

KEYS_MAX = 32
"""How many keys may be pressed at once."""
_KEYS = frozenset("0123456789*#ABCD")


# --- hold, mute, keys -----------------------------------------------------------------------------


async def hold(floor: Floor, session_id: SessionId) -> None:
    """The person outside hears music, and neither hears nor is heard by the agent."""
    await _on_call(floor, session_id, talk.Held())


async def unhold(floor: Floor, session_id: SessionId) -> None:
    """Back from hold."""
    await _on_call(floor, session_id, talk.Unheld())


async def mute(floor: Floor, session_id: SessionId) -> AgentSession:
    """The agent hears the call and is not heard; ends with the call."""
    return await _mute(floor, session_id, desk.Muted(), Part.LISTEN)


async def unmute(floor: Floor, session_id: SessionId) -> AgentSession:
    """The agent is heard again."""
    return await _mute(floor, session_id, desk.Unmuted(), Part.TALK)


async def leave_message(floor: Floor, session_id: SessionId) -> AgentSession:
    """A machine is on the line: it is left the recorded message, and the agent is ready again.

    To be pressed after the beep. The permit must cover a recorded message, which is a prerecorded
    call to the law (47 CFR 64.1200(a)(1), (a)(3)); it was judged as one before the call.
    """
    async with floor.store.transaction(durable=False) as tx:
        _, call = await _talking(tx, session_id)
        await _check_no_transfer(tx, call.id)
        if not isinstance(call, Attempt):
            raise ImpossibleEvent("a message is left on calls that we made; nothing was changed")
        if not call.may_leave_message:
            raise ImpossibleEvent(
                "a recorded message is not permitted on this call, or the campaign has none "
                "([messages] voicemail); the audit (permit.message) says why"
            )
        now = floor.clock.now()
        stepped = line.step(call, line.MessageLeft(), now)
        await call_events.record(tx, floor, call, stepped, now)
    await call_events.tell_engine(floor, stepped)
    await monitor.follow(floor, session_id)
    return await agent_desk.dispose(floor, session_id, Disposition.MACHINE)


async def send_digits(floor: Floor, session_id: SessionId, digits: str) -> None:
    """Press keys towards the person outside. What is pressed is neither logged nor kept."""
    if not 1 <= len(digits) <= KEYS_MAX or not set(digits) <= _KEYS:
        raise ImpossibleEvent(f"1 to {KEYS_MAX} keys, each of 0-9, *, #, A-D; none was pressed")
    _, call_id = await live_calls.talker(floor, session_id)
    await floor.telephony.send_digits(call_id, digits)


# --- transfer and conference ----------------------------------------------------------------------


async def transfer(
    floor: Floor, session_id: SessionId, *, to: SessionId | str, kind: TransferKind
) -> Transfer:
    """Ask a third phone into the call at hand; the person outside hears music meanwhile.

    `to` is another agent session, which must be ready, or a name under `[transfer]` in the campaign
    file. Blind: the destination gets the call when it answers. Attended: the agent talks with the
    destination first, then calls `complete`, `conference` or `take_back`. A destination that does
    not answer in 25 s, or is lost, leaves the call with the agent.
    """
    now = floor.clock.now()
    phone = None
    async with floor.store.transaction() as tx:
        session, call = await _talking(tx, session_id)
        await _check_no_transfer(tx, call.id)
        if isinstance(to, str):
            phone = _destination(floor, session.campaign_id, to)
            leg_id, name = SessionId(floor.ids.new()), to
        else:
            leg_id, name = to, await _reserve_colleague(tx, floor, session, call, to)
        started = Transfer(
            id=TransferId(floor.ids.new()),
            campaign_id=session.campaign_id,
            call_id=call.id,
            is_inbound=isinstance(call, InboundCall),
            from_session_id=session_id,
            leg_id=leg_id,
            is_agent=phone is None,
            to=name,
            kind=kind,
            state=TransferState.CALLING,
            started_at=now,
            deadline_at=now + DESTINATION_RING,
        )
        await tx.switchboard.open_transfer(started)
        transfers.audit(tx, started, f"agent:{session.agent_name}", now)
        _, command = await live_calls.move(tx, floor, call, talk.Held(), now)
    await transfers.tell([command])
    if phone is None:
        return await transfers.advance(floor, started, machine.DestinationUp(), now)
    try:
        await floor.telephony.connect_agent(leg_id, phone)
    except EngineUnavailable as error:
        lost = machine.DestinationLost(why=str(error))
        return await transfers.advance(floor, started, lost, now)
    return started


async def complete(floor: Floor, session_id: SessionId) -> Transfer:
    """Leave the call to the destination: the agent goes into wrap-up."""
    return await _advance(floor, session_id, machine.Completed())


async def conference(floor: Floor, session_id: SessionId) -> Transfer:
    """Bring the person outside back: all three talk."""
    return await _advance(floor, session_id, machine.Conferenced())


async def take_back(floor: Floor, session_id: SessionId) -> Transfer:
    """Let the destination go; the agent and the person outside talk again."""
    return await _advance(floor, session_id, machine.TakenBack())


async def open_transfer(floor: Floor, session_id: SessionId) -> Transfer | None:
    """The transfer of the call at hand, whichever side of it the agent is on."""
    async with floor.store.transaction(durable=False) as tx:
        session = await tx.glance(session_id)
        if session is None or session.call_id is None:
            return None
        return await tx.switchboard.transfer_of(session.call_id)


async def colleagues(floor: Floor, session_id: SessionId) -> list[AgentSession]:
    """The other agents of the campaign, whom a call may be passed on to when they are ready."""
    async with floor.store.transaction(durable=False) as tx:
        session = await tx.glance(session_id)
        if session is None:
            return []
        everybody = await tx.open_sessions(session.campaign_id)
    return [other for other in everybody if other.id != session_id]


# --- park and pick up -----------------------------------------------------------------------------


async def park(floor: Floor, session_id: SessionId) -> None:
    """Leave the call with music for whoever picks it up; the agent goes into wrap-up.

    After two minutes the message for abandoned calls takes the music's place.
    """
    await _on_call(floor, session_id, talk.Parked())
    await monitor.follow(floor, session_id)


async def parked(floor: Floor, campaign_id: CampaignId) -> list[ParkedCall]:
    """Calls that wait to be picked up, the longest first."""
    async with floor.store.transaction(durable=False) as tx:
        return await tx.switchboard.parked(campaign_id)


async def pick_up(floor: Floor, session_id: SessionId, call_id: CallId) -> AgentSession:
    """Take a parked call. Of two agents who try, the second is told that it is gone.

    The agent must be ready, or in the wrap-up of this very call.
    """
    now = floor.clock.now()
    async with floor.store.transaction() as tx:
        call = await live_calls.held(tx, call_id)
        session = await tx.session(session_id)
        if session is None:
            raise live_calls.nobody(session_id)
        if call is None or not live_calls.is_parked(call):
            raise ImpossibleEvent("this call is not parked any more; nothing was changed")
        if session.campaign_id != call.campaign_id:
            raise ImpossibleEvent("this call is one of another campaign; nothing was changed")
        if session.call_id != call_id:
            session = await _reserve(tx, floor, session, call)
        moved, command = await live_calls.move(
            tx, floor, call, talk.HandedOver(session_id=session_id), now
        )
    talks = floor.telephony.join
    await transfers.tell([lambda: talks(moved.id, session_id, Part.TALK), command])
    await monitor.follow(floor, session_id)
    async with floor.store.transaction(durable=False) as tx:
        return await tx.glance(session_id) or session


# --- what they share ------------------------------------------------------------------------------


async def _on_call(floor: Floor, session_id: SessionId, event: talk.Event) -> None:
    async with floor.store.transaction(durable=False) as tx:
        _, call = await _talking(tx, session_id)
        await _check_no_transfer(tx, call.id)
        _, command = await live_calls.move(tx, floor, call, event, floor.clock.now())
    await transfers.tell([command])


async def _mute(floor: Floor, session_id: SessionId, event: desk.Event, part: Part) -> AgentSession:
    async with floor.store.transaction(durable=False) as tx:
        session = await tx.session(session_id)
        if session is None:
            raise live_calls.nobody(session_id)
        moved = desk.step(session, event, floor.clock.now())
        await tx.save_session(moved, was=session)
    if moved.call_id is not None:
        call_id = moved.call_id
        await transfers.tell([lambda: floor.telephony.join(call_id, session_id, part)])
    return moved


async def _talking(tx: Transaction, session_id: SessionId) -> tuple[AgentSession, LiveCall]:
    """The agent and the call that is theirs, held; raises when they do not talk."""
    seen = await tx.glance(session_id)
    call = None if seen is None or seen.call_id is None else await live_calls.held(tx, seen.call_id)
    session = await tx.session(session_id)
    if session is None or call is None or session.call_id != call.id:
        raise live_calls.nobody(session_id)
    if not live_calls.is_talking(call):
        raise ImpossibleEvent(f"the call is {call.state.value}; nothing was changed")
    if call.session_id != session_id:
        raise ImpossibleEvent("the call is a colleague's; nothing was changed")
    return session, call


async def _check_no_transfer(tx: Transaction, call_id: CallId) -> None:
    under_way = await tx.switchboard.transfer_of(call_id)
    if under_way is not None:
        raise ImpossibleEvent(
            f"the transfer to {under_way.to} is under way: complete it or take the call back"
        )


async def _advance(floor: Floor, session_id: SessionId, event: machine.Event) -> Transfer:
    async with floor.store.transaction(durable=False) as tx:
        session = await tx.glance(session_id)
        call_id = None if session is None else session.call_id
        under_way = None if call_id is None else await tx.switchboard.transfer_of(call_id)
    if session is None or under_way is None or under_way.from_session_id != session_id:
        raise ImpossibleEvent("no transfer of yours is under way; nothing was changed")
    actor = f"agent:{session.agent_name}"
    return await transfers.advance(floor, under_way, event, floor.clock.now(), actor=actor)


def _destination(floor: Floor, campaign_id: CampaignId, name: str) -> str:
    known = floor.campaigns[campaign_id].transfer
    if name not in known:
        names = ", ".join(sorted(known)) or "none"
        raise ImpossibleEvent(
            f"the campaign file has no destination {name!r:.60} under [transfer]; it has: {names}"
        )
    return known[name]


async def _reserve_colleague(
    tx: Transaction, floor: Floor, session: AgentSession, call: LiveCall, to: SessionId
) -> str:
    colleague = await tx.session(to)
    if colleague is None or colleague.campaign_id != session.campaign_id or to == session.id:
        raise ImpossibleEvent(f"there is no colleague {to} in this campaign; nothing was changed")
    reserved = await _reserve(tx, floor, colleague, call)
    connected = desk.step(reserved, desk.Connected(), floor.clock.now())
    await tx.save_session(connected, was=reserved)
    return colleague.agent_name


async def _reserve(
    tx: Transaction, floor: Floor, session: AgentSession, call: LiveCall
) -> AgentSession:
    """Give an agent who is ready this call at hand."""
    if not desk.is_free(session):
        state = session.state.value.replace("_", "-")
        raise ImpossibleEvent(f"{session.agent_name} is {state}, not ready; nothing was changed")
    given = (
        desk.Reserved(inbound_id=call.id)
        if isinstance(call, InboundCall)
        else desk.Reserved(attempt_id=call.id)
    )
    reserved = desk.step(session, given, floor.clock.now())
    await tx.save_session(reserved, was=session)
    return reserved

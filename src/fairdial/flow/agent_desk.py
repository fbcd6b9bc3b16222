"""The agent's desk: log in, go ready, talk, record what came of it, take a break, leave.

People's pages and simulated agents call the same functions. A person's wish not to be called again
is a suppression at once, for every campaign of the seller, and it ends what else rings for them.
"""

from __future__ import annotations

from fairdial.core import agent as desk
from fairdial.core import attempt as line
from fairdial.core.agent import AgentSession, AgentState
from fairdial.core.attempt import Attempt
from fairdial.core.campaign import Campaign
from fairdial.core.ids import AgentId, CampaignId, Instant, SessionId
from fairdial.core.outcome import Disposition
from fairdial.core.transfer import DestinationLost
from fairdial.exceptions import EngineUnavailable, ImpossibleEvent, Overtaken
from fairdial.flow import live_calls, transfers
from fairdial.flow.call_events import apply
from fairdial.flow.dispositions import record_disposition
from fairdial.flow.floor import Floor, about, log
from fairdial.flow.inbound import serve
from fairdial.flow.live_calls import LiveCall
from fairdial.flow.stop_request import record_caller_stop_request, record_stop_request
from fairdial.ports import AgentLegDown, AgentLegUp, Transaction


async def log_in(floor: Floor, campaign: Campaign, *, name: str, phone: str) -> AgentSession:
    """An agent sits down; their phone is called and stays connected for the whole session."""
    now = floor.clock.now()
    session = AgentSession(
        id=SessionId(floor.ids.new()),
        agent_id=AgentId(floor.ids.new()),
        agent_name=name,
        campaign_id=campaign.id,
        phone=phone,
        state=AgentState.CONNECTING,
        since=now,
        wrap_up_s=campaign.wrap_up_s,
    )
    async with floor.store.transaction() as tx:
        session = await tx.open_session(session)
        tx.audit("agent.logged_in", session.id, {"agent": name}, actor=_who(session), at=now)
    await connect_leg(floor, session)
    return session


async def connect_leg(floor: Floor, session: AgentSession) -> None:
    """Call the agent's phone, again if need be."""
    try:
        await floor.telephony.connect_agent(session.id, session.phone)
    except EngineUnavailable as error:
        log.warning("agent %s has no leg yet: %s", session.agent_name, error)


async def on_leg_event(floor: Floor, event: AgentLegUp | AgentLegDown) -> bool:
    """The agent's leg came up or broke; a call that hung on it finds another agent or ends.

    False when the leg is none of an agent's.
    """
    async with floor.store.transaction(durable=False) as tx:
        session = await tx.session(event.session_id)
        if session is None:
            return False
        happened = desk.LegUp() if isinstance(event, AgentLegUp) else desk.LegDown()
        moved = desk.step(session, happened, event.at)
        if moved is session:
            return True
        await tx.save_session(moved, was=session)
    if isinstance(event, AgentLegDown):
        log.warning("the leg of agent %s is down: %s", session.agent_name, event.why)
        if session.call_id is not None:
            await transfers.on_agent_lost(floor, session.id, session.call_id, event.why, event.at)
    await serve(floor, session.campaign_id)
    return True


async def go_ready(floor: Floor, session_id: SessionId) -> AgentSession:
    """Back from a break."""
    return await _move(floor, session_id, desk.ReadyAsked())


async def pause(floor: Floor, session_id: SessionId) -> AgentSession:
    """A break: now, or after the call at hand."""
    return await _move(floor, session_id, desk.PauseAsked())


async def hang_up(floor: Floor, session_id: SessionId) -> None:
    """End the call at hand; wrap-up follows. A colleague who was asked into a call leaves it."""
    now = floor.clock.now()
    async with floor.store.transaction(durable=False) as tx:
        session = await tx.glance(session_id)
        asked_in = await tx.switchboard.transfer_to(session_id)
    if session is None or session.call_id is None:
        return
    if asked_in is not None:
        left = DestinationLost(why=f"{session.agent_name} left")
        await transfers.advance(floor, asked_in, left, now)
    elif session.state is not AgentState.WRAP_UP:  # What was passed on is another's to end.
        with about(session.call_id):
            await live_calls.apply(floor, session.call_id, line.HangUpAsked(), now)


async def dispose(
    floor: Floor,
    session_id: SessionId,
    disposition: Disposition,
    *,
    callback_at: Instant | None = None,
) -> AgentSession:
    """Record what came of the conversation; the call is closed and the agent is ready again.

    A call that was passed on goes on: what is recorded stands unless who has it last says more.
    Raises `ImpossibleEvent` when the agent is not in wrap-up.
    """
    now = floor.clock.now()
    if disposition is Disposition.STOP_CALLING:
        await stop_calling(floor, session_id)
    async with floor.store.transaction() as tx:
        seen, call = await _hold(tx, session_id)
        if seen is None or seen.state is not AgentState.WRAP_UP or call is None:
            raise ImpossibleEvent(
                f"agent session {session_id} is not in wrap-up; nothing was recorded"
            )
        await record_disposition(tx, floor, seen, call, disposition, now, callback_at=callback_at)
        moved = desk.step(seen, desk.WrapUpDone(), now)
        await tx.save_session(moved, was=seen)
    campaign_id = moved.campaign_id
    wrap_s = (now - seen.since).total_seconds()
    floor.statistics[campaign_id] = floor.learned(campaign_id).after_wrap_up(wrap_s)
    await serve(floor, campaign_id)
    return moved


async def stop_calling(floor: Floor, session_id: SessionId) -> None:
    """The person does not want to be called again: in force the moment this returns.

    It binds every campaign of the seller (47 CFR 64.1200(d)) and ends other calls to the number.
    """
    now = floor.clock.now()
    async with floor.store.transaction() as tx:
        session, call = await _hold(tx, session_id)
        if session is None or call is None:
            raise ImpossibleEvent(
                f"agent session {session_id} has no call; name the number to suppress instead"
            )
        campaign = floor.campaigns[call.campaign_id]
        source, who = f"asked agent {session.agent_name}", _who(session)
        if isinstance(call, Attempt):
            await record_stop_request(tx, campaign, call, source=source, actor=who, now=now)
        else:
            await record_caller_stop_request(tx, campaign, call, source=source, actor=who, now=now)
        assert call.number is not None, "a stop request has its number"
        others = await tx.open_attempts_to(call.number, campaign.seller_id)
    for other in others:
        if other != call.id:
            await apply(floor, other, line.HangUpAsked(), now)


async def end_overdue_wrap_ups(floor: Floor, campaign_id: CampaignId) -> None:
    """Agents whose wrap-up time has run out are ready again, without a disposition."""
    async with floor.store.transaction(durable=False) as tx:
        overdue = await tx.overdue_wrap_ups(campaign_id, floor.clock.now())
    for session_id in overdue:
        try:
            await dispose(floor, session_id, Disposition.NO_DISPOSITION)
        except ImpossibleEvent:
            log.info("the agent was quicker than the wrap-up clock")


async def log_out(floor: Floor, session_id: SessionId) -> None:
    """The agent leaves; a call at hand ends, and is recorded without a disposition."""
    now = floor.clock.now()
    async with floor.store.transaction() as tx:
        session, call = await _hold(tx, session_id)
        if session is None or session.state is AgentState.LOGGED_OUT:
            return
        if call is not None and live_calls.is_ended(call) and call.session_id == session_id:
            nothing = Disposition.NO_DISPOSITION
            await record_disposition(tx, floor, session, call, nothing, now)
        moved = desk.step(session, desk.LoggedOut(), now)
        await tx.save_session(moved, was=session)
        tx.audit(
            "agent.logged_out",
            session.id,
            {"agent": session.agent_name},
            actor=_who(session),
            at=now,
        )
    if call is not None:
        why = f"{session.agent_name} logged out"
        await transfers.on_agent_lost(floor, session_id, call.id, why, now)
    try:
        await floor.telephony.disconnect_agent(session_id)
    except EngineUnavailable as error:
        log.info("the leg of agent %s is gone already: %s", session.agent_name, error)


async def _hold(
    tx: Transaction, session_id: SessionId
) -> tuple[AgentSession | None, LiveCall | None]:
    """The session and its call, both for update, in the order that everybody locks them.

    The call is found by a glance; should the session have moved on in between, look again.
    """
    for _ in range(3):
        seen = await tx.glance(session_id)
        if seen is None:
            return None, None
        call = None if seen.call_id is None else await live_calls.held(tx, seen.call_id)
        session = await tx.session(session_id)
        if session is not None and session.call_id == seen.call_id:
            return session, call
    raise Overtaken(f"agent session {session_id} keeps changing; nothing was changed")


async def _move(floor: Floor, session_id: SessionId, event: desk.Event) -> AgentSession:
    async with floor.store.transaction() as tx:
        session = await tx.session(session_id)
        if session is None:
            raise ImpossibleEvent(f"there is no agent session {session_id}")
        moved = desk.step(session, event, floor.clock.now())
        if moved is not session:
            await tx.save_session(moved, was=session)
            tx.audit(
                f"agent.{moved.state.value}",
                session.id,
                {"agent": session.agent_name},
                actor=_who(session),
                at=moved.since,
            )
    await serve(floor, moved.campaign_id)
    return moved


def _who(session: AgentSession) -> str:
    return f"agent:{session.agent_name}"

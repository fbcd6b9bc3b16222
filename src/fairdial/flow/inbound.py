"""Somebody calls us: who it is, who takes it, and what is recorded.

One event is one transaction, as in `call_events`: the call is read for update,
`core.inbound.step` decides, everything is committed together, and only then is the engine told. A
caller is offered to the agent who talked with them last, else to whoever is ready longest; waits
with music; or hears the message. A call that somebody makes to us needs no permit: nothing is
dialed.
"""

from __future__ import annotations

from typing import assert_never

from fairdial.core import agent as desk
from fairdial.core import attempt as line
from fairdial.core import hopper, inbound, talk
from fairdial.core.agent import AgentSession
from fairdial.core.attempt import EndCause
from fairdial.core.campaign import Campaign, DialMode, InboundAnswer
from fairdial.core.ids import E164, CampaignId, InboundId, Instant
from fairdial.core.inbound import InboundCall, InboundState, InboundStep
from fairdial.core.number import NumberFault, parse_e164
from fairdial.core.outcome import Disposition
from fairdial.exceptions import EngineUnavailable, ImpossibleEvent, Overtaken
from fairdial.flow import call_events
from fairdial.flow.agent_moves import begins_wrap_up, move_agent
from fairdial.flow.floor import Floor, about, log
from fairdial.flow.stop_request import record_caller_stop_request
from fairdial.ports import (
    InboundBridged,
    InboundDigit,
    InboundEnded,
    InboundEvent,
    InboundOffered,
    InboundPlayed,
    Part,
    Transaction,
)

OPTED_OUT = f"pressed {line.OPT_OUT_KEY} in a call to us"
"""The source of a suppression that was asked for by key."""


async def on_inbound_event(floor: Floor, event: InboundEvent) -> None:
    """Translate the engine's event into the call's and apply it."""
    with about(event.inbound_id):
        match event:
            case InboundOffered():
                await _on_offered(floor, event)
                return
            case InboundBridged():
                happened: inbound.Event = line.Bridged()
            case InboundPlayed(message=message):
                happened = inbound.Played(message=message)
            case InboundDigit(digit=line.OPT_OUT_KEY):
                happened = line.OptedOut()
            case InboundDigit():
                log.info("a key was pressed that means nothing to us")
                return
            case InboundEnded(cause=cause, raw=raw):
                happened = line.LegEnded(cause=cause, raw=raw)
            case _:
                raise AssertionError(f"the engine sent an event without meaning: {event}")
        await apply(floor, event.inbound_id, happened, event.at)


# --- who calls, and who takes it ------------------------------------------------------------------


async def _on_offered(floor: Floor, event: InboundOffered) -> None:
    now = event.at
    async with floor.store.transaction() as tx:
        if await tx.switchboard.inbound(event.inbound_id) is not None:
            return
        found = await _recognise(tx, floor, event)
        if found is None:
            body = {"caller": event.caller, "called": event.called, "why": "no campaign runs"}
            tx.audit("inbound.refused", event.inbound_id, body, actor="dialer", at=now)
        else:
            campaign, call = found
            await tx.switchboard.open_inbound(call)
            tx.audit("inbound.offered", call.id, _who(call), actor="dialer", at=now)
            stepped = inbound.step(call, await _route(tx, floor, campaign, call, now), now)
            await record(tx, floor, call, stepped, now)
    if found is None:
        log.warning("a call to %s is not taken: no campaign runs", event.called or "us")
        await _hang_up(floor, event.inbound_id)
        return
    log.info("a call to us: %s", stepped.call.state.value)
    await tell_engine(floor, stepped)


async def _recognise(
    tx: Transaction, floor: Floor, event: InboundOffered
) -> tuple[Campaign, InboundCall] | None:
    """The campaign that is called, and the lead who calls; None when no campaign can be meant."""
    parsed = parse_e164(event.caller) if event.caller else None
    number: E164 | None = None if isinstance(parsed, NumberFault) else parsed
    campaign = await tx.campaign_called(event.called)
    known = None
    if number is not None:
        campaign_id = None if campaign is None else campaign.id
        known = await tx.switchboard.known_caller(number, event.called, campaign_id)
    if known is not None and known.campaign_id in floor.campaigns:
        campaign = floor.campaigns[known.campaign_id]
    if campaign is None:
        if not floor.running:
            return None
        campaign = floor.campaigns[min(floor.running)]
    floor.campaigns.setdefault(campaign.id, campaign)
    lead_id = None if known is None else known.lead_id
    if known is None and number is not None:
        lead = await tx.lead_by_number(campaign.id, number)
        lead_id = None if lead is None else lead.id
    plan = campaign.inbound
    return campaign, InboundCall(
        id=event.inbound_id,
        campaign_id=campaign.id,
        caller=event.caller,
        called=event.called,
        number=number,
        trunk=event.trunk,
        verification=event.verification,
        lead_id=lead_id,
        attempt_id=None if known is None else known.attempt_id,
        state=InboundState.OFFERED,
        offered_at=event.at,
        queue_s_max=0 if plan is None else plan.queue_s_max,
    )


async def _route(
    tx: Transaction, floor: Floor, campaign: Campaign, call: InboundCall, now: Instant
) -> inbound.Event:
    """Who takes a call that is offered to us."""
    if campaign.id not in floor.running:
        # Its own agents and recordings are not here; a recording of its seller will do.
        at_hand = [floor.campaigns[c] for c in floor.running]
        can_say = any(c.inbound and c.seller_id == campaign.seller_id for c in at_hand)
        return inbound.LineAnswers() if can_say else inbound.Declined()
    if campaign.inbound is None:
        return inbound.Declined()
    if campaign.inbound.answer is InboundAnswer.LINE:
        return inbound.LineAnswers()
    desks = await tx.switchboard.desks(campaign.id)
    if desks.at_work == 0:
        return inbound.LineAnswers()
    if not await tx.switchboard.queued(campaign.id):
        session = await _free_agent(tx, campaign, call, now)
        if session is not None:
            return line.AgentReserved(session_id=session.id)
    return inbound.NobodyFree() if call.queue_s_max else inbound.LineAnswers()


async def _free_agent(
    tx: Transaction, campaign: Campaign, call: InboundCall, now: Instant
) -> AgentSession | None:
    """Reserve who talked with the caller last, else who is ready longest.

    In progressive mode each unanswered call of ours was promised an agent; those are not taken.
    """
    if campaign.pace.mode is DialMode.PROGRESSIVE:
        desks = await tx.switchboard.desks(campaign.id)
        if desks.spare < 1:
            return None
    session = None
    if call.number is not None:
        session = await tx.switchboard.last_agent_ready(call.number, campaign.id)
    session = session or await tx.longest_ready(campaign.id)
    if session is None:
        return None
    reserved = desk.step(session, desk.Reserved(inbound_id=call.id), now)
    await tx.save_session(reserved, was=session)
    return reserved


async def serve(floor: Floor, campaign_id: CampaignId) -> None:
    """Give agents who have become ready to calls that wait: answered calls of ours first, whose
    deadline is the law's, then the queue of callers."""
    await call_events.match_waiting(floor, campaign_id)
    campaign = floor.campaigns[campaign_id]
    while True:
        now = floor.clock.now()
        async with floor.store.transaction(durable=False) as tx:
            call = await tx.switchboard.longest_queued(campaign_id)
            session = None if call is None else await _free_agent(tx, campaign, call, now)
            if call is None or session is None:
                return
            stepped = inbound.step(call, line.AgentReserved(session_id=session.id), now)
            await record(tx, floor, call, stepped, now)
        with about(call.id):
            await tell_engine(floor, stepped)


# --- one event ------------------------------------------------------------------------------------


async def apply(floor: Floor, inbound_id: InboundId, event: inbound.Event, now: Instant) -> None:
    """Apply one event to one call to us and do what follows. Late and doubled events do nothing."""
    try:
        await _apply(floor, inbound_id, event, now)
    except Overtaken as error:
        log.info("once more: %s", error)
        await _apply(floor, inbound_id, event, now)


async def _apply(floor: Floor, inbound_id: InboundId, event: inbound.Event, now: Instant) -> None:
    durable = isinstance(event, (line.Disposed, line.OptedOut))
    async with floor.store.transaction(durable=durable) as tx:
        before = await tx.switchboard.inbound(inbound_id)
        if before is None:
            log.warning("the engine speaks of a call to us that we do not know")
            return
        try:
            stepped = inbound.step(before, event, now)
        except ImpossibleEvent as error:
            log.error("%s", error)
            return
        if isinstance(event, line.OptedOut) and before.number is None:
            log.warning("a caller without a number pressed the opt-out key: nothing to suppress")
        await record(tx, floor, before, stepped, now)
    if stepped.call.state is not before.state:
        log.info("%s", stepped.call.state.value)
    await tell_engine(floor, stepped)
    if isinstance(event, line.Bridged) and stepped.call is not before:
        await _take_back_ours(floor, stepped.call, now)
    if any(isinstance(action, line.ReleaseAgent) for action in stepped.actions):
        await serve(floor, before.campaign_id)


async def _take_back_ours(floor: Floor, call: InboundCall, now: Instant) -> None:
    """Somebody who talks with us is not rung at the same time."""
    if call.number is None:
        return
    async with floor.store.transaction(durable=False) as tx:
        seller_id = floor.campaigns[call.campaign_id].seller_id
        ours = await tx.open_attempts_to(call.number, seller_id)
    for attempt_id in ours:
        why = line.HangUpAsked(why="the person called us and talks with an agent")
        with about(attempt_id):
            await call_events.apply(floor, attempt_id, why, now)


async def record(
    tx: Transaction, floor: Floor, before: InboundCall, stepped: InboundStep, now: Instant
) -> None:
    """Write a step and everything of it that is ours: agents, stop requests, audit."""
    after = stepped.call
    if after is before:
        return
    await tx.switchboard.save_inbound(after, was=before)
    for action in stepped.actions:
        await _record_action(tx, floor, after, action, now)
    if after.state is not before.state:
        body = {
            **_who(after),
            "from": before.state.value,
            "outcome": after.outcome,
            "session": after.session_id,
            "raw": after.raw,
        }
        tx.audit(f"inbound.{after.state.value}", after.id, body, actor="dialer", at=now)


async def _record_action(
    tx: Transaction, floor: Floor, call: InboundCall, action: inbound.Action, now: Instant
) -> None:
    campaign = floor.campaigns[call.campaign_id]
    match action:
        case line.ReleaseAgent(session_id=session_id):
            await move_agent(tx, session_id, call.id, desk.Released(), now)
        case line.ConnectAgent(session_id=session_id):
            await move_agent(tx, session_id, call.id, desk.Connected(), now)
        case talk.EndTalk(session_id=session_id):
            await move_agent(tx, session_id, call.id, desk.TalkEnded(), now)
        case line.StartWrapUp(session_id=session_id):
            if not await begins_wrap_up(tx, session_id, call.id, now):
                nothing = line.Disposed(disposition=Disposition.NO_DISPOSITION)
                await close(tx, call, nothing, now)
        case line.RecordStopRequest():
            await record_caller_stop_request(
                tx, campaign, call, source=OPTED_OUT, actor="caller", now=now
            )
        case line.Close():
            await close(tx, call, line.NothingToRecord(), now)
        case (
            inbound.Answer()
            | line.Bridge()
            | line.PlayMessage()
            | line.HangUp()
            | talk.Hold()
            | talk.Unhold()
        ):
            pass  # The engine is told after the commit.
        case _:
            assert_never(action)


async def close(
    tx: Transaction,
    call: InboundCall,
    event: line.Disposed | line.NothingToRecord,
    now: Instant,
    *,
    actor: str = "dialer",
) -> InboundCall:
    """Close an ended call to us inside the caller's transaction; its lead gets its next step."""
    closed = inbound.step(call, event, now).call
    await tx.switchboard.save_inbound(closed, was=call)
    step = hopper.after_inbound(closed.disposition, closed.callback_at)
    if closed.lead_id is not None and step is not None:
        await tx.switchboard.settle_lead(closed.lead_id, step)
    body = {
        **_who(closed),
        "outcome": closed.outcome,
        "disposition": closed.disposition,
        "lead": "" if step is None or closed.lead_id is None else step.why,
    }
    tx.audit("inbound.closed", closed.id, body, actor=actor, at=now)
    return closed


async def tell_engine(floor: Floor, stepped: InboundStep) -> None:
    """What a step asks of the engine; to be called when the step is committed."""
    call = stepped.call
    for action in stepped.actions:
        try:
            await _tell(floor, call.id, action)
        except EngineUnavailable as error:
            log.warning("the engine did not take %s: %s", type(action).__name__, error)
            return


async def _tell(floor: Floor, call_id: InboundId, action: inbound.Action) -> None:
    telephony = floor.telephony
    match action:
        case inbound.Answer():
            await telephony.answer(call_id)
        case line.Bridge(session_id=session_id):
            await telephony.join(call_id, session_id, Part.TALK)
        case line.PlayMessage(message=message):
            await telephony.play(call_id, message)
        case line.HangUp():
            await telephony.hang_up(call_id)
        case talk.Hold():
            await telephony.join(call_id, call_id, Part.HOLD)
        case talk.Unhold():
            await telephony.join(call_id, call_id, Part.TALK)
        case talk.EndTalk(session_id=session_id) | line.ReleaseAgent(session_id=session_id):
            await telephony.leave(call_id, session_id)
        case _:
            pass  # Ours alone; written with the step.


async def _hang_up(floor: Floor, inbound_id: InboundId) -> None:
    try:
        await floor.telephony.hang_up(inbound_id)
    except EngineUnavailable as error:
        log.warning("the engine did not decline the call: %s", error)


# --- time and crashes -----------------------------------------------------------------------------


async def keep_deadlines(floor: Floor, campaign_id: CampaignId) -> None:
    """Callers who waited long enough hear the message; the queue is served, or sent to the line
    when nobody is at work any more."""
    now = floor.clock.now()
    async with floor.store.transaction(durable=False) as tx:
        overdue = await tx.switchboard.overdue_inbound(campaign_id, now)
        queued = await tx.switchboard.queued(campaign_id)
        desks = await tx.switchboard.desks(campaign_id) if queued else None
    for inbound_id in overdue:
        with about(inbound_id):
            await apply(floor, inbound_id, line.DeadlinePassed(), now)
    if desks is not None and desks.at_work == 0:
        for call in queued:
            with about(call.id):
                await apply(floor, call.id, inbound.LineAnswers(), now)


async def end_all(floor: Floor, campaign_id: CampaignId, *, is_engine_lost: bool) -> int:
    """End every call to us that is open: by hanging up, or as a dead engine left it; how many."""
    now = floor.clock.now()
    async with floor.store.transaction() as tx:
        calls = await tx.switchboard.open_inbound_calls(campaign_id)
    up = [call for call in calls if call.state in inbound.OPEN_STATES]
    lost = line.LegEnded(cause=EndCause.ENGINE_LOST, raw="the engine died")
    for call in up:
        with about(call.id):
            await apply(floor, call.id, lost if is_engine_lost else line.HangUpAsked(), now)
    return len(up)


async def close_ended(floor: Floor, campaign_id: CampaignId) -> None:
    """After a crash: calls whose wrap-up nobody will finish are closed."""
    now = floor.clock.now()
    async with floor.store.transaction() as tx:
        for call in await tx.switchboard.open_inbound_calls(campaign_id):
            held = await tx.switchboard.inbound(call.id)
            if held is not None and held.state is InboundState.ENDED:
                nothing: line.Disposed | line.NothingToRecord = line.NothingToRecord()
                if held.bridged_at is not None:
                    nothing = line.Disposed(disposition=Disposition.NO_DISPOSITION)
                await close(tx, held, nothing, now)


def _who(call: InboundCall) -> dict[str, object]:
    return {
        "caller": call.caller,
        "called": call.called,
        "verification": call.verification,
        "lead": call.lead_id,
        "attempt": call.attempt_id,
    }

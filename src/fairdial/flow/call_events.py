"""What the network says about a call, and what we do about it.

One event is one transaction: the attempt is read for update, `core.attempt.step` decides, the new
state, the agent's side of it and the audit entry are committed together; only then are the
engine's commands sent (join, play, hang up). An answered call gets the agent who has been ready
longest, in the same transaction, so that no agent is given two calls.
"""

from __future__ import annotations

from typing import assert_never

from fairdial.core import agent as desk
from fairdial.core import attempt as line
from fairdial.core import talk
from fairdial.core.attempt import Attempt, AttemptState
from fairdial.core.campaign import Campaign, MachinePolicy
from fairdial.core.ids import AttemptId, CampaignId, Instant, SessionId
from fairdial.core.outcome import Disposition
from fairdial.exceptions import EngineUnavailable, ImpossibleEvent, Overtaken
from fairdial.flow.agent_moves import begins_wrap_up, move_agent
from fairdial.flow.close import close
from fairdial.flow.floor import Floor, about, log
from fairdial.flow.stop_request import record_stop_request
from fairdial.ports import (
    AnswerJudged,
    CallAnswered,
    CallBridged,
    CallDialed,
    CallDigit,
    CallEnded,
    CallEvent,
    CallNotDialed,
    CallRinging,
    MessagePlayed,
    Part,
    ToneHeard,
    Transaction,
)

OPTED_OUT = f"pressed {line.OPT_OUT_KEY} on the abandoned-call message"
"""The source of a suppression that was asked for by key."""

_AUDITED = frozenset(AttemptState) - {AttemptState.PERMITTED}


async def on_call_event(floor: Floor, event: CallEvent) -> None:
    """Translate the engine's event into the attempt's and apply it."""
    with about(event.attempt_id):
        match event:
            case CallDialed():
                happened: line.Event = line.Dialed()
            case CallNotDialed(why=why):
                happened = line.NotDialed(why=why)
            case CallRinging():
                happened = line.Rang()
            case CallAnswered():
                happened = line.Answered(session_id=None)
            case AnswerJudged(kind=kind, greeting_started_at=started, greeting_ended_at=ended):
                happened = line.Judged(
                    kind=kind, greeting_started_at=started, greeting_ended_at=ended
                )
            case ToneHeard(tone=tone):
                happened = line.Heard(tone=tone)
            case CallBridged():
                happened = line.Bridged()
            case MessagePlayed():
                happened = line.MessagePlayed()
            case CallDigit(digit=line.OPT_OUT_KEY):
                happened = line.OptedOut()
            case CallDigit():
                # Which key stays untold: in a talk it may be part of a card's number.
                log.info("a key was pressed that means nothing to us")
                return
            case CallEnded(cause=cause, raw=raw):
                happened = line.LegEnded(cause=cause, raw=raw)
            case _:
                raise AssertionError(f"the engine sent an event without meaning: {event}")
        await apply(floor, event.attempt_id, happened, event.at)


async def apply(floor: Floor, attempt_id: AttemptId, event: line.Event, now: Instant) -> None:
    """Apply one event to one attempt and do what follows. Late and doubled events do nothing."""
    try:
        await _apply(floor, attempt_id, event, now)
    except Overtaken as error:
        # Another hand moved a row that this step read: the step is made again on what stands now.
        log.info("once more: %s", error)
        await _apply(floor, attempt_id, event, now)


async def _apply(floor: Floor, attempt_id: AttemptId, event: line.Event, now: Instant) -> None:
    durable = isinstance(event, (line.NotDialed, line.Disposed, line.OptedOut))
    async with floor.store.transaction(durable=durable) as tx:
        before = await tx.attempt(attempt_id)
        if before is None:
            log.warning("the engine speaks of an attempt that we do not know")
            return
        is_judged_first = before.machines is not MachinePolicy.CONNECT
        if (
            isinstance(event, line.Answered)
            and line.in_flight(before.state)
            and not is_judged_first
        ):
            event = await _offer(tx, before, now)
        try:
            stepped = line.step(before, event, now)
        except ImpossibleEvent as error:
            log.error("%s", error)
            return
        if stepped.attempt is before and isinstance(event, line.OptedOut):
            log.info("a key was pressed; while the call is %s it means nothing", before.state.value)
        await record(tx, floor, before, stepped, now)
        if isinstance(event, line.HangUpAsked) and event.why and stepped.attempt is not before:
            taken_back = {"number": before.number, "why": event.why, "state": before.state}
            tx.audit("attempt.taken_back", before.id, taken_back, actor="dialer", at=now)
    if stepped.attempt.state is not before.state:
        log.info("%s", _in_words(stepped.attempt))
    learn(floor, before, stepped.attempt)
    await tell_engine(floor, stepped)
    waits = before.state is AttemptState.LISTENING and stepped.attempt.state is AttemptState.WAITING
    if waits or any(isinstance(a, line.ReleaseAgent) for a in stepped.actions):
        await match_waiting(floor, before.campaign_id)


def _in_words(attempt: Attempt) -> str:
    """Where an attempt stands, for the log; the attempt's id is on the line already."""
    if attempt.outcome is None:
        return attempt.state.value
    raw = f" ({attempt.raw})" if attempt.raw else ""
    return f"{attempt.state.value}: {attempt.outcome.value}{raw}"


async def _offer(tx: Transaction, attempt: Attempt, now: Instant) -> line.Answered:
    """Reserve the agent who has been ready longest, if there is one."""
    session = None if attempt.hang_up_asked else await tx.longest_ready(attempt.campaign_id)
    if session is None:
        return line.Answered(session_id=None)
    reserved = desk.step(session, desk.Reserved(attempt_id=attempt.id), now)
    await tx.save_session(reserved, was=session)
    return line.Answered(session_id=session.id)


async def match_waiting(floor: Floor, campaign_id: CampaignId) -> None:
    """Give waiting calls to agents who have become ready, the longest waits first."""
    while True:
        now = floor.clock.now()
        async with floor.store.transaction(durable=False) as tx:
            waiting = await tx.longest_waiting(campaign_id)
            session = None if waiting is None else await tx.longest_ready(campaign_id)
            if waiting is None or session is None:
                return
            reserved = desk.step(session, desk.Reserved(attempt_id=waiting.id), now)
            await tx.save_session(reserved, was=session)
            stepped = line.step(waiting, line.AgentReserved(session_id=session.id), now)
            await record(tx, floor, waiting, stepped, now)
        with about(waiting.id):
            await tell_engine(floor, stepped)


async def record(
    tx: Transaction, floor: Floor, before: Attempt, stepped: line.Step, now: Instant
) -> None:
    """Write a step and everything of it that is ours: permit, agent, lead, audit."""
    after = stepped.attempt
    if after is before:
        return
    await tx.save_attempt(after, was=before)
    campaign = floor.campaigns[after.campaign_id]
    for action in stepped.actions:
        match action:
            case line.MarkPermitUsed():
                await tx.mark_permit_used(after.id, now)
                await tx.count_attempt(after.lead_id)
            case line.VoidPermit():
                await tx.void_permit(after.id, now)
            case line.ReleaseAgent(session_id=session_id):
                await move_agent(tx, session_id, after.id, desk.Released(), now)
            case line.ConnectAgent(session_id=session_id):
                await move_agent(tx, session_id, after.id, desk.Connected(), now)
            case talk.EndTalk(session_id=session_id):
                await move_agent(tx, session_id, after.id, desk.TalkEnded(), now)
            case line.StartWrapUp(session_id=session_id):
                await _start_wrap_up(tx, campaign, after, session_id, now)
            case line.RecordStopRequest():
                # No other call to the number can be open now that would have to end as well: the
                # table of attempts allows one.
                await record_stop_request(
                    tx, campaign, after, source=OPTED_OUT, actor="called_party", now=now
                )
            case line.Close():
                await close(tx, campaign, after, line.NothingToRecord(), now)
            case line.Bridge() | line.PlayMessage() | line.HangUp() | talk.Hold() | talk.Unhold():
                pass  # The engine is told after the commit.
            case _:
                assert_never(action)
    if after.state is not before.state and after.state in _AUDITED:
        tx.audit(
            f"attempt.{after.state.value}",
            after.id,
            {
                "number": after.number,
                "from": before.state.value,
                "outcome": after.outcome,
                "abandoned": after.is_abandoned,
                "session": after.session_id,
                "raw": after.raw,
            },
            actor="dialer",
            at=now,
        )


async def _start_wrap_up(
    tx: Transaction, campaign: Campaign, attempt: Attempt, session_id: SessionId, now: Instant
) -> None:
    if not await begins_wrap_up(tx, session_id, attempt.id, now):
        # Nobody is left who could record a disposition; what was noted on the way stands.
        nothing = line.Disposed(disposition=Disposition.NO_DISPOSITION)
        await close(tx, campaign, attempt, nothing, now)


async def tell_engine(floor: Floor, stepped: line.Step) -> None:
    """What a step asks of the engine; to be called when the step is committed."""
    attempt = stepped.attempt
    for action in stepped.actions:
        try:
            match action:
                case line.Bridge(session_id=session_id):
                    await floor.telephony.join(attempt.id, session_id, Part.TALK)
                case line.PlayMessage(message=message):
                    await floor.telephony.play(attempt.id, message)
                case line.HangUp():
                    await floor.telephony.hang_up(attempt.id)
                case talk.Hold():
                    await floor.telephony.join(attempt.id, attempt.id, Part.HOLD)
                case talk.Unhold():
                    await floor.telephony.join(attempt.id, attempt.id, Part.TALK)
                case talk.EndTalk(session_id=session_id):
                    await floor.telephony.leave(attempt.id, session_id)
                case _:
                    pass  # Ours alone; written with the step.
        except EngineUnavailable as error:
            # Its death is an event of its own and ends every call; nothing more to do here.
            log.warning("the engine did not take %s: %s", type(action).__name__, error)
            return


def learn(floor: Floor, before: Attempt, after: Attempt) -> None:
    """What this step teaches pacing: when calls are answered or given up, how long talks last."""
    learned = floor.learned(after.campaign_id)
    if after.dialed_at is None or after.cause is line.EndCause.ENGINE_LOST:
        return
    if before.answered_at is None and after.answered_at is not None:
        elapsed_s = (after.answered_at - after.dialed_at).total_seconds()
        learned = learned.after_call(elapsed_s=elapsed_s, picked_up=True)
    elif before.ended_at is None and after.ended_at is not None:
        if after.bridged_at is not None:
            learned = learned.after_talk((after.ended_at - after.bridged_at).total_seconds())
        elif after.answered_at is None and not after.hang_up_asked:
            elapsed_s = (after.ended_at - after.dialed_at).total_seconds()
            learned = learned.after_call(elapsed_s=elapsed_s, picked_up=False)
    floor.statistics[after.campaign_id] = learned

"""The inbound call: somebody calls us, as a machine that a table describes.

Mostly people ring back the caller ID that they saw. Each is offered to an agent, or waits with
music for a bounded time, or hears who called and how to opt out by a key: the line never stays
unanswered while it is in service (47 CFR 64.1200(a)(7)). `TRANSITIONS` says what each state makes
of each event, as in `core.attempt`, whose words it shares where they mean the same. It knows
nothing of which agent, or of matching a caller with a lead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from fairdial.core.attempt import (
    AgentLost,
    AgentReserved,
    Bridge,
    Bridged,
    Close,
    ConnectAgent,
    DeadlinePassed,
    Disposed,
    EndCause,
    HangUp,
    HangUpAsked,
    LegEnded,
    Message,
    NothingToRecord,
    OptedOut,
    PlayMessage,
    RecordStopRequest,
    ReleaseAgent,
    StartWrapUp,
)
from fairdial.core.ids import E164, AttemptId, CampaignId, InboundId, Instant, LeadId, SessionId
from fairdial.core.outcome import Disposition
from fairdial.core.talk import (
    PARK_LIMIT,
    EndTalk,
    HandedOver,
    Held,
    Hold,
    Noted,
    Parked,
    PassedOn,
    Unheld,
    Unhold,
    standing,
)
from fairdial.exceptions import ImpossibleEvent

BRIDGE_LIMIT = timedelta(seconds=5)
"""How long joining with an agent may take before the caller hears the message instead."""

MESSAGE_LIMIT = timedelta(minutes=2)
"""How long a message may have the line: the second fence, should the engine not tell its end."""


class InboundState(StrEnum):
    """Where a call to us stands."""

    OFFERED = "offered"
    """It rings at the caller's side; nothing is decided yet."""
    QUEUED = "queued"
    """Answered; the caller hears music until an agent is free, or the limit passes."""
    BRIDGING = "bridging"
    """Answered, an agent is reserved, the legs are being joined."""
    TALKING = "talking"
    PARKED = "parked"
    TRANSFERRED = "transferred"
    MESSAGE = "message"
    """A recorded message plays: who called, and the key to opt out."""
    ENDED = "ended"
    """The caller's leg is gone; the agent may still be in wrap-up."""
    CLOSED = "closed"


OPEN_STATES = frozenset(InboundState) - {InboundState.ENDED, InboundState.CLOSED}
"""States in which the caller is on the line."""


class InboundOutcome(StrEnum):
    """What the system observed of a call to us."""

    CONNECTED = "connected"
    """The caller and an agent could hear each other."""
    MESSAGE_HEARD = "message_heard"
    """The caller got the message; not necessarily to its end."""
    GIVEN_UP = "given_up"
    """The caller hung up before an agent or the message."""
    DECLINED = "declined"
    """We did not take it."""
    FAILED = "failed"
    """The engine that held it died, or its audio was lost, before anybody talked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundCall:
    """A call that somebody makes to us."""

    id: InboundId
    campaign_id: CampaignId
    caller: str
    """The number as the trunk gave it; empty when withheld. Anybody can pretend another's."""
    called: str
    number: E164 | None
    """The caller's number where it can be read; None when it was withheld."""
    trunk: str
    verification: str
    """The carrier's word on the caller's number, if it had one."""
    lead_id: LeadId | None
    """The lead whose number calls; None when we do not know them."""
    attempt_id: AttemptId | None
    """The newest call of ours to that number, which they may be returning."""
    state: InboundState
    offered_at: Instant
    queue_s_max: int
    """How long the caller may wait for an agent, seconds from the answer."""
    answered_at: Instant | None = None
    bridged_at: Instant | None = None
    ended_at: Instant | None = None
    closed_at: Instant | None = None
    deadline_at: Instant | None = None
    session_id: SessionId | None = None
    """The agent session reserved for or talking on it; the last one, when nobody is left."""
    message: Message | None = None
    """The message that has the line."""
    is_held: bool = False
    hang_up_asked: bool = False
    outcome: InboundOutcome | None = None
    cause: EndCause | None = None
    raw: str = ""
    disposition: Disposition | None = None
    callback_at: Instant | None = None


# --- events that only a call to us has ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NobodyFree:
    """Agents are at their desks, and none is free: wait for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineAnswers:
    """No agent is there, or none is wanted: the message answers at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """We do not take it: the campaign takes no calls, or its recordings are not at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A recorded message came to its end."""

    message: Message


Event = (
    NobodyFree
    | LineAnswers
    | Declined
    | Played
    | AgentReserved
    | Bridged
    | DeadlinePassed
    | OptedOut
    | HangUpAsked
    | AgentLost
    | LegEnded
    | Disposed
    | NothingToRecord
    | Held
    | Unheld
    | Parked
    | HandedOver
    | PassedOn
    | Noted
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Pick the call up."""


Action = (
    Answer
    | Bridge
    | PlayMessage
    | HangUp
    | RecordStopRequest
    | ReleaseAgent
    | ConnectAgent
    | StartWrapUp
    | Close
    | Hold
    | Unhold
    | EndTalk
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundStep:
    """The call after an event, and what is to be done about it, in order."""

    call: InboundCall
    actions: tuple[Action, ...] = ()


S = InboundState


def _queue(c: InboundCall, answered_at: Instant) -> InboundCall:
    """In the queue; the limit counts from the answer, so nobody loses a place by a lost agent."""
    return replace(
        c,
        state=S.QUEUED,
        answered_at=answered_at,
        session_id=None,
        is_held=True,
        deadline_at=answered_at + timedelta(seconds=c.queue_s_max),
    )


def _message(c: InboundCall, message: Message, now: Instant) -> InboundCall:
    return replace(
        c,
        state=S.MESSAGE,
        answered_at=c.answered_at or now,
        message=message,
        is_held=False,
        deadline_at=now + MESSAGE_LIMIT,
    )


def _unhold(c: InboundCall) -> tuple[Action, ...]:
    return (Unhold(),) if c.is_held else ()


def _nobody_free(c: InboundCall, _: NobodyFree, now: Instant) -> InboundStep:
    return InboundStep(call=_queue(c, now), actions=(Answer(), Hold()))


def _line_answers(c: InboundCall, _: LineAnswers, now: Instant) -> InboundStep:
    play = PlayMessage(message=Message.CALL_BACK)
    return InboundStep(call=_message(c, Message.CALL_BACK, now), actions=(Answer(), play))


def _hang_up(c: InboundCall, _: Event, __: Instant) -> InboundStep:
    return InboundStep(call=replace(c, hang_up_asked=True), actions=(HangUp(),))


def _agent_reserved(c: InboundCall, event: AgentReserved, now: Instant) -> InboundStep:
    after = replace(
        c,
        state=S.BRIDGING,
        answered_at=c.answered_at or now,
        session_id=event.session_id,
        is_held=False,
        deadline_at=now + BRIDGE_LIMIT,
    )
    first: tuple[Action, ...] = (Answer(),) if c.answered_at is None else _unhold(c)
    return InboundStep(call=after, actions=(*first, Bridge(session_id=event.session_id)))


def _waited_too_long(c: InboundCall, _: DeadlinePassed, now: Instant) -> InboundStep:
    free: tuple[Action, ...] = ()
    if c.state is S.BRIDGING and c.session_id is not None:
        free = (ReleaseAgent(session_id=c.session_id),)
        c = replace(c, session_id=None)
    play = PlayMessage(message=Message.CALL_BACK)
    return InboundStep(call=_message(c, Message.CALL_BACK, now), actions=(*free, *_unhold(c), play))


def _bridged(c: InboundCall, _: Bridged, now: Instant) -> InboundStep:
    assert c.session_id is not None, "a bridging call has its agent session"
    after = replace(c, state=S.TALKING, bridged_at=now, deadline_at=None)
    return InboundStep(call=after, actions=(ConnectAgent(session_id=c.session_id),))


def _agent_lost_before_talk(c: InboundCall, event: AgentLost, now: Instant) -> InboundStep:
    if event.session_id not in (None, c.session_id):
        return InboundStep(call=c)
    return InboundStep(call=_queue(c, c.answered_at or now), actions=(Hold(),))


def _agent_lost_in_talk(c: InboundCall, event: AgentLost, now: Instant) -> InboundStep:
    if event.session_id not in (None, c.session_id):
        return InboundStep(call=c)
    if c.is_held:
        return _parked(c, Parked(), now)
    return _hang_up(c, event, now)


def _opted_out(c: InboundCall, _: OptedOut, now: Instant) -> InboundStep:
    if c.number is None or c.disposition is Disposition.STOP_CALLING:
        # Without a number there is none to suppress, and nobody is told that there was.
        return InboundStep(call=c)
    after = replace(_message(c, Message.OPTED_OUT, now), disposition=Disposition.STOP_CALLING)
    play = PlayMessage(message=Message.OPTED_OUT)
    return InboundStep(call=after, actions=(*_unhold(c), RecordStopRequest(), play))


def _played(c: InboundCall, event: Played, now: Instant) -> InboundStep:
    if event.message is not c.message:
        return InboundStep(call=c)  # The end of a message that another one cut short.
    return _hang_up(c, event, now)


def _held(c: InboundCall, _: Held, __: Instant) -> InboundStep:
    if c.is_held:
        return InboundStep(call=c)
    return InboundStep(call=replace(c, is_held=True), actions=(Hold(),))


def _unheld(c: InboundCall, _: Unheld, __: Instant) -> InboundStep:
    return InboundStep(call=replace(c, is_held=False) if c.is_held else c, actions=_unhold(c))


def _parked(c: InboundCall, _: Parked, now: Instant) -> InboundStep:
    assert c.session_id is not None, "a talking call has its agent session"
    after = replace(c, state=S.PARKED, is_held=True, deadline_at=now + PARK_LIMIT)
    return InboundStep(call=after, actions=(Hold(), EndTalk(session_id=c.session_id)))


def _handed_over(c: InboundCall, event: HandedOver, _: Instant) -> InboundStep:
    after = replace(
        c, state=S.TALKING, session_id=event.session_id, is_held=False, deadline_at=None
    )
    connect = ConnectAgent(session_id=event.session_id)
    return InboundStep(call=after, actions=(*_leave_call(c), connect))


def _passed_on(c: InboundCall, _: PassedOn, __: Instant) -> InboundStep:
    after = replace(c, state=S.TRANSFERRED, is_held=False, deadline_at=None)
    return InboundStep(call=after, actions=_leave_call(c))


def _leave_call(c: InboundCall) -> tuple[Action, ...]:
    if c.state is not S.TALKING or c.session_id is None:
        return _unhold(c)
    return (*_unhold(c), EndTalk(session_id=c.session_id))


def _noted(c: InboundCall, event: Noted, _: Instant) -> InboundStep:
    return InboundStep(
        call=replace(
            c,
            disposition=standing(c.disposition, event.disposition),
            callback_at=event.callback_at or c.callback_at,
        )
    )


def _ended(c: InboundCall, event: LegEnded, now: Instant) -> InboundStep:
    is_broken = event.cause in (EndCause.ENGINE_LOST, EndCause.MEDIA_LOST)
    if c.bridged_at is not None:
        outcome = InboundOutcome.CONNECTED
    elif is_broken:
        outcome = InboundOutcome.FAILED
    elif c.state is S.MESSAGE:
        outcome = InboundOutcome.MESSAGE_HEARD
    elif c.hang_up_asked and c.answered_at is None:
        outcome = InboundOutcome.DECLINED
    else:
        outcome = InboundOutcome.GIVEN_UP
    after = replace(
        c,
        state=S.ENDED,
        ended_at=now,
        deadline_at=None,
        is_held=False,
        outcome=outcome,
        cause=event.cause,
        raw=event.raw,
    )
    if c.bridged_at is not None and c.session_id is not None:
        return InboundStep(call=after, actions=(StartWrapUp(session_id=c.session_id),))
    free: tuple[Action, ...] = ()
    if c.session_id is not None:
        free = (ReleaseAgent(session_id=c.session_id),)
    return InboundStep(call=replace(after, session_id=None), actions=(*free, Close()))


def _disposed(c: InboundCall, event: Disposed, now: Instant) -> InboundStep:
    noted = _noted(c, Noted(disposition=event.disposition, callback_at=event.callback_at), now).call
    return InboundStep(call=replace(noted, state=S.CLOSED, closed_at=now))


def _nothing_to_record(c: InboundCall, _: NothingToRecord, now: Instant) -> InboundStep:
    return InboundStep(call=replace(c, state=S.CLOSED, closed_at=now))


TRANSITIONS: Mapping[tuple[InboundState, type], Callable[..., InboundStep]] = {
    (S.OFFERED, AgentReserved): _agent_reserved,
    (S.OFFERED, NobodyFree): _nobody_free,
    (S.OFFERED, LineAnswers): _line_answers,
    (S.OFFERED, Declined): _hang_up,
    (S.OFFERED, HangUpAsked): _hang_up,
    (S.OFFERED, LegEnded): _ended,
    (S.QUEUED, AgentReserved): _agent_reserved,
    (S.QUEUED, DeadlinePassed): _waited_too_long,
    (S.QUEUED, LineAnswers): _waited_too_long,
    (S.QUEUED, OptedOut): _opted_out,
    (S.QUEUED, HangUpAsked): _hang_up,
    (S.QUEUED, LegEnded): _ended,
    (S.BRIDGING, Bridged): _bridged,
    (S.BRIDGING, DeadlinePassed): _waited_too_long,
    (S.BRIDGING, AgentLost): _agent_lost_before_talk,
    (S.BRIDGING, HangUpAsked): _hang_up,
    (S.BRIDGING, LegEnded): _ended,
    (S.TALKING, Held): _held,
    (S.TALKING, Unheld): _unheld,
    (S.TALKING, Parked): _parked,
    (S.TALKING, HandedOver): _handed_over,
    (S.TALKING, PassedOn): _passed_on,
    (S.TALKING, Noted): _noted,
    (S.TALKING, AgentLost): _agent_lost_in_talk,
    (S.TALKING, HangUpAsked): _hang_up,
    (S.TALKING, LegEnded): _ended,
    (S.PARKED, HandedOver): _handed_over,
    (S.PARKED, PassedOn): _passed_on,
    (S.PARKED, DeadlinePassed): _waited_too_long,
    (S.PARKED, OptedOut): _opted_out,
    (S.PARKED, Noted): _noted,
    (S.PARKED, HangUpAsked): _hang_up,
    (S.PARKED, LegEnded): _ended,
    (S.TRANSFERRED, Noted): _noted,
    (S.TRANSFERRED, HangUpAsked): _hang_up,
    (S.TRANSFERRED, LegEnded): _ended,
    (S.MESSAGE, Played): _played,
    (S.MESSAGE, DeadlinePassed): _hang_up,
    (S.MESSAGE, OptedOut): _opted_out,
    (S.MESSAGE, Noted): _noted,
    (S.MESSAGE, HangUpAsked): _hang_up,
    (S.MESSAGE, LegEnded): _ended,
    (S.ENDED, Disposed): _disposed,
    (S.ENDED, NothingToRecord): _nothing_to_record,
    (S.ENDED, Noted): _noted,
}
"""What each state makes of each event. The diagram in the docs is drawn from this table."""

_TALKED = (S.TALKING, S.PARKED, S.TRANSFERRED)
_OVER = (S.ENDED, S.CLOSED)

IGNORED: frozenset[tuple[InboundState, type]] = frozenset(
    # Doubled or overtaken network events.
    [(s, e) for s in _OVER for e in (Bridged, Played, OptedOut, LegEnded)]
    + [(s, Bridged) for s in (*_TALKED, S.QUEUED, S.MESSAGE)]
    + [(s, Played) for s in (*_TALKED, S.QUEUED, S.BRIDGING)]
    # A key that nobody was asked to press.
    + [(s, OptedOut) for s in (S.OFFERED, S.BRIDGING, S.TALKING, S.TRANSFERRED)]
    # Our own late words.
    + [(s, e) for s in _OVER for e in (DeadlinePassed, HangUpAsked, AgentLost)]
    + [(s, DeadlinePassed) for s in (S.TALKING, S.TRANSFERRED)]
    + [(s, AgentLost) for s in (S.OFFERED, S.QUEUED, S.PARKED, S.TRANSFERRED, S.MESSAGE)]
    + [(S.CLOSED, Noted)]
)
"""Pairs that may come late, doubled or reordered, and change nothing, on purpose."""


def step(call: InboundCall, event: Event, now: Instant) -> InboundStep:
    """Apply one event. Raises `ImpossibleEvent` (and changes nothing) where the table has none."""
    key = (call.state, type(event))
    if key in IGNORED:
        return InboundStep(call=call)
    handler = TRANSITIONS.get(key)
    if handler is None:
        raise ImpossibleEvent(
            f"inbound call {call.id} is {call.state.value} and cannot have "
            f"{type(event).__name__}; nothing was changed"
        )
    return handler(call, event, now)

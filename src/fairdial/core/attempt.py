"""The attempt: one try to reach one number, as a machine that a table describes.

`TRANSITIONS` says what each state makes of each event; `step` applies it and returns the next
attempt with the actions to take. An event that a state cannot have raises `ImpossibleEvent` and
changes nothing; network events that may come late, doubled or reordered are listed in `IGNORED`
on purpose. Deadlines are data on the attempt, so a crash does not lose them. The module knows
nothing of SIP, agents' desks or tables; its actions are carried out by `flow.call_events`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import assert_never

from fairdial.core.answer import AnswerKind, Tone
from fairdial.core.campaign import MachinePolicy
from fairdial.core.ids import E164, AttemptId, CampaignId, Instant, LeadId, PermitId, SessionId
from fairdial.core.outcome import Disposition, Outcome
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

RING_SLACK = timedelta(seconds=10)
"""How much longer than the ring time we wait for the engine's word before ending the call."""

JUDGE_LIMIT = timedelta(seconds=12)
"""How long we wait for the engine's judgement; it is due sooner, so this is the second fence."""

BEEP_LIMIT = timedelta(seconds=45)
"""How long a machine's greeting may last until its beep; then it is hung up on."""

BEEP_FRESH = timedelta(seconds=3)
"""A beep that was heard so shortly before the judgement is the one to speak after."""

DIAL_LIMIT = timedelta(seconds=40)
"""How long an attempt may stay unanswered without ringing, the SIP timers included."""

OPT_OUT_KEY = "9"
"""The key by which who hears the abandoned-call message is not called again.

47 CFR 64.1200(a)(7)(i)(B) asks for a mechanism by voice or key press that records the number on the
seller's do-not-call list and ends the call at once. The recording has to name this key.
"""


class AttemptState(StrEnum):
    """Where an attempt stands."""

    PERMITTED = "permitted"
    """A permit is recorded; nothing has left for the network yet."""
    DIALING = "dialing"
    RINGING = "ringing"
    LISTENING = "listening"
    """Answered, and it is judged by the sound whether a person or a machine did."""
    MACHINE = "machine"
    """A machine answered; its beep is waited for, to leave a message."""
    WAITING = "waiting"
    """Answered, and no agent is free yet; the connect deadline runs."""
    BRIDGING = "bridging"
    """Answered, an agent is reserved, the legs are being joined; the deadline still runs."""
    TALKING = "talking"
    PARKED = "parked"
    """On hold with nobody of ours left, until somebody picks it up or the limit passes."""
    TRANSFERRED = "transferred"
    """Talks with somebody who is no agent session of ours; who passed it on records it."""
    MESSAGE = "message"
    """A recorded message plays to the called party."""
    ENDED = "ended"
    """The network leg is gone; the agent may still be in wrap-up."""
    CLOSED = "closed"
    """Nothing more will happen: outcome and disposition are final."""


OPEN_STATES = frozenset(AttemptState) - {AttemptState.ENDED, AttemptState.CLOSED}
"""States in which the called party's phone may be rung or held."""


class EndCause(StrEnum):
    """Why a call's network leg ended, in our words."""

    CALLED_PARTY_HUNG_UP = "called_party_hung_up"
    WE_HUNG_UP = "we_hung_up"
    """Our BYE after an answer."""
    CANCELLED = "cancelled"
    """Our CANCEL before an answer."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    """It rang for the whole ring time, or the network gave up ringing (480, 408)."""
    REJECTED = "rejected"
    INVALID = "invalid"
    CONGESTION = "congestion"
    NO_RESPONSE = "no_response"
    """The carrier never replied to the INVITE."""
    MEDIA_LOST = "media_lost"
    """An answered call sent no audio for too long."""
    ENGINE_LOST = "engine_lost"
    """The engine that held the call died."""
    FAILED = "failed"


class Message(StrEnum):
    """The recorded messages an engine can play."""

    ABANDONED = "abandoned"
    """Who called, for whom, and how to opt out: what the law asks to play to an abandoned call."""
    VOICEMAIL = "voicemail"
    """What is left on an answering machine after its beep."""
    CALL_BACK = "call_back"
    """What people hear who ring back our caller ID: who called, and the key to opt out."""
    OPTED_OUT = "opted_out"
    """That the number will not be called again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to reach one number for one lead."""

    id: AttemptId
    permit_id: PermitId
    lead_id: LeadId
    campaign_id: CampaignId
    number: E164
    state: AttemptState
    permitted_at: Instant
    ring_s: int
    connect_ms_max: int
    dialed_at: Instant | None = None
    ringing_at: Instant | None = None
    answered_at: Instant | None = None
    greeting_started_at: Instant | None = None
    """When the person was first heard, where a detector listens; the abandonment clock of some
    laws starts here or at its end."""
    greeting_ended_at: Instant | None = None
    bridged_at: Instant | None = None
    ended_at: Instant | None = None
    closed_at: Instant | None = None
    deadline_at: Instant | None = None
    """When `DeadlinePassed` is due: ring limit before an answer, connect deadline after it."""
    session_id: SessionId | None = None
    """The agent session reserved for or talking on this call; the last one, when nobody is left."""
    is_held: bool = False
    """The called party hears music."""
    is_abandoned: bool = False
    hang_up_asked: bool = False
    outcome: Outcome | None = None
    cause: EndCause | None = None
    raw: str = ""
    """The network's own word for the end."""
    disposition: Disposition | None = None
    callback_at: Instant | None = None
    """When an agent who passed the call on agreed to call again."""
    machines: MachinePolicy = MachinePolicy.CONNECT
    """What becomes of it when a machine answers, as far as the permit covers it."""
    may_leave_message: bool = False
    """Whether the permit covers a recorded message on a machine."""
    heard: Tone | None = None
    """The last tone of the network, or of a machine, before anybody talked."""
    heard_at: Instant | None = None


# --- events: what happened (past tense) -----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialed:
    """The INVITE is on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDialed:
    """Nothing was sent and nothing will be."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rang:
    """The called party's phone rings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Somebody or something picked up; `session_id` is the agent reserved for it, if any."""

    session_id: SessionId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Who or what answered, by the sound."""

    kind: AnswerKind
    greeting_started_at: Instant | None = None
    greeting_ended_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A tone of the network, or of a machine."""

    tone: Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReserved:
    """An agent became free for a waiting call."""

    session_id: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridged:
    """The two legs are joined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlinePassed:
    """`deadline_at` is behind us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePlayed:
    """The recorded message came to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLeft:
    """The agent found a machine on the line and leaves the recorded message to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptedOut:
    """The called party pressed `OPT_OUT_KEY`; it counts while a recorded message has the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUpAsked:
    """Somebody of ours wants this call to end: the agent, an operator, a suppression."""

    why: str | None = None
    """What forbids the call since its permit, for the record; None when somebody simply asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLost:
    """The agent's leg broke or the agent vanished."""

    session_id: SessionId | None = None
    """Whose; of the others in a call the talk does not hang."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegEnded:
    """The network leg is gone."""

    cause: EndCause
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposed:
    """The agent recorded a disposition, or wrap-up ended without one."""

    disposition: Disposition
    callback_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingToRecord:
    """The leg ended without an agent: the attempt can be closed as it is."""


Event = (
    Dialed
    | NotDialed
    | Rang
    | Answered
    | Judged
    | Heard
    | AgentReserved
    | Bridged
    | DeadlinePassed
    | MessagePlayed
    | MessageLeft
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


# --- actions: what to do now (imperative) ---------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkPermitUsed:
    """The permit is spent: an INVITE left under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoidPermit:
    """The permit will never be used: nothing was sent under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """Join the call with the agent's leg."""

    session_id: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayMessage:
    """Play a recorded message to the called party."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    """End the network leg, by CANCEL or BYE as it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordStopRequest:
    """The called party does not want to be called again: suppress the number for the seller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseAgent:
    """The reserved agent is free again: this call will not reach them."""

    session_id: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectAgent:
    """The agent now talks on this call."""

    session_id: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class StartWrapUp:
    """The talk is over; the agent records what came of it."""

    session_id: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Close the attempt: outcome and disposition are final, the lead's next step is due."""


Action = (
    MarkPermitUsed
    | VoidPermit
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
class Step:
    """The attempt after an event, and what is to be done about it, in order."""

    attempt: Attempt
    actions: tuple[Action, ...] = ()


# --- what each state makes of each event ----------------------------------------------------------


def _dialed(a: Attempt, _: Dialed, now: Instant) -> Step:
    after = replace(a, state=AttemptState.DIALING, dialed_at=now, deadline_at=now + DIAL_LIMIT)
    return Step(attempt=after, actions=(MarkPermitUsed(),))


def _not_dialed(a: Attempt, event: NotDialed, now: Instant) -> Step:
    after = replace(
        a,
        state=AttemptState.ENDED,
        ended_at=now,
        deadline_at=None,
        outcome=Outcome.NOT_DIALED,
        raw=event.why,
    )
    return Step(attempt=after, actions=(VoidPermit(), Close()))


def _rang(a: Attempt, _: Rang, now: Instant) -> Step:
    limit = now + timedelta(seconds=a.ring_s) + RING_SLACK
    return Step(attempt=replace(a, state=AttemptState.RINGING, ringing_at=now, deadline_at=limit))


def _answered(a: Attempt, event: Answered, now: Instant) -> Step:
    if a.machines is not MachinePolicy.CONNECT and not a.hang_up_asked:
        after = replace(
            a, state=AttemptState.LISTENING, answered_at=now, deadline_at=now + JUDGE_LIMIT
        )
        free = () if event.session_id is None else (ReleaseAgent(session_id=event.session_id),)
        return Step(attempt=after, actions=free)
    after = replace(
        a,
        state=AttemptState.WAITING if event.session_id is None else AttemptState.BRIDGING,
        answered_at=now,
        session_id=event.session_id,
        deadline_at=now + timedelta(milliseconds=a.connect_ms_max),
    )
    if a.hang_up_asked:
        # Our CANCEL crossed the answer on the wire: whoever picked up must not wait in silence.
        free = () if event.session_id is None else (ReleaseAgent(session_id=event.session_id),)
        after = replace(
            after, state=AttemptState.MESSAGE, is_abandoned=True, session_id=None, deadline_at=None
        )
        return Step(attempt=after, actions=(*free, HangUp()))
    if event.session_id is None:
        return Step(attempt=after)
    return Step(attempt=after, actions=(Bridge(session_id=event.session_id),))


def _judged(a: Attempt, event: Judged, now: Instant) -> Step:
    after = replace(
        a,
        greeting_started_at=event.greeting_started_at,
        greeting_ended_at=event.greeting_ended_at,
    )
    if event.kind is not AnswerKind.MACHINE:
        # The connect deadline runs from the end of the greeting, as the laws that name one do.
        begins = event.greeting_ended_at or now
        limit = begins + timedelta(milliseconds=a.connect_ms_max)
        return Step(attempt=replace(after, state=AttemptState.WAITING, deadline_at=limit))
    after = replace(after, disposition=standing(a.disposition, Disposition.MACHINE))
    if a.machines is not MachinePolicy.LEAVE_MESSAGE or a.heard not in (None, Tone.BEEP):
        return _give_up_machine(after)
    if a.heard is Tone.BEEP and a.heard_at is not None and now - a.heard_at <= BEEP_FRESH:
        return _leave_message(after)
    return Step(attempt=replace(after, state=AttemptState.MACHINE, deadline_at=now + BEEP_LIMIT))


def _leave_message(a: Attempt) -> Step:
    after = replace(a, state=AttemptState.MESSAGE, deadline_at=None)
    return Step(attempt=after, actions=(PlayMessage(message=Message.VOICEMAIL),))


def _give_up_machine(a: Attempt) -> Step:
    after = replace(a, state=AttemptState.MACHINE, hang_up_asked=True, deadline_at=None)
    return Step(attempt=after, actions=(HangUp(),))


def _not_judged(a: Attempt, _: DeadlinePassed, now: Instant) -> Step:
    # The engine said nothing in time: whoever it is, nobody is kept waiting for a guess.
    return _judged(a, Judged(kind=AnswerKind.UNSURE), now)


def _heard(a: Attempt, event: Heard, now: Instant) -> Step:
    if event.tone not in _HEARD_OUTCOMES:
        return Step(attempt=replace(a, heard=event.tone, heard_at=now))
    after = replace(a, heard=event.tone, heard_at=now, hang_up_asked=True)
    return Step(attempt=after, actions=(HangUp(),))


def _machine_beeped(a: Attempt, event: Heard, now: Instant) -> Step:
    after = replace(a, heard=event.tone, heard_at=now)
    if a.hang_up_asked:
        return Step(attempt=after)
    if event.tone is not Tone.BEEP:
        return _give_up_machine(after)
    return _leave_message(after)


def _no_beep(a: Attempt, _: DeadlinePassed, __: Instant) -> Step:
    return _give_up_machine(a)


def _ended_machine(a: Attempt, event: LegEnded, now: Instant) -> Step:
    outcome = _HEARD_OUTCOMES.get(a.heard, Outcome.MACHINE) if a.heard else Outcome.MACHINE
    return Step(attempt=_end(a, event, now, outcome=outcome), actions=(Close(),))


def _ended_listening(a: Attempt, event: LegEnded, now: Instant) -> Step:
    if a.heard in _HEARD_OUTCOMES:
        return _ended_machine(a, event, now)
    return _ended_waiting(a, event, now)


def _agent_reserved(a: Attempt, event: AgentReserved, _: Instant) -> Step:
    after = replace(a, state=AttemptState.BRIDGING, session_id=event.session_id)
    return Step(attempt=after, actions=(Bridge(session_id=event.session_id),))


def _bridged(a: Attempt, _: Bridged, now: Instant) -> Step:
    assert a.session_id is not None, "a bridging attempt has its agent session"
    after = replace(a, state=AttemptState.TALKING, bridged_at=now, deadline_at=None)
    return Step(attempt=after, actions=(ConnectAgent(session_id=a.session_id),))


def _ring_limit_passed(a: Attempt, _: DeadlinePassed, now: Instant) -> Step:
    # The engine cancels at the ring time by itself; this is the second fence.
    return Step(attempt=replace(a, deadline_at=now + RING_SLACK), actions=(HangUp(),))


def _connect_deadline_passed(a: Attempt, _: DeadlinePassed, __: Instant) -> Step:
    free = () if a.session_id is None else (ReleaseAgent(session_id=a.session_id),)
    after = replace(
        a, state=AttemptState.MESSAGE, is_abandoned=True, session_id=None, deadline_at=None
    )
    return Step(attempt=after, actions=(*free, PlayMessage(message=Message.ABANDONED)))


def _permit_expired(a: Attempt, _: DeadlinePassed, now: Instant) -> Step:
    # The dial command was taken back or lost before the engine saw it.
    return _not_dialed(a, NotDialed(why="the permit expired before the engine dialed"), now)


def _message_left(a: Attempt, _: MessageLeft, __: Instant) -> Step:
    assert a.session_id is not None, "a talking attempt has its agent session"
    left = _leave_message(
        replace(a, is_held=False, disposition=standing(a.disposition, Disposition.MACHINE))
    )
    return Step(attempt=left.attempt, actions=(*_leave_call(a), *left.actions))


def _message_played(a: Attempt, _: MessagePlayed, __: Instant) -> Step:
    return Step(attempt=a, actions=(HangUp(),))


def _opted_out(a: Attempt, _: OptedOut, __: Instant) -> Step:
    if a.disposition is Disposition.STOP_CALLING:
        return Step(attempt=a)  # Pressed again while our BYE is on its way.
    after = replace(a, disposition=Disposition.STOP_CALLING, hang_up_asked=True)
    return Step(attempt=after, actions=(RecordStopRequest(), HangUp()))


def _hang_up(a: Attempt, _: HangUpAsked, __: Instant) -> Step:
    return Step(attempt=replace(a, hang_up_asked=True), actions=(HangUp(),))


def _agent_lost_before_talk(a: Attempt, event: AgentLost, __: Instant) -> Step:
    if event.session_id not in (None, a.session_id):
        return Step(attempt=a)
    return Step(attempt=replace(a, state=AttemptState.WAITING, session_id=None))


def _agent_lost_in_talk(a: Attempt, event: AgentLost, now: Instant) -> Step:
    if event.session_id not in (None, a.session_id):
        return Step(attempt=a)
    if a.is_held:
        return _parked(a, Parked(), now)  # Whoever hears music is not hung up on for our trouble.
    return Step(attempt=replace(a, hang_up_asked=True), actions=(HangUp(),))


def _ended_unanswered(a: Attempt, event: LegEnded, now: Instant) -> Step:
    outcome = _UNANSWERED[event.cause]
    if a.heard is not None and event.cause is EndCause.CANCELLED:
        # The network said by a tone what it did not say by a status.
        outcome = _HEARD_OUTCOMES.get(a.heard, outcome)
    return Step(attempt=_end(a, event, now, outcome=outcome), actions=(Close(),))


def _lost_before_dialed(a: Attempt, event: LegEnded, now: Instant) -> Step:
    # The network spoke of a call whose INVITE we had no word of yet: it did leave.
    after = replace(_end(a, event, now, outcome=_UNANSWERED[event.cause]), dialed_at=now)
    return Step(attempt=after, actions=(MarkPermitUsed(), Close()))


def _ended_waiting(a: Attempt, event: LegEnded, now: Instant) -> Step:
    # A person who hangs up before being connected counts as abandoned (the strict reading).
    after = replace(_end(a, event, now, outcome=Outcome.ABANDONED), is_abandoned=True)
    free = () if a.session_id is None else (ReleaseAgent(session_id=a.session_id),)
    return Step(attempt=replace(after, session_id=None), actions=(*free, Close()))


def _ended_talking(a: Attempt, event: LegEnded, now: Instant) -> Step:
    assert a.session_id is not None, "a talking attempt has its agent session"
    after = _end(a, event, now, outcome=Outcome.CONNECTED)
    return Step(attempt=after, actions=(StartWrapUp(session_id=a.session_id),))


def _ended_message(a: Attempt, event: LegEnded, now: Instant) -> Step:
    if a.session_id is not None:
        # It was parked for too long after its talk, or its agent left a message on a machine.
        ended = _ended_talking(a, event, now)
        if a.disposition is not Disposition.MACHINE:
            return ended
        return replace(ended, attempt=replace(ended.attempt, outcome=Outcome.MESSAGE_LEFT))
    outcome = Outcome.ABANDONED if a.is_abandoned else Outcome.MESSAGE_LEFT
    return Step(attempt=_end(a, event, now, outcome=outcome), actions=(Close(),))


def _end(a: Attempt, event: LegEnded, now: Instant, *, outcome: Outcome) -> Attempt:
    return replace(
        a,
        state=AttemptState.ENDED,
        ended_at=now,
        deadline_at=None,
        is_held=False,
        outcome=outcome,
        cause=event.cause,
        raw=event.raw,
    )


def _held(a: Attempt, _: Held, __: Instant) -> Step:
    if a.is_held:
        return Step(attempt=a)
    return Step(attempt=replace(a, is_held=True), actions=(Hold(),))


def _unheld(a: Attempt, _: Unheld, __: Instant) -> Step:
    if not a.is_held:
        return Step(attempt=a)
    return Step(attempt=replace(a, is_held=False), actions=(Unhold(),))


def _parked(a: Attempt, _: Parked, now: Instant) -> Step:
    assert a.session_id is not None, "a talking attempt has its agent session"
    after = replace(a, state=AttemptState.PARKED, is_held=True, deadline_at=now + PARK_LIMIT)
    return Step(attempt=after, actions=(Hold(), EndTalk(session_id=a.session_id)))


def _parked_too_long(a: Attempt, _: DeadlinePassed, __: Instant) -> Step:
    after = replace(a, state=AttemptState.MESSAGE, is_held=False, deadline_at=None)
    return Step(attempt=after, actions=(Unhold(), PlayMessage(message=Message.ABANDONED)))


def _handed_over(a: Attempt, event: HandedOver, _: Instant) -> Step:
    after = replace(
        a,
        state=AttemptState.TALKING,
        session_id=event.session_id,
        is_held=False,
        deadline_at=None,
    )
    return Step(
        attempt=after,
        actions=(*_leave_call(a), ConnectAgent(session_id=event.session_id)),
    )


def _passed_on(a: Attempt, _: PassedOn, __: Instant) -> Step:
    after = replace(a, state=AttemptState.TRANSFERRED, is_held=False, deadline_at=None)
    return Step(attempt=after, actions=_leave_call(a))


def _leave_call(a: Attempt) -> tuple[Action, ...]:
    """The called party is no longer on hold, and the agent who talked begins wrap-up."""
    unhold: tuple[Action, ...] = (Unhold(),) if a.is_held else ()
    if a.state is not AttemptState.TALKING or a.session_id is None:
        return unhold
    return (*unhold, EndTalk(session_id=a.session_id))


def _noted(a: Attempt, event: Noted, _: Instant) -> Step:
    return Step(
        attempt=replace(
            a,
            disposition=standing(a.disposition, event.disposition),
            callback_at=event.callback_at or a.callback_at,
        )
    )


def _disposed(a: Attempt, event: Disposed, now: Instant) -> Step:
    return Step(
        attempt=replace(
            a,
            state=AttemptState.CLOSED,
            closed_at=now,
            disposition=standing(a.disposition, event.disposition),
            callback_at=event.callback_at or a.callback_at,
        )
    )


def _nothing_to_record(a: Attempt, _: NothingToRecord, now: Instant) -> Step:
    return Step(attempt=replace(a, state=AttemptState.CLOSED, closed_at=now))


_HEARD_OUTCOMES: Mapping[Tone, Outcome] = {
    Tone.BUSY: Outcome.BUSY,
    Tone.CONGESTION: Outcome.CONGESTION,
    Tone.SIT_NO_CIRCUIT: Outcome.CONGESTION,
    Tone.SIT_REORDER: Outcome.CONGESTION,
    Tone.SIT_INTERCEPT: Outcome.INVALID,
    Tone.SIT_VACANT: Outcome.INVALID,
    # Codes that do not say which: the number is dialed again, as if the network had no way.
    Tone.SIT: Outcome.CONGESTION,
    # Nobody can be talked to on this number.
    Tone.FAX: Outcome.INVALID,
}
"""What a tone says of a call. A beep says nothing of it: a person's line has none."""

_UNANSWERED: Mapping[EndCause, Outcome] = {
    EndCause.BUSY: Outcome.BUSY,
    EndCause.NO_ANSWER: Outcome.NO_ANSWER,
    EndCause.REJECTED: Outcome.REJECTED,
    EndCause.INVALID: Outcome.INVALID,
    EndCause.CONGESTION: Outcome.CONGESTION,
    EndCause.CANCELLED: Outcome.CANCELLED,
    EndCause.NO_RESPONSE: Outcome.FAILED,
    EndCause.ENGINE_LOST: Outcome.FAILED,
    EndCause.MEDIA_LOST: Outcome.FAILED,
    EndCause.FAILED: Outcome.FAILED,
    # An end that speaks of an answer we were never told of: the 200 and the BYE overtook it.
    EndCause.CALLED_PARTY_HUNG_UP: Outcome.FAILED,
    EndCause.WE_HUNG_UP: Outcome.CANCELLED,
}

S = AttemptState
_Handler = Callable[[Attempt, "Event", Instant], Step]

TRANSITIONS: Mapping[tuple[AttemptState, type], Callable[..., Step]] = {
    (S.PERMITTED, Dialed): _dialed,
    (S.PERMITTED, NotDialed): _not_dialed,
    (S.PERMITTED, DeadlinePassed): _permit_expired,
    (S.PERMITTED, LegEnded): _lost_before_dialed,
    (S.PERMITTED, HangUpAsked): _hang_up,
    (S.DIALING, Rang): _rang,
    (S.DIALING, Answered): _answered,
    (S.DIALING, LegEnded): _ended_unanswered,
    (S.DIALING, HangUpAsked): _hang_up,
    (S.DIALING, DeadlinePassed): _ring_limit_passed,
    (S.RINGING, Answered): _answered,
    (S.RINGING, LegEnded): _ended_unanswered,
    (S.RINGING, HangUpAsked): _hang_up,
    (S.RINGING, DeadlinePassed): _ring_limit_passed,
    (S.DIALING, Heard): _heard,
    (S.RINGING, Heard): _heard,
    (S.LISTENING, Judged): _judged,
    (S.LISTENING, Heard): _heard,
    (S.LISTENING, DeadlinePassed): _not_judged,
    (S.LISTENING, LegEnded): _ended_listening,
    (S.LISTENING, HangUpAsked): _hang_up,
    (S.MACHINE, Heard): _machine_beeped,
    (S.MACHINE, DeadlinePassed): _no_beep,
    (S.MACHINE, LegEnded): _ended_machine,
    (S.MACHINE, HangUpAsked): _hang_up,
    (S.WAITING, AgentReserved): _agent_reserved,
    (S.WAITING, DeadlinePassed): _connect_deadline_passed,
    (S.WAITING, LegEnded): _ended_waiting,
    (S.WAITING, HangUpAsked): _hang_up,
    (S.BRIDGING, Bridged): _bridged,
    (S.BRIDGING, DeadlinePassed): _connect_deadline_passed,
    (S.BRIDGING, AgentLost): _agent_lost_before_talk,
    (S.BRIDGING, LegEnded): _ended_waiting,
    (S.BRIDGING, HangUpAsked): _hang_up,
    (S.TALKING, LegEnded): _ended_talking,
    (S.TALKING, HangUpAsked): _hang_up,
    (S.TALKING, AgentLost): _agent_lost_in_talk,
    (S.TALKING, MessageLeft): _message_left,
    (S.TALKING, Held): _held,
    (S.TALKING, Unheld): _unheld,
    (S.TALKING, Parked): _parked,
    (S.TALKING, HandedOver): _handed_over,
    (S.TALKING, PassedOn): _passed_on,
    (S.TALKING, Noted): _noted,
    (S.PARKED, HandedOver): _handed_over,
    (S.PARKED, PassedOn): _passed_on,
    (S.PARKED, DeadlinePassed): _parked_too_long,
    (S.PARKED, OptedOut): _opted_out,
    (S.PARKED, HangUpAsked): _hang_up,
    (S.PARKED, LegEnded): _ended_talking,
    (S.PARKED, Noted): _noted,
    (S.TRANSFERRED, HangUpAsked): _hang_up,
    (S.TRANSFERRED, LegEnded): _ended_talking,
    (S.TRANSFERRED, Noted): _noted,
    (S.MESSAGE, MessagePlayed): _message_played,
    (S.MESSAGE, OptedOut): _opted_out,
    (S.MESSAGE, HangUpAsked): _hang_up,
    (S.MESSAGE, LegEnded): _ended_message,
    (S.MESSAGE, Noted): _noted,
    (S.ENDED, Disposed): _disposed,
    (S.ENDED, NothingToRecord): _nothing_to_record,
    (S.ENDED, Noted): _noted,
}
"""What each state makes of each event. The diagram in the docs is drawn from this table."""

_TALKED = (S.TALKING, S.PARKED, S.TRANSFERRED)
_NETWORK = (Dialed, Rang, Answered, Bridged, MessagePlayed, OptedOut, LegEnded, Judged, Heard)

IGNORED: frozenset[tuple[AttemptState, type]] = frozenset(
    # Doubled or overtaken network events: what they say is known or no longer matters.
    [(S.DIALING, Dialed), (S.RINGING, Dialed), (S.RINGING, Rang)]
    + [(s, e) for s in (S.WAITING, S.BRIDGING, *_TALKED) for e in (Dialed, Rang, Answered)]
    + [(s, e) for s in (S.LISTENING, S.MACHINE) for e in (Dialed, Rang, Answered)]
    + [(S.MESSAGE, e) for e in (Dialed, Rang, Answered, Bridged)]
    # Who is connected, or waits for it, is a person whatever an ear says later.
    + [(s, e) for s in (S.WAITING, S.BRIDGING, *_TALKED, S.MESSAGE) for e in (Judged, Heard)]
    + [(S.MACHINE, Judged)]
    + [(s, e) for s in _TALKED for e in (Bridged, MessagePlayed)]
    + [(s, e) for s in (S.ENDED, S.CLOSED) for e in (*_NETWORK, NotDialed)]
    # A key that nobody was asked to press: it means nothing to us.
    + [(s, OptedOut) for s in OPEN_STATES - {S.MESSAGE, S.PARKED}]
    # Our own late words: the call moved on between the decision and its record.
    + [(s, e) for s in (S.ENDED, S.CLOSED) for e in (DeadlinePassed, HangUpAsked, AgentLost)]
    + [(s, DeadlinePassed) for s in (S.TALKING, S.TRANSFERRED, S.MESSAGE)]
    + [(s, AgentLost) for s in (S.PERMITTED, S.DIALING, S.RINGING, S.WAITING, S.MESSAGE)]
    + [(s, AgentLost) for s in (S.LISTENING, S.MACHINE)]
    + [(s, AgentLost) for s in (S.PARKED, S.TRANSFERRED)]
    + [(S.CLOSED, Noted)]
    # A refusal to dial is only true before the wire.
    + [(s, NotDialed) for s in OPEN_STATES - {S.PERMITTED}]
)
"""Pairs that may come late, doubled or reordered, and change nothing, on purpose."""

OVERTAKING: Mapping[tuple[AttemptState, type], Event] = {
    (S.PERMITTED, Rang): Dialed(),
    (S.PERMITTED, Answered): Dialed(),
    (S.PERMITTED, Heard): Dialed(),
}
"""Network events that overtook another: the one named is applied first, then the event itself."""


def step(attempt: Attempt, event: Event, now: Instant) -> Step:
    """Apply one event. Raises `ImpossibleEvent` (and changes nothing) where the table has none."""
    key = (attempt.state, type(event))
    if key in IGNORED:
        return Step(attempt=attempt)
    missed = OVERTAKING.get(key)
    if missed is not None:
        first = step(attempt, missed, now)
        then = step(first.attempt, event, now)
        return Step(attempt=then.attempt, actions=first.actions + then.actions)
    handler = TRANSITIONS.get(key)
    if handler is None:
        raise ImpossibleEvent(
            f"attempt {attempt.id} is {attempt.state.value} and cannot have "
            f"{type(event).__name__}; nothing was changed"
        )
    return handler(attempt, event, now)


def is_answered(attempt: Attempt) -> bool:
    """Whether somebody or something picked up."""
    return attempt.answered_at is not None


def in_flight(state: AttemptState) -> bool:
    """Whether a call in this state still hopes for an answer."""
    match state:
        case S.PERMITTED | S.DIALING | S.RINGING:
            return True
        case S.LISTENING | S.MACHINE | S.WAITING | S.BRIDGING:
            return False
        case S.MESSAGE | S.ENDED | S.CLOSED:
            return False
        case S.TALKING | S.PARKED | S.TRANSFERRED:
            return False
        case _:
            assert_never(state)

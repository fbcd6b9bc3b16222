"""The transfer: a third phone is asked into a call, as a machine that a table describes.

Blind, attended, or three in conference: while the destination's phone is called the person outside
hears music; who gets the call, or gets it back, is decided here. The destination is another agent
session, or a phone that the campaign file names. It knows nothing of how phones are called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from fairdial.core.ids import CallId, CampaignId, Instant, SessionId, TransferId
from fairdial.exceptions import ImpossibleEvent

DESTINATION_RING = timedelta(seconds=25)
"""How long a destination's phone is called before the call goes back to the agent."""


class TransferKind(StrEnum):
    """How a call is passed on."""

    BLIND = "blind"
    """The destination gets the call as soon as it answers."""
    ATTENDED = "attended"
    """The agent talks with the destination first."""


class TransferState(StrEnum):
    """Where a transfer stands."""

    CALLING = "calling"
    """The destination's phone is called; the person outside hears music."""
    CONSULTING = "consulting"
    """Agent and destination talk; the person outside hears music."""
    CONFERENCE = "conference"
    """All three talk."""
    PASSED_ON = "passed_on"
    """The destination, no agent session of ours, has the call."""
    OVER = "over"


class TransferOutcome(StrEnum):
    """What came of a transfer."""

    HANDED_OVER = "handed_over"
    """The destination got the call."""
    TAKEN_BACK = "taken_back"
    """The agent took the call back."""
    FAILED = "failed"
    """The destination could not be reached, or left before the call was theirs."""
    CALL_ENDED = "call_ended"
    """Who was outside hung up first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One try to bring a third phone into a call."""

    id: TransferId
    campaign_id: CampaignId
    call_id: CallId
    is_inbound: bool
    """Whether the call was made to us."""
    from_session_id: SessionId
    """The agent who passes the call on."""
    leg_id: SessionId
    """The destination's leg: the agent session itself, or an id of its own for a named phone."""
    is_agent: bool
    """The destination is an agent session of ours."""
    to: str
    """The agent's name, or the destination's name in the campaign file."""
    kind: TransferKind
    state: TransferState
    started_at: Instant
    deadline_at: Instant | None
    """When the destination must have answered."""
    ended_at: Instant | None = None
    outcome: TransferOutcome | None = None
    why: str = ""
    """Why it failed, for people."""


# --- events ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationUp:
    """The destination's leg is up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationLost:
    """The destination's leg is gone, or never came up."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlinePassed:
    """The destination did not answer in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The agent leaves the call to the destination."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conferenced:
    """The agent brings the person outside back, with the destination in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """The agent lets the destination go, and has the call alone again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentGone:
    """The leg of the agent who passes the call on is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOver:
    """The person outside is gone."""


Event = (
    DestinationUp
    | DestinationLost
    | DeadlinePassed
    | Completed
    | Conferenced
    | TakenBack
    | AgentGone
    | CallOver
)


# --- actions --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinDestination:
    """The destination talks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DropDestination:
    """The destination leaves the call: an agent is free again, a named phone is hung up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndHold:
    """The person outside hears and is heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """The call is the destination's; the agent leaves it for wrap-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveParked:
    """Nobody of ours is left with the person outside, who goes on hearing music."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCall:
    """Hang up on the person outside: whom they talked with has left."""


Action = JoinDestination | DropDestination | EndHold | HandOver | LeaveParked | EndCall


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferStep:
    """The transfer after an event, and what is to be done about it, in order."""

    transfer: Transfer
    actions: tuple[Action, ...] = ()


S = TransferState
R = TransferOutcome


def _over(t: Transfer, outcome: TransferOutcome, now: Instant, why: str = "") -> Transfer:
    return replace(t, state=S.OVER, outcome=outcome, ended_at=now, deadline_at=None, why=why)


def _give(t: Transfer, now: Instant) -> Transfer:
    """The destination has the call: an agent session carries on alone, a named phone is watched."""
    if t.is_agent:
        return _over(t, R.HANDED_OVER, now)
    return replace(t, state=S.PASSED_ON, outcome=R.HANDED_OVER, deadline_at=None)


def _up(t: Transfer, _: DestinationUp, now: Instant) -> TransferStep:
    if t.kind is TransferKind.BLIND:
        return TransferStep(transfer=_give(t, now), actions=(JoinDestination(), HandOver()))
    after = replace(t, state=S.CONSULTING, deadline_at=None)
    return TransferStep(transfer=after, actions=(JoinDestination(),))


def _failed(t: Transfer, event: DestinationLost | DeadlinePassed, now: Instant) -> TransferStep:
    why = event.why if isinstance(event, DestinationLost) else "nobody answered in time"
    return TransferStep(
        transfer=_over(t, R.FAILED, now, why), actions=(DropDestination(), EndHold())
    )


def _completed(t: Transfer, _: Event, now: Instant) -> TransferStep:
    return TransferStep(transfer=_give(t, now), actions=(HandOver(),))


def _conferenced(t: Transfer, _: Conferenced, __: Instant) -> TransferStep:
    return TransferStep(transfer=replace(t, state=S.CONFERENCE), actions=(EndHold(),))


def _taken_back(t: Transfer, _: TakenBack, now: Instant) -> TransferStep:
    return TransferStep(
        transfer=_over(t, R.TAKEN_BACK, now), actions=(DropDestination(), EndHold())
    )


def _agent_gone_while_calling(t: Transfer, _: AgentGone, __: Instant) -> TransferStep:
    # The destination may still answer, and is then the best that the person outside can get.
    return TransferStep(transfer=replace(t, kind=TransferKind.BLIND), actions=(LeaveParked(),))


def _call_over(t: Transfer, _: CallOver, now: Instant) -> TransferStep:
    outcome = t.outcome or R.CALL_ENDED
    return TransferStep(transfer=_over(t, outcome, now), actions=(DropDestination(),))


def _passed_on_lost(t: Transfer, _: DestinationLost, now: Instant) -> TransferStep:
    return TransferStep(
        transfer=_over(t, R.HANDED_OVER, now), actions=(DropDestination(), EndCall())
    )


TRANSITIONS: Mapping[tuple[TransferState, type], Callable[..., TransferStep]] = {
    (S.CALLING, DestinationUp): _up,
    (S.CALLING, DestinationLost): _failed,
    (S.CALLING, DeadlinePassed): _failed,
    (S.CALLING, TakenBack): _taken_back,
    (S.CALLING, AgentGone): _agent_gone_while_calling,
    (S.CALLING, CallOver): _call_over,
    (S.CONSULTING, Completed): _completed,
    (S.CONSULTING, Conferenced): _conferenced,
    (S.CONSULTING, TakenBack): _taken_back,
    (S.CONSULTING, DestinationLost): _failed,
    (S.CONSULTING, AgentGone): _completed,
    (S.CONSULTING, CallOver): _call_over,
    (S.CONFERENCE, Completed): _completed,
    (S.CONFERENCE, TakenBack): _taken_back,
    (S.CONFERENCE, DestinationLost): _failed,
    (S.CONFERENCE, AgentGone): _completed,
    (S.CONFERENCE, CallOver): _call_over,
    (S.PASSED_ON, DestinationLost): _passed_on_lost,
    (S.PASSED_ON, CallOver): _call_over,
}
"""What each state makes of each event."""

IGNORED: frozenset[tuple[TransferState, type]] = frozenset(
    [(S.OVER, e) for e in (DestinationUp, DestinationLost, DeadlinePassed, AgentGone, CallOver)]
    + [(s, e) for s in (S.CONSULTING, S.CONFERENCE) for e in (DestinationUp, DeadlinePassed)]
    + [(S.PASSED_ON, e) for e in (DestinationUp, DeadlinePassed, AgentGone)]
)
"""Pairs that may come late or doubled and change nothing, on purpose."""


def step(transfer: Transfer, event: Event, now: Instant) -> TransferStep:
    """Apply one event. Raises `ImpossibleEvent` (and changes nothing) where the table has none."""
    key = (transfer.state, type(event))
    if key in IGNORED:
        return TransferStep(transfer=transfer)
    handler = TRANSITIONS.get(key)
    if handler is None:
        raise ImpossibleEvent(
            f"the transfer to {transfer.to} is {transfer.state.value.replace('_', ' ')} and "
            f"cannot have {type(event).__name__}; nothing was changed"
        )
    return handler(transfer, event, now)

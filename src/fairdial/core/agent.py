"""The agent session: one agent's time at the desk, as a machine that a table describes.

Decides when an agent may be given a call. Knows nothing of browsers or phones; `flow.agent_desk`
turns what agents do, and what happens to their leg, into the events below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from fairdial.core.ids import (
    AgentId,
    AttemptId,
    CallId,
    CampaignId,
    InboundId,
    Instant,
    SessionId,
)
from fairdial.exceptions import ImpossibleEvent


class AgentState(StrEnum):
    """Where an agent session stands."""

    CONNECTING = "connecting"
    """Logged in; the agent's leg is not up (yet, or any more)."""
    READY = "ready"
    RESERVED = "reserved"
    """A live answer is being joined with this agent."""
    TALKING = "talking"
    WRAP_UP = "wrap_up"
    PAUSED = "paused"
    LOGGED_OUT = "logged_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSession:
    """One agent's time at the desk."""

    id: SessionId
    agent_id: AgentId
    agent_name: str
    campaign_id: CampaignId
    phone: str
    """The SIP URI of the agent's phone."""
    state: AgentState
    since: Instant
    attempt_id: AttemptId | None = None
    inbound_id: InboundId | None = None
    """The call at hand when somebody called us; never both."""
    deadline_at: Instant | None = None
    """In wrap-up: when it ends by itself."""
    pause_asked: bool = False
    wrap_up_s: int = 30
    is_leg_up: bool = False
    is_muted: bool = False
    """Nobody hears this agent until unmuted, or until the next call."""

    @property
    def call_id(self) -> CallId | None:
        """The call at hand, whoever made it."""
        return self.inbound_id if self.attempt_id is None else self.attempt_id


@dataclass(frozen=True, slots=True, kw_only=True)
class LegUp:
    """The agent's leg is nailed up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegDown:
    """The agent's leg is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """A live answer, or a call to us, was given to this agent: one of the two ids."""

    attempt_id: AttemptId | None = None
    inbound_id: InboundId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The call this agent was reserved for will not come, or a colleague's consultation is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The agent and the called party hear each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkEnded:
    """The called party's leg is gone, or the agent left a call that goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapUpDone:
    """A disposition was recorded, or the wrap-up time ran out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseAsked:
    """The agent wants a break: now, or after the call at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyAsked:
    """The agent is back from a break."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOut:
    """The agent left, or was sent home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Muted:
    """The agent is not to be heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmuted:
    """The agent is to be heard again."""


Event = (
    LegUp
    | LegDown
    | Reserved
    | Released
    | Connected
    | TalkEnded
    | WrapUpDone
    | PauseAsked
    | ReadyAsked
    | LoggedOut
    | Muted
    | Unmuted
)


def _to(state: AgentState) -> Callable[[AgentSession, Event, Instant], AgentSession]:
    def move(s: AgentSession, _: Event, now: Instant) -> AgentSession:
        return replace(_let_go(s), state=state, since=now)

    return move


def _let_go(s: AgentSession) -> AgentSession:
    """No call at hand any more."""
    return replace(s, attempt_id=None, inbound_id=None, deadline_at=None, is_muted=False)


def _free(s: AgentSession, now: Instant) -> AgentSession:
    """Nothing at hand any more: to the break that was asked for, to a broken leg, or ready."""
    if not s.is_leg_up:
        state = AgentState.CONNECTING
    elif s.pause_asked:
        state = AgentState.PAUSED
    else:
        state = AgentState.READY
    return replace(_let_go(s), state=state, since=now, pause_asked=False)


def _leg_up(s: AgentSession, _: Event, now: Instant) -> AgentSession:
    return _free(replace(s, is_leg_up=True), now)


def _leg_up_aside(s: AgentSession, _: Event, __: Instant) -> AgentSession:
    return replace(s, is_leg_up=True)


def _leg_down_idle(s: AgentSession, _: Event, now: Instant) -> AgentSession:
    return replace(_let_go(s), is_leg_up=False, state=AgentState.CONNECTING, since=now)


def _leg_down_aside(s: AgentSession, _: Event, __: Instant) -> AgentSession:
    return replace(s, is_leg_up=False)


def _reserved(s: AgentSession, event: Reserved, now: Instant) -> AgentSession:
    return replace(
        s,
        state=AgentState.RESERVED,
        since=now,
        attempt_id=event.attempt_id,
        inbound_id=event.inbound_id,
    )


def _released(s: AgentSession, _: Event, now: Instant) -> AgentSession:
    return _free(s, now)


def _connected(s: AgentSession, _: Event, now: Instant) -> AgentSession:
    return replace(s, state=AgentState.TALKING, since=now, deadline_at=None)


def _talk_ended(s: AgentSession, _: Event, now: Instant) -> AgentSession:
    return replace(
        s,
        state=AgentState.WRAP_UP,
        since=now,
        deadline_at=now + timedelta(seconds=s.wrap_up_s),
        is_muted=False,
    )


def _muted(s: AgentSession, event: Event, __: Instant) -> AgentSession:
    return replace(s, is_muted=isinstance(event, Muted))


def _pause_later(s: AgentSession, _: Event, __: Instant) -> AgentSession:
    return replace(s, pause_asked=True)


A = AgentState
TRANSITIONS: Mapping[tuple[AgentState, type], Callable[..., AgentSession]] = {
    (A.CONNECTING, LegUp): _leg_up,
    (A.CONNECTING, LegDown): _leg_down_aside,
    (A.CONNECTING, PauseAsked): _pause_later,
    (A.CONNECTING, LoggedOut): _to(A.LOGGED_OUT),
    (A.READY, Reserved): _reserved,
    (A.READY, PauseAsked): _to(A.PAUSED),
    (A.READY, LegDown): _leg_down_idle,
    (A.READY, LoggedOut): _to(A.LOGGED_OUT),
    (A.RESERVED, Connected): _connected,
    (A.RESERVED, Released): _released,
    (A.RESERVED, LegDown): _leg_down_idle,
    (A.RESERVED, PauseAsked): _pause_later,
    (A.RESERVED, LoggedOut): _to(A.LOGGED_OUT),
    (A.TALKING, TalkEnded): _talk_ended,
    (A.TALKING, Released): _released,
    (A.TALKING, Muted): _muted,
    (A.TALKING, Unmuted): _muted,
    (A.TALKING, LegDown): _leg_down_aside,
    (A.TALKING, PauseAsked): _pause_later,
    (A.TALKING, LoggedOut): _to(A.LOGGED_OUT),
    (A.WRAP_UP, WrapUpDone): _released,
    (A.WRAP_UP, Connected): _connected,
    (A.WRAP_UP, LegDown): _leg_down_aside,
    (A.WRAP_UP, LegUp): _leg_up_aside,
    (A.WRAP_UP, PauseAsked): _pause_later,
    (A.WRAP_UP, LoggedOut): _to(A.LOGGED_OUT),
    (A.PAUSED, ReadyAsked): _released,
    (A.PAUSED, LegDown): _leg_down_aside,
    (A.PAUSED, LegUp): _leg_up_aside,
    (A.PAUSED, LoggedOut): _to(A.LOGGED_OUT),
}
"""What each state makes of each event."""

IGNORED: frozenset[tuple[AgentState, type]] = frozenset(
    [(A.LOGGED_OUT, e) for e in (LegUp, LegDown, Released, Connected, TalkEnded, WrapUpDone)]
    + [(A.LOGGED_OUT, LoggedOut), (A.LOGGED_OUT, PauseAsked), (A.LOGGED_OUT, ReadyAsked)]
    + [(s, LegUp) for s in (A.READY, A.RESERVED, A.TALKING)]
    + [(s, ReadyAsked) for s in (A.CONNECTING, A.READY, A.RESERVED, A.TALKING, A.WRAP_UP)]
    + [(A.PAUSED, PauseAsked), (A.PAUSED, WrapUpDone), (A.READY, WrapUpDone)]
    + [(A.CONNECTING, e) for e in (Released, TalkEnded, WrapUpDone)]
    + [(A.WRAP_UP, TalkEnded), (A.TALKING, Connected)]
)
"""Pairs that may come late or doubled and change nothing, on purpose."""


def step(session: AgentSession, event: Event, now: Instant) -> AgentSession:
    """Apply one event. Raises `ImpossibleEvent` (and changes nothing) where the table has none."""
    key = (session.state, type(event))
    if key in IGNORED:
        return session
    handler = TRANSITIONS.get(key)
    if handler is None:
        raise ImpossibleEvent(
            f"agent session {session.id} is {session.state.value} and cannot have "
            f"{type(event).__name__}; nothing was changed"
        )
    return handler(session, event, now)


def is_free(session: AgentSession) -> bool:
    """Whether a live answer may be given to this agent now."""
    return session.state is AgentState.READY and session.is_leg_up

"""What people see of a picture: one shape for the page, the API and the terminal view.

Personal data is cut down here and nowhere else: outside the sandbox a called number is shown by its
last four digits. Texts from users' lists are made harmless for a terminal here too (control and
direction characters); that they are never read as HTML is the page's part. Works on values only.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from fairdial.core.agent import AgentSession, AgentState
from fairdial.core.ids import Instant
from fairdial.core.outcome import Disposition, Outcome
from fairdial.flow.picture import Picture
from fairdial.ports import LiveCall, RecentRefusal

TEXT_MAX = 300
"""The longest text that is shown, characters; longer ones end in an ellipsis."""

_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that move a cursor, turn the reading direction or draw nothing."""
_JOINERS = "\u200c\u200d"
"""Format characters that names in Persian, Hindi and others are spelled with."""


class Shown(BaseModel):
    """Values for people, never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Count(Shown):
    """How many of one kind."""

    name: str
    """Our word for it: `no_answer`, `us.tcpa.hours`."""
    count: int


class AgentRow(Shown):
    """One agent at the desk."""

    id: UUID
    name: str
    state: AgentState
    state_s: float
    """For how long, seconds."""
    on: str | None
    """The called party the agent is joined with."""
    pause_asked: bool


class CallRow(Shown):
    """One call that is up."""

    id: UUID
    number: str
    name: str
    state: str
    state_s: float
    """Since it was dialed or, once answered, since the answer; seconds."""
    agent: str | None


class Reason(Shown):
    """One rule that stood in the way, and why."""

    rule: str
    why: str


class RefusalRow(Shown):
    """One call that was refused."""

    number: str
    name: str
    at: datetime
    reasons: tuple[Reason, ...]
    next_allowed_at: datetime | None
    """When the call might next be allowed; null when time alone will not mend it."""


class Abandonment(Shown):
    """The abandonment figure of the campaign in the last 30 days, against its legal ceiling."""

    rate: float
    ceiling: float
    live_answers: int
    abandoned: int
    is_over: bool


class Progress(Shown):
    """How far the run is."""

    done: int
    of: int
    what: str
    """`attempts` when the run has a limit of attempts, else `leads`."""


class ShownPicture(Shown):
    """What people see of a running campaign at one moment."""

    at: datetime
    since: datetime
    zone: str = Field(examples=["America/New_York"])
    """The time zone (IANA) to show times in."""
    is_sandbox: bool
    campaign: str
    seller: str
    purpose: str
    dial_mode: str
    caller_id: str
    state: str
    """What the dialer is doing and why, in a sentence."""
    dial_level: float
    is_engine_up: bool
    progress: Progress
    leads_due: int
    leads_later: int
    attempts: int
    in_flight: int
    waiting: int
    """Answered and not joined with an agent yet."""
    answered: int
    connected: int
    abandoned: int
    refused: int
    abandonment_30d: Abandonment
    agents_by_state: tuple[Count, ...]
    agents: tuple[AgentRow, ...]
    calls: tuple[CallRow, ...]
    refused_by_rule: tuple[Count, ...]
    refusals: tuple[RefusalRow, ...]
    outcomes: tuple[Count, ...]
    dispositions: tuple[Count, ...]


def show(picture: Picture, *, zone: str = "UTC") -> ShownPicture:
    """Make a picture fit for people's eyes; `zone` is where its times are told."""
    figures = picture.figures
    called: dict[UUID, str] = {call.id: legible(call.name) for call in picture.calls}
    return ShownPicture(
        at=picture.at,
        since=picture.since,
        zone=zone,
        is_sandbox=picture.is_sandbox,
        campaign=legible(picture.campaign),
        seller=legible(picture.seller),
        purpose=picture.purpose,
        dial_mode=picture.dial_mode,
        caller_id=spaced(legible(picture.caller_id)),
        state=legible(picture.state),
        dial_level=picture.dial_level,
        is_engine_up=picture.is_engine_up,
        progress=_progress(picture),
        leads_due=picture.leads.due,
        leads_later=picture.leads.later,
        attempts=figures.attempts,
        in_flight=figures.in_flight,
        waiting=figures.by_state.get("waiting", 0) + figures.by_state.get("bridging", 0),
        answered=figures.answered,
        connected=figures.connected,
        abandoned=figures.abandoned,
        refused=figures.refused,
        abandonment_30d=Abandonment(
            rate=picture.abandon_rate_30d,
            ceiling=picture.abandon_ceiling,
            live_answers=picture.live_answers_30d,
            abandoned=picture.abandoned_30d,
            is_over=picture.abandon_rate_30d > picture.abandon_ceiling,
        ),
        agents_by_state=_agents_by_state(picture.agents),
        agents=tuple(_agent(s, picture.at, called) for s in picture.agents),
        calls=tuple(_call(call, picture) for call in picture.calls),
        refused_by_rule=tuple(
            Count(name=legible(rule), count=count)
            for rule, count in sorted(
                figures.refused_by_rule.items(), key=lambda item: (-item[1], item[0])
            )
        ),
        refusals=tuple(_refusal(refusal, picture) for refusal in picture.refusals),
        outcomes=_in_order(figures.outcomes, Outcome),
        dispositions=_in_order(figures.dispositions, Disposition),
    )


def legible(text: str) -> str:
    """A text from a list, made safe to print: no control characters, bounded in length."""
    cut = text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"
    if cut.isascii() and cut.isprintable():
        return cut
    return "".join(
        "\ufffd" if unicodedata.category(c) in _HARMFUL and c not in _JOINERS else c for c in cut
    )


def shown_number(number: str, *, is_sandbox: bool) -> str:
    """A called number: in full in the sandbox, where all are fictional, else its last four."""
    return spaced(number) if is_sandbox else "…" + number[-4:]


def spaced(number: str) -> str:
    """North American numbers in groups, as ITU-T E.123 writes them; others as they are."""
    if number.startswith("+1") and len(number) == 12 and number[1:].isdecimal():
        return f"+1 {number[2:5]} {number[5:8]} {number[8:]}"
    return number


def words(name: str) -> str:
    """Our word as people read it: `no_answer` is “no answer”, `wrap_up` “wrap-up”."""
    return "wrap-up" if name == "wrap_up" else name.replace("_", " ")


def _progress(picture: Picture) -> Progress:
    if picture.attempts_max is not None:
        return Progress(done=picture.figures.attempts, of=picture.attempts_max, what="attempts")
    leads = picture.leads
    everyone = leads.due + leads.later + leads.claimed + leads.finished
    return Progress(done=leads.finished, of=everyone, what="leads")


def _agents_by_state(agents: Iterable[AgentSession]) -> tuple[Count, ...]:
    """The three states of an ordinary moment always, the others when somebody is in them."""
    counts = dict.fromkeys(AgentState, 0)
    for session in agents:
        counts[session.state] += 1
    usual = (AgentState.READY, AgentState.TALKING, AgentState.WRAP_UP)
    return tuple(
        Count(name=state.value, count=count)
        for state, count in counts.items()
        if state is not AgentState.LOGGED_OUT and (count or state in usual)
    )


def _agent(session: AgentSession, now: Instant, called: Mapping[UUID, str]) -> AgentRow:
    return AgentRow(
        id=session.id,
        name=legible(session.agent_name),
        state=session.state,
        state_s=_seconds(now, session.since),
        on=called.get(session.attempt_id) if session.attempt_id is not None else None,
        pause_asked=session.pause_asked,
    )


def _call(call: LiveCall, picture: Picture) -> CallRow:
    return CallRow(
        id=call.id,
        number=shown_number(call.number, is_sandbox=picture.is_sandbox),
        name=legible(call.name),
        state=call.state,
        state_s=_seconds(picture.at, call.since),
        agent=None if call.agent_name is None else legible(call.agent_name),
    )


def _refusal(refusal: RecentRefusal, picture: Picture) -> RefusalRow:
    number = shown_number(refusal.number, is_sandbox=picture.is_sandbox)
    return RefusalRow(
        number=number,
        name=legible(refusal.name),
        at=refusal.at,
        # A reason may quote the number that it is about.
        reasons=tuple(
            Reason(rule=legible(rule), why=legible(why.replace(refusal.number, number)))
            for rule, why in zip(refusal.reasons, refusal.whys, strict=False)
        ),
        next_allowed_at=refusal.next_allowed_at,
    )


def _in_order(
    counts: Mapping[str, int], order: type[Outcome] | type[Disposition]
) -> tuple[Count, ...]:
    """In the order of the glossary, so that rows keep their place while their figures change."""
    return tuple(
        Count(name=word.value, count=counts[word.value])
        for word in order
        if counts.get(word.value, 0) > 0
    )


def _seconds(now: Instant, since: Instant) -> float:
    return round(max(0.0, (now - since).total_seconds()), 1)

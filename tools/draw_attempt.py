"""Draw the attempt's diagram and tables in docs/reference/attempt.md from `core.attempt` itself.

    .venv/bin/python tools/draw_attempt.py            draw them anew
    .venv/bin/python tools/draw_attempt.py --check    only say whether they are fresh

Nothing is written down twice: each pair of the table is tried on a sample attempt, and what `step`
answers is what is drawn. An event without a sample below stops the drawing.
"""

# A program of its own: it talks to the terminal.
# ruff: noqa: T201

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from fairdial.core import attempt as line
from fairdial.core import talk
from fairdial.core.answer import AnswerKind, Tone
from fairdial.core.attempt import Attempt, AttemptState, EndCause, Event
from fairdial.core.campaign import MachinePolicy
from fairdial.core.ids import E164, AttemptId, CampaignId, LeadId, PermitId, SessionId
from fairdial.core.outcome import Disposition, Outcome

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "attempt.md"
BEGIN = "<!-- begin: drawn by tools/draw_attempt.py -->"
END = "<!-- end: drawn by tools/draw_attempt.py -->"

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
AGENT = SessionId(UUID(int=1))
OTHER_AGENT = SessionId(UUID(int=6))
BEFORE_ANSWER = AttemptState.RINGING
"""A state in which the end's cause decides the outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One way in which an event comes."""

    event: Event
    when: str = ""
    """What tells it from the other samples of the same event, in words."""
    hang_up_asked: bool = False
    machines: MachinePolicy = MachinePolicy.CONNECT


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one state makes of one sample."""

    state: AttemptState
    event: str
    when: str
    to: AttemptState
    actions: str
    outcome: str


SAMPLES: Mapping[type, Sequence[Sample]] = {
    line.Dialed: [Sample(event=line.Dialed())],
    line.NotDialed: [Sample(event=line.NotDialed(why="the engine is down"))],
    line.Rang: [Sample(event=line.Rang())],
    line.Answered: [
        Sample(event=line.Answered(session_id=AGENT), when="an agent is ready"),
        Sample(event=line.Answered(session_id=None), when="no agent is ready"),
        Sample(
            event=line.Answered(session_id=None),
            when="our hang-up crossed the answer",
            hang_up_asked=True,
        ),
        Sample(
            event=line.Answered(session_id=None),
            when="who answered is judged first",
            machines=MachinePolicy.HANG_UP,
        ),
    ],
    line.Judged: [
        Sample(event=line.Judged(kind=AnswerKind.PERSON), when="a person, or unsure"),
        Sample(event=line.Judged(kind=AnswerKind.MACHINE), when="a machine"),
        Sample(
            event=line.Judged(kind=AnswerKind.MACHINE),
            when="a machine, and the permit covers a message",
            machines=MachinePolicy.LEAVE_MESSAGE,
        ),
    ],
    line.Heard: [
        Sample(event=line.Heard(tone=Tone.BEEP), when="a beep"),
        Sample(event=line.Heard(tone=Tone.BUSY), when="a tone that says that nobody is there"),
    ],
    line.AgentReserved: [Sample(event=line.AgentReserved(session_id=AGENT))],
    line.Bridged: [Sample(event=line.Bridged())],
    line.DeadlinePassed: [Sample(event=line.DeadlinePassed())],
    line.MessagePlayed: [Sample(event=line.MessagePlayed())],
    line.MessageLeft: [Sample(event=line.MessageLeft())],
    line.OptedOut: [Sample(event=line.OptedOut())],
    line.HangUpAsked: [Sample(event=line.HangUpAsked())],
    line.AgentLost: [Sample(event=line.AgentLost())],
    line.LegEnded: [Sample(event=line.LegEnded(cause=EndCause.NO_ANSWER, raw=""))],
    talk.Held: [Sample(event=talk.Held())],
    talk.Unheld: [Sample(event=talk.Unheld())],
    talk.Parked: [Sample(event=talk.Parked())],
    talk.HandedOver: [Sample(event=talk.HandedOver(session_id=OTHER_AGENT))],
    talk.PassedOn: [Sample(event=talk.PassedOn())],
    talk.Noted: [Sample(event=talk.Noted(disposition=Disposition.SALE))],
    line.Disposed: [Sample(event=line.Disposed(disposition=Disposition.SALE))],
    line.NothingToRecord: [Sample(event=line.NothingToRecord())],
}


def attempt_in(state: AttemptState) -> Attempt:
    """A sample attempt in a state, with what an attempt there always has."""
    has_agent = state in (
        AttemptState.BRIDGING,
        AttemptState.TALKING,
        AttemptState.PARKED,
        AttemptState.TRANSFERRED,
    )
    is_over = state in (AttemptState.ENDED, AttemptState.CLOSED)
    return Attempt(
        id=AttemptId(UUID(int=2)),
        permit_id=PermitId(UUID(int=3)),
        lead_id=LeadId(UUID(int=4)),
        campaign_id=CampaignId(UUID(int=5)),
        number=E164("+12125550142"),
        state=state,
        permitted_at=NOW,
        ring_s=20,
        connect_ms_max=2000,
        session_id=AGENT if has_agent else None,
        # The only recorded message there is today is the one for abandoned calls.
        is_abandoned=state is AttemptState.MESSAGE,
        outcome=Outcome.CONNECTED if is_over else None,
    )


def rows() -> Iterator[Row]:
    """Every pair of the table, tried."""
    for state, kind in line.TRANSITIONS:
        for sample in SAMPLES[kind]:
            before = replace(
                attempt_in(state), hang_up_asked=sample.hang_up_asked, machines=sample.machines
            )
            stepped = line.step(before, sample.event, NOW)
            yield Row(
                state=state,
                event=kind.__name__,
                when=sample.when,
                to=stepped.attempt.state,
                actions=", ".join(f"`{type(action).__name__}`" for action in stepped.actions),
                outcome=_outcome(before, sample.event),
            )


def _outcome(before: Attempt, event: Event) -> str:
    """The outcome that the step sets; `by cause` where the end's cause decides."""
    events: list[Any] = [event]
    if isinstance(event, line.LegEnded):
        events = [replace(event, cause=cause) for cause in EndCause]
    outcomes = {line.step(before, e, NOW).attempt.outcome for e in events} - {before.outcome, None}
    if len(outcomes) > 1:
        return "by cause"
    return "".join(f"`{outcome.value}`" for outcome in outcomes if outcome is not None)


def draw() -> str:
    """The drawn part of the page."""
    tried = list(rows())
    parts = [
        "```mermaid",
        *diagram(tried),
        "```",
        "",
        *table(
            ("in state", "event", "when", "next state", "outcome", "actions, in order"),
            (
                (
                    r.state.value,
                    f"`{r.event}`",
                    r.when,
                    r.to.value if r.to is not r.state else "stays",
                    r.outcome,
                    r.actions,
                )
                for r in tried
            ),
        ),
        "",
        "### An end before the answer: cause and outcome",
        "",
        *table(("cause", "outcome"), causes()),
        "",
        "### Ignored on purpose",
        "",
        "These may come late, doubled or reordered. They change nothing.",
        "",
        *table(("in state", "ignored"), ignored()),
        "",
        "### Events that overtook another",
        "",
        *table(
            ("in state", "event", "applied before it"),
            (
                (state.value, f"`{kind.__name__}`", f"`{type(first).__name__}`")
                for (state, kind), first in line.OVERTAKING.items()
            ),
        ),
    ]
    return "\n".join(parts)


def diagram(tried: Sequence[Row]) -> Iterator[str]:
    """Mermaid's state diagram; events that leave the state as it is are in the table only."""
    yield "stateDiagram-v2"
    yield f"    [*] --> {next(iter(AttemptState)).value}"
    arrows: dict[tuple[AttemptState, AttemptState], list[str]] = {}
    for row in tried:
        if row.to is not row.state:
            names = arrows.setdefault((row.state, row.to), [])
            if row.event not in names:
                names.append(row.event)
    for (state, to), names in arrows.items():
        yield f"    {state.value} --> {to.value}: {', '.join(names)}"
    left = {state for state, _ in arrows}
    for state in AttemptState:
        if state not in left:
            yield f"    {state.value} --> [*]"


def causes() -> Iterator[tuple[str, str]]:
    """What each cause makes of a call that nobody answered."""
    for cause in EndCause:
        event = line.LegEnded(cause=cause, raw="")
        outcome = line.step(attempt_in(BEFORE_ANSWER), event, NOW).attempt.outcome
        yield f"`{cause.value}`", f"`{outcome.value}`" if outcome is not None else ""


def ignored() -> Iterator[tuple[str, str]]:
    """The events that each state passes over."""
    for state in AttemptState:
        names = sorted(kind.__name__ for of, kind in line.IGNORED if of is state)
        if names:
            yield state.value, ", ".join(f"`{name}`" for name in names)


def table(head: Sequence[str], body: Iterator[Sequence[str]]) -> Iterator[str]:
    """A Markdown table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join('---' for _ in head)}|"
    for cells in body:
        yield f"| {' | '.join(cells)} |"


def with_drawing(page: str) -> str:
    """The page with its drawn part made anew."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"the page lacks the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{draw()}\n\n{END}{after}"


def main() -> int:
    """Draw, or say whether the drawing is fresh; 1 if it is not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("page", type=Path, nargs="?", default=PAGE)
    arguments = parser.parse_args()
    page = arguments.page.read_text(encoding="utf-8")
    fresh = with_drawing(page)
    if page == fresh:
        return 0
    if arguments.check:
        print(
            f"{arguments.page}: the drawing is not that of core.attempt.TRANSITIONS any more; "
            "run .venv/bin/python tools/draw_attempt.py"
        )
        return 1
    arguments.page.write_text(fresh, encoding="utf-8")
    print(f"{arguments.page}: drawn")
    return 0


if __name__ == "__main__":
    sys.exit(main())

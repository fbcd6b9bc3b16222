"""The hopper: which lead is due next, and what becomes of a lead after an attempt or a refusal.

The order itself is one SQL query (`claim_due_leads`), so that several dialers never take the same
lead; this module holds the decisions about one lead: its next step by the retry plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from fairdial.core.campaign import RetryPlan
from fairdial.core.ids import Instant
from fairdial.core.outcome import Disposition, Outcome
from fairdial.core.permit import Refusal

CLAIM_MAX = 50
"""The most leads one tick takes out of the hopper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """The lead is due again at `at`."""

    at: Instant
    why: str
    is_callback: bool | None = False
    """Whether the time was agreed with the person; None leaves it as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Nothing more will be tried for this lead."""

    why: str


NextStep = Again | Finished


def after_refusal(refusal: Refusal) -> NextStep:
    """Time alone may mend it: come back then. Otherwise the lead is finished, and says why."""
    rules = ", ".join(verdict.rule for verdict in refusal.reasons) or "no rule applies"
    if refusal.next_allowed_at is not None:
        return Again(at=refusal.next_allowed_at, why=f"refused by {rules}", is_callback=None)
    return Finished(why=f"refused by {rules}")


def without_caller_id(now: Instant) -> NextStep:
    """Every caller ID is at its cap: nothing rang, so the lead is as it was."""
    return Again(at=now, why="no caller ID was free", is_callback=None)


def after_attempt(
    *,
    outcome: Outcome,
    disposition: Disposition | None,
    attempts: int,
    plan: RetryPlan,
    now: Instant,
    callback_at: Instant | None = None,
) -> NextStep:
    """The lead's next step after an attempt; `attempts` counts those dialed, this one included."""
    if disposition is Disposition.STOP_CALLING:
        # Whatever came of the call: who hears the abandoned-call message can ask by a key.
        return _after_talk(disposition)
    if outcome is Outcome.CONNECTED and disposition is not Disposition.MACHINE:
        if disposition is Disposition.CALLBACK and callback_at is not None:
            return _callback(callback_at)
        return _after_talk(disposition)
    if outcome is Outcome.NOT_DIALED:
        # Nothing rang, so nothing is used up: back to the hopper as it was.
        return Again(at=now, why="was not dialed", is_callback=None)
    seen = Outcome.NO_ANSWER if outcome is Outcome.CONNECTED else outcome
    rule = plan.rules.get(seen)
    if rule is None and seen is Outcome.MACHINE:
        # A machine that was hung up on is nobody who answered, unless the plan tells them apart.
        rule = plan.rules.get(Outcome.NO_ANSWER)
    if rule is None:
        return Finished(why=f"{seen.value}: the retry plan has no rule for it")
    if attempts >= rule.attempts_max:
        return Finished(why=f"{seen.value}: {attempts} of {rule.attempts_max} attempts made")
    return Again(at=now + rule.wait(attempts), why=f"{seen.value}: retry plan")


def after_inbound(disposition: Disposition | None, callback_at: Instant | None) -> NextStep | None:
    """The next step of a lead who called us; None leaves the lead as it is."""
    match disposition:
        case Disposition.CALLBACK:
            return None if callback_at is None else _callback(callback_at)
        case (
            Disposition.SALE
            | Disposition.NOT_INTERESTED
            | Disposition.WRONG_PERSON
            | Disposition.STOP_CALLING
        ):
            return _after_talk(disposition)
        case None | Disposition.NO_DISPOSITION | Disposition.HUNG_UP | Disposition.MACHINE:
            return None
        case _:
            assert_never(disposition)


def _callback(at: Instant) -> Again:
    return Again(at=at, why="callback agreed", is_callback=True)


def _after_talk(disposition: Disposition | None) -> NextStep:
    match disposition:
        case None | Disposition.NO_DISPOSITION:
            return Finished(why="talked to, no disposition recorded")
        case Disposition.CALLBACK:
            return Finished(why="callback wished, no time agreed")
        case Disposition.STOP_CALLING:
            return Finished(why="asked not to be called again")
        case (
            Disposition.SALE
            | Disposition.NOT_INTERESTED
            | Disposition.WRONG_PERSON
            | Disposition.HUNG_UP
            | Disposition.MACHINE
        ):
            return Finished(why=disposition.value)
        case _:
            assert_never(disposition)

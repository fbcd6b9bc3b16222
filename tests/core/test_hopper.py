"""What becomes of a lead after an attempt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fairdial.core.campaign import RetryPlan, RetryRule
from fairdial.core.hopper import Again, Finished, NextStep, after_attempt
from fairdial.core.ids import Instant
from fairdial.core.outcome import Disposition, Outcome

NOW = datetime(2026, 12, 1, 15, 40, tzinfo=UTC)
PLAN = RetryPlan(
    rules={
        Outcome.NO_ANSWER: RetryRule(after=timedelta(hours=2), attempts_max=3),
        Outcome.BUSY: RetryRule(after=timedelta(minutes=15), attempts_max=3),
        Outcome.ABANDONED: RetryRule(after=timedelta(days=3), attempts_max=3),
    }
)


def next_step(
    outcome: Outcome,
    disposition: Disposition | None = None,
    *,
    attempts: int = 1,
    callback_at: Instant | None = None,
) -> NextStep:
    return after_attempt(
        outcome=outcome,
        disposition=disposition,
        attempts=attempts,
        plan=PLAN,
        now=NOW,
        callback_at=callback_at,
    )


def test_no_answer_comes_back_when_the_retry_plan_says() -> None:
    assert next_step(Outcome.NO_ANSWER) == Again(
        at=NOW + timedelta(hours=2), why="no_answer: retry plan"
    )


@pytest.mark.parametrize(("attempts", "minutes"), [(0, 15), (1, 15), (2, 60), (3, 1440), (4, 1440)])
def test_a_plan_may_wait_longer_each_time(attempts: int, minutes: int) -> None:
    rule = RetryRule(
        after=timedelta(minutes=15),
        then=(timedelta(hours=1), timedelta(days=1)),
        attempts_max=6,
    )
    step = after_attempt(
        outcome=Outcome.BUSY,
        disposition=None,
        attempts=attempts,
        plan=RetryPlan(rules={Outcome.BUSY: rule}),
        now=NOW,
    )
    assert step == Again(at=NOW + timedelta(minutes=minutes), why="busy: retry plan")


def test_the_last_attempt_of_the_plan_finishes_the_lead() -> None:
    assert next_step(Outcome.BUSY, attempts=3) == Finished(why="busy: 3 of 3 attempts made")


def test_an_outcome_without_a_rule_finishes_the_lead() -> None:
    assert next_step(Outcome.INVALID) == Finished(why="invalid: the retry plan has no rule for it")


def test_a_machine_that_an_agent_heard_is_tried_again_like_no_answer() -> None:
    step = next_step(Outcome.CONNECTED, Disposition.MACHINE)
    assert step == Again(at=NOW + timedelta(hours=2), why="no_answer: retry plan")


def test_what_was_not_dialed_is_due_again_at_once() -> None:
    assert next_step(Outcome.NOT_DIALED) == Again(at=NOW, why="was not dialed", is_callback=None)


def test_an_agreed_callback_is_due_at_its_time() -> None:
    at = NOW + timedelta(days=1)
    step = next_step(Outcome.CONNECTED, Disposition.CALLBACK, callback_at=at)
    assert step == Again(at=at, why="callback agreed", is_callback=True)


@pytest.mark.parametrize("disposition", [Disposition.SALE, Disposition.NOT_INTERESTED])
def test_a_conversation_finishes_the_lead(disposition: Disposition) -> None:
    assert next_step(Outcome.CONNECTED, disposition) == Finished(why=disposition.value)


@pytest.mark.parametrize("outcome", [Outcome.CONNECTED, Outcome.ABANDONED])
def test_who_asked_not_to_be_called_again_is_never_tried_again(outcome: Outcome) -> None:
    asked = next_step(outcome, Disposition.STOP_CALLING)
    assert asked == Finished(why="asked not to be called again")


def test_an_abandoned_call_comes_back_when_the_retry_plan_says() -> None:
    assert next_step(Outcome.ABANDONED) == Again(
        at=NOW + timedelta(days=3), why="abandoned: retry plan"
    )

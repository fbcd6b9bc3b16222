"""The key that the abandoned-call message names: not called again, at once and for good."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.flow.cast import Stage

from fairdial.core.attempt import OPT_OUT_KEY, Attempt, AttemptState, DeadlinePassed
from fairdial.core.audit import AuditEntry
from fairdial.core.campaign import RetryPlan, RetryRule
from fairdial.core.ids import DialerId
from fairdial.core.outcome import Disposition, Outcome
from fairdial.core.permit import Refusal
from fairdial.flow import agent_desk
from fairdial.flow.call_events import apply
from fairdial.ports import Lease

NUMBER = "+12125550142"
SUPPRESSED = "SELECT count(*) FROM suppression WHERE number = %s"


async def abandoned(stage: Stage) -> Attempt:
    """A person who found no agent, and hears the message."""
    stage.telephony.messages_go_on = True
    attempt = await stage.dialed(NUMBER)
    stage.telephony.pick_up(attempt.id)
    await stage.settle()
    stage.clock.move(seconds=2)
    await apply(stage.floor, attempt.id, DeadlinePassed(), stage.clock.now())
    await stage.settle()
    attempt = await stage.attempt(attempt.id)
    assert attempt.state is AttemptState.MESSAGE
    return attempt


async def presses(stage: Stage, attempt: Attempt, keys: str) -> Attempt:
    """The person presses keys; the attempt as it then stands."""
    for key in keys:
        stage.telephony.press(attempt.id, key)
    await stage.settle()
    return await stage.attempt(attempt.id)


async def test_the_key_suppresses_the_number_for_the_seller_and_ends_the_call(
    stage: Stage,
) -> None:
    attempt = await presses(stage, await abandoned(stage), OPT_OUT_KEY)
    assert stage.telephony.up == {}
    assert (attempt.state, attempt.outcome, attempt.disposition, attempt.is_abandoned) == (
        AttemptState.CLOSED,
        Outcome.ABANDONED,
        Disposition.STOP_CALLING,
        True,
    )
    found = "SELECT kind || ', ' || source FROM suppression WHERE number = %s AND seller_id = %s"
    assert await stage.one(found, NUMBER, stage.campaign.seller_id) == (
        "internal, pressed 9 on the abandoned-call message"
    )


async def test_the_audit_says_who_asked_how_and_on_which_call(stage: Stage) -> None:
    attempt = await presses(stage, await abandoned(stage), OPT_OUT_KEY)
    entries = [
        (entry.subject, entry.actor, entry.body)
        async for entry in stage.store.proof().record()
        if isinstance(entry, AuditEntry) and entry.kind == "suppression.added"
    ]
    said = {
        "kind": "internal",
        "seller": "Meridian Savings Bank",
        "attempt": str(attempt.id),
        "source": "pressed 9 on the abandoned-call message",
    }
    assert entries == [(NUMBER, "called_party", said)]


async def test_the_lead_is_finished_though_the_plan_would_try_abandoned_calls_again(
    stage: Stage,
) -> None:
    again = RetryRule(after=timedelta(days=3), attempts_max=5)
    plan = RetryPlan(rules={Outcome.ABANDONED: again})
    stage.floor.campaigns[stage.campaign.id] = replace(stage.campaign, retry=plan)
    await presses(stage, await abandoned(stage), OPT_OUT_KEY)
    assert await stage.one("SELECT state || ': ' || why FROM lead") == (
        "finished: asked not to be called again"
    )


async def test_the_next_judgement_of_the_number_refuses(stage: Stage) -> None:
    await presses(stage, await abandoned(stage), OPT_OUT_KEY)
    stage.clock.move(days=30)
    result = await stage.place(await stage.lead(NUMBER), lease=await renewed(stage))
    assert isinstance(result, Refusal)
    whys = [verdict.why for verdict in result.reasons]
    assert any("pressed 9 on the abandoned-call message" in why for why in whys), whys


async def test_other_keys_change_nothing_and_the_right_one_still_counts(stage: Stage) -> None:
    before = await abandoned(stage)
    assert await presses(stage, before, "1*#0") == before
    assert await stage.one(SUPPRESSED, NUMBER) == 0
    assert (await presses(stage, before, "19")).disposition is Disposition.STOP_CALLING


async def test_the_key_pressed_three_times_is_one_stop_request(stage: Stage) -> None:
    await presses(stage, await abandoned(stage), "999")
    assert await stage.one(SUPPRESSED, NUMBER) == 1
    assert await stage.one("SELECT count(*) FROM audit_entry WHERE kind = 'suppression.added'") == 1


async def test_the_key_after_the_last_word_counts_until_the_call_is_gone(stage: Stage) -> None:
    attempt = await stage.dialed(NUMBER)
    stage.telephony.pick_up(attempt.id)
    await stage.settle()
    await apply(stage.floor, attempt.id, DeadlinePassed(), stage.clock.now())
    # The engine has said that the message ended; the key comes before our hang-up does.
    closed = await presses(stage, attempt, OPT_OUT_KEY)
    assert closed.disposition is Disposition.STOP_CALLING


async def test_keys_in_a_talk_mean_nothing_and_are_not_written_down(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="fairdial")
    attempt, session = await stage.talking(NUMBER)
    card = "4929"
    assert (await presses(stage, attempt, card)).state is AttemptState.TALKING
    assert await stage.one(SUPPRESSED, NUMBER) == 0
    assert stage.telephony.bridges == {attempt.id: session.id}
    pressed = [record.getMessage() for record in caplog.records if "key" in record.getMessage()]
    assert len(pressed) == len(card)
    assert not any(digit in message for digit in card for message in pressed)


async def test_an_agent_s_stop_request_leaves_the_same_record(stage: Stage) -> None:
    _, session = await stage.talking(NUMBER)
    await agent_desk.stop_calling(stage.floor, session.id)
    body = await stage.one("SELECT body FROM audit_entry WHERE kind = 'suppression.added'")
    assert isinstance(body, dict)
    assert sorted(body) == ["attempt", "kind", "seller", "source"]
    assert body["source"] == "asked agent Ada"


async def renewed(stage: Stage) -> Lease:
    async with stage.store.transaction() as tx:
        return await tx.take_campaign(
            stage.campaign.id,
            DialerId(stage.lease.dialer_id),
            now=stage.clock.now(),
            life=timedelta(seconds=10),
        )

"""Calls that machines answer: judged first, hung up on, or left a message that the law allows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from tests.flow.cast import Stage

from fairdial.core.agent import AgentState
from fairdial.core.answer import AnswerKind, Tone
from fairdial.core.attempt import Attempt, AttemptState, EndCause, Message
from fairdial.core.campaign import MachinePolicy, Method
from fairdial.core.facts import Reassigned
from fairdial.core.ids import E164
from fairdial.core.lead import ConsentKind
from fairdial.core.ledger import ConsentRecord, ReassignedRecord
from fairdial.core.outcome import Disposition, Outcome
from fairdial.exceptions import ImpossibleEvent
from fairdial.flow import line_keys
from fairdial.flow.ledger import record_consent, seller_of
from fairdial.ports import Statement


def choose(stage: Stage, policy: MachinePolicy, **changes: object) -> None:
    """Let the campaign have another policy."""
    campaign = replace(stage.campaign, machines=policy, **changes)  # type: ignore[arg-type]
    stage.floor.campaigns[campaign.id] = campaign


async def consented(stage: Stage) -> None:
    """The called party agreed in writing, and the number is still theirs."""
    signed = ConsentRecord(
        number=E164("+12125550142"),
        kind=ConsentKind.WRITTEN,
        given_on=stage.clock.now().date() - timedelta(days=30),
        source="web form",
    )
    seller = await seller_of(stage.store, None)
    await record_consent(stage.store, seller, signed, now=stage.clock.now())
    asked = ReassignedRecord(
        number=signed.number,
        since_on=signed.given_on,
        asked_on=stage.clock.now().date(),
        answer=Reassigned.NO,
    )
    async with stage.store.transaction() as tx:
        answers = Statement(source="answers.csv", as_of=asked.asked_on, now=stage.clock.now())
        await tx.ledger.keep_reassigned([asked], answers)


async def message_judgement(stage: Stage) -> dict[str, Any]:
    """What the gate said of a recorded message."""
    body = await stage.one("SELECT body FROM audit_entry WHERE kind = 'permit.message'")
    return cast(dict[str, Any], body)


async def answered(stage: Stage) -> Attempt:
    """A call that was picked up, by whomever."""
    attempt = await stage.dialed()
    stage.telephony.pick_up(attempt.id)
    await stage.settle()
    return await stage.attempt(attempt.id)


async def test_nobody_listens_unless_it_is_asked_for(stage: Stage) -> None:
    attempt = await answered(stage)
    assert attempt.state is AttemptState.WAITING
    assert stage.telephony.detects == set()


async def test_a_person_is_connected_as_soon_as_it_is_known_to_be_one(stage: Stage) -> None:
    choose(stage, MachinePolicy.HANG_UP)
    session = await stage.agent()
    attempt = await answered(stage)
    assert attempt.state is AttemptState.LISTENING
    assert stage.telephony.bridges == {}
    stage.telephony.judge(attempt.id, AnswerKind.PERSON)
    await stage.settle()
    assert stage.telephony.bridges == {attempt.id: session.id}
    assert (await stage.attempt(attempt.id)).state is AttemptState.TALKING


async def test_who_may_be_a_person_is_treated_as_one(stage: Stage) -> None:
    choose(stage, MachinePolicy.HANG_UP)
    session = await stage.agent()
    attempt = await answered(stage)
    stage.telephony.judge(attempt.id, AnswerKind.UNSURE, confidence=0.4)
    await stage.settle()
    assert stage.telephony.bridges == {attempt.id: session.id}


async def test_a_machine_takes_no_agent_and_is_called_again_by_the_plan(stage: Stage) -> None:
    choose(stage, MachinePolicy.HANG_UP)
    session = await stage.agent()
    attempt = await answered(stage)
    stage.telephony.judge(attempt.id, AnswerKind.MACHINE)
    await stage.settle()
    closed = await stage.attempt(attempt.id)
    assert (closed.state, closed.outcome, closed.disposition, closed.is_abandoned) == (
        AttemptState.CLOSED,
        Outcome.MACHINE,
        Disposition.MACHINE,
        False,
    )
    assert closed.cause is EndCause.WE_HUNG_UP
    assert stage.telephony.bridges == {}
    assert (await stage.session(session.id)).attempt_id is None
    # As one that nobody answered: the plan of the tests has two hours for those.
    due = cast(datetime, await stage.one("SELECT due_at FROM lead"))
    assert due - stage.clock.now() > timedelta(minutes=119)


async def test_without_consent_no_message_is_left(stage: Stage) -> None:
    choose(stage, MachinePolicy.LEAVE_MESSAGE)
    attempt = await answered(stage)
    assert attempt.machines is MachinePolicy.HANG_UP
    stage.telephony.judge(attempt.id, AnswerKind.MACHINE)
    stage.telephony.sound(attempt.id, Tone.BEEP)
    await stage.settle()
    assert stage.telephony.played == []
    said = await message_judgement(stage)
    assert said["allowed"] is False
    assert any("consent" in reason for reason in said["reasons"])


async def test_with_written_consent_a_message_is_left_after_the_beep(stage: Stage) -> None:
    choose(stage, MachinePolicy.LEAVE_MESSAGE, method=Method.LIVE_AUTODIALED)
    await consented(stage)
    attempt = await stage.dialed()
    assert (await message_judgement(stage))["reasons"] == []
    stage.telephony.pick_up(attempt.id)
    stage.telephony.judge(attempt.id, AnswerKind.MACHINE)
    await stage.settle()
    assert (await stage.attempt(attempt.id)).state is AttemptState.MACHINE
    assert stage.telephony.played == []
    stage.telephony.sound(attempt.id, Tone.BEEP)
    await stage.settle()
    assert stage.telephony.played == [(attempt.id, Message.VOICEMAIL)]
    closed = await stage.attempt(attempt.id)
    assert (closed.outcome, closed.is_abandoned) == (Outcome.MESSAGE_LEFT, False)
    said = await message_judgement(stage)
    assert (said["allowed"], said["reasons"]) == (True, [])


@pytest.mark.parametrize(
    ("tone", "outcome"), [(Tone.SIT_VACANT, Outcome.INVALID), (Tone.BUSY, Outcome.BUSY)]
)
async def test_what_the_network_says_by_a_tone_is_the_outcome(
    stage: Stage, tone: Tone, outcome: Outcome
) -> None:
    choose(stage, MachinePolicy.HANG_UP)
    attempt = await stage.dialed()
    stage.telephony.sound(attempt.id, tone)
    await stage.settle()
    assert (await stage.attempt(attempt.id)).outcome is outcome


async def test_an_agent_leaves_the_message_and_is_free_at_once(stage: Stage) -> None:
    choose(stage, MachinePolicy.CONNECT, has_voicemail=True)
    await consented(stage)
    attempt, session = await stage.talking()
    assert attempt.may_leave_message
    stage.telephony.messages_go_on = True
    freed = await line_keys.leave_message(stage.floor, session.id)
    assert freed.state is AgentState.READY
    left = await stage.attempt(attempt.id)
    assert (left.state, left.disposition) == (AttemptState.MESSAGE, Disposition.MACHINE)
    assert stage.telephony.played == [(attempt.id, Message.VOICEMAIL)]
    assert session.id not in stage.telephony.conversations[attempt.id]
    stage.telephony.end(attempt.id, EndCause.CALLED_PARTY_HUNG_UP)
    await stage.settle()
    closed = await stage.attempt(attempt.id)
    assert (closed.state, closed.outcome) == (AttemptState.CLOSED, Outcome.MESSAGE_LEFT)
    assert (closed.disposition, closed.is_abandoned) == (Disposition.MACHINE, False)
    assert (await stage.session(session.id)).state is AgentState.READY


async def test_a_message_that_the_permit_does_not_cover_is_not_left(stage: Stage) -> None:
    choose(stage, MachinePolicy.CONNECT, has_voicemail=True)
    attempt, session = await stage.talking()
    assert not (await message_judgement(stage))["allowed"]
    with pytest.raises(ImpossibleEvent, match="not permitted on this call"):
        await line_keys.leave_message(stage.floor, session.id)
    assert stage.telephony.played == []
    assert (await stage.attempt(attempt.id)).state is AttemptState.TALKING


async def test_without_a_recording_no_message_is_judged_or_left(stage: Stage) -> None:
    await consented(stage)
    attempt, session = await stage.talking()
    assert not attempt.may_leave_message
    assert await stage.one("SELECT count(*) FROM audit_entry WHERE kind = 'permit.message'") == 0
    with pytest.raises(ImpossibleEvent, match="the campaign has none"):
        await line_keys.leave_message(stage.floor, session.id)

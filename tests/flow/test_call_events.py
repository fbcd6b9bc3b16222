"""From dial to disposition: who hears whom, and what is recorded."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.flow.cast import Stage

from fairdial.core.abandon import (
    AbandonMeasure,
    AbandonRecord,
    ClockStart,
    Denominator,
    WindowKind,
)
from fairdial.core.agent import AgentState
from fairdial.core.attempt import AttemptState, DeadlinePassed, EndCause, Message
from fairdial.core.outcome import Disposition, Outcome
from fairdial.core.permit import Refusal
from fairdial.exceptions import ImpossibleEvent
from fairdial.flow import agent_desk
from fairdial.flow.call_events import apply
from fairdial.ports import Lease


async def abandonment(stage: Stage) -> AbandonRecord:
    """The campaign's counts as 47 CFR 64.1200(a)(7) measures them."""
    measure = AbandonMeasure(
        clock_start=ClockStart.GREETING_END,
        connect_ms_max=2000,
        denominator=Denominator.LIVE_ANSWERS,
        window=WindowKind.ROLLING_DAYS,
        window_days=30,
    )
    async with stage.store.transaction() as tx:
        return await tx.abandon_record(stage.campaign.id, measure, stage.clock.now())


async def test_an_answered_call_goes_to_the_agent_who_has_been_ready_longest(stage: Stage) -> None:
    first = await stage.agent("Ada")
    stage.clock.move(seconds=1)
    second = await stage.agent("Bela")
    attempt = await stage.dialed()
    stage.telephony.pick_up(attempt.id)
    await stage.settle()
    assert (await stage.session(first.id)).state is AgentState.TALKING
    assert (await stage.session(second.id)).state is AgentState.READY
    assert stage.telephony.bridges == {attempt.id: first.id}


async def test_wrap_up_and_disposition_close_the_attempt_and_free_the_agent(stage: Stage) -> None:
    attempt, session = await stage.talking()
    stage.telephony.end(attempt.id, EndCause.CALLED_PARTY_HUNG_UP)
    await stage.settle()
    assert (await stage.session(session.id)).state is AgentState.WRAP_UP
    await agent_desk.dispose(stage.floor, session.id, Disposition.SALE)
    closed = await stage.attempt(attempt.id)
    assert (closed.state, closed.outcome, closed.disposition) == (
        AttemptState.CLOSED,
        Outcome.CONNECTED,
        Disposition.SALE,
    )
    assert (await stage.session(session.id)).state is AgentState.READY
    assert await stage.one("SELECT why FROM lead") == "sale"


async def test_a_call_that_waits_is_given_to_the_next_agent_who_becomes_ready(
    stage: Stage,
) -> None:
    attempt = await stage.dialed()
    stage.telephony.pick_up(attempt.id)
    await stage.settle()
    assert (await stage.attempt(attempt.id)).state is AttemptState.WAITING
    session = await stage.agent()
    assert (await stage.attempt(attempt.id)).state is AttemptState.TALKING
    assert (await stage.session(session.id)).attempt_id == attempt.id


async def test_nobody_free_by_the_deadline_hears_who_called_and_counts_as_abandoned(
    stage: Stage,
) -> None:
    attempt = await stage.dialed()
    stage.telephony.pick_up(attempt.id)
    await stage.settle()
    stage.clock.move(seconds=2)
    await apply(stage.floor, attempt.id, DeadlinePassed(), stage.clock.now())
    await stage.settle()
    assert stage.telephony.played == [(attempt.id, Message.ABANDONED)]
    closed = await stage.attempt(attempt.id)
    assert (closed.outcome, closed.is_abandoned) == (Outcome.ABANDONED, True)
    record = await abandonment(stage)
    assert (record.live_answers, record.abandoned) == (1, 1)


async def test_an_answer_by_a_machine_is_no_live_answer(stage: Stage) -> None:
    attempt, session = await stage.talking()
    stage.telephony.end(attempt.id, EndCause.WE_HUNG_UP)
    await stage.settle()
    await agent_desk.dispose(stage.floor, session.id, Disposition.MACHINE)
    record = await abandonment(stage)
    assert (record.live_answers, record.abandoned) == (0, 0)


async def test_a_stop_request_in_a_talk_is_in_force_before_the_talk_ends(stage: Stage) -> None:
    attempt, session = await stage.talking("+12125550142")
    await agent_desk.stop_calling(stage.floor, session.id)
    assert await stage.one("SELECT kind FROM suppression WHERE number = '+12125550142'") == (
        "internal"
    )
    stage.telephony.end(attempt.id, EndCause.CALLED_PARTY_HUNG_UP)
    await stage.settle()
    await agent_desk.dispose(stage.floor, session.id, Disposition.STOP_CALLING)
    stage.clock.move(days=30)
    result = await stage.place(await stage.lead("+12125550142"), lease=await renewed(stage))
    assert isinstance(result, Refusal)


async def test_a_disposition_outside_wrap_up_is_refused(stage: Stage) -> None:
    session = await stage.agent()
    with pytest.raises(ImpossibleEvent, match="not in wrap-up"):
        await agent_desk.dispose(stage.floor, session.id, Disposition.SALE)


async def test_an_agent_who_vanishes_in_a_talk_ends_the_call_and_leaves_no_loose_end(
    stage: Stage,
) -> None:
    attempt, session = await stage.talking()
    await agent_desk.log_out(stage.floor, session.id)
    await stage.settle()
    closed = await stage.attempt(attempt.id)
    assert (closed.state, closed.disposition) == (
        AttemptState.CLOSED,
        Disposition.NO_DISPOSITION,
    )
    assert stage.telephony.up == {}


async def test_wrap_up_ends_by_itself(stage: Stage) -> None:
    attempt, session = await stage.talking()
    stage.telephony.end(attempt.id, EndCause.CALLED_PARTY_HUNG_UP)
    await stage.settle()
    stage.clock.move(seconds=10)
    await agent_desk.end_overdue_wrap_ups(stage.floor, stage.campaign.id)
    assert (await stage.session(session.id)).state is AgentState.READY
    assert (await stage.attempt(attempt.id)).disposition is Disposition.NO_DISPOSITION


async def test_a_pause_takes_effect_after_the_call_at_hand(stage: Stage) -> None:
    attempt, session = await stage.talking()
    await agent_desk.pause(stage.floor, session.id)
    assert (await stage.session(session.id)).state is AgentState.TALKING
    stage.telephony.end(attempt.id, EndCause.CALLED_PARTY_HUNG_UP)
    await stage.settle()
    await agent_desk.dispose(stage.floor, session.id, Disposition.NOT_INTERESTED)
    assert (await stage.session(session.id)).state is AgentState.PAUSED
    assert (await agent_desk.go_ready(stage.floor, session.id)).state is AgentState.READY


async def test_pacing_learns_from_answers_and_talks(stage: Stage) -> None:
    cold = stage.floor.learned(stage.campaign.id)
    await stage.talking()
    assert stage.floor.learned(stage.campaign.id) != cold


async def renewed(stage: Stage) -> Lease:
    async with stage.store.transaction() as tx:
        return await tx.take_campaign(
            stage.campaign.id,
            stage.lease.dialer_id,
            now=stage.clock.now(),
            life=timedelta(seconds=10),
        )

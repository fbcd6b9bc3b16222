"""After a crash: nothing is lost, nothing is dialed twice, and the record says what happened."""

from __future__ import annotations

from datetime import timedelta

from tests.flow.cast import Stage

from fairdial.core.agent import AgentState
from fairdial.core.attempt import Attempt, AttemptState, EndCause
from fairdial.core.outcome import Outcome
from fairdial.flow.recover import recover, recover_all
from fairdial.flow.verify import verify_audit


async def test_a_permit_whose_invite_never_left_is_void_and_the_lead_is_due_again(
    stage: Stage,
) -> None:
    stage.telephony.drops_dials = True
    attempt = await stage.place(await stage.lead("+12125550142"))
    assert isinstance(attempt, Attempt)
    await recover(stage.floor, stage.campaign.id)
    mended = await stage.attempt(attempt.id)
    assert (mended.state, mended.outcome) == (AttemptState.CLOSED, Outcome.NOT_DIALED)
    assert await stage.store.permit_uses() == {attempt.id: False}
    assert await stage.one("SELECT state FROM lead") == "due"
    assert await stage.one("SELECT attempts FROM lead") == 0


async def test_an_invite_that_left_unheard_of_counts_as_dialed(stage: Stage) -> None:
    attempt = await stage.place(await stage.lead("+12125550142"))
    assert isinstance(attempt, Attempt)
    # The dialer died before it read that the INVITE had left.
    await recover(stage.floor, stage.campaign.id)
    mended = await stage.attempt(attempt.id)
    assert (mended.outcome, mended.cause) == (Outcome.FAILED, EndCause.ENGINE_LOST)
    assert await stage.store.permit_uses() == {attempt.id: True}
    assert await stage.one("SELECT attempts FROM lead") == 1


async def test_an_engine_that_dies_ends_every_call_and_frees_nobody_without_a_leg(
    stage: Stage,
) -> None:
    attempt, session = await stage.talking()
    ringing = await stage.dialed("+12125550143")
    stage.telephony.die()
    await stage.settle()
    assert (await stage.attempt(attempt.id)).cause is EndCause.ENGINE_LOST
    assert (await stage.attempt(ringing.id)).outcome is Outcome.FAILED
    left = await stage.session(session.id)
    assert (left.state, left.is_leg_up) == (AgentState.WRAP_UP, False)


async def test_recovering_twice_changes_nothing_more(stage: Stage) -> None:
    await stage.talking()
    await stage.dialed("+12125550143")
    assert await recover(stage.floor, stage.campaign.id) == 2
    before = await stage.one("SELECT count(*) FROM audit_entry")
    assert await recover(stage.floor, stage.campaign.id) == 0
    assert await stage.one("SELECT count(*) FROM audit_entry") == before
    assert await stage.one("SELECT count(*) FROM attempt WHERE state <> 'closed'") == 0
    assert await stage.one("SELECT count(*) FROM agent_session WHERE state <> 'logged_out'") == 0
    assert await stage.one("SELECT count(*) FROM lead WHERE state = 'claimed'") == 0


async def test_what_another_campaigns_dead_dialer_left_is_recovered_by_its_stored_definition(
    stage: Stage,
) -> None:
    await stage.talking()
    stage.floor.campaigns.clear()
    stage.clock.move(seconds=1)
    assert await recover_all(stage.floor) == 0, "its dialer may still live"
    stage.clock.move(seconds=10)
    assert await recover_all(stage.floor) == 1
    assert stage.floor.campaigns == {stage.campaign.id: stage.campaign}


async def test_the_audit_holds_after_a_day_of_everything(stage: Stage) -> None:
    await stage.talking()
    await stage.place(await stage.lead("+12125550199"))
    await recover(stage.floor, stage.campaign.id)
    report = await verify_audit(stage.store.proof().record())
    assert report.entries > 5
    assert report.findings == ()


async def test_the_audit_finds_a_permit_whose_facts_were_changed(stage: Stage) -> None:
    await stage.dialed()
    async with stage.store._connection() as conn:
        await conn.execute("ALTER TABLE permit DISABLE TRIGGER permit_spent_once")
        await conn.execute("UPDATE permit SET facts = jsonb_set(facts, '{purpose}', '\"survey\"')")
    report = await verify_audit(stage.store.proof().record())
    assert [f.why for f in report.findings] == ["its content does not match its digest"]


async def test_the_audit_finds_a_removed_entry(stage: Stage) -> None:
    await stage.dialed()
    async with stage.store._connection() as conn:
        await conn.execute("ALTER TABLE audit_entry DISABLE TRIGGER audit_append_only")
        await conn.execute("DELETE FROM audit_entry WHERE seq = 1")
    report = await verify_audit(stage.store.proof().record())
    assert report.findings[0].what == "entry 1"


async def test_a_stored_campaign_reads_back_as_it_was(stage: Stage) -> None:
    async with stage.store.transaction() as tx:
        await tx.claim_due(stage.campaign.id, most=1, now=stage.clock.now())
        await stage.lead("+12125550142")
    stage.clock.move(seconds=20)
    async with stage.store.transaction() as tx:
        campaigns = await tx.unrecovered_campaigns(stage.clock.now())
    assert campaigns == [stage.campaign]
    assert campaigns[0].retry.rules[Outcome.NO_ANSWER].after == timedelta(hours=2)

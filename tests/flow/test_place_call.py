"""The gate: nothing rings without a permit, and every no is kept with its reasons."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from tests.flow.cast import Stage

from fairdial.core.attempt import Attempt, AttemptState, EndCause
from fairdial.core.facts import SuppressionKind
from fairdial.core.ids import E164, DialerId, Instant
from fairdial.core.lead import Lead
from fairdial.core.permit import Permit, Refusal
from fairdial.exceptions import CampaignBusy

SOURCES = Path(__file__).parents[2] / "src" / "fairdial"


def test_there_is_one_place_that_issues_permits_and_dials() -> None:
    """Automatic, preview, manual, callback, API and broadcast: whoever starts a call comes here."""
    files = {
        file.relative_to(SOURCES).as_posix(): file.read_text(encoding="utf-8")
        for file in SOURCES.rglob("*.py")
    }
    assert [name for name, text in files.items() if "telephony.dial(" in text] == [
        "flow/place_call.py"
    ]
    issuers = {name for name, text in files.items() if re.search(r"permit\.issue\(", text)}
    assert issuers - {"bench/permit.py"} == {"flow/place_call.py"}
    makers = {name for name, text in files.items() if re.search(r"(?<!\w)Permit\(\n", text)}
    assert makers == {"core/permit.py"}


async def refusal_of(stage: Stage, lead: Lead) -> Refusal:
    result = await stage.place(lead)
    assert isinstance(result, Refusal), result
    assert stage.telephony.wire == []
    return result


async def test_a_permitted_lead_rings_once_and_its_permit_is_used(stage: Stage) -> None:
    attempt = await stage.dialed()
    assert attempt.state is AttemptState.DIALING
    assert stage.telephony.wire == [attempt.id]
    assert await stage.store.permit_uses() == {attempt.id: True}


async def test_the_attempt_and_its_permit_are_committed_before_the_engine_is_told(
    stage: Stage,
) -> None:
    stage.telephony.drops_dials = True
    attempt = await stage.place(await stage.lead("+12125550142"))
    assert isinstance(attempt, Attempt)
    assert (await stage.attempt(attempt.id)).state is AttemptState.PERMITTED
    assert await stage.store.permit_uses() == {attempt.id: False}


async def test_refuses_a_number_on_the_national_registry(stage: Stage) -> None:
    refusal = await refusal_of(stage, await stage.lead("+12125550199"))
    assert "us.tcpa.dnc_national" in {v.rule for v in refusal.reasons}
    assert await stage.one("SELECT state FROM lead") == "finished"
    assert await stage.one("SELECT count(*) FROM audit_entry WHERE kind = 'refusal.recorded'") == 1


async def test_refuses_at_night_and_comes_back_in_the_morning(stage: Stage) -> None:
    refusal = await refusal_of(stage, await stage.lead("+18085550142", state="HI"))
    assert any("hours" in v.rule for v in refusal.reasons)
    assert refusal.next_allowed_at is not None
    assert await stage.one("SELECT state FROM lead") == "due"
    assert await stage.one("SELECT due_at FROM lead") == refusal.next_allowed_at


async def test_refuses_when_the_location_is_unknown(stage: Stage) -> None:
    refusal = await refusal_of(stage, await stage.lead("+18005550142", state=""))
    assert refusal.next_allowed_at is None


async def test_a_second_call_to_a_number_that_rings_is_refused(stage: Stage) -> None:
    await stage.dialed("+12125550142")
    result = await stage.place(await stage.lead("+12125550142"))
    assert isinstance(result, Refusal)
    assert len(stage.telephony.wire) == 1


async def test_two_lines_of_one_business_are_not_called_at_once(stage: Stage) -> None:
    first = await stage.place(await stage.lead("+12125550142", company="Alder Roofing"))
    second = await stage.place(await stage.lead("+12125550143", company="ALDER ROOFING "))
    other = await stage.place(await stage.lead("+12125550144", company="Birch Plumbing"))
    assert isinstance(first, Attempt)
    assert isinstance(second, Refusal)
    assert {v.rule for v in second.reasons} == {"us.tcpa.multi_line"}
    assert isinstance(other, Attempt)


async def test_two_dialers_at_once_cannot_both_call_one_business(stage: Stage) -> None:
    leads = [await stage.lead(f"+121255501{n}", company="Alder Roofing") for n in range(42, 48)]
    results = await asyncio.gather(*(stage.place(lead) for lead in leads))
    assert sum(isinstance(result, Attempt) for result in results) == 1


async def test_two_dialers_at_once_cannot_both_pass_one_cap(stage: Stage) -> None:
    leads = [await stage.lead("+12125550142") for _ in range(6)]
    results = await asyncio.gather(*(stage.place(lead) for lead in leads))
    assert sum(isinstance(result, Attempt) for result in results) == 1
    assert len(stage.telephony.wire) == 1


async def test_the_cap_counts_attempts_of_every_campaign(stage: Stage) -> None:
    for _ in range(3):
        attempt = await stage.dialed("+12125550142")
        stage.telephony.end(attempt.id, EndCause.NO_ANSWER)
        await stage.settle()
        stage.clock.move(minutes=5)
    result = await stage.place(await stage.lead("+12125550142"))
    assert isinstance(result, Refusal)
    assert any("attempts" in v.rule for v in result.reasons)


async def test_a_dialer_that_was_taken_over_cannot_dial(stage: Stage) -> None:
    lead = await stage.lead("+12125550142")
    stage.clock.move(seconds=11)
    async with stage.store.transaction() as tx:
        await tx.take_campaign(
            stage.campaign.id,
            DialerId(UUID(int=99)),
            now=stage.clock.now(),
            life=timedelta(seconds=10),
        )
    with pytest.raises(CampaignBusy):
        await stage.place(lead)
    assert stage.telephony.wire == []
    assert await stage.one("SELECT count(*) FROM permit") == 0


async def test_an_engine_that_is_down_voids_the_permit_and_the_lead_is_due_again(
    stage: Stage,
) -> None:
    lead = await stage.lead("+12125550142")
    stage.telephony.die()
    await stage.place(lead)
    assert await stage.one("SELECT void_at IS NOT NULL FROM permit") is True
    assert await stage.one("SELECT outcome FROM attempt") == "not_dialed"
    assert await stage.one("SELECT state FROM lead") == "due"
    assert stage.telephony.wire == []


async def test_a_stop_request_beats_everything_at_once(stage: Stage) -> None:
    lead = await stage.lead("+12125550142")
    async with stage.store.transaction() as tx:
        await tx.suppress(
            E164("+12125550142"),
            SuppressionKind.INTERNAL,
            source="asked agent Ada",
            seller_id=stage.campaign.seller_id,
            registered_on=stage.clock.now().date(),
            now=stage.clock.now(),
        )
    refusal = await refusal_of(stage, lead)
    assert any("internal" in v.rule for v in refusal.reasons)


async def test_the_table_keeps_a_permit_from_being_spent_twice(stage: Stage) -> None:
    await stage.dialed()
    with pytest.raises(psycopg.errors.RaiseException, match="spent already"):
        await stage.one("UPDATE permit SET used_at = now() RETURNING id")


async def test_the_table_keeps_an_audit_entry_from_being_changed(stage: Stage) -> None:
    await stage.dialed()
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        await stage.one("UPDATE audit_entry SET actor = 'nobody' RETURNING seq")


async def test_a_signer_of_ours_signs_each_call(stage: Stage) -> None:
    class Pen:
        def sign(self, permit: Permit, at: Instant) -> str:
            return f"{permit.caller_id} to {permit.number} at {at:%H:%M}"

    stage.floor.signer = Pen()
    attempt = await stage.dialed()
    assert stage.telephony.identities[attempt.id] == "+12025550123 to +12125550142 at 15:40"

"""The ledger: what is written about people, what it does to calls, and the record of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.flow.cast import MORNING, Stage, a_campaign

from fairdial.adapters.files.facts import read_facts
from fairdial.core.attempt import AttemptState
from fairdial.core.audit import AuditEntry
from fairdial.core.campaign import Campaign
from fairdial.core.facts import (
    Emergency,
    Facts,
    Reassigned,
    Relationship,
    RelationshipKind,
    Restriction,
)
from fairdial.core.ids import E164, CampaignId, ConsentId, SellerId
from fairdial.core.intake import NewLead
from fairdial.core.lead import ConsentKind, LineType, Party, StatedLocation
from fairdial.core.ledger import ConsentRecord, FactsKind
from fairdial.exceptions import UnusableList
from fairdial.flow.dialer import Dialer
from fairdial.flow.intake import take_in_list
from fairdial.flow.ledger import (
    Import,
    Seller,
    declare_emergency,
    end_emergency,
    import_facts,
    list_emergencies,
    look_up,
    record_consent,
    revoke_consent,
    seller_of,
)
from fairdial.flow.stop_request import take_stop_request
from fairdial.flow.verify import verify_audit

ROSA = E164("+12125550142")
TODAY = MORNING.date()


async def bank(stage: Stage) -> Seller:
    return await seller_of(stage.store, "Meridian Savings Bank")


async def another_seller(stage: Stage) -> Campaign:
    """A campaign of another company on the same installation."""
    new = stage.floor.ids.new
    campaign = a_campaign(
        id=CampaignId(new()), name="Fuel", seller_id=SellerId(new()), seller_name="Fuelco"
    )
    async with stage.store.transaction() as tx:
        return await tx.save_campaign(campaign, MORNING)


def signed(day: date = date(2026, 6, 1), **changes: object) -> ConsentRecord:
    values: dict[str, object] = {
        "number": ROSA,
        "kind": ConsentKind.WRITTEN,
        "given_on": day,
        "source": "web form",
    }
    return ConsentRecord(**{**values, **changes})  # type: ignore[arg-type]


async def record(stage: Stage, consent: ConsentRecord) -> ConsentId:
    return await record_consent(stage.store, await bank(stage), consent, now=stage.clock.now())


async def revoke(stage: Stage, *, revoked_at: datetime | None = None) -> list[ConsentId]:
    return await revoke_consent(
        stage.store,
        await bank(stage),
        ROSA,
        by="letter of 30 November",
        revoked_at=revoked_at,
        now=stage.clock.now(),
    )


async def facts(stage: Stage, campaign: Campaign | None = None) -> Facts:
    """What the gate would know of Rosa now."""
    lead = await stage.lead(ROSA)
    now = stage.clock.now()
    async with stage.store.transaction() as tx:
        (known,) = await tx.facts(
            [lead],
            campaign or stage.campaign,
            now=now,
            since=now - timedelta(days=30),
            is_sandbox=True,
            is_agent_guaranteed=True,
            abandon_figures=(),
        )
    return known


async def take_in(
    stage: Stage,
    folder: Path,
    kind: FactsKind,
    text: str,
    *,
    as_of: date = TODAY,
    source: str = "crm",
) -> Import:
    path = folder / "facts.csv"
    path.write_text(text, encoding="utf-8")
    with read_facts(path, kind, source=source, as_of=as_of) as records:
        return await import_facts(
            stage.store,
            kind,
            records,
            seller=await bank(stage),
            source=source,
            as_of=as_of,
            sha256=records.sha256,
            now=stage.clock.now(),
        )


async def audited(stage: Stage, kind: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        (entry.subject, dict(entry.body))
        async for entry in stage.store.proof().record()
        if isinstance(entry, AuditEntry) and entry.kind == kind
    ]


# --- consent --------------------------------------------------------------------------------------


async def test_a_consent_is_kept_with_its_proof_and_leaned_on(stage: Stage) -> None:
    consent = signed(
        given_at=datetime(2026, 6, 1, 14, tzinfo=UTC),
        text_shown="I agree to be called.",
        place="https://shop.example/form",
        ip="192.0.2.7",
        copy_given=True,
    )
    consent_id = await record(stage, consent)
    known = await look_up(stage.store, await bank(stage), ROSA)
    assert [(c.id, c.record, c.revoked_at) for c in known.consents] == [(consent_id, consent, None)]
    (leaned_on,) = (await facts(stage)).consents
    assert (leaned_on.id, leaned_on.kind) == (consent_id, ConsentKind.WRITTEN)
    ((subject, body),) = await audited(stage, "consent.recorded")
    assert (subject, body["id"]) == (ROSA, str(consent_id))


async def test_the_same_consent_twice_is_refused_and_a_newer_one_stands_beside_it(
    stage: Stage,
) -> None:
    await record(stage, signed())
    with pytest.raises(UnusableList, match="on record already"):
        await record(stage, signed())
    await record(stage, signed(date(2026, 11, 1), kind=ConsentKind.EXPRESS))
    kinds = [consent.kind for consent in (await facts(stage)).consents]
    assert kinds == [ConsentKind.EXPRESS, ConsentKind.WRITTEN]


@pytest.mark.parametrize(
    "changes", [{"given_on": date(2026, 12, 2)}, {"given_at": MORNING + timedelta(minutes=1)}]
)
async def test_a_consent_that_is_still_to_come_is_refused(
    stage: Stage, changes: dict[str, object]
) -> None:
    with pytest.raises(UnusableList, match=r"to come|after"):
        await record(stage, signed(**changes))  # type: ignore[arg-type]


async def test_a_revocation_ends_every_consent_towards_that_seller_and_no_other(
    stage: Stage,
) -> None:
    ours = [await record(stage, signed()), await record(stage, signed(TODAY))]
    other = await another_seller(stage)
    await record_consent(
        stage.store, Seller(id=other.seller_id, name="Fuelco"), signed(), now=MORNING
    )
    assert sorted(await revoke(stage)) == sorted(ours)
    revoked = [(c.revoked_at, c.revoked_by) for c in (await facts(stage)).consents]
    assert revoked == [(MORNING, "letter of 30 November")] * 2
    assert [c.revoked_at for c in (await facts(stage, other)).consents] == [None]
    ((subject, body),) = await audited(stage, "consent.revoked")
    assert (subject, body["by"], len(body["ended"])) == (ROSA, "letter of 30 November", 2)


async def test_an_older_consent_that_comes_in_after_its_revocation_is_revoked(stage: Stage) -> None:
    assert await revoke(stage) == []
    await record(stage, signed())
    await record(stage, signed(TODAY))
    later = MORNING + timedelta(minutes=1)
    stage.clock.move(minutes=2)
    await record(stage, signed(TODAY, given_at=later))
    stands = [(c.given_on, c.revoked_at is None) for c in (await facts(stage)).consents]
    # The day alone does not say that it was after the letter; the moment does.
    assert sorted(stands) == [(date(2026, 6, 1), False), (TODAY, False), (TODAY, True)]


async def test_a_letter_of_yesterday_leaves_the_consent_of_today(stage: Stage) -> None:
    old = await record(stage, signed())
    await record(stage, signed(TODAY, given_at=MORNING))
    assert await revoke(stage, revoked_at=MORNING - timedelta(days=1)) == [old]
    with pytest.raises(UnusableList, match="still to come"):
        await revoke(stage, revoked_at=MORNING + timedelta(days=1))


async def test_a_stop_request_revokes_and_says_how(stage: Stage) -> None:
    await record(stage, signed())
    await take_stop_request(stage.store, ROSA, source="a letter", now=MORNING)
    (consent,) = (await facts(stage)).consents
    assert (consent.revoked_at, consent.revoked_by) == (MORNING, "a letter")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE consent SET text_shown = 'something else'",
        "UPDATE consent SET revoked_at = NULL, revoked_by = NULL",
        "DELETE FROM consent",
        "DELETE FROM revocation",
    ],
)
async def test_the_tables_let_nobody_edit_what_was_said(stage: Stage, change: str) -> None:
    await record(stage, signed())
    await revoke(stage)
    with pytest.raises(psycopg.errors.RaiseException):
        await stage.one(change)


async def keep_and_break(stage: Stage) -> None:
    seller = await bank(stage)
    async with stage.store.transaction() as tx:
        await tx.ledger.record_consent(signed(), seller.id, MORNING)
        raise RuntimeError("the power went")


async def test_what_is_written_goes_with_its_transaction(stage: Stage) -> None:
    with pytest.raises(RuntimeError):
        await keep_and_break(stage)
    assert (await facts(stage)).consents == ()


# --- a phone that rings ---------------------------------------------------------------------------


async def tick(stage: Stage) -> None:
    """What the dialer does between calls: take back what must not ring any longer."""
    dialer = Dialer(floor=stage.floor, campaign=stage.campaign, attempts_max=None)
    await dialer._keep_deadlines()
    await stage.settle()


async def test_a_call_that_rings_on_a_consent_is_taken_back_when_it_is_revoked(
    stage: Stage,
) -> None:
    await record(stage, signed())
    attempt = await stage.dialed(ROSA)
    await tick(stage)
    assert attempt.id in stage.telephony.up
    # The revocation's clock may even be behind the permit's.
    stage.clock.move(seconds=-3)
    await revoke(stage)
    stage.clock.move(seconds=3)
    await tick(stage)
    assert stage.telephony.up == {}
    assert (await stage.attempt(attempt.id)).state is AttemptState.CLOSED
    assert await audited(stage, "attempt.taken_back") == [
        (str(attempt.id), {"number": ROSA, "state": "dialing", "why": "consent was revoked"})
    ]
    assert (await verify_audit(stage.store.proof().record())).findings == ()


async def test_a_call_that_leans_on_no_consent_rings_on(stage: Stage) -> None:
    attempt = await stage.dialed(ROSA)
    await revoke(stage)
    await tick(stage)
    assert attempt.id in stage.telephony.up


async def test_a_consent_that_was_revoked_before_takes_no_call_back(stage: Stage) -> None:
    await record(stage, signed())
    await revoke(stage)
    stage.clock.move(seconds=60)
    await record(stage, signed(TODAY, given_at=stage.clock.now()))
    attempt = await stage.dialed(ROSA)
    await tick(stage)
    assert attempt.id in stage.telephony.up


async def test_a_stop_request_takes_a_call_back_and_the_record_says_so(stage: Stage) -> None:
    attempt = await stage.dialed(ROSA)
    await take_stop_request(stage.store, ROSA, source="a letter", now=MORNING)
    await tick(stage)
    assert stage.telephony.up == {}
    ((subject, body),) = await audited(stage, "attempt.taken_back")
    assert (subject, body["why"]) == (str(attempt.id), "the number was suppressed")


# --- emergencies ----------------------------------------------------------------------------------


def storm(**changes: object) -> Emergency:
    values: dict[str, object] = {
        "jurisdiction": "us/fl",
        "from_at": MORNING,
        "until_at": None,
        "source": "Executive Order 26-1",
    }
    return Emergency(**{**values, **changes})  # type: ignore[arg-type]


async def test_an_emergency_is_declared_known_to_the_gate_and_ended(stage: Stage) -> None:
    await declare_emergency(stage.store, stage.floor.rulebook, storm(), now=MORNING)
    assert (await facts(stage)).emergencies == (storm(),)
    stage.clock.move(hours=2)
    now = stage.clock.now()
    await end_emergency(stage.store, "us/fl", until_at=now, source="Order 26-2", now=now)
    assert (await facts(stage)).emergencies == ()
    (kept,) = await list_emergencies(stage.store)
    assert (kept.emergency.until_at, kept.ended_by) == (now, "Order 26-2")
    kinds = [len(await audited(stage, f"emergency.{k}")) for k in ("declared", "ended")]
    assert kinds == [1, 1]


async def test_an_emergency_is_declared_only_once_and_only_where_a_rule_speaks(
    stage: Stage,
) -> None:
    rulebook = stage.floor.rulebook
    await declare_emergency(stage.store, rulebook, storm(), now=MORNING)
    with pytest.raises(UnusableList, match="declared already"):
        await declare_emergency(stage.store, rulebook, storm(), now=MORNING)
    with pytest.raises(UnusableList, match="no rule is loaded"):
        await declare_emergency(stage.store, rulebook, storm(jurisdiction="us/xx"), now=MORNING)
    backwards = storm(jurisdiction="us/ct", until_at=MORNING)
    with pytest.raises(UnusableList, match="ends after it began"):
        await declare_emergency(stage.store, rulebook, backwards, now=MORNING)
    with pytest.raises(UnusableList, match="no emergency is declared"):
        await end_emergency(stage.store, "us/ct", until_at=MORNING, source="-", now=MORNING)


# --- files ----------------------------------------------------------------------------------------


async def test_facts_of_files_reach_the_gate(stage: Stage, tmp_path: Path) -> None:
    await take_in(
        stage, tmp_path, FactsKind.RELATIONSHIPS, f"number,kind,date\n{ROSA},purchase,2026-10-01\n"
    )
    await take_in(stage, tmp_path, FactsKind.RESTRICTIONS, f"number,restriction\n{ROSA},attorney\n")
    await take_in(stage, tmp_path, FactsKind.LINE_TYPES, f"number,type\n{ROSA},voip\n")
    await take_in(
        stage, tmp_path, FactsKind.REASSIGNED, f"number,date,response\n{ROSA},2026-06-01,no\n"
    )
    await take_in(
        stage, tmp_path, FactsKind.CONSENTS, f"number,kind,date\n{ROSA},written,2026-06-01\n"
    )
    known = await facts(stage)
    (dealing,), (consent,) = known.relationships, known.consents
    assert (dealing.kind, dealing.last_on) == (RelationshipKind.PURCHASE, date(2026, 10, 1))
    assert known.restrictions == (Restriction.ATTORNEY,)
    assert (known.line_type, known.line_type_as_of) == (LineType.VOIP, TODAY)
    assert known.reassigned is not None
    assert (known.reassigned.answer, known.reassigned.asked_on) == (Reassigned.NO, TODAY)
    assert consent.source == "crm, line 2"
    imported = [body["kind"] for _, body in await audited(stage, "facts.imported")]
    assert imported == [
        "relationships", "restrictions", "line-types", "reassigned", "consents"
    ]  # fmt: skip
    shown = await look_up(stage.store, await bank(stage), ROSA)
    assert [said.source for _, said in shown.relationships] == ["crm"]


async def test_a_file_with_a_fault_leaves_nothing(stage: Stage, tmp_path: Path) -> None:
    text = f"number,type\n{ROSA},voip\n+13125550143,pager\n"
    with pytest.raises(UnusableList, match="line 3"):
        await take_in(stage, tmp_path, FactsKind.LINE_TYPES, text)
    assert (await facts(stage)).line_type is LineType.LANDLINE
    assert await audited(stage, "facts.imported") == []


async def test_an_older_file_changes_nothing(stage: Stage, tmp_path: Path) -> None:
    await take_in(stage, tmp_path, FactsKind.LINE_TYPES, f"number,type\n{ROSA},voip\n")
    older = await take_in(
        stage,
        tmp_path,
        FactsKind.LINE_TYPES,
        f"number,type\n{ROSA},landline\n",
        as_of=date(2026, 1, 1),
    )
    assert (older.records, older.changed) == (1, 0)
    assert (await facts(stage)).line_type is LineType.VOIP


async def test_a_purchase_counts_from_any_source_and_a_contract_as_the_newest_source_has_it(
    stage: Stage, tmp_path: Path
) -> None:
    head = "number,kind,date\n"
    before = f"{head}{ROSA},purchase,2026-10-01\n{ROSA},contract,2027-12-31\n"
    after = f"{head}{ROSA},purchase,2026-03-01\n{ROSA},contract,2026-11-01\n"
    kind = FactsKind.RELATIONSHIPS
    await take_in(stage, tmp_path, kind, before, as_of=date(2026, 11, 1), source="shop")
    await take_in(stage, tmp_path, kind, after, source="crm")
    found = {r.kind.value: (r.last_on, r.source) for r in (await facts(stage)).relationships}
    assert found == {
        "contract": (date(2026, 11, 1), "crm"),
        "purchase": (date(2026, 10, 1), "shop"),
    }


async def test_a_restriction_ends_on_the_day_that_its_source_says(
    stage: Stage, tmp_path: Path
) -> None:
    head = "number,restriction,ended on\n"
    kind = FactsKind.RESTRICTIONS
    await take_in(stage, tmp_path, kind, f"{head}{ROSA},work,2026-12-02\n")
    assert (await facts(stage)).restrictions == (Restriction.WORK,)
    await take_in(stage, tmp_path, kind, f"{head}{ROSA},work,2026-12-01\n")
    assert (await facts(stage)).restrictions == ()


async def test_of_two_answers_to_one_question_the_one_that_forbids_stands(
    stage: Stage, tmp_path: Path
) -> None:
    for answer in ("no", "yes", "no"):
        text = f"number,date,response\n{ROSA},2026-06-01,{answer}\n"
        await take_in(stage, tmp_path, FactsKind.REASSIGNED, text)
    known = (await facts(stage)).reassigned
    assert known is not None
    assert known.answer is Reassigned.YES


async def test_facts_of_a_day_that_is_still_to_come_are_refused(
    stage: Stage, tmp_path: Path
) -> None:
    with pytest.raises(UnusableList, match="still to come"):
        await take_in(
            stage,
            tmp_path,
            FactsKind.LINE_TYPES,
            f"number,type\n{ROSA},voip\n",
            as_of=date(2026, 12, 9),
        )


# --- lists ----------------------------------------------------------------------------------------


async def test_what_a_list_says_of_a_person_goes_into_the_ledger_with_it(stage: Stage) -> None:
    row = NewLead(
        number=ROSA,
        name="Rosa Vale",
        location=StatedLocation(state="NY"),
        party=Party.CONSUMER,
        line_type=LineType.LANDLINE,
        consent=ConsentKind.WRITTEN,
        consent_on=date(2026, 6, 1),
        relationships=(Relationship(kind=RelationshipKind.PURCHASE, last_on=date(2026, 10, 1)),),
        restrictions=(Restriction.WORK,),
        row=2,
    )
    await take_in_list(
        stage.floor, stage.campaign, [row], source="people.csv", reject=lambda _: None
    )
    known = await facts(stage)
    assert [consent.source for consent in known.consents] == ["list people.csv, row 2"]
    assert known.restrictions == (Restriction.WORK,)
    ((_, body),) = await audited(stage, "list.imported")
    assert body["facts"] == {"consents": 1, "relationships": 1, "restrictions": 1}


async def test_a_list_does_not_bring_a_revoked_consent_back(stage: Stage) -> None:
    await revoke(stage)
    row = NewLead(
        number=ROSA,
        name="Rosa Vale",
        location=StatedLocation(state="NY"),
        party=Party.CONSUMER,
        line_type=LineType.LANDLINE,
        consent=ConsentKind.WRITTEN,
        consent_on=TODAY,
        row=2,
    )
    await take_in_list(
        stage.floor, stage.campaign, [row], source="people.csv", reject=lambda _: None
    )
    (consent,) = (await facts(stage)).consents
    assert consent.revoked_by == "letter of 30 November"


async def test_several_sellers_must_be_told_apart(stage: Stage) -> None:
    assert (await seller_of(stage.store, None)).name == "Meridian Savings Bank"
    await another_seller(stage)
    with pytest.raises(UnusableList, match="say which with --seller"):
        await seller_of(stage.store, None)
    with pytest.raises(UnusableList, match="there is no seller"):
        await seller_of(stage.store, "Nobody")

"""What is written down about people, by an operator or from a file, and looked up again.

Each change is one transaction with its audit entry. A consent is never edited: a newer one is a
new row, and a revocation ends all that were given before it, at once; a phone that rings on the
strength of one is taken back by the dialer's next tick. What a file says is kept whole or not at
all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, assert_never

from fairdial.core.campaign import Campaign
from fairdial.core.facts import Emergency
from fairdial.core.ids import E164, ConsentId, Instant, SellerId
from fairdial.core.intake import NewLead
from fairdial.core.ledger import (
    ConsentRecord,
    DeclaredEmergency,
    FactsKind,
    FactsRecord,
    KnownNumber,
    RelationshipRecord,
    RestrictionRecord,
    record_fault,
)
from fairdial.core.rulebook import Rulebook
from fairdial.exceptions import UnusableList
from fairdial.ports import Ledger, Statement, Store, Transaction

OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seller:
    """Towards whom a fact holds."""

    id: SellerId
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """What came of a file of facts."""

    kind: FactsKind
    records: int
    changed: int
    """New, or newer than what was on record."""


async def seller_of(store: Store, name: str | None) -> Seller:
    """The seller of that name, or the only one. Raises `UnusableList` naming those there are."""
    async with store.transaction(durable=False) as tx:
        sellers = await tx.sellers()
    if not sellers:
        raise UnusableList(
            "there is no seller yet: `fairdial run` or `fairdial demo` loads a campaign, and its "
            "seller with it"
        )
    chosen = [Seller(id=i, name=n) for i, n in sellers.items() if name in (None, n)]
    there_are = ", ".join(list(sellers.values())[:10])
    if not chosen:
        raise UnusableList(f"there is no seller {name!r}; there are: {there_are}")
    if len(chosen) > 1:
        raise UnusableList(f"there are several sellers, say which with --seller: {there_are}")
    return chosen[0]


# --- consent --------------------------------------------------------------------------------------


async def record_consent(
    store: Store, seller: Seller, consent: ConsentRecord, *, now: Instant
) -> ConsentId:
    """Keep a permission with its proof. Raises `UnusableList` for one that cannot be true."""
    fault = record_fault(consent, now.date())
    if fault is None and consent.given_at is not None and consent.given_at > now:
        fault = f"the consent is dated {consent.given_at.isoformat()}, which is still to come"
    if fault is not None:
        raise UnusableList(f"{consent.number}: {fault}")
    async with store.transaction() as tx:
        await tx.lock_number(consent.number)
        kept = await tx.ledger.record_consent(consent, seller.id, now)
        if kept is None:
            raise UnusableList(
                f"{consent.number}: a {consent.kind.value} consent of that time is on record "
                f"already, and a record is never edited; `fairdial consent show {consent.number}` "
                "shows it"
            )
        body = {"id": kept, "seller": seller.name, "consent": consent}
        tx.audit("consent.recorded", consent.number, body, actor=OPERATOR, at=now)
    return kept


async def revoke_consent(
    store: Store,
    seller: Seller,
    number: E164,
    *,
    by: str,
    revoked_at: Instant | None,
    now: Instant,
) -> list[ConsentId]:
    """A person took every permission towards the seller back; returns those that end with it.

    It is kept also where none is on record: one of before may come in with tomorrow's list.
    """
    revoked_at = revoked_at or now
    if revoked_at > now:
        raise UnusableList(f"{number}: a revocation of {revoked_at.isoformat()} is still to come")
    async with store.transaction() as tx:
        await tx.lock_number(number)
        ended = await tx.ledger.revoke_consents(
            number, seller.id, revoked_at=revoked_at, revoked_by=by, now=now
        )
        body = {"seller": seller.name, "by": by, "revoked_at": revoked_at, "ended": ended}
        tx.audit("consent.revoked", number, body, actor=OPERATOR, at=now)
    return ended


# --- emergencies ----------------------------------------------------------------------------------


async def declare_emergency(
    store: Store, rulebook: Rulebook, emergency: Emergency, *, now: Instant
) -> DeclaredEmergency:
    """Enter a declared emergency. Raises `UnusableList` for a place that no rule speaks of."""
    known = sorted({rule.jurisdiction for rule in rulebook.rules} - {"house", "world"})
    if emergency.jurisdiction not in known:
        raise UnusableList(
            f"no rule is loaded for a jurisdiction {emergency.jurisdiction!r}; there are: "
            f"{', '.join(known)}"
        )
    if emergency.until_at is not None and emergency.until_at <= emergency.from_at:
        raise UnusableList("an emergency ends after it began: correct --from or --until")
    async with store.transaction() as tx:
        for other in await tx.ledger.emergencies():
            until_at = other.emergency.until_at
            if other.emergency.jurisdiction == emergency.jurisdiction and (
                until_at is None or until_at > max(now, emergency.from_at)
            ):
                raise UnusableList(
                    f"an emergency in {emergency.jurisdiction} is declared already since "
                    f"{other.emergency.from_at:%Y-%m-%d %H:%M} UTC ({other.emergency.source}); "
                    "end it before you declare the next"
                )
        declared = await tx.ledger.declare_emergency(emergency, now)
        body = {"id": declared.id, "emergency": emergency}
        tx.audit("emergency.declared", emergency.jurisdiction, body, actor=OPERATOR, at=now)
    return declared


async def end_emergency(
    store: Store, jurisdiction: str, *, until_at: Instant, source: str, now: Instant
) -> list[DeclaredEmergency]:
    """An emergency is over. Raises `UnusableList` when none is declared there."""
    async with store.transaction() as tx:
        ended = await tx.ledger.end_emergencies(jurisdiction, until_at=until_at, ended_by=source)
        if not ended:
            raise UnusableList(
                f"no emergency is declared in {jurisdiction!r} that would hold after "
                f"{until_at:%Y-%m-%d %H:%M} UTC; `fairdial emergency list` shows all"
            )
        body = {"ids": [one.id for one in ended], "until_at": until_at, "source": source}
        tx.audit("emergency.ended", jurisdiction, body, actor=OPERATOR, at=now)
    return ended


async def list_emergencies(store: Store) -> list[DeclaredEmergency]:
    """Every declared emergency, the newest first."""
    async with store.transaction(durable=False) as tx:
        return await tx.ledger.emergencies()


# --- files ----------------------------------------------------------------------------------------


async def import_facts(
    store: Store,
    kind: FactsKind,
    records: Iterable[FactsRecord],
    *,
    seller: Seller | None,
    source: str,
    as_of: date,
    sha256: str,
    now: Instant,
) -> Import:
    """Keep every record of a file, or none. `sha256` is of the file, for the record.

    Raises what `records` raises, and `UnusableList` for a day that is still to come.
    """
    if as_of > now.date() + timedelta(days=1):  # It may be tomorrow already where they are of.
        raise UnusableList(f"--as-of {as_of} is still to come: write the day the facts are of")
    count = 0

    def counted() -> Iterator[Any]:
        nonlocal count
        for record in records:
            count += 1
            yield record

    said = Statement(source=source, as_of=as_of, now=now)
    async with store.transaction() as tx:
        changed = await _keep(tx.ledger, kind, counted(), seller=seller, said=said)
        body = {
            "kind": kind,
            "as_of": as_of,
            "seller": seller.name if seller and kind.is_of_seller else None,
            "records": count,
            "changed": changed,
            "sha256": sha256,
        }
        tx.audit("facts.imported", source, body, actor=OPERATOR, at=now)
    return Import(kind=kind, records=count, changed=changed)


async def _keep(
    ledger: Ledger,
    kind: FactsKind,
    records: Iterator[Any],
    *,
    seller: Seller | None,
    said: Statement,
) -> int:
    match kind:
        case FactsKind.CONSENTS:
            return await ledger.keep_consents(records, _needed(seller), said.now)
        case FactsKind.RELATIONSHIPS:
            return await ledger.keep_relationships(records, _needed(seller), said)
        case FactsKind.RESTRICTIONS:
            return await ledger.keep_restrictions(records, _needed(seller), said)
        case FactsKind.LINE_TYPES:
            return await ledger.keep_line_types(records, said)
        case FactsKind.REASSIGNED:
            return await ledger.keep_reassigned(records, said)
        case _:
            assert_never(kind)


def _needed(seller: Seller | None) -> SellerId:
    assert seller is not None, "facts towards a seller are imported for one"
    return seller.id


async def keep_facts_of_list(
    tx: Transaction, campaign: Campaign, leads: Sequence[NewLead], *, source: str, now: Instant
) -> dict[str, int]:
    """Keep what the rows of a list say of consent, dealings and restrictions; says how much."""
    said = Statement(source=f"list {source}", as_of=now.date(), now=now)
    ledger, seller_id = tx.ledger, campaign.seller_id
    consents = await ledger.keep_consents(
        (
            ConsentRecord(
                number=lead.number,
                kind=lead.consent,
                given_on=lead.consent_on,
                source=f"{said.source}, row {lead.row}",
            )
            for lead in leads
            if lead.consent is not None and lead.consent_on is not None
        ),
        seller_id,
        now,
    )
    return {
        "consents": consents,
        "relationships": await ledger.keep_relationships(
            (
                RelationshipRecord(number=lead.number, kind=dealing.kind, last_on=dealing.last_on)
                for lead in leads
                for dealing in lead.relationships
            ),
            seller_id,
            said,
        ),
        "restrictions": await ledger.keep_restrictions(
            (
                RestrictionRecord(number=lead.number, restriction=restriction)
                for lead in leads
                for restriction in lead.restrictions
            ),
            seller_id,
            said,
        ),
    }


async def look_up(store: Store, seller: Seller, number: E164) -> KnownNumber:
    """Everything that the ledger has about one number towards a seller."""
    async with store.transaction(durable=False) as tx:
        return await tx.ledger.known(number, seller.id, seller.name)

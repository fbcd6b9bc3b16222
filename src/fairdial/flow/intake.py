"""A list of leads, a list of stop requests: taken in whole or not at all.

Rows that cannot become leads are handed back with their reason; the rest is kept in one
transaction, so an interrupted import leaves nothing half there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from fairdial.core.campaign import Campaign
from fairdial.core.ids import E164, LeadId, ListId
from fairdial.core.intake import NewLead, RejectedRow, RejectKind
from fairdial.flow.floor import Floor
from fairdial.flow.ledger import keep_facts_of_list


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What came of a list."""

    source: str
    accepted: int
    rejected: int
    rejected_by_kind: dict[str, int]
    known: int
    """Rows left out because the campaign has a lead with that number already."""


async def take_in_list(
    floor: Floor,
    campaign: Campaign,
    rows: Iterable[NewLead | RejectedRow],
    *,
    source: str,
    reject: Callable[[RejectedRow], None],
) -> Intake:
    """Keep every usable row as a lead of the campaign; hand each other row to `reject`.

    Raises what `rows` raises (`UnusableList`); nothing is kept then.
    """
    kinds: Counter[RejectKind] = Counter()
    known = 0
    leads: list[tuple[LeadId, NewLead]] = []
    now = floor.clock.now()
    async with floor.store.transaction() as tx:
        numbers = await tx.known_numbers(campaign.id)
        for row in rows:
            if isinstance(row, RejectedRow):
                kinds[row.kind] += 1
                reject(row)
            elif row.number in numbers:
                known += 1
            else:
                leads.append((LeadId(floor.ids.new()), row))
        rejected = kinds.total()
        if leads:
            list_id = ListId(floor.ids.new())
            await tx.add_list(list_id, campaign, leads, source=source, rejected=rejected, now=now)
            facts = await keep_facts_of_list(
                tx, campaign, [lead for _, lead in leads], source=source, now=now
            )
            tx.audit(
                "list.imported",
                list_id,
                {
                    "source": source,
                    "accepted": len(leads),
                    "rejected": rejected,
                    "known": known,
                    "facts": facts,
                },
                actor="operator",
                at=now,
            )
    return Intake(
        source=source,
        accepted=len(leads),
        rejected=rejected,
        rejected_by_kind={kind.value: count for kind, count in kinds.most_common()},
        known=known,
    )


async def take_in_stop_requests(
    floor: Floor,
    campaign: Campaign,
    entries: Iterable[tuple[E164, date | None]],
    *,
    source: str,
    as_of: date,
) -> int:
    """Keep the company's own do-not-call list as stop requests to the campaign's seller.

    They are only ever added: a stop request does not expire. Returns how many there are in it.
    """
    now = floor.clock.now()
    async with floor.store.transaction() as tx:
        count = await tx.keep_stop_requests(
            campaign.seller_id,
            ((number, registered_on or as_of) for number, registered_on in entries),
            source=source,
            now=now,
        )
        tx.audit(
            "stop_requests.imported",
            source,
            {"as_of": as_of, "entries": count},
            actor="operator",
            at=now,
        )
    return count

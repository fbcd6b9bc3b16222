"""A person's wish not to be called again, however it was said: in force with this transaction.

The ways that lead here: an agent who was asked (`agent_desk`), the key that our recordings name, in
a call of ours (`call_events`) or to us (`inbound`), and whoever takes the wish by letter or e-mail
(`fairdial suppress`). Each
suppresses the number in every campaign of the seller, withdraws consent, and leaves an audit entry.
A phone that rings at that moment is taken back by the dialer's next tick.
"""

from __future__ import annotations

from collections.abc import Mapping

from fairdial.core.attempt import Attempt
from fairdial.core.campaign import Campaign
from fairdial.core.facts import SuppressionKind
from fairdial.core.ids import E164, Instant, SellerId
from fairdial.core.inbound import InboundCall
from fairdial.exceptions import ImpossibleEvent
from fairdial.ports import Store, Transaction


async def record_stop_request(
    tx: Transaction, campaign: Campaign, attempt: Attempt, *, source: str, actor: str, now: Instant
) -> None:
    """Suppress the number of `attempt` for the campaign's seller (47 CFR 64.1200(d)).

    `source` says how the wish was made, `actor` who recorded it.
    """
    await _suppress(
        tx,
        attempt.number,
        seller_id=campaign.seller_id,
        seller=campaign.seller_name,
        record={"source": source, "attempt": attempt.id},
        actor=actor,
        now=now,
    )


async def record_caller_stop_request(
    tx: Transaction, campaign: Campaign, call: InboundCall, *, source: str, actor: str, now: Instant
) -> None:
    """Suppress the number of somebody who called us; the caller must not be withheld."""
    if call.number is None:
        raise ImpossibleEvent(
            "the caller's number was withheld: ask for it, then run: fairdial suppress NUMBER"
        )
    await _suppress(
        tx,
        call.number,
        seller_id=campaign.seller_id,
        seller=campaign.seller_name,
        record={"source": source, "inbound": call.id},
        actor=actor,
        now=now,
    )


async def take_stop_request(store: Store, number: E164, *, source: str, now: Instant) -> list[str]:
    """Suppress a number for every seller of this installation; returns the sellers' names."""
    async with store.transaction() as tx:
        await tx.lock_number(number)
        sellers = await tx.sellers()
        for seller_id, seller in sellers.items():
            await _suppress(
                tx,
                number,
                seller_id=seller_id,
                seller=seller,
                record={"source": source},
                actor="operator",
                now=now,
            )
    return list(sellers.values())


async def _suppress(
    tx: Transaction,
    number: E164,
    *,
    seller_id: SellerId,
    seller: str,
    record: Mapping[str, object],
    actor: str,
    now: Instant,
) -> None:
    await tx.suppress(
        number,
        SuppressionKind.INTERNAL,
        source=str(record["source"]),
        seller_id=seller_id,
        registered_on=now.date(),
        now=now,
    )
    body = {"kind": SuppressionKind.INTERNAL, "seller": seller, **record}
    tx.audit("suppression.added", number, body, actor=actor, at=now)

"""Facts as the database has them, put together for the rules: one row of JSON, one round trip.

The query `facts_of` reads everything about one number under its lock; here it becomes `Facts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from fairdial.core.abandon import AbandonFigure
from fairdial.core.campaign import Campaign, Purpose
from fairdial.core.facts import (
    Consent,
    Emergency,
    Facts,
    PastAttempt,
    Reassigned,
    ReassignedAnswer,
    Registry,
    Relationship,
    RelationshipKind,
    Restriction,
    Revocation,
    Suppression,
    SuppressionKind,
)
from fairdial.core.ids import E164, CampaignId, ConsentId, Instant
from fairdial.core.lead import ConsentKind, Lead, LineType
from fairdial.core.outcome import Disposition, Outcome
from fairdial.core.registry import Coverage, version_mark
from fairdial.ports import Shelf

Row = Mapping[str, Any]


def facts_from(
    row: Row,
    shelf: Shelf,
    lead: Lead,
    campaign: Campaign,
    *,
    now: Instant,
    is_sandbox: bool,
    is_agent_guaranteed: bool,
    abandon_figures: tuple[AbandonFigure, ...],
) -> Facts:
    """The facts about calling one lead now. `row` is what the query `facts_of` answered.

    It names the versions of registries that are in force; what they say is on the `shelf`.
    """
    listed, looked_into = _registries(row["registries"], shelf, lead.number)
    looked_up = row["line_type"]
    return Facts(
        number=lead.number,
        campaign_id=campaign.id,
        seller_id=campaign.seller_id,
        seller_name=campaign.seller_name,
        caller_id=campaign.caller_id,
        purpose=campaign.purpose,
        method=campaign.method,
        party=lead.party,
        # A look-up is newer than the list: people take their landline's number to a mobile.
        line_type=LineType(looked_up["line_type"]) if looked_up else lead.line_type,
        line_type_source=looked_up["source"] if looked_up else "the list",
        line_type_as_of=_day(looked_up["as_of"]) if looked_up else None,
        stated=lead.location,
        suppressions=(*(_suppression(entry) for entry in row["suppressions"]), *listed),
        registries=looked_into,
        consents=tuple(_consent(entry) for entry in row["consents"]),
        revocation=_revocation(row["revocation"]) if row["revocation"] else None,
        relationships=tuple(
            Relationship(
                kind=RelationshipKind(r["kind"]),
                last_on=date.fromisoformat(r["last_on"]),
                source=r["source"],
            )
            for r in row["relationships"]
        ),
        restrictions=tuple(Restriction(name) for name in row["restrictions"]),
        reassigned=_reassigned(row["reassigned"]) if row["reassigned"] else None,
        emergencies=tuple(_emergency(entry) for entry in row["emergencies"]),
        past_attempts=tuple(_past_attempt(a, campaign) for a in row["past_attempts"]),
        abandon_figures=abandon_figures,
        other_lines_open=row["other_lines_open"],
        is_agent_guaranteed=is_agent_guaranteed,
        ring_s=campaign.ring_s,
        is_sandbox=is_sandbox,
        gathered_at=now,
    )


def _suppression(entry: Row) -> Suppression:
    return Suppression(
        kind=SuppressionKind(entry["kind"]),
        source=entry["source"],
        registered_on=_day(entry["registered_on"]),
        state=entry["region"] or None,
    )


def _registries(
    entries: Iterable[Row], shelf: Shelf, number: E164
) -> tuple[tuple[Suppression, ...], tuple[Registry, ...]]:
    """What the registries say about a number, and how old our copies of its area are.

    A registry of which we hold nothing of the number's area code is not in the second: it was
    never looked into.
    """
    listed: list[Suppression] = []
    looked_into: list[Registry] = []
    for entry in entries:
        kind = SuppressionKind(entry["kind"])
        listing = shelf.look(entry["file"], entry["sha256"], Coverage(entry["coverage"]), number)
        if listing.is_listed:
            listed.append(
                Suppression(
                    kind=kind,
                    source=entry["name"],
                    registered_on=listing.registered_on,
                    state=entry["state"],
                    country=entry["country"],
                )
            )
        if entry["as_of"] is not None and listing.is_covered:
            looked_into.append(
                Registry(
                    kind=kind,
                    name=entry["name"],
                    as_of=date.fromisoformat(entry["as_of"]),
                    state=entry["state"],
                    country=entry["country"],
                    version=version_mark(entry["version"], entry["sha256"]),
                )
            )
    return tuple(listed), tuple(looked_into)


def _consent(entry: Row) -> Consent:
    return Consent(
        id=ConsentId(UUID(entry["id"])),
        kind=ConsentKind(entry["kind"]),
        given_on=date.fromisoformat(entry["given_on"]),
        source=entry["source"],
        revoked_at=_moment(entry["revoked_at"]),
        revoked_by=entry["revoked_by"],
        expires_on=_day(entry["expires_on"]),
        purposes=tuple(Purpose(name) for name in entry["purposes"]),
        evidence=entry["evidence"] or None,
    )


def _revocation(entry: Row) -> Revocation:
    revoked_at = _moment(entry["revoked_at"])
    assert revoked_at is not None, "the table asks for the moment"
    return Revocation(revoked_at=revoked_at, revoked_by=entry["revoked_by"])


def _reassigned(entry: Row) -> ReassignedAnswer:
    return ReassignedAnswer(
        answer=Reassigned(entry["answer"]),
        asked_on=date.fromisoformat(entry["asked_on"]),
        since_on=date.fromisoformat(entry["since_on"]),
    )


def _emergency(entry: Row) -> Emergency:
    began = _moment(entry["from_at"])
    assert began is not None, "the table asks for a beginning"
    return Emergency(
        jurisdiction=entry["jurisdiction"],
        from_at=began,
        until_at=_moment(entry["until_at"]),
        source=entry["source"],
    )


def _past_attempt(entry: Row, campaign: Campaign) -> PastAttempt:
    at = _moment(entry["permitted_at"])
    assert at is not None, "the table asks for the moment of the permit"
    return PastAttempt(
        at=at,
        campaign_id=CampaignId(UUID(entry["campaign_id"])),
        outcome=None if entry["outcome"] is None else Outcome(entry["outcome"]),
        disposition=None if entry["disposition"] is None else Disposition(entry["disposition"]),
        is_of_seller=entry["seller_id"] == str(campaign.seller_id),
    )


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _moment(text: str | None) -> Instant | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)

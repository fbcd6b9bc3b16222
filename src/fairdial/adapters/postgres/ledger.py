"""The ledger in PostgreSQL: the `Ledger` port, inside the transaction that it belongs to.

Many records go in as JSON, some thousands to a statement, so that half a million take seconds
and no more memory than one such piece. What stands against what (a newer statement, a revocation)
is said in `queries/ledger.sql`. Nothing is judged here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any, Protocol
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from fairdial.core.campaign import Purpose
from fairdial.core.facts import (
    Emergency,
    Reassigned,
    RelationshipKind,
    Restriction,
    Revocation,
    Suppression,
    SuppressionKind,
)
from fairdial.core.ids import E164, ConsentId, EmergencyId, Instant, SellerId
from fairdial.core.lead import ConsentKind, LineType
from fairdial.core.ledger import (
    ConsentRecord,
    DeclaredEmergency,
    FactsRecord,
    KnownNumber,
    LedgerConsent,
    LineTypeRecord,
    ReassignedRecord,
    RelationshipRecord,
    RestrictionRecord,
    Said,
)
from fairdial.ports import Statement

PIECE = 10_000
"""How many records go into one statement."""


class Ask(Protocol):
    """How the transaction runs a named query: in its order, whatever it has not sent yet."""

    async def __call__(self, name: str, /, **values: object) -> AsyncCursor[DictRow]: ...


class PostgresLedger:
    """The `Ledger` port inside one transaction, whose way of asking it uses."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    # --- consent ----------------------------------------------------------------------------------

    async def record_consent(
        self, consent: ConsentRecord, seller_id: SellerId, now: Instant
    ) -> ConsentId | None:
        row = await self._keep("keep_consents", [consent], seller_id=seller_id, now=now)
        return None if row["an_id"] is None else ConsentId(row["an_id"])

    async def keep_consents(
        self, consents: Iterable[ConsentRecord], seller_id: SellerId, now: Instant
    ) -> int:
        return await self._keep_all("keep_consents", consents, seller_id=seller_id, now=now)

    async def revoke_consents(
        self,
        number: E164,
        seller_id: SellerId,
        *,
        revoked_at: Instant,
        revoked_by: str,
        now: Instant,
    ) -> list[ConsentId]:
        key = {
            "number": number,
            "seller_id": seller_id,
            "revoked_at": revoked_at,
            "revoked_by": revoked_by,
        }
        await self._ask("keep_revocation", **key, now=now)
        rows = await self._all("revoke_consents", **key)
        return [ConsentId(row["id"]) for row in rows]

    # --- statements of others ---------------------------------------------------------------------

    async def keep_relationships(
        self, records: Iterable[RelationshipRecord], seller_id: SellerId, said: Statement
    ) -> int:
        return await self._keep_all(
            "keep_relationships", records, seller_id=seller_id, **_words(said)
        )

    async def keep_restrictions(
        self, records: Iterable[RestrictionRecord], seller_id: SellerId, said: Statement
    ) -> int:
        return await self._keep_all(
            "keep_restrictions", records, seller_id=seller_id, **_words(said)
        )

    async def keep_line_types(self, records: Iterable[LineTypeRecord], said: Statement) -> int:
        return await self._keep_all("keep_line_types", records, **_words(said))

    async def keep_reassigned(self, records: Iterable[ReassignedRecord], said: Statement) -> int:
        return await self._keep_all("keep_reassigned_answers", records, **_words(said))

    # --- emergencies ------------------------------------------------------------------------------

    async def declare_emergency(self, emergency: Emergency, now: Instant) -> DeclaredEmergency:
        rows = await self._all(
            "declare_emergency",
            jurisdiction=emergency.jurisdiction,
            from_at=emergency.from_at,
            until_at=emergency.until_at,
            source=emergency.source,
            now=now,
        )
        return _declared(rows[0])

    async def end_emergencies(
        self, jurisdiction: str, *, until_at: Instant, ended_by: str
    ) -> list[DeclaredEmergency]:
        rows = await self._all(
            "end_emergencies", jurisdiction=jurisdiction, until_at=until_at, ended_by=ended_by
        )
        return [_declared(row) for row in rows]

    async def emergencies(self) -> list[DeclaredEmergency]:
        return [_declared(row) for row in await self._all("emergencies")]

    # --- looking things up ------------------------------------------------------------------------

    async def known(self, number: E164, seller_id: SellerId, seller: str) -> KnownNumber:
        (row,) = await self._all("known_of_number", number=number, seller_id=seller_id)
        return KnownNumber(
            number=number,
            seller=seller,
            consents=tuple(_consent(entry) for entry in row["consents"]),
            revocations=tuple(
                Revocation(
                    revoked_at=_sure(entry["revoked_at"]),
                    revoked_by=entry["revoked_by"],
                )
                for entry in row["revocations"]
            ),
            relationships=tuple(
                (
                    RelationshipRecord(
                        number=number,
                        kind=RelationshipKind(entry["kind"]),
                        last_on=date.fromisoformat(entry["last_on"]),
                    ),
                    _said(entry),
                )
                for entry in row["relationships"]
            ),
            restrictions=tuple(
                (
                    RestrictionRecord(
                        number=number,
                        restriction=Restriction(entry["restriction"]),
                        ended_on=_day(entry["ended_on"]),
                    ),
                    _said(entry),
                )
                for entry in row["restrictions"]
            ),
            line_type=_line_type(row["line_type"]) if row["line_type"] else None,
            reassigned=tuple(_reassigned(entry) for entry in row["reassigned"]),
            suppressions=tuple(_suppression(entry) for entry in row["suppressions"]),
        )

    # --- running a named query --------------------------------------------------------------------

    async def _all(self, name: str, /, **values: object) -> list[DictRow]:
        return await (await self._ask(name, **values)).fetchall()

    async def _keep_all(
        self, name: str, records: Iterable[FactsRecord], /, **values: object
    ) -> int:
        changed, left = 0, iter(records)
        while piece := list(islice(left, PIECE)):
            changed += int((await self._keep(name, piece, **values))["changed"])
        return changed

    async def _keep(self, name: str, piece: Sequence[FactsRecord], /, **values: object) -> DictRow:
        rows = [_row(record) for record in piece]
        (counted,) = await self._all(name, records=json.dumps(rows, ensure_ascii=False), **values)
        return counted


def _row(record: FactsRecord) -> dict[str, object]:
    """A record as JSON; what is empty is left out, and costs nothing on the way."""
    row: dict[str, object] = {}
    for name in record.__dataclass_fields__:
        value = getattr(record, name)
        if value:
            # Dates and times; all else is text, a truth or a tuple of words already.
            row[name] = value.isoformat() if isinstance(value, date) else value
    return row


def _words(said: Statement) -> dict[str, object]:
    return {"source": said.source, "as_of": said.as_of, "now": said.now}


def _consent(entry: dict[str, Any]) -> LedgerConsent:
    return LedgerConsent(
        id=ConsentId(UUID(entry["id"])),
        record=ConsentRecord(
            number=E164(entry["number"]),
            kind=ConsentKind(entry["kind"]),
            given_on=date.fromisoformat(entry["given_on"]),
            source=entry["source"],
            given_at=_moment(entry["given_at"]),
            expires_on=_day(entry["expires_on"]),
            purposes=tuple(Purpose(name) for name in entry["purposes"]),
            **{name: entry[name] for name in _PROOF},
        ),
        recorded_at=_moment(entry["recorded_at"]),
        revoked_at=_moment(entry["revoked_at"]),
        revoked_by=entry["revoked_by"],
    )


_PROOF = ("text_shown", "place", "ip", "user_agent", "signature", "evidence", "copy_given")


def _line_type(entry: dict[str, Any]) -> tuple[LineTypeRecord, Said]:
    record = LineTypeRecord(number=E164(entry["number"]), line_type=LineType(entry["line_type"]))
    return record, _said(entry)


def _reassigned(entry: dict[str, Any]) -> tuple[ReassignedRecord, Said]:
    record = ReassignedRecord(
        number=E164(entry["number"]),
        since_on=date.fromisoformat(entry["since_on"]),
        asked_on=date.fromisoformat(entry["asked_on"]),
        answer=Reassigned(entry["answer"]),
    )
    return record, Said(
        source=entry["source"], as_of=record.asked_on, recorded_at=_sure(entry["recorded_at"])
    )


def _suppression(entry: dict[str, Any]) -> tuple[Suppression, Said]:
    suppression = Suppression(
        kind=SuppressionKind(entry["kind"]),
        source=entry["source"],
        registered_on=_day(entry["registered_on"]),
        state=entry["region"] or None,
    )
    return suppression, Said(
        source=entry["source"], as_of=None, recorded_at=_sure(entry["added_at"])
    )


def _said(entry: dict[str, Any]) -> Said:
    return Said(
        source=entry["source"], as_of=_day(entry["as_of"]), recorded_at=_sure(entry["recorded_at"])
    )


def _declared(row: DictRow) -> DeclaredEmergency:
    return DeclaredEmergency(
        id=EmergencyId(row["id"]),
        emergency=Emergency(
            jurisdiction=row["jurisdiction"],
            from_at=row["from_at"],
            until_at=row["until_at"],
            source=row["source"],
        ),
        declared_at=row["declared_at"],
        ended_by=row["ended_by"],
    )


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _moment(text: str | None) -> Instant | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _sure(text: str) -> Instant:
    return datetime.fromisoformat(text).astimezone(UTC)

"""The record in PostgreSQL as an auditor looks at it: the `Proof` port.

Everything is read in pieces of a fixed size, found by an index, so that neither memory nor time for
one number grows with the length of the record. Nothing is judged here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from fairdial.adapters.postgres.queries import run, sql
from fairdial.core.audit import AuditEntry
from fairdial.core.checkpoint import ChainHead, Checkpoint
from fairdial.core.ids import E164, CampaignId, Instant, LeadId
from fairdial.core.permit import plain
from fairdial.core.proof import (
    ENTRY_OF,
    JudgementKind,
    KeptJudgement,
    KeptRulebook,
    RecordEnd,
    RecordItem,
)
from fairdial.exceptions import StoreUnavailable
from fairdial.ports import NumberRecord, Period

PIECE = 1000
"""How many entries are read at once; their permits and refusals are about 10 MB."""
OF_NUMBER_MAX = 10_000
"""The most rows of one kind about one number. More would be a fault of ours, not a history."""

FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, tzinfo=UTC)
NO_ID = UUID(int=0)

Connect = Callable[[], AbstractAsyncContextManager[AsyncConnection[DictRow]]]
Row = dict[str, Any]


class PostgresProof:
    """The `Proof` port. `connect` hands out a connection of the store's pool."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    async def head(self) -> ChainHead:
        async with self._connect() as conn:
            return await _head(conn)

    async def add_checkpoint(self, sign: Callable[[ChainHead], Checkpoint]) -> Checkpoint | None:
        # Its own commit waits for the disk, and the log is written in order: when it returns, the
        # entries that it speaks of cannot be lost by a crash any more.
        async with self._connect() as conn, conn.transaction():
            head = await _head(conn)
            newest = await (await run(conn, "newest_checkpoint")).fetchone()
            if head.seq == 0 or (newest is not None and newest["seq"] == head.seq):
                return None
            checkpoint = sign(head)
            await run(
                conn,
                "add_checkpoint",
                chain_id=checkpoint.chain_id,
                seq=checkpoint.seq,
                hash=checkpoint.hash,
                at=checkpoint.at,
                public_key=checkpoint.public_key,
                signature=checkpoint.signature,
            )
            return checkpoint

    async def record(self) -> AsyncGenerator[RecordItem, None]:
        """The whole record; all of it as it was when the first item was read."""
        async with self._connect() as conn, conn.transaction():
            await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            items = 0
            async for item in _items(conn):
                items += 1
                yield item
            yield RecordEnd(items=items)

    async def judgements(self, period: Period) -> AsyncIterator[KeptJudgement]:
        """Permits, then refusals; each in order of time."""
        async with self._connect() as conn, conn.transaction():
            await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            for kind in JudgementKind:
                async for judgement in _judgements(conn, kind, period):
                    yield judgement

    async def rulebook(self, name: str) -> KeptRulebook | None:
        async with self._connect() as conn:
            row = await (await run(conn, "rulebook", hash=name)).fetchone()
        return None if row is None else KeptRulebook(**row)

    async def about(self, number: E164) -> NumberRecord:
        async with self._connect() as conn, conn.transaction():
            await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

            async def rows(name: str, **values: object) -> list[Row]:
                found = await run(conn, name, **values, most=OF_NUMBER_MAX + 1)
                kept = await found.fetchall()
                if len(kept) > OF_NUMBER_MAX:
                    raise StoreUnavailable(
                        f"{number} has more than {OF_NUMBER_MAX} rows of {name}, which no person's "
                        "number has; look at the table itself"
                    )
                return kept

            permits = await rows("permits_of_number", number=number)
            refusals = await rows("refusals_of_number", number=number)
            attempts = await rows("attempts_of_number", number=number)
            judgements = [judgement_of(JudgementKind.PERMIT, row) for row in permits]
            judgements += [judgement_of(JudgementKind.REFUSAL, row) for row in refusals]
            subjects = {str(judgement.id) for judgement in judgements}
            subjects |= {str(attempt["id"]) for attempt in attempts} | {number}
            entries = [
                AuditEntry(**row) for row in await rows("entries_about", subjects=list(subjects))
            ]
            installation = await (await run(conn, "what_installation")).fetchone()
            return NumberRecord(
                judgements=tuple(sorted(judgements, key=lambda j: j.at)),
                attempts=_plain(attempts),
                leads=_plain(await rows("leads_of_number", number=number)),
                consents=_plain(await rows("consents_of_number", number=number)),
                relationships=_plain(await rows("relationships_of_number", number=number)),
                restrictions=_plain(await rows("restrictions_of_number", number=number)),
                line_types=_plain(await rows("line_types_of_number", number=number)),
                reassigned=_plain(await rows("reassigned_answers_of_number", number=number)),
                suppressions=_plain(await rows("suppressions_of_number", number=number)),
                entries=tuple(entries),
                checkpoint_before=await _checkpoint(
                    conn, "checkpoint_before", min((e.seq for e in entries), default=0)
                ),
                checkpoint_after=await _checkpoint(
                    conn, "checkpoint_after", max((e.seq for e in entries), default=1)
                ),
                is_sandbox=installation is None or bool(installation["is_sandbox"]),
            )


async def _head(conn: AsyncConnection[DictRow]) -> ChainHead:
    row = await (await run(conn, "chain_head")).fetchone()
    if row is None:
        raise StoreUnavailable("the audit chain has no head: somebody emptied the table audit_head")
    return ChainHead(**row)


async def _checkpoint(conn: AsyncConnection[DictRow], name: str, seq: int) -> Checkpoint | None:
    row = await (await run(conn, name, seq=seq)).fetchone()
    return None if row is None else Checkpoint(**row)


async def _items(conn: AsyncConnection[DictRow]) -> AsyncIterator[RecordItem]:
    """The record in the order in which it is walked."""
    yield await _head(conn)
    for row in await (await run(conn, "checkpoints")).fetchall():
        yield Checkpoint(**row)
    for row in await (await run(conn, "rulebook_names")).fetchall():
        kept = await (await run(conn, "rulebook", hash=row["hash"])).fetchone()
        if kept is not None:
            yield KeptRulebook(**kept)
    last = -1
    while True:
        piece = await (await run(conn, "entries_after", seq=last, most=PIECE)).fetchall()
        if not piece:
            break
        entries = [AuditEntry(**row) for row in piece]
        known = await _vouched_for(conn, entries)
        for entry in entries:
            yield entry
            judgement = known.pop((entry.kind, entry.subject), None)
            if judgement is not None:
                yield judgement
        last = entries[-1].seq
    for kind in JudgementKind:
        name = f"{kind.value}s_nobody_vouches_for"
        async with conn.cursor(name=name) as cursor:
            cursor.itersize = PIECE
            await cursor.execute(sql(name))
            async for row in cursor:
                yield judgement_of(kind, row)


async def _vouched_for(
    conn: AsyncConnection[DictRow], entries: list[AuditEntry]
) -> dict[tuple[str, str], KeptJudgement]:
    """The permits and refusals that some entries name, by kind and subject of the entry."""
    found: dict[tuple[str, str], KeptJudgement] = {}
    for kind, entry_kind in ENTRY_OF.items():
        ids = [_uuid(e.subject) for e in entries if e.kind == entry_kind]
        if ids:
            rows = await run(conn, f"{kind.value}s_by_id", ids=[i for i in ids if i is not None])
            for row in await rows.fetchall():
                found[entry_kind, str(row["id"])] = judgement_of(kind, row)
    return found


def _uuid(text: str) -> UUID | None:
    """A tampered subject is no reason to stop: it finds nothing, and the walk says so."""
    try:
        return UUID(text)
    except ValueError:
        return None


async def _judgements(
    conn: AsyncConnection[DictRow], kind: JudgementKind, period: Period
) -> AsyncIterator[KeptJudgement]:
    time = _TIME[kind]
    if period.number is not None:
        name = f"{kind.value}s_of_number"
        rows = await run(conn, name, number=period.number, most=OF_NUMBER_MAX)
        for row in await rows.fetchall():
            if (period.since or FIRST) <= row[time] < (period.until or LAST):
                yield judgement_of(kind, row)
        return
    after_at, after_id, until = period.since or FIRST, NO_ID, period.until or LAST
    while True:
        found = await run(
            conn,
            f"{kind.value}s_of_period",
            after_at=after_at,
            after_id=after_id,
            until=until,
            most=PIECE,
        )
        piece = await found.fetchall()
        for row in piece:
            yield judgement_of(kind, row)
        if len(piece) < PIECE:
            return
        after_at, after_id = piece[-1][time], piece[-1]["id"]


_TIME = {JudgementKind.PERMIT: "issued_at", JudgementKind.REFUSAL: "decided_at"}
_COMMON = frozenset(
    {"id", "number", "lead_id", "campaign_id", "rulebook", "tzdata", "verdicts", "facts", "digest"}
)


def judgement_of(kind: JudgementKind, row: Row) -> KeptJudgement:
    """A row of `permit` or `refusal`."""
    at = cast(Instant, row[_TIME[kind]])
    details = {
        ("attempt" if name == "attempt_id" else name): plain(value)
        for name, value in row.items()
        if name not in _COMMON and name != _TIME[kind]
    }
    return KeptJudgement(
        kind=kind,
        id=row["id"],
        at=at,
        number=E164(row["number"]),
        lead_id=LeadId(row["lead_id"]),
        campaign_id=CampaignId(row["campaign_id"]),
        rulebook=row["rulebook"],
        tzdata=row["tzdata"],
        verdicts=row["verdicts"],
        facts=row["facts"],
        digest=row["digest"],
        details=details,
    )


def _plain(rows: list[Row]) -> tuple[Row, ...]:
    return tuple(plain(row) for row in rows)

"""How many audit entries a second are sealed, with commits that wait for the disk.

Concurrent writers, each in transactions of one entry, then of ten. The peer is the same rows into
a plain table without hash, number or head, by the same driver with as few trips: what a log
without proof costs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from fairdial.adapters.postgres.store import PostgresStore
from fairdial.bench.database import own_database
from fairdial.bench.machine import machine
from fairdial.core import audit
from fairdial.flow.verify import verify_audit
from fairdial.settings import Settings

BODY = {"number": "+12125550142", "from": "ringing", "outcome": None, "abandoned": False}

Act = Callable[[int], Awaitable[None]]


async def bench(settings: Settings, *, writers: int, seconds: float) -> dict[str, object]:
    """Measure ours and the peer's, each for about `seconds`; verify the chain that came of it."""
    figures: dict[str, object] = {"machine": machine(), "writers": writers}
    async with (
        own_database(settings) as own,
        PostgresStore(own.url, own.library, connections_max=max(2, writers)) as store,
        _plain(own.url, writers) as plain_pool,
    ):

        async def sealed(entries: int) -> None:
            async with store.transaction() as tx:
                for _ in range(entries):
                    tx.audit("attempt.ringing", "x", BODY, actor="bench", at=datetime.now(UTC))

        async def plain(entries: int) -> None:
            at, body = audit.stamp(datetime.now(UTC)), audit.canonical(BODY)
            async with plain_pool.connection() as conn:
                await conn.execute("BEGIN")
                async with conn.pipeline():
                    await conn.execute(
                        "INSERT INTO plain_log SELECT at::timestamptz, kind, subject, actor,"
                        " body::jsonb FROM unnest(%s::text[], %s::text[], %s::text[],"
                        " %s::text[], %s::text[]) AS t (at, kind, subject, actor, body)",
                        [
                            [at] * entries,
                            ["attempt.ringing"] * entries,
                            ["x"] * entries,
                            ["bench"] * entries,
                            [body] * entries,
                        ],
                    )
                    await conn.execute("COMMIT")

        for entries in (1, 10):
            ours = await _rate(sealed, entries, writers=writers, seconds=seconds)
            peer = await _rate(plain, entries, writers=writers, seconds=seconds)
            figures[f"transactions_of_{entries}"] = {
                "sealed_entries_per_s": round(ours),
                "plain_inserts_per_s": round(peer),
                "ratio_to_plain": round(peer / ours, 2),
            }
        report = await verify_audit(store.proof().record())
        figures["entries"] = report.entries
        figures["chain_verified"] = not report.findings
    return figures


def _plain(url: str, writers: int) -> AsyncConnectionPool[psycopg.AsyncConnection[object]]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE plain_log (at timestamptz, kind text, subject text, actor text,"
            " body jsonb)"
        )
    return AsyncConnectionPool(
        url,
        min_size=2,
        max_size=max(2, writers),
        open=False,
        kwargs={"autocommit": True, "row_factory": dict_row},
        check=AsyncConnectionPool.check_connection,
    )


async def _rate(act: Act, entries: int, *, writers: int, seconds: float) -> float:
    """Entries a second over all writers, after a short warm-up."""
    for _ in range(writers):
        await act(entries)
    done = 0
    begun = time.perf_counter()

    async def write() -> None:
        nonlocal done
        while time.perf_counter() < begun + seconds:
            await act(entries)
            done += entries

    await asyncio.gather(*(write() for _ in range(writers)))
    return done / (time.perf_counter() - begun)

"""How long the dispute file of one number takes in a long record, and by which plan.

One number's history is made by the product itself; around it stand as many other attempts as asked
for, each with its permit and seven audit entries, and a refusal for every fourth. Time is taken
twice, on new connections. The plan of each query is printed with the pages that it touched: what a
hundred million rows add to it is a level or so of each index.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from rich.console import Console

from fairdial.adapters.audit_keys import AuditKeys
from fairdial.adapters.clocks import SystemClock
from fairdial.adapters.memory.telephony import MemoryTelephony
from fairdial.adapters.postgres.queries import sql
from fairdial.adapters.postgres.store import PostgresStore
from fairdial.bench.database import Own, own_database
from fairdial.bench.gate import a_floor
from fairdial.bench.machine import machine
from fairdial.core.attempt import Attempt, EndCause
from fairdial.core.ids import E164
from fairdial.core.permit import plain
from fairdial.flow.call_events import on_call_event
from fairdial.flow.checkpoints import make_checkpoint
from fairdial.flow.dispute import Dispute, make_dispute
from fairdial.flow.place_call import place_call
from fairdial.flow.stop_request import take_stop_request
from fairdial.ports import CallEnded, CallEvent
from fairdial.settings import Settings
from fairdial.web.dispute_page import dispute_page

ENTRIES_EACH = 7
"""Audit entries of one attempt: issued, dialing, ringing, bridging, talking, ended, closed."""
PIECE = 20_000
SMALL = frozenset({"campaign", "seller", "list"})
"""Tables that do not grow with calls to numbers; reading one whole is no sin."""

OF_NUMBER = (
    "permits_of_number",
    "refusals_of_number",
    "attempts_of_number",
    "leads_of_number",
    "consents_of_number",
    "suppressions_of_number",
    "relationships_of_number",
    "restrictions_of_number",
    "line_types_of_number",
    "reassigned_answers_of_number",
)

FILL = """
WITH made AS (
    SELECT n, md5('p' || n)::uuid AS permit, md5('a' || n)::uuid AS attempt,
           md5('r' || n)::uuid AS refusal,
           '+1' || (2000000000 + n %% 4000000000)::text AS number,
           timestamptz '2025-01-01 15:00+00' + n * interval '2 s' AS at
      FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
), permits AS (
    INSERT INTO permit (id, attempt_id, lead_id, campaign_id, number, caller_id, method, issued_at,
                        expires_at, used_at, rulebook, tzdata, verdicts, facts, digest)
    SELECT permit, attempt, lead.id, lead.campaign_id, made.number, '+12025550123',
           'live_autodialed', at, at + interval '5 s', at, 'bench', 'bench', '[]', '{}', 'bench'
      FROM made, (SELECT id, campaign_id FROM lead LIMIT 1) AS lead
), attempts AS (
    INSERT INTO attempt (id, permit_id, lead_id, campaign_id, number, state, permitted_at, ring_s,
                         connect_ms_max, dialed_at, ended_at, closed_at, outcome)
    SELECT attempt, permit, lead.id, lead.campaign_id, made.number, 'closed', at, 20, 2000, at, at,
           at, 'no_answer'
      FROM made, (SELECT id, campaign_id FROM lead LIMIT 1) AS lead
), refusals AS (
    INSERT INTO refusal (id, lead_id, campaign_id, number, decided_at, reasons, rulebook, tzdata,
                         verdicts, facts, digest)
    SELECT refusal, lead.id, lead.campaign_id, made.number, at, '{bench}', 'bench', 'bench', '[]',
           '{}', 'bench'
      FROM made, (SELECT id, campaign_id FROM lead LIMIT 1) AS lead WHERE n %% 4 = 0
)
INSERT INTO audit_entry (seq, at, kind, subject, actor, body, prev_hash, hash)
SELECT 1000 + n * %(each)s + part, at, 'bench.entry',
       CASE part WHEN 0 THEN permit ELSE attempt END::text, 'dialer',
       jsonb_build_object('number', made.number, 'from', 'ringing', 'outcome', NULL,
                          'abandoned', false, 'session', NULL, 'raw', ''),
       encode(sha256(('h' || n * %(each)s + part - 1)::bytea), 'hex'),
       encode(sha256(('h' || n * %(each)s + part)::bytea), 'hex')
  FROM made, generate_series(0, %(each)s - 1) AS part
"""
"""The rows around it. Their hashes make no chain: what is measured is how one number is found."""


BESIDE = (
    "INSERT INTO lead (id, campaign_id, list_id, number, name, party, line_type, attributes, state,"
    " due_at, row) SELECT md5('l' || n)::uuid, campaign_id, list_id, '+1' || (3000000000 + n), '',"
    " 'unknown', 'unknown', '{}', 'finished', due_at, n"
    " FROM generate_series(1, 100000) AS n, (SELECT * FROM lead LIMIT 1) AS lead",
    "INSERT INTO checkpoint (seq, hash, at, chain_id, public_key, signature)"
    " SELECT 1000 * n, 'bench', '2025-01-01', chain_id, 'bench', 'bench'"
    " FROM generate_series(1, 100000) AS n, audit_head",
    "INSERT INTO agent SELECT md5('g' || n)::uuid, 'agent ' || n FROM generate_series(1, 1000) n",
    "INSERT INTO agent_session (id, agent_id, campaign_id, phone, state, since, wrap_up_s,"
    " logged_in_at) SELECT md5('s' || n)::uuid, md5('g' || n % 1000 + 1)::uuid, campaign.id, '',"
    " 'logged_out', '2025-01-01', 10, '2025-01-01' FROM generate_series(1, 100000) AS n, campaign",
    "INSERT INTO suppression (number, kind, source, registered_on, added_at)"
    " SELECT '+1' || (3000000000 + n), 'national', 'bench', '2020-01-01', '2025-01-01'"
    " FROM generate_series(1, 100000) AS n",
    "INSERT INTO consent (number, seller_id, kind, given_on, source)"
    " SELECT '+1' || (3000000000 + n), seller.id, 'written', '2025-01-01', 'bench'"
    " FROM generate_series(1, 100000) AS n, seller",
    "INSERT INTO relationship (number, seller_id, kind, last_on, source, as_of, recorded_at)"
    " SELECT '+1' || (3000000000 + n), seller.id, 'purchase', '2025-01-01', 'bench', '2025-01-01',"
    " '2025-01-01' FROM generate_series(1, 100000) AS n, seller",
    "INSERT INTO restriction (number, seller_id, restriction, source, as_of, recorded_at)"
    " SELECT '+1' || (3000000000 + n), seller.id, 'work', 'bench', '2025-01-01', '2025-01-01'"
    " FROM generate_series(1, 100000) AS n, seller",
    "INSERT INTO line_type (number, line_type, source, as_of, recorded_at)"
    " SELECT '+1' || (3000000000 + n), 'wireless', 'bench', '2025-01-01', '2025-01-01'"
    " FROM generate_series(1, 100000) AS n",
    "INSERT INTO reassigned_answer (number, since_on, asked_on, answer, source, recorded_at)"
    " SELECT '+1' || (3000000000 + n), '2025-01-01', '2025-01-02', 'no', 'bench', '2025-01-02'"
    " FROM generate_series(1, 100000) AS n",
)
"""The other tables, of a size at which a plan is what it is."""


async def bench(settings: Settings, *, rows: int, out: Console) -> dict[str, object]:
    """Fill a database with `rows` audit entries and measure the dispute file in it."""
    async with own_database(settings) as own:
        url = own.url
        async with PostgresStore(url, own.library) as store:
            number = await _one_history(store, own)
        filled_s = await asyncio.to_thread(_fill, url, rows, out)
        cold_ms, dispute = await _measure(own, number)
        warm_ms, _ = await _measure(own, number)
        begun = time.perf_counter()
        page = dispute_page(dispute)
        data = json.dumps(plain(dispute))
        written_ms = 1000 * (time.perf_counter() - begun)
        plans = await asyncio.to_thread(_plans, url, number, dispute)
        sizes = await asyncio.to_thread(_sizes, url)
    return {
        "machine": machine(),
        "rows": sizes,
        "filled_s": round(filled_s, 1),
        "first_ms": round(cold_ms, 1),
        "again_ms": round(warm_ms, 1),
        "html_and_json_ms": round(written_ms, 1),
        "html_kb": len(page) // 1024,
        "json_kb": len(data) // 1024,
        "events": len(dispute.events),
        "entries": len(dispute.entries),
        "whole_tables_read": sorted(
            {step["table"] for steps in plans.values() for step in steps if step["reads_all"]}
        ),
        "pages_read": sum(step["pages"] for steps in plans.values() for step in steps),
        "plans": {
            name: [f"{step['how']} {step['table']} {step['index']}".strip() for step in steps]
            for name, steps in plans.items()
        },
    }


async def _one_history(store: PostgresStore, own: Own) -> E164:
    """Three calls that nobody answered, a stop request, and the call that was refused for it."""
    floor, lease, leads = await a_floor(store, own, 4, numbers=1)
    telephony = floor.telephony
    assert isinstance(telephony, MemoryTelephony), "the floor of the benchmarks has no network"
    for lead in leads[:3]:
        placed = await place_call(floor, lease, lead, is_agent_guaranteed=True)
        assert isinstance(placed, Attempt), f"the call should be allowed: {placed}"
        telephony.end(placed.id, EndCause.NO_ANSWER)
        async for event in telephony.events():
            if isinstance(event, CallEvent):
                await on_call_event(floor, event)
            if isinstance(event, CallEnded):
                break
    number, now = leads[0].number, floor.clock.now()
    await take_stop_request(store, number, source="letter", now=now)
    await place_call(floor, lease, leads[3], is_agent_guaranteed=True)
    await make_checkpoint(store, AuditKeys(own.folder), now)
    return number


def _fill(url: str, rows: int, out: Console) -> float:
    """Seconds to put everything else into the tables."""
    begun = time.perf_counter()
    attempts = max(1, rows // ENTRIES_EACH)
    with psycopg.connect(url, autocommit=True) as connection:
        # References are right by their making; checking each would take longer than making it.
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET synchronous_commit = off")
        for statement in BESIDE:
            connection.execute(statement.encode())
        for first in range(1, attempts + 1, PIECE):
            last = min(first + PIECE - 1, attempts)
            connection.execute(FILL.encode(), {"first": first, "last": last, "each": ENTRIES_EACH})
            out.print(f"{last * ENTRIES_EACH} entries", highlight=False, end="\r")
        connection.execute("VACUUM ANALYZE")
    return time.perf_counter() - begun


async def _measure(own: Own, number: E164) -> tuple[float, Dispute]:
    async with PostgresStore(own.url, own.library) as store:
        begun = time.perf_counter()
        dispute = await make_dispute(store.proof(), number, SystemClock().now())
        return 1000 * (time.perf_counter() - begun), dispute


def _plans(url: str, number: E164, dispute: Dispute) -> dict[str, list[dict[str, Any]]]:
    """The steps of each query's plan, with the pages that it touched."""
    subjects = sorted({entry.subject for entry in dispute.entries})
    asked: dict[str, dict[str, object]] = {
        **{name: {"number": number, "most": 10_001} for name in OF_NUMBER},
        "entries_about": {"subjects": subjects, "most": 10_001},
        "checkpoint_before": {"seq": 10},
        "checkpoint_after": {"seq": 10},
    }
    plans: dict[str, list[dict[str, Any]]] = {}
    with psycopg.connect(url, autocommit=True) as connection:
        for name, values in asked.items():
            explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql(name)}".encode()
            row = connection.execute(explain, values).fetchone()
            assert row is not None, "EXPLAIN always answers"
            plans[name] = list(_steps(row[0][0]["Plan"]))
    return plans


def _steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The steps that read a table, with the table's pages on the first."""
    below = [step for part in plan.get("Plans", ()) for step in _steps(part)]
    if "Relation Name" in plan or "Index Name" in plan:
        table = str(plan.get("Relation Name", ""))
        yield {
            "how": plan["Node Type"],
            "table": table,
            "index": str(plan.get("Index Name", "")),
            "pages": plan.get("Shared Hit Blocks", 0) + plan.get("Shared Read Blocks", 0),
            "reads_all": plan["Node Type"] == "Seq Scan" and table not in SMALL,
        }
        below = [{**step, "pages": 0} for step in below]
    yield from below


def _sizes(url: str) -> dict[str, int]:
    """Rows of the large tables; the VACUUM that came before has counted them."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT relname, reltuples::bigint FROM pg_class WHERE relname = ANY(%s) ORDER BY 1",
            [["audit_entry", "permit", "refusal", "attempt", "suppression", "consent"]],
        )
        return {str(name): int(count) for name, count in rows.fetchall()}

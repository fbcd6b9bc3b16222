"""How long a permit takes, with its facts from PostgreSQL, at a given rate.

Open loop: calls are due at fixed moments whether or not earlier ones are done, and a wait for a
free worker counts as time taken. Each goes the product's own way, `flow.place_call`, to a number
of its own, with an engine in memory: what is measured is the gate and its durable commit. The peer
is the same rate of the least that could be done instead: one indexed read and one insert, durable.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from fairdial.adapters.clocks import SandboxClock, TimeOrderedIds
from fairdial.adapters.files.recordings import RecordingFolder
from fairdial.adapters.memory.telephony import MemoryTelephony
from fairdial.adapters.postgres.store import PostgresStore
from fairdial.bench.database import Own, own_database, percentiles
from fairdial.bench.machine import machine
from fairdial.core.attempt import Attempt
from fairdial.core.campaign import Campaign, Method, Pace, Purpose, RetryPlan
from fairdial.core.ids import E164, CampaignId, DialerId, LeadId, ListId, SellerId
from fairdial.core.intake import NewLead
from fairdial.core.lead import ConsentKind, Lead, LineType, Party, StatedLocation
from fairdial.core.registry import RegistryForm, RegistryOrder
from fairdial.core.rulebook import Rulebook
from fairdial.exceptions import SettingsError
from fairdial.flow.floor import Floor
from fairdial.flow.ledger import keep_facts_of_list
from fairdial.flow.place_call import place_call
from fairdial.flow.registries import import_registry
from fairdial.memory import put_aside_what_stays
from fairdial.ports import Lease
from fairdial.rules import load_rulebook_and_files
from fairdial.settings import Settings

MORNING = datetime(2026, 12, 1, 17, 0, tzinfo=UTC)
"""Noon in New York, a Tuesday."""
WORKERS = 8
WARM_UP = 200
TIMER_LATE_S = 0.0012
LISTED = 20_000
"""Entries of the do-not-call list that is looked into."""

Act = Callable[[int], Awaitable[None]]


async def bench(settings: Settings, *, rate: float, seconds: float) -> dict[str, object]:
    """Measure the gate and its peer, one after the other."""
    calls = int(rate * seconds)
    async with (
        own_database(settings) as own,
        PostgresStore(own.url, own.library, connections_max=WORKERS + 2) as store,
    ):
        floor, lease, leads = await a_floor(store, own, calls + WARM_UP, numbers=calls + WARM_UP)
        permits = 0

        async def permit(index: int) -> None:
            nonlocal permits
            placed = await place_call(floor, lease, leads[index], is_agent_guaranteed=True)
            permits += isinstance(placed, Attempt)

        async def bare(index: int) -> None:
            lead = leads[index]
            async with store._connection() as conn, conn.transaction():
                await conn.execute("SELECT id, number FROM lead WHERE id = %s", [lead.id])
                await conn.execute("INSERT INTO bare VALUES (%s, %s)", [lead.id, lead.number])

        async with store._connection() as conn:
            await conn.execute("CREATE TABLE bare (id uuid PRIMARY KEY, number text)")
            await conn.execute("VACUUM ANALYZE")
        put_aside_what_stays()
        ours = await _open_loop(permit, calls, rate)
        peer = await _open_loop(bare, calls, rate)
    return {
        "machine": machine(),
        "rate_per_s": rate,
        "calls": calls,
        "workers": WORKERS,
        "rules": len(floor.rulebook.rules),
        "permits": permits - WARM_UP,
        "permit_ms": percentiles(ours),
        "bare_transaction_ms": percentiles(peer),
        "ratio_p99": round(percentiles(ours)["p99"] / percentiles(peer)["p99"], 2),
    }


async def _open_loop(act: Act, calls: int, rate: float) -> list[float]:
    """Milliseconds from the moment each call was due until it was done."""
    for index in range(WARM_UP):
        await act(calls + index)
    took: list[float] = []
    turns: asyncio.Queue[tuple[int, float]] = asyncio.Queue(calls)

    async def work() -> None:
        while True:
            index, due = await turns.get()
            await act(index)
            took.append(1000 * (time.perf_counter() - due))
            turns.task_done()

    workers = [asyncio.create_task(work()) for _ in range(WORKERS)]
    begun = time.perf_counter()
    try:
        for index in range(calls):
            due = begun + index / rate
            await _until(due)
            turns.put_nowait((index, due))
        done = asyncio.create_task(turns.join())
        await asyncio.wait({done, *workers}, return_when=asyncio.FIRST_COMPLETED)
        for worker in workers:
            if worker.done():
                worker.result()
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return took


async def _until(due: float) -> None:
    """Wait for a moment to the tenth of a millisecond; the loop's own timers are late by up to one,
    which would count as time that a call took."""
    await asyncio.sleep(due - time.perf_counter() - TIMER_LATE_S)
    while time.perf_counter() < due:  # noqa: ASYNC110 - it waits for a moment, not an event
        await asyncio.sleep(0)


async def a_floor(
    store: PostgresStore, own: Own, calls: int, *, numbers: int
) -> tuple[Floor, Lease, list[Lead]]:
    """A floor with a campaign, a registry, and leads over so many numbers, claimed."""
    clock, ids = SandboxClock(MORNING), TimeOrderedIds()
    rulebook, rule_files = load_rulebook_and_files()
    telephony = MemoryTelephony(clock)
    floor = Floor(
        store=store,
        telephony=telephony,
        clock=clock,
        ids=ids,
        shelf=RecordingFolder(own.folder / "recordings"),
        rulebook=rulebook,
        rule_files=rule_files,
        is_sandbox=True,
    )
    now = clock.now()
    await store.claim_installation(is_sandbox=True, now=now)
    async with store.transaction() as tx:
        campaign = await tx.save_campaign(_campaign(), now)
        called = _numbers(rulebook, numbers)
        new = [
            (LeadId(ids.new()), _lead(called[index % numbers], index + 2)) for index in range(calls)
        ]
        list_id = ListId(ids.new())
        await tx.add_list(list_id, campaign, new, source="bench.csv", rejected=0, now=now)
        rows = [lead for _, lead in new]
        await keep_facts_of_list(tx, campaign, rows, source="bench.csv", now=now)
        lease = await tx.take_campaign(
            campaign.id, DialerId(UUID(int=3)), now=now, life=timedelta(hours=1)
        )
    floor.campaigns[campaign.id] = campaign
    listed = own.folder / "national.csv"
    entries = (f"+1212{number},2019-05-01\n" for number in range(5560000, 5560000 + LISTED))
    listed.write_text("number,registered_on\n" + "".join(entries), encoding="utf-8")
    await import_registry(
        store,
        own.library,
        ids,
        listed,
        RegistryOrder(name="national", form=RegistryForm.SIMPLE, as_of=now.date()),
        countries={},
        now=now,
        is_sandbox=True,
    )
    async with store.transaction() as tx:
        leads = await tx.claim_due(campaign.id, most=calls, now=clock.now())
    await telephony.start()
    return floor, lease, leads


def _numbers(rulebook: Rulebook, calls: int) -> list[E164]:
    """Fictional numbers, each called once: a hundred in every area code of the Eastern zone."""
    codes = [
        code.code
        for code in rulebook.area_codes.codes.values()
        if code.zones == ("America/New_York",)
    ]
    numbers = [E164(f"+1{code}5550{last}") for last in range(100, 200) for code in codes]
    if calls > len(numbers):
        raise SettingsError(
            f"--rate and --seconds ask for {calls} calls to numbers of their own, and there are "
            f"{len(numbers)} fictional ones where it is noon; ask for less"
        )
    return numbers[:calls]


def _lead(number: E164, row: int) -> NewLead:
    return NewLead(
        number=number,
        name="Casey Example",
        location=StatedLocation(),
        party=Party.CONSUMER,
        line_type=LineType.LANDLINE,
        consent=ConsentKind.WRITTEN,
        consent_on=date(2026, 11, 2),
        attributes={},
        row=row,
    )


def _campaign() -> Campaign:
    return Campaign(
        id=CampaignId(UUID(int=1)),
        name="Benchmark",
        seller_id=SellerId(UUID(int=2)),
        seller_name="Meridian Savings Bank",
        purpose=Purpose.TELEMARKETING,
        method=Method.LIVE_AUTODIALED,
        caller_id=E164("+12025550123"),
        caller_name="Meridian Savings",
        pace=Pace(),
        retry=RetryPlan(),
        ring_s=20,
        connect_ms_max=2000,
        wrap_up_s=10,
        script="",
    )

"""A whole call that finds no agent, over real SIP and RTP: the message, the key, never again.

Everything is as it ships: the engine and the simulated carrier in processes of their own, a real
PostgreSQL, the recording of the sandbox. Only the pacing is left out, which would place no call
without an agent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources
from pathlib import Path
from uuid import uuid4

import pytest
from tests.adapters.sip.sip_cast import trunk
from tests.flow.cast import MORNING, RULE_FILES, RULEBOOK, a_campaign, a_person

from fairdial.adapters.carrier.processes import CarrierProcess
from fairdial.adapters.carrier.witness import Ending, read_log
from fairdial.adapters.clocks import SandboxClock, TimeOrderedIds
from fairdial.adapters.files.recordings import RecordingFolder
from fairdial.adapters.postgres.store import PostgresStore
from fairdial.adapters.registries.library import FileLibrary
from fairdial.adapters.sip.telephony import SipSettings, SipTelephony
from fairdial.core.attempt import Attempt, AttemptState, DeadlinePassed
from fairdial.core.campaign import Campaign
from fairdial.core.ids import E164, AttemptId, DialerId, LeadId, ListId
from fairdial.core.outcome import Disposition, Outcome
from fairdial.core.permit import Refusal
from fairdial.core.registry import RegistryForm, RegistryOrder
from fairdial.flow.call_events import apply, on_call_event
from fairdial.flow.floor import Floor
from fairdial.flow.place_call import place_call
from fairdial.flow.registries import import_registry
from fairdial.flow.verify import verify_audit
from fairdial.ports import CallEvent, Lease, Message

pytestmark = pytest.mark.wire

NUMBER = E164("+12125550142")
SCENARIO = f"""
[ring]
after_s_min = 0.0
after_s_max = 0.1
[[number]]
number = "{NUMBER}"
does = "person"
ring_s = 0.2
greeting_s = 0.5
patience_s = 30
"""
RECORDING = resources.files("fairdial.sandbox") / "data" / "abandoned.wav"
WITHIN_S = 40.0


@dataclass(slots=True, kw_only=True)
class Exchange:
    """A floor without agents, and the carrier that its calls go to."""

    floor: Floor
    campaign: Campaign
    lease: Lease
    store: PostgresStore
    carrier_log: Path

    async def judge(self) -> Attempt | Refusal | None:
        """Take the next due lead and call it, if it may be called."""
        async with self.store.transaction() as tx:
            (lead,) = await tx.claim_due(self.campaign.id, most=1, now=self.floor.clock.now())
        return await place_call(self.floor, self.lease, lead, is_agent_guaranteed=True)

    async def add_lead(self) -> None:
        lead = a_person(NUMBER, row=1)
        async with self.store.transaction() as tx:
            await tx.add_list(
                ListId(uuid4()),
                self.campaign,
                [(LeadId(uuid4()), lead)],
                source="test.csv",
                rejected=0,
                now=self.floor.clock.now(),
            )

    async def closed(self, attempt_id: AttemptId) -> Attempt:
        """The attempt, once it is closed; its deadlines are kept meanwhile, as the dialer does."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                now = self.floor.clock.now()
                async with self.store.transaction() as tx:
                    attempt = await tx.attempt(attempt_id)
                assert attempt is not None
                if attempt.state is AttemptState.CLOSED:
                    return attempt
                if attempt.deadline_at is not None and attempt.deadline_at <= now:
                    await apply(self.floor, attempt_id, DeadlinePassed(), now)
                await asyncio.sleep(0.1)

    async def ending(self) -> Ending:
        """How the one call ended, in the carrier's eyes, once its log says so."""
        async with asyncio.timeout(5):
            while not (endings := read_log(self.carrier_log).endings):
                await asyncio.sleep(0.05)
        (ending,) = endings
        return ending

    async def one(self, query: str, *values: object) -> object:
        """A single value by SQL, to look past the product's own eyes."""
        async with self.store._connection() as conn:
            row = await (await conn.execute(query, values)).fetchone()
        assert row is not None
        return next(iter(row.values()))


@asynccontextmanager
async def an_exchange(database_url: str, folder: Path, scenario: str) -> AsyncIterator[Exchange]:
    """A carrier that follows the scenario, an engine that calls through it, and an empty floor."""
    (folder / "scenario.toml").write_text(scenario)
    carrier = CarrierProcess(log_path=folder / "carrier.log", scenario=folder / "scenario.toml")
    clock = SandboxClock(MORNING)
    await carrier.start()
    async with contextlib.AsyncExitStack() as opened:
        opened.push_async_callback(carrier.stop)
        telephony = SipTelephony(
            SipSettings(
                trunks=(trunk(carrier.port),),
                local_ip="127.0.0.1",
                sip_port=0,
                rtp_port_min=20000,
                rtp_port_max=29999,
                is_sandbox=True,
                data_dir=folder / "engine",
                messages={Message.ABANDONED: Path(str(RECORDING))},
                caller_name="Meridian Savings",
                calls_max=10,
            ),
            clock,
        )
        library = FileLibrary(folder / "registries")
        store = await opened.enter_async_context(PostgresStore(database_url, library))
        floor = Floor(
            store=store,
            telephony=telephony,
            clock=clock,
            ids=TimeOrderedIds(),
            shelf=RecordingFolder(folder / "recordings"),
            rulebook=RULEBOOK,
            rule_files=RULE_FILES,
            is_sandbox=True,
        )
        now = clock.now()
        await store.claim_installation(is_sandbox=True, now=now)
        async with store.transaction() as tx:
            campaign = await tx.save_campaign(a_campaign(), now)
            lease = await tx.take_campaign(
                campaign.id, DialerId(uuid4()), now=clock.real(), life=timedelta(minutes=5)
            )
        floor.campaigns[campaign.id] = campaign
        registry = folder / "national.csv"
        registry.write_text("number\n", encoding="utf-8")
        await import_registry(
            store,
            library,
            floor.ids,
            registry,
            RegistryOrder(name="national", form=RegistryForm.SIMPLE, as_of=now.date()),
            countries={},
            now=now,
            is_sandbox=True,
        )
        await telephony.start()
        opened.push_async_callback(telephony.stop)
        listening = asyncio.create_task(_listen(floor))
        opened.callback(listening.cancel)
        yield Exchange(
            floor=floor,
            campaign=campaign,
            lease=lease,
            store=store,
            carrier_log=folder / "carrier.log",
        )


async def _listen(floor: Floor) -> None:
    async for event in floor.telephony.events():
        if isinstance(event, CallEvent):
            await on_call_event(floor, event)


async def test_a_person_who_presses_the_key_is_not_called_again(
    database_url: str, tmp_path: Path
) -> None:
    async with an_exchange(database_url, tmp_path, f'{SCENARIO}presses = "9"\n') as exchange:
        await exchange.add_lead()
        placed = await exchange.judge()
        assert isinstance(placed, Attempt), placed
        attempt = await exchange.closed(placed.id)
        assert (attempt.outcome, attempt.disposition, attempt.is_abandoned, attempt.raw) == (
            Outcome.ABANDONED,
            Disposition.STOP_CALLING,
            True,
            "our BYE",
        )
        suppressed = "SELECT kind || ', ' || source FROM suppression WHERE number = %s"
        assert await exchange.one(suppressed, NUMBER) == (
            "internal, pressed 9 on the abandoned-call message"
        )
        assert await exchange.one("SELECT state || ': ' || why FROM lead") == (
            "finished: asked not to be called again"
        )

        # 2 s of waiting for an agent, 2 s of listening: the call ended with the key, in the middle
        # of a message of twelve seconds.
        assert attempt.answered_at is not None
        assert attempt.ended_at is not None
        assert 4.0 <= (attempt.ended_at - attempt.answered_at).total_seconds() <= 12.0
        ending = await exchange.ending()
        assert (ending.by, ending.why) == ("caller", "BYE")

        await exchange.add_lead()
        refused = await exchange.judge()
        assert isinstance(refused, Refusal)
        whys = [verdict.why for verdict in refused.reasons]
        assert any("pressed 9 on the abandoned-call message" in why for why in whys), whys
        assert len(read_log(exchange.carrier_log).invites) == 1
        assert (await verify_audit(exchange.store.proof().record())).findings == ()


async def test_a_person_who_presses_nothing_hears_it_all_and_is_not_suppressed(
    database_url: str, tmp_path: Path
) -> None:
    async with an_exchange(database_url, tmp_path, f"{SCENARIO}talk_s = 60\n") as exchange:
        await exchange.add_lead()
        placed = await exchange.judge()
        assert isinstance(placed, Attempt), placed
        attempt = await exchange.closed(placed.id)
        assert (attempt.outcome, attempt.disposition, attempt.raw) == (
            Outcome.ABANDONED,
            None,
            "our BYE",
        )
        assert await exchange.one("SELECT count(*) FROM suppression") == 0
        # The recording, and three seconds to press a key.
        assert attempt.answered_at is not None
        assert attempt.ended_at is not None
        assert 16.0 <= (attempt.ended_at - attempt.answered_at).total_seconds() <= 30.0

"""The same small cast in every flow test: a floor with a bank's campaign, its leads, its agents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

from fairdial.adapters.clocks import TimeOrderedIds
from fairdial.adapters.files.recordings import RecordingFolder
from fairdial.adapters.memory.telephony import MemoryTelephony
from fairdial.adapters.postgres.store import PostgresStore
from fairdial.adapters.registries.library import FileLibrary
from fairdial.core.agent import AgentSession
from fairdial.core.attempt import Attempt
from fairdial.core.campaign import (
    Campaign,
    DialMode,
    Method,
    Pace,
    Purpose,
    RetryPlan,
    RetryRule,
)
from fairdial.core.ids import (
    E164,
    AttemptId,
    CampaignId,
    DialerId,
    Instant,
    LeadId,
    ListId,
    SellerId,
    SessionId,
)
from fairdial.core.intake import NewLead
from fairdial.core.lead import RANK_USUAL, Lead, LineType, Party, StatedLocation
from fairdial.core.outcome import Outcome
from fairdial.core.permit import Refusal
from fairdial.core.registry import RegistryForm, RegistryOrder
from fairdial.flow import agent_desk, hear, recordings
from fairdial.flow.floor import Floor
from fairdial.flow.place_call import place_call
from fairdial.flow.recover import after_engine_death
from fairdial.flow.registries import import_registry
from fairdial.ports import (
    AgentLegDown,
    AgentLegUp,
    CallEvent,
    EngineDown,
    EngineUp,
    InboundEvent,
    Lease,
    RecordingEnded,
)
from fairdial.rules import load_rulebook_and_files

MORNING = datetime(2026, 12, 1, 15, 40, tzinfo=UTC)
"""10:40 in New York, a Tuesday."""
RULEBOOK, RULE_FILES = load_rulebook_and_files()
NATIONAL = Path(__file__).parent / "national.csv"
"""Our copy of the national registry: +12125550199, since 2019."""


@dataclass(slots=True)
class StillClock:
    """A clock that moves when a test moves it."""

    moment: Instant = MORNING

    def now(self) -> Instant:
        return self.moment

    def real(self) -> Instant:
        return self.moment

    def at_unix(self, seconds: float) -> Instant:
        return datetime.fromtimestamp(seconds, UTC)

    def move(self, **by: float) -> None:
        self.moment += timedelta(**by)


@dataclass(slots=True, kw_only=True)
class Stage:
    """A floor, its campaign, and what a test does to it."""

    floor: Floor
    campaign: Campaign
    clock: StillClock
    telephony: MemoryTelephony
    store: PostgresStore
    lease: Lease
    _row: int = field(default=1)

    async def add_list(self, rows: Iterable[NewLead]) -> None:
        """Leads that are due now, as a list brings them."""
        async with self.store.transaction() as tx:
            await tx.add_list(
                ListId(self.floor.ids.new()),
                self.campaign,
                [(LeadId(self.floor.ids.new()), row) for row in rows],
                source="people.csv",
                rejected=0,
                now=self.clock.now(),
            )

    async def lead(self, number: str, *, state: str = "NY", company: str | None = None) -> Lead:
        """A lead in the hopper, claimed and ready to be judged; a business if it has a company."""
        self._row += 1
        new = replace(
            a_person(number, row=self._row, attributes={"company": company} if company else {}),
            location=StatedLocation(state=state or None),
            party=Party.BUSINESS if company else Party.CONSUMER,
        )
        await self.add_list([new])
        async with self.store.transaction() as tx:
            leads = await tx.claim_due(self.campaign.id, most=100, now=self.clock.now())
        return next(lead for lead in leads if lead.number == number)

    async def place(self, lead: Lead, *, lease: Lease | None = None) -> Attempt | Refusal:
        """The gate and the call, with an agent kept for it."""
        result = await place_call(self.floor, lease or self.lease, lead, is_agent_guaranteed=True)
        assert result is not None, "no caller ID was free"
        return result

    async def dialed(self, number: str = "+12125550142") -> Attempt:
        """A call that rings at its lead."""
        attempt = await self.place(await self.lead(number))
        assert isinstance(attempt, Attempt), attempt
        await self.settle()
        return await self.attempt(attempt.id)

    async def agent(self, name: str = "Ada") -> AgentSession:
        """An agent who is ready."""
        session = await agent_desk.log_in(
            self.floor, self.campaign, name=name, phone=f"sip:{name.lower()}@127.0.0.1"
        )
        await self.settle()
        return await self.session(session.id)

    async def talking(self, number: str = "+12125550142") -> tuple[Attempt, AgentSession]:
        """A call with an agent and a called party who hear each other."""
        session = await self.agent()
        attempt = await self.dialed(number)
        self.telephony.pick_up(attempt.id)
        await self.settle()
        return await self.attempt(attempt.id), await self.session(session.id)

    async def settle(self) -> None:
        """Let everything happen that the engine has said so far."""
        queue = self.telephony._events
        while not queue.empty():
            match queue.get_nowait():
                case CallEvent() | InboundEvent() as event:
                    await hear.on_call(self.floor, event)
                case AgentLegUp() | AgentLegDown() as event:
                    await hear.on_leg(self.floor, event)
                case RecordingEnded() as event:
                    await recordings.on_ended(self.floor, event)
                case EngineUp():
                    self.floor.is_engine_up = True
                case EngineDown():
                    self.floor.is_engine_up = False
                    await after_engine_death(self.floor, self.campaign.id)

    async def attempt(self, attempt_id: AttemptId) -> Attempt:
        async with self.store.transaction() as tx:
            attempt = await tx.attempt(attempt_id)
        assert attempt is not None
        return attempt

    async def session(self, session_id: SessionId) -> AgentSession:
        async with self.store.transaction() as tx:
            session = await tx.glance(session_id)
        assert session is not None
        return session

    async def one(self, query: str, *values: object) -> object:
        """A single value by SQL, to look past the product's own eyes."""
        async with self.store._connection() as conn:
            row = await (await conn.execute(query, values)).fetchone()
        assert row is not None
        return next(iter(row.values()))

    async def change(self, statement: str, *values: object) -> None:
        """Change rows by SQL, for what no flow of ours would do."""
        async with self.store._connection() as conn:
            await conn.execute(statement, values)


def a_person(
    number: str, *, row: int, rank: int = RANK_USUAL, attributes: Mapping[str, str] | None = None
) -> NewLead:
    """Somebody in New York with a landline who consented to nothing."""
    return NewLead(
        number=E164(number),
        name="Casey Example",
        location=StatedLocation(state="NY"),
        party=Party.CONSUMER,
        line_type=LineType.LANDLINE,
        consent=None,
        consent_on=None,
        attributes=attributes or {},
        rank=rank,
        row=row,
    )


def a_campaign(**changes: object) -> Campaign:
    values: dict[str, object] = {
        "id": CampaignId(UUID(int=1)),
        "name": "Term deposit offer",
        "seller_id": SellerId(UUID(int=2)),
        "seller_name": "Meridian Savings Bank",
        "purpose": Purpose.TELEMARKETING,
        "method": Method.LIVE_AUTODIALED,
        "caller_id": E164("+12025550123"),
        "caller_name": "Meridian Savings",
        "pace": Pace(mode=DialMode.PROGRESSIVE),
        "retry": RetryPlan(
            rules={Outcome.NO_ANSWER: RetryRule(after=timedelta(hours=2), attempts_max=3)}
        ),
        "ring_s": 20,
        "connect_ms_max": 2000,
        "wrap_up_s": 10,
        "script": "Good morning, this is …",
    }
    return Campaign(**{**values, **changes})  # type: ignore[arg-type]


@asynccontextmanager
async def a_stage(database_url: str, folder: Path) -> AsyncIterator[Stage]:
    """A floor on a real database with an engine in memory, on a weekday morning.

    `folder` is for its registries: the national one lists +12125550199.
    """
    clock = StillClock()
    telephony = MemoryTelephony(clock)
    library = FileLibrary(folder / "registries")
    async with PostgresStore(database_url, library) as store:
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
        await store.claim_installation(is_sandbox=True, now=clock.now())
        async with store.transaction() as tx:
            campaign = await tx.save_campaign(a_campaign(), clock.now())
            lease = await tx.take_campaign(
                campaign.id, DialerId(UUID(int=3)), now=clock.now(), life=timedelta(seconds=10)
            )
        floor.campaigns[campaign.id] = campaign
        await import_registry(
            store,
            library,
            floor.ids,
            NATIONAL,
            RegistryOrder(name="national", form=RegistryForm.SIMPLE, as_of=date(2026, 11, 25)),
            countries={},
            now=clock.now(),
            is_sandbox=True,
        )
        await telephony.start()
        stage = Stage(
            floor=floor,
            campaign=campaign,
            clock=clock,
            telephony=telephony,
            store=store,
            lease=lease,
        )
        await stage.settle()
        yield stage

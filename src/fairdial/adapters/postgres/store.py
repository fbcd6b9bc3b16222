"""The durable truth in PostgreSQL: one class that runs named queries inside one transaction.

Every statement is in `queries/*.sql`, for whoever audits them. Times come in as arguments. Audit
entries are collected while a transaction runs and sealed as its last act, in one trip with the
commit, so that the end of the chain is held for as short as it can be. Queries that answer nothing
wait for the next one that does: a lock is held for fewer trips. PostgreSQL's own errors
leave as `StoreUnavailable`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from datetime import date, timedelta
from typing import Any, cast
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb, set_json_dumps
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from pydantic import TypeAdapter

from fairdial.adapters.postgres.gate import facts_from
from fairdial.adapters.postgres.ledger import PostgresLedger
from fairdial.adapters.postgres.proof import PostgresProof
from fairdial.adapters.postgres.queries import run as _run
from fairdial.adapters.postgres.queries import sql as _sql
from fairdial.adapters.postgres.rows import again_values, session_of
from fairdial.adapters.postgres.switchboard import PostgresSwitchboard
from fairdial.core import audit
from fairdial.core.abandon import AbandonFigure, AbandonMeasure, AbandonRecord
from fairdial.core.agent import AgentSession
from fairdial.core.answer import Tone
from fairdial.core.attempt import Attempt, AttemptState, EndCause
from fairdial.core.caller_id import DAY
from fairdial.core.campaign import Campaign, CampaignState, MachinePolicy
from fairdial.core.facts import Facts, SuppressionKind
from fairdial.core.hopper import Again, NextStep
from fairdial.core.ids import (
    E164,
    AgentId,
    AttemptId,
    CampaignId,
    DialerId,
    Instant,
    LeadId,
    ListId,
    PermitId,
    SellerId,
    SessionId,
)
from fairdial.core.intake import NewLead
from fairdial.core.lead import Lead, LeadState, LineType, Party, StatedLocation
from fairdial.core.number import area_code
from fairdial.core.outcome import Disposition, Outcome
from fairdial.core.permit import Permit, Refusal, plain, written
from fairdial.core.proof import RULEBOOK_KEPT, KeptRulebook, digest_of, digest_of_files
from fairdial.core.registry import (
    AreaCopy,
    Coverage,
    RegistryCopy,
    RegistrySetup,
)
from fairdial.core.score import Example
from fairdial.exceptions import CampaignBusy, Overtaken, StoreUnavailable, WrongInstallation
from fairdial.ports import (
    Figures,
    LeadCounts,
    Lease,
    LiveCall,
    PastCall,
    RecentRefusal,
    RegistryDraft,
    RegistryEntry,
    Shelf,
)

FRESH_S = 1.0
"""How long after its use a connection is taken to be alive."""
TAKEN_OVER = "FD001"
"""What the function hold_for_call raises."""
GONE = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)
HISTORY = timedelta(days=30)
"""How far back earlier calls are read for what pacing learns from."""

UNSENT_MAX = 100
"""How many queries without an answer wait for the next trip at most."""

_CAMPAIGN = TypeAdapter(Campaign)

set_json_dumps(audit.canonical)


class PostgresStore:
    """The `Store` port on PostgreSQL. `async with` it; it holds a small pool of connections.

    `shelf` has the files of the registries whose versions the tables name.
    """

    def __init__(self, conninfo: str, shelf: Shelf, *, connections_max: int = 8) -> None:
        self._shelf = shelf
        self._pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
            conninfo,
            min_size=2,
            max_size=connections_max,
            open=False,
            timeout=3,
            kwargs={
                "row_factory": dict_row,
                "autocommit": True,
                "options": "-c timezone=UTC -c plan_cache_mode=force_generic_plan -c jit=off",
                "application_name": "fairdial",
            },
            check=self._check,
        )
        self._used_at: WeakKeyDictionary[AsyncConnection[DictRow], float] = WeakKeyDictionary()

    async def __aenter__(self) -> PostgresStore:
        try:
            await self._pool.open(wait=True, timeout=15)
        except (psycopg.Error, PoolTimeout) as error:
            await self._pool.close()
            raise StoreUnavailable(f"cannot connect to the database: {error}") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

    async def claim_installation(self, *, is_sandbox: bool, now: Instant) -> None:
        """Make this database the sandbox's or the live one's, for good.

        Raises `WrongInstallation` when it belongs to the other.
        """
        async with self._connection() as conn:
            cursor = await _run(conn, "claim_installation", is_sandbox=is_sandbox, now=now)
            row = await cursor.fetchone()
        if row is None or row["is_sandbox"] is not is_sandbox:
            have, want = ("live", "sandbox") if is_sandbox else ("sandbox", "live")
            raise WrongInstallation(
                f"this database holds {have} data and must not be used for {want} calls; "
                "name another one in FAIRDIAL_DATABASE_URL"
            )

    async def newest_moment(self) -> Instant | None:
        """The newest moment this database knows of, None when it is empty."""
        async with self._connection() as conn:
            row = await (await _run(conn, "newest_moment")).fetchone()
        return None if row is None else cast("Instant | None", row["moment"])

    @asynccontextmanager
    async def transaction(self, *, durable: bool = True) -> AsyncIterator[PostgresTransaction]:
        """All or nothing; see the port."""
        # An exception inside leaves through the pool, which rolls back.
        async with self._connection() as conn:
            work = PostgresTransaction(conn, self._shelf)
            yield work
            await work.commit(durable=durable)

    def proof(self) -> PostgresProof:
        """The record as an auditor looks at it."""
        return PostgresProof(self._connection)

    async def permit_uses(self) -> dict[AttemptId, bool]:
        """For each permit's attempt: was it used? (For the witness.)"""
        async with self._connection() as conn:
            rows = await (await _run(conn, "permit_uses")).fetchall()
        return {AttemptId(row["attempt_id"]): bool(row["is_used"]) for row in rows}

    async def bridged_at_once(self, since: Instant) -> list[AttemptId]:
        """Attempts since a moment whose pick-up found an agent free. (For measurements.)"""
        async with self._connection() as conn:
            rows = await (await _run(conn, "bridged_at_once", since=since)).fetchall()
        return [AttemptId(UUID(row["subject"])) for row in rows]

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[DictRow]]:
        try:
            async with self._pool.connection() as conn:
                yield conn
        except PoolTimeout as error:
            raise StoreUnavailable(
                "the database gives no connection; is the server up, and are its connections used?"
            ) from error
        except psycopg.errors.DiskFull as error:
            raise StoreUnavailable(
                f"the database's disk is full: {error}; free some space, then start again"
            ) from error
        except psycopg.Error as error:
            if isinstance(error, psycopg.DatabaseError) and error.sqlstate == TAKEN_OVER:
                raise CampaignBusy(
                    "another dialer took this campaign over; nothing was dialed"
                ) from error
            if not isinstance(error, GONE):
                raise
            raise StoreUnavailable(
                f"the database went away: {_first_line(error)}; once it is back, start again: "
                "what was under way is recovered"
            ) from error

    async def _check(self, conn: AsyncConnection[DictRow]) -> None:
        """Whether a connection still is one. One that was used a moment ago need not be asked."""
        now = asyncio.get_running_loop().time()
        if now - self._used_at.get(conn, -FRESH_S) >= FRESH_S:
            await AsyncConnectionPool.check_connection(conn)
        self._used_at[conn] = now


class PostgresTransaction:
    """One transaction; see the port for what each verb promises."""

    def __init__(self, conn: AsyncConnection[DictRow], shelf: Shelf) -> None:
        self._conn = conn
        self._shelf = shelf
        self._entries: list[dict[str, str]] = []
        self._unsent: list[tuple[str, Mapping[str, object]]] = [("begin", {})]

    # --- campaigns and lists ----------------------------------------------------------------------

    async def save_campaign(self, campaign: Campaign, now: Instant) -> Campaign:
        seller = await self._one("save_seller", id=campaign.seller_id, name=campaign.seller_name)
        row = await self._one(
            "save_campaign",
            id=campaign.id,
            name=campaign.name,
            seller_id=seller["id"],
            definition=Jsonb(plain(campaign)),
            now=now,
        )
        return replace(campaign, id=CampaignId(row["id"]), seller_id=SellerId(seller["id"]))

    async def set_campaign_state(self, campaign_id: CampaignId, state: CampaignState) -> None:
        await self._run("set_campaign_state", id=campaign_id, state=state.value)

    async def take_campaign(
        self, campaign_id: CampaignId, dialer_id: DialerId, *, now: Instant, life: timedelta
    ) -> Lease:
        row = await self._maybe(
            "take_campaign", id=campaign_id, dialer_id=dialer_id, now=now, until=now + life
        )
        if row is None:
            raise CampaignBusy(
                "another dialer holds this campaign; stop it first, or wait "
                f"{life.total_seconds():.0f} s after it died"
            )
        return Lease(campaign_id=campaign_id, dialer_id=dialer_id, epoch=row["dialer_epoch"])

    async def renew_campaign(self, lease: Lease, *, now: Instant, life: timedelta) -> None:
        row = await self._maybe(
            "renew_campaign",
            id=lease.campaign_id,
            dialer_id=lease.dialer_id,
            epoch=lease.epoch,
            until=now + life,
        )
        if row is None:
            raise CampaignBusy("another dialer took this campaign over; this one stops")

    async def release_campaign(self, lease: Lease) -> None:
        await self._run(
            "release_campaign", id=lease.campaign_id, dialer_id=lease.dialer_id, epoch=lease.epoch
        )

    async def hold_for_call(self, lease: Lease, lead: Lead) -> None:
        await self._run(
            "hold_for_call",
            id=lease.campaign_id,
            epoch=lease.epoch,
            number=lead.number,
            company=lead.company,
        )

    async def all_campaigns(self) -> list[Campaign]:
        return [_campaign(row) for row in await self._all("all_campaigns")]

    async def campaign_called(self, called: str) -> Campaign | None:
        row = await self._maybe("campaign_called", called=called)
        return None if row is None else _campaign(row)

    async def unrecovered_campaigns(self, real_now: Instant) -> list[Campaign]:
        return [_campaign(row) for row in await self._all("unrecovered_campaigns", now=real_now)]

    async def add_list(
        self,
        list_id: ListId,
        campaign: Campaign,
        leads: Iterable[tuple[LeadId, NewLead]],
        *,
        source: str,
        rejected: int,
        now: Instant,
    ) -> int:
        kept = list(leads)
        await self._run(
            "add_list",
            id=list_id,
            campaign_id=campaign.id,
            source=source,
            accepted=len(kept),
            rejected=rejected,
            now=now,
        )
        await self._send()
        async with (
            self._conn.cursor() as cursor,
            cursor.copy(
                "COPY lead (id, campaign_id, list_id, number, name, zone, postal, region, country,"
                " party, line_type, attributes, state, due_at, rank, row) FROM STDIN"
            ) as copy,
        ):
            for lead_id, lead in kept:
                where = lead.location
                await copy.write_row(
                    (
                        lead_id,
                        campaign.id,
                        list_id,
                        lead.number,
                        lead.name,
                        where.zone,
                        where.postal,
                        where.state,
                        where.country,
                        lead.party.value,
                        lead.line_type.value,
                        Jsonb(dict(lead.attributes)),
                        LeadState.DUE.value,
                        now,
                        lead.rank,
                        lead.row,
                    )
                )
        return len(kept)

    async def known_numbers(self, campaign_id: CampaignId) -> set[str]:
        return {row["number"] for row in await self._all("known_numbers", campaign_id=campaign_id)}

    async def keep_stop_requests(
        self,
        seller_id: SellerId,
        entries: Iterable[tuple[E164, date]],
        *,
        source: str,
        now: Instant,
    ) -> int:
        rows = [
            {
                "number": number,
                "kind": SuppressionKind.INTERNAL.value,
                "source": source,
                "seller_id": seller_id,
                "registered_on": registered_on,
                "now": now,
            }
            for number, registered_on in entries
        ]
        await self._many("suppress", rows)
        return len(rows)

    async def registry_setup(self, name: str) -> RegistrySetup | None:
        row = await self._maybe("registry_setup", name=name)
        return None if row is None else _registry_setup(row)

    async def registry_copy(self, name: str) -> RegistryCopy | None:
        row = await self._maybe("registry_copy", name=name)
        return None if row is None else await self._registry_copy(row)

    async def registry_copies(self) -> list[RegistryCopy]:
        return [await self._registry_copy(row) for row in await self._all("registry_copies")]

    async def _registry_copy(self, row: DictRow) -> RegistryCopy:
        areas = await self._all("registry_areas", name=row["name"])
        return RegistryCopy(
            setup=_registry_setup(row),
            version=row["version"],
            file=row["file"],
            sha256=row["sha256"],
            as_of=row["as_of"],
            entries=row["entries"],
            source_sha256=row["source_sha256"],
            areas={
                area["area_code"]: AreaCopy(as_of=area["as_of"], entries=area["entries"])
                for area in areas
            },
        )

    async def begin_registry_version(self, entry: RegistryEntry) -> int:
        setup = entry.setup
        await self._run(
            "save_registry",
            name=setup.name,
            kind=setup.kind.value,
            coverage=setup.coverage.value,
            country=setup.country,
            state=setup.state,
            organization=setup.organization,
            subscription=setup.subscription,
        )
        row = await self._one(
            "begin_registry_version",
            name=setup.name,
            form=entry.order.form.value,
            source_name=entry.source_name,
            source_size=entry.source_size,
            source_sha256=entry.source_sha256,
            organization=setup.organization,
            subscription=setup.subscription,
            downloaded_by=entry.order.downloaded_by,
            now=entry.now,
        )
        return int(row["version"])

    async def name_registry_file(self, name: str, version: int, file: str) -> None:
        await self._expect(
            "name_registry_file",
            f"version {version} of registry {name} has a file",
            name=name,
            version=version,
            file=file,
        )

    async def publish_registry_version(
        self, entry: RegistryEntry, version: int, draft: RegistryDraft, *, was: int | None
    ) -> None:
        name = entry.setup.name
        await self._expect(
            "finish_registry_version",
            f"version {version} of registry {name} is no longer being made",
            name=name,
            version=version,
            now=entry.now,
            sha256=draft.sha256,
            size=draft.size,
            as_of=draft.as_of,
            entries=draft.entries,
            rows=draft.rows,
            added=draft.added,
            removed=draft.removed,
            repeated=draft.repeated,
            known=draft.known,
        )
        await self._expect(
            "point_registry",
            f"another version of registry {name} came into force meanwhile",
            name=name,
            version=version,
            was=was,
            organization=entry.setup.organization,
            subscription=entry.setup.subscription,
        )
        await self._run("drop_registry_areas", name=name)
        await self._many(
            "save_registry_area",
            [
                {
                    "name": name,
                    "area_code": area,
                    "as_of": copy.as_of,
                    "entries": copy.entries,
                    "version": version,
                }
                for area, copy in draft.areas.items()
            ],
        )

    async def retire_registry(self, name: str) -> bool:
        if await self._maybe("retire_registry", name=name) is None:
            return False
        await self._run("drop_registry_areas", name=name)
        return True

    async def spent_registry_files(self, name: str, *, keep: int) -> list[str]:
        rows = await self._all("spent_registry_files", name=name, keep=keep)
        return [row["file"] for row in rows]

    async def discard_registry_file(self, file: str, now: Instant) -> None:
        await self._run("discard_registry_file", file=file, now=now)

    async def is_stop_requested(self, number: E164) -> bool:
        return bool((await self._one("is_stop_requested", number=number))["is_stopped"])

    async def stop_requested(self) -> list[E164]:
        return [E164(row["number"]) for row in await self._all("stop_requested")]

    async def suppress(
        self,
        number: E164,
        kind: SuppressionKind,
        *,
        source: str,
        seller_id: SellerId | None,
        registered_on: date,
        now: Instant,
    ) -> None:
        await self._run(
            "suppress",
            number=number,
            kind=kind.value,
            source=source,
            seller_id=seller_id,
            registered_on=registered_on,
            now=now,
        )
        if seller_id is not None:
            await self.ledger.revoke_consents(
                number, seller_id, revoked_at=now, revoked_by=source, now=now
            )

    async def sellers(self) -> dict[SellerId, str]:
        return {SellerId(row["id"]): row["name"] for row in await self._all("sellers")}

    @property
    def switchboard(self) -> PostgresSwitchboard:
        return PostgresSwitchboard(self._ask)

    @property
    def ledger(self) -> PostgresLedger:
        return PostgresLedger(self._ask)

    # --- the gate ---------------------------------------------------------------------------------

    async def lock_number(self, number: E164) -> None:
        # Waited for, or the moment that is taken after it would lie before it.
        await self._one("lock_number", number=number)

    async def facts(
        self,
        leads: Sequence[Lead],
        campaign: Campaign,
        *,
        now: Instant,
        since: Instant,
        is_sandbox: bool,
        is_agent_guaranteed: bool,
        abandon_figures: tuple[AbandonFigure, ...],
    ) -> list[Facts]:
        companies = {lead.number: lead.company for lead in leads}
        numbers = list(companies)
        rows = await self._all(
            "facts_of",
            numbers=numbers,
            area_codes=[area_code(number) for number in numbers],
            companies=list(companies.values()),
            seller_id=campaign.seller_id,
            now=now,
            today=now.date(),
            since=since,
        )
        by_number = {row["number"]: row for row in rows}
        return [
            facts_from(
                by_number[lead.number],
                self._shelf,
                lead,
                campaign,
                now=now,
                is_sandbox=is_sandbox,
                is_agent_guaranteed=is_agent_guaranteed,
                abandon_figures=abandon_figures,
            )
            for lead in leads
        ]

    async def caller_id_uses(self, numbers: Sequence[E164], now: Instant) -> dict[E164, int]:
        rows = await self._all("caller_id_uses", numbers=list(numbers), since=_day_before(now))
        return {E164(row["number"]): row["calls"] for row in rows}

    async def use_caller_id(self, number: E164, now: Instant, *, most: int | None) -> bool:
        row = await self._one(
            "use_caller_id", number=number, now=now, since=_day_before(now), most=most
        )
        return bool(row["is_free"])

    async def save_refusal(self, refusal_id: UUID, refusal: Refusal) -> None:
        verdicts, facts = written(refusal.verdicts), audit.canonical(plain(refusal.facts))
        digest = digest_of(refusal.rulebook, refusal.tzdata, verdicts, facts)
        reasons = [verdict.rule for verdict in refusal.reasons] or ["no_rule_applies"]
        await self._run(
            "save_refusal",
            id=refusal_id,
            lead_id=refusal.lead_id,
            campaign_id=refusal.campaign_id,
            number=refusal.number,
            decided_at=refusal.decided_at,
            next_allowed_at=refusal.next_allowed_at,
            reasons=reasons,
            rulebook=refusal.rulebook,
            tzdata=refusal.tzdata,
            verdicts=verdicts,
            facts=facts,
            digest=digest,
        )
        self.audit(
            "refusal.recorded",
            refusal_id,
            {
                "lead": refusal.lead_id,
                "number": refusal.number,
                "reasons": reasons,
                "next_allowed_at": refusal.next_allowed_at,
                "digest": digest,
            },
            actor="permit",
            at=refusal.decided_at,
        )

    async def keep_rulebook(self, rulebook: KeptRulebook) -> None:
        kept = await self._maybe(
            "keep_rulebook",
            hash=rulebook.hash,
            tzdata=rulebook.tzdata,
            files=Jsonb(dict(rulebook.files)),
            first_used_at=rulebook.first_used_at,
        )
        if kept is not None:
            body = {"digest": digest_of_files(rulebook.files), "files": len(rulebook.files)}
            at = rulebook.first_used_at
            self.audit(RULEBOOK_KEPT, rulebook.hash, body, actor="permit", at=at)

    async def open_attempt(self, permit: Permit, attempt: Attempt) -> None:
        verdicts, facts = written(permit.verdicts), audit.canonical(plain(permit.facts))
        digest = digest_of(permit.rulebook, permit.tzdata, verdicts, facts)
        await self._run(
            "open_attempt",
            permit_id=permit.id,
            attempt_id=attempt.id,
            lead_id=permit.lead_id,
            campaign_id=permit.campaign_id,
            number=permit.number,
            caller_id=permit.caller_id,
            method=permit.method.value,
            issued_at=permit.issued_at,
            expires_at=permit.expires_at,
            rulebook=permit.rulebook,
            tzdata=permit.tzdata,
            verdicts=verdicts,
            facts=facts,
            digest=digest,
            permitted_at=attempt.permitted_at,
            ring_s=attempt.ring_s,
            connect_ms_max=attempt.connect_ms_max,
            deadline_at=attempt.deadline_at,
            machines=attempt.machines.value,
            may_leave_message=attempt.may_leave_message,
        )
        self.audit(
            "permit.issued",
            permit.id,
            {
                "attempt": permit.attempt_id,
                "lead": permit.lead_id,
                "number": permit.number,
                "expires_at": permit.expires_at,
                "digest": digest,
            },
            actor="permit",
            at=permit.issued_at,
        )

    async def mark_permit_used(self, attempt_id: AttemptId, now: Instant) -> None:
        await self._expect("use_permit", "the permit is spent", attempt_id=attempt_id, now=now)

    async def void_permit(self, attempt_id: AttemptId, now: Instant) -> None:
        await self._expect("void_permit", "the permit is spent", attempt_id=attempt_id, now=now)

    # --- attempts ---------------------------------------------------------------------------------

    async def attempt(self, attempt_id: AttemptId) -> Attempt | None:
        row = await self._maybe("attempt_for_update", id=attempt_id)
        return None if row is None else _attempt(row)

    async def save_attempt(self, attempt: Attempt, *, was: Attempt) -> None:
        values = {
            f.name: getattr(attempt, f.name)
            for f in fields(Attempt)
            if f.name not in _ATTEMPT_FIXED
        }
        await self._expect(
            "save_attempt",
            f"attempt {attempt.id} is no longer {was.state.value}",
            id=attempt.id,
            was=was.state.value,
            **values,
        )

    async def longest_waiting(self, campaign_id: CampaignId) -> Attempt | None:
        row = await self._maybe("longest_waiting", campaign_id=campaign_id)
        return None if row is None else _attempt(row)

    async def overdue_attempts(self, campaign_id: CampaignId, now: Instant) -> list[AttemptId]:
        rows = await self._all("overdue_attempts", campaign_id=campaign_id, now=now)
        return [AttemptId(row["id"]) for row in rows]

    async def open_attempts(self, campaign_id: CampaignId) -> list[Attempt]:
        return [_attempt(row) for row in await self._all("open_attempts", campaign_id=campaign_id)]

    async def open_attempts_to(self, number: E164, seller_id: SellerId) -> list[AttemptId]:
        rows = await self._all("open_attempts_to", number=number, seller_id=seller_id)
        return [AttemptId(row["id"]) for row in rows]

    async def unwanted_in_flight(self, campaign_id: CampaignId) -> dict[AttemptId, str]:
        rows = await self._all("unwanted_in_flight", campaign_id=campaign_id)
        return {AttemptId(row["id"]): row["why"] for row in rows}

    async def abandon_record(
        self, campaign_id: CampaignId, measure: AbandonMeasure, now: Instant
    ) -> AbandonRecord:
        row = await self._one(
            "abandon_record",
            campaign_id=campaign_id,
            since=measure.since(now),
            clock_start=measure.clock_start.value,
            wait_max=timedelta(milliseconds=measure.connect_ms_max),
            denominator=measure.denominator.value,
        )
        return AbandonRecord(live_answers=row["live_answers"], abandoned=row["abandoned"])

    async def history(self, campaign_id: CampaignId, now: Instant) -> list[PastCall]:
        rows = await self._all("history", campaign_id=campaign_id, since=now - HISTORY)
        return [PastCall(**row) for row in reversed(rows)]

    # --- agents -----------------------------------------------------------------------------------

    async def open_session(self, session: AgentSession) -> AgentSession:
        agent = await self._one("save_agent", id=session.agent_id, name=session.agent_name)
        kept = replace(session, agent_id=AgentId(agent["id"]))
        await self._run(
            "open_session",
            id=kept.id,
            agent_id=kept.agent_id,
            campaign_id=kept.campaign_id,
            phone=kept.phone,
            since=kept.since,
            wrap_up_s=kept.wrap_up_s,
        )
        return kept

    async def session(self, session_id: SessionId) -> AgentSession | None:
        row = await self._maybe("session_for_update", id=session_id)
        return None if row is None else session_of(row)

    async def glance(self, session_id: SessionId) -> AgentSession | None:
        row = await self._maybe("session_now", id=session_id)
        return None if row is None else session_of(row)

    async def save_session(self, session: AgentSession, *, was: AgentSession) -> None:
        await self._expect(
            "save_session",
            f"agent session {session.id} is no longer {was.state.value}",
            id=session.id,
            was=was.state.value,
            state=session.state.value,
            since=session.since,
            attempt_id=session.attempt_id,
            inbound_id=session.inbound_id,
            deadline_at=session.deadline_at,
            pause_asked=session.pause_asked,
            is_leg_up=session.is_leg_up,
            is_muted=session.is_muted,
        )

    async def longest_ready(self, campaign_id: CampaignId) -> AgentSession | None:
        row = await self._maybe("longest_ready", campaign_id=campaign_id)
        return None if row is None else session_of(row)

    async def open_sessions(self, campaign_id: CampaignId) -> list[AgentSession]:
        return [
            session_of(row) for row in await self._all("open_sessions", campaign_id=campaign_id)
        ]

    async def overdue_wrap_ups(self, campaign_id: CampaignId, now: Instant) -> list[SessionId]:
        rows = await self._all("overdue_wrap_ups", campaign_id=campaign_id, now=now)
        return [SessionId(row["id"]) for row in rows]

    # --- leads ------------------------------------------------------------------------------------

    async def claim_due(self, campaign_id: CampaignId, *, most: int, now: Instant) -> list[Lead]:
        rows = await self._all("claim_due_leads", campaign_id=campaign_id, most=most, now=now)
        return sorted(
            (_lead(row) for row in rows),
            key=lambda lead: (not lead.is_callback, -lead.rank, lead.due_at, lead.row),
        )

    async def return_claimed(self, campaign_id: CampaignId) -> int:
        return len(await self._all("return_claimed_leads", campaign_id=campaign_id))

    async def lead(self, lead_id: LeadId) -> Lead:
        return _lead(await self._one("lead", id=lead_id))

    async def lead_by_number(self, campaign_id: CampaignId, number: E164) -> Lead | None:
        row = await self._maybe("lead_by_number", campaign_id=campaign_id, number=number)
        return None if row is None else _lead(row)

    async def leads_after(
        self, campaign_id: CampaignId, after: LeadId | None, *, most: int
    ) -> list[Lead]:
        rows = await self._all("leads_after", campaign_id=campaign_id, after=after, most=most)
        return [_lead(row) for row in rows]

    async def finished_leads(
        self, campaign_id: CampaignId, goal: Disposition, *, most: int
    ) -> list[Example]:
        rows = await self._all(
            "finished_leads", campaign_id=campaign_id, goal=goal.value, most=most
        )
        return [
            Example(attributes=row["attributes"], is_goal=row["is_goal"]) for row in reversed(rows)
        ]

    async def save_scores(self, campaign_id: CampaignId, steps: Mapping[LeadId, int]) -> int:
        moved = await self._all(
            "save_scores", campaign_id=campaign_id, ids=list(steps), steps=list(steps.values())
        )
        return len(moved)

    async def count_attempt(self, lead_id: LeadId) -> int:
        return int((await self._one("count_attempt", id=lead_id))["attempts"])

    async def save_next_step(self, lead_id: LeadId, step: NextStep) -> None:
        gone = f"lead {lead_id} is not claimed any more"
        if isinstance(step, Again):
            await self._expect("lead_again", gone, id=lead_id, **again_values(step))
        else:
            await self._expect("lead_finished", gone, id=lead_id, why=step.why)

    async def lead_counts(self, campaign_id: CampaignId, now: Instant) -> LeadCounts:
        return LeadCounts(**await self._one("count_leads", campaign_id=campaign_id, now=now))

    # --- the record -------------------------------------------------------------------------------

    def audit(
        self, kind: str, subject: object, body: Mapping[str, Any], *, actor: str, at: Instant
    ) -> None:
        self._entries.append(
            {
                "stamps": audit.stamp(at),
                "kinds": kind,
                "subjects": str(subject),
                "actors": actor,
                "bodies": audit.canonical(plain_map(body)),
            }
        )

    async def commit(self, *, durable: bool) -> None:
        """Seal the collected entries and commit, in one trip: the store's last word.

        Whoever seals holds the chain's head until the commit is over, and everybody else waits. So
        the commit itself does not wait for the disk, and the head is free at once; what waits is a
        statement of its own behind it, and many transactions share one wait. The log is written in
        order: what is on disk when that returns is this transaction and all that it built upon.
        """
        if self._entries:
            await self._run("seal_audit", **_columns(self._entries))
        elif not durable:
            await self._run("do_not_wait_for_disk")
        await self._run("commit")
        if self._entries and durable:
            await self._run("wait_for_disk")
        await self._send()
        self._entries.clear()

    # --- the picture ------------------------------------------------------------------------------

    async def figures(self, campaign_id: CampaignId, since: Instant) -> Figures:
        key = {"campaign_id": campaign_id, "since": since}
        rows = await self._all("attempt_counts", **key)
        permits = await self._one("permit_counts", **key)
        refused = await self._one("refusal_total", **key)
        by_rule = await self._all("refusal_counts", **key)
        first = await self._one("first_connected", **key)

        def total(test: str) -> int:
            return sum(row["count"] for row in rows if row[test])

        def counted(column: str) -> dict[str, int]:
            counts: dict[str, int] = {}
            for row in rows:
                if row[column] is not None:
                    counts[row[column]] = counts.get(row[column], 0) + row["count"]
            return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

        live = sum(
            row["count"]
            for row in rows
            if row["is_abandoned"] or (row["is_bridged"] and row["disposition"] != "machine")
        )
        by_state = counted("state")
        return Figures(
            attempts=total("is_dialed"),
            not_dialed=sum(row["count"] for row in rows if row["outcome"] == "not_dialed"),
            permits_issued=permits["issued"],
            permits_used=permits["used"],
            permits_void=permits["void"],
            refused=refused["count"],
            refused_by_rule={row["rule"]: row["count"] for row in by_rule},
            in_flight=sum(by_state.get(s, 0) for s in ("permitted", "dialing", "ringing")),
            by_state=by_state,
            answered=total("is_answered"),
            connected=total("is_bridged"),
            abandoned=total("is_abandoned"),
            live_answers=live,
            outcomes=counted("outcome"),
            dispositions=counted("disposition"),
            first_connected_at=first["moment"],
        )

    async def live_calls(self, campaign_id: CampaignId) -> list[LiveCall]:
        return [
            LiveCall(
                id=AttemptId(row["id"]),
                number=E164(row["number"]),
                name=row["name"],
                state=row["state"],
                since=row["answered_at"] or row["dialed_at"] or row["permitted_at"],
                agent_name=row["agent_name"],
            )
            for row in await self._all("live_calls", campaign_id=campaign_id)
        ]

    async def recent_refusals(self, campaign_id: CampaignId, since: Instant) -> list[RecentRefusal]:
        return [
            RecentRefusal(
                number=E164(row["number"]),
                name=row["name"],
                at=row["decided_at"],
                reasons=tuple(row["reasons"]),
                whys=tuple(v["why"] for v in row["verdicts"] if v["ruling"] != "allow"),
                next_allowed_at=row["next_allowed_at"],
            )
            for row in await self._all("recent_refusals", campaign_id=campaign_id, since=since)
        ]

    # --- running a named query --------------------------------------------------------------------

    async def _run(self, name: str, /, **values: object) -> None:
        """Run a query that answers nothing: it goes with the next one whose answer is wanted."""
        self._unsent.append((name, values))
        if len(self._unsent) >= UNSENT_MAX:
            await self._send()

    async def _send(self) -> None:
        """Send what waits to be sent, in one trip; an error in it is raised here."""
        async with self._conn.pipeline():
            await self._put_unsent()

    async def _ask(self, name: str, /, **values: object) -> psycopg.AsyncCursor[DictRow]:
        """Run a query for its answer, and what waits to be sent before it, in one trip."""
        if not self._unsent:
            return await _run(self._conn, name, **values)
        async with self._conn.pipeline():
            await self._put_unsent()
            return await _run(self._conn, name, **values)

    async def _put_unsent(self) -> None:
        unsent, self._unsent = self._unsent, []
        for name, values in unsent:
            await _run(self._conn, name, **values)

    async def _all(self, name: str, /, **values: object) -> list[DictRow]:
        return await (await self._ask(name, **values)).fetchall()

    async def _maybe(self, name: str, /, **values: object) -> DictRow | None:
        return await (await self._ask(name, **values)).fetchone()

    async def _one(self, name: str, /, **values: object) -> DictRow:
        row = await self._maybe(name, **values)
        if row is None:
            raise StoreUnavailable(f"the database has no row for {name} with {values}")
        return row

    async def _expect(self, name: str, otherwise: str, /, **values: object) -> None:
        if await self._maybe(name, **values) is None:
            raise Overtaken(f"{otherwise}: somebody was first; nothing was changed")

    async def _many(self, name: str, rows: Sequence[Mapping[str, object]]) -> None:
        if rows:
            await self._send()
            async with self._conn.cursor() as cursor:
                await cursor.executemany(_sql(name), rows)


def plain_map(body: Mapping[str, Any]) -> dict[str, Any]:
    """An audit body as JSON values only."""
    return {key: plain(value) for key, value in body.items()}


def _columns(entries: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Rows as columns: one array for each."""
    return {name: [entry[name] for entry in entries] for name in entries[0]}


_ATTEMPT_FIXED = frozenset(
    {"id", "permit_id", "lead_id", "campaign_id", "number", "permitted_at", "ring_s"}
    | {"connect_ms_max", "machines", "may_leave_message"}
)


def _day_before(now: Instant) -> Instant:
    """The hour in which the last 24 hours began."""
    return (now - DAY).replace(minute=0, second=0, microsecond=0)


def _campaign(row: DictRow) -> Campaign:
    kept = {**row["definition"], "id": row["id"], "seller_id": row["seller_id"]}
    return _CAMPAIGN.validate_python(kept)


def _attempt(row: DictRow) -> Attempt:
    return Attempt(
        **{
            **row,
            "id": AttemptId(row["id"]),
            "permit_id": PermitId(row["permit_id"]),
            "state": AttemptState(row["state"]),
            "outcome": None if row["outcome"] is None else Outcome(row["outcome"]),
            "cause": None if row["cause"] is None else EndCause(row["cause"]),
            "machines": MachinePolicy(row["machines"]),
            "heard": None if row["heard"] is None else Tone(row["heard"]),
            "disposition": None if row["disposition"] is None else Disposition(row["disposition"]),
        }
    )


def _lead(row: DictRow) -> Lead:
    return Lead(
        id=LeadId(row["id"]),
        campaign_id=CampaignId(row["campaign_id"]),
        list_id=ListId(row["list_id"]),
        number=E164(row["number"]),
        name=row["name"],
        location=StatedLocation(
            zone=row["zone"], postal=row["postal"], state=row["region"], country=row["country"]
        ),
        party=Party(row["party"]),
        line_type=LineType(row["line_type"]),
        attributes=row["attributes"],
        state=LeadState(row["state"]),
        due_at=row["due_at"],
        rank=row["rank"],
        is_callback=row["is_callback"],
        attempts=row["attempts"],
        row=row["row"],
    )


def _registry_setup(row: DictRow) -> RegistrySetup:
    return RegistrySetup(
        name=row["name"],
        kind=SuppressionKind(row["kind"]),
        coverage=Coverage(row["coverage"]),
        country=row["country"],
        state=row["state"],
        organization=row["organization"],
        subscription=row["subscription"],
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__

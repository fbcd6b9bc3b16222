"""The switchboard in PostgreSQL: the `Switchboard` port, inside the transaction it belongs to.

What is written is in `queries/switchboard.sql`. Nothing is decided here.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, Protocol
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from fairdial.adapters.postgres.rows import again_values, session_of
from fairdial.core.agent import AgentSession
from fairdial.core.attempt import EndCause, Message
from fairdial.core.conversation import Part
from fairdial.core.hopper import Again, NextStep
from fairdial.core.ids import (
    E164,
    AgentId,
    AttemptId,
    CallId,
    CampaignId,
    InboundId,
    Instant,
    LeadId,
    MonitorId,
    RecordingId,
    SessionId,
    TransferId,
)
from fairdial.core.inbound import InboundCall, InboundOutcome, InboundState
from fairdial.core.monitor import Monitor
from fairdial.core.outcome import Disposition
from fairdial.core.recording import CallRecording
from fairdial.core.transfer import Transfer, TransferKind, TransferOutcome, TransferState
from fairdial.exceptions import Overtaken
from fairdial.ports import Desks, KnownCaller, ListedRecording, ParkedCall


class Ask(Protocol):
    """How the transaction runs a named query: in its order, whatever it has not sent yet."""

    async def __call__(self, name: str, /, **values: object) -> AsyncCursor[DictRow]: ...


class PostgresSwitchboard:
    """The `Switchboard` port inside one transaction, whose way of asking it uses."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    # --- calls to us ------------------------------------------------------------------------------

    async def known_caller(
        self, number: E164, called: str, campaign_id: CampaignId | None
    ) -> KnownCaller | None:
        row = await self._maybe(
            "known_caller", number=number, called=called, campaign_id=campaign_id
        )
        if row is None:
            return None
        return KnownCaller(
            attempt_id=AttemptId(row["attempt_id"]),
            lead_id=LeadId(row["lead_id"]),
            campaign_id=CampaignId(row["campaign_id"]),
        )

    async def last_agent_ready(self, number: E164, campaign_id: CampaignId) -> AgentSession | None:
        row = await self._maybe("last_agent", number=number, campaign_id=campaign_id)
        if row is None:
            return None
        agent_id = AgentId(row["agent_id"])
        found = await self._maybe("ready_session_of", campaign_id=campaign_id, agent_id=agent_id)
        return None if found is None else session_of(found)

    async def desks(self, campaign_id: CampaignId) -> Desks:
        rows = await self._all("desks", campaign_id=campaign_id)
        return Desks(at_work=rows[0]["at_work"], spare=rows[0]["spare"])

    async def open_inbound(self, call: InboundCall) -> None:
        await self._ask("open_inbound", **asdict(call))

    async def inbound(self, inbound_id: UUID) -> InboundCall | None:
        row = await self._maybe("inbound_for_update", id=inbound_id)
        return None if row is None else _inbound(row)

    async def save_inbound(self, call: InboundCall, *, was: InboundCall) -> None:
        await self._expect(
            "save_inbound",
            f"inbound call {call.id} is no longer {was.state.value}",
            was=was.state.value,
            **asdict(call),
        )

    async def longest_queued(self, campaign_id: CampaignId) -> InboundCall | None:
        row = await self._maybe("longest_queued", campaign_id=campaign_id)
        return None if row is None else _inbound(row)

    async def queued(self, campaign_id: CampaignId) -> list[InboundCall]:
        return [_inbound(row) for row in await self._all("queued_calls", campaign_id=campaign_id)]

    async def overdue_inbound(self, campaign_id: CampaignId, now: Instant) -> list[InboundId]:
        rows = await self._all("overdue_inbound", campaign_id=campaign_id, now=now)
        return [InboundId(row["id"]) for row in rows]

    async def open_inbound_calls(self, campaign_id: CampaignId) -> list[InboundCall]:
        rows = await self._all("open_inbound_calls", campaign_id=campaign_id)
        return [_inbound(row) for row in rows]

    async def settle_lead(self, lead_id: LeadId, step: NextStep) -> None:
        if isinstance(step, Again):
            await self._ask("settle_lead_again", id=lead_id, **again_values(step))
        else:
            await self._ask("settle_lead_finished", id=lead_id, why=step.why)

    async def parked(self, campaign_id: CampaignId) -> list[ParkedCall]:
        return [
            ParkedCall(
                call_id=_call_id(row["call_id"], is_inbound=row["is_inbound"]),
                is_inbound=row["is_inbound"],
                number=row["number"],
                name=row["lead_name"],
                until=row["deadline_at"],
            )
            for row in await self._all("parked_calls", campaign_id=campaign_id)
        ]

    # --- transfers --------------------------------------------------------------------------------

    async def open_transfer(self, transfer: Transfer) -> None:
        await self._ask("open_transfer", **asdict(transfer))

    async def transfer(self, transfer_id: TransferId) -> Transfer | None:
        return _transfer(await self._maybe("transfer_for_update", id=transfer_id))

    async def save_transfer(self, transfer: Transfer, *, was: Transfer) -> None:
        await self._expect(
            "save_transfer",
            f"the transfer to {transfer.to} is no longer {was.state.value}",
            was=was.state.value,
            **asdict(transfer),
        )

    async def transfer_of(self, call_id: CallId) -> Transfer | None:
        return _transfer(await self._maybe("transfer_of_call", call_id=call_id))

    async def transfer_to(self, leg_id: SessionId) -> Transfer | None:
        return _transfer(await self._maybe("transfer_to_leg", leg_id=leg_id))

    async def open_transfers(self, campaign_id: CampaignId) -> list[Transfer]:
        rows = await self._all("open_transfers", campaign_id=campaign_id)
        return [found for row in rows if (found := _transfer(row)) is not None]

    async def overdue_transfers(self, campaign_id: CampaignId, now: Instant) -> list[TransferId]:
        rows = await self._all("overdue_transfers", campaign_id=campaign_id, now=now)
        return [TransferId(row["id"]) for row in rows]

    # --- monitors ---------------------------------------------------------------------------------

    async def open_monitor(self, monitor: Monitor) -> None:
        await self._ask("open_monitor", **asdict(monitor))

    async def monitor(self, monitor_id: UUID) -> Monitor | None:
        row = await self._maybe("monitor_for_update", id=monitor_id)
        return None if row is None else _monitor(row)

    async def save_monitor(self, monitor: Monitor) -> None:
        await self._ask("save_monitor", **asdict(monitor))

    async def monitors_of(self, session_id: SessionId) -> list[Monitor]:
        return [_monitor(row) for row in await self._all("monitors_of", session_id=session_id)]

    async def open_monitors(self, campaign_id: CampaignId) -> list[Monitor]:
        return [_monitor(row) for row in await self._all("open_monitors", campaign_id=campaign_id)]

    # --- recordings -------------------------------------------------------------------------------

    async def open_recording(self, recording: CallRecording) -> None:
        await self._ask("open_recording", **asdict(recording))

    async def recording(self, recording_id: RecordingId) -> CallRecording | None:
        row = await self._maybe("recording_for_update", id=recording_id)
        return None if row is None else CallRecording(**row)

    async def recording_of(self, call_id: CallId) -> CallRecording | None:
        row = await self._maybe("recording_of_call", call_id=call_id)
        return None if row is None else CallRecording(**row)

    async def save_recording(self, recording: CallRecording) -> None:
        await self._ask("save_recording", **asdict(recording))

    async def open_recordings(self, campaign_id: CampaignId) -> list[CallRecording]:
        rows = await self._all("open_recordings", campaign_id=campaign_id)
        return [CallRecording(**row) for row in rows]

    async def spent_recordings(
        self, campaign_id: CampaignId, before: Instant
    ) -> list[CallRecording]:
        rows = await self._all("spent_recordings", campaign_id=campaign_id, before=before)
        return [CallRecording(**row) for row in rows]

    async def listed_recordings(self, number: E164 | None, *, most: int) -> list[ListedRecording]:
        rows = await self._all("listed_recordings", number=number, most=most)
        mine = [field.name for field in fields(CallRecording)]
        return [
            ListedRecording(
                recording=CallRecording(**{name: row[name] for name in mine}),
                number=row["number"],
                is_inbound=row["is_inbound"],
                agent_name=row["agent_name"],
            )
            for row in rows
        ]

    # --- running a named query --------------------------------------------------------------------

    async def _all(self, name: str, /, **values: object) -> list[DictRow]:
        return await (await self._ask(name, **values)).fetchall()

    async def _maybe(self, name: str, /, **values: object) -> DictRow | None:
        return await (await self._ask(name, **values)).fetchone()

    async def _expect(self, name: str, otherwise: str, /, **values: object) -> None:
        if await self._maybe(name, **values) is None:
            raise Overtaken(f"{otherwise}: somebody was first; nothing was changed")


def _call_id(call_id: UUID, *, is_inbound: bool) -> CallId:
    return InboundId(call_id) if is_inbound else AttemptId(call_id)


def _inbound(row: DictRow) -> InboundCall:
    return InboundCall(
        **{
            **row,
            "state": InboundState(row["state"]),
            "message": None if row["message"] is None else Message(row["message"]),
            "outcome": None if row["outcome"] is None else InboundOutcome(row["outcome"]),
            "cause": None if row["cause"] is None else EndCause(row["cause"]),
            "disposition": None if row["disposition"] is None else Disposition(row["disposition"]),
        }
    )


def _transfer(row: DictRow | None) -> Transfer | None:
    if row is None:
        return None
    values: dict[str, Any] = {
        **row,
        "call_id": _call_id(row["call_id"], is_inbound=row["is_inbound"]),
        "kind": TransferKind(row["kind"]),
        "state": TransferState(row["state"]),
        "outcome": None if row["outcome"] is None else TransferOutcome(row["outcome"]),
    }
    return Transfer(**values)


def _monitor(row: DictRow) -> Monitor:
    return Monitor(**{**row, "id": MonitorId(row["id"]), "part": Part(row["part"])})

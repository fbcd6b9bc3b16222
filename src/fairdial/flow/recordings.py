"""Recordings: begun when a talk begins or its agent asks, paused for card data, kept, deleted.

A recording is in the tables before the engine begins it. Its beginning, pauses, end and deletion
are in the audit chain, with the digest of its file. One that fails costs nobody a call.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from fairdial.core.agent import AgentSession
from fairdial.core.ids import CallId, CampaignId, Instant, RecordingId, SessionId
from fairdial.core.recording import CallRecording, RecordingPlan, RecordingPolicy
from fairdial.exceptions import EngineUnavailable, FairdialError, ImpossibleEvent
from fairdial.flow import live_calls
from fairdial.flow.floor import Floor, about, log
from fairdial.ports import RecordingEnded, Transaction

LOST = "the engine ended before the recording did"


async def on_bridged(floor: Floor, call_id: CallId, session_id: SessionId) -> None:
    """A talk begins: it is recorded where the campaign records all of them."""
    async with floor.store.transaction(durable=False) as tx:
        session = await tx.glance(session_id)
    if session is None:
        return
    plan = floor.campaigns[session.campaign_id].recording
    if plan is not None and plan.policy is RecordingPolicy.ALL:
        try:
            await _start(floor, session, call_id, actor="dialer")
        except FairdialError as error:
            log.error("this talk is not recorded: %s", error)


async def start(floor: Floor, session_id: SessionId) -> None:
    """The agent wants this talk recorded. Raises `ImpossibleEvent` where it cannot be."""
    session, call_id = await live_calls.talker(floor, session_id)
    _plan(floor, session.campaign_id)
    await _start(floor, session, call_id, actor=f"agent:{session.agent_name}")


async def pause(floor: Floor, session_id: SessionId) -> None:
    """Record silence while a card's number is told; in force when this returns."""
    session, call_id = await live_calls.talker(floor, session_id)
    # The engine first: whatever happens next, nothing of the card is on the tape.
    await floor.telephony.pause_recording(call_id)
    await _change(floor, session, call_id, is_paused=True)


async def resume(floor: Floor, session_id: SessionId) -> None:
    """Record again."""
    session, call_id = await live_calls.talker(floor, session_id)
    await _change(floor, session, call_id, is_paused=False)
    await floor.telephony.resume_recording(call_id)


async def stop(floor: Floor, session_id: SessionId) -> None:
    """End a recording that the agent asked for. Where all talks are recorded, it goes on."""
    session, call_id = await live_calls.talker(floor, session_id)
    if _plan(floor, session.campaign_id).policy is RecordingPolicy.ALL:
        raise ImpossibleEvent("every talk of this campaign is recorded; pause it for card data")
    await floor.telephony.stop_recording(call_id)


async def on_ended(floor: Floor, event: RecordingEnded) -> None:
    """A recording is complete: its length and digest are kept."""
    async with floor.store.transaction(durable=False) as tx:
        before = await tx.switchboard.recording(event.recording_id)
    if before is None or before.ended_at is not None:
        log.warning("the engine speaks of a recording that does not run")
        return
    with about(event.call_id):
        await _finish(floor, before, event.at, fault=event.fault)


async def close_lost(floor: Floor, campaign_id: CampaignId) -> None:
    """After a crash: what there is of every recording that ran is made a whole file."""
    async with floor.store.transaction(durable=False) as tx:
        lost = await tx.switchboard.open_recordings(campaign_id)
    for recording in lost:
        await _finish(floor, recording, floor.clock.now(), fault="")


async def delete_spent(floor: Floor, campaign_id: CampaignId) -> int:
    """Delete the recordings whose time is over; returns how many."""
    plan = floor.campaigns[campaign_id].recording
    if plan is None:
        return 0
    now = floor.clock.now()
    async with floor.store.transaction(durable=False) as tx:
        spent = await tx.switchboard.spent_recordings(campaign_id, now - plan.keep)
    for recording in spent:
        await asyncio.to_thread(floor.shelf.delete, recording.file)
        async with floor.store.transaction() as tx:
            await tx.switchboard.save_recording(replace(recording, deleted_at=now))
            _audit(tx, recording, "recording.deleted", "dialer", now)
    return len(spent)


async def _start(floor: Floor, session: AgentSession, call_id: CallId, *, actor: str) -> None:
    now = floor.clock.now()
    recording_id = RecordingId(floor.ids.new())
    recording = CallRecording(
        id=recording_id,
        campaign_id=session.campaign_id,
        call_id=call_id,
        session_id=session.id,
        file=await asyncio.to_thread(floor.shelf.place, str(recording_id), now.date()),
        started_at=now,
    )
    async with floor.store.transaction() as tx:
        if await tx.switchboard.recording_of(call_id) is not None:
            return
        await tx.switchboard.open_recording(recording)
        _audit(tx, recording, "recording.started", actor, now)
    try:
        await floor.telephony.record(call_id, recording_id, floor.shelf.path(recording.file))
    except EngineUnavailable as error:
        await _finish(floor, recording, now, fault=str(error))
        raise


async def _change(floor: Floor, session: AgentSession, call_id: CallId, *, is_paused: bool) -> None:
    now = floor.clock.now()
    async with floor.store.transaction() as tx:
        recording = await tx.switchboard.recording_of(call_id)
        if recording is None:
            raise ImpossibleEvent("this talk is not recorded; nothing was changed")
        if recording.is_paused is is_paused:
            return
        await tx.switchboard.save_recording(replace(recording, is_paused=is_paused))
        kind = "recording.paused" if is_paused else "recording.resumed"
        _audit(tx, recording, kind, f"agent:{session.agent_name}", now)


async def _finish(floor: Floor, recording: CallRecording, at: Instant, *, fault: str) -> None:
    found = await asyncio.to_thread(floor.shelf.finish, recording.file)
    if found is None:
        fault = fault or "nothing of it reached the disk"
    elif found.was_cut:
        fault = fault or LOST
    ended = replace(
        recording,
        ended_at=at,
        seconds=0.0 if found is None else found.seconds,
        sha256="" if found is None else found.sha256,
        fault=fault,
    )
    if fault:
        log.error("recording %s: %s", recording.id, fault)
    async with floor.store.transaction() as tx:
        now = await tx.switchboard.recording(recording.id)
        if now is None or now.ended_at is not None:
            return
        await tx.switchboard.save_recording(replace(ended, is_paused=now.is_paused))
        _audit(tx, ended, "recording.ended", "dialer", at)


def _plan(floor: Floor, campaign_id: CampaignId) -> RecordingPlan:
    plan = floor.campaigns[campaign_id].recording
    if plan is None:
        raise ImpossibleEvent("the campaign file has no [recording]: nothing is recorded")
    return plan


def _audit(tx: Transaction, recording: CallRecording, kind: str, actor: str, at: Instant) -> None:
    body = {
        "call": recording.call_id,
        "session": recording.session_id,
        "file": recording.file,
        "seconds": recording.seconds,
        "sha256": recording.sha256,
        "fault": recording.fault,
    }
    tx.audit(kind, recording.id, body, actor=actor, at=at)

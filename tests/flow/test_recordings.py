"""Recordings: begun with the talk, paused for card data, kept by their digest, deleted in time."""

from __future__ import annotations

import hashlib
import wave
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.flow.cast import Stage

from fairdial.adapters.recording import header
from fairdial.core.attempt import Attempt, EndCause
from fairdial.core.recording import CallRecording, RecordingPlan, RecordingPolicy
from fairdial.exceptions import ImpossibleEvent
from fairdial.flow import recordings
from fairdial.flow.recover import recover
from fairdial.flow.verify import verify_audit


async def records(stage: Stage, policy: RecordingPolicy = RecordingPolicy.ALL) -> None:
    """The campaign of the stage records."""
    plan = RecordingPlan(policy=policy, notice="This call is recorded.", keep=timedelta(days=90))
    async with stage.store.transaction() as tx:
        stage.campaign = await tx.save_campaign(
            replace(stage.campaign, recording=plan), stage.clock.now()
        )
    stage.floor.campaigns[stage.campaign.id] = stage.campaign


async def of(stage: Stage) -> list[CallRecording]:
    async with stage.store.transaction() as tx:
        listed = await tx.switchboard.listed_recordings(None, most=10)
    return [found.recording for found in listed]


async def ended(stage: Stage, attempt: Attempt) -> CallRecording:
    """The recording of a call that ends now."""
    stage.telephony.end(attempt.id, EndCause.CALLED_PARTY_HUNG_UP)
    await stage.settle()
    (recording,) = await of(stage)
    return recording


async def kinds(stage: Stage) -> object:
    return await stage.one(
        "SELECT string_agg(kind, ' ' ORDER BY seq) FROM audit_entry WHERE kind LIKE 'recording.%%'"
    )


async def test_every_talk_is_recorded_and_its_file_sealed(stage: Stage) -> None:
    await records(stage)
    attempt, _ = await stage.talking()
    recording = await ended(stage, attempt)
    path = stage.floor.shelf.path(recording.file)
    assert recording.call_id == attempt.id
    assert recording.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (recording.ended_at, recording.fault) == (stage.clock.now(), "")
    for folder in (path.parent, path.parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert await kinds(stage) == "recording.started recording.ended"
    sealed = await stage.one(
        "SELECT body->>'sha256' FROM audit_entry WHERE kind = 'recording.ended'"
    )
    assert sealed == recording.sha256
    assert (await verify_audit(stage.store.proof().record())).findings == ()


async def test_nothing_is_recorded_unless_the_campaign_says_so(stage: Stage) -> None:
    _, session = await stage.talking()
    assert stage.telephony.tapes == {}
    with pytest.raises(ImpossibleEvent, match=r"no \[recording\]"):
        await recordings.start(stage.floor, session.id)
    with pytest.raises(ImpossibleEvent, match="not recorded"):
        await recordings.pause(stage.floor, session.id)
    assert await of(stage) == []


async def test_an_agent_records_on_demand_and_stops(stage: Stage) -> None:
    await records(stage, RecordingPolicy.ON_DEMAND)
    attempt, session = await stage.talking()
    assert stage.telephony.tapes == {}
    await recordings.start(stage.floor, session.id)
    await recordings.start(stage.floor, session.id)
    assert set(stage.telephony.tapes) == {attempt.id}
    await recordings.stop(stage.floor, session.id)
    await stage.settle()
    (recording,) = await of(stage)
    assert recording.ended_at is not None
    await recordings.start(stage.floor, session.id)
    assert len(await of(stage)) == 2


async def test_card_data_is_not_on_the_tape(stage: Stage) -> None:
    await records(stage)
    attempt, session = await stage.talking()
    await recordings.pause(stage.floor, session.id)
    assert stage.telephony.tapes[attempt.id].is_paused
    (paused,) = await of(stage)
    assert paused.is_paused
    await recordings.resume(stage.floor, session.id)
    assert not stage.telephony.tapes[attempt.id].is_paused
    with pytest.raises(ImpossibleEvent, match="every talk of this campaign is recorded"):
        await recordings.stop(stage.floor, session.id)
    await ended(stage, attempt)
    assert await kinds(stage) == (
        "recording.started recording.paused recording.resumed recording.ended"
    )


async def test_a_crash_leaves_a_file_that_can_be_heard(stage: Stage) -> None:
    await records(stage)
    attempt, _ = await stage.talking()
    (recording,) = await of(stage)
    stage.telephony.tapes.clear()
    path = stage.floor.shelf.path(recording.file)
    path.with_name(path.name + ".part").write_bytes(header(0) + bytes(4 * 8_000))
    await recover(stage.floor, stage.campaign.id)
    (mended,) = await of(stage)
    assert (mended.seconds, mended.fault) == (1.0, "the engine ended before the recording did")
    with wave.open(str(path)) as audio:
        assert (audio.getnchannels(), audio.getnframes()) == (2, 8_000)
    assert (await stage.attempt(attempt.id)).cause is EndCause.ENGINE_LOST


async def test_a_recording_of_which_nothing_is_left_says_so(stage: Stage) -> None:
    await records(stage)
    await stage.talking()
    stage.telephony.tapes.clear()
    await recover(stage.floor, stage.campaign.id)
    (lost,) = await of(stage)
    assert (lost.seconds, lost.sha256) == (0.0, "")
    assert lost.fault == "nothing of it reached the disk"


async def test_a_talk_goes_on_when_it_cannot_be_recorded(stage: Stage, tmp_path: Path) -> None:
    await records(stage)
    (tmp_path / "recordings").write_text("a file where the folder should be")
    attempt, session = await stage.talking()
    assert attempt.session_id == session.id
    assert attempt.bridged_at is not None
    assert await of(stage) == []


async def test_recordings_are_deleted_when_their_time_is_over(stage: Stage) -> None:
    await records(stage)
    attempt, _ = await stage.talking()
    recording = await ended(stage, attempt)
    path = stage.floor.shelf.path(recording.file)
    stage.clock.move(days=90)
    assert await recordings.delete_spent(stage.floor, stage.campaign.id) == 0
    assert path.exists()
    stage.clock.move(seconds=1)
    assert await recordings.delete_spent(stage.floor, stage.campaign.id) == 1
    assert not path.exists()
    assert await recordings.delete_spent(stage.floor, stage.campaign.id) == 0
    assert str(await kinds(stage)).endswith("recording.deleted")

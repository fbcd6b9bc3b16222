"""Recordings: what is on the two channels, by content; and disks that are full, slow or gone."""

from __future__ import annotations

import asyncio
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from random import Random
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairdial.adapters import recording
from fairdial.adapters.recording import LEFT, RIGHT, Ended, Recording, Tape, Writer
from fairdial.core.ids import RecordingId
from fairdial.exceptions import FairdialError
from fairdial.media import g711, mixing
from fairdial.ports import CallEnded, Message, MessagePlayed, Part, RecordingEnded

from .parties import agent_leg, called_leg, tones_in
from .sip_cast import Line, OpenEar, PlaySipp

CALLED, AGENT, SUPERVISOR = 600, 1000, 1500
ALL = (CALLED, AGENT, SUPERVISOR)
WORD = mixing.encode(np.full(g711.FRAME_SAMPLES, 1000, dtype=np.int16), 0)
LEVEL = int(mixing.decode(WORD, 0)[0])


def channels(path: Path) -> tuple[mixing.Samples, mixing.Samples]:
    """Left and right of a recording."""
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 2, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    return samples[0::2], samples[1::2]


@pytest.fixture
def writer() -> Iterator[Writer]:
    writer = Writer()
    yield writer
    writer.stop(5)


class Told:
    """Waits for the end of a recording, which another thread tells."""

    def __init__(self) -> None:
        self.ended: list[Ended] = []
        self._is_over = threading.Event()

    def __call__(self, ended: Ended) -> None:
        self.ended.append(ended)
        self._is_over.set()

    def wait(self) -> Ended:
        assert self._is_over.wait(10)
        [ended] = self.ended
        return ended


def test_both_channels_stay_in_step_through_loss_reordering_and_doubles(
    writer: Writer, tmp_path: Path
) -> None:
    told, random = Told(), Random(4)
    tape = Recording(writer, tmp_path / "a.wav", 100.0, told)
    left, right = tape.track("caller", is_ours=False), tape.track("agent", is_ours=True)
    packets = [(n, track) for n in range(200) for track in (left, right)]
    packets = [packet for packet in packets if random.random() > 0.1]
    packets += packets[::20]
    # Each comes up to 40 ms late, and so out of order.
    came = sorted((n + 1 + 2 * random.random(), n, track) for n, track in packets if n)
    for at, n, track in [(1.0, 0, left), (1.0, 0, right), *came]:
        track.hear(WORD, timestamp=7777 + 160 * n, ssrc=1, at=100.0 + at * g711.FRAME_S)
    tape.stop(100.0 + 202 * g711.FRAME_S)
    ended = told.wait()
    assert (ended.path, ended.fault) == (tmp_path / "a.wav", "")
    assert ended.seconds == pytest.approx(202 * g711.FRAME_S)
    for channel, track in zip(channels(ended.path), (left, right), strict=True):
        said = {n for n, of in packets if of is track} | {0}
        frames = channel.reshape(-1, g711.FRAME_SAMPLES)
        assert [set(frame.tolist()) for frame in frames] == [
            {LEVEL} if n in said else {0} for n in range(202)
        ]


def recorded(came: list[tuple[int, float]], folder: Path, writer: Writer) -> list[bool]:
    """Which frames of two seconds have sound: packets by their number and when they were read."""
    told = Told()
    tape = Recording(writer, folder / "a.wav", 0.0, told)
    track = tape.track("caller", is_ours=False)
    for n, at in came:
        track.hear(WORD, timestamp=7777 + 160 * n, ssrc=1, at=at)
    tape.stop(2.0)
    left, _ = channels(told.wait().path)
    frames = left.reshape(-1, g711.FRAME_SAMPLES)
    assert {abs(int(sample)) for sample in left} <= {0, LEVEL}, "nothing was laid twice"
    return [bool(frame.any()) for frame in frames]


@pytest.mark.parametrize("stall_s", [0.12, 0.3, 0.48])
def test_packets_that_are_read_late_together_keep_their_places(
    writer: Writer, tmp_path: Path, stall_s: float
) -> None:
    """This process had no turn for a moment: what came meanwhile is read in one go."""
    came = []
    for n in range(100):
        at = (n + 1) * g711.FRAME_S
        came.append((n, 0.5 + stall_s if 0.5 < at < 0.5 + stall_s else at))
    assert recorded(came, tmp_path, writer) == [True] * 100


def test_a_sender_whose_clock_stood_still_is_laid_where_it_came(
    writer: Writer, tmp_path: Path
) -> None:
    """Its timestamps go on from where they were, 0.3 s later: soon they are believed no more."""
    came = [(n, (n + 1 + (15 if n >= 20 else 0)) * g711.FRAME_S) for n in range(80)]
    sound = recorded(came, tmp_path, writer)
    # Half a second of packets until then; from there on each lies where it came.
    assert sound[:45] == [True] * 45
    assert sound[61:95] == [True] * 34
    assert sum(sound) == 80


def test_a_pause_is_silence_of_its_length(writer: Writer, tmp_path: Path) -> None:
    told = Told()
    tape = Recording(writer, tmp_path / "a.wav", 0.0, told)
    track = tape.track("caller", is_ours=False)
    for n in range(150):
        tape.is_paused = 50 <= n < 100
        track.hear(WORD, timestamp=160 * n, ssrc=1, at=(n + 1) * g711.FRAME_S)
        if n % 50 == 0:
            tape.flush((n + 1) * g711.FRAME_S)
    tape.stop(3.0)
    left, right = channels(told.wait().path)
    frames = left.reshape(-1, g711.FRAME_SAMPLES)
    assert [bool(frame.any()) for frame in frames] == [True] * 50 + [False] * 50 + [True] * 50
    assert not right.any()


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([LEFT, RIGHT]),
            st.integers(-300, 3000),
            st.lists(st.integers(-32768, 32767), max_size=200),
        ),
        max_size=20,
    ),
    st.lists(st.integers(0, 3500), max_size=5),
)
def test_a_tape_is_the_sum_of_what_was_laid_on_it(
    pieces: list[tuple[int, int, list[int]]], cuts: list[int]
) -> None:
    tape, expected, out = Tape(), np.zeros((4000, 2), dtype=np.int64), b""
    start = 0
    cuts = sorted(cuts)
    for n, (channel, position, audio) in enumerate(pieces):
        if n < len(cuts):
            out += tape.cut(cuts[n])
            start = max(start, cuts[n])
        tape.lay(channel, position, np.array(audio, dtype=np.int16))
        for k, sample in enumerate(audio):
            if position + k >= start:
                expected[position + k, channel] += sample
    out += tape.cut(4000)
    assert np.frombuffer(out, dtype="<i2").tolist() == (
        np.clip(expected, -32768, 32767).reshape(-1).tolist()
    )


def test_a_folder_that_is_gone_is_a_fault(writer: Writer, tmp_path: Path) -> None:
    told = Told()
    tape = Recording(writer, tmp_path / "gone" / "a.wav", 0.0, told)
    tape.flush(1.0)
    ended = told.wait()
    assert ended.seconds == 0
    assert "gone/a.wav.part cannot be written" in ended.fault
    # What comes afterwards is taken and forgotten, and no second end is told.
    tape.flush(2.0)
    tape.stop(3.0)
    assert writer.stop(5)
    assert told.ended == [ended]


def test_a_file_that_is_there_is_never_overwritten(writer: Writer, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"somebody's")
    told = Told()
    Recording(writer, path, 0.0, told).stop(1.0)
    ended = told.wait()
    assert "is there already" in ended.fault
    assert path.read_bytes() == b"somebody's"


def test_a_full_disk_ends_the_recording_and_keeps_what_there_is(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    tape = Recording(writer, tmp_path / "a.wav", 0.0, told)
    track = tape.track("caller", is_ours=False)
    for n in range(100):
        track.hear(WORD, timestamp=160 * n, ssrc=1, at=(n + 1) * g711.FRAME_S)
    tape.flush(2.0)
    part = tmp_path / "a.wav.part"
    # A second and a half is on its way to the disk, by the writer's thread.
    while not part.exists() or part.stat().st_size < 44 + 12_000 * 4:
        time.sleep(0.001)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Tape, "cut", full)
    tape.flush(3.0)
    ended = told.wait()
    assert "No space left on device" in ended.fault
    assert ended.path == tmp_path / "a.wav"
    assert ended.seconds == pytest.approx(1.5)
    assert len(channels(ended.path)[0]) == 12_000


def test_a_disk_that_hangs_holds_up_nobody_and_is_a_fault(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_free = threading.Event()
    append = recording._append

    def hang(file: recording._File, batch: recording._Batch) -> None:
        is_free.wait(20)
        append(file, batch)

    monkeypatch.setattr(recording, "_append", hang)
    told = Told()
    tape = Recording(writer, tmp_path / "a.wav", 0.0, told)
    for second in range(1, recording.QUEUE_MAX + 10):
        tape.flush(float(second))
    assert tape.is_over
    is_free.set()
    tape.stop(100.0)
    assert "did not keep up" in told.wait().fault


def test_what_a_crash_leaves_is_repaired(tmp_path: Path) -> None:
    part = tmp_path / "a.wav.part"
    pcm = np.arange(2000, dtype="<i2").tobytes()
    part.write_bytes(recording.header(0) + pcm + b"\1\2\3")
    path = recording.repair(part)
    assert path == tmp_path / "a.wav"
    assert not part.exists()
    left, right = channels(path)
    assert left.tolist() == list(range(0, 2000, 2))
    assert right.tolist() == list(range(1, 2000, 2))
    assert path.stat().st_size == 44 + len(pcm)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"x" * 100])
def test_what_is_no_recording_is_not_repaired(tmp_path: Path, content: bytes) -> None:
    part = tmp_path / "a.wav.part"
    part.write_bytes(content)
    with pytest.raises(FairdialError, match="no recording of Fairdial's"):
        recording.repair(part)
    assert part.read_bytes() == content
    with pytest.raises(FairdialError, match=r"must end in \.part"):
        recording.repair(tmp_path / "a.wav")
    (tmp_path / "a.wav").touch()
    with pytest.raises(FairdialError, match="is there already"):
        recording.repair(part)


@pytest.mark.wire
async def test_a_call_is_recorded_on_two_channels_with_a_pause(
    line: Line, sipp: PlaySipp, ear: OpenEar, tmp_path: Path
) -> None:
    session, agent = await agent_leg(line, sipp, ear)
    supervisor_session, supervisor = await agent_leg(line, sipp, ear)
    attempt, called = await called_leg(line, sipp, ear, codecs="8 101")
    path, recording_id = tmp_path / "call.wav", RecordingId(uuid4())
    telephony = line.telephony
    async with (
        called.speaking(CALLED),
        agent.speaking(AGENT),
        supervisor.speaking(SUPERVISOR),
    ):
        await telephony.join(attempt, session, Part.TALK)
        await telephony.record(attempt, recording_id, path)
        await telephony.record(attempt, RecordingId(uuid4()), tmp_path / "second.wav")
        await asyncio.sleep(1)
        assert (tmp_path / "call.wav.part").exists() is not path.exists()
        await telephony.pause_recording(attempt)
        await asyncio.sleep(1)
        await telephony.resume_recording(attempt)
        await telephony.join(attempt, supervisor_session, Part.WHISPER)
        await asyncio.sleep(1)
        await telephony.join(attempt, supervisor_session, Part.TALK)
        await asyncio.sleep(1)
        await telephony.join(attempt, attempt, Part.HOLD)
        await asyncio.sleep(1)
        await telephony.hang_up(attempt)
        await line.until_told(CallEnded, attempt)
    ended = await line.until_told(RecordingEnded)
    assert (ended.recording_id, ended.call_id, ended.path, ended.fault) == (
        recording_id,
        attempt,
        path,
        "",
    )
    left, right = channels(path)
    assert ended.seconds == pytest.approx(len(left) / 8000, abs=0.001)
    assert 4.9 < ended.seconds < 7

    def during(second: float) -> tuple[set[int], set[int]]:
        part = slice(int((second + 0.3) * 8000), int((second + 0.8) * 8000))
        return tones_in(left[part], *ALL), tones_in(right[part], *ALL)

    assert during(0) == ({CALLED}, {AGENT})
    assert during(1) == (set(), set())
    assert during(2) == ({CALLED}, {AGENT})
    assert during(3) == ({CALLED}, {AGENT, SUPERVISOR})
    assert during(4) == (set(), {AGENT, SUPERVISOR})


@pytest.mark.wire
async def test_a_message_is_recorded_on_our_channel_and_a_recording_can_be_ended(
    line: Line, sipp: PlaySipp, ear: OpenEar, tmp_path: Path
) -> None:
    attempt, _ = await called_leg(line, sipp, ear)
    await line.telephony.record(attempt, RecordingId(uuid4()), tmp_path / "a.wav")
    await line.telephony.play(attempt, Message.ABANDONED)
    await line.until_told(MessagePlayed, attempt)
    await line.telephony.stop_recording(attempt)
    ended = await line.until_told(RecordingEnded)
    left, right = channels(ended.path)
    assert not left.any()
    levels = [250 * n + 100 for n in range(25)]
    heard = [int(frame[0]) for frame in right[: len(right) // 160 * 160].reshape(-1, 160)]
    assert max(heard) == pytest.approx(max(levels), rel=0.05)
    assert line.story(attempt)[-1] == "MessagePlayed"


@pytest.mark.wire
async def test_a_recording_that_cannot_be_written_costs_nothing_but_itself(
    line: Line, sipp: PlaySipp, ear: OpenEar, tmp_path: Path
) -> None:
    session, agent = await agent_leg(line, sipp, ear)
    attempt, called = await called_leg(line, sipp, ear)
    await line.telephony.join(attempt, session, Part.TALK)
    await line.telephony.record(attempt, RecordingId(uuid4()), tmp_path / "gone" / "a.wav")
    ended = await line.until_told(RecordingEnded)
    assert "cannot be written" in ended.fault
    assert await agent.hears(await called.says("C"))
    # The call can be recorded elsewhere.
    await line.telephony.record(attempt, RecordingId(uuid4()), tmp_path / "b.wav")
    await asyncio.sleep(0.2)
    await line.telephony.hang_up(attempt)
    assert (await line.until_told(RecordingEnded, count=2)).fault == ""


@pytest.mark.wire
async def test_what_is_recorded_when_the_engine_stops_is_complete(
    line: Line, sipp: PlaySipp, ear: OpenEar, tmp_path: Path
) -> None:
    attempt, called = await called_leg(line, sipp, ear)
    await line.telephony.record(attempt, RecordingId(uuid4()), tmp_path / "a.wav")
    async with called.speaking(CALLED):
        await asyncio.sleep(1)
        await line.telephony.stop()
    left, _ = channels(tmp_path / "a.wav")
    assert tones_in(left, CALLED) == {CALLED}
    assert isinstance(await line.until_told(RecordingEnded), RecordingEnded)

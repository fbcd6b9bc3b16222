"""Recordings of calls: two taps each, written down by the recorder that every engine shares.

Left is what who is outside says, right is all that is said and played to them: our phones, messages
and music. A whisper never reaches them and so is on no tape.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from fairdial.adapters.asterisk.calls import OutsideLeg
from fairdial.adapters.asterisk.taps import Hear, Tap
from fairdial.adapters.recording import Ended, Recording, Writer
from fairdial.core.ids import CallId, RecordingId
from fairdial.exceptions import EngineUnavailable
from fairdial.media.rtp import RtpPacket
from fairdial.ports import Clock, RecordingEnded

_FLUSH_S = 1.0
_CLOSE_S = 3.0


class Tapes:
    """All recordings that run."""

    def __init__(self, clock: Clock, *, tell: Callable[[RecordingEnded], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._writer = Writer()
        self._running: dict[CallId, tuple[Recording, list[Tap]]] = {}
        self._flushing: asyncio.Task[None] | None = None

    async def begin(
        self, leg: OutsideLeg, recording_id: RecordingId, path: Path, *, ip: str, app: str
    ) -> None:
        """Record an answered call; a second wish changes nothing."""
        if leg.id in self._running or not leg.is_answered:
            return
        loop = asyncio.get_running_loop()

        def on_end(ended: Ended) -> None:
            with contextlib.suppress(RuntimeError):  # The loop is gone; so is who would hear it.
                loop.call_soon_threadsafe(self._ended, leg.id, recording_id, ended)

        recording = Recording(self._writer, path, loop.time(), on_end)
        taps = [Tap(leg.node, leg.channel, spy, _into(recording, spy)) for spy in ("in", "out")]
        self._running[leg.id] = (recording, taps)
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        try:
            await asyncio.gather(*(tap.open(ip=ip, app=app) for tap in taps))
        except (EngineUnavailable, OSError):
            self.end(leg.id)
            raise

    def pause(self, call_id: CallId, *, is_paused: bool) -> None:
        """Record silence, or record again."""
        if call_id in self._running:
            self._running[call_id][0].is_paused = is_paused

    def end(self, call_id: CallId) -> None:
        """End a recording; `RecordingEnded` follows when the file is complete."""
        recording, taps = self._running.pop(call_id, (None, []))
        for tap in taps:
            tap.close()
        if recording is not None:
            recording.stop(asyncio.get_running_loop().time())

    async def stop(self) -> None:
        """End all of them, and wait for the disk for a bounded time."""
        for call_id in list(self._running):
            self.end(call_id)
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        await asyncio.to_thread(self._writer.stop, _CLOSE_S)
        await asyncio.sleep(0)

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_S)
            now = asyncio.get_running_loop().time()
            for call_id, (recording, _) in list(self._running.items()):
                recording.flush(now)
                if recording.is_over:
                    self.end(call_id)

    def _ended(self, call_id: CallId, recording_id: RecordingId, ended: Ended) -> None:
        self._tell(
            RecordingEnded(
                recording_id=recording_id,
                call_id=call_id,
                path=ended.path,
                seconds=ended.seconds,
                fault=ended.fault,
                at=self._clock.now(),
            )
        )


def _into(recording: Recording, spy: str) -> Hear:
    track = recording.track(spy, is_ours=spy == "out")

    def hear(packet: RtpPacket, at: float) -> None:
        track.hear(packet.payload, timestamp=packet.timestamp, ssrc=packet.ssrc, at=at)

    return hear

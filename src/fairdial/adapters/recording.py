"""Recordings: WAV files of two channels, laid in time by when the audio came.

Left is who is outside, right is everybody of ours. The engine's thread only gathers packets; once a
second they go to one writer thread, which mixes them and waits for the disk. A disk that is too
slow, full or gone costs the recording, never the call. Until a file is complete it is called
`.part`; `repair` makes a whole file of one that a crash left behind.
"""

from __future__ import annotations

import os
import queue
import struct
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from fairdial.exceptions import FairdialError
from fairdial.media import g711, sdp
from fairdial.media.mixing import decode

LEFT, RIGHT = 0, 1
CHANNELS = 2
FRAME_BYTES = 2 * CHANNELS
"""One sample of each channel."""
SECONDS_MAX = 12 * 3600
"""No call lasts so long; a recording that does is ended."""
QUEUE_MAX = 30
"""Seconds of one recording that may wait for the disk."""
PART = ".part"

_DRIFT_MAX = 800
"""Samples, 100 ms: further from its arrival no audio is laid, whatever its timestamp says."""
_BEHIND_MAX = 25
"""Packets in a row, half a second of them, that are laid before they came; then the sender's clock
has moved, and not we who read late."""
_LATE = g711.SAMPLE_RATE // 2
"""Samples: audio that comes later than half a second is not recorded."""
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_SEEN_MAX = 64
_WORD = 1 << 32


def header(size: int) -> bytes:
    """The head of a WAV file with so many bytes of audio: 8 kHz, 16 bits, two channels."""
    rate = g711.SAMPLE_RATE
    return _HEADER.pack(
        *(b"RIFF", _HEADER.size - 8 + size, b"WAVE", b"fmt ", 16, 1, CHANNELS),
        *(rate, rate * FRAME_BYTES, FRAME_BYTES, 16, b"data", size),
    )


def repair(part: Path) -> Path:
    """Make a whole WAV file of a `.part` that a crash left: set its sizes, give it its name.

    Raises `FairdialError` for what is no recording of ours, and when a file of that name is there.
    """
    path = part.with_suffix("") if part.suffix == PART else None
    if path is None:
        raise FairdialError(f"{part} is no unfinished recording: its name must end in {PART}")
    if path.exists():
        raise FairdialError(f"{path} is there already: move it away, or {part} itself")
    try:
        with part.open("r+b") as file:
            found = file.read(_HEADER.size)
            if found[:4] != b"RIFF" or found[8:36] != header(0)[8:36]:
                raise FairdialError(f"{part} is no recording of Fairdial's: its head is another")
            size = (os.fstat(file.fileno()).st_size - _HEADER.size) // FRAME_BYTES * FRAME_BYTES
            _complete(file, size)
        part.rename(path)
    except OSError as failure:
        raise FairdialError(f"{part} cannot be repaired: {failure}") from failure
    return path


def _complete(file: BinaryIO, size: int) -> None:
    """Set the sizes of a file, cut what is behind them, and see it on disk."""
    file.truncate(_HEADER.size + size)
    file.seek(0)
    file.write(header(size))
    file.flush()
    os.fsync(file.fileno())


class Tape:
    """Two channels of audio that come by position and leave in order, what overlaps added up."""

    def __init__(self) -> None:
        self._laid: NDArray[np.int32] = np.zeros((0, CHANNELS), dtype=np.int32)
        self._start = 0

    def lay(self, channel: int, position: int, audio: NDArray[np.int16]) -> None:
        """Add audio at a position; what lies before the part that was cut is left out."""
        skip = max(0, self._start - position)
        audio, position = audio[skip:], position + skip
        end = position + len(audio)
        if len(audio) == 0:
            return
        self._stretch(end)
        self._laid[position - self._start : end - self._start, channel] += audio

    def cut(self, until: int) -> bytes:
        """All before a position, as PCM."""
        if until <= self._start:
            return b""
        self._stretch(until)
        count = until - self._start
        piece, self._laid = self._laid[:count], self._laid[count:]
        self._start = until
        return np.clip(piece, -32768, 32767).astype("<i2").tobytes()

    def _stretch(self, end: int) -> None:
        missing = end - self._start - len(self._laid)
        if missing > 0:
            nothing = np.zeros((missing, CHANNELS), dtype=np.int32)
            self._laid = np.concatenate([self._laid, nothing])


class _Track:
    """What one speaker says, each packet at its place in time."""

    __slots__ = ("_behind", "_channel", "_recording", "_seen", "_shift", "_ssrc")

    def __init__(self, recording: Recording, channel: int) -> None:
        self._recording = recording
        self._channel = channel
        self._ssrc = -1
        self._shift = 0
        self._behind = 0
        """Packets in a row whose place lies well before they came."""
        self._seen: dict[int, None] = {}

    def hear(self, audio: bytes, *, timestamp: int, ssrc: int, at: float) -> None:
        """Lay a packet down by its timestamp, kept near to when it came."""
        recording = self._recording
        if recording.is_paused:
            return
        # The audio of a packet was spoken before it came.
        came = recording.position(at) - len(audio)
        position = (timestamp + self._shift) % _WORD
        if ssrc != self._ssrc or self._has_drifted(position - came):
            self._ssrc = ssrc
            self._shift = came - timestamp
            self._behind = 0
            position = came
            self._seen.clear()
        if timestamp in self._seen:
            return
        self._seen[timestamp] = None
        if len(self._seen) > _SEEN_MAX:
            del self._seen[next(iter(self._seen))]
        recording.gathered.append((self._channel, position, audio))

    def _has_drifted(self, ahead: int) -> bool:
        """Whether a place that lies so many samples after the packet came is wrong by now.

        No packet comes before it was spoken. Many may be read late together, when this process had
        no turn for a moment: their places are right, and the next ones come in time again.
        """
        if ahead > _DRIFT_MAX or ahead < -_LATE:
            return True
        self._behind = self._behind + 1 if ahead < -_DRIFT_MAX else 0
        return self._behind > _BEHIND_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What came of a recording."""

    path: Path
    seconds: float
    fault: str


_Piece = tuple[int, int, bytes]


@dataclass(slots=True, kw_only=True)
class _File:
    """A recording as the writer's thread has it."""

    path: Path
    on_end: Callable[[Ended], None]
    tape: Tape = field(default_factory=Tape)
    file: BinaryIO | None = None
    size: int = 0
    fault: str = ""
    waiting: int = 0
    """Batches that were handed over and are not written."""
    is_over: bool = False

    @property
    def part(self) -> Path:
        """The file's name until it is complete."""
        return self.path.with_name(self.path.name + PART)


class Recording:
    """One call being recorded. Lives in asyncio's thread; `writer` does the rest."""

    def __init__(
        self, writer: Writer, path: Path, now: float, on_end: Callable[[Ended], None]
    ) -> None:
        """Begin at `now`, by the loop's clock. `on_end` is called once, by the writer's thread."""
        self._writer = writer
        self._began_at = now
        self._tracks: dict[Hashable, _Track] = {}
        self._file = _File(path=path, on_end=on_end)
        self._is_stopped = False
        self.is_paused = False
        self.gathered: list[_Piece] = []
        """What came since the last flush."""

    def position(self, at: float) -> int:
        """The sample that belongs to a moment."""
        return round((at - self._began_at) * g711.SAMPLE_RATE)

    def track(self, speaker: Hashable, *, is_ours: bool) -> _Track:
        """The track of a speaker; it is the same one each time."""
        if speaker not in self._tracks:
            self._tracks[speaker] = _Track(self, RIGHT if is_ours else LEFT)
        return self._tracks[speaker]

    @property
    def is_over(self) -> bool:
        """Whether it was stopped, or a fault ended it."""
        return self._is_stopped or bool(self._file.fault)

    def flush(self, now: float) -> None:
        """Hand on what was gathered; due once a second."""
        if self.is_over:
            self.stop(now)
            return
        self._hand_on(self.position(now) - _LATE, is_last=False)
        if self.position(now) > SECONDS_MAX * g711.SAMPLE_RATE:
            self.stop(now)

    def stop(self, now: float) -> None:
        """End it; `on_end` follows when the file is complete."""
        if not self._is_stopped:
            self._is_stopped = True
            self._hand_on(self.position(now), is_last=True)

    def _hand_on(self, until: int, *, is_last: bool) -> None:
        pieces, self.gathered = self.gathered, []
        self._writer.take(self._file, pieces, until, is_last=is_last)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    file: _File
    pieces: list[_Piece]
    until: int
    is_last: bool


class Writer:
    """The one thread that waits for the disk, for every recording of this engine."""

    def __init__(self) -> None:
        self._batches: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def take(self, file: _File, pieces: list[_Piece], until: int, *, is_last: bool) -> None:
        """Hand over a batch; never waits. With too much waiting, the recording ends there."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)
            self._thread.start()
        if file.waiting >= QUEUE_MAX and not file.fault:
            file.fault = f"the disk of {file.path.parent} did not keep up for {QUEUE_MAX} s"
        if file.fault and not is_last:
            return
        file.waiting += 1
        self._batches.put(_Batch(file=file, pieces=pieces, until=until, is_last=is_last))

    def stop(self, within_s: float) -> bool:
        """Write what waits, for so long at most; says whether all of it was written."""
        thread, self._thread = self._thread, None
        if thread is None:
            return True
        self._batches.put(None)
        thread.join(within_s)
        return not thread.is_alive()

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            file = batch.file
            file.waiting -= 1
            if not file.is_over:
                self._write(file, batch)

    @staticmethod
    def _write(file: _File, batch: _Batch) -> None:
        """Write a batch; the last one, or a fault, completes the file and tells of it."""
        try:
            if not file.fault:
                _append(file, batch)
        except (OSError, ValueError) as failure:
            file.fault = f"{file.part} cannot be written: {failure}"
        if not batch.is_last and not file.fault:
            return
        file.is_over = True
        try:
            _finish(file)
        except OSError as failure:
            file.fault = file.fault or f"{file.part} cannot be completed: {failure}"
        is_whole = not file.part.exists() and file.size > 0
        file.on_end(
            Ended(
                path=file.path if is_whole else file.part,
                seconds=file.size / FRAME_BYTES / g711.SAMPLE_RATE,
                fault=file.fault,
            )
        )


def _append(file: _File, batch: _Batch) -> None:
    if file.file is None:
        if file.path.exists():
            raise FileExistsError(f"{file.path} is there already")
        file.file = file.part.open("xb")
        file.file.write(header(0))
    for channel, position, audio in batch.pieces:
        file.tape.lay(channel, position, decode(audio, sdp.PCMU))
    pcm = file.tape.cut(batch.until)
    file.file.write(pcm)
    file.file.flush()
    file.size += len(pcm)


def _finish(file: _File) -> None:
    """Complete what was written, and give it its name."""
    if file.file is None:
        return
    with file.file:
        _complete(file.file, file.size)
    file.part.rename(file.path)

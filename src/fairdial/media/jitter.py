"""The jitter buffer: packets go in as the network brings them, 20 ms come out at each beat.

Audio is laid down by its timestamp, so that packets of 10, 30 or 40 ms, lost, doubled and reordered
ones need no rule of their own. The delay adapts by itself: audio that comes late is waited for and
lengthens it, up to a bound, and a delay that was not needed for a second is cut by a frame. What is
missing is concealed by what was heard last, fading out.
"""

from __future__ import annotations

import numpy as np

from fairdial.media import g711, sdp
from fairdial.media.mixing import Samples, decode

FRAME = g711.FRAME_SAMPLES
PREFILL = FRAME
"""Samples that are waited for before the first is played: one frame of delay to begin with."""
DELAY_MAX = 10 * FRAME
"""Samples, 200 ms: the most audio that is kept waiting."""
JUMP_MIN = g711.SAMPLE_RATE
"""Samples: a timestamp further away than a second is a sender that began anew."""
CALM_BEATS = 50
"""A second: a delay that was never needed for so long is cut by one frame."""
FADES = (0.8, 0.5, 0.25)
"""How loud the last frame is repeated for each frame that is missing; then there is silence."""

_RING = 1 << 14
_MASK = _RING - 1
_WORD = 1 << 32


class JitterBuffer:
    """The audio of one sender on its way to a mixer."""

    __slots__ = (
        "_audio",
        "_calm",
        "_fill",
        "_first",
        "_is_here",
        "_last",
        "_missing",
        "_play",
        "_ssrc",
        "_waited",
        "concealed",
        "late",
    )

    def __init__(self) -> None:
        self._audio = bytearray(_RING)
        self._is_here = bytearray(_RING)
        self._ssrc: int | None = None
        self._first = 0
        """The timestamp that positions count from."""
        self._play = 0
        """The position that is played next."""
        self._fill = 0
        """The position behind the newest audio."""
        self._waited = 0
        """Samples of concealment since the buffer ran empty."""
        self._missing = len(FADES)
        self._last: Samples | None = None
        self._calm = 0
        self.concealed = 0
        """Frames that were made up, between two that were heard."""
        self.late = 0
        """Packets that came after their time."""

    def put(self, audio: bytes, *, timestamp: int, ssrc: int) -> None:
        """Take one packet of mu-law audio, of any length up to 200 ms."""
        size = len(audio)
        if not 0 < size <= DELAY_MAX:
            return
        at = self._position(timestamp)
        if ssrc != self._ssrc or not -JUMP_MIN < at - self._play < JUMP_MIN:
            self._begin(timestamp, ssrc)
            at = 0
        elif self._fill <= self._play and at > self._play:
            # Nothing was left and this is not what we waited for: the waiting was its time.
            pause = PREFILL if self._waited > len(FADES) * FRAME else 0
            self._play = max(self._play, min(at - pause, self._play + self._waited))
        if at + size <= self._play:
            self._come_late(at, size)
            if at + size <= self._play:
                return
        if at < self._play:
            audio, at = audio[self._play - at :], self._play
        self._lay(at, audio)
        self._fill = max(self._fill, at + len(audio))
        if self._fill - self._play > DELAY_MAX:
            self._forget(self._play, self._fill - DELAY_MAX)
            self._play = self._fill - DELAY_MAX

    def take(self) -> Samples | None:
        """The next 20 ms; None is silence: nobody speaks, or nothing has come for a while."""
        if self._ssrc is None:
            return None
        if self._fill <= self._play:
            self._waited += FRAME
            return self._conceal()
        self._waited = 0
        self._adapt()
        start = self._play
        self._play += FRAME
        audio, is_here = self._cut(start)
        here = sum(is_here)
        if here == 0:
            return self._conceal()
        if here < FRAME:
            silence = g711.SILENCE_ULAW
            audio = bytes(a if h else s for a, h, s in zip(audio, is_here, silence, strict=True))
        self._missing = 0
        self._last = decode(audio, sdp.PCMU)
        return self._last

    @property
    def delay(self) -> int:
        """Samples that wait to be played."""
        return max(0, self._fill - self._play)

    def _position(self, timestamp: int) -> int:
        """A timestamp as a position; the counter wraps at 32 bits, positions do not."""
        near = (timestamp - self._first - self._play) % _WORD
        return self._play + (near - _WORD if near >= _WORD // 2 else near)

    def _begin(self, timestamp: int, ssrc: int) -> None:
        self._ssrc = ssrc
        self._first = timestamp
        self._is_here[:] = bytes(_RING)
        self._play, self._fill = -PREFILL, 0
        self._waited = 0
        self._calm = 0

    def _come_late(self, at: int, size: int) -> None:
        """A packet missed its time: wait for it, and so for all behind it, unless that is too long.

        Only the one that was due last: of older ones, what follows them was played already.
        """
        self.late += 1
        if self._fill - at <= DELAY_MAX // 2 and self._play - at <= size:
            self._play = at

    def _adapt(self) -> None:
        """Cut a frame of delay if more than the prefill was spare at every beat for a second."""
        spare = self._play + FRAME + PREFILL
        is_spare = self._is_here[spare & _MASK] and self._is_here[(spare + FRAME - 1) & _MASK]
        self._calm = self._calm + 1 if is_spare else 0
        if self._calm >= CALM_BEATS:
            self._calm = 0
            self._forget(self._play, self._play + FRAME)
            self._play += FRAME

    def _conceal(self) -> Samples | None:
        if self._missing >= len(FADES) or self._last is None:
            return None
        fade = FADES[self._missing]
        self._missing += 1
        self.concealed += 1
        return (self._last * np.float32(fade)).astype(np.int16)

    def _lay(self, at: int, audio: bytes) -> None:
        begin, size = at & _MASK, len(audio)
        room = min(size, _RING - begin)
        self._audio[begin : begin + room] = audio[:room]
        self._is_here[begin : begin + room] = b"\1" * room
        if room < size:
            self._audio[: size - room] = audio[room:]
            self._is_here[: size - room] = b"\1" * (size - room)

    def _cut(self, at: int) -> tuple[bytes, bytes]:
        """The frame at a position and which of its samples came; they are gone afterwards."""
        begin = at & _MASK
        if begin + FRAME <= _RING:
            audio = bytes(self._audio[begin : begin + FRAME])
            is_here = bytes(self._is_here[begin : begin + FRAME])
        else:
            end = begin + FRAME - _RING
            audio = bytes(self._audio[begin:] + self._audio[:end])
            is_here = bytes(self._is_here[begin:] + self._is_here[:end])
        self._forget(at, at + FRAME)
        return audio, is_here

    def _forget(self, start: int, end: int) -> None:
        for at in range(start, end, FRAME):
            begin, size = at & _MASK, min(FRAME, end - at)
            room = min(size, _RING - begin)
            self._is_here[begin : begin + room] = bytes(room)
            self._is_here[: size - room] = bytes(size - room)

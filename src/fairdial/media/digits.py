"""Keys pressed on a telephone, as RTP carries them: telephone events (RFC 4733).

One press is told by several packets, with one timestamp (its start) and a growing duration, and the
last is sent three times; packets get lost, doubled and reordered on the way. `DigitEar` makes one
digit of all that, at the first packet it hears. `press` writes what a phone would send. Keys that
come as tones within the audio are not heard here.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass

from fairdial.media import g711

DIGITS = "0123456789*#ABCD"
"""The keys, each at its event code (RFC 4733, section 3.2)."""
EVENT_BYTES = 4
PAUSE_MIN = 320
"""Samples, 40 ms: no exchange takes two presses of one key apart by less (ITU-T Q.24)."""
PRESSES_KEPT = 32
"""Presses that are remembered, so that their late packets do not count again."""
PRESS_FRAMES = 5
"""How long `press` holds a key: 100 ms."""
END_PACKETS = 3
"""How often the end of a press is said (RFC 4733, section 2.5.1)."""

_EVENT = struct.Struct("!BBH")
_END = 0x80
_VOLUME = 10
_WORD_MASK = 0xFFFFFFFF


@dataclass(slots=True)
class _Press:
    """One press as far as it was heard. Times in samples, by one sender's clock."""

    ssrc: int
    code: int
    start: int
    duration: int


class DigitEar:
    """Listens to the telephone events of one leg and names each press once."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: deque[_Press] = deque(maxlen=PRESSES_KEPT)

    def hear(self, payload: bytes, *, ssrc: int, timestamp: int) -> str | None:
        """Take one packet; answer the digit if it is the first that is heard of a press.

        What is no key, and what is older than all that is remembered, is None. Only the first
        event of a packet is read: several in one are for events without a pause between them
        (RFC 4733, section 2.5.1), and nobody presses keys like that.
        """
        if len(payload) < EVENT_BYTES:
            return None
        code, _, duration = _EVENT.unpack_from(payload)
        if code >= len(DIGITS):
            return None
        if self._is_known(ssrc=ssrc, code=code, start=timestamp, duration=duration):
            return None
        self._told.append(_Press(ssrc, code, timestamp, duration))
        return DIGITS[code]

    def _is_known(self, *, ssrc: int, code: int, start: int, duration: int) -> bool:
        """Whether this packet is of a press that was told, or too old to say."""
        told = [t for t in self._told if t.ssrc == ssrc]
        for t in told:
            if t.start == start:
                t.duration = max(t.duration, duration)
                return True
        for t in told:
            later = _signed(start - t.start)
            if t.code == code and 0 < later < t.duration + PAUSE_MIN:
                # A key held for more than 8 s goes on in a new segment, with a timestamp of its
                # own (RFC 4733, section 2.5.1); some senders move it with every packet.
                t.duration = max(t.duration, later + duration)
                return True
        is_full = len(self._told) == PRESSES_KEPT
        return is_full and bool(told) and _signed(start - told[0].start) < 0


def press(digit: str) -> tuple[bytes, ...]:
    """The payloads of one press of a key for 100 ms, one every 20 ms, the end said three times.

    They share one timestamp; only the first carries the marker. Raises `ValueError` for what is no
    key.
    """
    if len(digit) != 1 or digit not in DIGITS:
        raise ValueError(f"{digit!r} is no key of a telephone; the keys are {DIGITS}")
    code = DIGITS.index(digit)
    durations = [g711.FRAME_SAMPLES * n for n in range(1, PRESS_FRAMES)]
    held = [_EVENT.pack(code, _VOLUME, duration) for duration in durations]
    end = _EVENT.pack(code, _END | _VOLUME, g711.FRAME_SAMPLES * PRESS_FRAMES)
    return (*held, *[end] * END_PACKETS)


def _signed(difference: int) -> int:
    """How far one timestamp lies after another; the counters wrap at 32 bits."""
    difference &= _WORD_MASK
    return difference - (1 << 32) if difference >> 31 else difference

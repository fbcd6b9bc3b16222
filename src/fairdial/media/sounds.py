"""Sounds that the engine makes itself: keys as tones, the beeps at a join, music on hold.

All are made of sines when they are first wanted, so that no recording of anybody comes along.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fairdial.media import g711, sdp
from fairdial.media.mixing import Samples, encode

_ROWS_HZ = (697, 770, 852, 941)
_COLUMNS_HZ = (1209, 1336, 1477, 1633)
_KEYPAD = ("123A", "456B", "789C", "*0#D")
KEY_MS = 100
"""How long a key sounds (ITU-T Q.24: 40 ms at least)."""
KEY_LOUDNESS = 7000
"""Of each of the two tones, linear 16-bit: some -10 dBm0."""

JOIN_HZ = 890
"""No tone of a network and none of the sandbox."""
JOIN_LOUDNESS = 5000
_BEEP_MS, _BETWEEN_MS = 40, 120

MUSIC_LOUDNESS = 4500
_BAR_S = 2.0
_CHORDS = (
    (220.00, 261.63, 329.63, 392.00),
    (174.61, 261.63, 349.23, 440.00),
    (196.00, 246.94, 293.66, 392.00),
    (164.81, 246.94, 329.63, 493.88),
)


@lru_cache(maxsize=16)
def key_tone(digit: str) -> bytes:
    """A key of the telephone as its two tones (ITU-T Q.23), mu-law, whole frames.

    Raises `ValueError` for what is no key.
    """
    row = next((n for n, keys in enumerate(_KEYPAD) if digit in keys and len(digit) == 1), None)
    if row is None:
        raise ValueError(f"{digit!r} is no key of a telephone")
    column = _KEYPAD[row].index(digit)
    both = _sine(_ROWS_HZ[row], KEY_MS) + _sine(_COLUMNS_HZ[column], KEY_MS)
    return encode((KEY_LOUDNESS * both).astype(np.int16), sdp.PCMU)


@lru_cache(maxsize=1)
def join_tone() -> Samples:
    """Two short beeps, 200 ms, that tell an agent: somebody is there."""
    beep = _sine(JOIN_HZ, _BEEP_MS)
    between = np.zeros(_samples(_BETWEEN_MS))
    return (JOIN_LOUDNESS * np.concatenate([beep, between, beep])).astype(np.int16)


@lru_cache(maxsize=1)
def hold_music() -> bytes:
    """Eight seconds of slow broken chords that loop without a seam, as mu-law frames."""
    notes = [note for chord in _CHORDS for note in (*chord, *reversed(chord[1:3]))]
    step_s = _BAR_S * len(_CHORDS) / len(notes)
    length = round(_BAR_S * len(_CHORDS) * g711.SAMPLE_RATE)
    music = np.zeros(length)
    for n, hertz in enumerate(notes):
        note = _pluck(hertz, 1.6)
        at = (round(n * step_s * g711.SAMPLE_RATE) + np.arange(len(note))) % length
        music[at] += note
    music *= MUSIC_LOUDNESS / np.abs(music).max()
    return encode(music.astype(np.int16), sdp.PCMU)


def frames(audio: bytes, silence: bytes) -> Sequence[bytes]:
    """Audio in frames of 20 ms; the last is filled up with silence."""
    size = g711.FRAME_SAMPLES
    cut = [audio[i : i + size] for i in range(0, len(audio), size)]
    if cut and len(cut[-1]) < size:
        cut[-1] += silence[len(cut[-1]) :]
    return cut


def _pluck(hertz: float, seconds: float) -> NDArray[np.float64]:
    """A note that is struck and dies away, soft in its overtones."""
    time = np.arange(round(seconds * g711.SAMPLE_RATE)) / g711.SAMPLE_RATE
    tone = sum(np.sin(2 * np.pi * hertz * k * time) / k**2 for k in (1, 2, 3))
    rise = np.minimum(1.0, time / 0.02)
    fall = np.minimum(1.0, (seconds - time) / 0.05)
    return np.asarray(tone * rise * fall * np.exp(-2.5 * time))


def _sine(hertz: float, ms: int) -> NDArray[np.float64]:
    return np.asarray(np.sin(2 * np.pi * hertz * np.arange(_samples(ms)) / g711.SAMPLE_RATE))


def _samples(ms: int) -> int:
    return ms * g711.SAMPLE_RATE // 1000

"""The music that is heard on hold: a slow broken chord, made here, so that nobody's rights are."""

from __future__ import annotations

from array import array
from math import exp, pi, sin

from fairdial.media import g711

NOTE_S = 0.4
LOUDNESS = 2600
_NOTES_HZ = (220.0, 277.18, 329.63, 440.0, 329.63, 277.18, 196.0, 246.94, 293.66, 392.0, 293.66)
_OVERTONES = (1.0, 0.5, 0.25)


def hold_music() -> array[int]:
    """Samples at 8 kHz, to be repeated."""
    size = round(NOTE_S * g711.SAMPLE_RATE)
    samples = array("h")
    for hertz in _NOTES_HZ:
        step = 2 * pi * hertz / g711.SAMPLE_RATE
        for n in range(size):
            # Each note is struck and dies away, but never falls silent.
            loud = LOUDNESS * (0.35 + 0.65 * exp(-3 * n / size)) * min(1.0, n / 80, (size - n) / 80)
            tone = sum(level * sin(k * step * n) for k, level in enumerate(_OVERTONES, start=1))
            samples.append(round(loud * tone))
    return samples

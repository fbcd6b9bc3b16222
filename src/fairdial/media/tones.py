"""The four sounds of the simulated network: made, and recognised again at the other end.

People of the simulated network say *yes*, *no* and *stop calling me* as pure tones, and voicemail
beeps, so that a test knows by content, not by packet counts, what an agent heard. Each frequency is
an odd multiple of 200 Hz. This makes the detector cheap: at 8000 samples a second such a tone turns
its sign every 20 samples, so a frame of 160 folds into 20 before Goertzel's recurrence
(G. Goertzel, "An Algorithm for the Evaluation of Finite Trigonometric Series", 1958) is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from math import cos, pi, sin
from operator import mul
from types import MappingProxyType

from fairdial.media import g711

SAMPLE_RATE = 8000
FRAME_MS = 20
HALF_PERIOD = 20
"""Samples after which every one of the sounds has turned its sign: half of a 200 Hz period."""
LOUDNESS = 8000
"""Amplitude of a made tone, in linear 16-bit units."""
LONG_MS = 400
"""How long a sound lasts: longer than the 300 ms that a listener needs to be sure."""
AUDIBLE = 250
"""Mean absolute level (linear 16-bit) from which on a frame is not silence."""
PURE = 0.75
"""The share of a frame's energy that must be at one frequency. A pure tone has 1.0 (mu-law
rounding takes a hundredth), speech spreads over many harmonics."""
SURE_FRAMES = 4
"""How many frames in a row must agree before a tone is believed: 80 ms."""


class Sound(StrEnum):
    """What a tone means."""

    BEEP = "beep"
    """Voicemail: speak now."""
    YES = "yes"
    NO = "no"
    STOP = "stop"
    """Stop calling me."""


FREQUENCY_HZ: Mapping[Sound, int] = MappingProxyType(
    {Sound.BEEP: 1000, Sound.YES: 1400, Sound.NO: 600, Sound.STOP: 1800}
)

_COEFFICIENTS = tuple(
    (sound, 2 * cos(2 * pi * hertz / SAMPLE_RATE)) for sound, hertz in FREQUENCY_HZ.items()
)
_COARSE = bytes(min(255, abs(g711.ULAW_SAMPLES[code]) >> 7) for code in range(256))
_COARSE_AUDIBLE = AUDIBLE / 128


@lru_cache(maxsize=32)
def sound_frames(sound: Sound, ms: int = LONG_MS) -> tuple[bytes, ...]:
    """A sound as mu-law frames of 20 ms; `ms` is rounded down to whole frames."""
    step = 2 * pi * FREQUENCY_HZ[sound] / SAMPLE_RATE
    size = g711.FRAME_SAMPLES
    samples = [round(LOUDNESS * sin(step * i)) for i in range(ms // FRAME_MS * size)]
    encoded = g711.encode_ulaw(samples)
    return tuple(encoded[i : i + size] for i in range(0, len(encoded), size))


def is_audible(frame: bytes) -> bool:
    """Whether a mu-law frame holds any sound. Costs about a microsecond."""
    return sum(frame.translate(_COARSE)) >= _COARSE_AUDIBLE * len(frame) > 0


def tone_in(frame: bytes) -> Sound | None:
    """The sound that a whole mu-law frame of 160 samples consists of, if it is one of ours."""
    if len(frame) != g711.FRAME_SAMPLES or not is_audible(frame):
        return None
    table = g711.ULAW_SAMPLES
    samples = [table[code] for code in frame]
    energy = sum(map(mul, samples, samples))
    # One value per place in the half period: the eight halves added with alternating sign.
    folded = [
        a - b + c - d + e - f + g - h
        for a, b, c, d, e, f, g, h in zip(
            *(samples[i : i + HALF_PERIOD] for i in range(0, len(samples), HALF_PERIOD)),
            strict=True,
        )
    ]
    # What is not ours mostly cancels in the fold, so this spares the recurrence for speech:
    # one of our tones leaves eight times its energy.
    if sum(map(mul, folded, folded)) < PURE * energy * 8:
        return None
    # |X|^2 of a sine that fills the frame is energy * n / 2.
    enough = PURE * energy * len(samples) / 2
    for sound, coefficient in _COEFFICIENTS:
        before, last = 0.0, 0.0
        for y in folded:
            before, last = last, y + coefficient * last - before
        if last * last + before * before - coefficient * last * before >= enough:
            return sound
    return None


class ToneDetector:
    """Listens to one stream of frames and names each tone once, when it is sure of it."""

    __slots__ = ("_run", "_tone")

    def __init__(self) -> None:
        self._tone: Sound | None = None
        self._run = 0

    def hear(self, frame: bytes) -> Sound | None:
        """Take the next frame; answer a sound at the frame that makes it certain."""
        tone = tone_in(frame)
        if tone is not self._tone:
            self._tone, self._run = tone, 0
        self._run += 1
        return tone if self._run == SURE_FRAMES else None

    @property
    def hears_tone(self) -> bool:
        """Whether the last frame was a tone, sure or not."""
        return self._tone is not None

"""Voices for the simulated network: deterministic clips that sound and measure like speech.

Vowel-like syllables of many gliding harmonics under two formants, with short gaps between syllables
and a longer one between phrases. They carry no meaning; they are audible, have the rhythm of speech
and never put their energy into one frequency, so that no listener takes a voice for a tone of
`tones` (`tests/media/test_speech.py` proves it for every voice).
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, pi, sin
from random import Random

from fairdial.media import g711
from fairdial.media.tones import FREQUENCY_HZ, SAMPLE_RATE

VOICES = 8
"""How many different voices there are; any other number of a voice is taken modulo this."""
CLIP_FRAMES = 160
"""Length of a clip, 3.2 s; whoever speaks longer repeats it."""
PAUSE_MS_MAX = 260
"""The longest silence inside a clip. Under the 500 ms after which a listener reports silence."""
LOUDNESS = 9000
"""Peak amplitude of a clip, linear 16-bit."""

_PERIOD = 512
_WAVE = tuple(sin(2 * pi * i / _PERIOD) for i in range(_PERIOD))
_CLEARANCE_HZ = 40
"""No harmonic may start this close to a tone's frequency."""


@lru_cache(maxsize=VOICES)
def _clip(voice: int) -> tuple[bytes, ...]:
    random = Random(f"voice:{voice}")  # noqa: S311 - a play, not a secret
    # From a low male to a high female pitch, one step per voice.
    pitch_hz = 92 + 120 * voice / (VOICES - 1)
    size = g711.FRAME_SAMPLES
    samples: list[float] = []
    while len(samples) < CLIP_FRAMES * size:
        for _ in range(random.randint(4, 7)):
            samples += _syllable(random, pitch_hz * random.uniform(0.88, 1.15))
            samples += [0.0] * _samples(random.randint(20, 60))
        samples += [0.0] * _samples(random.randint(120, PAUSE_MS_MAX - 60))
    del samples[CLIP_FRAMES * size :]
    loudest = max(abs(x) for x in samples)
    encoded = g711.encode_ulaw([round(LOUDNESS * x / loudest) for x in samples])
    return tuple(encoded[i : i + size] for i in range(0, len(encoded), size))


def speech_frames(voice: int) -> tuple[bytes, ...]:
    """The clip of a voice as mu-law frames of 20 ms, made once and kept."""
    return _clip(voice % VOICES)


def _syllable(random: Random, pitch_hz: float) -> list[float]:
    """One vowel with a soft start and end, its pitch gliding by up to a tenth."""
    length = _samples(random.randint(110, 230))
    glide = random.uniform(-0.10, 0.10) / length
    first, second = random.uniform(350, 750), random.uniform(1100, 2300)
    harmonics = [
        (k, _formants(k * pitch_hz, first, second) / k**0.3)
        for k in range(1, int(3300 / pitch_hz) + 1)
        if all(abs(k * pitch_hz - tone) > _CLEARANCE_HZ for tone in FREQUENCY_HZ.values())
    ]
    # The harmonics glide together, so one period is drawn once and read at a changing pace.
    period = [sum(level * _WAVE[k * i % _PERIOD] for k, level in harmonics) for i in range(_PERIOD)]
    samples = []
    phase = random.random() * _PERIOD
    step = pitch_hz * _PERIOD / SAMPLE_RATE
    for i in range(length):
        phase += step * (1 + glide * i)
        samples.append(period[int(phase) & (_PERIOD - 1)] * sin(pi * i / length) ** 0.5)
    return samples


def _formants(hertz: float, first: float, second: float) -> float:
    """How much a mouth with these two resonances lets through."""
    return 0.15 + exp(-(((hertz - first) / 280) ** 2)) + 0.7 * exp(-(((hertz - second) / 400) ** 2))


def _samples(ms: int) -> int:
    return ms * SAMPLE_RATE // 1000

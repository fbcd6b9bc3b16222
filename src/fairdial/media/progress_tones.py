"""The tones of networks, fax machines and answering machines: what they are, and how to make them.

Frequencies and cadences are those of ITU-T E.180/Q.35 and its supplement 2, T.30 and V.25 (fax),
Q.23 (keys), and of the North American precise tone plan with its encoded special information tones
(Telcordia GR-674). `tone_ear` recognises them; tests and benchmarks play them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import pi, sin
from types import MappingProxyType

from fairdial.core.answer import Tone
from fairdial.media import g711

LEVEL = 3000
"""Amplitude of each frequency of a made tone, linear 16-bit: about -24 dBov."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of sound: frequencies that sound together (none: silence), and for how long."""

    hertz: tuple[float, ...]
    ms: int


SIT_LOW_MS, SIT_HIGH_MS = 274, 380
"""The short and the long part of encoded special information tones."""
SIT_FIRST, SIT_SECOND, SIT_THIRD = (913.8, 985.2), (1370.6, 1428.5), 1776.7
"""Hz, low and high; the third has one value."""

SIT_CODES: Mapping[tuple[bool, bool, bool, bool], Tone] = MappingProxyType(
    {
        # Is the first high, the second high; is the first long, the second long.
        (False, False, False, False): Tone.SIT_INTERCEPT,
        (True, False, True, False): Tone.SIT_VACANT,
        (True, True, True, True): Tone.SIT_NO_CIRCUIT,
        (False, False, True, True): Tone.SIT_NO_CIRCUIT,
        (False, True, False, True): Tone.SIT_REORDER,
        (True, False, False, True): Tone.SIT_REORDER,
    }
)
"""What the codes mean; the second ones of the last two are those of long-distance carriers. All
others are reserved or plain (E.180) and mean `Tone.SIT`."""


def sit(*, high: tuple[bool, bool], long: tuple[bool, bool]) -> tuple[Part, ...]:
    """One run of encoded special information tones."""
    ms = (SIT_LOW_MS, SIT_HIGH_MS)
    return (
        Part((SIT_FIRST[high[0]],), ms[long[0]]),
        Part((SIT_SECOND[high[1]],), ms[long[1]]),
        Part((SIT_THIRD,), SIT_HIGH_MS),
    )


def cadence(hertz: tuple[float, ...], on_ms: int, off_ms: int, times: int) -> tuple[Part, ...]:
    """A tone that comes and goes."""
    return (Part(hertz, on_ms), Part((), off_ms)) * times


SIGNALS: Mapping[str, tuple[Tone, tuple[Part, ...]]] = MappingProxyType(
    {
        "busy, North America": (Tone.BUSY, cadence((480, 620), 500, 500, 4)),
        "busy, Europe": (Tone.BUSY, cadence((425,), 500, 500, 4)),
        "busy, United Kingdom": (Tone.BUSY, cadence((400,), 375, 375, 5)),
        "congestion, North America": (Tone.CONGESTION, cadence((480, 620), 250, 250, 6)),
        "congestion, Europe": (Tone.CONGESTION, cadence((425,), 240, 240, 6)),
        "SIT intercept": (Tone.SIT_INTERCEPT, sit(high=(False, False), long=(False, False))),
        "SIT vacant": (Tone.SIT_VACANT, sit(high=(True, False), long=(True, False))),
        "SIT no circuit": (Tone.SIT_NO_CIRCUIT, sit(high=(True, True), long=(True, True))),
        "SIT no circuit, carrier": (
            Tone.SIT_NO_CIRCUIT,
            sit(high=(False, False), long=(True, True)),
        ),
        "SIT reorder": (Tone.SIT_REORDER, sit(high=(False, True), long=(False, True))),
        "SIT reorder, carrier": (Tone.SIT_REORDER, sit(high=(True, False), long=(False, True))),
        "SIT, E.180": (Tone.SIT, (Part((950,), 330), Part((1400,), 330), Part((1800,), 330))),
        "fax answers": (Tone.FAX, (Part((), 200), Part((2100,), 3000))),
        "fax calls": (Tone.FAX, cadence((1100,), 500, 3000, 2)),
    }
)
"""Signals by name: what they mean, and their sound."""

DIAL_KEYS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        key: (low, high)
        for low, row in ((697, "123A"), (770, "456B"), (852, "789C"), (941, "*0#D"))
        for high, key in zip((1209, 1336, 1477, 1633), row, strict=True)
    }
)
"""The two frequencies of each key (Q.23)."""

NEAR_MISSES: Mapping[str, tuple[Part, ...]] = MappingProxyType(
    {
        "ringing tone, North America": cadence((440, 480), 2000, 4000, 2),
        "ringing tone, Europe": cadence((425,), 1000, 4000, 2),
        "ringing tone, United Kingdom": (
            *(Part((400, 450), 400), Part((), 200), Part((400, 450), 400), Part((), 2000)) * 2,
        ),
        "dial tone, North America": (Part((350, 440), 3000),),
        "dial tone, Europe": (Part((425,), 3000),),
        "call waiting": cadence((440,), 300, 9700, 1),
        "keys": tuple(
            part for key in "0123456789*#" for part in (Part(DIAL_KEYS[key], 120), Part((), 80))
        ),
    }
)
"""Sounds that are close to a signal and are none."""


def made(parts: Iterable[Part], *, level: float = LEVEL) -> list[float]:
    """The samples of a sound, each frequency with amplitude `level`."""
    samples: list[float] = []
    for part in parts:
        steps = [2 * pi * hertz / g711.SAMPLE_RATE for hertz in part.hertz]
        samples += [
            level * sum(sin(step * i) for step in steps)
            for i in range(part.ms * g711.SAMPLE_RATE // 1000)
        ]
    return samples


def frames_of(samples: Iterable[float]) -> tuple[bytes, ...]:
    """Samples as whole mu-law frames of 20 ms; what is over is filled with silence."""
    audio = g711.encode_ulaw([max(-32768, min(32767, round(sample))) for sample in samples])
    size = g711.FRAME_SAMPLES
    audio += g711.SILENCE_ULAW[: -len(audio) % size]
    return tuple(audio[i : i + size] for i in range(0, len(audio), size))

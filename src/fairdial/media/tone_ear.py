"""Recognises the tones of a call's progress in one stream of frames, each once, when it is sure.

A frame and the one before it make a window of 40 ms, whose spectrum says whether the sound is one
frequency, a pair, or neither. Frames of one frequency become a run; lengths of runs and the
silences between them say which tone it was. A run is measured by its energy, so that it need not
begin with a frame.

This knows nothing of persons and machines; `call_ear` tells it whether a voice was heard, because
a beep is one only after a greeting.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from fairdial.core.answer import Tone
from fairdial.media import g711
from fairdial.media.ear_settings import DetectorSettings
from fairdial.media.progress_tones import (
    SIT_CODES,
    SIT_FIRST,
    SIT_HIGH_MS,
    SIT_LOW_MS,
    SIT_SECOND,
    SIT_THIRD,
)

Samples = npt.NDArray[np.float32]

_SIZE: Final = g711.FRAME_SAMPLES
_BIN_HZ: Final = g711.SAMPLE_RATE / (2 * _SIZE)
_WINDOW: Final = np.hanning(2 * _SIZE + 1)[:-1].astype(np.float32)
_BIN_MIN, _BIN_MAX = 12, 110
"""300 and 2750 Hz: where tones are looked for. Hum below 100 Hz counts for nothing."""
_HUM_BIN: Final = 4
_LOBE: Final = 2
"""Bins to each side of its peak that hold a sine under this window."""

_SAME_HZ: Final = 14.0
"""Frames this close belong to one run; a voice's pitch moves more in 20 ms."""
_STEADY_RATIO: Final = 3.0
"""How much louder the loudest quarter of a frame may be than the softest. The beat of 440 with
480 Hz is far above."""
_GAP_FRAMES: Final = 2
"""Frames that do not fit, or were lost, before a run is over."""
_RUN_FRAMES_MAX: Final = 500
_EDGE_DB: Final = 10.0
"""A frame this much softer than the run is its end."""

_BUSY_PAIR = (480.0, 620.0)
_NETWORK_HZ = (388.0, 462.0)
"""Single frequencies of busy and congestion: E.180 recommends 400 to 450 Hz."""
_NETWORK_BEEP = (413.0, 437.0)
"""425 Hz is the network's own in most of the world, so it is no beep."""
_PERIOD_S = (0.28, 1.15)
_BUSY_PERIOD_MIN_S: Final = 0.62
_ON_SHARE = (0.36, 0.64)
"""Busy and congestion: on for 40 to 60 percent of the period (E.180: 0.67 to 1.5 to one)."""
_SIT_GAP_FRAMES: Final = 3
_SIT_HZ = 52.0
_SIT_LENGTH_S = (0.22, 0.44)
_SIT_SURE_S: Final = 0.045
"""How close a length must be to a code's; what lies between is a plain one."""
_CED_HZ, _CNG_HZ = 2100.0, 1100.0
_CED_TOLERANCE_HZ, _CNG_TOLERANCE_HZ = 18.0, 40.0
_CNG_S = (0.42, 0.60)
_CED_AFTER_VOICE_S: Final = 1.1
"""2100 Hz after a voice may be a beep; one that is longer than this is a fax."""


class _Found(NamedTuple):
    """What a window consists of: one frequency, or two (the lower first)."""

    low: float
    high: float
    is_steady: bool


@dataclass(slots=True)
class _Run:
    """Frames of one tone."""

    low: float
    high: float
    start: int
    """The frame with which it began."""
    energy_before: float
    """Of the frame before, which may hold its first milliseconds."""
    energies: list[float] = field(default_factory=list)
    unsteady: int = 0
    end: int = 0
    """The frame after its last."""
    energy_after: float = 0.0

    @property
    def power(self) -> float:
        """Energy of a frame that it fills."""
        return sorted(self.energies)[len(self.energies) // 2]

    @property
    def seconds(self) -> float:
        """How long it lasted, by its energy."""
        return self.seconds_beside(None, None)

    def seconds_beside(self, before: _Run | None, after: _Run | None) -> float:
        """How long it lasted, if other runs lie close: the frames between are shared."""
        power = self.power
        frames = sum(min(1.0, e / power) for e in self.energies)
        for energy, gap in (
            (self.energy_before, None if before is None else self.start - before.end),
            (self.energy_after, None if after is None else after.start - self.end),
        ):
            share = min(1.0, energy / power) if gap is None else gap / 2
            frames += share if share > 0.1 else 0.0
        return frames * g711.FRAME_S

    @property
    def is_steady(self) -> bool:
        """Whether its loudness stood still; its first and last frame may be half filled."""
        return self.unsteady <= 2 + len(self.energies) // 8


@dataclass(slots=True)
class _Pulse:
    """One on of a cadence. Seconds of the stream."""

    low: float
    high: float
    begun: float
    ended: float


class ToneEar:
    """Listens to one stream of frames."""

    __slots__ = (
        "_buffer",
        "_cadence_told",
        "_energy",
        "_fax_told",
        "_misses",
        "_position",
        "_pulse",
        "_repeats",
        "_run",
        "_settings",
        "_sit",
        "_waiting",
    )

    def __init__(self, settings: DetectorSettings) -> None:
        self._settings = settings
        self._buffer: Samples = np.zeros(2 * _SIZE, np.float32)
        self._position = 0
        self._run: _Run | None = None
        self._misses = 0
        self._energy = 0.0
        self._pulse: _Pulse | None = None
        self._repeats = 0
        self._cadence_told: Tone | None = None
        self._fax_told = False
        self._sit: list[_Run] = []
        self._waiting: _Run | None = None

    @property
    def hears_tone(self) -> bool:
        """Whether the last frames were a tone of at least 60 ms, so no voice."""
        run = self._run
        return run is not None and len(run.energies) >= 3

    def hear(
        self, samples: Samples, *, energy: float, level: float, after_voice: bool
    ) -> Tone | None:
        """Take a frame of 160 samples with the sum of its squares and its level in dBov."""
        buffer = self._buffer
        buffer[:_SIZE] = buffer[_SIZE:]
        buffer[_SIZE:] = samples
        found = None
        if level >= self._settings.tone_level_min:
            found = self._analyse()
        heard = self._take(found, energy, after_voice=after_voice)
        self._energy = energy
        return heard

    def miss(self, *, after_voice: bool) -> Tone | None:
        """A frame was lost."""
        self._buffer[:] = 0
        self._energy = 0.0
        return self._take(None, 0.0, after_voice=after_voice)

    def _analyse(self) -> _Found | None:
        """What the window consists of; None for anything but one or two frequencies."""
        spectrum = np.fft.rfft(self._buffer * _WINDOW)
        power = spectrum.real**2
        power += spectrum.imag**2
        peak = int(power[_BIN_MIN:_BIN_MAX].argmax()) + _BIN_MIN
        total = float(power[_HUM_BIN:].sum())
        lobe = float(power[peak - _LOBE : peak + _LOBE + 1].sum())
        s = self._settings
        # Of a pair the louder has at least half; this spares the rest for most of speech.
        if total <= 0 or lobe < 0.45 * total:
            return None
        low = _frequency(power, peak)
        rest = power[_BIN_MIN - _LOBE :].copy()
        at = peak - (_BIN_MIN - _LOBE)
        rest[max(0, at - _LOBE - 1) : at + _LOBE + 2] = 0
        second = int(rest.argmax())
        lobe_2 = float(rest[max(0, second - _LOBE) : second + _LOBE + 1].sum())
        if lobe_2 <= s.second_share_max * total:
            if lobe < s.tone_share_min * total:
                return None
            return _Found(low, 0.0, self._stands_still())
        if lobe + lobe_2 < s.tone_share_min * total or lobe_2 < 0.12 * total:
            return None
        high = _frequency(power, second + _BIN_MIN - _LOBE)
        return _Found(min(low, high), max(low, high), True)

    def _stands_still(self) -> bool:
        """Whether the four quarters of the last frame are about equally loud."""
        quarters = (self._buffer[_SIZE:] ** 2).reshape(4, -1).sum(1)
        return float(quarters.max()) <= _STEADY_RATIO * float(quarters.min())

    def _take(self, found: _Found | None, energy: float, *, after_voice: bool) -> Tone | None:
        """Let a run go on, begin or end."""
        position = self._position
        self._position += 1
        run = self._run
        if run is not None and found is not None and self._fits(run, found, energy):
            run.energies.append(energy)
            run.unsteady += not found.is_steady
            run.end = position + 1
            run.energy_after = 0.0
            self._misses = 0
            if len(run.energies) > _RUN_FRAMES_MAX:
                del run.energies[: _RUN_FRAMES_MAX // 2]
            return self._fax_answers(run, after_voice=after_voice)
        heard = None
        if run is not None:
            if self._misses == 0:
                run.energy_after = energy
            self._misses += 1
            is_other = found is not None and not self._is_same(run, found)
            if self._misses > _GAP_FRAMES or is_other:
                heard = self._close(run, after_voice=after_voice)
                self._run = None
        if found is not None and self._run is None:
            self._run = _Run(found.low, found.high, position, self._energy, [energy])
            self._run.unsteady = int(not found.is_steady)
            self._run.end = position + 1
            self._misses = 0
        waiting = self._waiting
        if waiting is not None:
            if self._run is not None and len(self._run.energies) >= 3:
                self._waiting = None
            elif position - waiting.end >= _GAP_FRAMES + 2:
                self._waiting = None
                return heard or Tone.BEEP
        return heard

    @staticmethod
    def _is_same(run: _Run, found: _Found) -> bool:
        # A pair that begins or ends looks like one of its two for a frame.
        return abs(run.low - found.low) <= _SAME_HZ and abs(run.high - found.high) <= _SAME_HZ

    def _fits(self, run: _Run, found: _Found, energy: float) -> bool:
        """Whether a frame is more of the run; what is much softer is its end."""
        loud = run.energies[-1]
        return self._is_same(run, found) and energy * 10 ** (_EDGE_DB / 10) >= loud

    def _close(self, run: _Run, *, after_voice: bool) -> Tone | None:
        """A run is over: what it was, with those before it."""
        if len(run.energies) < 3 or run.power <= 0:
            return None
        seconds = run.seconds
        told = self._sit_ended_with(run)
        if told is not None:
            return told
        if self._is_network(run):
            told = self._pulse_ended(run, seconds)
            if told is not None:
                return told
        s = self._settings
        if not run.is_steady or run.high:
            return None
        if (
            not after_voice
            and not self._fax_told
            and abs(run.low - _CNG_HZ) <= _CNG_TOLERANCE_HZ
            and _CNG_S[0] <= seconds <= _CNG_S[1]
        ):
            self._fax_told = True
            return Tone.FAX
        if (
            after_voice
            and s.beep_s_min <= seconds <= s.beep_s_max
            and s.beep_hz_min <= run.low <= s.beep_hz_max
            and not _NETWORK_BEEP[0] <= run.low <= _NETWORK_BEEP[1]
            and len(self._sit) <= 1
        ):
            # A tone that follows at once would make it a melody or special information tones.
            self._waiting = run
        return None

    def _fax_answers(self, run: _Run, *, after_voice: bool) -> Tone | None:
        """2100 Hz is told while it sounds."""
        if (
            self._fax_told
            or run.high
            or abs(run.low - _CED_HZ) > _CED_TOLERANCE_HZ
            or (self._position - run.start) * g711.FRAME_S
            < (_CED_AFTER_VOICE_S if after_voice else self._settings.fax_s_min)
        ):
            return None
        self._fax_told = True
        return Tone.FAX

    @staticmethod
    def _is_network(run: _Run) -> bool:
        """Whether busy or congestion is made of such tones."""
        if run.high:
            return (
                abs(run.low - _BUSY_PAIR[0]) <= _SAME_HZ
                and abs(run.high - _BUSY_PAIR[1]) <= _SAME_HZ
            )
        return _NETWORK_HZ[0] <= run.low <= _NETWORK_HZ[1] and run.is_steady

    def _pulse_ended(self, run: _Run, seconds: float) -> Tone | None:
        """One more on of a cadence; told when it has repeated."""
        middle = (run.start + run.end) / 2 * g711.FRAME_S
        pulse = _Pulse(run.low, run.high, middle - seconds / 2, middle + seconds / 2)
        last, self._pulse = self._pulse, pulse
        if last is None:
            return None
        period = pulse.begun - last.begun
        share_on = seconds / period if period > 0 else 1.0
        if not (
            _PERIOD_S[0] <= period <= _PERIOD_S[1]
            and _ON_SHARE[0] <= share_on <= _ON_SHARE[1]
            and abs(last.low - pulse.low) <= _SAME_HZ
            and abs(last.high - pulse.high) <= _SAME_HZ
        ):
            self._repeats = 0
            self._cadence_told = None
            return None
        self._repeats += 1
        tone = Tone.BUSY if period >= _BUSY_PERIOD_MIN_S else Tone.CONGESTION
        if self._repeats < self._settings.cadence_repeats or self._cadence_told is tone:
            return None
        self._cadence_told = tone
        return tone

    def _sit_ended_with(self, run: _Run) -> Tone | None:
        """The third of three rising tones, if this is it."""
        sit = self._sit
        if sit and run.start - sit[-1].end > _SIT_GAP_FRAMES:
            sit.clear()
        expected = (
            (SIT_FIRST[0] - _SIT_HZ / 2, SIT_FIRST[1] + _SIT_HZ / 2),
            (SIT_SECOND[0] - _SIT_HZ / 2, SIT_SECOND[1] + _SIT_HZ / 2),
            (SIT_THIRD - _SIT_HZ / 2, 1800 + _SIT_HZ),
        )
        for place in (len(sit), 0):
            least, most = expected[place]
            if (
                not run.high
                and least <= run.low <= most
                and _SIT_LENGTH_S[0] <= run.seconds <= _SIT_LENGTH_S[1]
            ):
                del sit[place:]
                sit.append(run)
                break
        else:
            sit.clear()
        if len(sit) < 3:
            return None
        told = _sit_code(*sit)
        sit.clear()
        return told


def _sit_code(first: _Run, second: _Run, third: _Run) -> Tone:
    """What special information tones say, by pitch and length of the first two."""
    code = []
    for run, (low, high) in ((first, SIT_FIRST), (second, SIT_SECOND)):
        middle = (low + high) / 2
        if abs(run.low - middle) < (high - low) / 4:
            return Tone.SIT
        code.append(run.low > middle)
    for seconds in (first.seconds_beside(None, second), second.seconds_beside(first, third)):
        if abs(seconds - SIT_LOW_MS / 1000) <= _SIT_SURE_S:
            code.append(False)
        elif abs(seconds - SIT_HIGH_MS / 1000) <= _SIT_SURE_S:
            code.append(True)
        else:
            return Tone.SIT
    return SIT_CODES.get((code[0], code[1], code[2], code[3]), Tone.SIT)


def _frequency(power: npt.NDArray[np.floating[Any]], peak: int) -> float:
    """The frequency of a peak, between the bins: a parabola through the three logarithms."""
    left, top, right = (float(power[i]) + 1e-9 for i in (peak - 1, peak, peak + 1))
    a, b, c = log(left), log(top), log(right)
    bend = a - 2 * b + c
    return (peak + (0.5 * (a - c) / bend if bend else 0.0)) * _BIN_HZ

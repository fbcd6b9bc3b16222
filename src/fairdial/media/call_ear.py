"""Listens to one call: tones from the first packet on, and from the answer on who or what answered.

Both engines feed it, frame by frame, and pass on what it tells. At most one judgement comes for a
call, and one always comes by the limit, whatever arrives: silence, loss, garbage, nothing at all.
A person who is taken for a machine is hung up on; so a machine must be far more certain than a
person, and what is neither is unsure, which is treated as a person (docs/why/unsure.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, log10
from typing import Final

import numpy as np

from fairdial.core.answer import AnswerKind, Tone
from fairdial.media import g711
from fairdial.media.answer_model import (
    SPEAKING_FRAMES,
    AnswerModel,
    prior_odds_log,
    probability,
    trained,
)
from fairdial.media.ear_settings import DetectorSettings
from fairdial.media.tone_ear import ToneEar
from fairdial.media.voice_activity import FRAME_S, VoiceActivity

_SAMPLES: Final = np.array(g711.ULAW_SAMPLES, np.float32)
_SIZE: Final = g711.FRAME_SAMPLES
_FULL_SCALE_DB: Final = 90.31
_LATE_FRAMES: Final = 5
"""Packets that are late by less may be on their way; 100 ms."""
_AHEAD_FRAMES: Final = 25
"""Frames that come faster than time are dropped from here on; half a second."""
_LOST_FRAMES_MAX: Final = 250
"""After a longer silence of the line only this much of it is counted."""
_FRAME_BYTES_MAX: Final = 10 * _SIZE
_LOOK_FRAMES: Final = 5
"""The model is asked every 100 ms."""
_VOICE_FRAMES_BEFORE_BEEP: Final = 12
_TONE_GAP_FRAMES: Final = 40
"""Less silence than this after a tone may be its pause: 0.8 s, where busy tones pause for 0.5 s."""
_BEEP_END_FRAMES: Final = 10
"""A beep is told some frames after its end; until then nothing else is judged."""
_TONE_CONFIDENCE: Final = 0.99
"""Given with every judgement that a tone made. It is set, not trained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Who or what answered. Times are seconds of the clock that the ear was given."""

    kind: AnswerKind
    confidence: float
    """Probability of `kind`, 0 to 1; with `UNSURE` the probability of a person."""
    why: str
    greeting_started_at: float | None
    greeting_ended_at: float | None
    """None while somebody speaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A tone, told when it was certain; a beep when it was over."""

    tone: Tone
    at: float


class CallEar:
    """Listens to one call. Not for several threads."""

    __slots__ = (
        "_answered_at",
        "_began",
        "_frames",
        "_is_judged",
        "_last_at",
        "_model",
        "_prior",
        "_rest",
        "_settings",
        "_toned_at",
        "_tones",
        "voice",
    )

    def __init__(self, settings: DetectorSettings, model: AnswerModel | None = None) -> None:
        self._settings = settings
        self._model = model or trained()
        self._prior = prior_odds_log(settings.machine_share)
        self._tones = ToneEar(settings)
        self._toned_at: int | None = None
        self.voice = VoiceActivity(settings)
        """What was spoken since the answer."""
        self._frames = 0
        """Frames since the stream began, lost ones among them."""
        self._began: float | None = None
        self._last_at = 0.0
        self._answered_at: float | None = None
        self._is_judged = False
        self._rest = b""

    @property
    def is_judged(self) -> bool:
        """Whether the judgement was given; tones are told all the same."""
        return self._is_judged

    def answered(self, at: float) -> None:
        """The call was answered: who answered is judged from now on. A second answer is none."""
        at = self._time(at)
        if self._answered_at is not None:
            return
        self._answered_at = at
        self.voice.begin()

    def hear(self, frame: bytes, at: float) -> list[Judgement | Heard]:
        """Take mu-law audio as it came, usually 160 bytes for 20 ms; what it makes certain.

        Other lengths are cut or joined; an empty frame only lets time pass. `at` is when it came,
        in seconds; a time before the last one counts as that one.
        """
        at = self._time(at)
        told = self._catch_up(at, allowed=_LATE_FRAMES)
        if self._rest or len(frame) != _SIZE:
            audio = self._rest + frame[:_FRAME_BYTES_MAX]
            whole = len(audio) - len(audio) % _SIZE
            self._rest = audio[whole:]
            for start in range(0, whole, _SIZE):
                self._hear_whole(audio[start : start + _SIZE], at, told)
        else:
            self._hear_whole(frame, at, told)
        self._keep_limit(at, told)
        return told

    def tick(self, at: float) -> list[Judgement | Heard]:
        """No packet came, and it is `at`. Call it every 100 ms or so while none comes."""
        at = self._time(at)
        told = self._catch_up(at, allowed=_LATE_FRAMES)
        self._keep_limit(at, told)
        return told

    # --- time ---------------------------------------------------------------------------------

    def _time(self, at: float) -> float:
        """A time that never goes back and is a number."""
        if self._began is None:
            self._began = self._last_at = at if isfinite(at) else 0.0
        elif at > self._last_at and isfinite(at):
            self._last_at = at
        return self._last_at

    def _catch_up(self, at: float, *, allowed: int) -> list[Judgement | Heard]:
        """Count frames that should have come by now as lost."""
        told: list[Judgement | Heard] = []
        assert self._began is not None
        lost = int((at - self._began) / FRAME_S) - self._frames - allowed
        if lost > _LOST_FRAMES_MAX:
            # The line was silent for long: let the count begin anew, that much later.
            self._began += (lost - _LOST_FRAMES_MAX) * FRAME_S
            lost = _LOST_FRAMES_MAX
        for _ in range(lost):
            self._frames += 1
            tone = self._tones.miss(after_voice=self._is_after_voice)
            if self._answered_at is not None:
                self.voice.miss()
            self._after_frame(tone, at, told)
        return told

    def _moment(self, frame: int) -> float:
        """When a frame since the answer was, by the clock."""
        assert self._answered_at is not None
        return min(self._answered_at + frame * FRAME_S, self._last_at)

    # --- sound --------------------------------------------------------------------------------

    @property
    def _is_after_voice(self) -> bool:
        return self.voice.voiced >= _VOICE_FRAMES_BEFORE_BEEP

    def _hear_whole(self, frame: bytes, at: float, told: list[Judgement | Heard]) -> None:
        """One frame of 160 bytes."""
        assert self._began is not None
        if self._frames - (at - self._began) / FRAME_S > _AHEAD_FRAMES:
            return
        self._frames += 1
        samples = _SAMPLES.take(np.frombuffer(frame, np.uint8))
        energy = float(samples.dot(samples))
        level = 10 * log10(energy / _SIZE + 1) - _FULL_SCALE_DB
        tone = self._tones.hear(
            samples, energy=energy, level=level, after_voice=self._is_after_voice
        )
        if self._answered_at is not None:
            self.voice.hear(level, is_tone=self._tones.hears_tone)
            if self._tones.hears_tone:
                self._toned_at = self.voice.position
        self._after_frame(tone, at, told)

    def _after_frame(self, tone: Tone | None, at: float, told: list[Judgement | Heard]) -> None:
        if tone is not None:
            told.append(Heard(tone=tone, at=at))
        if self._is_judged or self._answered_at is None:
            return
        if tone is not None:
            told.append(self._judge(AnswerKind.MACHINE, _TONE_CONFIDENCE, _tone_words(tone)))
        elif self.voice.position % _LOOK_FRAMES == 0:
            self._look(told)

    # --- judgement ----------------------------------------------------------------------------

    @property
    def _since_tone(self) -> int:
        """Frames since the last tone of any kind; many if there was none."""
        return self.voice.position - self._toned_at if self._toned_at is not None else 1 << 30

    def _look(self, told: list[Judgement | Heard]) -> None:
        """Ask the model; judge if it is sure enough, or if a person would be kept waiting."""
        s, voice = self._settings, self.voice
        if voice.start is None:
            # Between two tones it is not silent: what they are is known only after some of them.
            is_silent = self._since_tone >= _TONE_GAP_FRAMES
            if voice.position * FRAME_S >= s.silence_s_max and is_silent:
                told.append(self._judge_anyhow(self._machine()))
            return
        machine = self._machine()
        pause = voice.pause
        if self._since_tone < _BEEP_END_FRAMES:
            return  # It may be a beep, which says more than any pause.
        if machine >= s.machine_confidence:
            told.append(self._judge(AnswerKind.MACHINE, machine, self._words()))
        elif pause * FRAME_S >= s.pause_s_min and 1 - machine >= s.person_confidence:
            told.append(self._judge(AnswerKind.PERSON, 1 - machine, self._words()))
        elif pause * FRAME_S >= s.pause_s_max:
            told.append(self._judge_anyhow(machine))

    def _keep_limit(self, at: float, told: list[Judgement | Heard]) -> None:
        """Nobody waits longer than the limit, by the clock."""
        if (
            not self._is_judged
            and self._answered_at is not None
            and at - self._answered_at >= self._settings.limit_s
        ):
            told.append(self._judge_anyhow(self._machine()))

    def _machine(self) -> float:
        """How likely a machine is."""
        return probability(self._model.machine_odds_log(self.voice) + self._prior)

    def _judge_anyhow(self, machine: float) -> Judgement:
        """Judge with what is known; silence alone is never a reason for anything."""
        s = self._settings
        if self.voice.start is None:
            kind, confidence = AnswerKind.UNSURE, 1 - machine
        elif machine >= s.machine_confidence:
            kind, confidence = AnswerKind.MACHINE, machine
        elif 1 - machine >= s.person_confidence and self.voice.pause >= SPEAKING_FRAMES:
            kind, confidence = AnswerKind.PERSON, 1 - machine
        else:
            kind, confidence = AnswerKind.UNSURE, 1 - machine
        return self._judge(kind, confidence, self._words())

    def _judge(self, kind: AnswerKind, confidence: float, why: str) -> Judgement:
        self._is_judged = True
        voice = self.voice
        has_ended = voice.start is not None and voice.pause >= SPEAKING_FRAMES
        return Judgement(
            kind=kind,
            confidence=round(confidence, 4),
            why=why,
            greeting_started_at=None if voice.start is None else self._moment(voice.start),
            greeting_ended_at=self._moment(voice.end) if has_ended else None,
        )

    def _words(self) -> str:
        """What was heard, in words."""
        voice = self.voice
        if voice.start is None:
            return f"nobody spoke for {voice.position * FRAME_S:.1f} s"
        words = f"{voice.words} word{'' if voice.words == 1 else 's'}"
        length = f"{(voice.end - voice.start) * FRAME_S:.1f} s"
        if voice.pause < SPEAKING_FRAMES:
            return f"{length} of speech without an end, {words}"
        return f"{words} in {length}, then {voice.pause * FRAME_S:.1f} s of silence"


def _tone_words(tone: Tone) -> str:
    return f"the tone {tone.value.replace('_', ' ')}"

"""The ear of a simulated agent: turns the audio of a leg into the few things an agent acts on."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from fairdial.adapters.carrier.person import VOICE_FRAMES
from fairdial.media.tones import ToneDetector, is_audible

SILENCE_S = 0.5
"""So long without any sound is silence. Pauses within speech are shorter."""


class Percept(StrEnum):
    """What an ear can report, in the words of the phones' JSON lines."""

    VOICE = "voice"
    BEEP = "beep"
    YES = "yes"
    NO = "no"
    STOP = "stop"
    SILENCE = "silence"
    """Nothing for half a second, after something had been heard."""


class Ear:
    """Listens to one leg. Each thing is reported once, when it begins."""

    __slots__ = ("_detector", "_heard_something", "_hears_voice", "_last_sound_at", "_run")

    def __init__(self) -> None:
        self._detector = ToneDetector()
        self._run = 0
        self._hears_voice = False
        self._heard_something = False
        self._last_sound_at = 0.0

    def listen(self, frames: Sequence[bytes], now: float) -> list[Percept]:
        """Take what arrived since the last visit (perhaps nothing); `now` in seconds."""
        reports = []
        for frame in frames:
            tone = self._detector.hear(frame)
            if tone is not None:
                # After a tone a voice is news again: perhaps it is the next person.
                self._hears_voice = False
                self._heard_something = True
                reports.append(Percept(tone.value))
            if not is_audible(frame):
                self._run = 0
                continue
            self._last_sound_at = now
            self._run = 0 if self._detector.hears_tone else self._run + 1
            if self._run >= VOICE_FRAMES and not self._hears_voice:
                self._hears_voice = self._heard_something = True
                reports.append(Percept.VOICE)
        if self._heard_something and now - self._last_sound_at >= SILENCE_S:
            self._heard_something = self._hears_voice = False
            reports.append(Percept.SILENCE)
        return reports

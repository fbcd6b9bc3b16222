"""How the people and machines of the simulated network behave once they have answered.

Each part is written as a script: a generator that yields one frame of audio every 20 ms, is told
with each whether a voice was heard meanwhile, and ends by hanging up. While a key is pressed, a
frame carries the key instead of sound. Pure: time is the number of
frames, so a test can play a conversation of minutes in a moment.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fairdial.adapters.carrier.population import Behaviour, Decision, Persona
from fairdial.media import digits, g711
from fairdial.media.speech import speech_frames
from fairdial.media.tones import Sound, is_audible, sound_frames

FRAMES_PER_S = 50
GOODBYE_S = 1.5
"""How long a person stays on the line after saying yes, no or stop."""
RECORDING_S = 30.0
"""How long a voicemail records before it hangs up."""
VOICE_FRAMES = 3
"""Audible frames in a row that make a voice: 60 ms, longer than a click."""
PRESS_AFTER_S = 2.0
"""How long a person who is to press a key listens to the voice first."""

SOUND_OF = {Decision.YES: Sound.YES, Decision.NO: Sound.NO, Decision.STOP: Sound.STOP}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFrame:
    """20 ms of a key being pressed: a telephone event in place of sound."""

    payload: bytes
    is_first: bool
    """Whether the press begins with it."""


Frame: TypeAlias = bytes | KeyFrame
Script: TypeAlias = Generator[Frame, bool, None]
_Part: TypeAlias = Generator[Frame, bool, bool]
"""A part of a script; returns whether a voice was heard during it."""


def script_of(persona: Persona) -> Script:
    """The script of a persona that answers."""
    if persona.does is Behaviour.VOICEMAIL:
        return _voicemail(persona)
    if persona.does is Behaviour.EARLY_HANGUP:
        return _early_hangup(persona)
    return _person(persona)


def _person(persona: Persona) -> Script:
    """Say hello, wait for a voice; talk, decide, hang up. Hang up early on silence.

    A person who is to press a key does so in place of talking, and stays for a while to see what
    comes of it.
    """
    voice = speech_frames(persona.voice)
    heard = yield from _say(voice, persona.greeting_s)
    if not heard:
        heard = yield from _listen(persona.patience_s)
    if not heard:
        return
    if persona.presses is not None:
        yield from _wait(PRESS_AFTER_S)
        yield from _press(persona.presses)
        yield from _wait(persona.patience_s)
        return
    yield from _say(voice, persona.talk_s)
    yield from _make(SOUND_OF[persona.says])
    yield from _wait(GOODBYE_S)


def _early_hangup(persona: Persona) -> Script:
    """Say hello and be gone, whoever speaks."""
    voice = speech_frames(persona.voice)
    hello_s = min(persona.greeting_s, persona.hangs_up_after_s)
    yield from _say(voice, hello_s)
    yield from _wait(persona.hangs_up_after_s - hello_s)


def _voicemail(persona: Persona) -> Script:
    """Greet, beep, record."""
    yield from _say(speech_frames(persona.voice), persona.greeting_s)
    yield from _make(Sound.BEEP)
    yield from _wait(RECORDING_S)


def _say(clip: Sequence[bytes], seconds: float) -> _Part:
    heard = False
    for i in range(_frames(seconds)):
        heard |= yield clip[i % len(clip)]
    return heard


def _make(sound: Sound) -> _Part:
    heard = False
    for frame in sound_frames(sound):
        heard |= yield frame
    return heard


def _press(digit: str) -> _Part:
    heard = False
    for number, payload in enumerate(digits.press(digit)):
        heard |= yield KeyFrame(payload=payload, is_first=number == 0)
    return heard


def _wait(seconds: float) -> _Part:
    heard = False
    for _ in range(_frames(seconds)):
        heard |= yield g711.SILENCE_ULAW
    return heard


def _listen(seconds: float) -> _Part:
    """Be silent until a voice is heard, or for so long."""
    for _ in range(_frames(seconds)):
        if (yield g711.SILENCE_ULAW):
            return True
    return False


def _frames(seconds: float) -> int:
    return round(seconds * FRAMES_PER_S)


class VoiceEar:
    """Notices a voice, any voice, in the frames of one call."""

    __slots__ = ("_run",)

    def __init__(self) -> None:
        self._run = 0

    def hears(self, frames: Sequence[bytes]) -> bool:
        """Take the frames that arrived since the last visit; was a voice among them?"""
        heard = False
        for frame in frames:
            self._run = self._run + 1 if is_audible(frame) else 0
            heard |= self._run >= VOICE_FRAMES
        return heard

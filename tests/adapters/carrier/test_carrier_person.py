"""The scripts of people and machines, played without a network: time is the number of frames."""

from dataclasses import replace

import pytest

from fairdial.adapters.carrier.ear import Ear, Percept
from fairdial.adapters.carrier.person import Frame, KeyFrame, VoiceEar, script_of
from fairdial.adapters.carrier.population import Behaviour, Decision, Persona, Population
from fairdial.media import digits
from fairdial.media.g711 import SILENCE_ULAW
from fairdial.media.speech import speech_frames
from fairdial.media.tones import Sound, sound_frames

PERSON = replace(
    Population().persona("+12125550142"),
    does=Behaviour.PERSON,
    greeting_s=1.0,
    patience_s=4.0,
    talk_s=3.0,
    says=Decision.YES,
    hangs_up_after_s=2.0,
)
FRAMES_MAX = 50 * 120


def play(persona: Persona, *, voice_at_s: float | None) -> tuple[list[Percept], float]:
    """What an ear hears of a persona when a voice begins at a time, and how long the call is."""
    script, ear = script_of(persona), Ear()
    frames: list[Frame] = []
    heard: list[Percept] = []
    try:
        frames.append(next(script))
        while len(frames) < FRAMES_MAX:
            now = len(frames) / 50
            heard += ear.listen([f for f in frames[-1:] if isinstance(f, bytes)], now)
            frames.append(script.send(voice_at_s is not None and now >= voice_at_s))
    except StopIteration:
        pass
    return heard, len(frames) / 50


@pytest.mark.parametrize("says", Decision)
def test_a_person_who_hears_a_voice_talks_then_decides_and_hangs_up(says: Decision) -> None:
    heard, lasted_s = play(replace(PERSON, says=says), voice_at_s=2.5)
    decided = Percept(says.value)
    assert heard == [Percept.VOICE, Percept.SILENCE, Percept.VOICE, decided, Percept.SILENCE]
    assert lasted_s == pytest.approx(2.5 + 3.0 + 0.4 + 1.5, abs=0.05)


def test_a_voice_during_the_hello_counts() -> None:
    _, lasted_s = play(PERSON, voice_at_s=0.5)
    assert lasted_s == pytest.approx(1.0 + 3.0 + 0.4 + 1.5, abs=0.05)


def test_a_person_who_hears_nothing_hangs_up_when_patience_ends() -> None:
    assert play(PERSON, voice_at_s=None) == ([Percept.VOICE, Percept.SILENCE], 5.0)


def test_an_early_hangup_leaves_whoever_speaks() -> None:
    _, lasted_s = play(replace(PERSON, does=Behaviour.EARLY_HANGUP), voice_at_s=0.0)
    assert lasted_s == 2.0


def test_a_voicemail_greets_beeps_and_records_for_thirty_seconds() -> None:
    machine = replace(PERSON, does=Behaviour.VOICEMAIL, greeting_s=4.0)
    heard, lasted_s = play(machine, voice_at_s=1.0)
    assert heard == [Percept.VOICE, Percept.BEEP, Percept.SILENCE]
    assert lasted_s == pytest.approx(4.0 + 0.4 + 30.0, abs=0.05)


def test_a_person_who_is_to_press_a_key_does_so_two_seconds_into_the_voice() -> None:
    script = script_of(replace(PERSON, presses="9"))
    sent = [next(script), *(script.send(n >= 75) for n in range(350))]
    first = next(n for n, frame in enumerate(sent) if isinstance(frame, KeyFrame))
    # A voice is there from 1.5 s on.
    assert first / 50 == pytest.approx(1.5 + 2.0, abs=0.05)
    keys = [frame for frame in sent if isinstance(frame, KeyFrame)]
    assert tuple(key.payload for key in keys) == digits.press("9")
    assert [key.is_first for key in keys] == [True] + [False] * (len(keys) - 1)


def test_who_hears_no_voice_presses_no_key() -> None:
    assert play(replace(PERSON, presses="9"), voice_at_s=None) == (
        [Percept.VOICE, Percept.SILENCE],
        5.0,
    )


def test_who_pressed_a_key_hangs_up_when_nothing_comes_of_it() -> None:
    _, lasted_s = play(replace(PERSON, presses="9"), voice_at_s=1.5)
    assert lasted_s == pytest.approx(1.5 + 2.0 + len(digits.press("9")) / 50 + 4.0, abs=0.05)


def test_a_click_is_no_voice_and_speech_is() -> None:
    speech = next(f for f in speech_frames(1) if max(f) != min(f))
    ear = VoiceEar()
    assert not ear.hears([speech, speech, SILENCE_ULAW, speech])
    assert ear.hears([speech, speech])


def test_an_ear_reports_silence_once_when_packets_stop() -> None:
    ear = Ear()
    speech = speech_frames(2)[:50]
    assert ear.listen(speech, 10.0) == [Percept.VOICE]
    assert [ear.listen([], 10.0 + i / 10) for i in range(1, 9)] == [
        [],
        [],
        [],
        [],
        [Percept.SILENCE],
        [],
        [],
        [],
    ]


def test_an_ear_that_heard_nothing_reports_no_silence() -> None:
    ear = Ear()
    assert [ear.listen([SILENCE_ULAW], i) for i in range(5)] == [[]] * 5


def test_a_voice_after_a_tone_is_news_again() -> None:
    ear = Ear()
    heard = [
        p
        for frame in (*speech_frames(2)[:50], *sound_frames(Sound.NO), *speech_frames(5)[:50])
        for p in ear.listen([frame], 1.0)
    ]
    assert heard == [Percept.VOICE, Percept.NO, Percept.VOICE]

"""Voices are audible, repeatable and never taken for a tone."""

from itertools import groupby

import pytest

from fairdial.media.g711 import FRAME_SAMPLES
from fairdial.media.speech import CLIP_FRAMES, PAUSE_MS_MAX, VOICES, speech_frames
from fairdial.media.tones import is_audible, tone_in


@pytest.mark.parametrize("voice", range(VOICES))
def test_no_voice_is_ever_taken_for_a_tone(voice: int) -> None:
    audio = b"".join(speech_frames(voice)) * 2
    found = {
        tone_in(audio[start : start + FRAME_SAMPLES])
        for start in range(0, len(audio) - FRAME_SAMPLES + 1, 37)
    }
    assert found == {None}


@pytest.mark.parametrize("voice", range(VOICES))
def test_a_voice_speaks_most_of_the_time_with_short_pauses(voice: int) -> None:
    frames = speech_frames(voice) * 2
    runs = [(audible, len(list(run))) for audible, run in groupby(frames, key=is_audible)]
    assert sum(length for audible, length in runs if audible) > 0.5 * len(frames)
    assert max(length for audible, length in runs if not audible) * 20 <= PAUSE_MS_MAX + 40
    assert max(length for audible, length in runs if audible) >= 5


def test_voices_differ_and_repeat() -> None:
    clips = [speech_frames(voice) for voice in range(VOICES)]
    assert len(set(clips)) == VOICES
    assert {len(clip) for clip in clips} == {CLIP_FRAMES}
    assert speech_frames(3 + VOICES) == speech_frames(3)

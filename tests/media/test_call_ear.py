"""The ear on a call: what it makes of sounds that are neither voice nor silence."""

from __future__ import annotations

import pytest
from tests.contract.worlds import Words, spoken

from fairdial.core.answer import AnswerKind, Tone
from fairdial.media import g711
from fairdial.media.call_ear import CallEar, Heard, Judgement
from fairdial.media.ear_settings import DetectorSettings

FRAME_S = 0.02


def told_of(frames: list[bytes]) -> list[Judgement | Heard]:
    """What the ear tells of a call whose sound begins with the answer."""
    ear = CallEar(DetectorSettings())
    ear.answered(0.0)
    return [what for n, frame in enumerate(frames) for what in ear.hear(frame, n * FRAME_S)]


@pytest.mark.parametrize("late_ms", [0, 400, 800, 1200])
def test_a_busy_tone_that_comes_late_is_not_taken_for_silence(late_ms: int) -> None:
    told = told_of([g711.SILENCE_ULAW] * (late_ms // 20) + list(spoken(Words.BUSY_TONE)))
    assert [what.tone for what in told if isinstance(what, Heard)][:1] == [Tone.BUSY]
    assert [what.kind for what in told if isinstance(what, Judgement)] == [AnswerKind.MACHINE]


def test_silence_after_a_single_tone_is_judged_all_the_same() -> None:
    tone = list(spoken(Words.BUSY_TONE))[:20]
    told = told_of([*tone, *[g711.SILENCE_ULAW] * 280])
    assert [what.kind for what in told if isinstance(what, Judgement)] == [AnswerKind.UNSURE]


@pytest.mark.parametrize("late", range(0, g711.FRAME_SAMPLES, 20))
def test_a_beep_is_known_before_the_pause_is_judged(late: int) -> None:
    """However the frames fall upon the sound."""
    sound = g711.SILENCE_ULAW[:late] + b"".join(spoken(Words.GREETING_AND_BEEP))
    size = g711.FRAME_SAMPLES
    told = told_of([sound[at : at + size] for at in range(0, len(sound) - size + 1, size)])
    assert [what.kind for what in told if isinstance(what, Judgement)] == [AnswerKind.MACHINE]
    assert [what.tone for what in told if isinstance(what, Heard)] == [Tone.BEEP]

"""How likely it is that a machine speaks, by the rhythm of what was said so far.

Three small logistic models share the work: before the first word, while somebody speaks, and in a
pause. What they look at is the rhythm alone: how long the greeting is, its pauses and words, when
it began. Nothing of a voice's colour or a line's noise is used, because those belong to a corpus
and not to people. `tools/train_answer_model.py` makes the weights, `answer_model.json`, from the
training voices of `fairdial.bench.greetings`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from math import exp, log
from operator import mul
from typing import Final

from fairdial.media.voice_activity import FRAME_S, VoiceActivity

SPEAKING_FRAMES: Final = 8
"""A silence under 160 ms is still speaking."""


class Moment(StrEnum):
    """What goes on."""

    BEFORE = "before"
    """Nobody has spoken yet."""
    SPEAKING = "speaking"
    PAUSE = "pause"


# Where the straight line of a quantity bends, in seconds (words: in number).
_AFTER = (0.4, 0.8, 1.2, 1.6, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0)
_STARTED = (0.3, 0.6, 1.0, 1.5, 2.0)
_LONGEST = (0.2, 0.4, 0.7, 1.0)
_PHRASE = (0.5, 1.0, 1.5, 2.0, 3.0)
_PAUSE = (0.4, 0.7, 1.0)
_WAITED = (0.3, 0.6, 1.0, 1.5, 2.0, 3.0)
_WORDS = (2, 4, 6, 9)

_SPEAKING_NAMES = (
    "one",
    *(f"length over {s}" for s in (0, *_AFTER)),
    *(f"began after {s}" for s in (0, *_STARTED)),
    *(f"longest pause over {s}" for s in (0, *_LONGEST)),
    *(f"phrase over {s}" for s in (0, *_PHRASE)),
    *(f"words over {n}" for n in (0, *_WORDS)),
    "voiced share",
)
NAMES: Mapping[Moment, tuple[str, ...]] = {
    Moment.BEFORE: ("one", *(f"waited over {s}" for s in (0, *_WAITED))),
    Moment.SPEAKING: _SPEAKING_NAMES,
    Moment.PAUSE: (
        *_SPEAKING_NAMES,
        *(f"pause over {s}" for s in (0, *_PAUSE)),
        *(f"pause times length over {s}" for s in (0, *_AFTER[:7])),
    ),
}
"""The features of each moment, in order."""


def moment_of(voice: VoiceActivity) -> Moment:
    """What goes on at this frame."""
    if voice.start is None:
        return Moment.BEFORE
    return Moment.SPEAKING if voice.pause < SPEAKING_FRAMES else Moment.PAUSE


def features(voice: VoiceActivity) -> tuple[Moment, list[float]]:
    """What the model looks at; one value for each of `NAMES`."""
    if voice.start is None:
        return Moment.BEFORE, [1.0, *_over(voice.position * FRAME_S, _WAITED)]
    length = voice.end - voice.start
    seconds = length * FRAME_S
    found = [
        1.0,
        *_over(seconds, _AFTER),
        *_over(voice.start * FRAME_S, _STARTED),
        *_over(voice.longest_pause * FRAME_S, _LONGEST),
        *_over((voice.end - voice.phrase_start) * FRAME_S, _PHRASE),
        *_over(voice.words, _WORDS),
        voice.voiced / length,
    ]
    if voice.pause < SPEAKING_FRAMES:
        return Moment.SPEAKING, found
    pause = min(voice.pause * FRAME_S, 1.5)
    found += _over(pause, _PAUSE)
    found += [pause * over for over in _over(seconds, _AFTER[:7])]
    return Moment.PAUSE, found


def _over(value: float, bends: tuple[float, ...]) -> list[float]:
    """The value itself, and by how much it is over each bend."""
    return [value, *[value - bend if value > bend else 0.0 for bend in bends]]


@dataclass(frozen=True, slots=True)
class AnswerModel:
    """The weights, by moment and in the order of `NAMES`."""

    weights: Mapping[Moment, tuple[float, ...]]

    def machine_odds_log(self, voice: VoiceActivity) -> float:
        """The logarithm of the odds for a machine, when machines are as frequent as people."""
        moment, found = features(voice)
        return float(sum(map(mul, self.weights[moment], found)))


@lru_cache(maxsize=1)
def trained() -> AnswerModel:
    """The model of this release."""
    text = files("fairdial.media").joinpath("answer_model.json").read_text(encoding="utf-8")
    kept = json.loads(text)["weights"]
    return AnswerModel(
        {moment: tuple(kept[moment][name] for name in NAMES[moment]) for moment in Moment}
    )


def probability(odds_log: float) -> float:
    """From the logarithm of odds to a probability."""
    return 1 / (1 + exp(-max(-30.0, min(30.0, odds_log))))


def prior_odds_log(share: float) -> float:
    """The logarithm of the odds of a share."""
    return log(share / (1 - share))

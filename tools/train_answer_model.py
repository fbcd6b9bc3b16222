"""Train `fairdial.media.answer_model` on the training voices, and write its weights.

    .venv/bin/python tools/train_answer_model.py [GREETINGS]

Every 100 ms of every greeting is one row for the model of that moment; the fit is logistic with a
small ridge, by Newton's method. How the thresholds of `DetectorSettings` would do is printed for
voices that were left out of the fit, four times over. The test voices are never looked at.
Needs Debian's espeak-ng; 3,000 greetings take some minutes.
"""

# A program of its own: it talks to the terminal.
# ruff: noqa: T201

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fairdial.bench.detect import Trial, figures, listen
from fairdial.bench.greetings import VARIANTS, Greeting, greetings
from fairdial.core.answer import AnswerKind
from fairdial.media.answer_model import NAMES, AnswerModel, Moment, features
from fairdial.media.call_ear import CallEar
from fairdial.media.ear_settings import DetectorSettings
from fairdial.media.voice_activity import FRAME_S

PLACE = Path(__file__).parents[1] / "src" / "fairdial" / "media" / "answer_model.json"
RIDGE = 2.0
SEED = 20261126
LOOK_FRAMES = 5
FOLDS = 4
Rows = npt.NDArray[np.float64]


def main(count: int) -> None:
    """Make the weights."""
    corpus = list(greetings("train", count, seed=SEED))
    print(f"{len(corpus)} greetings are made")
    rows = [rows_of(greeting) for greeting in corpus]
    trials: list[Trial] = []
    for fold in range(FOLDS):
        held = set(VARIANTS["train"][fold::FOLDS])
        is_held = [greeting.speaker.rpartition("+")[2] in held for greeting in corpus]
        model = fit([(g, r) for g, r, out in zip(corpus, rows, is_held, strict=True) if not out])
        settings = DetectorSettings()
        trials += [
            listen(greeting, settings, model)
            for greeting, out in zip(corpus, is_held, strict=True)
            if out
        ]
    print(json.dumps(figures(trials), indent=2))
    model = fit(list(zip(corpus, rows, strict=True)))
    kept = {
        "made_by": "tools/train_answer_model.py",
        "greetings": count,
        "seed": SEED,
        "ridge": RIDGE,
        "weights": {
            moment: dict(
                zip(NAMES[moment], (round(w, 4) for w in model.weights[moment]), strict=True)
            )
            for moment in Moment
        },
    }
    PLACE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {PLACE}")


def rows_of(greeting: Greeting) -> dict[Moment, list[list[float]]]:
    """The features of each 100 ms until the limit."""
    settings = DetectorSettings()
    ear = CallEar(settings, AnswerModel(dict.fromkeys(Moment, (0.0,))))
    ear.answered(0.0)
    rows: dict[Moment, list[list[float]]] = defaultdict(list)
    for index, frame in enumerate(greeting.frames[: round(settings.limit_s / FRAME_S)], start=1):
        at = index * FRAME_S
        if frame is None:
            ear.tick(at)
        else:
            ear.hear(frame, at)
        voice = ear.voice
        if index % LOOK_FRAMES == 0:
            if voice.pause * FRAME_S > settings.pause_s_max + 0.4:
                break
            moment, found = features(voice)
            rows[moment].append(found)
    return rows


def fit(corpus: list[tuple[Greeting, dict[Moment, list[list[float]]]]]) -> AnswerModel:
    """The model that explains the rows best."""
    weights = {}
    for moment in Moment:
        found = [(row, g) for g, rows in corpus for row in rows.get(moment, ())]
        values = np.array([row for row, _ in found])
        truth = np.array([g.kind is AnswerKind.MACHINE for _, g in found], float)
        weights[moment] = tuple(float(w) for w in newton(values, truth))
    return AnswerModel(weights)


def newton(values: Rows, truth: Rows) -> Rows:
    """Logistic weights with a ridge on all but the first."""
    ridge = np.full(values.shape[1], RIDGE)
    ridge[0] = 1e-6
    weights = np.zeros(values.shape[1])
    for _ in range(50):
        guess = 1 / (1 + np.exp(-np.clip(values @ weights, -30, 30)))
        slope = values.T @ (truth - guess) - ridge * weights
        bend = (values * (guess * (1 - guess))[:, None]).T @ values + np.diag(ridge)
        step = np.linalg.solve(bend, slope)
        weights += step
        if float(np.abs(step).max()) < 1e-6:
            break
    return weights


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)

"""How well a call's sound is judged, on voices that nothing was tuned on, beside Asterisk's AMD().

Every greeting of `greetings` is played to a `CallEar` packet by packet, with its losses; every
signal and near miss of `progress_tones` at several levels and noises. The peer hears the same
greetings in the same run.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from fairdial.bench import amd
from fairdial.bench.greetings import Greeting, NoSpeaker, greetings
from fairdial.bench.machine import machine
from fairdial.core.answer import AnswerKind, Tone
from fairdial.exceptions import SettingsError
from fairdial.media.answer_model import AnswerModel
from fairdial.media.call_ear import CallEar, Heard, Judgement
from fairdial.media.ear_settings import DetectorSettings
from fairdial.media.voice_activity import FRAME_S

Figures = dict[str, object]

BEEP_LATE_S = 0.15
"""A beep that is told later than this after its end is no hit."""


ASTERISK = "FAIRDIAL_ASTERISK"
"""The variable that names the folder of an unpacked Asterisk."""


async def run(count: int, *, peer_greetings: int) -> Figures:
    """Judge `count` greetings of voices that nothing was tuned on; Asterisk hears some of them.

    Raises `SettingsError` without espeak-ng.
    """
    try:
        corpus = await asyncio.to_thread(lambda: list(greetings("test", count)))
    except NoSpeaker as failure:
        raise SettingsError(
            "espeak-ng is not installed, and it speaks the greetings: apt-get install espeak-ng"
        ) from failure
    settings = DetectorSettings()
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor() as pool:
        judge = partial(listen, settings=settings)
        trials = await loop.run_in_executor(
            None, lambda: list(pool.map(judge, corpus, chunksize=20))
        )
    found: Figures = {
        "machine": machine(),
        "limits": {
            "false_machine_percent": 1.0,
            "machines_caught_percent": 90.0,
            "decided_s_median": 2.5,
        },
        "fairdial": figures(trials),
    }
    tree = os.environ.get(ASTERISK)
    heard = corpus[:peer_greetings]
    if not heard or tree is None:
        found["asterisk_amd"] = f"not measured: {ASTERISK} names no unpacked Asterisk"
        return found
    verdicts = await amd.listen_all(heard, Path(tree))
    found["asterisk_amd"] = amd.figures(heard, verdicts)
    found["fairdial_on_the_same"] = {
        name: value for name, value in figures(trials[: len(heard)]).items() if name in amd.NAMES
    }
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One greeting and what was made of it."""

    truth: AnswerKind
    scene: str
    kind: AnswerKind
    confidence: float
    decided_s: float
    """After the answer."""
    has_beep: bool
    is_beep_heard: bool
    false_tones: int
    """Tones that were told and are none; also beeps at a wrong time."""
    frames: int
    processor_s: float


def listen(
    greeting: Greeting, settings: DetectorSettings, model: AnswerModel | None = None
) -> Trial:
    """Play a greeting to an ear, a packet each 20 ms."""
    ear = CallEar(settings, model)
    ear.answered(0.0)
    told: list[tuple[float, Judgement | Heard]] = []
    begun = time.thread_time()
    # Who hears nothing more is silent until the judgement.
    rest = max(0, round(settings.limit_s / FRAME_S) + 1 - len(greeting.frames))
    for index, frame in enumerate((*greeting.frames, *[None] * rest), start=1):
        at = index * FRAME_S
        told += [(at, what) for what in (ear.tick(at) if frame is None else ear.hear(frame, at))]
    took = time.thread_time() - begun
    ((decided_s, judgement),) = ((at, j) for at, j in told if isinstance(j, Judgement))
    tones = [(at, heard.tone) for at, heard in told if isinstance(heard, Heard)]
    due = greeting.beep_ended_s
    hits = sum(
        tone is Tone.BEEP and due is not None and -0.04 <= at - due <= BEEP_LATE_S
        for at, tone in tones
    )
    return Trial(
        truth=greeting.kind,
        scene=greeting.scene,
        kind=judgement.kind,
        confidence=judgement.confidence,
        decided_s=decided_s,
        has_beep=due is not None,
        is_beep_heard=hits > 0,
        false_tones=len(tones) - hits,
        frames=len(greeting.frames),
        processor_s=took,
    )


def figures(trials: Sequence[Trial]) -> Figures:
    """The figures of many greetings."""
    people = [t for t in trials if t.truth is AnswerKind.PERSON]
    machines = [t for t in trials if t.truth is AnswerKind.MACHINE]
    beeps = [t for t in trials if t.has_beep]
    sure = [t for t in trials if t.kind is not AnswerKind.UNSURE]
    scenes: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        scenes[f"{trial.truth}, {trial.scene}"].append(trial)
    return {
        "people": len(people),
        "machines": len(machines),
        "false_machine_percent": _percent(t.kind is AnswerKind.MACHINE for t in people),
        "machines_caught_percent": _percent(t.kind is AnswerKind.MACHINE for t in machines),
        "machines_taken_for_people_percent": _percent(
            t.kind is AnswerKind.PERSON for t in machines
        ),
        "unsure_percent": _percent(t.kind is AnswerKind.UNSURE for t in trials),
        "decided_s_median": _quantile((t.decided_s for t in trials), 0.5),
        "decided_s_p95": _quantile((t.decided_s for t in trials), 0.95),
        "decided_s_median_people": _quantile((t.decided_s for t in people), 0.5),
        "decided_s_median_machines": _quantile((t.decided_s for t in machines), 0.5),
        "mean_confidence_of_sure_percent": round(
            100 * sum(t.confidence for t in sure) / max(1, len(sure)), 1
        ),
        "right_of_sure_percent": _percent(t.kind is t.truth for t in sure),
        "beeps": len(beeps),
        "beeps_heard_percent": _percent(t.is_beep_heard for t in beeps),
        "false_tones": sum(t.false_tones for t in trials),
        "us_per_frame": round(
            1e6 * sum(t.processor_s for t in trials) / sum(t.frames for t in trials), 1
        ),
        "scenes": {
            scene: {
                "greetings": len(of),
                **{kind.value: sum(t.kind is kind for t in of) for kind in AnswerKind},
                "decided_s_median": _quantile((t.decided_s for t in of), 0.5),
            }
            for scene, of in sorted(scenes.items())
        },
    }


def _percent(claims: Iterable[bool]) -> float:
    told = list(claims)
    return round(100 * sum(told) / max(1, len(told)), 2)


def _quantile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    if share == 0.5:
        return round(median(ordered), 2)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)

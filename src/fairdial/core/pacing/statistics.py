"""What a campaign's pacing has learned: when phones are answered, how long talks and wraps last.

Each duration is kept as *ends* and *exposure* in bins of elapsed time: how many ended in this bin,
and how many bins' worth of time was spent in it. Their ratio is a hazard, the one estimate that a
burst does not bias, as long as those still under way are counted as exposure too: failures end
in 3 s, persons answer in 10, and nobody at all shows only after 24. `prediction` adds those under
way from the snapshot.

The *level* of the answer rate (it moves with the hour and jumps with the list) is tracked apart
from the *shape* of the ring-time curve (which hardly moves): the shape forgets after thousands of
calls, the level after 25 to 900 answers; `prediction` picks the window by what is in flight.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

RING_BIN_S = 2.0
"""Width of a bin of ringing time and of wrap-up time, seconds."""
RING_BINS = 30
"""The last bin holds everything from 58 s on."""
WRAP_BIN_S = 2.0
WRAP_BINS = 30

SHAPE_MEMORY_CALLS = 6000
MEMORIES_ANSWERS = (25, 150, 900)
"""The windows in which the level of the answer rate is read, in answers: to see a jump, to follow
the hour, and for floors where more is in flight at once than the shorter ones hold."""
TALK_MEMORY = 1000
"""Talks and wraps are forgotten with this time constant, in talks."""


def _talk_edges() -> tuple[float, ...]:
    """Bins of talk time that widen by a quarter: a talk of 5 minutes needs no 2-second bins."""
    edges = [0.0]
    while edges[-1] < 3600.0:
        edges.append(max(edges[-1] + 4.0, round(edges[-1] * 1.25)))
    return tuple(edges)


TALK_EDGES = _talk_edges()
TALK_BINS = len(TALK_EDGES) - 1
TALK_WIDTHS = tuple(b - a for a, b in pairwise(TALK_EDGES))


def _talk_bins_by_second() -> tuple[int, ...]:
    table: list[int] = []
    for i, width in enumerate(TALK_WIDTHS):
        table.extend([i] * int(width))
    return tuple(table)


TALK_BIN_OF_SECOND = _talk_bins_by_second()
"""The bin of each whole second of talk: a look-up is cheaper than a logarithm."""

_NO_RING = (0.0,) * RING_BINS
_NO_WRAP = (0.0,) * WRAP_BINS
_NO_TALK = (0.0,) * TALK_BINS


def seconds(value: float, most: float) -> float:
    """A duration made safe: not a number and negative read as 0, endless as `most`."""
    return min(value, most) if value > 0.0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Answers with a short memory, and the exposure of ended calls with the same memory."""

    answers: float
    exposure: tuple[float, ...]
    """Per bin: hazards times this are the answers that were to be expected."""

    def after(self, last: int, part: float, *, answered: float, memory: int) -> Window:
        """One more call ended in bin `last`, having lasted `part` of it."""
        # A list that nobody answers must be forgotten too, hence the small part per call.
        keep = 1.0 - answered / memory - 1.0 / (40 * memory)
        return Window(
            answers=self.answers * keep + answered,
            exposure=_exposed(self.exposure, last, part, keep),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Everything learned so far. Immutable; each `after_…` returns the next value at once."""

    ring_answers: tuple[float, ...]
    """Pick-ups per bin of ringing time (shape, long memory)."""
    ring_ends: tuple[float, ...]
    """Calls that ended unanswered, per bin."""
    ring_exposure: tuple[float, ...]
    """Calls under way in the bin, in bins' worth of time."""
    windows: tuple[Window, ...]
    """Recent answers and the exposure they came from, one per length of MEMORIES_ANSWERS."""
    talk_ends: tuple[float, ...]
    talk_exposure: tuple[float, ...]
    wrap_ends: tuple[float, ...]
    wrap_exposure: tuple[float, ...]
    pick_ups: int
    """Answers ever seen by this value; under 20 nothing here is to be trusted."""

    @classmethod
    def cold(cls) -> Statistics:
        """Nothing is known."""
        return cls(
            ring_answers=_NO_RING,
            ring_ends=_NO_RING,
            ring_exposure=_NO_RING,
            windows=tuple(Window(answers=0.0, exposure=_NO_RING) for _ in MEMORIES_ANSWERS),
            talk_ends=_NO_TALK,
            talk_exposure=_NO_TALK,
            wrap_ends=_NO_WRAP,
            wrap_exposure=_NO_WRAP,
            pick_ups=0,
        )

    def after_call(self, *, elapsed_s: float, picked_up: bool) -> Statistics:
        """An attempt was picked up (by a person or a machine), or ended unanswered.

        `elapsed_s` counts from the INVITE to that moment.
        """
        last, part = _bin(elapsed_s, RING_BIN_S, RING_BINS)
        keep = 1.0 - 1.0 / SHAPE_MEMORY_CALLS
        answered = 1.0 if picked_up else 0.0
        answers, ends = self.ring_answers, self.ring_ends
        if picked_up:
            answers = _with_smooth_end(answers, last)
        else:
            ends = _with_end(ends, last)
        return replace(
            self,
            ring_answers=tuple([a * keep for a in answers]),
            ring_ends=tuple([e * keep for e in ends]),
            ring_exposure=_exposed(self.ring_exposure, last, part, keep),
            windows=tuple(
                [
                    window.after(last, part, answered=answered, memory=memory)
                    for window, memory in zip(self.windows, MEMORIES_ANSWERS, strict=True)
                ]
            ),
            pick_ups=self.pick_ups + (1 if picked_up else 0),
        )

    def after_talk(self, talk_s: float) -> Statistics:
        """An agent's talk ended after `talk_s` seconds; one with a machine counts too."""
        talk_s = seconds(talk_s, TALK_EDGES[-1])
        last = TALK_BIN_OF_SECOND[min(int(talk_s), len(TALK_BIN_OF_SECOND) - 1)]
        part = (talk_s - TALK_EDGES[last]) / TALK_WIDTHS[last]
        keep = 1.0 - 1.0 / TALK_MEMORY
        return replace(
            self,
            talk_ends=tuple([e * keep for e in _with_smooth_end(self.talk_ends, last)]),
            talk_exposure=_exposed(self.talk_exposure, last, part, keep),
        )

    def after_wrap_up(self, wrap_s: float) -> Statistics:
        """An agent's wrap-up ended after `wrap_s` seconds."""
        last, part = _bin(wrap_s, WRAP_BIN_S, WRAP_BINS)
        keep = 1.0 - 1.0 / TALK_MEMORY
        return replace(
            self,
            wrap_ends=tuple([e * keep for e in _with_end(self.wrap_ends, last)]),
            wrap_exposure=_exposed(self.wrap_exposure, last, part, keep),
        )


def _bin(elapsed_s: float, width: float, bins: int) -> tuple[int, float]:
    """The bin in which something ended, and how much of that bin it lasted (0 to 1)."""
    at = seconds(elapsed_s, width * bins) / width
    last = min(int(at), bins - 1)
    return last, at - last


def _with_end(ends: tuple[float, ...], at: int) -> tuple[float, ...]:
    return (*ends[:at], ends[at] + 1.0, *ends[at + 1 :])


def _with_smooth_end(ends: tuple[float, ...], at: int) -> tuple[float, ...]:
    """One more end, a quarter of it in each neighbouring bin: fewer data give an even curve."""
    smooth = list(ends)
    smooth[max(0, at - 1)] += 0.25
    smooth[at] += 0.5
    smooth[min(len(ends) - 1, at + 1)] += 0.25
    return tuple(smooth)


def _exposed(exposure: tuple[float, ...], last: int, part: float, keep: float) -> tuple[float, ...]:
    """The exposure after one more was under way through all bins before `last` and part of it."""
    return (
        *[x * keep + 1.0 for x in exposure[:last]],
        exposure[last] * keep + part,
        *[x * keep for x in exposure[last + 1 :]],
    )

"""What to expect of the calls in flight and of the busy agents, given how long each has lasted.

Everything is conditioned on elapsed time: a phone that rang for 18 s will hardly be answered by a
person, an agent 12 s into the wrap-up is nearly free, a talk that outlived the refusals goes on.
Calls and agents are counted per bin first, so 3,000 calls cost little more than 30.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log, sqrt

from fairdial.core.pacing.snapshot import Snapshot
from fairdial.core.pacing.statistics import (
    MEMORIES_ANSWERS,
    RING_BIN_S,
    RING_BINS,
    TALK_BIN_OF_SECOND,
    TALK_BINS,
    TALK_EDGES,
    TALK_WIDTHS,
    WRAP_BIN_S,
    WRAP_BINS,
    Statistics,
    Window,
    seconds,
)

QUANTILES = (1 / 6, 1 / 2, 5 / 6)
"""Three equally likely moments stand for the whole distribution of the time to answer."""
_WRAP_QUANTILES = (1 / 4, 3 / 4)
_LATE_BINS = 5
"""So many bins after the ringing time no call is answered any more (call set-up included)."""
RETURN_SHARE = 0.96
"""The share of wrap-ups after which the agent is ready again and not on a break. Not learned: an
agent who leaves is only missed, never seen to leave. The allowance corrects what it gets wrong."""
REACTION_S = 0.3
"""Part of the connect deadline that the tick and the bridging use up, seconds."""

_PRIOR_RING_CALLS = 3.0
_PRIOR_ANSWER_HAZARD = 0.1
"""Per bin; some 60 % of calls picked up. High on purpose: who expects answers dials less."""
_PRIOR_END_HAZARD = 0.02
_PRIOR_TALKS = 1.0
_PRIOR_TALK_S = 150.0
"""Long on purpose: who expects long talks counts on few agents."""
_PRIOR_TALK_ENDS = tuple(_PRIOR_TALKS * width / _PRIOR_TALK_S for width in TALK_WIDTHS)
_TALK_MIDDLES = tuple(0.5 * (a + b) for a, b in pairwise(TALK_EDGES))
_NEVER = 1e-300
"""Where all talks have ended nobody is left to divide by."""
_PRIOR_WRAPS = 1.0
_PRIOR_WRAP_S = 20.0
_PRIOR_LEVEL_ANSWERS = 2.0
_WOBBLE = 0.1
"""Relative standard deviation of the answer rate within minutes, beyond what counting explains."""
_LAST_TALK_SECOND = len(TALK_BIN_OF_SECOND) - 1
_JUMP_UP_SIGMAS = 2.5
_JUMP_DOWN_SIGMAS = 3.5
_BURST_SIGMAS = 3.0
_JUMP_MIX_SIGMAS = 1.5
"""Two windows that disagree by more have seen a jump; from so much below it they are mixed. More
answers than foreseen are believed sooner than fewer: one mistake costs calls, the other people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """A sum of independent yes/no events by its mean and by the sum of the squared chances."""

    mean: float
    squares: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """One of the moments at which a call placed now may be picked up."""

    after_s: float
    new_call: float
    """The chance that a call placed now has been picked up by then."""
    answers: Moments
    """Pick-ups of the calls in flight by then."""
    frees: tuple[tuple[float, int], ...]
    """Chance and number of busy agents of one kind who take a call by then, grace included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What the snapshot lets us expect."""

    horizons: tuple[Horizon, ...]
    rate_error: float
    """Relative standard deviation of the answer rate; it is common to all calls in flight."""


def forecast(snapshot: Snapshot) -> Forecast:
    """Look ahead from one snapshot. Total: odd durations count as 0 or as endless."""
    ringing = [0] * RING_BINS
    for e in snapshot.in_flight_s:
        ringing[
            int(e / RING_BIN_S) if 0.0 <= e < 60.0 else (RING_BINS - 1 if e >= 60.0 else 0)
        ] += 1
    talking, wrapping = [0] * TALK_BINS, [0] * WRAP_BINS
    for e in snapshot.talking_s:
        at = int(e) if 0.0 <= e < 3600.0 else (3600 if e >= 3600.0 else 0)
        talking[TALK_BIN_OF_SECOND[at]] += 1
    for e in snapshot.wrapping_s:
        at = int(e / WRAP_BIN_S) if 0.0 <= e < 60.0 else (WRAP_BINS - 1 if e >= 60.0 else 0)
        wrapping[at] += 1

    bins = int(seconds(snapshot.ring_s, RING_BINS * RING_BIN_S) / RING_BIN_S) + _LATE_BINS
    ring = _RingCurve.of(snapshot.statistics, ringing, bins=min(bins, RING_BINS))
    agents = _AgentCurves.of(snapshot, talking, wrapping)
    grace = max(0.0, seconds(snapshot.connect_s_max, 60.0) - REACTION_S)
    horizons = []
    for quantile in QUANTILES:
        after = ring.when_answered(quantile)
        horizons.append(
            Horizon(
                after_s=after * RING_BIN_S,
                new_call=quantile * ring.total,
                answers=ring.answers_within(after, ringing),
                frees=agents.free_within(after * RING_BIN_S + grace),
            )
        )
    return Forecast(
        horizons=tuple(horizons),
        rate_error=ring.rate_error,
    )


def _under_way(counts: Sequence[int]) -> list[float]:
    """The exposure, per bin, of those still under way: all earlier bins and half of their own."""
    exposure = [0.0] * len(counts)
    later = 0
    for i in range(len(counts) - 1, -1, -1):
        n = counts[i]
        exposure[i] = later + 0.5 * n
        later += n
    return exposure


@dataclass(frozen=True, slots=True, kw_only=True)
class _RingCurve:
    """Cumulative chance of an answer, and of still being in flight, at each bin edge."""

    answered: list[float]
    in_flight: list[float]
    total: float
    rate_error: float

    @classmethod
    def of(cls, learned: Statistics, ringing: Sequence[int], *, bins: int) -> _RingCurve:
        live = _under_way(ringing)[:bins]
        exposed = [x + y for x, y in zip(learned.ring_exposure, live, strict=False)]
        prior = _PRIOR_RING_CALLS
        shape = [
            (a + prior * _PRIOR_ANSWER_HAZARD) / (x + prior)
            for a, x in zip(learned.ring_answers, exposed, strict=False)
        ]
        level, error = _level(learned, shape, live)
        answered, in_flight = [0.0], [1.0]
        total, alive = 0.0, 1.0
        for hazard, ends, x in zip(shape, learned.ring_ends, exposed, strict=False):
            answer = hazard * level
            both = answer + (ends + prior * _PRIOR_END_HAZARD) / (x + prior)
            stays = exp(-both)
            total += alive * (1.0 - stays) * answer / both
            alive *= stays
            answered.append(total)
            in_flight.append(alive)
        return cls(answered=answered, in_flight=in_flight, total=total, rate_error=error)

    def when_answered(self, quantile: float) -> float:
        """By when that share of those who answer has answered, in bins."""
        wanted = quantile * self.total
        last = len(self.answered) - 1
        for i in range(last):
            if self.answered[i + 1] >= wanted:
                step = self.answered[i + 1] - self.answered[i]
                return i + ((wanted - self.answered[i]) / step if step > 0.0 else 0.0)
        return float(last)

    def answers_within(self, bins: float, ringing: Sequence[int]) -> Moments:
        """Pick-ups of the calls in flight in the next so many bins of time.

        A call that rings longer than it should is about to be ended and counts as none.
        """
        mean = squares = 0.0
        answered, in_flight = self.answered, self.in_flight
        last = len(answered) - 1
        for i, n in enumerate(ringing[:last]):
            if n == 0:
                continue
            end = i + 0.5 + bins
            by_then = self.total
            if end < last:
                cell = int(end)
                by_then = answered[cell] + (end - cell) * (answered[cell + 1] - answered[cell])
            by_now = 0.5 * (answered[i] + answered[i + 1])
            p = min(1.0, 2.0 * (by_then - by_now) / (in_flight[i] + in_flight[i + 1] + 1e-12))
            mean += n * p
            squares += n * p * p
        return Moments(mean=mean, squares=squares)


def _level(
    learned: Statistics, shape: Sequence[float], live: Sequence[float]
) -> tuple[float, float]:
    """How the answer rate stands now against the shape (gamma-Poisson), and its relative error.

    Answers over expected answers, in the shortest window that holds enough: a burst is answered
    first and rings out later, so a window is read only when well more fits into it than is in
    flight; between, windows are mixed. The shape itself is the longest window.
    """
    prior = _PRIOR_LEVEL_ANSWERS
    in_the_air = sum([h * x for h, x in zip(shape, live, strict=True)])
    level, counted = 1.0, sum(learned.ring_answers)
    for window, memory in zip(
        reversed(learned.windows[1:]), reversed(MEMORIES_ANSWERS[1:]), strict=True
    ):
        trust = _trust(in_the_air, memory)
        if trust > 0.0:
            level += trust * (_ratio(window, shape, prior) - level)
            counted += trust * (window.answers - counted)
    # The shortest window is too noisy to follow; it only tells when the level has jumped. With more
    # in flight than it holds, only a jump up is believed, and only one that no burst explains.
    window = learned.windows[0]
    trust = _trust(in_the_air, MEMORIES_ANSWERS[0])
    foreseen = level * _foreseen(window, shape)
    sigmas = (window.answers - foreseen) / sqrt(1.0 + 0.5 * foreseen)
    if sigmas > 0.0:
        limit, trust = _JUMP_UP_SIGMAS + (1.0 - trust) * _BURST_SIGMAS, 1.0
    else:
        limit = _JUMP_DOWN_SIGMAS
    jumped = trust * min(1.0, max(0.0, 1.0 - (limit - abs(sigmas)) / _JUMP_MIX_SIGMAS))
    level += jumped * (_ratio(window, shape, prior) - level)
    counted += jumped * (window.answers - counted)
    return level, sqrt(1.0 / (counted + prior) + _WOBBLE * _WOBBLE)


def _trust(in_the_air: float, memory: int) -> float:
    """Whether a window is long enough for so many answers at once, 0 to 1."""
    return min(1.0, max(0.0, 2.0 - 4.0 * in_the_air / memory))


def _foreseen(window: Window, shape: Sequence[float]) -> float:
    return sum([h * x for h, x in zip(shape, window.exposure, strict=False)])


def _ratio(window: Window, shape: Sequence[float], prior: float) -> float:
    return (window.answers + prior) / (_foreseen(window, shape) + prior)


@dataclass(frozen=True, slots=True, kw_only=True)
class _AgentCurves:
    """How talks and wrap-ups end, and who is where."""

    talks: list[float]
    """The share of talks that go on, at each bin edge."""
    wrap: list[float]
    """The cumulative hazard of the end of a wrap-up, at each bin edge."""
    wrap_s_max: float
    wrap_quantiles: tuple[float, ...]
    talking: Sequence[tuple[float, float, int]]
    """Of each bin in which somebody talks: its middle, seconds; the share of talks that go on
    there; and how many talk."""
    wrapping: Sequence[int]

    @classmethod
    def of(
        cls, snapshot: Snapshot, talking: Sequence[int], wrapping: Sequence[int]
    ) -> _AgentCurves:
        learned = snapshot.statistics
        talk_exposed = [
            x + y for x, y in zip(learned.talk_exposure, _under_way(talking), strict=True)
        ]
        talks = [1.0]
        for ends, x, prior in zip(learned.talk_ends, talk_exposed, _PRIOR_TALK_ENDS, strict=True):
            talks.append(talks[-1] * exp(-(ends + prior) / (x + _PRIOR_TALKS)))
        wrap = [0.0]
        prior = _PRIOR_WRAPS * WRAP_BIN_S / _PRIOR_WRAP_S
        for ends, x in zip(learned.wrap_ends, _add_under_way(learned, wrapping), strict=True):
            wrap.append(wrap[-1] + (ends + prior) / (x + _PRIOR_WRAPS))
        most = seconds(snapshot.wrap_up_s_max, 3600.0)
        return cls(
            talks=talks,
            wrap=wrap,
            wrap_s_max=most,
            wrap_quantiles=tuple(min(most, _when(wrap, q) * WRAP_BIN_S) for q in _WRAP_QUANTILES),
            talking=[
                (_TALK_MIDDLES[i], max(_NEVER, sqrt(talks[i] * talks[i + 1])), n)
                for i, n in enumerate(talking)
                if n
            ],
            wrapping=wrapping,
        )

    def free_within(self, horizon_s: float) -> tuple[tuple[float, int], ...]:
        """Chance and number, per occupied bin, of agents who take a call within so many seconds."""
        frees: list[tuple[float, int]] = []
        talks = self.talks
        lefts = [horizon_s - wrap_s for wrap_s in self.wrap_quantiles if wrap_s < horizon_s]
        for at, now, n in self.talking:
            p = 0.0
            for left in lefts:
                j = TALK_BIN_OF_SECOND[min(int(at + left), _LAST_TALK_SECOND)]
                part = min(1.0, (at + left - TALK_EDGES[j]) / TALK_WIDTHS[j])
                p += max(0.0, 1.0 - (talks[j] + part * (talks[j + 1] - talks[j])) / now)
            frees.append((RETURN_SHARE * p / len(_WRAP_QUANTILES), n))
        for i, n in enumerate(self.wrapping):
            if n == 0:
                continue
            at = (i + 0.5) * WRAP_BIN_S
            p = 1.0
            if at + horizon_s < self.wrap_s_max:
                now = 0.5 * (self.wrap[i] + self.wrap[i + 1])
                p = 1.0 - exp(now - _between(self.wrap, (at + horizon_s) / WRAP_BIN_S))
            frees.append((RETURN_SHARE * p, n))
        return tuple(frees)


def _add_under_way(learned: Statistics, wrapping: Sequence[int]) -> list[float]:
    return [x + y for x, y in zip(learned.wrap_exposure, _under_way(wrapping), strict=True)]


def _between(edges: Sequence[float], at: float) -> float:
    """A curve known at whole numbers, read at `at`; flat after its end."""
    i = int(at)
    if i >= len(edges) - 1:
        return edges[-1]
    return edges[i] + (at - i) * (edges[i + 1] - edges[i])


def _when(cumulative_hazard: Sequence[float], quantile: float) -> float:
    """By when that share has ended, in bins; the end of the curve if it never gets there."""
    wanted = -log(1.0 - quantile)
    for i in range(len(cumulative_hazard) - 1):
        if cumulative_hazard[i + 1] >= wanted:
            step = cumulative_hazard[i + 1] - cumulative_hazard[i]
            return i + (wanted - cumulative_hazard[i]) / step
    return float(len(cumulative_hazard) - 1)

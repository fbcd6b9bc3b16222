"""Laws of pacing that others dial by, made again from what is known of them, to be compared with.

Progressive, a fixed ratio and predictive are the product's own (`core.pacing`). VICIdial's level
is an integrator on idle agents with no model of answers or talks; Issabel's predictor counts the
agents who have talked for long enough. Both keep their sources' constants.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from math import exp, floor

from fairdial.core.campaign import DialMode, Pace
from fairdial.core.pacing import Decision, Snapshot
from fairdial.core.pacing.statistics import RING_BIN_S, TALK_WIDTHS, Statistics
from fairdial.simulate.world import Decide, by_the_product

DAY_BEGINS_HHMM = 900
"""A run begins at nine in the morning: one of VICIdial's laws reads the clock."""


class OverLimit(StrEnum):
    """What VICIdial does with the level once the day's drops are over the limit."""

    HARD_LIMIT = "hard_limit"
    AVERAGE = "average"
    TAPERED = "tapered"


@dataclass(frozen=True, slots=True, kw_only=True)
class VicidialSettings:
    """The settings of an adaptive campaign, with VICIdial's defaults (2.14)."""

    over_limit: OverLimit
    level_max: float = 3.0
    """`auto_dial_level` may not rise above it (`adaptive_maximum_level`)."""
    intensity: int = 0
    """`adaptive_intensity`, -40 to 40."""
    target: int = 0
    """`adaptive_dl_diff_target`: agents that shall wait (below 0), or calls (above)."""
    drop_percent: float = 3.0
    """`adaptive_dropped_percentage`."""
    latest_hhmm: int = 2100
    """`adaptive_latest_server_time`, as digits of the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VicidialSeen:
    """What the law looks at every 15 seconds; means are over the last 15 seconds."""

    ready: float
    waiting: float
    agents: float
    """Everybody who is logged in, paused ones too."""
    minute_calls: int = 0
    minute_drops: int = 0
    day_calls: int = 0
    day_drops: int = 0
    hhmm: int = 1200


def vicidial_level(level: float, seen: VicidialSeen, settings: VicidialSettings) -> float:
    """The next dial level, by the law of `AST_VDadapt.pl`; never under 1."""
    if seen.agents <= 0:
        return level
    surplus = 100.0 * (seen.ready - seen.waiting + settings.target) / seen.agents
    strength = settings.intensity / 100.0
    surplus *= abs(strength - 1.0) if surplus < 0 else strength + 1.0
    found = round(level * (1.0 + surplus / 100.0), 3)
    found = max(1.0, min(found, settings.level_max))
    if seen.minute_calls > 20 and seen.minute_drops / seen.minute_calls > 0.5:
        found /= 2.0
    if seen.day_calls > 50 and 100.0 * seen.day_drops / seen.day_calls > settings.drop_percent:
        match settings.over_limit:
            case OverLimit.HARD_LIMIT:
                found = 1.0
            case OverLimit.AVERAGE:
                found /= 2.0
            case OverLimit.TAPERED:
                left = settings.latest_hhmm - seen.hhmm  # Digits of the clock, not minutes.
                if left < 0:
                    found = 1.0
                elif left <= 1000:
                    found *= left / 1000.0
    return max(1.0, found)


@dataclass(slots=True)
class Vicidial:
    """VICIdial's adapt and dial processes for one campaign. A `Decide`."""

    settings: VicidialSettings
    level: float = 1.0
    _samples: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=15))
    _drops: deque[tuple[float, int, int]] = field(default_factory=deque)
    _sampled_at: int = -1
    _adapted_at: float = 0.0
    _counted_at: float = 0.0
    _dialed_at: float = -2.5
    _began: tuple[int, int] | None = None
    _day: tuple[int, int] = (0, 0)
    _minute: tuple[int, int] = (0, 0)

    def __call__(self, snapshot: Snapshot, now: float) -> Decision:
        """Sample each second, adapt every 15, count drops every 60, dial every 2.5."""
        answers, drops = snapshot.live_answers, snapshot.abandoned
        if self._began is None:
            self._began = answers, drops
        if int(now) > self._sampled_at:
            self._sampled_at = int(now)
            agents = snapshot.ready + snapshot.busy
            self._samples.append((snapshot.ready, snapshot.waiting, agents))
        if now - self._counted_at >= 60.0:
            self._counted_at = now
            day = answers - self._began[0], drops - self._began[1]
            self._minute = day[0] - self._day[0], day[1] - self._day[1]
            self._day = day
        if now - self._adapted_at >= 15.0:
            self._adapted_at = now
            self.level = vicidial_level(self.level, self._seen(now), self.settings)
        calls = 0
        if now - self._dialed_at >= 2.5:
            self._dialed_at = now
            talking = len(snapshot.talking_s)
            # Agents in wrap-up do not count, and bridged calls count as calls.
            goal = round(self.level * (snapshot.ready + talking))
            calls = goal - len(snapshot.in_flight_s) - snapshot.waiting - talking
        calls = max(0, min(calls, snapshot.room))
        return Decision(calls=calls, why=f"level {self.level:g}", dial_level=self.level)

    def _seen(self, now: float) -> VicidialSeen:
        count = max(1, len(self._samples))
        ready, waiting, agents = (
            sum(sample[which] for sample in self._samples) / count for which in range(3)
        )
        minutes = int(now / 60.0)
        return VicidialSeen(
            ready=ready,
            waiting=waiting,
            agents=agents,
            minute_calls=self._minute[0],
            minute_drops=self._minute[1],
            day_calls=self._day[0],
            day_drops=self._day[1],
            hhmm=DAY_BEGINS_HHMM + 100 * (minutes // 60) + minutes % 60,
        )


ISSABEL_CALLS_MIN = 10
"""So many calls must have been completed before anything is predicted."""
ISSABEL_QOS = 0.97
ISSABEL_SUCCESS_MIN = 0.2


def issabel_calls(snapshot: Snapshot, *, overcommits: bool) -> int:
    """How many calls Issabel's predictor places (`Predictor.class.php`).

    An agent counts as soon free when an exponential talk of the mean length would have ended with
    97 % by the time of an answer. That distribution forgets how long somebody has talked, so the
    elapsed time says nothing by its own assumption; it is kept as it is.
    """
    learned = snapshot.statistics
    free = snapshot.ready
    talk_s, answer_s = mean_talk_s(learned), mean_answer_s(learned)
    if learned.pick_ups >= ISSABEL_CALLS_MIN and talk_s > 0:
        free += sum(
            1.0 - exp(-(elapsed_s + answer_s) / talk_s) >= ISSABEL_QOS
            for elapsed_s in snapshot.talking_s
        )
    wanted = max(0, free - snapshot.waiting)
    if overcommits and learned.pick_ups >= ISSABEL_CALLS_MIN:
        wanted = floor(wanted / max(ISSABEL_SUCCESS_MIN, pick_up_rate(learned)))
    return max(0, min(wanted - len(snapshot.in_flight_s), snapshot.room))


def mean_talk_s(learned: Statistics) -> float:
    """The mean length of a talk so far, seconds; 0 when there was none."""
    ends = sum(learned.talk_ends)
    spent = sum(x * w for x, w in zip(learned.talk_exposure, TALK_WIDTHS, strict=True))
    return spent / ends if ends > 0 else 0.0


def mean_answer_s(learned: Statistics) -> float:
    """The mean time from dialing to an answer so far, seconds; 0 when there was none."""
    answers = sum(learned.ring_answers)
    spent = sum(n * (i + 0.5) * RING_BIN_S for i, n in enumerate(learned.ring_answers))
    return spent / answers if answers > 0 else 0.0


def pick_up_rate(learned: Statistics) -> float:
    """The share of the finished calls that were answered."""
    answers, ends = sum(learned.ring_answers), sum(learned.ring_ends)
    return answers / (answers + ends) if answers + ends > 0 else 0.0


def _issabel(*, overcommits: bool) -> Decide:
    def decide(snapshot: Snapshot, _now: float) -> Decision:
        calls = issabel_calls(snapshot, overcommits=overcommits)
        return Decision(calls=calls, why="Issabel's predictor", dial_level=0.0)

    return decide


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """A law by its name: how to make it anew for each run, and the pace that the world is told."""

    name: str
    make: Callable[[], Decide]
    pace: Pace


TARGET = Pace().abandon_rate_target
"""The abandon rate that predictive aims at when nothing else is said."""


def laws(target: float = TARGET) -> Mapping[str, Law]:
    """Every law there is, by its name; predictive steers for `target`."""
    plain = Pace()
    ours = {
        "predictive": Pace(mode=DialMode.PREDICTIVE, abandon_rate_target=target),
        "progressive": Pace(mode=DialMode.PROGRESSIVE),
        **{
            f"ratio {level:g}": Pace(mode=DialMode.POWER, dial_level=level)
            for level in (1.5, 2.0, 3.0, 4.0, 6.0)
        },
    }
    found = [Law(name=name, make=lambda: by_the_product, pace=pace) for name, pace in ours.items()]
    found += [
        Law(
            name=f"vicidial {over_limit.value.replace('_', ' ')}",
            make=partial(Vicidial, VicidialSettings(over_limit=over_limit)),
            pace=plain,
        )
        for over_limit in OverLimit
    ]
    found += [
        Law(name="issabel", make=partial(_issabel, overcommits=False), pace=plain),
        Law(name="issabel overcommit", make=partial(_issabel, overcommits=True), pace=plain),
    ]
    return {law.name: law for law in found}

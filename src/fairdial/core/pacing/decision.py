"""The decision how many calls to place now: progressive, power or predictive.

Predictive asks about one more call: were it placed now, what is the chance that it is picked up
with no agent left before the connect deadline? It adds calls while that chance is below the risk
that the campaign has earned (`allowance`), and never places fewer than progressive. Every pick-up
counts, person or machine, because without machine detection each one needs an agent.
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor

from fairdial.core.campaign import DialMode
from fairdial.core.pacing.allowance import Account, burst, risk
from fairdial.core.pacing.chance import (
    EXACT_AGENTS_MAX,
    distribution,
    expected_without_agent,
    no_agent_exact,
    no_agent_normal,
)
from fairdial.core.pacing.prediction import Forecast, forecast
from fairdial.core.pacing.snapshot import Decision, Snapshot
from fairdial.core.pacing.statistics import RING_BIN_S

COUNT_MAX = 1_000_000
"""No floor, carrier or list is larger; a count beyond it is read as this."""
LEARNING_PICK_UPS = 20
LEARNING_PICK_UPS_PER_AGENT = 2
LEARNING_LATE_CALLS_MAX = 1000
"""Until so many answers were seen (the larger number counts), and as many calls that rang for over
half the time as there are agents, the answer rate is a guess and one call per ready agent the most;
after a restart too. Failures and quick machines come within 3 s: a team of 100 would dial hundreds
before the first phone rang out. All agents start at once, and this also lets them fall out of step.
"""

GROWTH_S = 6.0
GROWTH_FACTOR = 2
GROWTH_CALLS = 6
"""Slow growth: beside one per ready agent (and a few), no more than twice the calls that have rung
for 6 s already. A jump of the answer rate then shows before hundreds more are on their way."""


def decide(snapshot: Snapshot) -> Decision:
    """How many calls to place now. Deterministic and total; never negative, never above `room`.

    Costs 0.1 to 0.3 ms for 30 agents and under 1 ms for 1,000 agents with 3,000 calls in flight.
    """
    match snapshot.pace.mode:
        case DialMode.PROGRESSIVE:
            return _progressive(snapshot)
        case DialMode.POWER:
            return _power(snapshot)
        case DialMode.PREDICTIVE:
            return _predictive(snapshot)


def _count(value: int) -> int:
    return max(0, min(value, COUNT_MAX))


def _number(value: float, *, most: float) -> float:
    """A setting made safe: negative and not-a-number are 0."""
    return min(value, most) if value > 0.0 else 0.0


def _ringing(snapshot: Snapshot) -> int:
    return len(snapshot.in_flight_s)


def one_each(snapshot: Snapshot) -> int:
    """Progressive: each ready agent has one call in flight or one that waits."""
    ready, waiting = _count(snapshot.ready), _count(snapshot.waiting)
    return max(0, ready - _ringing(snapshot) - waiting)


def _floor_words(snapshot: Snapshot) -> str:
    return (
        f"{_of(snapshot.ready, 'agent')} ready, {_of(_ringing(snapshot), 'call')} in flight, "
        f"{_count(snapshot.waiting)} waiting"
    )


def _of(count: int, noun: str) -> str:
    count = _count(count)
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _bounded(snapshot: Snapshot, wanted: int) -> tuple[int, str]:
    """The calls that fit, and the words for those that do not."""
    room = _count(snapshot.room)
    if wanted <= room:
        return wanted, ""
    return room, f" Lines and call rate leave room for {room} of {wanted}."


def _progressive(snapshot: Snapshot) -> Decision:
    calls, short = _bounded(snapshot, one_each(snapshot))
    return Decision(
        calls=calls,
        why=f"Progressive, one call per ready agent: {_floor_words(snapshot)}.{short}",
        dial_level=_level(calls + _ringing(snapshot), _count(snapshot.ready)),
    )


def _power(snapshot: Snapshot) -> Decision:
    ready, waiting = _count(snapshot.ready), _count(snapshot.waiting)
    level = _number(snapshot.pace.dial_level, most=1000.0)
    wanted = max(0, floor(level * ready + 1e-9) - _ringing(snapshot) - waiting)
    calls, short = _bounded(snapshot, wanted)
    return Decision(
        calls=calls,
        why=f"Power, {level:g} calls per ready agent: {_floor_words(snapshot)}.{short}",
        dial_level=_level(calls + _ringing(snapshot), ready),
    )


def _level(calls: int, agents: float) -> float:
    return calls / max(1.0, agents) if agents > 0.0 else 0.0


def _predictive(snapshot: Snapshot) -> Decision:
    ready, waiting, ringing = _count(snapshot.ready), _count(snapshot.waiting), _ringing(snapshot)
    at_least = one_each(snapshot)
    spent = f"{_count(snapshot.abandoned)} abandoned of {_of(snapshot.live_answers, 'live answer')}"
    account = Account(
        live_answers=_count(snapshot.live_answers),
        abandoned=_count(snapshot.abandoned),
        at_stake=0.5 * max(0, waiting - ready),
        target=_number(snapshot.pace.abandon_rate_target, most=1.0),
    )
    allowed = risk(account)
    if allowed <= 0.0:
        calls, short = _bounded(snapshot, at_least)
        return Decision(
            calls=calls,
            why=f"Predictive, as careful as progressive: {spent} do not yet show with 95 % "
            f"confidence a rate under {account.target:.2%}. "
            f"{_floor_words(snapshot)}.{short}",
            dial_level=_level(calls + ringing, ready),
        )

    ahead = forecast(snapshot)
    middle = ahead.horizons[len(ahead.horizons) // 2]
    frees = sum(p * n for p, n in middle.frees)
    soon = max(0.0, ready - waiting + frees)
    level_max = _number(snapshot.pace.dial_level_max, most=1000.0)
    most, bound = floor(level_max * soon), f"{level_max:g} calls per agent ready or soon free"
    if _is_learning(snapshot):
        most, bound = 0, "one call per ready agent until ring times are known"
    older = sum([age >= GROWTH_S for age in snapshot.in_flight_s])
    growth = max(0, ready - waiting) + GROWTH_FACTOR * older + GROWTH_CALLS
    if growth < most:
        most, bound = growth, f"{growth} in flight, twice the {older} that rang for {GROWTH_S:g} s"
    most -= ringing

    if most <= at_least or _count(snapshot.room) <= at_least:
        wanted, reason = at_least, f"At most {bound}."
    else:
        chance = chance_of_no_agent(snapshot, ahead, base=ready - waiting)
        most = min(most, _count(snapshot.room))
        wanted, missed = most_calls(chance, allowed=allowed, at_least=at_least, at_most=most)
        reason = (
            f"One more would find no agent with a chance of {missed:.1%}; "
            f"allowed are {allowed:.1%} ({spent})."
        )
        at_once = burst(account)
        fits = _most_of_a_burst(snapshot, ahead, allowed=at_once, at_least=at_least, wanted=wanted)
        if fits < wanted:
            wanted = fits
            reason = f"All calls in flight together may be expected to abandon {at_once:.1f} calls."
        elif missed <= allowed:
            reason += f" At most {bound}, within the room there is."
    calls, short = _bounded(snapshot, wanted)
    return Decision(
        calls=calls,
        why=f"Predictive, {_of(calls, 'call')} now: {_floor_words(snapshot)}; within "
        f"{middle.after_s:.0f} s {middle.answers.mean:.1f} answers and {frees:.1f} more free "
        f"agents are expected. {reason}{short}",
        dial_level=_level(calls + ringing, soon),
    )


def _is_learning(snapshot: Snapshot) -> bool:
    learned = snapshot.statistics
    agents = _count(snapshot.ready) + snapshot.busy
    late = int(_number(snapshot.ring_s, most=40.0) * 0.6 / RING_BIN_S)
    return learned.pick_ups < max(
        LEARNING_PICK_UPS, LEARNING_PICK_UPS_PER_AGENT * agents
    ) or learned.ring_exposure[late] < min(agents, LEARNING_LATE_CALLS_MAX)


def chance_of_no_agent(snapshot: Snapshot, ahead: Forecast, *, base: int) -> Callable[[int], float]:
    """The chance that a call placed now, after `others` placed now too, finds no agent.

    The mean over three moments of its answer and over a high and a low answer rate, one standard
    deviation of our knowledge apart: when the rate is higher than thought, it is for all calls.
    """
    rates = (1.0 + ahead.rate_error, max(0.0, 1.0 - ahead.rate_error))
    weight = 1.0 / (len(rates) * len(ahead.horizons))
    if max(0, base) + snapshot.busy <= EXACT_AGENTS_MAX:
        exact = [(h, distribution(h.frees)) for h in ahead.horizons]

        def small_team(others: int) -> float:
            total = 0.0
            for h, frees in exact:
                mean = h.answers.mean + others * h.new_call
                squares = h.answers.squares + others * h.new_call * h.new_call
                for rate in rates:
                    total += no_agent_exact(
                        answers_mean=rate * mean,
                        answers_squares=rate * rate * squares,
                        agents=base,
                        frees=frees,
                    )
            return total * weight

        return small_team

    normal = [
        (h, base + sum(p * n for p, n in h.frees), sum(p * (1.0 - p) * n for p, n in h.frees))
        for h in ahead.horizons
    ]

    def large_team(others: int) -> float:
        total = 0.0
        for h, agents_mean, agents_var in normal:
            mean = h.answers.mean + others * h.new_call
            squares = h.answers.squares + others * h.new_call * h.new_call
            for rate in rates:
                total += no_agent_normal(
                    answers_mean=rate * mean,
                    answers_var=max(0.0, rate * mean - rate * rate * squares),
                    agents_mean=agents_mean,
                    agents_var=agents_var,
                )
        return total * weight

    return large_team


def most_calls(
    chance: Callable[[int], float], *, allowed: float, at_least: int, at_most: int
) -> tuple[int, float]:
    """The largest number of calls whose last one stays within the allowed risk, and the risk of
    one more. Doubling steps, then bisection: most decisions are "none now" and cost one look.
    """
    good, step = at_least, 1
    while True:
        trial = min(at_most + 1, good + step)
        missed = chance(trial - 1)
        if missed > allowed:
            break
        if trial > at_most:
            return at_most, missed
        good, step = trial, step * 2
    bad = trial
    while bad - good > 1:
        middle = (good + bad) // 2
        at_middle = chance(middle - 1)
        if at_middle <= allowed:
            good = middle
        else:
            bad, missed = middle, at_middle
    return good, missed


def _most_of_a_burst(
    snapshot: Snapshot, ahead: Forecast, *, allowed: float, at_least: int, wanted: int
) -> int:
    """The largest number up to `wanted` with which all calls in flight together abandon no more
    than `allowed`, at an answer rate one standard deviation above the one we know.
    """
    last = ahead.horizons[-1]
    frees = sum(p * n for p, n in last.frees)
    frees_var = sum(p * (1.0 - p) * n for p, n in last.frees)
    rate = 1.0 + ahead.rate_error

    def abandoned(calls: int) -> float:
        mean = rate * (last.answers.mean + calls * last.new_call)
        squares = rate * rate * (last.answers.squares + calls * last.new_call**2)
        return expected_without_agent(
            answers_mean=mean,
            answers_var=max(0.0, mean - squares),
            agents_mean=_count(snapshot.ready) - _count(snapshot.waiting) + frees,
            agents_var=frees_var,
        )

    if wanted == at_least or abandoned(wanted) <= allowed:
        return wanted
    good, bad = at_least, wanted
    while bad - good > 1:
        middle = (good + bad) // 2
        if abandoned(middle) <= allowed:
            good = middle
        else:
            bad = middle
    return good

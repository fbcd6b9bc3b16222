"""A small calling floor in virtual time: agents, phones, people and machines, all from one seed.

It drives `pacing.decide` as `flow` does: after every event (batched to 0.2 s) and at least once a
second, with the same snapshot and the same updates of the statistics, and it counts as the law
counts. The fate of the n-th lead (who answers, when, how long the talk is) depends on the seed and
on n alone, so that two dial modes are compared on the same people.

It is a test world: durations are drawn, not measured, and there is no telephony in it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from heapq import heappop, heappush
from math import exp, log, sqrt
from random import Random
from time import perf_counter

from fairdial.core.campaign import Pace
from fairdial.core.pacing import Decision, Snapshot, Statistics, decide

TICK_S = 0.2
"""Events are gathered for so long before the next decision, seconds."""
QUIET_TICK_S = 1.0
"""Without events a decision is due after so long, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One floor, its list and its people. The defaults are a plausible consumer campaign."""

    agents: int
    person_rate: float = 0.15
    """The chance that a person answers a call."""
    machine_rate: float = 0.20
    """The chance that a machine answers; no machine is detected, an agent hears each one."""
    shift: float = 1.0
    """At half-time both rates are multiplied by this (and stay below 95 % together)."""
    busy_rate: float = 0.06
    failed_rate: float = 0.08
    ring_s: float = 22.0
    ring_mean_s: float = 9.5
    """Mean ringing time of those persons who answer (gamma, shape 3), after 0.8 to 2.5 s set-up."""
    refusal_share: float = 0.5
    refusal_s: float = 35.0
    talk_s: float = 200.0
    wrap_s: float = 20.0
    wrap_up_s_max: float = 60.0
    connect_s_max: float = 3.0
    pause_every_s: float = 4200.0
    """Mean time between breaks; they begin at the end of a wrap-up. 0 means no breaks."""
    pause_s: float = 360.0
    lines: int = 10_000
    live_answers_before: int = 0
    """Live answers of this campaign in the legal window before this run."""
    abandoned_before: int = 0
    minutes: float = 60.0
    seed: int = 1
    past_answers_s: tuple[float, ...] = ()
    """Seconds from dialing to the pick-up of earlier calls, drawn from in place of the ringing."""
    past_ends_s: tuple[float, ...] = ()
    """Seconds from dialing to the end of earlier calls that nobody answered."""
    past_talks_s: tuple[float, ...] = ()
    """Lengths of earlier talks, drawn from in place of refusals and talks."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a run."""

    connected: int = 0
    """Persons connected."""
    machines: int = 0
    """Machines that an agent heard."""
    abandoned: int = 0
    """Pick-ups not connected in time, by persons or machines: what the product must count."""
    persons_abandoned: int = 0
    dialled: int = 0
    staffed_s: float = 0.0
    """Agent time logged in and not paused."""
    busy_s: float = 0.0
    """Agent time in talk (with persons or machines) and wrap-up."""
    person_talk_s: float = 0.0
    ringing_s: float = 0.0
    """The integral of calls in flight over time, taken from the number in flight."""
    decisions: int = 0
    decide_s: float = 0.0
    decide_s_max: float = 0.0
    seconds: float = 0.0
    by_minute: list[tuple[int, int]] = field(default_factory=list)
    """Live answers and abandoned calls, persons and pick-ups as they count, of each minute."""

    @property
    def idle_s_per_talk(self) -> float:
        """How long an agent waits from ready to the next call, seconds."""
        calls = self.connected + self.machines
        return (self.staffed_s - self.busy_s) / calls if calls else 0.0

    @property
    def worst_hour(self) -> float:
        """The highest abandon rate of any 60 minutes in a row, or of the whole run if shorter."""
        hours = max(1, len(self.by_minute) - 59)
        rates = []
        for first in range(hours):
            live = sum(one[0] for one in self.by_minute[first : first + 60])
            lost = sum(one[1] for one in self.by_minute[first : first + 60])
            rates.append(lost / live if live else 0.0)
        return max(rates, default=0.0)

    @property
    def utilisation(self) -> float:
        """Share of the staffed time spent in talk and wrap-up."""
        return self.busy_s / self.staffed_s if self.staffed_s else 0.0

    @property
    def abandon_rate(self) -> float:
        """As the product counts without machine detection: pick-ups abandoned over live answers."""
        live = self.connected + self.abandoned
        return self.abandoned / live if live else 0.0

    @property
    def person_abandon_rate(self) -> float:
        """What an all-knowing observer counts: persons only, above and below."""
        live = self.connected + self.persons_abandoned
        return self.persons_abandoned / live if live else 0.0

    @property
    def talk_minutes_per_hour(self) -> float:
        """Minutes of talk with persons per staffed agent-hour."""
        return 60.0 * self.person_talk_s / self.staffed_s if self.staffed_s else 0.0


class Kind(IntEnum):
    """What happens next."""

    ENDED_UNANSWERED = 0
    PICKED_UP = 1
    GAVE_UP = 2
    TALK_ENDED = 3
    WRAP_ENDED = 4
    PAUSE_ENDED = 5
    HALF_TIME = 6


@dataclass(frozen=True, slots=True)
class Fate:
    """All that chance decides about one lead; which of it applies depends on when it is called."""

    who: float
    setup_s: float
    fail_s: float
    person_ring_s: float
    machine_ring_s: float
    patience_s: float
    talk_s: float
    wrap_s: float
    machine_talk_s: float
    machine_wrap_s: float


@dataclass(slots=True, eq=False)
class _Call:
    fate: Fate
    is_person: bool = False
    is_open: bool = True


@dataclass(slots=True, eq=False)
class Agent:
    """Somebody at a desk."""

    call: _Call | None = None
    pause_due_at: float = 0.0


def _lognormal(rng: Random, mean: float, cv: float) -> float:
    s2 = log(1.0 + cv * cv)
    return exp(rng.gauss(log(mean) - s2 / 2.0, sqrt(s2)))


Decide = Callable[[Snapshot, float], Decision]
"""A law of pacing: what is seen, and the seconds since the run began."""


def by_the_product(snapshot: Snapshot, _now: float) -> Decision:
    """The law that the product dials by."""
    return decide(snapshot)


@dataclass(slots=True)
class Floor:
    """A run under way. `run()` below is the way in."""

    world: World
    pace: Pace
    decide: Decide
    outcome: Outcome = field(default_factory=Outcome)
    now: float = 0.0
    fates: Random = field(init=False)
    breaks: Random = field(init=False)
    past: Random = field(init=False)
    events: list[tuple[float, int, Kind, _Call | Agent | None]] = field(default_factory=list)
    sequence: int = 0
    statistics: Statistics = field(default_factory=Statistics.cold)
    ready: deque[Agent] = field(default_factory=deque)
    talking: dict[Agent, float] = field(default_factory=dict)
    """Since when each agent talks."""
    wrapping: dict[Agent, float] = field(default_factory=dict)
    """Since when each agent wraps up."""
    ringing: dict[_Call, float] = field(default_factory=dict)
    """Since when each call is in the air."""
    waiting: deque[_Call] = field(default_factory=deque)
    live_known: int = 0
    person_rate: float = 0.0
    machine_rate: float = 0.0
    last_tick: float = -1.0

    def __post_init__(self) -> None:
        self.fates = Random(f"fates {self.world.seed}")  # noqa: S311 - a simulation, no secret
        self.breaks = Random(f"breaks {self.world.seed}")  # noqa: S311
        self.past = Random(f"past {self.world.seed}")  # noqa: S311
        self.person_rate, self.machine_rate = self.world.person_rate, self.world.machine_rate

    def run(self) -> Outcome:
        """Play the whole time; calls still open at the end are left out of the counts."""
        world, end = self.world, self.world.minutes * 60.0
        for _ in range(world.agents):
            agent = Agent()
            self.plan_break(agent, self.now)
            self.ready.append(agent)
        self._at(end / 2.0, Kind.HALF_TIME, None)
        next_tick = 0.0
        while True:
            upcoming = self.events[0][0] if self.events else end
            if min(upcoming, next_tick) >= end:
                break
            if upcoming < next_tick:
                self._pass_time(upcoming)
                _, _, kind, whose = heappop(self.events)
                self._happen(kind, whose)
                next_tick = min(next_tick, max(upcoming, self.last_tick + TICK_S))
            else:
                self._pass_time(next_tick)
                self._tick()
                self.last_tick = next_tick
                next_tick += QUIET_TICK_S
        self._pass_time(end)
        self.outcome.seconds = end
        return self.outcome

    def _at(self, when: float, kind: Kind, whose: _Call | Agent | None) -> None:
        self.sequence += 1
        heappush(self.events, (when, self.sequence, kind, whose))

    def _pass_time(self, to: float) -> None:
        dt, busy = to - self.now, len(self.talking) + len(self.wrapping)
        self.outcome.ringing_s += dt * len(self.ringing)
        self.outcome.staffed_s += dt * (len(self.ready) + busy)
        self.outcome.busy_s += dt * busy
        self.now = to

    def plan_break(self, agent: Agent, since: float) -> None:
        """When the break is due of an agent who works since then."""
        every = self.world.pause_every_s
        wait = self.breaks.expovariate(1.0 / every) if every > 0.0 else float("inf")
        agent.pause_due_at = since + wait

    def _tick(self) -> None:
        world, outcome, now = self.world, self.outcome, self.now
        up = sum(map(len, (self.ringing, self.waiting, self.talking, self.wrapping)))
        snapshot = Snapshot(
            pace=self.pace,
            ready=len(self.ready),
            talking_s=tuple([now - since for since in self.talking.values()]),
            wrapping_s=tuple([now - since for since in self.wrapping.values()]),
            in_flight_s=tuple([now - since for since in self.ringing.values()]),
            waiting=len(self.waiting),
            statistics=self.statistics,
            live_answers=world.live_answers_before + self.live_known + outcome.abandoned,
            abandoned=world.abandoned_before + outcome.abandoned,
            ring_s=world.ring_s,
            connect_s_max=world.connect_s_max,
            wrap_up_s_max=world.wrap_up_s_max,
            room=max(0, world.lines - up),
        )
        started = perf_counter()
        decision = self.decide(snapshot, self.now)
        took = perf_counter() - started
        outcome.decisions += 1
        outcome.decide_s += took
        outcome.decide_s_max = max(outcome.decide_s_max, took)
        for _ in range(decision.calls):
            self._dial()

    def draw(self) -> Fate:
        """The fate of the next lead."""
        world, rng = self.world, self.fates
        refusal = rng.random() < world.refusal_share
        talk = _lognormal(
            rng, world.refusal_s if refusal else world.talk_s, 0.5 if refusal else 0.8
        )
        if world.past_talks_s:
            talk = self.past.choice(world.past_talks_s)
        at_once = rng.random() < 0.2
        return Fate(
            who=rng.random(),
            setup_s=rng.uniform(0.8, 2.5),
            fail_s=rng.uniform(0.5, 3.0),
            person_ring_s=rng.gammavariate(3.0, world.ring_mean_s / 3.0),
            machine_ring_s=rng.uniform(0.0, 1.0) if at_once else rng.gauss(18.0, 1.5),
            patience_s=_lognormal(rng, 1.3, 0.3) + 1.0 + rng.expovariate(1.0 / 6.0),
            talk_s=talk,
            wrap_s=min(world.wrap_up_s_max, _lognormal(rng, world.wrap_s, 0.5)),
            machine_talk_s=_lognormal(rng, 5.0, 0.4),
            machine_wrap_s=_lognormal(rng, 3.0, 0.4),
        )

    def _dial(self) -> None:
        self.outcome.dialled += 1
        fate = self.draw()
        call = _Call(fate)
        self.ringing[call] = self.now
        call.is_person = fate.who < self.person_rate
        after_s, kind = self.course(fate)
        self._at(self.now + after_s, kind, call)

    def course(self, fate: Fate) -> tuple[float, Kind]:
        """When and how a call that is placed now leaves the air."""
        world, past = self.world, self.past
        persons, machines = self.person_rate, self.machine_rate
        ring_out = fate.setup_s + world.ring_s
        if fate.who >= persons + machines:
            if world.past_ends_s:
                return past.choice(world.past_ends_s), Kind.ENDED_UNANSWERED
            lost = 1.0 - (1.0 - fate.who) / max(1e-9, 1.0 - persons - machines)
            fails = lost < world.busy_rate + world.failed_rate
            return fate.fail_s if fails else ring_out, Kind.ENDED_UNANSWERED
        if fate.who < persons and world.past_answers_s:
            return past.choice(world.past_answers_s), Kind.PICKED_UP
        answer = fate.setup_s + (fate.person_ring_s if fate.who < persons else fate.machine_ring_s)
        if answer < ring_out:
            return answer, Kind.PICKED_UP
        return ring_out, Kind.ENDED_UNANSWERED

    def _happen(self, kind: Kind, whose: _Call | Agent | None) -> None:
        if isinstance(whose, _Call):
            if kind is Kind.GAVE_UP:
                self._give_up(whose)
            else:
                self._leave_the_air(whose, picked_up=kind is Kind.PICKED_UP)
        elif isinstance(whose, Agent):
            if kind is Kind.TALK_ENDED:
                self._start_wrap_up(whose)
            elif kind is Kind.WRAP_ENDED:
                self._end_wrap_up(whose)
            else:
                self.plan_break(whose, self.now)
                self._take(whose)
        else:
            self.shift()

    def shift(self) -> None:
        """At half-time more people answer, or fewer."""
        both = self.world.person_rate + self.world.machine_rate
        shift = min(self.world.shift, 0.95 / both) if both > 0.0 else 1.0
        self.person_rate *= shift
        self.machine_rate *= shift

    def _leave_the_air(self, call: _Call, *, picked_up: bool) -> None:
        elapsed = self.now - self.ringing.pop(call)
        self.statistics = self.statistics.after_call(elapsed_s=elapsed, picked_up=picked_up)
        if not picked_up:
            return
        if self.ready:
            self._connect(call, self.ready.popleft())
            return
        self.waiting.append(call)
        patience = call.fate.patience_s if call.is_person else self.world.connect_s_max
        self._at(self.now + min(patience, self.world.connect_s_max), Kind.GAVE_UP, call)

    def _give_up(self, call: _Call) -> None:
        if not call.is_open:
            return
        call.is_open = False
        self.waiting.remove(call)
        self.outcome.abandoned += 1
        self._count(live=1, abandoned=1)
        self.outcome.persons_abandoned += call.is_person

    def _count(self, *, live: int, abandoned: int) -> None:
        minute, minutes = int(self.now / 60.0), self.outcome.by_minute
        while len(minutes) <= minute:
            minutes.append((0, 0))
        before = minutes[minute]
        minutes[minute] = (before[0] + live, before[1] + abandoned)

    def _connect(self, call: _Call, agent: Agent) -> None:
        call.is_open = False
        agent.call = call
        self.talking[agent] = self.now
        fate = call.fate
        talk = fate.talk_s if call.is_person else fate.machine_talk_s
        if call.is_person:
            self.outcome.connected += 1
            self._count(live=1, abandoned=0)
        else:
            self.outcome.machines += 1
        self._at(self.now + talk, Kind.TALK_ENDED, agent)

    def _start_wrap_up(self, agent: Agent) -> None:
        call = agent.call
        assert call is not None, "a talk has a call"
        talked = self.now - self.talking.pop(agent)
        if call.is_person:
            self.outcome.person_talk_s += talked
        self.statistics = self.statistics.after_talk(talked)
        self.wrapping[agent] = self.now
        wrap = call.fate.wrap_s if call.is_person else call.fate.machine_wrap_s
        self._at(self.now + wrap, Kind.WRAP_ENDED, agent)

    def _end_wrap_up(self, agent: Agent) -> None:
        call = agent.call
        assert call is not None, "a wrap-up has a call"
        self.statistics = self.statistics.after_wrap_up(self.now - self.wrapping.pop(agent))
        self.live_known += call.is_person  # The disposition tells who it was.
        agent.call = None
        if self.now >= agent.pause_due_at:
            self._at(self.now + self.world.pause_s, Kind.PAUSE_ENDED, agent)
            return
        self._take(agent)

    def _take(self, agent: Agent) -> None:
        """The agent is ready: a waiting call first, else to the end of the line of agents."""
        if self.waiting:
            self._connect(self.waiting.popleft(), agent)
        else:
            self.ready.append(agent)


def play(world: World, pace: Pace, *, decided_by: Decide = by_the_product) -> Outcome:
    """Run one world with one pace, from the first tick to the end of its minutes."""
    return Floor(world, pace, decided_by).run()

"""Two bounds for every law of pacing: what could be reached by who knows more than anybody can.

The oracle knows the true rates and distributions, but not the future: the product's own forecast,
learned from calls of that world beforehand, at the one risk per call that turns out best. The
clairvoyant knows each call's fate, and calls only persons who will answer, each so that the answer
comes when an agent becomes free: nobody waits but for the first ring.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from heapq import heappop, heappush

from fairdial.core.campaign import Pace
from fairdial.core.pacing import Decision, Snapshot, Statistics
from fairdial.core.pacing.decision import chance_of_no_agent, most_calls, one_each
from fairdial.core.pacing.prediction import forecast
from fairdial.simulate.world import Agent, Floor, Kind, Outcome, World, by_the_product

_LEARNED_CALLS = 12_000


@dataclass(frozen=True, slots=True)
class Oracle:
    """Dials by the truth at one risk per call. A `Decide`."""

    truth: Statistics
    risk: float

    def __call__(self, snapshot: Snapshot, _now: float) -> Decision:
        """Add calls while one more has at most the risk of finding no agent."""
        known = replace(snapshot, statistics=self.truth)
        at_least = min(one_each(snapshot), snapshot.room)
        chance = chance_of_no_agent(known, forecast(known), base=snapshot.ready - snapshot.waiting)
        calls, _ = most_calls(chance, allowed=self.risk, at_least=at_least, at_most=snapshot.room)
        return Decision(calls=calls, why=f"the oracle, at a risk of {self.risk:g}", dial_level=0.0)


@lru_cache(maxsize=32)
def truth_of(world: World) -> Statistics:
    """What a very long look at a world would teach."""
    floor = Floor(replace(world, seed=-1), Pace(), by_the_product)
    learned = Statistics.cold()
    for _ in range(_LEARNED_CALLS):
        fate = floor.draw()
        after_s, kind = floor.course(fate)
        is_answer = kind is Kind.PICKED_UP
        learned = learned.after_call(elapsed_s=after_s, picked_up=is_answer)
        if is_answer:
            is_person = fate.who < world.person_rate
            talk_s = fate.talk_s if is_person else fate.machine_talk_s
            wrap_s = fate.wrap_s if is_person else fate.machine_wrap_s
            learned = learned.after_talk(talk_s).after_wrap_up(wrap_s)
    return learned


def oracle(world: World, risk: float) -> Outcome:
    """A run of the oracle at one risk. Not for a world whose rates shift: its truth is one."""
    return Floor(world, Pace(), Oracle(truth_of(replace(world, seed=0)), risk)).run()


def clairvoyant(world: World) -> Outcome:
    """A run in which every answer comes when an agent becomes free. Nobody is abandoned."""
    floor = Floor(world, Pace(), by_the_product)
    outcome, end = floor.outcome, world.minutes * 60.0
    outcome.seconds, outcome.staffed_s = end, world.agents * end
    free: list[tuple[float, int, Agent]] = []
    for number in range(world.agents):
        agent = Agent()
        floor.plan_break(agent, 0.0)
        heappush(free, (0.0, number, agent))
    is_shifted = False
    while free and floor.person_rate > 0.0:
        at, number, agent = heappop(free)
        if not is_shifted and at >= end / 2.0:
            floor.shift()
            is_shifted = True
        while True:
            fate = floor.draw()
            after_s, kind = floor.course(fate)
            if kind is Kind.PICKED_UP and fate.who < floor.person_rate:
                break
        starts = max(at, after_s)
        if starts >= end:
            continue
        outcome.dialled += 1
        outcome.connected += 1
        talked, wrapped = starts + fate.talk_s, starts + fate.talk_s + fate.wrap_s
        outcome.busy_s += min(end, wrapped) - starts
        if talked <= end:
            outcome.person_talk_s += fate.talk_s
        if wrapped >= agent.pause_due_at:
            outcome.staffed_s -= min(end, wrapped + world.pause_s) - min(end, wrapped)
            wrapped += world.pause_s
            floor.plan_break(agent, wrapped)
        heappush(free, (wrapped, number, agent))
    return outcome

"""How fast permits are judged, beside the least that a dialer could do instead.

The peer is a check written by hand into a dialing loop: one time-zone conversion and one look into
a do-not-call set. It is what such checks usually are, and the floor for any of them. The price of
judging every rule, with a sentence and a citation for each, is the ratio between the two.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from fairdial.bench.machine import machine
from fairdial.core import permit
from fairdial.core.facts import Facts
from fairdial.core.ids import E164, AttemptId, LeadId, PermitId
from fairdial.core.rulebook import Rulebook
from fairdial.rules import load_rulebook
from fairdial.rules.situations import facts_of

CASES = 2_000
START = datetime(2026, 12, 3, 11, 0, tzinfo=UTC)

Case = tuple[Facts, datetime]


def run(seconds: float = 3.0) -> dict[str, object]:
    """Measure for about `seconds` in all; figures and the machine as plain values."""
    rulebook = load_rulebook()
    cases = varied_cases(rulebook)
    permit_id, attempt_id, lead_id = (
        PermitId(UUID(int=1)),
        AttemptId(UUID(int=2)),
        LeadId(UUID(int=3)),
    )

    def issue(case: Case) -> object:
        return permit.issue(
            case[0],
            rulebook,
            case[1],
            permit_id=permit_id,
            attempt_id=attempt_id,
            lead_id=lead_id,
        )

    decisions = [issue(case) for case in cases]
    permits = sum(isinstance(d, permit.Permit) for d in decisions)
    verdicts = sum(len(d.verdicts) for d in decisions if isinstance(d, permit.Permit))
    verdicts += sum(len(d.verdicts) for d in decisions if isinstance(d, permit.Refusal))
    ours = _time(issue, cases, seconds * 0.7)
    allowed = [case for case, d in zip(cases, decisions, strict=True) if type(d) is permit.Permit]
    ours_allowed = _time(issue, allowed, seconds * 0.15)
    floor = _time(_inline_check(rulebook, cases), cases, seconds * 0.15)
    return {
        "machine": machine(),
        "rules": len(rulebook.rules),
        "cases": len(cases),
        "permits": permits,
        "refusals": len(cases) - permits,
        "verdicts_per_case": round(verdicts / len(cases), 1),
        "decisions_per_s": round(1e6 / ours.mean_us),
        "decisions_per_cpu_s": round(1e6 / ours.cpu_us),
        "mean_us": round(ours.mean_us, 1),
        "p99_us": round(ours.p99_us, 1),
        "permits_only_per_s": round(1e6 / ours_allowed.mean_us),
        "floor_checks_per_s": round(1e6 / floor.mean_us),
        "floor_mean_us": round(floor.mean_us, 2),
        "ratio_to_floor": round(ours.cpu_us / floor.cpu_us, 1),
    }


def varied_cases(rulebook: Rulebook) -> list[Case]:
    """2,000 different calls: every area code, all hours, lists, consents, histories."""
    chance = Random(20261203)  # noqa: S311 - a fixed set of cases, not a secret
    codes = [
        c.code for c in rulebook.area_codes.codes.values() if c.country in ("US", "CA") and c.states
    ]
    states = [code for code, s in rulebook.area_codes.states.items() if s.country == "US"]
    cases: list[Case] = []
    for index in range(CASES):
        # Most calls are made by day; a fifth tries the early and late hours.
        hour = chance.uniform(4, 11) if chance.random() < 0.8 else chance.uniform(-3, 16)
        now = START + timedelta(days=chance.randrange(14), seconds=int(hour * 3600))
        given: dict[str, object] = {
            "number": f"+1{codes[index % len(codes)]}55501{chance.randrange(100):02d}",
            "purpose": chance.choice(("telemarketing", "telemarketing", "survey", "collections")),
            "method": chance.choice(("live_autodialed", "live_manual", "prerecorded")),
            "line_type": chance.choice(("wireless", "landline", "voip")),
            "party": chance.choice(("consumer", "consumer", "business")),
            "list_age_days": chance.randrange(35),
        }
        if chance.random() < 0.6:
            given["state"] = chance.choice(states)
        if chance.random() < 0.5:
            given["consent"] = chance.choice(("written 2026-06-01", "express 2026-06-01"))
        if chance.random() < 0.3:
            given["relationship"] = "purchase 2026-03-01"
        if chance.random() < 0.15:
            given["listed"] = ["national 2020-01-01"]
        given["past"] = [
            f"{(now - timedelta(hours=chance.uniform(1, 600))).isoformat()} no_answer"
            for _ in range(chance.randrange(5))
        ]
        facts = facts_of(given, now)
        cases.append((replace(facts, caller_id=E164("+12025550100")), now))
    return cases


def _inline_check(rulebook: Rulebook, cases: list[Case]) -> Callable[[Case], object]:
    """The peer: a zone by area code, an hour, a set. One reason, no record."""
    zones = {
        code: ZoneInfo(known.zones[0])
        for code, known in rulebook.area_codes.codes.items()
        if known.zones
    }
    listed = {facts.number for facts, _ in cases if facts.suppressions}

    def may_call(case: Case) -> bool:
        facts, now = case
        local = now.astimezone(zones[facts.number[2:5]])
        return 8 <= local.hour < 21 and facts.number not in listed

    return may_call


class Timing(NamedTuple):
    """Microseconds per case: by the clock on the wall, and of processor time alone."""

    mean_us: float
    p99_us: float
    cpu_us: float


def _time(act: Callable[[Case], object], cases: list[Case], seconds: float) -> Timing:
    """Time whole rounds of the cases. Processor time is what a busy machine cannot falsify."""
    took: list[int] = []
    cpu_begun = time.thread_time_ns()
    deadline = time.perf_counter() + seconds
    clock = time.perf_counter_ns
    while not took or time.perf_counter() < deadline:
        for case in cases:
            begun = clock()
            act(case)
            took.append(clock() - begun)
    cpu = time.thread_time_ns() - cpu_begun
    took.sort()
    count = len(took)
    return Timing(sum(took) / count / 1000, took[count * 99 // 100] / 1000, cpu / count / 1000)

"""The rulebook: every rule that is loaded, and the judging of all that apply to one call.

`Rulebook.judge` judges **every** rule that applies, never stopping at the first no. Four guards are
not data, because nobody may edit them away: the place must be known, its law must be loaded, a
request to stop holds, and one number is called once at a time. Refuses to know files and clocks.
Next stop: `permit.issue`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from fairdial.core.abandon import AbandonMeasure
from fairdial.core.campaign import Campaign
from fairdial.core.duties import (
    AbandonCeiling,
    AttemptCap,
    Case,
    Disclosure,
    Duty,
    Finding,
    RestPeriod,
    Retention,
    Told,
    case_of,
)
from fairdial.core.facts import Facts, SuppressionKind
from fairdial.core.ids import Instant
from fairdial.core.jurisdiction import AreaCodeTable, Location, Places, locate
from fairdial.core.lead import StatedLocation
from fairdial.core.rules import Rule, RuleKind
from fairdial.core.verdict import Ruling, Verdict

UNKNOWN_PLACE = "tz.unknown"
NO_LAW_LOADED = "jurisdiction.no_rules"
STOP_REQUEST = "suppression.internal"
ONE_CALL_AT_A_TIME = "attempt.open"

GUARD_CITATIONS = {
    UNKNOWN_PLACE: "47 CFR 64.1200(c)(1): the hours are those of the called party's location",
    NO_LAW_LOADED: "Fairdial: where no law is loaded, none was checked",
    STOP_REQUEST: "47 CFR 64.1200(d): a request to this seller to stop holds for every campaign",
    ONE_CALL_AT_A_TIME: "Fairdial: one open call per number",
}
_CACHE_MAX = 8192
_DAYS_MAX = 32


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one kind of call to one place is judged by; worked out once and kept."""

    location: Location
    zones: tuple[ZoneInfo, ...]
    guards: tuple[Verdict, ...]
    rules: tuple[Rule, ...]
    told: tuple[Rule, ...]
    """What is told to people and not judged."""
    days: dict[date, _Day] = field(default_factory=dict, compare=False)
    """What is in force on a local day; filled as days come, a few at a time."""

    def on(self, day: date) -> _Day:
        """The rules as they stand on one local day."""
        known = self.days.get(day)
        if known is None:
            if len(self.days) >= _DAYS_MAX:
                self.days.clear()
            known = self.days[day] = _day_of(self.rules, day)
        return known


@dataclass(frozen=True, slots=True)
class _Day:
    """The rules of a plan on one local day, so that rules that ask the same are judged once."""

    settled: tuple[Verdict | None, ...]
    """By rule: the verdict where no case needs to be looked at."""
    asked: tuple[_Asked, ...]
    """Each duty once, with the rules that ask it."""


@dataclass(slots=True)
class _Asked:
    """One duty and the rules that ask it, with what it said last: mostly it says the same again."""

    duty: Duty
    askers: list[tuple[int, Rule]] = field(default_factory=list)
    """The rules with their places among the plan's rules."""
    said: Finding | None = None
    meant: list[tuple[int, Verdict]] = field(default_factory=list)

    def verdicts(self, case: Case, day: date) -> list[tuple[int, Verdict]]:
        """The verdict of each rule that asks, with its place."""
        found = self.duty.judge(case)
        if found is self.said:
            return self.meant
        verdicts = [
            (place, rule.verdict(rule.settle(case, day, found))) for place, rule in self.askers
        ]
        # A moment that is named depends on the case; a sentence alone does not.
        if found.next_allowed_at is None:
            self.said, self.meant = found, verdicts
        return verdicts


def _day_of(rules: tuple[Rule, ...], day: date) -> _Day:
    settled: list[Verdict | None] = []
    asked: dict[int, _Asked] = {}
    for place, rule in enumerate(rules):
        duty = rule.asks(day)
        if isinstance(duty, Finding):
            settled.append(rule.verdict(duty))
            continue
        settled.append(None)
        # Equal duties are one object since they were read.
        asked.setdefault(id(duty), _Asked(duty)).askers.append((place, rule))
    return _Day(settled=tuple(settled), asked=tuple(asked.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """All rules loaded, identified by a hash. Immutable but for its cache of plans."""

    hash: str
    """SHA-256 over the content of all files that judge; comments and spacing do not count."""
    tzdata: str
    """The version of the time-zone data that judges."""
    rules: tuple[Rule, ...]
    """By id."""
    places: Places
    """Area codes, states, countries and postal codes."""
    lookback: timedelta = field(init=False, compare=False, default=timedelta())
    """How far back `Facts.past_attempts` must reach for every cap to see all it counts."""
    _by_jurisdiction: dict[str, tuple[Rule, ...]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    _plans: dict[tuple[object, ...], _Plan] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        grouped: dict[str, list[Rule]] = {}
        for rule in self.rules:
            grouped.setdefault(rule.jurisdiction, []).append(rule)
        object.__setattr__(self, "lookback", _lookback(self.rules))
        self._by_jurisdiction.update({name: tuple(rules) for name, rules in grouped.items()})

    @property
    def area_codes(self) -> AreaCodeTable:
        """The area codes and states, for whoever reads numbers and addresses."""
        return self.places.area_codes

    def only(self, keep: Callable[[Rule], bool]) -> Rulebook:
        """The same book with fewer rules, for a question that leaves some out; its hash stays."""
        return replace(self, rules=tuple(rule for rule in self.rules if keep(rule)))

    def locate(self, number: str, stated: StatedLocation) -> Location:
        """Where the called party may be, by the rulebook's own tables."""
        return locate(number, stated, self.places)

    def judge(self, facts: Facts, now: Instant) -> tuple[Verdict, ...]:
        """Judge every rule that applies to a call that would start at `now`; one verdict each.

        A place that is unknown, a country without rules and a rule without a value in force are
        verdicts too, and never *allow*. Deterministic: the same facts, rulebook and moment give
        the same verdicts years later.
        """
        if now.tzinfo is None:
            raise ValueError("a call is judged at an aware time, this one has no zone")
        plan = self._plan(facts)
        case = case_of(facts, now, plan.location, plan.zones, self.area_codes)
        verdicts = [*plan.guards, _no_stop_request(facts), _one_call_at_a_time(facts)]
        verdicts += (
            _judge_on_one_day(plan, case)
            if len(case.days) == 1
            else [rule.judge(case) for rule in plan.rules]
        )
        return tuple(verdicts)

    def told(self, facts: Facts, now: Instant) -> tuple[tuple[Rule, Told], ...]:
        """What must be said in this call and kept of it: told to people, judged by nobody.

        Where the date differs between candidate zones, everything that is in force in one of them.
        """
        plan = self._plan(facts)
        found: dict[tuple[str, Told], tuple[Rule, Told]] = {}
        for day in case_of(facts, now, plan.location, plan.zones, self.area_codes).days:
            for rule in plan.told:
                value = rule.value_on(day)
                if value is not None and isinstance(value.duty, (Disclosure, Retention)):
                    found[rule.id, value.duty] = (rule, value.duty)
        return tuple(found.values())

    def abandon_ceilings(self, day: date) -> tuple[tuple[Rule, AbandonCeiling], ...]:
        """Every rule with an abandonment ceiling in force, and that ceiling."""
        return tuple(
            (rule, value.duty)
            for rule in self.rules
            if rule.kind is RuleKind.ABANDON_CEILING
            and (value := rule.value_on(day)) is not None
            and isinstance(value.duty, AbandonCeiling)
        )

    def ceilings_of(self, campaign: Campaign, day: date) -> tuple[AbandonCeiling, ...]:
        """The abandonment ceilings that a campaign answers to: the house's and its country's.

        Its country is that of its caller ID: where it calls from, or as whom.
        """
        home = self.locate(campaign.caller_id, StatedLocation()).country_of_number
        places = {"house", *([home.lower()] if home else [])}
        return tuple(
            ceiling
            for rule, ceiling in self.abandon_ceilings(day)
            if rule.jurisdiction in places and campaign.purpose in rule.applies.purposes
        )

    def abandon_measures(self, day: date) -> tuple[AbandonMeasure, ...]:
        """Every way of measuring abandonment that a rule in force names, once each."""
        return tuple(dict.fromkeys(c.measure for _, c in self.abandon_ceilings(day)))

    def _plan(self, facts: Facts) -> _Plan:
        # Numbers of one area code and postal codes of one place share a plan: few are kept.
        key = (
            self.places.key(facts.number, facts.stated),
            facts.purpose,
            facts.method,
            facts.party,
            facts.line_type,
        )
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= _CACHE_MAX:
                self._plans.clear()
            plan = self._plans[key] = self._make_plan(facts)
        return plan

    def _make_plan(self, facts: Facts) -> _Plan:
        location = self.locate(facts.number, facts.stated)
        names = ("world", "house", *location.jurisdiction_names)
        rules = [
            rule
            for name in names
            for rule in self._by_jurisdiction.get(name, ())
            if rule.applies.covers(facts)
        ]
        return _Plan(
            location=location,
            zones=tuple(ZoneInfo(name) for name in location.zone_names),
            guards=(self._place_known(location), self._law_loaded(location)),
            rules=tuple(rule for rule in rules if rule.is_judged),
            told=tuple(rule for rule in rules if not rule.is_judged),
        )

    def _place_known(self, location: Location) -> Verdict:
        if location.doubt is not None:
            return _guard(UNKNOWN_PLACE, Ruling.UNKNOWN, location.doubt)
        places = ", ".join(f"{c.name} ({c.source})" for c in location.zones)
        return _guard(UNKNOWN_PLACE, Ruling.ALLOW, f"candidate zones: {places}")

    def _law_loaded(self, location: Location) -> Verdict:
        countries = tuple(n for n in location.jurisdiction_names if "/" not in n)
        without = [n.upper() for n in countries if n not in self._by_jurisdiction]
        if without:
            return _guard(NO_LAW_LOADED, Ruling.REFUSE, f"no rules loaded for {', '.join(without)}")
        if not countries:
            return _guard(
                NO_LAW_LOADED, Ruling.UNKNOWN, "no rules loaded for a place that is unknown"
            )
        return _guard(
            NO_LAW_LOADED,
            Ruling.ALLOW,
            f"judged by the law of {', '.join(n.upper() for n in countries)}",
        )


def _lookback(rules: tuple[Rule, ...]) -> timedelta:
    longest = timedelta(days=1)
    for rule in rules:
        for value in rule.values:
            if isinstance(value.duty, (AttemptCap, RestPeriod)):
                period = value.duty.period
                reach = period.rolling or timedelta(days=period.calendar_days + 1)
                longest = max(longest, reach)
    return longest


def _judge_on_one_day(plan: _Plan, case: Case) -> list[Verdict]:
    """As each rule would judge, where it is one date in all candidate zones: nearly always."""
    day = case.days[0]
    known = plan.on(day)
    verdicts = list(known.settled)
    for asked in known.asked:
        for place, verdict in asked.verdicts(case, day):
            verdicts[place] = verdict
    return [verdict for verdict in verdicts if verdict is not None]


def _guard(rule: str, ruling: Ruling, why: str) -> Verdict:
    return Verdict(rule=rule, citation=GUARD_CITATIONS[rule], ruling=ruling, why=why)


def _no_stop_request(facts: Facts) -> Verdict:
    """Whether nobody at this number asked us to stop. No consent and no relationship lifts it."""
    for entry in facts.suppressions:
        if entry.kind is SuppressionKind.INTERNAL:
            when = f" on {entry.registered_on}" if entry.registered_on else ""
            why = f"asked us to stop{when} ({entry.source})"
            return _guard(STOP_REQUEST, Ruling.REFUSE, why)
    return _NO_STOP_REQUEST


_NO_STOP_REQUEST = _guard(STOP_REQUEST, Ruling.ALLOW, "nobody asked us to stop")


def _one_call_at_a_time(facts: Facts) -> Verdict:
    """Whether no other call to this number is under way. Time alone does not say when it ends."""
    for attempt in facts.past_attempts:
        if attempt.outcome is None:
            why = f"another attempt to this number, of {attempt.at:%H:%M:%S} UTC, is still open"
            return _guard(ONE_CALL_AT_A_TIME, Ruling.REFUSE, why)
    return _NO_OPEN_CALL


_NO_OPEN_CALL = _guard(ONE_CALL_AT_A_TIME, Ruling.ALLOW, "no other call to this number is open")

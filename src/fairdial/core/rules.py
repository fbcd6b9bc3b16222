"""The rulebook: every duty as dated, cited data, and the judging of all that apply.

`parse` reads rule files strictly (what it does not understand it does not trust) and
`Rulebook.judge` judges **every** rule that applies to a call, never stopping at the first no.
Four guards are not data, because nobody may edit them away: the place must be known, its law must
be loaded, a request to stop holds, and one number is called once at a time. Refuses to know files,
clocks and the meaning of a duty (`duties`). Next stop: `permit.issue`.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from fairdial.core.campaign import Method, Purpose
from fairdial.core.duties import (
    DAY_S,
    NO_LIFT,
    AttemptCap,
    Ban,
    CallerIdDuty,
    CallingWindow,
    Case,
    ConsentDuty,
    Duty,
    Finding,
    Interval,
    Lift,
    ListAge,
    NumberValidity,
    PeriodUnit,
    SuppressionDuty,
    case_of,
    first_instant,
)
from fairdial.core.facts import Facts, SuppressionKind
from fairdial.core.ids import Instant
from fairdial.core.jurisdiction import (
    AreaCode,
    AreaCodeTable,
    AreaCodeUse,
    Location,
    State,
    is_zone,
    locate,
)
from fairdial.core.lead import ConsentKind, LineType, Party, StatedLocation
from fairdial.core.number import area_code
from fairdial.core.outcome import Outcome
from fairdial.core.verdict import Ruling, Verdict
from fairdial.exceptions import RulebookError

FORMAT = "rulebook.toml"
AREA_CODES = "nanp/area_codes.toml"
STATES = "nanp/states.toml"
BESIDE_THE_RULES = ("coverage.toml", "situations.toml")
"""Files that speak about rules and judge nothing; they are no part of the hash."""

UNKNOWN_PLACE = "tz.unknown"
NO_LAW_LOADED = "jurisdiction.no_rules"
STOP_REQUEST = "suppression.internal"
ONE_CALL_AT_A_TIME = "attempt.open"

_GUARD_CITATIONS = {
    UNKNOWN_PLACE: "47 CFR 64.1200(c)(1): the hours are those of the called party's location",
    NO_LAW_LOADED: "Fairdial: where no law is loaded, none was checked",
    STOP_REQUEST: "47 CFR 64.1200(d): a request to this seller to stop holds for every campaign",
    ONE_CALL_AT_A_TIME: "Fairdial: one open call per number",
}
_CACHE_MAX = 8192


class Confidence(StrEnum):
    """How sure the reviewer is of a rule; low needs the stricter reading written down."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class RuleKind(StrEnum):
    """The kinds of duty that data may pick from."""

    NUMBER_VALIDITY = "number_validity"
    CALLING_WINDOW = "calling_window"
    SUPPRESSION = "suppression"
    LIST_AGE = "list_age"
    ATTEMPT_CAP = "attempt_cap"
    CONSENT = "consent"
    CALLER_ID = "caller_id"
    BAN = "ban"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applies:
    """To which calls a rule applies. An unknown party or line type meets every rule."""

    purposes: frozenset[Purpose]
    methods: frozenset[Method]
    parties: frozenset[Party]
    line_types: frozenset[LineType]

    def covers(self, facts: Facts) -> bool:
        """Whether the rule applies to a call of this purpose, method, party and line."""
        return (
            facts.purpose in self.purposes
            and facts.method in self.methods
            and (facts.party is Party.UNKNOWN or facts.party in self.parties)
            and (facts.line_type is LineType.UNKNOWN or facts.line_type in self.line_types)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedValue:
    """What a rule demanded during one time. Never edited once in force: the next one is added."""

    from_on: date
    until_on: date | None
    """The first local day on which it is no longer in force."""
    duty: Duty

    def is_in_force(self, day: date) -> bool:
        """Whether it is in force on a local day."""
        return self.from_on <= day and (self.until_on is None or day < self.until_on)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One duty as data: one file."""

    id: str
    title: str
    kind: RuleKind
    jurisdiction: str
    applies: Applies
    citation: str
    confidence: Confidence
    stricter_reading: str | None
    """For a doubtful rule: which way the data decided, and why that is the stricter one."""
    reviewed_on: date
    values: tuple[DatedValue, ...]
    """Oldest first, never overlapping."""

    def judge(self, case: Case) -> Verdict:
        """One verdict. Where the date differs between candidate zones, the strictest value's."""
        worst: Finding | None = None
        for day in case.days:
            found = self._find(case, day)
            if worst is None or _SEVERITY[found.ruling] > _SEVERITY[worst.ruling]:
                worst = found
        assert worst is not None, "there is always a day to judge"
        return _verdict(self.id, self.citation, worst)

    def _find(self, case: Case, day: date) -> Finding:
        value = self._value_on(day)
        if value is None:
            return Finding(Ruling.UNKNOWN, f"the rule has no value in force on {day}")
        duty = value.duty
        found = case.found.get(id(duty))
        if found is None:
            found = case.found[id(duty)] = duty.judge(case)
        if len(self.values) > 1 and found.next_allowed_at is not None:
            return found._replace(next_allowed_at=self._next_open(case, value, found))
        return found

    def _value_on(self, day: date) -> DatedValue | None:
        for value in self.values:
            if value.is_in_force(day):
                return value
        return None

    def _next_open(self, case: Case, value: DatedValue, found: Finding) -> Instant | None:
        """The window's next opening where another value comes into force before it."""
        opening = found.next_allowed_at
        zones = tuple(t.zone for t in case.locals)
        # Each round moves to a later value, so there are at most as many as values.
        for _ in self.values:
            if opening is None or not isinstance(value.duty, CallingWindow):
                return opening
            day = opening.astimezone(zones[0]).date()
            if value.is_in_force(day):
                return opening
            following = self._value_on(day)
            if following is None or not isinstance(following.duty, CallingWindow):
                return None
            begins = min(first_instant(following.from_on, 0, zone) for zone in zones)
            opening = following.duty.next_open(max(case.now, begins), zones)
            value = following
        return opening


@lru_cache(maxsize=8192)
def _verdict(rule: str, citation: str, found: Finding) -> Verdict:
    """Most findings say the same as of the call before, so most verdicts exist already."""
    return Verdict(
        rule=rule,
        citation=citation,
        ruling=found.ruling,
        why=found.why,
        next_allowed_at=found.next_allowed_at,
    )


_SEVERITY = {Ruling.ALLOW: 0, Ruling.REFUSE: 1, Ruling.UNKNOWN: 2}


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one kind of call to one place is judged by; worked out once and kept."""

    location: Location
    zones: tuple[ZoneInfo, ...]
    guards: tuple[Verdict, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """All rules loaded, identified by a hash. Immutable but for its cache of plans."""

    hash: str
    """SHA-256 over the content of all files that judge; comments and spacing do not count."""
    tzdata: str
    """The version of the time-zone data that judges."""
    rules: tuple[Rule, ...]
    """By id."""
    area_codes: AreaCodeTable
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
        self._by_jurisdiction.update({name: tuple(rules) for name, rules in grouped.items()})

    @property
    def lookback(self) -> timedelta:
        """How far back `Facts.past_attempts` must reach for every cap to see all it counts."""
        longest = timedelta(days=1)
        for rule in self.rules:
            for value in rule.values:
                if isinstance(value.duty, AttemptCap):
                    period = value.duty.period
                    reach = period.rolling or timedelta(days=period.calendar_days + 1)
                    longest = max(longest, reach)
        return longest

    def locate(self, number: str, stated: StatedLocation) -> Location:
        """Where the called party may be, by the rulebook's own tables."""
        return locate(number, stated, self.area_codes)

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
        verdicts += [rule.judge(case) for rule in plan.rules]
        return tuple(verdicts)

    def _plan(self, facts: Facts) -> _Plan:
        # Every North American number of one area code has the same place, so the cache stays small.
        key = (
            area_code(facts.number) or facts.number,
            facts.stated,
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
            rules=tuple(rules),
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


def _guard(rule: str, ruling: Ruling, why: str) -> Verdict:
    return Verdict(rule=rule, citation=_GUARD_CITATIONS[rule], ruling=ruling, why=why)


def _no_stop_request(facts: Facts) -> Verdict:
    """Whether nobody at this number asked us to stop. No consent and no relationship lifts it."""
    for entry in facts.suppressions:
        if entry.kind is SuppressionKind.INTERNAL:
            why = f"asked us to stop on {entry.registered_on} ({entry.source})"
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


# ── Reading: strict, with the file and the rule in every complaint ───────────────────────────────


def parse(files: Mapping[str, bytes], tzdata: str) -> Rulebook:
    """Make a rulebook of rule files (path inside the rules folder → content).

    Raises `RulebookError`, naming the file and the rule, for anything that it does not understand:
    an unknown key or kind, a missing citation or review date, overlapping values, a zone that does
    not exist, low confidence without the stricter reading, old time-zone data.
    """
    tables = {
        path: _toml(path, content)
        for path, content in sorted(files.items())
        if path.rsplit("/", 1)[-1] not in BESIDE_THE_RULES
    }
    for needed in (FORMAT, AREA_CODES, STATES):
        if needed not in tables:
            raise RulebookError(f"{needed} is missing; without it no rulebook can be loaded")
    _check_tzdata(_Table(FORMAT, tables[FORMAT]), tzdata)
    states = _states(_Table(STATES, tables[STATES]))
    area_codes = _area_codes(_Table(AREA_CODES, tables[AREA_CODES]), states)
    rules: dict[str, Rule] = {}
    homes: dict[str, str] = {}
    shared: dict[Duty, Duty] = {}
    for path, table in tables.items():
        if path in (FORMAT, AREA_CODES, STATES):
            continue
        rule = _rule(path, table, area_codes, shared)
        if rule.id in rules:
            raise RulebookError(f"{path}: rule {rule.id} is already in {homes[rule.id]}")
        rules[rule.id], homes[rule.id] = rule, path
    if not rules:
        raise RulebookError("there is not a single rule file")
    return Rulebook(
        hash=_hash(tables),
        tzdata=tzdata,
        rules=tuple(rules[name] for name in sorted(rules)),
        area_codes=area_codes,
    )


def _toml(path: str, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RulebookError(f"{path}: this is not TOML in UTF-8: {error}") from error


def _hash(tables: Mapping[str, Mapping[str, Any]]) -> str:
    text = json.dumps(tables, sort_keys=True, separators=(",", ":"), default=_written)
    return hashlib.sha256(text.encode()).hexdigest()


def _written(value: object) -> str:
    """TOML's own types that JSON lacks, as text."""
    if isinstance(value, date):
        return value.isoformat()
    raise RulebookError(f"a rule file holds {value!r}; times of day are written as text, '08:00'")


_E = TypeVar("_E", bound=StrEnum)


class _Table:
    """One TOML table being read. `done` refuses what nobody took: an unknown key is a mistake."""

    def __init__(self, where: str, content: Mapping[str, Any]) -> None:
        self.where = where
        self._left = dict(content)

    def fault(self, why: str) -> RulebookError:
        return RulebookError(f"{self.where}: {why}")

    def has(self, key: str) -> bool:
        return key in self._left

    def text(self, key: str) -> str:
        value = self._take(key)
        if not isinstance(value, str) or not value.strip():
            raise self.fault(f"{key} must be a text that is not empty, it is {value!r}")
        return value

    def text_or_none(self, key: str) -> str | None:
        return self.text(key) if self.has(key) else None

    def whole(self, key: str, *, least: int = 1) -> int:
        value = self._take(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.fault(f"{key} must be a whole number from {least}, it is {value!r}")
        return value

    def whole_or_none(self, key: str) -> int | None:
        return self.whole(key) if self.has(key) else None

    def day(self, key: str) -> date:
        value = self._take(key)
        if not isinstance(value, date) or isinstance(value, datetime):
            raise self.fault(f"{key} must be a date (2026-11-23), it is {value!r}")
        return value

    def day_or_none(self, key: str) -> date | None:
        return self.day(key) if self.has(key) else None

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._take(key)
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise self.fault(f"{key} must be a list of texts, it is {value!r}")
        if len(set(value)) != len(value):
            raise self.fault(f"{key} names something twice: {value!r}")
        return tuple(value)

    def one_of(self, key: str, kind: type[_E]) -> _E:
        return self._member(key, self.text(key), kind)

    def some_of(self, key: str, kind: type[_E]) -> frozenset[_E]:
        names = self.texts(key)
        if not names:
            raise self.fault(f"{key} is empty, so the rule would never apply")
        return frozenset(self._member(key, name, kind) for name in names)

    def some_of_or_all(self, key: str, kind: type[_E], *, never: _E | None = None) -> frozenset[_E]:
        """The members written down; all when the key is absent. `never` is implied, not written."""
        if not self.has(key):
            return frozenset(kind)
        members = self.some_of(key, kind)
        if never in members:
            raise self.fault(f"{key}: {never} meets every rule anyway; do not write it")
        return members

    def _member(self, key: str, name: str, kind: type[_E]) -> _E:
        try:
            return kind(name)
        except ValueError:
            choice = ", ".join(m.value for m in kind)
            raise self.fault(f"{key} has {name!r}; it must be of: {choice}") from None

    def table(self, key: str) -> _Table:
        value = self._take(key)
        if not isinstance(value, dict):
            raise self.fault(f"{key} must be a table, it is {value!r}")
        return _Table(f"{self.where}, {key}", value)

    def tables(self, key: str) -> tuple[_Table, ...]:
        value = self._take(key)
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            raise self.fault(f"{key} must be an array of tables ([[{key}]])")
        return tuple(
            _Table(f"{self.where}, {key} {number}", v) for number, v in enumerate(value, start=1)
        )

    def zones(self, key: str) -> tuple[str, ...]:
        names = self.texts(key)
        for name in names:
            if not is_zone(name):
                raise self.fault(f"{key} has {name!r}, which is not an IANA time zone")
        return names

    def rest(self) -> tuple[str, ...]:
        """The keys nobody took yet."""
        return tuple(self._left)

    def raw(self, key: str) -> Any:
        return self._take(key)

    def done(self) -> None:
        if self._left:
            raise self.fault(f"unknown key: {', '.join(sorted(self._left))}")

    def _take(self, key: str) -> Any:
        if key not in self._left:
            raise self.fault(f"{key} is missing")
        return self._left.pop(key)


def _check_tzdata(table: _Table, tzdata: str) -> None:
    least = table.text("tzdata_least")
    table.done()
    if _tz_order(table, tzdata) < _tz_order(table, least):
        raise RulebookError(
            f"{FORMAT}: the time-zone data is {tzdata}, the rules need {least} or newer; "
            "upgrade the tzdata package"
        )


def _tz_order(table: _Table, version: str) -> tuple[int, int, str]:
    match = re.fullmatch(r"([0-9]{4})([a-z]{1,2})", version)
    if match is None:
        raise table.fault(f"{version!r} is not a time-zone data version such as 2026f")
    return int(match[1]), len(match[2]), match[2]


def _states(table: _Table) -> dict[str, State]:
    table.text("source")
    table.day("reviewed_on")
    states: dict[str, State] = {}
    for country in ("us", "ca"):
        of_country = table.table(country)
        for code in of_country.rest():
            row = of_country.table(code)
            state = State(
                code=code, name=row.text("name"), country=country.upper(), zones=row.zones("zones")
            )
            row.done()
            if code in states or re.fullmatch(r"[A-Z]{2}", code) is None or not state.zones:
                raise row.fault("a state needs two capital letters of its own and a zone")
            states[code] = state
    table.done()
    return states


def _area_codes(table: _Table, states: Mapping[str, State]) -> AreaCodeTable:
    source, reviewed_on = table.text("source"), table.day("reviewed_on")
    codes: dict[str, AreaCode] = {}
    geographic = table.table("geographic")
    for code in geographic.rest():
        row = geographic.table(code)
        names, zones = row.texts("states"), row.zones("zones")
        country = row.text_or_none("country")
        row.done()
        for name in names:
            if name not in states:
                raise row.fault(f"{name!r} is not a state of {STATES}")
        countries = {states[name].country for name in names} or {country or ""}
        if len(countries) != 1 or "" in countries or not zones or (names and country):
            raise row.fault("it needs zones, and either states of one country or a country")
        codes[code] = AreaCode(
            code=code,
            use=AreaCodeUse.GEOGRAPHIC,
            country=countries.pop(),
            states=names,
            zones=zones,
        )
    for use in (AreaCodeUse.TOLL_FREE, AreaCodeUse.PERSONAL, AreaCodeUse.SPECIAL):
        for code in table.texts(use.value):
            if code in codes:
                raise table.fault(f"area code {code} is there twice")
            codes[code] = AreaCode(code=code, use=use, country=None, states=(), zones=())
    for code in codes:
        if re.fullmatch(r"[2-9][0-9]{2}", code) is None:
            raise table.fault(f"{code!r} is not an area code")
    table.done()
    return AreaCodeTable(source=source, reviewed_on=reviewed_on, codes=codes, states=states)


def _rule(
    path: str,
    content: Mapping[str, Any],
    area_codes: AreaCodeTable,
    shared: dict[Duty, Duty],
) -> Rule:
    """Read one rule. `shared` keeps equal duties one object, so that a case judges them once."""
    rule_id = content.get("id")
    table = _Table(f"{path} ({rule_id})" if isinstance(rule_id, str) else path, content)
    name = table.text("id")
    if re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+", name) is None:
        raise table.fault("an id is made of small words joined by dots: us.fl.hours")
    if name in _GUARD_CITATIONS:
        raise table.fault("this id belongs to a guard that is not data")
    kind = table.one_of("kind", RuleKind)
    confidence = table.one_of("confidence", Confidence)
    stricter = table.text_or_none("stricter_reading")
    if confidence is Confidence.LOW and stricter is None:
        raise table.fault("confidence is low, so stricter_reading must say which way it decides")
    jurisdiction = table.text("jurisdiction")
    _check_home(table, path, jurisdiction, area_codes)
    rule = Rule(
        id=name,
        title=table.text("title"),
        kind=kind,
        jurisdiction=jurisdiction,
        applies=_applies(table),
        citation=table.text("citation"),
        confidence=confidence,
        stricter_reading=stricter,
        reviewed_on=table.day("reviewed_on"),
        values=_values(table, kind, shared),
    )
    table.done()
    return rule


def _check_home(table: _Table, path: str, jurisdiction: str, area_codes: AreaCodeTable) -> None:
    """The folder says the jurisdiction too, so that nobody files Texas under Florida."""
    folder = path.rpartition("/")[0]
    home = folder.removesuffix("/federal")
    if home != jurisdiction:
        raise table.fault(f"jurisdiction is {jurisdiction!r}, but the file lies in {folder!r}")
    country, _, state = jurisdiction.partition("/")
    if state and (
        state.upper() not in area_codes.states
        or area_codes.states[state.upper()].country.lower() != country
    ):
        raise table.fault(f"{jurisdiction!r} is no state of {STATES}")
    if not state and country not in ("world", "house") and not re.fullmatch("[a-z]{2}", country):
        raise table.fault(f"{jurisdiction!r} is neither a country, world nor house")


def _applies(table: _Table) -> Applies:
    """Closed lists; an absent one means all. `unknown` is implied and therefore not written."""
    section = table.table("applies")
    purposes = section.some_of("purposes", Purpose)
    methods = section.some_of_or_all("methods", Method)
    parties = section.some_of_or_all("parties", Party, never=Party.UNKNOWN)
    lines = section.some_of_or_all("line_types", LineType, never=LineType.UNKNOWN)
    section.done()
    return Applies(purposes=purposes, methods=methods, parties=parties, line_types=lines)


def _values(table: _Table, kind: RuleKind, shared: dict[Duty, Duty]) -> tuple[DatedValue, ...]:
    values: list[DatedValue] = []
    for row in table.tables("value"):
        from_on, until_on = row.day("from"), row.day_or_none("until")
        if until_on is not None and until_on <= from_on:
            raise row.fault(f"it ends on {until_on}, before it begins")
        duty = _DUTIES[kind](row)
        duty = shared.setdefault(duty, duty)
        row.done()
        values.append(DatedValue(from_on=from_on, until_on=until_on, duty=duty))
    if not values:
        raise table.fault("it has no [[value]]")
    values.sort(key=lambda v: v.from_on)
    for earlier, later in pairwise(values):
        if earlier.until_on is None or earlier.until_on > later.from_on:
            raise table.fault(
                f"the value from {earlier.from_on} overlaps the one from {later.from_on}; "
                "give the earlier one an until"
            )
    return tuple(values)


def _lift(row: _Table) -> Lift:
    if not row.has("lifted_by"):
        return NO_LIFT
    section = row.table("lifted_by")
    lift = Lift(
        consent=section.one_of("consent", ConsentKind) if section.has("consent") else None,
        purchase_days=section.whole_or_none("purchase_days"),
        purchase_months=section.whole_or_none("purchase_months"),
        inquiry_days=section.whole_or_none("inquiry_days"),
        inquiry_months=section.whole_or_none("inquiry_months"),
    )
    section.done()
    if lift == NO_LIFT:
        raise section.fault("it names nothing that lifts the duty")
    return lift


_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEK_GROUPS = {"every_day": _WEEK, "weekdays": _WEEK[:5], "weekend": _WEEK[5:]}


def _calling_window(row: _Table) -> Duty:
    week: dict[str, tuple[Interval, ...]] = {}
    for key in (*_WEEK_GROUPS, *_WEEK):
        if row.has(key):
            intervals = _intervals(row, key)
            for day in _WEEK_GROUPS.get(key, (key,)):
                if day in week:
                    raise row.fault(f"{day} is given twice")
                week[day] = intervals
    absent = [day for day in _WEEK if day not in week]
    if absent:
        raise row.fault(f'{", ".join(absent)} missing; write "closed" for a closed day')
    return CallingWindow(week=tuple(week[day] for day in _WEEK), lifted_by=_lift(row))


def _intervals(row: _Table, key: str) -> tuple[Interval, ...]:
    value = row.raw(key)
    if value == "closed":
        return ()
    texts = value if isinstance(value, list) else [value]
    intervals: list[Interval] = []
    for text in texts:
        match = (
            re.fullmatch(r"([0-9]{2}):([0-5][0-9])-([0-9]{2}):([0-5][0-9])", text)
            if isinstance(text, str)
            else None
        )
        if match is None:
            raise row.fault(f'{key} must be "08:00-21:00", a list of such or "closed": {text!r}')
        opens, closes = (
            int(match[1]) * 3600 + int(match[2]) * 60,
            int(match[3]) * 3600 + int(match[4]) * 60,
        )
        if not (opens < closes <= DAY_S) or (intervals and opens < intervals[-1][1]):
            raise row.fault(f"{key}: {text} is not a span of one day that follows the one before")
        intervals.append((opens, closes))
    if not intervals:
        raise row.fault(f'{key} is empty; write "closed"')
    return tuple(intervals)


def _country(row: _Table) -> str | None:
    country = row.text_or_none("country")
    if country is not None and re.fullmatch(r"[A-Z]{2}", country) is None:
        raise row.fault(f"country must be two capital letters, it is {country!r}")
    return country


def _suppression(row: _Table) -> Duty:
    return SuppressionDuty(
        list=row.one_of("list", SuppressionKind), country=_country(row), lifted_by=_lift(row)
    )


def _list_age(row: _Table) -> Duty:
    return ListAge(
        list=row.one_of("list", SuppressionKind),
        days_max=row.whole("days_max"),
        country=_country(row),
    )


def _attempt_cap(row: _Table) -> Duty:
    given = [k for k in ("rolling_hours", "rolling_days", "calendar_days") if row.has(k)]
    if len(given) != 1:
        raise row.fault("it needs one of rolling_hours, rolling_days, calendar_days")
    length = row.whole(given[0])
    period = {
        "rolling_hours": PeriodUnit(timedelta(hours=length), 0),
        "rolling_days": PeriodUnit(timedelta(days=length), 0),
        "calendar_days": PeriodUnit(None, length),
    }[given[0]]
    counts = row.some_of("counts", Outcome)
    if Outcome.NOT_DIALED in counts:
        raise row.fault("not_dialed never counts: nothing was sent to the network")
    return AttemptCap(
        attempts_max=row.whole("attempts_max"),
        period=period,
        counts=counts,
        lifted_by=_lift(row),
    )


_DUTIES: dict[RuleKind, Callable[[_Table], Duty]] = {
    RuleKind.NUMBER_VALIDITY: lambda _: NumberValidity(),
    RuleKind.CALLING_WINDOW: _calling_window,
    RuleKind.SUPPRESSION: _suppression,
    RuleKind.LIST_AGE: _list_age,
    RuleKind.ATTEMPT_CAP: _attempt_cap,
    RuleKind.CONSENT: lambda row: ConsentDuty(needs=row.one_of("needs", ConsentKind)),
    RuleKind.CALLER_ID: lambda _: CallerIdDuty(),
    RuleKind.BAN: lambda row: Ban(lifted_by=_lift(row)),
}

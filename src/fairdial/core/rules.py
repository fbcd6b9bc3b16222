"""A rule: one duty as dated, cited data, and its verdict about one call.

Refuses to know files (`rule_file`), which rules apply to whom (`rulebook`) and what a duty means
(`duties`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache

from fairdial.core.campaign import Method, Purpose
from fairdial.core.duties import (
    CallingWindow,
    Case,
    Disclosure,
    Duty,
    Finding,
    Retention,
    Told,
    first_instant,
)
from fairdial.core.facts import Facts
from fairdial.core.ids import Instant
from fairdial.core.lead import LineType, Party
from fairdial.core.verdict import Ruling, Verdict


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
    CLOSED_DAY = "closed_day"
    REASSIGNED = "reassigned"
    REST_PERIOD = "rest_period"
    EMERGENCY_BAN = "emergency_ban"
    RESTRICTION = "restriction"
    RING_TIME = "ring_time"
    ABANDON_CEILING = "abandon_ceiling"
    REVOCATION = "revocation"
    ONE_LINE = "one_line"
    DISCLOSURE = "disclosure"
    RETENTION = "retention"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applies:
    """To which calls a rule applies. An unknown party or line type meets every rule."""

    purposes: frozenset[Purpose]
    methods: frozenset[Method]
    parties: frozenset[Party]
    line_types: frozenset[LineType]
    also: Applies | None = None
    """More calls under the same duty: "wireless lines of anybody, and every line of a home"."""

    def covers(self, facts: Facts) -> bool:
        """Whether the rule applies to a call of this purpose, method, party and line."""
        return self._covers(facts) or (self.also is not None and self.also.covers(facts))

    def _covers(self, facts: Facts) -> bool:
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
    duty: Duty | Told | None
    """None: in this time there was no such duty yet."""

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

    @property
    def is_judged(self) -> bool:
        """Whether it answers before a call; what must be said and kept is only told."""
        return self.kind not in (RuleKind.DISCLOSURE, RuleKind.RETENTION)

    def value_on(self, day: date) -> DatedValue | None:
        """The value in force on a local day."""
        for value in self.values:
            if value.is_in_force(day):
                return value
        return None

    def judge(self, case: Case) -> Verdict:
        """One verdict. Where the date differs between candidate zones, the strictest value's."""
        worst: Finding | None = None
        for day in case.days:
            found = self._find(case, day)
            if worst is None or _SEVERITY[found.ruling] > _SEVERITY[worst.ruling]:
                worst = found
        assert worst is not None, "there is always a day to judge"
        return self.verdict(worst)

    def _find(self, case: Case, day: date) -> Finding:
        asked = self.asks(day)
        if isinstance(asked, Finding):
            return asked
        return self.settle(case, day, asked.judge(case))

    def asks(self, day: date) -> Duty | Finding:
        """The duty that judges on a local day; a finding where no case needs to be looked at."""
        value = self.value_on(day)
        if value is None:
            return Finding(Ruling.UNKNOWN, f"the rule has no value in force on {day}")
        if value.duty is None:
            return Finding(Ruling.ALLOW, f"no such duty before {value.until_on}")
        if isinstance(value.duty, (Disclosure, Retention)):
            raise TypeError(f"{self.id} is told and not judged")
        return value.duty

    def settle(self, case: Case, day: date, found: Finding) -> Finding:
        """What its duty found, with the next opening by the values that will be in force then."""
        if found.next_allowed_at is None or len(self.values) == 1:
            return found
        value = self.value_on(day)
        assert value is not None, "a duty was asked, so a value is in force"
        return found._replace(next_allowed_at=self._next_open(case, value, found))

    def verdict(self, found: Finding) -> Verdict:
        """The verdict that a finding makes under this rule's name."""
        return _verdict(self.id, self.citation, found)

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
            following = self.value_on(day)
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

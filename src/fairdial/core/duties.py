"""Duties: the dozen-odd kinds of rule, each a few typed parameters and one judgement.

A rule file picks one kind and gives its parameters (`rules` reads them); here is what a kind
*means*. Every duty judges one `Case` and answers with a `Finding`; an exemption lifts only its own
duty. Refuses to know of any law by name. Next stop: `rules.Rulebook.judge` makes verdicts of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from fairdial.core.facts import Facts, RelationshipKind, SuppressionKind
from fairdial.core.ids import Instant
from fairdial.core.jurisdiction import AreaCodeTable, Location
from fairdial.core.lead import ConsentKind
from fairdial.core.number import is_e164, is_fictional, is_nanp, nanp_fault, region_of
from fairdial.core.outcome import Outcome
from fairdial.core.verdict import Ruling

DAY_S = 24 * 60 * 60
SEARCH_DAYS = 15
"""How far ahead a calling window is looked for. No law closes a state for longer."""


class Finding(NamedTuple):
    """What a duty says about a case: the verdict without the rule's name."""

    ruling: Ruling
    why: str
    next_allowed_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class LocalTime:
    """The moment of judging in one candidate zone."""

    zone: ZoneInfo
    wall: datetime
    """Aware, in `zone`."""
    second: int
    """Seconds since local midnight by the wall clock."""
    weekday: int
    """Monday is 0."""
    clock: str
    """For sentences: `09:41:07 in America/Chicago`."""


@dataclass(frozen=True, slots=True)
class Case:
    """One set of facts at one moment, with what all duties need worked out once."""

    facts: Facts
    now: Instant
    location: Location
    locals: tuple[LocalTime, ...]
    """One per candidate zone; empty when the place is unknown."""
    table: AreaCodeTable
    days: tuple[date, ...]
    """The dates it is in the candidate zones, the latest last; by UTC when no zone is known."""
    found: dict[int, Finding] = field(default_factory=dict)
    """What equal duties of several rules already found, by the duty's identity."""

    @property
    def today_latest(self) -> date:
        """The latest date it is in any candidate zone: the strict day for what runs out."""
        return self.days[-1]


def case_of(
    facts: Facts,
    now: Instant,
    location: Location,
    zones: tuple[ZoneInfo, ...],
    table: AreaCodeTable,
) -> Case:
    """Work out once what all duties need: the wall clock and date of every candidate zone."""
    times = []
    days: tuple[date, ...] = ()
    for zone in zones:
        wall = now.astimezone(zone)
        clock = f"{wall.hour:02d}:{wall.minute:02d}:{wall.second:02d} in {zone.key}"
        times.append(LocalTime(zone, wall, _second_of(wall), wall.weekday(), clock))
        day = wall.date()
        if day not in days:
            days = (*days, day)
    if not days:
        days = (now.date(),)
    elif len(days) > 1:
        days = tuple(sorted(days))
    return Case(facts, now, location, tuple(times), table, days)


class Duty(Protocol):
    """What every kind of rule can do."""

    def judge(self, case: Case) -> Finding:
        """Answer for one case. Never raises on facts, whatever they hold."""


# ── What lifts a duty ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """What makes one duty not apply: consent of a strength, or a relationship young enough."""

    consent: ConsentKind | None = None
    """The weakest consent that lifts it; written is also express."""
    purchase_days: int | None = None
    purchase_months: int | None = None
    inquiry_days: int | None = None
    inquiry_months: int | None = None
    """Where days and months are given the shorter counts: the FCC counts months, the FTC days."""

    def reason(self, case: Case) -> str | None:
        """Why the duty is lifted, or None."""
        if self.consent is not None and consent_fault(case, self.consent) is None:
            return f"{self.consent.value} consent lifts it"
        relationship = case.facts.relationship
        if relationship is None:
            return None
        if relationship.kind is RelationshipKind.PURCHASE:
            days, months = self.purchase_days, self.purchase_months
        else:
            days, months = self.inquiry_days, self.inquiry_months
        if days is None and months is None:
            return None
        age = (case.today_latest - relationship.last_on).days
        if age < 0 or (days is not None and age > days):
            return None
        if months is not None and case.today_latest > _months_after(relationship.last_on, months):
            return None
        return f"{relationship.kind.value} {age} days ago lifts it"


def consent_fault(case: Case, needed: ConsentKind) -> str | None:
    """Why the recorded consent is not the one needed, or None when it is."""
    consent = case.facts.consent
    if consent is None:
        return f"no consent is recorded; it needs {needed.value} consent"
    if consent.revoked_at is not None:
        return f"consent was revoked on {consent.revoked_at:%Y-%m-%d}"
    if consent.given_on > case.today_latest:
        return f"consent is dated {consent.given_on}, after the call"
    if needed is ConsentKind.WRITTEN and consent.kind is not ConsentKind.WRITTEN:
        return "consent is express only; it needs written consent"
    return None


def _months_after(day: date, months: int) -> date:
    """The same day of the month so many months later; its last day when there is none."""
    year, month0 = divmod(day.year * 12 + day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month0 + 1, min(day.day, last))
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


NO_LIFT = Lift()


# ── The kinds ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberValidity:
    """The number has the form of one in service, and test and live worlds never meet.

    In the sandbox only fictional numbers may be called; outside of it they never may.
    """

    def judge(self, case: Case) -> Finding:
        number, is_sandbox = case.facts.number, case.facts.is_sandbox
        fault = _number_fault(number, case.table)
        if fault is not None:
            return Finding(Ruling.REFUSE, fault)
        if is_sandbox and not is_fictional(number):
            return Finding(
                Ruling.REFUSE, "in the sandbox only fictional numbers (555-0100…0199) may be called"
            )
        if not is_sandbox and is_fictional(number):
            return Finding(Ruling.REFUSE, "it is a fictional number (555-0100…0199)")
        return Finding(Ruling.ALLOW, "the number has the form of one in service")


def _number_fault(number: str, table: AreaCodeTable) -> str | None:
    if not is_e164(number):
        return f"{number[:20]!r} is not a number in E.164 form"
    if number.startswith("+1"):
        if not is_nanp(number):
            return f"{number[:20]!r} is not +1 and ten digits"
        return nanp_fault(number[2:], table)
    if region_of(number) is None:
        return f"{number[:20]!r} belongs to no country's numbering plan"
    return None


Interval = tuple[int, int]
"""Half-open [open, close) in seconds since local midnight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallingWindow:
    """A call may start only inside these local hours, in every candidate zone at once."""

    week: tuple[tuple[Interval, ...], ...]
    """Monday to Sunday; an empty day is closed."""
    lifted_by: Lift = NO_LIFT

    def judge(self, case: Case) -> Finding:
        if not case.locals:
            return Finding(Ruling.UNKNOWN, "no candidate time zone is known")
        outside = [t for t in case.locals if not self.is_open(t.weekday, t.second)]
        if not outside:
            return Finding(
                Ruling.ALLOW,
                "; ".join(f"{t.clock} is within {self.hours(t)}" for t in case.locals),
            )
        lifted = self.lifted_by.reason(case)
        if lifted is not None:
            return Finding(Ruling.ALLOW, lifted)
        return Finding(
            Ruling.REFUSE,
            "; ".join(f"{t.clock} is outside {self.hours(t)}" for t in outside),
            self.next_open(case.now, tuple(t.zone for t in case.locals)),
        )

    def is_open(self, weekday: int, second: int) -> bool:
        """Whether the local wall time lies in a window; Monday is 0."""
        for opens, closes in self.week[weekday]:  # noqa: SIM110 - judged a million times an hour
            if opens <= second < closes:
                return True
        return False

    def hours(self, at: LocalTime) -> str:
        """The day's hours in words."""
        return _hours_text(at.weekday, self.week[at.weekday])

    def next_open(self, now: Instant, zones: tuple[ZoneInfo, ...]) -> Instant | None:
        """The first moment from `now` on that lies inside the window in all zones at once.

        Exact to the second across closed days and clock changes. None when there is none within
        `SEARCH_DAYS`. Every candidate moment is an opening in one of the zones, so walking from
        opening to opening cannot pass over one.
        """
        moment, limit = now, now + timedelta(days=SEARCH_DAYS)
        while moment <= limit:
            latest = moment
            for zone in zones:
                opening = self._next_open_in(latest, zone)
                if opening is None:
                    return None
                latest = max(latest, opening)
            if latest == moment:
                return moment
            moment = latest
        return None

    def _next_open_in(self, now: Instant, zone: ZoneInfo) -> Instant | None:
        wall = now.astimezone(zone)
        if self.is_open(wall.weekday(), _second_of(wall)):
            return now
        for ahead in range(SEARCH_DAYS + 1):
            day = wall.date() + timedelta(days=ahead)
            for opens, closes in self.week[day.weekday()]:
                opening = first_instant(day, opens, zone)
                if opening < now:
                    continue
                local = opening.astimezone(zone)
                # A clock change can swallow a window whole; then it does not open that day.
                if local.date() == day and opens <= _second_of(local) < closes:
                    return opening
        return None


def first_instant(day: date, second: int, zone: ZoneInfo) -> Instant:
    """The first moment of a local day whose wall clock shows `second` of the day or later.

    Where the clock is put back the first pass counts; where it is put forward over that time, the
    moment of the change.
    """
    wall = datetime.combine(day, time(), zone) + timedelta(seconds=second)
    instant = wall.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return instant
    # In a gap, fold=0 uses the offset before the change and lands after it, fold=1 lands before it.
    low = wall.replace(fold=1).astimezone(UTC)
    high = instant
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).replace(tzinfo=None) >= wall.replace(tzinfo=None):
            high = middle
        else:
            low = middle
    return high


def _second_of(wall: datetime) -> int:
    return wall.hour * 3600 + wall.minute * 60 + wall.second


def _hhmm(second: int) -> str:
    return f"{second // 3600:02d}:{second % 3600 // 60:02d}"


@lru_cache(maxsize=1024)
def _hours_text(weekday: int, intervals: tuple[Interval, ...]) -> str:
    if not intervals:
        return f"any window: {_WEEKDAYS[weekday]} is closed"
    return " and ".join(f"{_hhmm(opens)}–{_hhmm(closes)}" for opens, closes in intervals)


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionDuty:
    """A number on the list is not called, unless what lifts it holds."""

    list: SuppressionKind
    country: str | None = None
    """For a national list: whose. An entry that names no country is of the number's own."""
    lifted_by: Lift = NO_LIFT

    def judge(self, case: Case) -> Finding:
        for entry in case.facts.suppressions:
            if entry.kind is self.list and _is_of(entry.country, self.country, case):
                lifted = self.lifted_by.reason(case)
                if lifted is not None:
                    return Finding(Ruling.ALLOW, f"listed on {entry.registered_on}, but {lifted}")
                whose = f" of {entry.state}" if entry.state else ""
                return Finding(
                    Ruling.REFUSE,
                    f"on the {self.list.value} list{whose} since {entry.registered_on}"
                    f" ({entry.source})",
                )
        return _NOT_LISTED[self.list]


_NOT_LISTED = {
    kind: Finding(Ruling.ALLOW, f"no entry on the {kind.value} list") for kind in SuppressionKind
}


def _is_of(country: str | None, wanted: str | None, case: Case) -> bool:
    """Whether a list is the wanted country's; without a name it is the called number's own."""
    if wanted is None:
        return True
    return (country or case.location.country_of_number) in (wanted, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAge:
    """Our copy of a registry is recent; a registry never looked into is never recent."""

    list: SuppressionKind
    days_max: int
    country: str | None = None

    def judge(self, case: Case) -> Finding:
        copies = [
            r.as_of
            for r in case.facts.registries
            if r.kind is self.list
            and (
                self.country is None
                or (r.country or case.location.country_of_number) == self.country
            )
        ]
        name = f"{self.country or 'the'} {self.list.value} list"
        if not copies:
            return Finding(Ruling.REFUSE, f"never looked into the {name}")
        as_of = max(copies)
        age = (case.now.date() - as_of).days
        if age < -1:
            return Finding(
                Ruling.UNKNOWN, f"the copy of the {name} is dated {as_of}, after the call"
            )
        if age > self.days_max:
            return Finding(
                Ruling.REFUSE,
                f"the copy of the {name} is {age} days old; {self.days_max} are the most",
            )
        return Finding(Ruling.ALLOW, f"the copy of the {name} is {max(age, 0)} days old")


class PeriodUnit(NamedTuple):
    """How far a cap looks back."""

    rolling: timedelta | None
    """A rolling time, or None for local calendar days."""
    calendar_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptCap:
    """At most so many attempts per number and period, over all campaigns of the seller.

    An attempt still open counts whatever it becomes; one that was never dialed never counts. An
    attempt exactly one period old has left a rolling period.
    """

    attempts_max: int
    period: PeriodUnit
    counts: frozenset[Outcome]
    lifted_by: Lift = NO_LIFT

    def judge(self, case: Case) -> Finding:
        rolling = self.period.rolling
        if rolling is not None:
            return self._judge_rolling(case, rolling)
        if not case.locals:
            return Finding(Ruling.UNKNOWN, "without a time zone no calendar day is known")
        # The zone in which the most attempts count and the day ends last is the strict one.
        findings = [self._judge_calendar(case, at.zone) for at in case.locals]
        return max(
            findings,
            key=lambda f: (
                f.ruling is not Ruling.ALLOW,
                f.next_allowed_at.timestamp() if f.next_allowed_at else 0.0,
            ),
        )

    def _counted(self, case: Case, since: Instant, *, inclusive: bool) -> list[Instant]:
        """The moments of the attempts that count, oldest first. Future ones count: clocks jump."""
        moments = [
            a.at
            for a in case.facts.past_attempts
            if (a.at > since or (inclusive and a.at == since))
            and (a.outcome is None or a.outcome in self.counts)
        ]
        moments.sort()
        return moments

    def _judge_rolling(self, case: Case, rolling: timedelta) -> Finding:
        moments = self._counted(case, case.now - rolling, inclusive=False)
        if len(moments) < self.attempts_max:
            return Finding(
                Ruling.ALLOW,
                f"{len(moments)} of {self.attempts_max} attempts in {_span(rolling)}",
            )
        return self._refuse(
            case,
            f"{len(moments)} attempts in {_span(rolling)}; {self.attempts_max} are the most",
            moments[-self.attempts_max] + rolling,
        )

    def _judge_calendar(self, case: Case, zone: ZoneInfo) -> Finding:
        days = self.period.calendar_days
        today = case.now.astimezone(zone).date()
        since = first_instant(today - timedelta(days=days - 1), 0, zone)
        moments = self._counted(case, since, inclusive=True)
        if len(moments) < self.attempts_max:
            return Finding(
                Ruling.ALLOW,
                f"{len(moments)} of {self.attempts_max} attempts in {days} calendar days",
            )
        leaves = moments[-self.attempts_max].astimezone(zone).date() + timedelta(days=days)
        return self._refuse(
            case,
            f"{len(moments)} attempts in {days} calendar days; {self.attempts_max} are the most",
            first_instant(leaves, 0, zone),
        )

    def _refuse(self, case: Case, why: str, until: Instant) -> Finding:
        lifted = self.lifted_by.reason(case)
        if lifted is not None:
            return Finding(Ruling.ALLOW, f"{why}, but {lifted}")
        return Finding(Ruling.REFUSE, why, until)


@lru_cache(maxsize=64)
def _span(period: timedelta) -> str:
    hours = period // timedelta(hours=1)
    return f"{hours // 24} days" if hours % 24 == 0 and hours > 24 else f"{hours} hours"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentDuty:
    """Such a call needs recorded consent, not revoked, given before it."""

    needs: ConsentKind

    def judge(self, case: Case) -> Finding:
        fault = consent_fault(case, self.needs)
        if fault is not None:
            return Finding(Ruling.REFUSE, fault)
        consent = case.facts.consent
        assert consent is not None, "consent without a fault is there"
        return Finding(Ruling.ALLOW, f"{consent.kind.value} consent of {consent.given_on}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerIdDuty:
    """The called party sees a number that can be called back, and that is not their own."""

    def judge(self, case: Case) -> Finding:
        shown, called = case.facts.caller_id, case.facts.number
        if not shown:
            return Finding(Ruling.REFUSE, "no caller ID is set")
        fault = _number_fault(shown, case.table)
        if fault is not None:
            return Finding(Ruling.REFUSE, f"the caller ID is unusable: {fault}")
        if shown == called:
            return Finding(Ruling.REFUSE, "the caller ID is the called number itself")
        if is_fictional(shown) and not case.facts.is_sandbox:
            return Finding(Ruling.REFUSE, "the caller ID is a fictional number (555-0100…0199)")
        return _CALLER_ID_SHOWN


_CALLER_ID_SHOWN = Finding(Ruling.ALLOW, "a caller ID that can be called back is shown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """Such calls are forbidden, unless what lifts it holds."""

    lifted_by: Lift = NO_LIFT

    def judge(self, case: Case) -> Finding:
        lifted = self.lifted_by.reason(case)
        if lifted is not None:
            return Finding(Ruling.ALLOW, lifted)
        return Finding(Ruling.REFUSE, "such calls are forbidden here")

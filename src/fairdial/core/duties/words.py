"""A duty in words: one readable sentence of each kind, for pages, terminals and dispute files.

The sentence is made of the parameters that judge, so it cannot say anything else than they do.
Refuses to know to which calls a rule applies (`rules.Applies`) and whose law it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from fairdial.core.abandon import AbandonMeasure, ClockStart, Denominator, WindowKind
from fairdial.core.duties import (
    AbandonCeiling,
    AttemptCap,
    Ban,
    CallerIdDuty,
    CallingWindow,
    ClosedDay,
    ConsentDuty,
    Disclosure,
    Duty,
    EmergencyBan,
    ListAge,
    NumberValidity,
    OneLineDuty,
    ReassignedDuty,
    RestPeriod,
    RestrictionDuty,
    Retention,
    RevocationDuty,
    RingTime,
    SuppressionDuty,
    Told,
)
from fairdial.core.duties.calendar import WEEK, Observed
from fairdial.core.duties.caps import PeriodUnit, RestAfter
from fairdial.core.duties.hours import Interval
from fairdial.core.duties.lift import Lift
from fairdial.core.facts import Restriction, SuppressionKind
from fairdial.core.lead import ConsentKind


def in_words(duty: Duty | Told) -> str:
    """The duty as one sentence; equal sentences mean equal duties."""
    match duty:
        case NumberValidity():
            return (
                "The number can be in service; fictional numbers are called in the sandbox,"
                " and only there."
            )
        case CallerIdDuty():
            series = f", of the series {_either(duty.prefixes)}" if duty.prefixes else ""
            return f"A number that can be called back is shown{series}."
        case CallingWindow():
            return f"Calls start only {_week(duty.week)}{_unless(duty.lifted_by)}."
        case ClosedDay():
            return f"No call starts on {_closed(duty)}{_unless(duty.lifted_by)}."
        case SuppressionDuty():
            counted = (
                f", from {_many(duty.listed_days_least, 'day')} after its registration on,"
                if duty.listed_days_least
                else ""
            )
            name = _list(duty.list, duty.state or duty.country)
            return f"A number on {name}{counted} is not called{_unless(duty.lifted_by)}."
        case ListAge():
            name = _list(duty.list, duty.state or duty.country)
            return f"Our copy of {name} is at most {_many(duty.days_max, 'day')} old."
        case ReassignedDuty():
            return (
                "Consent is leaned on only while the database of reassigned numbers, asked at most"
                f" {_many(duty.days_max, 'day')} ago, says that the number did not change hands."
            )
        case AttemptCap():
            whose = ", those for other sellers included" if duty.is_over_all_sellers else ""
            counted = ", ".join(sorted(_plain(outcome.value) for outcome in duty.counts))
            return (
                f"At most {_many(duty.attempts_max, 'attempt')} to a number in"
                f" {_period(duty.period)}{whose}{_unless(duty.lifted_by)}. Counted: {counted}."
            )
        case RestPeriod():
            ends = ", save by a call that an agent is kept for" if duty.is_lifted_by_agent else ""
            after = _either(sorted(_AFTER[what] for what in duty.after))
            first = " (the day itself is the first)" if duty.period.rolling is None else ""
            return (
                f"After {after} the person is left alone for {_period(duty.period)}{first}{ends}"
                f"{_unless(duty.lifted_by)}."
            )
        case ConsentDuty():
            return f"Such a call needs {_consent(duty.needs)}{_unless(duty.lifted_by)}."
        case Ban():
            return f"Such calls are forbidden{_unless(duty.lifted_by)}."
        case EmergencyBan():
            return f"No such calls while an emergency is declared in {duty.jurisdiction}."
        case OneLineDuty():
            return "One line of a business is called at a time."
        case RestrictionDuty():
            people = sorted(_RESTRICTED[restriction] for restriction in duty.restrictions)
            return f"No such calls {_either(people)}."
        case RevocationDuty():
            return "Who took a consent back is not called, even where none was needed."
        case RingTime():
            return f"The phone rings at least {_many(duty.ring_s_least, 'second')}."
        case AbandonCeiling():
            return _ceiling(duty)
        case Disclosure():
            soon = f"within {_many(duty.within_s, 'second')}" if duty.within_s else "in the call"
            return f"It is said {soon}: {'; '.join(text.rstrip('.') for text in duty.say)}."
        case Retention():
            return f"Records are kept {_many(duty.keep_months, 'month')} from {duty.since}."
        case _:
            assert_never(duty)


def _ceiling(duty: AbandonCeiling) -> str:
    measure = duty.measure
    return (
        f"At most {duty.rate_max * 100:g} % of {_DIVISORS[measure.denominator]} are abandoned in"
        f" {_window(measure)}, judged from {duty.answers_least} on; abandoned is who waits more"
        f" than {measure.connect_ms_max / 1000:g} s from {_CLOCKS[measure.clock_start]} on. Over"
        " it, only calls that an agent is kept for."
    )


def _window(measure: AbandonMeasure) -> str:
    match measure.window:
        case WindowKind.ROLLING_DAYS:
            return _many(measure.window_days, "day")
        case WindowKind.CALENDAR_MONTH:
            return "a calendar month"
        case _:
            assert_never(measure.window)


_CLOCKS = {
    ClockStart.ANSWER: "the answer",
    ClockStart.GREETING_START: "the beginning of the greeting",
    ClockStart.GREETING_END: "the end of the greeting",
}
_DIVISORS = {
    Denominator.LIVE_ANSWERS: "the calls that a person answered",
    Denominator.CONNECTED_AND_ABANDONED: "the calls that were connected or abandoned",
}
_AFTER = {
    RestAfter.CONVERSATION: "a conversation",
    RestAfter.ABANDONED: "an abandoned call",
    RestAfter.MACHINE: "a call that a machine answered",
    RestAfter.REFUSAL: "a refusal of what was offered",
}
_RESTRICTED = {
    Restriction.ATTORNEY: "to a person for whom a lawyer is known to act",
    Restriction.WORK: "to a place of work whose employer forbids them",
}


def _unless(lift: Lift) -> str:
    """What lifts a duty, as the end of its sentence; empty when nothing does."""
    reasons = []
    if lift.consent is not None:
        limits = []
        if lift.consent_days_max is not None:
            limits.append(f"at most {_many(lift.consent_days_max, 'day')} old")
        if lift.consent_months_max is not None:
            limits.append(f"at most {_many(lift.consent_months_max, 'month')} old")
        if lift.is_until_conversation:
            limits.append("and nobody was talked to since")
        reasons.append(", ".join((f"there is {_consent(lift.consent)}", *limits)))
    for what, days, months in (
        ("the last purchase is", lift.purchase_days, lift.purchase_months),
        ("the last inquiry is", lift.inquiry_days, lift.inquiry_months),
    ):
        spans = [_many(n, unit) for n, unit in ((days, "day"), (months, "month")) if n is not None]
        if spans:
            reasons.append(f"{what} at most {' and '.join(spans)} ago")
    if lift.contract_months == 0:
        reasons.append("a contract still runs")
    elif lift.contract_months is not None:
        ended = _many(lift.contract_months, "month")
        reasons.append(f"a contract still runs or ended at most {ended} ago")
    return f", unless {', or '.join(reasons)}" if reasons else ""


def _consent(kind: ConsentKind) -> str:
    match kind:
        case ConsentKind.EXPRESS:
            return "express consent"
        case ConsentKind.WRITTEN:
            return "written consent"
        case _:
            assert_never(kind)


def _list(kind: SuppressionKind, whose: str | None) -> str:
    match kind:
        case SuppressionKind.NATIONAL:
            name = "the national do-not-call list"
        case SuppressionKind.STATE:
            name = "the state do-not-call list" if whose else "a state's do-not-call list"
        case SuppressionKind.INTERNAL:
            name = "the seller's own list of requests to stop"
        case SuppressionKind.LITIGATOR:
            name = "the list of people known to sue"
        case _:
            assert_never(kind)
    return f"{name} of {whose}" if whose else name


def _period(period: PeriodUnit) -> str:
    if period.rolling is None:
        return _many(period.calendar_days, "calendar day")
    hours = int(period.rolling.total_seconds()) // 3600
    return _many(hours // 24, "day") if hours % 24 == 0 and hours > 96 else _many(hours, "hour")


def _week(week: tuple[tuple[Interval, ...], ...]) -> str:
    """`Monday to Friday 09:00–21:30, Saturday and Sunday 10:00–18:00`; closed days are left out."""
    groups: list[tuple[list[str], tuple[Interval, ...]]] = []
    for name, intervals in zip(WEEK, week, strict=True):
        if groups and groups[-1][1] == intervals:
            groups[-1][0].append(name.capitalize())
        else:
            groups.append(([name.capitalize()], intervals))
    if len(groups) == 1 and groups[0][1]:
        return f"{_hours(groups[0][1])}, every day"
    said = [f"{_span(days)} {_hours(intervals)}" for days, intervals in groups if intervals]
    closed = [_span(days) for days, intervals in groups if not intervals]
    return ", ".join(said) + (f", and never on {' and '.join(closed)}" if closed else "")


def _span(days: list[str]) -> str:
    return " and ".join(days) if len(days) < 3 else f"{days[0]} to {days[-1]}"


def _hours(intervals: tuple[Interval, ...]) -> str:
    return " and ".join(f"{_clock(opens)}–{_clock(closes)}" for opens, closes in intervals)


def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second % 3600 // 60:02d}"


def _closed(duty: ClosedDay) -> str:
    names = [WEEK[day].capitalize() for day in sorted(duty.weekdays)]
    names += [day.text.title().replace(" Of ", " of ") for day in duty.days]
    names += [day.isoformat() for day in sorted(duty.dates)]
    match duty.observed:
        case Observed.NEVER:
            observed = ""
        case Observed.NEAREST_WEEKDAY:
            observed = ", nor on the nearest weekday when such a day falls on a weekend"
        case Observed.NEXT_WEEKDAY:
            observed = ", nor on the next weekday when such a day falls on a weekend"
        case _:
            assert_never(duty.observed)
    return ", ".join(names) + observed


def _plain(value: str) -> str:
    return value.replace("_", " ")


def _either(names: Iterable[str]) -> str:
    return " or ".join(names)


def _many(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"

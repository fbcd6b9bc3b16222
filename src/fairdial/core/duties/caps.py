"""Caps and rests: how often, and how soon again, one person may be called."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from fairdial.core.duties.case import Case, Finding, allowed, first_instant
from fairdial.core.duties.lift import NO_LIFT, Lift, read_lift
from fairdial.core.facts import PastAttempt
from fairdial.core.ids import Instant
from fairdial.core.outcome import Disposition, Outcome
from fairdial.core.toml_table import Table
from fairdial.core.verdict import Ruling


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
    is_over_all_sellers: bool = False
    """Whether attempts for other sellers count too: our own courtesy, not the law's."""
    lifted_by: Lift = NO_LIFT

    @classmethod
    def read(cls, row: Table) -> AttemptCap:
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
        return cls(
            attempts_max=row.whole("attempts_max"),
            period=period,
            counts=counts,
            is_over_all_sellers=row.truth("over_all_sellers"),
            lifted_by=read_lift(row),
        )

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
            if (a.is_of_seller or self.is_over_all_sellers)
            and (a.at > since or (inclusive and a.at == since))
            and (a.outcome is None or a.outcome in self.counts)
        ]
        moments.sort()
        return moments

    def _judge_rolling(self, case: Case, rolling: timedelta) -> Finding:
        moments = self._counted(case, case.now - rolling, inclusive=False)
        if len(moments) < self.attempts_max:
            return allowed(
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
            return allowed(
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
            return allowed(f"{why}, but {lifted}")
        return Finding(Ruling.REFUSE, why, until)


@lru_cache(maxsize=64)
def _span(period: timedelta) -> str:
    hours = period // timedelta(hours=1)
    return f"{hours // 24} days" if hours % 24 == 0 and hours > 24 else f"{hours} hours"


class RestAfter(StrEnum):
    """What a rest follows."""

    CONVERSATION = "conversation"
    ABANDONED = "abandoned"
    MACHINE = "machine"
    REFUSAL = "refusal"
    """The person said no to what was offered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestPeriod:
    """After such an attempt the person is left alone for a time."""

    after: frozenset[RestAfter]
    period: PeriodUnit
    """Calendar days count the day of the attempt as the first."""
    is_lifted_by_agent: bool = False
    """Whether the rest ends early for a call that an agent is sure to take."""
    lifted_by: Lift = NO_LIFT

    @classmethod
    def read(cls, row: Table) -> RestPeriod:
        given = [k for k in ("rolling_hours", "rolling_days", "calendar_days") if row.has(k)]
        if len(given) != 1:
            raise row.fault("it needs one of rolling_hours, rolling_days, calendar_days")
        length = row.whole(given[0])
        hours = length if given[0] == "rolling_hours" else length * 24
        is_calendar = given[0] == "calendar_days"
        return cls(
            after=row.some_of("after", RestAfter),
            period=PeriodUnit(None, length)
            if is_calendar
            else PeriodUnit(timedelta(hours=hours), 0),
            is_lifted_by_agent=row.truth("lifted_by_agent"),
            lifted_by=read_lift(row),
        )

    def judge(self, case: Case) -> Finding:
        ends = [
            (self._ends_at(case, a), a)
            for a in case.facts.past_attempts
            if a.is_of_seller and self._follows(a)
        ]
        under_way = [(end, a) for end, a in ends if end is None or end > case.now]
        if not under_way:
            return _RESTED
        if self.is_lifted_by_agent and case.facts.is_agent_guaranteed:
            return allowed("an agent is kept for this call")
        lifted = self.lifted_by.reason(case)
        if lifted is not None:
            return allowed(lifted)
        if any(end is None for end, _ in under_way):
            return Finding(Ruling.UNKNOWN, "without a time zone no calendar day is known")
        until, attempt = max(
            ((end, a) for end, a in under_way if end is not None), key=lambda pair: pair[0]
        )
        return Finding(
            Ruling.REFUSE,
            f"left alone until {until:%Y-%m-%d %H:%M} UTC after the attempt of"
            f" {attempt.at:%Y-%m-%d %H:%M} UTC",
            until,
        )

    def _follows(self, attempt: PastAttempt) -> bool:
        seen = {
            RestAfter.CONVERSATION: attempt.is_conversation,
            RestAfter.ABANDONED: attempt.outcome is Outcome.ABANDONED,
            RestAfter.MACHINE: attempt.disposition is Disposition.MACHINE,
            RestAfter.REFUSAL: attempt.disposition is Disposition.NOT_INTERESTED,
        }
        return any(seen[what] for what in self.after)

    def _ends_at(self, case: Case, attempt: PastAttempt) -> Instant | None:
        if self.period.rolling is not None:
            return attempt.at + self.period.rolling
        if not case.locals:
            return None
        return max(
            first_instant(
                attempt.at.astimezone(local.zone).date()
                + timedelta(days=self.period.calendar_days),
                0,
                local.zone,
            )
            for local in case.locals
        )


_RESTED = allowed("no rest is under way")

"""Conduct: how long it rings, how many are abandoned, and what must be said and kept.

The first two are judged before a call. What must be said and kept is judged by nobody in advance:
it is told to whoever talks and to whoever keeps the record.
"""

from __future__ import annotations

from dataclasses import dataclass

from fairdial.core.abandon import AbandonMeasure, AbandonRecord, ClockStart, Denominator, WindowKind
from fairdial.core.duties.case import Case, Finding, allowed
from fairdial.core.toml_table import Table
from fairdial.core.verdict import Ruling


@dataclass(frozen=True, slots=True, kw_only=True)
class RingTime:
    """A phone rings at least so long before we give up."""

    ring_s_least: int

    @classmethod
    def read(cls, row: Table) -> RingTime:
        return cls(ring_s_least=row.whole("ring_s_least"))

    def judge(self, case: Case) -> Finding:
        ring_s = case.facts.ring_s
        if ring_s < self.ring_s_least:
            return Finding(
                Ruling.REFUSE, f"it would ring {ring_s} s; {self.ring_s_least} are the least"
            )
        return _RINGS_LONG_ENOUGH


_RINGS_LONG_ENOUGH = allowed("it rings long enough")


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonCeiling:
    """Over the ceiling, nobody is called without an agent who is sure to take the call.

    A call that an agent is kept for cannot be abandoned and brings the rate down, so it stays
    allowed; that is also the only way back under a ceiling.
    """

    measure: AbandonMeasure
    rate_max: float
    """0 to 1."""
    answers_least: int
    """From how many answers on the rate is judged; before, one call would be all of it."""

    @classmethod
    def read(cls, row: Table) -> AbandonCeiling:
        given = [key for key in ("rolling_days", "calendar_months") if row.has(key)]
        if len(given) != 1:
            raise row.fault("it needs one of rolling_days, calendar_months")
        length = row.whole(given[0])
        is_month = given[0] == "calendar_months"
        if is_month and length != 1:
            raise row.fault("calendar_months must be 1")
        return cls(
            measure=AbandonMeasure(
                clock_start=row.one_of("clock_start", ClockStart),
                connect_ms_max=row.whole("connect_ms_max"),
                denominator=row.one_of("denominator", Denominator),
                window=WindowKind.CALENDAR_MONTH if is_month else WindowKind.ROLLING_DAYS,
                window_days=0 if is_month else length,
            ),
            rate_max=row.share("rate_max"),
            answers_least=row.whole("answers_least"),
        )

    def judge(self, case: Case) -> Finding:
        if case.facts.is_agent_guaranteed:
            return _AGENT_KEPT
        for figure in case.facts.abandon_figures:
            if figure.measure == self.measure:
                return self._judge(figure.record)
        return Finding(Ruling.UNKNOWN, "the campaign's abandon rate is not known")

    def _judge(self, record: AbandonRecord) -> Finding:
        told = f"{record.abandoned} of {record.live_answers} answers abandoned"
        if record.live_answers >= self.answers_least and record.rate > self.rate_max:
            return Finding(
                Ruling.REFUSE, f"{told}, over {self.rate_max:.1%}, and no agent is kept for it"
            )
        return allowed(told)


_AGENT_KEPT = allowed("an agent is kept for this call")


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """What must be said in such a call, and how soon. Told to agents, never judged in advance."""

    say: tuple[str, ...]
    within_s: int | None
    """None: promptly, or as the sentences say."""

    @classmethod
    def read(cls, row: Table) -> Disclosure:
        say = row.texts("say")
        if not say:
            raise row.fault("say is empty")
        return cls(say=say, within_s=row.whole_or_none("within_s"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long the records of such calls are kept. For whoever clears them, never judged."""

    keep_months: int
    since: str
    """From when it counts, in words: the call, the last activity on the debt."""

    @classmethod
    def read(cls, row: Table) -> Retention:
        return cls(keep_months=row.whole("keep_months"), since=row.text("since"))

"""Abandonment: how each regulator measures it, and a campaign's figure by such a measure.

Nobody's definition is built in. A rule says when the clock starts, how long a person may wait, what
is divided by what, over which time, and how much is allowed; the one call log answers them all.
Answers by a machine, as the agent recorded them, are no live answers. A call that nobody could
judge (it was abandoned) counts as a live answer: the strict reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from fairdial.core.ids import Instant


class ClockStart(StrEnum):
    """From which moment the wait of a person who answered is measured.

    Where a greeting was not heard by the detector, the answer counts: the earlier, stricter moment.
    """

    ANSWER = "answer"
    GREETING_START = "greeting_start"
    GREETING_END = "greeting_end"


class Denominator(StrEnum):
    """What the abandoned calls are divided by."""

    LIVE_ANSWERS = "live_answers"
    """Every call that a person answered."""
    CONNECTED_AND_ABANDONED = "connected_and_abandoned"
    """Calls passed to an agent plus abandoned ones; who hung up first counts in neither (Ofcom)."""


class WindowKind(StrEnum):
    """Over which time the figure is taken."""

    ROLLING_DAYS = "rolling_days"
    CALENDAR_MONTH = "calendar_month"


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonMeasure:
    """One way of measuring abandonment. Two laws that measure alike share one figure."""

    clock_start: ClockStart
    connect_ms_max: int
    """The longest wait of a person who answered, milliseconds; more is abandoned."""
    denominator: Denominator
    window: WindowKind
    window_days: int
    """For rolling days: how many; 0 for a calendar month."""

    def since(self, now: Instant) -> Instant:
        """Where the window begins. A calendar month begins at midnight UTC."""
        if self.window is WindowKind.ROLLING_DAYS:
            return now - timedelta(days=self.window_days)
        month = now.astimezone(UTC)
        return datetime(month.year, month.month, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonRecord:
    """The counts of one campaign in one window."""

    live_answers: int
    """What the measure divides by."""
    abandoned: int

    @property
    def rate(self) -> float:
        """Abandoned over live answers; 0 when nobody answered."""
        return self.abandoned / self.live_answers if self.live_answers else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonFigure:
    """A campaign's counts by one measure."""

    measure: AbandonMeasure
    record: AbandonRecord

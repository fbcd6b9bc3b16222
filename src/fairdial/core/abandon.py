"""The abandonment figure: abandoned calls over live answers, in the window a rule names.

United States: at most 3 % per campaign per 30-day period (47 CFR 64.1200(a)(7)(i); 16 CFR
310.4(b)(4)(i)). Answers by a machine, as the agent recorded them, are no live answers. A call that
nobody could judge (it was abandoned) counts as a live answer: the strict reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

WINDOW = timedelta(days=30)
CEILING = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonRecord:
    """The counts of one campaign in one window."""

    live_answers: int
    abandoned: int

    @property
    def rate(self) -> float:
        """Abandoned over live answers; 0 when nobody answered."""
        return self.abandoned / self.live_answers if self.live_answers else 0.0

"""Preflight: before a campaign starts, how many of its leads can be called, when, and why not.

Each lead is judged as the permit would judge it, at this moment; nothing is permitted by it. A
refusal by time says when it ends, so the lead counts for later today or this week; any other stands
until a fact changes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from fairdial.core.ids import Instant
from fairdial.core.permit import Judgement
from fairdial.core.verdict import Ruling

WEEK = timedelta(days=7)


class CallableWhen(StrEnum):
    """When a lead can be called, as far as is known now."""

    NOW = "now"
    LATER_TODAY = "later_today"
    """Before midnight where the called party may be."""
    THIS_WEEK = "this_week"
    """Within seven days."""
    LATER = "later"
    NOT_BY_TIME = "not_by_time"
    """Time alone does not mend it: a list, a consent, a place that is unknown."""


def when_callable(judged: Judgement, now: Instant, zones: tuple[str, ...]) -> CallableWhen:
    """When a lead can be called; `zones` are the candidate zones of the called party."""
    if judged.is_allowed:
        return CallableWhen.NOW
    then = judged.next_allowed_at
    if then is None:
        return CallableWhen.NOT_BY_TIME
    if zones and all(
        then.astimezone(ZoneInfo(zone)).date() == now.astimezone(ZoneInfo(zone)).date()
        for zone in zones
    ):
        return CallableWhen.LATER_TODAY
    return CallableWhen.THIS_WEEK if then - now <= WEEK else CallableWhen.LATER


@dataclass(slots=True, kw_only=True)
class PreflightCount:
    """The counts so far. A lead with several reasons counts under each of its rules."""

    leads: int = 0
    callable_when: Counter[CallableWhen] = field(default_factory=Counter)
    refused_by_rule: Counter[str] = field(default_factory=Counter)
    unknown_by_rule: Counter[str] = field(default_factory=Counter)
    """Among the refused: by a rule that lacked a fact."""
    only_by_rule: Counter[str] = field(default_factory=Counter)
    """Leads that this rule alone stands against: what mending it would win."""

    def add(self, judged: Judgement, when: CallableWhen) -> None:
        """Count one lead."""
        self.leads += 1
        self.callable_when[when] += 1
        reasons = judged.reasons
        self.refused_by_rule.update(v.rule for v in reasons)
        self.unknown_by_rule.update(v.rule for v in reasons if v.ruling is Ruling.UNKNOWN)
        if len(reasons) == 1:
            self.only_by_rule[reasons[0].rule] += 1

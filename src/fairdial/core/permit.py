"""The permit: the one gate. Nothing rings without one, whichever way a call starts.

`issue` judges every rule of the rulebook (never short-circuited) on one set of facts at one moment.
All must allow; *refuse* or *unknown* means no call. A permit is for one number, caller ID, campaign
and method, lives for seconds and is used once. Next stop: `flow.place_call`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

from fairdial.core.audit import canonical
from fairdial.core.campaign import Method
from fairdial.core.facts import Facts
from fairdial.core.ids import E164, AttemptId, CampaignId, Instant, LeadId, PermitId
from fairdial.core.rulebook import Rulebook
from fairdial.core.verdict import Ruling, Verdict

PERMIT_LIFE = timedelta(seconds=5)
"""How long a permit may wait to be used. Long enough for one commit and one send, no longer."""

NEXT_ALLOWED_STEPS_MAX = 16
"""How often a moment is moved on until no other rule's closed hours lie there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Single-use approval of one attempt. `telephony.dial` takes nothing else."""

    id: PermitId
    attempt_id: AttemptId
    lead_id: LeadId
    campaign_id: CampaignId
    number: E164
    caller_id: E164
    method: Method
    issued_at: Instant
    expires_at: Instant
    rulebook: str
    """The hash of the rulebook that judged."""
    tzdata: str
    """The version of the time-zone data that judged."""
    verdicts: tuple[Verdict, ...]
    facts: Facts

    def is_live(self, now: Instant) -> bool:
        """Whether it may still be used at `now`; both ends are strict about clocks that jump."""
        return self.issued_at <= now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What all rules say of a call at one moment. It permits nothing: only `issue` does."""

    verdicts: tuple[Verdict, ...]
    reasons: tuple[Verdict, ...]
    """The verdicts that stand in the way."""
    next_allowed_at: Instant | None
    """When the call might next be allowed; None when it is now, or time alone will not mend it."""

    @property
    def is_allowed(self) -> bool:
        """Every rule allows it, and there is one: silence is not a yes."""
        return bool(self.verdicts) and not self.reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The denial of one attempt, with every verdict; `reasons` are those that were not *allow*."""

    lead_id: LeadId
    campaign_id: CampaignId
    number: E164
    decided_at: Instant
    rulebook: str
    tzdata: str
    verdicts: tuple[Verdict, ...]
    facts: Facts
    next_allowed_at: Instant | None
    """When the call might next be allowed; None when time alone will not mend it."""

    @property
    def reasons(self) -> tuple[Verdict, ...]:
        """The verdicts that stand in the way."""
        return tuple(v for v in self.verdicts if v.ruling is not Ruling.ALLOW)


def judge(facts: Facts, rulebook: Rulebook, now: Instant) -> Judgement:
    """Judge every rule, none short-circuited, and say when time alone would mend a no."""
    verdicts = rulebook.judge(facts, now)
    against = tuple(v for v in verdicts if v.ruling is not Ruling.ALLOW)
    return Judgement(
        verdicts=verdicts,
        reasons=against,
        next_allowed_at=_next_allowed(facts, rulebook, against) if against else None,
    )


def issue(
    facts: Facts,
    rulebook: Rulebook,
    now: Instant,
    *,
    permit_id: PermitId,
    attempt_id: AttemptId,
    lead_id: LeadId,
) -> Permit | Refusal:
    """Judge every rule and permit the attempt only if each one allows it.

    A rulebook without a rule that applies to the number permits nothing: silence is not a yes.
    """
    judged = judge(facts, rulebook, now)
    if judged.is_allowed:
        return Permit(
            id=permit_id,
            attempt_id=attempt_id,
            lead_id=lead_id,
            campaign_id=facts.campaign_id,
            number=facts.number,
            caller_id=facts.caller_id,
            method=facts.method,
            issued_at=now,
            expires_at=now + PERMIT_LIFE,
            rulebook=rulebook.hash,
            tzdata=rulebook.tzdata,
            verdicts=judged.verdicts,
            facts=facts,
        )
    return Refusal(
        lead_id=lead_id,
        campaign_id=facts.campaign_id,
        number=facts.number,
        decided_at=now,
        rulebook=rulebook.hash,
        tzdata=rulebook.tzdata,
        verdicts=judged.verdicts,
        facts=facts,
        next_allowed_at=judged.next_allowed_at,
    )


def _next_allowed(facts: Facts, rulebook: Rulebook, against: tuple[Verdict, ...]) -> Instant | None:
    """The moment from which no rule refuses by time, if only time stands in the way.

    Each refusing rule names its own moment. The latest of them may lie in the closed hours of
    another rule, so it is judged again there, a few steps at most. Facts age until then: what else
    may stand in the way at that moment is for the permit of that moment.
    """
    latest = _latest(against)
    for _ in range(NEXT_ALLOWED_STEPS_MAX):
        if latest is None:
            return None
        again = _latest(
            tuple(v for v in rulebook.judge(facts, latest) if v.ruling is not Ruling.ALLOW)
        )
        if again is None or again <= latest:
            return latest
        latest = again
    return latest


def _latest(against: tuple[Verdict, ...]) -> Instant | None:
    """The latest of the moments that the refusing rules name, if every one of them names one."""
    moments = [v.next_allowed_at for v in against]
    if not moments or any(m is None for m in moments):
        return None
    return max(m for m in moments if m is not None)


def plain(value: Any) -> Any:
    """Facts and verdicts as JSON values, for the record: one form, so that hashes agree."""
    kind = type(value)
    if kind in _PLAIN_ALREADY:
        return value
    fields = _fields_of(kind)  # type: ignore[arg-type]  # a class is hashable
    if fields is not None:
        return {name: plain(getattr(value, name)) for name in fields}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, date):  # A moment is one too.
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    return str(value)


_PLAIN_ALREADY = frozenset({str, int, float, bool, type(None)})


@lru_cache(maxsize=256)
def _fields_of(kind: Hashable) -> tuple[str, ...] | None:
    fields = getattr(kind, "__dataclass_fields__", None)
    return None if fields is None else tuple(fields)


def written(verdicts: Iterable[Verdict]) -> str:
    """The canonical text of verdicts. Most are the same as of the call before, and written once."""
    return f"[{','.join(map(_written, verdicts))}]"


@lru_cache(maxsize=16384)
def _written(verdict: Verdict) -> str:
    return canonical(plain(verdict))

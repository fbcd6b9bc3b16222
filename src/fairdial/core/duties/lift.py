"""What lifts a duty: a permission that is strong and fresh enough, or dealings young enough.

An exemption lifts only its own duty. What is not recorded lifts nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import assert_never

from fairdial.core.duties.case import Case
from fairdial.core.facts import Consent, Relationship, RelationshipKind
from fairdial.core.lead import ConsentKind
from fairdial.core.toml_table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """What makes one duty not apply: consent of a strength, or a relationship young enough."""

    consent: ConsentKind | None = None
    """The weakest consent that lifts it; written is also express."""
    consent_days_max: int | None = None
    """How old the consent may be; None: it does not age."""
    consent_months_max: int | None = None
    is_until_conversation: bool = False
    """The consent lifts only until somebody was talked to after it (12 CFR 1006.14(b)(3)(i))."""
    purchase_days: int | None = None
    purchase_months: int | None = None
    inquiry_days: int | None = None
    inquiry_months: int | None = None
    contract_months: int | None = None
    """From a contract's end; one that still runs is dated in the future or today. 0: only that.

    Where days and months are given the shorter counts: the FCC counts months, the FTC days."""

    def reason(self, case: Case) -> str | None:
        """Why the duty is lifted, or None."""
        if self.consent is not None and self._consent_lifts(case, self.consent):
            return f"{self.consent.value} consent lifts it"
        for relationship in case.facts.relationships:
            why = self._relationship_lifts(case, relationship)
            if why is not None:
                return why
        return None

    def _consent_lifts(self, case: Case, needed: ConsentKind) -> bool:
        consent = consent_for(case, needed)
        if isinstance(consent, str):
            return False
        age = (case.today_latest - consent.given_on).days
        if self.consent_days_max is not None and age > self.consent_days_max:
            return False
        if self.consent_months_max is not None and case.today_latest > months_after(
            consent.given_on, self.consent_months_max
        ):
            return False
        if self.is_until_conversation:
            # The consent has a date and no time: a conversation of that day may have followed it.
            return not any(
                a.is_conversation and a.at.date() >= consent.given_on
                for a in case.facts.past_attempts
            )
        return True

    def _relationship_lifts(self, case: Case, relationship: Relationship) -> str | None:
        match relationship.kind:
            case RelationshipKind.PURCHASE:
                days, months = self.purchase_days, self.purchase_months
            case RelationshipKind.INQUIRY:
                days, months = self.inquiry_days, self.inquiry_months
            case RelationshipKind.CONTRACT:
                days, months = None, self.contract_months
            case _:
                assert_never(relationship.kind)
        if days is None and months is None:
            return None
        age = (case.today_latest - relationship.last_on).days
        if age < 0 and relationship.kind is not RelationshipKind.CONTRACT:
            return None
        if days is not None and age > days:
            return None
        if months is not None and case.today_latest > months_after(relationship.last_on, months):
            return None
        return f"{relationship.kind.value} {age} days ago lifts it"


def consent_for(case: Case, needed: ConsentKind) -> Consent | str:
    """The consent that a rule leans on: the newest that covers the call; or why there is none.

    A newer consent never hides an older one that is stronger or wider: a person who signed a form
    and later said yes on the telephone did not take the signature back. What was revoked, ran out
    or was given for another purpose covers nothing, however new it is.
    """
    if not case.facts.consents:
        return f"no consent is recorded; it needs {needed.value} consent"
    faults = []
    for consent in case.facts.consents:
        fault = _consent_fault(case, consent, needed)
        if fault is None:
            return consent
        faults.append(fault)
    return faults[0]


def _consent_fault(case: Case, consent: Consent, needed: ConsentKind) -> str | None:
    """Why this consent does not cover the call, or None when it does."""
    if consent.revoked_at is not None:
        return f"consent was revoked on {consent.revoked_at:%Y-%m-%d}"
    if consent.expires_on is not None and case.today_latest >= consent.expires_on:
        return f"consent was given until {consent.expires_on}"
    if consent.purposes and case.facts.purpose not in consent.purposes:
        return f"consent does not cover {case.facts.purpose.value} calls"
    if consent.given_on > case.today_latest:
        return f"consent is dated {consent.given_on}, after the call"
    if needed is ConsentKind.WRITTEN and consent.kind is not ConsentKind.WRITTEN:
        return "consent is express only; it needs written consent"
    return None


def months_after(day: date, months: int) -> date:
    """The same day of the month so many months later; its last day when there is none."""
    year, month0 = divmod(day.year * 12 + day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month0 + 1, min(day.day, last))
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


NO_LIFT = Lift()


def read_lift(row: Table) -> Lift:
    """The `lifted_by` of a value; nothing lifts it when there is none."""
    if not row.has("lifted_by"):
        return NO_LIFT
    section = row.table("lifted_by")
    lift = Lift(
        consent=section.one_of("consent", ConsentKind) if section.has("consent") else None,
        consent_days_max=section.whole_or_none("consent_days_max"),
        consent_months_max=section.whole_or_none("consent_months_max"),
        is_until_conversation=section.truth("until_conversation"),
        purchase_days=section.whole_or_none("purchase_days"),
        purchase_months=section.whole_or_none("purchase_months"),
        inquiry_days=section.whole_or_none("inquiry_days"),
        inquiry_months=section.whole_or_none("inquiry_months"),
        contract_months=section.whole_or_none("contract_months", least=0),
    )
    section.done()
    if lift == NO_LIFT:
        raise section.fault("it names nothing that lifts the duty")
    if lift.consent is None and (
        lift.is_until_conversation or lift.consent_days_max or lift.consent_months_max
    ):
        raise section.fault("it limits a consent that it does not name; add consent")
    return lift

"""Lists: registries, their age, and the database of reassigned numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from fairdial.core.duties.case import Case, Finding, allowed
from fairdial.core.duties.lift import NO_LIFT, Lift, consent_for, read_lift
from fairdial.core.facts import Reassigned, SuppressionKind
from fairdial.core.lead import ConsentKind
from fairdial.core.toml_table import Table
from fairdial.core.verdict import Ruling


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionDuty:
    """A number on the list is not called, unless what lifts it holds."""

    list: SuppressionKind
    country: str | None = None
    """For a national list: whose. An entry that names no country is of the number's own."""
    state: str | None = None
    """For a state list: whose; None: any state's."""
    listed_days_least: int = 0
    """From how many days after its registration an entry counts; one without a date counts."""
    lifted_by: Lift = NO_LIFT

    @classmethod
    def read(cls, row: Table) -> SuppressionDuty:
        return cls(
            list=row.one_of("list", SuppressionKind),
            country=_country(row),
            state=_state(row),
            listed_days_least=row.whole("listed_days_least") if row.has("listed_days_least") else 0,
            lifted_by=read_lift(row),
        )

    def judge(self, case: Case) -> Finding:
        for entry in case.facts.suppressions:
            if (
                entry.kind is self.list
                and _is_of(entry.country, self.country, case)
                and self.state in (None, entry.state)
            ):
                if (
                    entry.registered_on is not None
                    and (case.today_latest - entry.registered_on).days < self.listed_days_least
                ):
                    continue
                since = _since(entry.registered_on)
                lifted = self.lifted_by.reason(case)
                if lifted is not None:
                    return allowed(f"listed{since}, but {lifted}")
                whose = f" of {entry.state}" if entry.state else ""
                return Finding(
                    Ruling.REFUSE,
                    f"on the {self.list.value} list{whose}{since} ({entry.source})",
                )
        return _NOT_LISTED[self.list]


_NOT_LISTED = {kind: allowed(f"no entry on the {kind.value} list") for kind in SuppressionKind}


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
    state: str | None = None

    @classmethod
    def read(cls, row: Table) -> ListAge:
        return cls(
            list=row.one_of("list", SuppressionKind),
            days_max=row.whole("days_max"),
            country=_country(row),
            state=_state(row),
        )

    def judge(self, case: Case) -> Finding:
        copies = _copies(self, case)
        name = f"{self.state or self.country or 'the'} {self.list.value} list"
        if not copies:
            return Finding(Ruling.REFUSE, f"never looked into the {name}")
        as_of = min(copies)
        age = (case.now.date() - as_of).days
        newest = max(copies)
        if (case.now.date() - newest).days < -1:
            return Finding(
                Ruling.UNKNOWN, f"the copy of the {name} is dated {newest}, after the call"
            )
        if age > self.days_max:
            return Finding(
                Ruling.REFUSE,
                f"the copy of the {name} is {age} days old; {self.days_max} are the most",
            )
        return allowed(f"the copy of the {name} is {max(age, 0)} days old")


def _copies(duty: ListAge, case: Case) -> list[date]:
    """The days of the copies that must all be recent.

    Registries that name their country or state are different ones (TPS and CTPS), so the oldest
    counts. Files without a name for it are copies of one and the same: the newest counts.
    """
    named: list[date] = []
    unnamed: list[date] = []
    for registry in case.facts.registries:
        country = registry.country or case.location.country_of_number
        if (
            registry.kind is duty.list
            and (duty.country is None or country == duty.country)
            and duty.state in (None, registry.state)
        ):
            is_named = registry.country is not None or registry.state is not None
            (named if is_named else unnamed).append(registry.as_of)
    return named or ([max(unnamed)] if unnamed else [])


@dataclass(frozen=True, slots=True, kw_only=True)
class ReassignedDuty:
    """Consent is leaned on only while the database of reassigned numbers says that it still may.

    A number that changed hands since the consent belongs to somebody who never gave any. Without
    a recorded consent there is nothing to protect, and the duty of consent judges alone.
    """

    days_max: int
    """How old the answer may be; the database is renewed once a month."""

    @classmethod
    def read(cls, row: Table) -> ReassignedDuty:
        return cls(days_max=row.whole("days_max"))

    def judge(self, case: Case) -> Finding:
        consents, answer = case.facts.consents, case.facts.reassigned
        if not consents:
            return allowed("no consent is leaned on")
        # One rule may lean on a signed consent and another on a newer spoken one: the number must
        # not have changed hands since the older of them.
        found = (consent_for(case, needed) for needed in ConsentKind)
        leaned_on = [consent.given_on for consent in found if not isinstance(consent, str)]
        given_on = min(leaned_on, default=consents[0].given_on)
        if answer is None:
            return Finding(Ruling.REFUSE, "the reassigned numbers database was never asked")
        if answer.answer is Reassigned.YES:
            return Finding(Ruling.REFUSE, f"the number was reassigned since {answer.since_on}")
        if answer.answer is Reassigned.NO_DATA:
            return Finding(Ruling.UNKNOWN, "the reassigned numbers database has no data on it")
        if answer.since_on > given_on:
            return Finding(
                Ruling.REFUSE,
                f"it was asked about {answer.since_on}, the consent is of {given_on}",
            )
        age = (case.today_latest - answer.asked_on).days
        if age > self.days_max:
            return Finding(
                Ruling.REFUSE, f"the answer is {age} days old; {self.days_max} are the most"
            )
        return allowed(f"not reassigned since {answer.since_on}")


def _since(day: date | None) -> str:
    return "" if day is None else f" since {day}"


def _country(row: Table) -> str | None:
    return _letters(row, "country")


def _state(row: Table) -> str | None:
    return _letters(row, "state")


def _letters(row: Table, key: str) -> str | None:
    text = row.text_or_none(key)
    if text is not None and re.fullmatch(r"[A-Z]{2}", text) is None:
        raise row.fault(f"{key} must be two capital letters, it is {text!r}")
    return text

"""Permission: what needs consent, what is forbidden, and what a record or an emergency forbids."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from fairdial.core.duties.case import Case, Finding, allowed
from fairdial.core.duties.lift import NO_LIFT, Lift, consent_for, read_lift
from fairdial.core.facts import Restriction
from fairdial.core.lead import ConsentKind
from fairdial.core.toml_table import Table
from fairdial.core.verdict import Ruling


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentDuty:
    """Such a call needs recorded consent, not revoked, given before it."""

    needs: ConsentKind
    lifted_by: Lift = NO_LIFT
    """Dealings that the law takes for consent."""

    @classmethod
    def read(cls, row: Table) -> ConsentDuty:
        return cls(needs=row.one_of("needs", ConsentKind), lifted_by=read_lift(row))

    def judge(self, case: Case) -> Finding:
        consent = consent_for(case, self.needs)
        if isinstance(consent, str):
            lifted = self.lifted_by.reason(case)
            if lifted is not None:
                return allowed(lifted)
            return Finding(Ruling.REFUSE, consent)
        return allowed(f"{consent.kind.value} consent of {consent.given_on}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """Such calls are forbidden, unless what lifts it holds."""

    lifted_by: Lift = NO_LIFT

    @classmethod
    def read(cls, row: Table) -> Ban:
        return cls(lifted_by=read_lift(row))

    def judge(self, case: Case) -> Finding:
        lifted = self.lifted_by.reason(case)
        if lifted is not None:
            return allowed(lifted)
        return Finding(Ruling.REFUSE, "such calls are forbidden here")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyBan:
    """No such calls while an emergency is declared where the called party may be."""

    jurisdiction: str

    @classmethod
    def read(cls, row: Table) -> EmergencyBan:
        return cls(jurisdiction=row.text("where"))

    def judge(self, case: Case) -> Finding:
        for emergency in case.facts.emergencies:
            if (
                emergency.jurisdiction == self.jurisdiction
                and emergency.from_at <= case.now
                and (emergency.until_at is None or case.now < emergency.until_at)
            ):
                return Finding(
                    Ruling.REFUSE,
                    f"an emergency is declared since {emergency.from_at:%Y-%m-%d}"
                    f" ({emergency.source})",
                    emergency.until_at,
                )
        return _NO_EMERGENCY


_NO_EMERGENCY = allowed("no emergency is declared")


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictionDuty:
    """A person whose record says so is not called."""

    restrictions: frozenset[Restriction]

    @classmethod
    def read(cls, row: Table) -> RestrictionDuty:
        return cls(restrictions=row.some_of("restrictions", Restriction))

    def judge(self, case: Case) -> Finding:
        for restriction in case.facts.restrictions:
            if restriction in self.restrictions:
                return Finding(Ruling.REFUSE, f"the record says: {restriction.value}")
        return _NO_RESTRICTION


_NO_RESTRICTION = allowed("the record says nothing against it")


@dataclass(frozen=True, slots=True, kw_only=True)
class OneLineDuty:
    """One line of a business is called at a time."""

    @classmethod
    def read(cls, row: Table) -> OneLineDuty:  # noqa: ARG003 - it has no parameters
        return cls()

    def judge(self, case: Case) -> Finding:
        if case.facts.other_lines_open:
            return Finding(
                Ruling.REFUSE,
                "another line of the same business is being called",
                case.now + ANOTHER_LINE_AFTER,
            )
        return _NO_OTHER_LINE


ANOTHER_LINE_AFTER = timedelta(minutes=10)
"""When it is worth asking again; the other call says nothing of its end."""
_NO_OTHER_LINE = allowed("no other line of the same business is being called")


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationDuty:
    """Who took a consent back is not called, even where the call would have needed none."""

    @classmethod
    def read(cls, row: Table) -> RevocationDuty:  # noqa: ARG003 - it has no parameters
        return cls()

    def judge(self, case: Case) -> Finding:
        revocation = case.facts.revocation
        if revocation is None or any(c.revoked_at is None for c in case.facts.consents):
            # What is not ended by a revocation was given after it: the person thought again.
            return _NOT_REVOKED
        by = f" by {revocation.revoked_by}" if revocation.revoked_by else ""
        return Finding(
            Ruling.REFUSE, f"consent was revoked on {revocation.revoked_at:%Y-%m-%d}{by}"
        )


_NOT_REVOKED = allowed("no consent was revoked")

"""The ledger: what is written down about people, so that a rule may lean on it and prove it later.

One record for each kind of fact that has an age and a source: consents with their proof, dealings
with a seller, restrictions, types of lines, answers about reassigned numbers. Decides
which statements are plainly impossible (dealings that are still to come, an answer before its
question). What the facts mean for a call is decided by the duties; where they are kept is not known
here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from fairdial.core.campaign import Purpose
from fairdial.core.facts import (
    Emergency,
    Reassigned,
    RelationshipKind,
    Restriction,
    Revocation,
    Suppression,
)
from fairdial.core.ids import E164, ConsentId, EmergencyId, Instant
from fairdial.core.lead import ConsentKind, LineType


class FactsKind(StrEnum):
    """The kinds of facts that are taken in from a file."""

    CONSENTS = "consents"
    RELATIONSHIPS = "relationships"
    RESTRICTIONS = "restrictions"
    LINE_TYPES = "line-types"
    REASSIGNED = "reassigned"

    @property
    def is_of_seller(self) -> bool:
        """Whether such a fact holds towards one seller only."""
        return self in (FactsKind.CONSENTS, FactsKind.RELATIONSHIPS, FactsKind.RESTRICTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRecord:
    """A permission as it is proved later: who agreed to which words, when, where and how."""

    number: E164
    kind: ConsentKind
    given_on: date
    source: str
    """How it was given: the form, the call, the list and row."""
    given_at: Instant | None = None
    """The moment, where it is known. Only a consent with a moment outlives a revocation of its
    own day."""
    expires_on: date | None = None
    """The first day on which it no longer holds."""
    purposes: tuple[Purpose, ...] = ()
    """Empty: for every purpose of the seller."""
    text_shown: str = ""
    """The exact words that the person agreed to."""
    place: str = ""
    """Where: the page's address, the shop, the line."""
    ip: str = ""
    user_agent: str = ""
    signature: str = ""
    """What stands for the signature: the name as typed, the id of the signed document."""
    evidence: str = ""
    """Where the proof lies: a recording, a scan, the form's record."""
    copy_given: bool = False
    """The person got a copy of what they agreed to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationshipRecord:
    """The last dealing of one kind, as its source says."""

    number: E164
    kind: RelationshipKind
    last_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictionRecord:
    """What a record forbids, and until when."""

    number: E164
    restriction: Restriction
    ended_on: date | None = None
    """The first day on which it no longer holds; None: it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineTypeRecord:
    """What a look-up said of a line."""

    number: E164
    line_type: LineType


@dataclass(frozen=True, slots=True, kw_only=True)
class ReassignedRecord:
    """One answer of the Reassigned Numbers Database."""

    number: E164
    since_on: date
    """The date of consent that was asked about."""
    asked_on: date
    answer: Reassigned


FactsRecord = (
    ConsentRecord | RelationshipRecord | RestrictionRecord | LineTypeRecord | ReassignedRecord
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredEmergency:
    """An emergency as the operator's table has it."""

    id: EmergencyId
    emergency: Emergency
    declared_at: Instant
    ended_by: str
    """Where its end was announced; empty while nobody ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerConsent:
    """A permission that is on record, with how it stands."""

    id: ConsentId
    record: ConsentRecord
    recorded_at: Instant | None
    revoked_at: Instant | None
    revoked_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Who said a thing, as of which day, and when it was written down here."""

    source: str
    as_of: date | None
    recorded_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownNumber:
    """Everything that the ledger has about one number towards one seller, with age and source."""

    number: E164
    seller: str
    consents: tuple[LedgerConsent, ...]
    """Newest first."""
    revocations: tuple[Revocation, ...]
    relationships: tuple[tuple[RelationshipRecord, Said], ...]
    restrictions: tuple[tuple[RestrictionRecord, Said], ...]
    line_type: tuple[LineTypeRecord, Said] | None
    reassigned: tuple[tuple[ReassignedRecord, Said], ...]
    suppressions: tuple[tuple[Suppression, Said], ...]
    """Stop requests to this seller. Registries are files of their own."""


def record_fault(record: FactsRecord, as_of: date) -> str | None:
    """Why such a statement of that day cannot be true, or None."""
    match record:
        case ConsentRecord():
            return _consent_fault(record, as_of)
        case RelationshipRecord(kind=RelationshipKind.CONTRACT):
            return None
        case RelationshipRecord(last_on=day) if day > as_of:
            return f"the last {record.kind.value} is dated {day}, after the facts' day {as_of}"
        case ReassignedRecord(asked_on=day) if day > as_of:
            return f"it was asked on {day}, after the facts' day {as_of}"
        case ReassignedRecord(since_on=since) if since > record.asked_on:
            return f"it was asked on {record.asked_on} about {since}, a day that was still to come"
        case _:
            return None


def _consent_fault(record: ConsentRecord, as_of: date) -> str | None:
    if record.given_on > as_of:
        return f"the consent is dated {record.given_on}, after the facts' day {as_of}"
    if record.expires_on is not None and record.expires_on <= record.given_on:
        return f"the consent of {record.given_on} would have run out on {record.expires_on} already"
    return None

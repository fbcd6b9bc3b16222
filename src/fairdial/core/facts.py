"""Facts: what we knew about one number when we judged one attempt, each with its age.

Facts are gathered under a lock on the number (two dialers cannot both pass one cap) and kept with
the permit or refusal, so that the decision can be judged again years later. A fact we do not have
is `None` or `UNKNOWN`, never a guess: the rules turn unknown into no.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from fairdial.core.abandon import AbandonFigure
from fairdial.core.campaign import Method, Purpose
from fairdial.core.ids import E164, CampaignId, ConsentId, Instant, SellerId
from fairdial.core.lead import ConsentKind, LineType, Party, StatedLocation
from fairdial.core.outcome import Disposition, Outcome


class SuppressionKind(StrEnum):
    """Why a number must not be called."""

    NATIONAL = "national"
    """A national do-not-call registry."""
    STATE = "state"
    INTERNAL = "internal"
    """Our own list: the person asked this seller to stop."""
    LITIGATOR = "litigator"
    """People known to sue over calls; from a provider's list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One entry that stands against calling a number."""

    kind: SuppressionKind
    source: str
    """The registry, or who took the request."""
    registered_on: date | None
    """None: the registry does not say since when; then it is taken as long ago."""
    state: str | None = None
    """For a state registry: whose."""
    country: str | None = None
    """For a national registry: whose (ISO 3166-1); None stands for the called number's country."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A do-not-call registry that we hold a copy of, and the day of that copy.

    Where copies are of area codes, it is the day of the called number's.
    """

    kind: SuppressionKind
    name: str
    as_of: date
    state: str | None = None
    country: str | None = None
    """For a national registry: whose (ISO 3166-1); None stands for the called number's country."""
    version: str | None = None
    """Which version of our copy was looked into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A recorded permission of the called party towards a seller."""

    id: ConsentId | None = None
    """Its row in the ledger, where the proof is kept; None where it was only stated."""
    kind: ConsentKind
    given_on: date
    source: str
    """How it was given: the form, the call, the list and row."""
    revoked_at: Instant | None = None
    revoked_by: str | None = None
    """The channel of the revocation: a key, an agent, a letter."""
    expires_on: date | None = None
    """The first day on which it no longer holds, when the person gave it for a time."""
    purposes: tuple[Purpose, ...] = ()
    """What it was given for; empty: for every purpose of this seller."""
    evidence: str | None = None
    """Where the proof lies: the text's id, the recording, the form's record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """A person took back every consent towards a seller that was given until then."""

    revoked_at: Instant
    revoked_by: str | None = None
    """The channel: a letter, an agent, a text message."""


class RelationshipKind(StrEnum):
    """The dealings that some rules accept for a limited time (EBR)."""

    PURCHASE = "purchase"
    INQUIRY = "inquiry"
    CONTRACT = "contract"
    """A contract that runs, or ended on `last_on`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relationship:
    """The last dealing of its kind of the called party with this seller."""

    kind: RelationshipKind
    last_on: date
    source: str | None = None
    """Who says so; None where it was only stated."""


class Restriction(StrEnum):
    """What stands in a record and forbids some calls to this person."""

    ATTORNEY = "attorney"
    """A lawyer is known to act for the person about this debt."""
    WORK = "work"
    """The number is at a place of work whose employer forbids such calls."""


class Reassigned(StrEnum):
    """What the Reassigned Numbers Database answers about a number and a date of consent."""

    NO = "no"
    """Not disconnected since: the only answer that protects (47 CFR 64.1200(m))."""
    YES = "yes"
    NO_DATA = "no_data"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReassignedAnswer:
    """One answer of the Reassigned Numbers Database."""

    answer: Reassigned
    asked_on: date
    """The day of the query."""
    since_on: date
    """The date of consent that was asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """A declared state of emergency; an operator keeps the table, with where it was declared."""

    jurisdiction: str
    """`us/la`."""
    from_at: Instant
    until_at: Instant | None
    """None: until somebody ends it."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAttempt:
    """An earlier attempt to this number, by any campaign, any method and any seller."""

    at: Instant
    campaign_id: CampaignId
    outcome: Outcome | None
    """None while that attempt is still open."""
    disposition: Disposition | None = None
    is_of_seller: bool = True
    """Whether it was made for the seller of this call; only house caps count the others."""

    @property
    def is_conversation(self) -> bool:
        """Whether somebody was talked to. Whoever recorded nothing may well have talked."""
        return self.outcome is Outcome.CONNECTED and self.disposition is not Disposition.MACHINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything the rules may look at. Nothing outside of it decides about a call."""

    number: E164
    campaign_id: CampaignId
    seller_id: SellerId
    seller_name: str
    caller_id: E164
    purpose: Purpose
    method: Method
    party: Party
    line_type: LineType
    line_type_source: str = "the list"
    line_type_as_of: date | None = None
    """The day on which the line's type was looked up; None when the list said it."""
    stated: StatedLocation
    suppressions: tuple[Suppression, ...]
    registries: tuple[Registry, ...]
    """The registries that were looked into, with the day of our copy. An absent one was not."""
    consents: tuple[Consent, ...] = ()
    """All on record, also those that were revoked or ran out, the newest first: each rule leans on
    the newest that covers the call, so none hides another."""
    revocation: Revocation | None = None
    """The newest; also where no consent was on record that it could end."""
    relationships: tuple[Relationship, ...] = ()
    restrictions: tuple[Restriction, ...] = ()
    reassigned: ReassignedAnswer | None = None
    """The newest answer for this number; None when nobody asked."""
    emergencies: tuple[Emergency, ...] = ()
    """All that are declared and not ended, wherever they are."""
    past_attempts: tuple[PastAttempt, ...]
    """Newest first, at least of the longest period that any cap looks back."""
    abandon_figures: tuple[AbandonFigure, ...] = ()
    """The campaign's figure by each way of measuring that a rule in force names."""
    other_lines_open: int = 0
    """How many other lines of the same business are being called at this moment."""
    is_agent_guaranteed: bool
    """An agent is free and kept for this call: whoever answers is not abandoned."""
    ring_s: int
    """How long the phone will ring before we give up, seconds."""
    is_sandbox: bool
    """True in test mode, where only fictional numbers may be called, and live only real ones."""
    gathered_at: Instant

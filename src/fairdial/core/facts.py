"""Facts: what we knew about one number when we judged one attempt, each with its age.

Facts are gathered under a lock on the number (two dialers cannot both pass one cap) and kept with
the permit or refusal, so that the decision can be judged again years later. A fact we do not have
is `None` or `UNKNOWN`, never a guess: the rules turn unknown into no.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from fairdial.core.campaign import Method, Purpose
from fairdial.core.ids import E164, CampaignId, Instant, SellerId
from fairdial.core.lead import ConsentKind, LineType, Party, StatedLocation
from fairdial.core.outcome import Outcome


class SuppressionKind(StrEnum):
    """Why a number must not be called."""

    NATIONAL = "national"
    """A national do-not-call registry."""
    STATE = "state"
    INTERNAL = "internal"
    """Our own list: the person asked this seller to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One entry that stands against calling a number."""

    kind: SuppressionKind
    source: str
    """The registry, or who took the request."""
    registered_on: date
    state: str | None = None
    """For a state registry: whose."""
    country: str | None = None
    """For a national registry: whose (ISO 3166-1); None stands for the called number's country."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A do-not-call registry that we hold a copy of, and the day of that copy."""

    kind: SuppressionKind
    name: str
    as_of: date
    state: str | None = None
    country: str | None = None
    """For a national registry: whose (ISO 3166-1); None stands for the called number's country."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A recorded permission of the called party towards a seller."""

    kind: ConsentKind
    given_on: date
    source: str
    revoked_at: Instant | None = None


class RelationshipKind(StrEnum):
    """The dealings that some rules accept for a limited time (EBR)."""

    PURCHASE = "purchase"
    INQUIRY = "inquiry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relationship:
    """The last dealing of the called party with this seller."""

    kind: RelationshipKind
    last_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAttempt:
    """An earlier attempt to this number, by any campaign and any method of the seller."""

    at: Instant
    campaign_id: CampaignId
    outcome: Outcome | None
    """None while that attempt is still open."""


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
    stated: StatedLocation
    suppressions: tuple[Suppression, ...]
    registries: tuple[Registry, ...]
    """The registries that were looked into, with the day of our copy. An absent one was not."""
    consent: Consent | None
    relationship: Relationship | None
    past_attempts: tuple[PastAttempt, ...]
    """Newest first, at least of the longest period that any cap looks back."""
    is_sandbox: bool
    """True in test mode, where only fictional numbers may be called, and live only real ones."""
    gathered_at: Instant

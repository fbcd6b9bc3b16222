"""A lead: one record to be called for a campaign, and the state it is in between attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fairdial.core.ids import E164, CampaignId, Instant, LeadId, ListId

PRIORITY_USUAL = 5
"""The priority of a lead whose list names none; 0 is last, 9 is first."""
SCORE_STEPS = 10
"""Scores order the leads of one priority in so many steps, 0 to 9."""
RANK_USUAL = PRIORITY_USUAL * SCORE_STEPS


def rank(priority: int | None, score: float | None) -> int:
    """A lead's place in the hopper, 0 to 99: priority (0 to 9), then score (0 to 100).

    Of the leads that are due, callbacks come first, then the higher rank, then what is due longest:
    a lead that was never dialed is due since its list came, a retry since the end of its wait.
    """
    named = PRIORITY_USUAL if priority is None else max(0, min(9, priority))
    step = 0 if score is None else max(0, min(SCORE_STEPS - 1, int(score / SCORE_STEPS)))
    return named * SCORE_STEPS + step


class LeadState(StrEnum):
    """Where a lead stands between attempts."""

    DUE = "due"
    """Waiting for `due_at`, then for a place in the hopper."""
    CLAIMED = "claimed"
    """Taken out of the hopper by a dialer: being judged, rung or talked to."""
    FINISHED = "finished"
    """Nothing more will be tried; `finished_why` says why."""


class Party(StrEnum):
    """Whether a person or a business is called; unknown is judged as a person."""

    CONSUMER = "consumer"
    BUSINESS = "business"
    UNKNOWN = "unknown"


class LineType(StrEnum):
    """The kind of line behind a number; VoIP and unknown take the stricter wireless branch."""

    WIRELESS = "wireless"
    LANDLINE = "landline"
    VOIP = "voip"
    UNKNOWN = "unknown"


class ConsentKind(StrEnum):
    """How strong a recorded permission is."""

    EXPRESS = "express"
    WRITTEN = "written"
    """Signed (e-sign counts), names seller and number, discloses automated marketing calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedLocation:
    """Where the lead's record says that the person is; every part may be unknown."""

    zone: str | None = None
    """An IANA zone, when the record names one."""
    postal: str | None = None
    state: str | None = None
    """A two-letter state, territory or province."""
    country: str | None = None
    """ISO 3166-1 alpha-2, when stated; else it follows from the number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """One record to be called for a campaign."""

    id: LeadId
    campaign_id: CampaignId
    list_id: ListId
    number: E164
    name: str
    location: StatedLocation
    party: Party
    line_type: LineType
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What segmentation and scripts use: age, job, … as the list had them."""
    state: LeadState = LeadState.DUE
    due_at: Instant
    rank: int = RANK_USUAL
    """Its place in the hopper, 0 to 99, as `rank` makes it; higher is sooner."""
    is_callback: bool = False
    """Due at a time that was agreed with the person; before everything else."""
    attempts: int = 0
    """How often this lead was dialed."""
    row: int
    """The line of the list it came from, for people who look it up."""

    @property
    def company(self) -> str | None:
        """The business that the number is a line of, as the list names it; None for persons."""
        named = self.attributes.get("company", "").strip().lower()
        return named if named and self.party is not Party.CONSUMER else None

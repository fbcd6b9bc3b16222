"""The floor: what every step of the line of a call has at hand. Nothing is decided here."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID

from fairdial.core.campaign import Campaign
from fairdial.core.ids import CampaignId
from fairdial.core.pacing import Statistics
from fairdial.core.rulebook import Rulebook
from fairdial.flow.abandonment import Abandonment
from fairdial.ports import Clock, Ids, RecordingShelf, Signer, Store, Telephony

log = logging.getLogger("fairdial")

current_attempt: ContextVar[str | None] = ContextVar("current_attempt", default=None)
"""The attempt that is being worked on; every log line carries it."""


@dataclass(slots=True, kw_only=True)
class Floor:
    """What every step has at hand, and the little that is remembered between steps.

    The tables are the truth; `statistics` is what pacing learned and can be learned again.
    """

    store: Store
    telephony: Telephony
    clock: Clock
    ids: Ids
    shelf: RecordingShelf
    rulebook: Rulebook
    rule_files: Mapping[str, str]
    """The files that the rulebook was made of; kept with the first decision under it."""
    is_sandbox: bool
    signer: Signer | None = None
    """Signs the caller ID of each call; None leaves that to the carrier."""
    campaigns: dict[CampaignId, Campaign] = field(default_factory=dict)
    statistics: dict[CampaignId, Statistics] = field(default_factory=dict)
    abandonment: dict[CampaignId, Abandonment] = field(default_factory=dict)
    running: set[CampaignId] = field(default_factory=set)
    """The campaigns whose recordings the engine has: they take calls."""
    is_engine_up: bool = False
    is_rulebook_kept: bool = False
    """Whether a decision of this run was committed, and the rulebook with it."""

    def learned(self, campaign_id: CampaignId) -> Statistics:
        """What pacing learned of a campaign so far."""
        return self.statistics.get(campaign_id) or Statistics.cold()


@contextmanager
def about(call_id: UUID) -> Iterator[None]:
    """Log lines inside carry the id of the attempt, or of the call to us."""
    token = current_attempt.set(str(call_id))
    try:
        yield
    finally:
        current_attempt.reset(token)

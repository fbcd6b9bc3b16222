"""The picture of a running campaign: one snapshot of the truth, for the terminal and the page.

Read from the tables each time; losing one costs freshness only.
"""

from __future__ import annotations

from dataclasses import dataclass

from fairdial.core.agent import AgentSession
from fairdial.core.ids import Instant
from fairdial.flow.abandonment import measure_abandonment
from fairdial.flow.dialer import Dialer
from fairdial.ports import Figures, LeadCounts, LiveCall, RecentRefusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What people see of a campaign at one moment."""

    at: Instant
    since: Instant
    """When this run began; the figures count from here."""
    is_sandbox: bool
    campaign: str
    seller: str
    purpose: str
    dial_mode: str
    caller_id: str
    state: str
    """What the dialer is doing and why, in a sentence."""
    dial_level: float
    is_engine_up: bool
    attempts_max: int | None
    figures: Figures
    leads: LeadCounts
    agents: tuple[AgentSession, ...]
    calls: tuple[LiveCall, ...]
    refusals: tuple[RecentRefusal, ...]
    abandon_rate_30d: float
    abandon_ceiling: float
    live_answers_30d: int
    abandoned_30d: int


async def take_picture(dialer: Dialer, since: Instant) -> Picture:
    """Look at everything at once, in one transaction."""
    floor, campaign = dialer.floor, dialer.campaign
    now = floor.clock.now()
    ceilings = floor.rulebook.ceilings_of(campaign, now.date())
    async with floor.store.transaction() as tx:
        figures = await tx.figures(campaign.id, since)
        leads = await tx.lead_counts(campaign.id, now)
        agents = await tx.open_sessions(campaign.id)
        calls = await tx.live_calls(campaign.id)
        refusals = await tx.recent_refusals(campaign.id, since)
        abandonment = await measure_abandonment(
            tx,
            campaign.id,
            measures=(ceiling.measure for ceiling in ceilings),
            ceilings=ceilings,
            now=now,
        )
    record = abandonment.record
    return Picture(
        at=now,
        since=since,
        is_sandbox=floor.is_sandbox,
        campaign=campaign.name,
        seller=campaign.seller_name,
        purpose=campaign.purpose.value,
        dial_mode=campaign.pace.mode.value,
        caller_id=campaign.caller_id,
        state=dialer.state,
        dial_level=dialer.decision.dial_level if dialer.decision else 0.0,
        is_engine_up=floor.is_engine_up,
        attempts_max=dialer.attempts_max,
        figures=figures,
        leads=leads,
        agents=tuple(agents),
        calls=tuple(calls),
        refusals=tuple(refusals),
        abandon_rate_30d=record.rate,
        abandon_ceiling=abandonment.ceiling.rate_max,
        live_answers_30d=record.live_answers,
        abandoned_30d=record.abandoned,
    )

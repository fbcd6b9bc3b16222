"""Questions to the gate that ring nobody: one number explained, a whole campaign before its start.

The same facts, the same rulebook and the same judging as before a call, but no permit comes of it
and nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fairdial.core import permit
from fairdial.core.campaign import Campaign
from fairdial.core.facts import Facts
from fairdial.core.ids import E164, Instant, LeadId
from fairdial.core.lead import Lead
from fairdial.core.permit import Judgement
from fairdial.core.preflight import PreflightCount, when_callable
from fairdial.core.rulebook import Rulebook
from fairdial.core.rules import Rule
from fairdial.flow.abandonment import Abandonment, measure_abandonment
from fairdial.ports import Store, Transaction

LEADS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What the gate would say of calling one lead of one campaign at one moment."""

    campaign: Campaign
    lead: Lead
    is_on_list: bool
    """Whether the campaign has the number; else it was judged knowing nothing of the person."""
    facts: Facts
    judged: Judgement
    told: tuple[Rule, ...]
    """What must be said and kept, should the call be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a question is judged by."""

    store: Store
    rulebook: Rulebook
    now: Instant
    is_sandbox: bool

    async def explain(self, number: E164, campaign: Campaign, unlisted: Lead) -> Explanation:
        """Every verdict on calling a number for a campaign now, by an agent who is kept for it.

        `unlisted` stands for the person when the campaign has no lead with the number.
        """
        async with self.store.transaction(durable=False) as tx:
            found = await tx.lead_by_number(campaign.id, number)
            lead = found or unlisted
            (facts,) = await self._facts(tx, [lead], campaign)
        return Explanation(
            campaign=campaign,
            lead=lead,
            is_on_list=found is not None,
            facts=facts,
            judged=permit.judge(facts, self.rulebook, self.now),
            told=tuple(dict.fromkeys(rule for rule, _ in self.rulebook.told(facts, self.now))),
        )

    async def preflight(
        self, campaign: Campaign, progress: Callable[[int], None]
    ) -> PreflightCount:
        """Judge every lead of a campaign that is not finished; `progress` hears how many so far."""
        count = PreflightCount()
        after: LeadId | None = None
        while True:
            async with self.store.transaction(durable=False) as tx:
                leads = await tx.leads_after(campaign.id, after, most=LEADS_AT_ONCE)
                if not leads:
                    return count
                all_facts = await self._facts(tx, leads, campaign)
            for facts in all_facts:
                judged = permit.judge(facts, self.rulebook, self.now)
                zones = self.rulebook.locate(facts.number, facts.stated).zone_names
                count.add(judged, when_callable(judged, self.now, zones))
            after = leads[-1].id
            progress(count.leads)

    async def _facts(self, tx: Transaction, leads: list[Lead], campaign: Campaign) -> list[Facts]:
        abandonment: Abandonment | None = None
        ceilings = self.rulebook.ceilings_of(campaign, self.now.date())
        if ceilings:
            abandonment = await measure_abandonment(
                tx,
                campaign.id,
                measures=self.rulebook.abandon_measures(self.now.date()),
                ceilings=ceilings,
                now=self.now,
            )
        return await tx.facts(
            leads,
            campaign,
            now=self.now,
            since=self.now - self.rulebook.lookback,
            is_sandbox=self.is_sandbox,
            is_agent_guaranteed=True,
            abandon_figures=abandonment.figures if abandonment else (),
        )

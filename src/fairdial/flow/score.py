"""Learn from a campaign's finished leads which of the others are likely to reach the goal.

The leads get a new place in the hopper only if the model, learned from the older leads, finds more
in the newer ones than chance would. Each tenth lead is placed by lot, so that what is believed to
be unlikely is called now and then and the model stays honest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fairdial.core import score
from fairdial.core.ids import Instant, LeadId
from fairdial.core.lead import SCORE_STEPS
from fairdial.core.outcome import Disposition
from fairdial.core.score import Check, ScoreModel
from fairdial.exceptions import SettingsError
from fairdial.flow.campaigns import campaign_named
from fairdial.ports import Store

PAGE_LEADS = 1_000
"""So many leads are placed in one transaction; dialing goes on between them."""
BY_LOT = 10
"""One lead of so many is placed by lot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What came of it."""

    finished: int
    """Finished leads that were looked at."""
    goals: int
    check: Check | None
    """How the older leads foretell the newer ones; None when they are too few."""
    model: ScoreModel | None
    """Learned from all of them; None when the check says that it does not help."""
    leads: int
    """Leads that got a place."""
    moved: int
    """Leads whose place changed."""


async def score_leads(
    store: Store,
    name: str,
    *,
    goal: Disposition,
    without: Iterable[str],
    now: Instant,
    is_trial: bool,
) -> Scored:
    """Learn, check and, if it helps and this is no trial, place the campaign's leads anew.

    Raises `SettingsError` for a campaign that is not known.
    """
    without = frozenset(without)
    async with store.transaction(durable=False) as tx:
        campaign = await campaign_named(tx, name)
        examples = await tx.finished_leads(campaign.id, goal, most=score.LEARN_MAX)
    if unknown := without - {name for one in examples for name in one.attributes}:
        raise SettingsError(f"no finished lead has an attribute {sorted(unknown)[0]!r}")
    checked = score.check(examples, without=without)
    model = score.learn(examples, without=without) if checked and checked.helps else None
    chances: dict[LeadId, float] = {}
    moved = 0
    if model is not None and not is_trial:
        after: LeadId | None = None
        while True:
            async with store.transaction(durable=False) as tx:
                page = await tx.leads_after(campaign.id, after, most=PAGE_LEADS)
            chances.update((lead.id, model.probability(lead.attributes)) for lead in page)
            if len(page) < PAGE_LEADS:
                break
            after = page[-1].id
        places = {
            lead_id: lead_id.int // BY_LOT % SCORE_STEPS if lead_id.int % BY_LOT == 0 else step
            for lead_id, step in zip(chances, score.steps(list(chances.values())), strict=True)
        }
        ids = list(places)
        for start in range(0, len(ids), PAGE_LEADS):
            part = {lead_id: places[lead_id] for lead_id in ids[start : start + PAGE_LEADS]}
            async with store.transaction() as tx:
                moved += await tx.save_scores(campaign.id, part)
        async with store.transaction() as tx:
            tx.audit(
                "leads.scored",
                campaign.id,
                {
                    "goal": goal.value,
                    "without": sorted(without),
                    "examples": model.examples,
                    "lift": round(checked.lift, 3) if checked else None,
                    "leads": len(places),
                    "moved": moved,
                },
                actor="operator",
                at=now,
            )
    return Scored(
        finished=len(examples),
        goals=sum(one.is_goal for one in examples),
        check=checked,
        model=model,
        leads=len(chances),
        moved=moved,
    )

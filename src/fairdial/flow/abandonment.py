"""The abandonment of a campaign, by every measure that a law in force asks for.

Read from the one call log. The permit looks at all figures; pacing and the picture look at the
ceiling that leaves the least room.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fairdial.core.abandon import AbandonFigure, AbandonMeasure, AbandonRecord
from fairdial.core.duties import AbandonCeiling
from fairdial.core.ids import CampaignId, Instant
from fairdial.core.rulebook import Rulebook
from fairdial.core.rules import Rule
from fairdial.ports import Transaction

_NOTHING = AbandonRecord(live_answers=0, abandoned=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandonment:
    """A campaign's figures, and the ceiling that governs it."""

    figures: tuple[AbandonFigure, ...]
    ceiling: AbandonCeiling
    """Of the ceilings that the campaign answers to, the one that leaves the least room."""

    @property
    def record(self) -> AbandonRecord:
        """The counts by the governing ceiling's measure."""
        return _of(self.figures, self.ceiling.measure)


async def measure_abandonment(
    tx: Transaction,
    campaign_id: CampaignId,
    *,
    measures: Iterable[AbandonMeasure],
    ceilings: tuple[AbandonCeiling, ...],
    now: Instant,
) -> Abandonment:
    """Count by every measure. `ceilings` are those that the campaign answers to, at least one."""
    figures = tuple(
        [
            AbandonFigure(
                measure=measure, record=await tx.abandon_record(campaign_id, measure, now)
            )
            for measure in measures
        ]
    )
    return Abandonment(
        figures=figures, ceiling=min(ceilings, key=lambda c: _room(c, _of(figures, c.measure)))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RegulatorsFigure:
    """What one rule's measure says of one campaign."""

    rule: Rule
    ceiling: AbandonCeiling
    record: AbandonRecord

    @property
    def is_over(self) -> bool:
        """Over the ceiling, from the number of answers on from which the rule judges."""
        return (
            self.record.live_answers >= self.ceiling.answers_least
            and self.record.rate > self.ceiling.rate_max
        )


async def figures_by_rule(
    tx: Transaction, campaign_id: CampaignId, rulebook: Rulebook, now: Instant
) -> list[RegulatorsFigure]:
    """One call log, every regulator's figure: the campaign measured by each rule in force."""
    return [
        RegulatorsFigure(
            rule=rule,
            ceiling=ceiling,
            record=await tx.abandon_record(campaign_id, ceiling.measure, now),
        )
        for rule, ceiling in rulebook.abandon_ceilings(now.date())
    ]


def _room(ceiling: AbandonCeiling, record: AbandonRecord) -> float:
    """How many more calls may be abandoned before the rate is over the ceiling."""
    return ceiling.rate_max * record.live_answers - record.abandoned


def _of(figures: tuple[AbandonFigure, ...], measure: AbandonMeasure) -> AbandonRecord:
    return next((f.record for f in figures if f.measure == measure), _NOTHING)

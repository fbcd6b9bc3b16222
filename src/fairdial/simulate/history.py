"""The floor of a campaign by its own history: who answers when, how long talks last, what is spent.

Every pick-up of the past counts as a person who talks, machines too where nobody told them apart:
they took an agent for as long as the records say. Wrap-up is not on record: the caller says it.
"""

from __future__ import annotations

from fairdial.core.ids import Instant
from fairdial.core.rulebook import Rulebook
from fairdial.exceptions import SettingsError
from fairdial.flow.abandonment import measure_abandonment
from fairdial.flow.campaigns import campaign_named
from fairdial.ports import Transaction
from fairdial.simulate.world import World

CALLS_MIN = 50
"""So many finished calls of the last 30 days are needed: fewer say too little of a list."""
AGENTS = 10
"""When nothing else is said."""


async def world_of(tx: Transaction, name: str, rulebook: Rulebook, now: Instant) -> World:
    """The floor of a campaign. Raises `SettingsError` for one that is not known, or too young."""
    campaign = await campaign_named(tx, name)
    past = await tx.history(campaign.id, now)
    answers = tuple(call.elapsed_s for call in past if call.picked_up)
    if len(past) < CALLS_MIN or not answers:
        raise SettingsError(
            f"campaign {name!r} made {len(past)} calls in the last 30 days, {len(answers)} of them "
            f"answered: {CALLS_MIN} and an answer are needed to play it; write a scenario file"
        )
    measured = await measure_abandonment(
        tx,
        campaign.id,
        measures=rulebook.abandon_measures(now.date()),
        ceilings=rulebook.ceilings_of(campaign, now.date()),
        now=now,
    )
    return World(
        agents=AGENTS,
        person_rate=len(answers) / len(past),
        machine_rate=0.0,
        busy_rate=0.0,
        failed_rate=0.0,
        ring_s=float(campaign.ring_s),
        connect_s_max=campaign.connect_ms_max / 1000,
        wrap_up_s_max=max(0.1, float(campaign.wrap_up_s)),
        wrap_s=max(0.1, min(20.0, campaign.wrap_up_s / 2)),
        lines=campaign.pace.calls_in_flight_max,
        live_answers_before=measured.record.live_answers,
        abandoned_before=measured.record.abandoned,
        past_answers_s=answers,
        past_ends_s=tuple(call.elapsed_s for call in past if not call.picked_up),
        past_talks_s=tuple(call.talk_s for call in past if call.talk_s),
    )

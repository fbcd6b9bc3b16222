"""Questions to the gate: the same answer as before a call, and nothing comes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.flow.cast import RULEBOOK, Stage

from fairdial.core.facts import SuppressionKind
from fairdial.core.ids import E164
from fairdial.core.lead import LineType, Party, StatedLocation
from fairdial.flow.ask import Gate


def gate(stage: Stage) -> Gate:
    return Gate(store=stage.store, rulebook=RULEBOOK, now=stage.clock.now(), is_sandbox=True)


async def recorded(stage: Stage) -> tuple[Any, ...]:
    return tuple(
        [await stage.one(f"SELECT count(*) FROM {t}") for t in ("permit", "refusal", "attempt")]
    )


async def test_an_explanation_says_what_the_gate_would_say(stage: Stage) -> None:
    lead = await stage.lead("+12125550199")
    told = await gate(stage).explain(lead.number, stage.campaign, lead)
    assert told.is_on_list
    assert {v.rule for v in told.judged.reasons} == {"us.tcpa.dnc_national"}
    assert await recorded(stage) == (0, 0, 0)


async def test_who_is_on_no_list_is_judged_knowing_nothing_of_them(stage: Stage) -> None:
    listed = await stage.lead("+12125550142")
    stranger = replace(
        listed,
        number=E164("+16145550143"),
        location=StatedLocation(),
        party=Party.UNKNOWN,
        line_type=LineType.UNKNOWN,
    )
    told = await gate(stage).explain(stranger.number, stage.campaign, stranger)
    assert (told.is_on_list, told.judged.is_allowed) == (False, True)


async def test_preflight_counts_every_lead_once_and_each_of_its_reasons(stage: Stage) -> None:
    for number, state in (
        ("+12125550142", "NY"),  # can be called
        ("+12125550199", "NY"),  # on the national registry
        ("+18085550142", "HI"),  # too early there, opens later today
        ("+18005550142", ""),  # a toll-free number says nothing of a place
        ("+12125550143", "NY"),  # asked to stop
    ):
        await stage.lead(number, state=state)
    async with stage.store.transaction() as tx:
        await tx.suppress(
            E164("+12125550143"),
            SuppressionKind.INTERNAL,
            source="a letter",
            seller_id=stage.campaign.seller_id,
            registered_on=stage.clock.now().date(),
            now=stage.clock.now(),
        )
    heard: list[int] = []
    count = await gate(stage).preflight(stage.campaign, heard.append)
    assert (count.leads, heard) == (5, [5])
    assert {when.value: n for when, n in count.callable_when.items()} == {
        "now": 1,
        "later_today": 1,
        "not_by_time": 3,
    }
    assert count.only_by_rule["us.tcpa.dnc_national"] == 1
    assert count.unknown_by_rule["tz.unknown"] == 1
    assert await recorded(stage) == (0, 0, 0)

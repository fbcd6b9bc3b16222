"""One call log, every regulator's figure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.flow.cast import RULEBOOK, Stage

from fairdial.core.abandon import (
    AbandonMeasure,
    AbandonRecord,
    ClockStart,
    Denominator,
    WindowKind,
)
from fairdial.core.attempt import Attempt, DeadlinePassed, EndCause
from fairdial.flow.abandonment import figures_by_rule, measure_abandonment
from fairdial.flow.call_events import apply

US = AbandonMeasure(
    clock_start=ClockStart.GREETING_END,
    connect_ms_max=2000,
    denominator=Denominator.LIVE_ANSWERS,
    window=WindowKind.ROLLING_DAYS,
    window_days=30,
)
OFCOM = replace(US, denominator=Denominator.CONNECTED_AND_ABANDONED)
CANADA = replace(US, window=WindowKind.CALENDAR_MONTH, window_days=0)


async def counted(stage: Stage, measure: AbandonMeasure = US) -> tuple[int, int]:
    async with stage.store.transaction() as tx:
        record = await tx.abandon_record(stage.campaign.id, measure, stage.clock.now())
    return record.abandoned, record.live_answers


async def answered(stage: Stage, number: str) -> Attempt:
    attempt = await stage.dialed(number)
    stage.telephony.pick_up(attempt.id)
    await stage.settle()
    return attempt


async def abandoned(stage: Stage, number: str = "+12125550142") -> None:
    """Nobody is free: the message is played at the deadline, and the call ends."""
    attempt = await answered(stage, number)
    stage.clock.move(seconds=2)
    await apply(stage.floor, attempt.id, DeadlinePassed(), stage.clock.now())
    stage.clock.move(seconds=8)
    stage.telephony.end(attempt.id, EndCause.WE_HUNG_UP)
    await stage.settle()


async def hung_up_first(stage: Stage, number: str = "+12125550143") -> None:
    """The person hangs up a second after the answer, before anybody could take the call."""
    attempt = await answered(stage, number)
    stage.clock.move(seconds=1)
    stage.telephony.end(attempt.id, EndCause.CALLED_PARTY_HUNG_UP)
    await stage.settle()


async def connected(stage: Stage, number: str = "+12125550144") -> None:
    attempt, _ = await stage.talking(number)
    stage.clock.move(seconds=20)
    stage.telephony.end(attempt.id, EndCause.CALLED_PARTY_HUNG_UP)
    await stage.settle()


async def test_who_hung_up_first_counts_for_one_regulator_and_not_for_the_other(
    stage: Stage,
) -> None:
    await abandoned(stage)
    await hung_up_first(stage)
    await connected(stage)
    assert (await counted(stage), await counted(stage, OFCOM)) == ((2, 3), (1, 2))


async def test_a_wait_longer_than_the_law_allows_is_abandoned_though_an_agent_came(
    stage: Stage,
) -> None:
    await connected(stage)
    assert await counted(stage) == (0, 1)
    # The agent came 2.5 s after the answer, by the log.
    await stage.change("UPDATE attempt SET bridged_at = answered_at + interval '2.5 s'")
    assert await counted(stage) == (1, 1)
    # Where the greeting took a second, the clock that starts at its end gives that second back.
    await stage.change("UPDATE attempt SET greeting_ended_at = answered_at + interval '1 s'")
    assert await counted(stage) == (0, 1)
    assert await counted(stage, replace(US, clock_start=ClockStart.ANSWER)) == (1, 1)


async def test_the_window_is_thirty_days_for_one_and_the_month_for_the_other(stage: Stage) -> None:
    await abandoned(stage)
    assert await counted(stage, CANADA) == (1, 1)
    stage.clock.moment += timedelta(days=29)
    assert await counted(stage) == (1, 1)
    stage.clock.moment = stage.clock.moment.replace(month=1, year=2027, day=1)
    assert await counted(stage, CANADA) == (0, 0)


async def test_every_rule_with_a_ceiling_has_its_figure(stage: Stage) -> None:
    await abandoned(stage)
    async with stage.store.transaction() as tx:
        figures = await figures_by_rule(tx, stage.campaign.id, RULEBOOK, stage.clock.now())
    by_rule = {figure.rule.id: figure for figure in figures}
    assert {"us.tcpa.abandonment", "house.abandonment"} <= by_rule.keys()
    assert by_rule["us.tcpa.abandonment"].record == AbandonRecord(live_answers=1, abandoned=1)
    assert not by_rule["us.tcpa.abandonment"].is_over, "one call says nothing yet"


@pytest.mark.parametrize(("purpose", "governing"), [("telemarketing", 2000), ("survey", 10000)])
async def test_the_ceiling_with_the_least_room_governs(
    stage: Stage, purpose: str, governing: int
) -> None:
    campaign = replace(stage.campaign, purpose=type(stage.campaign.purpose)(purpose))
    ceilings = RULEBOOK.ceilings_of(campaign, stage.clock.now().date())
    async with stage.store.transaction() as tx:
        abandonment = await measure_abandonment(
            tx,
            stage.campaign.id,
            measures=RULEBOOK.abandon_measures(stage.clock.now().date()),
            ceilings=tuple(sorted(ceilings, key=lambda c: c.measure.connect_ms_max)),
            now=stage.clock.now(),
        )
    assert abandonment.ceiling.measure.connect_ms_max == governing

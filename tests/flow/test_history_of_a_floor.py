"""The floor of a campaign by its own history, as `fairdial simulate --campaign` plays it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.flow.cast import RULEBOOK, Stage

from fairdial.core.attempt import EndCause
from fairdial.core.outcome import Disposition
from fairdial.exceptions import SettingsError
from fairdial.flow import agent_desk
from fairdial.simulate.compare import compare
from fairdial.simulate.history import world_of
from fairdial.simulate.world import World


async def world(stage: Stage) -> World:
    async with stage.store.transaction() as tx:
        return await world_of(tx, stage.campaign.name, RULEBOOK, stage.clock.now())


async def call(stage: Stage, n: int, *, talk_s: float | None) -> None:
    """A call that rings out after 20 s, or is answered after 8 s and lasts so long."""
    attempt = await stage.dialed(f"+121255501{n:02}")
    if talk_s is None:
        stage.clock.move(seconds=20)
        stage.telephony.end(attempt.id, EndCause.NO_ANSWER)
    else:
        stage.clock.move(seconds=8)
        stage.telephony.pick_up(attempt.id)
        await stage.settle()
        stage.clock.move(seconds=talk_s)
        stage.telephony.end(attempt.id, EndCause.CALLED_PARTY_HUNG_UP)
    await stage.settle()
    async with stage.store.transaction() as tx:
        await tx.renew_campaign(stage.lease, now=stage.clock.now(), life=timedelta(hours=1))


async def test_a_young_campaign_says_too_little(stage: Stage) -> None:
    with pytest.raises(SettingsError, match="made 0 calls in the last 30 days"):
        await world(stage)
    async with stage.store.transaction() as tx:
        with pytest.raises(SettingsError, match="no campaign 'Another'; there are: 'Term deposit"):
            await world_of(tx, "Another", RULEBOOK, stage.clock.now())


async def test_it_is_made_of_what_was_seen(stage: Stage) -> None:
    session = await stage.agent()
    for n in range(60):
        talk_s = 40.0 + n if n % 4 == 0 else None
        await call(stage, n, talk_s=talk_s)
        if talk_s is not None:
            await agent_desk.dispose(stage.floor, session.id, Disposition.NOT_INTERESTED)
    found = await world(stage)
    assert found.person_rate == pytest.approx(0.25)
    assert set(found.past_answers_s) == {8.0}
    assert set(found.past_ends_s) == {20.0}
    assert set(found.past_talks_s) == {40.0 + n for n in range(0, 60, 4)}
    assert (found.live_answers_before, found.abandoned_before) == (15, 0)
    assert (found.connect_s_max, found.wrap_up_s_max) == (2.0, 10.0)
    (row,) = compare(found, ["progressive"], seeds=1)
    assert row.dials_per_connect.mean == pytest.approx(4.0, rel=0.3)

"""A pool of caller IDs: the near one is shown, caps hold over campaigns, and people ring back."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.flow.cast import Stage

from fairdial.core.attempt import Attempt, EndCause
from fairdial.core.caller_id import CallerIdPool
from fairdial.core.ids import E164
from fairdial.core.lead import Lead
from fairdial.core.permit import Refusal
from fairdial.flow.dialer import Dialer
from fairdial.flow.place_call import place_call

OURS, NEW_YORK, CHICAGO = E164("+12025550123"), E164("+12125550111"), E164("+13125550111")


async def with_pool(
    stage: Stage, *, local_presence: bool = False, calls_a_day_max: int | None = None
) -> None:
    """The campaign of the stage with two numbers more."""
    pool = CallerIdPool(
        numbers=(NEW_YORK, CHICAGO), local_presence=local_presence, calls_a_day_max=calls_a_day_max
    )
    async with stage.store.transaction() as tx:
        stage.campaign = await tx.save_campaign(
            replace(stage.campaign, pool=pool), stage.clock.now()
        )
    stage.floor.campaigns[stage.campaign.id] = stage.campaign


async def placed(stage: Stage, lead: Lead) -> Attempt | Refusal | None:
    return await place_call(stage.floor, stage.lease, lead, is_agent_guaranteed=True)


async def shown(stage: Stage, number: str, *, state: str = "NY") -> str:
    attempt = await stage.place(await stage.lead(number, state=state))
    assert isinstance(attempt, Attempt), attempt
    permit = stage.telephony.up[attempt.id]
    assert permit.caller_id == permit.facts.caller_id
    stage.telephony.end(attempt.id, EndCause.BUSY)
    await stage.settle()
    return permit.caller_id


async def test_the_number_of_the_called_place_is_shown(stage: Stage) -> None:
    await with_pool(stage, local_presence=True)
    assert await shown(stage, "+12125550142") == NEW_YORK
    assert await shown(stage, "+13125550142", state="IL") == CHICAGO
    assert await shown(stage, "+17165550142") == NEW_YORK
    assert await shown(stage, "+16175550142", state="MA") == OURS


async def test_numbers_take_turns(stage: Stage) -> None:
    await with_pool(stage)
    seen = [await shown(stage, f"+1212555014{n}") for n in range(6)]
    assert seen == [OURS, NEW_YORK, CHICAGO, OURS, NEW_YORK, CHICAGO]


async def test_a_number_at_its_cap_is_not_shown_until_a_day_later(stage: Stage) -> None:
    await with_pool(stage, local_presence=True, calls_a_day_max=1)
    assert await shown(stage, "+12125550141") == NEW_YORK
    assert await shown(stage, "+12125550142") == OURS
    assert await shown(stage, "+12125550143") == CHICAGO
    assert await placed(stage, await stage.lead("+12125550144")) is None
    assert await stage.one("SELECT state || why FROM lead WHERE number = '+12125550144'") == (
        "dueno caller ID was free"
    )
    assert await stage.one("SELECT count(*) FROM permit") == 3
    stage.clock.move(hours=25)
    assert await shown(stage, "+12125550145") == NEW_YORK


async def test_a_refusal_uses_up_no_caller_id(stage: Stage) -> None:
    await with_pool(stage, calls_a_day_max=1)
    assert isinstance(await stage.place(await stage.lead("+12125550199")), Refusal)
    assert await stage.one("SELECT count(*) FROM caller_id_use") == 0


async def test_dialers_at_once_do_not_pass_a_cap(stage: Stage) -> None:
    await with_pool(stage, calls_a_day_max=2)
    leads = [await stage.lead(f"+121255501{n}") for n in range(40, 52)]
    results = await asyncio.gather(*(placed(stage, lead) for lead in leads))
    uses = await stage.one("SELECT max(calls) FROM caller_id_use")
    calls = sum(isinstance(result, Attempt) for result in results)
    assert uses == 2
    assert 2 <= calls <= 6
    assert all(isinstance(result, Attempt) or result is None for result in results)
    assert await stage.one("SELECT sum(calls) FROM caller_id_use") == calls


async def test_the_dialer_says_that_every_number_is_spent(stage: Stage) -> None:
    await with_pool(stage, calls_a_day_max=1)
    for n in range(3):
        await shown(stage, f"+1212555014{n}")
    await stage.agent()
    await stage.lead("+12125550149")
    async with stage.store.transaction() as tx:
        await tx.return_claimed(stage.campaign.id)
        await tx.release_campaign(stage.lease)
    dialer = Dialer(floor=stage.floor, campaign=stage.campaign, tick_s=0.02)
    running = asyncio.create_task(dialer.run())
    async with asyncio.timeout(10):
        while "caller ID" not in dialer.state:
            await asyncio.sleep(0.02)
    assert dialer.state == "not dialing: every caller ID made its 1 calls of 24 hours"
    dialer.stopping.set()
    await asyncio.wait_for(running, 10)


@pytest.mark.parametrize("called", [OURS, NEW_YORK, CHICAGO])
async def test_every_number_of_the_pool_can_be_rung_back(stage: Stage, called: E164) -> None:
    await with_pool(stage)
    async with stage.store.transaction() as tx:
        found = await tx.campaign_called(called)
    assert found is not None
    assert found == stage.campaign

"""A whole campaign on a real database, with the called parties played in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.flow.cast import MORNING, Stage, a_person

from fairdial.adapters.clocks import SandboxClock
from fairdial.adapters.memory.telephony import MemoryTelephony
from fairdial.core.agent import AgentState
from fairdial.core.attempt import EndCause
from fairdial.core.campaign import DialMode, Pace
from fairdial.core.ids import AttemptId
from fairdial.core.outcome import Disposition, Outcome
from fairdial.exceptions import CampaignBusy, EngineUnavailable
from fairdial.flow import agent_desk
from fairdial.flow.dialer import Dialer
from fairdial.flow.stop_request import take_stop_request
from fairdial.flow.verify import verify_audit
from fairdial.ports import TrunkStatus

NUMBERS = [f"+1212555{n:04}" for n in range(100, 124)]


@pytest.fixture
async def dialer(stage: Stage) -> Dialer:
    """A dialer on a running clock; the stage has given its own lease back."""
    async with stage.store.transaction() as tx:
        await tx.release_campaign(stage.lease)
    clock = SandboxClock(MORNING + timedelta(hours=1))
    stage.telephony = MemoryTelephony(clock)
    stage.floor.clock = clock
    stage.floor.telephony = stage.telephony
    campaign = replace(
        stage.campaign, wrap_up_s=1, pace=Pace(mode=DialMode.PROGRESSIVE, calls_per_second_max=50)
    )
    return Dialer(floor=stage.floor, campaign=campaign, tick_s=0.04)


@asynccontextmanager
async def people(stage: Stage, dialer: Dialer) -> AsyncIterator[None]:
    """Called parties: every third is busy, every fourth never answers, the others talk briefly."""
    telephony = stage.telephony

    async def live() -> None:
        played = 0
        while True:
            for attempt_id in telephony.wire[played:]:
                played += 1
                telephony.ring(attempt_id)
                if played % 3 == 0:
                    telephony.end(attempt_id, EndCause.BUSY)
                elif played % 4 == 0:
                    telephony.end(attempt_id, EndCause.NO_ANSWER)
                else:
                    telephony.pick_up(attempt_id)
            for call_id in list(telephony.bridges):
                telephony.end(AttemptId(call_id), EndCause.CALLED_PARTY_HUNG_UP)
            await asyncio.sleep(0.02)

    async def work() -> None:
        await asyncio.wait_for(dialer.started.wait(), 10)
        for name in ("Ada", "Bela", "Carmen"):
            await agent_desk.log_in(
                stage.floor, dialer.campaign, name=name, phone=f"sip:{name}@127.0.0.1"
            )
        while True:
            async with stage.store.transaction() as tx:
                sessions = await tx.open_sessions(dialer.campaign.id)
            for session in sessions:
                if session.state is AgentState.WRAP_UP:
                    await agent_desk.dispose(stage.floor, session.id, Disposition.SALE)
            await asyncio.sleep(0.05)

    tasks = [asyncio.create_task(live()), asyncio.create_task(work())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, ten seconds at most."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.02)


async def grown(count: Callable[[], int], *, by: int) -> None:
    """Wait until a count is so much higher, ten seconds at most."""
    before = count()
    await until(lambda: count() >= before + by)


async def load(stage: Stage) -> None:
    await stage.add_list(a_person(number, row=row) for row, number in enumerate(NUMBERS, start=2))


async def test_every_lead_is_called_once_and_the_record_holds(stage: Stage, dialer: Dialer) -> None:
    await load(stage)
    await stage.telephony.start()
    async with people(stage, dialer):
        await asyncio.wait_for(dialer.run(), 12)
    wire = stage.telephony.wire
    assert len(wire) == len(set(wire)) == len(NUMBERS)
    assert await stage.store.permit_uses() == dict.fromkeys(wire, True)
    assert await stage.one("SELECT count(*) FROM attempt WHERE state <> 'closed'") == 0
    assert await stage.one("SELECT count(*) FROM attempt WHERE is_abandoned") == 0
    assert await stage.one("SELECT count(*) FROM attempt WHERE disposition = 'sale'") == 12
    assert (await verify_audit(stage.store.proof().record())).findings == ()


async def test_it_ends_after_the_attempts_it_was_asked_for(stage: Stage, dialer: Dialer) -> None:
    await load(stage)
    dialer.attempts_max = 7
    await stage.telephony.start()
    async with people(stage, dialer):
        await asyncio.wait_for(dialer.run(), 8)
    assert len(stage.telephony.wire) == 7
    assert await stage.one("SELECT count(*) FROM attempt WHERE state <> 'closed'") == 0


async def test_a_stop_ends_every_call_and_logs_everybody_out(stage: Stage, dialer: Dialer) -> None:
    await load(stage)
    await stage.telephony.start()
    running = asyncio.create_task(dialer.run())
    await asyncio.wait_for(dialer.started.wait(), 10)
    for name in ("Ada", "Bela"):
        await agent_desk.log_in(
            stage.floor, dialer.campaign, name=name, phone=f"sip:{name}@127.0.0.1"
        )
    await until(lambda: len(stage.telephony.wire) == 2)
    stage.telephony.pick_up(stage.telephony.wire[0])
    await asyncio.sleep(0.1)
    dialer.stopping.set()
    await asyncio.wait_for(running, 10)
    assert stage.telephony.up == {}
    assert await stage.one("SELECT count(*) FROM attempt WHERE state <> 'closed'") == 0
    assert await stage.one("SELECT count(*) FROM agent_session WHERE state <> 'logged_out'") == 0
    assert await stage.one("SELECT count(*) FROM lead WHERE state = 'claimed'") == 0


async def test_nothing_is_dialed_while_the_engine_is_down(stage: Stage, dialer: Dialer) -> None:
    await load(stage)
    await stage.telephony.start()
    async with people(stage, dialer):
        running = asyncio.create_task(dialer.run())
        await until(lambda: len(stage.telephony.wire) >= 3)
        stage.telephony.die()
        await asyncio.sleep(0.5)
        dialed = len(stage.telephony.wire)
        await asyncio.sleep(0.7)
        assert len(stage.telephony.wire) == dialed
        assert "engine is down" in dialer.state
        await stage.telephony.start()
        await asyncio.wait_for(running, 12)
    wire = stage.telephony.wire
    assert len(wire) == len(set(wire))
    assert await stage.one("SELECT count(*) FROM attempt WHERE state NOT IN ('closed')") == 0


async def test_a_second_dialer_of_the_same_campaign_is_turned_away(
    stage: Stage, dialer: Dialer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await load(stage)
    await stage.telephony.start()
    running = asyncio.create_task(dialer.run())
    await asyncio.wait_for(dialer.started.wait(), 10)
    monkeypatch.setattr("fairdial.flow.dialer.TAKE_TRIES", 2)
    second = Dialer(floor=stage.floor, campaign=dialer.campaign)
    with pytest.raises(CampaignBusy, match="another dialer holds this campaign"):
        await second.run()
    dialer.stopping.set()
    await running


async def test_an_engine_that_is_gone_for_good_ends_the_run_and_says_why(
    stage: Stage, dialer: Dialer
) -> None:
    await load(stage)
    await stage.telephony.start()
    async with people(stage, dialer):
        running = asyncio.create_task(dialer.run())
        await until(lambda: len(stage.telephony.wire) >= 3)
        stage.telephony.die(for_good=True)
        with pytest.raises(EngineUnavailable, match="the telephony engine is down: killed"):
            await asyncio.wait_for(running, 12)
    assert await stage.one("SELECT count(*) FROM attempt WHERE state <> 'closed'") == 0
    assert await stage.one("SELECT count(*) FROM lead WHERE state = 'claimed'") == 0


async def test_a_stop_request_from_outside_takes_back_a_phone_that_rings(
    stage: Stage, dialer: Dialer
) -> None:
    await load(stage)
    await stage.telephony.start()
    running = asyncio.create_task(dialer.run())
    await asyncio.wait_for(dialer.started.wait(), 10)
    await agent_desk.log_in(stage.floor, dialer.campaign, name="Ada", phone="sip:ada@127.0.0.1")
    await until(lambda: len(stage.telephony.wire) == 1)
    attempt_id = stage.telephony.wire[0]
    number = (await stage.attempt(attempt_id)).number
    sellers = await take_stop_request(
        stage.store, number, source="a letter", now=stage.floor.clock.now()
    )
    assert sellers == ["Meridian Savings Bank"]
    await until(lambda: attempt_id not in stage.telephony.up)
    dialer.stopping.set()
    await asyncio.wait_for(running, 12)
    ended = await stage.attempt(attempt_id)
    assert ended.outcome is Outcome.CANCELLED
    assert await stage.one("SELECT actor FROM audit_entry WHERE kind = 'suppression.added'") == (
        "operator"
    )


async def test_an_engine_that_declines_is_not_asked_again_and_again(
    stage: Stage, dialer: Dialer
) -> None:
    await load(stage)
    stage.telephony.declines = "the disk is full"
    await stage.telephony.start()
    async with people(stage, dialer):
        running = asyncio.create_task(dialer.run())
        await until(lambda: "the disk is full" in dialer.state)
        await asyncio.sleep(1)
        declined = await stage.one("SELECT count(*) FROM permit WHERE void_at IS NOT NULL")
        await asyncio.sleep(1)
        assert await stage.one("SELECT count(*) FROM permit") == declined
        dialer.stopping.set()
        await asyncio.wait_for(running, 12)
    assert stage.telephony.wire == []
    assert dialer.placed == 0
    assert await stage.one("SELECT count(*) FROM lead WHERE state = 'due'") == len(NUMBERS)


async def test_an_engine_that_declines_every_call_ends_the_run_with_its_reason(
    stage: Stage, dialer: Dialer
) -> None:
    await load(stage)
    stage.telephony.declines = "the disk is full"
    dialer.declined_pause_s = 0.01
    await stage.telephony.start()
    async with people(stage, dialer):
        with pytest.raises(EngineUnavailable, match="no call can be placed: the disk is full"):
            await asyncio.wait_for(dialer.run(), 30)
    assert (stage.telephony.wire, dialer.placed) == ([], 0)
    assert await stage.one("SELECT count(*) FROM lead WHERE state = 'due'") == len(NUMBERS)


async def test_no_permit_is_asked_for_while_no_trunk_is_up(stage: Stage, dialer: Dialer) -> None:
    await load(stage)
    dialer.declined_pause_s = 0.2
    await stage.telephony.start()
    stage.telephony.change_trunk(is_up=False, why="OPTIONS is not answered")
    async with people(stage, dialer):
        running = asyncio.create_task(dialer.run())
        await until(lambda: "memory: OPTIONS is not answered" in dialer.state)
        await asyncio.sleep(0.5)
        assert await stage.one("SELECT count(*) FROM permit") == 0
        stage.telephony.change_trunk(is_up=True, why="OPTIONS is answered")
        await asyncio.wait_for(running, 12)
    assert len(stage.telephony.wire) == len(NUMBERS)
    assert await stage.one("SELECT count(*) FROM permit") == len(NUMBERS)


async def test_who_stops_it_while_it_looks_at_the_trunks_keeps_the_last_word(
    stage: Stage, dialer: Dialer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await load(stage)
    await stage.telephony.start()
    looks = stage.telephony.trunks

    async def stopped_meanwhile() -> tuple[TrunkStatus, ...]:
        dialer.state = "stopped on request"
        dialer.stopping.set()
        return await looks()

    monkeypatch.setattr(stage.telephony, "trunks", stopped_meanwhile)
    await asyncio.wait_for(dialer.run(), 12)
    assert dialer.state == "stopped on request"
    assert stage.telephony.wire == []


async def test_trunks_that_stay_down_end_the_run_with_the_reason(
    stage: Stage, dialer: Dialer
) -> None:
    await load(stage)
    dialer.declined_pause_s = 0.01
    await stage.telephony.start()
    stage.telephony.change_trunk(is_up=False, why="not registered: 403")
    with pytest.raises(EngineUnavailable, match=r"no trunk is up \(memory: not registered: 403\)"):
        await asyncio.wait_for(dialer.run(), 12)
    assert await stage.one("SELECT count(*) FROM permit") == 0


async def test_no_more_calls_than_the_trunks_carry(stage: Stage, dialer: Dialer) -> None:
    await load(stage)
    await stage.telephony.start()
    stage.telephony.trunk = replace(stage.telephony.trunk, calls_max=2)
    most = 0
    async with people(stage, dialer):
        running = asyncio.create_task(dialer.run())
        while not running.done():
            most = max(most, len(stage.telephony.up))
            await asyncio.sleep(0.005)
        await running
    assert most == 2
    assert len(stage.telephony.wire) == len(NUMBERS)


async def test_an_engine_that_declines_now_and_then_does_not_end_the_run(
    stage: Stage, dialer: Dialer
) -> None:
    await load(stage)
    dialer.declined_pause_s = 0.01
    await stage.telephony.start()
    async with people(stage, dialer):
        running = asyncio.create_task(dialer.run())
        # Three agents: ten declines are four moments at least, and never too many in a row.
        for _ in range(4):
            stage.telephony.declines = "no port is free"
            await grown(lambda: stage.telephony.declined, by=10)
            stage.telephony.declines = ""
            await grown(lambda: len(stage.telephony.wire), by=1)
        await asyncio.wait_for(running, 30)
    assert len(stage.telephony.wire) == len(NUMBERS)

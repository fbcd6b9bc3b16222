"""What becomes of calls when the connection to Asterisk breaks, or Asterisk itself."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from uuid import uuid4

import pytest
from tests.contract.worlds import new_recording

from fairdial.core.attempt import EndCause
from fairdial.core.conversation import Part
from fairdial.core.ids import SessionId
from fairdial.exceptions import EngineUnavailable
from fairdial.ports import (
    AgentLegDown,
    CallAnswered,
    CallBridged,
    CallEnded,
    EngineDown,
    EngineUp,
    LiveLegs,
    RecordingEnded,
)

from .asterisk_cast import AsteriskWorld
from .conftest import OpenAsterisk

pytestmark = pytest.mark.wire


def is_up_again(world: AsteriskWorld) -> bool:
    return sum(isinstance(event, EngineUp) for event in world.told) > 1


async def test_a_short_gap_costs_no_call_and_tells_what_was_missed(
    asterisk: AsteriskWorld,
) -> None:
    attempt, session = await asterisk.talk()
    missed, ringing = await asterisk.answered(), await asterisk.ringing()
    await asterisk.wire.cut()
    await asterisk.hang_up(missed)
    await asyncio.sleep(0.3)
    await asterisk.hears(session, {"called"})
    await asterisk.wire.mend()
    ended = await asterisk.until(CallEnded, missed)
    assert (ended.cause, ended.raw) == (
        EndCause.ENGINE_LOST,
        "it ended while Asterisk was away",
    )
    # What lived on is in our hands again.
    await asterisk.pick_up(ringing)
    await asterisk.until(CallAnswered, ringing)
    await asterisk.telephony.hang_up(attempt)
    assert (await asterisk.until(CallEnded, attempt)).cause is EndCause.WE_HUNG_UP
    assert not any(isinstance(event, EngineDown) for event in asterisk.told)


async def test_a_call_placed_in_a_gap_waits_for_its_end(asterisk: AsteriskWorld) -> None:
    await asterisk.wire.cut()
    # What is asked before the break is noticed is unsure, not waiting.
    await asyncio.sleep(0.1)
    dialing = asyncio.create_task(asterisk.ringing())
    await asyncio.sleep(0.5)
    assert not dialing.done()
    await asterisk.wire.mend()
    await asyncio.wait_for(dialing, 10)


async def test_who_answers_in_a_short_gap_is_not_dropped(asterisk: AsteriskWorld) -> None:
    session, attempt = await asterisk.agent(), await asterisk.ringing()
    await asterisk.wire.cut()
    await asterisk.pick_up(attempt)
    await asyncio.sleep(0.6)
    await asterisk.wire.mend()
    await asterisk.until(CallAnswered, attempt)
    await asterisk.telephony.join(attempt, session, Part.TALK)
    await asterisk.hears(session, {"called"})


async def test_after_a_long_gap_nothing_is_dialed_and_what_is_left_over_is_hung_up(
    asterisk: AsteriskWorld,
) -> None:
    attempt, _ = await asterisk.talk()
    await asterisk.wire.cut()
    down = await asterisk.told_of(EngineDown)
    assert "no Asterisk can be reached" in down.why
    with pytest.raises(EngineUnavailable):
        await asterisk.telephony.dial(asterisk.permit(), ring_s=20)
    assert await asterisk.channels() == 2
    await asterisk.wire.mend()
    await asterisk.told_of(EngineUp, count=2)
    await asterisk.is_gone(attempt)
    await asterisk.until_channels(0)
    assert await asterisk.telephony.live() == LiveLegs(attempts=frozenset(), sessions=frozenset())
    # EngineDown has told the end of every leg; telling it again would be a second end.
    assert asterisk.story(attempt)[-1] == "CallBridged"
    await asterisk.talk()


async def test_who_answers_while_the_dialer_is_gone_hears_the_message(
    open_asterisk: OpenAsterisk,
) -> None:
    async with open_asterisk(away_s=0.2) as world:
        attempt = await world.ringing()
        await world.wire.cut()
        await world.told_of(EngineDown)
        await world.pick_up(attempt)
        await world.hears(attempt, {"music"})  # The message is nobody's voice.
        await world.is_gone(attempt)
        await world.until_channels(0)


async def test_killed_outright_asterisk_takes_its_calls_along_and_comes_back(
    asterisk: AsteriskWorld, tmp_path: Path
) -> None:
    attempt, session = await asterisk.talk()
    await asterisk.telephony.record(attempt, new_recording(), tmp_path / "call.wav")
    await asyncio.sleep(1.2)
    os.kill(asterisk.server.pid, signal.SIGKILL)
    await asterisk.told_of(EngineDown)
    taped = await asterisk.until(RecordingEnded, attempt)
    assert taped.seconds > 1
    assert await asterisk.telephony.was_dialed([attempt]) == {attempt: True}
    await asyncio.to_thread(asterisk.server.kill)
    await asterisk.server.start()
    await asterisk.told_of(EngineUp, count=2)
    again = SessionId(uuid4())
    await asterisk.connect(again, "colleague")
    following = await asterisk.answered()
    await asterisk.telephony.join(following, again, Part.TALK)
    await asterisk.hears(again, {"called"})
    assert session not in (await asterisk.telephony.live()).sessions


async def test_a_second_dialer_on_the_same_asterisk_stops_the_first(
    asterisk: AsteriskWorld, open_asterisk: OpenAsterisk
) -> None:
    from dataclasses import replace

    from tests.adapters.sip.sip_cast import RealClock

    from fairdial.adapters.asterisk.telephony import AsteriskTelephony

    second = AsteriskTelephony(
        replace(asterisk.settings, data_dir=asterisk.settings.data_dir / "second"), RealClock()
    )
    await second.start()
    down = await asterisk.told_of(EngineDown)
    assert down.is_final
    with pytest.raises(EngineUnavailable):
        await asterisk.telephony.dial(asterisk.permit(), ring_s=20)
    await second.stop()


async def test_of_two_nodes_one_may_die(open_asterisk: OpenAsterisk) -> None:
    async with open_asterisk(nodes=2) as world:
        agents = [await world.agent(), await world.agent("colleague")]
        calls = [await world.answered() for _ in range(2)]
        for call, agent in zip(calls, agents, strict=True):
            await world.telephony.join(call, agent, Part.TALK)
            await world.until(CallBridged, call)
        os.kill(world.servers[1].pid, signal.SIGKILL)
        gone = await world.told_of(AgentLegDown)
        ended = await world.told_of(CallEnded)
        assert ended.cause is EndCause.ENGINE_LOST
        assert not any(isinstance(event, EngineDown) for event in world.told)
        (left,) = set(agents) - {gone.session_id}
        assert (await world.telephony.live()).sessions == {left}
        following = await world.answered()
        await world.telephony.join(following, left, Part.TALK)
        await world.hears(left, {"called"})


async def test_a_node_that_is_drained_gets_nothing_new(open_asterisk: OpenAsterisk) -> None:
    async with open_asterisk(nodes=2) as world:
        attempt, session = await world.talk()
        other = await world.agent("colleague")
        world.telephony.drain(world.settings.urls[0])
        assert (await world.telephony.live()).sessions == {session, other}
        await world.hears(session, {"called"})
        following = await world.answered()
        await world.telephony.join(following, other, Part.TALK)
        await world.hears(other, {"called"})
        await world.telephony.hang_up(attempt)
        await world.until(CallEnded, attempt)
        world.telephony.drain(world.settings.urls[0])
        down = await world.until(AgentLegDown, session)
        assert "drained" in down.why

"""An agent whose phone is a browser: calls over real SIP, RTP, ICE and DTLS, told by ear."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from tests.adapters.webrtc.cast import Browser, Engine, OpenBrowser, browsers, wave_frames

from fairdial.core.ids import AttemptId, SessionId
from fairdial.exceptions import EngineUnavailable
from fairdial.ports import (
    AgentLegDown,
    AgentLegUp,
    CallAnswered,
    CallBridged,
    EngineDown,
    EngineUp,
    Part,
)

from .sip_cast import Ear, Line, OpenEar, OpenLine, PlaySipp, permit

pytestmark = pytest.mark.wire


@pytest.fixture
async def browser(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenBrowser]:
    """Opens browsers that say a tone, and closes them in the end."""
    async with browsers(monkeypatch) as opened:
        yield opened


async def _connect(line: Line, window: Browser, session: SessionId) -> None:
    await window.take(await line.telephony.connect_browser(session, await window.offer()))


async def _called_party(line: Line, sipp: PlaySipp, ear: OpenEar) -> tuple[AttemptId, Ear]:
    endpoint: Ear = await ear()
    sipp("answers", rtp=endpoint.port)
    attempt = await line.call(permit())
    await line.until_told(CallAnswered, attempt)
    await endpoint.until_heard()
    return attempt, endpoint


async def _hears(endpoint: Ear, hertz: float) -> None:
    listener = Engine()
    listener.heard = endpoint.heard
    await listener.hears(hertz)


async def _is_heard(endpoint: Ear, hertz: float, window: Browser) -> None:
    frames = wave_frames(hertz, 200)
    saying = asyncio.create_task(endpoint.say(frames, to=endpoint.senders[0]))
    await window.hears(hertz)
    saying.cancel()


async def test_a_browser_and_a_called_party_hear_each_other_over_a_reload(
    line: Line, sipp: PlaySipp, ear: OpenEar, browser: OpenBrowser
) -> None:
    session = SessionId(uuid4())
    await line.telephony.connect_agent(session, "browser:ada")
    assert (await line.telephony.live()).sessions == frozenset()
    first = browser(440)
    await _connect(line, first, session)
    await line.until_told(AgentLegUp, session)
    attempt, called = await _called_party(line, sipp, ear)
    await line.telephony.join(attempt, session, Part.TALK)
    await line.until_told(CallBridged, attempt)
    await _hears(called, 440)
    await _is_heard(called, 1000, first)

    await first.close()
    second = browser(600)
    await _connect(line, second, session)
    await _hears(called, 600)
    await _is_heard(called, 1200, second)
    assert line.story(session) == ["AgentLegUp"]
    live = await line.telephony.live()
    assert (live.sessions, live.attempts) == (frozenset({session}), frozenset({attempt}))


async def test_a_silent_browser_goes_down_and_can_come_again(
    open_line: OpenLine, browser: OpenBrowser
) -> None:
    async with open_line(media_lost_s=0.5) as line:
        session = SessionId(uuid4())
        window = browser(440)
        await _connect(line, window, session)
        await line.until_told(AgentLegUp, session)
        await window.close()
        down = await line.until_told(AgentLegDown, session)
        assert down.why == "the browser sent no audio for 0.5 s"
        await _connect(line, browser(600), session)
        await line.until_told(AgentLegUp, session, count=2)


async def test_a_leg_that_is_taken_down_ends_the_browser_s_connection(
    line: Line, browser: OpenBrowser
) -> None:
    session = SessionId(uuid4())
    window = browser(440)
    await _connect(line, window, session)
    await line.until_told(AgentLegUp, session)
    await line.telephony.disconnect_agent(session)
    assert (await line.until_told(AgentLegDown, session)).why == "taken down by us"
    for _ in range(500):
        if window.pc.connectionState in ("closed", "failed"):
            return
        await asyncio.sleep(0.01)
    pytest.fail("the browser's connection stands")


async def test_after_the_death_of_an_engine_the_browser_needs_no_reload(
    line: Line, sipp: PlaySipp, ear: OpenEar, browser: OpenBrowser
) -> None:
    session = SessionId(uuid4())
    window = browser(440)
    await _connect(line, window, session)
    await line.until_told(AgentLegUp, session)
    engine = line.telephony._worker.pid
    assert engine is not None
    os.kill(engine, signal.SIGKILL)
    await line.until_told(EngineDown)
    await line.until_told(EngineUp, count=2)
    await line.telephony.connect_agent(session, "browser:ada")
    await line.until_told(AgentLegUp, session, count=2)
    attempt, called = await _called_party(line, sipp, ear)
    await line.telephony.join(attempt, session, Part.TALK)
    await _hears(called, 440)
    await _is_heard(called, 1000, window)


async def test_the_death_of_the_gateway_takes_the_leg_down(
    line: Line, browser: OpenBrowser
) -> None:
    session = SessionId(uuid4())
    await _connect(line, browser(440), session)
    await line.until_told(AgentLegUp, session)
    gateway = line.telephony._browsers._gateway.pid
    assert gateway is not None
    os.kill(gateway, signal.SIGKILL)
    down = await line.until_told(AgentLegDown, session)
    assert down.why == "the gateway for browsers: its process ended"


async def test_an_offer_that_cannot_be_used_is_refused(line: Line) -> None:
    session = SessionId(uuid4())
    with pytest.raises(EngineUnavailable, match="must have one audio line"):
        await line.telephony.connect_browser(session, "v=0")
    assert line.story(session) == []

"""The part of the contract that is about browsers, on both engines: heard, reloaded, gone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import pytest
from tests.adapters.webrtc.cast import Browser, browsers

from fairdial.core.ids import SessionId
from fairdial.exceptions import EngineUnavailable
from fairdial.media.sounds import LINE_HZ
from fairdial.ports import AgentLegDown, AgentLegUp, CallBridged, Part

from .exchange import VOICES
from .worlds import World

pytestmark = [
    pytest.mark.wire,
    pytest.mark.parametrize(
        "world",
        [
            pytest.param("embedded", marks=pytest.mark.wire),
            pytest.param("asterisk", marks=pytest.mark.wire),
        ],
        indirect=True,
    ),
]

OpenBrowser = Callable[[str], Browser]


@pytest.fixture
async def browser(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenBrowser]:
    """Opens browsers with somebody's voice, and closes them in the end."""
    async with browsers(monkeypatch) as opened:
        yield lambda voice: opened(VOICES[voice])


async def _comes(world: World, window: Browser, session: SessionId) -> None:
    await window.take(await world.telephony.connect_browser(session, await window.offer()))


async def test_a_browser_and_a_called_party_hear_each_other_over_a_reload(
    world: World, browser: OpenBrowser
) -> None:
    session = SessionId(uuid4())
    await world.telephony.connect_agent(session, "browser:ada")
    assert (await world.telephony.live()).sessions == frozenset()
    first = browser("agent")
    await _comes(world, first, session)
    await world.until(AgentLegUp, session)
    await first.hears(LINE_HZ)
    attempt = await world.answered()
    await world.telephony.join(attempt, session, Part.TALK)
    await world.until(CallBridged, attempt)
    await world.hears(attempt, {"agent"})
    await first.hears(VOICES["called"])

    await first.close()
    second = browser("colleague")
    await _comes(world, second, session)
    await world.hears(attempt, {"colleague"})
    await second.hears(VOICES["called"])
    assert world.story(session) == ["AgentLegUp"]
    live = await world.telephony.live()
    assert (live.sessions, live.attempts) == (frozenset({session}), frozenset({attempt}))


async def test_a_browser_can_be_muted_held_and_hung_up_on(
    world: World, browser: OpenBrowser
) -> None:
    session = SessionId(uuid4())
    window = browser("agent")
    await _comes(world, window, session)
    await world.until(AgentLegUp, session)
    attempt = await world.answered()
    await world.telephony.join(attempt, session, Part.TALK)
    await world.hears(attempt, {"agent"})
    await world.telephony.join(attempt, session, Part.LISTEN)
    await world.hears(attempt, set())
    await world.telephony.join(attempt, session, Part.TALK)
    await world.telephony.join(attempt, attempt, Part.HOLD)
    await world.hears(attempt, {"music"})
    await world.telephony.join(attempt, attempt, Part.TALK)
    await world.hears(attempt, {"agent"})
    await world.telephony.disconnect_agent(session)
    await world.until(AgentLegDown, session)
    await world.hears(attempt, set())
    assert (await world.telephony.live()).sessions == frozenset()
    # It may come again.
    await _comes(world, browser("colleague"), session)
    await world.until(AgentLegUp, session, count=2)
    await world.telephony.join(attempt, session, Part.TALK)
    await world.hears(attempt, {"colleague"})


async def test_an_offer_that_is_none_leaves_nothing(world: World) -> None:
    session = SessionId(uuid4())
    with pytest.raises(EngineUnavailable):
        await world.telephony.connect_browser(session, "v=0")
    assert (await world.telephony.live()).sessions == frozenset()
    assert world.story(session) == []

"""Browsers as phones over real ICE, DTLS and SRTP on loopback: audio by content, and the ends."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import aioice.ice
import pytest
from aiortc import RTCPeerConnection
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtcrtpsender import RTCRtpSender

from fairdial.adapters.webrtc.gateway import BrowserGateway
from fairdial.adapters.webrtc.settings import WebRtcSettings
from fairdial.exceptions import EngineUnavailable, SettingsError
from fairdial.media import digits

from .cast import HERE, Browser, Engine

pytestmark = pytest.mark.wire


class Desk:
    """A gateway, and what it told."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.ups: list[str] = []
        self.downs: list[tuple[str, str]] = []
        self.gateway = BrowserGateway(
            WebRtcSettings(data_dir=folder, ip=HERE, **changes),
            on_up=lambda session, _at: self.ups.append(session),
            on_down=lambda session, why: self.downs.append((session, why)),
        )

    async def connect(self, browser: Browser, engine: Engine, session: str = "ada") -> int:
        """A browser that is up, and heard by the engine; the session's RTP port."""
        before = self.ups.count(session)
        answer, port = await self.gateway.connect(session, await browser.offer(), HERE)
        await self.gateway.aim(session, HERE, engine.port)
        await browser.take(answer)
        await until(lambda: self.ups.count(session) > before)
        return port


async def until(is_so: Callable[[], object], within_s: float = 15.0) -> None:
    """Wait for something."""
    async with asyncio.timeout(within_s):
        while not is_so():
            await asyncio.sleep(0.01)


OpenDesk = Callable[..., Any]


@pytest.fixture
def open_desk(tmp_path: Path) -> OpenDesk:
    """Starts a gateway with settings as asked, and stops it in the end."""

    @asynccontextmanager
    async def opened(**changes: Any) -> AsyncIterator[Desk]:
        desk = Desk(tmp_path, **changes)
        await desk.gateway.start()
        try:
            yield desk
        finally:
            await desk.gateway.stop()

    return opened


@pytest.fixture
async def desk(open_desk: OpenDesk) -> AsyncIterator[Desk]:
    """A gateway that is up."""
    async with open_desk() as desk:
        yield desk


@pytest.fixture
async def browsers(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Callable[..., Browser]]:
    """Opens browsers on loopback, and closes them in the end."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: [HERE])
    opened: list[Browser] = []

    def open_one(*args: Any, **kwargs: Any) -> Browser:
        opened.append(Browser(*args, **kwargs))
        return opened[-1]

    yield open_one
    for browser in opened:
        await browser.close()


@pytest.fixture
async def engines() -> AsyncIterator[Callable[[], Awaitable[Engine]]]:
    """Opens RTP ports, and closes them in the end."""
    opened: list[Engine] = []

    async def open_one() -> Engine:
        loop = asyncio.get_running_loop()
        _, engine = await loop.create_datagram_endpoint(Engine, local_addr=(HERE, 0))
        opened.append(engine)
        return engine

    yield open_one
    for engine in opened:
        engine.transport.close()


async def test_browser_and_engine_hear_each_other(desk: Desk, browsers: Any, engines: Any) -> None:
    browser, engine = browsers(440), await engines()
    port = await desk.connect(browser, engine)
    audio = await engine.hears(440)
    assert len({packet.ssrc for packet in audio}) == 1
    assert all((b.seq - a.seq) & 0xFFFF == 1 for a, b in pairwise(audio))
    assert {len(packet.payload) for packet in audio} == {160}
    saying = asyncio.create_task(engine.say(1000, port))
    await browser.hears(1000)
    saying.cancel()
    assert desk.downs == []


async def test_a_law_from_the_engine_and_from_the_browser_is_translated(
    desk: Desk, browsers: Any, engines: Any
) -> None:
    browser, engine = browsers(700, codecs="PCMA"), await engines()
    port = await desk.connect(browser, engine)
    await engine.hears(700)
    for payload_type, hertz in ((0, 1200), (8, 900)):
        saying = asyncio.create_task(engine.say(hertz, port, payload_type=payload_type))
        await browser.hears(hertz)
        saying.cancel()


async def test_a_reload_keeps_the_port_and_the_stream(
    desk: Desk, browsers: Any, engines: Any
) -> None:
    first, engine = browsers(440), await engines()
    port = await desk.connect(first, engine)
    await engine.hears(440)
    await first.close()
    second = browsers(600)
    assert await desk.connect(second, engine) == port
    audio = await engine.hears(600)
    assert len({packet.ssrc for packet in audio}) == 1
    assert all((b.seq - a.seq) & 0xFFFF == 1 for a, b in pairwise(audio))
    saying = asyncio.create_task(engine.say(1000, port))
    await second.hears(1000)
    saying.cancel()
    assert desk.downs == []


async def test_a_second_window_takes_over_from_the_first(
    desk: Desk, browsers: Any, engines: Any
) -> None:
    first, second, engine = browsers(440), browsers(600), await engines()
    port = await desk.connect(first, engine)
    assert await desk.connect(second, engine) == port
    await engine.hears(600)
    await until(lambda: first.pc.connectionState in ("closed", "failed"))


async def test_strangers_are_not_heard(desk: Desk, browsers: Any, engines: Any) -> None:
    browser, engine, stranger = browsers(440), await engines(), await engines()
    port = await desk.connect(browser, engine)
    saying = asyncio.create_task(engine.say(1000, port))
    await browser.hears(1000)
    saying.cancel()
    await asyncio.sleep(0.3)
    browser.samples.clear()
    await stranger.say(2000, port, seconds=0.5)
    saying = asyncio.create_task(engine.say(1200, port))
    await browser.hears(1200)
    saying.cancel()
    assert not browser.heard_ever(2000)


async def test_keys_pass_as_events_where_the_browser_has_them(
    desk: Desk, browsers: Any, engines: Any
) -> None:
    browser, engine = browsers(440), await engines()
    offer = await browser.offer()
    head, _, tail = offer.partition("a=rtpmap:0 PCMU/8000")
    line = head[head.index("m=audio") :].splitlines()[0]
    offer = head.replace(line, f"{line} 110") + "a=rtpmap:110 telephone-event/8000\r\n"
    offer += "a=rtpmap:0 PCMU/8000" + tail
    answer, port = await desk.gateway.connect("ada", offer, HERE)
    assert "a=rtpmap:110 telephone-event/8000" in answer
    await desk.gateway.aim("ada", HERE, engine.port)
    lines = [text for text in answer.splitlines() if "110" not in text or "m=" in text]
    await browser.take("\r\n".join(lines).replace(" 110\r\n", "\r\n") + "\r\n")
    await until(lambda: desk.ups)
    sender = browser.pc.getSenders()[0]
    for n, event in enumerate(digits.press("5")):
        key = bytearray(12) + event
        key[:12] = b"\x80\x6e" + n.to_bytes(2, "big") + (9).to_bytes(4, "big") + b"keys"
        await sender.transport._send_rtp(bytes(key))
    await until(lambda: [p for p in engine.heard if p.payload_type == 101])
    assert next(p.payload for p in engine.heard if p.payload_type == 101) == digits.press("5")[0]
    assert port


OFFERS = {
    "nothing": ("", "must have one audio line"),
    "no SDP": ("Good morning", "must have one audio line"),
    "a broken line": ("v=0\r\no=-\r\nm=audio nine\r\n", "cannot be used"),
    "no audio": (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n",
        "must have one audio line",
    ),
    "too long": ("v=0\r\n" + "a=x\r\n" * 10_000, "longer than 32768 bytes"),
}


@pytest.mark.parametrize("name", OFFERS)
async def test_an_offer_that_cannot_be_used_is_refused_with_why(name: str, desk: Desk) -> None:
    offer, why = OFFERS[name]
    with pytest.raises(EngineUnavailable, match=why):
        await desk.gateway.connect("ada", offer, HERE)
    assert desk.gateway.port("ada") is None


async def test_a_browser_without_g711_is_told_so(desk: Desk, browsers: Any) -> None:
    with pytest.raises(EngineUnavailable, match="offers neither PCMU nor PCMA"):
        await desk.gateway.connect("ada", await browsers(codecs="opus").offer(), HERE)


async def test_a_bad_offer_leaves_the_browser_that_is_up(
    desk: Desk, browsers: Any, engines: Any
) -> None:
    browser, engine = browsers(440), await engines()
    port = await desk.connect(browser, engine)
    with pytest.raises(EngineUnavailable):
        await desk.gateway.connect("ada", "v=0", HERE)
    assert desk.gateway.port("ada") == port
    engine.heard.clear()
    await engine.hears(440)


async def test_a_browser_that_never_comes_is_given_up(open_desk: OpenDesk, browsers: Any) -> None:
    async with open_desk(connect_s=0.5) as desk:
        await desk.gateway.connect("ada", await browsers().offer(), HERE)
        await until(lambda: desk.downs)
        assert desk.downs == [("ada", "the browser sent no audio within 0.5 s of its offer")]
        assert desk.gateway.port("ada") is None


async def test_a_closed_window_is_waited_for_and_then_given_up(
    open_desk: OpenDesk, browsers: Any, engines: Any
) -> None:
    async with open_desk(return_s=0.5) as desk:
        browser = browsers()
        await desk.connect(browser, await engines())
        await browser.close()
        await until(lambda: desk.downs)
        why = "the browser ended the connection, and none took its place within 0.5 s"
        assert desk.downs == [("ada", why)]


async def test_no_more_than_the_most(open_desk: OpenDesk, browsers: Any) -> None:
    async with open_desk(legs_max=1) as desk:
        await desk.gateway.connect("ada", await browsers().offer(), HERE)
        with pytest.raises(EngineUnavailable, match="carries its most, 1 at once"):
            await desk.gateway.connect("bob", await browsers().offer(), HERE)
        await desk.gateway.disconnect("ada")
        await desk.gateway.connect("bob", await browsers().offer(), HERE)


async def test_a_killed_gateway_takes_its_legs_down_and_comes_back(
    desk: Desk, browsers: Any, engines: Any
) -> None:
    engine = await engines()
    await desk.connect(browsers(), engine)
    before = desk.gateway.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    await until(lambda: desk.downs)
    assert desk.downs == [("ada", "the gateway for browsers: its process ended")]
    await until(lambda: desk.gateway.pid not in (None, before))
    engine.heard.clear()
    await desk.connect(browsers(600), engine)
    await engine.hears(600)


async def test_two_hundred_connections_leave_nothing_behind(
    desk: Desk, browsers: Any, engines: Any
) -> None:
    engine = await engines()

    async def come_and_go(count: int) -> None:
        for _ in range(count):
            browser = browsers()
            await desk.connect(browser, engine)
            await browser.close()
            await desk.gateway.disconnect("ada")

    def held() -> tuple[int, str]:
        of = Path(f"/proc/{desk.gateway.pid}")
        status = (of / "status").read_text()
        return len(list((of / "fd").iterdir())), status.split("Threads:")[1].split()[0]

    await come_and_go(5)
    await asyncio.sleep(0.5)
    before = held()
    await come_and_go(200)
    await until(lambda: held() == before)


async def test_settings_that_cannot_work_are_refused(tmp_path: Path) -> None:
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"ip": "0.0.0.0"}, "name the one address"),
        ({"ip": "here"}, "must be an IPv4 address"),
        ({"ip": HERE, "stun_url": "http://127.0.0.1"}, "no STUN server"),
        ({"ip": HERE, "turn_url": "stun:127.0.0.1"}, "no TURN server"),
    )
    for changes, why in cases:
        with pytest.raises(SettingsError, match=why):
            WebRtcSettings(data_dir=tmp_path, **changes).check()


async def test_what_we_use_of_aiortc_is_still_there() -> None:
    """Private parts of a pinned version: `connection` has to be mended when this fails."""
    assert [*inspect.signature(RTCDtlsTransport._handle_rtp_data).parameters] == [
        "self",
        "data",
        "arrival_time_ms",
    ]
    assert [*inspect.signature(RTCDtlsTransport._send_rtp).parameters] == ["self", "data"]
    assert [*inspect.signature(RTCRtpReceiver.receive).parameters] == ["self", "parameters"]
    assert [*inspect.signature(RTCRtpSender.send).parameters] == ["self", "parameters"]
    assert [*inspect.signature(aioice.ice.get_host_addresses).parameters] == [
        "use_ipv4",
        "use_ipv6",
    ]
    assert "get_host_addresses(" in inspect.getsource(aioice.ice.Connection.gather_candidates)
    assert "self._handle_rtp_data(" in inspect.getsource(RTCDtlsTransport._recv_next)
    source = inspect.getsource(RTCPeerConnection)
    assert "transceiver.sender.send(" in source
    assert "transceiver.receiver.receive(" in source
    browser = Browser()
    assert isinstance(browser.pc.getSenders()[0]._ssrc, int)
    await browser.close()

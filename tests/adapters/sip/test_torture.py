"""The torture test of SIP: whatever comes, nothing rings, the port lives, and calls go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fairdial.ports import CallAnswered, CallEnded

from .raw_peer import RawPeer, raw_peer
from .sip_cast import HERE, Line, OpenLine, permit, trunk
from .torture import BROKEN, OPTIONS, VALID, message

pytestmark = pytest.mark.wire


@pytest.fixture
async def carrier() -> AsyncIterator[RawPeer]:
    """A trunk that picks up every call."""
    async with raw_peer() as peer:
        peer.script = peer.pick_up
        yield peer


@pytest.fixture
async def line(open_line: OpenLine, carrier: RawPeer) -> AsyncIterator[Line]:
    """An engine that takes calls from its trunk."""
    async with open_line(trunks=(trunk(carrier.port, accepts_inbound=True),)) as line:
        yield line


async def calls_go_on(line: Line) -> None:
    attempt = await line.call(permit())
    await line.until_told(CallAnswered, attempt)
    await line.telephony.hang_up(attempt)
    await line.until_told(CallEnded, attempt)


async def said_to(line: Line, peer: RawPeer, texts: dict[str, str]) -> None:
    """Send each message, from the trunk's own address, which is read most willingly."""
    port = line.telephony._settings.sip_port
    for n, text in enumerate(texts.values()):
        filled = text.replace("HERE", HERE).replace("US", f"{HERE}:{port}")
        filled = filled.replace("PORT", str(peer.port)).replace("N;", f"n{n};")
        peer.send(filled.replace("branch=z9hG4bKN", f"branch=z9hG4bKn{n}").encode(), (HERE, port))
        await asyncio.sleep(0.005)


async def test_what_is_odd_and_valid_neither_rings_nor_upsets(line: Line, carrier: RawPeer) -> None:
    await said_to(line, carrier, VALID)
    await calls_go_on(line)
    statuses = {came.status for came in carrier.came if came.method == "SIP/2.0"}
    assert 200 in statuses  # An OPTIONS is an OPTIONS, however it is folded.
    assert all(100 <= status < 700 for status in statuses)


async def test_what_is_broken_neither_rings_nor_upsets(line: Line, carrier: RawPeer) -> None:
    await said_to(line, carrier, BROKEN)
    await calls_go_on(line)
    live = await line.telephony.live()
    assert live.attempts == frozenset()
    assert carrier.count("INVITE") == 1  # Ours.


async def test_the_port_answers_as_before(line: Line, carrier: RawPeer) -> None:
    await said_to(line, carrier, BROKEN)
    known = carrier.count("SIP/2.0")
    await said_to(line, carrier, {"a plain question": message(OPTIONS, "Call-ID: after-all")})
    answer = await carrier.until("SIP/2.0", count=known + 1)
    while answer.header("Call-ID") != "after-all":
        known += 1
        answer = await carrier.until("SIP/2.0", count=known + 1)
    assert answer.status == 200

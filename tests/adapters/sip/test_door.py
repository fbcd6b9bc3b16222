"""The door: what strangers send, how much of it is read, and that calls go on all the while."""

from __future__ import annotations

import asyncio
import random
import time
from uuid import uuid4

import pytest

from fairdial.adapters.sip.door import Door
from fairdial.ports import CallAnswered, CallEnded, EndCause, InboundEnded, InboundOffered

from .raw_peer import raw_peer
from .sip_cast import HERE, OpenLine, permit, trunk

STRANGER = ("192.0.2.7", 5060)
TRUNK = ("192.0.2.1", 5060)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test moves."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_stranger_may_send_a_little_and_a_trunk_a_lot(clock: list[float]) -> None:
    door = Door({TRUNK[0]})
    assert sum(door.admits(b"x", STRANGER) for _ in range(1_000)) == 20
    assert sum(door.admits(b"x", TRUNK) for _ in range(1_000)) == 1_000
    clock[0] += 1.0
    assert sum(door.admits(b"x", STRANGER) for _ in range(1_000)) == 10


def test_many_strangers_have_one_limit_together(clock: list[float]) -> None:
    door = Door({TRUNK[0]})
    made_up = [(f"198.51.{n // 250}.{n % 250}", 5060) for n in range(10_000)]
    assert sum(door.admits(b"x", source) for source in made_up) == 400
    assert door.admits(b"x", TRUNK)
    assert door.turned_away == {"more messages than may come from there": 9_600}


def test_whoever_becomes_known_has_another_limit(clock: list[float]) -> None:
    known: set[str] = set()
    door = Door(known)
    assert sum(door.admits(b"x", STRANGER) for _ in range(100)) == 20
    known.add(STRANGER[0])
    door.forget(STRANGER[0])
    assert sum(door.admits(b"x", STRANGER) for _ in range(100)) == 100


def test_what_is_turned_away_is_logged_once_a_minute(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    door = Door(())
    for _ in range(10_000):
        door.refuse("a call from where none is taken", STRANGER)
    assert len(caplog.records) == 1
    clock[0] += 61
    door.refuse("larger than any SIP message", STRANGER)
    assert "9999 × a call from where none is taken" in caplog.records[-1].getMessage()


def test_a_message_larger_than_any_is_not_read(clock: list[float]) -> None:
    assert not Door({TRUNK[0]}).admits(b"x" * 8_192, TRUNK)


@pytest.mark.wire
async def test_a_flood_rings_nobody_and_calls_go_on(open_line: OpenLine) -> None:
    async with raw_peer() as carrier, raw_peer("127.0.0.2") as stranger:
        carrier.script = carrier.pick_up
        async with open_line(trunks=(trunk(carrier.port),)) as line:
            port = line.telephony._settings.sip_port
            for n in range(5_000):
                stranger.request(
                    "INVITE" if n % 2 else "OPTIONS",
                    f"sip:+1212555{n:04}@{HERE}",
                    (HERE, port),
                    f"From: <sip:x@{HERE}>;tag={n}",
                    f"To: <sip:y@{HERE}>",
                    f"Call-ID: {uuid4()}",
                    f"Contact: <sip:x@{HERE}:{stranger.port}>",
                )
                if n % 100 == 0:
                    await asyncio.sleep(0)
            attempt = await line.call(permit())
            await line.until_told(CallAnswered, attempt)
            await line.telephony.hang_up(attempt)
            ended = await line.until_told(CallEnded, attempt)
            assert ended.cause is EndCause.WE_HUNG_UP
            assert carrier.count("INVITE") == 1
            said = {m.start for m in stranger.came}
            assert said <= {"SIP/2.0 403 Forbidden", "SIP/2.0 200 OK"}
            assert "InboundOffered" not in {type(e).__name__ for e in line.told}


@pytest.mark.wire
async def test_noise_is_survived(open_line: OpenLine) -> None:
    noise = random.Random(4)
    whole = (
        f"INVITE sip:a@{HERE} SIP/2.0\r\nVia: SIP/2.0/UDP {HERE}:9;branch=z9hG4bKx\r\n"
        f"From: <sip:a@{HERE}>;tag=1\r\nTo: <sip:b@{HERE}>\r\nCall-ID: z\r\n"
        "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    ).encode()
    async with raw_peer() as carrier, raw_peer("127.0.0.2") as stranger:
        carrier.script = carrier.pick_up
        async with open_line(trunks=(trunk(carrier.port),)) as line:
            to = (HERE, line.telephony._settings.sip_port)
            for n in range(2_000):
                message = bytearray(whole)
                for _ in range(noise.randrange(1, 30)):
                    message[noise.randrange(len(message))] = noise.randrange(256)
                stranger.send(bytes(message[: noise.randrange(len(message))]), to)
                if n % 50 == 0:
                    await asyncio.sleep(0)
            stranger.send(b"\xff" * 60_000, to)
            attempt = await line.call(permit())
            await line.until_told(CallAnswered, attempt)


@pytest.mark.wire
async def test_a_call_to_us_comes_only_over_a_trunk_that_may(open_line: OpenLine) -> None:
    async with raw_peer() as carrier:
        invite = (
            "From: Bo <sip:anonymous@anonymous.invalid>;tag=1",
            f"To: <sip:13125550199@{HERE}>",
            f"Contact: <sip:x@{HERE}:{carrier.port}>",
            "P-Asserted-Identity: <sip:12125550177@carrier.example;verstat=TN-Validation-Passed>",
            "Content-Type: application/sdp",
        )
        sdp = f"v=0\r\no=- 1 1 IN IP4 {HERE}\r\ns=-\r\nc=IN IP4 {HERE}\r\nt=0 0\r\n"
        sdp += "m=audio 9 RTP/AVP 0\r\n"
        for accepts, status in ((False, 403), (True, 180)):
            known = carrier.count("SIP/2.0")
            ours = trunk(carrier.port, accepts_inbound=accepts)
            async with open_line(trunks=(ours,), inbound_ring_s=0.5) as line:
                to = (HERE, line.telephony._settings.sip_port)
                call_id = f"Call-ID: {uuid4()}"
                uri = f"sip:13125550199@{HERE}"
                carrier.request("INVITE", uri, to, *invite, call_id, body=sdp)
                if not accepts:
                    assert (await carrier.until("SIP/2.0", count=known + 1)).status == status
                    continue
                assert (await carrier.until("SIP/2.0", count=known + 2)).status == status
                offered = await line.until_told(InboundOffered)
                assert (offered.caller, offered.called) == ("+12125550177", "+13125550199")
                assert offered.verification == "TN-Validation-Passed"
                # Nobody takes it: it does not ring for ever.
                ended = await line.until_told(InboundEnded)
                assert (ended.cause, ended.raw) == (
                    EndCause.NO_ANSWER,
                    "our 480 Temporarily Unavailable",
                )

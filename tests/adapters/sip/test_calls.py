"""Calls over real SIP: each answer of the network becomes one event in our words."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from dataclasses import replace
from hashlib import md5

import pytest

from fairdial.adapters.sip.settings import SipSettings
from fairdial.ports import (
    CallAnswered,
    CallDialed,
    CallEnded,
    CallNotDialed,
    CallRinging,
    EndCause,
    LiveLegs,
)

from .sip_cast import (
    CALLER_ID,
    HERE,
    NUMBER,
    Line,
    OpenEar,
    OpenLine,
    PlaySipp,
    invites,
    permit,
    trunk,
    words,
)

pytestmark = pytest.mark.wire

DIALED_AND_ENDED = ["CallDialed", "CallEnded"]
RANG_AND_ENDED = ["CallDialed", "CallRinging", "CallEnded"]
ANSWERED_AND_ENDED = ["CallDialed", "CallRinging", "CallAnswered", "CallEnded"]


async def _end(line: Line, attempt: object) -> tuple[EndCause, str]:
    """How the call ended, once nothing more can come of it."""
    ended = await line.until_told(CallEnded, attempt)  # type: ignore[arg-type]
    await asyncio.sleep(0.1)
    return ended.cause, ended.raw


async def test_an_answered_call_is_told_of_step_by_step(line: Line, sipp: PlaySipp) -> None:
    carrier = sipp("answers")
    attempt = await line.call(permit())
    await line.until_told(CallAnswered, attempt)
    assert await line.telephony.live() == LiveLegs(
        attempts=frozenset({attempt}), sessions=frozenset()
    )
    await line.telephony.hang_up(attempt)
    assert await _end(line, attempt) == (EndCause.WE_HUNG_UP, "our BYE")
    await carrier.played()
    assert line.story(attempt) == ANSWERED_AND_ENDED
    assert await line.telephony.live() == LiveLegs(attempts=frozenset(), sessions=frozenset())


async def test_the_invite_names_attempt_number_and_caller(line: Line, sipp: PlaySipp) -> None:
    carrier = sipp("refuses", status="486 Busy Here")
    attempt = await line.call(permit())
    await line.until_told(CallEnded, attempt)
    await carrier.played()
    said = carrier.said()
    port = line.telephony._settings.trunks[0].port
    assert f"INVITE sip:{NUMBER}@{HERE}:{port} SIP/2.0" in said
    assert re.search(rf"^Call-ID: {attempt}\s*$", said, re.MULTILINE)
    assert re.search(rf'^From: "Alder Solar" <sip:\{CALLER_ID}@{HERE}>;tag=', said, re.MULTILINE)
    assert re.search(rf"^To: <sip:\{NUMBER}@{HERE}>\s*$", said, re.MULTILINE)


async def test_a_trunk_with_a_name_is_called_by_its_name(
    open_line: OpenLine, sipp: PlaySipp, settings: SipSettings
) -> None:
    carrier = sipp("hangs_up")
    named = trunk(settings.trunks[0].port, host="localhost")
    async with open_line(trunks=(named,)) as line:
        attempt = await line.call(permit())
        await line.until_told(CallEnded, attempt)
        await carrier.played()
        port = line.telephony._settings.trunks[0].port
    assert f"INVITE sip:{NUMBER}@localhost:{port} SIP/2.0" in carrier.said()
    assert f"To: <sip:{NUMBER}@localhost>" in carrier.said()


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        ("486 Busy Here", EndCause.BUSY),
        ("600 Busy Everywhere", EndCause.BUSY),
        ("480 Temporarily Unavailable", EndCause.NO_ANSWER),
        ("404 Not Found", EndCause.INVALID),
        ("603 Decline", EndCause.REJECTED),
        ("302 Moved Temporarily", EndCause.REJECTED),
        ("503 Service Unavailable", EndCause.CONGESTION),
        ("488 Not Acceptable Here", EndCause.FAILED),
        ("401 Unauthorized", EndCause.FAILED),
    ],
)
async def test_a_refused_call_says_why(
    line: Line, sipp: PlaySipp, status: str, cause: EndCause
) -> None:
    carrier = sipp("refuses", status=status)
    attempt = await line.call(permit())
    assert await _end(line, attempt) == (cause, f"SIP {status}")
    await carrier.played()
    assert line.story(attempt) == DIALED_AND_ENDED


async def test_a_phone_that_is_not_picked_up_is_cancelled_in_time(
    line: Line, sipp: PlaySipp
) -> None:
    carrier = sipp("rings")
    attempt = await line.call(permit(), ring_s=1)
    assert await _end(line, attempt) == (
        EndCause.NO_ANSWER,
        "our CANCEL after 1 s of ringing; SIP 487 Request Terminated",
    )
    await carrier.played()
    assert line.story(attempt) == RANG_AND_ENDED


async def test_ringing_lasts_as_long_as_was_asked(line: Line, sipp: PlaySipp) -> None:
    sipp("rings")
    attempt = await line.call(permit(), ring_s=2)
    ringing = await line.until_told(CallRinging, attempt)
    ended = await line.until_told(CallEnded, attempt)
    assert 1.9 <= (ended.at - ringing.at).total_seconds() <= 2.6


async def test_a_cancelled_call_ends_once_even_without_its_487(line: Line, sipp: PlaySipp) -> None:
    carrier = sipp("never_487")
    attempt = await line.call(permit(), ring_s=1)
    assert await _end(line, attempt) == (
        EndCause.NO_ANSWER,
        "our CANCEL after 1 s of ringing; no final reply",
    )
    await carrier.played()
    assert line.story(attempt) == RANG_AND_ENDED


async def test_a_wish_to_hang_up_before_the_answer_cancels(line: Line, sipp: PlaySipp) -> None:
    carrier = sipp("rings")
    attempt = await line.call(permit())
    await line.until_told(CallRinging, attempt)
    await line.telephony.hang_up(attempt)
    await line.telephony.hang_up(attempt)
    assert await _end(line, attempt) == (
        EndCause.CANCELLED,
        "our CANCEL; SIP 487 Request Terminated",
    )
    await carrier.played()
    assert line.story(attempt) == RANG_AND_ENDED


async def test_an_answer_that_crosses_our_cancel_is_ended_at_once(
    line: Line, sipp: PlaySipp
) -> None:
    # The scenario fails unless ACK comes first and BYE after it.
    carrier = sipp("crosses")
    attempt = await line.call(permit())
    await line.until_told(CallRinging, attempt)
    await line.telephony.hang_up(attempt)
    assert await _end(line, attempt) == (
        EndCause.CANCELLED,
        "our CANCEL; SIP 200 crossed it: ACK, BYE",
    )
    await carrier.played()
    assert line.story(attempt) == RANG_AND_ENDED


async def test_a_called_party_may_hang_up(line: Line, sipp: PlaySipp) -> None:
    carrier = sipp("hangs_up")
    attempt = await line.call(permit())
    assert await _end(line, attempt) == (EndCause.CALLED_PARTY_HUNG_UP, "SIP BYE")
    await carrier.played()
    assert line.story(attempt) == ANSWERED_AND_ENDED


async def test_a_silent_carrier_ends_the_call_and_is_left_alone(
    open_line: OpenLine, ear: OpenEar
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as carrier:
        carrier.bind((HERE, 0))
        carrier.setblocking(False)
        async with open_line(trunks=(trunk(carrier.getsockname()[1]),)) as line:
            attempt = await line.call(permit())
            assert await _end(line, attempt) == (
                EndCause.NO_RESPONSE,
                "no reply to our INVITE within 2 s",
            )
            received = [carrier.recv(4096).split(b" ")[0] for _ in range(3)]
            assert received == [b"INVITE"] * 3  # At 0, 0.5 and 1.5 s: RFC 3261, timer A.
            await asyncio.sleep(2.0)
            with pytest.raises(BlockingIOError):
                carrier.recv(4096)
            assert line.story(attempt) == DIALED_AND_ENDED


@pytest.mark.parametrize("contact", [";transport=UDP", ";transport=udp", ";transport=TCP"])
async def test_any_spelling_of_the_transport_is_hung_up(
    line: Line, sipp: PlaySipp, contact: str
) -> None:
    carrier = sipp("answers", contact=contact)
    attempt = await line.call(permit())
    await line.until_told(CallAnswered, attempt)
    await line.telephony.hang_up(attempt)
    await carrier.played()
    assert line.story(attempt) == ANSWERED_AND_ENDED


@pytest.mark.parametrize(
    ("status", "challenge"),
    [
        ("401 Unauthorized", "WWW-Authenticate"),
        ("407 Proxy Authentication Required", "Proxy-Authenticate"),
    ],
)
async def test_a_trunk_that_asks_for_a_digest_gets_it(
    open_line: OpenLine, sipp: PlaySipp, settings: SipSettings, status: str, challenge: str
) -> None:
    asked = replace(settings.trunks[0], username="dialer", password="correct horse")
    carrier = sipp("asks_digest", status=status, challenge=challenge)
    async with open_line(trunks=(asked,)) as line:
        attempt = await line.call(permit())
        await line.until_told(CallAnswered, attempt)
        await line.telephony.hang_up(attempt)
        await carrier.played()
        assert line.story(attempt) == ["CallDialed", "CallAnswered", "CallEnded"]
    uri, response = re.findall(r'orization: Digest .*uri="(.*?)",response="(.*?)"', carrier.said())[
        0
    ]
    # RFC 2617, section 3.2.2.1, without qop.
    secret = _md5("dialer:carrier.example:correct horse")
    assert response == _md5(f"{secret}:7f3a9c:{_md5(f'INVITE:{uri}')}")


def _md5(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


async def test_a_wrong_password_ends_the_call(
    open_line: OpenLine, sipp: PlaySipp, settings: SipSettings
) -> None:
    asked = replace(settings.trunks[0], username="dialer", password="a guess")
    carrier = sipp("asks_again", status="401 Unauthorized", challenge="WWW-Authenticate")
    async with open_line(trunks=(asked,)) as line:
        attempt = await line.call(permit())
        assert await _end(line, attempt) == (EndCause.FAILED, "SIP 401 Unauthorized")
        await carrier.played()


async def test_an_answer_without_audio_is_hung_up(open_line: OpenLine, sipp: PlaySipp) -> None:
    carrier = sipp("answers")
    async with open_line(media_lost_s=1.0) as line:
        attempt = await line.call(permit())
        assert await _end(line, attempt) == (
            EndCause.MEDIA_LOST,
            "our BYE: no audio for 1 s",
        )
        await carrier.played()


async def test_an_answer_that_we_cannot_hear_is_hung_up(line: Line, sipp: PlaySipp) -> None:
    carrier = sipp("answers", codecs="18")
    attempt = await line.call(permit())
    assert await _end(line, attempt) == (
        EndCause.FAILED,
        "our BYE: the answer had no usable G.711 audio",
    )
    await carrier.played()


async def test_a_call_above_the_most_is_not_dialed(open_line: OpenLine, sipp: PlaySipp) -> None:
    carrier = sipp("rings")
    async with open_line(calls_max=1) as line:
        first, second = permit(), permit("+12125550143")
        await line.call(first)
        await line.until_told(CallRinging, first.attempt_id)
        await line.call(second)
        declined = await line.until_told(CallNotDialed, second.attempt_id)
        assert declined.why == "the engine carries its most, 1 calls at once"
        assert await line.telephony.was_dialed([first.attempt_id, second.attempt_id]) == {
            first.attempt_id: True,
            second.attempt_id: False,
        }
        await line.telephony.hang_up(first.attempt_id)
        await carrier.played()


async def test_without_a_free_rtp_port_nothing_is_dialed(
    open_line: OpenLine, sipp: PlaySipp
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HERE, 0))
        port = taken.getsockname()[1]
        async with open_line(rtp_port_min=port, rtp_port_max=port) as line:
            attempt = await line.call(permit())
            declined = await line.until_told(CallNotDialed, attempt)
            assert declined.why == (
                f"no free pair of RTP ports on 127.0.0.1 between {port} and {port}: widen the range"
            )
            assert line.story(attempt) == ["CallNotDialed"]


async def test_a_resend_of_the_same_permit_sends_no_second_invite(
    line: Line, sipp: PlaySipp
) -> None:
    carrier = sipp("hangs_up")
    one = permit()
    await line.call(one)
    await line.call(one)
    await line.until_told(CallEnded, one.attempt_id)
    await line.call(one)
    await carrier.played()
    assert invites(carrier) == {str(one.attempt_id): 1}
    assert line.story(one.attempt_id) == ANSWERED_AND_ENDED


async def test_stopping_the_engine_ends_every_call(open_line: OpenLine, sipp: PlaySipp) -> None:
    carrier = sipp("rings")
    async with open_line() as line:
        attempt = await line.call(permit())
        await line.until_told(CallRinging, attempt)
        started = time.monotonic()
    assert time.monotonic() - started < 4
    await carrier.played()
    assert line.story(attempt) == RANG_AND_ENDED


async def test_a_call_keeps_its_audio_when_the_peer_moves_it(
    line: Line, sipp: PlaySipp, ear: OpenEar
) -> None:
    before, after = await ear(), await ear()
    carrier = sipp("moves", rtp=before.port, rtp2=after.port)
    attempt = await line.call(permit())
    await line.until_told(CallAnswered, attempt)
    await after.until_heard()
    ours = after.senders[0]
    await after.say(words("A", 3), to=ours)
    await line.telephony.hang_up(attempt)
    await carrier.played()
    assert line.story(attempt) == ["CallDialed", "CallAnswered", "CallEnded"]


async def test_commands_about_a_call_that_is_gone_do_nothing(line: Line, sipp: PlaySipp) -> None:
    carrier = sipp("refuses", status="486 Busy Here")
    attempt = await line.call(permit())
    await line.until_told(CallEnded, attempt)
    await line.telephony.hang_up(attempt)
    await carrier.played()
    dialed = await line.until_told(CallDialed, attempt)
    assert line.story(attempt) == DIALED_AND_ENDED
    assert dialed.at.tzinfo is not None

"""Several trunks on the wire: order and failover, limits, headers, health checks, registration."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fairdial.ports import CallDialed, CallEnded, CallNotDialed, CallRinging, EndCause, TrunkChanged

from .raw_peer import Message, RawPeer, raw_peer
from .sip_cast import CALLER_ID, HERE, NUMBER, Line, OpenLine, permit, trunk

pytestmark = pytest.mark.wire


@pytest.fixture
async def first() -> AsyncIterator[RawPeer]:
    """The trunk that is tried first."""
    async with raw_peer() as peer:
        yield peer


@pytest.fixture
async def second() -> AsyncIterator[RawPeer]:
    """The trunk that is tried second."""
    async with raw_peer() as peer:
        yield peer


def refusing(peer: RawPeer, status: str, *headers: str) -> None:
    """Let a peer refuse every call."""

    def script(message: Message) -> None:
        if message.method == "INVITE":
            peer.reply(message, status, *headers)

    peer.script = script


def busy(peer: RawPeer) -> None:
    """Let a peer be busy, after ringing."""

    def script(message: Message) -> None:
        if message.method == "INVITE":
            peer.reply(message, "180 Ringing")
            peer.reply(message, "486 Busy Here")

    peer.script = script


def both(first: RawPeer, second: RawPeer, **more: Any) -> tuple[Any, ...]:
    """Two trunks, one before the other."""
    return (
        trunk(second.port, "second", order=2, **more),
        trunk(first.port, "first", order=1, **more),
    )


async def ended(line: Line, attempt: Any) -> tuple[EndCause, str]:
    """How a call ended."""
    event = await line.until_told(CallEnded, attempt)
    return event.cause, event.raw


def dialed(line: Line, attempt: Any) -> list[str]:
    """The trunks that a call went over."""
    return [e.trunk for e in line.told if isinstance(e, CallDialed) and e.attempt_id == attempt]


async def test_a_trunk_that_cannot_hands_the_call_to_the_next(
    open_line: OpenLine, first: RawPeer, second: RawPeer
) -> None:
    refusing(first, "503 Service Unavailable", "Retry-After: 60")
    busy(second)
    async with open_line(trunks=both(first, second)) as line:
        attempt = await line.call(permit())
        assert await ended(line, attempt) == (EndCause.BUSY, "SIP 486 Busy Here")
        assert dialed(line, attempt) == ["first", "second"]
        call_ids = {peer.came[0].header("Call-ID") for peer in (first, second)}
        assert call_ids == {str(attempt)}
        changed = await line.until_told(TrunkChanged)
        assert (changed.trunk, changed.is_up) == ("first", False)
        assert changed.why == "SIP 503 Service Unavailable"
        # For a minute it is left alone, as it asked.
        again = await line.call(permit())
        await ended(line, again)
        assert dialed(line, again) == ["second"]
        up = {status.name: status.is_up for status in await line.telephony.trunks()}
        assert up == {"first": False, "second": True}


async def test_one_destination_without_a_circuit_rests_no_trunk(
    open_line: OpenLine, first: RawPeer
) -> None:
    refusing(first, "503 Service Unavailable")
    async with open_line(trunks=(trunk(first.port),)) as line:
        for _ in range(2):
            how = await ended(line, await line.call(permit()))
            assert how == (EndCause.CONGESTION, "SIP 503 Service Unavailable")
            assert (await line.telephony.trunks())[0].is_up
        await ended(line, await line.call(permit()))
        assert not (await line.telephony.trunks())[0].is_up


async def test_the_only_trunk_says_how_it_refused(open_line: OpenLine, first: RawPeer) -> None:
    refusing(first, "500 Server Internal Error")
    async with open_line(trunks=(trunk(first.port),)) as line:
        attempt = await line.call(permit())
        how = await ended(line, attempt)
        assert how == (EndCause.CONGESTION, "SIP 500 Server Internal Error")


@pytest.mark.parametrize("status", ["486 Busy Here", "404 Not Found", "302 Moved Temporarily"])
async def test_what_the_far_end_says_is_said_once(
    open_line: OpenLine, first: RawPeer, second: RawPeer, status: str
) -> None:
    refusing(first, status, "Contact: <sip:elsewhere@192.0.2.9>")
    async with open_line(trunks=both(first, second)) as line:
        attempt = await line.call(permit())
        assert (await ended(line, attempt))[1] == f"SIP {status}"
        assert second.came == []


async def test_a_call_that_rang_is_never_tried_elsewhere(
    open_line: OpenLine, first: RawPeer, second: RawPeer
) -> None:
    def script(message: Message) -> None:
        if message.method == "INVITE":
            first.reply(message, "180 Ringing")
            first.reply(message, "503 Service Unavailable")

    first.script = script
    async with open_line(trunks=both(first, second)) as line:
        attempt = await line.call(permit())
        assert (await ended(line, attempt))[0] is EndCause.CONGESTION
        assert second.came == []


async def test_a_silent_trunk_may_have_rung_so_nobody_else_is_asked(
    open_line: OpenLine, first: RawPeer, second: RawPeer
) -> None:
    async with open_line(trunks=both(first, second), no_response_s=0.5) as line:
        attempt = await line.call(permit())
        assert (await ended(line, attempt))[0] is EndCause.NO_RESPONSE
        assert second.came == []


async def test_a_full_trunk_leaves_the_call_to_the_next(
    open_line: OpenLine, first: RawPeer, second: RawPeer
) -> None:
    async with open_line(trunks=both(first, second, calls_max=1), no_response_s=5.0) as line:
        attempts = [await line.call(permit(f"+1212555010{n}")) for n in range(3)]
        for attempt in attempts[:2]:
            await line.until_told(CallDialed, attempt)
        declined = await line.until_told(CallNotDialed, attempts[2])
        assert "it carries its most, 1 calls" in declined.why
        assert [dialed(line, attempt) for attempt in attempts] == [["first"], ["second"], []]


async def test_calls_leave_at_the_trunk_s_rate(open_line: OpenLine, first: RawPeer) -> None:
    refusing(first, "486 Busy Here")
    slow = trunk(first.port, calls_per_second=2.0)
    async with open_line(trunks=(slow,)) as line:
        begun = time.monotonic()
        attempts = [await line.call(permit(f"+1212555010{n}")) for n in range(6)]
        for attempt in attempts:
            await ended(line, attempt)
        # Two at once, two a second later, two after another second.
        assert time.monotonic() - begun >= 2.0
        assert first.count("INVITE") == 6


async def test_a_waiting_call_can_be_taken_back(open_line: OpenLine, first: RawPeer) -> None:
    refusing(first, "486 Busy Here")
    slow = trunk(first.port, calls_per_second=0.25)
    async with open_line(trunks=(slow,)) as line:
        await line.call(permit("+12125550101"))
        waiting = await line.call(permit("+12125550102"))
        await line.telephony.hang_up(waiting)
        declined = await line.until_told(CallNotDialed, waiting)
        assert declined.why == "it was taken back before a trunk was free"
        assert line.story(waiting) == ["CallNotDialed"]


async def test_a_permit_that_would_end_first_is_not_waited_for(
    open_line: OpenLine, first: RawPeer
) -> None:
    refusing(first, "486 Busy Here")
    slow = trunk(first.port, calls_per_second=0.1)
    async with open_line(trunks=(slow,)) as line:
        await line.call(permit("+12125550101"))
        declined = await line.until_told(CallNotDialed, await line.call(permit("+12125550102")))
        assert "the permit would end first" in declined.why


async def test_the_invite_is_written_as_the_trunk_wants_it(
    open_line: OpenLine, first: RawPeer
) -> None:
    refusing(first, "486 Busy Here")
    wants = trunk(
        first.port,
        prefix="9",
        number_format="national",
        from_domain="alder.example",
        asserts_identity=True,
        is_private=True,
        has_session_timer=True,
        session_expires_s=600,
    )
    identity = "eyJhbGciOiJFUzI1NiJ9..c2lnbmF0dXJl;info=<https://certs.example/a.pem>;alg=ES256"
    async with open_line(trunks=(wants,)) as line:
        granted = permit()
        await line.telephony.dial(granted, ring_s=20, identity=identity)
        await ended(line, granted.attempt_id)
    invite = first.came[0]
    assert invite.start == f"INVITE sip:9{NUMBER[2:]}@{HERE}:{first.port} SIP/2.0"
    assert f"<sip:{CALLER_ID[2:]}@alder.example>;tag=" in invite.header("From")
    assert invite.header("P-Asserted-Identity") == f"<sip:{CALLER_ID[2:]}@alder.example>"
    assert invite.header("Privacy") == "id"
    assert invite.header("Identity") == identity
    assert invite.header("Session-Expires") == "600"
    assert invite.header("Min-SE") == "90"
    assert invite.header("Supported") == "timer"


async def test_a_longer_session_is_offered_where_one_is_asked_for(
    open_line: OpenLine, first: RawPeer
) -> None:
    def script(message: Message) -> None:
        if message.method == "INVITE" and message.header("Session-Expires") == "120":
            first.reply(message, "422 Session Interval Too Small", "Min-SE: 900")
        elif message.method == "INVITE":
            first.reply(message, "486 Busy Here")

    first.script = script
    async with open_line(trunks=(trunk(first.port, session_expires_s=120),)) as line:
        attempt = await line.call(permit())
        assert (await ended(line, attempt))[0] is EndCause.BUSY
        assert dialed(line, attempt) == ["carrier"]
        offered = [m.header("Session-Expires") for m in first.came if m.method == "INVITE"]
        assert offered == ["120", "900"]


async def test_a_trunk_that_stops_replying_is_down_until_it_is_back(
    open_line: OpenLine, first: RawPeer, second: RawPeer
) -> None:
    replies = True

    def script(message: Message) -> None:
        if message.method == "OPTIONS" and replies:
            first.reply(message, "404 Not Found")  # Whatever it says, it lives.
        elif message.method == "INVITE":
            first.reply(message, "486 Busy Here")

    first.script = script
    busy(second)
    watched = trunk(first.port, "first", order=1, options_s=1.0)
    async with open_line(trunks=(watched, trunk(second.port, "second", order=2))) as line:
        await first.until("OPTIONS")
        replies = False
        down = await line.until_told(TrunkChanged)
        assert (down.trunk, down.is_up, down.why) == ("first", False, "no reply to our OPTIONS")
        attempt = await line.call(permit())
        await ended(line, attempt)
        assert dialed(line, attempt) == ["second"]
        replies = True
        up = await line.until_told(TrunkChanged, count=2)
        assert (up.trunk, up.is_up, up.why) == ("first", True, "SIP 404 to our OPTIONS")
        # Not before it replied twice in a row.
        again = await line.call(permit("+12125550101"))
        await ended(line, again)
        assert dialed(line, again) == ["first"]


class Registrar:
    """A trunk that takes registrations, after a challenge."""

    def __init__(self, peer: RawPeer, *, least: int = 60) -> None:
        self.granted: list[int] = []
        self._peer = peer
        self._least = least
        peer.script = self.take

    def take(self, message: Message) -> None:
        """Reply to a REGISTER."""
        if message.method == "INVITE":
            self._peer.reply(message, "486 Busy Here")
        if message.method != "REGISTER":
            return
        expires = int(message.header("Expires"))
        if not message.header("Authorization"):
            challenge = 'Digest realm="carrier.example", nonce="n1", qop="auth", algorithm=MD5'
            self._peer.reply(message, "401 Unauthorized", f"WWW-Authenticate: {challenge}")
        elif 'username="alder"' not in message.header("Authorization"):
            self._peer.reply(message, "403 Forbidden")
        elif 0 < expires < self._least:
            self._peer.reply(message, "423 Interval Too Brief", f"Min-Expires: {self._least}")
        else:
            self.granted.append(expires)
            self._peer.reply(message, "200 OK", f"Expires: {expires}")


async def test_a_registration_is_kept_and_taken_back(open_line: OpenLine, first: RawPeer) -> None:
    registrar = Registrar(first, least=600)
    registers = trunk(first.port, registers=True, username="alder", password="correct horse")
    async with open_line(trunks=(registers,)) as line:
        up = await line.until_told(TrunkChanged)
        assert (up.is_up, up.why) == (True, "registered for 600 s")
        attempt = await line.call(permit())
        assert (await ended(line, attempt))[0] is EndCause.BUSY
    assert registrar.granted == [600, 0]
    register = next(m for m in first.came if m.method == "REGISTER")
    assert register.header("To") == f"<sip:alder@{HERE}>"
    contact = register.header("Contact")
    assert re.match(rf"<sip:alder@{HERE}:\d+>", contact), contact


async def test_a_refused_registration_says_why_nothing_is_dialed(
    open_line: OpenLine, first: RawPeer
) -> None:
    Registrar(first)
    stranger = trunk(first.port, registers=True, username="nobody", password="a guess")
    async with open_line(trunks=(stranger,)) as line:
        async with asyncio.timeout(10):
            while "403" not in (await line.telephony.trunks())[0].why:
                await asyncio.sleep(0.05)
        declined = await line.until_told(CallNotDialed, await line.call(permit()))
        assert "SIP 403 Forbidden to our REGISTER" in declined.why
        assert first.count("INVITE") == 0


async def test_what_the_far_end_says_vouches_for_the_trunk(
    open_line: OpenLine, first: RawPeer
) -> None:
    busy(first)
    async with open_line(trunks=(trunk(first.port),)) as line:
        attempt = await line.call(permit())
        await line.until_told(CallRinging, attempt)
        await ended(line, attempt)
        status = (await line.telephony.trunks())[0]
        assert (status.is_up, status.calls) == (True, 0)
        assert status.why == "SIP 486 Busy Here"

"""Session timers on the wire (RFC 4028): who refreshes, and what happens when nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from fairdial.adapters.sip import session_timer
from fairdial.adapters.sip.dialog import Dialog, Invitation
from fairdial.adapters.sipstack import SipStack
from fairdial.adapters.wirelog import WireLog
from fairdial.media import sdp

from .raw_peer import Message, RawPeer, raw_peer
from .sip_cast import HERE

pytestmark = pytest.mark.wire


class Told:
    """What a dialog tells."""

    def __init__(self) -> None:
        self.story: list[str] = []

    def on_dialed(self) -> None:
        self.story.append("dialed")

    def on_not_dialed(self, why: str) -> None:
        self.story.append(why)

    def on_progress(self, status: int, _sdp: str) -> None:
        self.story.append(f"{status}")

    def on_answered(self, _sdp: str) -> None:
        self.story.append("answered")

    def on_media(self, _sdp: str) -> None:
        self.story.append("media")

    def on_refused(self, status: int, _raw: str, retry_after_s: float | None) -> None:
        self.story.append(f"{status} {retry_after_s}")

    def on_hung_up(self) -> None:
        self.story.append("hung up")

    def on_expired(self) -> None:
        self.story.append("expired")

    def on_cleared(self, status: int, _raw: str) -> None:
        self.story.append(f"cleared {status}")


@pytest.fixture
async def peer() -> AsyncIterator[RawPeer]:
    """The other end."""
    async with raw_peer() as peer:
        yield peer


OpenCall = Callable[[str], tuple[Dialog, Told]]


@pytest.fixture
async def call(
    peer: RawPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[OpenCall]:
    """Places a call that the peer answers with these headers; sessions may last two seconds."""
    monkeypatch.setattr(session_timer, "SESSION_S_MIN", 2)
    stack = SipStack(
        local_ip=HERE,
        port=0,
        user_agent="test",
        on_request=lambda request, _: (request.genResponse(481, "None"), None, None),
    )
    await stack.start()
    log = WireLog(tmp_path)
    dialogs: list[Dialog] = []

    def place(agreed: str) -> tuple[Dialog, Told]:
        def script(message: Message) -> None:
            if message.method == "INVITE":
                peer.answer(message, *([f"Session-Expires: {agreed}"] if agreed else []))
            elif message.method == "BYE":
                peer.reply(message, "200 OK")

        peer.script = script
        told = Told()
        invitation = Invitation(
            call_id="0d8cc1f4",
            user="+12125550142",
            number="+12125550142",
            address=(HERE, peer.port),
            host=HERE,
            caller_user="+13125550199",
            caller_name="Alder Solar",
            sdp=sdp.build(ip=HERE, port=9, session_id=7),
            is_call=True,
            session_s=2,
        )
        dialogs.append(Dialog(stack, log, invitation, told))
        dialogs[-1].start()
        return dialogs[-1], told

    yield place
    for dialog in dialogs:
        dialog.end()
    await asyncio.sleep(0.1)
    await stack.stop()
    log.close()


def from_peer(invite: Message, method: str, cseq: int, *headers: str) -> str:
    """A request of the answering side within the call."""
    to = invite.header("From")
    return "\n".join(
        [
            f"{method} sip:us@{invite.source[0]}:{invite.source[1]} SIP/2.0",
            f"Via: SIP/2.0/UDP {HERE}:PORT;branch=z9hG4bKpeer{cseq}{method}",
            f"From: {invite.header('To')};tag=PEERTAG",
            f"To: {to}",
            f"Call-ID: {invite.header('Call-ID')}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:peer@{HERE}:9>",
            *headers,
            "Content-Length: 0",
            "",
            "",
        ]
    )


async def test_we_refresh_when_that_is_ours_to_do(call: OpenCall, peer: RawPeer) -> None:
    _, told = call("2;refresher=uac")
    refresh = await peer.until("INVITE", count=3)
    assert refresh.header("Session-Expires") == "2;refresher=uac"
    first = await peer.until("INVITE")
    # The same call, and the same description: nothing is to be renegotiated.
    assert refresh.header("Call-ID") == first.header("Call-ID")
    assert refresh.body == first.body
    await peer.until("ACK", count=3)
    assert told.story == ["dialed", "answered"]


async def test_without_an_agreement_nothing_is_refreshed(call: OpenCall, peer: RawPeer) -> None:
    _, told = call("")
    await asyncio.sleep(3.0)
    assert (peer.count("INVITE"), peer.count("BYE")) == (1, 0)
    assert told.story == ["dialed", "answered"]


async def test_a_peer_that_stops_refreshing_ends_the_call(call: OpenCall, peer: RawPeer) -> None:
    _, told = call("3;refresher=uas")
    await peer.until("BYE", within_s=5.0)
    await asyncio.sleep(0.1)
    assert told.story == ["dialed", "answered", "expired"]


async def test_a_peer_that_refreshes_keeps_the_call(call: OpenCall, peer: RawPeer) -> None:
    _, told = call("3;refresher=uas")
    invite = await peer.until("INVITE")
    await peer.until("ACK")
    for cseq in range(1, 5):
        await asyncio.sleep(1.0)
        # Its UPDATE, which must be answered and must agree again.
        text = (
            from_peer(
                invite, "UPDATE", cseq, "Session-Expires: 3;refresher=uac", "Supported: timer"
            )
            .replace("PEERTAG", peer.tag)
            .replace("PORT", str(peer.port))
        )
        peer.say(text, invite.source)
    agreed = await peer.until("SIP/2.0", count=4)
    assert (agreed.status, agreed.header("Session-Expires")) == (200, "3;refresher=uac")
    assert peer.count("BYE") == 0
    assert told.story == ["dialed", "answered"]


async def test_a_call_that_the_peer_has_forgotten_is_ended(call: OpenCall, peer: RawPeer) -> None:
    _, told = call("2;refresher=uac")
    await peer.until("ACK")

    def forgotten(message: Message) -> None:
        if message.method in ("INVITE", "BYE"):
            peer.reply(message, "481 Call Does Not Exist")

    peer.script = forgotten
    await peer.until("BYE", within_s=5.0)
    await asyncio.sleep(0.1)
    assert told.story == ["dialed", "answered", "expired"]

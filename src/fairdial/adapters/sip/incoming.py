"""One call to us as SIP sees it: rings, is answered or refused, ends.

Everything here runs in sippy's thread, except where said. What happens is told to a `Listener` in
asyncio.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import Any, Protocol

from sippy.CCEvents import (
    CCEventConnect,
    CCEventDisconnect,
    CCEventFail,
    CCEventRing,
    CCEventTry,
    CCEventUpdate,
)
from sippy.MsgBody import MsgBody
from sippy.UA import UA

from fairdial.adapters.sipstack import SipStack
from fairdial.adapters.wirelog import WireLog
from fairdial.core.trunk import TrunkSettings, as_e164

_VERSTAT = re.compile(r"verstat=([A-Za-z-]{1,40})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What an INVITE to us says."""

    trunk: str
    caller: str
    """E.164 where it reads so; empty when withheld."""
    called: str
    verification: str
    sdp: str


def read_offer(request: Any, trunk: TrunkSettings) -> Offer:
    """Who calls whom, by an INVITE of a trunk that we believe."""
    sender = request.getHFBody("from")
    asserted = request.getHFs("p-asserted-identity")
    user = str(sender.getUrl().username or "")
    if asserted:
        found = re.search(r"(?:sips?|tel):([^@;>\s]{1,64})", str(asserted[0].body))
        user = found[1] if found is not None else user
    privacy = " ".join(str(header.body) for header in request.getHFs("privacy"))
    is_withheld = "id" in privacy.replace(";", " ").split() or user.lower() == "anonymous"
    called = str(request.getRURI().username or "")
    if called == trunk.username:
        # A trunk that we registered with calls what we registered; the number is in To.
        called = str(request.getHFBody("to").getUrl().username or "")
    texts = [str(header.body) for header in [*asserted, *request.getHFs("from")]]
    verstat = next((found[1] for t in texts if (found := _VERSTAT.search(t))), "")
    if not verstat and request.countHFs("identity") > 0:
        verstat = "an Identity header came, not verified"
    body = request.getBody()
    return Offer(
        trunk=trunk.name,
        caller="" if is_withheld else as_e164(trunk, user)[:64],
        called=as_e164(trunk, called)[:64],
        verification=verstat,
        sdp="" if body is None else str(body),
    )


class Listener(Protocol):
    """Who is told what became of a call to us. Called in asyncio, in order."""

    def on_media(self, sdp: str, /) -> None:
        """The peer moved its audio (re-INVITE)."""

    def on_gone(self, *, was_answered: bool) -> None:
        """CANCEL or BYE of the peer, or its INVITE expired. Nothing more follows."""


class Incoming:
    """One call to us. `ring`, `answer`, `refuse` and `end` may be called from any thread."""

    def __init__(self, stack: SipStack, log: WireLog, leg: str, peer: tuple[str, int]) -> None:
        self._stack = stack
        self._log = log
        self._leg = leg
        self._peer = peer
        self._is_over = False
        self._is_answered = False
        self.listener: Listener
        """Set in asyncio before anything can be told to it."""
        self._ua = UA(stack.config, event_cb=self._on_event)
        self._ua.local_ua = stack.user_agent

    def open(self, request: Any, transaction: Any) -> Any:
        """Let sippy take the INVITE; returns what `on_request` must return. Sends 100."""
        return self._ua.recvRequest(request, transaction)

    def ring(self) -> None:
        """180."""
        self._stack.run(self._send, CCEventRing((180, "Ringing", None)))

    def answer(self, sdp: str) -> None:
        """200 with our description."""
        self._stack.run(self._answer, sdp)

    def refuse(self, status: int, reason: str) -> None:
        """A final response that is no 200."""
        self._stack.run(self._refuse, status, reason)

    def end(self) -> None:
        """BYE."""
        self._stack.run(self._bye)

    def _send(self, event: Any) -> None:
        if not self._is_over:
            self._ua.recvEvent(event)

    def _answer(self, sdp: str) -> None:
        if self._is_over or self._is_answered:
            return
        self._is_answered = True
        self._ua.recvEvent(CCEventConnect((200, "OK", MsgBody(sdp))))
        # A full disk costs a later engine the BYE it could send; this call goes on as it is.
        with contextlib.suppress(OSError):
            bye = self._ua.genRequest("BYE")
            self._ua.lCSeq -= 1  # This BYE is for a later engine; our own takes the same number.
            server = self._stack.config["_sip_tm"].l4r.getServer(self._peer)
            self._log.answered(
                self._leg, bye=bye.localStr(server.getSIPaddr()), peer=bye.getTarget()[0]
            )

    def _refuse(self, status: int, reason: str) -> None:
        if not self._is_over:
            self._is_over = True
            self._ua.recvEvent(CCEventFail((status, reason)))

    def _bye(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._ua.recvEvent(CCEventDisconnect())

    def _on_event(self, event: Any, ua: Any) -> None:
        if isinstance(event, CCEventTry):
            return  # Told by whoever opened this, who has the whole request.
        if isinstance(event, CCEventUpdate):
            sdp = event.getData()
            ua.recvEvent(CCEventConnect((200, "OK", ua.lSDP)))
            if sdp is not None and not self._is_over:
                self._stack.post(self._tell_media, str(sdp))
        elif isinstance(event, CCEventDisconnect | CCEventFail) and not self._is_over:
            self._is_over = True
            self._stack.post(self._tell_gone, self._is_answered)

    def _tell_media(self, sdp: str) -> None:
        self.listener.on_media(sdp)

    def _tell_gone(self, was_answered: bool) -> None:
        self.listener.on_gone(was_answered=was_answered)

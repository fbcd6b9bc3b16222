"""The SIP side of one incoming call: rings, answers, refuses, hangs up. No audio, no decisions.

Everything here runs in sippy's thread. What happens to a call is told to a `Listener`, also in
sippy's thread, before anything else is done with it: that is where the carrier's log is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from time import time
from types import MappingProxyType
from typing import Any, Protocol

from sippy.CCEvents import (
    CCEventConnect,
    CCEventDisconnect,
    CCEventFail,
    CCEventPreConnect,
    CCEventRing,
    CCEventTry,
    CCEventUpdate,
)
from sippy.MsgBody import MsgBody
from sippy.SipHeader import SipHeader
from sippy.UA import UA

from fairdial.adapters.carrier.line import is_loopback
from fairdial.adapters.sipstack import SipStack
from fairdial.media import sdp

PHRASES: Mapping[int, str] = MappingProxyType(
    {
        400: "Bad Request",
        403: "Forbidden",
        404: "Not Found",
        302: "Moved Temporarily",
        480: "Temporarily Unavailable",
        481: "Call Leg/Transaction Does Not Exist",
        486: "Busy Here",
        488: "Not Acceptable Here",
        501: "Not Implemented",
        503: "Service Unavailable",
        603: "Decline",
    }
)


def phrase(code: int) -> str:
    """The reason phrase of a SIP status (RFC 3261 section 21), where we use it often."""
    return PHRASES.get(code, "Refused")


class Stage(StrEnum):
    """How far a call has come."""

    INVITED = "invited"
    RINGING = "ringing"
    ANSWERED = "answered"
    OVER = "over"


class Listener(Protocol):
    """Who is told about a call. All calls come in sippy's thread; `at` is Unix seconds."""

    def offered(self, dialog: Dialog, offer: sdp.Sdp) -> None:
        """An INVITE came in with a description that we can answer."""

    def reoffered(self, dialog: Dialog, offer: sdp.Sdp) -> None:
        """The caller wants its audio at another address from now on."""

    def rings(self, dialog: Dialog, at: float) -> None:
        """180 was sent."""

    def answered(self, dialog: Dialog, at: float) -> None:
        """200 was sent."""

    def refused(self, dialog: Dialog, code: int, at: float) -> None:
        """A final status was sent instead of an answer. The call is over."""

    def cancelled(self, dialog: Dialog, at: float) -> None:
        """The caller gave up before an answer, or its INVITE expired. The call is over."""

    def hung_up(self, dialog: Dialog, *, by_caller: bool, why: str, at: float) -> None:
        """An answered call ended for another reason than our `hang_up`. The call is over."""


class Dialog:
    """One incoming call, from its INVITE on."""

    def __init__(self, stack: SipStack, listener: Listener, request: Any, *, serial: int) -> None:
        self.serial = serial
        self.call_id = str(request.getHFBody("call-id"))
        self.called = called_of(request)
        self.stage = Stage.INVITED
        self._listener = listener
        self._acknowledged = False
        self._stack = stack
        self._invite_cseq = request.getHFBody("cseq").getCSeqNum()
        self._ua = UA(stack.config, event_cb=self._on_event)

    def open(self, request: Any, transaction: Any) -> Any:
        """Let sippy take the INVITE; returns what `on_request` must return. Sends 100."""
        return self._ua.recvRequest(request, transaction)

    def ring(self) -> None:
        """Send 180, unless the call is over."""
        if self.stage is Stage.INVITED:
            self.stage = Stage.RINGING
            self._ua.recvEvent(CCEventRing((180, "Ringing", None)))
            self._listener.rings(self, time())

    def progress(self, description: str) -> None:
        """Send 183 with a description: audio comes before the answer."""
        if self.stage is Stage.INVITED:
            self.stage = Stage.RINGING
            self._ua.recvEvent(CCEventRing((183, "Session Progress", MsgBody(description))))
            self._listener.rings(self, time())

    def fork(self) -> None:
        """Send 180 as another phone would, with a tag of its own (RFC 3261 section 13.2.2.4)."""
        if self.stage is Stage.RINGING:
            ringing = self._ua.uasResp.getCopy()
            ringing.setSCode(180, "Ringing")
            ringing.getHFBody("to").setTag("another-phone")
            manager = self._stack.config["_sip_tm"]
            address = ringing.getHFBody("via").getTAddr()
            self._stack.send(ringing.localStr(manager.l4r.getServer(address).getSIPaddr()), address)

    def move(self, description: str) -> None:
        """Send a re-INVITE with another description."""
        if self.stage is Stage.ANSWERED:
            self._ua.recvEvent(CCEventUpdate(MsgBody(description)))

    def answer(self, description: str | None) -> None:
        """Send 200 with this description, unless the call is over."""
        if self.stage in (Stage.INVITED, Stage.RINGING):
            self.stage = Stage.ANSWERED
            at = time()
            # As a pre-connect, sippy also tells us of the ACK.
            body = None if description is None else MsgBody(description)
            self._ua.recvEvent(CCEventPreConnect((200, "OK", body)))
            self._listener.answered(self, at)

    def refuse(self, code: int, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Send a final status instead of an answer, unless the call is over."""
        if self.stage in (Stage.INVITED, Stage.RINGING):
            self.stage = Stage.OVER
            refusal = CCEventFail((code, phrase(code)))
            refusal.extra_headers = tuple(SipHeader(name=n, bodys=value) for n, value in headers)
            self._ua.recvEvent(refusal)
            self._listener.refused(self, code, time())

    def hang_up(self) -> None:
        """Send BYE to end an answered call. The listener is not told: its side did this."""
        if self.stage is Stage.ANSWERED:
            self.stage = Stage.OVER
            self._ua.recvEvent(CCEventDisconnect())

    def _on_event(self, event: Any, _ua: Any) -> None:
        if isinstance(event, CCEventTry):
            offer = _offer(event.getData()[3])
            if offer is None:
                self.refuse(488)
            else:
                self._listener.offered(self, offer)
        elif isinstance(event, CCEventConnect):
            self._acknowledged = True
        elif isinstance(event, CCEventUpdate):
            self._reoffered(event)
        elif isinstance(event, CCEventDisconnect | CCEventFail):
            self._gone()

    def _reoffered(self, event: Any) -> None:
        offer = _offer(event.getData())
        if offer is None:
            self._ua.recvEvent(CCEventFail((488, phrase(488))))
        else:
            self._ua.recvEvent(CCEventConnect((200, "OK", self._ua.lSDP)))
            self._listener.reoffered(self, offer)

    def _gone(self) -> None:
        stage, self.stage = self.stage, Stage.OVER
        if stage in (Stage.INVITED, Stage.RINGING):
            self._listener.cancelled(self, time())
        elif stage is Stage.ANSWERED and self._acknowledged:
            self._listener.hung_up(self, by_caller=True, why="BYE", at=time())
        elif stage is Stage.ANSWERED:
            self._gone_unacknowledged()

    def _gone_unacknowledged(self) -> None:
        # sippy gives up on the ACK after 32 s (64 * T1, RFC 3261 13.3.1.4) and sends BYE itself.
        # A caller's BYE can also overtake its lost ACK; its higher CSeq tells them apart.
        by_caller = self._ua.rCSeq != self._invite_cseq
        self._listener.hung_up(
            self, by_caller=by_caller, why="BYE" if by_caller else "no ACK", at=time()
        )


def called_of(request: Any) -> str:
    """The number or name that a request calls: the user part of its Request-URI."""
    return str(request.getRURI().username or "")


def caller_of(request: Any) -> str:
    """The number or name that the request says it comes from."""
    return str(request.getHFBody("from").getUrl().username or "")


def _offer(body: Any) -> sdp.Sdp | None:
    """The caller's audio, if it is PCMU at an address of this machine; None refuses the call."""
    offer = sdp.parse(str(body)) if body is not None else None
    if offer is None or sdp.PCMU not in offer.audio_types or not is_loopback(offer.ip):
        return None
    return offer

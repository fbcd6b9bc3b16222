"""One outgoing call as SIP sees it: INVITE, its answers, CANCEL or BYE.

Everything here runs in sippy's thread, except where said. What happens is told to a `Listener` in
asyncio. Before an INVITE is handed to the socket, it is in the wire log.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Protocol

from sippy.CCEvents import (
    CCEventConnect,
    CCEventDisconnect,
    CCEventFail,
    CCEventRedirect,
    CCEventRing,
    CCEventTry,
    CCEventUpdate,
)
from sippy.MsgBody import MsgBody
from sippy.SipAddress import SipAddress
from sippy.SipCallId import SipCallId
from sippy.SipContact import SipContact
from sippy.SipHeader import SipHeader
from sippy.SipURL import SipURL
from sippy.UA import UA
from sippy.UacStateCancelling import UacStateCancelling
from sippy.UaStateDead import UaStateDead

from fairdial.adapters import causes
from fairdial.adapters.sip import headers, session_timer
from fairdial.adapters.sip.session_timer import SessionTimer
from fairdial.adapters.sipstack import SipStack
from fairdial.adapters.wirelog import WireLog


class Listener(Protocol):
    """Who is told what became of a dialog. Called in asyncio, in order."""

    def on_dialed(self) -> None:
        """The INVITE is with the kernel."""

    def on_not_dialed(self, why: str, /) -> None:
        """No INVITE left. Nothing more follows."""

    def on_progress(self, status: int, sdp: str, /) -> None:
        """A provisional response; with a description, audio may come before the answer."""

    def on_answered(self, sdp: str, /) -> None:
        """200, and our ACK is on its way. `sdp` is empty if the answer had none."""

    def on_media(self, sdp: str, /) -> None:
        """The peer moved its audio (re-INVITE)."""

    def on_refused(self, status: int, raw: str, retry_after_s: float | None, /) -> None:
        """A final response that is no 200. Nothing more follows."""

    def on_hung_up(self) -> None:
        """The peer's BYE. Nothing more follows."""

    def on_expired(self) -> None:
        """Our BYE, because the session was not refreshed (RFC 4028). Nothing more follows."""

    def on_cleared(self, status: int, raw: str, /) -> None:
        """The INVITE that we cancelled got its final response. Nothing more follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What an INVITE says."""

    call_id: str
    user: str
    """The user part of the called URI: the number, as the trunk wants it."""
    number: str
    """Whom the wire log names: the number in E.164, or the phone."""
    address: tuple[str, int]
    """Where the INVITE is sent, as an IPv4 address and port."""
    host: str
    """The host part of the called URI, which may be a name."""
    caller_user: str
    caller_name: str
    sdp: str
    is_call: bool
    """True for the called party's leg, False for an agent's."""
    username: str | None = None
    password: str | None = None
    from_domain: str | None = None
    """The host of the From header; None is our own address."""
    headers: tuple[tuple[str, str], ...] = ()
    """More headers of the INVITE, by name: the asserted identity, a signature."""
    session_s: int | None = None
    """The session timer that is offered, seconds; None offers none."""


class _Cancelling(UacStateCancelling):  # type: ignore[misc]  # sippy is untyped
    """sippy's state after a CANCEL, which also tells how the INVITE ended."""

    def recvResponse(self, resp: Any, tr: Any) -> Any:  # noqa: N802  # sippy's
        status, reason = resp.getSCode()
        if status >= 200:
            self.ua.dialog.cleared(status, reason)
        return super().recvResponse(resp, tr)


class _Try(CCEventTry):  # type: ignore[misc]  # sippy is untyped
    """The wish to call. The URIs name the host as the caller did, not the address behind it."""

    host: str
    from_domain: str | None

    def onUacSetupComplete(self, uac: Any) -> None:  # noqa: N802  # sippy's
        uac.rTarget.host = uac.rUri.getUrl().host = self.host
        if self.from_domain is not None:
            uac.lUri.getUrl().host = self.from_domain


class _Caller(UA):  # type: ignore[misc]  # sippy is untyped
    """sippy's user agent, which asks its dialog before every INVITE."""

    UacStateCancelling = _Cancelling
    dialog: Dialog

    def newUacTransaction(self, req: Any, **named: Any) -> None:  # noqa: N802  # sippy's
        self.dialog.log_invite(req)
        super().newUacTransaction(req, **named)

    def recvResponse(self, resp: Any, tr: Any) -> None:  # noqa: N802  # sippy's
        # What sippy's events do not carry.
        self.dialog.last = resp
        super().recvResponse(resp, tr)

    def recvRequest(self, req: Any, sip_t: Any) -> Any:  # noqa: N802  # sippy's
        if req.getMethod() == "UPDATE" and self.isConnected():
            return self.dialog.updated(req), None, None
        self.dialog.requested(req)
        return super().recvRequest(req, sip_t)

    def sendUasResponse(self, scode: int, reason: str, *args: Any, **named: Any) -> None:  # noqa: N802
        """A refresh that is accepted says so, or the peer would believe the timer is off."""
        named["extra_headers"] = (*(named.get("extra_headers") or ()), *self.dialog.agreed(scode))
        super().sendUasResponse(scode, reason, *args, **named)


class Dialog:
    """One outgoing call. `start` and `end` may be called from any thread."""

    def __init__(
        self, stack: SipStack, log: WireLog, invitation: Invitation, listener: Listener
    ) -> None:
        self._stack = stack
        self._log = log
        self._invitation = invitation
        self._listener = listener
        self._ua: Any = None
        self._is_over = False
        self._session_s = invitation.session_s
        self._timer: SessionTimer | None = None
        self._asked: tuple[int, bool | None] | None = None
        """What the peer's last request within the call said of the timer."""
        self.last: Any = None
        """The last response."""

    def start(self) -> None:
        """Send the INVITE."""
        self._stack.run(self._start)

    def end(self) -> None:
        """CANCEL or BYE, as the call stands; nothing if it is over."""
        self._stack.run(self._end)

    def _start(self) -> None:
        i = self._invitation
        is_first = self._ua is None
        self._ua = ua = _Caller(
            self._stack.config,
            event_cb=self._on_event,
            username=i.username,
            password=i.password,
            nh_address=i.address,
        )
        ua.dialog = self
        ua.local_ua = self._stack.user_agent
        ua.lContact = SipContact(address=SipAddress(url=SipURL()))
        offer = (SipCallId(i.call_id), i.caller_user, i.user, MsgBody(i.sdp), None, i.caller_name)
        wish = _Try(offer)
        wish.host = i.host
        wish.from_domain = i.from_domain
        wish.extra_headers = (
            *(SipHeader(name=name, bodys=value) for name, value in i.headers),
            *(() if self._session_s is None else session_timer.offer(self._session_s)),
        )
        try:
            ua.recvEvent(wish)
        except Exception as failure:  # sippy raises anything; nothing was sent
            self._is_over = True
            ua.changeState((UaStateDead,))
            self._tell(self._listener.on_not_dialed, f"the INVITE could not be sent: {failure}")
        else:
            if is_first:
                self._tell(self._listener.on_dialed)

    def _end(self) -> None:
        if self._ua is None or self._is_over:
            return
        self._close()
        transaction = self._ua.tr
        if transaction is not None and transaction.teA is not None:
            # Unanswered so far: no repetition may make a phone ring that nobody waits for. A
            # late response still gets its CANCEL, or its ACK and BYE.
            transaction.teA.cancel()
            transaction.teA = None
        self._ua.recvEvent(CCEventDisconnect())

    def _on_event(self, event: Any, ua: Any) -> None:
        """An event of sippy's user agent."""
        if isinstance(event, CCEventUpdate):
            sdp = event.getData()
            ua.recvEvent(CCEventConnect((200, "OK", ua.lSDP)))
            if sdp is not None and not self._is_over:
                self._tell(self._listener.on_media, str(sdp))
            return
        if self._is_over:
            return
        if isinstance(event, CCEventRing):
            status, _, body = event.getData()
            sdp = "" if body is None else str(body)
            self._tell(self._listener.on_progress, int(status), sdp)
        elif isinstance(event, CCEventConnect):
            body = event.getData()[2]
            # A full disk costs a later engine the BYE it could send; this call goes on as it is.
            with contextlib.suppress(OSError):
                self._log_answer(ua)
            self._begin_timer(ua)
            # Told after our ACK has left, which it does when this returns: whoever is told may
            # count on a call that stands.
            sdp = "" if body is None else str(body)
            self._stack.run(self._tell, self._listener.on_answered, sdp)
        elif isinstance(event, (CCEventFail, CCEventRedirect)):
            status, reason = event.getData()[:2]
            if status == 422 and self._offers_longer(session_timer.least(self.last)):
                return
            self._close()
            more = event.reason_rfc3326
            raw = causes.raw(int(status), reason, None if more is None else f"Reason: {more}")
            retry_after_s = headers.number(self.last, "retry-after")
            self._tell(self._listener.on_refused, int(status), raw, retry_after_s)
        elif isinstance(event, CCEventDisconnect):
            self._close()
            self._tell(self._listener.on_hung_up)

    def cleared(self, status: int, reason: str) -> None:
        """The cancelled INVITE got its final response."""
        self._tell(self._listener.on_cleared, status, causes.raw(status, reason))

    def log_invite(self, req: Any) -> None:
        """Write the INVITE down, with the CANCEL that takes it back. Raises `OSError`."""
        i = self._invitation
        cancel = req.genCANCEL()
        server = self._stack.config["_sip_tm"].l4r.getServer(i.address)
        self._log.invite(
            i.call_id,
            to=i.number,
            cancel=cancel.localStr(server.getSIPaddr()),
            peer=cancel.getTarget()[0],
            call=i.is_call,
        )

    def _log_answer(self, ua: Any) -> None:
        """Write the answer down, with the BYE that would end the call."""
        bye = ua.genRequest("BYE")
        ua.lCSeq -= 1  # This BYE is for a later engine; our own takes the same number.
        server = self._stack.config["_sip_tm"].l4r.getServer(self._invitation.address)
        self._log.answered(
            self._invitation.call_id,
            bye=bye.localStr(server.getSIPaddr()),
            peer=bye.getTarget()[0],
        )

    def requested(self, request: Any) -> None:
        """The peer sent a request within the call."""
        if request.getMethod() == "INVITE":
            self._asked = session_timer.interval(request)
            if self._timer is not None:
                self._timer.refreshed()

    def updated(self, request: Any) -> Any:
        """Answer an UPDATE (RFC 3311), which sippy leaves unanswered; it may move the audio."""
        self._asked = session_timer.interval(request)
        if self._timer is not None:
            self._timer.refreshed()
        self._ua.rCSeq = request.getHFBody("cseq").getCSeqNum()
        body = request.getBody()
        response = request.genResponse(200, "OK", body=None if body is None else self._ua.lSDP)
        response.appendHeader(SipHeader(name="contact", body=self._ua.lContact))
        response.appendHeaders(self.agreed(200))
        if body is not None and not self._is_over:
            self._tell(self._listener.on_media, str(body))
        return response

    def agreed(self, status: int) -> tuple[Any, ...]:
        """The headers by which a 200 of ours agrees to what the peer asked of the timer."""
        if self._asked is None or not 200 <= status < 300:
            return ()
        seconds, names_uac = self._asked
        refresher = "uas" if names_uac is False else "uac"
        return (
            SipHeader(name="require", bodys="timer"),
            SipHeader(name="session-expires", bodys=f"{seconds};refresher={refresher}"),
        )

    def _begin_timer(self, ua: Any) -> None:
        agreed = None if self._session_s is None else session_timer.interval(self.last)
        if agreed is not None:
            seconds, names_uac = agreed
            self._timer = SessionTimer(
                ua, seconds=seconds, is_ours=names_uac is not False, end=self._session_expired
            )

    def _session_expired(self) -> None:
        if not self._is_over:
            self._end()
            self._tell(self._listener.on_expired)

    def _offers_longer(self, seconds: int) -> bool:
        """Try again with the interval that a 422 asks for; False when that cannot help."""
        if self._session_s is None or seconds <= self._session_s:
            return False
        self._session_s = seconds
        self._stack.run(self._start)
        return True

    def _close(self) -> None:
        self._is_over = True
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _tell(self, fn: Any, *args: object) -> None:
        self._stack.post(fn, *args)

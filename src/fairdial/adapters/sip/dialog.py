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
from sippy.SipURL import SipURL
from sippy.UA import UA
from sippy.UacStateCancelling import UacStateCancelling
from sippy.UaStateDead import UaStateDead

from fairdial.adapters import causes
from fairdial.adapters.sipstack import SipStack
from fairdial.adapters.wirelog import WireLog


class Listener(Protocol):
    """Who is told what became of a dialog. Called in asyncio, in order."""

    def on_dialed(self) -> None:
        """The INVITE is with the kernel."""

    def on_not_dialed(self, why: str, /) -> None:
        """No INVITE left. Nothing more follows."""

    def on_progress(self, status: int, /) -> None:
        """A provisional response."""

    def on_answered(self, sdp: str, /) -> None:
        """200, and our ACK is on its way. `sdp` is empty if the answer had none."""

    def on_media(self, sdp: str, /) -> None:
        """The peer moved its audio (re-INVITE)."""

    def on_refused(self, status: int, raw: str, /) -> None:
        """A final response that is no 200. Nothing more follows."""

    def on_hung_up(self) -> None:
        """The peer's BYE. Nothing more follows."""

    def on_cleared(self, status: int, raw: str, /) -> None:
        """The INVITE that we cancelled got its final response. Nothing more follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What an INVITE says."""

    call_id: str
    user: str
    """The user part of the called URI: the number, for a trunk."""
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

    def onUacSetupComplete(self, uac: Any) -> None:  # noqa: N802  # sippy's
        uac.rTarget.host = uac.rUri.getUrl().host = self.host


class _Caller(UA):  # type: ignore[misc]  # sippy is untyped
    """sippy's user agent, which asks its dialog before every INVITE."""

    UacStateCancelling = _Cancelling
    dialog: Dialog

    def newUacTransaction(self, req: Any, **named: Any) -> None:  # noqa: N802  # sippy's
        self.dialog.log_invite(req)
        super().newUacTransaction(req, **named)


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

    def start(self) -> None:
        """Send the INVITE."""
        self._stack.run(self._start)

    def end(self) -> None:
        """CANCEL or BYE, as the call stands; nothing if it is over."""
        self._stack.run(self._end)

    def _start(self) -> None:
        i = self._invitation
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
        try:
            ua.recvEvent(wish)
        except Exception as failure:  # sippy raises anything; nothing was sent
            self._is_over = True
            ua.changeState((UaStateDead,))
            self._tell(self._listener.on_not_dialed, f"the INVITE could not be sent: {failure}")
        else:
            self._tell(self._listener.on_dialed)

    def _end(self) -> None:
        if self._ua is None or self._is_over:
            return
        self._is_over = True
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
            self._tell(self._listener.on_progress, int(event.getData()[0]))
        elif isinstance(event, CCEventConnect):
            body = event.getData()[2]
            # A full disk costs a later engine the BYE it could send; this call goes on as it is.
            with contextlib.suppress(OSError):
                self._log_answer(ua)
            # Told after our ACK has left, which it does when this returns: whoever is told may
            # count on a call that stands.
            sdp = "" if body is None else str(body)
            self._stack.run(self._tell, self._listener.on_answered, sdp)
        elif isinstance(event, (CCEventFail, CCEventRedirect)):
            self._is_over = True
            status, reason = event.getData()[:2]
            more = event.reason_rfc3326
            raw = causes.raw(int(status), reason, None if more is None else f"Reason: {more}")
            self._tell(self._listener.on_refused, int(status), raw)
        elif isinstance(event, CCEventDisconnect):
            self._is_over = True
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
            to=i.user,
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

    def _tell(self, fn: Any, *args: object) -> None:
        self._stack.post(fn, *args)

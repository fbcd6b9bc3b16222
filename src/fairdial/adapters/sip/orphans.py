"""Calls that a killed engine left behind: phones that ring for nobody, or hear nobody.

The next engine ends them with what the wire log kept: a CANCEL for what still rings, a BYE for what
was answered. A 200 that comes later than the CANCEL gets ACK and BYE; a refusal gets its ACK, so
that the carrier stops repeating it. The same goes for a second phone that picks up a call which the
network forked. All of it in sippy's thread.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any

from sippy.SipRequest import SipRequest

from fairdial.adapters.sipstack import SipStack
from fairdial.adapters.wirelog import Orphan, WireLog

_log = logging.getLogger("fairdial.sip")

_STRAYS_MAX = 10_000
"""Responses answered outside of any call in one run: a bound for a network gone mad."""


class Orphans:
    """The legs that earlier runs left behind, and those whose answer comes too late."""

    def __init__(self, orphans: tuple[Orphan, ...], log: WireLog) -> None:
        self._orphans = orphans
        self._log = log
        self._legs = {orphan.leg for orphan in orphans}
        self._strays = 0
        self.stack: SipStack
        """Set once, before `clear`: the stack needs `on_stray` to be made."""
        self.is_ours: Callable[[str], bool] = self._legs.__contains__
        """Whether a Call-ID is of a call that was ever placed from here."""

    def clear(self) -> None:
        """End every one of them. Callable from any thread."""
        for orphan in self._orphans:
            self.stack.run(self._clear, orphan)

    def on_stray(self, response: Any) -> None:
        """A final response to an INVITE that no call here waits for."""
        self._strays += 1
        call_id = str(response.getHFBody("call-id"))
        if self._strays > _STRAYS_MAX or not (call_id in self._legs or self.is_ours(call_id)):
            return
        status, _ = response.getSCode()
        address = response.getSource()
        if status >= 300:
            via = response.getHFBody("via").getCopy()
            self._send(_request(response, "ACK", via=via), address)
            return
        self._send(_request(response, "ACK"), None)
        self._send(_request(response, "BYE", step=1), None)

    def _clear(self, orphan: Orphan) -> None:
        _log.warning(
            "ending %s, which the engine before this one left behind",
            f"the answered leg {orphan.leg}" if orphan.was_answered else f"ringing {orphan.leg}",
        )
        request = SipRequest(orphan.message)
        request.setTarget((orphan.peer, "udp"))
        # Whatever the reply is, and be it none at all: there is nothing else to be done.
        self.stack.config["_sip_tm"].newTransaction(
            request, resp_cb=lambda response: self._ended(orphan, response)
        )

    def _ended(self, orphan: Orphan, response: Any) -> None:
        status, reason = response.getSCode()
        if status >= 200:
            with contextlib.suppress(OSError):
                self._log.ended(orphan.leg, raw=f"by the next engine; {status} {reason}")

    def _send(self, request: Any, address: tuple[str, int] | None) -> None:
        target = address or request.getTarget()[0]
        server = self.stack.config["_sip_tm"].l4r.getServer(target)
        self.stack.send(request.localStr(server.getSIPaddr()), target)


def _request(response: Any, method: str, *, step: int = 0, via: Any = None) -> Any:
    """A request within the dialog that `response` speaks of (RFC 3261 section 12.2.1.1).

    With the INVITE's own `via` it is the ACK of a refusal, which goes where the INVITE went.
    """
    to = response.getHFBody("to").getCopy()
    routes = [route.getCopy() for route in response.getHFBodys("record-route")]
    routes.reverse()
    if via is None and response.countHFs("contact") > 0:
        uri = response.getHFBody("contact").getUrl().getCopy()
    else:
        uri = to.getUrl().getCopy()
        uri.tag = None
    target = routes[0].getTAddr() if routes else uri.getTAddr()
    return SipRequest(
        method=method,
        ruri=uri,
        to=to,
        fr0m=response.getHFBody("from").getCopy(),
        via=via,
        cseq=response.getHFBody("cseq").getCSeqNum() + step,
        callid=response.getHFBody("call-id").getCopy(),
        routes=routes,
        target=(target[0], "udp"),
    )

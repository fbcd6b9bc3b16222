"""Requests from outside that belong to no call of ours: who may ring us up, register or ask.

Nothing that comes in here can place a call: a call to us is offered to the flow, a registration
says where a phone is, and everything else is declined. Runs in sippy's thread, except where said.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sippy.SipHeader import SipHeader

from fairdial.adapters.sip.door import Door
from fairdial.adapters.sip.engine import Engine
from fairdial.adapters.sip.incoming import Incoming, Offer, read_offer
from fairdial.adapters.sip.registrar import Registrar
from fairdial.adapters.sip.settings import SipSettings
from fairdial.adapters.sipstack import SipStack
from fairdial.adapters.wirelog import WireLog

USER_AGENT = "Fairdial"
REALM = "fairdial"
_ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE"


class Frontdesk:
    """What the SIP port does with strangers, trunks and phones."""

    def __init__(self, settings: SipSettings, log: WireLog) -> None:
        self._known: set[str] = set()
        self._settings = settings
        self._log = log
        self.door = Door(self._known)
        self.registrar = Registrar(
            settings.phones,
            realm=REALM,
            is_sandbox=settings.is_sandbox,
            on_known=self.knows,
            refuse=self.door.refuse,
        )
        self.stack: SipStack
        """Set once, before anything can come in."""
        self.engine: Engine

    def knows(self, address: str) -> None:
        """A trunk, or a phone, sends from there. Callable from any thread."""
        if address not in self._known:
            self._known.add(address)
            self.door.forget(address)

    def take(self, request: Any, transaction: Any) -> Any:
        """Answer a request outside of our calls; what sippy wants to have returned."""
        method = request.getMethod()
        if request.getHFBody("to").getTag() is not None:
            return self._say(request, 481, "Call Does Not Exist")
        match method:
            case "OPTIONS":
                return self._say(request, 200, "OK")
            case "REGISTER" if self._settings.phones:
                return self.registrar.take(request), None, None
            case "INVITE":
                return self._ring(request, transaction)
            case "BYE" | "UPDATE" | "INFO" | "PRACK":
                return self._say(request, 481, "Call Does Not Exist")
            case _:
                self.door.refuse(f"{method[:20]} is not served", request.getSource())
                return self._say(request, 405, "Method Not Allowed")

    def _ring(self, request: Any, transaction: Any) -> Any:
        source = request.getSource()
        trunk = self.engine.trunks.source(source[0])
        if trunk is None:
            self.door.refuse("a call from where none is taken", source)
            return self._say(request, 403, "Forbidden")
        if request.countHFs("contact") == 0:
            return self._say(request, 400, "Contact Missing")
        offer = read_offer(request, trunk)
        if trunk.numbers and offer.called not in trunk.numbers:
            self.door.refuse("a call to a number that is none of ours", source)
            return self._say(request, 404, "Not Found")
        inbound = str(uuid4())
        incoming = Incoming(self.stack, self._log, inbound, source)
        # In asyncio before anything that sippy tells of this call.
        self.stack.post(self._offer, incoming, inbound, offer)
        return incoming.open(request, transaction)

    def _offer(self, incoming: Incoming, inbound: str, offer: Offer) -> None:
        """In asyncio."""
        self.engine.offer_inbound(incoming, inbound, offer)

    @staticmethod
    def _say(request: Any, status: int, reason: str) -> Any:
        response = request.genResponse(status, reason, server=USER_AGENT)
        if status in (200, 405):
            response.appendHeader(SipHeader(name="allow", bodys=_ALLOW))
        return response, None, None

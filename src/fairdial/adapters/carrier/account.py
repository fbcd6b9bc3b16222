"""The account that a carrier's customer has: a password for every call, and perhaps a registration.

Runs in sippy's thread.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from sippy.SipHeader import SipHeader

from fairdial.adapters.digest import Digests, Verdict, given

EXPIRES_S_MAX = 3_600
REALM = "simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """What a scenario says of it."""

    username: str
    password: str = field(repr=False)
    must_register: bool = False
    """Whether calls are taken only from an address that is registered."""
    expires_s_max: int = EXPIRES_S_MAX
    """The longest registration that is granted, seconds."""


class Account:
    """One customer's account."""

    def __init__(self, settings: AccountSettings) -> None:
        self._settings = settings
        self._digests = Digests(REALM)
        self._registered: dict[tuple[str, int], float] = {}
        """Until when each address is registered, by the monotonic clock."""

    def objection(self, request: Any) -> Any:
        """The response to a request that is not taken as it is; None when it is."""
        credentials = given(request)
        if credentials is None:
            return self._digests.ask(request)
        is_theirs = credentials.username == self._settings.username
        verdict = self._digests.verify(
            credentials, method=request.getMethod(), password=self._settings.password
        )
        if not is_theirs or verdict is Verdict.BAD:
            return request.genResponse(403, "Forbidden")
        if verdict is Verdict.STALE:
            return self._digests.ask(request, is_stale=True)
        if request.getMethod() == "INVITE" and not self._may_call(request.getSource()):
            return request.genResponse(403, "Not Registered")
        return None

    def register(self, request: Any) -> Any:
        """The response to a REGISTER whose password is right."""
        contacts = [str(header.body) for header in request.getHFs("contact")]
        if len(contacts) != 1:
            return request.genResponse(400, "One Contact Please")
        expires = [str(header.body) for header in request.getHFs("expires")]
        asked = int(expires[0]) if expires and expires[0].isdecimal() else EXPIRES_S_MAX
        granted = min(asked, self._settings.expires_s_max)
        ip, port = request.getSource()
        self._registered[ip, port] = time.monotonic() + granted
        response = request.genResponse(200, "OK")
        bodys = f"{contacts[0].split(';expires')[0]};expires={granted}"
        response.appendHeader(SipHeader(name="contact", bodys=bodys))
        return response

    def _may_call(self, source: tuple[str, int]) -> bool:
        if not self._settings.must_register:
            return True
        return time.monotonic() < self._registered.get((source[0], source[1]), 0.0)

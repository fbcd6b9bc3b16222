"""Phones of ours that register with us (RFC 3261 section 10): where each can be reached.

Only accounts of the settings may register, with a digest. One phone has one place: the newest
registration wins, as when a phone's address changed. Calls go back to where the registration came
from, which also reaches phones behind a translator of addresses. Runs in sippy's thread; `find`
is for any thread.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sippy.SipHeader import SipHeader

from fairdial.adapters.digest import Digests, Verdict, given
from fairdial.adapters.sip import headers
from fairdial.core.phone import PhoneAccount
from fairdial.core.trunk import is_loopback

EXPIRES_S = 300
"""How long a registration is good when the phone does not say, seconds."""
EXPIRES_S_MIN = 60
EXPIRES_S_MAX = 3_600
FAILURES_MAX = 20
"""Wrong passwords from one address within a quarter of an hour; then it is not asked again."""
_FAILURES_S = 900.0
_ADDRESSES_MAX = 10_000
_CONTACT = re.compile(
    r"<?sip:(?P<user>[A-Za-z0-9._+~%-]{1,64})@(?P<host>[A-Za-z0-9.:\[\]-]{1,253})[^>]*>?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a registered phone is."""

    user: str
    """The user part of its contact, which it wants to be called by."""
    address: tuple[str, int]
    until: float
    """By the monotonic clock."""


class Registrar:
    """The accounts and where they are."""

    def __init__(
        self,
        accounts: tuple[PhoneAccount, ...],
        *,
        realm: str,
        is_sandbox: bool,
        on_known: Callable[[str], None],
        refuse: Callable[[str, tuple[str, int]], None],
    ) -> None:
        """`on_known` is told the addresses of phones; `refuse` what was turned away, and whom."""
        self._passwords: Mapping[str, str] = {a.name: a.password for a in accounts}
        self._digests = Digests(realm)
        self._is_sandbox = is_sandbox
        self._on_known = on_known
        self._refuse = refuse
        self._places: dict[str, Place] = {}
        self._failures: Counter[str] = Counter()
        self._failures_since = time.monotonic()

    def find(self, name: str) -> Place | None:
        """Where a phone is, as long as its registration holds."""
        place = self._places.get(name)
        return place if place is not None and time.monotonic() < place.until else None

    def take(self, request: Any) -> Any:
        """Answer a REGISTER; returns the response."""
        source = request.getSource()
        if self._is_sandbox and not is_loopback(source[0]):
            return self._no(request, 403, "Forbidden", "a registration from elsewhere", source)
        if self._is_blocked(source[0]):
            return self._no(request, 403, "Forbidden", "too many wrong passwords", source)
        name = str(request.getHFBody("to").getUrl().username or "")
        credentials = given(request)
        if credentials is None:
            return self._digests.ask(request)
        password = self._passwords.get(name) if credentials.username == name else None
        # An unknown name takes the same way as a wrong password, in answer and in time.
        verdict = self._digests.verify(
            credentials, method="REGISTER", password=password or "no account has this"
        )
        if password is None or verdict is Verdict.BAD:
            self._failures[source[0]] += 1
            return self._no(request, 403, "Forbidden", "a wrong name or password", source)
        if verdict is Verdict.STALE:
            return self._digests.ask(request, is_stale=True)
        return self._bind(request, name, source)

    def _bind(self, request: Any, name: str, source: tuple[str, int]) -> Any:
        contacts = [str(header.body) for header in request.getHFs("contact")]
        expires = self._expires(request, contacts[0] if contacts else "")
        if expires == 0:
            self._places.pop(name, None)
            return request.genResponse(200, "OK")
        if expires < EXPIRES_S_MIN:
            response = request.genResponse(423, "Interval Too Brief")
            response.appendHeader(SipHeader(name="min-expires", bodys=str(EXPIRES_S_MIN)))
            return response
        found = _CONTACT.search(contacts[0]) if len(contacts) == 1 else None
        if found is None:
            return self._no(request, 400, "One Contact Please", "a contact that is none", source)
        until = time.monotonic() + expires
        self._places[name] = Place(found["user"], (source[0], source[1]), until)
        self._on_known(source[0])
        response = request.genResponse(200, "OK")
        bodys = f"<{found[0].strip('<>')}>;expires={expires}"
        response.appendHeader(SipHeader(name="contact", bodys=bodys))
        return response

    @staticmethod
    def _expires(request: Any, contact: str) -> int:
        """What the phone asks for, within our bounds; 0 ends the registration."""
        own = re.search(r";\s*expires\s*=\s*(\d{1,9})", contact, re.ASCII | re.IGNORECASE)
        asked = int(own[1]) if own is not None else headers.number(request, "expires")
        return min(EXPIRES_S if asked is None else asked, EXPIRES_S_MAX)

    def _no(self, request: Any, status: int, reason: str, why: str, source: Any) -> Any:
        self._refuse(why, (str(source[0]), int(source[1])))
        return request.genResponse(status, reason)

    def _is_blocked(self, address: str) -> bool:
        now = time.monotonic()
        if now - self._failures_since > _FAILURES_S or len(self._failures) > _ADDRESSES_MAX:
            self._failures.clear()
            self._failures_since = now
        return self._failures[address] >= FAILURES_MAX

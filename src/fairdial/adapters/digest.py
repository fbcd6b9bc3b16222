"""Digest authentication as a server asks for it (RFC 8760, RFC 7616): who knows the password.

A nonce is ours by its seal, lives for a minute and is good for rising counts only, so that what was
heard on the wire cannot be sent again. Passwords never cross the network.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import struct
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sippy.SipHeader import SipHeader

NONCE_S = 60.0
"""How long a nonce is good, seconds. Then the client is asked again, which costs one more trip."""
_NONCES_MAX = 10_000
_TEXT_MAX = 2_048
_ALGORITHMS = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}
"""Best first. Phones that know MD5 alone are common; it is not broken for this use."""
_PARAMETER = re.compile(r'\s*([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)')
_COUNT = re.compile(r"[0-9a-fA-F]{8}")


class Verdict(StrEnum):
    """What an Authorization header is worth."""

    GOOD = "good"
    STALE = "stale"
    """The password is right, the nonce too old: ask again, with `stale=true`."""
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An Authorization header, taken apart. Nothing of it is proven yet."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str
    cnonce: str
    nc: str
    qop: str


def parse(text: str) -> Credentials | None:
    """The parts of a header, or None where one is missing, doubled or in no known form."""
    scheme, _, rest = text.strip().partition(" ")
    if scheme.lower() != "digest" or len(text) > _TEXT_MAX:
        return None
    found: dict[str, str] = {}
    place = 0
    while place < len(rest):
        one = _PARAMETER.match(rest, place)
        if one is None or one[1].lower() in found:
            return None
        found[one[1].lower()] = one[2] if one[2] is not None else one[3]
        place = one.end()
    needed = ("username", "realm", "nonce", "uri", "response", "cnonce", "nc", "qop")
    if any(name not in found for name in needed):
        return None
    return Credentials(
        **{name: found[name] for name in needed}, algorithm=found.get("algorithm", "MD5")
    )


def given(request: Any) -> Credentials | None:
    """The first Authorization header of a request that can be read."""
    for header in request.getHFs("authorization"):
        found = parse(str(header.body))
        if found is not None:
            return found
    return None


class Digests:
    """The server's side for one realm. Not for several threads."""

    def __init__(self, realm: str) -> None:
        self.realm = realm
        self._key = secrets.token_bytes(32)
        self._counts: dict[str, int] = {}
        """The highest count that came with each nonce."""

    def challenges(self, *, is_stale: bool = False) -> list[str]:
        """The values of the WWW-Authenticate headers, best algorithm first."""
        nonce = self._nonce()
        stale = ", stale=true" if is_stale else ""
        return [
            f'Digest realm="{self.realm}", nonce="{nonce}", algorithm={name}, qop="auth"{stale}'
            for name in _ALGORITHMS
        ]

    def ask(self, request: Any, *, is_stale: bool = False) -> Any:
        """The 401 that asks whoever sent a request for the password."""
        response = request.genResponse(401, "Unauthorized")
        for challenge in self.challenges(is_stale=is_stale):
            response.appendHeader(SipHeader(name="www-authenticate", bodys=challenge))
        return response

    def verify(self, given: Credentials, *, method: str, password: str) -> Verdict:
        """Whether whoever sent this knows the password, now."""
        make = _ALGORITHMS.get(given.algorithm.upper())
        if make is None or given.qop != "auth" or given.realm != self.realm:
            return Verdict.BAD
        if _COUNT.fullmatch(given.nc) is None:
            return Verdict.BAD
        wanted = response(make, given, method=method, password=password)
        if not hmac.compare_digest(wanted.encode(), given.response.lower().encode()):
            return Verdict.BAD
        age_s = self._age_s(given.nonce)
        if age_s is None:
            return Verdict.BAD
        count = int(given.nc, 16)
        if not 0 <= age_s <= NONCE_S or count <= self._counts.get(given.nonce, 0):
            return Verdict.STALE
        self._counts[given.nonce] = count
        while len(self._counts) > _NONCES_MAX:
            self._counts.pop(next(iter(self._counts)))
        return Verdict.GOOD

    def _nonce(self) -> str:
        stamp = struct.pack(">d", time.monotonic()) + secrets.token_bytes(8)
        return base64.urlsafe_b64encode(stamp + self._seal(stamp)).decode()

    def _age_s(self, nonce: str) -> float | None:
        """The age of a nonce of ours, seconds; None for one that is not."""
        try:
            raw = base64.urlsafe_b64decode(nonce.encode())
        except ValueError:
            return None
        stamp, seal = raw[:16], raw[16:]
        if len(stamp) != 16 or not hmac.compare_digest(seal, self._seal(stamp)):
            return None
        made: float = struct.unpack(">d", stamp[:8])[0]
        return time.monotonic() - made

    def _seal(self, stamp: bytes) -> bytes:
        return hmac.digest(self._key, stamp, "sha256")[:16]


def response(make: Any, given: Credentials, *, method: str, password: str) -> str:
    """The digest that proves the password (RFC 7616 section 3.4.1), in hex."""

    def digest(*parts: str) -> str:
        return str(make(":".join(parts).encode()).hexdigest())

    secret = digest(given.username, given.realm, password)
    wish = digest(method, given.uri)
    return digest(secret, given.nonce, given.nc, given.cnonce, given.qop, wish)

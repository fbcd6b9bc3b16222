"""The guard before every answer: which host was asked for, what a browser may do with the answer.

The page is for this machine. A foreign web site can make a browser's name lookup point at
127.0.0.1 (DNS rebinding) and would then read the page as its own; it cannot forge the Host header,
so requests for other hosts are refused. It can post to us without reading the answer; but a browser
says where a post comes from, so posts from elsewhere, or from nowhere, are refused as well. The
headers allow the page its own files and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fairdial.web.problem import MEDIA_TYPE, Problem

log = logging.getLogger("fairdial.web")

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
SEND_S_MAX = 20.0
"""How long a client may take for one piece of an answer before it is given up."""
BODY_BYTES_MAX = 65_536
"""The longest post that is read."""

_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        b"require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # Pictures hold personal data; nothing of them stays in a cache.
    (b"cache-control", b"no-store"),
)
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:/@\s]+)(?::[0-9]*)?")
_REPLACED = frozenset(name for name, _ in _HEADERS)


class Guard:
    """ASGI middleware: host check, headers, bounded sending, a problem for our own faults."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str] = LOCAL_HOSTS,
        send_s_max: float = SEND_S_MAX,
    ) -> None:
        self.app = app
        self.hosts = frozenset(host.lower() for host in hosts)
        self.send_s_max = send_s_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_started = False

        async def guarded(message: Message) -> None:
            nonlocal is_started
            if message["type"] == "http.response.start":
                is_started = True
                kept = [(k, v) for k, v in message["headers"] if k.lower() not in _REPLACED]
                message = {**message, "headers": [*kept, *_HEADERS]}
            async with asyncio.timeout(self.send_s_max):
                await send(message)

        host = _asked_host(scope)
        if host not in self.hosts:
            named = "no host" if host is None else f"the host {host[:80]!r}"
            await _answer(
                guarded,
                Problem.of(
                    421,
                    f"The request names {named}; this server answers for "
                    f"{', '.join(sorted(self.hosts))} only. Open the page by one of these names.",
                ),
            )
            return
        if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            problem = _post_problem(scope)
            if problem is not None:
                await _answer(guarded, problem)
                return
        try:
            await self.app(scope, receive, guarded)
        except Exception:
            if is_started:
                log.warning("an answer to %s was cut short", scope["path"], exc_info=True)
                return
            log.exception("answering %s failed", scope["path"])
            await _answer(guarded, Problem.of(500, "Answering failed; the log says why."))


def _asked_host(scope: Scope) -> str | None:
    """The Host header without its port; None when it is missing, doubled or malformed."""
    values = [value for name, value in scope["headers"] if name == b"host"]
    if len(values) != 1 or not values[0].isascii():
        return None
    host = _HOST.fullmatch(values[0].decode("ascii").strip().lower())
    return None if host is None else host[1]


def _post_problem(scope: Scope) -> Problem | None:
    """Why a post is not for us to carry out; None when it is one of our own page's."""
    headers = dict(scope["headers"])
    origin = headers.get(b"origin", b"")
    if origin.partition(b"://")[2].lower() != headers[b"host"].strip().lower():
        return Problem.of(
            403,
            "Only this server's own pages may post here: the Origin header must name the host that "
            "is asked.",
        )
    length = headers.get(b"content-length", b"")
    if not length.isdigit():
        return Problem.of(411, "Say how long the post is (Content-Length).")
    if int(length) > BODY_BYTES_MAX:
        return Problem.of(413, f"The post is longer than {BODY_BYTES_MAX} bytes.")
    return None


async def _answer(send: Send, problem: Problem) -> None:
    body = problem.model_dump_json().encode()
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""A client of Asterisk's REST interface (ARI): one WebSocket for events and for requests.

Asterisk 22 takes REST requests over the WebSocket that carries the events (`RESTRequest`,
`RESTResponse`), so that one connection is one order of things: what a request brought about is
told after its reply, or just before it, and never lost between two sockets. A connection that
breaks is not mended here: `node` decides what that means for the calls.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from fairdial.exceptions import EngineUnavailable, SettingsError

_log = logging.getLogger("fairdial.asterisk")

OPEN_S = 5.0
REPLY_S = 5.0
PING_EVERY_S = 2.0
PING_S = 8.0
"""A connection that does not answer a ping for so long is taken for dead."""
MESSAGE_BYTES_MAX = 4_000_000
"""`GET /channels` of some thousand channels is the longest that is ever said."""
WAITING_MAX = 2_000
"""Requests that wait for a reply. Asterisk works one after another: more is a pile-up."""
GONE = frozenset({404, 409})
"""No such thing, or not any more in our hands: what a leg in teardown answers."""

Said = Mapping[str, Any]
"""An event of Asterisk, as it came."""


class AriRefused(Exception):
    """Asterisk understood a request and refused it."""

    def __init__(self, status: int, why: str, what: str) -> None:
        super().__init__(f"Asterisk refused {what}: {status} {why}")
        self.status = status
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class AriAddress:
    """Where Asterisk's HTTP server is, and who we are there."""

    url: str
    """`ws://host:port` or `wss://host:port`, as it is written in the settings."""
    user: str
    password: str
    app: str
    """The name of our Stasis application; one dialer has one."""


class Ari:
    """One connection, from `open` until it breaks or `close`."""

    def __init__(
        self,
        address: AriAddress,
        *,
        on_event: Callable[[Said], None],
        on_lost: Callable[[str], None],
    ) -> None:
        """Describe it. Both callbacks run in the loop and must not wait; `on_lost` comes once."""
        self._address = address
        self._on_event = on_event
        self._on_lost = on_lost
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ids = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Said]] = {}

    @property
    def is_open(self) -> bool:
        """Whether requests can be made."""
        return self._socket is not None

    async def open(self) -> None:
        """Connect. Raises `EngineUnavailable`, or `SettingsError` for a wrong password."""
        address = self._address
        secret = base64.b64encode(f"{address.user}:{address.password}".encode()).decode()
        url = f"{address.url.rstrip('/')}/ari/events?app={quote(address.app)}&subscribeAll=true"
        try:
            self._socket = await connect(
                url,
                additional_headers={"Authorization": f"Basic {secret}"},
                compression=None,
                proxy=None,
                open_timeout=OPEN_S,
                close_timeout=1,
                ping_interval=PING_EVERY_S,
                ping_timeout=PING_S,
                max_size=MESSAGE_BYTES_MAX,
            )
        except InvalidStatus as failure:
            if failure.response.status_code in (401, 403):
                raise SettingsError(
                    f"Asterisk at {address.url} does not let {address.user!r} in: check the user "
                    f"and the password of its ari.conf"
                ) from failure
            raise EngineUnavailable(
                f"Asterisk at {address.url} answered {failure.response.status_code}: is its "
                f"module res_ari loaded, and enabled in ari.conf?"
            ) from failure
        except (OSError, TimeoutError, WebSocketException) as failure:
            raise EngineUnavailable(
                f"Asterisk at {address.url} cannot be reached ({failure!r}): is it "
                f"running, and is its HTTP server (http.conf) on that address?"
            ) from failure
        self._reading = asyncio.create_task(self._read(self._socket))

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        within_s: float = REPLY_S,
        **query: object,
    ) -> Any:
        """Make one request and return what it answers, as JSON values.

        Raises `AriRefused` when Asterisk says no, `EngineUnavailable` when it says nothing: then
        it may have been carried out all the same. A query value of None is left out.
        """
        socket = self._socket
        what = f"{method} {path}"
        if socket is None:
            raise EngineUnavailable(f"there is no connection to Asterisk for {what}")
        if len(self._waiting) >= WAITING_MAX:
            raise EngineUnavailable(f"{WAITING_MAX} requests wait for Asterisk already; no {what}")
        number = str(next(self._ids))
        message: dict[str, Any] = {
            "type": "RESTRequest",
            "request_id": number,
            "transaction_id": number,
            "method": method,
            "uri": path,
            "query_strings": [
                {"name": name, "value": str(value)}
                for name, value in query.items()
                if value is not None
            ],
        }
        if body is not None:
            message["content_type"] = "application/json"
            message["message_body"] = json.dumps(body)
        reply: asyncio.Future[Said] = asyncio.get_running_loop().create_future()
        self._waiting[number] = reply
        try:
            async with asyncio.timeout(within_s):
                await socket.send(json.dumps(message))
                said = await reply
        except (TimeoutError, WebSocketException) as failure:
            raise EngineUnavailable(f"Asterisk did not answer {what} in time") from failure
        finally:
            self._waiting.pop(number, None)
        status = int(said.get("status_code", 0))
        text = said.get("message_body") or "null"
        if not 200 <= status < 300:
            raise AriRefused(status, _reason(said, text), what)
        return json.loads(text)

    async def close(self) -> None:
        """End the connection; `on_lost` is not called for it."""
        socket, self._socket = self._socket, None
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
        if socket is not None:
            with contextlib.suppress(TimeoutError, WebSocketException, OSError):
                await asyncio.wait_for(socket.close(), 2)
        self._fail_waiting()

    async def _read(self, socket: ClientConnection) -> None:
        """Take what Asterisk says until it says no more."""
        why = "the connection was closed"
        try:
            async for text in socket:
                self._take(json.loads(text))
        except (WebSocketException, OSError) as failure:
            why = str(failure)
        except ValueError:
            why = "Asterisk said what is no JSON"
        if self._socket is socket:
            self._socket = None
            self._fail_waiting()
            self._on_lost(why)

    def _take(self, said: Said) -> None:
        if said.get("type") == "RESTResponse":
            reply = self._waiting.get(str(said.get("request_id")))
            if reply is not None and not reply.done():
                reply.set_result(said)
            return
        try:
            self._on_event(said)
        except Exception:
            # One event that we cannot make sense of must not silence all that follow.
            _log.exception("an event of Asterisk was not understood: %s", said.get("type"))

    def _fail_waiting(self) -> None:
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(EngineUnavailable("the connection to Asterisk broke meanwhile"))


def _reason(said: Said, text: str) -> str:
    """Why, in Asterisk's words."""
    with contextlib.suppress(ValueError, AttributeError):
        body = json.loads(text)
        told = body.get("message") or body.get("error")
        if told:
            return str(told)[:300]
    return str(said.get("reason_phrase", ""))[:300]

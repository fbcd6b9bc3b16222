"""A SIP peer of a few lines, on a bare UDP socket: it says what a test wants, right or wrong."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from fairdial.media import sdp

from .sip_cast import HERE


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came."""

    text: str
    source: tuple[str, int]

    @property
    def start(self) -> str:
        """The start line."""
        return self.text.split("\r\n", 1)[0]

    @property
    def method(self) -> str:
        """The method of a request, or `SIP/2.0`."""
        return self.text.split(" ", 1)[0]

    @property
    def status(self) -> int:
        """The status of a response."""
        return int(self.text.split(" ", 2)[1])

    def header(self, name: str) -> str:
        """The first header of a name; empty when there is none."""
        found = re.search(rf"^{re.escape(name)}\s*:\s*(.*?)\r$", self.text, re.MULTILINE | re.I)
        return found[1] if found is not None else ""

    def headers(self, name: str) -> list[str]:
        """All headers of a name."""
        return re.findall(rf"^{re.escape(name)}\s*:\s*(.*?)\r$", self.text, re.MULTILINE | re.I)

    @property
    def body(self) -> str:
        """What stands behind the headers."""
        return self.text.partition("\r\n\r\n")[2]


def _transaction(message: Message) -> str:
    """What a message and its repetitions have in common."""
    return message.start + message.header("Via") + message.header("CSeq")


class RawPeer(asyncio.DatagramProtocol):
    """A socket that remembers what came, and answers as its `script` says."""

    def __init__(self) -> None:
        self.came: list[Message] = []
        self.script: Callable[[Message], None] = lambda _message: None
        self.tag = secrets.token_hex(4)
        self._news = asyncio.Event()
        self._transport: asyncio.DatagramTransport
        self._said: dict[str, tuple[bytes, tuple[str, int]] | None] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    @property
    def ip(self) -> str:
        """Its address."""
        return str(self._transport.get_extra_info("sockname")[0])

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        message = Message(data.decode(), addr)
        key = _transaction(message)
        if key in self._said:
            # A repetition by the clock: what was said may have been lost (RFC 3261, 17.2).
            if (said := self._said[key]) is not None:
                self._transport.sendto(*said)
            return
        self._said[key] = None
        self.came.append(message)
        self._news.set()
        self.script(message)

    def say(self, text: str, to: tuple[str, int]) -> None:
        """Send a message as it stands; line ends are made right."""
        self._transport.sendto(text.replace("\n", "\r\n").encode(), to)

    def send(self, data: bytes, to: tuple[str, int]) -> None:
        """Send bytes."""
        self._transport.sendto(data, to)

    def reply(self, request: Message, status: str, *headers: str, body: str = "") -> None:
        """A response to a request."""
        to = request.header("To")
        if ";tag=" not in to and not status.startswith("100"):
            to += f";tag={self.tag}"
        lines = [
            f"SIP/2.0 {status}",
            *(f"Via: {via}" for via in request.headers("Via")),
            f"From: {request.header('From')}",
            f"To: {to}",
            f"Call-ID: {request.header('Call-ID')}",
            f"CSeq: {request.header('CSeq')}",
            f"Contact: <sip:peer@{HERE}:{self.port}>",
            *headers,
        ]
        if body:
            lines.append("Content-Type: application/sdp")
        lines += [f"Content-Length: {len(body)}", "", ""]
        said = "\r\n".join(lines).encode() + body.encode()
        self._said[_transaction(request)] = said, request.source
        self._transport.sendto(said, request.source)

    def answer(self, request: Message, *headers: str) -> None:
        """200 with a description of audio that goes nowhere."""
        body = sdp.build(ip=HERE, port=9, session_id=1)
        self.reply(request, "200 OK", *headers, body=body)

    def pick_up(self, request: Message) -> None:
        """A script: answer every call, and let it end."""
        if request.method == "INVITE":
            self.answer(request)
        elif request.method == "BYE":
            self.reply(request, "200 OK")

    def request(
        self,
        method: str,
        uri: str,
        to: tuple[str, int],
        *headers: str,
        body: str = "",
        cseq: int = 1,
    ) -> None:
        """A request outside of any call."""
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.ip}:{self.port};branch=z9hG4bK{secrets.token_hex(6)}",
            "Max-Forwards: 70",
            *headers,
            f"CSeq: {cseq} {method}",
            f"Content-Length: {len(body)}",
            "",
            "",
        ]
        self._transport.sendto("\r\n".join(lines).encode() + body.encode(), to)

    async def until(self, what: str, *, count: int = 1, within_s: float = 10.0) -> Message:
        """The `count`-th message of a method (`SIP/2.0` for responses), waited for."""
        async with asyncio.timeout(within_s):
            while True:
                found = [message for message in self.came if message.method == what]
                if len(found) >= count:
                    return found[count - 1]
                self._news.clear()
                await self._news.wait()

    def count(self, what: str) -> int:
        """How many messages of a method came."""
        return sum(message.method == what for message in self.came)

    def close(self) -> None:
        """Be gone."""
        self._transport.close()


@asynccontextmanager
async def raw_peer(ip: str = HERE) -> AsyncIterator[RawPeer]:
    """A peer on a free port of an address of this machine."""
    loop = asyncio.get_running_loop()
    _, peer = await loop.create_datagram_endpoint(RawPeer, local_addr=(ip, 0))
    try:
        yield peer
    finally:
        peer.close()

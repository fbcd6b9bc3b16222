"""A small HTTP client for the tests: whole answers, and streams that are read event by event."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

WAIT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer; header names are in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A stream of server-sent events, its head already read."""

    status: int
    headers: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def event(self) -> tuple[str, Any]:
        """The next event: its name and its data. Raises `EOFError` when the stream ended."""
        name = ""
        async with asyncio.timeout(WAIT_S):
            while line := await self.reader.readline():
                text = line.decode().strip()
                if text.startswith("event: "):
                    name = text.removeprefix("event: ")
                elif text.startswith("data: "):
                    return name, json.loads(text.removeprefix("data: "))
        raise EOFError

    async def close(self) -> None:
        """Leave."""
        self.writer.close()
        await self.writer.wait_closed()


async def ask(
    url: str,
    path: str,
    *,
    host: str | None = "127.0.0.1",
    method: str = "GET",
    is_slow: bool = False,
) -> Stream:
    """Send one request and read the head of its answer; a slow client then takes little more."""
    place = urlsplit(url)
    line = socket.socket()
    if is_slow:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(line, (place.hostname, place.port))
    except OSError:
        line.close()
        raise
    reader, writer = await asyncio.open_connection(sock=line, limit=2048 if is_slow else 2**24)
    named = "" if host is None else f"Host: {host}\r\n"
    version = "1.0" if host is None else "1.1"
    writer.write(f"{method} {path} HTTP/{version}\r\n{named}Connection: close\r\n\r\n".encode())
    await writer.drain()
    async with asyncio.timeout(WAIT_S):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    return Stream(
        status=int(head[0].split()[1]),
        headers={name.lower(): value for name, value in headers.items()},
        reader=reader,
        writer=writer,
    )


async def get(
    url: str, path: str, *, host: str | None = "127.0.0.1", method: str = "GET"
) -> Answer:
    """One request and its whole answer."""
    stream = await ask(url, path, host=host, method=method)
    async with asyncio.timeout(WAIT_S):
        body = await stream.reader.read()
    await stream.close()
    return Answer(status=stream.status, headers=stream.headers, body=body)

"""Browsers as phones of an engine: joins the gateway's ports with the engine's legs.

The gateway is started when the first browser comes: who has none pays nothing for it. Each engine
has legs of its own kind; what they must be able to do is `BrowserLegs`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, Protocol

from fairdial.adapters.webrtc.gateway import BrowserGateway
from fairdial.adapters.webrtc.settings import WebRtcSettings
from fairdial.exceptions import EngineUnavailable

_log = logging.getLogger("fairdial.browsers")


class BrowserLegs(Protocol):
    """An engine's legs whose phone is a browser. All of it may raise `EngineUnavailable`."""

    async def open_browser(self, session: str, port: int) -> tuple[str, int]:
        """The leg that speaks plain RTP with this port of the gateway; returns its own address.

        Opened again for the same session, the leg stays, with the port it has.
        """

    async def browser_up(self, session: str) -> None:
        """The browser's audio flows, for the first time or again."""

    async def browser_down(self, session: str, why: str) -> None:
        """The session has no browser any more."""


class Browsers:
    """The gateway and what the engine is told of it."""

    def __init__(self, settings: WebRtcSettings, legs: BrowserLegs, rtp_ip: str) -> None:
        """Nothing runs before the first browser. `rtp_ip` is ours, where the engine reaches it."""
        self._legs = legs
        self._rtp_ip = rtp_ip
        self._gateway = BrowserGateway(settings, on_up=self._on_up, on_down=self._on_down)
        self._starting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self, session: str, offer: str) -> str:
        """Answer a browser's offer, and nail up its leg. Raises `EngineUnavailable`."""
        async with self._starting:
            await self._gateway.start()
        answer, _ = await self._gateway.connect(session, offer, self._rtp_ip)
        try:
            await self.attach(session)
        except EngineUnavailable:
            await self._gateway.disconnect(session)
            raise
        return answer

    async def attach(self, session: str) -> None:
        """Give a browser that is there its leg in the engine; nothing when there is none."""
        port = self._gateway.port(session)
        if port is None:
            return
        ip, theirs = await self._legs.open_browser(session, port)
        await self._gateway.aim(session, ip, theirs)
        if self._gateway.is_up(session):
            await self._legs.browser_up(session)

    async def disconnect(self, session: str) -> None:
        """End a session's connection, if it has one."""
        if self._gateway.port(session) is not None:
            await self._gateway.disconnect(session)

    def let_go(self, session: str) -> None:
        """The engine took the leg down: its browser has to come again."""
        if self._gateway.port(session) is not None:
            self._start(self._gateway.disconnect(session))

    async def stop(self) -> None:
        """End the gateway, if it runs."""
        await self._gateway.stop()

    def _on_up(self, session: str, _at: float) -> None:
        self._start(self._legs.browser_up(session))

    def _on_down(self, session: str, why: str) -> None:
        self._start(self._legs.browser_down(session, why))

    def _start(self, work: Awaitable[Any]) -> None:
        async def done() -> None:
            try:
                await work
            except EngineUnavailable as failure:
                # The leg died with its engine, or the browser with its gateway.
                _log.info("a browser's leg is gone already: %s", failure)

        task = asyncio.create_task(done())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

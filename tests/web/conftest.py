"""A real server for each test, and a look that counts how often it was taken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from tests.web.pictures import AT, ZONE, picture

from fairdial.flow.picture import Picture
from fairdial.web.pages import create_app
from fairdial.web.server import WebServer

Serve = Callable[..., Awaitable[str]]


@dataclass
class Looks:
    """A campaign to look at: hands out its picture a second older each time, or fails."""

    picture: Picture = field(default_factory=picture)
    count: int = 0
    failures: list[Exception] = field(default_factory=list)

    async def __call__(self) -> Picture:
        """Look."""
        self.count += 1
        if self.failures:
            raise self.failures.pop(0)
        return replace(self.picture, at=AT + timedelta(seconds=self.count - 1))


@pytest.fixture
def looks() -> Looks:
    """The campaign that `serve` shows."""
    return Looks()


@pytest.fixture
async def serve(looks: Looks) -> AsyncIterator[Serve]:
    """Serve the page of `looks` on a free port; returns the address."""
    servers: list[WebServer] = []

    async def start(**options: Any) -> str:
        server = WebServer()
        servers.append(server)
        return await server.start(create_app(looks, zone=ZONE, **options), "127.0.0.1", 0)

    yield start
    for server in servers:
        await server.stop()

"""The fixtures of the tests on a real Asterisk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.contract.conftest import recording as recording

from .asterisk_cast import AsteriskWorld, asterisk_world

OpenAsterisk = Callable[..., AbstractAsyncContextManager[AsteriskWorld]]


@pytest.fixture
def open_asterisk(tmp_path: Path, recording: Path, asterisk_tree: Path) -> OpenAsterisk:
    """Starts Asterisk and an engine with settings changed as asked; stops them in the end."""

    @asynccontextmanager
    async def opened(**changes: Any) -> AsyncIterator[AsteriskWorld]:
        world = await asterisk_world(tmp_path, recording, asterisk_tree, **changes)
        try:
            await world.open()
            yield world
        finally:
            await world.close()

    return opened


@pytest.fixture
async def asterisk(open_asterisk: OpenAsterisk) -> AsyncIterator[AsteriskWorld]:
    """One Asterisk, and an engine that is up."""
    async with open_asterisk() as world:
        yield world

"""The stage that flow tests play on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.flow.cast import Stage, a_stage


@pytest.fixture
async def stage(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with a_stage(database_url, tmp_path) as stage:
        yield stage

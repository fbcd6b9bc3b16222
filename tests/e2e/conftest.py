"""The fixtures of the end-to-end tests: an installation of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .command import Installation, installed


@pytest.fixture
def installation(fast_folder: Path) -> Iterator[Installation]:
    """An empty installation; every process that works for it is gone in the end."""
    with installed(fast_folder) as installation:
        yield installation

"""The fixtures of the end-to-end tests: an installation of its own for each test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .command import Installation


@pytest.fixture
def installation(fast_folder: Path) -> Iterator[Installation]:
    """An empty installation; every process that works for it is gone in the end."""
    # Not pytest's own temporary folder: it is closed to the database's user when we are root.
    folder = Path(tempfile.mkdtemp(prefix="fairdial-e2e-", dir=fast_folder))
    folder.chmod(0o711)
    installation = Installation(folder)
    try:
        yield installation
    finally:
        installation.clear()
        shutil.rmtree(folder)

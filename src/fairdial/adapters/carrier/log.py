"""The carrier's own log: one JSON line for everything that rang, answered or ended.

This is the independent witness of the sandbox. Each line goes to the operating system in one write
before the next thing happens, so a killed carrier has still told all it did.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from time import time
from typing import Any, Final

from fairdial.exceptions import FairdialError

CHALLENGED: Final = "challenged"
REGISTERED: Final = "registered"
INVITE: Final = "invite"
RINGING: Final = "ringing"
ANSWERED: Final = "answered"
REFUSED: Final = "refused"
CANCELLED: Final = "cancelled"
ENDED: Final = "ended"
STARTED: Final = "started"
STOPPED: Final = "stopped"
WITHOUT_A_CALL = frozenset({STARTED, STOPPED, CHALLENGED, REGISTERED})
"""Events that are about no call."""


class CarrierLog:
    """Appends lines to a file. Safe from several threads: one line is one write."""

    def __init__(self, path: Path) -> None:
        """Open for appending. Raises `FairdialError` when the file cannot be written."""
        self._path = path
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            size = os.fstat(self._fd).st_size
            if size and not _ends_with_newline(path):
                # A killed carrier may leave half a line; ours must not be glued to it.
                os.write(self._fd, b"\n")
        except OSError as error:
            raise FairdialError(f"the carrier cannot write its log {path}: {error}") from error

    def write(self, event: str, *, at: float | None = None, **fields: Any) -> None:
        """Write one line; `at` is Unix seconds, now when not given. Raises OSError (disk full)."""
        line = {"at": round(time() if at is None else at, 6), "event": event, **fields}
        os.write(self._fd, json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"

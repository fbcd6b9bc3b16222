"""The one clock and the source of ids, as the composition root hands them out."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from fairdial.core.ids import Instant


class SystemClock:
    """Real time."""

    def now(self) -> Instant:
        return datetime.now(UTC)

    def real(self) -> Instant:
        return datetime.now(UTC)

    def at_unix(self, seconds: float) -> Instant:
        return datetime.fromtimestamp(seconds, UTC)


class SandboxClock:
    """Time that started at a chosen moment and runs as fast as real time.

    A system clock that is set back or forth while it runs does not move it: it follows the
    monotonic clock, and other processes' Unix stamps are read against the moment it was made.
    """

    def __init__(self, start: Instant) -> None:
        self._start = start
        self._monotonic = time.monotonic()
        self._unix = time.time()

    def now(self) -> Instant:
        return self._start + timedelta(seconds=time.monotonic() - self._monotonic)

    def real(self) -> Instant:
        return datetime.now(UTC)

    def at_unix(self, seconds: float) -> Instant:
        return self._start + timedelta(seconds=seconds - self._unix)


class TimeOrderedIds:
    """UUIDs of version 7 (RFC 9562): a millisecond stamp, then 74 random bits."""

    def new(self) -> UUID:
        stamp_ms = time.time_ns() // 1_000_000
        bits = (stamp_ms & (2**48 - 1)) << 80 | 7 << 76 | secrets.randbits(12) << 64
        return UUID(int=bits | 0b10 << 62 | secrets.randbits(62))

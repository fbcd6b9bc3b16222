"""The door of the SIP port: how much a stranger may send, and what was turned away.

Everything that comes is counted before it is parsed, by the address that it came from. A trunk and
a phone of ours may send a lot; anybody else a little, enough to be told no. What is turned away is
counted by reason and logged once a minute, so that nobody can fill a disk from outside. Runs in
sippy's thread.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Collection

from fairdial.adapters.sipstack import MESSAGE_BYTES_MAX

_log = logging.getLogger("fairdial.sip.door")

STRANGER_PER_S = 10.0
"""Messages a second that are read from an address that is none of ours."""
KNOWN_PER_S = 2_000.0
"""Messages a second that are read from a trunk or a registered phone."""
ALL_STRANGERS_PER_S = 200.0
"""Messages a second that are read from all strangers together: addresses can be made up."""
_BURST_S = 2.0
_SOURCES_MAX = 4_096
_REPORT_S = 60.0


class _Bucket:
    """So many a second, and the same for two seconds at once."""

    __slots__ = ("_at", "_left", "_most", "_rate")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._most = self._left = rate * _BURST_S
        self._at = now

    def take(self, now: float) -> bool:
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Door:
    """Counts and limits for one SIP port."""

    def __init__(self, known: Collection[str]) -> None:
        """`known` are the addresses of trunks and phones; it may be changed from outside."""
        self._known = known
        self._buckets: dict[str, _Bucket] = {}
        self._strangers = _Bucket(ALL_STRANGERS_PER_S, time.monotonic())
        self.turned_away: Counter[str] = Counter()
        """How much was turned away since the start, by reason."""
        self._unsaid: Counter[str] = Counter()
        self._said_at = -_REPORT_S

    def admits(self, data: bytes, source: tuple[str, int]) -> bool:
        """Whether a message is to be parsed."""
        if len(data) > MESSAGE_BYTES_MAX:
            self.refuse("larger than any SIP message", source)
            return False
        now = time.monotonic()
        is_known = source[0] in self._known
        bucket = self._buckets.get(source[0])
        if bucket is None:
            if len(self._buckets) >= _SOURCES_MAX:
                self._buckets.clear()
            rate = KNOWN_PER_S if is_known else STRANGER_PER_S
            bucket = self._buckets[source[0]] = _Bucket(rate, now)
        if bucket.take(now) and (is_known or self._strangers.take(now)):
            return True
        self.refuse("more messages than may come from there", source)
        return False

    def unreadable(self, source: tuple[str, int], failure: Exception) -> None:
        """A message could not be read."""
        self.refuse(f"not readable as SIP ({type(failure).__name__})", source)

    def refuse(self, why: str, source: tuple[str, int]) -> None:
        """Count what was turned away, and log it at most once a minute."""
        self.turned_away[why] += 1
        self._unsaid[why] += 1
        now = time.monotonic()
        if now - self._said_at < _REPORT_S:
            return
        self._said_at = now
        said = ", ".join(f"{count} × {reason}" for reason, count in self._unsaid.most_common(8))
        self._unsaid.clear()
        _log.warning("turned away, the last from %s:%d: %s", source[0], source[1], said)

    def forget(self, address: str) -> None:
        """An address became known, or unknown: its limit is another from now on."""
        self._buckets.pop(address, None)

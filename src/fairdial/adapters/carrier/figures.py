"""What a called party's phone measured of the audio it was sent: the independent media figures.

Counted at the receiving end of an answered call, from the first packet that arrived until the end.
Arrival times are the kernel's, so that a late reader does not look like a late sender.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

GAP_MS_MAX = 60_000
"""Longer gaps are counted in the last bucket; `gap_ms_max` still has their length."""
SEQ_JUMP_MAX = 3000
"""A larger jump of the sequence number is a new stream, not loss (RFC 3550 A.1: MAX_DROPOUT)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFigures:
    """The audio of one answered call, as the called party's side received it."""

    sent: int
    """RTP packets sent to the caller."""
    received: int
    lost: int
    """Packets missing by their sequence numbers."""
    foreign: int
    """Packets that came from another address than the caller's description named; not counted."""
    first_audio_ms: float | None
    """From sending the 200 until the first packet came in; None when none came."""
    gaps_ms: Mapping[int, int]
    """How many gaps between two arrivals were at most so many milliseconds (and over the bucket
    before): buckets of 1 ms up to 100, of 10 up to 1000, of 100 up to a minute."""
    gap_ms_max: float

    def to_json(self) -> dict[str, Any]:
        """As written to the log."""
        return {
            "sent": self.sent,
            "received": self.received,
            "lost": self.lost,
            "foreign": self.foreign,
            "first_audio_ms": self.first_audio_ms,
            "gaps_ms": {str(bucket): count for bucket, count in sorted(self.gaps_ms.items())},
            "gap_ms_max": self.gap_ms_max,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> MediaFigures:
        """As read from the log. Raises KeyError, TypeError or ValueError for anything else."""
        first = data["first_audio_ms"]
        return MediaFigures(
            sent=int(data["sent"]),
            received=int(data["received"]),
            lost=int(data["lost"]),
            foreign=int(data["foreign"]),
            first_audio_ms=None if first is None else float(first),
            gaps_ms={int(bucket): int(count) for bucket, count in data["gaps_ms"].items()},
            gap_ms_max=float(data["gap_ms_max"]),
        )


def bucket_of(gap_ms: float) -> int:
    """The upper edge of the bucket that a gap is counted in."""
    if gap_ms <= 100:
        return max(1, ceil(gap_ms))
    step = 10 if gap_ms <= 1000 else 100
    return min(GAP_MS_MAX, ceil(gap_ms / step) * step)


def histogram_percentile(histograms: Iterable[Mapping[int, int]], share: float) -> float | None:
    """The bucket edge that `share` of all gaps do not exceed; None when there are none."""
    total: dict[int, int] = {}
    for histogram in histograms:
        for bucket, count in histogram.items():
            total[bucket] = total.get(bucket, 0) + count
    wanted = share * sum(total.values())
    seen = 0
    for bucket in sorted(total):
        seen += total[bucket]
        if seen >= wanted:
            return float(bucket)
    return None


class ArrivalCounter:
    """Counts one line's arriving packets as they come. Its memory does not grow with the call."""

    __slots__ = (
        "_base",
        "_first_at",
        "_gap_max",
        "_gaps",
        "_highest",
        "_last_at",
        "_lost_before",
        "_ssrc",
        "_stream_received",
        "received",
    )

    def __init__(self) -> None:
        self.received = 0
        self._first_at: float | None = None
        self._last_at: float | None = None
        self._gaps: dict[int, int] = {}
        self._gap_max = 0.0
        self._ssrc: int | None = None
        self._base = 0
        self._highest = 0
        self._stream_received = 0
        self._lost_before = 0

    @property
    def last_at(self) -> float | None:
        """When the last packet arrived, Unix seconds."""
        return self._last_at

    def arrived(self, *, at: float, seq: int, ssrc: int) -> None:
        """Count a packet that arrived at the Unix time `at`."""
        self.received += 1
        if self._last_at is None:
            self._first_at = at
        else:
            gap_ms = max(0.0, (at - self._last_at) * 1000)
            bucket = bucket_of(gap_ms)
            self._gaps[bucket] = self._gaps.get(bucket, 0) + 1
            self._gap_max = max(self._gap_max, gap_ms)
        self._last_at = at
        self._count(seq, ssrc)

    def _count(self, seq: int, ssrc: int) -> None:
        # The sequence number wraps at 16 bits; the difference is taken as the nearer way round.
        ahead = (seq - self._highest) & 0xFFFF
        if ahead >= 0x8000:
            ahead -= 0x10000
        if ssrc != self._ssrc or abs(ahead) > SEQ_JUMP_MAX:
            self._lost_before = self.lost
            self._ssrc, self._base, self._highest, self._stream_received = ssrc, seq, seq, 1
            return
        self._stream_received += 1
        self._highest += max(0, ahead)

    @property
    def lost(self) -> int:
        """Packets missing so far; doubled packets may hide lost ones (RFC 3550 section 6.4.1)."""
        if self._ssrc is None:
            return 0
        expected = self._highest - self._base + 1
        return self._lost_before + max(0, expected - self._stream_received)

    def figures(self, *, sent: int, foreign: int, answered_at: float) -> MediaFigures:
        """The figures at the end of a call that was answered (its 200 sent) at `answered_at`."""
        first = self._first_at
        return MediaFigures(
            sent=sent,
            received=self.received,
            lost=self.lost,
            foreign=foreign,
            first_audio_ms=None if first is None else round((first - answered_at) * 1000, 3),
            gaps_ms=dict(self._gaps),
            gap_ms_max=round(self._gap_max, 3),
        )

"""RTCP (RFC 3550 section 6): how well audio arrives, counted, told to the peer, and read from it.

`Reception` counts one incoming stream by the book (appendix A.3 and A.8): what was expected, what
came, and the jitter. `report` writes a compound packet; `parse` reads one and never raises.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from fairdial.media import g711

SENDER_REPORT = 200
RECEIVER_REPORT = 201
GOODBYE = 203
TYPES = range(192, 224)
"""The second byte of every RTCP packet; no RTP packet of ours has it (RFC 5761, section 4)."""
PACKET_BYTES_MAX = 1500

_HEADER = struct.Struct("!BBH")
_BLOCK = struct.Struct("!IIIIII")
_SENDER = struct.Struct("!IIIII")
_WORD = 0xFFFFFFFF
_NTP_EPOCH = 2_208_988_800
"""Seconds from 1900 to 1970."""
_SEQ_JUMP = 3000
"""A sequence number further on is another stream, not loss (RFC 3550, MAX_DROPOUT)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportBlock:
    """What one side says of how our stream arrives there."""

    ssrc: int
    fraction_lost: float
    """Of the packets since its last report, 0 to 1."""
    lost: int
    """Since the stream began; may be negative when packets came twice."""
    highest_seq: int
    jitter: int
    """In samples."""
    last_report: int
    """The middle 32 bits of our last sender report's time; 0 when it had none."""
    delay: int
    """Since that report, in 1/65536 s."""


class Reception:
    """What arrives of one leg, whatever sources follow each other on it."""

    __slots__ = (
        "_base",
        "_cycles",
        "_expected_before",
        "_jitter",
        "_last_ssrc",
        "_past_expected",
        "_past_received",
        "_received_before",
        "_ssrc_received",
        "_top",
        "_transit",
        "received",
    )

    def __init__(self) -> None:
        self.received = 0
        """Packets of every source."""
        self._last_ssrc = -1
        self._base = self._top = self._cycles = 0
        self._ssrc_received = 0
        self._past_expected = self._past_received = 0
        self._expected_before = self._received_before = 0
        self._transit: float | None = None
        self._jitter = 0.0

    def take(self, *, ssrc: int, seq: int, timestamp: int, at: float, is_audio: bool) -> None:
        """Count a packet that came at `at` seconds. Only audio tells of jitter: the packets of
        one key share a timestamp."""
        step = (seq - self._top) & 0xFFFF
        if ssrc != self._last_ssrc or _SEQ_JUMP <= step <= 0x10000 - _SEQ_JUMP:
            self._begin(ssrc, seq)
        elif step < 0x8000:
            if seq < self._top:
                self._cycles += 0x10000
            self._top = seq
        self.received += 1
        self._ssrc_received += 1
        if is_audio:
            transit = at * g711.SAMPLE_RATE - timestamp
            if self._transit is not None:
                step_s = transit - self._transit
                if -g711.SAMPLE_RATE < step_s < g711.SAMPLE_RATE:
                    self._jitter += (abs(step_s) - self._jitter) / 16.0
            self._transit = transit

    @property
    def expected(self) -> int:
        """Packets that should have come, by their numbers."""
        return self._past_expected + self._expected

    @property
    def lost(self) -> int:
        """Packets that did not come."""
        return max(0, self.expected - self._past_received - self._ssrc_received)

    @property
    def jitter_ms(self) -> float:
        """The jitter as RFC 3550 smooths it, milliseconds."""
        return 1000.0 * self._jitter / g711.SAMPLE_RATE

    def block(self, *, last_report: int, delay: int) -> ReportBlock | None:
        """What to report of the source that is heard now; None when none was."""
        if self._last_ssrc < 0:
            return None
        expected = self._expected - self._expected_before
        received = self._ssrc_received - self._received_before
        self._expected_before, self._received_before = self._expected, self._ssrc_received
        missing = max(0, expected - received)
        return ReportBlock(
            ssrc=self._last_ssrc,
            fraction_lost=missing / expected if expected > 0 else 0.0,
            lost=self._expected - self._ssrc_received,
            highest_seq=(self._cycles + self._top) & _WORD,
            jitter=int(self._jitter),
            last_report=last_report,
            delay=delay,
        )

    @property
    def _expected(self) -> int:
        return self._cycles + self._top - self._base + 1 if self._last_ssrc >= 0 else 0

    def _begin(self, ssrc: int, seq: int) -> None:
        self._past_expected += self._expected
        self._past_received += self._ssrc_received
        self._last_ssrc = ssrc
        self._base = self._top = seq
        self._cycles = self._ssrc_received = 0
        self._expected_before = self._received_before = 0
        self._transit = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderInfo:
    """What we say of our own stream."""

    at: float
    """Unix seconds."""
    timestamp: int
    packets: int
    octets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report that was read."""

    ssrc: int
    sent_at: int
    """The middle 32 bits of its time; 0 in a receiver report."""
    blocks: tuple[ReportBlock, ...]


def report(*, ssrc: int, name: str, sender: SenderInfo | None, block: ReportBlock | None) -> bytes:
    """A compound packet: a sender's report (or a receiver's), and the source's name."""
    body = b"" if sender is None else _sender(sender)
    if block is not None:
        body += _BLOCK.pack(
            block.ssrc,
            (min(255, int(block.fraction_lost * 256)) << 24)
            | (max(-0x800000, min(0x7FFFFF, block.lost)) & 0xFFFFFF),
            block.highest_seq,
            block.jitter & _WORD,
            block.last_report,
            block.delay & _WORD,
        )
    kind = RECEIVER_REPORT if sender is None else SENDER_REPORT
    words = 1 + len(body) // 4
    first = _HEADER.pack(0x80 | (block is not None), kind, words) + struct.pack("!I", ssrc) + body
    label = name.encode()[:255]
    item = bytes([1, len(label)]) + label
    item += bytes(4 - len(item) % 4)
    return first + _HEADER.pack(0x81, 202, 1 + len(item) // 4) + struct.pack("!I", ssrc) + item


def parse(data: bytes) -> tuple[Report, ...]:
    """The reports of a compound packet, as far as it is sound; others of its parts are left out."""
    found: list[Report] = []
    at = 0
    while at + 8 <= len(data) <= PACKET_BYTES_MAX:
        first, kind, words = _HEADER.unpack_from(data, at)
        end = at + 4 + 4 * words
        if first & 0xC0 != 0x80 or end > len(data):
            break
        blocks_at = at + 8 + (_SENDER.size if kind == SENDER_REPORT else 0)
        count = first & 0x1F
        is_report = kind in (SENDER_REPORT, RECEIVER_REPORT)
        if is_report and blocks_at + count * _BLOCK.size <= end:
            ssrc = int.from_bytes(data[at + 4 : at + 8], "big")
            sent_at = int.from_bytes(data[at + 10 : at + 14], "big") if kind == SENDER_REPORT else 0
            blocks = tuple(_block(data, blocks_at + n * _BLOCK.size) for n in range(count))
            found.append(Report(ssrc=ssrc, sent_at=sent_at, blocks=blocks))
        at = end
    return tuple(found)


def ntp(at: float) -> int:
    """A Unix time as the 64 bits of NTP."""
    return int((at + _NTP_EPOCH) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def _sender(sender: SenderInfo) -> bytes:
    time = ntp(sender.at)
    return _SENDER.pack(
        time >> 32,
        time & _WORD,
        sender.timestamp & _WORD,
        sender.packets & _WORD,
        sender.octets & _WORD,
    )


def _block(data: bytes, at: int) -> ReportBlock:
    ssrc, lost, highest, jitter, last, delay = _BLOCK.unpack_from(data, at)
    count = lost & 0xFFFFFF
    return ReportBlock(
        ssrc=ssrc,
        fraction_lost=(lost >> 24) / 256,
        lost=count - 0x1000000 if count & 0x800000 else count,
        highest_seq=highest,
        jitter=jitter,
        last_report=last,
        delay=delay,
    )

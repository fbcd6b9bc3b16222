"""RTP packets (RFC 3550 section 5.1): read, write, and restamp in place for relaying.

`parse` never raises: whatever is no whole RTP packet of version 2 is None. `OutgoingStream` keeps
one leg's outgoing packets a single continuous stream while what feeds it changes: an agent, a
recorded message, the next agent. Receivers then hear one talker and reset nothing.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEADER_BYTES = 12
PACKET_BYTES_MAX = 1500
"""Nothing longer is ever RTP of ours: 20 ms of G.711 is 172 bytes."""

_HEADER = struct.Struct("!BBHII")
_VERSION_2 = 0x80
_SEQ_MASK = 0xFFFF
_WORD_MASK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpPacket:
    """One RTP packet, without contributing sources, extension or padding."""

    payload_type: int
    marker: bool
    seq: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse(data: bytes | bytearray | memoryview) -> RtpPacket | None:
    """The packet in `data`; None for anything that is not whole RTP version 2.

    Contributing sources, a header extension and padding are checked and dropped.
    """
    size = len(data)
    if size < HEADER_BYTES:
        return None
    first, second, seq, timestamp, ssrc = _HEADER.unpack_from(data)
    if first & 0xC0 != _VERSION_2:
        return None
    start = HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10:
        if size < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    end = size
    if first & 0x20:
        padding = data[size - 1]
        if padding == 0:
            return None
        end -= padding
    if start > end:
        return None
    return RtpPacket(
        payload_type=second & 0x7F,
        marker=bool(second & 0x80),
        seq=seq,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=bytes(data[start:end]),
    )


def build(packet: RtpPacket) -> bytes:
    """The packet as bytes. Numbers wrap at their field's width, as RTP's counters do."""
    return (
        _HEADER.pack(
            _VERSION_2,
            (0x80 if packet.marker else 0) | (packet.payload_type & 0x7F),
            packet.seq & _SEQ_MASK,
            packet.timestamp & _WORD_MASK,
            packet.ssrc & _WORD_MASK,
        )
        + packet.payload
    )


def is_plain(data: bytes | bytearray | memoryview, size: int) -> bool:
    """Whether the first `size` bytes are version 2 with the bare 12-byte header.

    The relay's quick question: such packets (nearly all) are restamped in place, the others go
    through `parse` and `build`.
    """
    return size >= HEADER_BYTES and data[0] == _VERSION_2


def restamp(
    buffer: bytearray | memoryview,
    *,
    payload_type: int,
    marker: bool,
    seq: int,
    timestamp: int,
    ssrc: int,
) -> None:
    """Overwrite the header of the packet at the start of `buffer` in place; the payload stays."""
    _HEADER.pack_into(
        buffer,
        0,
        _VERSION_2,
        (0x80 if marker else 0) | (payload_type & 0x7F),
        seq & _SEQ_MASK,
        timestamp & _WORD_MASK,
        ssrc & _WORD_MASK,
    )


class OutgoingStream:
    """The one continuous stream that a leg sends, whatever feeds it.

    A feed is a run of packets with counters of its own (another leg's, or a message that counts
    from 0). `begin` joins the next feed on; `seq_and_timestamp` maps the feed's counters to the
    stream's. Reordered packets of a feed stay reordered, so that a receiver can still sort them.
    """

    __slots__ = ("_fed", "_marker", "_seq", "_seq_shift", "_timestamp", "_timestamp_shift", "ssrc")

    def __init__(self, *, ssrc: int, seq: int, timestamp: int) -> None:
        """A stream whose first packet has these counters; draw them at random (RFC 3550)."""
        self.ssrc = ssrc & _WORD_MASK
        self._seq = (seq - 1) & _SEQ_MASK
        self._timestamp = timestamp & _WORD_MASK
        self._seq_shift = 0
        self._timestamp_shift = 0
        self._fed = False
        self._marker = False

    @property
    def timestamp(self) -> int:
        """The timestamp of the newest packet."""
        return self._timestamp

    def begin(self, *, seq: int, timestamp: int, gap: int) -> None:
        """Let the next feed start: its first packet has `seq` and `timestamp`.

        `gap` is the time since the last packet sent, in samples; at least one is counted, so
        that two packets never share a timestamp.
        """
        self._seq_shift = self._seq + 1 - seq
        self._timestamp_shift = self._timestamp + (max(gap, 1) if self._fed else 0) - timestamp
        self._marker = True

    def restamp(self, buffer: bytearray | memoryview, *, payload_type: int) -> None:
        """Restamp the feed's packet at the start of `buffer` as this stream's next.

        The first packet of a feed carries the marker: what follows is a new spurt of talk.
        """
        _, second, seq, timestamp, _ = _HEADER.unpack_from(buffer)
        seq = (seq + self._seq_shift) & _SEQ_MASK
        timestamp = (timestamp + self._timestamp_shift) & _WORD_MASK
        if not self._fed or (seq - self._seq) & _SEQ_MASK < 0x8000:
            self._seq = seq
            self._timestamp = timestamp
        self._fed = True
        if self._marker:
            second = 0x80
            self._marker = False
        _HEADER.pack_into(
            buffer,
            0,
            _VERSION_2,
            (second & 0x80) | payload_type,
            seq,
            timestamp,
            self.ssrc,
        )

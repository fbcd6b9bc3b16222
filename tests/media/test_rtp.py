"""RTP is read without ever raising, and a leg's outgoing stream never breaks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairdial.media import rtp
from fairdial.media.rtp import OutgoingStream, RtpPacket

PACKETS = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    marker=st.booleans(),
    seq=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=200),
)
PACKET = RtpPacket(
    payload_type=0, marker=False, seq=7, timestamp=1120, ssrc=0xC0FFEE, payload=b"\xff" * 160
)


@given(PACKETS)
def test_reads_what_it_writes(packet: RtpPacket) -> None:
    assert rtp.parse(rtp.build(packet)) == packet


@given(st.binary(max_size=300))
def test_never_raises_on_any_bytes(data: bytes) -> None:
    packet = rtp.parse(data)
    assert packet is None or data[0] >> 6 == 2


@given(PACKETS, st.data())
def test_never_raises_on_a_damaged_packet(packet: RtpPacket, data: st.DataObject) -> None:
    wire = bytearray(rtp.build(packet))
    wire[0] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(wire)))
    read = rtp.parse(wire[:cut])
    assert read is None or len(read.payload) <= cut - rtp.HEADER_BYTES


@pytest.mark.parametrize(
    ("why", "damage"),
    [
        ("version 1", lambda wire: bytes([0x40]) + wire[1:]),
        ("cut in the header", lambda wire: wire[:11]),
        ("more sources than bytes", lambda wire: bytes([0x8F]) + wire[1:60]),
        ("extension longer than the packet", lambda w: bytes([0x90]) + w[1:12] + b"\0\0\xff\xff"),
        ("padding of nothing", lambda wire: bytes([0xA0]) + wire[1:-1] + b"\0"),
        ("padding longer than the payload", lambda w: bytes([0xA0]) + w[1:-1] + b"\xff"),
    ],
)
def test_refuses(why: str, damage: object) -> None:
    assert callable(damage)
    assert rtp.parse(damage(rtp.build(PACKET))) is None


def test_drops_sources_extension_and_padding() -> None:
    wire = rtp.build(replace(PACKET, payload=b""))
    wire = bytes([0x80 | 0x20 | 0x10 | 0x02]) + wire[1:] + b"SRC1SRC2" + b"\xbe\xde\x00\x01EXT1"
    assert rtp.parse(wire + b"audio" + b"\0\0\3") == replace(PACKET, payload=b"audio")


@given(PACKETS, PACKETS)
def test_restamping_changes_the_header_only(packet: RtpPacket, stamp: RtpPacket) -> None:
    wire = bytearray(rtp.build(packet))
    rtp.restamp(
        wire,
        payload_type=stamp.payload_type,
        marker=stamp.marker,
        seq=stamp.seq,
        timestamp=stamp.timestamp,
        ssrc=stamp.ssrc,
    )
    assert rtp.parse(wire) == replace(stamp, payload=packet.payload)


def _sent(stream: OutgoingStream, packet: RtpPacket) -> RtpPacket:
    wire = bytearray(rtp.build(packet))
    stream.restamp(wire, payload_type=packet.payload_type)
    read = rtp.parse(wire)
    assert read is not None
    return read


@given(
    feeds=st.lists(st.tuples(PACKETS, st.integers(1, 4), st.integers(0, 80_000)), min_size=1),
    seq=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
)
def test_a_stream_goes_on_while_its_feeds_change(
    feeds: list[tuple[RtpPacket, int, int]], seq: int, timestamp: int
) -> None:
    stream = OutgoingStream(ssrc=0xFA1D, seq=seq, timestamp=timestamp)
    sent: list[RtpPacket] = []
    gaps: list[int] = []
    for first, count, gap in feeds:
        stream.begin(seq=first.seq, timestamp=first.timestamp, gap=gap)
        for n in range(count):
            packet = replace(
                first, marker=False, seq=first.seq + n, timestamp=first.timestamp + 160 * n
            )
            sent.append(_sent(stream, packet))
            gaps.append(160 if n else max(gap, 1))
    start = 0
    assert [p.ssrc for p in sent] == [0xFA1D] * len(sent)
    assert [p.seq for p in sent] == [(seq + n) & 0xFFFF for n in range(len(sent))]
    assert sent[0].timestamp == timestamp
    for before, after, gap in zip(sent, sent[1:], gaps[1:], strict=False):
        assert (after.timestamp - before.timestamp) & 0xFFFFFFFF == gap
    for _, count, _ in feeds:
        assert [p.marker for p in sent[start : start + count]] == [True] + [False] * (count - 1)
        start += count


def test_reordered_packets_stay_reordered() -> None:
    stream = OutgoingStream(ssrc=1, seq=100, timestamp=0)
    stream.begin(seq=65534, timestamp=0, gap=0)
    order = [65534, 0, 65535, 1]
    assert [_sent(stream, replace(PACKET, seq=seq)).seq for seq in order] == [100, 102, 101, 103]
    stream.begin(seq=9, timestamp=0, gap=160)
    assert _sent(stream, replace(PACKET, seq=9)).seq == 104

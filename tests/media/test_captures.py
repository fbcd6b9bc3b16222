"""What was on the wire, read by the parsers: calls of Asterisk, of SIPp, and of the engine."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from sippy.SipRequest import SipRequest
from sippy.SipResponse import SipResponse

from fairdial.adapters import causes
from fairdial.media import g711, rtcp, rtp, sdp
from fairdial.media.digits import DigitEar

CAPTURES = Path(__file__).parent / "captures"
KEYS = ["asterisk-keys", "embedded-keys"]


@dataclass(frozen=True, slots=True)
class Datagram:
    """One datagram of a capture."""

    at: float
    source: tuple[str, int]
    to: tuple[str, int]
    data: bytes

    @property
    def is_sip(self) -> bool:
        return b"SIP/2.0" in self.data[:300]


def datagrams(name: str) -> Iterator[Datagram]:
    raw = (CAPTURES / f"{name}.pcap").read_bytes()
    assert struct.unpack_from("<I", raw) == (0xA1B2C3D4,)
    place = 24
    while place < len(raw):
        seconds, micros, size, whole = struct.unpack_from("<IIII", raw, place)
        assert size == whole, "no frame was cut off"
        ip = raw[place + 16 : place + 16 + size][14:]
        place += 16 + size
        head = 4 * (ip[0] & 0x0F)
        ports = struct.unpack_from(">HH", ip, head)
        ends = [".".join(str(byte) for byte in ip[at : at + 4]) for at in (12, 16)]
        yield Datagram(
            seconds + micros / 1e6, (ends[0], ports[0]), (ends[1], ports[1]), ip[head + 8 :]
        )


def messages(name: str) -> list[SipRequest | SipResponse]:
    return [
        (SipResponse if d.data.startswith(b"SIP/2.0") else SipRequest)(d.data.decode())
        for d in datagrams(name)
        if d.is_sip
    ]


def streams(name: str) -> dict[int, list[rtp.RtpPacket]]:
    """The RTP of a capture by source."""
    found: dict[int, list[rtp.RtpPacket]] = defaultdict(list)
    for datagram in datagrams(name):
        if datagram.is_sip:
            continue
        packet = rtp.parse(datagram.data)
        if packet is None or 64 <= packet.payload_type <= 95:  # RTCP on the same port (RFC 5761).
            assert rtcp.parse(datagram.data)
            continue
        found[packet.ssrc].append(packet)
    return found


@pytest.mark.parametrize("name", [path.stem for path in CAPTURES.glob("*.pcap")])
def test_every_message_reads_and_every_call_is_whole(name: str) -> None:
    calls: dict[str, list[str]] = defaultdict(list)
    for message in messages(name):
        call = str(message.getHFBody("call-id"))
        if isinstance(message, SipRequest):
            calls[call].append(message.getMethod())
        else:
            status, _ = message.getSCode()
            calls[call].append(str(status))
            if status < 300:
                continue
            assert causes.cause(status) is not None
    assert calls
    dialed = {call: story for call, story in calls.items() if story[0] != "OPTIONS"}
    assert dialed
    for call, story in dialed.items():
        assert story[0] == "INVITE", call
        assert {"200", "ACK", "BYE"} <= set(story), (call, story)


@pytest.mark.parametrize("name", [path.stem for path in CAPTURES.glob("*.pcap")])
def test_every_description_offers_what_the_packets_are(name: str) -> None:
    bodies = [str(m.body) for m in messages(name) if m.body is not None]
    described = [sdp.parse(body) for body in bodies]
    assert described
    for found, body in zip(described, bodies, strict=True):
        assert found is not None, body
        assert found.ip == "127.0.0.1"
        assert sdp.PCMU in found.audio_types
    ports = {found.port for found in described if found is not None}
    for datagram in datagrams(name):
        if not datagram.is_sip and rtp.parse(datagram.data) is not None:
            assert {datagram.to[1], datagram.to[1] - 1} & ports


@pytest.mark.parametrize("name", KEYS)
def test_the_keys_are_read_once_each(name: str) -> None:
    heard: list[str] = []
    for source in streams(name).values():
        ear = DigitEar()
        pressed = [
            ear.hear(packet.payload, ssrc=packet.ssrc, timestamp=packet.timestamp)
            for packet in source
            if packet.payload_type == sdp.TELEPHONE_EVENT
        ]
        heard += ["".join(key for key in pressed if key is not None)]
    assert sorted(filter(None, heard)) == ["42#"]


@pytest.mark.parametrize("name", KEYS)
def test_streams_go_on_without_a_gap_and_carry_20_ms_each(name: str) -> None:
    found = streams(name)
    assert len(found) >= 4
    for source in found.values():
        steps = {(b.seq - a.seq) & 0xFFFF for a, b in pairwise(source)}
        assert steps <= {1}
        audio = [p for p in source if p.payload_type == sdp.PCMU]
        sizes = [len(packet.payload) for packet in audio]
        # Asterisk sends what a recording ends with, however short it is.
        assert max(sizes) == g711.FRAME_SAMPLES
        assert sum(size < g711.FRAME_SAMPLES for size in sizes) <= 1


@pytest.mark.parametrize("cut", range(0, 200, 7))
def test_a_packet_that_is_cut_off_is_refused_or_read_but_never_fails(cut: int) -> None:
    for datagram in datagrams("asterisk-keys"):
        short = datagram.data[:cut]
        rtp.parse(short)
        rtcp.parse(short)
        sdp.parse(short.decode(errors="replace"))

"""The session descriptions that a G.711 call needs (RFC 4566, RFC 3264): offer and answer.

One audio stream of RTP/AVP with PCMU, PCMA and telephone events. `parse` never raises: a text
without a usable audio stream is None, and so is an answer that names a host instead of an IPv4
address, because nothing here asks a name server.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address

PCMU = 0
PCMA = 8
TELEPHONE_EVENT = 101
"""The payload type that we give to telephone events (DTMF, RFC 4733)."""

TEXT_BYTES_MAX = 8192
"""A longer description is refused; those of telephones are under 1,000 bytes."""

_ENCODINGS = {PCMU: "PCMU/8000", PCMA: "PCMA/8000", TELEPHONE_EVENT: "telephone-event/8000"}


class Direction(StrEnum):
    """Which way audio flows, seen from the side that wrote the description."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"


_DIRECTIONS = frozenset(direction.value for direction in Direction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdp:
    """One side's audio stream: where it wants packets, and which it takes, best first."""

    ip: str
    port: int
    payload_types: tuple[int, ...]
    """PCMU, PCMA, and the number of the telephone events; others are left out."""
    direction: Direction = Direction.SENDRECV
    event_type: int | None = None
    """The payload type of telephone events, which each side may number as it likes."""

    @property
    def audio_types(self) -> tuple[int, ...]:
        """PCMU and PCMA, as far as this side takes them, best first."""
        return tuple(t for t in self.payload_types if t in (PCMU, PCMA))


def build(
    *,
    ip: str,
    port: int,
    session_id: int,
    payload_types: tuple[int, ...] = (PCMU, PCMA, TELEPHONE_EVENT),
    direction: Direction = Direction.SENDRECV,
    event_type: int = TELEPHONE_EVENT,
) -> str:
    """Write an offer or answer. `session_id` should differ from call to call (RFC 4566 5.2).

    In an answer, name telephone events with the offer's own number: `event_type`.
    """
    lines = [
        "v=0",
        f"o=- {session_id} 1 IN IP4 {ip}",
        "s=-",
        f"c=IN IP4 {ip}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {' '.join(str(t) for t in payload_types)}",
    ]
    for payload_type in payload_types:
        if payload_type == event_type:
            lines.append(f"a=rtpmap:{payload_type} telephone-event/8000")
            lines.append(f"a=fmtp:{payload_type} 0-15")
        else:
            lines.append(f"a=rtpmap:{payload_type} {_ENCODINGS[payload_type]}")
    lines.append("a=ptime:20")
    lines.append(f"a={direction.value}")
    return "\r\n".join(lines) + "\r\n"


def parse(text: str) -> Sdp | None:
    """The first audio stream of `text`; None when there is none that G.711 could use."""
    if len(text) > TEXT_BYTES_MAX:
        return None
    session_ip: str | None = None
    stream_ip: str | None = None
    port: int | None = None
    offered: list[int] = []
    encodings: dict[int, str] = {}
    session_direction = stream_direction = None
    in_audio = False
    for line in text.splitlines():
        key, separator, value = line.partition("=")
        if not separator:
            continue
        value = value.strip()
        if key == "m":
            if in_audio:
                break
            stream = _audio_stream(value)
            if stream is not None:
                port, offered = stream
                in_audio = True
        elif key == "c":
            if in_audio:
                stream_ip = _ipv4(value)
                if stream_ip is None:
                    return None
            elif port is None and session_ip is None:
                session_ip = _ipv4(value)
        elif key == "a":
            if value in _DIRECTIONS:
                if in_audio:
                    stream_direction = Direction(value)
                elif session_direction is None:
                    session_direction = Direction(value)
            elif in_audio and value.startswith("rtpmap:"):
                number, _, encoding = value[len("rtpmap:") :].partition(" ")
                if number.isascii() and number.isdigit() and len(number) <= 3:
                    encodings[int(number)] = encoding.strip().upper()
    ip = stream_ip or session_ip
    if port is None or ip is None:
        return None
    event_types = [t for t in offered if encodings.get(t) == "TELEPHONE-EVENT/8000"]
    event_type = event_types[0] if event_types else None
    kept = tuple(t for t in offered if t in (PCMU, PCMA) or t == event_type)
    if PCMU not in kept and PCMA not in kept:
        return None
    return Sdp(
        ip=ip,
        port=port,
        payload_types=kept,
        direction=stream_direction or session_direction or Direction.SENDRECV,
        event_type=event_type,
    )


def _audio_stream(value: str) -> tuple[int, list[int]] | None:
    """Port and payload types of an `m=` line, if it is accepted RTP audio."""
    words = value.split()
    if len(words) < 4 or words[0] != "audio" or words[2] not in ("RTP/AVP", "RTP/AVPF"):
        return None
    port_word = words[1].partition("/")[0]
    if not (port_word.isascii() and port_word.isdigit() and len(port_word) <= 5):
        return None
    port = int(port_word)
    if not 0 < port < 65536:
        return None  # Port 0 is RFC 3264's way to decline the stream.
    types = [int(w) for w in words[3:] if w.isascii() and w.isdigit() and len(w) <= 3]
    return port, [t for t in dict.fromkeys(types) if t < 128]


def _ipv4(value: str) -> str | None:
    """The address of a `c=` line, if it is one of IPv4."""
    words = value.split()
    if len(words) != 3 or words[:2] != ["IN", "IP4"]:
        return None
    try:
        return str(IPv4Address(words[2].partition("/")[0]))
    except AddressValueError:
        return None

"""Audio of one leg: a UDP port that hears one peer and passes on what it hears.

A leg's `sink` is the leg that gets its audio; setting it pairs any two legs at any moment, and each
leg's outgoing stream goes on unbroken. Nothing is decoded on the way, but mu-law and A-law are
translated by table where the two legs differ. Keys pressed are passed on like audio, and told to
`on_digit` as well. All of it runs in asyncio's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Callable

from fairdial.exceptions import EngineUnavailable
from fairdial.media import g711, rtp, sdp
from fairdial.media.digits import DigitEar
from fairdial.media.sdp import Sdp

_BATCH_MAX = 16
"""Packets read from one port in one go, so that no leg can starve the others."""
_BURST_MAX = 5
"""Frames of a message that may be sent late at once; beyond that, the message waits."""
_QUIET_S = 1.0
"""A leg that has nothing to say sends a frame of silence this often, for NATs and phones."""

_BUFFER = bytearray(2048)
_VIEW = memoryview(_BUFFER)
"""One buffer for all legs: each packet is passed on before the next is read."""

_TRANSLATIONS = {
    (sdp.PCMU, sdp.PCMA): g711.ULAW_TO_ALAW,
    (sdp.PCMA, sdp.PCMU): g711.ALAW_TO_ULAW,
}


class MediaPort:
    """One leg's UDP port. Closed by `close`, on every path."""

    def __init__(self, ip: str, port_min: int, port_max: int) -> None:
        """Open a free port of the range. Raises `EngineUnavailable` if there is none."""
        self._socket, self.port = _open(ip, port_min, port_max)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._read)
        self._peer: Sdp | None = None
        self._heard_from: tuple[str, int] | None = None
        self._send_to: tuple[str, int] | None = None
        self._stream = rtp.OutgoingStream(
            ssrc=secrets.randbits(32), seq=secrets.randbits(16), timestamp=secrets.randbits(32)
        )
        self._feed: object = None
        self._feed_ssrc = b""
        self._sent_at = 0.0
        self._message: _Playback | None = None
        self._digits = DigitEar()
        self._event_types = frozenset({sdp.TELEPHONE_EVENT})
        self.on_digit: Callable[[str], None] | None = None
        """Who is told of each key that the peer presses."""
        self.sink: MediaPort | None = None
        """The leg that gets what this one hears; None drops it."""
        self.payload_type = sdp.PCMU
        self.event_type: int | None = None
        self.heard_at: float | None = None
        """When audio last came, by the loop's clock."""
        self.strangers = 0
        """Packets that came from somewhere else, or were no audio of this leg."""
        self.lost = 0
        """Packets that the kernel would not take."""

    def set_peer(self, peer: Sdp) -> None:
        """Take what the peer's description says; audio is heard from its address only."""
        self._peer = peer
        self._heard_from = None
        self._send_to = (peer.ip, peer.port)
        self.payload_type = peer.audio_types[0]
        self.event_type = peer.event_type
        # A peer should send with the number of our offer (RFC 3264 5.1); some send with their own.
        self._event_types = frozenset({sdp.TELEPHONE_EVENT, peer.event_type or sdp.TELEPHONE_EVENT})

    def play(self, audio: bytes, on_end: Callable[[], None]) -> None:
        """Send a message (mu-law) in place of what else this leg gets, then call `on_end`."""
        self.stop_message()
        if self.payload_type == sdp.PCMA:
            audio = audio.translate(g711.ULAW_TO_ALAW)
        self._message = _Playback(self, audio, on_end)

    @property
    def is_playing(self) -> bool:
        """Whether a message is being played."""
        return self._message is not None

    def stop_message(self) -> None:
        """Cut the message short; its `on_end` is not called."""
        if self._message is not None:
            self._message.stop()
            self._message = None

    def keep_alive(self) -> None:
        """Send a frame of silence if nothing was sent for a while."""
        if self._send_to is None or self._loop.time() - self._sent_at < _QUIET_S:
            return
        silence = g711.SILENCE_ULAW if self.payload_type == sdp.PCMU else g711.SILENCE_ALAW
        self.send_frame(silence, number=0, feed=object())

    def send_frame(self, audio: bytes, *, number: int, feed: object) -> None:
        """Send one frame of our own making, the `number`-th of its feed."""
        packet = bytearray(rtp.HEADER_BYTES + len(audio))
        packet[rtp.HEADER_BYTES :] = audio
        rtp.restamp(
            packet,
            payload_type=self.payload_type,
            marker=False,
            seq=number,
            timestamp=number * g711.FRAME_SAMPLES,
            ssrc=0,
        )
        self._send(memoryview(packet), self.payload_type, feed, b"")

    def close(self) -> None:
        """Close the port; nothing is sent or heard from here on."""
        self.stop_message()
        self.sink = None
        self.on_digit = None
        self._send_to = None
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def _read(self) -> None:
        """Packets are there: pass them on."""
        now = self._loop.time()
        for _ in range(_BATCH_MAX):
            try:
                size, sender = self._socket.recvfrom_into(_BUFFER)
            except OSError:
                return
            if sender != self._heard_from and not self._lock_on(sender, size):
                self.strangers += 1
                continue
            if not rtp.is_plain(_BUFFER, size) and (size := self._make_plain(size)) == 0:
                self.strangers += 1
                continue
            self.heard_at = now
            if _BUFFER[1] & 0x7F in self._event_types and self.on_digit is not None:
                self._hear_key(size, self.on_digit)
            sink = self.sink
            if sink is not None and sink._message is None:
                sink._relay(self, size)

    def _hear_key(self, size: int, on_digit: Callable[[str], None]) -> None:
        """Tell of the key in the buffer, if it is the first packet of its press."""
        digit = self._digits.hear(
            bytes(_VIEW[rtp.HEADER_BYTES : size]),
            ssrc=int.from_bytes(_BUFFER[8:12], "big"),
            timestamp=int.from_bytes(_BUFFER[4:8], "big"),
        )
        if digit is not None:
            on_digit(digit)

    def _lock_on(self, sender: tuple[str, int], size: int) -> bool:
        """Whether `sender` is the peer: the first of its address that sends valid audio."""
        if self._peer is None or self._heard_from is not None or sender[0] != self._peer.ip:
            return False
        packet = rtp.parse(_VIEW[:size])
        types = {*self._peer.payload_types, *self._event_types}
        if packet is None or packet.payload_type not in types:
            return False
        # The peer may sit behind a NAT: its packets come from, and go to, the same port.
        self._heard_from = self._send_to = sender
        return True

    @staticmethod
    def _make_plain(size: int) -> int:
        """Rewrite the packet in the buffer without extras; its new size, or 0 if it is no RTP."""
        packet = rtp.parse(_VIEW[:size])
        if packet is None:
            return 0
        plain = rtp.build(packet)
        _BUFFER[: len(plain)] = plain
        return len(plain)

    def _relay(self, source: MediaPort, size: int) -> None:
        """Send the packet in the buffer, which `source` heard, on to this leg's peer."""
        heard_type = _BUFFER[1] & 0x7F
        if heard_type == source.payload_type or heard_type in (sdp.PCMU, sdp.PCMA):
            payload_type = self.payload_type
            if heard_type != payload_type:
                table = _TRANSLATIONS[heard_type, payload_type]
                _BUFFER[rtp.HEADER_BYTES : size] = _BUFFER[rtp.HEADER_BYTES : size].translate(table)
        elif heard_type == source.event_type and self.event_type is not None:
            payload_type = self.event_type
        else:
            return
        self._send(_VIEW[:size], payload_type, source, _BUFFER[8:12])

    def _send(
        self, packet: memoryview, payload_type: int, feed: object, ssrc: bytes | bytearray
    ) -> None:
        if self._send_to is None:
            return
        now = self._loop.time()
        if feed is not self._feed or ssrc != self._feed_ssrc:
            self._feed, self._feed_ssrc = feed, bytes(ssrc)
            self._stream.begin(
                seq=int.from_bytes(packet[2:4], "big"),
                timestamp=int.from_bytes(packet[4:8], "big"),
                gap=int(min(now - self._sent_at, 3600.0) * g711.SAMPLE_RATE),
            )
        self._stream.restamp(packet, payload_type=payload_type)
        self._sent_at = now
        try:
            self._socket.sendto(packet, self._send_to)
        except OSError:
            self.lost += 1

    def _message_ended(self) -> None:
        self._message = None


class _Playback:
    """One message on its way, 20 ms at a time, by a schedule that does not drift."""

    def __init__(self, port: MediaPort, audio: bytes, on_end: Callable[[], None]) -> None:
        self._port = port
        self._audio = audio
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._start_at = self._loop.time()
        self._sent = 0
        self._timer = self._loop.call_soon(self._send_due)

    def stop(self) -> None:
        """Send nothing more."""
        self._timer.cancel()

    def _send_due(self) -> None:
        size = g711.FRAME_SAMPLES
        frames = -(-len(self._audio) // size)
        due = int((self._loop.time() - self._start_at) / g711.FRAME_S) + 1
        if due - self._sent > _BURST_MAX:
            # We were held up: go on from here instead of sending a burst nobody can play.
            self._start_at += (due - self._sent - 1) * g711.FRAME_S
            due = self._sent + 1
        while self._sent < min(due, frames):
            frame = self._audio[self._sent * size : (self._sent + 1) * size]
            padding = (
                g711.SILENCE_ULAW if self._port.payload_type == sdp.PCMU else (g711.SILENCE_ALAW)
            )
            frame += padding[len(frame) :]
            self._port.send_frame(frame, number=self._sent, feed=self)
            self._sent += 1
        if due > frames:
            self._port._message_ended()
            self._on_end()
            return
        next_at = self._start_at + self._sent * g711.FRAME_S
        self._timer = self._loop.call_at(next_at, self._send_due)


def _open(ip: str, port_min: int, port_max: int) -> tuple[socket.socket, int]:
    """A non-blocking UDP socket on a free port of the range, tried from a random place on."""
    count = port_max - port_min + 1
    start = secrets.randbelow(count)
    for step in range(count):
        port = port_min + (start + step) % count
        candidate = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            candidate.setblocking(False)
            candidate.bind((ip, port))
        except OSError:
            candidate.close()
            continue
        with contextlib.suppress(OSError):
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262_144)
        return candidate, port
    raise EngineUnavailable(
        f"no free RTP port on {ip} between {port_min} and {port_max}: widen the range"
    )

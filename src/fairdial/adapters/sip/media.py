"""Audio of one leg: what its peer says goes to whoever hears it, and one stream goes back.

`AudioPort` is a leg's audio whatever carries it; `MediaPort` is one on UDP. A leg's `sinks` are
those that hear it and nobody else: packets are passed on as they come, nothing is decoded, and
mu-law and A-law are translated by table where two legs differ. A leg that hears several is fed by a
mixer from the `buffer` of each. However that changes, what a leg sends to its peer stays one
unbroken stream. All of it runs in asyncio's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
import time
from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

from fairdial.adapters.sip.beat import Beat
from fairdial.adapters.sip.playback import Keys, Playback
from fairdial.exceptions import EngineUnavailable
from fairdial.media import g711, mixing, rtcp, rtp, sdp
from fairdial.media.digits import DigitEar
from fairdial.media.jitter import JitterBuffer
from fairdial.media.sdp import Sdp

_BATCH_MAX = 16
"""Packets read from one port in one go, so that no leg can starve the others."""
_QUIET_S = 1.0
"""A leg that has nothing to say sends a frame of silence this often, for NATs and phones."""
_REPORT_EVERY_S = 5.0
"""RTCP reports are this far apart, give or take half of it (RFC 3550, section 6.2)."""
_OVERLAY_WAIT_S = 0.03
"""A tone goes on by itself when nothing that it could be added to has come for so long."""
COMFORT_NOISE = 13
"""RFC 3389: the peer is silent, and says so. It shows that the leg lives; nothing is passed on."""

_BUFFER = bytearray(2048)
_VIEW = memoryview(_BUFFER)
"""One buffer for all legs: each packet is passed on before the next is read."""

_G711 = (sdp.PCMU, sdp.PCMA)
_TRANSLATIONS = {
    (sdp.PCMU, sdp.PCMA): g711.ULAW_TO_ALAW,
    (sdp.PCMA, sdp.PCMU): g711.ALAW_TO_ULAW,
}

_log = logging.getLogger("fairdial.sip.audio")


class _Floor(IntEnum):
    """Who has the say on what a leg hears; whoever is lower is not heard meanwhile."""

    VOICES = 0
    MUSIC = 1
    MESSAGE = 2
    KEYS = 3


class Track(Protocol):
    """One speaker's side of a recording."""

    def hear(self, audio: bytes, *, timestamp: int, ssrc: int, at: float) -> None:
        """Take a packet of mu-law audio that came at `at`, by the loop's clock."""


class AudioPort:
    """One leg's audio, whatever carries it. A carrier overrides `_transmit` and calls `_take`."""

    def __init__(self) -> None:
        """A leg that nobody hears and that hears nobody."""
        self._loop = asyncio.get_running_loop()
        self._stream = rtp.OutgoingStream(
            ssrc=secrets.randbits(32), seq=secrets.randbits(16), timestamp=secrets.randbits(32)
        )
        self._feed: object = None
        self._feed_ssrc = b""
        self._sent_at = 0.0
        self._sent_samples = 0
        self._message: Playback | None = None
        self._music: Playback | None = None
        self._keys: Keys | None = None
        self._overlay: _Overlay | None = None
        self._floor = _Floor.VOICES
        self._digits = DigitEar()
        self._event_types = frozenset({sdp.TELEPHONE_EVENT})
        self.on_digit: Callable[[str], None] | None = None
        """Who is told of each key that the peer presses."""
        self.on_audio: Callable[[bytes, float], None] | None = None
        """Who else listens to the peer: a packet's mu-law audio and when it came."""
        self.sinks: tuple[AudioPort, ...] = ()
        """The legs that hear this one and nobody else."""
        self.mixed_sinks: tuple[AudioPort, ...] = ()
        """The legs that hear this one among others."""
        self.buffer: JitterBuffer | None = None
        """Where this leg's audio waits for a mixer."""
        self.track: Track | None = None
        """The recording of what this leg says."""
        self.message_track: Track | None = None
        """The recording of what is played to this leg."""
        self.payload_type = sdp.PCMU
        self.event_type: int | None = None
        self.heard_at: float | None = None
        """When audio last came, by the loop's clock."""
        self.reception = rtcp.Reception()
        """How well audio arrives from the peer."""
        self.strangers = 0
        """Packets that came from somewhere else, or were no audio of this leg."""
        self.lost = 0
        """Packets that the kernel would not take."""
        self.sent = 0
        self.sent_octets = 0

    @property
    def is_open(self) -> bool:
        """Whether something can be sent."""
        return False

    def play(self, audio: bytes, on_end: Callable[[], None]) -> None:
        """Send a message (mu-law) in place of what else this leg hears, then call `on_end`."""
        self.stop_message()

        def ended() -> None:
            self.stop_message()
            on_end()

        self._message = Playback(self, audio, on_end=ended, on_frame=self._record_message)
        self._settle_floor()

    @property
    def is_playing(self) -> bool:
        """Whether a message is being played."""
        return self._message is not None

    def stop_message(self) -> None:
        """Cut the message short; its `on_end` is not called."""
        if self._message is not None:
            self._message.stop()
            self._message = None
            self._settle_floor()

    def play_music(self, audio: bytes | None) -> None:
        """Play music (mu-law) in a loop, in place of voices; None ends it."""
        if (audio is None) == (self._music is None):
            return
        if self._music is not None:
            self._music.stop()
            self._music = None
        if audio is not None:
            self._music = Playback(self, audio, on_end=None)
        self._settle_floor()

    def press(self, keys: str) -> None:
        """Press keys, one after the other; meanwhile this leg hears nothing else."""
        if self._keys is None:
            self._keys = Keys(self, self._stop_keys)
            self._settle_floor()
        self._keys.press(keys)

    def lay_over(self, tone: mixing.Samples) -> None:
        """Add a short tone to what this leg hears, without holding any of it up."""
        self._stop_overlay()
        self._overlay = _Overlay(self, tone)

    def keep_alive(self) -> None:
        """Send a frame of silence if nothing was sent for a while."""
        if not self.is_open or self._loop.time() - self._sent_at < _QUIET_S:
            return
        silence = g711.SILENCE_ULAW if self.payload_type == sdp.PCMU else g711.SILENCE_ALAW
        self.send_packet(
            silence,
            payload_type=self.payload_type,
            marker=False,
            seq=0,
            timestamp=0,
            feed=object(),
        )

    def send_mix(self, voices: mixing.Samples | None, *, number: int, feed: object) -> None:
        """Send what a mixer made of several voices, the `number`-th of its frames."""
        if self._floor is not _Floor.VOICES:
            return
        if (
            self._overlay is not None
            and (tone := self._overlay.take(g711.FRAME_SAMPLES)) is not None
        ):
            voices = tone if voices is None else mixing.mix((voices, tone))
        if voices is not None:
            audio = mixing.encode(voices, self.payload_type)
        else:
            audio = g711.SILENCE_ULAW if self.payload_type == sdp.PCMU else g711.SILENCE_ALAW
        self.send_made(audio, number=number, feed=feed)

    def send_made(self, audio: bytes, *, number: int, feed: object) -> None:
        """Send a frame of our own making in this leg's law, if its feed has the say."""
        if feed is self._music:
            if self._floor is not _Floor.MUSIC:
                return
        elif feed is self._message:
            if self._floor is not _Floor.MESSAGE:
                return
        elif self._floor is not _Floor.VOICES:
            return
        self.send_packet(
            audio,
            payload_type=self.payload_type,
            marker=False,
            seq=number,
            timestamp=number * g711.FRAME_SAMPLES,
            feed=feed,
        )

    def send_packet(
        self,
        payload: bytes,
        *,
        payload_type: int,
        marker: bool,
        seq: int,
        timestamp: int,
        feed: object,
    ) -> None:
        """Send one packet of a feed, numbered by the feed's own counters."""
        packet = bytearray(rtp.HEADER_BYTES + len(payload))
        packet[rtp.HEADER_BYTES :] = payload
        rtp.restamp(
            packet,
            payload_type=payload_type,
            marker=marker,
            seq=seq,
            timestamp=timestamp,
            ssrc=0,
        )
        self._send(memoryview(packet), payload_type, feed, b"")

    def close(self) -> None:
        """Nothing is sent or heard from here on."""
        self.stop_message()
        self.play_music(None)
        self._stop_keys()
        self._stop_overlay()
        self.sinks = self.mixed_sinks = ()
        self.buffer = self.track = self.message_track = None
        self.on_digit = self.on_audio = None

    def _take(self, size: int, now: float) -> None:
        """A packet of the peer is in the buffer, with a bare header: bring it to who hears it."""
        heard_type = _BUFFER[1] & 0x7F
        is_audio = heard_type in _G711
        self.heard_at = now
        timestamp = int.from_bytes(_BUFFER[4:8], "big")
        ssrc = int.from_bytes(_BUFFER[8:12], "big")
        self.reception.take(
            ssrc=ssrc,
            seq=_BUFFER[2] << 8 | _BUFFER[3],
            timestamp=timestamp,
            at=now,
            is_audio=is_audio,
        )
        if heard_type in self._event_types:
            self._hear_key(size, timestamp, ssrc)
        elif is_audio and (self.buffer or self.track or self.on_audio):
            self._share(size, heard_type, timestamp, ssrc, now)
        sinks = self.sinks
        if len(sinks) == 1:
            sinks[0]._relay(self, size)
        elif sinks:
            packet = bytes(_VIEW[:size])
            for sink in sinks:
                _BUFFER[:size] = packet
                sink._relay(self, size)

    def _hear_key(self, size: int, timestamp: int, ssrc: int) -> None:
        """Tell of the key in the buffer, if it is the first packet of its press, and press it
        anew for who cannot be passed its packets: in a mix they would be torn apart."""
        digit = self._digits.hear(
            bytes(_VIEW[rtp.HEADER_BYTES : size]), ssrc=ssrc, timestamp=timestamp
        )
        if digit is None:
            return
        if self.on_digit is not None:
            self.on_digit(digit)
        for port in self.mixed_sinks:
            port.press(digit)
        for port in self.sinks:
            if port.event_type is None:
                port.press(digit)

    def _share(self, size: int, heard_type: int, timestamp: int, ssrc: int, now: float) -> None:
        """Give the audio in the buffer to mixer, recording and whoever else listens."""
        audio = bytes(_VIEW[rtp.HEADER_BYTES : size])
        if heard_type == sdp.PCMA:
            audio = audio.translate(g711.ALAW_TO_ULAW)
        if self.buffer is not None:
            self.buffer.put(audio, timestamp=timestamp, ssrc=ssrc)
        if self.track is not None:
            self.track.hear(audio, timestamp=timestamp, ssrc=ssrc, at=now)
        if self.on_audio is not None:
            self.on_audio(audio, now)

    def _relay(self, source: AudioPort, size: int) -> None:
        """Send the packet in the buffer, which `source` heard, on to this leg's peer."""
        if self._floor is not _Floor.VOICES:
            return
        heard_type = _BUFFER[1] & 0x7F
        if heard_type in _G711:
            payload_type = self.payload_type
            if heard_type != payload_type:
                table = _TRANSLATIONS[heard_type, payload_type]
                _BUFFER[rtp.HEADER_BYTES : size] = _BUFFER[rtp.HEADER_BYTES : size].translate(table)
            if self._overlay is not None:
                self._overlay.add_to(_VIEW[rtp.HEADER_BYTES : size], payload_type)
        elif heard_type in source._event_types and self.event_type is not None:
            payload_type = self.event_type
        else:
            return
        self._send(_VIEW[:size], payload_type, source, _BUFFER[8:12])

    def _send(
        self, packet: memoryview, payload_type: int, feed: object, ssrc: bytes | bytearray
    ) -> None:
        if not self.is_open:
            return
        now = self._loop.time()
        if feed is not self._feed or ssrc != self._feed_ssrc:
            self._feed, self._feed_ssrc = feed, bytes(ssrc)
            self._stream.begin(
                seq=int.from_bytes(packet[2:4], "big"),
                timestamp=int.from_bytes(packet[4:8], "big"),
                # No packet may begin before the one before it ended, however soon it is sent.
                gap=max(
                    self._sent_samples, int(min(now - self._sent_at, 3600.0) * g711.SAMPLE_RATE)
                ),
            )
        self._stream.restamp(packet, payload_type=payload_type)
        self._sent_at = now
        self._sent_samples = len(packet) - rtp.HEADER_BYTES
        self.sent += 1
        self.sent_octets += len(packet) - rtp.HEADER_BYTES
        self._transmit(packet)

    def _transmit(self, packet: memoryview) -> None:
        """Hand a packet to the network; it is not kept after this returns."""
        raise NotImplementedError

    def _record_message(self, position: int, frame: bytes) -> None:
        if self.message_track is not None:
            self.message_track.hear(frame, timestamp=position, ssrc=0, at=self._loop.time())

    def _settle_floor(self) -> None:
        if self._keys is not None:
            self._floor = _Floor.KEYS
        elif self._message is not None:
            self._floor = _Floor.MESSAGE
        elif self._music is not None:
            self._floor = _Floor.MUSIC
        else:
            self._floor = _Floor.VOICES

    def _stop_keys(self) -> None:
        if self._keys is not None:
            self._keys.stop()
            self._keys = None
            self._settle_floor()

    def _stop_overlay(self) -> None:
        if self._overlay is not None:
            self._overlay.stop()
            self._overlay = None


class _Overlay:
    """A short tone that is added to what a leg hears as it passes, so that nothing is delayed."""

    def __init__(self, port: AudioPort, tone: mixing.Samples) -> None:
        self._port = port
        self._tone = tone
        self._number = 0
        self._began_at = port._loop.time()
        self._beat = Beat(self._go_on_alone)

    def stop(self) -> None:
        """Add no more."""
        self._beat.stop()

    def take(self, count: int) -> mixing.Samples | None:
        """The next samples of the tone; None when it is over."""
        tone, self._tone = self._tone[:count], self._tone[count:]
        if len(self._tone) == 0:
            self._port._stop_overlay()
        if len(tone) == 0:
            return None
        whole = mixing.silence(count)
        whole[: len(tone)] = tone
        return whole

    def add_to(self, audio: memoryview, payload_type: int) -> None:
        """Add the tone to G.711 audio in place."""
        tone = self.take(len(audio))
        if tone is not None and len(audio):
            voice = mixing.decode(bytes(audio), payload_type)
            audio[:] = mixing.encode(mixing.mix((voice, tone)), payload_type)

    def _go_on_alone(self) -> None:
        """Send the tone by itself while nobody says anything that it could be added to."""
        port = self._port
        quiet_since = max(port._sent_at, self._began_at)
        if port._floor or port._loop.time() - quiet_since < _OVERLAY_WAIT_S:
            return
        tone = self.take(g711.FRAME_SAMPLES)
        if tone is not None:
            audio = mixing.encode(tone, port.payload_type)
            port.send_made(audio, number=self._number, feed=self)
            self._number += 1


class MediaPort(AudioPort):
    """A leg's audio on UDP: a pair of ports for RTP and RTCP. Closed by `close`, on every path."""

    def __init__(self, ip: str, port_min: int, port_max: int) -> None:
        """Open a free pair of the range. Raises `EngineUnavailable` if there is none."""
        super().__init__()
        self._socket, self._reports, self.port = _open(ip, port_min, port_max)
        self._loop.add_reader(self._socket, self._read)
        self._loop.add_reader(self._reports, self._read_reports)
        self._name = f"{secrets.token_hex(6)}@{ip}"
        self._peer: Sdp | None = None
        self._heard_from: tuple[str, int] | None = None
        self._send_to: tuple[str, int] | None = None
        self._reports_to: tuple[str, int] | None = None
        self._report_at = self._next_report()
        self._sent_before = 0
        self._peer_report: tuple[int, float] | None = None
        """The time that the peer's last sender report bore, and when it came."""
        self.told: rtcp.ReportBlock | None = None
        """What the peer last said of how our audio arrives there."""

    def set_peer(self, peer: Sdp) -> None:
        """Take what the peer's description says; audio is heard from its address only."""
        self._peer = peer
        self._heard_from = None
        self._send_to = (peer.ip, peer.port)
        self._reports_to = (peer.ip, peer.port + 1) if peer.port < 65535 else None
        self.payload_type = peer.audio_types[0]
        self.event_type = peer.event_type
        # A peer should send with the number of our offer (RFC 3264 5.1); some send with their own.
        self._event_types = frozenset({sdp.TELEPHONE_EVENT, peer.event_type or sdp.TELEPHONE_EVENT})

    @property
    def is_open(self) -> bool:
        """Whether the peer's address is known."""
        return self._send_to is not None

    def keep_alive(self) -> None:
        """Once a second: a frame of silence if nothing was sent, and a report when one is due."""
        super().keep_alive()
        if self._reports_to is not None and self._loop.time() >= self._report_at:
            self._report_at = self._next_report()
            self._report()

    def figures(self) -> dict[str, object]:
        """How the audio of this leg went, for the log."""
        told = self.told
        return {
            "received": self.reception.received,
            "lost": self.reception.lost,
            "jitter_ms": round(self.reception.jitter_ms, 1),
            "sent": self.sent,
            "not_sent": self.lost,
            "strangers": self.strangers,
            "peer_lost": None if told is None else told.lost,
            "peer_jitter_ms": None if told is None else round(told.jitter / 8, 1),
        }

    def close(self) -> None:
        """Close the ports; nothing is sent or heard from here on."""
        super().close()
        self._send_to = self._reports_to = None
        for opened in (self._socket, self._reports):
            if opened.fileno() >= 0:
                self._loop.remove_reader(opened)
                opened.close()

    def _read(self) -> None:
        """Packets are there: pass them on."""
        now = self._loop.time()
        for _ in range(_BATCH_MAX):
            try:
                size, sender = self._socket.recvfrom_into(_BUFFER)
            except OSError:
                return
            if size > 1 and _BUFFER[1] in rtcp.TYPES:
                self._hear_report(size, sender)
                continue
            if sender != self._heard_from and not self._lock_on(sender, size):
                self.strangers += 1
                continue
            if not rtp.is_plain(_BUFFER, size) and (size := self._make_plain(size)) == 0:
                self.strangers += 1
                continue
            self._take(size, now)

    def _read_reports(self) -> None:
        for _ in range(_BATCH_MAX):
            try:
                size, sender = self._reports.recvfrom_into(_BUFFER)
            except OSError:
                return
            self._hear_report(size, sender)

    def _hear_report(self, size: int, sender: tuple[str, int]) -> None:
        """Read what the peer reports; it may come to either of our ports (RFC 5761)."""
        if self._peer is None or sender[0] != self._peer.ip:
            self.strangers += 1
            return
        for report in rtcp.parse(bytes(_VIEW[:size])):
            if report.sent_at:
                self._peer_report = (report.sent_at, self._loop.time())
            for block in report.blocks:
                if block.ssrc == self._stream.ssrc:
                    self.told = block

    def _report(self) -> None:
        """Tell the peer how its audio arrives, and what we sent (RFC 3550, section 6.4)."""
        now = self._loop.time()
        last, came_at = self._peer_report or (0, now)
        block = self.reception.block(last_report=last, delay=int((now - came_at) * 65536))
        sender = None
        if self.sent != self._sent_before:
            self._sent_before = self.sent
            since = int((now - self._sent_at) * g711.SAMPLE_RATE)
            sender = rtcp.SenderInfo(
                at=time.time(),
                timestamp=self._stream.timestamp + since,
                packets=self.sent,
                octets=self.sent_octets,
            )
        packet = rtcp.report(ssrc=self._stream.ssrc, name=self._name, sender=sender, block=block)
        assert self._reports_to is not None, "reports are due only when they have an address"
        with contextlib.suppress(OSError):
            self._reports.sendto(packet, self._reports_to)

    def _next_report(self) -> float:
        return self._loop.time() + _REPORT_EVERY_S * (0.5 + secrets.randbelow(1000) / 1000)

    def _lock_on(self, sender: tuple[str, int], size: int) -> bool:
        """Whether `sender` is the peer: the first of its address that sends valid audio."""
        if self._peer is None or self._heard_from is not None or sender[0] != self._peer.ip:
            return False
        packet = rtp.parse(_VIEW[:size])
        types = {*self._peer.payload_types, *self._event_types, COMFORT_NOISE}
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

    def _transmit(self, packet: memoryview) -> None:
        assert self._send_to is not None, "an open port knows its peer"
        try:
            self._socket.sendto(packet, self._send_to)
        except OSError:
            self.lost += 1


def _open(ip: str, port_min: int, port_max: int) -> tuple[socket.socket, socket.socket, int]:
    """Non-blocking UDP sockets on a free pair of the range, an even port and the next, tried from
    a random place on."""
    first = port_min + port_min % 2
    count = (port_max - first + 1) // 2
    start = secrets.randbelow(max(1, count))
    for step in range(count):
        port = first + 2 * ((start + step) % count)
        pair: list[socket.socket] = []
        try:
            for number in (port, port + 1):
                candidate = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                pair.append(candidate)
                candidate.setblocking(False)
                candidate.bind((ip, number))
        except OSError:
            for candidate in pair:
                candidate.close()
            continue
        with contextlib.suppress(OSError):
            pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262_144)
        return pair[0], pair[1], port
    raise EngineUnavailable(
        f"no free pair of RTP ports on {ip} between {port_min} and {port_max}: widen the range"
    )

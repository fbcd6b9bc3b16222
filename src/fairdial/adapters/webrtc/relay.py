"""One session's plain side: a UDP port on loopback, and whichever browser stands behind it.

The port stays while browsers come and go: a reload or a lost network does not end the call. Packets
pass with their headers rewritten; mu-law and A-law are translated by table where a side differs.
Towards the engine it is always mu-law, with telephone events as payload type 101.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections import deque
from collections.abc import Callable

from fairdial.adapters.webrtc.connection import BrowserConnection
from fairdial.adapters.webrtc.settings import WebRtcSettings
from fairdial.exceptions import EngineUnavailable
from fairdial.media import g711, rtp, sdp

_BATCH_MAX = 16
"""Packets read from one port in one go, so that no leg can starve the others."""
_WAITING_MAX = 50
"""Packets for a browser that wait to be sent; the oldest are dropped beyond: 1 s of audio."""

_BUFFER = bytearray(2048)


class _Stream:
    """Packets of changing sources as one unbroken stream."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._out = rtp.OutgoingStream(
            ssrc=secrets.randbits(32), seq=secrets.randbits(16), timestamp=secrets.randbits(32)
        )
        self._source: object = None
        self._at = 0.0

    def restamp(self, packet: bytearray, payload_type: int, source: object) -> None:
        """Make the packet this stream's next. `source` says what numbered it, with its SSRC."""
        now = self._loop.time()
        source = (source, bytes(packet[8:12]))
        if source != self._source:
            self._source = source
            self._out.begin(
                seq=int.from_bytes(packet[2:4], "big"),
                timestamp=int.from_bytes(packet[4:8], "big"),
                gap=int(min(now - self._at, 3600.0) * g711.SAMPLE_RATE),
            )
        self._at = now
        self._out.restamp(packet, payload_type=payload_type)


class Relay:
    """A session's RTP port and its browser. Closed by `close`, on every path."""

    def __init__(
        self,
        settings: WebRtcSettings,
        ip: str,
        *,
        on_up: Callable[[], None],
        on_down: Callable[[str], None],
    ) -> None:
        """Open a free port on `ip`. Raises `EngineUnavailable`.

        `on_up` is told when a browser's audio flows, again for each connection; `on_down` once,
        when there is no browser any more and none came back in time.
        """
        self._settings = settings
        self._on_up = on_up
        self._on_down = on_down
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.bind((ip, 0))
        except OSError as failure:
            self._socket.close()
            raise EngineUnavailable(f"no RTP port can be opened on {ip}: {failure}") from failure
        self.port: int = self._socket.getsockname()[1]
        self._aim: tuple[str, int] | None = None
        self._browser: BrowserConnection | None = None
        self._is_up = False
        self._timer: asyncio.TimerHandle | None = None
        self._to_engine = _Stream()
        self._to_browser = _Stream()
        self._waiting: deque[bytearray] = deque(maxlen=_WAITING_MAX)
        self._news = asyncio.Event()
        self._connecting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._loop.add_reader(self._socket, self._read)
        self._pump = asyncio.create_task(self._send_waiting())

    def aim(self, ip: str, port: int) -> None:
        """Send the browser's audio there, and hear that address only."""
        self._aim = (ip, port)

    @property
    def has_browser(self) -> bool:
        """Whether a browser's connection stands, or is being made."""
        return self._browser is not None or self._connecting.locked()

    async def connect(self, offer: str) -> str:
        """Answer a browser's offer; its connection takes the place of the one there was.

        Raises `EngineUnavailable` for an offer that cannot be used: then nothing changes.
        """
        async with self._connecting:
            browser = BrowserConnection(
                self._settings,
                on_packet=self._hear_browser,
                on_end=lambda why: self._on_lost(browser, why),
            )
            answer = await browser.answer(offer)
            before, self._browser = self._browser, browser
            self._is_up = False
            seconds = self._settings.connect_s
            self._wait(seconds, f"the browser sent no audio within {seconds:g} s of its offer")
            if before is not None:
                await before.close()
            if self._is_closed:
                await browser.close()
                raise EngineUnavailable("the leg was taken down meanwhile")
            return answer

    async def close(self) -> None:
        """End the browser's connection and close the port; nothing is told from here on."""
        if self._is_closed:
            return
        self._is_closed = True
        self._forget_timer()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._pump.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._pump
        browser, self._browser = self._browser, None
        if browser is not None:
            await browser.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # From the browser to the engine.

    def _hear_browser(self, data: bytes) -> None:
        browser = self._browser
        packet = _plain(data)
        if browser is None or packet is None:
            return
        heard_type = packet[1] & 0x7F
        if heard_type == browser.audio_type:
            payload_type = sdp.PCMU
            if heard_type == sdp.PCMA:
                _translate(packet, g711.ALAW_TO_ULAW)
        elif heard_type == browser.event_type:
            payload_type = sdp.TELEPHONE_EVENT
        else:
            return
        if not self._is_up:
            self._is_up = True
            self._forget_timer()
            self._on_up()
        if self._aim is None:
            return
        self._to_engine.restamp(packet, payload_type, browser)
        with contextlib.suppress(OSError):
            self._socket.sendto(packet, self._aim)

    def _on_lost(self, browser: BrowserConnection, why: str) -> None:
        """A connection ended by itself: its browser may come back."""
        task = asyncio.create_task(browser.close())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if browser is not self._browser or self._is_closed:
            return
        self._browser = None
        self._is_up = False
        seconds = self._settings.return_s
        self._wait(seconds, f"{why}, and none took its place within {seconds:g} s")

    def _wait(self, seconds: float, why: str) -> None:
        self._forget_timer()
        self._timer = self._loop.call_later(seconds, self._on_down, why)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # From the engine to the browser.

    def _read(self) -> None:
        """Packets are there: line them up for the browser."""
        for _ in range(_BATCH_MAX):
            try:
                size, sender = self._socket.recvfrom_into(_BUFFER)
            except OSError:
                return
            packet = _plain(_BUFFER[:size]) if sender == self._aim else None
            if packet is not None and self._browser is not None:
                self._waiting.append(packet)
                self._news.set()

    async def _send_waiting(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting and (browser := self._browser) is not None:
                packet = self._waiting.popleft()
                payload_type = _suit(packet, browser)
                if payload_type is not None:
                    self._to_browser.restamp(packet, payload_type, browser)
                    packet[8:12] = browser.ssrc.to_bytes(4, "big")
                    await browser.send(bytes(packet))


def _suit(packet: bytearray, browser: BrowserConnection) -> int | None:
    """Make the engine's packet one that the browser agreed to; its payload type, or None."""
    heard_type = packet[1] & 0x7F
    if heard_type == sdp.TELEPHONE_EVENT:
        return browser.event_type
    if heard_type not in (sdp.PCMU, sdp.PCMA):
        return None
    if heard_type != browser.audio_type:
        _translate(packet, g711.ULAW_TO_ALAW if heard_type == sdp.PCMU else g711.ALAW_TO_ULAW)
    return browser.audio_type


def _translate(packet: bytearray, table: bytes) -> None:
    packet[rtp.HEADER_BYTES :] = packet[rtp.HEADER_BYTES :].translate(table)


def _plain(data: bytes | bytearray) -> bytearray | None:
    """The packet with the bare header; None for what is no RTP."""
    if rtp.is_plain(data, len(data)):
        return bytearray(data)
    packet = rtp.parse(data)
    return None if packet is None else bytearray(rtp.build(packet))

"""The cast of the gateway's tests: a browser played by aiortc, and an engine's end of plain RTP."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
from collections.abc import AsyncIterator, Callable
from typing import Any

import aioice.ice
import numpy as np
import pytest
from aiortc import (
    AudioStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from fairdial.media import g711, rtp
from fairdial.media.rtp import RtpPacket

HERE = "127.0.0.1"


OpenBrowser = Callable[[float], "Browser"]


@contextlib.asynccontextmanager
async def browsers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenBrowser]:
    """Opens browsers that say a tone, on this machine alone, and closes them in the end."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_wanted: [HERE])
    opened: list[Browser] = []

    def open_one(hertz: float) -> Browser:
        opened.append(Browser(hertz))
        return opened[-1]

    yield open_one
    for window in opened:
        await window.close()


class Tone(AudioStreamTrack):
    """A microphone that hears one pure tone."""

    def __init__(self, hertz: float) -> None:
        super().__init__()
        self.hertz = hertz
        self._at = 0

    async def recv(self) -> AudioFrame:
        await asyncio.sleep(g711.FRAME_S)
        frame = AudioFrame.from_ndarray(_wave(self.hertz, self._at)[None], layout="mono")
        frame.sample_rate = g711.SAMPLE_RATE
        frame.pts, frame.time_base = self._at, fractions.Fraction(1, g711.SAMPLE_RATE)
        self._at += g711.FRAME_SAMPLES
        return frame


class Browser:
    """A browser that says one tone and keeps what it hears."""

    def __init__(self, hertz: float = 440.0, *, codecs: str = "PCMU PCMA opus") -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.samples: list[Any] = []
        self._listening: asyncio.Task[None] | None = None
        self.pc.on("track", self._on_track)
        transceiver = self.pc.addTransceiver(Tone(hertz), direction="sendrecv")
        known = RTCRtpSender.getCapabilities("audio").codecs
        transceiver.setCodecPreferences(
            [c for name in codecs.split() for c in known if c.mimeType == f"audio/{name}"]
        )

    async def offer(self) -> str:
        """Its offer, with all candidates."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return str(self.pc.localDescription.sdp)

    async def take(self, answer: str) -> None:
        """Go on with the gateway's answer."""
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))

    async def hears(self, hertz: float) -> None:
        """Wait until the last 0.2 s are mostly this tone."""
        for _ in range(500):
            heard = np.concatenate([*self.samples[-10:], np.zeros(0)])
            if len(heard) >= 1600 and tone_of(heard, self.rate) == pytest.approx(hertz, abs=15):
                return
            await asyncio.sleep(0.02)
        pytest.fail(f"the browser never heard {hertz} Hz, but {len(self.samples)} frames")

    def heard_ever(self, hertz: float) -> bool:
        """Whether any 60 ms of what is kept were mostly this tone."""
        return any(
            tone_of(np.concatenate(self.samples[k : k + 3]), self.rate)
            == pytest.approx(hertz, abs=25)
            for k in range(len(self.samples) - 3)
        )

    async def close(self) -> None:
        """Close the window."""
        await self.pc.close()
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError, MediaStreamError):
                await self._listening

    def _on_track(self, track: Any) -> None:
        self._listening = asyncio.create_task(self._listen(track))

    async def _listen(self, track: Any) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                self.rate = frame.sample_rate
                self.samples.append(frame.to_ndarray().reshape(-1).astype(float))


class Engine(asyncio.DatagramProtocol):
    """An engine's RTP port: keeps what comes, and says a tone."""

    transport: Any

    def __init__(self) -> None:
        self.heard: list[RtpPacket] = []
        self._seq = 100

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, _sender: Any) -> None:
        packet = rtp.parse(data)
        assert packet is not None, "the gateway sends RTP only"
        self.heard.append(packet)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.transport.get_extra_info("sockname")[1])

    async def say(self, hertz: float, to: int, seconds: float = 3.0, payload_type: int = 0) -> None:
        """Say a tone, 50 packets a second."""
        for payload in wave_frames(hertz, round(seconds / g711.FRAME_S)):
            if payload_type == 8:
                self.send(payload.translate(g711.ULAW_TO_ALAW), to, payload_type)
            else:
                self.send(payload, to, payload_type)
            await asyncio.sleep(g711.FRAME_S)

    def send(self, payload: bytes, to: int, payload_type: int = 0) -> None:
        """Send one packet."""
        self._seq += 1
        packet = RtpPacket(
            payload_type=payload_type,
            marker=False,
            seq=self._seq,
            timestamp=self._seq * g711.FRAME_SAMPLES,
            ssrc=7,
            payload=payload,
        )
        self.transport.sendto(rtp.build(packet), (HERE, to))

    async def hears(self, hertz: float) -> list[RtpPacket]:
        """Wait until the last 0.2 s of audio are mostly this tone; all audio so far."""
        for _ in range(500):
            audio = [packet for packet in self.heard if packet.payload_type == 0]
            if len(audio) >= 10:
                ulaw = b"".join(packet.payload for packet in audio[-10:])
                pcm = np.array(g711.decode_ulaw(ulaw), dtype=float)
                if tone_of(pcm, g711.SAMPLE_RATE) == pytest.approx(hertz, abs=15):
                    return audio
            await asyncio.sleep(0.02)
        pytest.fail(f"the engine never heard {hertz} Hz, but {len(self.heard)} packets")


def tone_of(samples: Any, rate: int) -> float:
    """The strongest frequency, in hertz; 0 for silence."""
    if np.abs(samples).max() < 500:
        return 0.0
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


def wave_frames(hertz: float, count: int) -> list[bytes]:
    """A tone as mu-law frames of 20 ms."""
    starts = range(0, count * g711.FRAME_SAMPLES, g711.FRAME_SAMPLES)
    return [g711.encode_ulaw(int(s) for s in _wave(hertz, start)) for start in starts]


def _wave(hertz: float, start: int) -> Any:
    at = np.arange(start, start + g711.FRAME_SAMPLES) / g711.SAMPLE_RATE
    return (8000 * np.sin(2 * np.pi * hertz * at)).astype(np.int16)

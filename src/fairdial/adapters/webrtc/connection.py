"""One browser's connection: ICE, DTLS and SRTP by aiortc, whose codecs and tracks are left out.

G.711 is negotiated, so audio goes through as it is, a packet for a packet. aiortc offers no way to
do that, so a few of its private parts are used, all in this module; its version is pinned, and a
test says so loudly when they change.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import aioice.ice
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpCodecCapability,
    RTCSessionDescription,
)
from aiortc.codecs import CODECS, HEADER_EXTENSIONS
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.sdp import SessionDescription

from fairdial.adapters.webrtc.settings import OFFER_BYTES_MAX, WebRtcSettings
from fairdial.exceptions import EngineUnavailable
from fairdial.media import sdp

_EVENT_MIME = "audio/telephone-event"
_CAPABILITIES = {
    "PCMU": RTCRtpCodecCapability(mimeType="audio/PCMU", clockRate=8000, channels=1),
    "PCMA": RTCRtpCodecCapability(mimeType="audio/PCMA", clockRate=8000, channels=1),
    "event": RTCRtpCodecCapability(mimeType=_EVENT_MIME, clockRate=8000, channels=1),
}
_NOT_OF_USE = re.compile(r"a=(?:candidate:\S+ .*\.local .*|end-of-candidates)", re.IGNORECASE)
"""Candidates whose names a multicast query would have to resolve, and the word that no others come.

A browser that hides its address behind such a name sends us its checks all the same, and is known
by where they come from."""


def prepare(ip: str) -> None:
    """Set up aiortc for this process: our address for ICE, G.711 and keys, plain RTP headers."""
    # aioice takes every address of the machine but 127.0.0.1, and has no option for that.
    aioice.ice.get_host_addresses = lambda **_wanted: [ip]
    if all(codec.mimeType != _EVENT_MIME for codec in CODECS["audio"]):
        CODECS["audio"].append(
            RTCRtpCodecParameters(
                mimeType=_EVENT_MIME,
                clockRate=8000,
                channels=1,
                payloadType=sdp.TELEPHONE_EVENT,
            )
        )
    HEADER_EXTENSIONS["audio"].clear()


class _Nothing(MediaStreamTrack):
    """The track that aiortc wants to have: audio is sent past it."""

    kind = "audio"

    async def recv(self) -> Any:
        """Never give anything."""
        await asyncio.Event().wait()


class BrowserConnection:
    """One peer connection, from its offer to its end."""

    def __init__(
        self,
        settings: WebRtcSettings,
        *,
        on_packet: Callable[[bytes], None],
        on_end: Callable[[str], None],
    ) -> None:
        """A connection that waits for `answer`.

        `on_packet` gets each RTP packet of the browser; `on_end` is told once, why the connection
        ended, unless `close` was called.
        """
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=_servers(settings)))
        self._on_packet = on_packet
        self._on_end = on_end
        self._is_over = False
        self._transport: Any = None
        self.ssrc = 0
        """What our packets to the browser are signed with."""
        self.audio_type = sdp.PCMU
        """PCMU or PCMA, in both directions."""
        self.event_type: int | None = None
        """The browser's payload type of telephone events."""
        self._pc.on("connectionstatechange", self._on_state)

    @property
    def is_connected(self) -> bool:
        """Whether packets can be sent."""
        return not self._is_over and self._pc.connectionState == "connected"

    async def answer(self, offer: str) -> str:
        """Our answer to the browser's offer.

        Raises `EngineUnavailable` for an offer that cannot be used, and closes the connection.
        """
        try:
            return await self._answer(offer)
        except EngineUnavailable:
            await self.close()
            raise
        except asyncio.CancelledError:
            await self.close()
            raise
        # aiortc tells bad descriptions by whatever it stumbles over.
        except Exception as failure:
            await self.close()
            raise EngineUnavailable(f"the browser's offer cannot be used: {failure!r}") from failure

    async def _answer(self, offer: str) -> str:
        names = _look_at(offer)
        audio = "PCMU" if "PCMU" in names else "PCMA"
        lines = [line for line in offer.splitlines() if not _NOT_OF_USE.fullmatch(line)]
        transceiver = self._pc.addTransceiver(_Nothing(), direction="sendrecv")
        transceiver.setCodecPreferences([_CAPABILITIES[audio], _CAPABILITIES["event"]])
        sender: Any = transceiver.sender
        receiver: Any = transceiver.receiver
        # Its decoder thread, encoder and reports are for audio that aiortc handles itself.
        receiver.receive = sender.send = _leave_out
        await self._pc.setRemoteDescription(
            RTCSessionDescription(sdp="\r\n".join(lines) + "\r\n", type="offer")
        )
        self._transport = sender.transport
        self._transport._handle_rtp_data = self._hear
        self.ssrc = sender._ssrc
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        answer = self._pc.localDescription.sdp
        self.audio_type = sdp.PCMU if audio == "PCMU" else sdp.PCMA
        for codec in SessionDescription.parse(answer).media[0].rtp.codecs:
            if codec.mimeType.lower() == _EVENT_MIME:
                self.event_type = codec.payloadType
        return str(answer)

    async def send(self, packet: bytes) -> None:
        """Send an RTP packet to the browser; nothing when the connection is not up."""
        if not self.is_connected:
            return
        try:
            await self._transport._send_rtp(packet)
        except ConnectionError:
            return

    async def close(self) -> None:
        """End the connection; `on_end` is not called."""
        self._is_over = True
        await self._pc.close()

    async def _hear(self, data: bytes, **_arrival: int) -> None:
        """In the place of aiortc's way to its decoder: a decrypted packet, as it came."""
        if not self._is_over:
            self._on_packet(data)

    def _on_state(self) -> None:
        state = self._pc.connectionState
        if state not in ("failed", "closed") or self._is_over:
            return
        self._is_over = True
        self._on_end(
            "the browser ended the connection"
            if state == "closed"
            else "the browser could not be reached (ICE or DTLS failed)"
        )


async def _leave_out(_parameters: Any) -> None:
    """In the place of aiortc's own sending and receiving."""


def _servers(settings: WebRtcSettings) -> list[RTCIceServer]:
    servers = []
    if settings.stun_url is not None:
        servers.append(RTCIceServer(urls=settings.stun_url))
    if settings.turn_url is not None:
        servers.append(
            RTCIceServer(
                urls=settings.turn_url,
                username=settings.turn_username,
                credential=settings.turn_password,
            )
        )
    return servers


def _look_at(offer: str) -> frozenset[str]:
    """The names of the codecs that are offered. Raises `EngineUnavailable` for unusable offers."""
    if len(offer.encode()) > OFFER_BYTES_MAX:
        raise EngineUnavailable(
            f"the browser's offer is longer than {OFFER_BYTES_MAX} bytes: offer one audio line"
        )
    media = SessionDescription.parse(offer).media
    if [m.kind for m in media] != ["audio"]:
        raise EngineUnavailable("the browser's offer must have one audio line and nothing else")
    audio = media[0]
    if audio.direction != "sendrecv":
        raise EngineUnavailable(
            f"the browser's offer is {audio.direction}: a phone needs to hear and to be heard "
            "(sendrecv)"
        )
    names = frozenset(codec.name.upper() for codec in audio.rtp.codecs if codec.clockRate == 8000)
    if not names & {"PCMU", "PCMA"}:
        raise EngineUnavailable(
            "the browser offers neither PCMU nor PCMA (G.711): every browser has them, so look "
            "for a setting or an extension that takes them away"
        )
    return names

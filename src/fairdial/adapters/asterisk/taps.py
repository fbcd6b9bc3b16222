"""Taps: one direction of a leg's audio, brought out of Asterisk as RTP, 20 ms at a time.

A tap is a snoop on the leg's channel, bridged with a channel that sends what it hears to a port of
ours. Recordings and ears hang on it. So a recording lies in our folder from its first second, with
pauses at their exact place, also when Asterisk runs on another machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fairdial.adapters.asterisk.ari import AriRefused, Said
from fairdial.adapters.asterisk.node import Node
from fairdial.exceptions import EngineUnavailable
from fairdial.media import rtp, sdp
from fairdial.media.rtp import RtpPacket

Hear = Callable[[RtpPacket, float], None]
"""Takes a packet of mu-law, and when it came by the loop's clock."""


class Tap(asyncio.DatagramProtocol):
    """One direction of one leg."""

    def __init__(self, node: Node, channel: str, spy: str, hear: Hear) -> None:
        """`spy` is `in` for what the far end says, `out` for what it hears."""
        self._node = node
        self._channel = channel
        self._spy = spy
        self._hear = hear
        self._name = f"{channel}-tap-{spy}-{id(self) % 100_000}"
        self._transport: asyncio.DatagramTransport | None = None
        self._loop = asyncio.get_running_loop()

    async def open(self, *, ip: str, app: str) -> None:
        """Let the audio flow. Raises `EngineUnavailable` when it cannot, and then left nothing."""
        transport, _ = await self._loop.create_datagram_endpoint(lambda: self, local_addr=(ip, 0))
        self._transport = transport
        port = self._transport.get_extra_info("sockname")[1]
        snoop, media, node = f"{self._name}-snoop", f"{self._name}-media", self._node
        node.owners[snoop] = node.owners[media] = self
        try:
            await asyncio.gather(
                node.arrival(
                    snoop,
                    node.ask(
                        "POST",
                        f"channels/{self._channel}/snoop",
                        spy=self._spy,
                        whisper="none",
                        app=app,
                        snoopId=snoop,
                    ),
                ),
                node.open_media(media, to=f"{ip}:{port}", app=app),
                node.ask("POST", f"bridges/{self._name}", type="mixing"),
            )
            path = f"bridges/{self._name}/addChannel"
            await node.ask("POST", path, channel=f"{snoop},{media}")
        except (EngineUnavailable, AriRefused) as failure:
            self.close()
            raise EngineUnavailable(f"Asterisk does not give the audio: {failure}") from failure

    def close(self) -> None:
        """Hear no more."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        transport.close()
        for part in ("snoop", "media"):
            channel = f"{self._name}-{part}"
            self._node.owners.pop(channel, None)
            self._node.later("DELETE", f"channels/{channel}")
        self._node.later("DELETE", f"bridges/{self._name}")

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002
        """A packet of Asterisk's."""
        packet = rtp.parse(data)
        if packet is not None and packet.payload_type == sdp.PCMU:
            self._hear(packet, self._loop.time())

    def on_said(self, said: Said) -> None:
        """Nothing of it matters: whoever opened it closes it."""

    def on_missing(self) -> None:
        """One half is gone; the recording's silence tells."""

    def on_found(self, channel: Said) -> None:
        """It is where it was."""

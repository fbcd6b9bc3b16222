"""An agent's leg whose phone is a browser: plain RTP with the gateway, which tells up and down.

It stands beside the legs of SIP phones and is joined, left and held like them. There is no dialog:
the dialer's process speaks with the gateway, and passes on what it says.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fairdial.adapters.sip.media import MediaPort
from fairdial.media import sdp, sounds

if TYPE_CHECKING:
    from fairdial.adapters.sip.engine import Engine

GATEWAY_IP = "127.0.0.1"
"""Where the gateway's ports are; its audio never leaves this machine."""


class BrowserLeg:
    """The leg of one session, for as long as the gateway holds its port."""

    def __init__(self, engine: Engine, session: str) -> None:
        """Open a port for the gateway. Raises `EngineUnavailable` when none is free."""
        settings = engine.settings
        self._engine = engine
        self._session = session
        self.media = MediaPort(GATEWAY_IP, settings.rtp_port_min, settings.rtp_port_max)
        self.is_up = False
        """Whether the browser's audio flows, or did so seconds ago: a reload is waited for."""
        self._up_at = 0.0
        self._is_over = False

    def aim(self, port: int) -> None:
        """Speak with this port of the gateway, and hear no other."""
        self.media.set_peer(
            sdp.Sdp(
                ip=GATEWAY_IP,
                port=port,
                payload_types=(sdp.PCMU, sdp.TELEPHONE_EVENT),
                event_type=sdp.TELEPHONE_EVENT,
            )
        )

    def come_up(self) -> None:
        """The browser's audio flows; told once, however often the browser reconnects.

        The agent hears a tone each time: the line works, in this direction too.
        """
        self._up_at = asyncio.get_running_loop().time()
        self.media.lay_over(sounds.line_tone())
        if not self.is_up:
            self.is_up = True
            self.media.keep_alive()
            self._engine.tell("agent_up", session=self._session)

    def check_media(self, now: float) -> None:
        """Take down a leg whose browser has gone silent: a live answer must not be joined to it."""
        lost_s = self._engine.settings.media_lost_s
        if self.is_up and now - max(self._up_at, self.media.heard_at or 0.0) > lost_s:
            self.take_down(f"the browser sent no audio for {lost_s:g} s")

    def take_down(self, why: str) -> None:
        """End the leg, and say so."""
        if self._is_over:
            return
        self._is_over = True
        self.is_up = False
        self._engine.drop(self.media)
        self._engine.agents.pop(self._session, None)
        self._engine.tell("agent_down", session=self._session, why=why)

"""Phones of ours: an agent's, a supervisor's, a colleague's. Rung once, then up for good.

A browser's leg is a channel of plain RTP towards the gateway, which holds the browser.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

from fairdial.adapters.asterisk.ari import AriRefused, Said
from fairdial.adapters.asterisk.board import Board, Timer
from fairdial.adapters.asterisk.config import ANY_PHONE, OURS, TRUNK_PREFIX
from fairdial.adapters.asterisk.conversation import Seated
from fairdial.adapters.asterisk.node import Node
from fairdial.core.ids import SessionId
from fairdial.core.trunk import is_loopback
from fairdial.exceptions import EngineUnavailable
from fairdial.ports import AgentLegDown, AgentLegUp

_URI = re.compile(
    r"(?P<uri>sip:[A-Za-z0-9._+~-]{1,64}@(?P<host>[A-Za-z0-9.-]{1,253})(?::(?P<port>\d{1,5}))?)"
    r"(?:;transport=udp)?",
    re.IGNORECASE | re.ASCII,
)
_REGISTERED = re.compile(r"phone:(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,63})", re.ASCII)
_SLACK_S = 10
"""Asterisk's own timeout is a second fence behind ours, seconds."""


def endpoint_of(phone: str, *, is_sandbox: bool) -> str:
    """A phone as Asterisk dials it. Raises `EngineUnavailable` for what is none."""
    if (found := _REGISTERED.fullmatch(phone)) is not None:
        name = found["name"]
        if name != ANY_PHONE and not name.startswith(TRUNK_PREFIX):
            return f"PJSIP/{name}"
    found = _URI.fullmatch(phone)
    if found is None or not 0 < int(found["port"] or 5060) < 65536:
        raise EngineUnavailable(
            f"{phone[:80]!r} is no phone that can be called: write it as sip:name@host, "
            f"sip:name@host:port, or phone:name for one that registers"
        )
    if is_sandbox and not is_loopback(found["host"]):
        raise EngineUnavailable(f"{phone[:80]!r} is not on this machine; the sandbox stays on it")
    return f"PJSIP/{ANY_PHONE}/{found['uri']}"


class PhoneLeg(Seated):
    """The leg of one phone of ours."""

    def __init__(self, board: Board, node: Node, session_id: SessionId) -> None:
        """A leg that `connect` will ring."""
        # Its own each time: the same session may come back after a lost leg.
        super().__init__(node, f"{session_id}-{secrets.token_hex(4)}")
        self.board = board
        self.id: SessionId = session_id
        self.is_up = False
        """Whether the phone was picked up and the leg stands."""
        self._is_over = False
        self._timer = Timer()

    async def connect(self, phone: str) -> None:
        """Ring it; `AgentLegUp` or `AgentLegDown` follows."""
        settings = self.board.settings
        try:
            endpoint = endpoint_of(phone, is_sandbox=settings.is_sandbox)
            self.node.owners[self.channel] = self
            self._timer.set(settings.agent_ring_s, self._no_answer)
            await self.node.ask(
                "POST",
                "channels",
                endpoint=endpoint,
                channelId=self.channel,
                context=OURS,
                extension="leg",
                priority=1,
                callerId='"Fairdial" <fairdial>',
                timeout=round(settings.agent_ring_s) + _SLACK_S,
            )
        except (EngineUnavailable, AriRefused) as failure:
            self.finish(str(failure))

    def take_down(self, why: str) -> None:
        """CANCEL or BYE, and say so."""
        if not self._is_over:
            self.node.later("DELETE", f"channels/{self.channel}")
            self.finish(why)

    def on_said(self, said: Said) -> None:
        """An event about its channel."""
        match said["type"]:
            case "StasisStart" if not self.is_up and not self._is_over:
                self._timer.stop()
                self.is_up = True
                self.board.tell(AgentLegUp(session_id=self.id, at=self.board.clock.now()))
            case "ChannelDestroyed":
                status = said.get("tech_cause", 0)
                words = f"Q.850 {said['cause']} {said.get('cause_txt', '')}"
                if self.is_up:
                    self.finish(f"the phone hung up; {words}")
                else:
                    self.finish(f"SIP {status}; {words}" if status >= 300 else words)

    def on_missing(self) -> None:
        """It ended while the connection was away."""
        self.finish("it ended while Asterisk was away")

    def on_found(self, channel: Said) -> None:
        """After a gap: it may have been picked up meanwhile."""
        if channel["state"] == "Up" and channel["dialplan"]["app_name"] == "Stasis":
            self.on_said({"type": "StasisStart"})

    def _no_answer(self) -> None:
        self.take_down(f"not picked up within {self.board.settings.agent_ring_s:g} s")

    def lost(self, *, tells: bool) -> None:
        """Its node is gone. Not told where `EngineDown` tells it of every leg."""
        self.conversation = None
        self.finish("its Asterisk is gone", tells=tells)

    def finish(self, why: str, *, tells: bool = True) -> None:
        """The one end of this leg."""
        if self._is_over:
            return
        self._is_over = True
        self.is_up = False
        self._timer.stop()
        self.node.owners.pop(self.channel, None)
        self.board.phones.pop(self.id, None)
        if tells:
            self.board.tell(AgentLegDown(session_id=self.id, at=self.board.clock.now(), why=why))
        conversation = self.conversation
        if conversation is not None:
            conversation.forget(self)
            self.node.spawn(conversation.rearrange())


class BrowserLeg(PhoneLeg):
    """The leg of a phone of ours that is a browser."""

    def __init__(
        self, board: Board, node: Node, session_id: SessionId, on_over: Callable[[str], None]
    ) -> None:
        """`on_over` is told when the leg is gone, for the browser's connection to end."""
        super().__init__(board, node, session_id)
        self._on_over = on_over
        self._address: tuple[str, int] | None = None

    async def open(self, port: int) -> tuple[str, int]:
        """Send and take audio at this port of the gateway; returns Asterisk's own address for it.

        Raises `EngineUnavailable`, and nothing is left then.
        """
        if self._address is not None:
            return self._address
        settings = self.board.settings
        self.node.owners[self.channel] = self
        path = f"channels/{self.channel}"
        try:
            here = f"{settings.media_ip}:{port}"
            await self.node.open_media(self.channel, to=here, app=settings.app)
            ip, theirs = [
                (await self.node.ask("GET", f"{path}/variable", variable=name))["value"]
                for name in ("UNICASTRTP_LOCAL_ADDRESS", "UNICASTRTP_LOCAL_PORT")
            ]
            self._address = ip, int(theirs)
        except (EngineUnavailable, AriRefused, ValueError) as failure:
            self.take_down(str(failure))
            raise EngineUnavailable(f"Asterisk gives the browser no leg: {failure}") from failure
        return self._address

    def come_up(self) -> None:
        """The browser's audio flows; told once, however often the browser reconnects.

        The agent hears a tone each time: the line works, in this direction too.
        """
        if self._is_over:
            return
        self.node.later(
            "POST", f"channels/{self.channel}/play", media=f"sound:{self.board.line_tone}"
        )
        if not self.is_up:
            self.is_up = True
            self.board.tell(AgentLegUp(session_id=self.id, at=self.board.clock.now()))

    def on_said(self, said: Said) -> None:
        """An event about its channel. That it is there says nothing of the browser yet."""
        if said["type"] == "ChannelDestroyed":
            super().on_said(said)

    def on_found(self, channel: Said) -> None:
        """After a gap it is where it was."""

    def finish(self, why: str, *, tells: bool = True) -> None:
        """The one end of this leg; the browser has to come again."""
        if not self._is_over:
            self._on_over(str(self.id))
        super().finish(why, tells=tells)

"""What the legs of one dialer share: its nodes and trunks, its log, and the ear of the flow."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fairdial.adapters.asterisk.settings import AsteriskSettings
from fairdial.adapters.asterisk.trunks import Trunks
from fairdial.adapters.wirelog import WireLog
from fairdial.core.ids import CallId, SessionId
from fairdial.ports import Clock, Message, TelephonyEvent

if TYPE_CHECKING:
    from fairdial.adapters.asterisk.calls import OutsideLeg
    from fairdial.adapters.asterisk.phones import PhoneLeg

log = logging.getLogger("fairdial.asterisk")


class Board:
    """The switchboard: every leg, and where they are plugged in."""

    def __init__(
        self,
        settings: AsteriskSettings,
        clock: Clock,
        *,
        wire: WireLog,
        trunks: Trunks,
        sounds: Path,
        tell: Callable[[TelephonyEvent], None],
        on_over: Callable[[CallId], None],
    ) -> None:
        """A board without legs. `sounds` is the folder of what is played."""
        self.settings = settings
        self.clock = clock
        self.wire = wire
        self.trunks = trunks
        self.sounds = sounds
        self.tell = tell
        self.on_over = on_over
        """What else is to end with a call."""
        self.calls: dict[CallId, OutsideLeg] = {}
        self.phones: dict[SessionId, PhoneLeg] = {}

    def sound(self, message: Message) -> str:
        """A message as Asterisk names it: its path without the ending."""
        return str(self.sounds / message.value)

    @property
    def joined(self) -> str:
        """The short tone that tells an agent: somebody is there."""
        return str(self.sounds / "joined")

    @property
    def line_tone(self) -> str:
        """The tone that tells an agent at a browser: your line works."""
        return str(self.sounds / "line")

    def log_end(self, channel: str, raw: str) -> None:
        """Write down that nothing is left of a leg; the log's failure does not change that."""
        with contextlib.suppress(OSError):
            self.wire.ended(channel, raw=raw)


class Timer:
    """One thing to be done later, unless something else takes its place."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    def set(self, seconds: float, then: Callable[[], None]) -> None:
        """Do `then` in so many seconds, and nothing that was set before."""
        self.stop()
        self._handle = asyncio.get_running_loop().call_later(seconds, then)

    def stop(self) -> None:
        """Do nothing."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

"""An ear on one call: what came in is given to it as it comes, and what it tells is passed on.

Both engines use it, each with its own way to the audio. A person's call is left alone as soon as it
is known to be one; a machine is listened to until the end of the call, for its beep. All of it runs
in asyncio's thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from fairdial.core.answer import AnswerKind, Tone
from fairdial.media.call_ear import CallEar, Heard, Judgement
from fairdial.media.ear_settings import DetectorSettings

_TICK_S = 0.1
"""How often the ear is told that nothing came, seconds: silence is judged as well."""


class Teller(Protocol):
    """Who is told. Times are Unix seconds."""

    def on_judged(self, judgement: Judgement) -> None:
        """Who or what answered; once."""

    def on_tone(self, tone: Tone) -> None:
        """A tone of the network or of a machine."""


class Listening:
    """One call being listened to, from its first sound on."""

    def __init__(
        self,
        teller: Teller,
        *,
        on_over: Callable[[], None],
        settings: DetectorSettings | None = None,
    ) -> None:
        """`on_over` is called when nothing more is to be heard: then no audio need come."""
        self._loop = asyncio.get_running_loop()
        self._ear = CallEar(settings or DetectorSettings())
        self._teller = teller
        self._on_over = on_over
        self._is_machine = False
        self._is_bridged = False
        self._is_over = False
        self._heard_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def answered(self) -> None:
        """The call was answered: from now on it is judged who did."""
        if not self._is_over and self._timer is None:
            self._ear.answered(self._loop.time())
            self._timer = self._loop.call_later(_TICK_S, self._tick)

    def hear(self, audio: bytes, at: float) -> None:
        """A packet of mu-law audio came at `at`, by the loop's clock."""
        if not self._is_over:
            self._heard_at = at
            self._pass_on(self._ear.hear(audio, at))

    def bridged(self) -> None:
        """An agent is on the line, who hears for themselves from the judgement on."""
        self._is_bridged = True
        if self._ear.is_judged:
            self.stop()

    def stop(self) -> None:
        """Listen no more."""
        if not self._is_over:
            self._is_over = True
            if self._timer is not None:
                self._timer.cancel()
            self._on_over()

    def _tick(self) -> None:
        now = self._loop.time()
        if now - self._heard_at >= _TICK_S:
            self._pass_on(self._ear.tick(now))
        if not self._is_over and not self._ear.is_judged:
            self._timer = self._loop.call_later(_TICK_S, self._tick)

    def _pass_on(self, told: list[Judgement | Heard]) -> None:
        for what in told:
            if self._is_over:
                return
            if isinstance(what, Heard):
                self._teller.on_tone(what.tone)
            else:
                self._judged(what)

    def _judged(self, judgement: Judgement) -> None:
        self._is_machine = judgement.kind is AnswerKind.MACHINE
        offset = time.time() - self._loop.time()
        started, ended = judgement.greeting_started_at, judgement.greeting_ended_at
        self._teller.on_judged(
            replace(
                judgement,
                greeting_started_at=None if started is None else started + offset,
                greeting_ended_at=None if ended is None else ended + offset,
            )
        )
        if not self._is_machine or self._is_bridged:
            self.stop()

"""The beat of 20 ms that everything made by the engine itself is sent by: messages, keys, mixes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fairdial.media import g711

BURST_MAX = 5
"""Beats that are made up for at once after a delay; of more, all but one are left out."""


class Beat:
    """Calls `step` every 20 ms from now on, by a schedule that does not drift, until `stop`."""

    __slots__ = ("_count", "_loop", "_start_at", "_step", "_timer")

    def __init__(self, step: Callable[[], None]) -> None:
        self._step = step
        self._loop = asyncio.get_running_loop()
        self._start_at = self._loop.time()
        self._count = 0
        self._timer: asyncio.Handle | None = self._loop.call_soon(self._run)

    def stop(self) -> None:
        """Call no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        due = int((self._loop.time() - self._start_at) / g711.FRAME_S) + 1
        if due - self._count > BURST_MAX:
            # We were held up: go on from here instead of sending a burst nobody can play.
            self._start_at += (due - self._count - 1) * g711.FRAME_S
            due = self._count + 1
        while self._count < due:
            self._count += 1
            self._step()
            if self._timer is None:
                return
        next_at = self._start_at + self._count * g711.FRAME_S
        self._timer = self._loop.call_at(next_at, self._run)

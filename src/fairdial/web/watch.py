"""One look at the campaign for all who watch: the picture, shared by every viewer.

However many people watch, the database is read at most twice a second, and not at all while nobody
does. A look that fails is told to the viewers in words and tried again. Each viewer takes the
newest picture when ready for one, so a slow one misses pictures and delays nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from fairdial.exceptions import FairdialError
from fairdial.flow.picture import Picture
from fairdial.web.problem import Problem
from fairdial.web.shown import show

log = logging.getLogger("fairdial.web")

REFRESH_S = 0.5
"""How old a picture may be before somebody who watches makes us look again."""
LOOK_S_MAX = 5.0
"""How long one look may take."""
VIEWERS_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one look brought: a picture as JSON, or what stood in the way."""

    serial: int
    taken_at: float
    """By the event loop's clock, seconds."""
    json: str
    problem: Problem | None = None


@dataclass(slots=True, kw_only=True)
class Watch:
    """The shared look and the seats of those who watch."""

    look: Callable[[], Awaitable[Picture]]
    zone: str = "UTC"
    viewers_max: int = VIEWERS_MAX
    viewers: int = 0
    _latest: Sighting | None = None
    _looking: asyncio.Task[Sighting] | None = None
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    def take_seat(self) -> bool:
        """Become a viewer; False when all seats are taken. `leave_seat` follows a True."""
        if self.viewers >= self.viewers_max:
            return False
        self.viewers += 1
        return True

    def leave_seat(self) -> None:
        """Stop being a viewer."""
        self.viewers -= 1

    async def current(self) -> Sighting | None:
        """A sighting that is fresh enough, looking again if need be; None once closed."""
        loop = asyncio.get_running_loop()
        if self._closing.is_set():
            return None
        if self._latest is not None and loop.time() < self._latest.taken_at + REFRESH_S:
            return self._latest
        # The look belongs to nobody in particular: a viewer who leaves does not cancel it.
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_once())
        looking = self._looking
        await asyncio.wait({looking})
        return None if looking.cancelled() else looking.result()

    async def sightings(self) -> AsyncIterator[Sighting]:
        """Every new sighting until the watch is closed; the newest one when asked late."""
        loop = asyncio.get_running_loop()
        seen = 0
        while (sighting := await self.current()) is not None:
            if sighting.serial != seen:
                seen = sighting.serial
                yield sighting
            wait_s = max(0.01, sighting.taken_at + REFRESH_S - loop.time())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), wait_s)

    async def close(self) -> None:
        """End every viewer's stream and the look under way; nothing is read afterwards."""
        self._closing.set()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking}, timeout=LOOK_S_MAX)

    async def _look_once(self) -> Sighting:
        started_at = asyncio.get_running_loop().time()
        serial = 1 if self._latest is None else self._latest.serial + 1
        problem: Problem | None = None
        try:
            async with asyncio.timeout(LOOK_S_MAX):
                picture = await self.look()
            text = show(picture, zone=self.zone).model_dump_json()
        except TimeoutError:
            problem = Problem.of(503, f"Reading the picture took longer than {LOOK_S_MAX:g} s.")
        except FairdialError as error:
            problem = Problem.of(503, f"The picture cannot be read: {error}")
        except Exception:
            log.exception("taking the picture failed")
            problem = Problem.of(500, "Taking the picture failed; the log says why.")
        if problem is not None:
            text = problem.model_dump_json()
        self._latest = Sighting(serial=serial, taken_at=started_at, json=text, problem=problem)
        return self._latest

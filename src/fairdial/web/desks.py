"""One look at all desks for every agent's page, as often as people notice, and no oftener.

However many agents have their page open, the database is read at most five times a second, and not
at all while nobody has. A look that fails is told to the pages in words and tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from fairdial.core.ids import SessionId
from fairdial.exceptions import FairdialError
from fairdial.flow.agent_picture import AgentPicture
from fairdial.web.problem import Problem

log = logging.getLogger("fairdial.web")

REFRESH_S = 0.2
"""How old a look may be; a joined call is on the agent's screen within so long."""
LOOK_S_MAX = 5.0

Pictures = Mapping[SessionId, AgentPicture]


@dataclass(slots=True)
class Desks:
    """The shared look."""

    look: Callable[[], Awaitable[Pictures]]
    _taken_at: float = 0.0
    _latest: Pictures | Problem | None = None
    _looking: asyncio.Task[Pictures | Problem] | None = None
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def current(self) -> Pictures | Problem:
        """A look that is fresh enough, or what stood in its way."""
        loop = asyncio.get_running_loop()
        if self._latest is not None and loop.time() < self._taken_at + REFRESH_S:
            return self._latest
        # The look belongs to nobody in particular: a page that is closed does not cancel it.
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_once())
        looking = self._looking
        await asyncio.wait({looking})
        return Problem.of(503, "Fairdial is stopping.") if looking.cancelled() else looking.result()

    async def pictures(self) -> AsyncIterator[Pictures | Problem]:
        """One look after another, until the desks are closed."""
        while not self._closing.is_set():
            yield await self.current()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), REFRESH_S)

    async def close(self) -> None:
        """End every page's stream and the look under way."""
        self._closing.set()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking}, timeout=LOOK_S_MAX)

    async def _look_once(self) -> Pictures | Problem:
        self._taken_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(LOOK_S_MAX):
                self._latest = await self.look()
        except TimeoutError:
            self._latest = Problem.of(503, f"Looking took longer than {LOOK_S_MAX:g} s.")
        except FairdialError as error:
            self._latest = Problem.of(503, f"The desks cannot be read: {error}")
        except Exception:
            log.exception("looking at the desks failed")
            self._latest = Problem.of(500, "Looking failed; the log says why.")
        return self._latest

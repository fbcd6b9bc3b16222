"""What an agent has before them: their session, and the person they are joined with.

Read from the tables each time, for all browsers of a campaign at once. Who a call is with does not
change, so it is looked up once for each call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairdial.core.agent import AgentSession
from fairdial.core.campaign import Campaign
from fairdial.core.ids import E164, AttemptId, Instant, SessionId
from fairdial.flow.floor import Floor
from fairdial.ports import is_browser

_CALLED_KEPT = 2000
"""Calls whose person is remembered: more than are ever at hand at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """The person of one call."""

    number: E164
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPicture:
    """One agent's desk at one moment."""

    at: Instant
    session: AgentSession
    called: Called | None
    """The person on the line, or the one that the wrap-up is about."""


@dataclass(slots=True)
class BrowserDesks:
    """The desks of a campaign's agents whose phones are browsers."""

    floor: Floor
    campaign: Campaign
    _called: dict[AttemptId, Called] = field(default_factory=dict)

    async def look(self) -> Mapping[SessionId, AgentPicture]:
        """Look at all of them."""
        async with self.floor.store.transaction() as tx:
            sessions = await tx.open_sessions(self.campaign.id)
            sessions = [s for s in sessions if is_browser(s.phone)]
            if any(self._is_news(s) for s in sessions):
                for call in await tx.live_calls(self.campaign.id):
                    self._called[call.id] = Called(number=call.number, name=call.name)
        for session in sessions:
            if session.attempt_id is not None and self._is_news(session):
                await self._look_up(session.attempt_id)
        while len(self._called) > _CALLED_KEPT:
            self._called.pop(next(iter(self._called)))
        now = self.floor.clock.now()
        return {s.id: AgentPicture(at=now, session=s, called=self._of(s)) for s in sessions}

    def _is_news(self, session: AgentSession) -> bool:
        return session.attempt_id is not None and session.attempt_id not in self._called

    def _of(self, session: AgentSession) -> Called | None:
        return None if session.attempt_id is None else self._called.get(session.attempt_id)

    async def _look_up(self, attempt_id: AttemptId) -> None:
        """A call that ended before anybody looked: its wrap-up is under way."""
        async with self.floor.store.transaction() as tx:
            attempt = await tx.attempt(attempt_id)
            if attempt is not None:
                lead = await tx.lead(attempt.lead_id)
                self._called[attempt_id] = Called(number=lead.number, name=lead.name)

"""A telephony engine without a network: it keeps the port's promises and does what it is told.

Tests and simulators play the called party and the network: `ring`, `answer`, `press`, `end`. It
checks permits as every engine does, dials an attempt once only, and can die and come back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection

from fairdial.core.attempt import EndCause, Message
from fairdial.core.ids import AttemptId, SessionId
from fairdial.core.permit import Permit
from fairdial.exceptions import EngineUnavailable, PermitMisused
from fairdial.ports import (
    AgentLegDown,
    AgentLegUp,
    CallAnswered,
    CallBridged,
    CallDialed,
    CallDigit,
    CallEnded,
    CallNotDialed,
    CallRinging,
    Clock,
    EngineDown,
    EngineUp,
    LiveLegs,
    MessagePlayed,
    TelephonyEvent,
)

EVENTS_MAX = 100_000


class MemoryTelephony:
    """The `Telephony` port in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: asyncio.Queue[TelephonyEvent] = asyncio.Queue(EVENTS_MAX)
        self._is_up = False
        self.wire: list[AttemptId] = []
        """Every INVITE that left, in order: what a carrier would have seen."""
        self._dialed: set[AttemptId] = set()
        self.answered: set[AttemptId] = set()
        self.up: dict[AttemptId, Permit] = {}
        self.bridges: dict[AttemptId, SessionId] = {}
        self.legs: set[SessionId] = set()
        self.played: list[tuple[AttemptId, Message]] = []
        self.messages_go_on = False
        """Messages play until the call ends: there is time to press a key."""
        self.declines = ""
        """Why the engine declines every call before the wire; empty when it does not."""
        self.declined = 0
        """How many calls it has declined."""
        self.drops_dials = False
        """The command is lost: the engine died between taking it and sending the INVITE."""

    async def start(self) -> None:
        self._is_up = True
        self._tell(EngineUp(at=self._clock.now()))

    async def stop(self) -> None:
        for attempt_id in list(self.up):
            await self.hang_up(attempt_id)
        self._is_up = False

    async def dial(self, permit: Permit, *, ring_s: int) -> None:
        self._check_up()
        if not permit.is_live(self._clock.now()):
            raise PermitMisused(f"the permit of attempt {permit.attempt_id} has expired")
        if ring_s < 15:
            raise PermitMisused(f"{ring_s} s of ringing is under the lawful 15 s")
        if permit.attempt_id in self._dialed or self.drops_dials:
            return
        if self.declines:
            self.declined += 1
            self._tell(
                CallNotDialed(attempt_id=permit.attempt_id, at=self._clock.now(), why=self.declines)
            )
            return
        self.wire.append(permit.attempt_id)
        self._dialed.add(permit.attempt_id)
        self.up[permit.attempt_id] = permit
        self._tell(CallDialed(attempt_id=permit.attempt_id, at=self._clock.now()))

    async def connect_agent(self, session_id: SessionId, phone: str) -> None:
        self._check_up()
        if not phone.startswith("sip:"):
            self._tell(AgentLegDown(session_id=session_id, at=self._clock.now(), why="no SIP URI"))
            return
        self.legs.add(session_id)
        self._tell(AgentLegUp(session_id=session_id, at=self._clock.now()))

    async def disconnect_agent(self, session_id: SessionId) -> None:
        self._check_up()
        if session_id in self.legs:
            self.legs.remove(session_id)
            self._tell(
                AgentLegDown(session_id=session_id, at=self._clock.now(), why="disconnected")
            )

    async def bridge(self, attempt_id: AttemptId, session_id: SessionId) -> None:
        self._check_up()
        if attempt_id in self.answered and session_id in self.legs:
            self.bridges[attempt_id] = session_id
            self._tell(
                CallBridged(attempt_id=attempt_id, session_id=session_id, at=self._clock.now())
            )

    async def play(self, attempt_id: AttemptId, message: Message) -> None:
        self._check_up()
        if attempt_id in self.answered:
            self.played.append((attempt_id, message))
            if self.messages_go_on:
                return
            self._tell(MessagePlayed(attempt_id=attempt_id, message=message, at=self._clock.now()))

    async def hang_up(self, attempt_id: AttemptId) -> None:
        self._check_up()
        is_answered = attempt_id in self.answered
        self.end(
            attempt_id, EndCause.WE_HUNG_UP if is_answered else EndCause.CANCELLED, raw="hang_up"
        )

    async def live(self) -> LiveLegs:
        return LiveLegs(attempts=frozenset(self.up), sessions=frozenset(self.legs))

    async def was_dialed(self, attempts: Collection[AttemptId]) -> dict[AttemptId, bool]:
        return {attempt_id: attempt_id in self.wire for attempt_id in attempts}

    async def events(self) -> AsyncIterator[TelephonyEvent]:
        while True:
            yield await self._events.get()

    # --- the called party and the network ---------------------------------------------------------

    def ring(self, attempt_id: AttemptId) -> None:
        """The called party's phone rings."""
        self._tell(CallRinging(attempt_id=attempt_id, at=self._clock.now()))

    def answer(self, attempt_id: AttemptId) -> None:
        """Somebody picks up."""
        if attempt_id in self.up:
            self.answered.add(attempt_id)
            self._tell(CallAnswered(attempt_id=attempt_id, at=self._clock.now()))

    def press(self, attempt_id: AttemptId, digit: str) -> None:
        """The called party presses a key."""
        if attempt_id in self.answered:
            self._tell(CallDigit(attempt_id=attempt_id, at=self._clock.now(), digit=digit))

    def end(self, attempt_id: AttemptId, cause: EndCause, *, raw: str = "") -> None:
        """The network leg goes."""
        if self.up.pop(attempt_id, None) is not None:
            self.answered.discard(attempt_id)
            self.bridges.pop(attempt_id, None)
            self._tell(
                CallEnded(
                    attempt_id=attempt_id, at=self._clock.now(), cause=cause, raw=raw or cause.value
                )
            )

    def die(self, *, for_good: bool = False) -> None:
        """Every leg is gone at once, and nobody says so call by call."""
        self._is_up = False
        self.up.clear()
        self.answered.clear()
        self.bridges.clear()
        self.legs.clear()
        self._tell(EngineDown(at=self._clock.now(), why="killed", is_final=for_good))

    def _tell(self, event: TelephonyEvent) -> None:
        self._events.put_nowait(event)

    def _check_up(self) -> None:
        if not self._is_up:
            raise EngineUnavailable("the engine is down")

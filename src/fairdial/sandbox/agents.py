"""Simulated agents: they sit at the same desk as people and know only what they hear.

Each has a phone in a process of its own, nailed up over real SIP and RTP. They talk when somebody
is on the line, hang up on a voicemail's beep, and record what the person's voice said at the end.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from fairdial.adapters.carrier.processes import PhonesProcess
from fairdial.core.agent import AgentSession, AgentState
from fairdial.core.campaign import Campaign
from fairdial.core.ids import SessionId
from fairdial.core.outcome import Disposition
from fairdial.exceptions import FairdialError, ImpossibleEvent, Overtaken
from fairdial.flow import agent_desk
from fairdial.flow.floor import Floor, log

LOOK_S = 0.2
NAMES = (
    "Ada", "Bela", "Carmen", "Dario", "Elif", "Femi", "Greta", "Hiro", "Ines", "Jonas", "Kofi",
    "Lena", "Mateo", "Nadia", "Omar", "Pia", "Quim", "Rosa", "Sami", "Tessa", "Uma", "Viktor",
    "Wanda", "Xenia", "Yusuf", "Zoe",
)  # fmt: skip

_HEARD = {
    "yes": Disposition.SALE,
    "no": Disposition.NOT_INTERESTED,
    "stop": Disposition.STOP_CALLING,
    "beep": Disposition.MACHINE,
}


def agent_name(k: int) -> str:
    """The name of the k-th simulated agent, from 1."""
    name = NAMES[(k - 1) % len(NAMES)]
    rounds = (k - 1) // len(NAMES)
    return name if rounds == 0 else f"{name} {rounds + 1}"


@dataclass(slots=True)
class _Seat:
    phone: int
    session_id: SessionId
    state: AgentState = AgentState.CONNECTING
    heard: Disposition | None = None
    wrap_up: asyncio.Task[None] | None = None


@dataclass(slots=True, kw_only=True)
class SimulatedAgents:
    """A team of simulated agents at one campaign's desks."""

    floor: Floor
    campaign: Campaign
    phones: PhonesProcess
    count: int
    seed: int
    wrap_up_s_max: float
    """They take between a quarter of this and all of it."""
    _seats: dict[SessionId, _Seat] = field(default_factory=dict)
    _by_phone: dict[int, _Seat] = field(default_factory=dict)

    async def run(self) -> None:
        """Log everybody in and work until cancelled."""
        for k in range(1, self.count + 1):
            session = await agent_desk.log_in(
                self.floor, self.campaign, name=agent_name(k), phone=self.phones.uri(k)
            )
            seat = _Seat(phone=k, session_id=session.id)
            self._seats[session.id] = seat
            self._by_phone[k] = seat
        ears = asyncio.create_task(self._listen())
        try:
            while True:
                await self._look()
                if ears.done():
                    ears.result()
                    raise FairdialError(
                        "the phones of the simulated agents ended; start the run again"
                    )
                await asyncio.sleep(LOOK_S)
        finally:
            ears.cancel()
            for seat in self._seats.values():
                if seat.wrap_up is not None:
                    seat.wrap_up.cancel()

    async def _listen(self) -> None:
        async for heard in self.phones.heard():
            seat = self._by_phone.get(heard.phone)
            if seat is None:
                continue
            meaning = _HEARD.get(heard.what)
            if meaning is None:
                continue
            seat.heard = meaning
            if meaning is Disposition.MACHINE:
                await agent_desk.hang_up(self.floor, seat.session_id)

    async def _look(self) -> None:
        async with self.floor.store.transaction() as tx:
            sessions = await tx.open_sessions(self.campaign.id)
        for session in sessions:
            seat = self._seats.get(session.id)
            if seat is not None and seat.state is not session.state:
                await self._turn_to(seat, session)

    async def _turn_to(self, seat: _Seat, session: AgentSession) -> None:
        before, seat.state = seat.state, session.state
        if session.state is AgentState.TALKING:
            await self.phones.talk(seat.phone)
            return
        if before is AgentState.TALKING:
            await self.phones.be_silent(seat.phone)
        if session.state is AgentState.WRAP_UP:
            seat.wrap_up = asyncio.create_task(self._wrap_up(seat, session))

    async def _wrap_up(self, seat: _Seat, session: AgentSession) -> None:
        # A seat's pace is its own draw, the same for a seed and an attempt.
        draw = random.Random(f"{self.seed} {session.attempt_id}")  # noqa: S311 - no secret
        await asyncio.sleep(draw.uniform(0.25, 0.9) * self.wrap_up_s_max)
        disposition = seat.heard or Disposition.HUNG_UP
        seat.heard = None
        try:
            await agent_desk.dispose(self.floor, seat.session_id, disposition)
        except (ImpossibleEvent, Overtaken) as error:
            log.info("%s", error)

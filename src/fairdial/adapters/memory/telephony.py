"""A telephony engine without a network: it keeps the port's promises and does what it is told.

Tests and simulators play the called party and the network: `ring`, `pick_up`, `press`, `end`. It
checks permits as every engine does, dials an attempt once only, and can die and come back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace
from pathlib import Path

from fairdial.adapters.recording import header
from fairdial.core.answer import AnswerKind, Tone
from fairdial.core.attempt import EndCause, Message
from fairdial.core.conversation import Member, Part
from fairdial.core.ids import (
    AttemptId,
    CallId,
    InboundId,
    LegId,
    RecordingId,
    SessionId,
)
from fairdial.core.permit import Permit
from fairdial.exceptions import EngineUnavailable, PermitMisused
from fairdial.ports import (
    AgentLegDown,
    AgentLegUp,
    AnswerJudged,
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
    InboundBridged,
    InboundDigit,
    InboundEnded,
    InboundOffered,
    InboundPlayed,
    LiveLegs,
    MessagePlayed,
    RecordingEnded,
    TelephonyEvent,
    ToneHeard,
    TrunkChanged,
    TrunkStatus,
)

EVENTS_MAX = 100_000


@dataclass(slots=True, kw_only=True)
class _Tape:
    """A recording that runs."""

    recording_id: RecordingId
    path: Path
    is_paused: bool = False


class MemoryTelephony:
    """The `Telephony` port in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: asyncio.Queue[TelephonyEvent] = asyncio.Queue(EVENTS_MAX)
        self._is_up = False
        self.wire: list[AttemptId] = []
        """Every INVITE that left, in order: what a carrier would have seen."""
        self._dialed: set[AttemptId] = set()
        self.up: dict[AttemptId, Permit] = {}
        self.offered: set[InboundId] = set()
        """Calls to us that ring."""
        self.conversations: dict[CallId, dict[LegId, Member]] = {}
        """Who has which part in the calls that are answered, theirs included."""
        self.legs: set[SessionId] = set()
        self.played: list[tuple[CallId, Message]] = []
        self.keyed: list[tuple[LegId, str]] = []
        """Keys that we pressed, leg by leg."""
        self.tapes: dict[CallId, _Tape] = {}
        """Recordings that run."""
        self.detects: set[AttemptId] = set()
        """Calls whose answer is to be judged."""
        self.identities: dict[AttemptId, str] = {}
        """Identity headers that were handed in."""
        self.trunk = TrunkStatus(
            name="memory", is_up=True, why="", calls=0, calls_max=10_000, calls_per_second=10_000.0
        )
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
        live = await self.live()
        calls: list[CallId] = [*live.attempts, *live.inbound]
        for call_id in calls:
            await self.hang_up(call_id)
        self._is_up = False

    async def dial(
        self, permit: Permit, *, ring_s: int, detect: bool = False, identity: str = ""
    ) -> None:
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
        if detect:
            self.detects.add(permit.attempt_id)
        if identity:
            self.identities[permit.attempt_id] = identity
        self._tell(
            CallDialed(attempt_id=permit.attempt_id, at=self._clock.now(), trunk=self.trunk.name)
        )

    async def connect_agent(self, session_id: SessionId, phone: str) -> None:
        self._check_up()
        if not phone.startswith(("sip:", "phone:")):
            self._tell(AgentLegDown(session_id=session_id, at=self._clock.now(), why="no SIP URI"))
            return
        if session_id in self.legs:
            return
        self.legs.add(session_id)
        self._tell(AgentLegUp(session_id=session_id, at=self._clock.now()))

    async def connect_browser(self, session_id: SessionId, offer: str) -> str:
        self._check_up()
        if not offer.startswith("v=0"):
            raise EngineUnavailable("the browser's offer is no SDP: it must begin with v=0")
        self.legs.add(session_id)
        self._tell(AgentLegUp(session_id=session_id, at=self._clock.now()))
        return "v=0\r\n"

    async def disconnect_agent(self, session_id: SessionId) -> None:
        self._check_up()
        self._drop_leg(session_id, "disconnected")

    async def answer(self, inbound_id: InboundId) -> None:
        self._check_up()
        if inbound_id in self.offered:
            self.offered.remove(inbound_id)
            self.conversations[inbound_id] = {inbound_id: Member(part=Part.TALK, is_ours=False)}

    async def join(self, call_id: CallId, leg_id: LegId, part: Part) -> None:
        self._check_up()
        members = self.conversations.get(call_id)
        if members is None:
            return
        if leg_id == call_id:
            members[leg_id] = Member(part=part, is_ours=False)
            return
        if leg_id not in self.legs:
            return
        for other, others in self.conversations.items():
            if other != call_id:
                others.pop(leg_id, None)
        comes_in = leg_id not in members and part is Part.TALK
        is_first = comes_in and not any(
            member.is_ours and member.part is Part.TALK for member in members.values()
        )
        members[leg_id] = Member(part=part, is_ours=True)
        if is_first:
            self._tell_bridged(call_id, SessionId(leg_id))

    async def leave(self, call_id: CallId, leg_id: LegId) -> None:
        self._check_up()
        if leg_id != call_id:
            self.conversations.get(call_id, {}).pop(leg_id, None)

    async def play(self, call_id: CallId, message: Message) -> None:
        self._check_up()
        if call_id not in self.conversations:
            return
        self.played.append((call_id, message))
        if self.messages_go_on:
            return
        now = self._clock.now()
        if call_id in self.up:
            self._tell(MessagePlayed(attempt_id=AttemptId(call_id), message=message, at=now))
        else:
            self._tell(InboundPlayed(inbound_id=InboundId(call_id), message=message, at=now))

    async def send_digits(self, leg_id: LegId, digits: str) -> None:
        self._check_up()
        if leg_id in self.conversations or leg_id in self.legs:
            self.keyed.append((leg_id, digits))

    async def record(self, call_id: CallId, recording_id: RecordingId, path: Path) -> None:
        self._check_up()
        if call_id in self.conversations and call_id not in self.tapes:
            self.tapes[call_id] = _Tape(recording_id=recording_id, path=path)

    async def pause_recording(self, call_id: CallId) -> None:
        self._check_up()
        if call_id in self.tapes:
            self.tapes[call_id].is_paused = True

    async def resume_recording(self, call_id: CallId) -> None:
        self._check_up()
        if call_id in self.tapes:
            self.tapes[call_id].is_paused = False

    async def stop_recording(self, call_id: CallId) -> None:
        self._check_up()
        self._stop_tape(call_id)

    async def hang_up(self, call_id: CallId) -> None:
        self._check_up()
        is_answered = call_id in self.conversations
        cause = EndCause.WE_HUNG_UP if is_answered else EndCause.CANCELLED
        if call_id in self.up:
            self.end(AttemptId(call_id), cause, raw="hang_up")
        else:
            self.end_inbound(InboundId(call_id), cause, raw="hang_up")

    async def trunks(self) -> tuple[TrunkStatus, ...]:
        return (replace(self.trunk, calls=len(self.up)),)

    async def live(self) -> LiveLegs:
        inbound = self.offered | {
            InboundId(call_id) for call_id in self.conversations if call_id not in self.up
        }
        return LiveLegs(
            attempts=frozenset(self.up),
            sessions=frozenset(self.legs),
            inbound=frozenset(inbound),
        )

    async def was_dialed(self, attempts: Collection[AttemptId]) -> dict[AttemptId, bool]:
        return {attempt_id: attempt_id in self.wire for attempt_id in attempts}

    async def events(self) -> AsyncIterator[TelephonyEvent]:
        while True:
            yield await self._events.get()

    # --- the called party and the network ---------------------------------------------------------

    def ring(self, attempt_id: AttemptId) -> None:
        """The called party's phone rings."""
        self._tell(CallRinging(attempt_id=attempt_id, at=self._clock.now()))

    def pick_up(self, attempt_id: AttemptId) -> None:
        """Somebody picks up."""
        if attempt_id in self.up and attempt_id not in self.conversations:
            self.conversations[attempt_id] = {attempt_id: Member(part=Part.TALK, is_ours=False)}
            self._tell(CallAnswered(attempt_id=attempt_id, at=self._clock.now()))

    def press(self, call_id: CallId, digit: str) -> None:
        """Who is outside presses a key."""
        if call_id not in self.conversations:
            return
        now = self._clock.now()
        if call_id in self.up:
            self._tell(CallDigit(attempt_id=AttemptId(call_id), at=now, digit=digit))
        else:
            self._tell(InboundDigit(inbound_id=InboundId(call_id), at=now, digit=digit))

    def judge(
        self, attempt_id: AttemptId, kind: AnswerKind, *, confidence: float = 0.99, why: str = ""
    ) -> None:
        """The detector makes up its mind, if it was asked to listen."""
        if attempt_id in self.detects and attempt_id in self.conversations:
            self._tell(
                AnswerJudged(
                    attempt_id=attempt_id,
                    at=self._clock.now(),
                    kind=kind,
                    confidence=confidence,
                    why=why or kind.value,
                )
            )

    def sound(self, attempt_id: AttemptId, tone: Tone) -> None:
        """A tone is heard."""
        if attempt_id in self.up:
            self._tell(ToneHeard(attempt_id=attempt_id, at=self._clock.now(), tone=tone))

    def call_in(self, inbound_id: InboundId, *, caller: str, called: str) -> None:
        """Somebody calls us."""
        self.offered.add(inbound_id)
        self._tell(
            InboundOffered(
                inbound_id=inbound_id,
                at=self._clock.now(),
                caller=caller,
                called=called,
                trunk=self.trunk.name,
            )
        )

    def lose_leg(self, session_id: SessionId, why: str = "the phone hung up") -> None:
        """A phone of ours is gone."""
        self._drop_leg(session_id, why)

    def change_trunk(self, *, is_up: bool, why: str) -> None:
        """The trunk fails, or comes back."""
        self.trunk = replace(self.trunk, is_up=is_up, why=why)
        self._tell(TrunkChanged(trunk=self.trunk.name, is_up=is_up, why=why, at=self._clock.now()))

    def end(self, attempt_id: AttemptId, cause: EndCause, *, raw: str = "") -> None:
        """The network leg goes."""
        if self.up.pop(attempt_id, None) is not None:
            self._forget(attempt_id)
            self._tell(
                CallEnded(
                    attempt_id=attempt_id, at=self._clock.now(), cause=cause, raw=raw or cause.value
                )
            )

    def end_inbound(self, inbound_id: InboundId, cause: EndCause, *, raw: str = "") -> None:
        """Who called in is gone."""
        if inbound_id in self.offered or inbound_id in self.conversations:
            self.offered.discard(inbound_id)
            self._forget(inbound_id)
            self._tell(
                InboundEnded(
                    inbound_id=inbound_id, at=self._clock.now(), cause=cause, raw=raw or cause.value
                )
            )

    def die(self, *, for_good: bool = False) -> None:
        """Every leg is gone at once, and nobody says so call by call."""
        self._is_up = False
        self.up.clear()
        self.offered.clear()
        self.conversations.clear()
        self.tapes.clear()
        self.legs.clear()
        self._tell(EngineDown(at=self._clock.now(), why="killed", is_final=for_good))

    @property
    def answered(self) -> set[CallId]:
        """The calls that were picked up and stand."""
        return set(self.conversations)

    @property
    def bridges(self) -> dict[CallId, SessionId]:
        """For each call with somebody of ours in talk, who that is."""
        return {
            call_id: SessionId(leg_id)
            for call_id, members in self.conversations.items()
            for leg_id, member in members.items()
            if member.is_ours and member.part is Part.TALK
        }

    def _tell_bridged(self, call_id: CallId, session_id: SessionId) -> None:
        now = self._clock.now()
        if call_id in self.up:
            self._tell(CallBridged(attempt_id=AttemptId(call_id), session_id=session_id, at=now))
        else:
            self._tell(InboundBridged(inbound_id=InboundId(call_id), session_id=session_id, at=now))

    def _drop_leg(self, session_id: SessionId, why: str) -> None:
        if session_id in self.legs:
            self.legs.remove(session_id)
            for members in self.conversations.values():
                members.pop(session_id, None)
            self._tell(AgentLegDown(session_id=session_id, at=self._clock.now(), why=why))

    def _forget(self, call_id: CallId) -> None:
        self._stop_tape(call_id)
        self.conversations.pop(call_id, None)

    def _stop_tape(self, call_id: CallId) -> None:
        tape = self.tapes.pop(call_id, None)
        if tape is not None:
            tape.path.write_bytes(header(0))
            self._tell(
                RecordingEnded(
                    recording_id=tape.recording_id,
                    call_id=call_id,
                    path=tape.path,
                    seconds=0.0,
                    at=self._clock.now(),
                )
            )

    def _tell(self, event: TelephonyEvent) -> None:
        self._events.put_nowait(event)

    def _check_up(self) -> None:
        if not self._is_up:
            raise EngineUnavailable("the engine is down")

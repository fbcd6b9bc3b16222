"""The worlds in which the contract of `Telephony` is tried: each engine and who is at the far end.

A test says what the people do; a world makes it happen, by method calls in memory and over real SIP
and RTP elsewhere. Who hears whom is told by content: everybody sends a tone of their own.
"""

from __future__ import annotations

import asyncio
import wave
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from tests.adapters.sip.sip_cast import permit

from fairdial.adapters.memory.telephony import MemoryTelephony
from fairdial.core.answer import AnswerKind, Tone
from fairdial.core.attempt import EndCause
from fairdial.core.conversation import Part, heard_by
from fairdial.core.ids import AttemptId, CallId, InboundId, LegId, RecordingId, SessionId
from fairdial.core.permit import Permit
from fairdial.media import g711
from fairdial.media.progress_tones import SIGNALS, frames_of, made
from fairdial.media.progress_tones import Part as Sound
from fairdial.media.speech import speech_frames
from fairdial.ports import (
    AgentLegDown,
    AgentLegUp,
    CallAnswered,
    CallDialed,
    CallEvent,
    CallRinging,
    InboundEvent,
    InboundOffered,
    RecordingEnded,
    Telephony,
    TelephonyEvent,
)

from .exchange import VOICES, Caller, End, Exchange, voices_in

WITHIN_S = 15.0
EARS_S = 0.6
"""So much of what was heard an ear goes by, at most."""
NO_TURN_S = 0.08
"""A sleep of 20 ms that takes so long shows that this process had no turn."""
CAUSE_OF = {
    486: EndCause.BUSY,
    404: EndCause.INVALID,
    603: EndCause.REJECTED,
    480: EndCause.NO_ANSWER,
    503: EndCause.CONGESTION,
}
"""What a final response means, in our words (RFC 3261 section 21)."""
CALLER = "+12125550177"
OURS = "+13125550199"


class Words(StrEnum):
    """What is said by whoever, or whatever, answers."""

    HELLO = "hello"
    GREETING_AND_BEEP = "greeting and beep"
    BUSY_TONE = "busy tone"


def spoken(words: Words) -> Iterator[bytes]:
    """The sound of it, in frames of mu-law."""
    silence = [g711.SILENCE_ULAW]
    match words:
        case Words.HELLO:
            yield from silence * 25
            yield from speech_frames(1)[:20]
            yield from silence * 400
        case Words.GREETING_AND_BEEP:
            yield from silence * 20
            yield from (speech_frames(4) * 3)[:350]
            yield from silence * 30
            yield from frames_of(made([Sound((1000.0,), 400)]))
            yield from silence * 400
        case Words.BUSY_TONE:
            yield from frames_of(made(SIGNALS["busy, North America"][1])) * 2


def about(event: TelephonyEvent) -> UUID | None:
    """Whom an event is about."""
    match event:
        case CallEvent():
            return event.attempt_id
        case InboundEvent():
            return event.inbound_id
        case AgentLegUp() | AgentLegDown():
            return event.session_id
        case RecordingEnded():
            return event.call_id
        case _:
            return None


class World(ABC):
    """An engine and the people at the far end of its lines."""

    def __init__(self, telephony: Telephony) -> None:
        self.telephony = telephony
        self.told: list[TelephonyEvent] = []
        self._news = asyncio.Condition()
        self._dialed = 0
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start the engine and listen to it."""
        await self.telephony.start()
        self._listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Stop the engine."""
        await self.telephony.stop()
        if self._listening is not None:
            self._listening.cancel()

    async def _listen(self) -> None:
        async for event in self.telephony.events():
            async with self._news:
                self.told.append(event)
                self._news.notify_all()

    # --- what the engine tells ---

    def story(self, leg: UUID) -> list[str]:
        """The kinds of events about one leg, in order."""
        return [type(event).__name__ for event in self.told if about(event) == leg]

    async def until(self, kind: type[Any], leg: UUID, *, count: int = 1) -> Any:
        """The `count`-th event of a kind about a leg, waited for."""

        def found() -> list[TelephonyEvent]:
            return [e for e in self.told if isinstance(e, kind) and about(e) == leg]

        async with self._news:
            try:
                await asyncio.wait_for(self._news.wait_for(lambda: len(found()) >= count), WITHIN_S)
            except TimeoutError:
                raise AssertionError(f"no {kind.__name__} came; told: {self.told}") from None
        return found()[count - 1]

    # --- stories that many tests begin with ---

    def permit(self) -> Permit:
        """A permit for another number each time."""
        self._dialed += 1
        return permit(f"+121255501{self._dialed:02}")

    async def ringing(self, *, ring_s: int = 20, detect: bool = False) -> AttemptId:
        """A call that rings."""
        granted = self.permit()
        await self.telephony.dial(granted, ring_s=ring_s, detect=detect)
        await self.until(CallDialed, granted.attempt_id)
        await self.ring(granted)
        await self.until(CallRinging, granted.attempt_id)
        return granted.attempt_id

    async def answered(self) -> AttemptId:
        """A call that was picked up."""
        attempt = await self.ringing()
        await self.pick_up(attempt)
        await self.until(CallAnswered, attempt)
        return attempt

    async def agent(self, voice: str = "agent") -> SessionId:
        """A phone of ours that is nailed up, with this voice."""
        session = SessionId(uuid4())
        await self.connect(session, voice)
        await self.until(AgentLegUp, session)
        return session

    async def talk(self) -> tuple[AttemptId, SessionId]:
        """A called party and an agent who hear each other."""
        session, attempt = await self.agent(), await self.answered()
        await self.telephony.join(attempt, session, Part.TALK)
        await self.hears(session, {"called"})
        await self.hears(attempt, {"agent"})
        return attempt, session

    async def hears(self, leg: LegId, voices: set[str]) -> None:
        """Wait until a leg hears exactly these voices, and go on hearing them."""
        await self.eventually(lambda: self.heard(leg) == voices, lambda: f"hears {self.heard(leg)}")
        await self.settle()
        assert self.heard(leg) == voices

    async def eventually(
        self, claim: Callable[[], bool], instead: Callable[[], str] = lambda: "it never was"
    ) -> None:
        """Wait until something holds."""
        for _ in range(round(WITHIN_S / 0.02)):
            if claim():
                return
            await asyncio.sleep(0.02)
        raise AssertionError(instead())

    # --- what each world does in its own way ---

    @abstractmethod
    async def ring(self, granted: Permit) -> None:
        """The called party's phone rings."""

    @abstractmethod
    async def pick_up(self, attempt: AttemptId) -> None:
        """The called party answers."""

    @abstractmethod
    async def refuse(self, attempt: AttemptId, status: int) -> None:
        """The network, or the called party, refuses with a final response."""

    @abstractmethod
    async def hang_up(self, attempt: AttemptId) -> None:
        """The called party hangs up."""

    @abstractmethod
    async def is_gone(self, attempt: AttemptId) -> None:
        """Wait until the called party's phone knows that the call is over."""

    @abstractmethod
    async def pick_up_saying(self, attempt: AttemptId, words: Words) -> None:
        """Whoever, or whatever, answers says this."""

    @abstractmethod
    async def press(self, call: CallId, key: str) -> None:
        """Who is outside presses a key."""

    @abstractmethod
    def keys(self, leg: LegId) -> str:
        """The keys that a leg heard us press."""

    @abstractmethod
    async def connect(self, session: SessionId, voice: str) -> None:
        """Let the engine nail up a phone of ours."""

    @abstractmethod
    async def lose(self, session: SessionId) -> None:
        """A phone of ours hangs up."""

    @abstractmethod
    async def call_in(self) -> InboundId:
        """Somebody rings us up, and the engine tells."""

    @abstractmethod
    async def give_up(self, inbound: InboundId) -> None:
        """Who rang us up hangs up, answered or not."""

    @abstractmethod
    def heard(self, leg: LegId) -> frozenset[str]:
        """Whose voices reach a leg, and `music`."""

    @abstractmethod
    async def settle(self) -> None:
        """Let what is under way arrive."""

    @abstractmethod
    async def live_on(self, seconds: float) -> None:
        """Let time go by, where sound takes time."""

    @abstractmethod
    def rang(self, granted: Permit) -> int:
        """How often the phone of a permit's number rang."""

    @abstractmethod
    def taped(self, ended: RecordingEnded, channel: int) -> frozenset[str] | None:
        """Whose voices a channel of a recording holds; None in a world without sound."""


class MemoryWorld(World):
    """The in-memory engine: what everybody does is a method call."""

    telephony: MemoryTelephony

    def __init__(self, telephony: MemoryTelephony) -> None:
        super().__init__(telephony)
        self._voices: dict[SessionId, str] = {}

    async def ring(self, granted: Permit) -> None:
        self.telephony.ring(granted.attempt_id)

    async def pick_up(self, attempt: AttemptId) -> None:
        self.telephony.pick_up(attempt)

    async def refuse(self, attempt: AttemptId, status: int) -> None:
        self.telephony.end(attempt, CAUSE_OF[status], raw=f"SIP {status}")

    async def hang_up(self, attempt: AttemptId) -> None:
        self.telephony.end(attempt, EndCause.CALLED_PARTY_HUNG_UP)

    async def is_gone(self, attempt: AttemptId) -> None:
        await self.eventually(lambda: attempt not in self.telephony.up)

    async def pick_up_saying(self, attempt: AttemptId, words: Words) -> None:
        self.telephony.pick_up(attempt)
        if words is Words.BUSY_TONE:
            self.telephony.sound(attempt, Tone.BUSY)
        is_person = words is Words.HELLO
        kind = AnswerKind.PERSON if is_person else AnswerKind.MACHINE
        self.telephony.judge(attempt, kind, why=words.value)
        if words is Words.GREETING_AND_BEEP:
            self.telephony.sound(attempt, Tone.BEEP)

    async def press(self, call: CallId, key: str) -> None:
        self.telephony.press(call, key)

    def keys(self, leg: LegId) -> str:
        return "".join(keys for pressed, keys in self.telephony.keyed if pressed == leg)

    async def connect(self, session: SessionId, voice: str) -> None:
        self._voices[session] = voice
        await self.telephony.connect_agent(session, f"sip:{voice}@127.0.0.1")

    async def lose(self, session: SessionId) -> None:
        self.telephony.lose_leg(session)

    async def call_in(self) -> InboundId:
        inbound = InboundId(uuid4())
        self.telephony.call_in(inbound, caller=CALLER, called=OURS)
        await self.until(InboundOffered, inbound)
        return inbound

    async def give_up(self, inbound: InboundId) -> None:
        self.telephony.end_inbound(inbound, EndCause.CALLED_PARTY_HUNG_UP)

    def heard(self, leg: LegId) -> frozenset[str]:
        for members in self.telephony.conversations.values():
            if leg in members:
                if members[leg].part is Part.HOLD:
                    return frozenset({"music"})
                heard = heard_by(leg, members)
                return frozenset(self._voices.get(SessionId(other), "called") for other in heard)
        return frozenset()

    async def settle(self) -> None:
        await asyncio.sleep(0)

    async def live_on(self, seconds: float) -> None:
        await asyncio.sleep(0)

    def rang(self, granted: Permit) -> int:
        return self.telephony.wire.count(granted.attempt_id)

    def taped(self, ended: RecordingEnded, channel: int) -> None:
        return None


class WireWorld(World):
    """An engine that speaks SIP and RTP, with the exchange at the far end."""

    def __init__(self, telephony: Telephony, exchange: Exchange, *, sip: tuple[str, int]) -> None:
        """`sip` is where people who ring us up reach the engine."""
        super().__init__(telephony)
        self.exchange = exchange
        self._sip = sip
        self._numbers: dict[AttemptId, str] = {}
        self._far: dict[UUID, End] = {}
        self._callers: dict[InboundId, Caller] = {}
        self._phones: dict[str, int] = {}

    async def close(self) -> None:
        await super().close()
        await self.exchange.stop()

    async def ring(self, granted: Permit) -> None:
        self._far[granted.attempt_id] = end = await self.exchange.end(granted.number)
        end.ring()

    async def pick_up(self, attempt: AttemptId) -> None:
        self._far[attempt].pick_up()

    async def refuse(self, attempt: AttemptId, status: int) -> None:
        self._far[attempt].refuse(status)

    async def hang_up(self, attempt: AttemptId) -> None:
        self._far[attempt].hang_up()

    async def is_gone(self, attempt: AttemptId) -> None:
        await asyncio.wait_for(self._far[attempt].over, WITHIN_S)

    async def pick_up_saying(self, attempt: AttemptId, words: Words) -> None:
        self._far[attempt].mouth.say(spoken(words))
        self._far[attempt].pick_up()

    async def press(self, call: CallId, key: str) -> None:
        await self._mouth(call).press(key)

    def keys(self, leg: LegId) -> str:
        return "".join(self._mouth(leg).keys)

    async def connect(self, session: SessionId, voice: str) -> None:
        nth = self._phones[voice] = self._phones.get(voice, 0) + 1
        await self.telephony.connect_agent(session, self.phone(voice))
        self._far[session] = await self.exchange.end(voice, nth=nth)

    def phone(self, voice: str) -> str:
        """The SIP URI of a phone of ours."""
        assert voice in VOICES, f"nobody has the voice {voice!r}"
        return f"sip:{voice}@127.0.0.1:{self.exchange.stack.port}"

    async def lose(self, session: SessionId) -> None:
        self._far[session].hang_up()

    async def call_in(self) -> InboundId:
        caller = await self.exchange.caller("called")
        known = sum(isinstance(event, InboundOffered) for event in self.told)
        caller.call(self._sip, caller=CALLER, called=OURS)
        await self.eventually(
            lambda: sum(isinstance(event, InboundOffered) for event in self.told) > known,
            lambda: f"nobody was offered; the caller heard {caller.story}",
        )
        offered = [event for event in self.told if isinstance(event, InboundOffered)][-1]
        self._callers[offered.inbound_id] = caller
        return offered.inbound_id

    async def give_up(self, inbound: InboundId) -> None:
        self._callers[inbound].hang_up()

    def heard(self, leg: LegId) -> frozenset[str]:
        heard: frozenset[str] = self._mouth(leg).hears()
        return heard

    async def settle(self) -> None:
        await self.live_on(0.1)

    async def live_on(self, seconds: float) -> None:
        # This process is everybody's mouth: while it has no turn, all of them fall silent, and what
        # is heard of that is none of the engine's doing. Then the time begins anew, and is no
        # shorter than what ears remember.
        loop = asyncio.get_running_loop()
        begun = loop.time()
        limit = begun + WITHIN_S
        while (before := loop.time()) < begun + seconds:
            await asyncio.sleep(0.02)
            if loop.time() - before > NO_TURN_S and before < limit:
                begun = loop.time() + max(0.0, EARS_S - seconds)

    def rang(self, granted: Permit) -> int:
        return len(self.exchange.ends.get(granted.number, ()))

    def taped(self, ended: RecordingEnded, channel: int) -> frozenset[str]:
        return tape_voices(ended.path, channel)

    def _mouth(self, leg: UUID) -> Any:
        caller = self._callers.get(InboundId(leg))
        return self._far[leg].mouth if caller is None else caller.mouth


def tape(path: Path) -> np.ndarray[Any, Any]:
    """A recording as samples: one row for each channel."""
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 2, 2)
        pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    return pcm.reshape(-1, 2).T


def tape_voices(path: Path, channel: int) -> frozenset[str]:
    """Whose voices the last second of a channel holds, its very end left out."""
    samples = tape(path)[channel]
    return voices_in(samples[-9600:-1600])


def new_recording() -> RecordingId:
    """An id for a recording."""
    return RecordingId(uuid4())

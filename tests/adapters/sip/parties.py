"""People on the line of the wire tests: an ear, a mouth, and what they say told by its content."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from uuid import uuid4

import numpy as np

from fairdial.core.ids import AttemptId, SessionId
from fairdial.media import digits, g711, mixing
from fairdial.media.rtp import RtpPacket
from fairdial.ports import AgentLegUp, CallAnswered

from .sip_cast import HERE, Ear, Line, OpenEar, PlaySipp, Sipp, free_port, permit, words

LOUDNESS = 4000
"""Amplitude of a spoken tone, linear 16-bit."""
_HEARD = 0.4 * LOUDNESS
_SILENT = 0.04 * LOUDNESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Somebody on the line: the ear, where our side listens to it, and its signalling."""

    ear: Ear
    ours: tuple[str, int]
    sipp: Sipp
    payload_type: int = 0
    _next: list[int] = field(default_factory=lambda: [5000])

    async def says(self, letter: str, *, payload_type: int = 0, seq: int = 0) -> list[bytes]:
        """Speak for a fifth of a second."""
        said = words(letter, 10)
        await self.ear.say(said, to=self.ours, payload_type=payload_type, seq=seq)
        return said

    async def presses(self, digit: str, *, payload_type: int = 101, seq: int = 0) -> None:
        """Press a key: seven packets of one press, as a phone sends them."""
        for n, event in enumerate(digits.press(digit)):
            self.ear.send(
                RtpPacket(
                    payload_type=payload_type,
                    marker=n == 0,
                    seq=seq + n,
                    timestamp=160 * seq,
                    ssrc=self.ear.port,
                    payload=event,
                ),
                to=self.ours,
            )
            await asyncio.sleep(g711.FRAME_S)

    async def hears(self, said: list[bytes]) -> bool:
        """Whether all of it arrives, in order and with nothing in between."""
        for _ in range(100):
            heard = [packet.payload for packet in self.ear.heard]
            if said[-1] in heard:
                start = heard.index(said[0])
                return heard[start : start + len(said)] == said
            await asyncio.sleep(0.01)
        return False

    def heard_nothing_of(self, said: list[bytes]) -> bool:
        """Whether none of it arrived."""
        return not {packet.payload for packet in self.ear.heard} & set(said)

    @asynccontextmanager
    async def speaking(
        self, hertz: int, order: Callable[[list[RtpPacket]], Iterable[RtpPacket]] | None = None
    ) -> AsyncIterator[None]:
        """Say a tone all the time; `order` says what becomes of each ten packets on their way."""
        speaking = asyncio.create_task(self._speak(hertz, order))
        try:
            yield
        finally:
            speaking.cancel()

    async def _speak(
        self, hertz: int, order: Callable[[list[RtpPacket]], Iterable[RtpPacket]] | None
    ) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            packets = [self._tone(hertz) for _ in range(10 if order else 1)]
            for packet in order(packets) if order else packets:
                self.ear.send(packet, to=self.ours)
                due += g711.FRAME_S
                await asyncio.sleep(max(0.0, due - loop.time()))

    def _tone(self, hertz: int) -> RtpPacket:
        seq = self._next[0]
        self._next[0] += 1
        at = np.arange(g711.FRAME_SAMPLES) + seq * g711.FRAME_SAMPLES
        samples = LOUDNESS * np.sin(2 * np.pi * hertz * at / g711.SAMPLE_RATE)
        return RtpPacket(
            payload_type=self.payload_type,
            marker=False,
            seq=seq & 0xFFFF,
            timestamp=seq * g711.FRAME_SAMPLES,
            ssrc=self.ear.port,
            payload=mixing.encode(samples.astype(np.int16), self.payload_type),
        )

    async def tones(self, *candidates: int, seconds: float = 0.6) -> set[int]:
        """Which of these tones are heard from now on, for so long.

        What is between loud and silent fails the test: it is neither heard nor not heard.
        """
        await asyncio.sleep(0.15)  # What is on its way belongs to before.
        start = len(self.ear.heard)
        await asyncio.sleep(seconds)
        return tones_in(self.audio(start), *candidates)

    def audio(self, start: int = 0) -> mixing.Samples:
        """What was heard since a packet, as samples, without keys."""
        heard = [p for p in self.ear.heard[start:] if p.payload_type in (0, 8)]
        if not heard:
            return mixing.silence(0)
        return np.concatenate([mixing.decode(p.payload, p.payload_type) for p in heard])


def tones_in(audio: mixing.Samples, *candidates: int) -> set[int]:
    """Which tones (multiples of 50 Hz) are in audio for most of its time."""
    frames = audio[: len(audio) // 160 * 160].reshape(-1, 160).astype(float)
    found = set()
    for hertz in candidates:
        wave = np.exp(-2j * np.pi * hertz * np.arange(160) / g711.SAMPLE_RATE)
        level = float(np.median(np.abs(frames @ wave) / 80)) if len(frames) else 0.0
        assert level < _SILENT or level > _HEARD, f"{hertz} Hz is heard with {level:.0f}"
        if level > _HEARD:
            found.add(hertz)
    return found


async def agent_leg(line: Line, sipp: PlaySipp, ear: OpenEar) -> tuple[SessionId, Party]:
    """A phone of ours whose leg is nailed up."""
    session, phone_port, endpoint = SessionId(uuid4()), free_port(), await ear()
    phone = sipp("answers", port=phone_port, rtp=endpoint.port)
    await line.telephony.connect_agent(session, f"sip:agent1@{HERE}:{phone_port}")
    await line.until_told(AgentLegUp, session)
    await endpoint.until_heard()
    return session, Party(ear=endpoint, ours=endpoint.senders[0], sipp=phone)


async def called_leg(
    line: Line, sipp: PlaySipp, ear: OpenEar, scenario: str = "answers", codecs: str = "0 101"
) -> tuple[AttemptId, Party]:
    """A called party who picked up."""
    endpoint = await ear()
    carrier = sipp(scenario, rtp=endpoint.port, codecs=codecs)
    attempt = await line.call(permit())
    await line.until_told(CallAnswered, attempt)
    await endpoint.until_heard()
    return attempt, Party(
        ear=endpoint,
        ours=endpoint.senders[0],
        sipp=carrier,
        payload_type=int(codecs.split()[0]),
    )


def is_one_stream(heard: list[RtpPacket]) -> bool:
    """One source, sequence numbers without a hole, timestamps that only go on."""
    breaks = [
        (before, after)
        for before, after in pairwise(heard)
        if (after.seq - before.seq) & 0xFFFF != 1
        or not 0 < (after.timestamp - before.timestamp) & 0xFFFFFFFF < 2**31
    ]
    assert not breaks, breaks
    return len({packet.ssrc for packet in heard}) == 1

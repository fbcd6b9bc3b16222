"""The cast of the wire tests: a caller, a carrier played by SIPp, and ears that hear RTP."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest

from fairdial.adapters.sip.telephony import SipTelephony
from fairdial.core.campaign import Method, Purpose
from fairdial.core.facts import Facts
from fairdial.core.ids import (
    E164,
    AttemptId,
    CampaignId,
    Instant,
    LeadId,
    PermitId,
    SellerId,
    SessionId,
)
from fairdial.core.lead import LineType, Party, StatedLocation
from fairdial.core.permit import PERMIT_LIFE, Permit
from fairdial.core.trunk import TrunkSettings
from fairdial.media import g711, rtcp, rtp
from fairdial.media.rtp import RtpPacket
from fairdial.ports import (
    AgentLegDown,
    AgentLegUp,
    CallEvent,
    EngineDown,
    EngineUp,
    InboundEvent,
    RecordingEnded,
    TelephonyEvent,
    TrunkChanged,
)

HERE = "127.0.0.1"
SCENARIOS = Path(__file__).parent / "scenarios"
NUMBER = E164("+12125550142")
CALLER_ID = E164("+13125550199")


class RealClock:
    """The clock of the tests: real time."""

    def now(self) -> Instant:
        return datetime.now(UTC)

    def real(self) -> Instant:
        return datetime.now(UTC)

    def at_unix(self, seconds: float) -> Instant:
        return datetime.fromtimestamp(seconds, UTC)


def permit(
    number: str = NUMBER,
    *,
    is_sandbox: bool = True,
    issued_at: Instant | None = None,
    caller_id: str = CALLER_ID,
) -> Permit:
    """A permit as `core.permit.issue` would make it, for a fresh attempt."""
    at = issued_at or datetime.now(UTC) - timedelta(milliseconds=1)
    campaign_id = CampaignId(uuid4())
    facts = Facts(
        number=E164(number),
        campaign_id=campaign_id,
        seller_id=SellerId(uuid4()),
        seller_name="Alder Solar",
        caller_id=E164(caller_id),
        purpose=Purpose.SURVEY,
        method=Method.LIVE_MANUAL,
        party=Party.CONSUMER,
        line_type=LineType.LANDLINE,
        stated=StatedLocation(),
        suppressions=(),
        registries=(),
        consents=(),
        is_agent_guaranteed=True,
        ring_s=20,
        past_attempts=(),
        is_sandbox=is_sandbox,
        gathered_at=at,
    )
    return Permit(
        id=PermitId(uuid4()),
        attempt_id=AttemptId(uuid4()),
        lead_id=LeadId(uuid4()),
        campaign_id=campaign_id,
        number=E164(number),
        caller_id=E164(caller_id),
        method=Method.LIVE_MANUAL,
        issued_at=at,
        expires_at=at + PERMIT_LIFE,
        rulebook="0" * 64,
        tzdata="2026.6",
        verdicts=(),
        facts=facts,
    )


def trunk(port: int, name: str = "carrier", **more: Any) -> TrunkSettings:
    """A trunk on this machine that is not asked for its health."""
    given = {"host": HERE, "options_s": 0.0, "calls_per_second": 200.0, "calls_max": 500, **more}
    return TrunkSettings(name=name, port=port, **given)


def free_port() -> int:
    """A UDP port of this machine that nobody has right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])


class Line:
    """An engine, and what it has told so far."""

    def __init__(self, telephony: SipTelephony) -> None:
        self.telephony = telephony
        self.told: list[TelephonyEvent] = []
        self._news = asyncio.Condition()

    async def listen(self) -> None:
        """Collect the events until the engine is stopped."""
        async for event in self.telephony.events():
            async with self._news:
                self.told.append(event)
                self._news.notify_all()

    async def until(
        self, matches: Callable[[TelephonyEvent], bool], within_s: float = 15.0
    ) -> TelephonyEvent:
        """The first event that matches, waited for."""

        def found() -> TelephonyEvent | None:
            return next((event for event in self.told if matches(event)), None)

        async with self._news:
            try:
                await asyncio.wait_for(self._news.wait_for(lambda: found() is not None), within_s)
            except TimeoutError:
                pytest.fail(f"waited {within_s} s in vain; told so far: {self.told}")
        event = found()
        assert event is not None
        return event

    async def until_told(
        self, kind: type[Any], about: AttemptId | SessionId | None = None, *, count: int = 1
    ) -> Any:
        """The `count`-th event of a kind, about one attempt or session if given, waited for."""

        def matches(_: TelephonyEvent) -> bool:
            return len(self._all(kind, about)) >= count

        await self.until(matches)
        return self._all(kind, about)[count - 1]

    def _all(self, kind: type[Any], about: AttemptId | SessionId | None) -> list[Any]:
        return [e for e in self.told if isinstance(e, kind) and about in (None, _about(e))]

    def story(self, about: AttemptId | SessionId) -> list[str]:
        """The kinds of events about one attempt or session, in order."""
        return [type(event).__name__ for event in self.told if _about(event) == about]

    async def call(self, permit: Permit, *, ring_s: int = 20) -> AttemptId:
        """Dial."""
        await self.telephony.dial(permit, ring_s=ring_s)
        return permit.attempt_id


def _about(event: TelephonyEvent) -> AttemptId | SessionId | None:
    if isinstance(event, CallEvent):
        return event.attempt_id
    if isinstance(event, (AgentLegUp, AgentLegDown)):
        return event.session_id
    if isinstance(event, RecordingEnded):
        return None
    if isinstance(event, (TrunkChanged, InboundEvent)):
        return None
    assert isinstance(event, (EngineUp, EngineDown))
    return None


OpenLine = Callable[..., AbstractAsyncContextManager[Line]]


class Sipp:
    """A carrier or phone played by SIPp: one scenario, one call, checked message by message."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, name: str) -> None:
        self._process = process
        self._folder = folder
        self._name = name

    async def played(self) -> None:
        """Wait until the scenario came to its end; fail if anything else than it was said."""
        status = await asyncio.to_thread(self._process.wait, 20)
        if status != 0:
            pytest.fail(f"SIPp's scenario {self._name} ended with {status}:\n{self.said()}")

    def said(self) -> str:
        """Every message, as SIPp saw it."""
        logs = sorted(self._folder.glob("*.log"))
        return "\n".join(path.read_text(errors="replace") for path in logs)

    def kill(self) -> None:
        """End it, whatever it is doing."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait(10)


PlaySipp = Callable[..., Sipp]


class Ear(asyncio.DatagramProtocol):
    """An RTP endpoint: what it heard, and a mouth."""

    def __init__(self) -> None:
        self.heard: list[RtpPacket] = []
        self.senders: list[tuple[str, int]] = []
        self.reports: list[bytes] = []
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data[1] in rtcp.TYPES:
            # Its port is another's RTCP port, or the peer reports to the port that it sends to.
            self.reports.append(data)
            return
        packet = rtp.parse(data)
        assert packet is not None, f"{addr} sent what is no RTP: {data!r}"
        self.heard.append(packet)
        self.senders.append(addr)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._transport.get_extra_info("sockname")[1])

    async def until_heard(self, count: int = 1) -> list[RtpPacket]:
        """Wait until so many packets came."""
        for _ in range(500):
            if len(self.heard) >= count:
                return self.heard
            await asyncio.sleep(0.01)
        pytest.fail(f"heard {len(self.heard)} packets instead of {count}")

    def send(self, packet: RtpPacket, *, to: tuple[str, int]) -> None:
        """Send one packet."""
        self._transport.sendto(rtp.build(packet), to)

    async def say(
        self, words: list[bytes], *, to: tuple[str, int], payload_type: int = 0, seq: int = 0
    ) -> None:
        """Send one packet for each word, 20 ms apart."""
        for n, word in enumerate(words):
            packet = RtpPacket(
                payload_type=payload_type,
                marker=False,
                seq=seq + n,
                timestamp=160 * (seq + n),
                ssrc=self.port,
                payload=word,
            )
            self.send(packet, to=to)
            await asyncio.sleep(g711.FRAME_S)


OpenEar = Callable[[], Any]


def words(letter: str, count: int) -> list[bytes]:
    """Frames whose content says who spoke and when."""
    return [f"{letter}{n:03}".encode() * (g711.FRAME_SAMPLES // 4) for n in range(count)]


def invites(sipp: Sipp) -> dict[str, int]:
    """How many different INVITEs SIPp received, by Call-ID (repetitions by the clock left out)."""
    found: dict[str, set[str]] = defaultdict(set)
    for text in sipp.said().split("UDP message received")[1:]:
        lines = text.splitlines()
        if any(line.startswith("INVITE ") for line in lines):
            call_id = next(line for line in lines if line.lower().startswith("call-id:"))
            via = next(line for line in lines if line.lower().startswith("via:"))
            found[call_id.split(":", 1)[1].strip()].add(via)
    return {call_id: len(vias) for call_id, vias in found.items()}

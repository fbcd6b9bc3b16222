"""`Telephony` by the embedded engine: a process that speaks SIP and RTP, watched over from here.

This half lives in the dialer. It looks at every permit once more, hands commands to the engine's
process, turns what comes back into events, and starts the process again when it dies. It never
repeats a command by itself: what was live when an engine died is for the flow to reconcile.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from fairdial.adapters import wirelog
from fairdial.adapters.permit_check import PermitCheck
from fairdial.adapters.sip.browser_leg import GATEWAY_IP
from fairdial.adapters.sip.settings import SipSettings
from fairdial.adapters.webrtc.browsers import Browsers
from fairdial.adapters.webrtc.settings import WebRtcSettings
from fairdial.adapters.worker_process import Watcher, WorkerProcess
from fairdial.core.answer import AnswerKind, Tone
from fairdial.core.conversation import Part
from fairdial.core.ids import (
    AttemptId,
    CallId,
    InboundId,
    Instant,
    LegId,
    RecordingId,
    SessionId,
)
from fairdial.core.permit import Permit
from fairdial.exceptions import EngineUnavailable
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
    EndCause,
    EngineDown,
    EngineUp,
    InboundBridged,
    InboundDigit,
    InboundEnded,
    InboundOffered,
    InboundPlayed,
    LiveLegs,
    Message,
    MessagePlayed,
    RecordingEnded,
    TelephonyEvent,
    ToneHeard,
    TrunkChanged,
    TrunkStatus,
    is_browser,
)

__all__ = ["SipSettings", "SipTelephony"]

_log = logging.getLogger("fairdial.sip")

_KEYS = re.compile(r"[0-9*#A-D]{1,64}", re.ASCII)

_EVENTS_MAX = 50_000
"""Events that the flow does not read. Beyond that it is stuck, and dialing must end."""


class _BrowserLegs:
    """The `BrowserLegs` of the engine in its process of its own."""

    def __init__(self, command: Callable[..., Awaitable[Any]]) -> None:
        self._command = command

    async def open_browser(self, session: str, port: int) -> tuple[str, int]:
        return GATEWAY_IP, await self._command("connect_browser", session=session, port=port)

    async def browser_up(self, session: str) -> None:
        await self._command("browser_up", session=session)

    async def browser_down(self, session: str, why: str) -> None:
        await self._command("browser_down", session=session, why=why)


class SipTelephony:
    """The embedded engine as the flow sees it. See `fairdial.ports.Telephony` for the promises."""

    def __init__(
        self, settings: SipSettings, clock: Clock, browsers: WebRtcSettings | None = None
    ) -> None:
        """Describe the engine; nothing runs before `start`.

        Without `browsers`, agents can have browsers as phones on this machine only.
        """
        self._settings = settings
        self._clock = clock
        self._events: asyncio.Queue[TelephonyEvent | None] = asyncio.Queue()
        self._permits = PermitCheck(
            is_sandbox=settings.is_sandbox, hosts=[trunk.host for trunk in settings.trunks]
        )
        self._worker = WorkerProcess(
            module="fairdial.adapters.sip.worker",
            name="the telephony engine",
            log_path=settings.data_dir / "engine.log",
            watcher=Watcher(
                settings=lambda: self._settings.to_wire(),
                on_up=self._on_up,
                on_said=lambda said: self._put(self._event(said)),
                on_down=self._on_down,
            ),
        )
        self._browsers = Browsers(
            browsers or WebRtcSettings(data_dir=settings.data_dir),
            _BrowserLegs(self._command),
            GATEWAY_IP,
        )
        self._first_run: int | None = None
        self._undecided: set[str] = set()
        """Attempts handed to the engine that runs, of which nothing came back yet."""

    async def start(self) -> None:
        """Start the engine and return when it can place calls.

        Raises `SettingsError` for settings that cannot work and `EngineUnavailable` when the
        engine does not come up, with what to do about it.
        """
        self._settings.check()
        await self._worker.start()

    async def stop(self) -> None:
        """End every call cleanly (CANCEL, BYE), then the engine. Bounded to a few seconds."""
        # What the engine tells on its way (CallEnded) still reaches the flow.
        await self._worker.stop()
        await self._browsers.stop()
        self._put(None)

    @property
    def engine_pid(self) -> int:
        """The id of the engine's process. Raises `EngineUnavailable` while there is none."""
        pid = self._worker.pid
        if pid is None:
            raise EngineUnavailable("the telephony engine is not running")
        return pid

    async def dial(
        self, permit: Permit, *, ring_s: int, detect: bool = False, identity: str = ""
    ) -> None:
        """Place the call that `permit` allows. A resend of the same permit changes nothing.

        Raises `PermitMisused` for an expired, foreign or used permit: nothing rings.
        """
        if not 1 <= ring_s <= 300:
            raise ValueError(f"ring_s is {ring_s}: a phone rings for 1 to 300 seconds")
        if self._permits.is_resend(permit):
            return
        self._permits.check(permit, self._clock.now())
        self._worker.check()
        self._permits.use(permit)
        attempt = str(permit.attempt_id)
        self._undecided.add(attempt)
        # The engine is held to the permit's end too, by the clock that all processes here share:
        # a command that lay in a queue for seconds is not carried out.
        life_s = (permit.expires_at - self._clock.now()).total_seconds()
        try:
            await self._command(
                "dial",
                attempt=attempt,
                number=permit.number,
                caller_id=permit.caller_id,
                ring_s=ring_s,
                until=time.monotonic() + life_s,
                detect=detect,
                identity=identity,
            )
        except EngineUnavailable as failure:
            # Handed over and not confirmed: its event, or after its death the wire log, will say.
            # To call it not dialed here would be a guess, and the phone might ring all the same.
            _log.warning("unsure whether attempt %s is dialed: %s", attempt, failure)

    async def connect_agent(self, session_id: SessionId, phone: str) -> None:
        """Nail up the agent's leg to `phone`; `AgentLegUp` or `AgentLegDown` follows."""
        if is_browser(phone):
            # The leg waits for its browser; after the death of an engine, one may be there.
            await self._browsers.attach(str(session_id))
            return
        await self._command("connect_agent", session=str(session_id), phone=phone[:512])

    async def connect_browser(self, session_id: SessionId, offer: str) -> str:
        """Nail up the leg to a browser; returns our answer to its offer."""
        self._worker.check()
        return await self._browsers.connect(str(session_id), offer)

    async def disconnect_agent(self, session_id: SessionId) -> None:
        """Take the leg of a phone of ours down."""
        await self._browsers.disconnect(str(session_id))
        await self._command("disconnect_agent", session=str(session_id))

    async def answer(self, inbound_id: InboundId) -> None:
        """Answer a call that is offered to us."""
        await self._command("answer", inbound=str(inbound_id))

    async def join(self, call_id: CallId, leg_id: LegId, part: Part) -> None:
        """Give a leg a part in a conversation; `CallBridged` or `InboundBridged` may follow."""
        await self._command("join", call=str(call_id), leg=str(leg_id), part=part.value)

    async def leave(self, call_id: CallId, leg_id: LegId) -> None:
        """Take a phone of ours out of a conversation."""
        await self._command("leave", call=str(call_id), leg=str(leg_id))

    async def play(self, call_id: CallId, message: Message) -> None:
        """Play a recorded message to an answered call; `MessagePlayed` follows."""
        await self._command("play", call=str(call_id), message=message.value)

    async def send_digits(self, leg_id: LegId, digits: str) -> None:
        """Press keys on an answered leg. Raises `ValueError` for what is no key."""
        if _KEYS.fullmatch(digits) is None:
            raise ValueError("keys are 1 to 64 of 0-9, *, #, A-D")
        await self._command("send_digits", leg=str(leg_id), digits=digits)

    async def record(self, call_id: CallId, recording_id: RecordingId, path: Path) -> None:
        """Record an answered call into a WAV file; `RecordingEnded` follows."""
        await self._command(
            "record", call=str(call_id), recording=str(recording_id), path=str(path)
        )

    async def pause_recording(self, call_id: CallId) -> None:
        """Record silence from now on."""
        await self._command("pause_recording", call=str(call_id))

    async def resume_recording(self, call_id: CallId) -> None:
        """Record again."""
        await self._command("resume_recording", call=str(call_id))

    async def stop_recording(self, call_id: CallId) -> None:
        """End the recording before the call does."""
        await self._command("stop_recording", call=str(call_id))

    async def hang_up(self, call_id: CallId) -> None:
        """CANCEL, BYE or a refusal as the call stands; `CallEnded` or `InboundEnded` follows."""
        await self._command("hang_up", call=str(call_id))

    async def trunks(self) -> tuple[TrunkStatus, ...]:
        """The trunks in the order in which they are tried."""
        return tuple(TrunkStatus(**status) for status in await self._command("trunks"))

    async def live(self) -> LiveLegs:
        """What the engine holds right now, to reconcile after a gap."""
        legs = await self._command("live")
        return LiveLegs(
            attempts=frozenset(AttemptId(UUID(a)) for a in legs["attempts"]),
            sessions=frozenset(SessionId(UUID(s)) for s in legs["sessions"]),
            inbound=frozenset(InboundId(UUID(i)) for i in legs["inbound"]),
        )

    async def was_dialed(self, attempts: Collection[AttemptId]) -> dict[AttemptId, bool]:
        """For each attempt, by the wire log that outlives the engine: did an INVITE leave?

        Works while the engine is down. What this very engine has not decided yet counts as dialed.
        """
        asked = {str(attempt): attempt for attempt in attempts}
        undecided = self._undecided & asked.keys()
        # An attempt that went through our own hands can only be in the runs since our start;
        # damage to older ones says nothing about it.
        ours = {a for a, attempt in asked.items() if attempt in self._permits.handed_over}
        if self._first_run is None:
            ours = set()
        folder = self._settings.data_dir
        found = await asyncio.to_thread(
            wirelog.was_dialed, folder, ours, first_run=self._first_run or 1
        )
        found |= await asyncio.to_thread(wirelog.was_dialed, folder, asked.keys() - ours)
        found |= dict.fromkeys(undecided, True)
        return {asked[attempt]: answer for attempt, answer in found.items()}

    async def events(self) -> AsyncIterator[TelephonyEvent]:
        """Everything that happens, in order, until `stop`. One consumer."""
        while (event := await self._events.get()) is not None:
            yield event

    # The engine's process.

    async def _command(self, do: str, **values: object) -> Any:
        """Hand a command to the engine and return its reply. Raises `EngineUnavailable`."""
        return await self._worker.command(do, values)

    def _on_up(self, hello: Mapping[str, Any]) -> None:
        # A free port that was found once is kept: what an engine left behind knows no other.
        self._settings = replace(self._settings, sip_port=hello["port"])
        if self._first_run is None:
            self._first_run = hello["run"]
        self._put(EngineUp(at=self._clock.now()))

    def _on_down(self, why: str, is_final: bool) -> None:
        self._undecided.clear()
        self._put(EngineDown(at=self._clock.now(), why=why, is_final=is_final))

    def _event(self, said: Mapping[str, Any]) -> TelephonyEvent:
        """What the engine said, in our words."""
        at = self._clock.at_unix(said["at"])
        if said["event"] in ("agent_up", "agent_down"):
            session_id = SessionId(UUID(said["session"]))
            if said["event"] == "agent_up":
                return AgentLegUp(session_id=session_id, at=at)
            self._browsers.let_go(said["session"])
            return AgentLegDown(session_id=session_id, at=at, why=said["why"])
        if "inbound" in said:
            return _inbound_event(said, InboundId(UUID(said["inbound"])), at)
        if said["event"] == "trunk":
            return TrunkChanged(trunk=said["trunk"], is_up=said["is_up"], why=said["why"], at=at)
        if said["event"] == "recorded":
            return RecordingEnded(
                recording_id=RecordingId(UUID(said["recording"])),
                call_id=AttemptId(UUID(said["call"])),
                path=Path(said["path"]),
                seconds=said["seconds"],
                fault=said["fault"],
                at=at,
            )
        if said["event"] == "judged":
            return self._judgement(said, at)
        self._undecided.discard(said["attempt"])
        return _call_event(said, AttemptId(UUID(said["attempt"])), at)

    def _judgement(self, said: Mapping[str, Any], at: Instant) -> AnswerJudged:
        started, ended = said["greeting_started_at"], said["greeting_ended_at"]
        return AnswerJudged(
            attempt_id=AttemptId(UUID(said["attempt"])),
            at=at,
            kind=AnswerKind(said["kind"]),
            confidence=said["confidence"],
            why=said["why"],
            greeting_started_at=None if started is None else self._clock.at_unix(started),
            greeting_ended_at=None if ended is None else self._clock.at_unix(ended),
        )

    def _put(self, event: TelephonyEvent | None) -> None:
        self._events.put_nowait(event)
        if self._events.qsize() == _EVENTS_MAX:
            _log.error("nobody reads the telephony events; ending the engine")
            self._worker.kill()


def _call_event(said: Mapping[str, Any], attempt_id: AttemptId, at: Instant) -> TelephonyEvent:
    """An event about one attempt."""
    match said["event"]:
        case "dialed":
            return CallDialed(attempt_id=attempt_id, at=at, trunk=said["trunk"])
        case "not_dialed":
            return CallNotDialed(attempt_id=attempt_id, at=at, why=said["why"])
        case "ringing":
            return CallRinging(attempt_id=attempt_id, at=at)
        case "answered":
            return CallAnswered(attempt_id=attempt_id, at=at)
        case "bridged":
            session_id = SessionId(UUID(said["session"]))
            return CallBridged(attempt_id=attempt_id, at=at, session_id=session_id)
        case "played":
            return MessagePlayed(attempt_id=attempt_id, at=at, message=Message(said["message"]))
        case "tone":
            return ToneHeard(attempt_id=attempt_id, at=at, tone=Tone(said["tone"]))
        case "digit":
            return CallDigit(attempt_id=attempt_id, at=at, digit=said["digit"])
        case "ended":
            cause = EndCause(said["cause"])
            return CallEnded(attempt_id=attempt_id, at=at, cause=cause, raw=said["raw"])
        case unknown:
            raise ValueError(f"unknown event {unknown!r}")


def _inbound_event(said: Mapping[str, Any], inbound_id: InboundId, at: Instant) -> TelephonyEvent:
    """An event about one call that somebody makes to us."""
    match said["event"]:
        case "offered":
            return InboundOffered(
                inbound_id=inbound_id,
                at=at,
                caller=said["caller"],
                called=said["called"],
                trunk=said["trunk"],
                verification=said["verification"],
            )
        case "bridged":
            session_id = SessionId(UUID(said["session"]))
            return InboundBridged(inbound_id=inbound_id, at=at, session_id=session_id)
        case "played":
            return InboundPlayed(inbound_id=inbound_id, at=at, message=Message(said["message"]))
        case "digit":
            return InboundDigit(inbound_id=inbound_id, at=at, digit=said["digit"])
        case "ended":
            cause = EndCause(said["cause"])
            return InboundEnded(inbound_id=inbound_id, at=at, cause=cause, raw=said["raw"])
        case unknown:
            raise ValueError(f"unknown event {unknown!r}")

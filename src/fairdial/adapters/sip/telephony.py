"""`Telephony` by the embedded engine: a process that speaks SIP and RTP, watched over from here.

This half lives in the dialer. It looks at every permit once more, hands commands to the engine's
process, turns what comes back into events, and starts the process again when it dies. It never
repeats a command by itself: what was live when an engine died is for the flow to reconcile.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import re
import socket
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from fairdial.adapters import wirelog
from fairdial.adapters.permit_check import PermitCheck
from fairdial.adapters.sip.settings import SipSettings
from fairdial.adapters.sip.worker import LINE_BYTES_MAX
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
)

__all__ = ["SipSettings", "SipTelephony"]

_log = logging.getLogger("fairdial.sip")

_KEYS = re.compile(r"[0-9*#A-D]{1,64}", re.ASCII)

_START_S = 15.0
_REPLY_S = 5.0
_STOP_S = 6.0
_PING_EVERY_S = 2.0
_PING_S = 10.0
"""An engine that does not answer for so long is taken for dead, and killed."""
_DEATHS_MAX = 5
_DEATHS_WITHIN_S = 60.0
_BACKOFF_S = (0.1, 0.5, 1.0, 2.0, 4.0)
_EVENTS_MAX = 50_000
"""Events that the flow does not read. Beyond that it is stuck, and dialing must end."""
_LOG_BYTES_MAX = 1_000_000


class _Process:
    """One run of the engine's process and the socket to it."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self.process = process
        self.control = control
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter
        self.replies: dict[int, asyncio.Future[Any]] = {}
        self.undecided: set[str] = set()
        """Attempts handed over, of which nothing came back yet."""

    def kill(self) -> None:
        """End it without ceremony."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()


class SipTelephony:
    """The embedded engine as the flow sees it. See `fairdial.ports.Telephony` for the promises."""

    def __init__(self, settings: SipSettings, clock: Clock) -> None:
        """Describe the engine; nothing runs before `start`."""
        self._settings = settings
        self._clock = clock
        self._events: asyncio.Queue[TelephonyEvent | None] = asyncio.Queue()
        self._permits = PermitCheck(is_sandbox=settings.is_sandbox, hosts=(settings.trunk_host,))
        self._process: _Process | None = None
        self._down_why = "it was not started"
        self._watching: asyncio.Task[None] | None = None
        self._ids = itertools.count(1)
        self._first_run: int | None = None

    async def start(self) -> None:
        """Start the engine and return when it can place calls.

        Raises `SettingsError` for settings that cannot work and `EngineUnavailable` when the
        engine does not come up, with what to do about it.
        """
        if self._watching is not None:
            return
        self._settings.check()
        self._process = await self._spawn()
        self._put(EngineUp(at=self._clock.now()))
        self._watching = asyncio.create_task(self._watch(self._process))

    async def stop(self) -> None:
        """End every call cleanly (CANCEL, BYE), then the engine. Bounded to a few seconds."""
        watching, self._watching = self._watching, None
        if watching is None:
            return
        engine, self._down_why = self._process, "it was stopped"
        if engine is not None:
            with contextlib.suppress(EngineUnavailable):
                await self._command("stop")
            # What the engine tells on its way (CallEnded) still reaches the flow.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(watching), _STOP_S)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        if engine is not None:
            engine.kill()
            await engine.process.wait()
        self._process = None
        self._put(None)

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
        engine = self._engine()
        self._permits.use(permit)
        attempt = str(permit.attempt_id)
        engine.undecided.add(attempt)
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
        await self._command("connect_agent", session=str(session_id), phone=phone[:512])

    async def connect_browser(self, session_id: SessionId, offer: str) -> str:
        """Nail up the leg to a browser; returns our answer to its offer."""
        raise NotImplementedError

    async def disconnect_agent(self, session_id: SessionId) -> None:
        """Take the leg of a phone of ours down."""
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
        undecided = self._process.undecided & asked.keys() if self._process is not None else set()
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

    def _engine(self) -> _Process:
        if self._process is None:
            raise EngineUnavailable(f"the telephony engine is down: {self._down_why}")
        return self._process

    async def _command(self, do: str, **values: object) -> Any:
        """Hand a command to the engine and return its reply. Raises `EngineUnavailable`."""
        engine = self._engine()
        number = next(self._ids)
        line = json.dumps({"do": do, "id": number, **values}, separators=(",", ":")).encode()
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        engine.replies[number] = reply
        try:
            engine.writer.write(line + b"\n")
            await asyncio.wait_for(reply, _PING_S if do == "ping" else _REPLY_S)
        except (TimeoutError, ConnectionError) as failure:
            raise EngineUnavailable(
                f"the telephony engine did not take {do!r} in time"
            ) from failure
        finally:
            engine.replies.pop(number, None)
        return reply.result()

    async def _spawn(self) -> _Process:
        """Start a process and wait until it can place calls. Raises `EngineUnavailable`."""
        folder = self._settings.data_dir
        folder.mkdir(parents=True, exist_ok=True)
        own_log = folder / "engine.log"
        ours, theirs = socket.socketpair()
        try:
            size = own_log.stat().st_size if own_log.exists() else 0
            with theirs, own_log.open("wb" if size > _LOG_BYTES_MAX else "ab") as output:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "fairdial.adapters.sip.worker",
                    str(theirs.fileno()),
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    # What a terminal or `timeout` sends to our group is ours to act on.
                    start_new_session=True,
                )
        except OSError as failure:
            ours.close()
            raise EngineUnavailable(
                f"the engine's process cannot be started: {failure}"
            ) from failure
        engine = _Process(process, ours)
        ours.setblocking(False)
        engine.reader, engine.writer = await asyncio.open_connection(
            sock=ours, limit=LINE_BYTES_MAX
        )
        try:
            engine.writer.write(json.dumps(self._settings.to_wire()).encode() + b"\n")
            line = await asyncio.wait_for(engine.reader.readline(), _START_S)
        except (TimeoutError, ConnectionError) as failure:
            await self._bury(engine)
            raise EngineUnavailable(
                f"the telephony engine did not start within {_START_S:g} s; see {own_log}"
            ) from failure
        except asyncio.CancelledError:
            await self._bury(engine)
            raise
        hello: dict[str, Any] = json.loads(line) if line else {}
        if hello.get("event") != "up":
            await self._bury(engine)
            why = hello.get("why", f"its process ended; see {own_log}")
            raise EngineUnavailable(f"the telephony engine cannot start: {why}")
        # A free port that was found once is kept: what an engine left behind knows no other.
        self._settings = replace(self._settings, sip_port=hello["port"])
        if self._first_run is None:
            self._first_run = hello["run"]
        return engine

    @staticmethod
    async def _bury(engine: _Process) -> int:
        """Make sure that the process is gone; its exit status."""
        engine.kill()
        engine.writer.close()
        return await engine.process.wait()

    async def _watch(self, engine: _Process | None) -> None:
        """Hear one engine after another, until told to stop or too many died."""
        deaths: deque[float] = deque(maxlen=_DEATHS_MAX)
        while engine is not None:
            pinging = asyncio.create_task(self._ping(engine))
            await self._hear(engine)
            pinging.cancel()
            why = self._down_why
            self._process = None
            is_stopped = self._watching is None
            if not is_stopped:
                why = self._down_why = "its process ended"
                self._put(EngineDown(at=self._clock.now(), why="the engine's process ended"))
                self._fail_replies(engine)
            status = await self._bury(engine) if not is_stopped else await _wait(engine)
            self._fail_replies(engine)
            if is_stopped:
                return
            _log.warning("the telephony engine ended with status %s (%s)", status, why)
            engine = await self._again(deaths)

    async def _again(self, deaths: deque[float]) -> _Process | None:
        """Start the next engine after a death, ever more slowly; None after too many."""
        while True:
            deaths.append(time.monotonic())
            recent = [at for at in deaths if time.monotonic() - at < _DEATHS_WITHIN_S]
            if len(recent) >= _DEATHS_MAX:
                self._down_why = (
                    f"its process died {_DEATHS_MAX} times within {_DEATHS_WITHIN_S:g} s, so it is "
                    f"not started again ({self._down_why}); see "
                    f"{self._settings.data_dir / 'engine.log'}, then restart the dialer"
                )
                self._put(EngineDown(at=self._clock.now(), why=self._down_why, is_final=True))
                return None
            await asyncio.sleep(_BACKOFF_S[len(recent) - 1])
            try:
                engine = await self._spawn()
            except EngineUnavailable as failure:
                self._down_why = str(failure)
                continue
            self._process = engine
            self._put(EngineUp(at=self._clock.now()))
            return engine

    async def _hear(self, engine: _Process) -> None:
        """Take what the engine says until it says no more."""
        try:
            while line := await engine.reader.readline():
                said = json.loads(line)
                if "re" in said:
                    reply = engine.replies.get(said["re"])
                    if reply is not None and not reply.done():
                        reply.set_result(said["result"])
                elif said["event"] == "failed":
                    # Its last word; the end of its process is what counts, and follows.
                    _log.error("the telephony engine failed: %s", said["why"])
                else:
                    self._put(self._event(said, engine))
        except (ValueError, KeyError, ConnectionError):
            _log.exception("the telephony engine said what no engine says")

    async def _ping(self, engine: _Process) -> None:
        """Kill an engine that is there but does not answer."""
        while True:
            await asyncio.sleep(_PING_EVERY_S)
            try:
                await self._command("ping")
            except EngineUnavailable:
                _log.warning("the telephony engine does not answer; killing it")
                engine.kill()
                return

    @staticmethod
    def _fail_replies(engine: _Process) -> None:
        for reply in engine.replies.values():
            if not reply.done():
                reply.set_exception(EngineUnavailable("the telephony engine died meanwhile"))

    def _event(self, said: Mapping[str, Any], engine: _Process) -> TelephonyEvent:
        """What the engine said, in our words."""
        at = self._clock.at_unix(said["at"])
        if said["event"] in ("agent_up", "agent_down"):
            session_id = SessionId(UUID(said["session"]))
            if said["event"] == "agent_up":
                return AgentLegUp(session_id=session_id, at=at)
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
        engine.undecided.discard(said["attempt"])
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
        if self._events.qsize() == _EVENTS_MAX and self._process is not None:
            _log.error("nobody reads the telephony events; ending the engine")
            self._process.kill()


async def _wait(engine: _Process) -> int:
    """Let a process that was told to stop end by itself."""
    status = await engine.process.wait()
    engine.writer.close()
    return status


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

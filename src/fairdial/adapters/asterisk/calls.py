"""Legs that lead outside: calls of ours from the request to their one end, and calls made to us.

A call is told of once at each step, and its end exactly once, however Asterisk's replies and events
cross. A trunk that fails before anything rang gives way to the next.
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any

from fairdial.adapters import causes
from fairdial.adapters.asterisk.ari import AriRefused, Said
from fairdial.adapters.asterisk.board import Board, Timer, log
from fairdial.adapters.asterisk.config import OURS, TRUNK_PREFIX
from fairdial.adapters.asterisk.conversation import Conversation, Seated
from fairdial.adapters.asterisk.node import Node
from fairdial.adapters.asterisk.taps import Tap
from fairdial.adapters.listening import Listening
from fairdial.core.answer import Tone
from fairdial.core.ids import AttemptId, CallId, InboundId, Instant, SessionId
from fairdial.core.permit import Permit
from fairdial.core.trunk import NoTrunk, TrunkChoice, as_dialed, as_e164, as_shown
from fairdial.exceptions import EngineUnavailable
from fairdial.media.call_ear import Judgement
from fairdial.media.rtp import RtpPacket
from fairdial.ports import (
    AnswerJudged,
    CallAnswered,
    CallBridged,
    CallDialed,
    CallDigit,
    CallEnded,
    CallNotDialed,
    CallRinging,
    EndCause,
    InboundBridged,
    InboundDigit,
    InboundEnded,
    InboundOffered,
    InboundPlayed,
    Message,
    MessagePlayed,
    TelephonyEvent,
    ToneHeard,
)

_DIGITS_MAX = 500
"""Keys told of one call; the rest is noise."""
_PROGRESS_S = 10.0
"""How long a call may be on its way without ringing, beyond its ringing time, seconds."""
_HEADER = re.compile(r"[\x20-\x7e]{1,8000}", re.ASCII)
_VERSTAT = re.compile(r"verstat=([A-Za-z0-9-]{1,64})", re.ASCII)
_NO_AUDIO = 44
"""The Q.850 cause that Asterisk ends a leg with whose audio stopped: its `rtp_timeout`."""
_OF_Q850 = {
    1: EndCause.INVALID,
    3: EndCause.INVALID,
    17: EndCause.BUSY,
    18: EndCause.NO_RESPONSE,
    19: EndCause.NO_ANSWER,
    21: EndCause.REJECTED,
    22: EndCause.INVALID,
    28: EndCause.INVALID,
    34: EndCause.CONGESTION,
    38: EndCause.CONGESTION,
    41: EndCause.CONGESTION,
    42: EndCause.CONGESTION,
    102: EndCause.NO_RESPONSE,
}
"""For ends without a SIP status (ITU-T Q.850)."""


class _State(StrEnum):
    WAITING = "waiting"
    """For its turn on the trunk."""
    DIALING = "dialing"
    RINGING = "ringing"
    ANSWERED = "answered"
    ENDING = "ending"
    ENDED = "ended"


class OutsideLeg(Seated, ABC):
    """What a call of ours and one to us have in common, once there is a channel."""

    def __init__(self, board: Board, node: Node, call_id: CallId, channel: str) -> None:
        super().__init__(node, channel)
        self.board = board
        self.id: CallId = call_id
        self.trunk = ""
        self._state = _State.DIALING
        self._timer = Timer()
        self._intent: tuple[EndCause, str] | None = None
        self._digits = 0
        self._playback = ""
        self._playing: Message | None = None
        self._after_message = Timer()
        self._up_at: Instant | None = None

    @property
    def is_answered(self) -> bool:
        """Whether somebody is on the line."""
        return self._state is _State.ANSWERED

    # --- what is told -----------------------------------------------------------------------------

    @abstractmethod
    def bridged(self, session_id: SessionId) -> TelephonyEvent:
        """The event of a first agent who talks."""

    @abstractmethod
    def _played(self, message: Message) -> TelephonyEvent: ...

    @abstractmethod
    def _digit(self, digit: str) -> TelephonyEvent: ...

    @abstractmethod
    def _ended(self, cause: EndCause, raw: str) -> TelephonyEvent: ...

    # --- commands ---------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """CANCEL, BYE or a refusal; nothing if one is under way."""
        if self._state is _State.ANSWERED:
            self._end(EndCause.WE_HUNG_UP, "our BYE")
        elif self._state in (_State.WAITING, _State.DIALING, _State.RINGING):
            self._end(EndCause.CANCELLED, "our CANCEL")

    async def play(self, message: Message) -> None:
        """Play a message; a second wish while one plays changes nothing."""
        if not self.is_answered or self._playing is not None:
            return
        self._playing = message
        self._playback = playback = f"playback-{self.channel}-{self.board.clock.now().timestamp()}"
        self.node.owners[playback] = self
        is_taken = await self.node.do(
            "POST",
            f"channels/{self.channel}/play",
            media=f"sound:{self.board.sound(message)}",
            playbackId=playback,
        )
        if not is_taken:
            self.node.owners.pop(playback, None)
            self._playing = None

    def stop_message(self) -> None:
        """Cut a message short; it is not told of."""
        if self._playing is not None:
            self._playing = None
            self._after_message.stop()
            if self.node.owners.pop(self._playback, None) is not None:
                self.node.later("DELETE", f"playbacks/{self._playback}")

    # --- what Asterisk says -----------------------------------------------------------------------

    def on_said(self, said: Said) -> None:
        """An event about our channel, or what plays on it."""
        match said["type"]:
            case "ChannelDtmfReceived":
                self._digits += 1
                if self.is_answered and self._digits <= _DIGITS_MAX:
                    self.board.tell(self._digit(said["digit"]))
            case "PlaybackFinished" if said["playback"]["id"] == self._playback:
                seconds = self.board.settings.after_message_s
                self._after_message.set(seconds, self._message_over)
            case "ChannelDestroyed":
                self._gone(said["cause"], said.get("cause_txt", ""), said.get("tech_cause", 0))

    def on_missing(self) -> None:
        """It ended while the connection was away."""
        cause, raw = self._intent or (EndCause.ENGINE_LOST, "it ended while Asterisk was away")
        self.finish(cause, raw)

    @abstractmethod
    def on_found(self, channel: Said) -> None:
        """It is there after a gap."""

    def _message_over(self) -> None:
        if self._playing is not None:
            message, self._playing = self._playing, None
            self.board.tell(self._played(message))

    def _answered(self) -> None:
        """From now on there is a conversation."""
        self._state = _State.ANSWERED
        self._timer.stop()
        self.conversation = Conversation(self.board, self)

    def _gone(self, cause: int, words: str, status: int) -> None:
        """The channel is gone: why, by Asterisk."""
        raw = f"Q.850 {cause} {words}".strip()
        if self._intent is not None:
            self.finish(self._intent[0], f"{self._intent[1]}; {raw}")
        elif self._state is not _State.ANSWERED:
            self._failed(cause, status, raw if status < 300 else f"SIP {status}; {raw}")
        elif cause == _NO_AUDIO:
            self.finish(EndCause.MEDIA_LOST, f"no audio came any more; {raw}")
        else:
            self.finish(EndCause.CALLED_PARTY_HUNG_UP, f"SIP BYE; {raw}")

    @abstractmethod
    def _failed(self, cause: int, status: int, raw: str) -> None:
        """It ended unanswered, and not because we wished so."""

    def _end(self, cause: EndCause, raw: str, reason: str | None = None) -> None:
        """End the channel; the call ends with it, or without it soon."""
        self._intent = (cause, raw)
        self._state = _State.ENDING
        self.node.later("DELETE", f"channels/{self.channel}", reason=reason)
        self._timer.set(self.board.settings.clear_s, lambda: self.finish(cause, raw))

    def lost(self, *, tells: bool) -> None:
        """Its node is gone. Not told where `EngineDown` tells it of every call."""
        self.conversation = None
        self.finish(EndCause.ENGINE_LOST, "its Asterisk is gone", tells=tells)

    def finish(self, cause: EndCause, raw: str, *, tells: bool = True) -> None:
        """The one end of this call."""
        if self._state is _State.ENDED:
            return
        self._state = _State.ENDED
        self._timer.stop()
        self._after_message.stop()
        self.board.log_end(str(self.id), raw)
        if self.trunk:
            self.board.trunks.ended(self.trunk)
        self.board.calls.pop(self.id, None)
        self.board.on_over(self.id)
        if tells:
            self.board.tell(self._ended(cause, raw))
        if self.conversation is not None:
            self.node.spawn(self.conversation.close())


class CallLeg(OutsideLeg):
    """A call of ours."""

    id: AttemptId

    def __init__(
        self, board: Board, node: Node, permit: Permit, *, ring_s: int, detect: bool, identity: str
    ) -> None:
        """A call that `dial` will place; `until` its permit's end."""
        super().__init__(board, node, permit.attempt_id, str(permit.attempt_id))
        self._permit = permit
        self._ring_s = ring_s
        self._detects = detect
        self._listening: Listening | None = None
        self._tap: Tap | None = None
        self._identity = identity
        self._state = _State.WAITING
        self._tried: list[str] = []
        self._dialed_on = ""
        """The trunk that was told to have taken it."""
        life_s = (permit.expires_at - board.clock.now()).total_seconds()
        self._until = asyncio.get_running_loop().time() + life_s

    async def dial(self) -> None:
        """Place the call on the first trunk that can take it; events say what came of it."""
        choice = self._choose()
        if isinstance(choice, NoTrunk):
            self._not_dialed(choice.why)
        elif (wait_s := choice.start_at - asyncio.get_running_loop().time()) > 0:
            self._timer.set(wait_s, lambda: self.node.spawn(self._originate()))
        else:
            await self._originate()

    def _choose(self) -> TrunkChoice | NoTrunk:
        """Take the next trunk, with a channel of its own: an earlier one may be in teardown."""
        choice = self.board.trunks.choose_for(self.node, until=self._until, tried=self._tried)
        if isinstance(choice, TrunkChoice):
            if self._tried:
                self.board.trunks.ended(self.trunk)
                self.channel = f"{self.id}-{len(self._tried) + 1}"
            self.trunk = choice.name
            self._tried.append(choice.name)
        return choice

    async def _originate(self) -> None:
        if self._state is not _State.WAITING:
            return
        if asyncio.get_running_loop().time() >= self._until:
            self._not_dialed("the permit ended before the engine dialed")
            return
        trunk = self.board.trunks.settings(self.trunk)
        settings = self.board.settings
        number = as_dialed(trunk, self._permit.number)
        try:
            self.board.wire.invite(
                str(self.id),
                to=self._permit.number,
                cancel="",
                peer=(trunk.host, trunk.port),
                call=True,
            )
        except OSError as failure:
            self._not_dialed(f"the wire log cannot be written: {failure}")
            return
        self._state = _State.DIALING
        self.node.owners[self.channel] = self
        self._timer.set(self._ring_s + _PROGRESS_S, self._no_answer)
        variables = {"FAIRDIAL_MESSAGE": self.board.sound(Message.ABANDONED)}
        if self._identity and _HEADER.fullmatch(self._identity):
            variables["PJSIP_HEADER(add,Identity)"] = self._identity
        if trunk.is_private:
            variables["CALLERID(pres)"] = "prohib"
        try:
            await self.node.ask(
                "POST",
                "channels",
                body={"variables": variables},
                endpoint=f"PJSIP/{number}@{TRUNK_PREFIX}{self.trunk}",
                channelId=self.channel,
                context=OURS,
                extension="leg",
                priority=1,
                callerId=_shown(settings.caller_name, as_shown(trunk, self._permit.caller_id)),
                timeout=round(self._ring_s + 2 * _PROGRESS_S),
            )
        except AriRefused as refused:
            self._not_dialed(str(refused))
        except EngineUnavailable as failure:
            # Handed over and not confirmed: its events will say, or the next look after a gap.
            log.warning("unsure whether attempt %s is dialed: %s", self.id, failure)
        else:
            self._tell_dialed()

    def _not_dialed(self, why: str) -> None:
        """Nothing more is sent. After a trunk that failed it is an end; else nothing ever was."""
        if self._state is _State.ENDED:
            return
        if self._dialed_on:
            self.finish(EndCause.CONGESTION, why)
            return
        self._state = _State.ENDED
        self._timer.stop()
        self.node.owners.pop(self.channel, None)
        if self.trunk:
            self.board.trunks.ended(self.trunk)
        self.board.calls.pop(self.id, None)
        self.board.log_end(str(self.id), why)
        now = self.board.clock.now()
        self.board.tell(CallNotDialed(attempt_id=self.id, at=now, why=why))

    def _tell_dialed(self) -> None:
        if self._dialed_on != self.trunk and self._state is not _State.ENDED:
            self._dialed_on = self.trunk
            now = self.board.clock.now()
            self.board.tell(CallDialed(attempt_id=self.id, at=now, trunk=self.trunk))

    def on_said(self, said: Said) -> None:
        """Its progress, and what every call may have."""
        self._tell_dialed()
        match said["type"]:
            case "Dial" if said.get("dialstatus") in ("RINGING", "PROGRESS"):
                self._rings()
            case "ChannelStateChange" if said["channel"]["state"] == "Ringing":
                self._rings()
            case "ChannelStateChange" if said["channel"]["state"] == "Up":
                self._up_at = self._up_at or self.board.clock.now()
            case "StasisStart":
                self._picked_up()
            case _:
                super().on_said(said)

    def on_found(self, channel: Said) -> None:
        """After a gap: catch up with what was missed."""
        self._tell_dialed()
        if channel["state"] == "Ringing":
            self._rings()
        elif channel["state"] == "Up" and channel["dialplan"]["app_name"] == "Stasis":
            self._picked_up()

    def on_missing(self) -> None:
        """It ended, or never was, while the connection was away."""
        self._tell_dialed()
        super().on_missing()

    def _rings(self) -> None:
        if self._state is _State.DIALING:
            self._state = _State.RINGING
            self.board.trunks.alive(self.trunk, "it rang")
            self._timer.set(self._ring_s, self._no_answer)
            self.board.tell(CallRinging(attempt_id=self.id, at=self.board.clock.now()))

    def _picked_up(self) -> None:
        if self._state in (_State.DIALING, _State.RINGING):
            self.board.trunks.alive(self.trunk, "a call was answered")
            self._answered()
            at = self._up_at or self.board.clock.now()
            self.board.tell(CallAnswered(attempt_id=self.id, at=at))
            if self._detects:
                self.node.spawn(self._listen())

    async def _listen(self) -> None:
        """Judge who answered, by a tap on what they say."""
        self._listening = listening = Listening(self, on_over=self._listened)
        listening.answered()

        def hear(packet: RtpPacket, at: float) -> None:
            listening.hear(packet.payload, at)

        self._tap = tap = Tap(self.node, self.channel, "in", hear)
        settings = self.board.settings
        try:
            await tap.open(ip=settings.media_ip, app=settings.app)
        except (EngineUnavailable, OSError) as failure:
            # The ear hears nothing then, and says by its limit that it is unsure.
            log.warning("attempt %s is not listened to: %s", self.id, failure)

    def _listened(self) -> None:
        tap, self._tap, self._listening = self._tap, None, None
        if tap is not None:
            tap.close()

    def on_judged(self, judgement: Judgement) -> None:
        """The ear has made up its mind."""
        clock = self.board.clock
        started, ended = judgement.greeting_started_at, judgement.greeting_ended_at
        self.board.tell(
            AnswerJudged(
                attempt_id=self.id,
                at=clock.now(),
                kind=judgement.kind,
                confidence=judgement.confidence,
                why=judgement.why,
                greeting_started_at=None if started is None else clock.at_unix(started),
                greeting_ended_at=None if ended is None else clock.at_unix(ended),
            )
        )

    def on_tone(self, tone: Tone) -> None:
        """The ear has heard a tone."""
        self.board.tell(ToneHeard(attempt_id=self.id, at=self.board.clock.now(), tone=tone))

    def finish(self, cause: EndCause, raw: str, *, tells: bool = True) -> None:
        """The one end of this call."""
        if self._listening is not None:
            self._listening.stop()
        super().finish(cause, raw, tells=tells)

    def _no_answer(self) -> None:
        how = "of ringing" if self._state is _State.RINGING else "without ringing"
        self._end(EndCause.NO_ANSWER, f"our CANCEL after {self._ring_s:g} s {how}")

    def _failed(self, cause: int, status: int, raw: str) -> None:
        if self._state is _State.DIALING:
            if status in (0, 408) and cause in (0, 18, 19, 102):
                # The INVITE may have arrived, so nobody else is asked: no phone rings twice.
                self.board.trunks.silent(self.trunk, "no reply to our INVITE")
                self.finish(EndCause.NO_RESPONSE, f"no reply to our INVITE; {raw}")
                return
            if status in causes.TRUNK_FAULTS:
                if status == 503:
                    self.board.trunks.congested(self.trunk, raw)
                if self._next_trunk():
                    return
        known = causes.cause(status) if status >= 300 else _OF_Q850.get(cause, EndCause.FAILED)
        self.finish(known, raw)

    def _next_trunk(self) -> bool:
        """Whether another trunk takes the call in this one's place."""
        choice = self._choose()
        if isinstance(choice, NoTrunk):
            return False
        self._state = _State.WAITING
        wait_s = max(0.0, choice.start_at - asyncio.get_running_loop().time())
        self._timer.set(wait_s, lambda: self.node.spawn(self._originate()))
        return True

    def bridged(self, session_id: SessionId) -> CallBridged:
        """The event of a first agent who talks, and from now on hears for themselves."""
        if self._listening is not None:
            self._listening.bridged()
        return CallBridged(attempt_id=self.id, at=self.board.clock.now(), session_id=session_id)

    def _played(self, message: Message) -> MessagePlayed:
        return MessagePlayed(attempt_id=self.id, at=self.board.clock.now(), message=message)

    def _digit(self, digit: str) -> CallDigit:
        return CallDigit(attempt_id=self.id, at=self.board.clock.now(), digit=digit)

    def _ended(self, cause: EndCause, raw: str) -> CallEnded:
        at = self.board.clock.now()
        return CallEnded(attempt_id=self.id, at=at, cause=cause, raw=_printable(raw))


class InboundLeg(OutsideLeg):
    """A call that somebody makes to us."""

    id: InboundId

    def __init__(self, board: Board, node: Node, inbound_id: InboundId, said: Said) -> None:
        """A call as its channel came in."""
        super().__init__(board, node, inbound_id, said["channel"]["id"])
        self._state = _State.RINGING
        self.trunk = str(said["args"][1])
        self._called = str(said["args"][2])
        self._caller = str(said["channel"]["caller"]["number"])
        node.owners[self.channel] = self
        board.trunks.begun(self.trunk)

    async def offer(self) -> None:
        """Let it ring, and tell of it."""
        self._timer.set(self.board.settings.inbound_ring_s, self._nobody)
        await self.node.do("POST", f"channels/{self.channel}/ring")
        verification = await self._verification()
        if self._state is not _State.RINGING:
            return
        trunk = self.board.trunks.settings(self.trunk)
        self.board.tell(
            InboundOffered(
                inbound_id=self.id,
                at=self.board.clock.now(),
                caller=as_e164(trunk, self._caller),
                called=as_e164(trunk, self._called),
                trunk=self.trunk,
                verification=verification,
            )
        )

    async def _verification(self) -> str:
        """What the carrier says of the caller's number (`verstat`, 3GPP TS 24.229)."""
        for header in ("P-Asserted-Identity", "From"):
            if (found := _VERSTAT.search(await self._header(header))) is not None:
                return found[1]
        return "Identity header, not verified here" if await self._header("Identity") else ""

    async def _header(self, name: str) -> str:
        try:
            variable = f"PJSIP_HEADER(read,{name})"
            path = f"channels/{self.channel}/variable"
            said: dict[str, Any] = await self.node.ask("GET", path, variable=variable)
        except (AriRefused, EngineUnavailable):
            return ""
        return str(said.get("value", ""))

    async def answer(self) -> None:
        """Pick up."""
        if self._state is not _State.RINGING:
            return
        if await self.node.do("POST", f"channels/{self.channel}/answer"):
            self._answered()

    def hang_up(self) -> None:
        """BYE, or a refusal before the answer."""
        if self._state is _State.RINGING:
            self._end(EndCause.CANCELLED, "our refusal", reason="busy")
        else:
            super().hang_up()

    def on_found(self, channel: Said) -> None:
        """Nothing was missed that matters: it is where it was."""

    def _nobody(self) -> None:
        seconds = self.board.settings.inbound_ring_s
        self._end(EndCause.NO_ANSWER, f"nobody answered for {seconds:g} s", reason="no_answer")

    def _failed(self, cause: int, status: int, raw: str) -> None:  # noqa: ARG002 - as a call's
        self.finish(EndCause.CALLED_PARTY_HUNG_UP, raw)

    def bridged(self, session_id: SessionId) -> InboundBridged:
        """The event of a first agent who talks."""
        return InboundBridged(inbound_id=self.id, at=self.board.clock.now(), session_id=session_id)

    def _played(self, message: Message) -> InboundPlayed:
        return InboundPlayed(inbound_id=self.id, at=self.board.clock.now(), message=message)

    def _digit(self, digit: str) -> InboundDigit:
        return InboundDigit(inbound_id=self.id, at=self.board.clock.now(), digit=digit)

    def _ended(self, cause: EndCause, raw: str) -> InboundEnded:
        at = self.board.clock.now()
        return InboundEnded(inbound_id=self.id, at=at, cause=cause, raw=_printable(raw))


def _shown(name: str, number: str) -> str:
    """A caller name and number as one field that neither can break out of."""
    safe = "".join(c for c in name if c.isprintable() and c not in '"\\<>')[:60].strip()
    return f'"{safe}" <{number}>'


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:200]

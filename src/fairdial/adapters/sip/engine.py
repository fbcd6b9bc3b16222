"""The calls and agent legs of one engine: their timers, their audio, and what is told of them.

Runs in the asyncio thread of the engine's process. Commands come from `worker`, by attempt or
session id; events go back through `emit` as plain values. A call is told of once at each step, and
its end exactly once, however the network's messages cross.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fairdial.adapters.recording import Ended, Recording, Writer
from fairdial.adapters.sip.browser_leg import BrowserLeg
from fairdial.adapters.sip.conversation import Conversations
from fairdial.adapters.sip.incoming import Incoming, Offer
from fairdial.adapters.sip.legs import (
    CallLeg,
    InboundLeg,
    PhoneAt,
    PhoneLeg,
    Wish,
    phone_parts,
)
from fairdial.adapters.sip.media import MediaPort
from fairdial.adapters.sip.registrar import Registrar
from fairdial.adapters.sip.resolve import resolve
from fairdial.adapters.sip.settings import SipSettings, load_message
from fairdial.adapters.sip.trunks import Trunks
from fairdial.adapters.sipstack import SipStack
from fairdial.adapters.wirelog import WireLog
from fairdial.core.phone import registered_name
from fairdial.core.trunk import is_loopback
from fairdial.exceptions import EngineUnavailable
from fairdial.media import g711, sdp, sounds
from fairdial.ports import Message, Part

Emit = Callable[[dict[str, Any]], None]

_log = logging.getLogger("fairdial.sip.audio")

_DIALED_KEPT = 200_000
"""Attempts remembered as dialed: more than an hour of them, and a permit lives for seconds."""


class Engine:
    """Every leg of this process."""

    def __init__(
        self,
        settings: SipSettings,
        stack: SipStack,
        log: WireLog,
        *,
        registrar: Registrar,
        on_known: Callable[[str], None],
        dialed: Iterable[str],
        emit: Emit,
    ) -> None:
        """An engine without calls. `dialed` are attempts of earlier runs, not to be dialed again.

        `on_known` is told the addresses that trunks send from.
        """
        self.settings = settings
        self.stack = stack
        self.log = log
        self.emit = emit
        self.trunks = Trunks(settings.trunks, stack, on_change=self._tell_trunk, on_known=on_known)
        self._registrar = registrar
        self.calls: dict[str, CallLeg] = {}
        self.inbound: dict[str, InboundLeg] = {}
        self.agents: dict[str, PhoneLeg | BrowserLeg] = {}
        self._dialed = dict.fromkeys(dialed)
        # The silence behind the last word is time to press a key, and belongs to the message: one
        # playback, one end and one bound, and the line stays alive until it is over.
        silence = g711.SILENCE_ULAW * round(settings.after_message_s / g711.FRAME_S)
        self._messages = {m: load_message(path) + silence for m, path in settings.messages.items()}

        music = load_message(settings.hold_music) if settings.hold_music else sounds.hold_music()
        self._conversations = Conversations(music=music)
        self._writer = Writer()

    def call(self, call: str) -> CallLeg | InboundLeg | None:
        """A call of either direction, by its id."""
        return self.calls.get(call) or self.inbound.get(call)

    def dial(self, wish: Wish) -> None:
        """Place a call, unless this attempt was dialed before: then this is a harmless resend."""
        attempt = wish.attempt
        if attempt in self._dialed:
            return
        self._dialed[attempt] = None
        if len(self._dialed) > _DIALED_KEPT:
            self._dialed.pop(next(iter(self._dialed)))
        if time.monotonic() >= wish.until:
            self.tell(
                "not_dialed", attempt=attempt, why="the permit ended before the engine dialed"
            )
            return
        if self._is_full():
            self.tell(
                "not_dialed",
                attempt=attempt,
                why=(f"the engine carries its most, {self.settings.calls_max} calls at once"),
            )
            return
        try:
            media = self.open_media()
        except EngineUnavailable as failure:
            self.tell("not_dialed", attempt=attempt, why=str(failure))
            return
        leg = CallLeg(self, wish, media)
        if not leg.is_over:
            self.calls[attempt] = leg

    def offer_inbound(self, incoming: Incoming, inbound: str, offer: Offer) -> None:
        """Somebody rings us up, over a trunk that may."""
        incoming.listener = _NOBODY  # Until a leg takes its place.
        if self._is_full():
            incoming.refuse(503, "Service Unavailable")
            return
        if sdp.parse(offer.sdp) is None:
            incoming.refuse(488, "Not Acceptable Here")
            return
        try:
            media = self.open_media()
        except EngineUnavailable:
            incoming.refuse(503, "Service Unavailable")
            return
        self.inbound[inbound] = InboundLeg(self, inbound, incoming, offer, media)

    def answer(self, inbound: str) -> None:
        """Answer a call that is offered to us."""
        leg = self.inbound.get(inbound)
        if leg is not None:
            leg.answer()

    def hang_up(self, call: str) -> None:
        """CANCEL, BYE or a refusal."""
        leg = self.call(call)
        if leg is not None:
            leg.hang_up()

    def play(self, call: str, message: Message) -> None:
        """Play a message to an answered call; a second wish while it plays changes nothing."""
        leg = self.call(call)
        audio = self._messages.get(message)
        if leg is None or audio is None or not leg.is_answered or leg.media.is_playing:
            return
        leg.media.play(
            audio,
            lambda: self.tell("played", **self._about(call), message=message.value),
        )

    def join(self, call: str, leg: str, part: Part) -> None:
        """Give a leg that is up a part in the conversation of an answered call."""
        theirs = self.call(call)
        if theirs is None or not theirs.is_answered:
            return
        if leg == call:
            self._conversations.open(call, theirs.media).place(theirs.media, part)
            return
        ours = self.agents.get(leg)
        if ours is None or not ours.is_up:
            return
        conversation = self._conversations.open(call, theirs.media)
        comes_in = part is Part.TALK and ours.media not in conversation.members
        is_first = comes_in and not conversation.has_talker
        self._conversations.join(call, ours.media, part)
        if part is Part.TALK:
            theirs.media.stop_message()
        if is_first:
            if self.settings.join_tone:
                ours.media.lay_over(sounds.join_tone())
            if isinstance(theirs, CallLeg):
                theirs.on_bridged()
            self.tell("bridged", **self._about(call), session=leg)

    def leave(self, call: str, leg: str) -> None:
        """Take a phone of ours out of a conversation."""
        ours = self.agents.get(leg)
        if ours is not None:
            self._conversations.leave(call, ours.media)

    def send_digits(self, leg: str, digits: str) -> None:
        """Press keys on an answered leg."""
        call, ours = self.call(leg), self.agents.get(leg)
        if call is not None and call.is_answered:
            call.media.press(digits)
        elif ours is not None and ours.is_up:
            ours.media.press(digits)

    def record(self, call: str, recording: str, path: Path) -> None:
        """Record an answered call; a second wish while it is recorded changes nothing."""
        leg = self.call(call)
        if leg is None or not leg.is_answered:
            return
        conversation = self._conversations.open(call, leg.media)
        if conversation.recording is not None and not conversation.recording.is_over:
            return
        loop = asyncio.get_running_loop()

        def ended(what: Ended) -> None:
            loop.call_soon_threadsafe(self._tell_recorded, call, recording, what)

        conversation.record(Recording(self._writer, path, loop.time(), ended))

    def pause_recording(self, call: str) -> None:
        """Record silence from now on."""
        self._set_paused(call, is_paused=True)

    def resume_recording(self, call: str) -> None:
        """Record again."""
        self._set_paused(call, is_paused=False)

    def stop_recording(self, call: str) -> None:
        """End a recording before its call does."""
        conversation = self._conversations.find(call)
        if conversation is not None:
            conversation.stop_recording()

    def trunk_status(self) -> list[dict[str, Any]]:
        """The trunks in the order in which they are tried, as values of `TrunkStatus`."""
        return [asdict(status) for status in self.trunks.status()]

    async def connect_agent(self, session: str, phone: str) -> None:
        """Nail up an agent's leg, unless there is one already."""
        if session in self.agents:
            return
        try:
            at = await self._phone_at(phone)
            if session in self.agents:
                return
            self.agents[session] = PhoneLeg(self, session, at, self.open_media())
        except EngineUnavailable as failure:
            self.tell("agent_down", session=session, why=str(failure))

    def connect_browser(self, session: str, port: int) -> int:
        """Nail up a leg to the gateway's `port`, or aim it again; returns our port.

        Raises `EngineUnavailable` when none is free.
        """
        leg = self.agents.get(session)
        if not isinstance(leg, BrowserLeg):
            if leg is not None:
                leg.take_down("a browser took the place of the phone")
            leg = self.agents[session] = BrowserLeg(self, session)
        leg.aim(port)
        return leg.media.port

    def browser_up(self, session: str) -> None:
        """A browser's audio flows."""
        leg = self.agents.get(session)
        if isinstance(leg, BrowserLeg):
            leg.come_up()

    def browser_down(self, session: str, why: str) -> None:
        """A session's browser is gone, and did not come back."""
        leg = self.agents.get(session)
        if isinstance(leg, BrowserLeg):
            leg.take_down(why)

    def disconnect_agent(self, session: str) -> None:
        """Take an agent's leg down."""
        agent = self.agents.get(session)
        if agent is not None:
            agent.take_down("taken down by us")

    def knows(self, leg: str) -> bool:
        """Whether a Call-ID is of an attempt that was dialed. Callable from any thread."""
        return leg in self._dialed

    def live(self) -> dict[str, list[str]]:
        """What is there right now."""
        return {
            "attempts": list(self.calls),
            "sessions": list(self.agents),
            "inbound": list(self.inbound),
        }

    def hang_up_all(self) -> None:
        """CANCEL and BYE to everybody."""
        for call in [*self.calls.values(), *self.inbound.values()]:
            call.hang_up()
        for session in list(self.agents):
            self.disconnect_agent(session)

    def tick(self) -> None:
        """Once a second: end calls whose audio is gone, and keep silent legs alive."""
        now = asyncio.get_running_loop().time()
        for call in [*self.calls.values(), *self.inbound.values()]:
            call.check_media(now)
        for agent in list(self.agents.values()):
            agent.check_media(now)
        for leg in [*self.calls.values(), *self.inbound.values(), *self.agents.values()]:
            leg.media.keep_alive()

        for conversation in self._conversations:
            if conversation.recording is not None:
                conversation.recording.flush(now)

    async def finish_recordings(self, within_s: float) -> None:
        """See what was recorded on disk, after every call has ended."""
        await asyncio.to_thread(self._writer.stop, within_s)

    def tell(self, event: str, **values: object) -> None:
        """Emit an event of this moment."""
        self.emit({"event": event, **values, "at": time.time()})

    def open_media(self) -> MediaPort:
        """A port of the RTP range. Raises `EngineUnavailable`."""
        s = self.settings
        return MediaPort(s.local_ip, s.rtp_port_min, s.rtp_port_max)

    def offer(self, media: MediaPort) -> str:
        """Our description of a leg's audio."""
        ip = self.settings.local_ip
        return sdp.build(ip=ip, port=media.port, session_id=secrets.randbits(31))

    def answer_to(self, media: MediaPort, offer: sdp.Sdp) -> str:
        """Our description of a leg's audio, for an offer: its best G.711, its number of events."""
        event = offer.event_type
        types = offer.audio_types[:1] if event is None else (*offer.audio_types[:1], event)
        return sdp.build(
            ip=self.settings.local_ip,
            port=media.port,
            session_id=secrets.randbits(31),
            payload_types=types,
            event_type=event or sdp.TELEPHONE_EVENT,
        )

    def drop(self, media: MediaPort) -> None:
        """Close a leg's audio; it leaves its conversation, which ends if it was the outside."""
        self._conversations.drop(media)
        _log.info("audio %s", json.dumps(media.figures()))
        media.close()

    def _about(self, call: str) -> dict[str, str]:
        """How events name a call."""
        return {"inbound": call} if call in self.inbound else {"attempt": call}

    def _is_full(self) -> bool:
        return len(self.calls) + len(self.inbound) >= self.settings.calls_max

    def _tell_trunk(self, name: str, is_up: bool, why: str) -> None:
        self.tell("trunk", trunk=name, is_up=is_up, why=why)

    async def _phone_at(self, phone: str) -> PhoneAt:
        """Where a phone of ours is reached. Raises `EngineUnavailable`."""
        name = registered_name(phone)
        if name is not None:
            place = self._registrar.find(name)
            if place is None:
                raise EngineUnavailable(
                    f"the phone {name} is not registered: look at its account, and at its server, "
                    f"which must be {self.settings.local_ip}:{self.stack.port}"
                )
            return PhoneAt(user=place.user, host=place.address[0], address=place.address)
        parts = phone_parts(phone)
        address = await resolve(parts["host"], int(parts["port"]))
        if self.settings.is_sandbox and not is_loopback(address[0]):
            raise EngineUnavailable(f"{phone!r} is not on this machine; the sandbox stays on it")
        return PhoneAt(user=parts["user"], host=parts["host"], address=address)

    def _set_paused(self, call: str, *, is_paused: bool) -> None:
        conversation = self._conversations.find(call)
        if conversation is not None and conversation.recording is not None:
            conversation.recording.is_paused = is_paused

    def _tell_recorded(self, call: str, recording: str, what: Ended) -> None:
        self.tell(
            "recorded",
            recording=recording,
            call=call,
            path=str(what.path),
            seconds=round(what.seconds, 3),
            fault=what.fault,
        )


class _Nobody:
    """Listens to a call that is refused at once."""

    def on_media(self, _sdp: str) -> None:
        """Of no interest."""

    def on_gone(self, *, was_answered: bool) -> None:
        """Of no interest."""


_NOBODY = _Nobody()

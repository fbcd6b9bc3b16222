"""The legs of one engine: a called party's, a caller's, and a phone's of ours, from INVITE to end.

A leg has a dialog (its SIP side), audio and one timer. A call is told of once at each step, and its
end exactly once, however the network's messages cross. Runs in asyncio's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from fairdial.adapters import causes
from fairdial.adapters.listening import Listening
from fairdial.adapters.sip.dialog import Dialog, Invitation
from fairdial.adapters.sip.incoming import Incoming, Offer
from fairdial.adapters.sip.media import MediaPort
from fairdial.core.answer import Tone
from fairdial.core.trunk import NoTrunk, as_dialed, as_shown
from fairdial.exceptions import EngineUnavailable
from fairdial.media import sdp
from fairdial.media.call_ear import Judgement
from fairdial.ports import EndCause

if TYPE_CHECKING:
    from fairdial.adapters.sip.engine import Engine

_PHONE = re.compile(
    r"sip:(?P<user>[A-Za-z0-9._+~-]{1,64})@(?P<host>[A-Za-z0-9.-]{1,253})(?::(?P<port>\d{1,5}))?"
    r"(?:;transport=udp)?",
    re.IGNORECASE,
)
_DIGITS_MAX = 500
"""Keys told of one call: more than a person can press while a message plays. The rest is noise."""


class _State(StrEnum):
    WAITING = "waiting"
    DIALING = "dialing"
    RINGING = "ringing"
    ANSWERED = "answered"
    CANCELLING = "cancelling"
    ENDED = "ended"


class Leg:
    """What every leg has: a dialog, audio and one timer."""

    def __init__(self, engine: Engine, leg: str, media: MediaPort) -> None:
        self.engine = engine
        self.leg = leg
        self.media = media
        self.dialog: Dialog
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, seconds: float, then: Callable[[], None]) -> None:
        """Replace the leg's timer."""
        self.forget_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, then)

    def forget_timer(self) -> None:
        """No timer any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def log_end(self, raw: str) -> None:
        """Write down that nothing is left of this leg; the log's failure does not change that."""
        with contextlib.suppress(OSError):
            self.engine.log.ended(self.leg, raw=raw)

    def on_media(self, text: str) -> None:
        """The peer moved its audio; a description that we cannot use changes nothing."""
        peer = sdp.parse(text)
        if peer is not None:
            self.media.set_peer(peer)


class OutsideLeg(Leg, ABC):
    """The leg of somebody who is no phone of ours, in either direction, once it is answered."""

    def __init__(self, engine: Engine, call: str, media: MediaPort) -> None:
        super().__init__(engine, call, media)
        self.answered_at = 0.0
        self._digits = 0
        media.on_digit = self._on_digit

    @property
    @abstractmethod
    def about(self) -> dict[str, str]:
        """How events name this call."""

    @property
    @abstractmethod
    def is_answered(self) -> bool:
        """Whether somebody picked up and the call still stands."""

    @abstractmethod
    def hang_up(self) -> None:
        """CANCEL, BYE or a refusal as the call stands; nothing if one is under way."""

    def check_media(self, now: float) -> None:
        """End an answered call that sends no audio."""
        lost_s = self.engine.settings.media_lost_s
        if self.is_answered and now - max(self.answered_at, self.media.heard_at or 0.0) > lost_s:
            self.bye(EndCause.MEDIA_LOST, f"our BYE: no audio for {lost_s:g} s")

    def bye(self, cause: EndCause, raw: str) -> None:
        """Our BYE."""
        self.dialog.end()
        self.finish(cause, raw)

    @abstractmethod
    def finish(self, cause: EndCause, raw: str, *, is_cleared: bool = True) -> None:
        """The one end of this call."""

    def on_expired(self) -> None:
        """Nobody refreshed the session, and our BYE went out."""
        self.finish(EndCause.MEDIA_LOST, "our BYE: the session was not refreshed (RFC 4028)")

    def _on_digit(self, digit: str) -> None:
        """A key was pressed outside."""
        self._digits += 1
        if self.is_answered and self._digits <= _DIGITS_MAX:
            self.engine.tell("digit", **self.about, digit=digit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A call that the dialer wants."""

    attempt: str
    number: str
    caller_id: str
    ring_s: float
    until: float
    """The end of the permit by the monotonic clock: later nothing is sent."""
    detect: bool
    identity: str


class CallLeg(OutsideLeg):
    """The leg of a called party, from the choice of a trunk to the event that says how it ended.

    A trunk that fails before anything rang hands the call to the next one, under the same permit
    and the same Call-ID. One that gave no reply at all does not: the INVITE may have arrived, and
    no phone may ring twice.
    """

    def __init__(self, engine: Engine, wish: Wish, media: MediaPort) -> None:
        super().__init__(engine, wish.attempt, media)
        self._wish = wish
        self._state = _State.WAITING
        self._intent = (EndCause.CANCELLED, "")
        self._trunk: str | None = None
        """The trunk that carries the call; None while none does."""
        self._tried: list[str] = []
        self._was_dialed = False
        self._refusal: tuple[EndCause, str] | None = None
        """How the last trunk that was tried refused."""
        self._listening: Listening | None = None
        if wish.detect:
            # From the first packet on: tones of the network come before any answer.
            self._listening = Listening(self, on_over=self._listened)
            media.on_audio = self._listening.hear
        self._choose()

    @property
    def about(self) -> dict[str, str]:
        return {"attempt": self.leg}

    @property
    def is_answered(self) -> bool:
        return self._state is _State.ANSWERED

    @property
    def is_over(self) -> bool:
        """Whether its end was told."""
        return self._state is _State.ENDED

    def hang_up(self) -> None:
        if self._state is _State.ANSWERED:
            self.bye(EndCause.WE_HUNG_UP, "our BYE")
        elif self._state in (_State.DIALING, _State.RINGING):
            self._cancel(EndCause.CANCELLED, "our CANCEL")
        elif self._state is _State.WAITING:
            self._give_up("it was taken back before a trunk was free", EndCause.CANCELLED)

    def _choose(self) -> None:
        """Take the next trunk, now or when its rate allows."""
        choice = self.engine.trunks.choose(until=self._wish.until, tried=self._tried)
        if isinstance(choice, NoTrunk):
            self._give_up(choice.why)
            return
        self._trunk = choice.name
        self._tried.append(choice.name)
        self._state = _State.WAITING
        wait_s = choice.start_at - time.monotonic()
        if wait_s > 0:
            self.wait(wait_s, self._invite)
        else:
            self._invite()

    def _invite(self) -> None:
        self.forget_timer()
        if time.monotonic() >= self._wish.until:
            self._give_up("the permit ended before a trunk was free")
            return
        engine, wish = self.engine, self._wish
        name = self._trunk
        assert name is not None, "a trunk was chosen"
        trunk = engine.trunks.settings(name)
        self._state = _State.DIALING
        shown = as_shown(trunk, wish.caller_id)
        domain = trunk.from_domain or engine.settings.local_ip
        headers: list[tuple[str, str]] = []
        if trunk.asserts_identity:
            headers.append(("P-Asserted-Identity", f"<sip:{shown}@{domain}>"))
        if trunk.is_private:
            headers.append(("Privacy", "id"))
        if wish.identity:
            headers.append(("Identity", wish.identity))
        invitation = Invitation(
            call_id=self.leg,
            user=as_dialed(trunk, wish.number),
            number=wish.number,
            address=engine.trunks.address(name),
            host=trunk.host,
            caller_user=shown,
            caller_name=displayable(engine.settings.caller_name),
            sdp=engine.offer(self.media),
            is_call=True,
            username=trunk.username,
            password=trunk.password,
            from_domain=trunk.from_domain,
            headers=tuple(headers),
            session_s=trunk.session_expires_s if trunk.has_session_timer else None,
        )
        self.dialog = Dialog(engine.stack, engine.log, invitation, self)
        self.dialog.start()

    def on_dialed(self) -> None:
        self._was_dialed = True
        self.engine.tell("dialed", attempt=self.leg, trunk=self._trunk)
        if self._state is _State.DIALING:
            self.wait(self.engine.settings.no_response_s, self._no_response)

    def on_not_dialed(self, why: str) -> None:
        self._give_up(why)

    def on_progress(self, status: int, text: str) -> None:
        if self._state not in (_State.DIALING, _State.RINGING):
            return
        peer = sdp.parse(text) if text else None
        if peer is not None:
            self.media.set_peer(peer)
        if self._state is _State.RINGING:
            return
        if status > 100:
            self._state = _State.RINGING
            self._vouch("it rang")
            self.engine.tell("ringing", attempt=self.leg)
        self.wait(self._wish.ring_s, self._no_answer)

    def on_answered(self, text: str) -> None:
        if self._state is _State.ENDED:
            # It crossed our giving up, whose BYE follows the ACK: nobody is told of a call twice.
            return
        if self._state is _State.CANCELLING:
            # The answer overtook our wish to end; it is followed by our BYE at once.
            self.finish(*self._crossed())
            return
        self._state = _State.ANSWERED
        self.answered_at = asyncio.get_running_loop().time()
        self.forget_timer()
        self._vouch("a call was answered")
        self.engine.tell("answered", attempt=self.leg)
        if self._listening is not None:
            self._listening.answered()
        peer = sdp.parse(text)
        if peer is None:
            self.bye(EndCause.FAILED, "our BYE: the answer had no usable G.711 audio")
            return
        self.media.set_peer(peer)
        self.media.keep_alive()

    def on_bridged(self) -> None:
        """An agent is on the line."""
        if self._listening is not None:
            self._listening.bridged()

    def on_judged(self, judgement: Judgement) -> None:
        self.engine.tell("judged", attempt=self.leg, **asdict(judgement))

    def on_tone(self, tone: Tone) -> None:
        self.engine.tell("tone", attempt=self.leg, tone=tone.value)

    def on_refused(self, status: int, raw: str, retry_after_s: float | None) -> None:
        name = self._trunk
        if status == 503 and name is not None:
            self.engine.trunks.congested(name, raw, retry_after_s)
        if self._state is _State.CANCELLING:
            self.finish(self._intent[0], f"{self._intent[1]}; {raw}")
        elif status in causes.TRUNK_FAULTS and self._state is _State.DIALING:
            self._refusal = (causes.cause(status), raw)
            self._leave_trunk()
            self._choose()
        else:
            if name is not None and status not in causes.TRUNK_FAULTS:
                self._vouch(raw)
            self.finish(causes.cause(status), raw)

    def on_hung_up(self) -> None:
        self.finish(EndCause.CALLED_PARTY_HUNG_UP, "SIP BYE")

    def on_cleared(self, status: int, raw: str) -> None:
        if 200 <= status < 300:
            self.finish(*self._crossed())
        else:
            self.finish(self._intent[0], f"{self._intent[1]}; {raw}")

    def _give_up(self, why: str, cause: EndCause | None = None) -> None:
        """No trunk takes the call: nothing was sent, or the last one refused."""
        if self._was_dialed:
            was, raw = self._refusal or (EndCause.FAILED, why)
            is_only = len(self._tried) == len(self.engine.trunks.states)
            self.finish(cause or was, raw if is_only else f"{raw}; {why}")
            return
        self._close()
        self.engine.tell("not_dialed", attempt=self.leg, why=why)

    def _no_response(self) -> None:
        self.dialog.end()
        seconds = self.engine.settings.no_response_s
        if self._trunk is not None:
            self.engine.trunks.silent(self._trunk, "no reply to our INVITE")
        self.finish(EndCause.NO_RESPONSE, f"no reply to our INVITE within {seconds:g} s")

    def _no_answer(self) -> None:
        how = "of ringing" if self._state is _State.RINGING else "without ringing"
        self._cancel(EndCause.NO_ANSWER, f"our CANCEL after {self._wish.ring_s:g} s {how}")

    def _crossed(self) -> tuple[EndCause, str]:
        return self._intent[0], f"{self._intent[1]}; SIP 200 crossed it: ACK, BYE"

    def _cancel(self, cause: EndCause, raw: str) -> None:
        """Take the INVITE back; the call ends with its final response, or without one soon."""
        self._state = _State.CANCELLING
        self._intent = (cause, raw)
        self.dialog.end()
        self.wait(
            self.engine.settings.clear_s,
            lambda: self.finish(cause, f"{raw}; no final reply", is_cleared=False),
        )

    def finish(self, cause: EndCause, raw: str, *, is_cleared: bool = True) -> None:
        if self._state is _State.ENDED:
            return
        self._close()
        if is_cleared:
            self.log_end(raw)
        self.engine.tell("ended", attempt=self.leg, cause=cause.value, raw=raw)

    def _listened(self) -> None:
        self.media.on_audio = None
        self._listening = None

    def _vouch(self, why: str) -> None:
        if self._trunk is not None:
            self.engine.trunks.alive(self._trunk, why)

    def _leave_trunk(self) -> None:
        if self._trunk is not None:
            self.engine.trunks.ended(self._trunk)
            self._trunk = None

    def _close(self) -> None:
        self._state = _State.ENDED
        self.forget_timer()
        self._leave_trunk()
        if self._listening is not None:
            self._listening.stop()
        self.engine.drop(self.media)
        self.engine.calls.pop(self.leg, None)


class InboundLeg(OutsideLeg):
    """The leg of somebody who rings us up: it rings until the flow answers or refuses."""

    dialog: Incoming  # type: ignore[assignment]  # a dialog that they began

    def __init__(
        self, engine: Engine, inbound: str, incoming: Incoming, offer: Offer, media: MediaPort
    ) -> None:
        super().__init__(engine, inbound, media)
        self.dialog = incoming
        self._state = _State.RINGING
        self._offer = offer
        self._peer = sdp.parse(offer.sdp)
        incoming.listener = self
        engine.trunks.begun(offer.trunk)
        incoming.ring()
        self.wait(engine.settings.inbound_ring_s, self._not_taken)
        engine.tell(
            "offered",
            inbound=inbound,
            caller=offer.caller,
            called=offer.called,
            trunk=offer.trunk,
            verification=offer.verification,
        )

    @property
    def about(self) -> dict[str, str]:
        return {"inbound": self.leg}

    @property
    def is_answered(self) -> bool:
        return self._state is _State.ANSWERED

    def answer(self) -> None:
        """200; a second wish changes nothing."""
        if self._state is not _State.RINGING or self._peer is None:
            return
        self._state = _State.ANSWERED
        self.answered_at = asyncio.get_running_loop().time()
        self.forget_timer()
        self.media.set_peer(self._peer)
        self.dialog.answer(self.engine.answer_to(self.media, self._peer))
        self.media.keep_alive()

    def hang_up(self) -> None:
        if self._state is _State.ANSWERED:
            self.bye(EndCause.WE_HUNG_UP, "our BYE")
        elif self._state is _State.RINGING:
            self._refuse(603, "Decline", EndCause.CANCELLED)

    def on_gone(self, *, was_answered: bool) -> None:
        raw = "SIP BYE" if was_answered else "SIP CANCEL"
        self.finish(EndCause.CALLED_PARTY_HUNG_UP, raw)

    def finish(self, cause: EndCause, raw: str, *, is_cleared: bool = True) -> None:
        if self._state is _State.ENDED:
            return
        self._state = _State.ENDED
        self.forget_timer()
        self.engine.trunks.ended(self._offer.trunk)
        self.engine.drop(self.media)
        self.engine.inbound.pop(self.leg, None)
        if is_cleared:
            self.log_end(raw)
        self.engine.tell("ended", inbound=self.leg, cause=cause.value, raw=raw)

    def _not_taken(self) -> None:
        self._refuse(480, "Temporarily Unavailable", EndCause.NO_ANSWER)

    def _refuse(self, status: int, reason: str, cause: EndCause) -> None:
        self.dialog.refuse(status, reason)
        self.finish(cause, f"our {status} {reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneAt:
    """Where a phone of ours is called."""

    user: str
    host: str
    address: tuple[str, int]


class PhoneLeg(Leg):
    """An agent's leg: rung once, then up for the whole session."""

    def __init__(
        self,
        engine: Engine,
        session: str,
        at: PhoneAt,
        media: MediaPort,
    ) -> None:
        # A Call-ID of its own each time: the same session may come back after a lost leg.
        super().__init__(engine, f"{session}-{secrets.token_hex(4)}", media)
        self._session = session
        self._is_over = False
        self.is_up = False
        """Whether the agent's phone was picked up and the leg stands."""
        self._up_at = 0.0
        invitation = Invitation(
            call_id=self.leg,
            user=at.user,
            number=at.user,
            address=at.address,
            host=at.host,
            caller_user="fairdial",
            caller_name=displayable(engine.settings.caller_name),
            sdp=engine.offer(media),
            is_call=False,
        )
        self.dialog = Dialog(engine.stack, engine.log, invitation, self)
        self.dialog.start()

    def take_down(self, why: str) -> None:
        """CANCEL or BYE, and say so."""
        self.dialog.end()
        self._finish(why)

    def on_dialed(self) -> None:
        if not self._is_over:
            self.wait(self.engine.settings.no_response_s, self._no_response)

    def on_not_dialed(self, why: str) -> None:
        self._finish(why)

    def on_progress(self, _status: int, _text: str) -> None:
        if not self._is_over and not self.is_up:
            self.wait(self.engine.settings.agent_ring_s, self._no_answer)

    def on_answered(self, text: str) -> None:
        if self._is_over:
            return
        self.forget_timer()
        peer = sdp.parse(text)
        if peer is None:
            self.take_down("the phone's answer had no usable G.711 audio")
            return
        self.media.set_peer(peer)
        self.media.keep_alive()
        self.is_up = True
        self._up_at = asyncio.get_running_loop().time()
        self.engine.tell("agent_up", session=self._session)

    def check_media(self, now: float) -> None:
        """Take down a leg whose phone has gone silent: a live answer must not be joined with it."""
        lost_s = self.engine.settings.media_lost_s
        if self.is_up and now - max(self._up_at, self.media.heard_at or 0.0) > lost_s:
            self.take_down(f"the phone sent no audio for {lost_s:g} s")

    def on_refused(self, _status: int, raw: str, _retry_after_s: float | None) -> None:
        self._finish(raw)

    def on_expired(self) -> None:
        """Never: no timer is offered to a phone of ours."""

    def on_hung_up(self) -> None:
        self._finish("the phone hung up (SIP BYE)")

    def on_cleared(self, _status: int, _raw: str) -> None:
        """Said already when we cancelled."""

    def _no_response(self) -> None:
        self.take_down(f"the phone did not reply within {self.engine.settings.no_response_s:g} s")

    def _no_answer(self) -> None:
        self.take_down(
            f"the phone was not picked up within {self.engine.settings.agent_ring_s:g} s"
        )

    def _finish(self, why: str) -> None:
        if self._is_over:
            return
        self._is_over = True
        self.is_up = False
        self.forget_timer()
        self.engine.drop(self.media)
        self.engine.agents.pop(self._session, None)
        self.log_end(why)
        self.engine.tell("agent_down", session=self._session, why=why)


def displayable(name: str) -> str:
    """A caller name that cannot break out of its quotes in the From header."""
    return "".join(c for c in name if c.isprintable() and c not in '"\\<>')[:60].strip()


def phone_parts(phone: str) -> dict[str, str]:
    """User, host and port of an agent's phone. Raises `EngineUnavailable`."""
    found = _PHONE.fullmatch(phone)
    if found is None or not 0 < int(found["port"] or 5060) < 65536:
        raise EngineUnavailable(
            f"{phone!r} is no phone that can be called: write it as sip:name@host, "
            f"sip:name@host:port (UDP), or phone:name for one that registers"
        )
    return {"user": found["user"], "host": found["host"], "port": found["port"] or "5060"}

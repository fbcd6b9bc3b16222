"""The legs of one engine: a called party's, and a phone's of ours, from INVITE to end.

A leg has a dialog (its SIP side), audio and one timer. A call is told of once at each step, and its
end exactly once, however the network's messages cross. Runs in asyncio's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from fairdial.adapters import causes
from fairdial.adapters.sip.dialog import Dialog, Invitation
from fairdial.adapters.sip.media import MediaPort
from fairdial.exceptions import EngineUnavailable
from fairdial.media import sdp
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
    DIALING = "dialing"
    RINGING = "ringing"
    ANSWERED = "answered"
    CANCELLING = "cancelling"
    ENDED = "ended"


class Leg:
    """What a called party's leg and an agent's have in common: a dialog, audio and one timer."""

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


class CallLeg(Leg):
    """The leg of a called party, from the INVITE to the one event that says how it ended."""

    def __init__(
        self,
        engine: Engine,
        attempt: str,
        number: str,
        caller_id: str,
        ring_s: float,
        media: MediaPort,
    ) -> None:
        super().__init__(engine, attempt, media)
        self._ring_s = ring_s
        self._state = _State.DIALING
        self._answered_at = 0.0
        self._intent = (EndCause.CANCELLED, "")
        self._digits = 0
        media.on_digit = self._on_digit
        settings = engine.settings
        invitation = Invitation(
            call_id=attempt,
            user=number,
            address=engine.trunk,
            host=settings.trunk_host,
            caller_user=caller_id,
            caller_name=displayable(settings.caller_name),
            sdp=engine.offer(media),
            is_call=True,
            username=settings.username,
            password=settings.password,
        )
        self.dialog = Dialog(engine.stack, engine.log, invitation, self)
        self.dialog.start()

    @property
    def is_answered(self) -> bool:
        """Whether somebody picked up and the call still stands."""
        return self._state is _State.ANSWERED

    def hang_up(self) -> None:
        """CANCEL or BYE as the call stands; nothing if one is under way."""
        if self._state is _State.ANSWERED:
            self._bye(EndCause.WE_HUNG_UP, "our BYE")
        elif self._state in (_State.DIALING, _State.RINGING):
            self._cancel(EndCause.CANCELLED, "our CANCEL")

    def check_media(self, now: float) -> None:
        """End an answered call that sends no audio."""
        lost_s = self.engine.settings.media_lost_s
        if self.is_answered and now - max(self._answered_at, self.media.heard_at or 0.0) > lost_s:
            self._bye(EndCause.MEDIA_LOST, f"our BYE: no audio for {lost_s:g} s")

    def on_dialed(self) -> None:
        self.engine.tell("dialed", attempt=self.leg, trunk=self.engine.settings.trunk_host)
        if self._state is _State.DIALING:
            self.wait(self.engine.settings.no_response_s, self._no_response)

    def on_not_dialed(self, why: str) -> None:
        self._close()
        self.engine.tell("not_dialed", attempt=self.leg, why=why)

    def on_progress(self, status: int) -> None:
        if self._state is not _State.DIALING:
            return
        if status > 100:
            self._state = _State.RINGING
            self.engine.tell("ringing", attempt=self.leg)
        self.wait(self._ring_s, self._no_answer)

    def on_answered(self, text: str) -> None:
        if self._state is _State.CANCELLING:
            # The answer overtook our wish to end; it is followed by our BYE at once.
            self._finish(*self._crossed())
            return
        self._state = _State.ANSWERED
        self._answered_at = asyncio.get_running_loop().time()
        self.forget_timer()
        self.engine.tell("answered", attempt=self.leg)
        peer = sdp.parse(text)
        if peer is None:
            self._bye(EndCause.FAILED, "our BYE: the answer had no usable G.711 audio")
            return
        self.media.set_peer(peer)
        self.media.keep_alive()

    def _on_digit(self, digit: str) -> None:
        """The called party pressed a key."""
        self._digits += 1
        if self.is_answered and self._digits <= _DIGITS_MAX:
            self.engine.tell("digit", attempt=self.leg, digit=digit)

    def on_refused(self, status: int, raw: str) -> None:
        if self._state is _State.CANCELLING:
            self._finish(self._intent[0], f"{self._intent[1]}; {raw}")
        else:
            self._finish(causes.cause(status), raw)

    def on_hung_up(self) -> None:
        self._finish(EndCause.CALLED_PARTY_HUNG_UP, "SIP BYE")

    def on_cleared(self, status: int, raw: str) -> None:
        if 200 <= status < 300:
            self._finish(*self._crossed())
        else:
            self._finish(self._intent[0], f"{self._intent[1]}; {raw}")

    def _no_response(self) -> None:
        self.dialog.end()
        seconds = self.engine.settings.no_response_s
        self._finish(EndCause.NO_RESPONSE, f"no reply to our INVITE within {seconds:g} s")

    def _no_answer(self) -> None:
        how = "of ringing" if self._state is _State.RINGING else "without ringing"
        self._cancel(EndCause.NO_ANSWER, f"our CANCEL after {self._ring_s:g} s {how}")

    def _crossed(self) -> tuple[EndCause, str]:
        return self._intent[0], f"{self._intent[1]}; SIP 200 crossed it: ACK, BYE"

    def _cancel(self, cause: EndCause, raw: str) -> None:
        """Take the INVITE back; the call ends with its final response, or without one soon."""
        self._state = _State.CANCELLING
        self._intent = (cause, raw)
        self.dialog.end()
        self.wait(
            self.engine.settings.clear_s,
            lambda: self._finish(cause, f"{raw}; no final reply", is_cleared=False),
        )

    def _bye(self, cause: EndCause, raw: str) -> None:
        self.dialog.end()
        self._finish(cause, raw)

    def _finish(self, cause: EndCause, raw: str, *, is_cleared: bool = True) -> None:
        """The one end of this call."""
        if self._state is _State.ENDED:
            return
        self._close()
        if is_cleared:
            self.log_end(raw)
        self.engine.tell("ended", attempt=self.leg, cause=cause.value, raw=raw)

    def _close(self) -> None:
        self._state = _State.ENDED
        self.forget_timer()
        self.engine.drop(self.media)
        self.engine.calls.pop(self.leg, None)


class PhoneLeg(Leg):
    """An agent's leg: rung once, then up for the whole session."""

    def __init__(
        self,
        engine: Engine,
        session: str,
        phone: str,
        address: tuple[str, int],
        media: MediaPort,
    ) -> None:
        # A Call-ID of its own each time: the same session may come back after a lost leg.
        super().__init__(engine, f"{session}-{secrets.token_hex(4)}", media)
        self._session = session
        self._is_over = False
        self.is_up = False
        """Whether the agent's phone was picked up and the leg stands."""
        self._up_at = 0.0
        parts = phone_parts(phone)
        invitation = Invitation(
            call_id=self.leg,
            user=parts["user"],
            address=address,
            host=parts["host"],
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

    def on_progress(self, _status: int) -> None:
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

    def on_refused(self, _status: int, raw: str) -> None:
        self._finish(raw)

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
            f"{phone!r} is no phone that can be called: write it as sip:name@host or "
            f"sip:name@host:port (UDP)"
        )
    return {"user": found["user"], "host": found["host"], "port": found["port"] or "5060"}

"""The simulated phone network: takes calls over SIP and plays the people who are called.

A call goes: INVITE (`_on_request`, logged) → its persona is drawn (`_begin`) → rings → answered or
refused → its script speaks and listens, 20 ms at a time (`_Call.visit`) → somebody hangs up. Only
fictional numbers can be called, only on this machine.

SIP lives in sippy's thread, everything else in asyncio; `_Call` is the asyncio half of a call,
`dialog.Dialog` the SIP half.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from itertools import cycle
from math import isinf
from time import time
from typing import Any

from fairdial.adapters.carrier import log
from fairdial.adapters.carrier.account import Account, AccountSettings
from fairdial.adapters.carrier.dialog import Dialog, called_of, caller_of, phrase
from fairdial.adapters.carrier.impairment import Impairment
from fairdial.adapters.carrier.line import Beat, Line, is_loopback
from fairdial.adapters.carrier.log import CarrierLog
from fairdial.adapters.carrier.person import KeyFrame, VoiceEar, script_of
from fairdial.adapters.carrier.population import (
    Behaviour,
    Oddity,
    Persona,
    Population,
    is_fictional,
)
from fairdial.adapters.sipstack import SipStack
from fairdial.exceptions import SettingsError
from fairdial.media import sdp
from fairdial.media.progress_tones import NEAR_MISSES, frames_of, made
from fairdial.media.speech import VOICES, speech_frames

CALLS_MAX = 500
"""Calls at one time that the network carries; more get 503."""
MEDIA_LOST_S = 20.0
"""A caller that had been sending and is silent on the wire for so long is cut off."""
GOODBYE_S = 0.5
"""How long `stop` waits for its last BYEs to be on the wire and acknowledged."""
MOVES_AFTER_S = 1.0
"""When a call whose audio moves does so, seconds after the answer."""
USER_AGENT = "Fairdial simulated carrier"
_RINGING = frames_of(made(NEAR_MISSES["ringing tone, North America"]))
"""The ringing tone of early media."""


class Network:
    """The simulated phone network of one process."""

    def __init__(
        self,
        *,
        population: Population,
        carrier_log: CarrierLog,
        local_ip: str = "127.0.0.1",
        port: int = 0,
        calls_max: int = CALLS_MAX,
        media_lost_s: float = MEDIA_LOST_S,
        impairment: Impairment | None = None,
        account: AccountSettings | None = None,
    ) -> None:
        """Describe the network; `start` opens it. Raises `SettingsError` off the loopback."""
        if not is_loopback(local_ip):
            raise SettingsError(
                f"the simulated carrier only runs on this machine itself: {local_ip!r} is not a "
                "loopback address; use 127.0.0.1"
            )
        self.population = population
        self.log = carrier_log
        self.local_ip = local_ip
        self.beat = Beat()
        self.stack = SipStack(
            local_ip=local_ip, port=port, user_agent=USER_AGENT, on_request=self._on_request
        )
        self.media_lost_s = media_lost_s
        self.impairment = impairment
        self._calls_max = calls_max
        self._account = None if account is None else Account(account)
        # In sippy's thread:
        self._serial = 0
        self._open: set[int] = set()
        # In asyncio:
        self._calls: dict[int, _Call] = {}
        self._times_called: dict[str, int] = {}  # At most one entry per fictional number.
        self.is_closing = False

    async def start(self) -> int:
        """Open the network and return its SIP port. Raises `EngineUnavailable`.

        From then on somebody must run `beat`, or nobody will say a word.
        """
        for voice in range(VOICES):
            speech_frames(voice)  # Made now, so that no call has to wait for it.
        port = await self.stack.start()
        self.log.write(log.STARTED, port=port, seed=self.population.seed)
        return port

    async def stop(self) -> None:
        """End every call (503 or BYE), then close. Takes about half a second if there are any."""
        self.is_closing = True
        calls = list(self._calls.values())
        for call in calls:
            call.cut_off()
        if calls:
            await asyncio.sleep(GOODBYE_S)
        await self.stack.stop()
        self.log.write(log.STOPPED)

    # --- in sippy's thread ---

    def _on_request(self, request: Any, transaction: Any) -> Any:
        """A request outside of any dialog."""
        method = request.getMethod()
        if request.getHFBody("to").getTag() is not None:
            return _reply(request, 481)
        if method == "OPTIONS":
            return (request.genResponse(200, "OK"), None, None)
        if method != "INVITE" and (method != "REGISTER" or self._account is None):
            return _reply(request, 501)
        if self._account is not None:
            objection = self._account.objection(request)
            if objection is not None:
                code, _ = objection.getSCode()
                self.log.write(log.CHALLENGED, method=method, code=code)
                return (objection, None, None)
            if method == "REGISTER":
                response = self._account.register(request)
                self.log.write(log.REGISTERED, code=response.getSCode()[0])
                return (response, None, None)
        self._serial += 1
        called = called_of(request)
        call_id = str(request.getHFBody("call-id"))
        self.log.write(
            log.INVITE,
            at=request.rtime.realt,
            serial=self._serial,
            call_id=call_id,
            to=called,
            **{"from": caller_of(request)},
        )
        scripted = self.population.overrides.get(called)
        if scripted is not None and scripted.odd is Oddity.SILENT:
            return None
        code = self._reason_to_refuse(request, called)
        if code is not None:
            self.log.write(log.REFUSED, serial=self._serial, call_id=call_id, code=code)
            return _reply(request, code)
        self._open.add(self._serial)
        dialog = Dialog(self.stack, self, request, serial=self._serial)
        return dialog.open(request, transaction)

    def _reason_to_refuse(self, request: Any, called: str) -> int | None:
        if not is_fictional(called):
            return 403
        if request.countHFs("contact") == 0:
            return 400
        if len(self._open) >= self._calls_max:
            return 503
        return None

    def offered(self, dialog: Dialog, offer: sdp.Sdp) -> None:
        """A call came in."""
        self.stack.post(self._begin, dialog, offer)

    def reoffered(self, dialog: Dialog, offer: sdp.Sdp) -> None:
        """The caller's audio moved."""
        self.stack.post(self._tell, dialog, _Call.aim, offer)

    def rings(self, dialog: Dialog, at: float) -> None:
        """180 was sent."""
        self._write(log.RINGING, dialog, at)

    def answered(self, dialog: Dialog, at: float) -> None:
        """200 was sent."""
        self._write(log.ANSWERED, dialog, at)
        self.stack.post(self._tell, dialog, _Call.answered, at)

    def refused(self, dialog: Dialog, code: int, at: float) -> None:
        """A final status other than 200 was sent."""
        self._write(log.REFUSED, dialog, at, code=code)
        self._close(dialog)

    def cancelled(self, dialog: Dialog, at: float) -> None:
        """The caller gave up."""
        self._write(log.CANCELLED, dialog, at)
        self._close(dialog)

    def hung_up(self, dialog: Dialog, *, by_caller: bool, why: str, at: float) -> None:
        """An answered call was ended by the other side, or given up for want of an ACK."""
        self._open.discard(dialog.serial)
        self.stack.post(
            self._tell, dialog, _Call.ended, "caller" if by_caller else "carrier", why, at
        )

    def _write(self, event: str, dialog: Dialog, at: float, **fields: Any) -> None:
        self.log.write(event, at=at, serial=dialog.serial, call_id=dialog.call_id, **fields)

    def _close(self, dialog: Dialog) -> None:
        """A call ended without having been answered."""
        self._open.discard(dialog.serial)
        self.stack.post(self._tell, dialog, _Call.over)

    def _hang_up(self, dialog: Dialog) -> None:
        dialog.hang_up()
        self._open.discard(dialog.serial)

    # --- in asyncio ---

    def _begin(self, dialog: Dialog, offer: sdp.Sdp) -> None:
        """Draw who is called and let it happen."""
        nth = self._times_called.get(dialog.called, 0)
        self._times_called[dialog.called] = nth + 1
        call = _Call(self, dialog, offer, self.population.persona(dialog.called, nth))
        self._calls[dialog.serial] = call
        call.begin()

    def _tell(self, dialog: Dialog, what: Any, *args: object) -> None:
        """Tell a call what happened to it in sippy's thread; calls that are over hear nothing."""
        call = self._calls.get(dialog.serial)
        if call is not None:
            what(call, *args)

    def forget(self, dialog: Dialog) -> None:
        """A call is over."""
        self._calls.pop(dialog.serial, None)

    def hang_up(self, dialog: Dialog) -> None:
        """Send BYE."""
        self.stack.run(self._hang_up, dialog)


class _Call:
    """One call to one persona, as asyncio sees it."""

    __slots__ = (
        "_answered_at",
        "_dialog",
        "_ear",
        "_has_begun",
        "_line",
        "_network",
        "_offer",
        "_persona",
        "_script",
        "_timer",
        "_tone",
    )

    def __init__(self, network: Network, dialog: Dialog, offer: sdp.Sdp, persona: Persona) -> None:
        self._network = network
        self._dialog = dialog
        self._offer = offer
        self._persona = persona
        self._timer: asyncio.TimerHandle | None = None
        self._line: Line | None = None
        self._answered_at: float | None = None
        self._script = script_of(persona)
        self._ear = VoiceEar()
        self._has_begun = False
        self._tone: Iterator[bytes] = iter(())

    def begin(self) -> None:
        """Start the time until the phone rings, or until it is refused or answered unrung."""
        self._after(self._persona.ring_after_s, self._ring)

    def _after(self, seconds: float, step: Any) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, step)

    def _ring(self) -> None:
        odd, run = self._persona.odd, self._network.stack.run
        if odd is Oddity.RETRY_LATER:
            run(self._dialog.refuse, 503, (("Retry-After", "30"),))
            return
        if odd is Oddity.REDIRECTS:
            run(self._dialog.refuse, 302, (("Contact", "<sip:+12125550199@127.0.0.1>"),))
            return
        if self._persona.ring_s <= 0:
            self._finish_ringing()
            return
        if odd is Oddity.EARLY_MEDIA and self._open_line():
            assert self._line is not None, "it was opened"
            run(self._dialog.progress, self._line.answer_sdp(event_type=self._offer.event_type))
            self._tone = cycle(_RINGING)
            self._network.beat.add(self._send_tone)
        else:
            run(self._dialog.ring)
        if odd is Oddity.FORKS:
            run(self._dialog.fork)
        if not isinf(self._persona.ring_s):
            self._after(self._persona.ring_s, self._finish_ringing)
        # Whoever never answers rings until CANCEL, or until the INVITE expires: sippy sees to it.

    def _finish_ringing(self) -> None:
        if not self._persona.answers:
            # A scripted `ring_s` for someone who never answers: the network gives up (480).
            no_answer = self._persona.does is Behaviour.NO_ANSWER
            self._network.stack.run(self._dialog.refuse, 480 if no_answer else self._persona.code)
            return
        self._network.beat.remove(self._send_tone)
        if self._line is None and not self._open_line():
            self._network.stack.run(self._dialog.refuse, 503)
            return
        assert self._line is not None, "it was opened"
        described: str | None = self._line.answer_sdp(event_type=self._offer.event_type)
        if self._persona.odd is Oddity.NO_DESCRIPTION:
            described = None
        elif self._persona.odd is Oddity.BROKEN_DESCRIPTION:
            described = "v=0\r\nm=audio none RTP/AVP\r\nc=IN IP4 nowhere\r\n"
        self._network.stack.run(self._dialog.answer, described)

    def _open_line(self) -> bool:
        """Have a port for audio; False when this machine has none left."""
        network = self._network
        try:
            self._line = Line(
                network.local_ip,
                network.impairment,
                f"{network.population.seed}:{self._dialog.serial}",
            )
        except OSError as error:
            print(f"no audio port is free on this machine: {error}", file=sys.stderr)  # noqa: T201
            return False
        self._line.aim(self._offer)
        return True

    def _send_tone(self) -> None:
        """Every 20 ms before the answer: the tone that the caller hears."""
        if self._line is not None:
            self._line.drain()
            self._line.send(next(self._tone))

    def _move(self) -> None:
        """Give the audio another port, as a carrier does that hands a call over."""
        before = self._line
        if before is None or not self._open_line():
            return
        assert self._line is not None, "it was opened"
        self._line.arrivals = before.arrivals
        before.close()
        described = self._line.answer_sdp(event_type=self._offer.event_type)
        self._network.stack.run(self._dialog.move, described)

    def aim(self, offer: sdp.Sdp) -> None:
        """Send the audio to another address from now on."""
        if self._line is not None:
            self._line.aim(offer)

    def answered(self, at: float) -> None:
        """The 200 left at the Unix time `at`: the script begins."""
        self._answered_at = at
        if self._persona.odd is Oddity.BYE_AT_ONCE:
            self._hang_up("called_party", "BYE")
            return
        if self._persona.odd is Oddity.MOVES:
            self._after(MOVES_AFTER_S, self._move)
        if self._network.is_closing:
            self._hang_up("carrier", "carrier stopped")
        else:
            self._network.beat.add(self.visit)

    def visit(self) -> None:
        """Every 20 ms: hear what came, say what the script says, hang up when it ends."""
        line = self._line
        assert line is not None, "a call has a line as long as it is visited"
        heard = self._ear.hears(line.drain())
        last_at = line.arrivals.last_at
        if last_at is not None and time() - last_at > self._network.media_lost_s:
            self._hang_up("carrier", "media lost")
            return
        try:
            # A generator cannot be told anything before it began.
            frame = self._script.send(heard) if self._has_begun else next(self._script)
            self._has_begun = True
            if isinstance(frame, KeyFrame):
                line.send_key(frame.payload, is_first=frame.is_first)
            else:
                line.send(frame)
        except StopIteration:
            self._hang_up("called_party", "BYE")

    def cut_off(self) -> None:
        """The network closes."""
        if self._answered_at is not None:
            self._hang_up("carrier", "carrier stopped")
        else:
            self._network.stack.run(self._dialog.refuse, 503)

    def _hang_up(self, by: str, why: str) -> None:
        self._network.hang_up(self._dialog)
        self.ended(by, why, time())

    def ended(self, by: str, why: str, at: float) -> None:
        """An answered call is over: write what its line measured."""
        line, answered_at = self._line, self._answered_at
        if line is not None and answered_at is not None:
            line.drain()
            self._network.log.write(
                log.ENDED,
                at=at,
                serial=self._dialog.serial,
                call_id=self._dialog.call_id,
                by=by,
                why=why,
                media=line.figures(answered_at).to_json(),
            )
        self.over()

    def over(self) -> None:
        """Let go of everything."""
        if self._timer is not None:
            self._timer.cancel()
        self._network.beat.remove(self.visit)
        self._network.beat.remove(self._send_tone)
        self._script.close()
        if self._line is not None:
            self._line.close()
            self._line = None
        self._network.forget(self._dialog)


def _reply(request: Any, code: int) -> tuple[Any, None, None]:
    """A final response to a request that opens no call."""
    return (request.genResponse(code, phrase(code)), None, None)

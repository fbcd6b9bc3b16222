"""`python -m fairdial.adapters.carrier.phones`: SIP phones of simulated agents, in one process.

Each phone answers at once, stays up until BYE, sends audio all the time (silence, or a voice while
it is told to talk) and reports what its ear hears. A new call to a phone replaces the one it has:
after a crash of the engine nobody is left to hang up the old one.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from time import monotonic, time
from typing import Any

from fairdial.adapters.carrier import child
from fairdial.adapters.carrier.dialog import Dialog, called_of, phrase
from fairdial.adapters.carrier.ear import Ear
from fairdial.adapters.carrier.line import Beat, Line, is_loopback
from fairdial.adapters.sipstack import SipStack
from fairdial.exceptions import SettingsError
from fairdial.media import g711, sdp
from fairdial.media.speech import VOICES, speech_frames

COUNT_MAX = 500
"""Phones that one process may have."""
USER_AGENT = "Fairdial simulated agent phone"
_NAME = re.compile(r"agent-([1-9][0-9]{0,3})")


class Phones:
    """N phones behind one SIP port."""

    def __init__(self, *, count: int, port: int, local_ip: str, parent: child.Parent) -> None:
        """Describe the phones; `start` plugs them in. Raises `SettingsError`."""
        if not is_loopback(local_ip):
            raise SettingsError(
                f"simulated phones only run on this machine itself: {local_ip!r} is not a "
                "loopback address; use 127.0.0.1"
            )
        if not 1 <= count <= COUNT_MAX:
            raise SettingsError(f"--count must be from 1 to {COUNT_MAX}, not {count}")
        self.local_ip = local_ip
        self.beat = Beat()
        self.parent = parent
        self.stack = SipStack(
            local_ip=local_ip, port=port, user_agent=USER_AGENT, on_request=self._on_request
        )
        self._phones = {k: Phone(self, k) for k in range(1, count + 1)}
        self._serial = 0

    async def start(self) -> int:
        """Open the SIP port and return its number. Raises `EngineUnavailable`."""
        for voice in range(min(VOICES, len(self._phones))):
            speech_frames(voice + 1)
        return await self.stack.start()

    async def stop(self) -> None:
        """Hang up everywhere and close; what waits to be sent is sent."""
        for phone in self._phones.values():
            phone.hang_up()
        await self.stack.stop()

    def obey(self, line: bytes) -> None:
        """Do what a command line says; what it does not understand is reported."""
        try:
            command = json.loads(line)
            phone = self._phones[command["phone"]]
            phone.talks = {"talk": True, "be_silent": False}[command["do"]]
        except (ValueError, KeyError, TypeError):
            self.parent.tell(
                error='not a command; write {"phone": 1, "do": "talk" or "be_silent"} '
                f"with phone from 1 to {len(self._phones)}"
            )

    # --- in sippy's thread ---

    def _on_request(self, request: Any, transaction: Any) -> Any:
        """A request outside of any dialog."""
        method = request.getMethod()
        if request.getHFBody("to").getTag() is not None:
            code = 481
        elif method == "OPTIONS":
            return (request.genResponse(200, "OK"), None, None)
        elif method != "INVITE":
            code = 501
        elif self._phone_of(called_of(request)) is None:
            code = 404
        elif request.countHFs("contact") == 0:
            code = 400
        else:
            self._serial += 1
            dialog = Dialog(self.stack, self, request, serial=self._serial)
            return dialog.open(request, transaction)
        return (request.genResponse(code, phrase(code)), None, None)

    def offered(self, dialog: Dialog, offer: sdp.Sdp) -> None:
        """A call came in."""
        self._tell(dialog, Phone.pick_up, offer)

    def reoffered(self, dialog: Dialog, offer: sdp.Sdp) -> None:
        """The caller's audio moved."""
        self._tell(dialog, Phone.aim, offer)

    def rings(self, dialog: Dialog, at: float) -> None:
        """Phones never ring; they answer."""

    def answered(self, dialog: Dialog, at: float) -> None:  # noqa: ARG002 - a Listener's
        """The leg is up."""
        self._tell(dialog, Phone.up)

    def refused(self, dialog: Dialog, code: int, at: float) -> None:  # noqa: ARG002 - a Listener's
        """The phone could not take the call."""
        self._tell(dialog, Phone.down)

    def cancelled(self, dialog: Dialog, at: float) -> None:  # noqa: ARG002 - a Listener's
        """The caller gave up."""
        self._tell(dialog, Phone.down)

    def hung_up(self, dialog: Dialog, *, by_caller: bool, why: str, at: float) -> None:  # noqa: ARG002 - a Listener's
        """BYE, or no ACK."""
        self._tell(dialog, Phone.down)

    def _tell(self, dialog: Dialog, what: Any, *args: object) -> None:
        phone = self._phone_of(dialog.called)
        if phone is not None:
            self.stack.post(what, phone, dialog, *args)

    def _phone_of(self, called: str) -> Phone | None:
        match = _NAME.fullmatch(called)
        return self._phones.get(int(match[1])) if match else None


class Phone:
    """One agent's phone."""

    __slots__ = ("_dialog", "_ear", "_frame", "_line", "_number", "_phones", "_voice", "talks")

    def __init__(self, phones: Phones, number: int) -> None:
        self._phones = phones
        self._number = number
        self._dialog: Dialog | None = None
        self._line: Line | None = None
        self._ear = Ear()
        self._voice = speech_frames(number)
        self._frame = 0
        self.talks = False

    def pick_up(self, dialog: Dialog, offer: sdp.Sdp) -> None:
        """Answer a new call, whatever was before."""
        self.hang_up()
        try:
            self._line = Line(self._phones.local_ip)
        except OSError as error:
            self._phones.parent.tell(error=f"no audio port is free on this machine: {error}")
            self._phones.stack.run(dialog.refuse, 503)
            return
        self._dialog = dialog
        self._ear = Ear()
        self._line.aim(offer)
        self._phones.stack.run(dialog.answer, self._line.answer_sdp())

    def aim(self, dialog: Dialog, offer: sdp.Sdp) -> None:
        """Send the audio to another address from now on."""
        if dialog is self._dialog and self._line is not None:
            self._line.aim(offer)

    def up(self, dialog: Dialog) -> None:
        """The call is answered: audio starts."""
        if dialog is self._dialog:
            self._phones.beat.add(self.visit)
            self._phones.parent.tell(phone=self._number, leg="up")

    def down(self, dialog: Dialog) -> None:
        """The call is over, if it is still the one that this phone has."""
        if dialog is not self._dialog:
            return
        self._dialog = None
        self._phones.beat.remove(self.visit)
        if self._line is not None:
            self._line.close()
            self._line = None
        self._phones.parent.tell(phone=self._number, leg="down")

    def hang_up(self) -> None:
        """End the call that this phone has, if any."""
        dialog = self._dialog
        if dialog is not None:
            self._phones.stack.run(dialog.hang_up)
            self.down(dialog)

    def visit(self) -> None:
        """Every 20 ms: report what the ear hears, send a frame."""
        line = self._line
        assert line is not None, "a phone has a line as long as it is visited"
        for heard in self._ear.listen(line.drain(), monotonic()):
            self._phones.parent.tell(phone=self._number, heard=heard.value, at=round(time(), 3))
        if self.talks:
            line.send(self._voice[self._frame % len(self._voice)])
            self._frame += 1
        else:
            line.send(g711.SILENCE_ULAW)


def main() -> int:
    """Run the phones until standard input ends."""
    parser = argparse.ArgumentParser(
        prog="python -m fairdial.adapters.carrier.phones",
        description="SIP phones of simulated agents: sip:agent-1@127.0.0.1:PORT and so on.",
    )
    parser.add_argument("--count", type=int, required=True, help="how many phones")
    parser.add_argument("--port", type=int, default=0, help="SIP port (UDP); 0 takes a free one")
    parser.add_argument("--local-ip", default="127.0.0.1", help="a loopback address")
    options = parser.parse_args()

    async def live(parent: child.Parent) -> None:
        phones = Phones(
            count=options.count, port=options.port, local_ip=options.local_ip, parent=parent
        )
        port = await phones.start()
        try:
            parent.listen(phones.obey)
            parent.tell(ready=True, port=port, pid=os.getpid(), sandbox=True)
            await parent.until_the_end(phones.beat.run())
        finally:
            await phones.stop()

    return child.run(live)


if __name__ == "__main__":
    sys.exit(main())

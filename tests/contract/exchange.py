"""Everybody at the far end of the wires, played in the tests' own process: called parties, agents'
phones, people who ring us up.

Each end speaks real SIP and RTP, sends a tone of its own and can say whose tones it hears. An end
does nothing by itself but what a test tells it, except phones, which pick up at once.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections import deque
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any, cast
from uuid import uuid4

import numpy as np
from sippy.CCEvents import (
    CCEventConnect,
    CCEventDisconnect,
    CCEventFail,
    CCEventRing,
    CCEventTry,
    CCEventUpdate,
)
from sippy.MsgBody import MsgBody
from sippy.SipCallId import SipCallId
from sippy.UA import UA

from fairdial.adapters.carrier.dialog import Dialog, phrase
from fairdial.adapters.sipstack import SipStack
from fairdial.media import digits, g711, rtp, sdp
from fairdial.media.digits import DigitEar

HERE = "127.0.0.1"
VOICES = {"called": 617, "agent": 1013, "colleague": 1429, "boss": 1831}
"""Who is who by ear: a tone in hertz, of which a second is a whole number of waves."""
LOUDNESS = 4000
_HEARD_FRAMES = 20
"""The last 0.4 s are listened to: bins 2.5 Hz wide, so that music is not taken for a voice."""
_WAVE = {
    name: g711.encode_ulaw(
        [round(LOUDNESS * math.sin(2 * math.pi * hertz * n / 8000)) for n in range(8000)]
    )
    for name, hertz in VOICES.items()
}


def voices_in(samples: np.ndarray[Any, Any], *, loudness: float = LOUDNESS) -> frozenset[str]:
    """Whose tones are in the sound; `music` stands for sound that is nobody's tone."""
    if len(samples) == 0:
        return frozenset()
    wave = samples.astype(np.float64)
    time = np.arange(len(wave)) / 8000
    heard = set()
    power = float(np.mean(wave**2))
    known = 0.0
    for name, hertz in VOICES.items():
        amplitude = 2 * abs(np.mean(wave * np.exp(-2j * np.pi * hertz * time)))
        if amplitude > 0.3 * loudness:
            heard.add(name)
        known += amplitude**2 / 2
    if power - known > (0.08 * loudness) ** 2 and known < 0.5 * power:
        heard.add("music")
    return frozenset(heard)


class Mouth(asyncio.DatagramProtocol):
    """An RTP endpoint that sends one tone all the time, unless silent, and remembers the newest."""

    def __init__(self, voice: str | None) -> None:
        self.voice = voice
        self._heard: deque[tuple[float, bytes]] = deque(maxlen=_HEARD_FRAMES)
        self.keys: list[str] = []
        self._digits = DigitEar()
        self._to: sdp.Sdp | None = None
        self._seq = secrets.randbits(15)
        self._sent = 0
        self._said: Iterator[bytes] = iter(())
        self._transport: asyncio.DatagramTransport
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, voice: str | None) -> Mouth:
        """An endpoint on a free port."""
        loop = asyncio.get_running_loop()
        _, mouth = await loop.create_datagram_endpoint(lambda: cls(voice), local_addr=(HERE, 0))
        return mouth

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        packet = rtp.parse(data)
        if packet is None:
            return
        now = monotonic()
        if packet.payload_type == sdp.PCMU:
            self._heard.append((now, packet.payload))
        elif packet.payload_type == sdp.PCMA:
            self._heard.append((now, packet.payload.translate(g711.ALAW_TO_ULAW)))
        elif len(packet.payload) == digits.EVENT_BYTES:
            key = self._digits.hear(packet.payload, ssrc=packet.ssrc, timestamp=packet.timestamp)
            if key is not None:
                self.keys.append(key)

    def aim(self, remote: sdp.Sdp) -> None:
        """Send from now on, or to somewhere else."""
        self._to = remote
        if self._task is None:
            self._task = asyncio.create_task(self._speak())

    def hears(self) -> frozenset[str]:
        """Whose tones the last moments held; nobody's where hardly a packet came."""
        since = monotonic() - 1.5 * _HEARD_FRAMES * g711.FRAME_S
        frames = [frame for at, frame in self._heard if at > since]
        if len(frames) < _HEARD_FRAMES // 2:
            return frozenset()
        audio = b"".join(frames)
        samples = np.array(g711.ULAW_SAMPLES, dtype=np.int16)[np.frombuffer(audio, dtype=np.uint8)]
        return voices_in(samples)

    async def press(self, key: str) -> None:
        """Press a key, as RFC 4733 events, 20 ms apart."""
        to = self._to
        assert to is not None, "a key is pressed in a call"
        timestamp = self._sent * g711.FRAME_SAMPLES
        for n, event in enumerate(digits.press(key)):
            self._send(to.event_type or sdp.TELEPHONE_EVENT, event, timestamp, marker=n == 0)
            await asyncio.sleep(g711.FRAME_S)

    def say(self, frames: Iterable[bytes]) -> None:
        """Say these frames of mu-law, and nothing after them, in place of the voice's tone."""
        self._said = iter(frames)
        self.voice = None

    def close(self) -> None:
        """Be silent and deaf."""
        if self._task is not None:
            self._task.cancel()
        self._transport.close()

    async def _speak(self) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while True:
            at = self._sent * g711.FRAME_SAMPLES % 8000
            wave = next(self._said, g711.SILENCE_ULAW)
            if self.voice is not None:
                wave = _WAVE[self.voice][at : at + g711.FRAME_SAMPLES]
            self._send(sdp.PCMU, wave, self._sent * g711.FRAME_SAMPLES)
            self._sent += 1
            await asyncio.sleep(max(0.0, begin + self._sent * g711.FRAME_S - loop.time()))

    def _send(
        self, payload_type: int, payload: bytes, timestamp: int, *, marker: bool = False
    ) -> None:
        if self._to is None or self._transport.is_closing():
            return
        self._seq += 1
        packet = rtp.RtpPacket(
            payload_type=payload_type,
            marker=marker,
            seq=self._seq & 0xFFFF,
            timestamp=timestamp & 0xFFFFFFFF,
            ssrc=self.port,
            payload=payload,
        )
        self._transport.sendto(rtp.build(packet), (self._to.ip, self._to.port))


class End:
    """One end of one call, as a test plays it."""

    def __init__(self, exchange: Exchange, dialog: Dialog, offer: sdp.Sdp, mouth: Mouth) -> None:
        self._exchange = exchange
        self._dialog = dialog
        self._offer = offer
        self.mouth = mouth
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def ring(self) -> None:
        """180."""
        self._exchange.stack.run(self._dialog.ring)

    def pick_up(self) -> None:
        """200."""
        self.mouth.aim(self._offer)
        types = (sdp.PCMU,)
        event = self._offer.event_type
        answer = sdp.build(
            ip=HERE,
            port=self.mouth.port,
            session_id=secrets.randbits(31),
            payload_types=types if event is None else (*types, event),
            event_type=event or sdp.TELEPHONE_EVENT,
        )
        self._exchange.stack.run(self._dialog.answer, answer)

    def refuse(self, status: int) -> None:
        """A final response that is no 200."""
        self._exchange.stack.run(self._dialog.refuse, status)

    def hang_up(self) -> None:
        """BYE."""
        self._exchange.stack.run(self._dialog.hang_up)
        self.ended("our BYE")

    def ended(self, how: str) -> None:
        """The other side ended it, or we did."""
        self.mouth.close()
        if not self.over.done():
            self.over.set_result(how)

    def aim(self, offer: sdp.Sdp) -> None:
        """The other side moved its audio."""
        self.mouth.aim(offer)


class Caller:
    """Somebody who rings us up."""

    def __init__(self, stack: SipStack, mouth: Mouth) -> None:
        self._stack = stack
        self.mouth = mouth
        self.story: list[str] = []
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._ua: Any = None

    def call(self, to: tuple[str, int], *, caller: str, called: str) -> None:
        """INVITE."""
        offer = sdp.build(ip=HERE, port=self.mouth.port, session_id=secrets.randbits(31))
        self._stack.run(self._call, to, caller, called, offer)

    def hang_up(self) -> None:
        """CANCEL or BYE."""
        self._stack.run(lambda: self._ua.recvEvent(CCEventDisconnect()))

    def close(self) -> None:
        """Let go of the audio."""
        self.mouth.close()

    def _call(self, to: tuple[str, int], caller: str, called: str, offer: str) -> None:
        self._ua = UA(self._stack.config, event_cb=self._on_event, nh_address=to)
        wish = (SipCallId(str(uuid4())), caller, called, MsgBody(offer), None, None)
        self._ua.recvEvent(CCEventTry(wish))

    def _on_event(self, event: Any, ua: Any) -> None:
        if isinstance(event, CCEventUpdate):
            ua.recvEvent(CCEventConnect((200, "OK", ua.lSDP)))
        elif isinstance(event, CCEventRing):
            self._stack.post(self.story.append, "ringing")
        elif isinstance(event, CCEventConnect):
            self._stack.post(self._answered, str(event.getData()[2]))
        elif isinstance(event, CCEventFail):
            self._stack.post(self._ended, f"refused {event.getData()[0]}")
        elif isinstance(event, CCEventDisconnect):
            self._stack.post(self._ended, "BYE")

    def _answered(self, text: str) -> None:
        self.story.append("answered")
        answer = sdp.parse(text)
        assert answer is not None, f"the answer has no usable audio: {text}"
        self.mouth.aim(answer)

    def _ended(self, how: str) -> None:
        self.story.append(how)
        if not self.over.done():
            self.over.set_result(how)


class Exchange:
    """A SIP port behind which everybody sits: `sip:NUMBER@…` and `sip:VOICE@…`."""

    def __init__(self) -> None:
        self.stack = SipStack(
            local_ip=HERE, port=0, user_agent="Contract exchange", on_request=self._on_request
        )
        self.ends: dict[str, list[End]] = {}
        self._by_serial: dict[int, End] = {}
        self._callers: list[Caller] = []
        self._serial = 0

    async def start(self) -> int:
        """Open the port; returns its number."""
        return await self.stack.start()

    async def stop(self) -> None:
        """Hang up everywhere."""
        for end in list(self._by_serial.values()):
            end.hang_up()
        for caller in self._callers:
            caller.close()
        await self.stack.stop()

    async def end(self, user: str, *, nth: int = 1) -> End:
        """The end of the `nth` call to a user, waited for."""
        for _ in range(1000):
            if len(self.ends.get(user, ())) >= nth:
                return self.ends[user][nth - 1]
            await asyncio.sleep(0.01)
        raise AssertionError(f"no call {nth} to {user}; calls came to {sorted(self.ends)}")

    async def caller(self, voice: str | None) -> Caller:
        """Somebody who can ring us up."""
        caller = Caller(self.stack, await Mouth.open(voice))
        self._callers.append(caller)
        return caller

    # --- in sippy's thread ---

    def _on_request(self, request: Any, transaction: Any) -> Any:
        method = request.getMethod()
        if method == "OPTIONS":
            return request.genResponse(200, "OK"), None, None
        if request.getHFBody("to").getTag() is not None or method != "INVITE":
            return request.genResponse(481, phrase(481)), None, None
        self._serial += 1
        return Dialog(self.stack, self, request, serial=self._serial).open(request, transaction)

    def offered(self, dialog: Dialog, offer: sdp.Sdp) -> None:
        self.stack.post(self._offered, dialog, offer)

    def reoffered(self, dialog: Dialog, offer: sdp.Sdp) -> None:
        self._tell(dialog, End.aim, offer)

    def rings(self, dialog: Dialog, at: float) -> None:
        """Ours."""

    def answered(self, dialog: Dialog, at: float) -> None:
        """Ours."""

    def refused(self, dialog: Dialog, code: int, at: float) -> None:
        self._tell(dialog, End.ended, f"refused {code}")

    def cancelled(self, dialog: Dialog, at: float) -> None:
        self._tell(dialog, End.ended, "CANCEL")

    def hung_up(self, dialog: Dialog, *, by_caller: bool, why: str, at: float) -> None:
        self._tell(dialog, End.ended, why)

    # --- in asyncio ---

    def _offered(self, dialog: Dialog, offer: sdp.Sdp) -> None:
        task = asyncio.get_running_loop().create_task(self._take(dialog, offer))
        task.add_done_callback(lambda done: done.result())

    async def _take(self, dialog: Dialog, offer: sdp.Sdp) -> None:
        user = dialog.called
        voice = user if user in VOICES else "called"
        end = End(self, dialog, offer, await Mouth.open(voice))
        self.ends.setdefault(user, []).append(end)
        self._by_serial[dialog.serial] = end
        if user in VOICES:
            end.pick_up()

    def _tell(self, dialog: Dialog, what: Any, *args: object) -> None:
        self.stack.post(self._tell_end, dialog.serial, what, args)

    def _tell_end(self, serial: int, what: Any, args: Iterable[object]) -> None:
        end = self._by_serial.get(serial)
        if end is not None:
            what(end, *args)

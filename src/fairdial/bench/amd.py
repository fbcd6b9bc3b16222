"""Asterisk's AMD() on the same greetings: called over SIP, told in RTP, judged by its dial plan.

AMD() is given its defaults. It hears what our ear hears, packet by packet, lost ones left out, in
real time, several calls at once.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from sippy.CCEvents import CCEventConnect, CCEventDisconnect, CCEventTry
from sippy.MsgBody import MsgBody
from sippy.SipCallId import SipCallId
from sippy.UA import UA

from fairdial.adapters.asterisk.server import HERE, AsteriskServer
from fairdial.adapters.sipstack import SipStack
from fairdial.bench.greetings import Greeting
from fairdial.core.answer import AnswerKind
from fairdial.core.trunk import TrunkSettings
from fairdial.exceptions import EngineUnavailable
from fairdial.media import g711, rtp, sdp

AT_ONCE = 40
GREETING_S_MAX = 25.0
NAMES = (
    "people",
    "machines",
    "false_machine_percent",
    "machines_caught_percent",
    "unsure_percent",
    "decided_s_median",
    "decided_s_median_people",
    "decided_s_median_machines",
)
_DIALPLAN = """[fairdial-inbound]
exten = amd,1,Answer()
 same = n,Log(NOTICE,BEGIN ${CALLERID(num)})
 same = n,AMD()
 same = n,Log(NOTICE,END ${CALLERID(num)} ${AMDSTATUS} ${AMDCAUSE})
 same = n,Hangup()
"""
_LINE = re.compile(
    r"\[(?P<at>[\d-]+ [\d:.]+)\].*?(?P<what>BEGIN|END) (?P<n>\d+)(?: (?P<status>[A-Z]+))?"
)
_KINDS = {"HUMAN": AnswerKind.PERSON, "MACHINE": AnswerKind.MACHINE}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What AMD() said of a greeting, and when, in seconds after the answer."""

    kind: AnswerKind
    decided_s: float


async def listen_all(greetings: Sequence[Greeting], tree: Path) -> list[Verdict | None]:
    """Let an Asterisk from `tree` judge greetings; None for one that it did not."""
    stack = SipStack(
        local_ip=HERE,
        port=0,
        user_agent="Fairdial bench",
        on_request=lambda request, _: (request.genResponse(200, "OK"), None, None),
    )
    port = await stack.start()
    trunk = TrunkSettings(name="bench", host=HERE, port=port, accepts_inbound=True, options_s=0)
    server = AsteriskServer(
        tree,
        trunks=[trunk],
        more_modules=("app_amd", "app_verbose"),
        more_dialplan=_DIALPLAN,
        more_files={"amd.conf": "[general]\n"},
    )
    try:
        await server.start()
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(number: int, greeting: Greeting) -> None:
            async with turn:
                call = _Call(stack, (HERE, server.sip_port), number, greeting)
                await call.over()

        await asyncio.gather(*(one(n, greeting) for n, greeting in enumerate(greetings)))
        await asyncio.sleep(0.5)
        log = server.log()
    finally:
        await server.stop()
        await stack.stop()
    return _verdicts(log, len(greetings))


def figures(greetings: Sequence[Greeting], verdicts: Sequence[Verdict | None]) -> dict[str, Any]:
    """The figures, by the names that ours have."""
    heard = [(g, v) for g, v in zip(greetings, verdicts, strict=True) if v is not None]
    people = [v for g, v in heard if g.kind is AnswerKind.PERSON]
    machines = [v for g, v in heard if g.kind is AnswerKind.MACHINE]

    def percent(of: Sequence[Verdict], kind: AnswerKind) -> float:
        return round(100 * sum(v.kind is kind for v in of) / max(1, len(of)), 2)

    def middle(of: Sequence[Verdict]) -> float | None:
        return round(median(v.decided_s for v in of), 2) if of else None

    everybody = people + machines
    return {
        "people": len(people),
        "machines": len(machines),
        "not_judged": len(greetings) - len(heard),
        "false_machine_percent": percent(people, AnswerKind.MACHINE),
        "machines_caught_percent": percent(machines, AnswerKind.MACHINE),
        "unsure_percent": percent(everybody, AnswerKind.UNSURE),
        "decided_s_median": middle(everybody),
        "decided_s_median_people": middle(people),
        "decided_s_median_machines": middle(machines),
    }


def _verdicts(log: str, count: int) -> list[Verdict | None]:
    begun: dict[int, datetime] = {}
    found: list[Verdict | None] = [None] * count
    for line in log.splitlines():
        said = _LINE.search(line)
        if said is None or int(said["n"]) >= count:
            continue
        number, at = int(said["n"]), datetime.fromisoformat(said["at"])
        if said["what"] == "BEGIN":
            begun[number] = at
        elif number in begun and found[number] is None:
            kind = _KINDS.get(said["status"] or "", AnswerKind.UNSURE)
            found[number] = Verdict(kind, (at - begun[number]).total_seconds())
    return found


class _Call(asyncio.DatagramProtocol):
    """One call to AMD(): the greeting is told as soon as it is answered."""

    def __init__(
        self, stack: SipStack, to: tuple[str, int], number: int, greeting: Greeting
    ) -> None:
        self._stack = stack
        self._to = to
        self._number = number
        self._greeting = greeting
        self._ended = asyncio.Event()
        self._answer: asyncio.Future[sdp.Sdp] = asyncio.get_running_loop().create_future()
        self._ua: Any = None

    async def over(self) -> None:
        """Place the call, tell the greeting, and wait until Asterisk hangs up."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(HERE, 0))
        port = transport.get_extra_info("sockname")[1]
        try:
            offer = sdp.build(
                ip=HERE, port=port, session_id=secrets.randbits(31), payload_types=(sdp.PCMU,)
            )
            self._stack.run(self._place, offer)
            there = await asyncio.wait_for(self._answer, 10)
            telling = asyncio.create_task(self._tell(transport, there))
            try:
                await asyncio.wait_for(self._ended.wait(), GREETING_S_MAX)
            finally:
                telling.cancel()
        except TimeoutError as failure:
            raise EngineUnavailable("Asterisk did not judge a greeting in time") from failure
        finally:
            self._stack.run(lambda: self._ua.recvEvent(CCEventDisconnect()))
            transport.close()

    async def _tell(self, transport: asyncio.DatagramTransport, there: sdp.Sdp) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        silence = [g711.SILENCE_ULAW] * round(GREETING_S_MAX / g711.FRAME_S)
        for n, frame in enumerate((*self._greeting.frames, *silence)):
            if frame is not None:
                packet = rtp.RtpPacket(
                    payload_type=sdp.PCMU,
                    marker=n == 0,
                    seq=n & 0xFFFF,
                    timestamp=n * g711.FRAME_SAMPLES,
                    ssrc=self._number + 1,
                    payload=frame,
                )
                transport.sendto(rtp.build(packet), (there.ip, there.port))
            await asyncio.sleep(max(0.0, begun + (n + 1) * g711.FRAME_S - loop.time()))

    def _place(self, offer: str) -> None:
        self._ua = UA(self._stack.config, event_cb=self._on_event, nh_address=self._to)
        call_id = SipCallId(secrets.token_hex(12))
        wish = (call_id, str(self._number), "amd", MsgBody(offer), None, None)
        self._ua.recvEvent(CCEventTry(wish))

    def _on_event(self, event: Any, _ua: Any) -> None:
        if isinstance(event, CCEventConnect):
            answer = sdp.parse(str(event.getData()[2]))
            if answer is not None:
                self._stack.post(self._answered, answer)
        elif isinstance(event, CCEventDisconnect):
            self._stack.post(self._ended.set)

    def _answered(self, answer: sdp.Sdp) -> None:
        if not self._answer.done():
            self._answer.set_result(answer)

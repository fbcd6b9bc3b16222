"""The simulated network as an engine meets it: real SIP, real RTP, the processes as they ship."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import pytest_asyncio
from sippy.CCEvents import (
    CCEventConnect,
    CCEventDisconnect,
    CCEventFail,
    CCEventRing,
    CCEventTry,
)
from sippy.MsgBody import MsgBody
from sippy.SipCallId import SipCallId
from sippy.UA import UA

from fairdial.adapters.carrier.ear import Ear, Percept
from fairdial.adapters.carrier.line import Beat, Line
from fairdial.adapters.carrier.log import CarrierLog
from fairdial.adapters.carrier.network import Network
from fairdial.adapters.carrier.population import Behaviour, Decision, Override, Population
from fairdial.adapters.carrier.processes import CarrierProcess, PhonesProcess
from fairdial.adapters.carrier.witness import CarrierReport, read_log
from fairdial.adapters.sipstack import SipStack
from fairdial.exceptions import FairdialError, SettingsError
from fairdial.media import g711, sdp
from fairdial.media.speech import speech_frames
from fairdial.media.tones import Sound, sound_frames

pytestmark = [pytest.mark.wire, pytest.mark.asyncio(loop_scope="module")]

SCENARIO = """
[ring]
after_s_min = 0.0
after_s_max = 0.05
[[number]]
number = "+12125550101"
does = "person"
ring_s = 0.3
greeting_s = 0.6
talk_s = 1.0
says = "yes"
[[number]]
number = "+12125550102"
does = "busy"
[[number]]
number = "+12125550103"
does = "no_answer"
[[number]]
number = "+12125550104"
does = "voicemail"
ring_s = 0.0
greeting_s = 1.0
[[number]]
number = "+12125550105"
does = "not_in_service"
[[number]]
number = "+12125550106"
does = "congestion"
[[number]]
number = "+12125550107"
does = "declined"
ring_s = 0.2
[[number]]
number = "+12125550108"
does = "early_hangup"
ring_s = 0.1
[[number]]
number = "+12125550109"
does = "person"
ring_s = 0.1
greeting_s = 0.4
patience_s = 0.6
[[number]]
number = "+12125550110"
does = "person"
ring_s = 0.1
greeting_s = 0.5
talk_s = 60
[[number]]
number = "+12125550111"
does = "no_answer"
ring_s = 0.2
[[number]]
number = "+12125550112"
does = "person"
ring_s = 0.0
greeting_s = 1
patience_s = 60
"""
EVENTS = {
    CCEventRing: "progress",
    CCEventConnect: "answered",
    CCEventFail: "refused",
    CCEventDisconnect: "ended",
}


@dataclass(slots=True)
class Leg:
    """One call that a test placed: what the network said, and what was heard."""

    call_id: str
    line: Line
    stack: SipStack
    ua: Any = None
    said: asyncio.Queue[tuple[str, int]] = field(default_factory=asyncio.Queue)
    heard: list[Percept] = field(default_factory=list)
    says: tuple[bytes, ...] = (g711.SILENCE_ULAW,)
    ear: Ear = field(default_factory=Ear)
    sends: bool = True

    async def until(self, word: str) -> int:
        """Wait for an event and return its SIP status (0 when it has none)."""
        while True:
            heard, code = await asyncio.wait_for(self.said.get(), 10)
            if heard == word:
                return code

    def hang_up(self) -> None:
        """CANCEL or BYE."""
        self.stack.run(self.ua.disconnect)

    def visit(self) -> None:
        """Every 20 ms."""
        self.heard += self.ear.listen(self.line.drain(), monotonic())
        if self.sends:
            self.line.send(self.says[self.line.sent % len(self.says)])


@dataclass(slots=True)
class Caller:
    """A small telephone exchange: places calls to the simulated network."""

    stack: SipStack
    beat: Beat
    legs: list[Leg] = field(default_factory=list)

    def place(self, user: str, port: int, call_id: str) -> Leg:
        """Send the INVITE."""
        leg = Leg(call_id, Line("127.0.0.1"), self.stack)
        self.legs.append(leg)

        def connect(description: str) -> None:
            answer = sdp.parse(description)
            assert answer is not None
            leg.line.aim(answer)
            self.beat.add(leg.visit)

        def on_event(event: Any, _: Any) -> None:
            word, data = EVENTS.get(type(event), "other"), event.getData()
            if word == "answered":
                self.stack.post(connect, str(data[2]))
            self.stack.post(leg.said.put_nowait, (word, data[0] if data else 0))

        def invite() -> None:
            leg.ua = UA(self.stack.config, event_cb=on_event, nh_address=("127.0.0.1", port))
            offer = MsgBody(leg.line.answer_sdp())
            leg.ua.recvEvent(
                CCEventTry((SipCallId(call_id), "+12125550199", user, offer, None, "Fairdial"))
            )

        self.stack.run(invite)
        return leg


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def caller() -> AsyncIterator[Caller]:
    """Somebody who calls."""
    stack = SipStack(
        local_ip="127.0.0.1",
        port=0,
        user_agent="a test",
        on_request=lambda request, _: (request.genResponse(501, "No"), None, None),
    )
    await stack.start()
    beat = Beat()
    beating = asyncio.create_task(beat.run())
    exchange = Caller(stack, beat)
    yield exchange
    beating.cancel()
    await stack.stop()
    for leg in exchange.legs:
        leg.line.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def carrier(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CarrierProcess]:
    """The simulated network with its script."""
    folder = tmp_path_factory.mktemp("carrier")
    (folder / "scenario.toml").write_text(SCENARIO)
    process = CarrierProcess(log_path=folder / "log", scenario=folder / "scenario.toml")
    await process.start()
    yield process
    await process.stop()


async def eventually(claim: Callable[[], bool], *, within_s: float = 5.0) -> None:
    """Wait until a claim holds."""
    deadline = monotonic() + within_s
    while not claim():
        assert monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.02)


async def logged(carrier: CarrierProcess, claim: Callable[[CarrierReport], bool]) -> CarrierReport:
    """The log, once a claim about it holds."""
    await eventually(lambda: claim(read_log(carrier.log_path)))
    return read_log(carrier.log_path)


async def test_a_person_is_heard_saying_yes(caller: Caller, carrier: CarrierProcess) -> None:
    leg = caller.place("+12125550101", carrier.port, "yes-1")
    assert await leg.until("answered") == 200
    await asyncio.sleep(0.8)
    leg.says = speech_frames(4)
    await leg.until("ended")
    assert [p for p in leg.heard if p is not Percept.SILENCE] == [Percept.VOICE] * (
        leg.heard.count(Percept.VOICE)
    ) + [Percept.YES]
    report = await logged(carrier, lambda r: "yes-1" in r.media)
    media = report.media["yes-1"]
    assert [(e.by, e.why) for e in report.endings if e.call_id == "yes-1"] == [
        ("called_party", "BYE")
    ]
    assert report.ringing["yes-1"] < report.answered["yes-1"]
    assert media.lost == 0
    assert media.foreign == 0
    assert media.received == pytest.approx(media.sent, rel=0.1)
    assert media.first_audio_ms is not None
    assert 0 <= media.first_audio_ms < 200
    assert sum(media.gaps_ms.values()) == media.received - 1


@pytest.mark.parametrize(
    ("number", "code", "rings"),
    [
        ("+12125550102", 486, False),
        ("+12125550105", 404, False),
        ("+12125550106", 503, False),
        ("+12125550107", 603, True),
        ("+12125550111", 480, True),
        ("+442079461000", 403, False),
        ("+12125550200", 403, False),
    ],
)
async def test_calls_that_nobody_takes_get_their_status(
    caller: Caller, carrier: CarrierProcess, number: str, code: int, rings: bool
) -> None:
    call_id = f"refused-{number}"
    assert await caller.place(number, carrier.port, call_id).until("refused") == code
    report = await logged(carrier, lambda r: call_id in r.refused)
    assert (report.refused[call_id], call_id in report.ringing) == (code, rings)
    assert [i.to for i in report.invites if i.call_id == call_id] == [number]


async def test_a_phone_that_nobody_answers_rings_until_cancel(
    caller: Caller, carrier: CarrierProcess
) -> None:
    leg = caller.place("+12125550103", carrier.port, "unanswered")
    await logged(carrier, lambda r: "unanswered" in r.ringing)
    leg.hang_up()
    report = await logged(carrier, lambda r: "unanswered" in r.cancelled)
    assert "unanswered" not in report.answered


async def test_a_voicemail_greets_then_beeps(caller: Caller, carrier: CarrierProcess) -> None:
    leg = caller.place("+12125550104", carrier.port, "machine")
    await leg.until("answered")
    await eventually(lambda: Percept.SILENCE in leg.heard)
    leg.hang_up()
    assert leg.heard == [Percept.VOICE, Percept.BEEP, Percept.SILENCE]
    report = await logged(carrier, lambda r: "machine" in r.media)
    assert "machine" not in report.ringing
    assert [e.by for e in report.endings if e.call_id == "machine"] == ["caller"]


@pytest.mark.parametrize(("number", "least_s"), [("+12125550108", 1.0), ("+12125550109", 1.0)])
async def test_people_leave_early_or_when_they_hear_nothing(
    caller: Caller, carrier: CarrierProcess, number: str, least_s: float
) -> None:
    leg = caller.place(number, carrier.port, f"left-{number}")
    await leg.until("answered")
    await leg.until("ended")
    report = await logged(carrier, lambda r: leg.call_id in r.media)
    ending = next(e for e in report.endings if e.call_id == leg.call_id)
    assert ending.by == "called_party"
    assert least_s - 0.1 < ending.at - report.answered[leg.call_id] < 3.2
    assert not {Percept.YES, Percept.NO, Percept.STOP} & set(leg.heard)


async def test_our_bye_ends_the_call(caller: Caller, carrier: CarrierProcess) -> None:
    leg = caller.place("+12125550110", carrier.port, "bye")
    leg.says = speech_frames(1)
    await leg.until("answered")
    await asyncio.sleep(1)
    leg.hang_up()
    report = await logged(carrier, lambda r: "bye" in r.media)
    assert [(e.by, e.why) for e in report.endings if e.call_id == "bye"] == [("caller", "BYE")]


def raw_invite(number: str, call_id: str, branch: str, *, port: int) -> bytes:
    """An INVITE as it goes over the wire."""
    body = sdp.build(ip="127.0.0.1", port=port, session_id=1, payload_types=(sdp.PCMU,))
    head = [
        f"INVITE sip:{number}@127.0.0.1 SIP/2.0",
        f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{branch}",
        "Max-Forwards: 70",
        "From: <sip:+12125550199@127.0.0.1>;tag=test",
        f"To: <sip:{number}@127.0.0.1>",
        f"Call-ID: {call_id}",
        "CSeq: 1 INVITE",
        f"Contact: <sip:+12125550199@127.0.0.1:{port};transport=UDP>",
        "Content-Type: application/sdp",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*head, "", body]).encode()


async def test_a_retransmission_is_one_call_and_a_second_invite_is_two(
    carrier: CarrierProcess,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        port = wire.getsockname()[1]
        once = raw_invite("+12125550103", "twice", "one", port=port)
        wire.sendto(once, ("127.0.0.1", carrier.port))
        await logged(carrier, lambda r: "twice" in r.ringing)
        wire.sendto(once, ("127.0.0.1", carrier.port))
        await asyncio.sleep(0.3)
        again = raw_invite("+12125550103", "twice", "two", port=port)
        before = [i.call_id for i in read_log(carrier.log_path).invites].count("twice")
        wire.sendto(again, ("127.0.0.1", carrier.port))
        await asyncio.sleep(0.3)
        after = [i.call_id for i in read_log(carrier.log_path).invites].count("twice")
    assert (before, after) == (1, 2)


async def test_an_offer_that_leads_off_this_machine_is_refused(carrier: CarrierProcess) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        invite = raw_invite("+12125550101", "away", "away", port=wire.getsockname()[1])
        body = invite.replace(b"c=IN IP4 127.0.0.1", b"c=IN IP4 192.0.2.1")
        wire.sendto(body, ("127.0.0.1", carrier.port))
        report = await logged(carrier, lambda r: "away" in r.refused)
    assert report.refused["away"] == 488


async def test_an_answer_that_is_never_acknowledged_is_given_up_after_32_s(
    carrier: CarrierProcess,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        invite = raw_invite("+12125550112", "no-ack", "no-ack", port=wire.getsockname()[1])
        wire.sendto(invite, ("127.0.0.1", carrier.port))
        await logged(carrier, lambda r: "no-ack" in r.answered)
        await eventually(lambda: "no-ack" in read_log(carrier.log_path).media, within_s=34)
    report = read_log(carrier.log_path)
    ending = next(e for e in report.endings if e.call_id == "no-ack")
    assert (ending.by, ending.why) == ("carrier", "no ACK")
    assert ending.at - report.answered["no-ack"] == pytest.approx(32, abs=0.5)


async def test_calls_over_the_limit_get_503(caller: Caller, tmp_path: Path) -> None:
    (tmp_path / "scenario.toml").write_text(SCENARIO)
    carrier = CarrierProcess(
        log_path=tmp_path / "log", scenario=tmp_path / "scenario.toml", calls_max=1
    )
    await carrier.start()
    first = caller.place("+12125550103", carrier.port, "first")
    await logged(carrier, lambda r: "first" in r.ringing)
    assert await caller.place("+12125550101", carrier.port, "second").until("refused") == 503
    first.hang_up()
    await logged(carrier, lambda r: "first" in r.cancelled)
    third = caller.place("+12125550101", carrier.port, "third")
    assert await third.until("answered") == 200
    await carrier.stop()
    await third.until("ended")
    report = read_log(carrier.log_path)
    assert [(e.call_id, e.by, e.why) for e in report.endings] == [
        ("third", "carrier", "carrier stopped")
    ]


async def test_a_caller_that_falls_silent_on_the_wire_is_cut_off(
    caller: Caller, tmp_path: Path
) -> None:
    number = "+12125550142"
    carrier_log = CarrierLog(tmp_path / "log")
    network = Network(
        population=Population(
            overrides={
                number: Override(does=Behaviour.PERSON, ring_s=0.0, talk_s=60.0, says=Decision.NO)
            }
        ),
        carrier_log=carrier_log,
        media_lost_s=0.5,
    )
    port = await network.start()
    beating = asyncio.create_task(network.beat.run())
    leg = caller.place(number, port, "lost")
    leg.says = speech_frames(1)
    await leg.until("answered")
    await asyncio.sleep(0.5)
    leg.sends = False
    await leg.until("ended")
    await network.stop()
    beating.cancel()
    carrier_log.close()
    report = read_log(tmp_path / "log")
    assert [(e.by, e.why) for e in report.endings] == [("carrier", "media lost")]


@pytest_asyncio.fixture(loop_scope="module")
async def phones() -> AsyncIterator[PhonesProcess]:
    """The phones of two agents."""
    process = PhonesProcess(count=2)
    await process.start()
    yield process
    await process.stop()


async def test_an_agents_phone_answers_hears_and_talks(
    caller: Caller, phones: PhonesProcess
) -> None:
    reports: list[tuple[int, Percept]] = []

    async def listen() -> None:
        async for heard in phones.heard():
            reports.append((heard.phone, heard.what))

    listening = asyncio.create_task(listen())
    leg = caller.place("agent-2", phones.port, "agent-leg")
    assert phones.uri(2) == f"sip:agent-2@127.0.0.1:{phones.port}"
    assert await leg.until("answered") == 200
    await eventually(lambda: phones.legs_up == {2})
    leg.says = speech_frames(3)
    await eventually(lambda: (2, Percept.VOICE) in reports)
    leg.says = sound_frames(Sound.STOP)
    await eventually(lambda: (2, Percept.STOP) in reports)
    leg.sends = False
    await eventually(lambda: (2, Percept.SILENCE) in reports)
    assert reports == [(2, Percept.VOICE), (2, Percept.STOP), (2, Percept.SILENCE)]
    assert leg.heard == []
    await phones.talk(2)
    await eventually(lambda: leg.heard == [Percept.VOICE])
    await phones.be_silent(2)
    await eventually(lambda: leg.heard == [Percept.VOICE, Percept.SILENCE])
    # After a crash of the engine nobody hangs up the old leg; the new one replaces it.
    second = caller.place("agent-2", phones.port, "agent-leg-2")
    assert await second.until("answered") == 200
    await leg.until("ended")
    await eventually(lambda: phones.legs_up == {2})
    assert await caller.place("agent-3", phones.port, "no-such").until("refused") == 404
    second.hang_up()
    await eventually(lambda: phones.legs_up == set())
    await phones.stop()
    await asyncio.wait_for(listening, 5)


async def test_a_start_that_fails_says_why(tmp_path: Path, carrier: CarrierProcess) -> None:
    (tmp_path / "bad.toml").write_text("[mix]\npersn = 1")
    with pytest.raises(FairdialError, match=r"did not start: .*bad\.toml: mix\.persn is not known"):
        await CarrierProcess(log_path=tmp_path / "log", scenario=tmp_path / "bad.toml").start()
    with pytest.raises(FairdialError, match=rf"did not start: .*{carrier.port}.* already in use"):
        await CarrierProcess(log_path=tmp_path / "log", port=carrier.port).start()
    with pytest.raises(FairdialError, match=r"did not start: --count must be from 1 to 500"):
        await PhonesProcess(count=0).start()


async def test_refuses_any_address_that_others_can_reach(tmp_path: Path) -> None:
    carrier_log = CarrierLog(tmp_path / "log")
    for address in ("0.0.0.0", "192.0.2.1", "carrier.example"):
        with pytest.raises(SettingsError, match=f"'{address}' is not a loopback address"):
            Network(population=Population(), carrier_log=carrier_log, local_ip=address)
    carrier_log.close()


async def test_ctrl_c_is_left_to_the_parent_and_sigterm_ends(tmp_path: Path) -> None:
    process = CarrierProcess(log_path=tmp_path / "log")
    await process.start()
    os.kill(process.pid, signal.SIGINT)
    await asyncio.sleep(0.3)
    os.kill(process.pid, 0)
    os.kill(process.pid, signal.SIGTERM)
    await eventually(lambda: b"stopped" in process.log_path.read_bytes())
    await process.stop()


PARENT = """
import asyncio, json, sys
from pathlib import Path
from fairdial.adapters.carrier.processes import CarrierProcess, PhonesProcess

async def main():
    carrier, phones = CarrierProcess(log_path=Path(sys.argv[1])), PhonesProcess(count=1)
    await carrier.start()
    await phones.start()
    print(json.dumps([carrier.pid, phones.pid]), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_both_processes_die_with_a_killed_parent(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path / "log"), stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    pids = json.loads(await asyncio.wait_for(parent.stdout.readline(), 20))
    assert all(is_running(pid) for pid in pids)
    parent.kill()
    await parent.wait()
    await eventually(lambda: not any(is_running(pid) for pid in pids))


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"

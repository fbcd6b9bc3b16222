"""A whole campaign, dialed by the real command, against SIPp as a carrier.

The simulated carrier and our engine share one SIP library and one pair of hands; SIPp shares
nothing with us. What it traced is held against what Fairdial says that it did. The carrier's
behaviour follows from the last digit of the called number: see sipp/carrier.xml.
"""

from __future__ import annotations

import csv
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fairdial.media import g711
from fairdial.media.tones import Sound, sound_frames

from .command import HERE, Installation, free_port, installed

pytestmark = pytest.mark.wire

SAYS_YES, LISTENS, BUSY, RINGS, NO_CIRCUIT, SILENT = (
    f"+1212555010{digit}" for digit in (1, 5, 2, 3, 4, 6)
)
EVERYBODY = (SAYS_YES, LISTENS, BUSY, RINGS, NO_CIRCUIT, SILENT)
RING_S = 15.0
TALK_S = 3.0
"""How long the called parties of carrier.xml talk."""


@dataclass(frozen=True)
class Message:
    """A SIP message as SIPp traced it."""

    at: float
    is_received: bool
    start: str
    """`INVITE`, or `180` for a response to whatever it responds to."""
    number: str
    """The user part of its To."""
    call_id: str
    branch: str
    cseq: str


@dataclass(frozen=True)
class Played:
    """One campaign that was dialed over SIPp: what either side says of it."""

    exit_code: int
    said: str
    complained: str
    summary: dict[str, Any]
    left_behind: dict[int, str]
    sipp_exit_code: int
    statistics: dict[str, str]
    messages: list[Message]
    heard: list[bytes]
    """The packets that came to the ear of the called party who only listens."""
    audit: tuple[int, str]

    def of(self, number: str, start: str, *, received: bool) -> list[Message]:
        """The messages of one kind and direction about one number."""
        return [
            m
            for m in self.messages
            if (m.number, m.start, m.is_received) == (number, start, received)
        ]


@pytest.fixture(scope="module")
def played(fast_folder: Path) -> Iterator[Played]:
    """The campaign, dialed once for all claims about it."""
    if shutil.which("sipp") is None:
        pytest.fail("SIPp is not installed: run ./check, which brings it (Debian: sip-tester)")
    with (
        installed(fast_folder) as installation,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear,
    ):
        ear.bind((HERE, 0))
        ear.setblocking(False)
        yield _play(installation, ear)


def _play(installation: Installation, ear: socket.socket) -> Played:
    installation.write_campaign(
        agents=len(EVERYBODY),
        more="[retry.congestion]\nafter_minutes = 10\nattempts_max = 3\n"
        "[retry.failed]\nafter_minutes = 30\nattempts_max = 3\n",
    )
    installation.write_leads(EVERYBODY)
    folder, port = installation.folder / "sipp", free_port()
    sipp = _start_sipp(folder, port, ear_port=ear.getsockname()[1])
    try:
        command = installation.dial(settings={"trunks": installation.write_trunk(port)})
        exit_code = command.ended()
        sipp_exit_code = sipp.wait(20)
    finally:
        sipp.kill()
        sipp.wait(10)
    left_behind = installation.processes()
    audit = installation.audit()
    return Played(
        exit_code=exit_code,
        said=command.said,
        complained=command.complained,
        summary=installation.summary,
        left_behind=left_behind,
        sipp_exit_code=sipp_exit_code,
        statistics=_statistics(folder / "statistics.csv"),
        messages=_messages(folder / "messages.log"),
        heard=_everything(ear),
        audit=(audit.process.returncode, audit.said),
    )


def _start_sipp(folder: Path, port: int, *, ear_port: int) -> subprocess.Popen[bytes]:
    folder.mkdir()
    scenario = (Path(__file__).parent / "sipp" / "carrier.xml").read_text()
    (folder / "carrier.xml").write_text(scenario.replace("[ear]", str(ear_port)))
    pause = g711.SILENCE_ULAW * 50
    (folder / "voice.ulaw").write_bytes(pause + b"".join(sound_frames(Sound.YES)) + pause)
    options = (
        f"-nostdin -sf carrier.xml -i {HERE} -mi {HERE} -p {port} -m {len(EVERYBODY)}"
        " -pause_msg_ign -timeout 80s -timeout_error"
        " -trace_msg -message_file messages.log -trace_err -error_file errors.log"
        " -trace_stat -stf statistics.csv -fd 1"
    )
    process = subprocess.Popen(
        ["sipp", *options.split()],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 10
    while not (folder / "statistics.csv").exists():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            pytest.fail(f"SIPp did not start: sipp {options}")
        time.sleep(0.05)
    return process


def _statistics(path: Path) -> dict[str, str]:
    """SIPp's own last word about all calls."""
    *_, last = csv.DictReader(path.read_text().splitlines(), delimiter=";")
    return last


def _messages(path: Path) -> list[Message]:
    pattern = re.compile(r"^-{20,} (\S+ \S+)$\n(UDP message (?:received|sent)).*$", re.MULTILINE)
    _, *pieces = pattern.split(path.read_text())
    return [
        _message(at, direction, text)
        for at, direction, text in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True)
    ]


def _message(at: str, direction: str, text: str) -> Message:
    first, *lines = text.strip().splitlines()
    headers = {
        name.lower(): value.strip()
        for name, found, value in (line.partition(":") for line in reversed(lines))
        if found
    }
    number = re.search(r"sip:(\+\d+)@", headers["to"])
    branch = re.search(r"branch=([^;]+)", headers["via"])
    words = first.split()
    return Message(
        at=datetime.fromisoformat(at).timestamp(),
        is_received=direction.endswith("received"),
        start=words[1] if words[0] == "SIP/2.0" else words[0],
        number=number[1] if number else "",
        call_id=headers["call-id"],
        branch=branch[1] if branch else "",
        cseq=headers["cseq"],
    )


def _everything(ear: socket.socket) -> list[bytes]:
    """What waits in the socket: three seconds of audio fit into the kernel's buffer."""
    packets = []
    while True:
        try:
            packets.append(ear.recv(2048))
        except BlockingIOError:
            return packets


def test_ends_by_itself_in_good_order_and_leaves_no_process(played: Played) -> None:
    assert (played.exit_code, played.complained, played.left_behind) == (0, "", {})


def test_sipp_finds_nothing_wrong_with_any_call(played: Played) -> None:
    names = ("IncomingCall(C)", "SuccessfulCall(C)", "FailedCall(C)", "CurrentCall")
    counted = {name: int(played.statistics[name]) for name in names}
    assert counted == dict(zip(names, (6, 6, 0, 0), strict=True))
    assert played.sipp_exit_code == 0


def test_every_attempt_has_the_outcome_that_the_carrier_gave_it(played: Played) -> None:
    assert played.summary["outcomes"] == {
        "connected": 2,
        "busy": 1,
        "no_answer": 1,
        "congestion": 1,
        "failed": 1,
    }
    assert (played.summary["answered"], played.summary["abandoned"]) == (2, 0)


def test_each_permit_rings_once_and_nothing_rings_without_one(played: Played) -> None:
    invites = {m.call_id: m.number for m in played.messages if m.start == "INVITE"}
    used = [played.summary[name] for name in ("attempts", "permits", "permits_used")]
    assert sorted(invites.values()) == sorted(EVERYBODY)
    assert used == [len(invites)] * 3


def test_no_answer_is_taken_back_after_the_ring_time_and_not_before(played: Played) -> None:
    (ringing,) = played.of(RINGS, "180", received=False)
    (cancel,) = played.of(RINGS, "CANCEL", received=True)
    # Ours is a clock that nobody sets, SIPp's is the wall clock: 10 ms for what it was moved.
    assert RING_S - 0.01 <= cancel.at - ringing.at < RING_S + 1.0
    assert len(played.of(RINGS, "487", received=False)) == 1
    assert len(played.of(RINGS, "ACK", received=True)) == 1


@pytest.mark.parametrize(
    ("number", "replies"), [(NO_CIRCUIT, ["100", "503"]), (BUSY, ["486"])], ids=["503", "486"]
)
def test_a_refusal_is_acknowledged_and_not_tried_again_at_once(
    played: Played, number: str, replies: list[str]
) -> None:
    story = [m.start for m in played.messages if m.number == number]
    assert story == ["INVITE", *replies, "ACK"]


def test_silence_gets_one_invite_repeated_and_is_given_up_within_seconds(played: Played) -> None:
    invites = played.of(SILENT, "INVITE", received=True)
    assert len({(m.call_id, m.branch, m.cseq) for m in invites}) == 1
    # RFC 3261 section 17.1.1.2: timer A begins at 500 ms and doubles.
    waits = [after.at - before.at for before, after in pairwise(invites)]
    assert [round(wait * 2) / 2 for wait in waits] == [0.5, 1.0, 2.0]
    # Nobody rang, so there is nothing to take back (section 9.1: no CANCEL before a response).
    assert [m.start for m in played.messages if m.number == SILENT] == ["INVITE"] * len(invites)


def test_what_the_called_party_says_reaches_the_agent(played: Played) -> None:
    """SIPp plays the sound for yes; only an agent who heard it can have recorded a sale."""
    assert played.summary["dispositions"] == {"sale": 1, "hung_up": 1}


def test_the_called_party_hears_the_agent_without_a_gap(played: Played) -> None:
    answered = played.of(LISTENS, "200", received=False)[0]
    # The first: on a busy machine SIPp may repeat it before our 200 is there (timer E, 500 ms).
    bye = next(m for m in played.messages if (m.call_id, m.start) == (answered.call_id, "BYE"))
    voice = [p for p in played.heard if len(set(p[12:])) > 1]
    numbers = [int.from_bytes(p[2:4], "big") for p in played.heard]
    steps = {(b - a) % 65536 for a, b in pairwise(numbers)}
    # RTP version 2, PCMU, 20 ms (RFC 3550, RFC 3551).
    assert {(p[0] >> 6, p[1] & 0x7F, len(p)) for p in played.heard} == {(2, 0, 12 + 160)}
    assert steps == {1}
    assert len(played.heard) == pytest.approx((bye.at - answered.at) / 0.02, rel=0.1)
    # Agents speak most of the time.
    assert len(voice) > len(played.heard) / 2


def test_the_audit_verifies_afterwards(played: Played) -> None:
    assert played.summary["chain_verified"] is True
    assert played.summary["audit_findings"] == []
    exit_code, said = played.audit
    assert (exit_code, f"{played.summary['audit_entries']} entries holds" in said) == (0, True)

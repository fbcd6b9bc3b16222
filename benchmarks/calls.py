"""How many calls the embedded engine sets up, beside SIPp, and what it keeps of them: nothing.

    .venv/bin/python benchmarks/calls.py --calls 3000 --rate 100

It stands outside of the product, because it dials without the gate: the engine alone is measured,
on this machine alone, each call under a permit that the rules gave for a fictional number.

Calls are placed one after the other at a fixed rate, each under a permit of its own, answered by
SIPp and ended at once. The peer, after it on the same machine, is SIPp calling SIPp at the same
rate. Along the way the engine's memory, open files and threads are looked at: a curve that rises
with the calls would be a leak.
"""

# A program of its own: it talks to the terminal.

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

from fairdial.adapters.clocks import SandboxClock, TimeOrderedIds
from fairdial.adapters.sip.settings import SipSettings
from fairdial.adapters.sip.telephony import SipTelephony
from fairdial.bench.machine import machine, processor_seconds
from fairdial.core import permit
from fairdial.core.facts import Facts
from fairdial.core.ids import E164, AttemptId, LeadId, PermitId
from fairdial.core.permit import Permit
from fairdial.core.rulebook import Rulebook
from fairdial.core.trunk import CALLS_MAX, CALLS_PER_SECOND_MAX, TrunkSettings
from fairdial.exceptions import FairdialError, SettingsError
from fairdial.ports import CallAnswered, CallEnded, CallNotDialed, Message, TelephonyEvent
from fairdial.rules import load_rulebook
from fairdial.rules.situations import facts_of
from fairdial.sandbox.leads import demo_message

HERE = "127.0.0.1"
MORNING = datetime(2026, 12, 2, 16, 0, tzinfo=UTC)
"""A Wednesday, eleven o'clock in New York: every rule allows an ordinary call."""
POINTS = 20
"""Of the curve."""
_LEFT_S = 40.0
"""How long the last calls may take, seconds."""

Figures = dict[str, object]


async def run(*, calls: int, rate: float) -> Figures:
    """Set up `calls` calls, `rate` a second, and as many from SIPp to SIPp.

    Raises `SettingsError` without SIPp.
    """
    if shutil.which("sipp") is None:
        raise SettingsError("SIPp is not installed: apt-get install sip-tester")
    folder = Path(mkdtemp(prefix="fairdial-bench-"))
    async with sipp_answers(folder, "ours") as (port, answering):
        ours = await _ours(folder, port, calls=calls, rate=rate)
        ours["sipp_answering_core_percent"] = answering()
    async with sipp_answers(folder, "peer") as (port, answering):
        peer = await _sipp_calls(folder, port, calls=calls, rate=rate)
        peer["sipp_answering_core_percent"] = answering()
    mine, theirs = ours["processor_ms_per_call"], peer["processor_ms_per_call"]
    assert isinstance(mine, float)
    assert isinstance(theirs, float)
    return {
        "measured_on": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine(),
        "asked": {"calls": calls, "calls_per_s": rate},
        "fairdial": ours,
        "sipp": peer,
        "processor_ratio": round(mine / theirs, 1) if theirs else None,
    }


def trunk_to(port: int) -> TrunkSettings:
    """A trunk to this port of this machine, without a limit of its own."""
    return TrunkSettings(
        name="far-end",
        host=HERE,
        port=port,
        options_s=0,
        calls_max=CALLS_MAX,
        calls_per_second=CALLS_PER_SECOND_MAX,
    )


def engine_settings(folder: Path, port: int) -> SipSettings:
    """The embedded engine with one trunk to this port."""
    return SipSettings(
        trunks=(trunk_to(port),),
        local_ip=HERE,
        sip_port=0,
        rtp_port_min=30000,
        rtp_port_max=39999,
        is_sandbox=True,
        data_dir=folder / "engine",
        messages={Message.ABANDONED: demo_message(folder)},
        caller_name="Fairdial bench",
        calls_max=CALLS_MAX,
    )


@dataclass(slots=True)
class _Tally:
    """What became of the calls."""

    calls: int
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the last of them is over."""
    answered: int = 0
    ended: int = 0
    not_dialed: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    whys: Counter[str] = field(default_factory=Counter)
    """Why calls were not dialed."""
    curve: list[Figures] = field(default_factory=list)

    @property
    def over(self) -> int:
        return self.ended + self.not_dialed


async def _ours(folder: Path, port: int, *, calls: int, rate: float) -> Figures:
    clock = SandboxClock(MORNING)
    telephony = SipTelephony(engine_settings(folder, port), clock)
    await telephony.start()
    tally, permits = _Tally(calls), Permits(clock)
    listening = asyncio.create_task(_listen(telephony, tally))
    pid = telephony.engine_pid
    cpu_before, begun = processor_seconds(pid) or 0.0, time.monotonic()
    every = max(1, calls // POINTS)
    late_s = 0.0
    try:
        for n in range(calls):
            due = begun + n / rate
            late_s = max(late_s, time.monotonic() - due)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await telephony.dial(permits.next(n), ring_s=20)
            if n % every == 0:
                tally.curve.append({"calls": n, **_state(pid)})
        dialed_s = time.monotonic() - begun
        with suppress(TimeoutError):
            await asyncio.wait_for(tally.news.wait(), _LEFT_S)
        tally.curve.append({"calls": calls, **_state(pid)})
        cpu_s = (processor_seconds(pid) or 0.0) - cpu_before
    finally:
        await telephony.stop()
        listening.cancel()
    return {
        "calls_per_s": round(calls / dialed_s, 1),
        "answered": tally.answered,
        "not_dialed": tally.not_dialed,
        "not_dialed_because": dict(tally.whys.most_common(5)),
        "ended": dict(tally.causes),
        "never_ended": calls - tally.over,
        "longest_behind_schedule_ms": round(1000 * late_s, 1),
        "engine_core_percent": round(100 * cpu_s / dialed_s, 1),
        "processor_ms_per_call": round(1000 * cpu_s / calls, 2),
        "curve": tally.curve,
    }


async def _listen(telephony: SipTelephony, tally: _Tally) -> None:
    """Hang up whatever is answered, and count."""
    async for event in telephony.events():
        await _take(telephony, tally, event)


async def _take(telephony: SipTelephony, tally: _Tally, event: TelephonyEvent) -> None:
    if isinstance(event, CallAnswered):
        tally.answered += 1
        await telephony.hang_up(event.attempt_id)
    elif isinstance(event, CallEnded):
        tally.ended += 1
        tally.causes[event.cause.value] += 1
    elif isinstance(event, CallNotDialed):
        tally.not_dialed += 1
        tally.whys[event.why[:120]] += 1
    if tally.over >= tally.calls:
        tally.news.set()


class Permits:
    """Real permits for fictional numbers: the engine dials nothing without one."""

    def __init__(self, clock: SandboxClock) -> None:
        self._clock = clock
        self._rulebook: Rulebook = load_rulebook()
        self._ids = TimeOrderedIds()
        self._facts: Facts = facts_of({"method": "live_manual"}, MORNING)

    def next(self, number: int) -> Permit:
        """A permit for an attempt of its own."""
        now = self._clock.now()
        facts = replace(self._facts, number=E164(f"+121255501{number % 100:02}"), gathered_at=now)
        granted = permit.issue(
            facts,
            self._rulebook,
            now,
            permit_id=PermitId(self._ids.new()),
            attempt_id=AttemptId(self._ids.new()),
            lead_id=LeadId(self._ids.new()),
        )
        if not isinstance(granted, Permit):
            raise FairdialError(f"the bench's call is refused by {granted.reasons}")
        return granted


def _state(pid: int) -> Figures:
    """Memory, open files and threads of a process."""
    folder = Path(f"/proc/{pid}")
    status = dict(
        line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line
    )
    return {
        "resident_mb": round(int(status["VmRSS"].split()[0]) / 1024, 1),
        "open_files": sum(1 for _ in (folder / "fd").iterdir()),
        "threads": int(status["Threads"]),
    }


@asynccontextmanager
async def sipp_answers(folder: Path, name: str) -> AsyncIterator[tuple[int, Callable[[], float]]]:
    """SIPp answering every call; its port, and how much of a core it took."""
    port = _free_port()
    place = folder / name
    place.mkdir(parents=True)
    process = await asyncio.create_subprocess_exec(
        "sipp",
        *("-sn", "uas", "-i", HERE, "-p", str(port), "-nostdin", "-nd"),
        cwd=place,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    begun = time.monotonic()
    await asyncio.sleep(0.5)
    try:
        yield (
            port,
            lambda: round(
                100 * (processor_seconds(process.pid) or 0.0) / (time.monotonic() - begun), 1
            ),
        )
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _sipp_calls(folder: Path, port: int, *, calls: int, rate: float) -> Figures:
    """SIPp calling: as many calls at the same rate, each hung up at once."""
    begun = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        "sipp",
        *("-sn", "uac", f"{HERE}:{port}", "-i", HERE, "-p", str(_free_port())),
        *("-r", f"{rate:g}", "-m", str(calls), "-d", "0", "-nostdin"),
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    cpu_s = 0.0
    while process.returncode is None:
        cpu_s = max(cpu_s, processor_seconds(process.pid) or 0.0)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 0.1)
    took_s = time.monotonic() - begun
    return {
        "calls_per_s": round(calls / took_s, 1),
        "all_succeeded": process.returncode == 0,
        "processor_ms_per_call": round(1000 * cpu_s / calls, 2),
    }


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Measure, and print the figures as JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--calls", type=int, default=3000, help="calls in all")
    options.add_argument("--rate", type=float, default=100.0, help="calls that start in a second")
    asked = options.parse_args()
    if asked.calls < 20 or not 1 <= asked.rate <= CALLS_PER_SECOND_MAX:
        options.error(f"--calls from 20 on, --rate from 1 to {CALLS_PER_SECOND_MAX:g}")
    try:
        found = asyncio.run(run(calls=asked.calls, rate=asked.rate))
    except FairdialError as failure:
        sys.exit(str(failure))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

"""How many bridged G.711 calls the embedded engine carries without gaps, and what each costs.

    .venv/bin/python benchmarks/bridges.py --calls 100 --minutes 2

So many people of the simulated carrier talk with so many simulated agents' phones at once, through
the engine; carrier and phones are processes of their own on the same machine and take their share
of it. What the people hear is measured by the carrier, at the kernel's times. The peer, in the same
minutes, is one bare stream of packets that nobody relays. It dials without the gate, as `calls.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

from calls import MORNING, Figures, Permits, engine_settings

from fairdial.adapters.carrier.figures import histogram_percentile
from fairdial.adapters.carrier.processes import CarrierProcess, PhonesProcess
from fairdial.adapters.carrier.witness import read_log
from fairdial.adapters.clocks import SandboxClock
from fairdial.adapters.sip.telephony import SipTelephony
from fairdial.bench.machine import machine, processor_seconds
from fairdial.core.ids import AttemptId, SessionId
from fairdial.exceptions import FairdialError
from fairdial.ports import AgentLegUp, CallAnswered, CallBridged, Part

CALLS_MAX = 300
SETTING_UP_S = 60.0
PER_SECOND = 20.0
SCENARIO = """
[mix]
person = 1.0
[ring]
after_s_min = 0.0
after_s_max = 0.1
mean_s = 0.2
max_s = 0.5
[talk]
mean_s = 30000.0
patience_s_min = 600.0
"""


async def run(*, calls: int, minutes: float) -> Figures:
    """Bridge so many calls and let them talk."""
    folder = Path(mkdtemp(prefix="fairdial-bench-"))
    (folder / "scenario.toml").write_text(SCENARIO)
    carrier = CarrierProcess(
        log_path=folder / "carrier.jsonl", scenario=folder / "scenario.toml", calls_max=calls
    )
    phones = PhonesProcess(count=calls)
    await carrier.start()
    await phones.start()
    telephony = SipTelephony(engine_settings(folder, carrier.port), SandboxClock(MORNING))
    try:
        await telephony.start()
        bridged = await _bridge(telephony, phones, calls)
        used, begun = processor_seconds(telephony.engine_pid) or 0.0, time.monotonic()
        gaps = await _beside(60 * minutes)
        seconds = time.monotonic() - begun
        used = (processor_seconds(telephony.engine_pid) or 0.0) - used
    finally:
        await telephony.stop()
        await phones.stop()
        await carrier.stop()
    report = read_log(folder / "carrier.jsonl")
    heard = [media for media in report.media.values() if media.received]
    return {
        "measured_on": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine(),
        "asked": {"calls": calls, "minutes": minutes},
        "bridged": bridged,
        "engine_core_percent": round(100 * used / seconds, 1),
        "core_percent_per_bridged_call": round(100 * used / seconds / max(1, bridged), 2),
        "people_heard": len(heard),
        "packets": sum(media.received for media in heard),
        "packets_lost": sum(media.lost for media in heard),
        "gap_ms": {
            "p99": report.gap_ms_p99,
            "p999": histogram_percentile([m.gaps_ms for m in heard], 0.999),
            "max": max((m.gap_ms_max for m in heard), default=None),
            "bare_stream_p99": histogram_percentile([gaps], 0.99),
            "bare_stream_max": max(gaps, default=None),
        },
    }


async def _bridge(telephony: SipTelephony, phones: PhonesProcess, calls: int) -> int:
    """Join every agent with somebody; how many there are."""
    clock, free = SandboxClock(MORNING), []
    permits, bridged = Permits(clock), 0
    sessions = [SessionId(uuid4()) for _ in range(calls)]
    done = asyncio.Event()

    async def listen() -> None:
        nonlocal bridged
        up = 0
        async for event in telephony.events():
            match event:
                case AgentLegUp(session_id=session):
                    free.append(session)
                    up += 1
                    if up == calls:
                        done.set()
                case CallAnswered(attempt_id=attempt):
                    await telephony.join(AttemptId(attempt), free.pop(), Part.TALK)
                case CallBridged():
                    bridged += 1
                    if bridged == calls:
                        done.set()
                case _:
                    pass

    listening = asyncio.create_task(listen())
    try:
        for n, session in enumerate(sessions, start=1):
            await telephony.connect_agent(session, phones.uri(n))
            await phones.talk(n)
            await asyncio.sleep(1 / PER_SECOND)
        await asyncio.wait_for(done.wait(), SETTING_UP_S)
        done.clear()
        for n in range(calls):
            await telephony.dial(permits.next(n), ring_s=20)
            await asyncio.sleep(1 / PER_SECOND)
        await asyncio.wait_for(done.wait(), SETTING_UP_S)
    except TimeoutError:
        sys.stderr.write(f"only {bridged} of {calls} calls were bridged in time\n")
    finally:
        listening.cancel()
    return bridged


async def _beside(seconds: float) -> dict[int, int]:
    """The gaps of a bare stream meanwhile, milliseconds to their number."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "fairdial.bench.heartbeat"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    await asyncio.sleep(seconds)
    told, _ = await process.communicate(b"\n")
    return {int(gap): count for gap, count in json.loads(told).items()}


def main() -> None:
    """Measure, and print the figures as JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--calls", type=int, default=100, help="bridged calls at once")
    options.add_argument("--minutes", type=float, default=2.0)
    asked = options.parse_args()
    if not 1 <= asked.calls <= CALLS_MAX or not 0.1 <= asked.minutes <= 60:
        options.error(f"--calls from 1 to {CALLS_MAX}, --minutes from 0.1 to 60")
    try:
        found = asyncio.run(run(calls=asked.calls, minutes=asked.minutes))
    except FairdialError as failure:
        sys.exit(str(failure))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

"""What our control plane costs on top of Asterisk's own REST interface.

    FAIRDIAL_ASTERISK=$(.venv/bin/python tools/unpack_asterisk.py) \\
        .venv/bin/python benchmarks/asterisk.py --calls 1000

Calls are originated as fast as Asterisk takes them, so many at once, answered by SIPp and ended at
once: through our telephony port, each under a permit, and beside it by bare requests to the same
Asterisk over the same kind of connection. It stands outside of the product, because it dials
without the gate, to SIPp on this machine alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

from calls import MORNING, Permits, sipp_answers, trunk_to

from fairdial.adapters.asterisk.ari import Ari, AriAddress, Said
from fairdial.adapters.asterisk.config import TRUNK_PREFIX, USER
from fairdial.adapters.asterisk.server import AsteriskServer
from fairdial.adapters.asterisk.settings import AsteriskSettings
from fairdial.adapters.asterisk.telephony import AsteriskTelephony
from fairdial.adapters.clocks import SandboxClock
from fairdial.bench.machine import machine
from fairdial.core.trunk import CALLS_MAX, TrunkSettings
from fairdial.exceptions import FairdialError
from fairdial.ports import CallAnswered, CallEnded, CallNotDialed, Message
from fairdial.sandbox.leads import demo_message

LEFT_S = 120.0

Figures = dict[str, object]


async def run(tree: Path, *, calls: int, at_once: int, rounds: int) -> Figures:
    """Both ways by turns, `rounds` times each, so that the machine's moods hit both."""
    folder, *places = (Path(mkdtemp(prefix="fairdial-bench-")) for _ in range(rounds + 1))
    ours: list[float] = []
    raw: list[float] = []
    async with sipp_answers(folder, "asterisk") as (port, _):
        trunk = trunk_to(port)
        server = AsteriskServer(tree, trunks=[trunk])
        await server.start()
        try:
            for n in range(rounds):
                raw.append(await _raw(server, trunk, calls=calls, at_once=at_once))
                ours.append(await _ours(server, trunk, places[n], calls, at_once))
        finally:
            await server.stop()
    best, bare = max(ours), max(raw)
    return {
        "measured_on": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine(),
        "asked": {"calls": calls, "at_once": at_once, "rounds": rounds},
        "raw_calls_per_s": [round(rate, 1) for rate in raw],
        "fairdial_calls_per_s": [round(rate, 1) for rate in ours],
        "overhead_percent_of_the_best": round(100 * (bare / best - 1), 1),
    }


async def _ours(
    server: AsteriskServer, trunk: TrunkSettings, folder: Path, calls: int, at_once: int
) -> float:
    """Calls a second through our port."""
    clock = SandboxClock(MORNING)
    settings = AsteriskSettings(
        urls=(server.url,),
        password=server.password,
        trunks=(trunk,),
        is_sandbox=True,
        data_dir=folder / "engine",
        messages={Message.ABANDONED: demo_message(folder)},
        caller_name="Fairdial bench",
        calls_max=CALLS_MAX,
    )
    telephony = AsteriskTelephony(settings, clock)
    await telephony.start()
    turn, permits = asyncio.Semaphore(at_once), Permits(clock)
    over = 0
    done = asyncio.Event()

    async def listen() -> None:
        nonlocal over
        async for event in telephony.events():
            if isinstance(event, CallAnswered):
                await telephony.hang_up(event.attempt_id)
            elif isinstance(event, CallEnded | CallNotDialed):
                over += 1
                turn.release()
                if over == calls:
                    done.set()

    listening = asyncio.create_task(listen())
    begun = time.monotonic()
    try:
        for n in range(calls):
            await turn.acquire()
            await telephony.dial(permits.next(n), ring_s=20)
        await asyncio.wait_for(done.wait(), LEFT_S)
        return calls / (time.monotonic() - begun)
    finally:
        listening.cancel()
        await telephony.stop()


async def _raw(server: AsteriskServer, trunk: TrunkSettings, *, calls: int, at_once: int) -> float:
    """Calls a second by bare requests: originate, and hang up when it is answered."""
    turn, done = asyncio.Semaphore(at_once), asyncio.Event()
    over = 0
    tasks: set[asyncio.Task[object]] = set()

    def on_event(said: Said) -> None:
        nonlocal over
        if said["type"] == "StasisStart":
            task = asyncio.create_task(ari.request("DELETE", f"channels/{said['channel']['id']}"))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        elif said["type"] == "ChannelDestroyed":
            over += 1
            turn.release()
            if over == calls:
                done.set()

    address = AriAddress(url=server.url, user=USER, password=server.password, app="raw")
    ari = Ari(address, on_event=on_event, on_lost=lambda _: None)
    await ari.open()
    begun = time.monotonic()
    try:
        for n in range(calls):
            await turn.acquire()
            await ari.request(
                "POST",
                "channels",
                endpoint=f"PJSIP/+121255501{n % 100:02}@{TRUNK_PREFIX}{trunk.name}",
                channelId=str(uuid4()),
                app="raw",
                callerId="+13125550199",
                timeout=20,
            )
        await asyncio.wait_for(done.wait(), LEFT_S)
        return calls / (time.monotonic() - begun)
    finally:
        await ari.close()


def main() -> None:
    """Measure, and print the figures as JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--calls", type=int, default=1000, help="calls in each round")
    options.add_argument("--at-once", type=int, default=20, help="calls on their way at once")
    options.add_argument("--rounds", type=int, default=3)
    asked = options.parse_args()
    tree = os.environ.get("FAIRDIAL_ASTERISK")
    if tree is None:
        options.error("FAIRDIAL_ASTERISK names no unpacked Asterisk: tools/unpack_asterisk.py")
    try:
        found = asyncio.run(
            run(Path(tree), calls=asked.calls, at_once=asked.at_once, rounds=asked.rounds)
        )
    except FairdialError as failure:
        sys.exit(str(failure))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

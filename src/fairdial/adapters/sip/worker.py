"""The engine's process: `python -m fairdial.adapters.sip.worker FD`, started by `telephony`.

Calls ring and talk here, so that nothing the dialer does can hold up their audio. The dialer is
heard through one inherited socket, as JSON lines: the settings first, then commands, each answered;
events go back the same way. When that socket closes, the dialer is dead: every call is hung up at
once and the process ends. SIGTERM does the same. SIGINT and SIGHUP are ignored, because Ctrl-C and
a terminal that is closed reach the whole process group, and it is the dialer who decides what
becomes of the calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairdial.adapters import wirelog
from fairdial.adapters.sip.engine import Engine, resolve
from fairdial.adapters.sip.orphans import Orphans
from fairdial.adapters.sip.settings import SipSettings
from fairdial.adapters.sipstack import SipStack
from fairdial.exceptions import FairdialError
from fairdial.ports import Message, Part

LINE_BYTES_MAX = 1_048_576
"""The longest line of the control socket, either way."""
_UNREAD_BYTES_MAX = 8_000_000
"""Events that the dialer does not read. Beyond that it is stuck, and stuck counts as dead."""
_CLEAR_S = 3.0
"""The most time for CANCELs and BYEs to be acknowledged before the process ends, seconds."""
_RECORDINGS_S = 2.0
"""The most time for recordings to reach the disk before the process ends, seconds."""
_SETTINGS_S = 10.0
USER_AGENT = "Fairdial"

_log = logging.getLogger("fairdial.sip")


class Worker:
    """One dialer's engine, from its first line to its last call."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._over = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writer: asyncio.StreamWriter
        self._engine: Engine

    async def run(self) -> None:
        """Serve until the dialer says stop, goes away, or SIGTERM comes."""
        reader, self._writer = await asyncio.open_connection(
            sock=self._control, limit=LINE_BYTES_MAX
        )
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._over.set)
        try:
            line = await asyncio.wait_for(reader.readline(), _SETTINGS_S)
            await self._serve(SipSettings.from_wire(json.loads(line)), reader)
        except (FairdialError, OSError) as failure:
            self._emit({"event": "failed", "why": str(failure), "at": time.time()})
        finally:
            self._writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(self._writer.wait_closed(), 1.0)

    async def _serve(self, settings: SipSettings, reader: asyncio.StreamReader) -> None:
        past = wirelog.past(settings.data_dir, time.time())
        trunk = await resolve(settings.trunk_host, settings.trunk_port)
        log = wirelog.WireLog(settings.data_dir)
        orphans = Orphans(past.orphans, log)
        orphans.stack = stack = SipStack(
            local_ip=settings.local_ip,
            port=settings.sip_port,
            user_agent=USER_AGENT,
            on_request=_decline,
            on_stray=orphans.on_stray,
        )
        port = await stack.start()
        self._engine = Engine(
            settings, stack, log, trunk=trunk, dialed=past.dialed, emit=self._emit
        )
        orphans.is_ours = self._engine.knows
        # What is loaded by now lives as long as the process: the collector need not look at it
        # again while audio waits.
        gc.collect()
        gc.freeze()
        orphans.clear()
        self._emit({"event": "up", "port": port, "run": log.run, "at": time.time()})
        ticking = asyncio.create_task(self._tick())
        listening = asyncio.create_task(self._listen(reader))
        await self._over.wait()
        listening.cancel()
        self._engine.hang_up_all()
        await self._until_clear(stack)
        await self._engine.finish_recordings(_RECORDINGS_S)
        # What the writer's thread told by `call_soon_threadsafe` is emitted before the end.
        await asyncio.sleep(0)
        ticking.cancel()
        await stack.stop()
        log.close()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Take the dialer's commands until it goes away."""
        try:
            while line := await reader.readline():
                self._take(json.loads(line))
        except (ValueError, KeyError, ConnectionError):
            _log.exception("the control socket brought what no dialer writes; ending")
        finally:
            self._over.set()

    def _take(self, command: Mapping[str, Any]) -> None:
        """Carry out one command and answer it."""
        engine = self._engine
        result: object = None
        match command["do"]:
            case "dial":
                engine.dial(
                    command["attempt"],
                    command["number"],
                    command["caller_id"],
                    command["ring_s"],
                    until=command["until"],
                    detect=command["detect"],
                    identity=command["identity"],
                )
            case "answer":
                engine.answer(command["inbound"])
            case "hang_up":
                engine.hang_up(command["call"])
            case "join":
                engine.join(command["call"], command["leg"], Part(command["part"]))
            case "leave":
                engine.leave(command["call"], command["leg"])
            case "play":
                engine.play(command["call"], Message(command["message"]))
            case "send_digits":
                engine.send_digits(command["leg"], command["digits"])
            case "record":
                engine.record(command["call"], command["recording"], Path(command["path"]))
            case "pause_recording":
                engine.pause_recording(command["call"])
            case "resume_recording":
                engine.resume_recording(command["call"])
            case "stop_recording":
                engine.stop_recording(command["call"])
            case "trunks":
                result = engine.trunk_status()
            case "connect_agent":
                self._start(engine.connect_agent(command["session"], command["phone"]))
            case "disconnect_agent":
                engine.disconnect_agent(command["session"])
            case "live":
                result = engine.live()
            case "ping":
                self._start(self._pong(command["id"]))
                return
            case "stop":
                self._over.set()
            case unknown:
                raise ValueError(f"unknown command {unknown!r}")
        self._emit({"re": command["id"], "result": result})

    async def _pong(self, command_id: int) -> None:
        """Answer only if sippy's thread is alive as well."""
        await self._engine.stack.call(lambda: None)
        self._emit({"re": command_id, "result": None})

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._engine.tick()

    async def _until_clear(self, stack: SipStack) -> None:
        """Wait until nothing that we sent waits for its response, for a few seconds at most."""
        deadline = time.monotonic() + _CLEAR_S
        while time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            if not await stack.call(lambda: len(stack.config["_sip_tm"].tclient)):
                return

    def _emit(self, line: Mapping[str, Any]) -> None:
        if self._writer.is_closing():
            return
        self._writer.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        if self._writer.transport.get_write_buffer_size() > _UNREAD_BYTES_MAX:
            _log.error("the dialer reads nothing any more; ending")
            self._over.set()

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _decline(request: Any, _transaction: Any) -> Any:
    """Answer a request outside of our calls: this engine takes none."""
    method = request.getMethod()
    if method == "OPTIONS":
        return request.genResponse(200, "OK", server=USER_AGENT), None, None
    if method == "INVITE":
        return request.genResponse(403, "Outbound Only", server=USER_AGENT), None, None
    if method == "BYE":
        return request.genResponse(481, "Call Does Not Exist", server=USER_AGENT), None, None
    return request.genResponse(405, "Method Not Allowed", server=USER_AGENT), None, None


def main() -> None:
    """Run on the control socket whose descriptor is the one argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    control = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(control.fileno(), False)
    control.setblocking(False)

    async def serve() -> None:
        await Worker(control).run()

    asyncio.run(serve())


if __name__ == "__main__":
    main()

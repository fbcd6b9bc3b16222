"""The engine's process: `python -m fairdial.adapters.sip.worker FD`, started by `telephony`.

Calls ring and talk here, so that nothing the dialer does can hold up their audio. When the control
socket closes, the dialer is dead: every call is hung up at once and the process ends. SIGTERM does
the same.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from fairdial.adapters import wirelog
from fairdial.adapters.sip.engine import Engine
from fairdial.adapters.sip.frontdesk import USER_AGENT, Frontdesk
from fairdial.adapters.sip.legs import Wish
from fairdial.adapters.sip.orphans import Orphans
from fairdial.adapters.sip.settings import SipSettings
from fairdial.adapters.sipstack import SipStack
from fairdial.adapters.worker_process import ControlSocket, serve
from fairdial.exceptions import EngineUnavailable, FairdialError
from fairdial.ports import Message, Part

_CLEAR_S = 3.0
"""The most time for CANCELs and BYEs to be acknowledged before the process ends, seconds."""
_RECORDINGS_S = 2.0
"""The most time for recordings to reach the disk before the process ends, seconds."""


class Worker:
    """One dialer's engine, from its first line to its last call."""

    def __init__(self, control: ControlSocket) -> None:
        self._control = control
        self._tasks: set[asyncio.Task[None]] = set()
        self._engine: Engine

    async def run(self) -> None:
        """Serve until the dialer says stop, goes away, or SIGTERM comes."""
        try:
            await self._serve(SipSettings.from_wire(await self._control.open()))
        except (FairdialError, OSError) as failure:
            self._control.tell({"event": "failed", "why": str(failure), "at": time.time()})
        finally:
            await self._control.close()

    async def _serve(self, settings: SipSettings) -> None:
        past = wirelog.past(settings.data_dir, time.time())
        log = wirelog.WireLog(settings.data_dir)
        orphans = Orphans(past.orphans, log)
        frontdesk = Frontdesk(settings, log)
        orphans.stack = stack = SipStack(
            local_ip=settings.local_ip,
            port=settings.sip_port,
            user_agent=USER_AGENT,
            on_request=frontdesk.take,
            on_stray=orphans.on_stray,
            gate=frontdesk.door,
        )
        self._engine = engine = Engine(
            settings,
            stack,
            log,
            registrar=frontdesk.registrar,
            on_known=frontdesk.knows,
            dialed=past.dialed,
            emit=self._control.tell,
        )
        frontdesk.stack, frontdesk.engine = stack, engine
        port = await stack.start()
        await engine.trunks.start()
        orphans.is_ours = self._engine.knows
        # What is loaded by now lives as long as the process: the collector need not look at it
        # again while audio waits.
        gc.collect()
        gc.freeze()
        orphans.clear()
        self._control.tell({"event": "up", "port": port, "run": log.run, "at": time.time()})
        ticking = asyncio.create_task(self._tick())
        listening = asyncio.create_task(self._control.listen(self._take))
        await self._control.over.wait()
        listening.cancel()
        engine.hang_up_all()
        await self._until_clear(stack)
        await engine.finish_recordings(_RECORDINGS_S)
        # What the writer's thread told by `call_soon_threadsafe` is emitted before the end.
        await asyncio.sleep(0)
        ticking.cancel()
        await engine.trunks.stop()
        await stack.stop()
        log.close()

    def _take(self, command: Mapping[str, Any]) -> None:
        """Carry out one command and answer it."""
        engine = self._engine
        result: object = None
        match command["do"]:
            case "dial":
                engine.dial(Wish(**{field.name: command[field.name] for field in fields(Wish)}))
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
            case "connect_browser":
                try:
                    result = engine.connect_browser(command["session"], command["port"])
                except EngineUnavailable as failure:
                    self._control.tell({"re": command["id"], "error": str(failure)})
                    return
            case "browser_up":
                engine.browser_up(command["session"])
            case "browser_down":
                engine.browser_down(command["session"], command["why"])
            case "disconnect_agent":
                engine.disconnect_agent(command["session"])
            case "live":
                result = engine.live()
            case "ping":
                self._start(self._pong(command["id"]))
                return
            case "stop":
                self._control.over.set()
            case unknown:
                raise ValueError(f"unknown command {unknown!r}")
        self._control.tell({"re": command["id"], "result": result})

    async def _pong(self, command_id: int) -> None:
        """Answer only if sippy's thread is alive as well."""
        await self._engine.stack.call(lambda: None)
        self._control.tell({"re": command_id, "result": None})

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

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _live(control: ControlSocket) -> None:
    await Worker(control).run()


if __name__ == "__main__":
    serve(_live)

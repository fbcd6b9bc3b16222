"""The gateway's process: `python -m fairdial.adapters.webrtc.worker FD`, started by `gateway`.

Browsers are connected here, so that nothing the dialer does can hold up their audio, and nothing
that a browser sends can reach the dialer. When the control socket closes, every connection ends.
"""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

from fairdial.adapters.webrtc.connection import prepare
from fairdial.adapters.webrtc.relay import Relay
from fairdial.adapters.webrtc.settings import WebRtcSettings
from fairdial.adapters.worker_process import ControlSocket, Line, serve
from fairdial.exceptions import EngineUnavailable, FairdialError


class Worker:
    """Every browser of one dialer."""

    def __init__(self, control: ControlSocket) -> None:
        self._control = control
        self._settings: WebRtcSettings
        self._relays: dict[str, Relay] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until the dialer says stop, goes away, or SIGTERM comes."""
        try:
            self._settings = WebRtcSettings.from_wire(await self._control.open())
            self._settings.check()
            prepare(self._settings.ip)
            gc.collect()
            gc.freeze()
            self._tell("up")
            listening = asyncio.create_task(self._control.listen(self._take))
            await self._control.over.wait()
            listening.cancel()
            await asyncio.gather(*(relay.close() for relay in self._relays.values()))
        except FairdialError as failure:
            self._tell("failed", why=str(failure))
        finally:
            await self._control.close()

    def _take(self, command: Line) -> None:
        """Carry out one command; some take their time and are answered later."""
        match command["do"]:
            case "connect":
                self._start(self._connect(command))
                return
            case "aim":
                relay = self._relays.get(command["session"])
                if relay is not None:
                    relay.aim(command["ip"], command["port"])
            case "disconnect":
                self._drop(command["session"])
            case "ping":
                pass
            case "stop":
                self._control.over.set()
            case unknown:
                raise ValueError(f"unknown command {unknown!r}")
        self._control.tell({"re": command["id"]})

    async def _connect(self, command: Line) -> None:
        reply: dict[str, Any] = {"re": command["id"]}
        try:
            reply["result"] = await self._answer(
                command["session"], command["offer"], command["ip"]
            )
        except EngineUnavailable as failure:
            reply["error"] = str(failure)
        self._control.tell(reply)

    async def _answer(self, session: str, offer: str, ip: str) -> dict[str, Any]:
        relay = self._relays.get(session)
        if relay is not None:
            return {"answer": await relay.connect(offer), "port": relay.port}
        if len(self._relays) >= self._settings.legs_max:
            raise EngineUnavailable(
                f"the gateway for browsers carries its most, {self._settings.legs_max} at once"
            )
        relay = self._relays[session] = Relay(
            self._settings,
            ip,
            on_up=lambda: self._tell("browser_up", session=session),
            on_down=lambda why: self._on_down(session, why),
        )
        try:
            return {"answer": await relay.connect(offer), "port": relay.port}
        except EngineUnavailable:
            # Another offer of the same session may have come meanwhile, and been a better one.
            if not relay.has_browser and self._relays.get(session) is relay:
                del self._relays[session]
                await relay.close()
            raise

    def _on_down(self, session: str, why: str) -> None:
        self._drop(session)
        self._tell("browser_down", session=session, why=why)

    def _drop(self, session: str) -> None:
        relay = self._relays.pop(session, None)
        if relay is not None:
            self._start(relay.close())

    def _tell(self, event: str, **values: object) -> None:
        self._control.tell({"event": event, **values, "at": time.time()})

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _live(control: ControlSocket) -> None:
    await Worker(control).run()


if __name__ == "__main__":
    serve(_live)

"""Handles on the two processes of the simulated network, for whoever starts a sandbox or a test.

Both processes end with their handle, and with their parent, however that ends: their standard
input closes.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairdial.adapters.carrier.ear import Percept
from fairdial.exceptions import FairdialError

START_S = 20.0
"""How long a process may take until it is ready."""
STOP_S = 5.0
"""How long a process may take to end by itself before it is killed."""
HEARD_MAX = 10_000
"""Reports kept for a slow reader; the oldest are dropped beyond."""
_STDERR_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a simulated agent's phone heard, and when (Unix seconds)."""

    phone: int
    what: Percept
    at: float


class _Process:
    """A child process that says when it is ready and lives until its standard input ends."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._module = module
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self._port: int | None = None

    @property
    def port(self) -> int:
        """The SIP port (UDP). Raises `FairdialError` before `start`."""
        if self._port is None:
            raise FairdialError(f"{self._module} has no port yet: start it first")
        return self._port

    @property
    def pid(self) -> int:
        """The process id. Raises `FairdialError` before `start`."""
        return self._running().pid

    async def start(self) -> None:
        """Start the process and return when it is ready. Raises `FairdialError` with its words.

        A handle starts one process, once.
        """
        if self._process is not None:
            raise FairdialError(f"{self._module} was started before: make a new handle")
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._module,
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # What a terminal or `timeout` sends to our group is the parent's to act on.
            start_new_session=True,
        )
        self._tasks = [asyncio.create_task(self._keep_stderr(process))]
        try:
            line = await asyncio.wait_for(_line_of(process), START_S)
            first: dict[str, Any] = json.loads(line) if line else {}
        except (TimeoutError, ValueError):
            first = {}
        except BaseException:
            process.kill()  # The start was called off; nobody is left to end it.
            raise
        if first.get("ready") is not True:
            await self.stop()
            words = first.get("error") or " / ".join(self._stderr) or "it said nothing"
            raise FairdialError(f"{self._module} did not start: {words}")
        self._port = int(first["port"])
        self._tasks.append(asyncio.create_task(self._read(process)))

    async def stop(self) -> None:
        """End the process; kill it if it does not within five seconds. May be called twice."""
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def kill(self) -> None:
        """Kill the process outright, as a crash would. `stop` cleans up afterwards."""
        process = self._running()
        if process.returncode is None:
            process.kill()

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise FairdialError(f"{self._module} is not running: start it first")
        return self._process

    async def _command(self, **command: Any) -> None:
        stdin = self._running().stdin
        assert stdin is not None, "the process was started with a pipe"
        try:
            stdin.write(json.dumps(command).encode() + b"\n")
            await stdin.drain()
        except ConnectionError as error:
            raise FairdialError(f"{self._module} is gone; start it again") from error

    async def _keep_stderr(self, process: asyncio.subprocess.Process) -> None:
        """Keep the last words for an error message, and the pipe from filling up."""
        assert process.stderr is not None, "the process was started with a pipe"
        while chunk := await process.stderr.read(65_536):
            self._stderr.extend(chunk.decode(errors="replace").splitlines())

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        while line := await _line_of(process):
            self._told(json.loads(line))
        self._fell_silent()

    def _told(self, line: dict[str, Any]) -> None:
        """The process wrote a line."""

    def _fell_silent(self) -> None:
        """The process closed its standard output: it is ending."""


async def _line_of(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None, "the process was started with a pipe"
    return await process.stdout.readline()


class CarrierProcess(_Process):
    """The simulated carrier: `await start()`, then place calls to `sip:NUMBER@127.0.0.1:port`."""

    def __init__(
        self,
        *,
        log_path: Path,
        port: int = 0,
        seed: int | None = None,
        people: Path | None = None,
        scenario: Path | None = None,
        calls_max: int | None = None,
    ) -> None:
        """Describe the process. What is None is left to the scenario and the defaults."""
        self.log_path = log_path
        options = {
            "--log": log_path,
            "--port": port,
            "--seed": seed,
            "--people": people,
            "--scenario": scenario,
            "--calls-max": calls_max,
        }
        super().__init__(
            "fairdial.adapters.carrier",
            *(
                word
                for option, value in options.items()
                if value is not None
                for word in (option, str(value))
            ),
        )


class PhonesProcess(_Process):
    """The phones of simulated agents, numbered from 1."""

    def __init__(self, *, count: int, port: int = 0) -> None:
        super().__init__(
            "fairdial.adapters.carrier.phones", "--count", str(count), "--port", str(port)
        )
        self._count = count
        self._heard: deque[Heard] = deque(maxlen=HEARD_MAX)
        self._news = asyncio.Event()
        self._is_silent = False
        self.legs_up: set[int] = set()
        """The phones that are in a call now."""

    def uri(self, phone: int) -> str:
        """The SIP URI of a phone. Raises `FairdialError` for one that does not exist."""
        if not 1 <= phone <= self._count:
            raise FairdialError(f"there are phones 1 to {self._count}, not {phone}")
        return f"sip:agent-{phone}@127.0.0.1:{self.port}"

    async def talk(self, phone: int) -> None:
        """Let the agent's voice be heard from now on. Raises `FairdialError`."""
        self.uri(phone)
        await self._command(phone=phone, do="talk")

    async def be_silent(self, phone: int) -> None:
        """Let the agent be silent from now on; its phone goes on sending."""
        self.uri(phone)
        await self._command(phone=phone, do="be_silent")

    async def heard(self) -> AsyncIterator[Heard]:
        """Everything the phones hear, until the process ends. One reader."""
        while True:
            while self._heard:
                yield self._heard.popleft()
            if self._is_silent:
                return
            self._news.clear()
            await self._news.wait()

    def _told(self, line: dict[str, Any]) -> None:
        if "heard" in line:
            self._heard.append(
                Heard(phone=line["phone"], what=Percept(line["heard"]), at=line["at"])
            )
            self._news.set()
        elif line.get("leg") == "up":
            self.legs_up.add(line["phone"])
        elif line.get("leg") == "down":
            self.legs_up.discard(line["phone"])

    def _fell_silent(self) -> None:
        self._is_silent = True
        self.legs_up.clear()
        self._news.set()

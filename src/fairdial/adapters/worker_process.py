"""A process of ours that is watched over: started, spoken with, started again when it dies.

What must not be held up by the dialer, or hold it up, lives in such a process. The two halves talk
through one inherited socket in JSON lines: the settings first, then commands, each answered; what
the process has to say of itself goes back the same way. When that socket closes, the dialer is
dead, and the process ends. Nothing is decided here about what the commands mean, and no command is
ever repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairdial.exceptions import EngineUnavailable

LINE_BYTES_MAX = 1_048_576
"""The longest line of the socket, either way."""
_START_S = 15.0
_REPLY_S = 5.0
_STOP_S = 6.0
_SETTINGS_S = 10.0
_PING_EVERY_S = 2.0
_PING_S = 10.0
"""A process that does not answer for so long is taken for dead, and killed."""
_DEATHS_MAX = 5
_DEATHS_WITHIN_S = 60.0
_BACKOFF_S = (0.1, 0.5, 1.0, 2.0, 4.0)
_LOG_BYTES_MAX = 1_000_000
_UNREAD_BYTES_MAX = 8_000_000
"""What the dialer does not read. Beyond that it is stuck, and stuck counts as dead."""

_log = logging.getLogger("fairdial")

Line = Mapping[str, Any]


class _Run:
    """One run of the process and the socket to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter
        self.replies: dict[int, asyncio.Future[Any]] = {}

    def kill(self) -> None:
        """End it without ceremony."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def bury(self) -> int:
        """Make sure that the process is gone; its exit status."""
        self.kill()
        self.writer.close()
        return await self.process.wait()

    def fail_replies(self, why: str) -> None:
        """Whoever waits for an answer waits in vain."""
        for reply in self.replies.values():
            if not reply.done():
                reply.set_exception(EngineUnavailable(why))


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """Who is told of the process. Called in asyncio's thread, in order."""

    settings: Callable[[], Line]
    """The first line for each run."""
    on_up: Callable[[Line], None]
    """It is ready: its first words."""
    on_said: Callable[[Line], None]
    """It said something of itself; raises `ValueError` or `KeyError` for what it cannot say."""
    on_down: Callable[[str, bool], None]
    """It is gone, and why; True when it died too often and is not started again."""


class WorkerProcess:
    """The parent's half."""

    def __init__(self, *, module: str, name: str, log_path: Path, watcher: Watcher) -> None:
        """Describe the process; nothing runs before `start`.

        `name` is what people call it, such as "the telephony engine". Its own output goes to
        `log_path`, in a folder that is made if need be.
        """
        self._module = module
        self._name = name
        self._log_path = log_path
        self._watcher = watcher
        self._run: _Run | None = None
        self._watching: asyncio.Task[None] | None = None
        self._down_why = "it was not started"
        self._ids = itertools.count(1)
        self._exit_status: int | None = None

    @property
    def exit_status(self) -> int | None:
        """How the last process ended; None while one runs, or when none did."""
        return self._exit_status

    @property
    def pid(self) -> int | None:
        """The id of the process that runs now; None when none does."""
        return None if self._run is None else self._run.process.pid

    def kill(self) -> None:
        """End the process without ceremony; it is started again."""
        if self._run is not None:
            self._run.kill()

    async def start(self) -> None:
        """Start the process and return when it is ready. Raises `EngineUnavailable`."""
        if self._watching is not None:
            return
        self._run, hello = await self._spawn()
        self._watcher.on_up(hello)
        self._watching = asyncio.create_task(self._watch(self._run))

    async def stop(self) -> None:
        """Tell it to end, hear its last words, and see to it that it is gone. A few seconds."""
        watching, self._watching = self._watching, None
        if watching is None:
            return
        run, self._down_why = self._run, "it was stopped"
        if run is not None:
            with contextlib.suppress(EngineUnavailable):
                await self.command("stop")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(watching), _STOP_S)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        if run is not None:
            run.kill()
            self._exit_status = await run.process.wait()
        self._run = None

    def check(self) -> None:
        """Raise `EngineUnavailable` unless the process is there."""
        if self._run is None:
            raise EngineUnavailable(f"{self._name} is down: {self._down_why}")

    async def command(
        self, do: str, values: Line | None = None, *, within_s: float | None = None
    ) -> Any:
        """Hand a command over and return its reply, waited for 5 seconds unless told otherwise.

        Raises `EngineUnavailable` when it is not answered, or answered with why it cannot be done.
        """
        self.check()
        run = self._run
        assert run is not None, "checked above"
        number = next(self._ids)
        line = json.dumps(
            {**(values or {}), "do": do, "id": number}, separators=(",", ":")
        ).encode()
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        run.replies[number] = reply
        try:
            run.writer.write(line + b"\n")
            await asyncio.wait_for(reply, _REPLY_S if within_s is None else within_s)
        except (TimeoutError, ConnectionError) as failure:
            raise EngineUnavailable(f"{self._name} did not take {do!r} in time") from failure
        finally:
            run.replies.pop(number, None)
        return reply.result()

    async def _spawn(self) -> tuple[_Run, Line]:
        """Start a process and wait until it is ready. Raises `EngineUnavailable`."""
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        ours, theirs = socket.socketpair()
        try:
            size = self._log_path.stat().st_size if self._log_path.exists() else 0
            with theirs, self._log_path.open("wb" if size > _LOG_BYTES_MAX else "ab") as output:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    self._module,
                    str(theirs.fileno()),
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    # What a terminal or `timeout` sends to our group is ours to act on.
                    start_new_session=True,
                )
        except OSError as failure:
            ours.close()
            raise EngineUnavailable(
                f"{self._name}: its process cannot be started: {failure}"
            ) from failure
        run = _Run(process)
        ours.setblocking(False)
        run.reader, run.writer = await asyncio.open_connection(sock=ours, limit=LINE_BYTES_MAX)
        try:
            run.writer.write(json.dumps(self._watcher.settings()).encode() + b"\n")
            line = await asyncio.wait_for(run.reader.readline(), _START_S)
        except (TimeoutError, ConnectionError) as failure:
            await run.bury()
            raise EngineUnavailable(
                f"{self._name} did not start within {_START_S:g} s; see {self._log_path}"
            ) from failure
        except asyncio.CancelledError:
            await run.bury()
            raise
        hello: dict[str, Any] = json.loads(line) if line else {}
        if hello.get("event") != "up":
            await run.bury()
            why = hello.get("why", f"its process ended; see {self._log_path}")
            raise EngineUnavailable(f"{self._name} cannot start: {why}")
        return run, hello

    async def _watch(self, run: _Run | None) -> None:
        """Hear one run after another, until told to stop or too many died."""
        deaths: deque[float] = deque(maxlen=_DEATHS_MAX)
        while run is not None:
            pinging = asyncio.create_task(self._ping(run))
            await self._hear(run)
            pinging.cancel()
            self._run = None
            if self._watching is None:
                await run.process.wait()
                run.writer.close()
                run.fail_replies(f"{self._name} was stopped")
                return
            self._down_why = "its process ended"
            self._watcher.on_down(f"{self._name}: its process ended", False)
            run.fail_replies(f"{self._name} died meanwhile")
            status = await run.bury()
            run.fail_replies(f"{self._name} died meanwhile")
            _log.warning("%s ended with status %s", self._name, status)
            run = await self._again(deaths)

    async def _again(self, deaths: deque[float]) -> _Run | None:
        """Start the next run after a death, ever more slowly; None after too many."""
        while True:
            deaths.append(time.monotonic())
            recent = [at for at in deaths if time.monotonic() - at < _DEATHS_WITHIN_S]
            if len(recent) >= _DEATHS_MAX:
                self._down_why = (
                    f"its process died {_DEATHS_MAX} times within {_DEATHS_WITHIN_S:g} s, so it is "
                    f"not started again ({self._down_why}); see {self._log_path}, then restart the "
                    "dialer"
                )
                self._watcher.on_down(self._down_why, True)
                return None
            await asyncio.sleep(_BACKOFF_S[len(recent) - 1])
            try:
                run, hello = await self._spawn()
            except EngineUnavailable as failure:
                self._down_why = str(failure)
                continue
            self._run = run
            self._watcher.on_up(hello)
            return run

    async def _hear(self, run: _Run) -> None:
        """Take what the process says until it says no more."""
        try:
            while line := await run.reader.readline():
                said = json.loads(line)
                if "re" in said:
                    _settle(run.replies.get(said["re"]), said)
                elif said["event"] == "failed":
                    # Its last word; the end of its process is what counts, and follows.
                    _log.error("%s failed: %s", self._name, said["why"])
                else:
                    self._watcher.on_said(said)
        except (ValueError, KeyError, ConnectionError):
            _log.exception("%s said what cannot be said", self._name)

    async def _ping(self, run: _Run) -> None:
        """Kill a process that is there but does not answer."""
        while True:
            await asyncio.sleep(_PING_EVERY_S)
            try:
                await self.command("ping", within_s=_PING_S)
            except EngineUnavailable:
                _log.warning("%s does not answer; killing it", self._name)
                run.kill()
                return


def _settle(reply: asyncio.Future[Any] | None, said: Line) -> None:
    if reply is None or reply.done():
        return
    if "error" in said:
        reply.set_exception(EngineUnavailable(said["error"]))
    else:
        reply.set_result(said.get("result"))


class ControlSocket:
    """The child's half: the first line, the commands, and what is told."""

    def __init__(self, control: socket.socket) -> None:
        self._socket = control
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self.over = asyncio.Event()
        """Set when the process should end: the dialer said so, is dead or stuck, or SIGTERM."""

    async def open(self) -> Line:
        """Take up the socket; returns the settings, the first line."""
        self._reader, self._writer = await asyncio.open_connection(
            sock=self._socket, limit=LINE_BYTES_MAX
        )
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.over.set)
        line = await asyncio.wait_for(self._reader.readline(), _SETTINGS_S)
        first: dict[str, Any] = json.loads(line)
        return first

    async def listen(self, take: Callable[[Line], None]) -> None:
        """Hand on the commands until the dialer goes away."""
        try:
            while line := await self._reader.readline():
                take(json.loads(line))
        except (ValueError, KeyError, ConnectionError):
            _log.exception("the control socket brought what no dialer writes; ending")
        finally:
            self.over.set()

    def tell(self, line: Line) -> None:
        """Write one line."""
        if self._writer.is_closing():
            return
        self._writer.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        if self._writer.transport.get_write_buffer_size() > _UNREAD_BYTES_MAX:
            _log.error("the dialer reads nothing any more; ending")
            self.over.set()

    async def close(self) -> None:
        """Write what is left, for a second at most, and close."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(self._writer.wait_closed(), 1.0)


def serve(work: Callable[[ControlSocket], Coroutine[Any, Any, None]]) -> None:
    """Run a process on the control socket whose descriptor is the one argument.

    Ctrl-C and a terminal that is closed reach the whole process group, and it is the dialer who
    decides what becomes of the calls: both are ignored.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    control = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(control.fileno(), False)
    control.setblocking(False)

    async def live() -> None:
        await work(ControlSocket(control))

    asyncio.run(live())

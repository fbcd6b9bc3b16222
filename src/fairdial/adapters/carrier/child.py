"""How the processes of the simulated network talk with whoever started them.

Standard output carries JSON lines and nothing else; everything printed goes to standard error. The
process lives until its standard input ends, which also happens when the parent is killed, or until
SIGTERM. Ctrl-C, and the end of a terminal, reach the whole process group: a child leaves it to its
parent to decide, while a process that a person started in a terminal ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fairdial.exceptions import FairdialError

LINE_BYTES_MAX = 65_536
"""A longer line on standard input is no command."""
FAILED = 2
"""The exit status of a process that could not start."""


class Parent:
    """The other end of standard input and output."""

    def __init__(self) -> None:
        """Take standard output for ourselves (from now on `print` goes to standard error) and
        decide about Ctrl-C."""
        self._out = os.dup(1)
        os.dup2(2, 1)
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if sys.stdin is not None and sys.stdin.isatty():
            self._loop.add_signal_handler(signal.SIGINT, self._ended.set)
        else:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def tell(self, **line: Any) -> None:
        """Write one JSON line. A parent that is gone ends this process."""
        try:
            os.write(self._out, json.dumps(line, separators=(",", ":")).encode() + b"\n")
        except OSError:
            self._ended.set()

    def listen(self, on_line: Callable[[bytes], None] | None = None) -> None:
        """Start to read standard input, and to end in good order at SIGTERM."""
        self._loop.add_signal_handler(signal.SIGTERM, self._ended.set)
        # A thread, because asyncio cannot watch a file or /dev/null. It may stay blocked in `read`
        # when the process ends; it holds nothing.
        threading.Thread(target=self._read, args=(on_line,), name="stdin", daemon=True).start()

    def _read(self, on_line: Callable[[bytes], None] | None) -> None:
        pending = b""
        try:
            while chunk := os.read(0, LINE_BYTES_MAX):
                *lines, pending = (pending + chunk).split(b"\n")
                pending = pending[-LINE_BYTES_MAX:]
                for line in lines:
                    if on_line is not None and line.strip():
                        self._loop.call_soon_threadsafe(on_line, line)
        except OSError:
            pass  # No standard input is the end of it.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ended.set)

    async def until_the_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`, which never ends by itself, until this process should end."""
        task = asyncio.create_task(work)
        ended = asyncio.create_task(self._ended.wait())
        await asyncio.wait((task, ended), return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if task.done():
            task.result()  # It can only have failed: let it be seen.
        task.cancel()


def run(live: Callable[[Parent], Awaitable[None]]) -> int:
    """Run a process of the simulated network; returns its exit status.

    A `FairdialError` is told to the parent as `{"ready": false, "error": …}`.
    """

    async def main() -> int:
        parent = Parent()
        try:
            await live(parent)
        except FairdialError as error:
            parent.tell(ready=False, error=str(error))
            print(f"fairdial: {error}", file=sys.stderr)  # noqa: T201 - this is its console
            return FAILED
        return 0

    return asyncio.run(main())

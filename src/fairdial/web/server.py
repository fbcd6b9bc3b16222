"""The web server: uvicorn inside our own event loop, without its signal handlers.

The page is a guest of the dialer's process. It starts after its port is surely ours, and it stops
within about a second whatever its clients do, because calls are being ended at the same time.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from fairdial.exceptions import SettingsError

START_S_MAX = 5.0
GRACE_S = 0.6
"""How long open connections get to end by themselves."""
ABORT_S = 0.4
"""How much longer the server gets once its connections were cut."""


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: what Ctrl-C means is the app's to say."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(slots=True)
class WebServer:
    """One app served in the running event loop."""

    _app: FastAPI | None = None
    _server: _Server | None = None
    _task: asyncio.Task[None] | None = None

    async def start(self, app: FastAPI, host: str, port: int) -> str:
        """Serve `app`; returns its address. Port 0 takes a free one.

        Raises `SettingsError` naming the variable when the address cannot be had.
        """
        assert self._task is None, "a WebServer serves one app at a time"
        listener = await _listen(host, port)
        config = uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._app, self._server = app, _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        async with asyncio.timeout(START_S_MAX):
            while not self._server.started:
                if self._task.done():
                    self._task.result()
                await asyncio.sleep(0.01)
        return _url(host, listener.getsockname()[1])

    async def stop(self) -> None:
        """End every stream, then the server; whoever does not let go is cut off. About 1 s."""
        if self._task is None or self._server is None or self._app is None:
            return
        for watch in self._app.state.watches:
            await watch.close()
        self._server.should_exit = True
        _, pending = await asyncio.wait({self._task}, timeout=GRACE_S)
        if pending:
            for connection in list(self._server.server_state.connections):
                if connection.transport is not None:
                    connection.transport.abort()
            _, pending = await asyncio.wait({self._task}, timeout=ABORT_S)
        if pending:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=ABORT_S)
        self._task = None


async def look_at_port(host: str, port: int) -> None:
    """Find out whether the page can be served there, before anything is started for it.

    Raises `SettingsError` naming the variable.
    """
    (await _listen(host, port)).close()


async def _listen(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise SettingsError(
            f"FAIRDIAL_WEB_HOST: {host} is no address of this machine ({error.strerror}); "
            "127.0.0.1 serves the page to this machine only"
        ) from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise SettingsError(_why_not(error, host, port)) from error
    return listener


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"FAIRDIAL_WEB_PORT: another program uses port {port} of {host}; end it, or set "
            "FAIRDIAL_WEB_PORT to another port (0 takes a free one)"
        )
    if error.errno == errno.EACCES:
        return (
            f"FAIRDIAL_WEB_PORT: port {port} needs rights that Fairdial does not have; set "
            "FAIRDIAL_WEB_PORT to 1024 or above (0 takes a free one)"
        )
    return (
        f"FAIRDIAL_WEB_HOST: cannot serve the page at {host} port {port} ({error.strerror}); "
        "127.0.0.1 serves it to this machine only"
    )


def _url(host: str, port: int) -> str:
    """The address to open. A server on all addresses is opened by its local one."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104
    if ":" in name and not name.startswith("["):
        name = f"[{name}]"
    return f"http://{name}:{port}/"

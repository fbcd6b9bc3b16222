"""The server inside our own loop: starts where it says, stops whatever its clients do."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import TYPE_CHECKING

import pytest
from tests.web.client import ask, get
from tests.web.pictures import call, picture

from fairdial.exceptions import SettingsError
from fairdial.web.pages import create_app
from fairdial.web.server import WebServer

if TYPE_CHECKING:
    from tests.web.conftest import Looks


async def stopped_after_s(server: WebServer) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await server.stop()
    return loop.time() - began


def held_back(server: WebServer) -> int:
    """Bytes that the server has for its clients and cannot send."""
    assert server._server is not None
    connections = server._server.server_state.connections
    return sum(c.transport.get_write_buffer_size() for c in connections)


async def test_stops_at_once_with_streams_open_and_ends_them_cleanly(looks: Looks) -> None:
    server = WebServer()
    url = await server.start(create_app(looks), "127.0.0.1", 0)
    watching = [await ask(url, "/api/pictures") for _ in range(5)]
    for stream in watching:
        await stream.event()
    assert await stopped_after_s(server) < 1.0
    for stream in watching:
        rest = await stream.reader.read()
        assert rest.endswith(b"0\r\n\r\n"), "a stream that is cut off lacks its last chunk"
        await stream.close()
    with pytest.raises(ConnectionError):
        await get(url, "/api/health")


async def test_stops_within_a_second_though_a_client_does_not_read(looks: Looks) -> None:
    looks.picture = picture(calls=tuple(call(k, name="x" * 250) for k in range(3000)))
    server = WebServer()
    url = await server.start(create_app(looks), "127.0.0.1", 0)
    stuck = await ask(url, "/api/pictures", is_slow=True)
    for _ in range(100):
        if held_back(server):
            break
        await asyncio.sleep(0.05)
    assert held_back(server), "the client takes all that is sent, so the test shows nothing"
    assert await stopped_after_s(server) < 1.5
    stuck.writer.transport.abort()


async def test_stops_though_a_look_hangs(looks: Looks) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    server = WebServer()
    url = await server.start(create_app(never), "127.0.0.1", 0)  # type: ignore[arg-type]
    asking = asyncio.create_task(get(url, "/api/picture"))
    await asyncio.sleep(0.1)
    assert await stopped_after_s(server) < 1.0
    assert (await asking).status == 503


async def test_leaves_signals_to_the_app(looks: Looks) -> None:
    before = (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
    server = WebServer()
    await server.start(create_app(looks), "127.0.0.1", 0)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    await server.stop()


async def test_can_be_started_again_and_stopped_twice(looks: Looks) -> None:
    server = WebServer()
    await server.stop()
    for _ in range(2):
        url = await server.start(create_app(looks), "127.0.0.1", 0)
        assert (await get(url, "/api/health")).status == 200
        await server.stop()
        await server.stop()


async def test_a_port_in_use_names_the_setting_and_the_remedy(looks: Looks) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SettingsError) as refused:
            await WebServer().start(create_app(looks), "127.0.0.1", port)
    assert str(refused.value) == (
        f"FAIRDIAL_WEB_PORT: another program uses port {port} of 127.0.0.1; end it, or set "
        "FAIRDIAL_WEB_PORT to another port (0 takes a free one)"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
async def test_an_address_that_is_not_ours_names_the_setting(host: str, looks: Looks) -> None:
    with pytest.raises(SettingsError, match=r"^FAIRDIAL_WEB_HOST: "):
        await WebServer().start(create_app(looks), host, 0)

"""A real Asterisk with the exchange at its far end, and a wire to it that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from tests.adapters.sip.sip_cast import RealClock
from tests.contract.exchange import HERE, Exchange
from tests.contract.worlds import WITHIN_S, WireWorld

from fairdial.adapters.asterisk.server import AsteriskServer
from fairdial.adapters.asterisk.telephony import AsteriskSettings, AsteriskTelephony
from fairdial.core.phone import PhoneAccount
from fairdial.core.trunk import TrunkSettings
from fairdial.ports import Message


class Wire:
    """A connection to Asterisk's REST interface that can be cut and mended."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """Where the dialer connects."""
        return f"ws://{HERE}:{self.port}"

    async def mend(self) -> None:
        """Let connections through."""
        self._server = await asyncio.start_server(self._through, HERE, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break every connection, and take no new one."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for pipe in list(self._pipes):
            pipe.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection(HERE, self._to)
        self._pipes |= {writer, ours}
        for source, sink in ((reader, ours), (theirs, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()
        self._pipes.discard(sink)


class AsteriskWorld(WireWorld):
    """The exchange behind Asterisks of this test."""

    telephony: AsteriskTelephony

    def __init__(
        self,
        servers: list[AsteriskServer],
        settings: AsteriskSettings,
        exchange: Exchange,
        wire: Wire,
    ) -> None:
        telephony = AsteriskTelephony(settings, RealClock())
        super().__init__(telephony, exchange, sip=(HERE, servers[0].sip_port))
        self.settings = settings
        self.servers = servers
        self.server = servers[0]
        self.wire = wire

    async def close(self) -> None:
        await super().close()
        await self.wire.cut()
        for server in self.servers:
            await server.stop()

    async def told_of(self, kind: type[Any], *, count: int = 1) -> Any:
        """The `count`-th event of a kind, whomever it is about, waited for."""

        def found() -> list[Any]:
            return [event for event in self.told if isinstance(event, kind)]

        await self.eventually(lambda: len(found()) >= count, lambda: f"told: {self.told}")
        return found()[count - 1]

    async def channels(self) -> int:
        """How many channels Asterisk has, by its own console."""
        said = await self.server.cli("core show channels count")
        return int(said.split(" active channel")[0].split()[-1])

    async def until_channels(self, count: int) -> None:
        """Wait until Asterisk has so many channels."""
        for _ in range(round(WITHIN_S / 0.2)):
            if await self.channels() == count:
                return
            await asyncio.sleep(0.2)
        raise AssertionError(f"{await self.channels()} channels, not {count}")


async def asterisk_world(
    folder: Path,
    recording: Path,
    tree: Path,
    *,
    nodes: int = 1,
    phones: tuple[PhoneAccount, ...] = (),
    first: tuple[TrunkSettings, ...] = (),
    media_lost_s: float = 10.0,
    **changes: Any,
) -> AsteriskWorld:
    """Start Asterisks and describe the rest; `open` starts the engine.

    `first` are trunks that are tried before the exchange's.
    """
    exchange = Exchange()
    trunk = TrunkSettings(
        name="exchange",
        host=HERE,
        port=await exchange.start(),
        accepts_inbound=True,
        calls_per_second=50,
        options_s=1,
        order=max((other.order for other in first), default=0) + 1,
    )
    trunks = [*first, trunk]
    password = token_urlsafe(24)  # The dialer has one for all of its nodes.
    servers = [
        AsteriskServer(
            tree, trunks=trunks, phones=phones, media_lost_s=media_lost_s, password=password
        )
        for _ in range(nodes)
    ]
    for server in servers:
        await server.start()
    wire = Wire(servers[0].http_port)
    await wire.mend()
    settings = AsteriskSettings(
        urls=(wire.url, *(server.url for server in servers[1:])),
        password=servers[0].password,
        trunks=tuple(trunks),
        is_sandbox=True,
        data_dir=folder / "engine",
        messages={Message.ABANDONED: recording},
        caller_name="Alder Solar",
        calls_max=50,
        after_message_s=0.2,
        clear_s=1.0,
    )
    return AsteriskWorld(servers, replace(settings, **changes), exchange, wire)

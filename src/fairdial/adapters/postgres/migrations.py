"""Bringing a database to the tables that this version of Fairdial expects.

Migrations are the numbered files in `migrations/`: `0001_before_<what>.sql` runs before the code
that needs it, `0002_after_<what>.sql` when no older code runs any more. Each runs once, whole or
not at all, and is never edited afterwards: the checksum of what ran is kept, so that every
database with the same number has the same tables. What the tables mean is not known here.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import psycopg

from fairdial.exceptions import StoreUnavailable

FOLDER = Path(__file__).parent / "migrations"
FILE_NAME = re.compile(r"(\d{4})_(before|after)_[a-z0-9_]+")

LOCK = 0x4641_4952
"""The key of our advisory lock, "FAIR" in ASCII: two starting processes migrate one by one."""
LOCK_S_MAX = 60

# `applied_at` is a note for people, the one time that the database's own clock may tell.
JOURNAL = """
CREATE TABLE IF NOT EXISTS schema_migration (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file: its number, its name without `.sql`, its statements and their checksum."""

    number: int
    name: str
    statements: str
    sha256: str


def load(folder: Path = FOLDER) -> tuple[Migration, ...]:
    """The migrations in `folder`, numbered 1, 2, 3 … without a gap."""
    migrations = []
    for number, path in enumerate(sorted(folder.glob("*.sql")), start=1):
        match = FILE_NAME.fullmatch(path.stem)
        if match is None or int(match[1]) != number:
            raise StoreUnavailable(
                f"{path} should be called {number:04}_before_<what>.sql or"
                f" {number:04}_after_<what>.sql: migrations are numbered without gaps or doubles."
            )
        statements = path.read_text(encoding="utf-8")
        sha256 = hashlib.sha256(statements.encode()).hexdigest()
        migrations.append(
            Migration(number=number, name=path.stem, statements=statements, sha256=sha256)
        )
    return tuple(migrations)


def migrate(conninfo: str, folder: Path = FOLDER) -> list[str]:
    """Run what has not run yet; return the names of it. Changes nothing when all has run.

    Raises `StoreUnavailable`, with the database as it was after the last whole migration, when a
    migration fails, one that ran was edited since, or the database is newer than this code.
    """
    known = load(folder)
    doing = "the list of migrations"
    try:
        with psycopg.connect(conninfo, autocommit=True, connect_timeout=10) as connection:
            connection.execute(f"SET lock_timeout = '{LOCK_S_MAX}s'")
            # Of the session, so that it is held between the transactions; gone when we disconnect.
            connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
            connection.execute(JOURNAL)
            rows = connection.execute(
                "SELECT number, name, sha256 FROM schema_migration ORDER BY number"
            ).fetchall()
            _refuse_a_different_past(rows, known)
            for migration in known[len(rows) :]:
                doing = f"migration {migration.name}"
                with connection.transaction():
                    connection.execute(migration.statements.encode())
                    connection.execute(
                        "INSERT INTO schema_migration (number, name, sha256) VALUES (%s, %s, %s)",
                        [migration.number, migration.name, migration.sha256],
                    )
    except psycopg.errors.LockNotAvailable as error:
        raise StoreUnavailable(
            f"Another process has been changing the tables for {LOCK_S_MAX} s, in {doing}. What to"
            " do: wait for it, or end it, then start again."
        ) from error
    except psycopg.Error as error:
        raise StoreUnavailable(
            f"The tables could not be brought up to date, in {doing}; nothing of it was kept:\n"
            f"    {str(error).strip()}\n"
            "What to do: mend what the line names (access, disk space, or a table changed by hand),"
            " then start again."
        ) from error
    return [migration.name for migration in known[len(rows) :]]


def _refuse_a_different_past(
    rows: list[tuple[int, str, str]], known: tuple[Migration, ...]
) -> None:
    if len(rows) > len(known):
        raise StoreUnavailable(
            f"The database is at migration {rows[-1][1]}, and this version of Fairdial knows only"
            f" {len(known)}. What to do: start the newer version of Fairdial that made it."
        )
    for (number, name, sha256), migration in zip(rows, known, strict=False):
        if number != migration.number:
            raise StoreUnavailable(
                f"The database lacks migration {migration.name} but has {name}. What to do: its"
                " list of migrations was changed by hand; bring the database back from a backup."
            )
        if sha256 != migration.sha256:
            raise StoreUnavailable(
                f"Migration {migration.name} is not what ran in this database as {name}: a"
                " migration is never edited once it has run. What to do: restore the file, and put"
                " the change into a new migration; or start with an empty database."
            )

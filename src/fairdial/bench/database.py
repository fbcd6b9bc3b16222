"""A database of a benchmark's own, on the embedded server of the data folder; gone afterwards."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from fairdial.adapters.postgres.migrations import migrate
from fairdial.adapters.postgres.server import EmbeddedPostgres, ensure_database
from fairdial.adapters.registries.library import FileLibrary
from fairdial.app import make_folder
from fairdial.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What a benchmark has for itself."""

    url: str
    """The conninfo of its database."""
    library: FileLibrary
    """Where its registries are kept."""
    folder: Path
    """Where it may put files."""


@asynccontextmanager
async def own_database(settings: Settings) -> AsyncIterator[Own]:
    """A database with all tables and no rows, and an empty library; commits wait for the disk.

    It lies in the data folder, so that what is measured is the disk that the data would be on.
    """
    make_folder(settings.data_dir)
    server = EmbeddedPostgres(settings.data_dir)
    conninfo = await asyncio.to_thread(server.start)
    name = f"fairdial_bench_{os.getpid()}"
    try:
        await asyncio.to_thread(ensure_database, conninfo, name)
        url = make_conninfo(conninfo, dbname=name)
        await asyncio.to_thread(migrate, url)
        with tempfile.TemporaryDirectory(dir=settings.data_dir) as folder:
            yield Own(url=url, library=FileLibrary(Path(folder)), folder=Path(folder))
    finally:
        await asyncio.to_thread(_drop, conninfo, name)
        await asyncio.to_thread(server.stop)


def _drop(conninfo: str, name: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        connection.execute(statement)


def percentiles(values: list[float]) -> dict[str, float]:
    """Median, 95th and 99th percentile and the most, in the unit of the values."""
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2)

    return {"p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": round(ordered[-1], 2)}

"""A registry at its own scale: import, size, daily change, look-ups, screening, beside peers.

The data is drawn from a seed and laid out as the US registry's: eight million possible numbers in
each area code, about one of eleven listed, anywhere among them. The peers get the same files in the
same run: a sorted numpy array, DuckDB and an embedded PostgreSQL, each as its own manual would have
it done. Every stage runs in a process of its own, so that its peak of memory and its processor time
are its own; a server's are not in them.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from multiprocessing.synchronize import Barrier
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np
import numpy.typing as npt

from fairdial.adapters.registries.block_file import BlockFile
from fairdial.adapters.registries.blocks import Bulk
from fairdial.adapters.registries.library import FileLibrary
from fairdial.adapters.registries.screen import Source, screen
from fairdial.bench.machine import machine
from fairdial.core.ids import E164
from fairdial.core.registry import (
    AreaCopy,
    Coverage,
    RegistryCopy,
    RegistryForm,
    RegistryOrder,
    setup_of,
)

POSSIBLE = 8_000_000
"""Numbers of one area code: exchanges 200 to 999."""
AREAS_MAX = 350
DAY, NEXT_DAY = date(2026, 11, 24), date(2026, 11, 25)
LOOK_UPS = 100_000

Figures = dict[str, Any]
Digits = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    numbers: int
    list_rows: int
    changes: int

    @property
    def areas(self) -> list[int]:
        """As many as hold the numbers at the density of the whole country: 250 million in 350."""
        count = min(AREAS_MAX, max(1, round(self.numbers / 714_000)))
        codes = [code for code in range(201, 990) if code % 100 != 11 and code != 555]
        return codes[:: len(codes) // count][:count]


def run(
    size: Size, folder: Path, *, peers: tuple[str, ...], say: Callable[[str], None]
) -> dict[str, object]:
    """Measure everything in a folder that is removed afterwards; figures as plain values."""
    with tempfile.TemporaryDirectory(prefix="bench-registry-", dir=folder) as name:
        work = Path(name)
        say(f"drawing {size.numbers:,} numbers")
        drawn = _apart(_draw, size, work)
        say("importing them")
        figures: dict[str, object] = {
            "machine": machine(),
            "numbers": drawn["numbers"],
            "area_codes": len(size.areas),
            "list_rows": size.list_rows,
            "source_bytes": (work / "full.txt").stat().st_size,
        }
        imported = _apart(_import, work)
        say(f"imported in {imported['seconds']} s; changing {size.changes:,}")
        changed = _apart(_change, size, work, imported)
        say("looking up and screening")
        ours: Figures = {
            "import": {k: v for k, v in imported.items() if k not in ("areas", "sha256")},
            "change": changed,
            "look": _apart(_look, size, work, imported),
            "resident_2_processes": _resident(work, imported),
            "screen": _apart(_screen, work, imported),
        }
        figures["fairdial"] = ours
        for peer in peers:
            say(f"the peer {peer}")
            figures[peer] = _apart(_PEERS[peer], work)
            shutil.rmtree(work / peer, ignore_errors=True)
        found = {ours["screen"]["listed"]} | {
            figures[peer]["listed"]  # type: ignore[index]
            for peer in peers
            if "listed" in figures[peer]  # type: ignore[operator]
        }
        figures["all_agree"] = len(found) == 1
    return figures


def _apart(act: Callable[..., Figures], *arguments: object) -> Figures:
    """Do something in a process of its own; what that used is added to its figures."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_with_peak, act, *arguments).result()


def _with_peak(act: Callable[..., Figures], *arguments: object) -> Figures:
    figures = act(*arguments)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        **figures,
        "processor_s": round(used.ru_utime + used.ru_stime, 2),
        "peak_mb": round(used.ru_maxrss / 1024),
    }


# --- the data -------------------------------------------------------------------------------------


def _draw(size: Size, work: Path) -> Figures:
    """The registry's full file, and the list to be screened."""
    chance = np.random.default_rng(20261125)
    share = min(0.9, size.numbers / len(size.areas) / POSSIBLE)
    written = 0
    with (work / "full.txt").open("wb") as file:
        for code in size.areas:
            listed = np.flatnonzero(chance.random(POSSIBLE) < share) + 2_000_000
            rows = np.empty((len(listed), 12), np.uint8)
            rows[:, :3] = np.frombuffer(f"{code}".encode(), np.uint8)
            rows[:, 3], rows[:, 11] = ord(","), ord("\n")
            _put_digits(rows[:, 4:11], listed)
            file.write(rows.tobytes())
            written += len(listed)
    with (work / "list.csv").open("wb") as file:
        file.write(b"number,state\n")
        left = size.list_rows
        while left:
            count = min(left, 1_000_000)
            rows = np.empty((count, 14), np.uint8)
            rows[:, 10:] = np.frombuffer(b",NY\n", np.uint8)
            _put_digits(rows[:, :10], _any_numbers(chance, size, count) % np.uint64(10**10))
            file.write(rows.tobytes())
            left -= count
    return {"numbers": written}


def _any_numbers(chance: np.random.Generator, size: Size, count: int) -> Digits:
    """Numbers of the area codes, listed or not, as E.164."""
    codes = chance.choice(np.array(size.areas, np.uint64), count)
    local = chance.integers(2_000_000, 10_000_000, count, np.uint64)
    numbers: Digits = np.uint64(10**10) + codes * np.uint64(10**7) + local
    return numbers


def _put_digits(rows: npt.NDArray[np.uint8], numbers: npt.NDArray[Any]) -> None:
    left = numbers
    for column in range(rows.shape[1] - 1, -1, -1):
        left, digit = np.divmod(left, 10)
        rows[:, column] = digit + 48


# --- ours -----------------------------------------------------------------------------------------


def _order(form: RegistryForm, day: date) -> RegistryOrder:
    return RegistryOrder(
        name="us-national", form=form, as_of=day, organization="1", subscription="1"
    )


def _import(work: Path) -> Figures:
    library = FileLibrary(work / "registries")
    begun = time.perf_counter()
    library.checksum(work / "full.txt")
    order = _order(RegistryForm.US_FULL, DAY)
    draft = library.build(
        work / "full.txt",
        order,
        setup_of(order, None),
        None,
        file="full.dnc",
        countries={},
        today=NEXT_DAY,
        is_sandbox=False,
        say=lambda _: None,
    )
    seconds = time.perf_counter() - begun
    return {
        "seconds": round(seconds, 2),
        "rows_per_s": round(draft.rows / seconds),
        "size_bytes": draft.size,
        "bits_per_number": round(8 * draft.size / max(1, draft.entries), 2),
        "sha256": draft.sha256,
        "entries": draft.entries,
        "areas": {area: copy.entries for area, copy in draft.areas.items()},
    }


def _copy(imported: Figures) -> RegistryCopy:
    order = _order(RegistryForm.US_FULL, DAY)
    return RegistryCopy(
        setup=setup_of(order, None),
        version=1,
        file="full.dnc",
        sha256=imported["sha256"],
        as_of=DAY,
        entries=imported["entries"],
        source_sha256="",
        areas={
            area: AreaCopy(as_of=DAY, entries=count) for area, count in imported["areas"].items()
        },
    )


def _change(size: Size, work: Path, imported: Figures) -> Figures:
    """One day's changes, half additions and half deletions, over all area codes."""
    chance = np.random.default_rng(2)
    library = FileLibrary(work / "registries")
    bulk = Bulk(library.opened("full.dnc", imported["sha256"]))
    numbers = np.unique(_any_numbers(chance, size, size.changes))
    chance.shuffle(numbers)
    listed = bulk.has(numbers)
    path = work / "changes.txt"
    with path.open("w", encoding="ascii") as file:
        for number, is_listed in zip(numbers.tolist(), listed.tolist(), strict=True):
            text = f"{number}"
            mark = "D" if is_listed else "A"
            file.write(f"{text[1:4]},{text[4:]},{NEXT_DAY},{mark}\n")
    begun = time.perf_counter()
    order = _order(RegistryForm.US_CHANGES, NEXT_DAY)
    draft = library.build(
        path,
        order,
        setup_of(order, None),
        _copy(imported),
        file="changed.dnc",
        countries={},
        today=NEXT_DAY,
        is_sandbox=False,
        say=lambda _: None,
    )
    seconds = time.perf_counter() - begun
    assert (draft.added, draft.removed) == (int((~listed).sum()), int(listed.sum()))
    library.discard("changed.dnc")
    return {"rows": draft.rows, "seconds": round(seconds, 2)}


def _look(size: Size, work: Path, imported: Figures) -> Figures:
    library = FileLibrary(work / "registries")
    numbers = _any_numbers(np.random.default_rng(3), size, LOOK_UPS).tolist()
    random.Random(3).shuffle(numbers)  # noqa: S311 - the same numbers each time, no secret
    texts = [E164(f"+{number}") for number in numbers]
    took = []
    clock = time.perf_counter_ns
    for text in texts:
        begun = clock()
        library.look("full.dnc", imported["sha256"], Coverage.AREA_CODES, text)
        took.append(clock() - begun)
    took.sort()
    return {
        "look_ups": len(took),
        "mean_us": round(sum(took) / len(took) / 1000, 2),
        "p99_us": round(took[len(took) * 99 // 100] / 1000, 2),
    }


def _screen(work: Path, imported: Figures) -> Figures:
    library = FileLibrary(work / "registries")
    file = library.opened("full.dnc", imported["sha256"])
    begun = time.perf_counter()
    done = screen(
        work / "list.csv",
        work / "listed.csv",
        [Source(copy=_copy(imported), file=file)],
        [],
        countries={},
    )
    seconds = time.perf_counter() - begun
    return {
        "seconds": round(seconds, 2),
        "rows_per_s": round(done.rows / seconds),
        "listed": done.listed,
    }


def _resident(work: Path, imported: Figures) -> Figures:
    """What two processes hold in memory that have both looked everywhere: the pages are shared."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    path = work / "registries" / "full.dnc"
    both = [context.Process(target=_touch, args=(path, barrier, answers)) for _ in range(2)]
    for process in both:
        process.start()
    found = [answers.get(timeout=300) for _ in both]
    for process in both:
        process.join(timeout=60)
    assert imported["size_bytes"] == path.stat().st_size
    return {
        "each_mapped_mb": found[0][0],
        "sum_of_shares_mb": round(found[0][1] + found[1][1], 1),
    }


def _touch(path: Path, barrier: Barrier, answers: Queue[tuple[float, float]]) -> None:
    version = BlockFile(path)
    for at in range(0, len(version.map), 4096):
        version.map[at]
    barrier.wait(timeout=120)
    rss = pss = 0
    is_ours = False
    for line in Path("/proc/self/smaps").read_text(encoding="ascii").splitlines():
        if "-" in line.split(" ")[0]:
            is_ours = line.endswith(path.name)
        elif is_ours and line.startswith("Rss:"):
            rss += int(line.split()[1])
        elif is_ours and line.startswith("Pss:"):
            pss += int(line.split()[1])
    barrier.wait(timeout=120)
    answers.put((round(rss / 1024, 1), round(pss / 1024, 1)))


# --- the peers ------------------------------------------------------------------------------------


def _numpy(work: Path) -> Figures:
    """All numbers in one sorted array in memory, 8 bytes each, and a binary search."""
    begun = time.perf_counter()
    parts = [
        (rows[:, :3] - np.uint8(48)) @ np.array([10**9, 10**8, 10**7], np.uint64)
        + (rows[:, 4:11] - np.uint8(48)) @ np.array([10**n for n in range(6, -1, -1)], np.uint64)
        for rows in _fixed_rows(work / "full.txt", 12, 0)
    ]
    listed = np.concatenate(parts)
    listed.sort()
    imported_s = time.perf_counter() - begun
    begun = time.perf_counter()
    found = 0
    for rows in _fixed_rows(work / "list.csv", 14, len(b"number,state\n")):
        numbers = (rows[:, :10] - np.uint8(48)) @ np.array(
            [10**n for n in range(9, -1, -1)], np.uint64
        )
        numbers.sort()  # a search in order stays near the memory that it touched last
        at = np.searchsorted(listed, numbers)
        at[at == len(listed)] = 0
        found += int(np.count_nonzero(listed[at] == numbers))
    return {
        "import_s": round(imported_s, 2),
        "size_bytes": listed.nbytes,
        "screen_s": round(time.perf_counter() - begun, 2),
        "listed": found,
    }


def _fixed_rows(path: Path, width: int, skip: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Rows of one width: the peer's reading is as fast as it can be made."""
    with path.open("rb") as file:
        file.seek(skip)
        while raw := file.read(width * 1_000_000):
            yield np.frombuffer(raw, np.uint8).reshape(-1, width)


def _duckdb(work: Path) -> Figures:
    """A table of numbers and an anti-join's counterpart, with DuckDB's own reader of CSV."""
    try:
        import duckdb
    except ImportError:
        return {"skipped": "DuckDB is not installed; it comes with the developers' packages"}
    folder = work / "duckdb"
    folder.mkdir()
    with duckdb.connect(str(folder / "bench.db")) as connection:
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(f"SET temp_directory = '{folder}'")
        connection.execute("SET memory_limit = '8GB'")
        connection.execute("SET enable_progress_bar = false")
        begun = time.perf_counter()
        connection.execute(
            "CREATE TABLE dnc AS SELECT (area || local)::BIGINT AS number FROM read_csv(?,"
            " header = false, columns = {'area': 'VARCHAR', 'local': 'VARCHAR'})",
            [str(work / "full.txt")],
        )
        connection.execute("CHECKPOINT")
        imported_s = time.perf_counter() - begun
        begun = time.perf_counter()
        row = connection.execute(
            "SELECT (SELECT count(*) FROM read_csv(?, header = true, columns = {'number':"
            " 'BIGINT', 'state': 'VARCHAR'})) - count(*) FROM read_csv(?, header = true, columns ="
            " {'number': 'BIGINT', 'state': 'VARCHAR'}) AS list ANTI JOIN dnc"
            " ON list.number = dnc.number",
            [str(work / "list.csv")] * 2,
        ).fetchone()
        screened_s = time.perf_counter() - begun
    assert row is not None
    return {
        "import_s": round(imported_s, 2),
        "size_bytes": (folder / "bench.db").stat().st_size,
        "screen_s": round(screened_s, 2),
        "listed": int(row[0]),
    }


def _postgres(work: Path) -> Figures:
    """An unlogged table, loaded by COPY, with its primary key; then an anti-join."""
    import psycopg

    from fairdial.adapters.postgres.server import EmbeddedPostgres

    folder = work / "postgresql"
    folder.mkdir(mode=0o711)
    work.chmod(0o711)
    with (
        EmbeddedPostgres(folder, durable=False) as server,
        psycopg.connect(server.start(), autocommit=True) as connection,
    ):
        connection.execute("SET work_mem = '1GB'")
        connection.execute("SET maintenance_work_mem = '1GB'")
        begun = time.perf_counter()
        connection.execute("CREATE UNLOGGED TABLE dnc (number bigint NOT NULL)")
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY dnc FROM STDIN") as copy,
            _without_commas(work / "full.txt") as pieces,
        ):
            for piece in pieces:
                copy.write(piece)
        connection.execute("ALTER TABLE dnc ADD PRIMARY KEY (number)")
        connection.execute("ANALYZE dnc")
        imported_s = time.perf_counter() - begun
        begun = time.perf_counter()
        connection.execute("CREATE UNLOGGED TABLE list (number bigint, state text)")
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY list FROM STDIN (FORMAT csv, HEADER)") as copy,
            (work / "list.csv").open("rb") as file,
        ):
            while raw := file.read(1 << 20):
                copy.write(raw)
        connection.execute("ANALYZE list")
        row = connection.execute(
            "SELECT (SELECT count(*) FROM list) - count(*) FROM list WHERE NOT EXISTS"
            " (SELECT FROM dnc WHERE dnc.number = list.number)"
        ).fetchone()
        screened_s = time.perf_counter() - begun
        size = connection.execute("SELECT pg_total_relation_size('dnc')").fetchone()
    assert row is not None
    assert size is not None
    return {
        "import_s": round(imported_s, 2),
        "size_bytes": int(size[0]),
        "screen_s": round(screened_s, 2),
        "listed": int(row[0]),
    }


@contextmanager
def _without_commas(path: Path) -> Iterator[Iterator[bytes]]:
    with path.open("rb") as file:
        yield (piece.replace(b",", b"") for piece in iter(lambda: file.read(1 << 22), b""))


_PEERS: dict[str, Callable[[Path], Figures]] = {
    "numpy": _numpy,
    "duckdb": _duckdb,
    "postgresql": _postgres,
}
PEERS = tuple(_PEERS)

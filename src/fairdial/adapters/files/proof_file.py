"""The exported record: JSON Lines, one item of the record each, gzip when the name ends in `.gz`.

The first line says what the file is. Written to a temporary name and renamed, so that a file of
that name is whole; its last line counts the others, so that a shortened copy shows too. Reading
takes one line at a time and trusts nothing.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from fairdial.core import record
from fairdial.core.audit import AuditEntry, canonical
from fairdial.core.checkpoint import ChainHead, Checkpoint
from fairdial.core.permit import plain
from fairdial.core.proof import KeptJudgement, KeptRulebook, RecordEnd, RecordItem
from fairdial.exceptions import SettingsError, UnusableList

FORMAT = {"what": "fairdial record", "version": 1}
LINE_BYTES_MAX = 64 * 1024 * 1024
"""The longest line is a rulebook with all its files; one that is longer is none of ours."""

KINDS: dict[str, type[RecordItem]] = {
    "chain": ChainHead,
    "checkpoint": Checkpoint,
    "rulebook": KeptRulebook,
    "entry": AuditEntry,
    "judgement": KeptJudgement,
    "end": RecordEnd,
}
WORDS = {kind: word for word, kind in KINDS.items()}


async def write_record(path: Path, items: AsyncIterator[RecordItem]) -> int:
    """Write a record; says how many items. Whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    count = 0
    try:
        with _writing(part, is_packed=path.suffix == ".gz") as file:
            file.write(_line(FORMAT))
            async for item in items:
                file.write(_line({"what": WORDS[type(item)], **plain(item)}))
                count += 1
        part.replace(path)
    except OSError as error:
        raise SettingsError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return count


async def read_record(path: Path) -> AsyncIterator[RecordItem]:
    """The items of an exported record. Raises `UnusableList` for what is none at all."""
    try:
        with _reading(path) as file:
            lines = iter(lambda: file.readline(LINE_BYTES_MAX), b"")
            if _parsed(path, 1, next(lines, b"")) != FORMAT:
                raise UnusableList(
                    f"{path}: this is no record of version 1 that `fairdial audit export` wrote"
                )
            for number, line in enumerate(lines, start=2):
                if not line.endswith(b"\n") and len(line) < LINE_BYTES_MAX:
                    return  # Cut off; the walk misses its end and says so.
                yield _item(path, number, line)
    except EOFError:
        return  # The same of a packed file.
    except (OSError, zlib.error) as error:
        raise UnusableList(f"{path}: cannot read the record: {error}") from error


@contextmanager
def _writing(path: Path, *, is_packed: bool) -> Iterator[IO[bytes]]:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        if is_packed:
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, filename="", mtime=0) as z:
                yield cast("IO[bytes]", z)
        else:
            yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if is_packed:
            with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
                yield cast("IO[bytes]", unpacked)
        else:
            yield file


def _line(values: dict[str, Any]) -> bytes:
    return canonical(values).encode() + b"\n"


def _parsed(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except ValueError as error:
        raise UnusableList(f"{path}:{number}: this line is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise UnusableList(f"{path}:{number}: this line is no item of a record")
    return values


def _item(path: Path, number: int, line: bytes) -> RecordItem:
    values = _parsed(path, number, line)
    kind = KINDS.get(str(values.pop("what", None)))
    if kind is None:
        raise UnusableList(f"{path}:{number}: this line does not say what it is")
    try:
        return record.read(kind, values)
    except ValueError as error:
        raise UnusableList(f"{path}:{number}: {error}") from error

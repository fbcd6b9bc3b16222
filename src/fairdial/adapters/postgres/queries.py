"""The named queries of the store: SQL stays in `.sql` files, where an auditor can read it.

    -- name: claim_due_leads
    -- The next due leads of one campaign, claimed for this dialer; nobody else gets them.
    SELECT … WHERE campaign_id = %(campaign_id)s …

One verb each, a comment that says what it does, then one statement with psycopg's named
placeholders. A file that breaks this is a mistake of ours: loading it raises `ValueError` with the
line, at start, before any call.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import LiteralString

from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import DictRow

FOLDER = Path(__file__).parent / "queries"

HEADER = re.compile(r"--\s*name:\s*(.*?)\s*")
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
OPAQUE = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
"""Literals, quoted names and comments: a semicolon inside them ends nothing."""
LONE_PERCENT = re.compile(r"%(?!\([a-z_][a-z0-9_]*\)[sbt])")


class Queries(Mapping[str, str]):
    """SQL texts by name, as `queries["close_attempt"]` or `queries.close_attempt`."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = dict(texts)

    def __getitem__(self, name: str) -> str:
        return self._texts[name]

    def __getattr__(self, name: str) -> str:
        # Only reached for names that are not attributes. `_texts` is missing while unpickling.
        if name.startswith("_") or name not in self._texts:
            raise AttributeError(f"there is no query called {name}")
        return self._texts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def load(folder: Path = FOLDER) -> Queries:
    """Read every `.sql` file in `folder`. `ValueError` names the file and line of a mistake."""
    texts: dict[str, str] = {}
    places: dict[str, str] = {}
    for path in sorted(folder.glob("*.sql")):
        for place, name, lines in _sections(path):
            if NAME.fullmatch(name) is None:
                raise ValueError(f"{place}: {name!r} should be a name like claim_leads")
            if name in texts:
                raise ValueError(
                    f"{place}: {name} is already the name of the query at {places[name]}"
                )
            texts[name] = _statement(place, name, lines)
            places[name] = place
    return Queries(texts)


def _sections(path: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Place, name and lines of every query in a file."""
    name, place, lines = "", "", list[str]()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        header = HEADER.fullmatch(line)
        if header is not None:
            if place:
                yield place, name, lines
            name, place, lines = header[1], f"{path}:{number}", []
        elif place:
            lines.append(line)
        elif line.strip() and not line.startswith("--"):
            raise ValueError(f"{path}:{number}: a statement before the first '-- name:' line")
    if place:
        yield place, name, lines


def _statement(place: str, name: str, lines: list[str]) -> str:
    if not lines or re.fullmatch(r"--\s*\S.*", lines[0]) is None:
        raise ValueError(
            f"{place}: {name} needs a comment line below its name that says what it does"
        )
    while lines and lines[0].startswith("--"):
        lines = lines[1:]
    text = "\n".join(lines).strip().removesuffix(";").rstrip()
    bare = OPAQUE.sub(" ", text)
    if not bare.strip():
        raise ValueError(f"{place}: {name} has no statement")
    if ";" in bare:
        raise ValueError(f"{place}: {name} has more than one statement")
    if LONE_PERCENT.search(text.replace("%%", "")) is not None:
        raise ValueError(
            f"{place}: {name} has a % that is no %(name)s placeholder; write %% for the sign itself"
        )
    return text


SQL = load()
"""Every query of the store."""


def sql(name: str) -> LiteralString:
    """The text of a named query."""
    # Every text in SQL comes from our own files, never from input.
    return SQL[name]


async def run(
    conn: AsyncConnection[DictRow], name: str, /, **values: object
) -> AsyncCursor[DictRow]:
    """Run a named query."""
    return await conn.execute(sql(name), values)

"""The law as data, and the reading of it from the package: the only I/O that rules need.

Time zones come from the pinned `tzdata` package alone, never from the host: an operating system of
last year is an hour wrong in British Columbia, Alberta and Manitoba from November 2026 on.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import tzdata

from fairdial.core.rule_file import BESIDE_THE_RULES, parse
from fairdial.core.rulebook import Rulebook
from fairdial.exceptions import RulebookError

HOUSE_FILE_BYTES_MAX = 64 * 1024
"""The largest rule file outside of the package that is read; a rule is a page of text."""

FOLDER_FILES_MAX = 5000
"""The most files of one folder of rules that are read."""


def read_files() -> dict[str, bytes]:
    """Every TOML file of this package: path inside the rules folder → content."""
    return dict(_walk(resources.files(__name__), ""))


TABLES = ("nanp/", "places/", "rulebook.toml")
"""Where the files lie that are no rules: tables of places, and what loading asks for."""


def read_tables() -> dict[str, bytes]:
    """The files of this package that are no rules, which every rulebook needs."""
    return {path: text for path, text in read_files().items() if path.startswith(TABLES)}


def load_folder(folder: Path) -> Rulebook:
    """Load rules from a folder laid out like this package, for comparing.

    Tables of places that it lacks are taken from the package. Raises `RulebookError`.
    """
    if not folder.is_dir():
        raise RulebookError(f"the folder of rules {folder} does not exist")
    paths = sorted(p for p in folder.rglob("*.toml") if p.name not in BESIDE_THE_RULES)
    if len(paths) > FOLDER_FILES_MAX:
        raise RulebookError(f"{folder} holds {len(paths)} files; {FOLDER_FILES_MAX} are the most")
    files = read_tables()
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if not name.startswith(TABLES) and path.stat().st_size > HOUSE_FILE_BYTES_MAX:
            raise RulebookError(f"{path} is larger than {HOUSE_FILE_BYTES_MAX} bytes")
        files[name] = path.read_bytes()
    return parse(files, use_pinned_tzdata())


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".toml"):
            yield prefix + entry.name, entry.read_bytes()


def use_pinned_tzdata() -> str:
    """Make the installed `tzdata` package the only source of time zones in this process.

    Answers its version (`2026f`). Call it once at start, before any zone is used: zones that were
    read before keep their old data, therefore the cache of zones is cleared too.
    """
    if zoneinfo.TZPATH:
        zoneinfo.reset_tzpath(to=[])
        zoneinfo.ZoneInfo.clear_cache()
    return str(tzdata.IANA_VERSION)


def load_rulebook(house: Path | None = None) -> Rulebook:
    """Load the packaged rules; `house` is a folder whose TOML files add to the house rules.

    A file there replaces the packaged house rule of the same file name. A house rule can only add
    to the law: it is judged beside the other rules, never instead of them. Raises `RulebookError`.
    """
    return load_rulebook_and_files(house)[0]


def load_rulebook_and_files(house: Path | None = None) -> tuple[Rulebook, dict[str, str]]:
    """The rulebook, and the text of the files that it was made of, to be kept with what it judges.

    Raises `RulebookError`.
    """
    version = use_pinned_tzdata()
    files = read_files()
    if house is not None:
        if not house.is_dir():
            raise RulebookError(f"the folder of house rules {house} does not exist")
        for path in sorted(house.glob("*.toml")):
            if path.stat().st_size > HOUSE_FILE_BYTES_MAX:
                raise RulebookError(f"{path} is larger than {HOUSE_FILE_BYTES_MAX} bytes")
            files[f"house/{path.name}"] = path.read_bytes()
    rulebook = parse(files, version)
    texts = {
        path: content.decode()
        for path, content in files.items()
        if path.rsplit("/", 1)[-1] not in BESIDE_THE_RULES
    }
    return rulebook, texts

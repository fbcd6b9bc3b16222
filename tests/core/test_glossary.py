"""Core's names and the glossary stay together."""

from __future__ import annotations

import dataclasses
import inspect
import pkgutil
import re
from collections.abc import Iterator
from enum import Enum
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import fairdial.core

GLOSSARY = Path(__file__).parents[2] / "docs" / "reference" / "glossary.md"

Phrase = tuple[str, ...]


def words(text: str) -> Phrase:
    """`AgentSession`, `wrap_up` and `wrap-up` as words, in small letters."""
    return tuple(w.lower() for w in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", text))


@cache
def rows() -> tuple[tuple[str, str], ...]:
    """The first and the last cell of each row of the glossary's tables."""
    found = []
    for text in GLOSSARY.read_text(encoding="utf-8").splitlines():
        if text.startswith("| **"):
            cells = [cell.strip() for cell in text.strip("|").split("|")]
            found.append((cells[0], cells[-1]))
    return tuple(found)


@cache
def terms() -> frozenset[Phrase]:
    """Every term and every other form of it."""
    found: set[Phrase] = set()
    for cell, _ in rows():
        found.update(words(term) for term in re.findall(r"\*\*(.+?)\*\*", cell))
        for forms in re.findall(r"\(([^)]*)\)", cell):
            found.update(words(form) for form in forms.split(","))
    return frozenset(found)


@cache
def avoided() -> frozenset[Phrase]:
    """Words that blur a term whatever they are used for: those without a bracket."""
    found: set[Phrase] = set()
    for _, cell in rows():
        found.update(words(word) for word in cell.split(",") if "(" not in word)
    return frozenset(found - {()})


@cache
def plain_words() -> frozenset[str]:
    """The explicit list at the end of the page."""
    text = GLOSSARY.read_text(encoding="utf-8").partition("## Plain words")[2]
    return frozenset(words(text.partition(":")[2]))


@cache
def names() -> tuple[str, ...]:
    """Every module of core and every public class in it."""
    found = []
    for module in modules():
        found.append(module.__name__.rpartition(".")[2])
        found += [cls.__name__ for cls in classes(module)]
    return tuple(found)


def modules() -> Iterator[ModuleType]:
    for info in pkgutil.walk_packages(fairdial.core.__path__, "fairdial.core."):
        yield import_module(info.name)


def classes(module: ModuleType) -> list[type]:
    return [
        value
        for name, value in vars(module).items()
        if inspect.isclass(value)
        and value.__module__ == module.__name__
        and name == value.__name__  # not a short alias of a table
        and not name.startswith("_")
    ]


def smaller_names(module: ModuleType) -> Iterator[str]:
    """Public functions, fields and members: held against the avoided words only."""
    for name, value in vars(module).items():
        here = getattr(value, "__module__", None) == module.__name__
        if inspect.isfunction(value) and here and not name.startswith("_"):
            yield name
    for cls in classes(module):
        if dataclasses.is_dataclass(cls):
            yield from (field.name for field in dataclasses.fields(cls))
        if issubclass(cls, Enum):
            yield from cls.__members__


def unexplained(name: str) -> Phrase:
    """The words of a name that neither a term nor the plain list accounts for."""
    left = words(name)
    missing: list[str] = []
    while left:
        length = next((n for n in range(len(left), 0, -1) if left[:n] in terms()), 0)
        if length == 0:
            if left[0] not in plain_words():
                missing.append(left[0])
            length = 1
        left = left[length:]
    return tuple(missing)


def uses(name: str, phrase: Phrase) -> bool:
    """Whether the phrase stands in the name."""
    parts = words(name)
    return any(parts[i : i + len(phrase)] == phrase for i in range(len(parts)))


def test_every_name_of_core_is_made_of_glossary_terms_and_plain_words() -> None:
    missing = {name: unexplained(name) for name in names() if unexplained(name)}
    assert missing == {}, f"add these words to {GLOSSARY.name}: {missing}"


def test_core_uses_no_word_that_the_glossary_avoids() -> None:
    used = [name for module in modules() for name in smaller_names(module)]
    blurred = {
        name: " ".join(phrase)
        for name in [*names(), *used]
        for phrase in avoided()
        if uses(name, phrase)
    }
    assert blurred == {}


def test_no_word_is_avoided_and_defined_at_once() -> None:
    assert avoided() & terms() == frozenset()


def test_every_plain_word_is_needed() -> None:
    needed = {word for name in names() for word in words(name)} - {
        t[0] for t in terms() if len(t) == 1
    }
    assert plain_words() - needed == set(), "remove these from the plain words"


def test_no_term_is_defined_twice() -> None:
    defined = [words(t) for cell, _ in rows() for t in re.findall(r"\*\*(.+?)\*\*", cell)]
    assert sorted(defined) == sorted(set(defined))

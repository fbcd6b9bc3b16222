"""One TOML table being read strictly: what nobody asked for is a mistake, not a comment.

Law as data is only as good as its reading. Every fault names the file and the table, says what
stands there and what should. Refuses to know what the values mean (`rule_file`, `places`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, TypeVar

from fairdial.core.jurisdiction import is_zone
from fairdial.exceptions import RulebookError

Member = TypeVar("Member", bound=StrEnum)


class Table:
    """One TOML table being read. `done` refuses what nobody took: an unknown key is a mistake."""

    def __init__(self, where: str, content: Mapping[str, Any]) -> None:
        self.where = where
        self._left = dict(content)

    def fault(self, why: str) -> RulebookError:
        return RulebookError(f"{self.where}: {why}")

    def has(self, key: str) -> bool:
        return key in self._left

    def text(self, key: str) -> str:
        value = self._take(key)
        if not isinstance(value, str) or not value.strip():
            raise self.fault(f"{key} must be a text that is not empty, it is {value!r}")
        return value

    def text_or_none(self, key: str) -> str | None:
        return self.text(key) if self.has(key) else None

    def whole(self, key: str, *, least: int = 1) -> int:
        value = self._take(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.fault(f"{key} must be a whole number from {least}, it is {value!r}")
        return value

    def whole_or_none(self, key: str, *, least: int = 1) -> int | None:
        return self.whole(key, least=least) if self.has(key) else None

    def share(self, key: str) -> float:
        """A share of one, both ends left out: `0.03`."""
        value = self._take(key)
        if not isinstance(value, float) or not 0.0 < value < 1.0:
            raise self.fault(f"{key} must be a share such as 0.03, it is {value!r}")
        return value

    def truth(self, key: str) -> bool:
        """`true` where it is written; false is never written, it is what absence means."""
        if not self.has(key):
            return False
        if self._take(key) is not True:
            raise self.fault(f"{key} must be true, or be left out")
        return True

    def days(self, key: str) -> tuple[date, ...]:
        value = self._take(key)
        if not isinstance(value, list) or not all(
            isinstance(v, date) and not isinstance(v, datetime) for v in value
        ):
            raise self.fault(f"{key} must be a list of dates, it is {value!r}")
        return tuple(value)

    def day(self, key: str) -> date:
        value = self._take(key)
        if not isinstance(value, date) or isinstance(value, datetime):
            raise self.fault(f"{key} must be a date (2026-11-23), it is {value!r}")
        return value

    def day_or_none(self, key: str) -> date | None:
        return self.day(key) if self.has(key) else None

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._take(key)
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise self.fault(f"{key} must be a list of texts, it is {value!r}")
        if len(set(value)) != len(value):
            raise self.fault(f"{key} names something twice: {value!r}")
        return tuple(value)

    def one_of(self, key: str, kind: type[Member]) -> Member:
        return self._member(key, self.text(key), kind)

    def some_of(self, key: str, kind: type[Member]) -> frozenset[Member]:
        names = self.texts(key)
        if not names:
            raise self.fault(f"{key} is empty, so the rule would never apply")
        return frozenset(self._member(key, name, kind) for name in names)

    def some_of_or_all(
        self, key: str, kind: type[Member], *, never: Member | None = None
    ) -> frozenset[Member]:
        """The members written down; all when the key is absent. `never` is implied."""
        if not self.has(key):
            return frozenset(kind)
        members = self.some_of(key, kind)
        if never in members:
            raise self.fault(f"{key}: {never} meets every rule anyway; do not write it")
        return members

    def _member(self, key: str, name: str, kind: type[Member]) -> Member:
        try:
            return kind(name)
        except ValueError:
            choice = ", ".join(m.value for m in kind)
            raise self.fault(f"{key} has {name!r}; it must be of: {choice}") from None

    def table(self, key: str) -> Table:
        value = self._take(key)
        if not isinstance(value, dict):
            raise self.fault(f"{key} must be a table, it is {value!r}")
        return Table(f"{self.where}, {key}", value)

    def tables(self, key: str) -> tuple[Table, ...]:
        value = self._take(key)
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            raise self.fault(f"{key} must be an array of tables ([[{key}]])")
        return tuple(
            Table(f"{self.where}, {key} {number}", v) for number, v in enumerate(value, start=1)
        )

    def zones(self, key: str) -> tuple[str, ...]:
        names = self.texts(key)
        for name in names:
            if not is_zone(name):
                raise self.fault(f"{key} has {name!r}, which is not an IANA time zone")
        return names

    def rest(self) -> tuple[str, ...]:
        """The keys nobody took yet."""
        return tuple(self._left)

    def raw(self, key: str) -> Any:
        return self._take(key)

    def done(self) -> None:
        if self._left:
            raise self.fault(f"unknown key: {', '.join(sorted(self._left))}")

    def _take(self, key: str) -> Any:
        if key not in self._left:
            raise self.fault(f"{key} is missing")
        return self._left.pop(key)

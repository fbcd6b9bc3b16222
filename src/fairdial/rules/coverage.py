"""Coverage: which duties of a law are rules here, which are not yet, and which need none.

Nobody should have to guess what a green light rests on. Each jurisdiction has a `coverage.toml`; it
is read as strictly as the rules, and shown by the product.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from fairdial.core.toml_table import Table
from fairdial.exceptions import RulebookError


class Status(StrEnum):
    """How far one duty of a law is covered."""

    DONE = "done"
    """Judged or told by the rules that are named."""
    TODO = "todo"
    """Not expressed yet; the note says what is missing."""
    EXEMPT = "exempt"
    """No rule of its own is needed; the note says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredDuty:
    """One duty of a law, as lawyers would name it."""

    duty: str
    status: Status
    rules: tuple[str, ...]
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The duties of one jurisdiction."""

    jurisdiction: str
    reviewed_on: date
    duties: tuple[CoveredDuty, ...]

    def count(self, status: Status) -> int:
        """How many duties have that status."""
        return sum(duty.status is status for duty in self.duties)


def read_coverage(files: Mapping[str, bytes]) -> dict[str, Coverage]:
    """The coverage of every jurisdiction among rule files. Raises `RulebookError` for a bad one."""
    found: dict[str, Coverage] = {}
    for path, content in sorted(files.items()):
        folder, _, name = path.rpartition("/")
        if name == "coverage.toml":
            one = _read(path, folder.removesuffix("/federal"), content)
            # The United States have one file for the federal law and one for states without any.
            before = found.get(one.jurisdiction)
            if before is not None:
                one = Coverage(
                    jurisdiction=one.jurisdiction,
                    reviewed_on=min(before.reviewed_on, one.reviewed_on),
                    duties=before.duties + one.duties,
                )
            found[one.jurisdiction] = one
    return found


def _read(path: str, jurisdiction: str, content: bytes) -> Coverage:
    try:
        table = Table(path, tomllib.loads(content.decode("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RulebookError(f"{path}: this is not TOML in UTF-8: {error}") from error
    reviewed_on = table.day("reviewed_on")
    duties = tuple(_duty(row) for row in table.tables("duty"))
    table.done()
    return Coverage(jurisdiction=jurisdiction, reviewed_on=reviewed_on, duties=duties)


def _duty(row: Table) -> CoveredDuty:
    duty = CoveredDuty(
        duty=row.text("duty"),
        status=row.one_of("status", Status),
        rules=row.texts("rules") if row.has("rules") else (),
        note=row.text_or_none("note"),
    )
    row.done()
    if bool(duty.rules) is not (duty.status is Status.DONE):
        raise row.fault("rules are named where the duty is done, and only there")
    if duty.status is Status.EXEMPT and duty.note is None:
        raise row.fault("note must say why no rule is needed")
    return duty

"""Our own form of a do-not-call file: a copy of a registry, or the company's own list.

One number per line, or CSV with `number,registered_on`. Strict: a line that cannot be read ends
the reading, because skipping it would ring somebody who asked not to be called. For the same
reason a number need not be in service to be listed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO

from fairdial.adapters.files.lines import FileReading, Line, encoding_of, open_file, read_lines
from fairdial.core.ids import E164
from fairdial.core.intake import ACCEPTED_NAMES, Role, header_key, shown
from fairdial.core.number import NumberFault, parse_e164
from fairdial.exceptions import UnusableList

_SEPARATORS = re.compile(r"[,;\t|]")
_PLAIN = re.compile(r"(?:\+?1)?([2-9][0-9]{9})|(\+[1-9][0-9]{6,14})", re.ASCII)
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_DATE_HEADERS = ("registered on", "registered", "date", "registration date", "since")
_AS_OF = re.compile(r"#\s*as[_ ]of\s*:\s*(.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleEntry:
    """One listed number."""

    number: E164
    registered_on: date | None
    """The day it was listed, when the file says so."""


class SimpleReading(FileReading[SimpleEntry]):
    """A do-not-call file being read; made by `read_simple`. Closes its file at the end.

    `next` raises `UnusableList` at the first line that cannot be read: import in one transaction.
    """

    def __init__(self, path: Path, file: BinaryIO, as_of: date | None, region: str) -> None:
        self.path = path
        self.entries = 0
        self._file = file
        self._region = region
        self._lines = read_lines(path, file, encoding_of(path, file, None))
        self._first: Line | None = None
        self.is_for_sandbox = False
        """Whether it says `# as_of: sandbox`: invented entries, as old as the sandbox's day.

        It then has no day of its own, so that outside the sandbox it counts as no copy at all.
        """
        self.as_of: date | None = self._read_head(as_of)
        """The day of this copy; None when neither the file nor the caller says."""

    @property
    def bytes_read(self) -> int:
        """How far into the file it is read."""
        return 0 if self._file.closed else self._file.tell()

    def close(self) -> None:
        """Close the file; reading on ends as if the file had ended."""
        self._first, self._lines = None, iter(())
        self._file.close()

    def __next__(self) -> SimpleEntry:
        try:
            return self._next_entry()
        except BaseException:
            # At the end as after an error: nobody reads on.
            self.close()
            raise

    def _next_entry(self) -> SimpleEntry:
        while True:
            line = self._first or next(self._lines)
            self._first = None
            text = _text(self.path, line)
            if text.startswith("#") and _AS_OF.match(text):
                raise UnusableList(
                    f"{self.path}, line {line.number}: as_of belongs before the first number."
                )
            if not text or text.startswith("#"):
                continue
            entry = self._entry(line, text)
            self.entries += 1
            return entry

    def _read_head(self, as_of: date | None) -> date | None:
        """Read up to the first entry: comments, and a line of column names if there is one."""
        stated: date | None = None
        for line in self._lines:
            text = _text(self.path, line)
            if not text:
                continue
            if text.startswith("#"):
                match = _AS_OF.match(text)
                if match and match[1].strip().lower() == "sandbox":
                    self.is_for_sandbox = True
                elif match:
                    stated = _day(self.path, line, match[1].strip(), "as_of")
                continue
            if not _is_column_names(text):
                self._first = line
            break
        if self.is_for_sandbox and (stated or as_of) is not None:
            raise UnusableList(
                f"{self.path} says as_of sandbox, and {stated or as_of} was given too."
            )
        if stated is not None and as_of is not None and stated != as_of:
            raise UnusableList(
                f"{self.path} says as_of {stated}, but {as_of} was given: correct one of them."
            )
        return stated or as_of

    def _entry(self, line: Line, text: str) -> SimpleEntry:
        cells = [cell.strip().strip('"').strip() for cell in _SEPARATORS.split(text)]
        if re.fullmatch("[0-9]{3}", cells[0]) and re.fullmatch("[0-9]{7}", (cells[1:] or [""])[0]):
            # The US registry's own download has the area code and the number in two cells.
            cells = [cells[0] + cells[1], *cells[2:]]
        if len(cells) > 2:
            raise UnusableList(
                f"{self.path}, line {line.number}: {len(cells)} cells; one number and perhaps the "
                "day it was registered belong on a line."
            )
        day = cells[1] if len(cells) == 2 else ""
        return SimpleEntry(
            number=self._number(line, cells[0]),
            registered_on=_day(self.path, line, day, "registered_on") if day else None,
        )

    def _number(self, line: Line, text: str) -> E164:
        # Whether a number is in service does not matter here: newer area codes are listed before
        # phone metadata knows them.
        plain = _PLAIN.fullmatch(text)
        if plain and (self._region in ("US", "CA") or text.startswith("+")):
            return E164(f"+1{plain[1]}" if plain[1] else plain[2])
        number = parse_e164(text, region=self._region)
        if isinstance(number, NumberFault):
            raise UnusableList(
                f"{self.path}, line {line.number}: {shown(text)}: {number.why}. Correct the line "
                "or remove it; nothing of this file was used."
            )
        return number


def read_simple(path: Path, as_of: date | None = None, *, region: str = "US") -> SimpleReading:
    """Open a do-not-call file and read its head; the entries follow as it is iterated.

    The day of the copy comes from its line `# as_of: 2026-11-20` or from `as_of`; when both are
    there they agree. Raises `UnusableList`. A file without entries is an empty list.
    """
    file = open_file(path)
    try:
        return SimpleReading(path, file, as_of, region)
    except BaseException:
        file.close()
        raise


def _text(path: Path, line: Line) -> str:
    if line.chars > 200:
        raise UnusableList(
            f"{path}, line {line.number}: {line.chars:,} characters are no telephone number. Is "
            "this a do-not-call file with one number per line?"
        )
    return (line.text or "").strip()


def _is_column_names(text: str) -> bool:
    cells = [header_key(cell) for cell in _SEPARATORS.split(text)]
    return cells[0] in ACCEPTED_NAMES[Role.NUMBER] and all(c in _DATE_HEADERS for c in cells[1:])


def _day(path: Path, line: Line, text: str, what: str) -> date:
    try:
        # Only this one spelling: fromisoformat alone would take week dates too.
        return date.fromisoformat(text if _ISO_DAY.fullmatch(text) else "")
    except ValueError:
        raise UnusableList(
            f"{path}, line {line.number}: the {what} date {shown(text)} cannot be read: write it "
            "as 2026-11-20."
        ) from None

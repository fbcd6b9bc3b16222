"""The forms in which registries hand out their numbers, read into arrays.

Strict: a row that cannot be read, or a number that cannot exist, ends the reading with its line,
because whoever skips a row rings somebody who asked not to be called. A number that is merely not
in service may be listed. What may follow what is decided in `core.registry`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from fairdial.adapters.files.lines import encoding_of, open_file
from fairdial.adapters.registries.blocks import Mask, Numbers
from fairdial.adapters.registries.cells import Bytes, Cells, Places, Reading, digits_of
from fairdial.adapters.registries.simple import read_simple
from fairdial.core.number import NumberFault, parse_e164
from fairdial.core.registry import RegistryForm
from fairdial.exceptions import UnusableList

HEAD_LINES_MAX = 50
SIMPLE_ROWS = 50_000
"""Rows of our own form that are put into one array."""

Days = npt.NDArray[np.int32]
"""Days as ordinals; 0 where a row has none."""

_AS_OF = re.compile(r"#\s*as[_ ]of\s*:\s*(.*)", re.IGNORECASE)
_EPOCH = date(1970, 1, 1).toordinal()
_ADD, _DELETE = ord("A"), ord("D")


@dataclass(slots=True, kw_only=True)
class Batch:
    """Some rows of a registry's file. All arrays are of one length."""

    numbers: Numbers
    """E.164 without the plus."""
    days: Days
    is_deleted: Mask | None
    """For changes: whether the row takes the number off."""
    is_listed: Mask | None
    """For a washed list: whether the register has the number."""
    cells: Cells | None
    """For messages: row by row the same. None for our own form."""


class FormReading:
    """One file being read; `with` it, then take its `batches` once."""

    def __init__(
        self,
        path: Path,
        form: RegistryForm,
        *,
        countries: Mapping[str, str | None],
        as_of: date | None,
    ) -> None:
        self.path = path
        self.form = form
        self.as_of = as_of
        """The day of the file, when the caller or its head says it."""
        self.is_for_sandbox = False
        self.size = 1
        self._countries = countries
        self._reading: Reading | None = None
        if form is RegistryForm.SIMPLE:
            self._simple = read_simple(path, as_of)
            self.as_of, self.is_for_sandbox = self._simple.as_of, self._simple.is_for_sandbox
            self._file: BinaryIO | None = None
            self.size = max(1, path.stat().st_size)
            return
        self._file = open_file(path)
        try:
            self._open(self._file)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> FormReading:
        return self

    def __exit__(self, *_: object) -> None:
        (self._file or self._simple).close()

    @property
    def bytes_read(self) -> int:
        return self._simple.bytes_read if self._reading is None else self._reading.bytes_read

    def batches(self) -> Iterator[Batch]:
        """All rows in order. Raises `UnusableList`."""
        if self._reading is None:
            yield from self._simple_batches()
            return
        has_country_form = self.form in _NANP_FORMS
        yield from self._nanp() if has_country_form else self._others()
        if self._reading.is_cut_off:
            raise UnusableList(
                f"{self.path} ends in the middle of line {self._reading.line - 1}, without a line "
                "break: it is cut off. Download it again."
            )

    def _simple_batches(self) -> Iterator[Batch]:
        while entries := list(islice(self._simple, SIMPLE_ROWS)):
            yield Batch(
                numbers=np.array([int(entry.number) for entry in entries], np.uint64),
                days=np.array(
                    [e.registered_on.toordinal() if e.registered_on else 0 for e in entries],
                    np.int32,
                ),
                is_deleted=None,
                is_listed=None,
                cells=None,
            )

    def _open(self, file: BinaryIO) -> None:
        """Read the head: comments, and a line of column names if there is one."""
        encoding = encoding_of(self.path, file, None)
        if encoding not in ("utf-8", "utf-8-sig"):
            raise UnusableList(f"{self.path} is {encoding} text: save it as CSV UTF-8.")
        file.seek(3 if encoding == "utf-8-sig" else 0)
        self.size = max(1, self.path.stat().st_size)
        has_names = False
        for line in range(1, HEAD_LINES_MAX + 2):
            begin = file.tell()
            raw = file.readline(1 << 16)
            text = raw.decode("utf-8", "replace").strip()
            if text.startswith("<"):
                raise UnusableList(
                    f"{self.path} is XML or a web page: download the flat text file instead."
                )
            if not raw:
                break
            if text.startswith("#"):
                self._stated(text, line)
            elif text and not has_names and re.search("[0-9]", text) is None:
                has_names = True
            elif text:
                file.seek(begin)
                self._row = text
                self._separator = next((s for s in ",;\t|" if s in text), ",")
                self._reading = Reading(self.path, file, size=self.size, line=line)
                return
        if raw:
            raise UnusableList(f"{self.path}: no number within the first {HEAD_LINES_MAX} lines.")
        self._row, self._separator = "", ","
        self._reading = Reading(self.path, file, size=self.size, line=line)

    def _stated(self, text: str, line: int) -> None:
        match = _AS_OF.match(text)
        if match is None:
            return
        try:
            stated = date.fromisoformat(match[1].strip())
        except ValueError:
            raise UnusableList(
                f"{self.path}, line {line}: the as_of date {match[1].strip()!r} cannot be read: "
                "write it as 2026-11-20."
            ) from None
        if self.as_of is not None and self.as_of != stated:
            raise UnusableList(
                f"{self.path} says as_of {stated}, but {self.as_of} was given: correct one of them."
            )
        self.as_of = stated

    # --- North America ----------------------------------------------------------------------------

    def _nanp(self) -> Iterator[Batch]:
        """`212,5550142` or `2125550142`; with changes then the day and A or D, or A or D alone."""
        assert self._reading is not None
        row = [cell.strip().strip('"') for cell in self._row.split(self._separator)]
        is_split = len(row[0]) == 3
        number_cells = 2 if is_split else 1
        is_changes = self.form in (RegistryForm.US_CHANGES, RegistryForm.CA_CHANGES)
        has_day = is_changes and len(row) == number_cells + 2
        columns = number_cells + (1 + has_day if is_changes else 0)
        country = "CA" if self.form in (RegistryForm.CA_FULL, RegistryForm.CA_CHANGES) else "US"
        foreign = np.zeros(1000, np.bool_)
        for name, of in self._countries.items():
            foreign[int(name)] = of not in (None, country)
        shape = "area code and number (212,5550142)" if is_split else "ten digits (2125550142)"
        for cells in self._reading.cells(self._separator, columns):
            if is_split:
                areas, area_widths, good = cells.digits(0)
                local, local_widths, also = cells.digits(1)
                good &= also & (area_widths == 3) & (local_widths == 7)
                ten = areas * np.uint64(10_000_000) + local
            else:
                ten, widths, good = cells.digits(0)
                good &= widths == 10
            _demand(cells, good, f"each row begins with {shape}; nothing of the file was used.")
            code = (ten // np.uint64(10_000_000)).astype(np.int64)
            _demand(cells, _is_possible(ten), _IMPOSSIBLE)
            row_foreign = foreign[code]
            if row_foreign.any():
                at = int(np.flatnonzero(row_foreign)[0])
                whose = self._countries[f"{code[at]}"]
                raise cells.fault(
                    at,
                    f"area code {code[at]} is of {whose}, and this form is of {country}: it is a "
                    "file of another registry.",
                )
            days = np.zeros(len(ten), np.int32)
            deleted = None
            if is_changes:
                letters = cells.first_byte(columns - 1) & np.uint8(0xDF)
                wide = cells.ends[:, columns - 1] - cells.starts[:, columns - 1]
                _demand(
                    cells,
                    ((letters == _ADD) | (letters == _DELETE)) & (wide == 1),
                    "a change ends with A (added) or D (deleted).",
                )
                deleted = letters == _DELETE
                if has_day:
                    days = _days(cells, number_cells)
                    _demand(cells, days > 0, "the day of the change cannot be read.")
            numbers = ten + _NANP
            yield Batch(numbers=numbers, days=days, is_deleted=deleted, is_listed=None, cells=cells)

    # --- the others -------------------------------------------------------------------------------

    def _others(self) -> Iterator[Batch]:
        """The number as it is dialed in its country, then perhaps a day or an answer."""
        assert self._reading is not None
        is_washed = self.form is RegistryForm.AU_WASHED
        for cells in self._reading.cells(self._separator, 2):
            numbers = self._national(cells)
            days = np.zeros(len(numbers), np.int32)
            listed = None
            if is_washed:
                letters = cells.first_byte(1) & np.uint8(0xDF)
                wide = cells.ends[:, 1] - cells.starts[:, 1]
                is_on, is_off = letters == ord("Y"), letters == ord("N")
                _demand(
                    cells,
                    (is_on | is_off) & (wide == 1),
                    "a washed number is followed by Y (on the register) or N.",
                )
                listed = is_on
            else:
                days = _days(cells, 1)
                _demand(
                    cells,
                    (days > 0) | (cells.ends[:, 1] == cells.starts[:, 1]),
                    "the day of registration cannot be read: write it as 2026-11-20.",
                )
            yield Batch(numbers=numbers, days=days, is_deleted=None, is_listed=listed, cells=cells)

    def _national(self, cells: Cells) -> Numbers:
        """Numbers in a country's own form, or in E.164, as E.164."""
        plus = cells.first_byte(0) == 43
        starts, ends = cells.starts[:, 0] + plus, cells.ends[:, 0]
        digits, widths, good = digits_of(cells.buffer, starts, ends)
        if self.form is RegistryForm.STATE:
            ten = good & ~plus & (widths == 10)
            eleven = good & (widths == 11) & (digits // _NANP == 1)
            numbers = self._spelled(
                cells, np.where(ten, digits + _NANP, digits), ten | eleven, "US"
            )
            _demand(cells, _is_possible(numbers % _NANP) | (numbers // _NANP != 1), _IMPOSSIBLE)
            return numbers
        code, region, longest = (44, "GB", 10) if self.form is RegistryForm.UK else (61, "AU", 9)
        shortest = 9
        numbers, known = digits.copy(), np.zeros(len(digits), np.bool_)
        for length in range(shortest, longest + 1):
            # Dialed in the country, after its 0; or after the country's code.
            first = np.uint64(10 ** (length - 1))
            zero = good & ~plus & (cells.first_byte(0) == 48) & (widths == length + 1)
            zero &= digits >= first
            numbers[zero] += np.uint64(code * 10**length)
            own = good & (widths == length + 2) & (digits // np.uint64(10**length) == code)
            own &= digits % np.uint64(10**length) >= first
            known |= zero | own
        return self._spelled(cells, numbers, known, region)

    def _spelled(self, cells: Cells, numbers: Numbers, known: Mask, region: str) -> Numbers:
        """Numbers in any other spelling, one by one."""
        for row in np.flatnonzero(~known).tolist():
            found = parse_e164(cells.cell(row, 0), region=region, area_codes=self._countries)
            if isinstance(found, NumberFault):
                raise cells.fault(row, f"{found.why}. Nothing of this file was used.")
            numbers[row] = int(found)
        return numbers


_NANP_FORMS = frozenset(
    {RegistryForm.US_FULL, RegistryForm.US_CHANGES, RegistryForm.CA_FULL, RegistryForm.CA_CHANGES}
)


_NANP = np.uint64(10**10)
"""What stands before the ten digits of a North American number: 1."""
_IMPOSSIBLE = (
    "there can be no such number: area codes and exchanges begin with 2 to 9, and no area code "
    "ends with 11."
)


def _is_possible(ten: Numbers) -> Mask:
    """Which ten digits may be a North American number, in service or not."""
    code = ten // np.uint64(10**7)
    exchange = ten // np.uint64(10**4) % np.uint64(1000)
    possible: Mask = (code >= 200) & (code % np.uint64(100) != 11) & (exchange >= 200)
    return possible


def _demand(cells: Cells, good: Mask, why: str) -> None:
    if not good.all():
        raise cells.fault(int(np.flatnonzero(~good)[0]), why)


def _days(cells: Cells, column: int) -> Days:
    """Days as `2026-11-20`, `11/20/2026` or `20261120`, perhaps with a time; 0 for no such day."""
    starts, ends = cells.starts[:, column], cells.ends[:, column]
    widths = ends - starts
    if not widths.any():
        return np.zeros(len(starts), np.int32)
    last = len(cells.buffer) - 1
    at: list[Bytes] = [cells.buffer[np.minimum(starts + n, last)] for n in range(10)]
    digit = [(byte - np.uint8(48)).astype(np.int64) for byte in at]
    iso = (widths >= 10) & (at[4] == ord("-")) & (at[7] == ord("-"))
    us = (widths >= 10) & (at[2] == ord("/")) & (at[5] == ord("/"))
    flat = widths == 8

    def number(of_iso: tuple[int, ...], of_us: tuple[int, ...], of_flat: tuple[int, ...]) -> Places:
        value = np.zeros(len(starts), np.int64)
        for kind, places in ((iso, of_iso), (us, of_us), (flat, of_flat)):
            part = np.zeros(len(starts), np.int64)
            bad = np.zeros(len(starts), np.bool_)
            for place in places:
                part = part * 10 + digit[place]
                bad |= digit[place] > 9
            value = np.where(kind, np.where(bad, 0, part), value)
        return value

    year = number((0, 1, 2, 3), (6, 7, 8, 9), (0, 1, 2, 3))
    month = number((5, 6), (0, 1), (4, 5))
    day = number((8, 9), (3, 4), (6, 7))
    if (widths > 10).any():
        after = cells.buffer[np.minimum(starts + 10, last)]
        clock = (after == ord("T")) | (after == ord(" "))
        year = np.where((widths > 10) & ~clock, 0, year)
    good = (year >= 1990) & (year <= 2200) & (month >= 1) & (month <= 12) & (day >= 1)
    months = np.where(good, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    length = (months + 1).astype("datetime64[D]").astype(np.int64) - first
    good &= day <= length
    return np.where(good, first + day - 1 + _EPOCH, 0).astype(np.int32)

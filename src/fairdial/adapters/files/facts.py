"""Files of facts about numbers: consents, dealings, restrictions, lines, reassigned numbers.

Strict, and whole or not at all: the first row that cannot be read ends the reading with its line
and the remedy, because the fact that it states would be missing where a call is judged. For the
same reason a column without a meaning is refused: whoever wrote it meant something. A number need
not be in service to have facts.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, TypeVar

from fairdial.adapters.files.lines import (
    CHUNK_BYTES,
    FileReading,
    Line,
    encoding_of,
    open_file,
    read_lines,
)
from fairdial.adapters.files.rows import (
    DELIMITERS,
    Record,
    csv_reader,
    is_empty,
    read_records,
)
from fairdial.core.campaign import Purpose
from fairdial.core.facts import Reassigned, RelationshipKind, Restriction
from fairdial.core.ids import E164
from fairdial.core.intake import ACCEPTED_NAMES, CELL_CHARS_MAX, Role, header_key, shown
from fairdial.core.lead import ConsentKind, LineType
from fairdial.core.ledger import (
    ConsentRecord,
    FactsKind,
    FactsRecord,
    LineTypeRecord,
    ReassignedRecord,
    RelationshipRecord,
    RestrictionRecord,
    record_fault,
)
from fairdial.core.number import NumberFault, parse_e164
from fairdial.exceptions import UnusableList

ROWS_MAX = 5_000_000
"""The most rows of one file: what was stated is kept in memory to find contradictions."""
TEXT_CHARS_MAX = 20_000
"""The longest wording that a person agreed to, in characters; other cells are shorter."""

_PLAIN = re.compile(r"(?:\+?1)?([2-9][0-9]{9})|(\+[1-9][0-9]{6,14})", re.ASCII)
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_BASIC_DAY = re.compile(r"[0-9]{8}", re.ASCII)
_YES = {"yes": True, "true": True, "1": True, "y": True, "no": False, "false": False, "0": False}

_Member = TypeVar("_Member", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """One column of a kind of file."""

    names: tuple[str, ...]
    """The headers that are understood; the first is the one that messages name."""
    is_needed: bool = False


_NUMBER = _Column(names=("number", *ACCEPTED_NAMES[Role.NUMBER], "tn"), is_needed=True)

COLUMNS: Mapping[FactsKind, Mapping[str, _Column]] = {
    FactsKind.CONSENTS: {
        "number": _NUMBER,
        "kind": _Column(names=("kind", "consent", "consent kind", "consent type"), is_needed=True),
        "given": _Column(
            names=("given at", "given on", "date", "consent date", "consent on"), is_needed=True
        ),
        "source": _Column(names=("source",)),
        "expires_on": _Column(names=("expires on", "expires")),
        "purposes": _Column(names=("purposes", "purpose")),
        "text_shown": _Column(names=("text", "text shown", "wording")),
        "place": _Column(names=("place", "url", "page")),
        "ip": _Column(names=("ip", "ip address")),
        "user_agent": _Column(names=("user agent", "browser")),
        "signature": _Column(names=("signature",)),
        "evidence": _Column(names=("evidence", "proof", "recording")),
        "copy_given": _Column(names=("copy given",)),
    },
    FactsKind.RELATIONSHIPS: {
        "number": _NUMBER,
        "kind": _Column(names=("kind", "relationship"), is_needed=True),
        "last_on": _Column(names=("last on", "date", "last date", "ends on"), is_needed=True),
    },
    FactsKind.RESTRICTIONS: {
        "number": _NUMBER,
        "restriction": _Column(names=("restriction", "kind"), is_needed=True),
        "ended_on": _Column(names=("ended on", "until")),
    },
    FactsKind.LINE_TYPES: {
        "number": _NUMBER,
        "line_type": _Column(names=("line type", "type", "phone type"), is_needed=True),
    },
    FactsKind.REASSIGNED: {
        "number": _NUMBER,
        "since_on": _Column(
            names=("date", "since on", "date of consent", "consent date"), is_needed=True
        ),
        "answer": _Column(
            names=("response", "answer", "result", "disconnected", "reassigned"), is_needed=True
        ),
        "asked_on": _Column(names=("asked on", "query date", "date of query")),
    },
}
"""What each kind of file may hold. Case, spaces, `_` and `-` in a header do not matter."""

_LINE_TYPES = {
    "wireless": LineType.WIRELESS,
    "mobile": LineType.WIRELESS,
    "cell": LineType.WIRELESS,
    "landline": LineType.LANDLINE,
    "fixed": LineType.LANDLINE,
    "fixed line": LineType.LANDLINE,
    "voip": LineType.VOIP,
    "unknown": LineType.UNKNOWN,
}


class FactsReading(FileReading[FactsRecord]):
    """A file of facts being read; made by `read_facts`. Closes its file at the end.

    `next` raises `UnusableList` at the first row that cannot be read: import in one transaction.
    A row that only repeats an earlier one is left out and counted.
    """

    def __init__(
        self,
        path: Path,
        file: BinaryIO,
        kind: FactsKind,
        *,
        source: str,
        as_of: date,
        region: str,
        on_row: Callable[[int], None],
    ) -> None:
        self.path = path
        self.kind = kind
        self.rows = 0
        self.repeated = 0
        self.sha256 = _sha256(file)
        self._file = file
        self._source = source
        self._as_of = as_of
        self._region = region
        self._on_row = on_row
        self._seen: dict[object, tuple[int, object]] = {}
        lines = read_lines(path, file, encoding_of(path, file, None))
        delimiter, self._columns, self._width = _read_head(path, lines, kind)
        self._records = read_records(path, lines, delimiter)
        self._read = _READERS[kind]
        self._next: FactsRecord | None = None
        # One row ahead: a file without rows is no statement.
        self._next = self._next_record()
        if self._next is None:
            raise UnusableList(f"{path} holds a header but no rows: export it again.")

    def close(self) -> None:
        """Close the file; reading on ends as if the file had ended."""
        self._next, self._records = None, iter(())
        self._file.close()

    def __next__(self) -> FactsRecord:
        record = self._next
        if record is None:
            self.close()
            raise StopIteration
        self._next = self._next_record()
        return record

    def _next_record(self) -> FactsRecord | None:
        for row in self._records:
            if is_empty(row):
                continue
            self.rows += 1
            if self.rows > ROWS_MAX:
                raise UnusableList(
                    f"{self.path}, line {row.first}: more than {ROWS_MAX:,} rows. Split the file."
                )
            self._on_row(self.rows)
            record = self._record(row)
            if not self._is_repeated(row, record):
                return record
            self.repeated += 1
        return None

    def _record(self, row: Record) -> FactsRecord:
        why = row.fault.why.rstrip(".") if row.fault else None
        if why is None:
            try:
                cells = self._cells(row.cells)
                number = _number(cells["number"], self._region)
                record = self._read(number, cells, _Place(self._source, row.first, self._as_of))
            except _FaultError as fault:
                why = str(fault)
            else:
                why = record_fault(record, self._as_of)
                if why is None:
                    return record
        raise UnusableList(
            f"{self.path}, line {row.first}: {why}. Correct the row or remove it; nothing of this "
            "file was kept."
        )

    def _cells(self, cells: Sequence[str]) -> dict[str, str]:
        if len(cells) < self._width or any(cell.strip() for cell in cells[self._width :]):
            raise _FaultError(
                f"the row has {len(cells)} cells, the header has {self._width}: a separator is "
                "missing, or a cell that holds one is not in quotes"
            )
        found = {name: cells[column].strip() for name, column in self._columns.items()}
        for name, text in found.items():
            most = TEXT_CHARS_MAX if name == "text_shown" else CELL_CHARS_MAX
            if len(text) > most:
                raise _FaultError(f"{name} has {len(text):,} characters; {most:,} fit")
        return found

    def _is_repeated(self, row: Record, record: FactsRecord) -> bool:
        """Whether an earlier row said the same. One that said otherwise ends the reading."""
        about, said = _about(record)
        first, before = self._seen.setdefault(about, (row.first, said))
        if first == row.first:
            return False
        if before == said:
            return True
        raise UnusableList(
            f"{self.path}, line {row.first}: of {record.number} line {first} says otherwise. Keep "
            "the one that holds; nothing of this file was kept."
        )


def read_facts(
    path: Path,
    kind: FactsKind,
    *,
    source: str,
    as_of: date,
    region: str = "US",
    on_row: Callable[[int], None] = lambda _: None,
) -> FactsReading:
    """Open a file of facts and read its header and first row; the rest follows as it is iterated.

    `region` is the country of numbers written without a country code. Raises `UnusableList`.
    """
    file = open_file(path)
    try:
        return FactsReading(
            path, file, kind, source=source, as_of=as_of, region=region, on_row=on_row
        )
    except BaseException:
        file.close()
        raise


class _FaultError(Exception):
    """Ends the reading of one row; never leaves this module."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a statement stands."""

    source: str
    line: int
    as_of: date


def _sha256(file: BinaryIO) -> str:
    """Of the whole file, which is then read from its start."""
    sealed = hashlib.sha256()
    while piece := file.read(CHUNK_BYTES):
        sealed.update(piece)
    file.seek(0)
    return sealed.hexdigest()


# --- the header -----------------------------------------------------------------------------------


def _read_head(
    path: Path, lines: Iterator[Line], kind: FactsKind
) -> tuple[str, dict[str, int], int]:
    """The separator, the column of each meaning, and how many columns there are."""
    for line in lines:
        text = (line.text or "").strip(" ")
        if not text:
            continue
        try:
            heads = [(d, tuple(next(csv_reader(iter([text]), d)))) for d in DELIMITERS]
        except csv.Error:
            raise UnusableList(
                f"{path}, line {line.number}: the quotes of the header do not pair. Every quoted "
                "column name begins and ends with one quote."
            ) from None
        delimiter, cells = max(heads, key=lambda head: len(head[1]))
        return delimiter, _columns(path, line.number, cells, kind), len(cells)
    raise UnusableList(f"{path} holds nothing but blank lines: export it again.")


def _columns(path: Path, line: int, cells: Sequence[str], kind: FactsKind) -> dict[str, int]:
    wanted = COLUMNS[kind]
    may_be = ", ".join(column.names[0].replace(" ", "_") for column in wanted.values())
    found: dict[str, int] = {}
    for index, cell in enumerate(cells):
        key = header_key(cell)
        name = next((name for name, column in wanted.items() if key in column.names), None)
        if name is None:
            raise UnusableList(
                f"{path}, line {line}: a file of {kind.value} has no column {shown(cell)}. Its "
                f"first line names its columns: {may_be}. Leave out what is none of these."
            )
        if name in found:
            raise UnusableList(
                f"{path}, line {line}: the columns {shown(cells[found[name]])} and {shown(cell)} "
                "mean the same: keep one."
            )
        found[name] = index
    for name, column in wanted.items():
        if column.is_needed and name not in found:
            raise UnusableList(
                f"{path}, line {line}: the column {column.names[0].replace(' ', '_')} is missing. "
                f"A file of {kind.value} has: {may_be}."
            )
    return found


# --- the cells ------------------------------------------------------------------------------------


def _number(text: str, region: str) -> E164:
    plain = _PLAIN.fullmatch(text)
    if plain and (region in ("US", "CA") or text.startswith("+")):
        return E164(f"+1{plain[1]}" if plain[1] else plain[2])
    number = parse_e164(text, region=region)
    if isinstance(number, NumberFault):
        raise _FaultError(f"{shown(text)}: {number.why}")
    return number


def _day(text: str, what: str) -> date:
    if _BASIC_DAY.fullmatch(text):
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    try:
        return date.fromisoformat(text if _ISO_DAY.fullmatch(text) else "")
    except ValueError:
        # 03/04/2026 is March in one country and April in the next: never guessed.
        raise _FaultError(f"{what} {shown(text)} cannot be read: write it as 2026-11-20") from None


def _day_or_none(text: str, what: str) -> date | None:
    return _day(text, what) if text else None


def _moment(text: str) -> datetime | None:
    """A time with its zone; None when it is a day alone."""
    if len(text) <= 10:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _FaultError(
            f"the time {shown(text)} cannot be read: write 2026-11-20T15:04:05Z, with its zone, or "
            "the day alone"
        )
    return moment.astimezone(UTC)


def _member(text: str, kind: type[_Member], what: str) -> _Member:
    # Most cells are in our own spelling; looking closer costs ten times as much.
    with contextlib.suppress(ValueError):
        return kind(text)
    try:
        return kind(header_key(text).replace(" ", "_"))
    except ValueError:
        choice = ", ".join(member.value for member in kind)
        raise _FaultError(f"{what} {shown(text)} is not known: write one of {choice}") from None


def _truth(text: str, what: str) -> bool:
    if not text:
        return False
    if text.lower() not in _YES:
        raise _FaultError(f"{what} {shown(text)} is not known: write yes or no")
    return _YES[text.lower()]


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError:
        raise _FaultError(f"{shown(text)} is no IP address") from None


# --- the kinds ------------------------------------------------------------------------------------


def _consent(number: E164, cells: Mapping[str, str], place: _Place) -> ConsentRecord:
    given_at = _moment(cells["given"])
    words = {name: cells.get(name, "") for name in ("text_shown", "place", "user_agent")}
    return ConsentRecord(
        number=number,
        kind=_member(cells["kind"], ConsentKind, "the consent"),
        given_on=given_at.date() if given_at else _day(cells["given"], "the consent date"),
        given_at=given_at,
        source=cells.get("source") or f"{place.source}, line {place.line}",
        expires_on=_day_or_none(cells.get("expires_on", ""), "the last day"),
        purposes=tuple(
            _member(name, Purpose, "the purpose")
            for name in re.split(r"[;,\s]+", cells.get("purposes", ""))
            if name
        ),
        ip=_address(cells.get("ip", "")),
        signature=cells.get("signature", ""),
        evidence=cells.get("evidence", ""),
        copy_given=_truth(cells.get("copy_given", ""), "copy_given"),
        **words,
    )


def _relationship(number: E164, cells: Mapping[str, str], _: _Place) -> RelationshipRecord:
    return RelationshipRecord(
        number=number,
        kind=_member(cells["kind"], RelationshipKind, "the relationship"),
        last_on=_day(cells["last_on"], "the date"),
    )


def _restriction(number: E164, cells: Mapping[str, str], _: _Place) -> RestrictionRecord:
    return RestrictionRecord(
        number=number,
        restriction=_member(cells["restriction"], Restriction, "the restriction"),
        ended_on=_day_or_none(cells.get("ended_on", ""), "the date"),
    )


def _line_type(number: E164, cells: Mapping[str, str], _: _Place) -> LineTypeRecord:
    key = " ".join(cells["line_type"].lower().replace("_", " ").split())
    if key not in _LINE_TYPES:
        raise _FaultError(
            f"the line type {shown(cells['line_type'])} is not known: write wireless, landline, "
            "voip or unknown"
        )
    return LineTypeRecord(number=number, line_type=_LINE_TYPES[key])


def _reassigned(number: E164, cells: Mapping[str, str], place: _Place) -> ReassignedRecord:
    return ReassignedRecord(
        number=number,
        since_on=_day(cells["since_on"], "the date of consent"),
        asked_on=_day_or_none(cells.get("asked_on", ""), "the date of the query") or place.as_of,
        answer=_member(cells["answer"], Reassigned, "the answer"),
    )


_READERS: Mapping[FactsKind, Callable[[E164, Mapping[str, str], _Place], FactsRecord]] = {
    FactsKind.CONSENTS: _consent,
    FactsKind.RELATIONSHIPS: _relationship,
    FactsKind.RESTRICTIONS: _restriction,
    FactsKind.LINE_TYPES: _line_type,
    FactsKind.REASSIGNED: _reassigned,
}


def _about(record: FactsRecord) -> tuple[object, object]:
    """What a record speaks of, and what it says: two rows about one thing must say the same."""
    digits = int(record.number[1:])  # Half the memory of text.
    match record:
        case ConsentRecord(given_at=moment, given_on=day, kind=kind):
            return (digits, kind, moment or day), hash(record)
        case RelationshipRecord(kind=kind, last_on=day):
            return (digits, kind), day
        case RestrictionRecord(restriction=restriction, ended_on=day):
            return (digits, restriction), day
        case LineTypeRecord(line_type=line_type):
            return digits, line_type
        case ReassignedRecord(since_on=since, asked_on=asked, answer=answer):
            return (digits, since, asked), answer

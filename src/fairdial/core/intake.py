"""Intake: from the cells of one row to a lead that may be called, or to a reason why not.

Decides which column means what, and reads each row strictly: a cell that says something about the
law (number, place, consent) and cannot be understood rejects its row, because a guess would let a
call through that the cell was written to prevent. Knows nothing of files, encodings or databases;
`adapters.files.lists` brings the cells, `flow.intake` stores what comes out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from fairdial.core.facts import Relationship, RelationshipKind, Restriction
from fairdial.core.ids import E164
from fairdial.core.jurisdiction import is_zone
from fairdial.core.lead import RANK_USUAL, ConsentKind, LineType, Party, StatedLocation, rank
from fairdial.core.number import NumberFault, is_nanp, parse_e164

COLUMNS_MAX = 200
"""The most columns of a list."""
CELL_CHARS_MAX = 4_096
"""The longest cell, in characters."""
NAME_CHARS_MAX = 200
"""The longest name of a person, in characters."""
SAMPLE_ROWS = 200
"""How many rows are looked at before a phone column is believed."""
SAMPLE_ROWS_MIN = 20
"""Under so many rows nothing is concluded: a short list of bad rows is mended row by row."""
UNREADABLE_SHARE_MAX = 0.9
"""With more unreadable numbers than this share of the sample, the column is not numbers."""


class Role(StrEnum):
    """What a column means to us. Columns without a role become the lead's attributes."""

    NUMBER = "number"
    NAME = "name"
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    STATE = "state"
    POSTAL = "postal"
    ZONE = "zone"
    COUNTRY = "country"
    LINE_TYPE = "line_type"
    PARTY = "party"
    CONSENT = "consent"
    CONSENT_ON = "consent_on"
    PURCHASED_ON = "purchased_on"
    INQUIRED_ON = "inquired_on"
    CONTRACT_ENDS_ON = "contract_ends_on"
    RESTRICTION = "restriction"
    COMPANY = "company"
    EXTERNAL_ID = "external_id"
    PRIORITY = "priority"
    SCORE = "score"
    REJECT_NOTE = "reject_note"
    """Written by our own reject file beside the original columns; ignored when it comes back."""


REJECT_NOTE_HEADER = ("rejected row", "rejected because")
"""The two columns that a reject file puts before the original ones."""

ACCEPTED_NAMES: Mapping[Role, tuple[str, ...]] = {
    Role.NUMBER: (
        "phone", "phone number", "phone no", "telephone", "telephone number", "tel", "mobile",
        "mobile phone", "mobile number", "cell", "cell phone", "cell number", "phone 1",
        "primary phone", "home phone", "work phone", "contact number", "msisdn", "number",
    ),
    Role.NAME: ("name", "full name", "customer name", "contact name", "lead name"),
    Role.FIRST_NAME: ("first name", "first", "given name", "forename"),
    Role.LAST_NAME: ("last name", "last", "surname", "family name"),
    Role.STATE: ("state", "state code", "region", "province", "state province", "province state"),
    Role.POSTAL: (
        "zip", "zip code", "zipcode", "postal", "postal code", "postcode", "zip postal code",
    ),
    Role.ZONE: ("time zone", "timezone", "tz", "zone"),
    Role.COUNTRY: ("country", "country code", "nation"),
    Role.LINE_TYPE: (
        "line type", "phone type", "number type", "contact type", "linetype", "contact",
    ),
    Role.PARTY: ("party", "party type", "customer type", "business", "is business"),
    Role.CONSENT: ("consent", "consent type", "consent kind", "consent level", "permission"),
    Role.CONSENT_ON: (
        "consent date", "consent on", "consented on", "consent given on", "date of consent",
        "permission date",
    ),
    Role.PURCHASED_ON: (
        "last purchase date", "last purchase", "last purchase on", "purchase date", "purchased on",
        "last order date", "last order", "last payment date", "last transaction date",
    ),
    Role.INQUIRED_ON: (
        "last inquiry date", "last inquiry", "last inquiry on", "inquiry date", "inquired on",
        "last enquiry date", "last enquiry", "enquiry date", "application date",
    ),
    Role.CONTRACT_ENDS_ON: (
        "contract end date", "contract end", "contract ends on", "contract ends", "contract until",
        "contract expiry date",
    ),
    Role.RESTRICTION: (
        "do not contact by", "do not call by", "restriction", "restrictions", "contact restriction",
    ),
    Role.COMPANY: (
        "company name", "company", "organization", "organisation", "business name", "firm",
        "employer",
    ),
    Role.EXTERNAL_ID: (
        "external id", "id", "customer id", "crm id", "lead id", "record id", "account id",
    ),
    Role.PRIORITY: ("priority", "lead priority", "call priority"),
    Role.SCORE: ("score", "lead score", "propensity"),
    Role.REJECT_NOTE: REJECT_NOTE_HEADER,
}  # fmt: skip
"""The headers that we know for each role, best first; case, spaces, `_` and `-` do not matter."""

_BLANKS = frozenset({"", "-", "–", "?", "n/a", "na", "null", "none", "nan", "unknown", "(blank)"})
"""What exports write into a cell that says nothing."""

_LINE_TYPES: Mapping[str, LineType] = {
    "wireless": LineType.WIRELESS, "mobile": LineType.WIRELESS, "cell": LineType.WIRELESS,
    "cellular": LineType.WIRELESS, "cellphone": LineType.WIRELESS,
    "cell phone": LineType.WIRELESS, "mobile phone": LineType.WIRELESS,
    "landline": LineType.LANDLINE, "land line": LineType.LANDLINE, "fixed": LineType.LANDLINE,
    "fixed line": LineType.LANDLINE, "telephone": LineType.LANDLINE,
    "wireline": LineType.LANDLINE,
    "voip": LineType.VOIP,
}  # fmt: skip

_PARTIES: Mapping[str, Party] = {
    "consumer": Party.CONSUMER, "person": Party.CONSUMER, "individual": Party.CONSUMER,
    "residential": Party.CONSUMER, "private": Party.CONSUMER, "b2c": Party.CONSUMER,
    "business": Party.BUSINESS, "company": Party.BUSINESS, "commercial": Party.BUSINESS,
    "b2b": Party.BUSINESS,
}  # fmt: skip
_IS_BUSINESS: Mapping[str, Party] = {
    "yes": Party.BUSINESS, "true": Party.BUSINESS, "1": Party.BUSINESS, "y": Party.BUSINESS,
    "no": Party.CONSUMER, "false": Party.CONSUMER, "0": Party.CONSUMER, "n": Party.CONSUMER,
}  # fmt: skip

_CONSENTS: Mapping[str, ConsentKind | None] = {
    "written": ConsentKind.WRITTEN, "signed": ConsentKind.WRITTEN,
    "express written": ConsentKind.WRITTEN,
    "express": ConsentKind.EXPRESS, "oral": ConsentKind.EXPRESS, "verbal": ConsentKind.EXPRESS,
    # A plain yes does not say that anything was signed: it counts as the weaker kind.
    "yes": ConsentKind.EXPRESS, "true": ConsentKind.EXPRESS, "y": ConsentKind.EXPRESS,
    "1": ConsentKind.EXPRESS,
    "no": None, "false": None, "n": None, "0": None,
}  # fmt: skip
_WITHDRAWN = frozenset(
    {"revoked", "withdrawn", "stop", "opt out", "opted out", "optout", "do not call", "dnc"}
)

_RESTRICTIONS: Mapping[str, Restriction] = {
    "attorney": Restriction.ATTORNEY, "lawyer": Restriction.ATTORNEY,
    "represented": Restriction.ATTORNEY, "represented by attorney": Restriction.ATTORNEY,
    "work": Restriction.WORK, "workplace": Restriction.WORK, "place of work": Restriction.WORK,
    "employer": Restriction.WORK,
}  # fmt: skip

_STATES: Mapping[str, str] = {
    "alabama": "AL", "alaska": "AK", "arizona": "AZ", "arkansas": "AR", "california": "CA",
    "colorado": "CO", "connecticut": "CT", "delaware": "DE", "district of columbia": "DC",
    "washington dc": "DC", "florida": "FL", "georgia": "GA", "hawaii": "HI", "idaho": "ID",
    "illinois": "IL", "indiana": "IN", "iowa": "IA", "kansas": "KS", "kentucky": "KY",
    "louisiana": "LA", "maine": "ME", "maryland": "MD", "massachusetts": "MA", "michigan": "MI",
    "minnesota": "MN", "mississippi": "MS", "missouri": "MO", "montana": "MT", "nebraska": "NE",
    "nevada": "NV", "new hampshire": "NH", "new jersey": "NJ", "new mexico": "NM",
    "new york": "NY", "north carolina": "NC", "north dakota": "ND", "ohio": "OH",
    "oklahoma": "OK", "oregon": "OR", "pennsylvania": "PA", "rhode island": "RI",
    "south carolina": "SC", "south dakota": "SD", "tennessee": "TN", "texas": "TX",
    "utah": "UT", "vermont": "VT", "virginia": "VA", "washington": "WA", "west virginia": "WV",
    "wisconsin": "WI", "wyoming": "WY",
    "american samoa": "AS", "guam": "GU", "northern mariana islands": "MP", "puerto rico": "PR",
    "virgin islands": "VI", "us virgin islands": "VI",
    "alberta": "AB", "british columbia": "BC", "manitoba": "MB", "new brunswick": "NB",
    "newfoundland and labrador": "NL", "northwest territories": "NT", "nova scotia": "NS",
    "nunavut": "NU", "ontario": "ON", "prince edward island": "PE", "quebec": "QC",
    "saskatchewan": "SK", "yukon": "YT",
}  # fmt: skip
"""US states and territories and Canadian provinces by name, to their postal abbreviations."""
_STATE_CODES = frozenset(_STATES.values())
_LEADING_ZERO_STATES = frozenset({"CT", "MA", "ME", "NH", "NJ", "PR", "RI", "VI", "VT"})
"""Where every ZIP code begins with 0, which spreadsheets drop."""

_COUNTRIES: Mapping[str, str] = {
    "usa": "US", "united states": "US", "united states of america": "US", "america": "US",
    "canada": "CA", "uk": "GB", "united kingdom": "GB", "great britain": "GB", "england": "GB",
    "australia": "AU", "can": "CA", "gbr": "GB", "aus": "AU",
}  # fmt: skip


class RejectKind(StrEnum):
    """The families of reasons for which a row is rejected, to be counted."""

    NUMBER = "number"
    DUPLICATE = "duplicate"
    CELL_COUNT = "cell_count"
    TOO_LONG = "too_long"
    CONTROL_CHARACTER = "control_character"
    QUOTING = "quoting"
    PERSON = "person"
    LOCATION = "location"
    CONSENT = "consent"
    RELATIONSHIP = "relationship"
    RESTRICTION = "restriction"
    ORDER = "order"
    """A priority or a score that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLead:
    """A row that can become a lead."""

    number: E164
    name: str
    location: StatedLocation
    party: Party
    line_type: LineType
    consent: ConsentKind | None
    consent_on: date | None
    relationships: tuple[Relationship, ...] = ()
    """The dealings that the row names, one of a kind."""
    restrictions: tuple[Restriction, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    rank: int = RANK_USUAL
    """Its place in the hopper, by the list's priority and score (`lead.rank`)."""
    row: int
    """The line of the file on which the row begins; the header is usually line 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRow:
    """A row that cannot become a lead, with the reason and what to do."""

    line: int
    """The line of the file on which the row begins."""
    kind: RejectKind
    why: str
    original: tuple[str, ...]
    """The cells as the list had them, to be mended; empty when they are too long to repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderFault:
    """A first line that cannot head a list, with the reason and what to do."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMap:
    """Which column plays which role. Made by `read_header`."""

    header: tuple[str, ...]
    roles: Mapping[Role, int]
    """The column, counted from 0, of every role that the list has."""
    attributes: Mapping[int, str]
    """The attribute's name of every other column."""

    @property
    def number_column(self) -> str:
        """The header of the column that holds the telephone numbers."""
        return self.header[self.roles[Role.NUMBER]]


def header_key(text: str) -> str:
    """A header as we compare it: lower case, words by single spaces, nothing but letters, digits.

    `Phone_Number`, `phoneNumber` and ` PHONE-NUMBER ` are one header.
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return " ".join(re.sub(r"[\W_]+", " ", spaced).lower().split())


def read_header(cells: Sequence[str]) -> ColumnMap | HeaderFault:
    """Recognise the columns by their headers.

    Of several columns that could play a role, the one with the better known name (the order of
    `ACCEPTED_NAMES`), then the leftmost, plays it; the others become attributes.
    """
    header = tuple(cell.strip() for cell in cells)
    fault = _header_fault(header)
    if fault is not None:
        return fault
    keys = [header_key(cell) for cell in header]
    roles: dict[Role, int] = {}
    for role, names in ACCEPTED_NAMES.items():
        column = next((keys.index(name) for name in names if name in keys), None)
        if column is not None:
            roles[role] = column
    if Role.NUMBER not in roles:
        return HeaderFault(why=_no_number_column(header))
    taken = {column for role, column in roles.items() if role is not Role.REJECT_NOTE}
    attributes: dict[int, str] = {}
    for column, key in enumerate(keys):
        if column in taken or key in REJECT_NOTE_HEADER:
            continue
        name = key.replace(" ", "_") or f"column_{column + 1}"
        attributes[column] = name if name not in attributes.values() else f"{name}_{column + 1}"
    return ColumnMap(header=header, roles=roles, attributes=attributes)


def _header_fault(header: tuple[str, ...]) -> HeaderFault | None:
    if len(header) > COLUMNS_MAX:
        return HeaderFault(
            why=f"it has {len(header)} columns; at most {COLUMNS_MAX} can be imported. "
            "Leave out the columns that nobody needs."
        )
    for column, cell in enumerate(header, start=1):
        if len(cell) > NAME_CHARS_MAX:
            return HeaderFault(
                why=f"the header of column {column} has {len(cell)} characters, so the first line "
                "is probably not a header. Add a line with the columns' names."
            )
        if _control_character(cell) is not None:
            return HeaderFault(why=f"the header of column {column} holds a control character.")
    return None


def _no_number_column(header: tuple[str, ...]) -> str:
    found = ", ".join(shown(cell) for cell in header[:30]) + (", …" if len(header) > 30 else "")
    why = (
        f"no column is known to hold telephone numbers. Columns found: {found}. "
        f"Name it one of: {', '.join(ACCEPTED_NAMES[Role.NUMBER])}."
    )
    if any(len(re.sub(r"\D", "", cell)) >= 10 for cell in header):
        why += " The first line looks like data: add a line with the columns' names above it."
    return why


def read_row(
    cells: Sequence[str],
    columns: ColumnMap,
    *,
    row: int,
    region: str = "US",
    area_codes: Container[str] = frozenset(),
) -> NewLead | RejectedRow:
    """Read one row of a list.

    `row` is the line it begins on, `region` is the country of numbers written without a country
    code when the row itself names none, `area_codes` are North American area codes in service
    beyond those that the phone metadata knows. Never raises on any cells.
    """
    problem = _malformed(cells, columns)
    if problem is None:
        return _Reading(tuple(cells), columns, row, region, area_codes).lead()
    kind, why = problem
    # An over-long row is mended in the list itself: repeating it here would carry it on.
    original = () if kind is RejectKind.TOO_LONG else tuple(cells)
    return RejectedRow(line=row, kind=kind, why=why, original=original)


def _malformed(cells: Sequence[str], columns: ColumnMap) -> tuple[RejectKind, str] | None:
    """What is wrong with the row before any cell is understood."""
    for index, cell in enumerate(cells):
        if len(cell) > CELL_CHARS_MAX:
            where = _column_name(columns, index)
            why = f"{where} has {len(cell):,} characters; at most {CELL_CHARS_MAX:,} fit."
            return RejectKind.TOO_LONG, why
    wanted, found = len(columns.header), len(cells)
    # Spreadsheets end rows with empty cells that stand under no header; those say nothing.
    if found < wanted or any(cell.strip() for cell in cells[wanted:]) or found > 2 * COLUMNS_MAX:
        why = (
            f"the row has {found} cells, the header has {wanted}: a separator is missing or a cell "
            "that holds one is not in quotes."
        )
        return RejectKind.CELL_COUNT, why
    for index, cell in enumerate(cells):
        control = _control_character(cell)
        if control is not None:
            where = _column_name(columns, index)
            why = f"{where} holds a control character (U+{ord(control):04X}); remove it."
            return RejectKind.CONTROL_CHARACTER, why
    return None


class _FaultError(Exception):
    """Ends the reading of one row; never leaves this module."""

    def __init__(self, kind: RejectKind, why: str) -> None:
        super().__init__(why)
        self.kind = kind
        self.why = why


@dataclass(frozen=True, slots=True)
class _Reading:
    """One row being understood, cell by cell."""

    cells: tuple[str, ...]
    columns: ColumnMap
    row: int
    region: str
    area_codes: Container[str]

    def lead(self) -> NewLead | RejectedRow:
        attributes = {
            name: self.cells[column].strip()
            for column, name in self.columns.attributes.items()
            if self.cells[column].strip()
        }
        try:
            country = self._country()
            number = self._number(country or self.region)
            location = self._location(number, country, attributes)
            consent, consent_on = self._consent()
            relationships = self._relationships()
            restrictions = self._restrictions()
            place = self._rank()
            name = self._name()
        except _FaultError as fault:
            return RejectedRow(line=self.row, kind=fault.kind, why=fault.why, original=self.cells)
        for role in (Role.COMPANY, Role.EXTERNAL_ID):
            if text := self._cell(role):
                attributes[role.value] = text
        return NewLead(
            number=number,
            name=name,
            location=location,
            party=self._party(attributes),
            line_type=self._line_type(attributes),
            consent=consent,
            consent_on=consent_on,
            relationships=relationships,
            restrictions=restrictions,
            attributes=attributes,
            rank=place,
            row=self.row,
        )

    def _cell(self, role: Role) -> str:
        """The cell of a role, or nothing when the list has no such column or the cell is blank."""
        column = self.columns.roles.get(role)
        if column is None:
            return ""
        text = self.cells[column].strip()
        return "" if text.lower() in _BLANKS else text

    def _number(self, region: str) -> E164:
        text = self._cell(Role.NUMBER)
        if not text:
            raise _FaultError(RejectKind.NUMBER, "the telephone number is missing.")
        # Data tools save whole numbers as 2025550142.0; nothing else can be meant by it.
        text = re.sub(r"^(\d{10,15})\.0$", r"\1", text)
        number = parse_e164(text, region=region, area_codes=self.area_codes)
        if isinstance(number, NumberFault):
            raise _FaultError(RejectKind.NUMBER, f"{shown(text)}: {number.why}.")
        return number

    def _country(self) -> str | None:
        text = self._cell(Role.COUNTRY)
        if not text:
            return None
        key = header_key(text)
        if key in _COUNTRIES:
            return _COUNTRIES[key]
        if re.fullmatch(r"[A-Za-z]{2}", text):
            return text.upper()
        raise _FaultError(
            RejectKind.LOCATION,
            f"the country {shown(text)} is not known: write two letters, such as US.",
        )

    def _location(
        self, number: E164, country: str | None, attributes: dict[str, str]
    ) -> StatedLocation:
        zone = self._zone()
        state, postal = self._cell(Role.STATE), self._cell(Role.POSTAL)
        at_home = country in (None, "US", "CA")
        if not is_nanp(number) or not (at_home or _is_state(state)):
            # States and postal codes elsewhere choose no rule and no zone: kept for people.
            if state:
                attributes["state"] = state
            return StatedLocation(zone=zone, postal=postal.upper() or None, country=country)
        code = _state_code(state) if state else None
        if not at_home:
            return StatedLocation(
                zone=zone, postal=postal.upper() or None, state=code, country=country
            )
        return StatedLocation(
            zone=zone,
            postal=_postal_code(postal, code) if postal else None,
            state=code,
            country=country,
        )

    def _zone(self) -> str | None:
        text = self._cell(Role.ZONE)
        if not text or is_zone(text):
            return text or None
        raise _FaultError(
            RejectKind.LOCATION,
            f"the time zone {shown(text)} is not known: write an IANA name, such as "
            "America/Chicago, or leave it empty.",
        )

    def _consent(self) -> tuple[ConsentKind | None, date | None]:
        text, day = self._cell(Role.CONSENT), self._cell(Role.CONSENT_ON)
        if not text:
            # A date alone does not say what was consented to.
            return None, None
        key = header_key(text)
        if key in _WITHDRAWN:
            raise _FaultError(
                RejectKind.CONSENT,
                f"the consent says {shown(text)}: put the number on the internal do-not-call list.",
            )
        if key not in _CONSENTS:
            raise _FaultError(
                RejectKind.CONSENT,
                f"the consent {shown(text)} is not known: write written, express or no.",
            )
        kind = _CONSENTS[key]
        if kind is None:
            return None, None
        if not day:
            raise _FaultError(
                RejectKind.CONSENT,
                f"the consent {shown(text)} has no date: add the day it was given, or write no.",
            )
        return kind, _day(day, "the consent date", RejectKind.CONSENT)

    def _relationships(self) -> tuple[Relationship, ...]:
        return tuple(
            Relationship(kind=kind, last_on=_day(day, what, RejectKind.RELATIONSHIP))
            for role, kind, what in _DEALINGS
            if (day := self._cell(role))
        )

    def _restrictions(self) -> tuple[Restriction, ...]:
        """What forbids calls. A word that is not known rejects: it was meant to prevent one."""
        text = self._cell(Role.RESTRICTION)
        found: list[Restriction] = []
        for part in re.split(r"[,;/+&]|\band\b", text.lower()):
            key = header_key(part)
            if key in ("", "no", "false", "0"):
                continue
            if key not in _RESTRICTIONS:
                raise _FaultError(
                    RejectKind.RESTRICTION,
                    f"the restriction {shown(text)} is not known: write attorney, work, or leave "
                    "it empty.",
                )
            found.append(_RESTRICTIONS[key])
        return tuple(sorted(set(found)))

    def _rank(self) -> int:
        """Where the list wants the lead in the hopper."""
        priority, score = self._cell(Role.PRIORITY), self._cell(Role.SCORE)
        if priority and not re.fullmatch(r"[0-9](\.0)?", priority):
            raise _FaultError(
                RejectKind.ORDER,
                f"the priority {shown(priority)} is no whole number from 0 to 9 (9 is first).",
            )
        if score and not re.fullmatch(r"100(\.0*)?|[0-9]{1,2}(\.[0-9]*)?|\.[0-9]+", score):
            raise _FaultError(
                RejectKind.ORDER,
                f"the score {shown(score)} is no number from 0 to 100 (100 is the likeliest).",
            )
        return rank(int(float(priority)) if priority else None, float(score) if score else None)

    def _name(self) -> str:
        parts = (self._cell(Role.FIRST_NAME), self._cell(Role.LAST_NAME))
        name = " ".join((self._cell(Role.NAME) or " ".join(parts)).split())
        if len(name) > NAME_CHARS_MAX:
            raise _FaultError(
                RejectKind.PERSON,
                f"the name has {len(name)} characters; at most {NAME_CHARS_MAX} fit.",
            )
        return name

    def _party(self, attributes: dict[str, str]) -> Party:
        text = self._cell(Role.PARTY)
        key = header_key(text)
        header = header_key(self.columns.header[self.columns.roles.get(Role.PARTY, 0)])
        known = {**_PARTIES, **_IS_BUSINESS} if "business" in header else _PARTIES
        if text and key not in known:
            # Perhaps the company's name. Unknown parties are judged as persons: the strict side.
            attributes[header.replace(" ", "_")] = text
        return known.get(key, Party.UNKNOWN)

    def _line_type(self, attributes: dict[str, str]) -> LineType:
        text = self._cell(Role.LINE_TYPE)
        key = header_key(text)
        if text and key not in _LINE_TYPES:
            # Unknown lines are judged as wireless: the strict side.
            header = header_key(self.columns.header[self.columns.roles[Role.LINE_TYPE]])
            attributes[header.replace(" ", "_")] = text
        return _LINE_TYPES.get(key, LineType.UNKNOWN)


def reject_duplicate(lead: NewLead, *, first_row: int, original: Sequence[str]) -> RejectedRow:
    """The rejection of a number that the list already has on line `first_row`."""
    return RejectedRow(
        line=lead.row,
        kind=RejectKind.DUPLICATE,
        why=f"duplicate of row {first_row}",
        original=tuple(original),
    )


def text_column_fault(
    sample: Sequence[Sequence[str]],
    columns: ColumnMap,
    *,
    region: str = "US",
    area_codes: Container[str] = frozenset(),
) -> str | None:
    """Why the phone column of these first rows is no phone column, or None when it may be one.

    Names the columns that look like telephone numbers, so that the right one can be renamed.
    """
    rows = [cells for cells in sample if len(cells) >= len(columns.header)]
    if len(rows) < SAMPLE_ROWS_MIN:
        return None

    def readable(column: int) -> int:
        cells = [row[column][:100] for row in rows]
        numbers = (parse_e164(c, region=region, area_codes=area_codes) for c in cells if c)
        return sum(not isinstance(number, NumberFault) for number in numbers)

    number_column = columns.roles[Role.NUMBER]
    good = readable(number_column)
    if len(rows) - good <= UNREADABLE_SHARE_MAX * len(rows):
        return None
    likely = [
        shown(columns.header[column] or f"column {column + 1}")
        for column in range(len(columns.header))
        if column != number_column and readable(column) * 2 > len(rows)
    ]
    example = next((shown(r[number_column].strip()) for r in rows if r[number_column].strip()), "")
    why = (
        f"the column {shown(columns.number_column)} holds text, not telephone numbers: of the "
        f"first {len(rows)} rows, {len(rows) - good} are unreadable"
        + (f" (for example {example}). " if example else ". ")
    )
    if likely:
        return f"{why}Columns that look like numbers: {', '.join(likely)}. Name that one phone."
    return f"{why}No other column looks like numbers."


def _known_state(text: str) -> str | None:
    plain = text.upper().replace(".", "")
    return plain if plain in _STATE_CODES else _STATES.get(header_key(plain))


def _is_state(text: str) -> bool:
    return _known_state(text) is not None


def _state_code(text: str) -> str:
    code = _known_state(text)
    if code is not None:
        return code
    raise _FaultError(
        RejectKind.LOCATION,
        f"the state {shown(text)} is no US state or territory and no Canadian province: write two "
        "letters, such as NY, or leave it empty.",
    )


def _postal_code(text: str, state: str | None) -> str:
    compact = text.upper().replace(" ", "").replace("-", "")
    if re.fullmatch(r"[0-9]{5}([0-9]{4})?", compact):
        return compact[:5]
    if re.fullmatch(r"[A-Z][0-9][A-Z][0-9][A-Z][0-9]", compact):
        return f"{compact[:3]} {compact[3:]}"
    if re.fullmatch(r"[0-9]{3,4}", compact) and state in _LEADING_ZERO_STATES:
        # A spreadsheet dropped the zeros with which every ZIP code of this state begins.
        return compact.zfill(5)
    raise _FaultError(
        RejectKind.LOCATION,
        f"the postal code {shown(text)} is no ZIP code (five digits) and no Canadian code "
        "(A1A 1A1); spreadsheets drop leading zeros unless the column is text.",
    )


_DEALINGS = (
    (Role.PURCHASED_ON, RelationshipKind.PURCHASE, "the last purchase date"),
    (Role.INQUIRED_ON, RelationshipKind.INQUIRY, "the last inquiry date"),
    (Role.CONTRACT_ENDS_ON, RelationshipKind.CONTRACT, "the contract end date"),
)


def _day(text: str, what: str, kind: RejectKind) -> date:
    match = re.fullmatch(r"([0-9]{4}-[0-9]{2}-[0-9]{2})([T ][0-9:.+Z-]{4,32})?", text)
    try:
        return date.fromisoformat(match[1] if match else "")
    except ValueError:
        raise _FaultError(
            kind,
            # 03/04/2026 is March in one country and April in the next: never guessed.
            f"{what} {shown(text)} cannot be read: write it as 2026-11-20.",
        ) from None


def _control_character(cell: str) -> str | None:
    """The first control character; tabs and line breaks are ordinary in notes."""
    if cell.isprintable():
        return None
    return next((c for c in cell if c not in "\t\n\r" and unicodedata.category(c) == "Cc"), None)


def _column_name(columns: ColumnMap, index: int) -> str:
    if index < len(columns.header) and columns.header[index]:
        return f"the cell {shown(columns.header[index])}"
    return f"cell {index + 1}"


def shown(text: str) -> str:
    """A piece of somebody's list as it may stand in a message: quoted, short, one line, visible."""
    visible = "".join(c if c.isprintable() else "·" for c in text[:41])
    return f"“{visible[:40]}…”" if len(text) > 40 else f"“{visible}”"

"""The tables of places, read strictly from TOML: area codes, states, countries, postal codes.

An installation may correct them in `house/places.toml`: an area code, an exchange or one number.
What the tables say about one call is `jurisdiction.locate`'s; here they are only read.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from fairdial.core.jurisdiction import (
    AT_HOME,
    AreaCode,
    AreaCodeTable,
    AreaCodeUse,
    Country,
    Issued,
    Places,
    State,
    is_zone,
)
from fairdial.core.postal import BritishCodes, CanadianCodes, Place, PostalBlocks, PostalTable
from fairdial.core.toml_table import Table

AREA_CODES = "nanp/area_codes.toml"
STATES = "nanp/states.toml"
COUNTRIES = "places/countries.toml"
ZIP_CODES = "places/us_zip_codes.toml"
ZIP_CORRECTIONS = "places/us_zip_corrections.toml"
CANADIAN_CODES = "places/ca_postal_codes.toml"
PACKAGED = (AREA_CODES, STATES, COUNTRIES, ZIP_CODES, ZIP_CORRECTIONS, CANADIAN_CODES)
"""The files without which no place is known."""

CORRECTIONS = "house/places.toml"
"""What an installation knows better; it need not be there."""

PLACE_FILES = frozenset({*PACKAGED, CORRECTIONS})


def read_places(tables: Mapping[str, Mapping[str, Any]]) -> Places:
    """Every table of places among the parsed files of a rulebook, corrections applied."""
    states = read_states(Table(STATES, tables[STATES]))
    area_codes = read_area_codes(Table(AREA_CODES, tables[AREA_CODES]), states)
    countries, postal = _read_countries(Table(COUNTRIES, tables[COUNTRIES]))
    corrected = _read_zip_corrections(Table(ZIP_CORRECTIONS, tables[ZIP_CORRECTIONS]))
    postal["US"] = _read_zip_codes(Table(ZIP_CODES, tables[ZIP_CODES]), states, corrected)
    postal["CA"] = _read_canadian_codes(Table(CANADIAN_CODES, tables[CANADIAN_CODES]), states)
    places = Places(area_codes=area_codes, countries=countries, postal=postal, corrected={})
    if CORRECTIONS not in tables:
        return places
    return _correct(Table(CORRECTIONS, tables[CORRECTIONS]), places)


def read_states(table: Table) -> dict[str, State]:
    table.text("source")
    table.day("reviewed_on")
    states: dict[str, State] = {}
    for country in AT_HOME:
        of_country = table.table(country.lower())
        for code in of_country.rest():
            row = of_country.table(code)
            if code in states or re.fullmatch(r"[A-Z]{2}", code) is None:
                raise row.fault("a state needs two capital letters of its own")
            states[code] = _state(row, code, country)
    table.done()
    return states


def _state(row: Table, code: str, country: str) -> State:
    state = State(code=code, name=row.text("name"), country=country, zones=row.zones("zones"))
    row.done()
    if not state.zones:
        raise row.fault("it needs a zone")
    return state


def read_area_codes(table: Table, states: Mapping[str, State]) -> AreaCodeTable:
    source, reviewed_on = table.text("source"), table.day("reviewed_on")
    codes: dict[str, AreaCode] = {}
    geographic = table.table("geographic")
    for code in geographic.rest():
        codes[code] = _area_code(code, _place(geographic.table(code), states))
    for use in (AreaCodeUse.TOLL_FREE, AreaCodeUse.PERSONAL, AreaCodeUse.SPECIAL):
        for code in table.texts(use.value):
            if code in codes:
                raise table.fault(f"area code {code} is there twice")
            codes[code] = AreaCode(code=code, use=use, country=None, states=(), zones=())
    for code in codes:
        if _AREA_CODE.fullmatch(code) is None:
            raise table.fault(f"{code!r} is not an area code")
    table.done()
    return AreaCodeTable(source=source, reviewed_on=reviewed_on, codes=codes, states=states)


_AREA_CODE = re.compile(r"[2-9][0-9]{2}", re.ASCII)


def _area_code(code: str, place: Place) -> AreaCode:
    return AreaCode(
        code=code,
        use=AreaCodeUse.GEOGRAPHIC,
        country=place.country,
        states=place.states,
        zones=place.zones,
    )


def _place(row: Table, states: Mapping[str, State]) -> Place:
    """`{ states, zones }` of one country, or `{ states = [], country, zones }`."""
    names, zones = row.texts("states"), row.zones("zones")
    country = row.text_or_none("country")
    row.done()
    for name in names:
        if name not in states:
            raise row.fault(f"{name!r} is not a state of {STATES}")
    countries = {states[name].country for name in names} or {country or ""}
    if len(countries) != 1 or "" in countries or not zones or (names and country):
        raise row.fault("it needs zones, and either states of one country or a country")
    return Place(country=countries.pop(), states=names, zones=zones)


# ── Countries ────────────────────────────────────────────────────────────────────────────────────


def _read_countries(table: Table) -> tuple[dict[str, Country], dict[str, PostalTable]]:
    table.text("source")
    table.day("reviewed_on")
    countries: dict[str, Country] = {}
    later: list[tuple[str, Table]] = []
    for name in table.rest():
        row = table.table(name)
        code = name.upper()
        if re.fullmatch(r"[a-z]{2}", name) is None or code in AT_HOME:
            raise row.fault("a country has two small letters, and is not one of the area codes'")
        if row.has("postal"):
            later.append((code, row.table("postal")))
        countries[code] = _country(row, code)
    postal: dict[str, PostalTable] = {}
    for code, row in later:
        country = countries[code]
        postal[code] = (
            _british(row, country, countries)
            if row.has("areas")
            else _blocks_of(row, country, countries)
        )
        row.done()
    return countries, postal


def _country(row: Table, code: str) -> Country:
    laws = row.texts("laws")
    if not laws or not all(re.fullmatch(r"[a-z]{2}", law) for law in laws):
        raise row.fault("laws must name the jurisdictions whose rules apply: two small letters")
    name = row.text("name")
    states: dict[str, State] = {}
    if row.has("states"):
        of_country = row.table("states")
        for state in of_country.rest():
            if re.fullmatch(r"[A-Z]{2,3}", state) is None:
                raise of_country.fault(f"{state!r} is not two or three capital letters")
            states[state] = _state(of_country.table(state), state, code)
        zones = _zones_of(states.values())
    else:
        zones = row.zones("zones")
        if not zones:
            raise row.fault("it needs a zone")
    prefixes: dict[str, Place] = {}
    if row.has("prefixes"):
        of_country = row.table("prefixes")
        for prefix in of_country.rest():
            if re.fullmatch(r"[0-9]{1,4}", prefix) is None:
                raise of_country.fault(f"{prefix!r} is not one to four digits")
            prefixes[prefix] = _part(of_country.table(prefix), code, states)
    row.done()
    return Country(
        code=code,
        name=name,
        laws=laws,
        whole=Place(country=code, states=tuple(states), zones=zones),
        states=states,
        prefixes=prefixes,
    )


def _zones_of(states: Iterable[State]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(zone for state in states for zone in state.zones))


def _part(row: Table, country: str, states: Mapping[str, State]) -> Place:
    """`{ states }`, `{ states, zones }` or, in a country without states, `{ zones }`."""
    names = row.texts("states") if row.has("states") else ()
    for name in names:
        if name not in states:
            raise row.fault(f"{name!r} is not a state of {country}")
    zones = row.zones("zones") if row.has("zones") else _zones_of(states[n] for n in names)
    row.done()
    if not zones or bool(names) is not bool(states):
        raise row.fault("it needs states of the country, or zones in a country without states")
    return Place(country=country, states=names, zones=zones)


# ── Postal codes ─────────────────────────────────────────────────────────────────────────────────


def _elsewhere(cell: Table, countries: Mapping[str, Country]) -> Place:
    code = cell.text("country").upper()
    cell.done()
    if code not in countries:
        raise cell.fault(f"{code} is no country of the table")
    return countries[code].whole


def _british(row: Table, country: Country, countries: Mapping[str, Country]) -> PostalTable:
    areas = dict.fromkeys(row.text("areas").split(), country.whole)
    elsewhere = row.table("elsewhere")
    for area in elsewhere.rest():
        code = elsewhere.text(area).upper()
        if code not in countries or area in areas:
            raise elsewhere.fault(f"{area} must be of another country that is in the table")
        areas[area] = countries[code].whole
    if not all(re.fullmatch(r"[A-Z]{1,2}", area) for area in areas):
        raise row.fault("an area is one or two capital letters")
    return BritishCodes(areas=areas)


def _blocks_of(row: Table, country: Country, countries: Mapping[str, Country]) -> PostalTable:
    digits, suffix = row.whole("digits"), row.whole_or_none("suffix") or 0
    blocks: list[tuple[int, int, Place]] = []
    of_country = row.table("blocks")
    for text in of_country.rest():
        match = re.fullmatch(rf"([0-9]{{{digits}}})-([0-9]{{{digits}}})", text)
        if match is None or match[1] > match[2]:
            raise of_country.fault(f"{text!r} is not two codes of {digits} digits, in order")
        cell = of_country.table(text)
        if cell.has("country"):
            place = _elsewhere(cell, countries)
        else:
            place = _part(cell, country.code, country.states)
        blocks.append((int(match[1]), int(match[2]), place))
    return _blocks(
        _flat(blocks, digits, of_country), digits=digits, suffix=suffix, table=of_country
    )


def _flat(
    blocks: list[tuple[int, int, Place]], digits: int, table: Table
) -> list[tuple[int, int, Place]]:
    """Nested blocks as blocks that do not overlap: inside another, the smaller one counts."""
    edges = sorted({first for first, _, _ in blocks} | {last + 1 for _, last, _ in blocks})
    owner: list[Place | None] = [None] * len(edges)
    size = [0] * len(edges)
    for first, last, place in sorted(blocks, key=lambda b: b[0] - b[1]):
        for index in range(bisect_left(edges, first), bisect_left(edges, last + 1)):
            if size[index] == last - first + 1:
                raise table.fault(f"two blocks of one size hold {edges[index]:0{digits}d}")
            owner[index], size[index] = place, last - first + 1
    return [(edges[i], edges[i + 1] - 1, p) for i, p in enumerate(owner) if p is not None]


def _blocks(
    blocks: list[tuple[int, int, Place]], *, digits: int, suffix: int, table: Table
) -> PostalBlocks:
    blocks.sort(key=lambda b: b[0])
    for (_, last, _), (first, _, _) in pairwise(blocks):
        if first <= last:
            raise table.fault(f"{first:0{digits}d} is there twice")
    return PostalBlocks(
        digits=digits,
        suffix=suffix,
        firsts=tuple(first for first, _, _ in blocks),
        lasts=tuple(last for _, last, _ in blocks),
        places=tuple(place for _, _, place in blocks),
    )


def _read_zip_codes(
    table: Table, states: Mapping[str, State], corrected: Mapping[int, tuple[str, ...]]
) -> PostalBlocks:
    """The table that `tools/make_zip_codes.py` wrote: a line is `323 FL E 01-18 20`."""
    table.text("source")
    table.day("reviewed_on")
    letters = table.table("zones")
    zones = {letter: _zone(letters, letter) for letter in letters.rest()}
    codes = table.table("codes")
    known: dict[str, Place] = {}
    blocks: list[tuple[int, int, Place]] = []
    left = dict(corrected)
    for line in codes.text("runs").splitlines():
        words = line.split(" ")
        if len(words) < 4 or re.fullmatch(r"[0-9]{3}", words[0]) is None:
            if line:
                raise codes.fault(f"{line[:40]!r} is not a line of ZIP codes")
            continue
        place = known.get(key := f"{words[1]} {words[2]}")
        if place is None:
            names = tuple(words[1].split("+"))
            if not set(names) <= states.keys() or not set(words[2]) <= zones.keys():
                raise codes.fault(f"{line[:40]!r} names a state or a zone that is not there")
            place = known[key] = Place(
                country="US", states=names, zones=tuple(zones[letter] for letter in words[2])
            )
        near = sorted(code for code in left if code // 100 == int(words[0]))
        for run in words[3:]:
            match = _RUN.fullmatch(run)
            if match is None:
                raise codes.fault(f"{line[:40]!r}: {run!r} is not a run of two digits")
            base = int(words[0]) * 100
            first, last = base + int(match[1]), base + int(match[2] or match[1])
            for code in [c for c in near if first <= c <= last]:
                if first < code:
                    blocks.append((first, code - 1, place))
                blocks.append((code, code, replace(place, zones=left.pop(code))))
                first = code + 1
            if first <= last:
                blocks.append((first, last, place))
    codes.done()
    table.done()
    if left:
        raise codes.fault(f"{ZIP_CORRECTIONS} corrects {min(left):05d}, which is not there")
    return _blocks(blocks, digits=5, suffix=4, table=codes)


def _zone(table: Table, letter: str) -> str:
    name = table.text(letter)
    if len(letter) != 1 or not is_zone(name):
        raise table.fault(f"{letter} must be one letter for an IANA time zone, it is {name!r}")
    return name


_RUN = re.compile(r"([0-9]{2})(?:-([0-9]{2}))?", re.ASCII)


def _read_zip_corrections(table: Table) -> dict[int, tuple[str, ...]]:
    table.text("source")
    table.day("reviewed_on")
    found: dict[int, tuple[str, ...]] = {}
    section = table.table("zones")
    for code in section.rest():
        row = section.table(code)
        row.text("why")
        zones = row.zones("zones")
        row.done()
        if re.fullmatch(r"[0-9]{5}", code) is None or not zones:
            raise row.fault("a correction is a ZIP code of five digits with its zones")
        found[int(code)] = zones
    table.done()
    return found


def _read_canadian_codes(table: Table, states: Mapping[str, State]) -> CanadianCodes:
    table.text("source")
    table.day("reviewed_on")
    prefixes: dict[str, Place] = {}
    section = table.table("prefixes")
    for prefix in section.rest():
        place = _place(section.table(prefix), states)
        if re.fullmatch(r"[A-Z]([0-9][A-Z])?", prefix) is None or place.country != "CA":
            raise section.fault(f"{prefix!r} is not a beginning of Canadian codes in a province")
        prefixes[prefix] = place
    table.done()
    return CanadianCodes(prefixes=prefixes)


# ── An installation's corrections ────────────────────────────────────────────────────────────────


def _correct(table: Table, places: Places) -> Places:
    table.text("source")
    table.day("reviewed_on")
    states = places.area_codes.states
    codes = dict(places.area_codes.codes)
    corrected: dict[str, Issued] = {}
    for kind, shape in _CORRECTED.items():
        if not table.has(kind):
            continue
        section = table.table(kind)
        for key in section.rest():
            if shape.fullmatch(key) is None:
                raise section.fault(f"{key!r} has not the form of {kind}; see the rules page")
            place = _place(section.table(key), states)
            if kind == "area_codes":
                codes[key] = _area_code(key, place)
            elif kind == "exchanges":
                source = f"corrected exchange {key}"
                corrected[key.replace("-", "")] = Issued(source=source, place=place)
            else:
                corrected[key] = Issued(source="corrected number", place=place)
    table.done()
    return replace(
        places,
        area_codes=replace(places.area_codes, codes=codes),
        corrected=corrected,
    )


_CORRECTED = {
    "area_codes": _AREA_CODE,
    "exchanges": re.compile(r"[2-9][0-9]{2}-[2-9][0-9]{2}", re.ASCII),
    "numbers": re.compile(r"\+1[2-9][0-9]{2}[2-9][0-9]{6}", re.ASCII),
}

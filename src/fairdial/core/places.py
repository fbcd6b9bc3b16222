"""The tables of places: area codes and states with their zones, read strictly from TOML.

What they say about one call is `jurisdiction.locate`'s; here they are only read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fairdial.core.jurisdiction import AreaCode, AreaCodeTable, AreaCodeUse, State
from fairdial.core.toml_table import Table

AREA_CODES = "nanp/area_codes.toml"
STATES = "nanp/states.toml"


def read_states(table: Table) -> dict[str, State]:
    table.text("source")
    table.day("reviewed_on")
    states: dict[str, State] = {}
    for country in ("us", "ca"):
        of_country = table.table(country)
        for code in of_country.rest():
            row = of_country.table(code)
            state = State(
                code=code, name=row.text("name"), country=country.upper(), zones=row.zones("zones")
            )
            row.done()
            if code in states or re.fullmatch(r"[A-Z]{2}", code) is None or not state.zones:
                raise row.fault("a state needs two capital letters of its own and a zone")
            states[code] = state
    table.done()
    return states


def read_area_codes(table: Table, states: Mapping[str, State]) -> AreaCodeTable:
    source, reviewed_on = table.text("source"), table.day("reviewed_on")
    codes: dict[str, AreaCode] = {}
    geographic = table.table("geographic")
    for code in geographic.rest():
        row = geographic.table(code)
        names, zones = row.texts("states"), row.zones("zones")
        country = row.text_or_none("country")
        row.done()
        for name in names:
            if name not in states:
                raise row.fault(f"{name!r} is not a state of {STATES}")
        countries = {states[name].country for name in names} or {country or ""}
        if len(countries) != 1 or "" in countries or not zones or (names and country):
            raise row.fault("it needs zones, and either states of one country or a country")
        codes[code] = AreaCode(
            code=code,
            use=AreaCodeUse.GEOGRAPHIC,
            country=countries.pop(),
            states=names,
            zones=zones,
        )
    for use in (AreaCodeUse.TOLL_FREE, AreaCodeUse.PERSONAL, AreaCodeUse.SPECIAL):
        for code in table.texts(use.value):
            if code in codes:
                raise table.fault(f"area code {code} is there twice")
            codes[code] = AreaCode(code=code, use=use, country=None, states=(), zones=())
    for code in codes:
        if re.fullmatch(r"[2-9][0-9]{2}", code) is None:
            raise table.fault(f"{code!r} is not an area code")
    table.done()
    return AreaCodeTable(source=source, reviewed_on=reviewed_on, codes=codes, states=states)

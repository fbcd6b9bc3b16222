"""Where the called party may be: candidate zones and candidate jurisdictions, as sets.

A number says where it was issued and a record says where somebody once lived; neither says where
the person is now. So nothing is chosen: every place that the data indicate is kept, with where it
came from, and the rules are judged in all of them (12 CFR 1006.6(b)(1) and its comment 2 ask for
exactly that). Refuses to know what is allowed there. Next stop: `rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fairdial.core.lead import StatedLocation
from fairdial.core.number import area_code, is_nanp, region_of


class AreaCodeUse(StrEnum):
    """What the numbers of an area code are."""

    GEOGRAPHIC = "geographic"
    TOLL_FREE = "toll_free"
    PERSONAL = "personal"
    """5XX and 600: numbers that follow a person or a machine and say nothing of a place."""
    SPECIAL = "special"
    """Government, carrier and premium services."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaCode:
    """One area code of the North American numbering plan."""

    code: str
    use: AreaCodeUse
    country: str | None
    """ISO 3166-1 alpha-2; None for codes without a place. Territories are `US`."""
    states: tuple[str, ...]
    """Two-letter states, territories or provinces; more than one for some."""
    zones: tuple[str, ...]
    """Every IANA zone that the area touches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One state, territory or province and every IANA zone that it touches."""

    code: str
    name: str
    country: str
    zones: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaCodeTable:
    """The curated numbering-plan table: area codes and states with their zones.

    `code in table` says whether an area code is in service, for `number.parse_e164`.
    """

    source: str
    reviewed_on: date
    codes: Mapping[str, AreaCode] = field(repr=False)
    states: Mapping[str, State] = field(repr=False)
    """By two-letter code."""

    def __contains__(self, code: object) -> bool:
        return code in self.codes

    def state_named(self, text: str) -> State | None:
        """The state of a two-letter code or an English name, whatever the case."""
        found = self.states.get(text.strip().upper())
        if found is not None:
            return found
        wanted = text.strip().casefold()
        return next((s for s in self.states.values() if s.name.casefold() == wanted), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One zone or jurisdiction that may be the called party's, and what indicates it."""

    name: str
    """An IANA zone, or a jurisdiction: `us`, `us/fl`, `ca/on`."""
    source: str
    """`area code 850`, `address in FL`, `stated zone`, `country of the number`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Every place that the data indicate. Without a zone, or with a doubt, nothing may ring."""

    country_of_number: str | None
    zones: tuple[Candidate, ...]
    jurisdictions: tuple[Candidate, ...]
    doubt: str | None
    """Why the place must be taken as unknown, in words; None when it is known well enough."""

    @property
    def zone_names(self) -> tuple[str, ...]:
        """The candidate zones, once each."""
        return tuple(dict.fromkeys(c.name for c in self.zones))

    @property
    def jurisdiction_names(self) -> tuple[str, ...]:
        """The candidate jurisdictions, once each."""
        return tuple(dict.fromkeys(c.name for c in self.jurisdictions))


def locate(number: str, stated: StatedLocation, table: AreaCodeTable) -> Location:
    """Collect every zone and jurisdiction that a number and a stated location indicate.

    - The rules of the address state **and** of the area code's state apply; the stricter wins.
    - The zones of a stated zone, of the stated state and of the area code are all candidates. A
      postal code is only noted in the facts: it does not yet narrow the zones of its state, which
      is the stricter reading.
    - Toll-free, personal and satellite numbers indicate no place.
    - A stated state or zone that we cannot read is a doubt, never ignored.
    """
    zones: list[Candidate] = []
    places: list[Candidate] = []
    doubts: list[str] = []
    country_of_number = _from_number(number, table, zones, places)
    if stated.country is not None:
        places.append(Candidate(name=stated.country.strip().lower(), source="stated country"))
    if stated.state is not None and (country_of_number or stated.country or "US") in ("US", "CA"):
        state = table.state_named(stated.state)
        if state is None:
            doubts.append(f"the stated state {stated.state[:24]!r} is none that we know")
        else:
            source = f"address in {state.code}"
            zones += (Candidate(name=zone, source=source) for zone in state.zones)
            places += _jurisdictions(state, source)
    if stated.zone is not None:
        if is_zone(stated.zone):
            zones.append(Candidate(name=stated.zone, source="stated zone"))
        else:
            doubts.append(f"the stated zone {stated.zone[:40]!r} is not an IANA zone")
    if not zones:
        doubts.append(_no_zone(number, table))
    if not places:
        doubts.append("neither the number nor the record names a country")
    return Location(
        country_of_number=country_of_number,
        zones=tuple(dict.fromkeys(zones)),
        jurisdictions=tuple(dict.fromkeys(places)),
        doubt="; ".join(doubts) or None,
    )


def _from_number(
    number: str, table: AreaCodeTable, zones: list[Candidate], places: list[Candidate]
) -> str | None:
    """Add what the number indicates; answer its country."""
    code = area_code(number)
    if code is None:
        country = region_of(number) if number.startswith("+") and not is_nanp(number) else None
        if country is not None:
            places.append(Candidate(name=country.lower(), source="country of the number"))
        return country
    known = table.codes.get(code)
    if known is None or known.country is None:
        return None
    source = f"area code {code}"
    zones += (Candidate(name=zone, source=source) for zone in known.zones)
    for name in known.states:
        places += _jurisdictions(table.states[name], source)
    if not known.states:
        places.append(Candidate(name=known.country.lower(), source=source))
    return known.country


def _jurisdictions(state: State, source: str) -> tuple[Candidate, Candidate]:
    """A state stands under its country's law and its own."""
    country = state.country.lower()
    return (
        Candidate(name=country, source=source),
        Candidate(name=f"{country}/{state.code.lower()}", source=source),
    )


def _no_zone(number: str, table: AreaCodeTable) -> str:
    """Why no zone is known, for the reader of a refusal."""
    code = area_code(number)
    if code is None:
        return "no time zone is known for this number's country, and the record names none"
    known = table.codes.get(code)
    if known is None:
        return f"area code {code} is not in the table, and the record names no place"
    use = known.use.value.replace("_", "-")
    return f"area code {code} ({use}) says nothing of a place, and the record names none"


@lru_cache(maxsize=1024)
def is_zone(name: str) -> bool:
    """Whether it is an IANA zone with a place (`Area/City`); `EST` or `Etc/GMT+5` have none."""
    if "/" not in name or name.startswith("Etc/"):
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True

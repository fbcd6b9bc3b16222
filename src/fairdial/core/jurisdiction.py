"""Where the called party may be: candidate zones and candidate jurisdictions, as sets.

A number says where it was issued and a record says where somebody once lived; neither says where
the person is now. So nothing is chosen: every place that the data indicate is kept, with where it
came from, and the rules are judged in all of them (12 CFR 1006.6(b)(1) and its comment 2 ask for
exactly that). One clue may narrow: a postal code inside the area code's own state. Refuses to know
what is allowed there, and how the tables are read (`places`). Next stop: `rules`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fairdial.core.lead import StatedLocation
from fairdial.core.number import area_code, has_place, is_nanp, national_digits, region_of
from fairdial.core.postal import Place, PostalTable

AT_HOME = ("US", "CA")
"""The countries whose states and provinces make law of their own."""

TERRITORIES = frozenset({"AS", "GU", "MP", "PR", "VI"})
"""Places with a country code of their own (ISO 3166-1) that stand under American law."""


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
    """One state, territory, province or island with every IANA zone that it touches."""

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
        return _state_named(self.states, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """A country outside of the North American plan: whose law judges, which clocks it keeps."""

    code: str
    """ISO 3166-1 alpha-2."""
    name: str
    laws: tuple[str, ...]
    """The jurisdictions whose rules apply: `fr` and `eu`."""
    whole: Place
    """Every zone of the country, for numbers and addresses that say no more than its name."""
    states: Mapping[str, State] = field(repr=False)
    """Its parts with zones of their own; empty for a country of one clock."""
    prefixes: Mapping[str, Place] = field(repr=False)
    """First digits after the country code; the longest that fits counts."""

    def prefix_of(self, national: str) -> str:
        """The longest known beginning of a number's national digits, or nothing."""
        for length in range(min(len(national), 4), 0, -1):
            if national[:length] in self.prefixes:
                return national[:length]
        return ""

    def state_named(self, text: str) -> State | None:
        """The part of that code or name, whatever the case."""
        return _state_named(self.states, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What a number says of itself: where it was issued, which is not where the person is."""

    source: str
    """`area code 850`, `numbers +61 2`, `country of the number`."""
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Every table of places that a rulebook judges by."""

    area_codes: AreaCodeTable
    countries: Mapping[str, Country] = field(repr=False)
    """By ISO 3166-1 alpha-2; a country without a row has no known zone."""
    postal: Mapping[str, PostalTable] = field(repr=False)
    """By country."""
    corrected: Mapping[str, Issued] = field(repr=False)
    """An installation's own corrections: exchanges (`850547`) and single numbers (E.164)."""

    def laws_of(self, place: Place) -> tuple[str, ...]:
        """The jurisdictions of a place: the country's, and its states' where they make law."""
        country = self.countries.get(place.country)
        if country is not None:
            return country.laws
        name = place.country.lower()
        return (name, *(f"{name}/{state.lower()}" for state in place.states))

    def issued(self, number: str) -> Issued | None:
        """Where a number was issued; None when it says nothing, not even a country."""
        code = area_code(number)
        if code is None:
            return self._issued_abroad(number)
        if self.corrected:
            found = self.corrected.get(number) or self.corrected.get(number[2:8])
            if found is not None:
                return found
        known = self.area_codes.codes.get(code)
        if known is None or known.country is None:
            return None
        place = Place(country=known.country, states=known.states, zones=known.zones)
        return Issued(source=f"area code {code}", place=place)

    def _issued_abroad(self, number: str) -> Issued | None:
        region = region_of(number) if number.startswith("+") and not is_nanp(number) else None
        if region is None:
            return None
        source, country = "country of the number", self.countries.get(region)
        if country is None or not has_place(number):
            return Issued(source=source, place=Place(country=region, states=(), zones=()))
        prefix = country.prefix_of(national_digits(number))
        if not prefix:
            return Issued(source=source, place=country.whole)
        return Issued(source=f"numbers {prefix}… of {region}", place=country.prefixes[prefix])

    def read_postal(self, number: str, stated: StatedLocation) -> tuple[Place, ...]:
        """The places of the stated postal code in each country that it may be of.

        A ZIP code looks like a postal code of Spain; which of the two was meant nobody knows, so
        both count where the number says one country and the address another.
        """
        if stated.postal is None:
            return ()
        found = (
            self.postal[country].find(stated.postal)
            for country in self._address_countries(number, stated)
            if country in self.postal
        )
        return tuple(place for place in found if place is not None)

    def _address_countries(self, number: str, stated: StatedLocation) -> tuple[str, ...]:
        region = None if is_nanp(number) else region_of(number)
        at_home = AT_HOME if region is None or region in AT_HOME else (region,)
        country = address_country(stated)
        return at_home if country is None or country in at_home else (*at_home, country)

    def key(self, number: str, stated: StatedLocation) -> Hashable:
        """What a location depends on: equal keys are equal locations, so they may be kept.

        Numbers of one area code share a key, and so do all postal codes of one place.
        """
        code = area_code(number)
        if code is None:
            of_number: Hashable = self.issued(number) or number[:4]
        elif number in self.corrected:
            of_number = number
        elif number[2:8] in self.corrected:
            of_number = number[2:8]
        else:
            of_number = code
        postal = self.read_postal(number, stated) if stated.postal else None
        return of_number, stated.country, stated.state, stated.zone, postal


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


def locate(number: str, stated: StatedLocation, places: Places) -> Location:
    """Collect every zone and jurisdiction that a number and a stated location indicate.

    - The rules of the address state **and** of the area code's state apply, always.
    - The zones of the stated zone, the address and the area code are all candidates. A postal code
      says more of an address than its state, so its zones stand for the state's. Inside the area
      code's own state it replaces the zones of the area code too. It does neither where the record
      contradicts itself, because then nobody knows which part of it is wrong.
    - A postal code that nobody assigned is ignored, which is the wider set.
    - Toll-free, personal and satellite numbers indicate no zone.
    - A stated state or zone that we cannot read is a doubt, never ignored; so is an address abroad
      whose zone nobody knows, and an American address without its state.
    """
    issued = places.issued(number)
    country = address_country(stated)
    postal = places.read_postal(number, stated)
    doubts: list[str] = []
    states = tuple(_stated_states(number, stated, places, doubts))
    is_exact = _is_exact(postal, states, country)
    narrows = is_exact and issued is not None and _is_inside(postal[0], issued.place)

    found: list[tuple[str, Place, bool]] = []
    if issued is not None:
        found.append((issued.source, issued.place, not narrows))
    for place in postal:
        found.append((f"postal code in {'/'.join(place.states) or place.country}", place, True))
    for state in states:
        place = Place(country=state.country, states=(state.code,), zones=state.zones)
        found.append((f"address in {state.code}", place, not is_exact))
    has_stated_zone = stated.zone is not None and is_zone(stated.zone)
    if country is not None and not any(p.country == country and p.zones for _, p, _ in found):
        found.append(("stated country", _whole(country, places), True))
        if not found[-1][1].zones and not has_stated_zone:
            doubts.append(f"the record says that the person is in {country}, but not in which zone")

    zones = [Candidate(name=z, source=src) for src, p, counts in found if counts for z in p.zones]
    laws = [Candidate(name=law, source=src) for src, p, _ in found for law in places.laws_of(p)]
    if stated.zone is not None:
        if has_stated_zone:
            zones.append(Candidate(name=stated.zone, source="stated zone"))
        else:
            doubts.append(f"the stated zone {stated.zone[:40]!r} is not an IANA zone")
    if not zones:
        doubts.append(_no_zone(number, places))
        if stated.postal is not None and not postal:
            doubts.append("the postal code is none that we know")
    doubts += _no_law(laws)
    return Location(
        country_of_number=None if issued is None else issued.place.country,
        zones=tuple(dict.fromkeys(zones)),
        jurisdictions=tuple(dict.fromkeys(laws)),
        doubt="; ".join(doubts) or None,
    )


def address_country(stated: StatedLocation) -> str | None:
    """The stated country as the tables have it: territories are `US`."""
    code = _stated_code(stated)
    return "US" if code in TERRITORIES else code


def _stated_code(stated: StatedLocation) -> str | None:
    code = (stated.country or "").strip().upper()
    return "GB" if code == "UK" else code or None


def _is_exact(postal: tuple[Place, ...], states: tuple[State, ...], country: str | None) -> bool:
    """Whether the postal code says in which part of its state the address is, undisputed."""
    if len(postal) != 1 or not postal[0].states or country not in (None, postal[0].country):
        return False
    place = postal[0]
    return all(s.country == place.country and s.code in place.states for s in states)


def _is_inside(postal: Place, issued: Place) -> bool:
    """Whether the postal code lies in the area code's own state."""
    return postal.country == issued.country and set(postal.states) <= set(issued.states)


def _stated_states(
    number: str, stated: StatedLocation, places: Places, doubts: list[str]
) -> Iterator[State]:
    """The stated state in each country that it may be of; a doubt when it should have been one."""
    if (territory := _stated_code(stated)) in TERRITORIES:
        yield places.area_codes.states[territory]
    if stated.state is None:
        return
    country = address_country(stated)
    region = None if is_nanp(number) else region_of(number)
    at_home = region is None or region in AT_HOME or country in AT_HOME
    state = places.area_codes.state_named(stated.state) if at_home else None
    if state is not None:
        yield state
    elif at_home and (country is None or country in AT_HOME):
        doubts.append(f"the stated state {stated.state[:24]!r} is none that we know")
    for code in dict.fromkeys(c for c in (region, country) if c is not None):
        # Elsewhere states choose no rule; one that cannot be read leaves the wider set.
        known = places.countries.get(code)
        part = known.state_named(stated.state) if known is not None else None
        if part is not None:
            yield part


def _whole(country: str, places: Places) -> Place:
    known = places.countries.get(country)
    return known.whole if known is not None else Place(country=country, states=(), zones=())


def _no_law(laws: list[Candidate]) -> Iterator[str]:
    names = {law.name for law in laws}
    if not names:
        yield "neither the number nor the record names a country"
    elif "us" in names and not any(name.startswith("us/") for name in names):
        yield "the record says United States but no state, so the state's law is unknown"


def _no_zone(number: str, places: Places) -> str:
    """Why no zone is known, for the reader of a refusal."""
    code = area_code(number)
    if code is None:
        region = region_of(number)
        if region in places.countries:
            return "the number is of no place in its country, and the record names none"
        return "no time zone is known for this number's country, and the record names none"
    known = places.area_codes.codes.get(code)
    if known is None:
        return f"area code {code} is not in the table, and the record names no place"
    use = known.use.value.replace("_", "-")
    return f"area code {code} ({use}) says nothing of a place, and the record names none"


def _state_named(states: Mapping[str, State], text: str) -> State | None:
    found = states.get(text.strip().upper())
    if found is not None:
        return found
    wanted = text.strip().casefold()
    return next((s for s in states.values() if s.name.casefold() == wanted), None)


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

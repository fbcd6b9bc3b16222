"""Tables of places are read strictly, and an installation may correct them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from fairdial.core.jurisdiction import Location, Places, locate
from fairdial.core.lead import StatedLocation
from fairdial.core.number import parse_e164
from fairdial.core.places import (
    CORRECTIONS,
    COUNTRIES,
    PACKAGED,
    ZIP_CODES,
    ZIP_CORRECTIONS,
    read_places,
)
from fairdial.exceptions import RulebookError
from fairdial.rules import load_rulebook, read_files

FILES = {path: text.decode() for path, text in read_files().items() if path in PACKAGED}
TABLES = {path: tomllib.loads(text) for path, text in FILES.items()}
PLACES = read_places(TABLES)
NOWHERE = StatedLocation()
E, C = "America/New_York", "America/Chicago"
HEAD = 'source = "a letter of our carrier, 2026-11-20"\nreviewed_on = 2026-11-25\n'


def corrected(text: str) -> Places:
    return read_places(TABLES | {CORRECTIONS: tomllib.loads(HEAD + text)})


def where(places: Places, number: str) -> Location:
    return locate(number, NOWHERE, places)


def test_an_area_code_can_be_added() -> None:
    ours = corrected(f'[area_codes]\n761 = {{ states = ["MN"], zones = ["{C}"] }}')
    assert parse_e164("761-555-0142", area_codes=ours.area_codes) == "+17615550142"
    found = where(ours, "+17615550142")
    assert (found.zone_names, found.jurisdiction_names) == ((C,), ("us", "us/mn"))
    assert found.doubt is None
    assert where(PLACES, "+17615550142").doubt is not None


def test_an_exchange_can_be_corrected_and_its_neighbours_stay() -> None:
    ours = corrected(f'[exchanges]\n850-547 = {{ states = ["FL"], zones = ["{C}"] }}')
    assert where(ours, "+18505470142").zone_names == (C,)
    assert where(ours, "+18505470142").zones[0].source == "corrected exchange 850-547"
    assert where(ours, "+18505480142") == where(PLACES, "+18505480142")


def test_a_single_number_goes_before_its_exchange() -> None:
    ours = corrected(
        f'[exchanges]\n850-555 = {{ states = ["FL"], zones = ["{C}"] }}\n'
        f'[numbers]\n"+18505550142" = {{ states = ["GA"], zones = ["{E}"] }}',
    )
    assert where(ours, "+18505550142").jurisdiction_names == ("us", "us/ga")
    assert where(ours, "+18505550143").jurisdiction_names == ("us", "us/fl")
    keys = {ours.key(f"+1850555014{n}", NOWHERE) for n in range(10)}
    assert len(keys) == 2, "numbers of one exchange share a plan, the corrected one has its own"


def test_a_folder_of_house_rules_may_hold_them_and_they_change_the_hash(tmp_path: Path) -> None:
    text = f'{HEAD}[area_codes]\n761 = {{ states = ["MN"], zones = ["{C}"] }}'
    (tmp_path / "places.toml").write_text(text, encoding="utf-8")
    packaged, ours = load_rulebook(), load_rulebook(tmp_path)
    assert ours.hash != packaged.hash
    assert ours.rules == packaged.rules
    assert ours.locate("+17615550142", NOWHERE).zone_names == (C,)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[area_codes]\n761 = { states = ["MN"] }', "zones is missing"),
        ('[area_codes]\n761 = { states = ["MN"], zones = ["CST"] }', "not an IANA time zone"),
        ('[area_codes]\n761 = { states = ["ZZ"], zones = ["America/Chicago"] }', "not a state"),
        ('[area_codes]\n161 = { states = ["MN"], zones = ["America/Chicago"] }', "not the form"),
        ('[exchanges]\n850547 = { states = ["FL"], zones = ["America/Chicago"] }', "not the form"),
        ('[numbers]\n85055501 = { states = ["FL"], zones = ["America/Chicago"] }', "not the form"),
        ('[area_code]\n761 = { states = ["MN"], zones = ["America/Chicago"] }', "unknown key"),
        (
            '[area_codes]\n761 = { states = ["FL", "ON"], zones = ["America/Chicago"] }',
            "one country",
        ),
    ],
)
def test_a_correction_that_cannot_be_read_stops_loading(text: str, complaint: str) -> None:
    with pytest.raises(RulebookError, match=complaint) as caught:
        corrected(text)
    assert CORRECTIONS in str(caught.value)


@pytest.mark.parametrize(
    ("path", "old", "new", "complaint"),
    [
        (COUNTRIES, 'laws = ["gb"]', 'laws = ["GB"]', "laws must name the jurisdictions"),
        (COUNTRIES, 'zones = ["Europe/London"]', "zones = []", "it needs a zone"),
        (COUNTRIES, 'zones = ["Europe/London"]', 'zones = ["Europe/Londn"]', "not an IANA"),
        (COUNTRIES, "[gg]", "[gg1]", "two small letters"),
        (COUNTRIES, 'GY = "gg"', 'GY = "zz"', "another country that is in the table"),
        (COUNTRIES, '822 = { states = ["CN"] }', '822 = { states = ["XX"] }', "not a state of ES"),
        (COUNTRIES, "35000-35999", "35999-35000", "two codes of 5 digits, in order"),
        (COUNTRIES, "38000-38999", "35500-36499", "two blocks of one size hold 35500"),
        (COUNTRIES, 'name = "Ireland"', 'name = "Ireland"\nclock = 1', "unknown key: clock"),
        (COUNTRIES, '{ country = "re" }', '{ country = "zz" }', "no country of the table"),
        (ZIP_CODES, "005 NY E 01 44", "005 NY E 01 01", "00501 is there twice"),
        (ZIP_CODES, "005 NY E 01 44", "005 NY Q 01 44", "names a state or a zone"),
        (ZIP_CODES, "005 NY E 01 44", "005 QQ E 01 44", "names a state or a zone"),
        (ZIP_CODES, "005 NY E 01 44", "005 NY E 1 44", "not a run of two digits"),
        (ZIP_CODES, "005 NY E 01 44", "5 NY E 01 44", "not a line of ZIP codes"),
        (ZIP_CORRECTIONS, '"89883"', '"00000"', "corrects 00000, which is not there"),
        (ZIP_CORRECTIONS, ', why = "Adak"', "", "why is missing"),
    ],
)
def test_a_table_with_a_mistake_stops_loading(
    path: str, old: str, new: str, complaint: str
) -> None:
    assert old in FILES[path]
    with pytest.raises(RulebookError, match=complaint):
        read_places(TABLES | {path: tomllib.loads(FILES[path].replace(old, new, 1))})


def test_every_country_with_states_reaches_them_all() -> None:
    for country in PLACES.countries.values():
        assert set(country.whole.states) == set(country.states), country.code
        assert set(country.whole.zones) >= {z for s in country.states.values() for z in s.zones}


def test_every_member_of_the_union_stands_under_its_law() -> None:
    members = {c.code for c in PLACES.countries.values() if "eu" in c.laws}
    overseas = {"GF", "GP", "MQ", "RE", "YT"}
    union = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
    assert " ".join(sorted(members - overseas)) == union

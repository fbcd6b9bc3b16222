"""Postal codes say state and zones, straddling ones both, and unassigned ones nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairdial.core.postal import Place, PostalBlocks
from fairdial.rules import load_rulebook

PLACES = load_rulebook().places
STATES = PLACES.area_codes.states
E, C, M, P = "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"
B, Z = "America/Boise", "America/Phoenix"


def zip_codes() -> PostalBlocks:
    table = PLACES.postal["US"]
    assert isinstance(table, PostalBlocks)
    return table


@pytest.mark.parametrize(
    ("code", "state", "zones"),
    [
        ("10001", "NY", {E}),
        ("32301", "FL", {E}),  # Tallahassee
        ("32501", "FL", {C}),  # Pensacola
        ("32465", "FL", {E, C}),  # Gulf County
        ("36104", "AL", {C}),
        ("36867", "AL", {E, C}),  # Phenix City lives by Columbus, Georgia
        ("97914", "OR", {P, B}),  # Ontario in Malheur County
        ("97201", "OR", {P}),
        ("79901", "TX", {M}),  # El Paso
        ("79855", "TX", {C, M}),  # Van Horn
        ("75201", "TX", {C}),
        ("67735", "KS", {M}),  # Goodland
        ("67601", "KS", {C}),
        ("69361", "NE", {M}),  # Scottsbluff
        ("69101", "NE", {C}),
        ("69201", "NE", {C, M}),  # Valentine in Cherry County
        ("58623", "ND", {M}),  # Bowman
        ("58601", "ND", {C, M}),  # Dickinson's code reaches into Dunn County
        ("58501", "ND", {C}),
        ("58854", "ND", {C, M}),  # Watford City
        ("57701", "SD", {M}),  # Rapid City
        ("57104", "SD", {C}),
        ("57532", "SD", {C, M}),  # Fort Pierre
        ("86515", "AZ", {Z, M}),  # Window Rock, Navajo Nation
        ("85001", "AZ", {Z}),
        ("46402", "IN", {C}),  # Gary
        ("47708", "IN", {C}),  # Evansville
        ("46204", "IN", {E}),
        ("49938", "MI", {C}),  # Ironwood
        ("49801", "MI", {C}),  # Iron Mountain
        ("49855", "MI", {E}),  # Marquette
        ("42301", "KY", {C}),
        ("40202", "KY", {E}),
        ("37402", "TN", {E}),
        ("37203", "TN", {C}),
        ("83814", "ID", {P}),
        ("83702", "ID", {B}),
        ("83549", "ID", {B, P}),  # Riggins on the Salmon River
        ("89883", "NV", {M}),  # West Wendover
        ("89825", "NV", {P, M}),  # Jackpot
        ("89101", "NV", {P}),
        ("73946", "OK", {C, M}),  # Kenton
        ("99546", "AK", {"America/Adak"}),
        ("99685", "AK", {"America/Anchorage", "America/Adak"}),
        ("99501", "AK", {"America/Anchorage"}),
        ("96813", "HI", {"Pacific/Honolulu"}),
        ("00901", "PR", {"America/Puerto_Rico"}),
        ("00802", "VI", {"America/St_Thomas"}),
        ("96910", "GU", {"Pacific/Guam"}),
        ("96950", "MP", {"Pacific/Saipan"}),
        ("96799", "AS", {"Pacific/Pago_Pago"}),
    ],
)
def test_zip_codes_where_the_clocks_divide(code: str, state: str, zones: set[str]) -> None:
    place = zip_codes().find(code)
    assert place is not None
    assert (place.country, place.states[0], set(place.zones)) == ("US", state, zones)


@pytest.mark.parametrize("text", ["32301", " 32301 ", "32301-1234", "323011234", "32301 1234"])
def test_a_zip_code_in_the_spellings_people_use(text: str) -> None:
    assert zip_codes().find(text) == Place(country="US", states=("FL",), zones=(E,))


@pytest.mark.parametrize(
    "text", ["", "00000", "99999", "09001", "3230", "323011", "32301-12", "٣٢٣٠١", "3" * 99, "FL"]
)
def test_what_is_no_assigned_code_says_nothing(text: str) -> None:
    assert zip_codes().find(text) is None


def test_a_code_that_crosses_a_state_line_has_both_states() -> None:
    crossing = [place for place in zip_codes().places if len(place.states) > 1]
    assert 50 < len(crossing) < 200
    assert {len(place.states) for place in crossing} == {2}


def test_the_table_holds_every_state_and_about_as_many_codes_as_there_are() -> None:
    table = zip_codes()
    assert {state for place in table.places for state in place.states} == {
        code for code, state in STATES.items() if state.country == "US"
    }
    codes = sum(b - a + 1 for a, b in zip(table.firsts, table.lasts, strict=True))
    assert 41_000 < codes < 43_000


def test_zones_are_those_of_the_state_but_where_towns_keep_their_neighbours_time() -> None:
    beyond = {
        place.states
        for place in zip_codes().places
        if not set(place.zones) <= {z for s in place.states for z in STATES[s].zones}
    }
    assert beyond == {("AL",), ("AK",)}


@given(st.integers(0, 99_999))
def test_the_blocks_answer_as_a_plain_list_would(number: int) -> None:
    table = zip_codes()
    plain = [
        place
        for first, last, place in zip(table.firsts, table.lasts, table.places, strict=True)
        if first <= number <= last
    ]
    assert table.find(f"{number:05d}") == (plain[0] if plain else None)
    assert len(plain) <= 1


@given(st.text(max_size=20), st.sampled_from(sorted(PLACES.postal)))
def test_any_text_is_a_place_or_nothing(text: str, country: str) -> None:
    place = PLACES.postal[country].find(text)
    assert place is None or place.zones


@pytest.mark.parametrize(
    ("country", "text", "states"),
    [
        ("CA", "k1a 0b1", ("ON",)),
        ("CA", "K1A0B1", ("ON",)),
        ("CA", "X0A 0H0", ("NU",)),
        ("CA", "X1A 1A1", ("NT",)),
        ("AU", "2000", ("NSW",)),
        ("AU", "0872", ("NT", "SA", "WA")),
        ("AU", "2600", ("ACT", "NSW")),
        ("ES", "38001", ("CN",)),
        ("ES", "28001", ("PEN",)),
        ("PT", "9500-001", ("AZO",)),
        ("PT", "1000", ("CON",)),
        ("NZ", "8942", ("CIT",)),
    ],
)
def test_codes_of_other_countries(country: str, text: str, states: tuple[str, ...]) -> None:
    place = PLACES.postal[country].find(text)
    assert place is not None
    assert place.states == states


@pytest.mark.parametrize(
    ("country", "text"),
    [
        ("CA", "D1A 1A1"),
        ("CA", "X9Z 1A1"),
        ("CA", "K1A 0B"),
        ("AU", "0100"),
        ("ES", "53000"),
        ("GB", "QQ1 1AA"),
        ("GB", "N1 1A"),
        ("FR", "98000"),
        ("NZ", "0000"),
    ],
)
def test_codes_that_are_none(country: str, text: str) -> None:
    assert PLACES.postal[country].find(text) is None


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("SW1A 1AA", "GB"),
        ("n1 1aa", "GB"),
        ("BT1 1AA", "GB"),
        ("GY1 1AA", "GG"),
        ("JE2", "JE"),
        ("IM1 1AA", "IM"),
    ],
)
def test_british_codes_know_the_islands(text: str, country: str) -> None:
    place = PLACES.postal["GB"].find(text)
    assert place is not None
    assert place.country == country

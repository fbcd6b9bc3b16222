"""Every place that the data indicate is kept, and doubt is never ignored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairdial.core.ids import E164
from fairdial.core.jurisdiction import AreaCode, AreaCodeUse, Candidate, Location, is_zone, locate
from fairdial.core.lead import StatedLocation
from fairdial.core.number import parse_e164
from fairdial.core.postal import PostalBlocks
from fairdial.core.verdict import Ruling
from fairdial.rules import load_rulebook, use_pinned_tzdata
from fairdial.rules.situations import facts_of

RULEBOOK = load_rulebook()
PLACES = RULEBOOK.places
TABLE = PLACES.area_codes
NOWHERE = StatedLocation()
E, C, M, P = "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"


def zones(number: str, **stated: str) -> set[str]:
    return set(locate(number, StatedLocation(**stated), PLACES).zone_names)


def places(number: str, **stated: str) -> set[str]:
    return set(locate(number, StatedLocation(**stated), PLACES).jurisdiction_names)


def test_a_number_alone_indicates_the_state_and_zone_of_its_area_code() -> None:
    assert locate("+13055550142", NOWHERE, PLACES) == Location(
        country_of_number="US",
        zones=(Candidate(name=E, source="area code 305"),),
        jurisdictions=(
            Candidate(name="us", source="area code 305"),
            Candidate(name="us/fl", source="area code 305"),
        ),
        doubt=None,
    )


def test_address_and_area_code_both_count() -> None:
    assert zones("+12125550142", state="CA") == {E, P}
    assert places("+12125550142", state="CA") == {"us", "us/ny", "us/ca"}


def test_a_state_in_two_zones_makes_both_candidates() -> None:
    assert zones("+13055550142", state="FL") == {E, C}


def test_a_stated_zone_is_one_candidate_more() -> None:
    assert zones("+13125550142", zone=P) == {C, P}


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ("850 448", {E, C}),
        ("208 986", {"America/Boise", P}),
        ("541 458", {P, "America/Boise"}),
        ("701 605 308", {C, M}),
        ("270 364", {C, E}),
        ("606 423 574 906 219 812 930", {E, C}),
        ("785 620", {C, M}),
        ("775", {P, M}),
        ("928", {"America/Phoenix", M}),
        ("907", {"America/Anchorage", "America/Adak"}),
        ("432", {C, M}),
        ("915", {M}),
        ("931 615 629 731 901", {C}),
        ("689", {E}),
    ],
)
def test_split_area_codes_have_all_their_zones(codes: str, expected: set[str]) -> None:
    for code in codes.split():
        assert zones(f"+1{code}5550142") == expected, code


@pytest.mark.parametrize("code", ["250", "778", "236", "672", "807", "709", "867", "418", "306"])
def test_split_canadian_codes_have_more_than_one_zone(code: str) -> None:
    assert len(zones(f"+1{code}5550142")) > 1


@pytest.mark.parametrize("number", ["+18005550142", "+15005550142", "+881612345678"])
def test_numbers_without_a_place_are_unknown(number: str) -> None:
    found = locate(number, NOWHERE, PLACES)
    assert found.zones == ()
    assert found.doubt is not None


def test_an_address_locates_a_toll_free_number() -> None:
    found = locate("+18005550142", StatedLocation(state="OH"), PLACES)
    assert (found.zone_names, found.doubt) == ((E,), None)


@pytest.mark.parametrize(
    "stated",
    [
        StatedLocation(state="ZZ"),
        StatedLocation(zone="EST"),
        StatedLocation(zone="Mars/Olympus"),
        StatedLocation(zone="../etc/passwd"),
    ],
)
def test_a_stated_place_that_we_cannot_read_is_a_doubt(stated: StatedLocation) -> None:
    assert locate("+13125550142", stated, PLACES).doubt is not None


def test_a_stated_country_is_one_more_jurisdiction_with_all_its_zones() -> None:
    assert places("+13125550142", country="DE") == {"us", "us/il", "de", "eu"}
    assert zones("+13125550142", country="DE") == {C, "Europe/Berlin"}


@pytest.mark.parametrize(
    "stated",
    [
        StatedLocation(country="TH"),
        StatedLocation(country="US"),
        StatedLocation(country="CA"),
        StatedLocation(country="US", zone="America/Chicago"),
    ],
)
def test_an_address_abroad_that_says_too_little_is_a_doubt(stated: StatedLocation) -> None:
    assert locate("+442079460958", stated, PLACES).doubt is not None


def test_an_american_territory_stands_under_american_law() -> None:
    found = locate("+18005550142", StatedLocation(country="PR"), PLACES)
    assert found.jurisdiction_names == ("us", "us/pr")
    assert (found.zone_names, found.doubt) == (("America/Puerto_Rico",), None)


# ── Postal codes narrow, and only at home ──


def test_a_postal_code_inside_the_area_codes_state_replaces_its_zones() -> None:
    assert zones("+18505550142", postal="32301") == {E}
    assert zones("+18505550142", postal="32501") == {C}
    assert zones("+18505550142", postal="32465") == {E, C}, "Gulf County lies on both sides"


def test_and_narrows_the_zones_of_the_stated_state() -> None:
    assert zones("+18505550142", postal="32301", state="FL") == {E}


def test_a_postal_code_elsewhere_adds_and_narrows_nothing() -> None:
    assert zones("+12125550142", postal="32501") == {E, C}
    assert places("+12125550142", postal="32501") == {"us", "us/ny", "us/fl"}
    assert zones("+13125550142", postal="33101", state="FL") == {C, E}


def test_a_postal_code_never_removes_the_area_codes_law() -> None:
    assert places("+17825550142", postal="C1A 1A1") == {"ca", "ca/ns", "ca/pe"}


def test_a_state_that_contradicts_the_postal_code_leaves_both() -> None:
    assert zones("+18505550142", postal="32301", state="TX") == {E, C, M}
    assert places("+18505550142", postal="32301", state="TX") == {"us", "us/fl", "us/tx"}


def test_a_country_that_contradicts_the_postal_code_leaves_both() -> None:
    assert zones("+18505550142", postal="32301", country="GB") == {E, C, "Europe/London"}


def test_a_stated_zone_is_kept_beside_a_postal_code() -> None:
    assert zones("+18505550142", postal="32301", zone=P) == {E, P}


@pytest.mark.parametrize("postal", ["99999", "00000", "09001", "32301-", "3230", "?", ""])
def test_an_unassigned_postal_code_leaves_the_wider_set(postal: str) -> None:
    assert zones("+18505550142", postal=postal, state="FL") == {E, C}
    assert locate("+18505550142", StatedLocation(postal=postal), PLACES).doubt is None


def test_and_is_a_doubt_only_where_nothing_else_locates() -> None:
    found = locate("+18005550142", StatedLocation(postal="99999"), PLACES)
    assert found.doubt == (
        "area code 800 (toll-free) says nothing of a place, and the record names none; "
        "the postal code is none that we know; neither the number nor the record names a country"
    )


def test_a_postal_code_alone_locates_a_toll_free_number() -> None:
    found = locate("+18005550142", StatedLocation(postal="60601"), PLACES)
    assert (found.zone_names, found.doubt) == ((C,), None)
    assert found.jurisdiction_names == ("us", "us/il")


def test_canadian_codes_narrow_in_their_province() -> None:
    assert zones("+18075550142", postal="P9N 1A1") == {"America/Winnipeg"}
    assert zones("+17095550142", postal="A1A 1A1") == {"America/St_Johns"}
    assert zones("+17095550142", postal="A0P 1C0") == {"America/St_Johns", "America/Goose_Bay"}
    assert zones("+12505550142", postal="V1C 1A1") == {"America/Edmonton", "America/Creston"}
    assert zones("+14165550142", postal="K1A") == {"America/Toronto"}
    assert places("+14165550142", postal="V6B 1A1") == {"ca", "ca/on", "ca/bc"}


# ── Other countries ──


@pytest.mark.parametrize(
    ("number", "laws", "expected"),
    [
        ("+442079460958", {"gb"}, {"Europe/London"}),
        ("+441481720000", {"gg"}, {"Europe/Guernsey"}),
        ("+441534720000", {"je"}, {"Europe/Jersey"}),
        ("+441624720000", {"im"}, {"Europe/Isle_of_Man"}),
        ("+35316000000", {"ie", "eu"}, {"Europe/Dublin"}),
        ("+49301234567", {"de", "eu"}, {"Europe/Berlin"}),
        ("+33142278186", {"fr", "eu"}, {"Europe/Paris"}),
        ("+262262123456", {"fr", "eu"}, {"Indian/Reunion"}),
        ("+590590123456", {"fr", "eu"}, {"America/Guadeloupe"}),
        ("+34911234567", {"es", "eu"}, {"Europe/Madrid"}),
        ("+34928123456", {"es", "eu"}, {"Atlantic/Canary"}),
        ("+34612345678", {"es", "eu"}, {"Europe/Madrid", "Atlantic/Canary"}),
        ("+351211234567", {"pt", "eu"}, {"Europe/Lisbon"}),
        ("+351295123456", {"pt", "eu"}, {"Atlantic/Azores"}),
        ("+390612345678", {"it", "eu"}, {"Europe/Rome"}),
        ("+61755501234", {"au"}, {"Australia/Brisbane", "Australia/Sydney"}),
        ("+6444123456", {"nz"}, {"Pacific/Auckland"}),
        ("+6433050123", {"nz"}, {"Pacific/Chatham"}),
        ("+64211234567", {"nz"}, {"Pacific/Auckland", "Pacific/Chatham"}),
        ("+911123456789", {"in"}, {"Asia/Kolkata"}),
        ("+5511961234567", {"br"}, {"America/Sao_Paulo"}),
        ("+5568991234567", {"br"}, {"America/Rio_Branco"}),
        ("+525512345678", {"mx"}, {"America/Mexico_City"}),
        ("+526641234567", {"mx"}, {"America/Tijuana"}),
    ],
)
def test_numbers_of_other_countries(number: str, laws: set[str], expected: set[str]) -> None:
    found = locate(number, NOWHERE, PLACES)
    assert (set(found.jurisdiction_names), set(found.zone_names)) == (laws, expected)
    assert found.doubt is None


def test_an_australian_mobile_may_be_anywhere_until_a_postcode_says_where() -> None:
    everywhere = {z for s in PLACES.countries["AU"].states.values() for z in s.zones}
    assert zones("+61491570006") == everywhere
    assert zones("+61491570006", postal="6000") == {"Australia/Perth"}
    assert zones("+61491570006", postal="2880") == {"Australia/Broken_Hill", "Australia/Sydney"}
    assert zones("+61491570006", state="Queensland", postal="4000") == {"Australia/Brisbane"}
    assert zones("+61491570006", postal="0872") == {
        "Australia/Darwin", "Australia/Adelaide", "Australia/Perth", "Australia/Eucla",
    }  # fmt: skip


def test_an_australian_who_moved_across_the_continent_has_both_times() -> None:
    assert {"Australia/Brisbane", "Australia/Perth"} <= zones("+61755501234", postal="6000")


def test_postal_codes_of_islands_add_their_law_and_clock() -> None:
    assert places("+447700900123", postal="GY1 1AA") == {"gb", "gg"}
    assert zones("+33612345678", postal="97400") == {"Europe/Paris", "Indian/Reunion"}
    assert zones("+34612345678", postal="35001") == {"Atlantic/Canary"}


@pytest.mark.parametrize("number", ["+448081570123", "+611800160401", "+6621234567"])
def test_toll_free_numbers_and_countries_without_a_row_have_no_zone(number: str) -> None:
    found = locate(number, NOWHERE, PLACES)
    assert found.zones == ()
    assert found.doubt is not None


def test_a_five_digit_code_counts_in_both_countries_that_may_be_meant() -> None:
    found = places("+12125550142", postal="33101", country="ES")
    assert found == {"us", "us/ny", "us/fl", "es", "eu"}


# ── What always holds ──

NUMBERS = st.sampled_from(
    [f"+1{code}5550142" for code in ("212", "850", "305", "208", "775", "928", "807", "250", "782")]
    + ["+18005550142", "+15005550142", "+19995550142", "+17875550142", "+881612345678"]
    + [
        "+442079460958",
        "+61491570006",
        "+61255501234",
        "+34612345678",
        "+6621234567",
        "+12425550142",
    ]
)
POSTALS = st.sampled_from(
    ["10001", "32301", "32465", "33101", "83549", "89883", "99999", "P9N 1A1", "V6B 1A1"]
) | st.sampled_from(["35001", "2880", "6000", "GY1 1AA", "N1 1AA", "?", "96910"])
STATED = st.builds(
    StatedLocation,
    zone=st.none() | st.sampled_from([C, "Pacific/Honolulu", "EST"]),
    postal=st.none() | POSTALS,
    state=st.none() | st.sampled_from(["FL", "NY", "ID", "ON", "BC", "NSW", "Nowhere", "WA"]),
    country=st.none() | st.sampled_from(["US", "CA", "GB", "AU", "ES", "PR", "TH"]),
)
CLUES = st.sampled_from(["zone", "postal", "state", "country"])


@settings(max_examples=200, deadline=None)
@given(number=NUMBERS, stated=STATED, clue=CLUES)
def test_a_clue_more_never_removes_a_jurisdiction(
    number: str, stated: StatedLocation, clue: str
) -> None:
    fewer = locate(number, replace(stated, **{clue: None}), PLACES)
    more = locate(number, stated, PLACES)
    assert set(fewer.jurisdiction_names) <= set(more.jurisdiction_names)


@settings(max_examples=200, deadline=None)
@given(number=NUMBERS, stated=STATED, clue=CLUES)
def test_only_a_postal_code_removes_a_zone_and_the_numbers_own_only_at_home(
    number: str, stated: StatedLocation, clue: str
) -> None:
    fewer = locate(number, replace(stated, **{clue: None}), PLACES)
    more = locate(number, stated, PLACES)
    removed = {c for c in fewer.zones if c.name not in more.zone_names}
    # A whole foreign country stands in only as long as no part of it is named.
    removed = {c for c in removed if c.source != "stated country"}
    if removed:
        assert clue == "postal"
        (place,) = PLACES.read_postal(number, stated)
        assert set(place.zones) <= set(more.zone_names)
        issued = PLACES.issued(number)
        if issued is not None and any(c.source == issued.source for c in removed):
            assert set(place.states) <= set(issued.place.states)


AREA_CODES = [c for c in TABLE.codes.values() if c.country == "US" and c.states]
BLOCKS = PLACES.postal["US"]
assert isinstance(BLOCKS, PostalBlocks)
OF_STATE = {
    state: [
        first for first, p in zip(BLOCKS.firsts, BLOCKS.places, strict=True) if state in p.states
    ]
    for code in AREA_CODES
    for state in code.states
}


@settings(max_examples=300, deadline=None)
@given(data=st.data(), code=st.sampled_from(AREA_CODES))
def test_a_plain_second_reading_of_the_rule_finds_the_same(
    data: st.DataObject, code: AreaCode
) -> None:
    home = code.states[0]
    zip_state = data.draw(st.just(home) | st.sampled_from(sorted(OF_STATE)))
    postal = data.draw(st.none() | st.sampled_from(OF_STATE[zip_state]).map("{:05d}".format))
    state = data.draw(
        st.none() | st.just(home) | st.just(zip_state) | st.sampled_from(sorted(OF_STATE))
    )
    place = None if postal is None else BLOCKS.find(postal)
    is_exact = place is not None and (state is None or state in place.states)
    replaced = is_exact and place is not None and all(s in code.states for s in place.states)
    expected = set() if place is None else set(place.zones)
    laws = {"us"} | {f"us/{s.lower()}" for s in code.states}
    laws |= set() if place is None else {f"us/{s.lower()}" for s in place.states}
    laws |= set() if state is None else {f"us/{state.lower()}"}
    if not replaced:
        expected |= set(code.zones)
    if state is not None and not is_exact:
        expected |= set(TABLE.states[state].zones)
    number = f"+1{code.code}5550142"
    found = locate(number, StatedLocation(postal=postal, state=state), PLACES)
    assert (set(found.zone_names), set(found.jurisdiction_names)) == (expected, laws)


@settings(max_examples=200, deadline=None)
@given(number=NUMBERS, stated=STATED)
def test_a_doubt_never_allows(number: str, stated: StatedLocation) -> None:
    now = datetime(2026, 12, 3, 18, 0, tzinfo=UTC)
    facts = replace(facts_of({}, now), number=E164(number), stated=stated)
    guard = next(v for v in RULEBOOK.judge(facts, now) if v.rule == "tz.unknown")
    has_doubt = locate(number, stated, PLACES).doubt is not None
    assert guard.ruling is (Ruling.UNKNOWN if has_doubt else Ruling.ALLOW)


@settings(max_examples=200, deadline=None)
@given(first=st.tuples(NUMBERS, STATED), second=st.tuples(NUMBERS, STATED))
def test_equal_keys_are_equal_locations(
    first: tuple[str, StatedLocation], second: tuple[str, StatedLocation]
) -> None:
    if PLACES.key(*first) == PLACES.key(*second):
        assert locate(*first, PLACES) == locate(*second, PLACES)


def test_postal_codes_of_one_place_share_a_key() -> None:
    one, other = StatedLocation(postal="32301"), StatedLocation(postal="33101")
    assert PLACES.key("+18505550142", one) == PLACES.key("+18505550199", other)


def test_every_state_has_an_area_code_or_none_is_forgotten() -> None:
    with_code = {s for c in TABLE.codes.values() for s in c.states}
    assert with_code == set(TABLE.states)


def test_a_code_lies_in_zones_of_its_states() -> None:
    outside = {
        c.code: c.zones
        for c in TABLE.codes.values()
        if c.states and not set(c.zones) <= {z for s in c.states for z in TABLE.states[s].zones}
    }
    assert outside == {}


def test_the_table_has_all_codes_of_the_phone_metadata() -> None:
    import phonenumbers

    valid = {
        str(npa)
        for npa in range(200, 1000)
        if phonenumbers.is_valid_number(
            phonenumbers.PhoneNumber(country_code=1, national_number=npa * 10**7 + 2342345)
        )
    }
    assert valid - set(TABLE.codes) == set()


def test_codes_without_a_place_have_none() -> None:
    for code in TABLE.codes.values():
        is_geographic = code.use is AreaCodeUse.GEOGRAPHIC
        assert bool(code.zones) is is_geographic, code.code


def test_only_zones_with_a_place_are_zones() -> None:
    assert [is_zone(z) for z in (E, "EST", "Etc/GMT+5", "Nowhere/Land", "")] == [
        True,
        False,
        False,
        False,
        False,
    ]


NEWER_THAN_THE_METADATA = "357 436 457 465 471 483 621 624 679 729 837 861 924"


@pytest.mark.parametrize(
    ("overlay", "over"),
    [
        ("357", "559"), ("436", "440"), ("457", "318"), ("465", "718"), ("471", "662"),
        ("483", "334"), ("621", "713"), ("624", "716"), ("679", "313"), ("729", "423"),
        ("837", "530"), ("861", "309"), ("924", "507"), ("448", "850"), ("364", "270"),
        ("986", "208"), ("458", "541"), ("930", "812"), ("672", "250"), ("257", "250"),
        ("581", "418"), ("367", "418"), ("273", "418"), ("639", "306"),
        ("474", "306"), ("879", "709"),
    ],
)  # fmt: skip
def test_an_overlay_has_the_states_and_zones_of_what_it_lies_over(overlay: str, over: str) -> None:
    new, old = TABLE.codes[overlay], TABLE.codes[over]
    assert (new.states, set(new.zones)) == (old.states, set(old.zones))


def test_codes_newer_than_the_phone_metadata_can_be_called() -> None:
    for code in NEWER_THAN_THE_METADATA.split():
        assert parse_e164(f"{code}-555-0142", area_codes=TABLE) == f"+1{code}5550142"


@pytest.mark.parametrize("code", ["205", "334", "761", "999"])
def test_a_code_that_nobody_vouched_for_is_not_there(code: str) -> None:
    assert (code in TABLE) is (code in ("205", "334"))


# ── Clocks of the pinned time-zone data ──


def offset(zone: str, *moment: int) -> float:
    use_pinned_tzdata()
    at = datetime(*moment, tzinfo=UTC).astimezone(ZoneInfo(zone)).utcoffset()  # type: ignore[arg-type, misc]
    assert at is not None
    return at / timedelta(hours=1)


@pytest.mark.parametrize(
    ("zone", "hours"),
    [("America/Vancouver", -7), ("America/Edmonton", -6), ("America/Winnipeg", -5)],
)
def test_western_canada_keeps_one_time_all_year(zone: str, hours: int) -> None:
    assert use_pinned_tzdata() >= "2026f"
    for moment in ((2026, 11, 1, 12), (2026, 12, 15, 12), (2027, 3, 14, 12), (2027, 7, 1, 12)):
        assert offset(zone, *moment) == hours


@pytest.mark.parametrize(
    ("before", "after", "hours"),
    [
        ((2026, 3, 8, 6, 59, 59), (2026, 3, 8, 7), (-5, -4)),
        ((2026, 11, 1, 5, 59, 59), (2026, 11, 1, 6), (-4, -5)),
        ((2027, 3, 14, 6, 59, 59), (2027, 3, 14, 7), (-5, -4)),
        ((2027, 11, 7, 5, 59, 59), (2027, 11, 7, 6), (-4, -5)),
    ],
)
def test_american_clocks_change_on_the_days_of_the_law(
    before: tuple[int, ...], after: tuple[int, ...], hours: tuple[int, int]
) -> None:
    assert (offset(E, *before), offset(E, *after)) == hours


@pytest.mark.parametrize("state", ["HI", "PR", "VI", "GU", "MP", "AS", "YT"])
def test_some_states_never_change_their_clocks(state: str) -> None:
    for zone in TABLE.states[state].zones:
        assert offset(zone, 2026, 7, 1) == offset(zone, 2026, 12, 15) == offset(zone, 2027, 7, 1)


def test_neither_does_arizona_but_for_the_navajo_nation() -> None:
    assert offset("America/Phoenix", 2026, 7, 1) == offset("America/Phoenix", 2026, 12, 15) == -7
    assert TABLE.states["AZ"].zones == ("America/Phoenix", M)
    assert "America/Regina" in TABLE.states["SK"].zones
    assert offset("America/Regina", 2026, 7, 1) == offset("America/Regina", 2026, 12, 15) == -6

"""Every place that the data indicate is kept, and doubt is never ignored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from fairdial.core.jurisdiction import AreaCodeUse, Candidate, Location, is_zone, locate
from fairdial.core.lead import StatedLocation
from fairdial.rules import load_rulebook, use_pinned_tzdata

TABLE = load_rulebook().area_codes
NOWHERE = StatedLocation()
E, C, M, P = "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"


def zones(number: str, **stated: str) -> set[str]:
    return set(locate(number, StatedLocation(**stated), TABLE).zone_names)


def places(number: str, **stated: str) -> set[str]:
    return set(locate(number, StatedLocation(**stated), TABLE).jurisdiction_names)


def test_a_number_alone_indicates_the_state_and_zone_of_its_area_code() -> None:
    assert locate("+13055550142", NOWHERE, TABLE) == Location(
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
    found = locate(number, NOWHERE, TABLE)
    assert found.zones == ()
    assert found.doubt is not None


def test_an_address_locates_a_toll_free_number() -> None:
    found = locate("+18005550142", StatedLocation(state="OH"), TABLE)
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
    assert locate("+13125550142", stated, TABLE).doubt is not None


def test_a_stated_country_is_one_more_jurisdiction() -> None:
    assert places("+13125550142", country="MX") == {"us", "us/il", "mx"}


def test_a_postal_code_alone_narrows_nothing() -> None:
    assert zones("+18505550142", postal="32301") == {E, C}


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


@pytest.mark.parametrize(
    ("zone", "hours"),
    [("America/Vancouver", -7), ("America/Edmonton", -6), ("America/Winnipeg", -5)],
)
def test_western_canada_keeps_one_time_all_year(zone: str, hours: int) -> None:
    assert use_pinned_tzdata() >= "2026f"
    winter = datetime(2026, 12, 15, 12, tzinfo=UTC).astimezone(ZoneInfo(zone))
    assert winter.utcoffset() == timedelta(hours=hours)

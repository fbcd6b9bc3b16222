"""Which caller ID is shown: the nearest, then the least used, never one at its cap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fairdial.core.caller_id import calls_left, least_used, nearest_first
from fairdial.core.ids import E164
from fairdial.core.jurisdiction import Location
from fairdial.core.lead import StatedLocation
from fairdial.rules import load_rulebook

RULEBOOK = load_rulebook()
MANHATTAN, BUFFALO = E164("+12125550101"), E164("+17165550101")
CHICAGO, TORONTO, TOLL_FREE = E164("+13125550101"), E164("+14165550101"), E164("+18005550101")
POOL = [CHICAGO, TOLL_FREE, BUFFALO, TORONTO, MANHATTAN]


def where(number: E164, stated: StatedLocation | None = None) -> Location:
    return RULEBOOK.locate(number, stated or StatedLocation())


def groups(called: str, stated: StatedLocation | None = None) -> list[list[E164]]:
    number = E164(called)
    return nearest_first(POOL, number, where(number, stated), where)


def test_area_code_then_state_then_country_then_the_rest() -> None:
    assert groups("+12125550177") == [[MANHATTAN], [BUFFALO], [CHICAGO], [TOLL_FREE, TORONTO]]


def test_a_person_who_moved_is_near_where_they_live_and_where_their_number_is() -> None:
    assert groups("+12125550177", StatedLocation(state="IL")) == [
        [MANHATTAN],
        [CHICAGO, BUFFALO],
        [TOLL_FREE, TORONTO],
    ]


def test_a_place_without_a_number_of_ours_gets_one_of_the_country() -> None:
    assert groups("+18085550177")[0] == [CHICAGO, BUFFALO, MANHATTAN]


@given(
    st.dictionaries(st.sampled_from(POOL), st.integers(0, 5)),
    st.none() | st.integers(1, 5),
)
def test_the_least_used_below_its_cap(uses: dict[E164, int], most: int | None) -> None:
    shown = least_used(POOL, uses, most)
    able = [n for n in POOL if most is None or uses.get(n, 0) < most]
    if shown is None:
        assert not able
    else:
        assert shown in able
        assert all(uses.get(shown, 0) <= uses.get(n, 0) for n in able)
    if most is not None:
        assert calls_left(POOL, uses, most) == sum(most - min(most, uses.get(n, 0)) for n in POOL)

"""Which trunk takes the next call, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairdial.core.trunk import (
    CONGESTED_S,
    NoTrunk,
    NumberFormat,
    TrunkChoice,
    TrunkSettings,
    TrunkState,
    as_dialed,
    as_e164,
    as_shown,
    call_begun,
    call_ended,
    check_failed,
    check_passed,
    choose,
    congested,
    down_why,
    pause,
    register,
    trunk_fault,
    unregister,
)

NOW = 1000.0
UNTIL = NOW + 5


def state(name: str = "first", **settings: Any) -> TrunkState:
    return TrunkState(settings=TrunkSettings(name=name, host="192.0.2.1", **settings))


def chosen(*states: TrunkState, draw: float = 0.0, tried: tuple[str, ...] = ()) -> object:
    choice = choose(states, now=NOW, until=UNTIL, draw=draw, tried=tried)
    return choice.name if isinstance(choice, TrunkChoice) else choice.why


def test_the_lowest_order_is_tried_first_and_then_the_next() -> None:
    first, second = state("first", order=1), state("second", order=2)
    assert chosen(second, first) == "first"
    assert chosen(second, first, tried=("first",)) == "second"
    assert chosen(second, first, tried=("first", "second")) == (
        "no trunk can take the call: second: it was tried; first: it was tried"
    )


def test_equals_share_by_weight() -> None:
    light, heavy = state("light", weight=1), state("heavy", weight=3)
    picked = [chosen(light, heavy, draw=draw / 100) for draw in range(100)]
    assert (picked.count("light"), picked.count("heavy")) == (25, 75)


def test_a_full_trunk_leaves_the_call_to_the_next_order() -> None:
    full = call_begun(state("full", calls_max=1))
    assert chosen(full, state("next", order=2)) == "next"
    assert chosen(call_ended(full), state("next", order=2)) == "full"


def test_down_after_three_failures_in_a_row_and_up_after_two_passes() -> None:
    trunk = state()
    for _ in range(2):
        trunk = check_failed(trunk, "no reply", NOW)
    trunk = check_passed(trunk, "OPTIONS: 200")
    for _ in range(2):
        trunk = check_failed(trunk, "no reply", NOW)
    assert down_why(trunk, NOW) is None
    trunk = check_failed(trunk, "no reply", NOW)
    assert down_why(trunk, NOW) == "no reply"
    trunk = check_passed(trunk, "OPTIONS: 200")
    assert down_why(trunk, NOW) == "no reply"
    assert down_why(check_passed(trunk, "OPTIONS: 200"), NOW) is None


def test_a_silent_trunk_without_checks_is_tried_again_after_a_while() -> None:
    trunk = state(options_s=0)
    for _ in range(3):
        trunk = check_failed(trunk, "no reply to 3 calls", NOW)
    assert down_why(trunk, NOW + 29) == "no reply to 3 calls"
    assert down_why(trunk, NOW + 30) is None


def test_a_trunk_that_registers_is_down_until_it_is_registered() -> None:
    trunk = state(registers=True, username="agency", password="x")
    assert down_why(trunk, NOW) == "not registered yet"
    trunk = register(trunk, "registered for 300 s")
    assert down_why(trunk, NOW) is None
    assert down_why(unregister(trunk, "SIP 403"), NOW) == "SIP 403"


def test_a_pause_ends_by_itself_and_a_shorter_one_does_not_shorten_it() -> None:
    trunk = pause(pause(state(), NOW + 20, "Retry-After: 20"), NOW + 5, "Retry-After: 5")
    assert down_why(trunk, NOW + 19) is not None
    assert down_why(trunk, NOW + 20) is None


def test_three_refusals_in_a_row_rest_a_trunk_and_one_between_them_does_not() -> None:
    trunk = state()
    for _ in range(2):
        trunk = congested(trunk, "SIP 503", NOW)
    assert down_why(trunk, NOW) is None
    trunk = check_passed(trunk, "SIP 180")
    for _ in range(2):
        trunk = congested(trunk, "SIP 503", NOW)
    assert down_why(trunk, NOW) is None
    trunk = congested(trunk, "SIP 503", NOW)
    assert down_why(trunk, NOW) == "SIP 503"
    assert down_why(trunk, NOW + CONGESTED_S) is None


def test_a_trunk_that_says_for_how_long_is_left_alone_at_once() -> None:
    trunk = congested(state(), "SIP 503", NOW, retry_after_s=20)
    assert down_why(trunk, NOW + 19) == "SIP 503"
    assert down_why(congested(state(), "SIP 503", NOW, retry_after_s=9e9), NOW + 601) is None


@given(
    rate=st.floats(0.1, 30),
    asks=st.lists(st.floats(0, 0.5), min_size=1, max_size=80),
)
def test_no_second_has_more_starts_than_the_trunk_allows(rate: float, asks: list[float]) -> None:
    trunk, now, starts = state(calls_per_second=rate, calls_max=2000), NOW, []
    for step in asks:
        now += step
        choice = choose([trunk], now=now, until=now + 5, draw=0.0)
        if isinstance(choice, TrunkChoice):
            assert now <= choice.start_at < now + 5
            starts.append(choice.start_at)
            trunk = call_begun(trunk, choice.start_at)
    assert starts == sorted(starts)
    most = max(1, int(rate))
    for early, late in zip(starts, starts[most:], strict=False):
        assert late - early >= most / rate - 1e-6


@given(
    names=st.lists(st.sampled_from("abcd"), unique=True, min_size=1),
    tried=st.sets(st.sampled_from("abcd")),
    full=st.sets(st.sampled_from("abcd")),
    down=st.sets(st.sampled_from("abcd")),
    draw=st.floats(0, 1, exclude_max=True),
    orders=st.lists(st.integers(0, 3), min_size=4, max_size=4),
)
def test_what_is_chosen_is_able_and_none_that_is_able_has_a_lower_order(
    names: list[str],
    tried: set[str],
    full: set[str],
    down: set[str],
    draw: float,
    orders: list[int],
) -> None:
    states = []
    for name, order in zip(names, orders, strict=False):
        trunk = state(name, order=order, calls_max=1)
        trunk = call_begun(trunk) if name in full else trunk
        states.append(replace(trunk, passes_checks=name not in down))
    choice = choose(states, now=NOW, until=UNTIL, draw=draw, tried=tried)
    able = {s.settings.name: s.settings.order for s in states}
    for name in tried | full | down:
        able.pop(name, None)
    if isinstance(choice, NoTrunk):
        assert able == {}
    else:
        assert able[choice.name] == min(able.values())


def test_a_call_that_would_wait_longer_than_its_permit_lives_is_refused_with_why() -> None:
    busy = call_begun(state(calls_per_second=0.1), NOW - 1)
    assert chosen(busy) == (
        "no trunk can take the call: first: 0.1 calls a second are its most, "
        "and the permit would end first"
    )


@pytest.mark.parametrize(
    ("settings", "dialed"),
    [
        ({}, "+13125550142"),
        ({"prefix": "9*"}, "9*+13125550142"),
        ({"number_format": NumberFormat.E164_WITHOUT_PLUS}, "13125550142"),
        ({"number_format": NumberFormat.NATIONAL}, "3125550142"),
        ({"number_format": NumberFormat.NATIONAL, "country": "GB"}, "13125550142"),
    ],
)
def test_numbers_are_written_as_the_trunk_wants_them(settings: Any, dialed: str) -> None:
    assert as_dialed(state(**settings).settings, "+13125550142") == dialed


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+13125550142", "+13125550142"),
        ("13125550142", "+13125550142"),
        ("3125550142", "+13125550142"),
        ("anonymous", "anonymous"),
        ("1234", "1234"),
        ("", ""),
    ],
)
def test_numbers_that_come_are_read_as_e164_where_they_can_be(text: str, number: str) -> None:
    assert as_e164(state().settings, text) == number


@given(digits=st.integers(200, 989), form=st.sampled_from(NumberFormat))
def test_what_is_shown_reads_back_as_the_same_number(digits: int, form: NumberFormat) -> None:
    trunk = state(number_format=form).settings
    number = f"+1312555{100 + digits % 100:04}"
    assert as_e164(trunk, as_shown(trunk, number)) == number


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"port": 0}, "port is 0: it must be 1 to 65535"),
        ({"calls_per_second": 0.0}, "calls_per_second is 0: it must be 0.1 to 1000"),
        ({"options_s": 0.5}, "options_s is 0.5: it must be 0 (no checks) or 1 to 3600 seconds"),
        ({"username": "a"}, "username and password belong together: set both"),
        ({"registers": True}, "registers is true: it needs a username and a password"),
        ({"from_domain": "a b"}, "from_domain is 'a b': it must be a name or an IPv4 address"),
        ({"prefix": "9\r\n"}, "prefix is '9\\r\\n': it must be digits, *, # and +, at most 16"),
        (
            {"numbers": ("555",)},
            "numbers has '555': write it in E.164 form, such as +13125550142",
        ),
        (
            {"inbound_from": ("192.0.2.300",)},
            "inbound_from has '192.0.2.300': write an IPv4 address or network (192.0.2.0/24)",
        ),
    ],
)
def test_says_what_is_wrong_with_a_trunk(settings: Any, fault: str) -> None:
    assert trunk_fault(state().settings) is None
    assert trunk_fault(state(**settings).settings) == fault

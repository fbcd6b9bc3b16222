"""One digit for each press, whatever the network does to its packets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairdial.media.digits import (
    DIGITS,
    END_PACKETS,
    PAUSE_MIN,
    PRESS_FRAMES,
    PRESSES_KEPT,
    DigitEar,
    press,
)

WORD = 1 << 32


@dataclass(frozen=True, slots=True)
class Packet:
    """One telephone event as it travels."""

    payload: bytes
    timestamp: int
    ssrc: int = 7


def packets(digit: str, *, at: int) -> list[Packet]:
    """A press that begins at a moment of the sender's clock."""
    return [Packet(payload, at % WORD) for payload in press(digit)]


def heard(arriving: list[Packet], ear: DigitEar | None = None) -> str:
    """What an ear makes of packets in the order in which they arrive."""
    ear = ear or DigitEar()
    told = [ear.hear(p.payload, ssrc=p.ssrc, timestamp=p.timestamp) for p in arriving]
    return "".join(digit for digit in told if digit is not None)


@st.composite
def presses(draw: st.DrawFn) -> list[list[Packet]]:
    """Some presses after each other, from anywhere on the sender's clock."""
    at = draw(st.integers(0, WORD - 1))
    found = []
    for digit in draw(st.text(DIGITS, max_size=PRESSES_KEPT)):
        found.append(packets(digit, at=at))
        at += 160 * PRESS_FRAMES + draw(st.integers(PAUSE_MIN, 80_000))
    return found


@pytest.mark.parametrize("digit", DIGITS)
def test_each_key_is_heard_once(digit: str) -> None:
    assert heard(packets(digit, at=1000)) == digit


def test_a_press_lasts_100_ms_and_says_its_end_three_times() -> None:
    payloads = press("9")
    assert payloads[0] == b"\x09\x0a\x00\xa0"
    assert payloads[-END_PACKETS:] == (b"\x09\x8a\x03\x20",) * END_PACKETS


@pytest.mark.parametrize("word", ["", "X", "12"])
def test_what_is_no_key_cannot_be_pressed(word: str) -> None:
    with pytest.raises(ValueError, match="is no key of a telephone"):
        press(word)


@given(presses(), st.data())
def test_one_packet_of_a_press_is_enough_and_more_are_no_more(
    made: list[list[Packet]], data: st.DataObject
) -> None:
    kept = [data.draw(st.lists(st.sampled_from(one), max_size=12)) for one in made]
    expected = "".join(DIGITS[one[0].payload[0]] for one in kept if one)
    assert heard([packet for one in kept for packet in one]) == expected


@given(presses(), st.randoms())
def test_in_whatever_order_every_press_is_told_once(
    made: list[list[Packet]], random: Random
) -> None:
    arriving = [packet for one in made for packet in one]
    random.shuffle(arriving)
    told = heard(arriving)
    assert sorted(told) == sorted(DIGITS[one[0].payload[0]] for one in made)


@given(st.lists(st.tuples(st.binary(max_size=8), st.integers(0, WORD - 1), st.integers(0, 3))))
def test_any_bytes_give_keys_or_nothing_and_little_is_remembered(
    arriving: list[tuple[bytes, int, int]],
) -> None:
    ear = DigitEar()
    told = heard([Packet(payload, at, ssrc) for payload, at, ssrc in arriving], ear)
    assert set(told) <= set(DIGITS)
    assert len(told) <= len(arriving)
    assert len(ear._told) <= PRESSES_KEPT


def test_what_is_older_than_all_that_is_remembered_is_not_told_again() -> None:
    ear = DigitEar()
    first = packets("1", at=0)
    assert heard(first[:1], ear) == "1"
    for n in range(1, PRESSES_KEPT + 1):
        assert heard(packets("2", at=n * 8000), ear) == "2"
    assert heard(first[1:], ear) == ""


def test_a_key_held_for_long_is_one_press() -> None:
    segment = 0xFFFF
    held = [
        Packet(b"\x09\x0a" + duration.to_bytes(2, "big"), start)
        for start in (5000, 5000 + segment)
        for duration in (*range(160, segment, 160), segment)
    ]
    assert heard(held) == "9"


def test_a_sender_that_moves_the_timestamp_with_every_packet_is_understood() -> None:
    moving = [replace(p, timestamp=n * 160) for n, p in enumerate(packets("9", at=0))]
    assert heard(moving) == "9"


def test_the_same_key_after_a_pause_is_another_press() -> None:
    again = 160 * PRESS_FRAMES + PAUSE_MIN
    assert heard(packets("9", at=0) + packets("9", at=again)) == "99"


def test_a_new_sender_on_the_line_begins_anew() -> None:
    transferred = [replace(packet, ssrc=8) for packet in packets("9", at=1000)]
    assert heard(packets("9", at=1000) + transferred) == "99"


@pytest.mark.parametrize("payload", [b"", b"\x09\x8a\x03", b"\x10\x8a\x03\x20", b"\xff" * 160])
def test_what_is_no_key_is_not_heard(payload: bytes) -> None:
    assert heard([Packet(payload, 1000)]) == ""

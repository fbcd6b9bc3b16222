"""The jitter buffer: what went in comes out in order and in time, whatever the network does."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairdial.media import g711, mixing
from fairdial.media.jitter import CALM_BEATS, DELAY_MAX, FADES, FRAME, JitterBuffer
from fairdial.media.mixing import Samples

CODES = [code for code in range(256) if abs(g711.ULAW_SAMPLES[code]) > 1000]


def frame(n: int) -> bytes:
    """Frame n, which is one loud code all over, another one for each n."""
    return bytes([CODES[n % len(CODES)]]) * FRAME


def number_of(samples: Samples | None) -> int | None:
    """Which frame this is; None for what is none of them, as concealment is."""
    if samples is None or len(set(samples.tolist())) != 1:
        return None
    codes = mixing.encode(samples[:1], 0)
    is_exact = int(samples[0]) == g711.ULAW_SAMPLES[codes[0]]
    return CODES.index(codes[0]) if is_exact and codes[0] in CODES else None


def play(packets: list[list[int]], *, first: int = 0) -> list[Samples | None]:
    """For each beat, put the packets of these numbers, then take a frame."""
    buffer = JitterBuffer()
    heard = []
    for arrived in packets:
        for n in arrived:
            buffer.put(frame(n), timestamp=(first + n * FRAME) % (1 << 32), ssrc=1)
        heard.append(buffer.take())
    return heard


@pytest.mark.parametrize("first", [0, (1 << 32) - 5 * FRAME, 12345])
def test_an_even_stream_comes_out_whole_after_one_frame(first: int) -> None:
    heard = [number_of(samples) for samples in play([[n] for n in range(50)], first=first)]
    assert heard == [None, *range(49)]


def test_neighbours_that_swap_places_are_put_in_order() -> None:
    arrivals: list[list[int]] = [[0], [1], [2], [4], [3], [5], [6], [8], [7], [9], [10], [11]]
    heard = [number_of(samples) for samples in play(arrivals)]
    later = [n for n in heard if n is not None]
    assert later == sorted(later)
    # The first swap costs a beat of waiting, and from then on there is room for the next.
    assert [n for n in later if n >= 4] == list(range(4, later[-1] + 1))


def test_a_lost_frame_is_concealed_and_the_rest_keeps_its_time() -> None:
    arrivals = [[n] if n != 5 else [] for n in range(12)]
    heard = play(arrivals)
    assert [number_of(samples) for samples in heard[:6]] == [None, 0, 1, 2, 3, 4]
    concealed = heard[6]
    assert concealed is not None
    before = heard[5]
    assert before is not None
    assert np.allclose(concealed, before * FADES[0], atol=1)
    assert [number_of(samples) for samples in heard[7:]] == [6, 7, 8, 9, 10]


def test_a_sender_that_falls_silent_fades_out_and_is_heard_again_in_time() -> None:
    arrivals: list[list[int]] = [[n] if not 10 <= n < 40 else [] for n in range(60)]
    heard = play(arrivals)
    assert heard[25] is None
    numbers = [number_of(samples) for samples in heard]
    assert numbers[-10:] == list(range(49, 59))


def test_late_audio_is_waited_for_and_the_delay_shrinks_again() -> None:
    late: list[list[int]] = [[n] for n in range(5)] + [[], [], [], [5, 6, 7, 8]]
    steady: list[list[int]] = [[n] for n in range(9, 300)]
    heard = [number_of(samples) for samples in play([*late, *steady])]
    assert heard[8:20] == list(range(5, 17))
    # More delay was needed once: 3 frames. A second without need takes a frame of it back.
    last = heard[-1]
    assert last is not None
    assert (299 - last) % len(CODES) == 2


@pytest.mark.parametrize("size", [80, 240, 320])
def test_packets_of_other_lengths_are_cut_anew(size: int) -> None:
    buffer = JitterBuffer()
    audio = b"".join(frame(n) for n in range(48))
    heard = []
    for beat in range(52):
        due = range(0, len(audio), size)
        for at in due:
            # A packet is sent when its last sample was spoken.
            if (at + size - 1) // FRAME == beat:
                buffer.put(audio[at : at + size], timestamp=at, ssrc=7)
        heard.append(number_of(buffer.take()))
    numbers = [n for n in heard if n is not None]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= 45


def test_a_new_source_starts_anew() -> None:
    buffer = JitterBuffer()
    for n in range(5):
        buffer.put(frame(n), timestamp=n * FRAME, ssrc=1)
        buffer.take()
    heard = []
    for n in range(5, 10):
        buffer.put(frame(n), timestamp=999_999 + n * FRAME, ssrc=2)
        heard.append(number_of(buffer.take()))
    assert [n for n in heard if n is not None] == [5, 6, 7, 8]


def test_a_double_is_heard_once() -> None:
    heard = [number_of(samples) for samples in play([[n, n] for n in range(30)])]
    assert heard == [None, *range(29)]


def test_an_endless_stream_without_beats_is_bounded() -> None:
    buffer = JitterBuffer()
    for n in range(1000):
        buffer.put(frame(n), timestamp=n * FRAME, ssrc=1)
        assert buffer.delay <= DELAY_MAX
    heard = [number_of(buffer.take()) for _ in range(DELAY_MAX // FRAME)]
    assert heard[-1] == 999 % len(CODES)


@given(
    st.lists(
        st.tuples(st.integers(0, (1 << 32) - 1), st.integers(0, 3), st.binary(max_size=2000)),
        max_size=60,
    )
)
def test_no_packets_can_break_it(packets: list[tuple[int, int, bytes]]) -> None:
    buffer = JitterBuffer()
    for timestamp, ssrc, audio in packets:
        buffer.put(audio, timestamp=timestamp, ssrc=ssrc)
        taken = buffer.take()
        assert taken is None or len(taken) == FRAME
        assert buffer.delay <= DELAY_MAX


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 0.2), st.integers(0, 3))
def test_whatever_the_network_does_order_is_kept_and_most_is_heard(
    seed: int, loss: float, jitter: int
) -> None:
    random = Random(seed)
    beats = 4 * CALM_BEATS
    arrivals: list[list[int]] = [[] for _ in range(beats + jitter)]
    for n in range(beats):
        if random.random() >= loss:
            arrivals[n + random.randint(0, jitter)].append(n)
    for arrived in arrivals:
        random.shuffle(arrived)
    buffer = JitterBuffer()
    heard: list[int] = []
    for arrived in arrivals:
        for n in arrived:
            buffer.put(frame(n), timestamp=n * FRAME, ssrc=1)
        made_up = buffer.concealed
        taken = number_of(buffer.take())
        if taken is not None and buffer.concealed == made_up:
            heard.append(taken)
    came = sum(len(arrived) for arrived in arrivals)
    steps = [(b - a) % len(CODES) for a, b in pairwise(heard)]
    assert all(0 < step < len(CODES) // 2 for step in steps)
    assert len(heard) >= 0.6 * came

"""Voices are added up exactly, and held to the range of a sample."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fairdial.media import g711, mixing, sdp

SAMPLES = st.lists(st.integers(-32768, 32767), min_size=1, max_size=200)


@given(SAMPLES)
def test_codes_are_those_of_the_tables(samples: list[int]) -> None:
    array = np.array(samples, dtype=np.int16)
    assert mixing.encode(array, sdp.PCMU) == g711.encode_ulaw(samples)
    assert mixing.encode(array, sdp.PCMA) == g711.encode_alaw(samples)


@given(st.binary(min_size=1, max_size=400))
def test_samples_are_those_of_the_tables(audio: bytes) -> None:
    assert mixing.decode(audio, sdp.PCMU).tolist() == g711.decode_ulaw(audio).tolist()
    assert mixing.decode(audio, sdp.PCMA).tolist() == g711.decode_alaw(audio).tolist()


@given(st.lists(st.lists(st.integers(-32768, 32767), min_size=8, max_size=8), min_size=1))
def test_a_mix_is_the_sum_held_to_the_range(voices: list[list[int]]) -> None:
    mixed = mixing.mix(np.array(voice, dtype=np.int16) for voice in voices)
    sums = [sum(column) for column in zip(*voices, strict=True)]
    assert mixed.tolist() == [max(-32768, min(32767, total)) for total in sums]

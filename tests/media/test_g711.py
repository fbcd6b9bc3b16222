"""G.711 is what the standard says it is, both ways."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from fairdial.media import g711

SAMPLES = st.lists(st.integers(min_value=-32768, max_value=32767), max_size=400)


def test_expands_the_values_of_the_standard() -> None:
    # ITU-T G.711, tables 1 and 2, scaled to 16 bits.
    ulaw = {0x00: -32124, 0x80: 32124, 0x7F: 0, 0xFF: 0, 0xFE: 8, 0x8F: 16764}
    assert {code: g711.ULAW_SAMPLES[code] for code in ulaw} == ulaw
    alaw = {0xD5: 8, 0x55: -8, 0xAA: 32256, 0x2A: -32256, 0x80: 5504}
    assert {code: g711.ALAW_SAMPLES[code] for code in alaw} == alaw


def test_silence_is_what_telephones_send() -> None:
    assert g711.SILENCE_ULAW == b"\xff" * 160
    assert set(g711.SILENCE_ALAW) <= {0xD5, 0x55}


def test_every_code_survives_expanding_and_compressing() -> None:
    codes = bytes(range(256))
    assert g711.encode_alaw(g711.decode_alaw(codes)) == codes
    # Mu-law's negative zero becomes its zero.
    assert g711.encode_ulaw(g711.decode_ulaw(codes)) == codes.replace(b"\x7f", b"\xff")


@given(SAMPLES)
def test_compressing_takes_the_nearest_step(samples: list[int]) -> None:
    for table, encode, decode in (
        (g711.ULAW_SAMPLES, g711.encode_ulaw, g711.decode_ulaw),
        (g711.ALAW_SAMPLES, g711.encode_alaw, g711.decode_alaw),
    ):
        for sample, heard in zip(samples, decode(encode(samples)), strict=True):
            assert abs(heard - sample) == min(abs(step - sample) for step in table)


@given(SAMPLES)
def test_pcm_is_read_as_it_was_written(samples: list[int]) -> None:
    assert g711.samples_from_pcm(g711.pcm_from_samples(samples)) == array("h", samples)


def test_an_odd_last_byte_of_pcm_is_left_out() -> None:
    assert g711.samples_from_pcm(b"\x01\x00\xff") == array("h", [1])


def test_one_law_translates_to_the_other_within_a_step() -> None:
    speech = g711.encode_ulaw(range(-30000, 30000, 97))
    there = g711.decode_alaw(speech.translate(g711.ULAW_TO_ALAW))
    for sample, heard in zip(g711.decode_ulaw(speech), there, strict=True):
        assert abs(heard - sample) <= max(8, abs(sample) // 24)

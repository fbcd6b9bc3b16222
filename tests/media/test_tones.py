"""The sounds of the simulated network are recognised, whatever their place in a frame."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from fairdial.media.g711 import FRAME_SAMPLES, SILENCE_ULAW, ULAW_SAMPLES, encode_ulaw
from fairdial.media.tones import Sound, ToneDetector, is_audible, sound_frames, tone_in

SILENCE = (SILENCE_ULAW,) * 25


def heard(frames: tuple[bytes, ...]) -> list[Sound]:
    detector = ToneDetector()
    return [sound for frame in frames if (sound := detector.hear(frame)) is not None]


def shifted(frames: tuple[bytes, ...], by: int) -> tuple[bytes, ...]:
    """The same audio cut into frames at another place."""
    audio = SILENCE_ULAW[by:] + b"".join(frames)
    return tuple(
        audio[i : i + FRAME_SAMPLES]
        for i in range(0, len(audio) - FRAME_SAMPLES + 1, FRAME_SAMPLES)
    )


@given(st.lists(st.sampled_from(Sound), max_size=6), st.integers(0, FRAME_SAMPLES - 1))
def test_every_sound_is_named_once_and_in_order(sounds: list[Sound], shift: int) -> None:
    played: tuple[bytes, ...] = SILENCE
    for sound in sounds:
        played += sound_frames(sound) + SILENCE
    assert heard(shifted(played, shift)) == sounds


@given(st.sampled_from(Sound), st.floats(0.1, 1.5))
def test_a_sound_is_known_at_any_ordinary_level(sound: Sound, level: float) -> None:
    frame = sound_frames(sound)[3]
    louder = encode_ulaw([round(ULAW_SAMPLES[code] * level) for code in frame])
    assert tone_in(louder) is sound


def test_a_sound_lasts_longer_than_a_listener_needs() -> None:
    assert {sound: len(sound_frames(sound)) * 20 for sound in Sound} == dict.fromkeys(Sound, 400)


def test_a_short_burst_is_not_believed() -> None:
    assert heard(SILENCE + sound_frames(Sound.YES, 60) + SILENCE) == []


@given(st.binary(max_size=2 * FRAME_SAMPLES))
def test_any_bytes_get_an_answer(frame: bytes) -> None:
    assert tone_in(frame) in {None, *Sound}


@given(st.integers())
def test_noise_is_no_tone(seed: int) -> None:
    random = Random(seed)
    noise = encode_ulaw([random.randint(-9000, 9000) for _ in range(FRAME_SAMPLES)])
    assert (is_audible(noise), tone_in(noise)) == (True, None)


def test_silence_is_not_audible_and_a_tone_is() -> None:
    assert (is_audible(SILENCE_ULAW), is_audible(sound_frames(Sound.NO)[0])) == (False, True)
    assert is_audible(b"") is False

"""The engine's own sounds are what they say they are."""

from __future__ import annotations

import numpy as np
import pytest

from fairdial.media import g711, mixing, sounds
from fairdial.media.digits import DIGITS
from fairdial.media.tones import tone_in

KEYS = {"1": (697, 1209), "5": (770, 1336), "9": (852, 1477), "#": (941, 1477), "D": (941, 1633)}


@pytest.mark.parametrize(("digit", "pair"), KEYS.items())
def test_a_key_has_its_two_tones(digit: str, pair: tuple[int, int]) -> None:
    samples = mixing.decode(sounds.key_tone(digit), 0)
    spectrum = np.abs(np.fft.rfft(samples, 8000))
    loudest = sorted(np.argsort(spectrum)[::-1][:1].tolist())
    assert min(abs(loudest[0] - hertz) for hertz in pair) <= 6
    for hertz in pair:
        assert spectrum[hertz - 6 : hertz + 7].max() > 0.7 * spectrum.max()


def test_each_key_sounds_for_whole_frames_and_differs() -> None:
    tones = [sounds.key_tone(digit) for digit in DIGITS]
    assert {len(tone) % g711.FRAME_SAMPLES for tone in tones} == {0}
    assert len(set(tones)) == 16
    with pytest.raises(ValueError, match="no key"):
        sounds.key_tone("E")


def test_the_join_tone_is_two_beeps_in_a_fifth_of_a_second() -> None:
    tone = sounds.join_tone()
    assert len(tone) == 0.2 * g711.SAMPLE_RATE
    loud = np.abs(tone[: len(tone) // 80 * 80].reshape(-1, 80)).max(axis=1) > 1000
    assert np.diff(loud.astype(int)).tolist().count(-1) == 1
    assert np.diff(loud.astype(int)).tolist().count(1) == 1


def test_the_music_is_calm_loops_without_a_crack_and_is_no_tone_of_the_sandbox() -> None:
    audio = sounds.hold_music()
    assert len(audio) == 8 * g711.SAMPLE_RATE
    samples = mixing.decode(audio, 0).astype(int)
    steps = np.abs(np.diff(samples, append=samples[:1]))
    assert steps[-1] <= steps.max()
    assert 3000 < np.abs(samples).max() < 6000
    assert not any(tone_in(frame) for frame in sounds.frames(audio, b""))

"""Voices added up: G.711 to samples and back with numpy, and the sum of several.

Samples are signed 16-bit at 8 kHz. Sums are made in 32 bits and held to the range at the end, so
that two loud voices clip like a loud line instead of wrapping around to a crack.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fairdial.media import g711, sdp

Samples = NDArray[np.int16]

_LOUDEST = 32767
_EVERY_SAMPLE = range(-_LOUDEST - 1, _LOUDEST + 1)
_SAMPLES = {
    sdp.PCMU: np.array(g711.ULAW_SAMPLES, dtype=np.int16),
    sdp.PCMA: np.array(g711.ALAW_SAMPLES, dtype=np.int16),
}
_CODES = {
    sdp.PCMU: np.frombuffer(g711.encode_ulaw(_EVERY_SAMPLE), dtype=np.uint8),
    sdp.PCMA: np.frombuffer(g711.encode_alaw(_EVERY_SAMPLE), dtype=np.uint8),
}


def decode(audio: bytes, payload_type: int) -> Samples:
    """The samples of G.711 audio, PCMU or PCMA."""
    return _SAMPLES[payload_type][np.frombuffer(audio, dtype=np.uint8)]


def encode(samples: Samples, payload_type: int) -> bytes:
    """Samples as G.711 audio, PCMU or PCMA."""
    return _CODES[payload_type][samples.astype(np.int32) + (_LOUDEST + 1)].tobytes()


def mix(voices: Iterable[Samples]) -> Samples:
    """The sum of voices of one length, one at least, held to the range of a sample."""
    total = None
    for voice in voices:
        total = voice.astype(np.int32) if total is None else total + voice
    assert total is not None, "one voice at least"
    return np.clip(total, -_LOUDEST - 1, _LOUDEST).astype(np.int16)


def silence(count: int) -> Samples:
    """So many samples of nothing."""
    return np.zeros(count, dtype=np.int16)

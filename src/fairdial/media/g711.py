"""G.711 by table: mu-law and A-law bytes to 16-bit samples and back.

The tables are built once from the companding laws of ITU-T G.711, so that nothing depends on
`audioop`, which Python 3.13 no longer has. Samples are signed 16-bit at 8 kHz; PCM is
little-endian, as WAV files hold it.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from itertools import pairwise

SAMPLE_RATE = 8000
"""Samples per second of everything that G.711 carries."""
FRAME_SAMPLES = 160
"""Samples (and G.711 bytes) in one packet of 20 ms."""
FRAME_S = FRAME_SAMPLES / SAMPLE_RATE
"""Seconds in one packet."""


def _ulaw_sample(code: int) -> int:
    """Expand one mu-law byte (G.711 section 3.2: inverted bits, bias 33 at 14 bits)."""
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)
    return 0x84 - magnitude if code & 0x80 else magnitude - 0x84


def _alaw_sample(code: int) -> int:
    """Expand one A-law byte (G.711 section 3.1: even bits inverted)."""
    code ^= 0x55
    magnitude = (code & 0x0F) << 4
    segment = (code & 0x70) >> 4
    magnitude += 8 if segment == 0 else 0x108
    if segment > 1:
        magnitude <<= segment - 1
    return magnitude if code & 0x80 else -magnitude


ULAW_SAMPLES: tuple[int, ...] = tuple(_ulaw_sample(code) for code in range(256))
"""The sample behind each mu-law byte."""
ALAW_SAMPLES: tuple[int, ...] = tuple(_alaw_sample(code) for code in range(256))
"""The sample behind each A-law byte."""


def _nearest_codes(samples: tuple[int, ...]) -> bytes:
    """For each of the 65,536 samples (as unsigned 16 bits) the code whose sample is nearest.

    Mu-law has two zeros; the later code wins, 0xFF, which is what telephones send as silence.
    """
    code_of = {sample: code for code, sample in enumerate(samples)}
    steps = sorted(code_of)
    codes = bytearray()
    last = -32769
    for step, following in pairwise(steps):
        # Up to and including the midpoint, the samples from `step` on belong to it.
        midpoint = (step + following) // 2
        codes += bytes([code_of[step]]) * (midpoint - last)
        last = midpoint
    codes += bytes([code_of[steps[-1]]]) * (65536 - len(codes))
    return bytes(codes[32768:] + codes[:32768])


_ULAW_CODES = _nearest_codes(ULAW_SAMPLES)
_ALAW_CODES = _nearest_codes(ALAW_SAMPLES)

ULAW_TO_ALAW = bytes(_ALAW_CODES[sample & 0xFFFF] for sample in ULAW_SAMPLES)
"""For `bytes.translate`: mu-law audio to A-law audio."""
ALAW_TO_ULAW = bytes(_ULAW_CODES[sample & 0xFFFF] for sample in ALAW_SAMPLES)
"""For `bytes.translate`: A-law audio to mu-law audio."""

SILENCE_ULAW = bytes([_ULAW_CODES[0]]) * FRAME_SAMPLES
"""One frame of mu-law silence."""
SILENCE_ALAW = bytes([_ALAW_CODES[0]]) * FRAME_SAMPLES
"""One frame of A-law silence."""


def encode_ulaw(samples: Iterable[int]) -> bytes:
    """Compress samples (signed 16-bit) to mu-law bytes."""
    codes = _ULAW_CODES
    return bytes([codes[sample & 0xFFFF] for sample in samples])


def encode_alaw(samples: Iterable[int]) -> bytes:
    """Compress samples (signed 16-bit) to A-law bytes."""
    codes = _ALAW_CODES
    return bytes([codes[sample & 0xFFFF] for sample in samples])


def decode_ulaw(audio: bytes) -> array[int]:
    """Expand mu-law bytes to samples."""
    table = ULAW_SAMPLES
    return array("h", [table[code] for code in audio])


def decode_alaw(audio: bytes) -> array[int]:
    """Expand A-law bytes to samples."""
    table = ALAW_SAMPLES
    return array("h", [table[code] for code in audio])


def samples_from_pcm(pcm: bytes) -> array[int]:
    """Read little-endian 16-bit PCM; an odd last byte is left out."""
    samples = array("h")
    samples.frombytes(pcm[: len(pcm) & ~1])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def pcm_from_samples(samples: Iterable[int]) -> bytes:
    """Write samples as little-endian 16-bit PCM."""
    pcm = array("h", samples)
    if sys.byteorder == "big":
        pcm.byteswap()
    return pcm.tobytes()

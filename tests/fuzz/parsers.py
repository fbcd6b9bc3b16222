"""Parsers of what strangers send, under a coverage-guided fuzzer: `python parsers.py -runs=100000`.

Each takes any bytes and returns something or None; whatever it raises is a finding.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["fairdial.media", "fairdial.adapters.digest"]):
    from fairdial.adapters import digest
    from fairdial.media import rtcp, rtp, sdp
    from fairdial.media.call_ear import CallEar
    from fairdial.media.digits import DigitEar
    from fairdial.media.ear_settings import DetectorSettings

_DIGESTS = digest.Digests("fairdial")


def one(data: bytes) -> None:
    """Give one input to every parser."""
    text = data.decode("utf-8", errors="replace")
    described = sdp.parse(text)
    if described is not None:
        assert 0 < described.port < 65536
        assert described.audio_types
    packet = rtp.parse(data)
    if packet is not None:
        assert rtp.parse(rtp.build(packet)) == packet
    rtcp.parse(data)
    reception = rtcp.Reception()
    for n in range(0, len(data) - 8, 8):
        reception.take(
            ssrc=data[n],
            seq=int.from_bytes(data[n : n + 2], "big"),
            timestamp=int.from_bytes(data[n + 2 : n + 6], "big"),
            at=n / 50,
            is_audio=bool(data[n + 6] & 1),
        )
    DigitEar().hear(data, ssrc=1, timestamp=len(data))
    credentials = digest.parse(text) or digest.parse(f"Digest {text}")
    if credentials is not None:
        verdict = _DIGESTS.verify(credentials, method="REGISTER", password="four-random-words")
        assert verdict is not digest.Verdict.GOOD
    ear = CallEar(DetectorSettings())
    ear.answered(0.0)
    told = [what for n in range(3) for what in ear.hear(data[: 400 * n], n / 50)]
    assert len(told) <= 2


def main() -> None:
    """Fuzz until the given number of runs, or for ever."""
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

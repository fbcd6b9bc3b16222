"""A short run of the fuzzer at every check; a long one is `python tests/fuzz/parsers.py`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fairdial.media import sdp

RUNS = 20_000

pytestmark = pytest.mark.process


def test_whatever_strangers_send_is_read_or_left(tmp_path: Path) -> None:
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    (seeds / "sdp").write_text(sdp.build(ip="127.0.0.1", port=4000, session_id=1))
    (seeds / "rtp").write_bytes(bytes([0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 1]) + b"\xff" * 160)
    (seeds / "digest").write_text(
        'username="a", realm="fairdial", nonce="n", uri="sip:h", response="0", cnonce="c", '
        "nc=00000001, qop=auth"
    )
    done = subprocess.run(
        [
            *(sys.executable, str(Path(__file__).with_name("parsers.py"))),
            *(f"-runs={RUNS}", "-max_total_time=60", "-max_len=2048", "-seed=1"),
            *(f"-artifact_prefix={tmp_path}/", str(seeds)),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done " in done.stderr

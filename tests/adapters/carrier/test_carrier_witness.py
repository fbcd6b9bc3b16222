"""The carrier's log and figures: what is written is read again, what is damaged is refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairdial.adapters.carrier import log
from fairdial.adapters.carrier.figures import (
    ArrivalCounter,
    MediaFigures,
    bucket_of,
    histogram_percentile,
)
from fairdial.adapters.carrier.log import CarrierLog
from fairdial.adapters.carrier.witness import CarrierReport, Ending, Invite, read_log
from fairdial.exceptions import FairdialError

MEDIA = MediaFigures(
    sent=200,
    received=150,
    lost=2,
    foreign=0,
    first_audio_ms=31.5,
    gaps_ms={21: 149},
    gap_ms_max=20.9,
)


def written(path: Path) -> Path:
    carrier_log = CarrierLog(path)
    carrier_log.write(log.STARTED, at=1.0, port=5060, seed=1)
    for serial, call_id in ((1, "a"), (2, "b"), (3, "a"), (4, "c")):
        carrier_log.write(
            log.INVITE,
            at=1.5,
            serial=serial,
            call_id=call_id,
            to="+12125550142",
            **{"from": "+12125550199"},
        )
    carrier_log.write(log.RINGING, at=2.0, serial=1, call_id="a")
    carrier_log.write(log.ANSWERED, at=3.0, serial=1, call_id="a")
    carrier_log.write(log.REFUSED, at=3.5, serial=2, call_id="b", code=486)
    carrier_log.write(log.CANCELLED, at=3.5, serial=4, call_id="c")
    carrier_log.write(
        log.ENDED, at=9.0, serial=1, call_id="a", by="caller", why="BYE", media=MEDIA.to_json()
    )
    carrier_log.close()
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    report = read_log(written(tmp_path / "log"))
    assert report == CarrierReport(
        invites=tuple(
            Invite(serial=n, at=1.5, call_id=c, to="+12125550142", from_="+12125550199")
            for n, c in ((1, "a"), (2, "b"), (3, "a"), (4, "c"))
        ),
        ringing={"a": 2.0},
        answered={"a": 3.0},
        refused={"b": 486},
        cancelled=frozenset({"c"}),
        endings=(Ending(at=9.0, call_id="a", by="caller", why="BYE", media=MEDIA),),
    )
    assert report.call_ids == {"a", "b", "c"}
    assert (report.gap_ms_p99, report.first_audio_ms_p99) == (21.0, 31.5)


def test_half_a_line_is_tolerated_at_the_end_and_before_a_restart(tmp_path: Path) -> None:
    path = written(tmp_path / "log")
    whole = read_log(path)
    path.write_bytes(path.read_bytes() + b'{"at":9.1,"event":"inv')
    assert read_log(path) == whole
    again = CarrierLog(path)
    again.write(log.STARTED, port=5060, seed=1)
    again.close()
    assert read_log(path) == whole


@pytest.mark.parametrize(
    "damage",
    [b'{"at":9.1,"eve', b"null", b'{"at":9,"event":"danced"}', b'{"at":9,"event":"invite"}'],
)
def test_a_damaged_line_elsewhere_is_an_error_with_its_place(tmp_path: Path, damage: bytes) -> None:
    path = written(tmp_path / "log")
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:4], damage, *lines[4:]]) + b"\n")
    with pytest.raises(FairdialError, match=r"log, line 5: this is not a line of a carrier log"):
        read_log(path)


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(FairdialError, match=r"cannot write its log .*nowhere"):
        CarrierLog(tmp_path / "nowhere" / "log")


def test_short_calls_are_left_out_of_the_percentiles(tmp_path: Path) -> None:
    path = written(tmp_path / "log")
    short = json.dumps(MEDIA.to_json() | {"received": 99}).encode()
    path.write_bytes(
        path.read_bytes().replace(
            json.dumps(MEDIA.to_json(), separators=(",", ":")).encode(), short
        )
    )
    report = read_log(path)
    assert (report.gap_ms_p99, report.first_audio_ms_p99) == (None, None)


def counted(seqs: list[int], *, ssrc: int = 1) -> ArrivalCounter:
    counter = ArrivalCounter()
    for i, seq in enumerate(seqs):
        counter.arrived(at=i * 0.02, seq=seq & 0xFFFF, ssrc=ssrc)
    return counter


@given(st.integers(0, 0xFFFF), st.sets(st.integers(1, 400)))
def test_what_is_missing_between_first_and_last_is_lost(first: int, missing: set[int]) -> None:
    kept = [n for n in range(500) if n not in missing]
    counter = counted([first + n for n in kept])
    assert (counter.received, counter.lost) == (500 - len(missing), len(missing))


@given(st.integers(0, 0xFFFF), st.permutations(range(40)))
def test_reordered_packets_are_not_lost(first: int, order: list[int]) -> None:
    # The first one stays first: what came before it was never expected.
    counter = counted([first - 1, *(first + n for n in order)])
    assert counter.lost == 0


def test_a_new_stream_is_not_loss() -> None:
    counter = counted([1, 2, 4])
    counter.arrived(at=1.0, seq=30_000, ssrc=2)
    counter.arrived(at=1.02, seq=30_001, ssrc=2)
    counter.arrived(at=1.04, seq=5, ssrc=2)
    assert (counter.received, counter.lost) == (6, 1)


def test_gaps_and_first_audio_are_measured() -> None:
    counter = ArrivalCounter()
    for seq, at in enumerate((100.031, 100.051, 100.0712, 100.1712, 101.5712)):
        counter.arrived(at=at, seq=seq, ssrc=1)
    figures = counter.figures(sent=9, foreign=1, answered_at=100.0)
    assert figures.first_audio_ms == pytest.approx(31.0)
    assert figures.gap_ms_max == pytest.approx(1400.0)
    assert sum(figures.gaps_ms.values()) == 4
    assert sorted(figures.gaps_ms)[-1] in (1400, 1500)
    assert MediaFigures.from_json(json.loads(json.dumps(figures.to_json()))) == figures


@given(st.floats(0, 1e9))
def test_a_bucket_holds_its_gap_and_buckets_are_few(gap_ms: float) -> None:
    bucket = bucket_of(gap_ms)
    assert bucket >= min(gap_ms, 60_000)
    assert bucket <= 100 or bucket % (10 if bucket <= 1000 else 100) == 0


def test_percentile_of_histograms() -> None:
    assert histogram_percentile([{20: 98}, {21: 1, 500: 1}], 0.99) == 21.0
    assert histogram_percentile([{20: 97}, {500: 3}], 0.99) == 500.0
    assert histogram_percentile([], 0.99) is None

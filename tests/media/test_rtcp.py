"""RTCP is written as RFC 3550 says, and read without ever raising."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fairdial.media import rtcp
from fairdial.media.rtcp import Reception, ReportBlock, SenderInfo

BLOCKS = st.builds(
    ReportBlock,
    ssrc=st.integers(0, 0xFFFFFFFF),
    fraction_lost=st.integers(0, 255).map(lambda n: n / 256),
    lost=st.integers(-0x800000, 0x7FFFFF),
    highest_seq=st.integers(0, 0xFFFFFFFF),
    jitter=st.integers(0, 0xFFFFFFFF),
    last_report=st.integers(0, 0xFFFFFFFF),
    delay=st.integers(0, 0xFFFFFFFF),
)


@given(
    st.one_of(st.none(), BLOCKS), st.booleans(), st.text(min_size=1, max_size=40), st.floats(0, 3e9)
)
def test_reads_what_it_writes(
    block: ReportBlock | None, is_sender: bool, name: str, at: float
) -> None:
    sender = SenderInfo(at=at, timestamp=5, packets=7, octets=9) if is_sender else None
    packet = rtcp.report(ssrc=77, name=name, sender=sender, block=block)
    assert len(packet) % 4 == 0
    assert packet[1] in rtcp.TYPES
    [report] = rtcp.parse(packet)
    assert report.ssrc == 77
    assert report.sent_at == ((rtcp.ntp(at) >> 16) & 0xFFFFFFFF if is_sender else 0)
    assert report.blocks == (() if block is None else (block,))


@given(st.binary(max_size=200))
def test_never_raises_on_any_bytes(data: bytes) -> None:
    rtcp.parse(data)


def _counted(numbers: list[int], *, ssrc: int = 1) -> Reception:
    reception = Reception()
    for seq in numbers:
        reception.take(
            ssrc=ssrc, seq=seq & 0xFFFF, timestamp=seq * 160, at=seq * 0.02, is_audio=True
        )
    return reception


def test_counts_what_is_lost_over_the_turn_of_the_numbers() -> None:
    numbers = [n for n in range(65500, 65600) if n % 10]
    reception = _counted(numbers)
    assert (reception.received, reception.lost) == (90, 9)
    block = reception.block(last_report=0, delay=0)
    assert block is not None
    assert block.lost == 9
    assert block.highest_seq == 65599
    assert 0.08 < block.fraction_lost < 0.1
    assert reception.jitter_ms < 0.01


def test_a_second_report_tells_of_what_came_since_the_first() -> None:
    reception = _counted([1, 2, 3, 5])
    first = reception.block(last_report=0, delay=0)
    for seq in range(6, 16):
        reception.take(ssrc=1, seq=seq, timestamp=0, at=0.0, is_audio=False)
    second = reception.block(last_report=0, delay=0)
    assert first is not None
    assert second is not None
    assert (first.fraction_lost, second.fraction_lost) == (0.2, 0.0)
    assert (first.lost, second.lost) == (1, 1)


def test_another_source_counts_anew_and_the_sum_stands() -> None:
    reception = _counted([1, 2, 4])
    for seq in (9000, 9002):
        reception.take(ssrc=2, seq=seq, timestamp=0, at=0.0, is_audio=True)
    assert (reception.received, reception.expected, reception.lost) == (5, 7, 2)


def test_jitter_is_that_of_appendix_a_8() -> None:
    reception = Reception()
    expected = 0.0
    before = None
    for n, late in enumerate([0.0, 0.01, 0.0, 0.004, 0.02] * 4):
        at = n * 0.02 + late
        reception.take(ssrc=1, seq=n, timestamp=n * 160, at=at, is_audio=True)
        transit = at * 8000 - n * 160
        if before is not None:
            expected += (abs(transit - before) - expected) / 16
        before = transit
    assert abs(reception.jitter_ms - expected / 8) < 0.01

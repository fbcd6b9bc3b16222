"""Session descriptions are read leniently, never raise, and say what a G.711 call needs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairdial.media import sdp
from fairdial.media.sdp import PCMA, PCMU, Direction, Sdp

OF_A_CARRIER = """v=0
o=sbc 8000 8000 IN IP4 192.0.2.10
s=call
c=IN IP4 192.0.2.11
t=0 0
a=sendrecv
m=audio 21000 RTP/AVP 18 8 0 96
a=rtpmap:18 G729/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:96 telephone-event/8000
a=ptime:20
m=video 21002 RTP/AVP 34
c=IN IP4 192.0.2.99
"""

READ = Sdp(ip="192.0.2.11", port=21000, payload_types=(8, 0, 96), event_type=96)


@given(
    ip=st.ip_addresses(v=4).map(str),
    port=st.integers(1, 65535),
    types=st.permutations([0, 8, 101]),
    direction=st.sampled_from(list(Direction)),
    session_id=st.integers(0, 2**62),
)
def test_reads_what_it_writes(
    ip: str, port: int, types: list[int], direction: Direction, session_id: int
) -> None:
    text = sdp.build(
        ip=ip,
        port=port,
        session_id=session_id,
        payload_types=tuple(types),
        direction=direction,
    )
    assert sdp.parse(text) == Sdp(
        ip=ip, port=port, payload_types=tuple(types), direction=direction, event_type=101
    )


def test_reads_a_carrier_s_answer() -> None:
    assert sdp.parse(OF_A_CARRIER) == READ
    assert READ.audio_types == (PCMA, PCMU)


def test_an_answer_names_events_as_the_offer_did() -> None:
    text = sdp.build(ip="192.0.2.1", port=4000, session_id=1, payload_types=(0, 96), event_type=96)
    assert sdp.parse(text) == Sdp(ip="192.0.2.1", port=4000, payload_types=(0, 96), event_type=96)


def test_the_stream_s_own_address_and_direction_win() -> None:
    text = OF_A_CARRIER.replace("a=ptime:20", "c=IN IP4 192.0.2.50\na=inactive")
    assert sdp.parse(text) == Sdp(
        ip="192.0.2.50",
        port=21000,
        payload_types=(8, 0, 96),
        event_type=96,
        direction=Direction.INACTIVE,
    )


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        ("m=audio 21000", "m=audio 0"),
        ("m=audio 21000", "m=audio 99999"),
        ("m=audio 21000", "m=audio many"),
        ("RTP/AVP 18 8 0 96", "RTP/AVP 18 96"),
        ("RTP/AVP 18", "RTP/SAVP 18"),
        ("c=IN IP4 192.0.2.11", "c=IN IP4 sbc.example"),
        ("c=IN IP4 192.0.2.11", "c=IN IP6 ::1"),
        ("s=call", "s=" + "x" * sdp.TEXT_BYTES_MAX),
    ],
)
def test_refuses(found: str, instead: str) -> None:
    assert found in OF_A_CARRIER
    assert sdp.parse(OF_A_CARRIER.replace(found, instead, 1)) is None


@given(st.text(max_size=300))
def test_never_raises_on_any_text(text: str) -> None:
    assert sdp.parse(text) is None


@given(st.data())
def test_never_raises_on_a_damaged_description(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(OF_A_CARRIER)))
    cut = data.draw(st.integers(0, 20))
    dirt = data.draw(st.text(max_size=12))
    damaged = OF_A_CARRIER[:place] + dirt + OF_A_CARRIER[place + cut :]
    read = sdp.parse(damaged)
    assert read is None or read.audio_types

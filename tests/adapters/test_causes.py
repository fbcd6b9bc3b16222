"""Every status of SIP has a word of ours, and the raw one cannot break a line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fairdial.adapters import causes
from fairdial.ports import EndCause


@given(st.integers(300, 699))
def test_a_final_status_never_counts_as_our_own_doing(status: int) -> None:
    ours = {EndCause.WE_HUNG_UP, EndCause.CANCELLED, EndCause.CALLED_PARTY_HUNG_UP}
    assert causes.cause(status) not in ours


def test_the_words_of_the_common_statuses() -> None:
    words = {status: causes.cause(status) for status in (486, 480, 404, 603, 503, 302, 488)}
    assert words == {
        486: EndCause.BUSY,
        480: EndCause.NO_ANSWER,
        404: EndCause.INVALID,
        603: EndCause.REJECTED,
        503: EndCause.CONGESTION,
        302: EndCause.REJECTED,
        488: EndCause.FAILED,
    }


@given(st.text(), st.none() | st.text())
def test_the_raw_word_is_one_short_line(reason: str, more: str | None) -> None:
    raw = causes.raw(486, reason, more)
    assert raw.startswith("SIP 486 ")
    assert raw.isprintable()
    assert len(raw) <= 200


def test_the_raw_word_keeps_the_network_s_reason() -> None:
    assert causes.raw(480, "Gone", "Reason: Q.850;cause=19") == (
        "SIP 480 Gone; Reason: Q.850;cause=19"
    )

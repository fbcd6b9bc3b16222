"""What people are shown of a picture, and what not."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from tests.web.pictures import AT, agent, call, empty, figures, picture, refusal

from fairdial.core.agent import AgentState
from fairdial.ports import LeadCounts
from fairdial.web.shown import Count, legible, show, shown_number, spaced


def test_an_agent_on_a_call_is_shown_with_whom() -> None:
    shown = show(picture())
    assert [(a.name, a.state.value, a.on, a.state_s) for a in shown.agents[:3]] == [
        ("Ada", "talking", "Marisol Vega", 7.0),
        ("Bela", "talking", "Theodore Blackwood", 30.0),
        ("Carmen", "ready", None, 53.0),
    ]


def test_the_usual_states_of_agents_are_told_even_when_nobody_is_in_them() -> None:
    assert show(empty()).agents_by_state == (
        Count(name="ready", count=0),
        Count(name="talking", count=0),
        Count(name="wrap_up", count=0),
    )
    paused = picture(agents=(agent(0, state=AgentState.PAUSED),))
    assert Count(name="paused", count=1) in show(paused).agents_by_state


def test_progress_is_attempts_when_they_are_limited_else_finished_leads() -> None:
    assert show(picture()).progress.model_dump() == {"done": 184, "of": 400, "what": "attempts"}
    leads = LeadCounts(due=5, later=3, claimed=1, finished=11, next_due_at=None)
    assert show(picture(attempts_max=None, leads=leads)).progress.model_dump() == {
        "done": 11,
        "of": 20,
        "what": "leads",
    }


def test_abandonment_at_the_ceiling_is_not_over_it() -> None:
    assert not show(picture(abandon_rate_30d=0.03)).abandonment_30d.is_over
    assert show(picture(abandon_rate_30d=0.0301)).abandonment_30d.is_over


def test_outcomes_keep_their_place_and_zeros_are_left_out() -> None:
    shown = show(picture(figures=figures(outcomes={"busy": 9, "connected": 1, "abandoned": 0})))
    assert shown.outcomes == (Count(name="connected", count=1), Count(name="busy", count=9))


def test_rules_come_by_how_often_they_refused() -> None:
    shown = show(picture(figures=figures(refused_by_rule={"b": 1, "c": 5, "a": 1})))
    assert [c.name for c in shown.refused_by_rule] == ["c", "a", "b"]


def test_numbers_outside_the_sandbox_are_their_last_four_digits() -> None:
    assert shown_number("+12125550142", is_sandbox=True) == "+1 212 555 0142"
    assert shown_number("+12125550142", is_sandbox=False) == "…0142"
    assert spaced("+442079460018") == "+442079460018"
    live = show(picture(is_sandbox=False, calls=(call(0),), refusals=(refusal(0),)))
    assert (live.calls[0].number, live.refusals[0].number) == ("…0111", "…0160")


def test_a_clock_that_lags_makes_no_negative_times() -> None:
    assert show(picture(at=AT.replace(year=2025))).agents[0].state_s == 0.0


def test_names_keep_their_letters_and_lose_what_moves_the_cursor() -> None:
    assert legible("Zsófia Király 王 <b>[red]") == "Zsófia Király 王 <b>[red]"
    assert (
        legible("\x1b[2JEve\r\n\u202egnp.exe\x9b") == "\ufffd[2JEve\ufffd\ufffd\ufffdgnp.exe\ufffd"
    )
    assert len(legible("x" * 100_000)) == 300


@given(st.text(max_size=400))
def test_nothing_that_is_shown_can_steer_a_terminal(text: str) -> None:
    shown = legible(text)
    assert len(shown) <= 300
    kinds = {unicodedata.category(c) for c in shown if c not in "\u200c\u200d"}
    assert not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}

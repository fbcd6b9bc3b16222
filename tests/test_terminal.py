"""The terminal view: the key facts at every size, and nothing that a hostile list can do to it."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from tests.web.pictures import ZONE, agent, call, empty, figures, picture, refusal

from fairdial.core.agent import AgentState
from fairdial.flow.picture import Picture
from fairdial.ports import LeadCounts
from fairdial.terminal import plain_line, render

URL = "http://127.0.0.1:8420/"


def drawn(shown: Picture, *, width: int, height: int, is_colored: bool = False) -> str:
    file = io.StringIO()
    console = Console(
        file=file,
        width=width,
        height=height,
        force_terminal=True,
        color_system="truecolor" if is_colored else None,
    )
    console.print(render(shown, url=URL, zone=ZONE))
    return file.getvalue()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60)])
def test_the_key_facts_are_there_and_fit(width: int, height: int) -> None:
    text = drawn(picture(), width=width, height=height)
    lines = text.splitlines()
    assert len(lines) < height
    assert max(cell_len(line) for line in lines) <= width
    whole = " ".join(text.split())
    for fact in (
        "SANDBOX – simulated carrier, fictional numbers, nothing leaves this machine",
        "10:58:03 New York",
        "Autumn term deposits for Northwind Savings Bank",
        "predictive",
        "+1 212 555 0100",
        "allowed are 2.8% (1 abandoned of 71 live answers).",
        "184 of 400 attempts 46%",
        "5 in flight 1 waiting 79 answered 76 connected 57 refused",
        "1 abandoned 1.4% under the 3% ceiling",
        "Agents 12: 2 ready, 1 reserved, 6 talking, 2 wrap-up, 1 paused",
        "us.tcpa.hours",
        "not interested 39",
        "Juan-Pablo Echeverría next allowed 11:00",
        "07:58:01 in America/Los_Angeles is outside 08:00–21:00 (us.tcpa.hours)",
        URL,
    ):
        assert fact in whole


def test_a_larger_terminal_shows_every_agent_and_call() -> None:
    text = drawn(picture(), width=120, height=40)
    for k in range(12):
        assert agent(k).agent_name in text
        assert call(k).number[-4:] in text


def test_what_does_not_fit_is_counted() -> None:
    many = picture(agents=tuple(agent(k) for k in range(500)))
    assert "… and 497 more" in drawn(many, width=80, height=24)


def test_real_calls_are_not_mistaken_for_the_sandbox() -> None:
    text = drawn(empty(), width=80, height=24)
    assert "LIVE – real calls" in text
    assert "SANDBOX" not in text
    assert "0 of 0 leads" in text
    assert "nobody is logged in" in text


def test_numbers_outside_the_sandbox_are_cut() -> None:
    text = drawn(picture(is_sandbox=False), width=120, height=40)
    assert "…0111" in text
    assert "+1 212 555 0111" not in text


def test_an_engine_that_is_down_and_a_ceiling_that_is_passed_are_said() -> None:
    text = drawn(
        picture(is_engine_up=False, state="not dialing", abandon_rate_30d=0.041),
        width=80,
        height=24,
    )
    assert "ENGINE DOWN – not dialing" in text
    assert "4.1% OVER the 3% ceiling" in text


HOSTILE = (
    "[red]Bobby[/red]",
    "[link=file:///etc/passwd]x[/link]",
    "\x1b]0;owned\x07\x1b[2J\x1b[31m",
    "王" * 60,
    "e\u0301" * 40,
    "\u202eevil\u2066",
    "👩‍👩‍👧‍👦" * 20,
    "",
    "\r\n\tTab",
    "[/]",
)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (20, 5), (40, 10)])
def test_hostile_names_are_only_text(name: str, width: int, height: int) -> None:
    hostile = picture(
        campaign=name,
        seller=name,
        state=name,
        agents=(agent(0, agent_name=name), agent(1, pause_asked=True)),
        calls=(call(0, name=name, agent_name=name),),
        refusals=(refusal(0, name=name, reasons=(name,), whys=(name,)),),
        figures=figures(refused_by_rule={name: 1}),
    )
    text = drawn(hostile, width=width, height=height)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert max(cell_len(line) for line in text.splitlines()) <= width
    if name == "[red]Bobby[/red]" and height > 20:
        assert name in text


def test_huge_figures_are_drawn() -> None:
    huge = 10**12
    text = drawn(
        picture(
            attempts_max=1,
            dial_level=1e9,
            abandon_rate_30d=1.0,
            abandoned_30d=huge,
            live_answers_30d=huge,
            figures=figures(attempts=huge, refused=huge, answered=huge, outcomes={"busy": huge}),
            leads=LeadCounts(due=huge, later=huge, claimed=0, finished=huge, next_due_at=None),
            agents=(agent(0, since=picture().at.replace(year=1999)),),
            calls=(call(0, since=picture().at.replace(year=1999)),),
        ),
        width=80,
        height=24,
    )
    assert "1,000,000,000,000 of 1 attempts 100%" in text
    assert max(cell_len(line) for line in text.splitlines()) <= 80


@given(
    width=st.integers(1, 250),
    height=st.integers(1, 80),
    agents=st.integers(0, 40),
    calls=st.integers(0, 40),
    refusals=st.integers(0, 8),
    state=st.text(max_size=400),
)
def test_never_higher_than_the_terminal_nor_wider(
    width: int, height: int, agents: int, calls: int, refusals: int, state: str
) -> None:
    text = drawn(
        picture(
            state=state,
            agents=tuple(agent(k) for k in range(agents)),
            calls=tuple(call(k) for k in range(calls)),
            refusals=tuple(refusal(k) for k in range(refusals)),
        ),
        width=width,
        height=height,
    )
    lines = text.splitlines()
    # What must be seen first takes up to a dozen lines; a lower terminal is scrolled by `Live`.
    assert len(lines) <= max(height, 14)
    assert max(cell_len(line) for line in lines) <= width


def test_the_plain_line_is_one_line_with_the_facts() -> None:
    line = plain_line(picture(), zone=ZONE)
    assert line.startswith(
        "SANDBOX 10:58:03 | 184 of 400 attempts | 5 in flight, 79 answered, 76 connected | "
        "1 abandoned (1.4% of 3.0% allowed) | 57 refused | "
        "agents: 2 ready, 1 reserved, 6 talking, 2 wrap-up, 1 paused | Predictive, 2 calls now:"
    )
    assert "\n" not in plain_line(picture(state="two\nlines"))
    assert "ENGINE DOWN: " in plain_line(picture(is_engine_up=False))


def test_a_pause_that_was_asked_for_is_said() -> None:
    asked = picture(agents=(agent(2, state=AgentState.WRAP_UP, pause_asked=True),))
    assert "pause next" in drawn(asked, width=120, height=40)

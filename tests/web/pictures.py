"""Fictional pictures for the tests of what people see."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from fairdial.core.agent import AgentSession, AgentState
from fairdial.core.ids import E164, AgentId, AttemptId, CampaignId, SessionId
from fairdial.flow.picture import Picture
from fairdial.ports import Figures, LeadCounts, LiveCall, RecentRefusal

AT = datetime(2026, 11, 24, 15, 58, 3, tzinfo=UTC)
"""10:58:03 in New York."""
ZONE = "America/New_York"
CAMPAIGN = CampaignId(UUID(int=1))

TEAM = ("Ada", "Bela", "Carmen", "Dario", "Elif", "Femi", "Greta", "Hiro", "Ines", "Jonas", "Kofi",
        "Lena")  # fmt: skip
_STATES = (
    AgentState.TALKING, AgentState.TALKING, AgentState.READY, AgentState.WRAP_UP,
    AgentState.TALKING, AgentState.TALKING, AgentState.RESERVED, AgentState.TALKING,
    AgentState.WRAP_UP, AgentState.PAUSED, AgentState.TALKING, AgentState.READY,
)  # fmt: skip
PEOPLE = ("Marisol Vega", "Theodore Blackwood", "Aiko Tanaka", "Søren Lindqvist", "Precious Okafor",
          "Juan-Pablo Echeverría", "Wilhelmina Featherstone", "Ng Wei", "Dolores O’Connell",
          "Zsófia Király", "Latisha Brown", "Hank Miller")  # fmt: skip


def number(k: int, area: str = "212") -> E164:
    """The k-th fictional number of an area code."""
    return E164(f"+1{area}55501{k % 100:02d}")


def agent(k: int = 0, **changes: Any) -> AgentSession:
    """The k-th agent of the team."""
    state = _STATES[k % len(_STATES)]
    is_on_call = state in (AgentState.TALKING, AgentState.RESERVED)
    session = AgentSession(
        id=SessionId(UUID(int=1000 + k)),
        agent_id=AgentId(UUID(int=2000 + k)),
        agent_name=TEAM[k % len(TEAM)] + ("" if k < len(TEAM) else f" {k // len(TEAM) + 1}"),
        campaign_id=CAMPAIGN,
        phone="sip:desk@127.0.0.1:5090",
        state=state,
        since=AT - timedelta(seconds=7 + 23 * k),
        attempt_id=AttemptId(UUID(int=3000 + k)) if is_on_call else None,
        is_leg_up=True,
    )
    return replace(session, **changes)


def call(k: int = 0, **changes: Any) -> LiveCall:
    """The k-th call: talking with the k-th agent where that agent is on a call, else ringing."""
    session = agent(k)
    is_talking = session.state is AgentState.TALKING
    is_joined = session.attempt_id is not None
    live = LiveCall(
        id=AttemptId(UUID(int=3000 + k)),
        number=number(11 + k, ("212", "312", "617", "404")[k % 4]),
        name=PEOPLE[k % len(PEOPLE)],
        state="talking" if is_talking else "bridging" if is_joined else "ringing",
        since=session.since if is_joined else AT - timedelta(seconds=3 + k),
        agent_name=session.agent_name if is_joined else None,
    )
    return replace(live, **changes)


def refusal(k: int = 0, **changes: Any) -> RecentRefusal:
    """The k-th newest refusal."""
    reasons, whys, after = (
        (("us.tcpa.hours",), ("07:58:01 in America/Los_Angeles is outside 08:00–21:00",), 119),
        (
            ("us.tcpa.dnc_national",),
            ("on the national list since 2019-03-02 (National Do Not Call Registry)",),
            None,
        ),
        (("house.attempts_per_day",), ("3 attempts in 24 hours; 3 are the most",), 64000),
        (
            ("us.tcpa.hours", "us.nv.hours"),
            (
                "07:57:40 in America/Los_Angeles is outside 08:00–21:00",
                "07:57:40 in America/Los_Angeles is outside 09:00–20:00",
            ),
            3719,
        ),
    )[k % 4]
    refused = RecentRefusal(
        number=number(60 + k, ("213", "702", "415", "503")[k % 4]),
        name=PEOPLE[(k + 5) % len(PEOPLE)],
        at=AT - timedelta(seconds=2 + 9 * k),
        reasons=reasons,
        whys=whys,
        next_allowed_at=None if after is None else AT + timedelta(seconds=after),
    )
    return replace(refused, **changes)


def figures(**changes: Any) -> Figures:
    """The figures of a campaign in full swing."""
    return replace(
        Figures(
            attempts=184,
            not_dialed=1,
            permits_issued=185,
            permits_used=184,
            permits_void=1,
            refused=57,
            refused_by_rule={"us.tcpa.hours": 41, "us.tcpa.dnc_national": 12, "us.nv.hours": 9,
                             "house.attempts_per_day": 4},
            in_flight=5,
            by_state={"ringing": 4, "dialing": 1, "bridging": 1, "talking": 6, "closed": 172},
            answered=79,
            connected=76,
            abandoned=1,
            live_answers=71,
            outcomes={"connected": 69, "no_answer": 74, "busy": 15, "invalid": 9, "abandoned": 1,
                      "rejected": 3, "congestion": 1},
            dispositions={"not_interested": 39, "sale": 14, "machine": 6, "callback": 4,
                          "stop_calling": 3, "hung_up": 2, "wrong_person": 1},
            first_connected_at=AT - timedelta(minutes=16),
        ),
        **changes,
    )  # fmt: skip


def picture(**changes: Any) -> Picture:
    """A sandbox campaign with twelve agents, in full swing."""
    whole = Picture(
        at=AT,
        since=AT - timedelta(minutes=17, seconds=12),
        is_sandbox=True,
        campaign="Autumn term deposits",
        seller="Northwind Savings Bank",
        purpose="telemarketing",
        dial_mode="predictive",
        caller_id=number(0),
        state="Predictive, 2 calls now: 2 agents ready, 5 calls in flight, 0 waiting; within 12 s "
        "1.9 answers and 2.6 more free agents are expected. One more would find no agent with a "
        "chance of 3.4%; allowed are 2.8% (1 abandoned of 71 live answers).",
        dial_level=2.4,
        is_engine_up=True,
        attempts_max=400,
        figures=figures(),
        leads=LeadCounts(
            due=211, later=97, claimed=2, finished=90, next_due_at=AT + timedelta(minutes=2)
        ),
        agents=tuple(agent(k) for k in range(12)),
        calls=tuple(call(k) for k in range(12)),
        refusals=tuple(refusal(k) for k in range(8)),
        abandon_rate_30d=1 / 71,
        abandon_ceiling=0.03,
        live_answers_30d=71,
        abandoned_30d=1,
    )
    return replace(whole, **changes)


def empty() -> Picture:
    """A live campaign that has just begun: nothing but zeros."""
    return picture(
        is_sandbox=False,
        attempts_max=None,
        dial_level=0.0,
        state="starting",
        figures=figures(
            attempts=0, not_dialed=0, permits_issued=0, permits_used=0, permits_void=0, refused=0,
            refused_by_rule={}, in_flight=0, by_state={}, answered=0, connected=0, abandoned=0,
            live_answers=0, outcomes={}, dispositions={}, first_connected_at=None,
        ),
        leads=LeadCounts(due=0, later=0, claimed=0, finished=0, next_due_at=None),
        agents=(),
        calls=(),
        refusals=(),
        abandon_rate_30d=0.0,
        live_answers_30d=0,
        abandoned_30d=0,
    )  # fmt: skip

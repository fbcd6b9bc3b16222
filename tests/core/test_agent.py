"""The agent session machine: one call at a time, breaks honoured, nobody rung without a leg."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairdial.core import agent as desk
from fairdial.core.agent import AgentSession, AgentState
from fairdial.core.ids import AgentId, AttemptId, CampaignId, InboundId, SessionId
from fairdial.exceptions import ImpossibleEvent

NOW = datetime(2026, 12, 1, 15, 40, tzinfo=UTC)
CALL = AttemptId(UUID(int=9))
EVENTS: tuple[desk.Event, ...] = (
    desk.LegUp(),
    desk.LegDown(),
    desk.Reserved(attempt_id=CALL),
    desk.Released(),
    desk.Connected(),
    desk.TalkEnded(),
    desk.WrapUpDone(),
    desk.PauseAsked(),
    desk.ReadyAsked(),
    desk.LoggedOut(),
    desk.Muted(),
    desk.Unmuted(),
    desk.Reserved(inbound_id=InboundId(UUID(int=10))),
)


def after(*events: desk.Event) -> AgentSession:
    session = AgentSession(
        id=SessionId(UUID(int=1)),
        agent_id=AgentId(UUID(int=2)),
        agent_name="Ada",
        campaign_id=CampaignId(UUID(int=3)),
        phone="sip:agent-1@127.0.0.1",
        state=AgentState.CONNECTING,
        since=NOW,
        wrap_up_s=30,
    )
    for event in events:
        session = desk.step(session, event, NOW)
    return session


TALKING = (desk.LegUp(), desk.Reserved(attempt_id=CALL), desk.Connected())


def test_an_agent_without_a_leg_is_given_no_call() -> None:
    assert not desk.is_free(after())
    with pytest.raises(ImpossibleEvent, match="connecting and cannot have Reserved"):
        after(desk.Reserved(attempt_id=CALL))


def test_wrap_up_ends_by_itself_after_its_time() -> None:
    session = after(*TALKING, desk.TalkEnded())
    assert session.state is AgentState.WRAP_UP
    assert session.deadline_at == NOW + timedelta(seconds=30)
    assert session.attempt_id == CALL


def test_a_pause_asked_for_in_a_talk_begins_after_wrap_up() -> None:
    session = after(*TALKING, desk.PauseAsked(), desk.TalkEnded(), desk.WrapUpDone())
    assert session.state is AgentState.PAUSED


def test_a_leg_lost_in_a_talk_leaves_the_agent_connecting_after_wrap_up() -> None:
    session = after(*TALKING, desk.LegDown(), desk.TalkEnded(), desk.WrapUpDone())
    assert session.state is AgentState.CONNECTING


def test_a_ready_agent_cannot_be_given_two_calls() -> None:
    with pytest.raises(ImpossibleEvent):
        after(desk.LegUp(), desk.Reserved(attempt_id=CALL), desk.Reserved(attempt_id=CALL))


@given(st.lists(st.sampled_from(EVENTS), max_size=30))
def test_a_call_at_hand_belongs_to_a_state_that_has_one(events: list[desk.Event]) -> None:
    session = after()
    for event in events:
        try:
            session = desk.step(session, event, NOW)
        except ImpossibleEvent:
            continue
        busy = session.state in (AgentState.RESERVED, AgentState.TALKING, AgentState.WRAP_UP)
        assert busy == (session.call_id is not None)
        assert session.attempt_id is None or session.inbound_id is None
        assert not session.is_muted or session.state is AgentState.TALKING
        assert not (session.state is AgentState.READY and not session.is_leg_up)

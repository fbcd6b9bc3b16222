"""The inbound call: whoever calls us is answered, in bounded time, and ends once and truly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from fairdial.core import attempt as line
from fairdial.core import inbound, talk
from fairdial.core.attempt import EndCause, Message
from fairdial.core.ids import E164, CampaignId, InboundId, SessionId
from fairdial.core.inbound import (
    IGNORED,
    TRANSITIONS,
    InboundCall,
    InboundOutcome,
    InboundState,
)
from fairdial.core.outcome import Disposition
from fairdial.exceptions import ImpossibleEvent

NOW = datetime(2026, 12, 1, 15, 40, tzinfo=UTC)
ADA = SessionId(UUID(int=70))
BELA = SessionId(UUID(int=71))
NETWORK: tuple[inbound.Event, ...] = (
    line.Bridged(),
    inbound.Played(message=Message.CALL_BACK),
    inbound.Played(message=Message.OPTED_OUT),
    line.OptedOut(),
    *(line.LegEnded(cause=cause, raw="SIP") for cause in EndCause),
)
OURS: tuple[inbound.Event, ...] = (
    inbound.NobodyFree(),
    inbound.LineAnswers(),
    inbound.Declined(),
    line.AgentReserved(session_id=ADA),
    line.DeadlinePassed(),
    line.HangUpAsked(),
    line.AgentLost(),
    line.AgentLost(session_id=ADA),
    line.Disposed(disposition=Disposition.SALE),
    line.NothingToRecord(),
    talk.Held(),
    talk.Unheld(),
    talk.Parked(),
    talk.HandedOver(session_id=BELA),
    talk.PassedOn(),
    talk.Noted(disposition=Disposition.CALLBACK, callback_at=NOW),
)


def a_call(number: str | None = "+12125550142") -> InboundCall:
    return InboundCall(
        id=InboundId(UUID(int=1)),
        campaign_id=CampaignId(UUID(int=4)),
        caller=number or "",
        called="+12025550123",
        number=None if number is None else E164(number),
        trunk="memory",
        verification="",
        lead_id=None,
        attempt_id=None,
        state=InboundState.OFFERED,
        offered_at=NOW,
        queue_s_max=60,
    )


def after(
    *events: inbound.Event, number: str | None = "+12125550142"
) -> tuple[InboundCall, list[inbound.Action]]:
    call = a_call(number)
    actions: list[inbound.Action] = []
    for seconds, event in enumerate(events):
        step = inbound.step(call, event, NOW + timedelta(seconds=seconds))
        call = step.call
        actions += step.actions
    return call, actions


def test_a_caller_in_the_queue_keeps_the_time_already_waited_when_an_agent_is_lost() -> None:
    call, actions = after(
        inbound.NobodyFree(), line.AgentReserved(session_id=ADA), line.AgentLost(session_id=ADA)
    )
    assert (call.state, call.deadline_at) == (InboundState.QUEUED, NOW + timedelta(seconds=60))
    assert actions == [
        inbound.Answer(),
        talk.Hold(),
        talk.Unhold(),
        line.Bridge(session_id=ADA),
        talk.Hold(),
    ]


def test_who_waited_long_enough_hears_who_called_and_how_to_opt_out() -> None:
    call, actions = after(inbound.NobodyFree(), line.DeadlinePassed())
    assert call.state is InboundState.MESSAGE
    assert actions[-2:] == [talk.Unhold(), line.PlayMessage(message=Message.CALL_BACK)]


def test_the_key_is_one_stop_request_that_is_confirmed_and_ends_the_call() -> None:
    call, actions = after(inbound.LineAnswers(), line.OptedOut(), line.OptedOut())
    assert call.disposition is Disposition.STOP_CALLING
    assert actions[2:] == [
        line.RecordStopRequest(),
        line.PlayMessage(message=Message.OPTED_OUT),
    ]
    late = inbound.step(call, inbound.Played(message=Message.CALL_BACK), NOW)
    assert late.actions == (), "the message that was cut short does not end the one that plays"
    assert inbound.step(call, inbound.Played(message=Message.OPTED_OUT), NOW).actions == (
        line.HangUp(),
    )


def test_a_withheld_number_is_never_told_that_it_was_suppressed() -> None:
    call, actions = after(inbound.LineAnswers(), line.OptedOut(), number=None)
    assert call.disposition is None
    assert actions == [inbound.Answer(), line.PlayMessage(message=Message.CALL_BACK)]


def test_every_pair_of_state_and_network_event_is_decided_on_purpose() -> None:
    undecided = {
        (state, kind)
        for state in InboundState
        for kind in {type(event) for event in NETWORK}
        if (state, kind) not in TRANSITIONS and (state, kind) not in IGNORED
    }
    # Joined or played to before we answered: the engine would be lying to us.
    assert undecided == {
        (InboundState.OFFERED, line.Bridged),
        (InboundState.OFFERED, inbound.Played),
    }


def test_no_pair_is_both_handled_and_ignored() -> None:
    assert not set(TRANSITIONS) & IGNORED
    assert {kind for _, kind in TRANSITIONS} == {type(event) for event in NETWORK + OURS}


@given(st.lists(st.sampled_from(NETWORK + OURS), max_size=30))
def test_any_order_of_events_ends_once_and_leaves_nobody_waiting_for_good(
    events: list[inbound.Event],
) -> None:
    call = a_call()
    answers = closes = stops = 0
    for seconds, event in enumerate(events):
        try:
            step = inbound.step(call, event, NOW + timedelta(seconds=seconds))
        except ImpossibleEvent:
            continue
        before, call = call, step.call
        answers += step.actions.count(inbound.Answer())
        closes += step.actions.count(line.Close())
        stops += step.actions.count(line.RecordStopRequest())
        if before.state in (InboundState.ENDED, InboundState.CLOSED):
            assert not step.actions
            assert (call.outcome, call.ended_at) == (before.outcome, before.ended_at)
    assert answers <= 1
    assert closes <= 1
    assert stops <= 1
    ended = call.state in (InboundState.ENDED, InboundState.CLOSED)
    assert ended == (call.outcome is not None)
    if call.outcome is InboundOutcome.CONNECTED:
        assert call.bridged_at is not None
    if call.state in (
        InboundState.QUEUED,
        InboundState.BRIDGING,
        InboundState.PARKED,
        InboundState.MESSAGE,
    ):
        assert call.deadline_at is not None
    if call.state in (InboundState.QUEUED, InboundState.PARKED):
        assert call.is_held

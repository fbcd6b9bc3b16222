"""The transfer: whatever happens, somebody has the call, or it is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from fairdial.core import transfer as machine
from fairdial.core.ids import AttemptId, CampaignId, SessionId, TransferId
from fairdial.core.transfer import (
    IGNORED,
    TRANSITIONS,
    Transfer,
    TransferKind,
    TransferOutcome,
    TransferState,
)
from fairdial.exceptions import ImpossibleEvent

NOW = datetime(2026, 12, 1, 15, 40, tzinfo=UTC)
EVENTS: tuple[machine.Event, ...] = (
    machine.DestinationUp(),
    machine.DestinationLost(why="SIP 486 Busy Here"),
    machine.DeadlinePassed(),
    machine.Completed(),
    machine.Conferenced(),
    machine.TakenBack(),
    machine.AgentGone(),
    machine.CallOver(),
)


def a_transfer(kind: TransferKind = TransferKind.ATTENDED, *, is_agent: bool = False) -> Transfer:
    return Transfer(
        id=TransferId(UUID(int=1)),
        campaign_id=CampaignId(UUID(int=2)),
        call_id=AttemptId(UUID(int=3)),
        is_inbound=False,
        from_session_id=SessionId(UUID(int=4)),
        leg_id=SessionId(UUID(int=5)),
        is_agent=is_agent,
        to="closers",
        kind=kind,
        state=TransferState.CALLING,
        started_at=NOW,
        deadline_at=NOW + timedelta(seconds=25),
    )


def test_a_destination_that_is_busy_gives_the_call_back() -> None:
    step = machine.step(a_transfer(), machine.DestinationLost(why="SIP 486"), NOW)
    assert (step.transfer.outcome, step.transfer.why) == (TransferOutcome.FAILED, "SIP 486")
    assert step.actions == (machine.DropDestination(), machine.EndHold())


def test_an_agent_lost_while_the_destination_is_called_leaves_the_call_to_it() -> None:
    gone = machine.step(a_transfer(), machine.AgentGone(), NOW)
    assert gone.actions == (machine.LeaveParked(),)
    up = machine.step(gone.transfer, machine.DestinationUp(), NOW)
    assert up.actions == (machine.JoinDestination(), machine.HandOver())


def test_no_pair_is_both_handled_and_ignored() -> None:
    assert not set(TRANSITIONS) & IGNORED
    assert {kind for _, kind in TRANSITIONS} == {type(event) for event in EVENTS}


@given(st.sampled_from(TransferKind), st.booleans(), st.lists(st.sampled_from(EVENTS), max_size=12))
def test_any_order_of_events_hands_over_once_or_never(
    kind: TransferKind, is_agent: bool, events: list[machine.Event]
) -> None:
    transfer = replace(a_transfer(kind, is_agent=is_agent))
    handed_over = joined = 0
    for event in events:
        try:
            step = machine.step(transfer, event, NOW)
        except ImpossibleEvent:
            continue
        if transfer.state is TransferState.OVER:
            assert step.transfer is transfer
        transfer = step.transfer
        handed_over += step.actions.count(machine.HandOver())
        joined += step.actions.count(machine.JoinDestination())
    assert handed_over <= 1
    assert joined <= 1
    assert (transfer.state is TransferState.OVER) == (transfer.ended_at is not None)
    assert (handed_over == 1) == (transfer.outcome is TransferOutcome.HANDED_OVER)
    if transfer.state is TransferState.CALLING:
        assert transfer.deadline_at is not None

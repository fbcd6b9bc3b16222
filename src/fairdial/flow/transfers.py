"""Transfers as they happen: one event, one transaction over the call, the transfer and its agents.

`core.transfer` decides; here its actions become events of the call and of the agents' sessions, are
committed together, and the engine is told after that.
"""

from __future__ import annotations

from typing import assert_never

from fairdial.core import agent as desk
from fairdial.core import attempt as line
from fairdial.core import talk
from fairdial.core import transfer as machine
from fairdial.core.ids import CallId, CampaignId, Instant, SessionId
from fairdial.core.transfer import Transfer, TransferState
from fairdial.exceptions import EngineUnavailable, ImpossibleEvent
from fairdial.flow import live_calls, monitor
from fairdial.flow.agent_moves import move_agent
from fairdial.flow.floor import Floor, about, log
from fairdial.flow.live_calls import Command, LiveCall
from fairdial.ports import AgentLegDown, AgentLegUp, Part, Transaction


async def advance(
    floor: Floor, transfer: Transfer, event: machine.Event, now: Instant, *, actor: str = "dialer"
) -> Transfer:
    """Apply one event to one transfer and do what follows; returns the transfer as it stands.

    Raises `ImpossibleEvent`, and changes nothing, for what it cannot have.
    """
    with about(transfer.call_id):
        commands: list[Command] = []
        async with floor.store.transaction() as tx:
            call = await live_calls.held(tx, transfer.call_id)
            before = await tx.switchboard.transfer(transfer.id)
            if before is None or call is None:
                raise ImpossibleEvent(f"there is no transfer {transfer.id}")
            stepped = machine.step(before, event, now)
            after = stepped.transfer
            if after is before and not stepped.actions:
                return after
            await tx.switchboard.save_transfer(after, was=before)
            for action in stepped.actions:
                call = await _carry_out(tx, floor, after, call, action, now, commands)
            if after.state is not before.state:
                audit(tx, after, actor, now)
        await tell(commands)
        await monitor.follow(floor, after.from_session_id)
        if after.is_agent:
            await monitor.follow(floor, after.leg_id)
        return after


async def _carry_out(
    tx: Transaction,
    floor: Floor,
    transfer: Transfer,
    call: LiveCall,
    action: machine.Action,
    now: Instant,
    commands: list[Command],
) -> LiveCall:
    telephony, leg_id = floor.telephony, transfer.leg_id
    has_agent = live_calls.is_talking(call)
    match action:
        case machine.JoinDestination():
            commands.append(lambda: telephony.join(call.id, leg_id, Part.TALK))
            return call
        case machine.DropDestination() if transfer.is_agent:
            await move_agent(tx, leg_id, call.id, desk.Released(), now)
            commands.append(lambda: telephony.leave(call.id, leg_id))
            return call
        case machine.DropDestination():
            commands.append(lambda: telephony.disconnect_agent(leg_id))
            return call
        case machine.EndHold():
            event: talk.Event | line.HangUpAsked = talk.Unheld()
            is_due = has_agent
        case machine.HandOver():
            event = talk.HandedOver(session_id=leg_id) if transfer.is_agent else talk.PassedOn()
            is_due = has_agent or live_calls.is_parked(call)
        case machine.LeaveParked():
            event, is_due = talk.Parked(), has_agent
        case machine.EndCall():
            event, is_due = line.HangUpAsked(), True
        case _:
            assert_never(action)
    if not is_due:
        return call
    moved, command = await live_calls.move(tx, floor, call, event, now)
    commands.append(command)
    return moved


async def tell(commands: list[Command]) -> None:
    """Tell the engine, in order, what was committed."""
    for command in commands:
        try:
            await command()
        except EngineUnavailable as error:
            log.warning("the engine did not take a command: %s", error)
            return


def audit(tx: Transaction, transfer: Transfer, actor: str, now: Instant) -> None:
    """Write where a transfer stands into the chain."""
    kind = transfer.state.value if transfer.outcome is None else transfer.outcome.value
    if transfer.state is TransferState.PASSED_ON:
        kind = transfer.state.value
    body = {
        "call": transfer.call_id,
        "from": transfer.from_session_id,
        "to": transfer.to,
        "leg": transfer.leg_id,
        "kind": transfer.kind.value,
        "why": transfer.why,
    }
    tx.audit(f"transfer.{kind}", transfer.id, body, actor=actor, at=now)


# --- what happens to legs and calls ---------------------------------------------------------------


async def on_leg_event(floor: Floor, event: AgentLegUp | AgentLegDown) -> None:
    """The phone of a destination came up or broke."""
    async with floor.store.transaction(durable=False) as tx:
        transfer = await tx.switchboard.transfer_to(event.session_id)
    if transfer is None:
        return
    if isinstance(event, AgentLegUp):
        await advance(floor, transfer, machine.DestinationUp(), event.at)
    else:
        await advance(floor, transfer, machine.DestinationLost(why=event.why), event.at)


async def on_agent_lost(
    floor: Floor, session_id: SessionId, call_id: CallId, why: str, now: Instant
) -> None:
    """An agent of ours fell out of a call, by a broken leg or by logging out: whoever is left has
    it; nobody, and the person outside hears music if they did, or the call ends."""
    async with floor.store.transaction(durable=False) as tx:
        to_them = await tx.switchboard.transfer_to(session_id)
        of_call = await tx.switchboard.transfer_of(call_id)
    if to_them is not None:
        await advance(floor, to_them, machine.DestinationLost(why=why), now)
    elif of_call is not None and of_call.from_session_id == session_id:
        await advance(floor, of_call, machine.AgentGone(), now)
    with about(call_id):
        await live_calls.apply(floor, call_id, line.AgentLost(session_id=session_id), now)


async def on_call_ended(floor: Floor, call_id: CallId, now: Instant) -> None:
    """The person outside is gone; a destination that was asked into the call is let go."""
    async with floor.store.transaction(durable=False) as tx:
        transfer = await tx.switchboard.transfer_of(call_id)
    if transfer is not None:
        await advance(floor, transfer, machine.CallOver(), now)


async def keep_deadlines(floor: Floor, campaign_id: CampaignId) -> None:
    """Destinations that did not answer in time are given up."""
    now = floor.clock.now()
    async with floor.store.transaction(durable=False) as tx:
        open_now = await tx.switchboard.open_transfers(campaign_id)
    for transfer in open_now:
        if transfer.deadline_at is not None and transfer.deadline_at <= now:
            await advance(floor, transfer, machine.DeadlinePassed(), now)


async def end_all(floor: Floor, campaign_id: CampaignId) -> None:
    """Every transfer is over: the calls are, or are about to be ended."""
    async with floor.store.transaction() as tx:
        open_now = await tx.switchboard.open_transfers(campaign_id)
    for transfer in open_now:
        await advance(floor, transfer, machine.CallOver(), floor.clock.now())

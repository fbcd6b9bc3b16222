"""Where the engine's events go: each to the part of the story that it belongs to."""

from __future__ import annotations

from fairdial.flow import agent_desk, monitor, recordings, transfers
from fairdial.flow.call_events import on_call_event
from fairdial.flow.floor import Floor
from fairdial.flow.inbound import on_inbound_event
from fairdial.ports import (
    AgentLegDown,
    AgentLegUp,
    CallBridged,
    CallEnded,
    CallEvent,
    InboundBridged,
    InboundEnded,
    InboundEvent,
)


async def on_call(floor: Floor, event: CallEvent | InboundEvent) -> None:
    """Something about a call, made by us or to us; whoever listens to its agent follows."""
    if isinstance(event, CallEvent):
        await on_call_event(floor, event)
    else:
        await on_inbound_event(floor, event)
    match event:
        case CallBridged(attempt_id=call_id) | InboundBridged(inbound_id=call_id):
            await recordings.on_bridged(floor, call_id, event.session_id)
            await monitor.follow(floor, event.session_id)
        case CallEnded(attempt_id=attempt_id):
            await transfers.on_call_ended(floor, attempt_id, event.at)
        case InboundEnded(inbound_id=inbound_id):
            await transfers.on_call_ended(floor, inbound_id, event.at)
        case _:
            pass


async def on_leg(floor: Floor, event: AgentLegUp | AgentLegDown) -> None:
    """A phone of ours came up or broke: an agent's, a supervisor's, or a destination's."""
    if await agent_desk.on_leg_event(floor, event):
        return
    if await monitor.on_leg_event(floor, event):
        return
    await transfers.on_leg_event(floor, event)

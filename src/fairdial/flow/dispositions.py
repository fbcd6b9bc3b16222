"""What an agent recorded: on the call that was theirs to the end, or on one that goes on."""

from __future__ import annotations

from fairdial.core import attempt as line
from fairdial.core import inbound as caller
from fairdial.core import talk
from fairdial.core.agent import AgentSession
from fairdial.core.attempt import Attempt
from fairdial.core.ids import Instant
from fairdial.core.inbound import InboundCall
from fairdial.core.outcome import Disposition
from fairdial.flow import inbound, live_calls
from fairdial.flow.close import close
from fairdial.flow.floor import Floor
from fairdial.flow.live_calls import LiveCall
from fairdial.ports import Transaction


async def record_disposition(
    tx: Transaction,
    floor: Floor,
    session: AgentSession,
    call: LiveCall,
    disposition: Disposition,
    now: Instant,
    *,
    callback_at: Instant | None = None,
) -> None:
    """Record it inside the caller's transaction.

    Who had the call last closes it. What others record stands until then: see `talk.standing`.
    """
    actor = f"agent:{session.agent_name}"
    if live_calls.is_ended(call) and call.session_id == session.id:
        event = line.Disposed(disposition=disposition, callback_at=callback_at)
        if isinstance(call, Attempt):
            await close(tx, floor.campaigns[call.campaign_id], call, event, now, actor=actor)
        else:
            await inbound.close(tx, call, event, now, actor=actor)
        return
    noted = talk.Noted(disposition=disposition, callback_at=callback_at)
    if isinstance(call, Attempt):
        attempt = line.step(call, noted, now).attempt
        if attempt is not call:
            await tx.save_attempt(attempt, was=call)
    else:
        ours = caller.step(call, noted, now).call
        if ours is not call:
            await tx.switchboard.save_inbound(ours, was=call)
    kind = "inbound" if isinstance(call, InboundCall) else "attempt"
    body = {"disposition": disposition.value, "state": call.state.value}
    tx.audit(f"{kind}.noted", call.id, body, actor=actor, at=now)

"""The end of the line: the attempt is closed, and the lead gets its next step by the retry plan."""

from __future__ import annotations

from fairdial.core import attempt as line
from fairdial.core import hopper
from fairdial.core.attempt import Attempt
from fairdial.core.campaign import Campaign
from fairdial.core.ids import Instant
from fairdial.ports import Transaction


async def close(
    tx: Transaction,
    campaign: Campaign,
    attempt: Attempt,
    event: line.Disposed | line.NothingToRecord,
    now: Instant,
    *,
    callback_at: Instant | None = None,
    actor: str = "dialer",
) -> Attempt:
    """Close an ended attempt inside the caller's transaction; returns it as it now stands."""
    closed = line.step(attempt, event, now).attempt
    await tx.save_attempt(closed, was=attempt)
    assert closed.outcome is not None, "an ended attempt has its outcome"
    lead = await tx.lead(closed.lead_id)
    step = hopper.after_attempt(
        outcome=closed.outcome,
        disposition=closed.disposition,
        attempts=lead.attempts,
        plan=campaign.retry,
        now=now,
        callback_at=callback_at or closed.callback_at,
    )
    await tx.save_next_step(lead.id, step)
    tx.audit(
        "attempt.closed",
        closed.id,
        {
            "number": closed.number,
            "outcome": closed.outcome,
            "disposition": closed.disposition,
            "lead": step.why,
        },
        actor=actor,
        at=now,
    )
    return closed

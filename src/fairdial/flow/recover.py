"""After a crash: every attempt that was open is ended truthfully, and nothing is dialed twice.

The wire log of the engine outlives it and says for each attempt whether an INVITE left. If one
did, the permit is used, whatever came of the call; if none did, the permit is void and the lead
is due again. What the log cannot tell counts as dialed.
"""

from __future__ import annotations

from fairdial.core import attempt as line
from fairdial.core.attempt import Attempt, AttemptState, EndCause
from fairdial.core.ids import CampaignId, Instant
from fairdial.core.outcome import Disposition
from fairdial.flow import inbound, monitor, recordings, transfers
from fairdial.flow.agent_desk import log_out, on_leg_event
from fairdial.flow.call_events import apply
from fairdial.flow.close import close
from fairdial.flow.floor import Floor, about, log
from fairdial.ports import AgentLegDown

ENGINE_LOST = line.LegEnded(cause=EndCause.ENGINE_LOST, raw="the engine died")


async def recover_all(floor: Floor) -> int:
    """Put right whatever a dead dialer left, of every campaign; returns how many attempts."""
    async with floor.store.transaction() as tx:
        campaigns = await tx.unrecovered_campaigns(floor.clock.real())
    mended = 0
    for campaign in campaigns:
        floor.campaigns[campaign.id] = campaign
        mended += await recover(floor, campaign.id)
    return mended


async def recover(floor: Floor, campaign_id: CampaignId) -> int:
    """Put a campaign right before its dialer starts; returns how many attempts were mended."""
    async with floor.store.transaction() as tx:
        sessions = await tx.open_sessions(campaign_id)
    mended = await after_engine_death(floor, campaign_id)
    for session in sessions:
        await log_out(floor, session.id)
    now = floor.clock.now()
    async with floor.store.transaction() as tx:
        ended = await tx.open_attempts(campaign_id)
    for attempt in ended:
        await _close_ended(floor, attempt, now)
    await inbound.close_ended(floor, campaign_id)
    async with floor.store.transaction() as tx:
        returned = await tx.return_claimed(campaign_id)
        if mended or returned or sessions:
            tx.audit(
                "campaign.recovered",
                campaign_id,
                {"attempts": mended, "leads": returned, "sessions": len(sessions)},
                actor="dialer",
                at=now,
            )
    if mended or returned:
        log.warning("recovered: %d attempts ended, %d leads due again", mended, returned)
    return mended


async def after_engine_death(floor: Floor, campaign_id: CampaignId) -> int:
    """End every call that the dead engine held, ours and those to us; returns how many."""
    now = floor.clock.now()
    await monitor.stop_all(floor, campaign_id, why="the engine died")
    await transfers.end_all(floor, campaign_id)
    async with floor.store.transaction() as tx:
        attempts = [a for a in await tx.open_attempts(campaign_id) if a.state in line.OPEN_STATES]
        sessions = await tx.open_sessions(campaign_id)
    for session in sessions:
        gone = AgentLegDown(session_id=session.id, at=now, why="the engine died")
        await on_leg_event(floor, gone)
    dialed = await floor.telephony.was_dialed([a.id for a in attempts])
    for attempt in attempts:
        with about(attempt.id):
            if attempt.state is AttemptState.PERMITTED and not dialed[attempt.id]:
                lost: line.Event = line.NotDialed(why="the engine died before it dialed")
            else:
                lost = ENGINE_LOST
            await apply(floor, attempt.id, lost, now)
    await recordings.close_lost(floor, campaign_id)
    return len(attempts) + await inbound.end_all(floor, campaign_id, is_engine_lost=True)


async def _close_ended(floor: Floor, attempt: Attempt, now: Instant) -> None:
    """An attempt whose wrap-up nobody will finish."""
    async with floor.store.transaction() as tx:
        held = await tx.attempt(attempt.id)
        if held is None or held.state is not AttemptState.ENDED:
            return
        event: line.Disposed | line.NothingToRecord = (
            line.NothingToRecord()
            if held.bridged_at is None
            else line.Disposed(disposition=Disposition.NO_DISPOSITION)
        )
        await close(tx, floor.campaigns[attempt.campaign_id], held, event, now)

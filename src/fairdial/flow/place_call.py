"""Due lead → permit → dial. The only place that issues a permit, and the only one that dials.

The attempt row and its permit are committed before the engine is told anything, so a crash at any
moment leaves either no attempt or one that `recover` finds. A refusal is recorded with every
verdict, and the lead gets its next step at once.
"""

from __future__ import annotations

from dataclasses import replace

from fairdial.core import caller_id, hopper, permit
from fairdial.core.attempt import Attempt, AttemptState, NotDialed
from fairdial.core.campaign import Campaign, MachinePolicy, Method
from fairdial.core.facts import Facts
from fairdial.core.ids import E164, AttemptId, Instant, PermitId
from fairdial.core.lead import Lead, StatedLocation
from fairdial.core.permit import PERMIT_LIFE, Permit, Refusal
from fairdial.core.proof import KeptRulebook
from fairdial.exceptions import EngineUnavailable, PermitMisused
from fairdial.flow.call_events import apply
from fairdial.flow.floor import Floor, about, log
from fairdial.ports import Lease, Transaction

DIAL_GRACE = 3 * PERMIT_LIFE
"""How long after its permit an attempt may wait for the engine's word that it was dialed."""


async def place_call(
    floor: Floor, lease: Lease, lead: Lead, *, is_agent_guaranteed: bool
) -> Attempt | Refusal | None:
    """Judge one due lead and ring it if every rule allows. Raises `CampaignBusy` if fenced off.

    `is_agent_guaranteed` says that an agent is free and kept for this call. None means that no
    caller ID was free, and the lead went back to the hopper.
    """
    decision = await judge(floor, lease, lead, is_agent_guaranteed=is_agent_guaranteed)
    if decision is None:
        return None
    if isinstance(decision, Refusal):
        log.info("lead %s refused by %s", lead.id, ", ".join(v.rule for v in decision.reasons))
        return decision
    attempt, granted = decision
    with about(attempt.id):
        log.info("permitted: permit %s, lead %s", granted.id, lead.id)
        try:
            detect = attempt.machines is not MachinePolicy.CONNECT
            signer = floor.signer
            identity = "" if signer is None else signer.sign(granted, attempt.permitted_at)
            await floor.telephony.dial(
                granted, ring_s=attempt.ring_s, detect=detect, identity=identity
            )
        except (EngineUnavailable, PermitMisused) as error:
            log.warning("not dialed: %s", error)
            await apply(floor, attempt.id, NotDialed(why=str(error)), floor.clock.now())
    return attempt


async def judge(
    floor: Floor, lease: Lease, lead: Lead, *, is_agent_guaranteed: bool
) -> tuple[Attempt, Permit] | Refusal | None:
    """The gate: facts under the number's lock, every rule judged, the decision recorded."""
    decision = await _judge(floor, lease, lead, is_agent_guaranteed=is_agent_guaranteed)
    floor.is_rulebook_kept = True
    return decision


async def _judge(
    floor: Floor, lease: Lease, lead: Lead, *, is_agent_guaranteed: bool
) -> tuple[Attempt, Permit] | Refusal | None:
    campaign = floor.campaigns[lead.campaign_id]
    async with floor.store.transaction() as tx:
        await tx.hold_for_call(lease, lead)
        now = floor.clock.now()
        shown = await _caller_id(tx, floor, campaign, lead, now)
        if shown is None:
            await tx.save_next_step(lead.id, hopper.without_caller_id(now))
            return None
        campaign = replace(campaign, caller_id=shown)
        abandonment = floor.abandonment.get(campaign.id)
        (facts,) = await tx.facts(
            [lead],
            campaign,
            now=now,
            since=now - floor.rulebook.lookback,
            is_sandbox=floor.is_sandbox,
            is_agent_guaranteed=is_agent_guaranteed,
            abandon_figures=abandonment.figures if abandonment else (),
        )
        # The lock on the number may have been waited for.
        now = floor.clock.now()
        decision = permit.issue(
            facts,
            floor.rulebook,
            now,
            permit_id=PermitId(floor.ids.new()),
            attempt_id=AttemptId(floor.ids.new()),
            lead_id=lead.id,
        )
        if not floor.is_rulebook_kept:
            await tx.keep_rulebook(
                KeptRulebook(
                    hash=decision.rulebook,
                    tzdata=decision.tzdata,
                    files=floor.rule_files,
                    first_used_at=now,
                )
            )
        if isinstance(decision, Refusal):
            await tx.save_refusal(floor.ids.new(), decision)
            await tx.save_next_step(lead.id, hopper.after_refusal(decision))
            return decision
        if campaign.pool is not None:
            most = campaign.pool.calls_a_day_max
            if not await tx.use_caller_id(shown, now, most=most):
                # Another campaign took its last call between the choice and now.
                await tx.save_next_step(lead.id, hopper.without_caller_id(now))
                return None
        machines = campaign.machines
        leaves = machines is MachinePolicy.LEAVE_MESSAGE
        may_leave = (leaves or campaign.has_voicemail) and _may_leave_message(
            tx, floor, facts, decision, now
        )
        if leaves and not may_leave:
            machines = MachinePolicy.HANG_UP
        attempt = Attempt(
            id=decision.attempt_id,
            permit_id=decision.id,
            lead_id=lead.id,
            campaign_id=campaign.id,
            number=lead.number,
            state=AttemptState.PERMITTED,
            permitted_at=now,
            ring_s=campaign.ring_s,
            connect_ms_max=campaign.connect_ms_max,
            deadline_at=now + DIAL_GRACE,
            machines=machines,
            may_leave_message=may_leave,
        )
        await tx.open_attempt(decision, attempt)
        return attempt, decision


async def _caller_id(
    tx: Transaction, floor: Floor, campaign: Campaign, lead: Lead, now: Instant
) -> E164 | None:
    """The number to show to a lead; None when every number of the pool is at its cap."""
    pool = campaign.pool
    if pool is None:
        return campaign.caller_id
    groups = [list(campaign.caller_ids)]
    if pool.local_presence:
        at = floor.rulebook.locate(lead.number, lead.location)
        groups = caller_id.nearest_first(
            campaign.caller_ids,
            lead.number,
            at,
            lambda number: floor.rulebook.locate(number, StatedLocation()),
        )
    for group in groups:
        uses = await tx.caller_id_uses(group, now)
        shown = caller_id.least_used(group, uses, pool.calls_a_day_max)
        if shown is not None:
            return shown
    return None


def _may_leave_message(
    tx: Transaction, floor: Floor, facts: Facts, granted: Permit, now: Instant
) -> bool:
    """Whether a recorded message may be left under a permit: it is judged as such a call is.

    A message on a machine is a prerecorded voice to the law (47 CFR 64.1200(a)(1), (a)(3)), whoever
    would have talked to a person. The judgement is sealed beside the permit.
    """
    judged = permit.judge(replace(facts, method=Method.PRERECORDED), floor.rulebook, now)
    tx.audit(
        "permit.message",
        granted.id,
        {
            "attempt": granted.attempt_id,
            "number": granted.number,
            "allowed": judged.is_allowed,
            "reasons": [f"{verdict.rule}: {verdict.why}" for verdict in judged.reasons],
            "rulebook": granted.rulebook,
        },
        actor="permit",
        at=now,
    )
    return judged.is_allowed

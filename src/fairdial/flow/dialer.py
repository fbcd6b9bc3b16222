"""The tick: see where everybody stands, ask pacing how many calls, place them, keep the deadlines.

One dialer holds a campaign by a lease with an epoch; whoever is taken over stops. The dialer dials
only while the engine is up, ends calls whose deadline passed, and winds down on request: nothing
new is dialed, unanswered calls are taken back, talks may end or are ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from dataclasses import dataclass, field
from datetime import timedelta

from fairdial.core import attempt as line
from fairdial.core import caller_id, hopper, pacing
from fairdial.core.agent import AgentSession, AgentState
from fairdial.core.attempt import Attempt, AttemptState
from fairdial.core.campaign import Campaign, CampaignState
from fairdial.core.ids import DialerId, Instant, SessionId
from fairdial.exceptions import (
    CampaignBusy,
    EngineUnavailable,
    FairdialError,
    Overtaken,
    StoreUnavailable,
)
from fairdial.flow import agent_desk, hear, inbound, monitor, recordings, transfers
from fairdial.flow.abandonment import measure_abandonment
from fairdial.flow.call_events import apply, on_call_event
from fairdial.flow.floor import Floor, about, log
from fairdial.flow.place_call import place_call
from fairdial.flow.recover import after_engine_death, recover
from fairdial.ports import (
    AgentLegDown,
    AgentLegUp,
    CallDialed,
    CallEvent,
    CallNotDialed,
    EngineDown,
    EngineUp,
    InboundEvent,
    LeadCounts,
    Lease,
    RecordingEnded,
    TelephonyEvent,
    TrunkChanged,
)

TICK_S = 0.2
LEASE_LIFE = timedelta(seconds=10)
LEASE_RENEW_S = 2.0
TAKE_TRIES = 12
"""How often the lease of a dialer that may be dead is asked for, a second apart."""
ABANDON_REFRESH_S = 2.0
WIND_DOWN_S = 8.0
"""How long calls get to end cleanly after a stop, before they are given up as lost."""
DRAIN_S = 600.0
"""How long talks may go on after the last attempt was placed."""
PHONE_AGAIN_S = 35.0
"""How long after an agent's phone was called it is called again, while its leg is not up."""
DECLINED_PAUSE_S = 5.0
"""How long nothing is dialed after the engine declined a call: its trouble seldom ends at once."""
DECLINED_MAX = 12
"""So many pauses in a row, with no call dialed between them and none up, end the run: a minute."""
RECORDINGS_S = 3.0
"""How long the last recordings get to reach the disk; the next start mends what did not."""
SWEEP_S = 600.0
"""How often recordings whose time is over are looked for."""
CLAIMS_A_TICK = 4
"""How often one tick goes back to the hopper when leads were refused."""


@dataclass(slots=True, kw_only=True)
class Dialer:
    """One campaign being dialed: the lease, the limits, and the last decision with its reason."""

    floor: Floor
    campaign: Campaign
    attempts_max: int | None = None
    """Stop placing calls after so many were dialed; None means as long as leads are due."""
    keep_running: bool = False
    """Wait for leads that are due later instead of finishing."""
    declined_pause_s: float = DECLINED_PAUSE_S
    tick_s: float = TICK_S
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set it to end all calls now."""
    decision: pacing.Decision | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    """Recovered and dialing: agents may log in now."""
    state: str = "starting"
    """In a few words, for people: what the dialer is doing, and why it does not dial."""
    placed: int = 0
    refused: int = 0
    _declined_until: float = 0.0
    _declined_why: str = ""
    _declined_in_a_row: int = 0
    _phoned_at: dict[SessionId, float] = field(default_factory=dict)
    _abandon_read: float = 0.0
    _swept_at: float = -math.inf
    _queued: int = 0
    _caller_ids_left: int = 0
    """How many calls more the caps of the pool allow, where it has one."""
    _credit: float = 0.0
    _credit_at: float = 0.0

    async def run(self) -> None:
        """Dial until told to stop, until `attempts_max`, or until no lead is due.

        Raises `CampaignBusy` when another dialer holds the campaign, `StoreUnavailable` when the
        database goes away (calls are then ended by the engine's stop), `EngineUnavailable` when the
        engine is gone for good, or no call can be placed for a minute.
        """
        floor, campaign = self.floor, self.campaign
        floor.campaigns[campaign.id] = campaign
        lease = await self._take()
        is_store_lost = False
        try:
            await recover(floor, campaign.id)
            await self._learn_from_history()
            listener = asyncio.create_task(self._listen())
            keeper = asyncio.create_task(self._keep(lease))
            ticker = asyncio.create_task(self._tick_until_done(lease))
            self.started.set()
            floor.running.add(campaign.id)
            try:
                done, _ = await asyncio.wait(
                    {listener, keeper, ticker}, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
            except StoreUnavailable:
                # Nothing can be looked up or written, and asking again only costs time in which
                # phones ring for nobody: the engine's stop ends the calls, the next run recovers.
                is_store_lost = True
                raise
            finally:
                floor.running.discard(campaign.id)
                for task in (ticker, keeper):
                    await _end(task)
                if not is_store_lost:
                    with contextlib.suppress(FairdialError):
                        await self._wind_down()
                await _end(listener)
        finally:
            if not is_store_lost:
                with contextlib.suppress(FairdialError):
                    await self._give_back(lease)

    # --- the lease --------------------------------------------------------------------------------

    async def _take(self) -> Lease:
        floor = self.floor
        dialer_id = DialerId(floor.ids.new())
        for _ in range(TAKE_TRIES):
            try:
                return await self._take_once(dialer_id)
            except CampaignBusy as error:
                # A dialer that was killed holds its lease for a few seconds more.
                self.state = str(error)
                log.info("%s", error)
                await asyncio.sleep(1)
        return await self._take_once(dialer_id)

    async def _take_once(self, dialer_id: DialerId) -> Lease:
        floor, now = self.floor, self.floor.clock.now()
        async with floor.store.transaction() as tx:
            lease = await tx.take_campaign(
                self.campaign.id, dialer_id, now=floor.clock.real(), life=LEASE_LIFE
            )
            await tx.set_campaign_state(self.campaign.id, CampaignState.RUNNING)
            tx.audit(
                "campaign.started",
                self.campaign.id,
                {
                    "name": self.campaign.name,
                    "epoch": lease.epoch,
                    "rulebook": floor.rulebook.hash,
                    "tzdata": floor.rulebook.tzdata,
                    "sandbox": floor.is_sandbox,
                },
                actor=f"dialer:{dialer_id}",
                at=now,
            )
        return lease

    async def _keep(self, lease: Lease) -> None:
        while True:
            await asyncio.sleep(LEASE_RENEW_S)
            async with self.floor.store.transaction() as tx:
                await tx.renew_campaign(lease, now=self.floor.clock.real(), life=LEASE_LIFE)

    async def _give_back(self, lease: Lease) -> None:
        floor = self.floor
        async with floor.store.transaction() as tx:
            await tx.release_campaign(lease)
            await tx.set_campaign_state(self.campaign.id, CampaignState.STOPPED)
            tx.audit(
                "campaign.stopped",
                self.campaign.id,
                {"epoch": lease.epoch, "why": self.state},
                actor=f"dialer:{lease.dialer_id}",
                at=floor.clock.now(),
            )

    async def _learn_from_history(self) -> None:
        floor = self.floor
        async with floor.store.transaction() as tx:
            calls = await tx.history(self.campaign.id, floor.clock.now())
        learned = pacing.Statistics.cold()
        for call in calls:
            learned = learned.after_call(elapsed_s=call.elapsed_s, picked_up=call.picked_up)
            if call.talk_s is not None:
                learned = learned.after_talk(call.talk_s)
        floor.statistics[self.campaign.id] = learned

    # --- what happens -----------------------------------------------------------------------------

    async def _listen(self) -> None:
        async for event in self.floor.telephony.events():
            try:
                await self._hear(event)
            except Overtaken as error:
                # One event about one row that another hand moved; the others must still be heard.
                log.error("an event was overtaken: %s", error)

    async def _hear(self, event: TelephonyEvent) -> None:
        floor = self.floor
        match event:
            case EngineUp():
                await self._reconnect_agents()
                floor.is_engine_up = True
            case EngineDown(why=why, is_final=is_final):
                floor.is_engine_up = False
                self.state = f"not dialing: the telephony engine is down ({why})"
                log.error("%s", self.state)
                await after_engine_death(floor, self.campaign.id)
                if is_final:
                    raise EngineUnavailable(f"the telephony engine is down: {why}")
            case AgentLegUp() | AgentLegDown():
                await hear.on_leg(floor, event)
            case CallNotDialed(why=why):
                self._rest(why)
                self.placed -= 1
                log.warning("the engine declined a call: %s", why)
                await on_call_event(floor, event)
            case CallEvent():
                if isinstance(event, CallDialed):
                    self._declined_in_a_row = 0
                await hear.on_call(floor, event)
            case InboundEvent():
                await hear.on_call(floor, event)
            case RecordingEnded():
                await recordings.on_ended(floor, event)
            case TrunkChanged(trunk=trunk, is_up=is_up, why=why):
                log.info("trunk %s is %s: %s", trunk, "up" if is_up else "down", why)

    def _rest(self, why: str) -> None:
        """Dial nothing for some seconds: the engine declined a call, or would."""
        wall = asyncio.get_running_loop().time()
        if wall >= self._declined_until:  # Calls of one moment are declined together.
            self._declined_in_a_row += 1
        self._declined_until = wall + self.declined_pause_s
        self._declined_why = why

    async def _call_lost_phones(self, sessions: list[AgentSession]) -> None:
        """An agent whose leg broke is called again until the phone is back."""
        wall = asyncio.get_running_loop().time()
        lost = [s for s in sessions if s.state is AgentState.CONNECTING]
        self._phoned_at = {s.id: self._phoned_at.get(s.id, wall) for s in lost}
        for session in lost:
            if self.floor.is_engine_up and wall - self._phoned_at[session.id] > PHONE_AGAIN_S:
                self._phoned_at[session.id] = wall
                await agent_desk.connect_leg(self.floor, session)

    async def _reconnect_agents(self) -> None:
        async with self.floor.store.transaction() as tx:
            sessions = await tx.open_sessions(self.campaign.id)
        for session in sessions:
            if not session.is_leg_up:
                await agent_desk.connect_leg(self.floor, session)

    # --- the tick ---------------------------------------------------------------------------------

    async def _tick_until_done(self, lease: Lease) -> None:
        loop = asyncio.get_running_loop()
        draining_since: float | None = None
        while not self.stopping.is_set():
            if loop.time() - self._swept_at > SWEEP_S:
                self._swept_at = loop.time()
                await recordings.delete_spent(self.floor, self.campaign.id)
            await self._keep_deadlines()
            attempts, sessions, leads = await self._look()
            await self._call_lost_phones(sessions)
            if self.stopping.is_set():
                return  # Whoever stops us has said why; `state` keeps it.
            if self._has_enough() or (draining_since is not None):
                draining_since = draining_since or loop.time()
                self.state = "the last calls are ending"
                if not attempts or loop.time() - draining_since > DRAIN_S:
                    self.state = "all attempts were made"
                    return
            elif self.floor.is_engine_up:
                await self._pace(lease, attempts, sessions)
                if self.stopping.is_set():
                    return
                if not attempts and leads.due == 0 and leads.claimed == 0 and self._is_over(leads):
                    return
            await self._pause()

    def _is_over(self, leads: LeadCounts) -> bool:
        """Whether nothing is left to wait for; the reason goes into `state`."""
        if leads.later and leads.next_due_at is not None:
            next_at = f"{leads.next_due_at:%H:%M} UTC"
            are = "lead is" if leads.later == 1 else "leads are"
            self.state = f"{leads.later} {are} due later, the next at {next_at}"
            return not self.keep_running
        self.state = "every lead is finished"
        return True

    def _has_enough(self) -> bool:
        return self.attempts_max is not None and self.placed >= self.attempts_max

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), self.tick_s)

    async def _keep_deadlines(self) -> None:
        floor, now = self.floor, self.floor.clock.now()
        async with floor.store.transaction() as tx:
            overdue = await tx.overdue_attempts(self.campaign.id, now)
            unwanted = await tx.unwanted_in_flight(self.campaign.id)
        for attempt_id in overdue:
            with about(attempt_id):
                await apply(floor, attempt_id, line.DeadlinePassed(), now)
        for attempt_id, why in unwanted.items():
            with about(attempt_id):
                log.info("%s while the phone rang; the call is taken back", why)
                await apply(floor, attempt_id, line.HangUpAsked(why=why), now)
        await transfers.keep_deadlines(floor, self.campaign.id)
        await inbound.keep_deadlines(floor, self.campaign.id)
        await agent_desk.end_overdue_wrap_ups(floor, self.campaign.id)
        await inbound.serve(floor, self.campaign.id)

    async def _look(self) -> tuple[list[Attempt], list[AgentSession], LeadCounts]:
        floor, now = self.floor, self.floor.clock.now()
        wall = asyncio.get_running_loop().time()
        async with floor.store.transaction() as tx:
            attempts = await tx.open_attempts(self.campaign.id)
            sessions = await tx.open_sessions(self.campaign.id)
            leads = await tx.lead_counts(self.campaign.id, now)
            pool = self.campaign.pool
            if pool is not None and pool.calls_a_day_max is not None:
                numbers = self.campaign.caller_ids
                uses = await tx.caller_id_uses(numbers, now)
                self._caller_ids_left = caller_id.calls_left(numbers, uses, pool.calls_a_day_max)
            self._queued = len(await tx.switchboard.queued(self.campaign.id))
            if not self._abandon_read or wall - self._abandon_read > ABANDON_REFRESH_S:
                floor.abandonment[self.campaign.id] = await measure_abandonment(
                    tx,
                    self.campaign.id,
                    measures=floor.rulebook.abandon_measures(now.date()),
                    ceilings=floor.rulebook.ceilings_of(self.campaign, now.date()),
                    now=now,
                )
                self._abandon_read = wall
        return attempts, sessions, leads

    async def _pace(
        self, lease: Lease, attempts: list[Attempt], sessions: list[AgentSession]
    ) -> None:
        if asyncio.get_running_loop().time() < self._declined_until:
            self.state = f"not dialing for some seconds: {self._declined_why}"
            return
        if self._declined_in_a_row >= DECLINED_MAX and not attempts:
            self.state = f"no call can be placed: {self._declined_why}"
            raise EngineUnavailable(
                f"{self.state}\nNothing rang for these calls. What to do: mend what it names, then "
                "start again; nothing is lost."
            )
        lines = await self._free_lines()
        if self.stopping.is_set():
            return  # Whoever stopped us meanwhile has said why; `state` keeps it.
        if lines is None:
            self.state = f"not dialing: {self._declined_why}"
            return
        pool = self.campaign.pool
        if pool is not None and pool.calls_a_day_max is not None:
            lines = min(lines, self._caller_ids_left)
            if not self._caller_ids_left:
                most = pool.calls_a_day_max
                self.state = f"not dialing: every caller ID made its {most} calls of 24 hours"
                return
        snapshot = self._snapshot(attempts, sessions, lines)
        self.decision = pacing.decide(snapshot)
        self.state = self.decision.why
        wanted = self.decision.calls
        # Each agent who is ready is kept for one of the calls that may be answered.
        free_agents = snapshot.ready - snapshot.waiting - len(snapshot.in_flight_s)
        if self.attempts_max is not None:
            wanted = min(wanted, self.attempts_max - self.placed)
        for _ in range(CLAIMS_A_TICK):
            if wanted <= 0 or self.stopping.is_set() or not self.floor.is_engine_up:
                return
            now = self.floor.clock.now()
            async with self.floor.store.transaction() as tx:
                leads = await tx.claim_due(
                    self.campaign.id, most=min(wanted, hopper.CLAIM_MAX), now=now
                )
            if not leads:
                return
            for lead in leads:
                result = await place_call(
                    self.floor, lease, lead, is_agent_guaranteed=free_agents > 0
                )
                if isinstance(result, Attempt):
                    free_agents -= 1
                    self.placed += 1
                    self._credit -= 1
                    wanted -= 1
                elif result is None:
                    wanted -= 1  # Its caller IDs are spent: asked again at the next look.
                else:
                    self.refused += 1

    async def _free_lines(self) -> int | None:
        """How many calls more the trunks carry; None when none of them is up, and why is told.

        A permit is not asked for where no trunk could take its call.
        """
        try:
            trunks = await self.floor.telephony.trunks()
        except EngineUnavailable as error:
            self._rest(str(error))
            return None
        up = [trunk for trunk in trunks if trunk.is_up]
        if not up:
            whys = "; ".join(f"{trunk.name}: {trunk.why}" for trunk in trunks)
            self._rest(f"no trunk is up ({whys})")
            return None
        return sum(max(0, trunk.calls_max - trunk.calls) for trunk in up)

    def _snapshot(
        self, attempts: list[Attempt], sessions: list[AgentSession], lines: int
    ) -> pacing.Snapshot:
        floor, campaign, now = self.floor, self.campaign, self.floor.clock.now()
        unanswered = [a for a in attempts if line.in_flight(a.state)]
        up = sum(a.state in line.OPEN_STATES for a in attempts)
        record = floor.abandonment[campaign.id].record

        def elapsed(*states: AgentState) -> tuple[float, ...]:
            busy = [s for s in sessions if s.state in states and not s.pause_asked]
            return tuple(_seconds(now, s.since) for s in busy)

        return pacing.Snapshot(
            pace=campaign.pace,
            ready=sum(s.state is AgentState.READY and s.is_leg_up for s in sessions),
            talking_s=elapsed(AgentState.RESERVED, AgentState.TALKING),
            wrapping_s=elapsed(AgentState.WRAP_UP),
            in_flight_s=tuple(_seconds(now, a.dialed_at or a.permitted_at) for a in unanswered),
            # Who waits in the queue will have the next agent, as an answered call of ours would.
            waiting=sum(a.state is AttemptState.WAITING for a in attempts) + self._queued,
            statistics=floor.learned(campaign.id),
            live_answers=record.live_answers,
            abandoned=record.abandoned,
            ring_s=float(campaign.ring_s),
            connect_s_max=campaign.connect_ms_max / 1000,
            wrap_up_s_max=float(campaign.wrap_up_s),
            room=max(
                0,
                min(campaign.pace.calls_in_flight_max - up, lines, self._calls_per_second_room()),
            ),
        )

    def _calls_per_second_room(self) -> int:
        """A bucket of one second's calls, filled as time goes by."""
        wall = asyncio.get_running_loop().time()
        per_s = self.campaign.pace.calls_per_second_max
        if self._credit_at:
            self._credit = min(per_s, self._credit + (wall - self._credit_at) * per_s)
        else:
            self._credit = per_s
        self._credit_at = wall
        return int(self._credit)

    # --- the end ----------------------------------------------------------------------------------

    async def _await_recordings(self) -> None:
        """The recordings of the calls that ended just now reach the disk; bounded in time."""
        loop = asyncio.get_running_loop()
        until = loop.time() + RECORDINGS_S
        while self.campaign.recording is not None and loop.time() < until:
            async with self.floor.store.transaction(durable=False) as tx:
                if not await tx.switchboard.open_recordings(self.campaign.id):
                    return
            await asyncio.sleep(0.05)

    async def _wind_down(self) -> None:
        """Take back what rings, end what talks, log everybody out; bounded in time."""
        floor, loop = self.floor, asyncio.get_running_loop()
        until = loop.time() + WIND_DOWN_S
        asked: set[object] = set()
        while True:
            now = floor.clock.now()
            async with floor.store.transaction() as tx:
                attempts = await tx.open_attempts(self.campaign.id)
            up = [a for a in attempts if a.state in line.OPEN_STATES]
            for attempt in up:
                if attempt.id not in asked:
                    asked.add(attempt.id)
                    with about(attempt.id):
                        await apply(floor, attempt.id, line.HangUpAsked(), now)
            callers = await inbound.end_all(floor, self.campaign.id, is_engine_lost=False)
            if not (up or callers) or loop.time() > until or not floor.is_engine_up:
                break
            await asyncio.sleep(0.05)
        await monitor.stop_all(floor, self.campaign.id, why="the run ends")
        await self._await_recordings()
        if up or callers:
            await after_engine_death(floor, self.campaign.id)
        async with floor.store.transaction() as tx:
            sessions = await tx.open_sessions(self.campaign.id)
        for session in sessions:
            await agent_desk.log_out(floor, session.id)
        async with floor.store.transaction() as tx:
            await tx.return_claimed(self.campaign.id)


async def _end(task: asyncio.Task[None]) -> None:
    """End a task of ours and let its own failure be heard only by who waited for it."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, FairdialError):
        await task


def _seconds(now: Instant, since: Instant) -> float:
    return max(0.0, (now - since).total_seconds())

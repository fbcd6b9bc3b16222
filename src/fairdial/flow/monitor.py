"""A supervisor listens to an agent: to the call that the agent has, and to those that follow.

The supervisor's phone is nailed up once and follows the agent from call to call. Each beginning,
change and end stands in the audit chain. The called party is not told: where the law asks that
everybody knows, the house has to say so itself.
"""

from __future__ import annotations

from dataclasses import replace

from fairdial.core.agent import AgentState
from fairdial.core.conversation import Part
from fairdial.core.ids import CallId, CampaignId, Instant, MonitorId, SessionId
from fairdial.core.monitor import PARTS, Monitor
from fairdial.exceptions import EngineUnavailable, ImpossibleEvent
from fairdial.flow.floor import Floor, log
from fairdial.ports import AgentLegDown, AgentLegUp, Transaction


async def monitor(
    floor: Floor, session_id: SessionId, *, supervisor: str, phone: str | None, part: Part
) -> Monitor:
    """Follow an agent session: listen, whisper to the agent, or talk with both.

    `phone` is called and nailed up; None when the supervisor's browser is to be connected under the
    id of the monitor (`Telephony.connect_browser(monitor.leg_id, …)`).
    """
    _check(part)
    now = floor.clock.now()
    async with floor.store.transaction() as tx:
        session = await tx.glance(session_id)
        if session is None or session.state is AgentState.LOGGED_OUT:
            raise ImpossibleEvent(f"agent session {session_id} is not open; nobody to listen to")
        started = Monitor(
            id=MonitorId(floor.ids.new()),
            campaign_id=session.campaign_id,
            supervisor=supervisor,
            session_id=session_id,
            part=part,
            since=now,
        )
        await tx.switchboard.open_monitor(started)
        _audit(tx, started, "monitor.started", now)
    if phone is not None:
        try:
            await floor.telephony.connect_agent(started.leg_id, phone)
        except EngineUnavailable as error:
            log.warning("the supervisor has no leg: %s", error)
            await _end(floor, started.id, now, why=str(error))
    return started


async def change_part(floor: Floor, monitor_id: MonitorId, part: Part) -> Monitor:
    """From listening to whispering, from whispering to talking, and back."""
    _check(part)
    now = floor.clock.now()
    async with floor.store.transaction() as tx:
        before = await _open(tx, monitor_id)
        changed = replace(before, part=part)
        await tx.switchboard.save_monitor(changed)
        _audit(tx, changed, "monitor.changed", now)
    await follow(floor, changed.session_id)
    return changed


async def stop(floor: Floor, monitor_id: MonitorId) -> None:
    """The supervisor stops listening; their leg is taken down."""
    await _end(floor, monitor_id, floor.clock.now(), why="stopped")
    try:
        await floor.telephony.disconnect_agent(SessionId(monitor_id))
    except EngineUnavailable as error:
        log.info("the supervisor's leg is gone already: %s", error)


async def follow(floor: Floor, session_id: SessionId) -> None:
    """Bring whoever listens to an agent to where the agent is now."""
    joins: list[tuple[CallId, Monitor]] = []
    leaves: list[tuple[CallId, Monitor]] = []
    async with floor.store.transaction(durable=False) as tx:
        session = await tx.glance(session_id)
        if session is None:
            return
        call_id = session.call_id if session.state is AgentState.TALKING else None
        for listener in await tx.switchboard.monitors_of(session_id):
            if not listener.is_leg_up:
                continue
            if call_id is not None:
                joins.append((call_id, listener))
            elif listener.call_id is not None:
                leaves.append((listener.call_id, listener))
            if listener.call_id != call_id:
                await tx.switchboard.save_monitor(replace(listener, call_id=call_id))
                if call_id is not None:
                    listens = replace(listener, call_id=call_id)
                    _audit(tx, listens, "monitor.joined", floor.clock.now())
    try:
        for left, listener in leaves:
            await floor.telephony.leave(left, listener.leg_id)
        for joined, listener in joins:
            await floor.telephony.join(joined, listener.leg_id, listener.part)
    except EngineUnavailable as error:
        log.warning("the engine let no supervisor in: %s", error)


async def on_leg_event(floor: Floor, event: AgentLegUp | AgentLegDown) -> bool:
    """The supervisor's leg came up or broke; False when the leg is none of a supervisor."""
    async with floor.store.transaction(durable=False) as tx:
        found = await tx.switchboard.monitor(event.session_id)
        if found is None:
            return False
        if isinstance(event, AgentLegUp) and found.ended_at is None:
            await tx.switchboard.save_monitor(replace(found, is_leg_up=True))
    if isinstance(event, AgentLegDown):
        await _end(floor, found.id, event.at, why=event.why)
    else:
        await follow(floor, found.session_id)
    return True


async def stop_all(floor: Floor, campaign_id: CampaignId, *, why: str) -> None:
    """Nobody listens any more: the run ends, or the engine died with every leg."""
    async with floor.store.transaction() as tx:
        listeners = await tx.switchboard.open_monitors(campaign_id)
    for listener in listeners:
        await _end(floor, listener.id, floor.clock.now(), why=why)


async def _end(floor: Floor, monitor_id: MonitorId, now: Instant, *, why: str) -> None:
    async with floor.store.transaction() as tx:
        found = await tx.switchboard.monitor(monitor_id)
        if found is None or found.ended_at is not None:
            return
        ended = replace(found, is_leg_up=False, call_id=None, ended_at=now)
        await tx.switchboard.save_monitor(ended)
        _audit(tx, found, "monitor.stopped", now, why=why)


async def _open(tx: Transaction, monitor_id: MonitorId) -> Monitor:
    found = await tx.switchboard.monitor(monitor_id)
    if found is None or found.ended_at is not None:
        raise ImpossibleEvent(f"monitor {monitor_id} is not open; nothing was changed")
    return found


def _check(part: Part) -> None:
    if part not in PARTS:
        raise ImpossibleEvent(f"a supervisor may listen, whisper or talk, and not {part.value}")


def _audit(tx: Transaction, monitor: Monitor, kind: str, now: Instant, *, why: str = "") -> None:
    body = {
        "session": monitor.session_id,
        "part": monitor.part.value,
        "call": monitor.call_id,
        "why": why,
    }
    tx.audit(kind, monitor.id, body, actor=f"supervisor:{monitor.supervisor}", at=now)

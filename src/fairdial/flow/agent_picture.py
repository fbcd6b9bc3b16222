"""What an agent has before them: their session, and the person they are joined with.

Read from the tables each time, for all browsers of a campaign at once. Who a call is with does not
change, so it is looked up once for each call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fairdial.core.agent import AgentSession
from fairdial.core.attempt import Attempt
from fairdial.core.campaign import Campaign
from fairdial.core.ids import CallId, Instant, LeadId, SessionId
from fairdial.core.inbound import InboundCall
from fairdial.core.recording import CallRecording
from fairdial.core.transfer import Transfer
from fairdial.flow.floor import Floor
from fairdial.ports import Transaction, is_browser

_NAMES_KEPT = 2000
"""Leads whose names are remembered: more than are ever on the line at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPicture:
    """One agent's desk at one moment."""

    at: Instant
    session: AgentSession
    name: str = ""
    """Of the person on the line, or the one that the wrap-up is about; empty when not known."""
    number: str = ""
    """Theirs; empty without a call, and when a caller withholds it."""
    is_held: bool = False
    transfer: Transfer | None = None
    """The transfer of the call at hand."""
    recording: CallRecording | None = None
    """The recording of the call at hand, while it runs."""
    may_leave_message: bool = False
    """Whether a recorded message may be left on the call at hand, should a machine have it."""


@dataclass(slots=True)
class BrowserDesks:
    """The desks of a campaign's agents whose phones are browsers."""

    floor: Floor
    campaign: Campaign
    _names: dict[LeadId, str] = field(default_factory=dict)

    async def look(self) -> Mapping[SessionId, AgentPicture]:
        """Look at all of them."""
        now = self.floor.clock.now()
        async with self.floor.store.transaction(durable=False) as tx:
            sessions = await tx.open_sessions(self.campaign.id)
            pictures = {
                s.id: AgentPicture(at=now, session=s) for s in sessions if is_browser(s.phone)
            }
            calls: dict[CallId, Attempt | InboundCall] = {}
            transfers: dict[CallId, Transfer] = {}
            recordings: dict[CallId, CallRecording] = {}
            if any(p.session.call_id is not None for p in pictures.values()):
                calls |= {a.id: a for a in await tx.open_attempts(self.campaign.id)}
                calls |= {
                    c.id: c for c in await tx.switchboard.open_inbound_calls(self.campaign.id)
                }
                transfers = {
                    t.call_id: t for t in await tx.switchboard.open_transfers(self.campaign.id)
                }
                if self.campaign.recording is not None:
                    recordings = {
                        r.call_id: r for r in await tx.switchboard.open_recordings(self.campaign.id)
                    }
            for picture in list(pictures.values()):
                call_id = picture.session.call_id
                if call_id is not None and (call := calls.get(call_id)) is not None:
                    pictures[picture.session.id] = replace(
                        picture,
                        name=await self._name(tx, call.lead_id),
                        number=(call.caller if isinstance(call, InboundCall) else call.number),
                        is_held=call.is_held,
                        transfer=transfers.get(call_id),
                        recording=recordings.get(call_id),
                        may_leave_message=isinstance(call, Attempt) and call.may_leave_message,
                    )
        return pictures

    async def _name(self, tx: Transaction, lead_id: LeadId | None) -> str:
        if lead_id is None:
            return ""
        if lead_id not in self._names:
            while len(self._names) >= _NAMES_KEPT:
                self._names.pop(next(iter(self._names)))
            self._names[lead_id] = (await tx.lead(lead_id)).name
        return self._names[lead_id]

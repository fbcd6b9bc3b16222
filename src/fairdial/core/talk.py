"""What people do with a live call: one vocabulary for calls that we make and calls made to us.

Hold, park, pick up, hand over: the events and actions that `core.attempt` and `core.inbound` share,
and which disposition stands when several people recorded one. Who may do what is decided by their
tables; who hears whom, by `core.conversation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from fairdial.core.ids import Instant, SessionId
from fairdial.core.outcome import Disposition

PARK_LIMIT = timedelta(minutes=2)
"""How long a parked call hears music before a message takes its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Who is outside hears music, and the agent does not hear them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheld:
    """Back from hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """The agent leaves the call on hold, for whoever picks it up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """Another agent session has the call: picked up, transferred, or left to it."""

    session_id: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOn:
    """Somebody who is no agent session of ours has the call; who passed it on records it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """An agent who does not have the call any more recorded a disposition."""

    disposition: Disposition
    callback_at: Instant | None = None


Event = Held | Unheld | Parked | HandedOver | PassedOn | Noted


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Play music to who is outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unhold:
    """Let who is outside hear and be heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndTalk:
    """The agent leaves a call that goes on, and begins wrap-up."""

    session_id: SessionId


Action = Hold | Unhold | EndTalk


def standing(before: Disposition | None, new: Disposition) -> Disposition:
    """Which disposition stands: a stop request for good, else the newest that says something."""
    if before is Disposition.STOP_CALLING:
        return before
    if before is not None and new is Disposition.NO_DISPOSITION:
        return before
    return new

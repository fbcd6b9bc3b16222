"""What a campaign is: a purpose for calling, its lists, dial mode, caller ID, retry plan, limits.

Knows nothing of who is at a desk or what rings now; `pacing` decides how many calls to place,
`hopper` which lead is next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from fairdial.core.caller_id import CallerIdPool
from fairdial.core.ids import E164, CampaignId, SellerId
from fairdial.core.outcome import Disposition, Outcome
from fairdial.core.recording import RecordingPlan


class Purpose(StrEnum):
    """Why the company calls. Content with any element of a sale is telemarketing."""

    TELEMARKETING = "telemarketing"
    INFORMATIONAL = "informational"
    COLLECTIONS = "collections"
    SURVEY = "survey"
    POLITICAL = "political"
    EMERGENCY = "emergency"


class Method(StrEnum):
    """How the called party is spoken to, as the law distinguishes it."""

    LIVE_MANUAL = "live_manual"
    LIVE_AUTODIALED = "live_autodialed"
    PRERECORDED = "prerecorded"
    AI_VOICE = "ai_voice"


class MachinePolicy(StrEnum):
    """What becomes of a call that a machine answers."""

    CONNECT = "connect"
    """Nobody listens: every answer goes to an agent at once."""
    HANG_UP = "hang_up"
    LEAVE_MESSAGE = "leave_message"
    """A recorded message after the beep, where the permit covers one; else as `HANG_UP`."""


class DialMode(StrEnum):
    """Who starts the call and how many at once."""

    PROGRESSIVE = "progressive"
    POWER = "power"
    PREDICTIVE = "predictive"


class CampaignState(StrEnum):
    """Whether a campaign may place calls."""

    READY = "ready"
    RUNNING = "running"
    STOPPED = "stopped"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """What follows one outcome: wait so long, at most so many attempts of this lead in all."""

    after: timedelta
    attempts_max: int
    then: tuple[timedelta, ...] = ()
    """The waits after the second attempt and the following ones; the last one stays."""

    def wait(self, attempts: int) -> timedelta:
        """How long to wait after so many attempts of the lead."""
        waits = (self.after, *self.then)
        return waits[min(max(1, attempts), len(waits)) - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPlan:
    """The retry rule of each outcome; an outcome without a rule finishes the lead."""

    rules: Mapping[Outcome, RetryRule] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The pacing settings of a campaign.

    `dial_level` is used by power; `dial_level_max` bounds predictive;
    `abandon_rate_target` is what predictive steers for, under the legal ceiling.
    """

    mode: DialMode = DialMode.PROGRESSIVE
    dial_level: float = 1.5
    dial_level_max: float = 20.0
    abandon_rate_target: float = 0.0285
    calls_in_flight_max: int = 200
    calls_per_second_max: float = 20.0


class InboundAnswer(StrEnum):
    """Who answers when people call the caller ID."""

    AGENTS = "agents"
    """An agent, after a wait with music if need be; the line when nobody comes."""
    LINE = "line"
    """A recording that says who called, and takes a stop request by key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundPlan:
    """What becomes of calls to a campaign's caller ID."""

    answer: InboundAnswer
    queue_s_max: int
    """How long a caller may wait for an agent before the line answers, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A purpose for calling, with everything the line of a call needs to know about it."""

    id: CampaignId
    name: str
    seller_id: SellerId
    seller_name: str
    """The company on whose behalf we call; said to the called party."""
    purpose: Purpose
    method: Method
    caller_id: E164
    caller_name: str
    pace: Pace
    retry: RetryPlan
    ring_s: int
    """How long a phone rings before we give up, seconds. Never under 15: 47 CFR 64.1200(a)(6)."""
    connect_ms_max: int
    """The connect deadline, milliseconds from the start that `connect_from` names."""
    wrap_up_s: int
    """The most time an agent has for wrap-up before being ready again, seconds."""
    script: str
    dispositions: tuple[Disposition, ...] = ()
    """What agents may record; empty means all."""
    inbound: InboundPlan | None = None
    """What becomes of calls to the caller ID; None means that none is taken."""
    transfer: Mapping[str, str] = field(default_factory=dict)
    """Where agents may pass a call on to: names, each with a SIP URI or `phone:NAME`."""
    machines: MachinePolicy = MachinePolicy.CONNECT
    pool: CallerIdPool | None = None
    """More numbers to show beside `caller_id`; None shows that one to everybody."""

    recording: RecordingPlan | None = None
    """How talks are recorded; None means that none is."""
    has_voicemail: bool = False
    """Whether there is a recording that an agent may leave on a machine."""

    @property
    def caller_ids(self) -> tuple[E164, ...]:
        """Every number that may be shown, its own first."""
        return (self.caller_id, *(self.pool.numbers if self.pool else ()))

"""The few things that the story of a call needs from the world, in our words.

Adapters implement them; `flow` uses them; `app` joins the two. An adapter's own vocabulary (SIP
status codes, SQL) stays inside it, with the raw word kept beside ours for people who debug a trunk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from fairdial.core.abandon import AbandonFigure, AbandonMeasure, AbandonRecord
from fairdial.core.agent import AgentSession
from fairdial.core.answer import AnswerKind as AnswerKind
from fairdial.core.answer import Tone as Tone
from fairdial.core.attempt import Attempt
from fairdial.core.attempt import EndCause as EndCause
from fairdial.core.attempt import Message as Message
from fairdial.core.audit import AuditEntry
from fairdial.core.campaign import Campaign, CampaignState
from fairdial.core.checkpoint import ChainHead, Checkpoint
from fairdial.core.conversation import Part as Part
from fairdial.core.facts import Emergency, Facts, SuppressionKind
from fairdial.core.hopper import NextStep
from fairdial.core.ids import (
    E164,
    AttemptId,
    CallId,
    CampaignId,
    ConsentId,
    DialerId,
    InboundId,
    Instant,
    LeadId,
    LegId,
    ListId,
    RecordingId,
    SellerId,
    SessionId,
    TransferId,
)
from fairdial.core.inbound import InboundCall
from fairdial.core.intake import NewLead
from fairdial.core.lead import Lead
from fairdial.core.ledger import (
    ConsentRecord,
    DeclaredEmergency,
    KnownNumber,
    LineTypeRecord,
    ReassignedRecord,
    RelationshipRecord,
    RestrictionRecord,
)
from fairdial.core.monitor import Monitor
from fairdial.core.outcome import Disposition
from fairdial.core.permit import Permit, Refusal
from fairdial.core.proof import KeptJudgement, KeptRulebook, RecordItem
from fairdial.core.recording import CallRecording
from fairdial.core.registry import (
    AreaCopy,
    Coverage,
    RegistryCopy,
    RegistryOrder,
    RegistrySetup,
)
from fairdial.core.score import Example
from fairdial.core.transfer import Transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent:
    """Something the network said about one attempt. `at` is by the Clock of this installation."""

    attempt_id: AttemptId
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDialed(CallEvent):
    """The INVITE is on the wire (and in the wire log). From here on it may have rung.

    It comes again, with another trunk, when the first one failed before any ringing.
    """

    trunk: str = ""
    """The name of the trunk that took it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallNotDialed(CallEvent):
    """Nothing was sent, and nothing will be: the engine declined before the wire."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRinging(CallEvent):
    """The called party's phone rings (180, or 183 with its own ringing tone)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered(CallEvent):
    """Somebody or something picked up (200)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBridged(CallEvent):
    """The called party and the agent's leg are joined; audio flows both ways."""

    session_id: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePlayed(CallEvent):
    """A recorded message came to its end, and so did the time to answer it by a key."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerJudged(CallEvent):
    """What answered, by its sound. At most one for each answer, where `dial` asked for it."""

    kind: AnswerKind
    confidence: float
    """0 to 1; how sure of `kind`."""
    why: str
    """What spoke for it: `one word, then 0.9 s of silence`."""
    greeting_started_at: Instant | None = None
    """When a voice was first heard; None when none was."""
    greeting_ended_at: Instant | None = None
    """When the first greeting ended; None while it goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToneHeard(CallEvent):
    """A tone of the network or of a machine, in early media or after the answer."""

    tone: Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDigit(CallEvent):
    """The called party pressed a key; one event for each press, in order.

    What people key in during a talk may be a card's number: it is neither logged nor kept.
    """

    digit: str
    """`0` to `9`, `*`, `#`, `A` to `D`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(CallEvent):
    """The network leg is gone. Exactly one follows every `CallDialed`, unless the engine died."""

    cause: EndCause
    raw: str
    """The network's own word: `SIP 486 Busy Here`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundEvent:
    """Something about a call that somebody makes to us."""

    inbound_id: InboundId
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundOffered(InboundEvent):
    """Somebody calls. It rings on their side until `answer` or `hang_up`, for a bounded time."""

    caller: str
    """The number as the trunk gives it, E.164 where it could be read so; empty when withheld."""
    called: str
    """The number of ours that was called, E.164 where it could be read so."""
    trunk: str
    verification: str = ""
    """The carrier's word on the caller's number (`verstat`), or that an Identity header came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundBridged(InboundEvent):
    """Who called in and one of our phones are joined."""

    session_id: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundPlayed(InboundEvent):
    """A recorded message came to its end, and so did the time to answer it by a key."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundDigit(InboundEvent):
    """Who called in pressed a key. Neither logged nor kept, as for `CallDigit`."""

    digit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundEnded(InboundEvent):
    """The leg is gone. Exactly one follows every `InboundOffered`, unless the engine died."""

    cause: EndCause
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingEnded:
    """A recording is complete and on disk."""

    recording_id: RecordingId
    call_id: CallId
    path: Path
    seconds: float
    at: Instant
    fault: str = ""
    """Why it is shorter than the call: a full disk, a folder that is gone; empty when it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkChanged:
    """A trunk became usable or stopped being so: its health check, registration or a 503."""

    trunk: str
    is_up: bool
    why: str
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkStatus:
    """A trunk as it is right now."""

    name: str
    is_up: bool
    why: str
    """Why it is down, or what last vouched for it."""
    calls: int
    """Calls on it now, in either direction."""
    calls_max: int
    calls_per_second: float
    """The most that may start in a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLegUp:
    """A phone of ours is nailed up: from now on an answered call is heard at once."""

    session_id: SessionId
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLegDown:
    """A phone of ours is gone or never came up."""

    session_id: SessionId
    at: Instant
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDown:
    """The engine is gone and every leg with it. Dialing stops until `EngineUp`."""

    at: Instant
    why: str
    is_final: bool = False
    """It died too often and is not started again; no `EngineUp` will come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineUp:
    """An engine is there. It carries no call of before: what was live is to be reconciled."""

    at: Instant


TelephonyEvent = (
    CallEvent
    | InboundEvent
    | RecordingEnded
    | TrunkChanged
    | AgentLegUp
    | AgentLegDown
    | EngineDown
    | EngineUp
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLegs:
    """What the engine holds right now."""

    attempts: frozenset[AttemptId]
    sessions: frozenset[SessionId]
    inbound: frozenset[InboundId] = frozenset()


BROWSER = "browser"
"""The phone of an agent who uses a browser as one; a name may follow: `browser:alice`."""


def is_browser(phone: str) -> bool:
    """Whether a phone of ours is a browser."""
    return phone.partition(":")[0] == BROWSER


class Telephony(Protocol):
    """The phone network, as far as an outbound call needs it.

    Ids are the caller's, so every call is idempotent: a resend is harmless. Commands return when
    the engine took them; what comes of them arrives as events, in order for one attempt.
    Commands about a leg that is already gone do nothing. A command while the engine is down
    raises `EngineUnavailable`.
    """

    async def start(self) -> None:
        """Start the engine and return when it can place calls. Raises `EngineUnavailable`."""

    async def stop(self) -> None:
        """End every call cleanly (CANCEL, BYE), then the engine. Bounded to a few seconds."""

    async def dial(
        self, permit: Permit, *, ring_s: int, detect: bool = False, identity: str = ""
    ) -> None:
        """Place the call that `permit` allows; refuse an expired, foreign or used one.

        Raises `EngineUnavailable` or `PermitMisused` only when nothing was handed over and nothing
        will ring. Once it returns, an event says what became of it, or the wire log does.

        The INVITE's Call-ID is the attempt id. After `ring_s` seconds of ringing without an answer
        the call is cancelled and ends with `EndCause.NO_ANSWER`. With `detect`, `AnswerJudged`
        follows an answer. `identity` is a STIR/SHAKEN Identity header of a signer of yours
        (RFC 8224), passed on as it is.
        """

    async def connect_agent(self, session_id: SessionId, phone: str) -> None:
        """Nail up the leg to a phone of ours; `AgentLegUp` or `AgentLegDown` follows.

        `phone` is a SIP URI (`sip:name@host`), `phone:name` for one that registered with us, or
        `browser`, whose leg waits for `connect_browser`. An agent, a supervisor, a colleague whom
        a call is passed on to: the id is the caller's.
        """

    async def connect_browser(self, session_id: SessionId, offer: str) -> str:
        """Nail up the leg to a browser: takes its SDP offer and returns our answer (WebRTC).

        `AgentLegUp` follows when audio can flow. Offered again for the same session, the new
        browser connection takes the place of the old one, and a call that is up goes on with it.
        Raises `EngineUnavailable`, also for an offer that cannot be used.
        """

    async def disconnect_agent(self, session_id: SessionId) -> None:
        """Take the leg of a phone of ours down."""

    async def answer(self, inbound_id: InboundId) -> None:
        """Answer a call that is offered to us."""

    async def join(self, call_id: CallId, leg_id: LegId, part: Part) -> None:
        """Give a leg a part in the conversation of an answered call, or change the part it has.

        `core.conversation` says who hears whom. A phone of ours that was in another conversation
        leaves it. When a phone of ours comes in with `Part.TALK` and no other of ours has it,
        `CallBridged` (`InboundBridged`) follows, and a short tone tells the agent that somebody
        is there. To unmute is not to come in.
        """

    async def leave(self, call_id: CallId, leg_id: LegId) -> None:
        """Take a phone of ours out of a conversation. Its leg stays up, and so does the call."""

    async def play(self, call_id: CallId, message: Message) -> None:
        """Play a recorded message to an answered call; `MessagePlayed` follows.

        It follows a few seconds after the last word, so that a key can still be pressed. Joining
        the call cuts the message short.
        """

    async def send_digits(self, leg_id: LegId, digits: str) -> None:
        """Press keys on an answered leg, as RFC 4733 events: `0`-`9`, `*`, `#`, `A`-`D`."""

    async def record(self, call_id: CallId, recording_id: RecordingId, path: Path) -> None:
        """Record an answered call into a WAV file with two channels; `RecordingEnded` follows.

        Left is who is outside, right is everybody of ours. It ends with the call. The file has its
        name only when it is complete: until then it is `path` with `.part` behind it.
        """

    async def pause_recording(self, call_id: CallId) -> None:
        """Record silence from now on, while a card's number is told."""

    async def resume_recording(self, call_id: CallId) -> None:
        """Record again."""

    async def stop_recording(self, call_id: CallId) -> None:
        """End the recording before the call does."""

    async def hang_up(self, call_id: CallId) -> None:
        """CANCEL, BYE or a refusal as the call stands; `CallEnded` or `InboundEnded` follows."""

    async def trunks(self) -> tuple[TrunkStatus, ...]:
        """The trunks in the order in which they are tried."""

    async def live(self) -> LiveLegs:
        """What the engine holds right now, to reconcile after a gap."""

    async def was_dialed(self, attempts: Collection[AttemptId]) -> dict[AttemptId, bool]:
        """For each attempt, by the wire log that outlives the engine: did an INVITE leave?

        Where the log cannot say (another boot of this machine, a lost file) the answer is True:
        a permit is counted as used rather than risked twice.
        """

    def events(self) -> AsyncIterator[TelephonyEvent]:
        """Everything that happens, in order. One consumer."""


class Clock(Protocol):
    """The one clock. The sandbox's runs beside real time, from a weekday morning on."""

    def now(self) -> Instant:
        """This moment, aware, in UTC."""

    def real(self) -> Instant:
        """Real time, sandbox or not: for leases between processes and for nothing else."""

    def at_unix(self, seconds: float) -> Instant:
        """The moment of this clock at a real Unix time, for events stamped by other processes."""


class Ids(Protocol):
    """Where new ids come from; time-ordered, so that tables stay compact."""

    def new(self) -> UUID:
        """A new UUID, never given before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to dial one campaign. The epoch fences off a dialer that was taken over."""

    campaign_id: CampaignId
    dialer_id: DialerId
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCall:
    """How one earlier call went, for what pacing learns from. Seconds."""

    elapsed_s: float
    picked_up: bool
    talk_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadCounts:
    """How many leads of a campaign stand where."""

    due: int
    later: int
    claimed: int
    finished: int
    next_due_at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCall:
    """A call that is up now, for the picture."""

    id: AttemptId
    number: E164
    name: str
    state: str
    since: Instant
    agent_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentRefusal:
    """A refusal, for the picture."""

    number: E164
    name: str
    at: Instant
    reasons: tuple[str, ...]
    whys: tuple[str, ...]
    next_allowed_at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a campaign did since a moment, counted from the tables."""

    attempts: int
    """Attempts whose call was dialed."""
    not_dialed: int
    permits_issued: int
    permits_used: int
    permits_void: int
    refused: int
    refused_by_rule: Mapping[str, int]
    in_flight: int
    by_state: Mapping[str, int]
    answered: int
    connected: int
    abandoned: int
    live_answers: int
    outcomes: Mapping[str, int]
    dispositions: Mapping[str, int]
    first_connected_at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What one version of a registry says about one number."""

    is_listed: bool
    registered_on: date | None
    """None when the registry does not say, or it was long ago."""
    is_covered: bool
    """Whether the registry was asked about this number at all, as far as its file tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryProgress:
    """How far an import is."""

    what: str
    done: int
    total: int
    rows: int | None
    """The rows read so far, while it reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryDraft:
    """A version that was made and is not in force yet."""

    file: str
    sha256: str
    size: int
    as_of: date
    entries: int
    rows: int
    added: int
    removed: int
    repeated: int
    """Numbers that stood in the file more than once, where that may be."""
    known: int
    """Changes that add what was listed already."""
    areas: Mapping[str, AreaCopy]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryEntry:
    """One line of the ledger: whose file became a version of which registry, and when."""

    setup: RegistrySetup
    order: RegistryOrder
    source_name: str
    source_size: int
    source_sha256: str
    now: Instant


class Shelf(Protocol):
    """The versions of registries, open to be looked into."""

    def look(self, file: str, sha256: str, coverage: Coverage, number: E164) -> Listing:
        """What a version says about a number. Raises `RegistryUnavailable`, and never guesses."""


class RegistryLibrary(Shelf, Protocol):
    """Where versions of registries are made and kept. Nothing is in force by what it does."""

    def hold(self, name: str) -> AbstractContextManager[None]:
        """Nobody else imports this registry meanwhile. Raises `RegistryUnavailable`."""

    def checksum(self, path: Path) -> tuple[int, str]:
        """The bytes and the SHA-256 of a file to be imported. Raises `UnusableList`."""

    def day_of(
        self, path: Path, order: RegistryOrder, *, today: date, is_sandbox: bool
    ) -> date | None:
        """The day of a full file, by its order or its head. Raises `UnusableList`."""

    def build(
        self,
        path: Path,
        order: RegistryOrder,
        setup: RegistrySetup,
        copy: RegistryCopy | None,
        *,
        file: str,
        countries: Mapping[str, str | None],
        today: date,
        is_sandbox: bool,
        say: Callable[[RegistryProgress], None],
    ) -> RegistryDraft:
        """Make the version that follows `copy`. Raises `UnusableList`; takes seconds to minutes."""

    def discard(self, file: str) -> None:
        """Remove a version, or what is left of one. Whoever has it open can read on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Who says something about people, as of which day, and when we write it down."""

    source: str
    as_of: date
    now: Instant


class Ledger(Protocol):
    """Facts about people, each with its age and source. Nothing is edited that was once leaned on:
    a newer consent is a new row, a revocation is written once, an answer stays beside the next.

    Bulk verbs take any number of records in bounded memory; no two of one call are about the same
    thing. A statement that is older than what its source said before changes nothing.
    """

    async def record_consent(
        self, consent: ConsentRecord, seller_id: SellerId, now: Instant
    ) -> ConsentId | None:
        """Keep one permission; None when it is on record already."""

    async def keep_consents(
        self, consents: Iterable[ConsentRecord], seller_id: SellerId, now: Instant
    ) -> int:
        """Keep permissions; returns how many were not on record yet.

        One that a revocation on record ends is kept as revoked, whenever it comes in.
        """

    async def revoke_consents(
        self,
        number: E164,
        seller_id: SellerId,
        *,
        revoked_at: Instant,
        revoked_by: str,
        now: Instant,
    ) -> list[ConsentId]:
        """A person took back every permission given until then; returns the ones that end now."""

    async def keep_relationships(
        self, records: Iterable[RelationshipRecord], seller_id: SellerId, said: Statement
    ) -> int:
        """Keep what a source says of past dealings; returns how many are new or newer."""

    async def keep_restrictions(
        self, records: Iterable[RestrictionRecord], seller_id: SellerId, said: Statement
    ) -> int:
        """Keep what a source says of restrictions; returns how many are new or newer."""

    async def keep_line_types(self, records: Iterable[LineTypeRecord], said: Statement) -> int:
        """Keep looked-up types of lines, for every seller; returns how many are new or newer."""

    async def keep_reassigned(self, records: Iterable[ReassignedRecord], said: Statement) -> int:
        """Keep answers of the Reassigned Numbers Database; returns how many are new.

        Of two answers to one question of one day the one that forbids stands.
        """

    async def declare_emergency(self, emergency: Emergency, now: Instant) -> DeclaredEmergency:
        """Enter a declared emergency."""

    async def end_emergencies(
        self, jurisdiction: str, *, until_at: Instant, ended_by: str
    ) -> list[DeclaredEmergency]:
        """End every declaration of a jurisdiction that would still hold; returns them as ended."""

    async def emergencies(self) -> list[DeclaredEmergency]:
        """Every declared emergency, the newest first; also those that are over."""

    async def known(self, number: E164, seller_id: SellerId, seller: str) -> KnownNumber:
        """Everything on record about one number towards one seller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCaller:
    """Whom we know a caller as."""

    attempt_id: AttemptId
    """The newest call of ours to their number."""
    lead_id: LeadId
    campaign_id: CampaignId


@dataclass(frozen=True, slots=True, kw_only=True)
class Desks:
    """Who could take a call to us."""

    at_work: int
    """Agents who are logged in and not on a break."""
    spare: int
    """Ready agents less the calls of ours that are not answered yet; may be negative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedCall:
    """A call that waits to be picked up."""

    call_id: CallId
    is_inbound: bool
    number: str
    """As the trunk gave it, for a call to us; empty when withheld."""
    name: str
    """The lead's; empty when we do not know who it is."""
    until: Instant
    """When the message takes the music's place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRecording:
    """What is in a whole file of a recording."""

    seconds: float
    sha256: str
    was_cut: bool
    """Whether it was made whole of the part that a crash left."""


class Signer(Protocol):
    """Signs the caller's number, so that the called party's network can believe it."""

    def sign(self, permit: Permit, at: Instant) -> str:
        """The value of the Identity header (RFC 8224) for the call that a permit allows."""


class RecordingShelf(Protocol):
    """Where the files of recordings are. Files are named as the tables name them."""

    def place(self, name: str, day: date) -> str:
        """The file for a new recording; its folder is there when this returns.

        Raises `SettingsError` where it cannot be made.
        """

    def path(self, file: str) -> Path:
        """Where a file is, for the engine to write and for people to hear."""

    def finish(self, file: str) -> FinishedRecording | None:
        """What is in a file, made whole first if a crash left a part of it; None when it has
        nothing that could be heard."""

    def delete(self, file: str) -> None:
        """The file is gone for good; also when it was gone already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRecording:
    """A recording for people who look for one."""

    recording: CallRecording
    number: str
    """Theirs; empty when a caller withheld it."""
    is_inbound: bool
    agent_name: str


class Switchboard(Protocol):
    """Calls to us, transfers, supervisors who listen, and recordings."""

    async def known_caller(
        self, number: E164, called: str, campaign_id: CampaignId | None
    ) -> KnownCaller | None:
        """The newest call of ours to a number, under the caller ID `called` or of the campaign."""

    async def last_agent_ready(self, number: E164, campaign_id: CampaignId) -> AgentSession | None:
        """Who talked last with a number, for update, if that agent is ready."""

    async def desks(self, campaign_id: CampaignId) -> Desks:
        """Who could take a call to us."""

    async def open_inbound(self, call: InboundCall) -> None:
        """Keep a call to us before anything is done about it."""

    async def inbound(self, inbound_id: UUID) -> InboundCall | None:
        """One call to us, for update; None when the id is none of one."""

    async def save_inbound(self, call: InboundCall, *, was: InboundCall) -> None:
        """Move a call to us on from the state that was read."""

    async def longest_queued(self, campaign_id: CampaignId) -> InboundCall | None:
        """The caller who has waited longest, for update; None when nobody waits."""

    async def queued(self, campaign_id: CampaignId) -> list[InboundCall]:
        """Who waits, in the order in which they are served."""

    async def overdue_inbound(self, campaign_id: CampaignId, now: Instant) -> list[InboundId]:
        """Calls to us whose deadline is behind us."""

    async def open_inbound_calls(self, campaign_id: CampaignId) -> list[InboundCall]:
        """Calls to us that are not closed."""

    async def settle_lead(self, lead_id: LeadId, step: NextStep) -> None:
        """What a talk makes of the lead who called us, unless it is being dialed right now."""

    async def parked(self, campaign_id: CampaignId) -> list[ParkedCall]:
        """Calls that wait to be picked up, the longest first."""

    async def open_transfer(self, transfer: Transfer) -> None:
        """Keep a transfer before the destination is called."""

    async def transfer(self, transfer_id: TransferId) -> Transfer | None:
        """One transfer, for update."""

    async def save_transfer(self, transfer: Transfer, *, was: Transfer) -> None:
        """Move a transfer on from the state that was read."""

    async def transfer_of(self, call_id: CallId) -> Transfer | None:
        """The open transfer of a call, not held."""

    async def transfer_to(self, leg_id: SessionId) -> Transfer | None:
        """The open transfer to a leg, not held."""

    async def open_transfers(self, campaign_id: CampaignId) -> list[Transfer]:
        """Transfers that are not over."""

    async def overdue_transfers(self, campaign_id: CampaignId, now: Instant) -> list[TransferId]:
        """Transfers whose destination has not answered in time."""

    async def open_monitor(self, monitor: Monitor) -> None:
        """A supervisor begins to follow an agent."""

    async def monitor(self, monitor_id: UUID) -> Monitor | None:
        """One monitor, for update; None when the id is none of one."""

    async def save_monitor(self, monitor: Monitor) -> None:
        """Where a monitor stands."""

    async def monitors_of(self, session_id: SessionId) -> list[Monitor]:
        """Who follows an agent session, for update."""

    async def open_monitors(self, campaign_id: CampaignId) -> list[Monitor]:
        """Who follows anybody of a campaign."""

    async def open_recording(self, recording: CallRecording) -> None:
        """Keep a recording before the engine begins it."""

    async def recording(self, recording_id: RecordingId) -> CallRecording | None:
        """One recording, for update."""

    async def recording_of(self, call_id: CallId) -> CallRecording | None:
        """The recording of a call that runs, for update."""

    async def save_recording(self, recording: CallRecording) -> None:
        """Where a recording stands."""

    async def open_recordings(self, campaign_id: CampaignId) -> list[CallRecording]:
        """Recordings that run."""

    async def spent_recordings(
        self, campaign_id: CampaignId, before: Instant
    ) -> list[CallRecording]:
        """Recordings that ended before a moment and whose files are still there."""

    async def listed_recordings(self, number: E164 | None, *, most: int) -> list[ListedRecording]:
        """Recordings of calls with a number, or of all; the newest first."""


class Transaction(Protocol):
    """One transaction on the durable truth. State changes name the state they expect.

    Reads for update hold what they read until the transaction ends. Locks are taken in the order
    campaign, number, attempt or inbound call, transfer, session, monitor, lead, audit, so that no
    two wait for each other.
    """

    # campaigns and lists
    async def save_campaign(self, campaign: Campaign, now: Instant) -> Campaign:
        """Keep a campaign by its name; returns it with the ids that stand."""

    async def set_campaign_state(self, campaign_id: CampaignId, state: CampaignState) -> None:
        """Say whether a campaign may place calls."""

    async def take_campaign(
        self, campaign_id: CampaignId, dialer_id: DialerId, *, now: Instant, life: timedelta
    ) -> Lease:
        """Take the right to dial. Raises `CampaignBusy` while another dialer holds it."""

    async def renew_campaign(self, lease: Lease, *, now: Instant, life: timedelta) -> None:
        """Keep the right to dial. Raises `CampaignBusy` if it was taken over."""

    async def release_campaign(self, lease: Lease) -> None:
        """Give the right to dial back."""

    async def hold_for_call(self, lease: Lease, lead: Lead) -> None:
        """Keep the lease from changing and the number from being judged by others, until this
        transaction ends. Raises `CampaignBusy` for an old lease."""

    async def all_campaigns(self) -> list[Campaign]:
        """Every campaign that was ever loaded, the newest first."""

    async def campaign_called(self, called: str) -> Campaign | None:
        """The campaign that shows a number as its caller ID, one that runs before one that does
        not; None when no campaign does."""

    async def unrecovered_campaigns(self, real_now: Instant) -> list[Campaign]:
        """Campaigns that nobody dials and that have something open: their dialer died."""

    async def add_list(
        self,
        list_id: ListId,
        campaign: Campaign,
        leads: Iterable[tuple[LeadId, NewLead]],
        *,
        source: str,
        rejected: int,
        now: Instant,
    ) -> int:
        """Keep a list and its leads, all or nothing; returns how many leads.

        What its rows say of consent and dealings goes to the `ledger`.
        """

    async def known_numbers(self, campaign_id: CampaignId) -> set[str]:
        """The numbers that leads of the campaign have already."""

    async def keep_stop_requests(
        self,
        seller_id: SellerId,
        entries: Iterable[tuple[E164, date]],
        *,
        source: str,
        now: Instant,
    ) -> int:
        """Add the numbers of a company's own list; returns how many. None is ever taken off."""

    async def registry_setup(self, name: str) -> RegistrySetup | None:
        """What a registry is; None before its first import."""

    async def registry_copy(self, name: str) -> RegistryCopy | None:
        """The version of a registry that is in force, for update; None when there is none."""

    async def registry_copies(self) -> list[RegistryCopy]:
        """Every registry that has a version in force."""

    async def begin_registry_version(self, entry: RegistryEntry) -> int:
        """Write into the ledger that a version is being made; returns its number.

        Registries and versions that nothing came of stay in the ledger.
        """

    async def publish_registry_version(
        self, entry: RegistryEntry, version: int, draft: RegistryDraft, *, was: int | None
    ) -> None:
        """Put a version in force in the place of `was`. Raises `Overtaken` if that is not it."""

    async def name_registry_file(self, name: str, version: int, file: str) -> None:
        """Say which file a begun version is written to, before it is."""

    async def retire_registry(self, name: str) -> bool:
        """Take a registry out of force, with its age; False when none of that name was."""

    async def spent_registry_files(self, name: str, *, keep: int) -> list[str]:
        """Files that came to nothing, and those of versions older than the last `keep`."""

    async def discard_registry_file(self, file: str, now: Instant) -> None:
        """The file is gone."""

    async def is_stop_requested(self, number: E164) -> bool:
        """Whether anybody asked not to be called on a number, of whichever seller."""

    async def stop_requested(self) -> list[E164]:
        """Every number that anybody asked not to be called on."""

    async def suppress(
        self,
        number: E164,
        kind: SuppressionKind,
        *,
        source: str,
        seller_id: SellerId | None,
        registered_on: date,
        now: Instant,
    ) -> None:
        """A number must not be called; consent towards the seller is withdrawn with it."""

    async def sellers(self) -> dict[SellerId, str]:
        """Every seller that calls are made for, with its name."""

    @property
    def ledger(self) -> Ledger:
        """The facts about people, written by this transaction."""

    @property
    def switchboard(self) -> Switchboard:
        """Calls to us, transfers and monitors, read and written by this transaction."""

    # the gate
    async def lock_number(self, number: E164) -> None:
        """One judgement of a number at a time."""

    async def facts(
        self,
        leads: Sequence[Lead],
        campaign: Campaign,
        *,
        now: Instant,
        since: Instant,
        is_sandbox: bool,
        is_agent_guaranteed: bool,
        abandon_figures: tuple[AbandonFigure, ...],
    ) -> list[Facts]:
        """What we know about calling these leads now; attempts from `since` on are among it.

        Call `hold_for_call` first when a permit will follow. What only the dialer knows (an agent
        who is kept for the call, the campaign's abandonment) is handed in.
        """

    async def caller_id_uses(self, numbers: Sequence[E164], now: Instant) -> dict[E164, int]:
        """How many calls of the last 24 hours showed these numbers; none for those not named."""

    async def use_caller_id(self, number: E164, now: Instant, *, most: int | None) -> bool:
        """Count a call under a caller ID; False, and nothing counted, where `most` is reached."""

    async def save_refusal(self, refusal_id: UUID, refusal: Refusal) -> None:
        """Keep a refusal with all it rests on."""

    async def keep_rulebook(self, rulebook: KeptRulebook) -> None:
        """Keep a rulebook that judges, with its files, unless it is kept already."""

    async def open_attempt(self, permit: Permit, attempt: Attempt) -> None:
        """Keep a permit and its attempt, before anything rings."""

    async def mark_permit_used(self, attempt_id: AttemptId, now: Instant) -> None:
        """An INVITE left under the permit of this attempt."""

    async def void_permit(self, attempt_id: AttemptId, now: Instant) -> None:
        """Nothing was, or will be, sent under the permit of this attempt."""

    # attempts
    async def attempt(self, attempt_id: AttemptId) -> Attempt | None:
        """One attempt, for update."""

    async def save_attempt(self, attempt: Attempt, *, was: Attempt) -> None:
        """Move an attempt on from the state that was read."""

    async def longest_waiting(self, campaign_id: CampaignId) -> Attempt | None:
        """The answered call that has waited longest, for update; None when there is none."""

    async def overdue_attempts(self, campaign_id: CampaignId, now: Instant) -> list[AttemptId]:
        """Attempts whose deadline is behind us."""

    async def open_attempts(self, campaign_id: CampaignId) -> list[Attempt]:
        """Attempts that are not closed."""

    async def open_attempts_to(self, number: E164, seller_id: SellerId) -> list[AttemptId]:
        """Attempts to a number for a seller that are not ended."""

    async def unwanted_in_flight(self, campaign_id: CampaignId) -> dict[AttemptId, str]:
        """Unanswered calls whose person asked to stop, or revoked consent, after the permit: why.

        A call is taken back for a revocation only if its permit knew of the consent.
        """

    async def abandon_record(
        self, campaign_id: CampaignId, measure: AbandonMeasure, now: Instant
    ) -> AbandonRecord:
        """Answers and abandoned calls of a campaign by one way of measuring."""

    async def history(self, campaign_id: CampaignId, now: Instant) -> list[PastCall]:
        """How earlier calls went, oldest first."""

    # agents
    async def open_session(self, session: AgentSession) -> AgentSession:
        """An agent sits down; returns the session with the agent id that stands."""

    async def session(self, session_id: SessionId) -> AgentSession | None:
        """One agent session, for update."""

    async def glance(self, session_id: SessionId) -> AgentSession | None:
        """One agent session as it stands, not held."""

    async def save_session(self, session: AgentSession, *, was: AgentSession) -> None:
        """Move an agent session on from the state that was read."""

    async def longest_ready(self, campaign_id: CampaignId) -> AgentSession | None:
        """The agent who has been ready longest, for update; None when nobody is."""

    async def open_sessions(self, campaign_id: CampaignId) -> list[AgentSession]:
        """Everybody who is logged in."""

    async def overdue_wrap_ups(self, campaign_id: CampaignId, now: Instant) -> list[SessionId]:
        """Agents whose wrap-up time has run out."""

    # leads
    async def claim_due(self, campaign_id: CampaignId, *, most: int, now: Instant) -> list[Lead]:
        """Take the next due leads out of the hopper."""

    async def return_claimed(self, campaign_id: CampaignId) -> int:
        """After a crash: claimed leads without an open attempt are due again; says how many."""

    async def lead(self, lead_id: LeadId) -> Lead:
        """One lead."""

    async def lead_by_number(self, campaign_id: CampaignId, number: E164) -> Lead | None:
        """The campaign's newest lead with a number; None when it has none."""

    async def leads_after(
        self, campaign_id: CampaignId, after: LeadId | None, *, most: int
    ) -> list[Lead]:
        """The next leads of a campaign that are not finished, in the order of their ids."""

    async def finished_leads(
        self, campaign_id: CampaignId, goal: Disposition, *, most: int
    ) -> list[Example]:
        """The newest leads that were dialed to their end, oldest first, for `core.score`."""

    async def save_scores(self, campaign_id: CampaignId, steps: Mapping[LeadId, int]) -> int:
        """Give leads that are not finished the step of their score; says how many moved."""

    async def count_attempt(self, lead_id: LeadId) -> int:
        """A lead was dialed once more; says how often now."""

    async def save_next_step(self, lead_id: LeadId, step: NextStep) -> None:
        """What becomes of a claimed lead."""

    async def lead_counts(self, campaign_id: CampaignId, now: Instant) -> LeadCounts:
        """How many leads stand where."""

    # the record
    def audit(
        self, kind: str, subject: object, body: Mapping[str, Any], *, actor: str, at: Instant
    ) -> None:
        """Seal an entry at the end of the chain when this transaction commits."""

    # the picture
    async def figures(self, campaign_id: CampaignId, since: Instant) -> Figures:
        """What the campaign did since a moment."""

    async def live_calls(self, campaign_id: CampaignId) -> list[LiveCall]:
        """The calls that are up now."""

    async def recent_refusals(self, campaign_id: CampaignId, since: Instant) -> list[RecentRefusal]:
        """The newest refusals, with why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRecord:
    """Everything on record about one number. Rows are as the tables have them, as JSON values."""

    judgements: tuple[KeptJudgement, ...]
    attempts: tuple[Mapping[str, Any], ...]
    """With the names of campaign, seller and agent."""
    leads: tuple[Mapping[str, Any], ...]
    """With the list that each came from."""
    consents: tuple[Mapping[str, Any], ...]
    relationships: tuple[Mapping[str, Any], ...]
    restrictions: tuple[Mapping[str, Any], ...]
    line_types: tuple[Mapping[str, Any], ...]
    reassigned: tuple[Mapping[str, Any], ...]
    suppressions: tuple[Mapping[str, Any], ...]
    entries: tuple[AuditEntry, ...]
    """Every audit entry about any of these, in order."""
    checkpoint_before: Checkpoint | None
    """The last one that stands before all of these entries."""
    checkpoint_after: Checkpoint | None
    """The first one that stands behind them all and so seals them."""
    is_sandbox: bool


class Store(Protocol):
    """The durable truth."""

    def transaction(self, *, durable: bool = True) -> AbstractAsyncContextManager[Transaction]:
        """All or nothing. With `durable=False` a crash of the database may lose the last moments:
        only for what the wire log and `recover` can tell again. Raises `StoreUnavailable`."""

    def proof(self) -> Proof:
        """The record as an auditor looks at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Which permits and refusals: of a time, of a number; left out means all."""

    since: Instant | None = None
    until: Instant | None = None
    number: E164 | None = None


class Proof(Protocol):
    """The record as an auditor looks at it: nothing of it can be changed through here."""

    async def head(self) -> ChainHead:
        """The end of the chain."""

    async def add_checkpoint(self, sign: Callable[[ChainHead], Checkpoint]) -> Checkpoint | None:
        """Sign the end of the chain as it is on disk, and keep that; None when it was signed."""

    def record(self) -> AsyncIterator[RecordItem]:
        """The whole record at one moment, in the order in which `core.proof` walks it."""

    def judgements(self, period: Period) -> AsyncIterator[KeptJudgement]:
        """Permits and refusals in order of time."""

    async def rulebook(self, name: str) -> KeptRulebook | None:
        """A rulebook that judged, by its hash."""

    async def about(self, number: E164) -> NumberRecord:
        """Everything on record about one number."""


class Checkpoints(Protocol):
    """Who signs checkpoints and keeps them outside of the database."""

    def sign(self, head: ChainHead, at: Instant) -> Checkpoint:
        """The signed statement of a chain's end."""

    def keep(self, checkpoint: Checkpoint) -> None:
        """Keep it outside of the database; it is on disk when this returns."""

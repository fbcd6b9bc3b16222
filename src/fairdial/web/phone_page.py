"""The page of an agent whose phone is this browser, and its API.

The page shows what the tables say of one session, and posts what the agent wants; `flow` decides
whether it may be. The browser's offer goes to the telephony engine, and its answer back.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from uuid import UUID

from fastapi import FastAPI, HTTPException, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field

from fairdial.core.agent import AgentState
from fairdial.core.ids import SessionId
from fairdial.core.outcome import Disposition
from fairdial.core.recording import RecordingPolicy
from fairdial.core.transfer import TransferKind
from fairdial.exceptions import FairdialError, ImpossibleEvent, Overtaken
from fairdial.flow import agent_desk, line_keys, recordings
from fairdial.flow.agent_picture import AgentPicture, BrowserDesks
from fairdial.flow.floor import Floor
from fairdial.web.desks import Desks
from fairdial.web.problem import Problem, declared
from fairdial.web.shown import Shown, legible, spaced

STATIC = Path(__file__).parent / "static"
RETRY_MS = 1000
PAGES_MAX = 500
OFFER_MAX = 32_768
SCRIPT_MAX = 20_000

_T = TypeVar("_T")


class IceServer(Shown):
    """A STUN or TURN server for the browser."""

    urls: str
    username: str | None = None
    credential: str | None = None


class PhoneRow(Shown):
    """One agent whose phone is a browser."""

    session: UUID
    agent: str
    state: AgentState
    is_connected: bool
    """Whether some browser is this agent's phone at this moment."""


class Phones(Shown):
    """Who can use this page."""

    campaign: str
    is_sandbox: bool
    ice_servers: tuple[IceServer, ...]
    phones: tuple[PhoneRow, ...]


class Person(Shown):
    """Who is on the line."""

    name: str
    number: str


class Desk(Shown):
    """What one agent has before them."""

    agent: str
    campaign: str
    caller_id: str
    state: AgentState
    state_s: float
    """For how long, seconds."""
    pause_asked: bool
    is_leg_up: bool
    wrap_up_left_s: float | None
    is_muted: bool
    is_held: bool
    transfer: str | None
    """To whom the call is being passed on, and how far that is: `front desk: calling`."""
    destinations: tuple[str, ...]
    """The names that a call may be passed on to."""
    records: RecordingPolicy | None
    """Which talks are recorded; none when absent."""
    recording: Literal["off", "on", "paused"]
    notice: str
    """What the agent says of the recording; empty while none runs."""
    may_leave_message: bool
    person: Person | None
    script: str
    dispositions: tuple[Disposition, ...]
    window: str | None
    """Which window is this agent's phone."""


class Asked(BaseModel):
    """What a page posts."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Offer(Asked):
    """A browser that wants to be the agent's phone."""

    offer: Annotated[str, Field(max_length=OFFER_MAX)]
    window: Annotated[str, Field(pattern=r"^[0-9a-f]{16,64}$")]
    """A name of its own for each window, so that two do not take the phone from each other."""


class Answer(Shown):
    """Our answer to an offer."""

    answer: str


class Disposed(Asked):
    """What came of the conversation."""

    disposition: Disposition
    callback_at: datetime | None = None


class Pressed(Asked):
    """Keys for the person outside. Neither logged nor kept."""

    digits: Annotated[str, Field(pattern=r"^[0-9*#A-D]{1,64}$")]


class PassedOn(Asked):
    """To whom the call goes."""

    to: Annotated[str, Field(max_length=200)]
    kind: TransferKind


Action = Literal[
    "ready",
    "pause",
    "hang-up",
    "stop-calling",
    "mute",
    "unmute",
    "hold",
    "unhold",
    "complete",
    "conference",
    "take-back",
    "leave-message",
    "record",
    "pause-recording",
    "resume-recording",
    "stop-recording",
]
_DO: dict[Action, Callable[[Floor, SessionId], Awaitable[object]]] = {
    "ready": agent_desk.go_ready,
    "pause": agent_desk.pause,
    "hang-up": agent_desk.hang_up,
    "stop-calling": agent_desk.stop_calling,
    "mute": line_keys.mute,
    "unmute": line_keys.unmute,
    "hold": line_keys.hold,
    "unhold": line_keys.unhold,
    "complete": line_keys.complete,
    "conference": line_keys.conference,
    "take-back": line_keys.take_back,
    "leave-message": line_keys.leave_message,
    "record": recordings.start,
    "pause-recording": recordings.pause,
    "resume-recording": recordings.resume,
    "stop-recording": recordings.stop,
}


@dataclass(slots=True)
class PhonePage:
    """The desks of one campaign, and which window is whose phone."""

    desks: BrowserDesks
    ice_servers: Sequence[IceServer] = ()
    watch: Desks = field(init=False)
    _windows: dict[SessionId, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.watch = Desks(self.desks.look)

    async def picture(self, session: UUID) -> AgentPicture:
        """One agent's desk. Raises the HTTP answer for one that is none."""
        looked = await self.watch.current()
        if isinstance(looked, Problem):
            raise HTTPException(looked.status, looked.detail)
        picture = looked.get(SessionId(session))
        if picture is None:
            raise HTTPException(404, _no_phone(session))
        return picture

    async def phones(self) -> Phones:
        """Who can use the page."""
        looked = await self.watch.current()
        if isinstance(looked, Problem):
            raise HTTPException(looked.status, looked.detail)
        return Phones(
            campaign=legible(self.desks.campaign.name),
            is_sandbox=self.desks.floor.is_sandbox,
            ice_servers=tuple(self.ice_servers),
            phones=tuple(
                PhoneRow(
                    session=picture.session.id,
                    agent=legible(picture.session.agent_name),
                    state=picture.session.state,
                    is_connected=picture.session.is_leg_up,
                )
                for picture in sorted(looked.values(), key=lambda p: p.session.agent_name)
            ),
        )

    async def connect(self, session: UUID, offer: Offer) -> Answer:
        """Make a browser the agent's phone."""
        await self.picture(session)
        telephony = self.desks.floor.telephony
        answer = await telephony.connect_browser(SessionId(session), offer.offer)
        self._windows[SessionId(session)] = offer.window
        return Answer(answer=answer)

    async def act(self, session: UUID, action: Action) -> None:
        """What an agent can ask for without saying more."""
        await self.picture(session)
        await _DO[action](self.desks.floor, SessionId(session))

    async def press(self, session: UUID, pressed: Pressed) -> None:
        """Press keys towards the person outside."""
        await self.picture(session)
        await line_keys.send_digits(self.desks.floor, SessionId(session), pressed.digits)

    async def pass_on(self, session: UUID, passed: PassedOn) -> None:
        """Pass the call on to one of the campaign's destinations."""
        await self.picture(session)
        await line_keys.transfer(
            self.desks.floor, SessionId(session), to=passed.to, kind=passed.kind
        )

    async def dispose(self, session: UUID, disposed: Disposed) -> None:
        """Record what came of the conversation."""
        await self.picture(session)
        if disposed.callback_at is not None and disposed.callback_at.tzinfo is None:
            raise HTTPException(422, "callback_at needs an offset, such as 2026-12-01T15:00-05:00.")
        await agent_desk.dispose(
            self.desks.floor,
            SessionId(session),
            disposed.disposition,
            callback_at=disposed.callback_at,
        )

    def show(self, picture: AgentPicture) -> Desk:
        """Make a desk fit for the agent's eyes."""
        session, campaign = picture.session, self.desks.campaign
        left = session.deadline_at
        return Desk(
            agent=legible(session.agent_name),
            campaign=legible(campaign.name),
            caller_id=spaced(legible(campaign.caller_id)),
            state=session.state,
            state_s=round(max(0.0, (picture.at - session.since).total_seconds()), 1),
            pause_asked=session.pause_asked,
            is_leg_up=session.is_leg_up,
            wrap_up_left_s=None
            if left is None
            else round(max(0.0, (left - picture.at).total_seconds()), 1),
            is_muted=session.is_muted,
            is_held=picture.is_held,
            transfer=None
            if picture.transfer is None
            else f"{legible(picture.transfer.to)}: {picture.transfer.state.value}",
            destinations=tuple(legible(name) for name in campaign.transfer),
            records=None if campaign.recording is None else campaign.recording.policy,
            recording=_recording(picture),
            notice=""
            if campaign.recording is None or picture.recording is None
            else campaign.recording.notice,
            may_leave_message=picture.may_leave_message,
            person=None
            if session.call_id is None
            else Person(name=legible(picture.name), number=spaced(legible(picture.number))),
            script=campaign.script[:SCRIPT_MAX],
            dispositions=campaign.dispositions
            or tuple(d for d in Disposition if d is not Disposition.NO_DISPOSITION),
            window=self._windows.get(session.id),
        )


def _recording(picture: AgentPicture) -> Literal["off", "on", "paused"]:
    if picture.recording is None:
        return "off"
    return "paused" if picture.recording.is_paused else "on"


def add_phone_page(app: FastAPI, page: PhonePage) -> None:
    """Serve the page and its API."""
    html = (STATIC / "phone.html").read_bytes()
    open_pages = 0

    @app.get("/phone", include_in_schema=False)
    async def phone() -> Response:
        return Response(html, media_type="text/html; charset=utf-8")

    @app.get("/api/phones", responses=declared(421, 500, 503), summary="Agents at browsers")
    async def phones() -> Phones:
        return await page.phones()

    @app.get(
        "/api/phones/{session}/desks",
        response_class=EventSourceResponse,
        responses=declared(404, 421, 503),
        summary="One agent's desk, whenever it changes",
    )
    async def desks(session: UUID) -> AsyncIterable[ServerSentEvent]:
        """Events named `desk`, `trouble` (a problem) and, at the end, `gone`."""
        nonlocal open_pages
        if open_pages >= PAGES_MAX:
            yield _event("trouble", Problem.of(503, "Too many agents' pages are open; close some."))
            return
        open_pages += 1
        try:
            before = ""
            async for looked in page.watch.pictures():
                if isinstance(looked, Problem):
                    yield _event("trouble", looked)
                    before = ""
                    continue
                picture = looked.get(SessionId(session))
                if picture is None:
                    yield _event("gone", Problem.of(404, _no_phone(session)))
                    return
                desk = page.show(picture)
                # Only what an agent can see counts as a change: the page counts seconds itself.
                now = desk.model_dump_json(exclude={"state_s", "wrap_up_left_s"})
                if now != before:
                    before = now
                    yield _event("desk", desk)
        finally:
            open_pages -= 1

    answers = declared(403, 404, 409, 413, 421, 422, 503)

    @app.post("/api/phones/{session}/offer", responses=answers, summary="Be the agent's phone")
    async def offer(session: UUID, offered: Offer) -> Answer:
        return await _answered(page.connect(session, offered))

    @app.post("/api/phones/{session}/dispose", responses=answers, summary="Record what came of it")
    async def dispose(session: UUID, disposed: Disposed) -> None:
        await _answered(page.dispose(session, disposed))

    @app.post("/api/phones/{session}/digits", responses=answers, summary="Press keys")
    async def digits(session: UUID, pressed: Pressed) -> None:
        await _answered(page.press(session, pressed))

    @app.post("/api/phones/{session}/transfer", responses=answers, summary="Pass the call on")
    async def transfer(session: UUID, passed: PassedOn) -> None:
        await _answered(page.pass_on(session, passed))

    @app.post("/api/phones/{session}/{action}", responses=answers, summary="What an agent asks for")
    async def act(session: UUID, action: Action) -> None:
        await _answered(page.act(session, action))


async def _answered(work: Awaitable[_T]) -> _T:
    """What came of it, or the HTTP answer that says why nothing did."""
    try:
        return await work
    except (ImpossibleEvent, Overtaken) as error:
        raise HTTPException(409, str(error)) from error
    except FairdialError as error:
        raise HTTPException(503, str(error)) from error


def _event(name: str, value: BaseModel) -> ServerSentEvent:
    return ServerSentEvent(raw_data=value.model_dump_json(), event=name, retry=RETRY_MS)


def _no_phone(session: UUID) -> str:
    return (
        f"No agent with a browser as phone has the session {session}: choose again on /phone. "
        'The campaign file names such agents: [agents] phones = ["browser:alice"].'
    )

"""The page of a running campaign and its API, for the browser on this machine.

`GET /` is one static page; `/api/pictures` streams it a snapshot about twice a second. It changes
nothing. What an agent can do with a browser as phone is in `web.phone_page`. There is no log-in:
`web.guard` keeps foreign sites out.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Collection
from pathlib import Path

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.staticfiles import StaticFiles

from fairdial import __version__
from fairdial.flow.picture import Picture
from fairdial.web.guard import LOCAL_HOSTS, Guard
from fairdial.web.phone_page import PhonePage, add_phone_page
from fairdial.web.problem import MEDIA_TYPE, Problem, declared
from fairdial.web.shown import ShownPicture
from fairdial.web.watch import VIEWERS_MAX, Watch

STATIC = Path(__file__).parent / "static"
RETRY_MS = 1000
"""How soon a browser comes back after a lost connection."""


class Health(BaseModel):
    """That this server answers, and how busy it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: str
    version: str
    viewers: int
    viewers_max: int


def create_app(
    look: Callable[[], Awaitable[Picture]],
    *,
    zone: str = "UTC",
    hosts: Collection[str] = LOCAL_HOSTS,
    viewers_max: int = VIEWERS_MAX,
    phone: PhonePage | None = None,
) -> FastAPI:
    """The page and its API. `look` takes the picture; it is called at most twice a second.

    `phone` is the page of agents whose phones are browsers; without one there is no such page.

    `zone` (IANA) is where times are told. `hosts` are the names by which the page may be opened.
    Whoever serves the app closes each of `app.state.watches` before waiting for open connections,
    as `WebServer.stop` does: streams have no other end.
    """
    watch = Watch(look=look, zone=zone, viewers_max=viewers_max)
    app = FastAPI(
        title="Fairdial",
        version=__version__,
        description="What a running campaign does at this moment, and agents' browsers as phones.",
        openapi_url="/api/openapi.json",
        # FastAPI's own documentation pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    app.state.watches = [watch] if phone is None else [watch, phone.watch]
    app.add_middleware(Guard, hosts=hosts)
    app.add_exception_handler(StarletteHTTPException, _problem_response)
    page = (STATIC / "index.html").read_bytes()

    async def seat() -> AsyncIterator[None]:
        if not watch.take_seat():
            raise HTTPException(
                503,
                f"All {viewers_max} seats for live viewers are taken. Close another window with "
                "this page, or ask for /api/picture now and then instead.",
            )
        try:
            yield
        finally:
            watch.leave_seat()

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return Response(page, media_type="text/html; charset=utf-8")

    @app.get(
        "/api/picture",
        response_model=ShownPicture,
        responses=declared(421, 500, 503),
        summary="The picture now",
    )
    async def picture() -> Response:
        sighting = await watch.current()
        if sighting is None:
            raise HTTPException(503, "Fairdial is stopping.")
        if sighting.problem is not None:
            raise HTTPException(sighting.problem.status, sighting.problem.detail)
        return Response(sighting.json, media_type="application/json")

    @app.get(
        "/api/pictures",
        response_class=EventSourceResponse,
        dependencies=[Depends(seat)],
        responses=declared(421, 503),
        summary="Pictures, about two a second",
    )
    async def pictures() -> AsyncIterable[ServerSentEvent]:
        """Events named `picture` (as from `/api/picture`) and `trouble` (a problem)."""
        async for sighting in watch.sightings():
            yield ServerSentEvent(
                raw_data=sighting.json,
                event="picture" if sighting.problem is None else "trouble",
                retry=RETRY_MS,
            )

    @app.get("/api/health", responses=declared(421), summary="Whether this server answers")
    async def health() -> Health:
        return Health(
            status="up", version=__version__, viewers=watch.viewers, viewers_max=viewers_max
        )

    if phone is not None:
        add_phone_page(app, phone)
    app.mount("/static", StaticFiles(directory=STATIC))
    return app


async def _problem_response(_: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException), "registered for this exception only"
    problem = Problem.of(error.status_code, str(error.detail))
    return Response(
        problem.model_dump_json(),
        status_code=error.status_code,
        headers=error.headers,
        media_type=MEDIA_TYPE,
    )

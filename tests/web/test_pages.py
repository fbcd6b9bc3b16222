"""What the page's server answers: pictures, problems, headers; and what it never does."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.web.client import ask, get
from tests.web.pictures import ZONE, call, picture, refusal

from fairdial.exceptions import StoreUnavailable
from fairdial.web.guard import Guard
from fairdial.web.problem import Problem
from fairdial.web.shown import ShownPicture, show

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send
    from tests.web.conftest import Looks, Serve


async def viewers(url: str) -> int:
    return int((await get(url, "/api/health")).json()["viewers"])


async def until_viewers(url: str, count: int) -> None:
    for _ in range(60):
        if await viewers(url) == count:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{await viewers(url)} viewers are seated after 3 s, not {count}")


async def test_the_picture_is_told_whole(serve: Serve) -> None:
    answer = await get(await serve(), "/api/picture")
    assert answer.status == 200
    assert ShownPicture.model_validate_json(answer.body) == show(picture(), zone=ZONE)


@pytest.mark.parametrize("path", ["/api/picture", "/api/pictures"])
async def test_outside_the_sandbox_numbers_are_told_by_their_last_four(
    path: str, serve: Serve, looks: Looks
) -> None:
    asked = refusal(0, whys=(f"'{refusal(0).number}' is not a number",))
    looks.picture = picture(is_sandbox=False, refusals=(asked,), calls=(call(0),))
    stream = await ask(await serve(), path)
    told = await stream.reader.readuntil(b'"dispositions"')
    await stream.close()
    # The caller ID is the company's own number and is shown to everybody who is called.
    assert b'"number":"\xe2\x80\xa6' + call(0).number[-4:].encode() in told
    for number in (call(0).number, refusal(0).number):
        assert number[2:].encode() not in told.replace(b" ", b"")


async def test_a_stream_brings_newer_pictures_and_a_viewer_may_leave(serve: Serve) -> None:
    url = await serve()
    stream = await ask(url, "/api/pictures")
    assert stream.headers["content-type"].startswith("text/event-stream")
    (first_name, first), (_, second) = await stream.event(), await stream.event()
    assert (first_name, first["campaign"]) == ("picture", "Autumn term deposits")
    assert second["at"] > first["at"]
    assert await viewers(url) == 1
    await stream.close()
    await until_viewers(url, 0)


async def test_no_more_viewers_than_seats(serve: Serve) -> None:
    url = await serve(viewers_max=2)
    watching = [await ask(url, "/api/pictures") for _ in range(2)]
    refused = await get(url, "/api/pictures")
    assert (refused.status, refused.headers["content-type"]) == (503, "application/problem+json")
    assert "All 2 seats" in Problem.model_validate_json(refused.body).detail
    await watching[0].close()
    await until_viewers(url, 1)
    after = await ask(url, "/api/pictures")
    assert after.status == 200
    await after.close()
    await watching[1].close()


async def test_all_viewers_share_one_look_and_nobody_looks_when_nobody_watches(
    serve: Serve, looks: Looks
) -> None:
    url = await serve()
    watching = [await ask(url, "/api/pictures") for _ in range(8)]
    firsts = [(await stream.event())[1]["at"] for stream in watching]
    # Who came later begins with a later look; from the latest one on all see the same.
    for stream, first in zip(watching, firsts, strict=True):
        while first < max(firsts):
            first = (await stream.event())[1]["at"]
        assert first == max(firsts)
    seen = [[(await stream.event())[1]["at"] for _ in range(2)] for stream in watching]
    assert all(ats == seen[0] for ats in seen)
    assert looks.count <= 3 + len(set(firsts))
    for stream in watching:
        await stream.close()
    await until_viewers(url, 0)
    before = looks.count
    await asyncio.sleep(0.7)
    assert looks.count == before


async def test_pictures_asked_for_in_a_row_are_one_look(serve: Serve, looks: Looks) -> None:
    url = await serve()
    answers = [await get(url, "/api/picture") for _ in range(5)]
    assert {answer.status for answer in answers} == {200}
    assert looks.count <= 2


async def test_a_viewer_who_does_not_read_delays_nobody(serve: Serve, looks: Looks) -> None:
    # Pictures of more than 1 MB, so that a few of them fill every buffer on the way.
    looks.picture = picture(calls=tuple(call(k, name="x" * 250) for k in range(3000)))
    url = await serve()
    stuck = await ask(url, "/api/pictures", is_slow=True)
    lively = await ask(url, "/api/pictures")
    ats = [(await lively.event())[1]["at"] for _ in range(5)]
    assert len(set(ats)) == 5
    await lively.close()
    stuck.writer.transport.abort()


async def test_a_look_that_fails_is_told_and_tried_again(serve: Serve, looks: Looks) -> None:
    looks.failures = [StoreUnavailable("the database is gone; start it")]
    stream = await ask(await serve(), "/api/pictures")
    assert await stream.event() == (
        "trouble",
        {
            "type": "about:blank",
            "title": "Service Unavailable",
            "status": 503,
            "detail": "The picture cannot be read: the database is gone; start it",
        },
    )
    name, _ = await stream.event()
    assert name == "picture"
    await stream.close()


async def test_faults_of_ours_tell_no_secrets(serve: Serve, looks: Looks) -> None:
    looks.failures = [ValueError("password=hunter2")]
    answer = await get(await serve(), "/api/picture")
    assert (answer.status, answer.json()["title"]) == (500, "Internal Server Error")
    assert b"hunter2" not in answer.body


@pytest.mark.parametrize(
    ("path", "method", "host", "status"),
    [
        ("/", "GET", "localhost:8420", 200),
        ("/static/page.js", "GET", "127.0.0.1:8420", 200),
        ("/api/picture", "GET", "[::1]:8420", 200),
        ("/api/nothing", "GET", "LOCALHOST", 404),
        ("/static/../pages.py", "GET", "localhost", 404),
        ("/static/nothing.js", "GET", "localhost", 404),
        ("/api/picture", "POST", "localhost", 403),
        ("/", "GET", "evil.example", 421),
        ("/api/picture", "GET", "localhost.evil.example", 421),
        ("/api/picture", "GET", "[::1].evil.example", 421),
        ("/api/pictures", "GET", "127.0.0.1.evil.example:8420", 421),
        ("/api/picture", "GET", "localhost:80:80", 421),
        ("/api/picture", "GET", "user@localhost", 421),
        ("/api/picture", "GET", "", 421),
        ("/api/health", "GET", None, 421),
    ],
)
async def test_every_answer_is_guarded(
    path: str, method: str, host: str | None, status: int, serve: Serve
) -> None:
    answer = await get(await serve(), path, method=method, host=host)
    assert answer.status == status
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert Problem.model_validate_json(answer.body).status == status


async def test_other_names_can_be_allowed(serve: Serve) -> None:
    url = await serve(hosts={"dialer.lan"})
    assert (await get(url, "/api/health", host="dialer.lan:8420")).status == 200
    assert (await get(url, "/api/health", host="localhost")).status == 421


async def test_the_stream_is_guarded_too(serve: Serve) -> None:
    stream = await ask(await serve(), "/api/pictures")
    assert stream.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in stream.headers["content-security-policy"]
    await stream.close()


async def test_the_contract_names_every_answer(serve: Serve) -> None:
    contract = (await get(await serve(), "/api/openapi.json")).json()
    operations = {path: verbs["get"] for path, verbs in contract["paths"].items()}
    assert {path: set(op["responses"]) for path, op in operations.items()} == {
        "/api/picture": {"200", "421", "500", "503"},
        "/api/pictures": {"200", "421", "503"},
        "/api/health": {"200", "421"},
    }
    assert all(set(verbs) == {"get"} for verbs in contract["paths"].values())
    whole = operations["/api/picture"]["responses"]["200"]["content"]["application/json"]
    assert whole["schema"]["$ref"].endswith("/ShownPicture")
    for operation in operations.values():
        for status, response in operation["responses"].items():
            if status != "200":
                assert set(response["content"]) == {"application/problem+json"}


async def test_the_page_asks_nobody_else_for_anything(serve: Serve) -> None:
    url = await serve()
    files = [(await get(url, path)).body for path in ("/", "/static/page.js", "/static/page.css")]
    for body in files:
        assert b"://" not in body
        assert b"innerHTML" not in body
    assert b"style=" not in files[0]
    assert b"onclick" not in files[0]


async def test_a_client_that_takes_nothing_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x", "more_body": True})

    async def nothing() -> Message:
        return {"type": "http.request"}

    async def stuck(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [(b"host", b"localhost")],
    }
    async with asyncio.timeout(2):
        await Guard(endless, send_s_max=0.05)(scope, nothing, stuck)
    assert "cut short" in caplog.text


async def test_the_picture_moves_with_the_campaign(serve: Serve, looks: Looks) -> None:
    url = await serve()
    before = (await get(url, "/api/picture")).json()
    looks.picture = replace(looks.picture, state="every lead is finished")
    await asyncio.sleep(0.55)
    after = (await get(url, "/api/picture")).json()
    assert (before["state"] == after["state"], after["state"]) == (False, "every lead is finished")
    assert json.dumps(before) != json.dumps(after)

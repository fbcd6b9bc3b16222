"""The page in a real browser: what people see, and that lists cannot make it do anything else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, expect
from tests.chromium import chromium
from tests.web.pictures import ZONE, agent, call, empty, figures, picture, refusal

from fairdial.exceptions import StoreUnavailable
from fairdial.web.pages import create_app
from fairdial.web.server import WebServer

if TYPE_CHECKING:
    from tests.web.conftest import Looks, Serve

pytestmark = pytest.mark.browser

EVIL = '<img src=x onerror="document.body.id=\'owned\'"><script>document.body.id="owned"</script>'


@dataclass
class Window:
    """A page, and everything that went wrong or out while it was open."""

    page: Page
    faults: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    async def open(self, url: str) -> None:
        """Open the page and wait for its first picture."""
        await self.page.goto(url, wait_until="commit")
        await self.page.wait_for_selector("body:not(.is-waiting)")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, headless."""
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def window(browser: Browser) -> Window:
    """A window as large as a small laptop's screen."""
    window = Window(page=await browser.new_page(viewport={"width": 1366, "height": 768}))

    def heard(said: ConsoleMessage) -> None:
        if said.type == "error":
            window.faults.append(said.text)

    window.page.on("pageerror", lambda error: window.faults.append(str(error)))
    window.page.on("console", heard)
    window.page.on("request", lambda request: window.asked.add(request.url))
    return window


async def test_shows_the_picture_and_keeps_it_up_to_date(
    window: Window, serve: Serve, looks: Looks
) -> None:
    page, url = window.page, await serve()
    await window.open(url)
    await expect(page).to_have_title("Sandbox: Autumn term deposits – Fairdial")
    await expect(page.locator("#sandbox")).to_contain_text("SANDBOX – simulated carrier")
    await expect(page.locator("#sandbox-clock")).to_contain_text("Tue 24 Nov, 10:58:")
    await expect(page.locator("#state")).to_contain_text("Predictive, 2 calls now")
    await expect(page.locator("#progress-words")).to_have_text("184 of 400 attempts")
    await expect(page.locator("#abandoned-box")).to_contain_text("under the ceiling of 3.0 %")
    await expect(page.locator("#agents tr")).to_have_count(12)
    await expect(page.locator("#agents tr").first).to_contain_text("Marisol Vega")
    await expect(page.locator("#refusals li").first).to_contain_text("next allowed 11:00")
    await expect(page.locator("#refusals li").nth(2)).to_contain_text("Wed 25 Nov, 04:44")

    second = await page.locator("#agents tr").nth(1).element_handle()
    looks.picture = picture(
        agents=tuple(agent(k) for k in range(1, 12)),
        figures=figures(answered=12345),
        abandon_rate_30d=0.05,
    )
    await expect(page.locator("#answered")).to_have_text("12,345")
    await expect(page.locator("#abandoned-box")).to_contain_text("OVER the ceiling of 3.0 %")
    await expect(page.locator("#agents tr")).to_have_count(11)
    first = await page.locator("#agents tr").first.element_handle()
    # The row moved up; it was not made anew.
    assert await page.evaluate("([a, b]) => a === b", [second, first])
    assert window.faults == []
    assert all(asked.startswith(url) for asked in window.asked)


async def test_names_from_lists_stay_text(window: Window, serve: Serve, looks: Looks) -> None:
    looks.picture = picture(
        campaign=EVIL,
        seller=EVIL,
        state=EVIL,
        agents=(agent(0, agent_name=EVIL),),
        calls=(call(0, name=EVIL, agent_name=EVIL),),
        refusals=(refusal(0, name=EVIL, reasons=(EVIL,), whys=(EVIL,)),),
        figures=figures(refused_by_rule={EVIL: 3}, outcomes={"busy": 1}),
    )
    await window.open(await serve())
    for place in ("#campaign", "#seller", "#state", "#agents", "#calls", "#rules", "#refusals"):
        await expect(window.page.locator(place)).to_contain_text(EVIL)
    assert await window.page.locator("img, script:not([src])").count() == 0
    assert await window.page.locator("#owned").count() == 0
    assert window.faults == []


async def test_the_policy_stops_what_would_get_past_the_page(window: Window, serve: Serve) -> None:
    await window.open(await serve())
    put = """(html) => {
      try { document.body.innerHTML = html; return "it was put in"; } catch (e) { return e.name; }
    }"""
    assert await window.page.evaluate(put, EVIL) == "TypeError"


@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080), (1024, 700), (360, 740)])
async def test_nothing_is_cut_off_at_the_side(
    size: tuple[int, int], window: Window, serve: Serve, looks: Looks
) -> None:
    width, height = size
    await window.page.set_viewport_size({"width": width, "height": height})
    await window.open(await serve())
    room = await window.page.evaluate(
        "() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    )
    assert room[0] <= width
    if width >= 1366:
        assert room[1] <= height
        last = await window.page.locator("#agents tr").nth(11).bounding_box()
        panel = await window.page.locator(".panel").first.bounding_box()
        assert last is not None
        assert panel is not None
        assert last["y"] + last["height"] <= panel["y"] + panel["height"], "the 12th agent shows"


async def test_a_lost_connection_is_said_and_mended(window: Window, looks: Looks) -> None:
    server = WebServer()
    url = await server.start(create_app(looks, zone=ZONE), "127.0.0.1", 0)
    await window.open(url)
    await expect(window.page.locator("#link")).to_have_text("live")
    await server.stop()
    lost = window.page.locator("#lost")
    await expect(lost).to_contain_text("Connection lost – showing the picture of 10:58:0")
    await expect(window.page.locator("#said")).to_contain_text("Connection lost")
    await server.start(create_app(looks, zone=ZONE), "127.0.0.1", int(url.split(":")[2].strip("/")))
    await expect(lost).to_be_hidden(timeout=8000)
    await expect(window.page.locator("#link")).to_have_text("live")
    await server.stop()


async def test_trouble_is_told_in_words_beside_the_last_picture(
    window: Window, serve: Serve, looks: Looks
) -> None:
    await window.open(await serve())
    looks.failures = [StoreUnavailable("the database is gone")] * 4
    await expect(window.page.locator("#lost")).to_contain_text(
        "The picture cannot be read: the database is gone – showing the picture of 10:58:0"
    )
    await expect(window.page.locator("#lost")).to_be_hidden()


async def test_without_a_free_seat_the_page_asks_now_and_then(window: Window, serve: Serve) -> None:
    url = await serve(viewers_max=0)
    await window.open(url)
    await expect(window.page.locator("#link")).to_contain_text("no live seat is free")
    before = await window.page.locator("#sandbox-clock").text_content()
    await expect(window.page.locator("#sandbox-clock")).not_to_have_text(before or "")
    await expect(window.page.locator("#lost")).to_be_hidden()


async def test_real_calls_carry_no_sandbox_banner(
    window: Window, serve: Serve, looks: Looks
) -> None:
    looks.picture = empty()
    await window.open(await serve())
    await expect(window.page.locator("#sandbox")).to_be_hidden()
    await expect(window.page.locator("#live-calls")).to_have_text("LIVE – real calls")
    await expect(window.page.locator("#agents-none")).to_be_visible()
    await expect(window.page.locator("#engine")).to_have_text("engine up")
    looks.picture = replace(empty(), is_engine_up=False)
    await expect(window.page.locator("#engine")).to_have_text("ENGINE DOWN")


# WCAG 2.2, success criterion 1.4.3: text against what is behind it, at least 4.5 to 1.
LOW_CONTRAST = """() => {
  const parse = (c) => (c.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => {
    const f = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 };
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const low = [];
  let seen = 0;
  for (const e of document.body.querySelectorAll("*")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || ["NOSCRIPT", "SCRIPT"].includes(e.tagName)) continue;
    seen += 1;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${e.tagName} ${e.className} ${e.textContent.slice(0, 30)} ${ratio}`);
  }
  return { seen, low };
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_all_text_can_be_read_against_its_background(
    scheme: Any, window: Window, serve: Serve, looks: Looks
) -> None:
    await window.page.emulate_media(color_scheme=scheme)
    looks.picture = picture(abandon_rate_30d=0.05, is_engine_up=False)
    await window.open(await serve())
    found = await window.page.evaluate(LOW_CONTRAST)
    assert found["low"] == []
    assert found["seen"] > 100


async def test_a_screen_reader_is_not_talked_at_twice_a_second(
    window: Window, serve: Serve, looks: Looks
) -> None:
    await window.open(await serve())
    await expect(window.page.locator("#said")).to_contain_text("Predictive, 2 calls now")
    looks.picture = picture(state="another reason")
    await expect(window.page.locator("#state")).to_have_text("another reason")
    await asyncio.sleep(0.6)
    await expect(window.page.locator("#said")).to_contain_text("Predictive, 2 calls now")
    assert await window.page.locator("[aria-live], [role=status]").count() == 1
    assert await window.page.locator("h1").count() == 1
    assert await window.page.locator("header, main, footer").count() == 3

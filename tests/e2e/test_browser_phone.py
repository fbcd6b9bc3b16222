"""An agent whose phone is a real browser: from the microphone to the disposition."""

from __future__ import annotations

import socket
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import BrowserContext, Page, expect
from tests.chromium import chromium

from .command import HERE, Command, Installation, free_port

pytestmark = pytest.mark.browser

NUMBERS = ("+12125550101", "+12125550102")
TALKS = 'does = "person"\nring_s = 0.3\ntalk_s = 25.0\npatience_s = 30.0'
FLAGS = (
    "--autoplay-policy=no-user-gesture-required",
    # A microphone that beeps, and a permission that is given.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
)
WITHIN_MS = 20_000


@pytest.fixture
async def window() -> AsyncIterator[BrowserContext]:
    """Debian's Chromium, headless, with a microphone of its own."""
    async with chromium(*FLAGS) as browser:
        yield await browser.new_context(
            viewport={"width": 1366, "height": 768}, permissions=["microphone"]
        )


@pytest.fixture
def port() -> int:
    """A free port for the page."""
    return free_port(socket.SOCK_STREAM)


@pytest.fixture
def running(installation: Installation, port: int) -> Command:
    """A campaign whose one agent has a browser as phone."""
    installation.write_campaign(agents=1)
    text = installation.campaign.read_text()
    text = text.replace("wrap_up_s = 1\n", "wrap_up_s = 60\n")
    installation.campaign.write_text(
        text.replace("count = 1\n", 'count = 1\nphones = ["browser:alice"]\n')
        + '\n[recording]\npolicy = "all"\nnotice = "This call is recorded."\n'
    )
    installation.write_leads(NUMBERS)
    return installation.dial(
        "--scenario",
        installation.write_scenario(dict.fromkeys(NUMBERS, TALKS)),
        page=True,
        settings={"web_port": port},
    )


async def open_phone(window: BrowserContext, running: Command, port: int) -> tuple[Page, list[str]]:
    """The page of the one agent, connected, with its line tested."""
    running.until(lambda: f"http://{HERE}:{port}/phone" in running.said)
    page = await window.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.set_default_timeout(WITHIN_MS)
    await page.goto(f"http://{HERE}:{port}/phone")
    await page.get_by_role("button", name="alice").click()
    await page.get_by_role("button", name="Connect", exact=True).click()
    await expect(page.locator("#connection")).to_have_text("connected", timeout=WITHIN_MS)
    await expect(page.locator("#line")).to_have_text("tone heard", timeout=WITHIN_MS)
    return page, faults


async def test_a_browser_is_a_phone_from_the_first_word_to_the_disposition(
    window: BrowserContext,
    installation: Installation,
    running: Command,
    port: int,
    tmp_path: Path,
) -> None:
    page, faults = await open_phone(window, running, port)
    await expect(page.locator("#mic")).to_have_text("allowed")
    # Nothing comes before the agent says so.
    await expect(page.locator("#state")).to_have_text("paused", timeout=WITHIN_MS)
    await page.keyboard.press("r")
    await expect(page.locator("#state")).to_have_text("talking", timeout=WITHIN_MS)
    await expect(page.locator("#person-name")).to_contain_text("Person")
    await expect(page.locator("#person-state")).to_have_text("On the line")
    await expect(page.locator("#script")).to_contain_text("Harborough Library")
    # The person is heard: sound comes out, and it is not the tone of the line.
    loudest = """async () => {
      const ear = window.phoneEar, wave = new Float32Array(ear.fftSize);
      let most = 0;
      for (let n = 0; n < 60; n += 1) {
        ear.getFloatTimeDomainData(wave);
        most = Math.max(most, ...wave.map(Math.abs));
        await new Promise((done) => setTimeout(done, 50));
      }
      return most;
    }"""
    assert await page.evaluate(loudest) > 0.01
    await page.screenshot(path=tmp_path / "talking.png")
    await expect(page.locator("#notice")).to_have_text("This call is recorded.")
    await page.keyboard.press("c")
    await expect(page.locator("#notice")).to_contain_text("Recording paused")
    await page.keyboard.press("c")
    await expect(page.locator("#record")).to_have_text("Pause recording C")
    await page.keyboard.press("m")
    await expect(page.locator("#mute")).to_have_attribute("aria-pressed", "true")
    await page.keyboard.press("m")
    await page.keyboard.press("h")
    await expect(page.locator("#person-state")).to_have_text("On hold")
    await page.keyboard.press("h")
    await expect(page.locator("#person-state")).to_have_text("On the line")
    # A reload keeps the call.
    await page.reload()
    await expect(page.locator("#person-state")).to_have_text("On the line", timeout=WITHIN_MS)
    await expect(page.locator("#connection")).to_have_text("connected", timeout=WITHIN_MS)
    await page.keyboard.press("x")
    await expect(page.locator("#state")).to_have_text("wrap-up", timeout=WITHIN_MS)
    await page.get_by_role("button", name="sale", exact=True).click()
    await expect(page.locator("#state")).not_to_have_text("wrap-up", timeout=WITHIN_MS)
    assert faults == []
    running.interrupt()
    assert (running.ended(), running.complained) == (0, "")
    (recorded,) = (installation.data_dir / "recordings").rglob("*.wav*")
    with wave.open(str(recorded)) as audio:
        assert (audio.getframerate(), audio.getnchannels()) == (8_000, 2)
        sound = np.frombuffer(audio.readframes(audio.getnframes()), "<i2").reshape(-1, 2)
    # The person speaks on the left, and the agent's microphone beeps on the right.
    assert len(sound) > 3 * 8_000
    assert min(np.abs(sound).max(axis=0)) > 300


async def test_the_phone_goes_with_the_window_that_took_it_last(
    window: BrowserContext, running: Command, port: int
) -> None:
    first, _ = await open_phone(window, running, port)
    second, _ = await open_phone(window, running, port)
    await expect(first.locator("#connection")).to_have_text("in another window", timeout=WITHIN_MS)
    await expect(second.locator("#connection")).to_have_text("connected")
    running.interrupt()
    assert running.ended() == 0

"""Debian's Chromium, headless, as the tests of the pages use it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@asynccontextmanager
async def chromium(*more_flags: str) -> AsyncIterator[Browser]:
    """A browser of its own; a machine without one fails the test."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("Chromium is missing; ./check installs it (or apt-get install chromium)")
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=program, args=[*_FLAGS, *more_flags])
        yield browser
        await browser.close()

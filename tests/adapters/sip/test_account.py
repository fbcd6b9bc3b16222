"""A trunk that asks for a password and a registration, played by the carrier that ships."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fairdial.adapters.carrier.processes import CarrierProcess
from fairdial.adapters.carrier.witness import read_log
from fairdial.ports import CallAnswered, CallEnded, EndCause

from .sip_cast import OpenLine, permit, trunk

pytestmark = pytest.mark.wire

SCENARIO = """
[account]
username = "alder"
password = "a long enough password"
must_register = true
expires_s_max = 4

[mix]
person = 1.0

[ring]
after_s_min = 0.0
after_s_max = 0.0
mean_s = 0.1
max_s = 0.2
"""
ACCOUNT: dict[str, Any] = {"username": "alder", "password": "a long enough password"}


@pytest.fixture
async def carrier(tmp_path: Path) -> AsyncIterator[CarrierProcess]:
    """The simulated carrier, for one customer."""
    (tmp_path / "scenario.toml").write_text(SCENARIO)
    process = CarrierProcess(log_path=tmp_path / "log", scenario=tmp_path / "scenario.toml")
    await process.start()
    yield process
    await process.stop()


def seen(folder: Path, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


async def test_a_registration_is_kept_and_every_call_proves_its_password(
    carrier: CarrierProcess, open_line: OpenLine, tmp_path: Path
) -> None:
    ours = trunk(carrier.port, registers=True, register_s=60, **ACCOUNT)
    async with open_line(trunks=(ours,)) as line:
        for _ in range(200):
            if (await line.telephony.trunks())[0].is_up:
                break
            await asyncio.sleep(0.05)
        assert (await line.telephony.trunks())[0].why == "registered for 4 s"
        attempt = await line.call(permit())
        await line.until_told(CallAnswered, attempt)
        await line.telephony.hang_up(attempt)
        await line.until_told(CallEnded, attempt)
        # Longer than what was granted: it is renewed in time.
        await asyncio.sleep(5)
        again = await line.call(permit("+12125550143"))
        await line.until_told(CallAnswered, again)
        await line.telephony.hang_up(again)
        await line.until_told(CallEnded, again)
    assert len(seen(tmp_path, "registered")) >= 3
    assert len(seen(tmp_path, "challenged")) >= 2
    # What was asked for its password is no call: the witness counts two.
    assert set(read_log(tmp_path / "log").call_ids) == {str(attempt), str(again)}


async def test_a_wrong_password_rings_nobody(
    carrier: CarrierProcess, open_line: OpenLine, tmp_path: Path
) -> None:
    wrong = trunk(carrier.port, username="alder", password="guessed")
    async with open_line(trunks=(wrong,)) as line:
        attempt = await line.call(permit())
        ended = await line.until_told(CallEnded, attempt)
        assert (ended.cause, ended.raw) == (EndCause.REJECTED, "SIP 403 Forbidden")
    assert seen(tmp_path, "ringing") == seen(tmp_path, "invite") == []


async def test_who_is_not_registered_may_not_call(
    carrier: CarrierProcess, open_line: OpenLine, tmp_path: Path
) -> None:
    async with open_line(trunks=(trunk(carrier.port, **ACCOUNT),)) as line:
        attempt = await line.call(permit())
        ended = await line.until_told(CallEnded, attempt)
        assert (ended.cause, ended.raw) == (EndCause.REJECTED, "SIP 403 Not Registered")
    assert seen(tmp_path, "ringing") == []

"""A carrier that does everything wrong: each call ends once, with a reason, and nothing is left."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fairdial.adapters.carrier.population import Oddity
from fairdial.adapters.carrier.processes import CarrierProcess
from fairdial.adapters.carrier.witness import read_log
from fairdial.ports import CallAnswered, CallEnded, CallRinging, EndCause

from .sip_cast import OpenLine, permit, trunk

pytestmark = pytest.mark.wire

ENDS = {
    Oddity.SILENT: EndCause.NO_RESPONSE,
    Oddity.RETRY_LATER: EndCause.CONGESTION,
    Oddity.REDIRECTS: EndCause.REJECTED,
    Oddity.NO_DESCRIPTION: EndCause.FAILED,
    Oddity.BROKEN_DESCRIPTION: EndCause.FAILED,
    Oddity.BYE_AT_ONCE: EndCause.CALLED_PARTY_HUNG_UP,
}
ANSWERED = (Oddity.EARLY_MEDIA, Oddity.FORKS, Oddity.MOVES)
NUMBERS = {odd: f"+121255501{n:02}" for n, odd in enumerate(Oddity)}


def open_files(pid: int) -> int:
    """How many files and sockets a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def carrier(folder: Path, *, network: str = "") -> CarrierProcess:
    """One number for each oddity, behind a network as bad as asked."""
    scenario = folder / "bad.toml"
    numbers = "".join(
        f'[[number]]\nnumber = "{number}"\ndoes = "person"\nodd = "{odd.value}"\n'
        "ring_s = 0.4\npatience_s = 30.0\n"
        for odd, number in NUMBERS.items()
    )
    scenario.write_text(f"{network}[ring]\nafter_s_min = 0.0\nafter_s_max = 0.1\n{numbers}")
    return CarrierProcess(log_path=folder / "carrier.jsonl", scenario=scenario)


async def test_whatever_the_carrier_does_each_call_ends_once_with_a_reason(
    open_line: OpenLine, tmp_path: Path
) -> None:
    odd_carrier = carrier(tmp_path)
    await odd_carrier.start()
    try:
        async with open_line(trunks=(trunk(odd_carrier.port),), media_lost_s=2.0) as line:
            pid = line.telephony.engine_pid
            files = open_files(pid)
            # The one that asks to be left alone comes last: it takes the trunk away.
            order = sorted(Oddity, key=lambda odd: odd is Oddity.RETRY_LATER)
            attempts = {}
            for odd in order:
                attempts[odd] = await line.call(permit(NUMBERS[odd]))
                await asyncio.sleep(0.05)
            for odd, cause in ENDS.items():
                ended = await line.until_told(CallEnded, attempts[odd])
                assert ended.cause is cause, odd
            for odd in ANSWERED:
                await line.until_told(CallRinging, attempts[odd])
                await line.until_told(CallAnswered, attempts[odd])
            # Audio that moved is followed: longer than a call may be without it.
            await asyncio.sleep(3.5)
            assert (await line.telephony.live()).attempts == {attempts[odd] for odd in ANSWERED}
            for odd in ANSWERED:
                await line.telephony.hang_up(attempts[odd])
                ended = await line.until_told(CallEnded, attempts[odd])
                assert ended.cause is EndCause.WE_HUNG_UP, odd
            for odd, attempt in attempts.items():
                assert line.story(attempt).count("CallEnded") == 1, odd
            assert open_files(pid) == files
    finally:
        await odd_carrier.stop()
    report = read_log(tmp_path / "carrier.jsonl")
    # Who is silent is asked again by the clock; nobody else is.
    assert len({invite.call_id for invite in report.invites}) == len(Oddity)


async def test_a_lossy_line_is_a_call_all_the_same(open_line: OpenLine, tmp_path: Path) -> None:
    bad = "[network]\nloss = 0.1\nloss_burst = 3.0\ndelay_s = 0.08\njitter_s = 0.06\n"
    odd_carrier = carrier(tmp_path, network=bad)
    await odd_carrier.start()
    try:
        async with open_line(trunks=(trunk(odd_carrier.port),), media_lost_s=2.0) as line:
            attempt = await line.call(permit(NUMBERS[Oddity.FORKS]))
            await line.until_told(CallAnswered, attempt)
            await asyncio.sleep(3.0)
            assert (await line.telephony.live()).attempts == {attempt}
            await line.telephony.hang_up(attempt)
            await line.until_told(CallEnded, attempt)
    finally:
        await odd_carrier.stop()

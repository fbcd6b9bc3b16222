"""When something is killed: nobody is called twice, nobody is left ringing or in silence."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from fairdial.adapters import worker_process as process_module
from fairdial.adapters.sip.telephony import SipSettings
from fairdial.core.ids import AttemptId, SessionId
from fairdial.exceptions import EngineUnavailable
from fairdial.ports import (
    AgentLegUp,
    CallAnswered,
    CallEnded,
    CallNotDialed,
    CallRinging,
    EndCause,
    EngineDown,
    EngineUp,
    LiveLegs,
)

from .sip_cast import HERE, Line, OpenEar, OpenLine, PlaySipp, free_port, invites, permit

pytestmark = pytest.mark.wire


def _pid(settings: SipSettings) -> int:
    """The newest engine's process, by the first line of its wire log."""
    newest = sorted(settings.data_dir.glob("wire-*.jsonl"))[-1]
    return int(json.loads(newest.read_text().splitlines()[0])["pid"])


def _kill(settings: SipSettings) -> None:
    os.kill(_pid(settings), signal.SIGKILL)


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_a_killed_engine_is_told_of_and_comes_back(
    line: Line, sipp: PlaySipp, settings: SipSettings
) -> None:
    carrier = sipp("rings")
    dialed, never = permit(), AttemptId(uuid4())
    await line.call(dialed)
    await line.until_told(CallRinging, dialed.attempt_id)
    killed_at = time.monotonic()
    _kill(settings)
    down = await line.until_told(EngineDown)
    assert down.why == "the telephony engine: its process ended"
    assert time.monotonic() - killed_at < 1
    with pytest.raises(EngineUnavailable, match="the telephony engine is down"):
        await line.telephony.hang_up(dialed.attempt_id)

    await line.until_told(EngineUp, count=2)
    assert await line.telephony.live() == LiveLegs(attempts=frozenset(), sessions=frozenset())
    assert await line.telephony.was_dialed([dialed.attempt_id, never]) == {
        dialed.attempt_id: True,
        never: False,
    }
    await line.call(dialed)
    # What rang is cancelled by the new engine, which also acknowledges the 487.
    await carrier.played()
    assert invites(carrier) == {str(dialed.attempt_id): 1}
    # The dead engine's call has no end of its own: the flow reconciles it.
    assert line.story(dialed.attempt_id) == ["CallDialed", "CallRinging"]


async def test_a_call_that_an_engine_left_answered_is_hung_up_by_the_next(
    line: Line, sipp: PlaySipp, settings: SipSettings
) -> None:
    carrier = sipp("answers")
    attempt = await line.call(permit())
    await line.until_told(CallAnswered, attempt)
    _kill(settings)
    await line.until_told(EngineUp, count=2)
    await carrier.played()


async def test_an_answer_that_comes_after_the_engine_died_is_hung_up(
    line: Line, sipp: PlaySipp, settings: SipSettings
) -> None:
    carrier = sipp("crosses")
    attempt = await line.call(permit())
    await line.until_told(CallRinging, attempt)
    _kill(settings)
    await line.until_told(EngineUp, count=2)
    await carrier.played()


async def test_an_agent_s_phone_is_freed_and_can_be_connected_again(
    line: Line, sipp: PlaySipp, settings: SipSettings
) -> None:
    session, port = SessionId(uuid4()), free_port()
    before = sipp("answers", port=port)
    await line.telephony.connect_agent(session, f"sip:agent1@{HERE}:{port}")
    await line.until_told(AgentLegUp, session)
    _kill(settings)
    await line.until_told(EngineUp, count=2)
    await before.played()
    sipp("answers", port=port)
    await line.telephony.connect_agent(session, f"sip:agent1@{HERE}:{port}")
    await line.until_told(AgentLegUp, session, count=2)


async def test_another_dialer_does_not_dial_an_attempt_again(
    open_line: OpenLine, sipp: PlaySipp
) -> None:
    one, other = permit(), permit("+12125550143")
    carrier = sipp("refuses", status="486 Busy Here", calls=2)
    async with open_line() as first:
        await first.call(one)
        await first.until_told(CallEnded, one.attempt_id)
    async with open_line() as second:
        assert await second.telephony.was_dialed([one.attempt_id, other.attempt_id]) == {
            one.attempt_id: True,
            other.attempt_id: False,
        }
        await second.call(one)
        await second.call(other)
        await second.until_told(CallEnded, other.attempt_id)
        await carrier.played()
        assert second.story(one.attempt_id) == []
    assert invites(carrier) == {str(one.attempt_id): 1, str(other.attempt_id): 1}


async def test_calls_end_at_once_when_the_dialer_is_killed(
    settings: SipSettings, sipp: PlaySipp, tmp_path: Path
) -> None:
    carrier = sipp("rings")
    story = tmp_path / "dialer.py"
    story.write_text(_DIALER)
    given = json.dumps(settings.to_wire())
    package = str(Path(__file__).parents[1])
    dialer = await asyncio.create_subprocess_exec(
        sys.executable, str(story), package, given, stdout=subprocess.PIPE
    )
    assert dialer.stdout is not None
    try:
        assert await asyncio.wait_for(dialer.stdout.readline(), 15) == b"it rings\n"
        engine = _pid(settings)
    finally:
        dialer.kill()
        await dialer.wait()
    await carrier.played()
    for _ in range(100):
        if not _lives(engine):
            break
        await asyncio.sleep(0.05)
    assert not _lives(engine)


_DIALER = """
import asyncio, json, sys
sys.path.insert(0, sys.argv[1])
from sip.sip_cast import Line, RealClock, permit
from fairdial.adapters.sip.telephony import SipSettings, SipTelephony
from fairdial.ports import CallRinging

async def dial():
    line = Line(SipTelephony(SipSettings.from_wire(json.loads(sys.argv[2])), RealClock()))
    await line.telephony.start()
    listening = asyncio.create_task(line.listen())
    await line.call(permit())
    await line.until_told(CallRinging)
    print("it rings", flush=True)
    await asyncio.sleep(60)

asyncio.run(dial())
"""


async def test_without_a_wire_log_nothing_is_dialed(line: Line, settings: SipSettings) -> None:
    # The disk is as good as full: the engine may not make its log any longer.
    log = settings.data_dir / "wire-000001.jsonl"
    size = log.stat().st_size
    resource.prlimit(_pid(settings), resource.RLIMIT_FSIZE, (size, size))
    attempt = await line.call(permit())
    declined = await line.until_told(CallNotDialed, attempt)
    assert declined.why == f"the INVITE could not be sent: {log}: File too large"
    assert line.story(attempt) == ["CallNotDialed"]
    assert await line.telephony.was_dialed([attempt]) == {attempt: False}


async def test_ctrl_c_leaves_the_calls_to_the_dialer(
    line: Line, sipp: PlaySipp, settings: SipSettings
) -> None:
    carrier = sipp("rings")
    attempt = await line.call(permit(), ring_s=2)
    await line.until_told(CallRinging, attempt)
    os.kill(_pid(settings), signal.SIGINT)
    ended = await line.until_told(CallEnded, attempt)
    assert ended.cause is EndCause.NO_ANSWER
    await carrier.played()


async def test_sigterm_ends_the_calls_cleanly(
    line: Line, sipp: PlaySipp, settings: SipSettings
) -> None:
    carrier = sipp("rings")
    attempt = await line.call(permit())
    await line.until_told(CallRinging, attempt)
    os.kill(_pid(settings), signal.SIGTERM)
    ended = await line.until_told(CallEnded, attempt)
    assert ended.cause is EndCause.CANCELLED
    await line.until_told(EngineDown)
    await carrier.played()


async def test_a_stopped_engine_leaves_nothing_behind(
    open_line: OpenLine, sipp: PlaySipp, settings: SipSettings
) -> None:
    carrier = sipp("hangs_up")
    async with open_line() as line:
        attempt = await line.call(permit())
        await line.until_told(CallEnded, attempt)
        await carrier.played()
    assert line.telephony._worker.exit_status == 0
    assert (settings.data_dir / "engine.log").read_text() == ""


async def test_an_engine_that_hangs_is_killed_and_replaced(
    line: Line, settings: SipSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "_PING_EVERY_S", 0.1)
    monkeypatch.setattr(process_module, "_PING_S", 0.5)
    os.kill(_pid(settings), signal.SIGSTOP)
    await line.until_told(EngineDown)
    await line.until_told(EngineUp, count=2)


async def test_a_permit_that_ends_in_a_stopped_engine_is_not_dialed_when_it_goes_on(
    line: Line, settings: SipSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "_REPLY_S", 0.2)
    granted = permit()
    granted = replace(granted, expires_at=granted.issued_at + timedelta(seconds=1))
    os.kill(_pid(settings), signal.SIGSTOP)
    # Not confirmed, and neither called dialed nor not dialed: that would be a guess.
    await line.telephony.dial(granted, ring_s=20)
    await asyncio.sleep(1.2)
    os.kill(_pid(settings), signal.SIGCONT)
    told = await line.until_told(CallNotDialed, granted.attempt_id)
    assert told.why == "the permit ended before the engine dialed"
    assert await line.telephony.was_dialed([granted.attempt_id]) == {granted.attempt_id: False}


async def test_an_engine_that_dies_again_and_again_is_given_up(
    line: Line, settings: SipSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "_BACKOFF_S", (0.0,) * 5)
    for count in range(1, 5):
        _kill(settings)
        await line.until_told(EngineUp, count=count + 1)
    _kill(settings)
    given_up = await line.until_told(EngineDown, count=6)
    assert given_up.why.startswith("its process died 5 times within 60 s, so it is not started")
    with pytest.raises(EngineUnavailable, match="died 5 times"):
        await line.telephony.live()
    assert await line.telephony.was_dialed([never := AttemptId(uuid4())]) == {never: False}


async def test_two_engines_cannot_have_one_port(
    line: Line, open_line: OpenLine, ear: OpenEar, tmp_path: Path
) -> None:
    port = line.telephony._settings.sip_port
    with pytest.raises(EngineUnavailable, match=rf"127\.0\.0\.1:{port} \(UDP\) is already in use"):
        async with open_line(sip_port=port, data_dir=tmp_path / "other"):
            pass

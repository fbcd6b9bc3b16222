"""The fixtures of the wire tests: an engine, and what plays the other side."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fairdial.adapters.sip.telephony import SipSettings, SipTelephony
from fairdial.media import g711
from fairdial.ports import (
    Message,
)

from .sip_cast import (
    HERE,
    SCENARIOS,
    Ear,
    Line,
    OpenEar,
    OpenLine,
    PlaySipp,
    RealClock,
    Sipp,
    free_port,
    trunk,
)


@pytest.fixture
def message_file(tmp_path: Path) -> Path:
    """A recorded message of half a second: a staircase, so that every frame is another one."""
    path = tmp_path / "abandoned.wav"
    samples = [250 * (n // g711.FRAME_SAMPLES) + 100 for n in range(g711.SAMPLE_RATE // 2)]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(g711.SAMPLE_RATE)
        file.writeframes(g711.pcm_from_samples(samples))
    return path


@pytest.fixture
def settings(tmp_path: Path, message_file: Path) -> SipSettings:
    """A sandbox whose trunk leads to a free port of this machine."""
    return SipSettings(
        trunks=(trunk(free_port()),),
        local_ip=HERE,
        sip_port=0,
        rtp_port_min=20000,
        rtp_port_max=29999,
        is_sandbox=True,
        data_dir=tmp_path / "data",
        messages={Message.ABANDONED: message_file},
        caller_name='Alder "Solar"',
        calls_max=50,
        no_response_s=2.0,
        clear_s=1.0,
        # Most tests tell who is heard by whole packets, which a tone would change.
        join_tone=False,
    )


@pytest.fixture
def open_line(settings: SipSettings, sipp: PlaySipp) -> OpenLine:
    """Starts an engine with the fixture's settings, changed as asked; stops it in the end.

    It asks for `sipp` so that carriers outlive the engine and can take its last BYE.
    """

    @asynccontextmanager
    async def opened(**changes: Any) -> AsyncIterator[Line]:
        line = Line(SipTelephony(replace(settings, **changes), RealClock()))
        await line.telephony.start()
        listening = asyncio.create_task(line.listen())
        try:
            yield line
        finally:
            await line.telephony.stop()
            await asyncio.wait_for(listening, 5)

    return opened


@pytest.fixture
async def line(open_line: OpenLine) -> AsyncIterator[Line]:
    """An engine that is up."""
    async with open_line() as line:
        yield line


@pytest.fixture
def sipp(settings: SipSettings, tmp_path: Path) -> Iterator[PlaySipp]:
    """Plays a scenario on the trunk's port (or another), with values for its keys."""
    program = shutil.which("sipp")
    if program is None:
        pytest.fail("SIPp is not installed: run ./check, which brings it (Debian: sip-tester)")
    playing: list[Sipp] = []

    def play(name: str, *, port: int | None = None, calls: int = 1, **keys: object) -> Sipp:
        folder = tmp_path / f"sipp-{len(playing)}-{name}"
        folder.mkdir()
        scenario = (SCENARIOS / f"{name}.xml").read_text()
        given = {"rtp": free_port(), "codecs": "0 101", "contact": "", **keys}
        for key, value in given.items():
            scenario = scenario.replace(f"[{key}]", str(value))
        (folder / "scenario.xml").write_text(scenario)
        port = port or settings.trunks[0].port
        options = f"-sf scenario.xml -i {HERE} -p {port} -m {calls} -timeout 20s -timeout_error"
        traces = "-trace_msg -message_file messages.log -trace_err -error_file errors.log"
        # Until SIPp listens, an INVITE is lost and sent again half a second later: that is SIP.
        process = subprocess.Popen(
            [program, "-nostdin", *options.split(), *traces.split()],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        playing.append(Sipp(process, folder, name))
        return playing[-1]

    yield play
    for carrier in playing:
        carrier.kill()


@pytest.fixture
async def ear() -> AsyncIterator[OpenEar]:
    """Opens RTP endpoints, and closes them in the end."""
    async with AsyncExitStack() as opened:

        async def open_one() -> Ear:
            loop = asyncio.get_running_loop()
            transport, endpoint = await loop.create_datagram_endpoint(Ear, local_addr=(HERE, 0))
            opened.callback(transport.close)
            return endpoint

        yield open_one

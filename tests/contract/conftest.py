"""The engines that the contract is tried on."""

from __future__ import annotations

import math
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.adapters.asterisk.asterisk_cast import asterisk_world
from tests.adapters.sip.sip_cast import RealClock, free_port, trunk

from fairdial.adapters.memory.telephony import MemoryTelephony
from fairdial.adapters.sip.telephony import SipSettings, SipTelephony
from fairdial.media import g711
from fairdial.ports import Message

from .exchange import HERE, VOICES, Exchange
from .worlds import MemoryWorld, WireWorld, World

MESSAGE_S = 1.0


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A recorded message: a second of a tone that is nobody's voice."""
    path = tmp_path / "message.wav"
    hertz = 2 * VOICES["called"] + 77
    samples = [
        round(4000 * math.sin(2 * math.pi * hertz * n / 8000))
        for n in range(round(8000 * MESSAGE_S))
    ]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(g711.SAMPLE_RATE)
        file.writeframes(g711.pcm_from_samples(samples))
    return path


async def _embedded(folder: Path, recording: Path) -> World:
    exchange = Exchange()
    port = await exchange.start()
    sip_port = free_port()
    settings = SipSettings(
        trunks=(trunk(port, accepts_inbound=True),),
        local_ip=HERE,
        sip_port=sip_port,
        rtp_port_min=20000,
        rtp_port_max=29999,
        is_sandbox=True,
        data_dir=folder / "engine",
        messages={Message.ABANDONED: recording},
        caller_name="Alder Solar",
        calls_max=50,
        after_message_s=0.2,
        clear_s=1.0,
    )
    return WireWorld(SipTelephony(settings, RealClock()), exchange, sip=(HERE, sip_port))


@pytest.fixture(
    params=[
        "memory",
        pytest.param("embedded", marks=pytest.mark.wire),
        pytest.param("asterisk", marks=pytest.mark.wire),
    ],
)
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, recording: Path
) -> AsyncIterator[World]:
    """Each engine in turn, started."""
    match request.param:
        case "memory":
            opened: World = MemoryWorld(MemoryTelephony(RealClock()))
        case "embedded":
            opened = await _embedded(tmp_path, recording)
        case "asterisk":
            tree: Path = request.getfixturevalue("asterisk_tree")
            opened = await asterisk_world(tmp_path, recording, tree)
        case unknown:
            raise AssertionError(f"no engine is called {unknown}")
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()

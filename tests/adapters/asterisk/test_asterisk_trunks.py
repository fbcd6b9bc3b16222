"""Which refusals of a trunk let Asterisk try the next one: the same as on the embedded engine."""

from __future__ import annotations

import pytest
from tests.adapters.sip.raw_peer import Message, raw_peer
from tests.adapters.sip.sip_cast import trunk

from fairdial.core.attempt import EndCause
from fairdial.ports import CallDialed, CallEnded, CallRinging

from .conftest import OpenAsterisk

pytestmark = pytest.mark.wire


@pytest.mark.parametrize("status", ["500 Server Internal Error", "503 Service Unavailable"])
async def test_a_trunk_that_cannot_hands_the_call_on(
    open_asterisk: OpenAsterisk, status: str
) -> None:
    async with raw_peer() as peer:

        def script(message: Message) -> None:
            if message.method == "INVITE":
                peer.reply(message, status)

        peer.script = script
        async with open_asterisk(first=(trunk(peer.port, "refusing"),)) as world:
            granted = world.permit()
            await world.telephony.dial(granted, ring_s=20)
            await world.ring(granted)
            await world.until(CallRinging, granted.attempt_id)
            told = [event.trunk for event in world.told if isinstance(event, CallDialed)]
            assert told == ["refusing", "exchange"]


async def test_a_refusal_that_is_about_the_call_ends_it(open_asterisk: OpenAsterisk) -> None:
    async with raw_peer() as peer:

        def script(message: Message) -> None:
            if message.method == "INVITE":
                peer.reply(message, "501 Not Implemented")

        peer.script = script
        async with open_asterisk(first=(trunk(peer.port, "refusing"),)) as world:
            granted = world.permit()
            await world.telephony.dial(granted, ring_s=20)
            ended = await world.until(CallEnded, granted.attempt_id)
            assert ended.cause is EndCause.CONGESTION
            assert world.rang(granted) == 0

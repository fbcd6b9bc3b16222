"""A call's leg by itself: what it tells when messages cross."""

from __future__ import annotations

import time
from typing import cast
from unittest.mock import Mock

from fairdial.adapters.sip.engine import Engine
from fairdial.adapters.sip.legs import CallLeg, Wish
from fairdial.adapters.sip.media import MediaPort
from fairdial.core.trunk import TrunkChoice
from fairdial.ports import EndCause


async def test_an_answer_that_crosses_our_giving_up_is_not_told_after_the_end() -> None:
    engine = Mock(calls={})
    engine.trunks.choose.return_value = TrunkChoice(name="main", start_at=time.monotonic() + 60)
    wish = Wish(
        attempt="a",
        number="+12125550100",
        caller_id="+13125550199",
        ring_s=20.0,
        until=time.monotonic() + 60,
        detect=False,
        identity="",
    )
    leg = CallLeg(cast("Engine", engine), wish, cast("MediaPort", Mock()))
    leg.on_dialed()
    leg.finish(EndCause.NO_RESPONSE, "no reply")
    leg.on_answered("")
    told = [call.args[0] for call in engine.tell.call_args_list]
    assert told == ["dialed", "ended"]
    assert leg.is_over

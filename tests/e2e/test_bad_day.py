"""A whole campaign on a bad day, and the carrier as a program of its own."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from .command import EXAMPLES, Installation

pytestmark = pytest.mark.wire

NUMBERS = tuple(f"+121255501{n:02}" for n in range(1, 10))


def test_a_campaign_survives_a_bad_day_with_a_reason_for_each_call(
    installation: Installation,
) -> None:
    installation.write_campaign(agents=3)
    installation.write_leads(NUMBERS)
    command = installation.dial(
        "--scenario", EXAMPLES / "bad-day.toml", "--calls", str(len(NUMBERS)), "--minutes", "0.7"
    )
    assert (command.ended(within_s=150), command.complained) == (0, "")
    invited = Counter(line["to"] for line in installation.at_carrier("invite"))
    # The silent one is asked again by the clock of SIP; nobody is dialed twice.
    assert {number for number, count in invited.items() if count > 1} <= {"+12125550101"}
    # The silent one never learned that anything ended; there was nothing to end.
    silent = {
        line["call_id"]
        for line in installation.at_carrier("invite")
        if line["to"] == "+12125550101"
    }
    assert installation.up_at_carrier() <= silent
    audit = installation.audit()
    assert (audit.process.returncode, audit.complained) == (0, "")
    assert installation.processes() == {}


def test_the_carrier_is_a_program_of_its_own(installation: Installation) -> None:
    command = installation.start("carrier", "--port", "0", "--minutes", "0.02")
    assert command.ended() == 0
    assert "calls to sip:+12125550142@127.0.0.1:" in command.complained
    assert json.loads(command.said)["calls"] == 0


def test_a_scenario_that_is_none_is_named(installation: Installation) -> None:
    path = installation.folder / "odd.toml"
    path.write_text('[[number]]\nnumber = "+12125550101"\ndoes = "person"\nodd = "sings"\n')
    command = installation.start("carrier", "--port", "0", "--scenario", str(path))
    assert command.ended() == 2
    assert "number[1].odd must be one of silent, retry_later" in command.complained

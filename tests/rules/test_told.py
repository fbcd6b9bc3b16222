"""What federal law and a state's tell for one call adds up, and nothing else is told.

What each of them tells, in which words and for which calls, the situations beside the rules say.
"""

from __future__ import annotations

from datetime import UTC, datetime

from fairdial.rules import load_rulebook
from fairdial.rules.situations import facts_of

RULEBOOK = load_rulebook()
NOW = datetime(2026, 12, 3, 18, 0, tzinfo=UTC)
SALE = {"us.tsr.disclosures", "us.tsr.charity", "us.tsr.payment", "us.tsr.records"}
LIVE_SALE = SALE | {"us.tcpa.abandoned_message"}
RECORDED_SALE = SALE | {"us.tcpa.message_content"}
AI_IN_CALIFORNIA = {"us.ca.recorded_message", "us.ca.ai_disclosure", "us.ca.recording"}


def told(**given: object) -> set[str]:
    return {rule.id for rule, _ in RULEBOOK.told(facts_of(given, NOW), NOW)}


def test_where_a_state_says_nothing_federal_law_alone_is_told() -> None:
    assert told(number="+16145550142") == LIVE_SALE
    assert told(number="+16145550142", method="ai_voice") == RECORDED_SALE


def test_what_a_state_tells_stands_beside_federal_law() -> None:
    assert told(number="+13055550142") == LIVE_SALE | {"us.fl.script", "us.fl.recording"}
    assert told(number="+12135550142", method="ai_voice") == RECORDED_SALE | AI_IN_CALIFORNIA


def test_both_states_tell_their_script() -> None:
    assert told(number="+12125550142", state="NJ") == LIVE_SALE | {"us.ny.script", "us.nj.script"}

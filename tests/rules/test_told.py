"""What must be said and kept is told to whoever calls, for the calls it concerns and no others."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from fairdial.core.duties import Disclosure, Retention
from fairdial.rules import load_rulebook
from fairdial.rules.situations import facts_of

RULEBOOK = load_rulebook()
NOW = datetime(2026, 12, 3, 18, 0, tzinfo=UTC)
SALE = {"us.tsr.disclosures", "us.tsr.charity", "us.tsr.payment", "us.tsr.records"}
LIVE_SALE = SALE | {"us.tcpa.abandoned_message"}
RECORDED_SALE = SALE | {"us.tcpa.message_content"}


def told(**given: object) -> set[str]:
    return {rule.id for rule, _ in RULEBOOK.told(facts_of(given, NOW), NOW)}


@pytest.mark.parametrize(
    ("number", "of_the_state"),
    [
        ("+12125550142", {"us.ny.script"}),
        ("+12015550142", {"us.nj.script"}),
        ("+12035550142", {"us.ct.script", "us.ct.recording"}),
        ("+13055550142", {"us.fl.script", "us.fl.recording"}),
        ("+12065550142", {"us.wa.script", "us.wa.recording"}),
        ("+12145550142", {"us.tx.script"}),
        ("+15025550142", {"us.ky.script"}),
        ("+12135550142", {"us.ca.recording"}),
        ("+13025550142", {"us.de.recording"}),
        ("+13125550142", {"us.il.recording"}),
        ("+14105550142", {"us.md.recording"}),
        ("+16175550142", {"us.ma.recording"}),
        ("+13135550142", {"us.mi.recording"}),
        ("+14065550142", {"us.mt.recording"}),
        ("+16035550142", {"us.nh.recording"}),
        ("+17025550142", {"us.nv.recording"}),
        ("+15035550142", {"us.or.recording"}),
        ("+12155550142", {"us.pa.recording"}),
        ("+17875550142", {"us.pr.recording"}),
        ("+16145550142", set()),
    ],
)
def test_a_live_sales_call_is_told_what_its_state_wants_said(
    number: str, of_the_state: set[str]
) -> None:
    assert told(number=number) == LIVE_SALE | of_the_state


def test_both_states_tell_their_script() -> None:
    assert told(number="+12125550142", state="NJ") == LIVE_SALE | {"us.ny.script", "us.nj.script"}


@pytest.mark.parametrize(
    ("number", "of_the_state"),
    [
        ("+12135550142", {"us.ca.recorded_message", "us.ca.ai_disclosure", "us.ca.recording"}),
        ("+12075550142", {"us.me.ai_disclosure"}),
        ("+18015550142", {"us.ut.ai_disclosure"}),
        ("+16145550142", set()),
    ],
)
def test_an_ai_says_that_it_is_one(number: str, of_the_state: set[str]) -> None:
    assert told(number=number, method="ai_voice") == RECORDED_SALE | of_the_state


def test_a_recorded_survey_says_who_calls_and_nothing_of_a_sale() -> None:
    assert told(number="+16145550142", purpose="survey", method="prerecorded") == {
        "us.tcpa.message_content"
    }
    assert told(number="+16145550142", purpose="survey") == set()


def test_a_debt_collector_says_so_and_keeps_records_for_three_years() -> None:
    assert told(number="+16145550142", purpose="collections") == {
        "us.regf.disclosure",
        "us.regf.voicemail",
        "us.regf.records",
    }


def test_a_sales_call_to_a_business_only_keeps_its_records() -> None:
    assert told(number="+16145550142", party="business") == {
        "us.tcpa.abandoned_message",
        "us.tsr.records",
    }


@pytest.mark.parametrize(
    ("rule", "within_s"),
    [
        ("us.tcpa.abandoned_message", 2),
        ("us.ct.script", 10),
        ("us.fl.script", 30),
        ("us.ky.script", 30),
        ("us.nj.script", 30),
        ("us.wa.script", 30),
        ("us.ny.script", None),
        ("us.tx.script", None),
        ("us.tsr.disclosures", None),
    ],
)
def test_what_is_said_is_said_in_time(rule: str, within_s: int | None) -> None:
    duty = duty_of(rule)
    assert isinstance(duty, Disclosure)
    assert duty.within_s == within_s


@pytest.mark.parametrize(("rule", "months"), [("us.tsr.records", 60), ("us.regf.records", 36)])
def test_records_are_kept_as_long_as_the_law_wants(rule: str, months: int) -> None:
    duty = duty_of(rule)
    assert isinstance(duty, Retention)
    assert duty.keep_months == months


def duty_of(rule_id: str) -> object:
    (rule,) = (r for r in RULEBOOK.rules if r.id == rule_id)
    value = rule.value_on(date(2026, 12, 3))
    assert value is not None
    return value.duty

"""Two rulebooks are compared rule by rule, and what rewrites the past is a fault."""

from __future__ import annotations

from datetime import date

import pytest

from fairdial.core.rule_diff import differences
from fairdial.core.rule_file import parse
from fairdial.core.rulebook import Rulebook
from fairdial.rules import read_tables, use_pinned_tzdata

TODAY = date(2026, 11, 25)
TABLES = read_tables()
OTHER = """
id = "us.test.other"
title = "Another rule"
kind = "ban"
jurisdiction = "us"
citation = "3 TEST 4"
confidence = "high"
reviewed_on = 2026-11-23
[applies]
purposes = ["survey"]
[[value]]
from = 2026-01-01
"""
RULE = """
id = "us.test.rule"
title = "A rule"
kind = "ring_time"
jurisdiction = "us"
citation = "1 TEST 2"
confidence = "high"
reviewed_on = 2026-11-23
[applies]
purposes = ["telemarketing"]
[[value]]
from = 2026-01-01
ring_s_least = 15
"""
NEXT = "[[value]]\nfrom = 2027-01-01\nring_s_least = 20\n"


def rulebook(*texts: str) -> Rulebook:
    files = {f"us/federal/{number}.toml": text.encode() for number, text in enumerate(texts)}
    return parse(TABLES | files, use_pinned_tzdata())


def told(old: str, new: str) -> list[tuple[str, bool]]:
    """What two versions of the rule say differently, beside one that stays."""
    found = differences(rulebook(OTHER, old), rulebook(OTHER, new), TODAY)
    assert {one.rule for one in found} <= {"us.test.rule"}
    return [(one.what, one.is_fault) for one in found]


def test_rulebooks_that_say_the_same_differ_in_nothing() -> None:
    assert told(RULE, "# a comment\n" + RULE) == []


def test_a_new_value_for_days_to_come_is_how_laws_change() -> None:
    until = RULE.replace("from = 2026-01-01", "from = 2026-01-01\nuntil = 2027-01-01")
    assert told(RULE, until + NEXT) == [
        ("from 2026-01-01: until open became 2027-01-01", False),
        ("added from 2027-01-01: “The phone rings at least 20 seconds.”", False),
    ]


def test_a_value_that_waits_may_still_be_edited_and_taken_back() -> None:
    until = RULE.replace("from = 2026-01-01", "from = 2026-01-01\nuntil = 2027-01-01")
    edited = told(until + NEXT, until + NEXT.replace("least = 20", "least = 25"))
    assert edited == [
        (
            "from 2027-01-01: “The phone rings at least 20 seconds.” became"
            " “The phone rings at least 25 seconds.”",
            False,
        )
    ]
    assert told(until + NEXT, until) == [
        ("removed from 2027-01-01: “The phone rings at least 20 seconds.”", False)
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ring_s_least = 15", "ring_s_least = 16"),
        ("ring_s_least = 15", "no_duty = true"),
        ("from = 2026-01-01", "from = 2026-01-02"),
        ("from = 2026-01-01", "from = 2026-01-01\nuntil = 2026-11-25"),
        ('["telemarketing"]', '["telemarketing", "survey"]'),
    ],
)
def test_whatever_rewrites_a_day_that_has_passed_is_a_fault(old: str, new: str) -> None:
    assert any(is_fault for _, is_fault in told(RULE, RULE.replace(old, new)))


def test_an_end_from_tomorrow_on_is_no_fault() -> None:
    ends = RULE.replace("from = 2026-01-01", "from = 2026-01-01\nuntil = 2026-11-26")
    assert told(RULE, ends) == [("from 2026-01-01: until open became 2026-11-26", False)]


def test_title_citation_confidence_and_review_may_be_mended() -> None:
    mended = (
        RULE.replace("A rule", "The rule").replace("1 TEST 2", "1 TEST 3").replace("-23", "-24")
    )
    assert told(RULE, mended.replace('"high"', '"low"\nstricter_reading = "longer"')) == [
        ("title: 'A rule' became 'The rule'", False),
        ("citation: '1 TEST 2' became '1 TEST 3'", False),
        ("confidence: 'high' became 'low'", False),
        ("stricter reading: 'none' became 'longer'", False),
        ("reviewed: '2026-11-23' became '2026-11-24'", False),
    ]


def test_a_rule_may_come_but_not_go() -> None:
    came = differences(rulebook(OTHER), rulebook(OTHER, RULE), TODAY)
    assert [(one.what, one.is_fault) for one in came] == [
        ("added: A rule (1 TEST 2)", False),
        ("from 2026-01-01: “The phone rings at least 15 seconds.”", False),
    ]
    (went,) = differences(rulebook(OTHER, RULE), rulebook(OTHER), TODAY)
    assert went.what == "removed: A rule; it was in force: end its value instead"
    assert went.is_fault

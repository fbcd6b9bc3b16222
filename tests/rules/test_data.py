"""The packaged rules keep their own promises: cited, covered, and each shown at work."""

from __future__ import annotations

import re
from datetime import date

import pytest

from fairdial.bench.permit import run
from fairdial.core.duties import CallingWindow
from fairdial.core.lead import StatedLocation
from fairdial.core.rules import Confidence
from fairdial.core.verdict import Ruling
from fairdial.exceptions import RulebookError
from fairdial.rules import load_rulebook, read_files
from fairdial.rules.coverage import read_coverage
from fairdial.rules.situations import read_situations

FILES = read_files()
RULEBOOK = load_rulebook()
RULES = {rule.id: rule for rule in RULEBOOK.rules}
COVERAGE = read_coverage(FILES)
DUTIES = [(name, duty) for name, one in COVERAGE.items() for duty in one.duties]
SITUATIONS = read_situations(FILES)


def test_every_duty_that_is_done_is_done_by_rules_that_exist() -> None:
    for name, duty in DUTIES:
        assert set(duty.rules) <= RULES.keys(), (name, duty.duty)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("done", "finished", "status has 'finished'"),
        ('rules = ["xx.hours"]', "", "rules are named where the duty is done"),
        ('"done"', '"todo"', "rules are named where the duty is done"),
        ('status = "done"\nrules = ["xx.hours"]', 'status = "exempt"', "note must say why"),
        ("duty = ", "dooty = ", "duty is missing"),
        ("reviewed_on = 2026-11-23", "", "reviewed_on is missing"),
        ("rules", "rule", "unknown key: rule"),
        ("[[duty]]", "[[duty]", "this is not TOML"),
    ],
)
def test_a_coverage_file_is_read_strictly(old: str, new: str, complaint: str) -> None:
    text = (
        'reviewed_on = 2026-11-23\n[[duty]]\nduty = "hours"\nstatus = "done"\n'
        'rules = ["xx.hours"]\n'
    )
    assert list(read_coverage({"xx/coverage.toml": text.encode()})) == ["xx"]
    with pytest.raises(RulebookError, match=r"^xx/coverage\.toml") as caught:
        read_coverage({"xx/coverage.toml": text.replace(old, new, 1).encode()})
    assert complaint in str(caught.value)


def test_no_rule_is_left_out_of_the_coverage() -> None:
    covered = {rule for _, duty in DUTIES for rule in duty.rules}
    assert RULES.keys() - covered == set()


def test_every_state_and_territory_has_its_folder_with_coverage_and_situations() -> None:
    ours = {code for code, s in RULEBOOK.area_codes.states.items() if s.country == "US"}
    for file in ("coverage.toml", "situations.toml"):
        folders = {
            path.split("/")[1].upper()
            for path in FILES
            if re.fullmatch(rf"us/[a-z]{{2}}/{file}", path)
        }
        assert folders == ours


def test_every_state_says_what_becomes_of_its_hours() -> None:
    for name, one in COVERAGE.items():
        if re.fullmatch(r"us/[a-z]{2}", name):
            assert "hours" in {duty.duty for duty in one.duties}, name


def test_every_rule_that_is_judged_refuses_in_one_situation_and_allows_in_another() -> None:
    judged = {rule.id for rule in RULES.values() if rule.is_judged}
    assert judged - {rule for s in SITUATIONS for rule in s.refused_by} == set()
    allowing = {
        verdict.rule
        for s in SITUATIONS
        for verdict in RULEBOOK.judge(s.facts, s.at)
        if verdict.ruling is Ruling.ALLOW
    }
    assert judged - allowing == set()


def test_every_rule_that_is_told_outside_of_the_united_states_is_told_in_a_situation() -> None:
    told = {rule for s in SITUATIONS for rule in s.told or ()}
    silent = {rule.id for rule in RULES.values() if not rule.is_judged} - told
    assert {rule for rule in silent if not rule.startswith("us.")} == set()


def test_there_are_situations_for_yes_and_for_no() -> None:
    yes = sum(not s.refused_by for s in SITUATIONS)
    assert len(SITUATIONS) >= 1500
    assert 500 < yes < len(SITUATIONS) - 500


def test_no_two_situations_of_one_file_have_one_name() -> None:
    names = [(s.file, s.name) for s in SITUATIONS]
    assert len(set(names)) == len(names)


def test_a_rule_that_leans_on_a_doubtful_source_says_which_way_it_decided() -> None:
    doubtful = [r for r in RULES.values() if r.confidence is Confidence.LOW]
    assert doubtful
    assert all(rule.stricter_reading for rule in doubtful)


def test_no_window_is_wider_than_a_day_at_work() -> None:
    for rule in RULES.values():
        for value in rule.values:
            if isinstance(value.duty, CallingWindow):
                for day in value.duty.week:
                    assert all(8 * 3600 <= o < c <= 21.5 * 3600 for o, c in day), rule.id


def test_rules_were_reviewed_and_none_is_reviewed_in_the_future() -> None:
    assert {rule.reviewed_on for rule in RULES.values()} <= {date(2026, 11, 23)}


def test_every_state_of_the_table_has_a_country_with_rules() -> None:
    for code in RULEBOOK.area_codes.states:
        place = RULEBOOK.locate("+18005550142", StatedLocation(state=code))
        assert place.doubt is None, code
        assert place.jurisdiction_names[0] in {r.jurisdiction for r in RULES.values()}


def test_the_benchmark_measures_permits_and_refusals() -> None:
    figures = run(0.2)
    assert figures["cases"] == 2000
    permits, refusals = figures["permits"], figures["refusals"]
    assert isinstance(permits, int)
    assert isinstance(refusals, int)
    assert permits > 200
    assert refusals > 200

"""The packaged rules keep their own promises: cited, covered, and each shown at work."""

from __future__ import annotations

import tomllib
from datetime import date
from typing import Any

from fairdial.bench.permit import run
from fairdial.core.duties import CallingWindow
from fairdial.core.lead import StatedLocation
from fairdial.rules import load_rulebook, read_files
from fairdial.rules.situations import read_situations

FILES = read_files()
RULEBOOK = load_rulebook()
RULES = {rule.id: rule for rule in RULEBOOK.rules}
COVERAGE: dict[str, dict[str, Any]] = {
    path: tomllib.loads(text.decode())
    for path, text in FILES.items()
    if path.endswith("coverage.toml")
}
DUTIES = [(path, duty) for path, table in COVERAGE.items() for duty in table["duty"]]


def test_every_duty_is_done_by_rules_that_exist_or_says_why_not() -> None:
    for path, duty in DUTIES:
        assert duty["status"] in ("done", "todo", "exempt"), path
        assert bool(duty.get("rules")) is (duty["status"] == "done"), (path, duty["duty"])
        assert set(duty.get("rules", ())) <= RULES.keys(), (path, duty["duty"])
        assert duty["status"] != "exempt" or duty["note"], (path, duty["duty"])


def test_no_rule_is_left_out_of_the_coverage() -> None:
    covered = {rule for _, duty in DUTIES for rule in duty.get("rules", ())}
    assert RULES.keys() - covered == set()


def test_every_state_and_territory_is_in_the_coverage() -> None:
    folders = {path.split("/")[1].upper() for path in COVERAGE if path.count("/") == 2}
    named = {duty["duty"].split(":")[0] for _, duty in DUTIES if duty["duty"][2:3] == ":"}
    ours = {code for code, s in RULEBOOK.area_codes.states.items() if s.country == "US"}
    assert ours - folders - named == set()


def test_every_rule_refuses_in_at_least_one_situation() -> None:
    refusing = {rule for s in read_situations(FILES) for rule in s.refused_by}
    assert RULES.keys() - refusing == set()


def test_there_are_situations_for_yes_and_for_no() -> None:
    situations = read_situations(FILES)
    yes = sum(not s.refused_by for s in situations)
    assert len(situations) >= 60
    assert 0 < yes < len(situations)


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

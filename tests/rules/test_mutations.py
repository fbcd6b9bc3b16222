"""Each value of each packaged rule is pinned by a situation: perturbed, at least one fails."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from tests.rules.mutants import Mutant, mutants_of

from fairdial.core.duties import Case, Disclosure, Retention, case_of
from fairdial.core.duties.words import in_words
from fairdial.core.rule_file import BESIDE_THE_RULES
from fairdial.core.rules import Rule
from fairdial.core.verdict import Ruling
from fairdial.rules import load_rulebook, read_files
from fairdial.rules.situations import Situation, read_situations

FILES = read_files()
RULEBOOK = load_rulebook()
RULES = {rule.id: rule for rule in RULEBOOK.rules}
VOUCHED_FROM = date(2026, 1, 1)
"""The day from which we vouch for every rule: ours, not the law's, so no situation is about it."""

VOUCHED_EARLIER = {"us.or.freq": date(2025, 1, 1), "us.or.hours": date(2025, 1, 1)}
"""Laws that began on that very day say what there was before it."""

EQUIVALENT: dict[tuple[str, str], str] = {
    (
        "us.pa.closed_day",
        "value 0: until 2026-10-18 became 2026-10-17",
    ): "17 October 2026 is a Saturday and no holiday: open under the old value and the new one",
    (
        "us.regf.after_conversation",
        "value 0: after gained refusal",
    ): "an agent records a refusal only of a conversation, which is a reason already",
    (
        "us.tcpa.dnc_internal",
        "applies: also purposes gained telemarketing",
    ): "sales calls of every method are covered already",
    (
        "us.tcpa.revocation",
        "applies: also purposes gained telemarketing",
    ): "sales calls of every method are covered already",
}
"""Mutants that mean the same as the rule, by rule and change, each with its reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A situation, made ready to judge one rule of it alone."""

    situation: Situation
    case: Case
    places: frozenset[str]

    def notices(self, rule: Rule) -> bool:
        """Whether this rule, in place of the packaged one of its name, is answered otherwise."""
        applies = rule.jurisdiction in self.places and rule.applies.covers(self.situation.facts)
        if not rule.is_judged:
            told = self.situation.told
            if told is None or not self.situation.says_of(rule):
                return False
            return told.get(rule.id) != (self._told(rule) if applies else None)
        if not applies:
            return rule.id in self.situation.refused_by
        stands_against = rule.judge(self.case).ruling is not Ruling.ALLOW
        return stands_against is not (rule.id in self.situation.refused_by)

    def _told(self, rule: Rule) -> str | None:
        for day in self.case.days:
            value = rule.value_on(day)
            if value is not None and isinstance(value.duty, (Disclosure, Retention)):
                return in_words(value.duty)
        return None


def _tried(situation: Situation) -> Tried:
    location = RULEBOOK.locate(situation.facts.number, situation.facts.stated)
    zones = tuple(ZoneInfo(name) for name in location.zone_names)
    return Tried(
        situation=situation,
        case=case_of(situation.facts, situation.at, location, zones, RULEBOOK.area_codes),
        places=frozenset(("world", "house", *location.jurisdiction_names)),
    )


@cache
def tried() -> tuple[Tried, ...]:
    """Every situation, made ready once."""
    return tuple(_tried(situation) for situation in read_situations(FILES))


def is_noticed(mutant: Mutant, home: str) -> bool:
    """Whether any situation fails; those of the rule's own folder are asked first."""
    if mutant.rule.values[0].from_on != vouched_from(mutant.rule.id):
        return True
    near = sorted(tried(), key=lambda t: not t.situation.file.startswith(home))
    return any(t.notices(mutant.rule) for t in near)


def vouched_from(rule_id: str) -> date:
    """The day of a rule's first value."""
    return VOUCHED_EARLIER.get(rule_id, VOUCHED_FROM)


def rule_files() -> Iterator[str]:
    """The paths of all rule files of the package."""
    for path, content in FILES.items():
        if path.rsplit("/", 1)[-1] not in BESIDE_THE_RULES and b"\nkind = " in content:
            yield path


def unnoticed(path: str) -> set[tuple[str, str]]:
    """The mutants of one rule file that no situation notices, by rule and change."""
    content = tomllib.loads(FILES[path].decode())
    home = path.rpartition("/")[0] + "/"
    return {
        (mutant.rule.id, mutant.what)
        for mutant in mutants_of(path, content, RULEBOOK.area_codes)
        if not is_noticed(mutant, home)
    }


def test_every_rule_is_vouched_for_from_the_same_day_unless_its_law_began_then() -> None:
    otherwise = {
        rule.id: rule.values[0].from_on
        for rule in RULES.values()
        if rule.values[0].from_on != vouched_from(rule.id)
    }
    assert otherwise == {}


@pytest.mark.parametrize("path", list(rule_files()))
def test_a_situation_notices_each_perturbed_value(path: str) -> None:
    survivors = sorted(unnoticed(path) - EQUIVALENT.keys())
    assert not survivors, "\n".join(["no situation notices:", *map(" ".join, survivors)])


def test_what_is_accepted_as_equivalent_is_a_mutant_that_survives() -> None:
    rules = {rule_id for rule_id, _ in EQUIVALENT}
    files = [p for p in rule_files() if tomllib.loads(FILES[p].decode())["id"] in rules]
    assert set().union(*map(unnoticed, files)) == EQUIVALENT.keys()

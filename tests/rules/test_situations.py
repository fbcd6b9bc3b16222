"""Every situation beside the rules is answered as it says, by the rules as packaged."""

from __future__ import annotations

from itertools import groupby

import pytest

from fairdial.core.duties.words import in_words
from fairdial.core.verdict import Ruling
from fairdial.rules import load_rulebook, read_files
from fairdial.rules.situations import Situation, read_situations

RULEBOOK = load_rulebook()
SITUATIONS = {
    file: list(group) for file, group in groupby(read_situations(read_files()), lambda s: s.file)
}


@pytest.mark.parametrize("file", SITUATIONS)
def test_each_situation_is_judged_as_a_lawyer_would(file: str) -> None:
    otherwise = {
        situation.name: {"expected": sorted(situation.refused_by), "found": found}
        for situation in SITUATIONS[file]
        if set(found := against(situation)) != situation.refused_by
    }
    assert otherwise == {}


def against(situation: Situation) -> dict[str, str]:
    """The rules that stand against the call, each with its sentence."""
    verdicts = RULEBOOK.judge(situation.facts, situation.at)
    return {v.rule: v.why for v in verdicts if v.ruling is not Ruling.ALLOW}


@pytest.mark.parametrize("file", SITUATIONS)
def test_people_are_told_what_a_lawyer_would_tell_them(file: str) -> None:
    otherwise = {
        situation.name: {"expected": situation.told, "found": found}
        for situation in SITUATIONS[file]
        if situation.told is not None and (found := told(situation)) != situation.told
    }
    assert otherwise == {}


def told(situation: Situation) -> dict[str, str]:
    """The rules that are told for the call and that it says something of, each in words."""
    return {
        rule.id: in_words(duty)
        for rule, duty in RULEBOOK.told(situation.facts, situation.at)
        if situation.says_of(rule)
    }

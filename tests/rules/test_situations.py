"""Every situation beside the rules is answered as it says, by the rules as packaged."""

from __future__ import annotations

import pytest

from fairdial.core.verdict import Ruling
from fairdial.rules import load_rulebook, read_files
from fairdial.rules.situations import Situation, read_situations

RULEBOOK = load_rulebook()
SITUATIONS = read_situations(read_files())


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda s: f"{s.file}: {s.name}")
def test_a_situation_is_judged_as_a_lawyer_would(situation: Situation) -> None:
    verdicts = RULEBOOK.judge(situation.facts, situation.at)
    against = {v.rule: v.why for v in verdicts if v.ruling is not Ruling.ALLOW}
    assert set(against) == situation.refused_by, against

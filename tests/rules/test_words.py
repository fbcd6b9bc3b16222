"""A duty in words says everything that judges: whoever changes a value changes the sentence."""

from __future__ import annotations

import tomllib

import pytest
from tests.rules.mutants import mutants_of
from tests.rules.test_mutations import FILES, RULEBOOK, RULES, rule_files

from fairdial.core.duties.words import in_words
from fairdial.core.rule_file import parse
from fairdial.core.rules import Rule
from fairdial.rules import read_tables, use_pinned_tzdata

SPOKEN = [
    ("number_validity", "", "The number can be in service; fictional numbers are called in the"
     " sandbox, and only there."),
    ("caller_id", 'prefixes = ["+91140", "+91141"]', "A number that can be called back is shown,"
     " of the series +91140 or +91141."),
    ("calling_window", 'weekdays = ["10:00-13:00", "14:00-20:00"]\nweekend = "closed"',
     "Calls start only Monday to Friday 10:00–13:00 and 14:00–20:00, and never on Saturday and"
     " Sunday."),
    ("closed_day", 'weekdays = ["sunday"]\ndays = ["fourth thursday of november"]\n'
     'observed = "nearest_weekday"\ndates = [2026-12-24]',
     "No call starts on Sunday, Fourth Thursday of November, 2026-12-24, nor on the nearest"
     " weekday when such a day falls on a weekend."),
    ("suppression", 'list = "state"\nstate = "IN"',
     "A number on the state do-not-call list of IN is not called."),
    ("list_age", 'list = "national"\ncountry = "US"\ndays_max = 1',
     "Our copy of the national do-not-call list of US is at most 1 day old."),
    ("reassigned", "days_max = 45", "Consent is leaned on only while the database of reassigned"
     " numbers, asked at most 45 days ago, says that the number did not change hands."),
    ("attempt_cap", 'attempts_max = 2\ncalendar_days = 7\ncounts = ["no_answer"]\n'
     '[value.lifted_by]\nconsent = "express"\nconsent_days_max = 7\nuntil_conversation = true',
     "At most 2 attempts to a number in 7 calendar days, unless there is express consent, at most"
     " 7 days old, and nobody was talked to since. Counted: no answer."),
    ("rest_period", 'after = ["conversation"]\ncalendar_days = 7',
     "After a conversation the person is left alone for 7 calendar days (the day itself is the"
     " first)."),
    ("consent", 'needs = "written"\n[value.lifted_by]\npurchase_days = 540\npurchase_months = 18',
     "Such a call needs written consent, unless the last purchase is at most 540 days and 18"
     " months ago."),
    ("ban", '[value.lifted_by]\nconsent = "express"\ncontract_months = 0', "Such calls are"
     " forbidden, unless there is express consent, or a contract still runs."),
    ("emergency_ban", 'where = "us/la"',
     "No such calls while an emergency is declared in us/la."),
    ("one_line", "", "One line of a business is called at a time."),
    ("restriction", 'restrictions = ["attorney", "work"]', "No such calls to a person for whom a"
     " lawyer is known to act or to a place of work whose employer forbids them."),
    ("revocation", "", "Who took a consent back is not called, even where none was needed."),
    ("ring_time", "ring_s_least = 15", "The phone rings at least 15 seconds."),
    ("abandon_ceiling", 'clock_start = "greeting_end"\nconnect_ms_max = 2000\n'
     'denominator = "live_answers"\nrolling_days = 30\nrate_max = 0.03\nanswers_least = 100',
     "At most 3 % of the calls that a person answered are abandoned in 30 days, judged from 100"
     " on; abandoned is who waits more than 2 s from the end of the greeting on. Over it, only"
     " calls that an agent is kept for."),
    ("disclosure", 'say = ["the seller", "the goods"]\nwithin_s = 30',
     "It is said within 30 seconds: the seller; the goods."),
    ("retention", 'keep_months = 60\nsince = "the call"',
     "Records are kept 60 months from the call."),
]  # fmt: skip


def rule_of(kind: str, value: str) -> Rule:
    """A rule of one kind, read as a file is."""
    text = (
        f'id = "us.test.rule"\ntitle = "A rule"\nkind = "{kind}"\njurisdiction = "us"\n'
        'citation = "1 TEST 2"\nconfidence = "high"\nreviewed_on = 2026-11-23\n'
        '[applies]\npurposes = ["telemarketing"]\n[[value]]\nfrom = 2026-01-01\n' + value
    )
    return parse(read_tables() | {"us/federal/x.toml": text.encode()}, use_pinned_tzdata()).rules[0]


@pytest.mark.parametrize(("kind", "value", "words"), SPOKEN, ids=[kind for kind, _, _ in SPOKEN])
def test_a_duty_is_one_sentence_that_a_lawyer_can_read(kind: str, value: str, words: str) -> None:
    duty = rule_of(kind, value).values[0].duty
    assert duty is not None
    assert in_words(duty) == words


def test_a_changed_value_is_a_changed_sentence() -> None:
    silent = [
        (mutant.rule.id, mutant.what)
        for path in rule_files()
        for mutant in mutants_of(path, tomllib.loads(FILES[path].decode()), RULEBOOK.area_codes)
        for changed, value in zip(mutant.rule.values, RULES[mutant.rule.id].values, strict=True)
        if changed.duty is not None and value.duty is not None
        if changed.duty != value.duty and in_words(changed.duty) == in_words(value.duty)
    ]
    assert silent == []

"""What each kind of duty means, beyond hours and lists: rests, bans, permissions, conduct."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from tests.core.test_rules import NOON, judged, kind, rulebook

from fairdial.core.facts import Registry, SuppressionKind
from fairdial.core.verdict import Ruling
from fairdial.exceptions import RulebookError
from fairdial.rules.situations import facts_of

MONDAY_NOON = datetime(2026, 12, 7, 18, 0, tzinfo=UTC)
REST = kind("rest_period", 'after = ["conversation"]\ncalendar_days = 7')
ALLOW, REFUSE, UNKNOWN = Ruling.ALLOW, Ruling.REFUSE, Ruling.UNKNOWN


def test_seven_days_of_rest_count_the_day_of_the_talk_as_the_first() -> None:
    past = ["2026-11-27T18:00:00Z connected"]
    sixth = judged(REST, datetime(2026, 12, 4, 5, 59, 59, tzinfo=UTC), past=past)
    seventh = judged(REST, datetime(2026, 12, 4, 6, 0, tzinfo=UTC), past=past)
    assert (sixth.ruling, seventh.ruling) == (REFUSE, ALLOW)
    assert sixth.next_allowed_at == datetime(2026, 12, 4, 6, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "past", ["no_answer", "connected machine", "abandoned", "connected for another"]
)
def test_no_rest_follows_what_was_no_conversation_for_this_seller(past: str) -> None:
    assert judged(REST, past=[f"2026-12-02T18:00:00Z {past}"]).ruling is ALLOW


def test_a_rest_ends_early_for_a_call_that_an_agent_is_kept_for() -> None:
    rule = kind("rest_period", 'after = ["abandoned"]\nrolling_hours = 72\nlifted_by_agent = true')
    past = ["2026-12-02T18:00:00Z abandoned"]
    assert judged(rule, past=past, agent_guaranteed=True).ruling is ALLOW
    kept = judged(rule, past=past, agent_guaranteed=False)
    assert (kept.ruling, kept.next_allowed_at) == (REFUSE, NOON + timedelta(days=2))


def test_a_closed_day_is_closed_in_every_candidate_zone_and_opens_at_midnight() -> None:
    rule = kind("closed_day", 'weekdays = ["sunday"]\ndays = ["december 25"]')
    # Half past eleven on Sunday night in Florida's Central part, already Monday in its East.
    late = datetime(2026, 12, 7, 5, 30, tzinfo=UTC)
    closed = judged(rule, late, number="+18505550142")
    assert closed.ruling is REFUSE
    assert closed.next_allowed_at == datetime(2026, 12, 7, 6, 0, tzinfo=UTC)
    assert judged(rule, MONDAY_NOON).ruling is ALLOW
    assert judged(rule, datetime(2026, 12, 25, 18, 0, tzinfo=UTC)).ruling is REFUSE


def test_proclaimed_dates_are_closed() -> None:
    rule = kind("closed_day", "dates = [2026-12-03]")
    assert judged(rule).ruling is REFUSE
    assert judged(rule, NOON + timedelta(days=1)).ruling is ALLOW


def test_a_list_counts_only_from_so_many_days_after_the_listing() -> None:
    rule = kind("suppression", 'list = "national"\nlisted_days_least = 28')
    assert judged(rule, listed=["national 2026-11-06"]).ruling is ALLOW
    assert judged(rule, listed=["national 2026-11-05"]).ruling is REFUSE
    assert judged(rule, listed=["national undated"]).ruling is REFUSE


def test_consent_that_lapses_lifts_until_its_last_day() -> None:
    rule = kind("ban", 'lifted_by = { consent = "express", consent_months_max = 3 }')
    assert judged(rule, consent="express 2026-09-03").ruling is ALLOW
    assert judged(rule, consent="express 2026-09-02").ruling is REFUSE


def test_consent_given_to_a_collector_lasts_a_week_and_until_the_next_talk() -> None:
    rule = kind(
        "attempt_cap",
        'attempts_max = 1\nrolling_days = 7\ncounts = ["no_answer"]\n'
        'lifted_by = { consent = "express", consent_days_max = 7, until_conversation = true }',
    )
    tried = ["2026-12-02T18:00:00Z no_answer"]
    talked = [*tried, "2026-12-02T19:00:00Z connected"]
    assert judged(rule, past=tried).ruling is REFUSE
    assert judged(rule, past=tried, consent="express 2026-12-01").ruling is ALLOW
    assert judged(rule, past=tried, consent="express 2026-11-25").ruling is REFUSE
    assert judged(rule, past=talked, consent="express 2026-12-01").ruling is REFUSE


def test_a_contract_that_runs_lifts_and_one_that_ended_long_ago_does_not() -> None:
    rule = kind("ban", "lifted_by = { contract_months = 18 }")
    assert judged(rule, relationship="contract 2027-01-01").ruling is ALLOW
    assert judged(rule, relationship="contract 2025-06-03").ruling is ALLOW
    assert judged(rule, relationship="contract 2025-06-02").ruling is REFUSE


@pytest.mark.parametrize(
    ("answer", "ruling"),
    [
        (None, REFUSE),
        ("no 2026-12-01 since 2026-06-01", ALLOW),
        ("no 2026-12-01 since 2026-07-01", REFUSE),
        ("no 2026-10-01 since 2026-06-01", REFUSE),
        ("yes 2026-12-01 since 2026-06-01", REFUSE),
        ("no_data 2026-12-01 since 2026-06-01", UNKNOWN),
    ],
)
def test_consent_is_leaned_on_only_after_a_fresh_no_about_its_date(
    answer: str | None, ruling: Ruling
) -> None:
    rule = kind("reassigned", "days_max = 31")
    assert judged(rule, consent="written 2026-06-01", reassigned=answer).ruling is ruling


def test_without_consent_nothing_is_leaned_on() -> None:
    assert judged(kind("reassigned", "days_max = 31")).ruling is ALLOW


def test_an_emergency_stops_calls_where_it_is_declared_and_nowhere_else() -> None:
    rule = kind("emergency_ban", 'where = "us/la"')
    assert judged(rule, emergencies=["us/la"]).ruling is REFUSE
    assert judged(rule, emergencies=["us/ny"]).ruling is ALLOW


def test_a_restriction_in_the_record_forbids() -> None:
    rule = kind("restriction", 'restrictions = ["attorney"]')
    assert judged(rule, restrictions=["attorney"]).ruling is REFUSE
    assert judged(rule, restrictions=["work"]).ruling is ALLOW
    both = kind("restriction", 'restrictions = ["attorney", "work"]')
    assert judged(both, restrictions=["work"]).ruling is REFUSE


def test_a_revocation_stands_against_the_call() -> None:
    rule = kind("revocation", "")
    given = "express 2026-11-01"
    assert judged(rule).ruling is ALLOW
    assert judged(rule, consent=given).ruling is ALLOW
    revoked = judged(rule, consent=given, revoked=date(2026, 11, 20))
    assert (revoked.ruling, revoked.why) == (REFUSE, "consent was revoked on 2026-11-20")


def test_it_rings_long_enough() -> None:
    rule = kind("ring_time", "ring_s_least = 15")
    assert (judged(rule, ring_s=14).ruling, judged(rule, ring_s=15).ruling) == (REFUSE, ALLOW)


def test_a_number_series_is_kept() -> None:
    rule = kind("caller_id", 'prefixes = ["+1202", "+1312"]')
    assert judged(rule, caller_id="+12025550100").ruling is ALLOW
    assert judged(rule, caller_id="+12125550100").ruling is REFUSE


def test_caps_of_the_law_count_this_seller_and_courtesy_counts_everybody() -> None:
    law = kind("attempt_cap", 'attempts_max = 1\nrolling_hours = 24\ncounts = ["no_answer"]')
    house = law.replace("attempts_max = 1", "attempts_max = 1\nover_all_sellers = true")
    past = ["2026-12-03T14:00:00Z no_answer for another"]
    assert (judged(law, past=past).ruling, judged(house, past=past).ruling) == (ALLOW, REFUSE)


def test_before_a_duty_begins_it_forbids_nothing() -> None:
    rule = kind("ban", "until = 2026-12-03\nno_duty = true\n[[value]]\nfrom = 2026-12-03")
    assert judged(rule, NOON - timedelta(days=1)).ruling is ALLOW
    assert judged(rule, NOON).ruling is REFUSE


def test_what_is_told_is_not_judged() -> None:
    book = rulebook(kind("disclosure", 'say = ["who calls"]\nwithin_s = 30'))
    (rule,) = book.rules
    assert not rule.is_judged


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("closed_day", "", "it needs weekdays, days or dates"),
        ("closed_day", 'days = ["whitsun"]', "names no day of a year"),
        ("closed_day", 'weekdays = ["Sunday"]', "weekdays has 'Sunday'"),
        ("closed_day", 'dates = ["2026-12-24"]', "must be a list of dates"),
        ("rest_period", 'after = ["conversation"]', "it needs one of rolling_hours"),
        ("rest_period", 'after = ["talk"]\nrolling_hours = 1', "after has 'talk'"),
        ("ban", "lifted_by = { consent_days_max = 7 }", "a consent that it does not name"),
        ("ban", 'lifted_by = { consent = "express", until_conversation = false }', "must be true"),
        ("caller_id", 'prefixes = ["140"]', "prefixes must be like"),
        ("abandon_ceiling", "rolling_days = 30\ncalendar_months = 1", "it needs one of"),
        (
            "abandon_ceiling",
            'rolling_days = 30\nclock_start = "answer"\nconnect_ms_max = 2000\n'
            'denominator = "live_answers"\nanswers_least = 100\nrate_max = 3.0',
            "rate_max must be a share such as 0.03",
        ),
        ("disclosure", "say = []", "say is empty"),
    ],
)
def test_a_value_that_says_nothing_or_nonsense_is_refused(
    name: str, value: str, complaint: str
) -> None:
    with pytest.raises(RulebookError, match=complaint):
        rulebook(kind(name, value))


def test_of_registries_with_names_each_must_be_fresh_and_of_nameless_copies_the_newest() -> None:
    rule = kind("list_age", 'list = "national"\ndays_max = 31')
    book = rulebook(rule)

    def ruling(*copies: tuple[str, str | None, int]) -> Ruling:
        registries = tuple(
            Registry(
                kind=SuppressionKind.NATIONAL,
                name=name,
                as_of=(NOON - timedelta(days=age)).date(),
                country=country,
            )
            for name, country, age in copies
        )
        facts = replace(facts_of({}, NOON), registries=registries)
        (verdict,) = (v for v in book.judge(facts, NOON) if v.rule == "us.test.rule")
        return verdict.ruling

    assert ruling(("tps", "US", 3), ("ctps", "US", 3)) is ALLOW
    assert ruling(("tps", "US", 3), ("ctps", "US", 40)) is REFUSE
    assert ruling(("october.csv", None, 40), ("november.csv", None, 3)) is ALLOW
    assert ruling(("us", "US", 40), ("november.csv", None, 3)) is REFUSE
    assert ruling() is REFUSE


WRITTEN = kind("consent", 'needs = "written"')
EXPRESS = kind("consent", 'needs = "express"')


def test_a_later_spoken_yes_does_not_hide_an_older_signature() -> None:
    both = ["express 2026-11-20", "written 2026-06-01"]
    assert judged(WRITTEN, consent=both).why == "written consent of 2026-06-01"
    assert judged(EXPRESS, consent=both).why == "express consent of 2026-11-20"


@pytest.mark.parametrize(
    "newer", ["written 2026-11-20 until 2026-12-01", "written 2026-11-20 survey"]
)
def test_a_newer_consent_that_does_not_cover_the_call_hides_none_that_does(newer: str) -> None:
    assert judged(WRITTEN, consent=newer).ruling is REFUSE
    assert judged(WRITTEN, consent=[newer, "written 2026-06-01"]).ruling is ALLOW


def test_a_revocation_ends_every_consent_before_it_and_none_after_it() -> None:
    before = ["express 2026-11-20", "written 2026-06-01"]
    revoked = datetime(2026, 11, 25, tzinfo=UTC).date()
    ended = judged(WRITTEN, consent=before, revoked=revoked)
    assert (ended.ruling, ended.why) == (REFUSE, "consent was revoked on 2026-11-25")
    anew = judged(EXPRESS, consent=["express 2026-11-26", *before], revoked=revoked)
    assert anew.why == "express consent of 2026-11-26"


def test_a_revocation_forbids_also_where_no_consent_was_on_record() -> None:
    rule = kind("revocation", "")
    revoked = datetime(2026, 11, 25, tzinfo=UTC).date()
    assert judged(rule, revoked=revoked).ruling is REFUSE
    assert judged(rule, revoked=revoked, consent="written 2026-06-01").ruling is REFUSE
    assert judged(rule, revoked=revoked, consent="written 2026-11-26").ruling is ALLOW
    assert judged(rule).ruling is ALLOW


def test_the_older_of_the_consents_that_are_leaned_on_must_be_covered_by_the_answer() -> None:
    rule = kind("reassigned", "days_max = 31")
    both = ["express 2026-11-20", "written 2026-06-01"]
    assert judged(rule, consent=both, reassigned="no 2026-12-01 since 2026-06-01").ruling is ALLOW
    assert judged(rule, consent=both, reassigned="no 2026-12-01 since 2026-11-20").ruling is REFUSE


def test_one_line_of_a_business_is_called_at_a_time() -> None:
    rule = kind("one_line", "")
    busy = judged(rule, other_lines_open=1)
    assert (busy.ruling, busy.next_allowed_at) == (REFUSE, NOON + timedelta(minutes=10))
    assert judged(rule, other_lines_open=0).ruling is ALLOW

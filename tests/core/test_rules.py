"""Rule data is read strictly, and every rule that applies is judged."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fairdial.core.duties import CallingWindow, first_instant
from fairdial.core.places import PACKAGED
from fairdial.core.rule_file import parse
from fairdial.core.rulebook import Rulebook
from fairdial.core.verdict import Ruling, Verdict
from fairdial.exceptions import RulebookError
from fairdial.rules import load_rulebook, read_files, use_pinned_tzdata
from fairdial.rules.situations import facts_of

NOON = datetime(2026, 12, 3, 18, 0, tzinfo=UTC)
FILES = {p: text for p, text in read_files().items() if p.startswith(("nanp/", "places/"))}
FILES["rulebook.toml"] = b'tzdata_least = "2026f"'
# One ZIP code is enough here, and reads faster than all.
FILES["places/us_zip_corrections.toml"] = b'source = "a test"\nreviewed_on = 2026-11-25\n[zones]'
FILES["places/us_zip_codes.toml"] = b"""
source = "a test"
reviewed_on = 2026-11-25
[zones]
E = "America/New_York"
[codes]
runs = "100 NY E 01"
"""
RULE = """
id = "us.test.rule"
title = "A rule for tests"
kind = "attempt_cap"
jurisdiction = "us"
citation = "1 TEST 2"
confidence = "high"
reviewed_on = 2026-11-23

[applies]
purposes = ["telemarketing"]

[[value]]
from = 2026-01-01
attempts_max = 2
rolling_hours = 24
counts = ["no_answer"]
"""


def rulebook(text: str = RULE, *, tzdata: str = "2026f") -> Rulebook:
    use_pinned_tzdata()
    return parse(FILES | {"us/federal/x.toml": text.encode()}, tzdata)


def judged(text: str, now: datetime = NOON, **given: object) -> Verdict:
    (verdict,) = (
        v for v in rulebook(text).judge(facts_of(given, now), now) if v.rule == "us.test.rule"
    )
    return verdict


def kind(name: str, value: str) -> str:
    """The test rule with another kind and value."""
    head = RULE.partition("[[value]]")[0].replace("attempt_cap", name)
    return f"{head}[[value]]\nfrom = 2026-01-01\n{value}\n"


def test_the_test_rule_itself_is_read() -> None:
    assert [r.id for r in rulebook().rules] == ["us.test.rule"]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('citation = "1 TEST 2"', "", "us/federal/x.toml (us.test.rule): citation is missing"),
        ('citation = "1 TEST 2"', 'citation = " "', "citation must be a text that is not empty"),
        ("reviewed_on = 2026-11-23", "", "reviewed_on is missing"),
        ("2026-11-23", '"2026-11-23"', "reviewed_on must be a date"),
        ("attempts_max = 2", "attempts_max = 2\nattempt_min = 1", "unknown key: attempt_min"),
        ('title = "', 'colour = "red"\ntitle = "', "unknown key: colour"),
        ("attempts_max = 2", "attempts_max = 0", "attempts_max must be a whole number from 1"),
        ("attempts_max = 2", "attempts_max = true", "attempts_max must be a whole number"),
        ("rolling_hours = 24", "", "one of rolling_hours, rolling_days, calendar_days"),
        ("rolling_hours = 24", "rolling_hours = 24\nrolling_days = 1", "it needs one of"),
        ('["no_answer"]', '["not_dialed"]', "not_dialed never counts"),
        ('["no_answer"]', '["no_reply"]', "counts has 'no_reply'; it must be of: connected"),
        ('["telemarketing"]', '["sales"]', "purposes has 'sales'"),
        ('["telemarketing"]', "[]", "purposes is empty"),
        ('["telemarketing"]', '["survey", "survey"]', "purposes names something twice"),
        (
            'purposes = ["telemarketing"]',
            'purposes = ["survey"]\nparties = ["unknown"]',
            "parties: unknown meets every rule",
        ),
        (
            'purposes = ["telemarketing"]',
            'purposes = ["survey"]\nalso.purposes = ["survey"]\nalso.also.purposes = ["survey"]',
            "also: unknown key: also",
        ),
        ('"attempt_cap"', '"attempt_capp"', "kind has 'attempt_capp'"),
        ('"high"', '"low"', "confidence is low, so stricter_reading must say"),
        ('"us"', '"us/fl"', "jurisdiction is 'us/fl', but the file lies in 'us/federal'"),
        ("us.test.rule", "US Test", "an id is made of small words"),
        ("us.test.rule", "tz.unknown", "this id belongs to a guard"),
        ("from = 2026-01-01", "from = 2026-01-01\nuntil = 2026-01-01", "before it begins"),
        ("[[value]]", "[value]", "value must be an array of tables"),
        ("id = ", "id == ", "this is not TOML"),
    ],
)
def test_refuses_what_it_does_not_understand(old: str, new: str, complaint: str) -> None:
    assert old in RULE
    with pytest.raises(RulebookError) as caught:
        rulebook(RULE.replace(old, new))
    assert str(caught.value).startswith("us/federal/x.toml")
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ('weekdays = "08:00-21:00"', "saturday, sunday missing"),
        ('every_day = "08:00-21:00"\nsunday = "closed"', "sunday is given twice"),
        ('every_day = "21:00-08:00"', "is not a span of one day"),
        ('every_day = "08:00-24:01"', "is not a span of one day"),
        ('every_day = "8-21"', 'must be "08:00-21:00"'),
        ("every_day = 8", 'must be "08:00-21:00"'),
        ('every_day = ["10:00-13:00", "12:00-20:00"]', "follows the one before"),
        ("every_day = []", 'write "closed"'),
        ('every_day = "08:00-21:00"\n[value.lifted_by]', "nothing that lifts"),
    ],
)
def test_refuses_windows_that_are_none(value: str, complaint: str) -> None:
    with pytest.raises(RulebookError, match=r"us\.test\.rule") as caught:
        rulebook(kind("calling_window", value))
    assert complaint in str(caught.value)


def test_refuses_overlapping_dates() -> None:
    later = RULE[RULE.index("[[value]]") :].replace("2026-01-01", "2026-10-18")
    with pytest.raises(RulebookError, match="the value from 2026-01-01 overlaps"):
        rulebook(RULE + later)
    rulebook(RULE.replace("from = 2026-01-01", "from = 2026-01-01\nuntil = 2026-10-18") + later)


def test_refuses_two_rules_of_one_name() -> None:
    files = FILES | {"us/federal/a.toml": RULE.encode(), "us/federal/b.toml": RULE.encode()}
    with pytest.raises(RulebookError, match=r"b.toml: rule us.test.rule is already in .*a.toml"):
        parse(files, "2026f")


@pytest.mark.parametrize("missing", ["rulebook.toml", *PACKAGED])
def test_refuses_to_load_without_its_tables(missing: str) -> None:
    files = {p: t for p, t in FILES.items() if p != missing} | {"us/federal/x.toml": RULE.encode()}
    with pytest.raises(RulebookError, match=f"{missing} is missing"):
        parse(files, "2026f")


def test_refuses_an_empty_rulebook() -> None:
    with pytest.raises(RulebookError, match="not a single rule"):
        parse(FILES, "2026f")


def test_refuses_a_zone_that_does_not_exist() -> None:
    bad = FILES["nanp/area_codes.toml"].replace(b"America/Phoenix", b"America/Phenix")
    with pytest.raises(RulebookError, match="not an IANA time zone"):
        parse(FILES | {"nanp/area_codes.toml": bad, "us/federal/x.toml": RULE.encode()}, "2026f")


@pytest.mark.parametrize("version", ["2025b", "2026e", "2025z"])
def test_refuses_older_time_zone_data(version: str) -> None:
    with pytest.raises(RulebookError, match=f"time-zone data is {version}, the rules need 2026f"):
        rulebook(tzdata=version)


@pytest.mark.parametrize("version", ["2026f", "2026g", "2027a", "2026aa"])
def test_takes_newer_time_zone_data(version: str) -> None:
    assert rulebook(tzdata=version).tzdata == version


def test_the_hash_stands_for_content_and_not_for_spelling() -> None:
    assert rulebook("# a comment\n\n" + RULE).hash == rulebook().hash
    assert rulebook(RULE.replace("attempts_max = 2", "attempts_max = 3")).hash != rulebook().hash
    beside = FILES | {"us/federal/x.toml": RULE.encode(), "us/federal/situations.toml": b"x = 1"}
    assert parse(beside, "2026f").hash == rulebook().hash


def test_a_rule_without_a_value_in_force_is_unknown() -> None:
    before = datetime(2025, 12, 31, 18, 0, tzinfo=UTC)
    assert judged(RULE, before) == Verdict(
        rule="us.test.rule",
        citation="1 TEST 2",
        ruling=Ruling.UNKNOWN,
        why="the rule has no value in force on 2025-12-31",
    )
    ended = RULE.replace("from = 2026-01-01", "from = 2026-01-01\nuntil = 2026-12-03")
    assert judged(ended).ruling is Ruling.UNKNOWN
    assert judged(ended, NOON - timedelta(days=1)).ruling is Ruling.ALLOW


def test_a_value_begins_at_local_midnight_in_every_zone() -> None:
    # 23:30 on 17 October in El Paso is half past midnight on the 18th in Dallas.
    changed = RULE.replace("from = 2026-01-01", "from = 2026-10-18")
    now = datetime(2026, 10, 18, 5, 30, tzinfo=UTC)
    assert judged(changed, now, number="+12145550142").ruling is Ruling.ALLOW
    assert judged(changed, now, number="+19155550142").ruling is Ruling.UNKNOWN
    assert judged(changed, now, number="+12145550142", state="TX").ruling is Ruling.UNKNOWN


def test_a_call_is_never_judged_at_a_time_without_a_zone() -> None:
    with pytest.raises(ValueError, match="aware time"):
        rulebook().judge(facts_of({}, NOON), datetime(2026, 12, 3))  # noqa: DTZ001


def test_a_rolling_cap_says_when_the_oldest_counted_attempt_leaves() -> None:
    past = [f"2026-12-03T{hour}:00:00Z no_answer" for hour in (10, 12, 14)]
    assert judged(RULE, past=past) == Verdict(
        rule="us.test.rule",
        citation="1 TEST 2",
        ruling=Ruling.REFUSE,
        why="3 attempts in 24 hours; 2 are the most",
        next_allowed_at=datetime(2026, 12, 4, 12, 0, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("outcome", "ruling"),
    [
        ("no_answer", Ruling.REFUSE),
        ("open", Ruling.REFUSE),
        ("busy", Ruling.ALLOW),
        ("not_dialed", Ruling.ALLOW),
    ],
)
def test_only_outcomes_named_and_open_attempts_count(outcome: str, ruling: Ruling) -> None:
    past = ["2026-12-03T10:00:00Z no_answer", f"2026-12-03T12:00:00Z {outcome}"]
    assert judged(RULE, past=past).ruling is ruling


ALSO = """[applies]
purposes = ["telemarketing"]
line_types = ["wireless"]

[applies.also]
purposes = ["telemarketing", "survey"]
parties = ["consumer"]
"""


@pytest.mark.parametrize(
    ("purpose", "party", "line_type", "is_judged"),
    [
        ("telemarketing", "business", "wireless", True),
        ("telemarketing", "business", "landline", False),
        ("telemarketing", "consumer", "landline", True),
        ("survey", "consumer", "landline", True),
        ("survey", "business", "wireless", False),
    ],
)
def test_a_rule_may_reach_two_sets_of_calls(
    purpose: str, party: str, line_type: str, *, is_judged: bool
) -> None:
    text = RULE.replace('[applies]\npurposes = ["telemarketing"]\n', ALSO)
    facts = facts_of({"purpose": purpose, "party": party, "line_type": line_type}, NOON)
    rules = {verdict.rule for verdict in rulebook(text).judge(facts, NOON)}
    assert ("us.test.rule" in rules) is is_judged


def test_calendar_days_are_those_of_the_called_party() -> None:
    text = RULE.replace("rolling_hours = 24", "calendar_days = 1").replace("max = 2", "max = 1")
    now = datetime(2026, 12, 3, 6, 30, tzinfo=UTC)  # half past midnight in Chicago
    before, after = "2026-12-03T05:59:59Z no_answer", "2026-12-03T06:00:00Z no_answer"
    assert judged(text, now, past=[before]).ruling is Ruling.ALLOW
    found = judged(text, now, past=[after])
    assert (found.ruling, found.next_allowed_at) == (
        Ruling.REFUSE,
        datetime(2026, 12, 4, 6, 0, tzinfo=UTC),
    )


def test_a_day_may_open_twice() -> None:
    text = kind("calling_window", 'every_day = ["10:00-13:00", "14:00-20:00"]')
    at = {hour: NOON.replace(hour=hour) for hour in (16, 18, 19, 20)}  # Chicago is six behind
    found = {hour: judged(text, now).ruling for hour, now in at.items()}
    assert found == {
        16: Ruling.ALLOW,
        18: Ruling.ALLOW,
        19: Ruling.REFUSE,
        20: Ruling.ALLOW,
    }
    assert judged(text, at[19]).next_allowed_at == at[20]


def test_zones_that_are_never_open_together_have_no_next_moment() -> None:
    text = kind("calling_window", 'every_day = "08:00-09:00"')
    assert judged(text, number="+12125550142", state="CA").next_allowed_at is None


def test_the_next_opening_is_exact_across_clock_changes() -> None:
    window = CallingWindow(week=(((8 * 3600, 21 * 3600),),) * 7)
    zone = ZoneInfo("America/New_York")
    for day in (date(2026, 11, 1), date(2027, 3, 14)):
        eve = datetime(day.year, day.month, day.day, tzinfo=zone) - timedelta(hours=2)
        assert window.next_open(eve.astimezone(UTC), (zone,)) == datetime(
            day.year, day.month, day.day, 8, tzinfo=zone
        )


def test_a_time_that_the_clock_skips_comes_at_the_change() -> None:
    zone = ZoneInfo("America/New_York")
    change = datetime(2027, 3, 14, 7, 0, tzinfo=UTC)
    assert first_instant(date(2027, 3, 14), 2 * 3600 + 1800, zone) == change
    assert first_instant(date(2026, 11, 1), 3600 + 1800, zone) == datetime(
        2026, 11, 1, 5, 30, tzinfo=UTC
    )


def test_facts_reach_back_as_far_as_the_longest_cap() -> None:
    assert rulebook().lookback == timedelta(days=1)
    assert load_rulebook().lookback == timedelta(days=62)


def test_a_folder_of_house_rules_replaces_ours_by_file_name(tmp_path: Path) -> None:
    ours = read_files()["house/attempts_per_day.toml"]
    (tmp_path / "attempts_per_day.toml").write_bytes(
        ours.replace(b"attempts_max = 3", b"attempts_max = 1")
    )
    past = {"past": ["2026-12-03T10:00:00Z no_answer"]}
    facts = facts_of(past, NOON)
    packaged, edited = load_rulebook(), load_rulebook(tmp_path)
    assert {v.rule for v in packaged.judge(facts, NOON) if v.ruling is not Ruling.ALLOW} == set()
    assert {v.rule for v in edited.judge(facts, NOON) if v.ruling is not Ruling.ALLOW} == {
        "house.attempts_per_day"
    }
    assert edited.hash != packaged.hash


def test_a_missing_folder_of_house_rules_is_said(tmp_path: Path) -> None:
    with pytest.raises(RulebookError, match="does not exist"):
        load_rulebook(tmp_path / "nowhere")


def test_a_relationship_ages_by_the_latest_date_it_may_be() -> None:
    lift = "[value.lifted_by]\npurchase_days = 10"
    text = kind("suppression", f'list = "national"\n{lift}')
    facts = {"number": "+18085550142", "listed": ["national 2020-01-01"]}
    facts["relationship"] = "purchase 2026-11-23"  # ten days ago in Hawaii, eleven on Guam
    assert judged(text, NOON, **facts).ruling is Ruling.ALLOW
    assert judged(text, NOON, **facts, state="GU").ruling is Ruling.REFUSE


def test_a_registry_of_another_country_does_not_count() -> None:
    text = kind("list_age", 'list = "national"\ncountry = "GB"\ndays_max = 31')
    assert judged(text, checked=["US", "CA"]).ruling is Ruling.REFUSE
    ours = kind("list_age", 'list = "national"\ncountry = "US"\ndays_max = 31')
    assert judged(ours).ruling is Ruling.ALLOW


def test_a_list_copy_from_the_future_is_unknown() -> None:
    text = kind("list_age", 'list = "national"\ndays_max = 31')
    assert judged(text, list_age_days=-2).ruling is Ruling.UNKNOWN

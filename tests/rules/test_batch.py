"""Situations in bulk: every row gets its answer, and what cannot be read is a no."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairdial.exceptions import UnusableList
from fairdial.rules import load_rulebook
from fairdial.rules.batch import COLUMNS, UNREADABLE, Judged, judge_row, judge_rows, law_only

RULEBOOK = law_only(load_rulebook())
PLAIN = {
    "id": "r1",
    "called_number": "+13125550142",
    "contact_state": "IL",
    "contact_postal": "60601",
    "call_purpose": "telemarketing",
    "call_method": "live_manual",
    "line_type": "landline",
    "business_or_consumer": "consumer",
    "consent": "none",
    "relationship": "none",
    "dnc_flags": "scrub_age_days=3",
    "recent_attempts": "",
    "now_utc": "2026-12-03T18:00:00Z",
}


def judged(**given: str) -> Judged:
    return judge_row(PLAIN | given, RULEBOOK)


def reasons(**given: str) -> set[str]:
    return {verdict.rule for verdict in judged(**given).reasons}


def test_an_ordinary_call_is_allowed_without_a_reason() -> None:
    assert judged().as_json() == {
        "id": "r1",
        "decision": "allow",
        "reasons": [],
        "rulebook": RULEBOOK.hash,
        "next_allowed_at": None,
    }


def test_a_refusal_by_time_says_when_it_ends() -> None:
    late = judged(now_utc="2026-12-04T03:00:00Z").as_json()
    assert (late["decision"], late["next_allowed_at"]) == ("deny", "2026-12-04T14:00:00Z")


@pytest.mark.parametrize(
    ("given", "against"),
    [
        ({"dnc_flags": "national=2019-05-01|scrub_age_days=3"}, {"us.tcpa.dnc_national"}),
        (
            {"dnc_flags": "national=2019-05-01|scrub_age_days=3", "consent": "written:2026-10-01"},
            set(),
        ),
        (
            {"dnc_flags": "national=2019-05-01|scrub_age_days=3", "consent": "revoked:2026-10-01"},
            {"us.tcpa.dnc_national", "us.tcpa.revocation"},
        ),
        ({"dnc_flags": "scrub_age_days=32"}, {"us.tcpa.dnc_stale"}),
        ({"dnc_flags": "unscrubbed"}, {"us.tcpa.dnc_stale"}),
        ({"dnc_flags": ""}, {"us.tcpa.dnc_stale"}),
        ({"dnc_flags": "scrub_age_days=3|unscrubbed"}, {"us.tcpa.dnc_stale"}),
        ({"called_number": "+19995550142", "contact_state": "", "contact_postal": ""}, None),
        ({"called_number": "not a number"}, None),
        ({"called_number": ""}, None),
    ],
)
def test_flags_consent_and_age_mean_what_the_law_says(
    given: dict[str, str], against: set[str] | None
) -> None:
    found = reasons(**given)
    assert found == against if against is not None else "num.invalid" in found


def test_a_request_to_stop_beats_consent_and_purchase() -> None:
    against = reasons(
        dnc_flags="internal=2026-11-30|scrub_age_days=3",
        consent="written:2026-12-01",
        relationship="purchase:2026-12-01",
    )
    assert "suppression.internal" in against


def test_house_rules_are_left_out_unless_asked_for() -> None:
    night = {"call_purpose": "survey", "now_utc": "2026-12-04T05:00:00Z"}
    assert reasons(**night) == set()
    with_house = law_only(load_rulebook(), with_house=True)
    assert {v.rule for v in judge_row(PLAIN | night, with_house).reasons} == {"house.hours"}


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("call_purpose", "sales"),
        ("call_method", ""),
        ("line_type", "satellite"),
        ("business_or_consumer", "dog"),
        ("consent", "written"),
        ("consent", "written:01/10/2026"),
        ("relationship", "friend:2026-01-01"),
        ("dnc_flags", "national"),
        ("dnc_flags", "national="),
        ("dnc_flags", "scrub_age_days=-1"),
        ("dnc_flags", "scrub_age_days=many"),
        ("dnc_flags", "state=2026-01-01"),
        ("dnc_flags", "federal=2026-01-01"),
        ("recent_attempts", "2026-12-03T14:00:00Z"),
        ("recent_attempts", "yesterday=busy"),
        ("recent_attempts", "2026-12-03T14:00:00Z=answered"),
        ("now_utc", ""),
        ("now_utc", "noon"),
        ("now_utc", "9999-12-31T23:59:59-14:00"),
        ("consent", "x" * 200_000),
    ],
)
def test_what_cannot_be_read_is_a_no_that_names_the_column(column: str, text: str) -> None:
    answer = judged(**{column: text}).as_json()
    (reason,) = answer["reasons"] if isinstance(answer["reasons"], list) else []
    assert (answer["decision"], reason["rule"]) == ("deny", UNREADABLE)
    assert column in reason["why"]


def test_rows_are_answered_in_their_order_with_columns_in_any_order_and_more_of_them() -> None:
    names = [*reversed(COLUMNS), "remark"]
    rows = [",".join(names)]
    for number in range(3):
        row = PLAIN | {"id": f"r{number}", "remark": "x"}
        rows.append(",".join(row[name] for name in names))
    rows.insert(2, "cut off,short")
    answers = list(judge_rows(rows, RULEBOOK, name="f.csv"))
    assert [answer.id for answer in answers] == ["r0", "", "r1", "r2"]
    assert [answer.is_allowed for answer in answers] == [True, False, True, True]
    assert answers[1].unreadable == "the row has fewer cells than the header"


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([], "it is empty"),
        (["id,called_number"], "contact_state"),
        ([",".join([*COLUMNS, "now_utc"])], "there twice"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(lines: list[str], complaint: str) -> None:
    with pytest.raises(UnusableList, match=complaint):
        list(judge_rows(lines, RULEBOOK, name="f.csv"))


@given(st.dictionaries(st.sampled_from(COLUMNS), st.text(max_size=40), min_size=1))
def test_no_row_raises_and_every_answer_is_json(cells: dict[str, str]) -> None:
    answer = judge_row(PLAIN | cells, RULEBOOK).as_json()
    assert answer["decision"] in ("allow", "deny")
    assert (answer["decision"] == "deny") is bool(answer["reasons"])
    json.dumps(answer)

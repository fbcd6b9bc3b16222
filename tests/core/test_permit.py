"""Nothing rings without a permit: all rules judged, all must allow, unknown is not yes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from fairdial.core import permit
from fairdial.core.campaign import Method, Purpose
from fairdial.core.facts import (
    Consent,
    Facts,
    Relationship,
    RelationshipKind,
    Suppression,
    SuppressionKind,
)
from fairdial.core.ids import E164, AttemptId, LeadId, PermitId
from fairdial.core.lead import ConsentKind, LineType, Party, StatedLocation
from fairdial.core.permit import PERMIT_LIFE, Permit, Refusal
from fairdial.core.verdict import Ruling, Verdict
from fairdial.rules import load_rulebook
from fairdial.rules.situations import facts_of

RULEBOOK = load_rulebook()
ANOTHER = load_rulebook()
"""The same rules loaded again, with caches of its own."""
NOON = datetime(2026, 12, 3, 18, 0, tzinfo=UTC)
CODES = sorted(
    c.code for c in RULEBOOK.area_codes.codes.values() if c.country in ("US", "CA") and c.states
)
STATES = sorted(RULEBOOK.area_codes.states)


def issue(facts: Facts, now: datetime) -> Permit | Refusal:
    return permit.issue(
        facts,
        RULEBOOK,
        now,
        permit_id=PermitId(UUID(int=1)),
        attempt_id=AttemptId(UUID(int=2)),
        lead_id=LeadId(UUID(int=3)),
    )


def test_a_permit_carries_what_it_was_given_for_and_every_verdict() -> None:
    facts = facts_of({}, NOON)
    decision = issue(facts, NOON)
    assert decision == Permit(
        id=PermitId(UUID(int=1)),
        attempt_id=AttemptId(UUID(int=2)),
        lead_id=LeadId(UUID(int=3)),
        campaign_id=facts.campaign_id,
        number=facts.number,
        caller_id=facts.caller_id,
        method=facts.method,
        issued_at=NOON,
        expires_at=NOON + PERMIT_LIFE,
        rulebook=RULEBOOK.hash,
        tzdata=RULEBOOK.tzdata,
        verdicts=RULEBOOK.judge(facts, NOON),
        facts=facts,
    )
    assert {v.ruling for v in decision.verdicts} == {Ruling.ALLOW}


def test_a_permit_lives_for_seconds_and_never_before_its_time() -> None:
    decision = issue(facts_of({}, NOON), NOON)
    assert isinstance(decision, Permit)
    moments = (-1, 0, 4, 5)
    assert [decision.is_live(NOON + timedelta(seconds=s)) for s in moments] == [
        False,
        True,
        True,
        False,
    ]


def test_a_refusal_names_every_reason_not_only_the_first() -> None:
    night = datetime(2026, 12, 4, 4, 0, tzinfo=UTC)
    facts = facts_of(
        {"listed": ["national 2020-01-01", "internal 2026-01-02"], "list_age_days": 40}, night
    )
    decision = issue(facts, night)
    assert isinstance(decision, Refusal)
    assert {v.rule for v in decision.reasons} == {
        "us.tcpa.hours",
        "us.il.hours",
        "house.hours",
        "us.tcpa.dnc_national",
        "us.tcpa.dnc_internal",
        "us.tcpa.dnc_stale",
        "suppression.internal",
    }
    assert decision.next_allowed_at is None


def test_every_applicable_rule_gives_one_verdict() -> None:
    verdicts = RULEBOOK.judge(facts_of({}, NOON), NOON)
    assert len({v.rule for v in verdicts}) == len(verdicts)


def test_a_refusal_by_time_says_when_all_rules_would_allow() -> None:
    # Saturday night with a Rhode Island number and a Texan address: Rhode Island closes Sundays,
    # and on Monday nine must have come to the westernmost Texan clock.
    saturday = datetime(2026, 12, 5, 23, 30, tzinfo=UTC)
    decision = issue(facts_of({"number": "+14015550142", "state": "TX"}, saturday), saturday)
    assert isinstance(decision, Refusal)
    monday = datetime(2026, 12, 7, 9, 0, tzinfo=ZoneInfo("America/Denver"))
    assert decision.next_allowed_at == monday
    assert isinstance(issue(decision.facts, monday.astimezone(UTC)), Permit)


def test_the_next_moment_heeds_a_law_that_changes_before_it() -> None:
    # Pennsylvania closes Sundays from Sunday 18 October 2026 on.
    saturday = datetime(2026, 10, 17, 22, 0, tzinfo=ZoneInfo("America/New_York"))
    facts = facts_of({"number": "+12155550142"}, saturday.astimezone(UTC))
    decision = issue(facts, saturday.astimezone(UTC))
    assert isinstance(decision, Refusal)
    # The rule of hours knows that Sunday will open at nine and no longer at eight; that it is
    # closed, another rule knows.
    sunday = datetime(2026, 10, 18, 9, 0, tzinfo=ZoneInfo("America/New_York"))
    assert {v.rule: v.next_allowed_at for v in decision.reasons}["us.pa.hours"] == sunday
    assert decision.next_allowed_at == sunday + timedelta(days=1)


def test_a_cap_that_ends_at_night_waits_for_the_morning() -> None:
    # The third attempt leaves the 24 hours at two at night in Chicago; windows are open now.
    facts = facts_of({"past": [f"2026-12-03T08:0{m}:00Z no_answer" for m in (0, 1, 2)]}, NOON)
    decision = issue(facts, NOON)
    assert isinstance(decision, Refusal)
    assert {v.rule: v.next_allowed_at for v in decision.reasons} == {
        "house.attempts_per_day": datetime(2026, 12, 4, 8, 0, tzinfo=UTC)
    }
    assert decision.next_allowed_at == datetime(2026, 12, 4, 14, 0, tzinfo=UTC)


def test_facts_and_verdicts_have_one_plain_form() -> None:
    plain = permit.plain(
        Verdict(rule="a.b", citation="c", ruling=Ruling.REFUSE, why="w", next_allowed_at=NOON)
    )
    assert plain == {
        "rule": "a.b",
        "citation": "c",
        "ruling": "refuse",
        "why": "w",
        "next_allowed_at": "2026-12-03T18:00:00+00:00",
    }


# ── What must never happen ───────────────────────────────────────────────────────────────────────

moments = st.datetimes(
    datetime(2026, 1, 2),  # noqa: DTZ001 - the zone is given beside it
    datetime(2027, 12, 30),  # noqa: DTZ001
    timezones=st.just(UTC),
) | st.builds(
    lambda day, second: day + timedelta(seconds=second),
    st.sampled_from([datetime(2026, 11, 1, tzinfo=UTC), datetime(2027, 3, 14, tzinfo=UTC), NOON]),
    st.integers(-86_400, 2 * 86_400),
)
calls = st.builds(
    lambda code, line, purpose, method, party, kind, stated, consent, dealing: replace(
        facts_of({}, NOON),
        number=E164(f"+1{code}55501{line:02d}"),
        purpose=purpose,
        method=method,
        party=party,
        line_type=kind,
        stated=stated,
        consents=() if consent is None else (consent,),
        relationships=() if dealing is None else (dealing,),
    ),
    st.sampled_from(CODES),
    st.integers(0, 99),
    st.sampled_from(Purpose),
    st.sampled_from(Method),
    st.sampled_from(Party),
    st.sampled_from(LineType),
    st.builds(
        StatedLocation,
        state=st.none() | st.sampled_from(STATES),
        zone=st.none() | st.sampled_from(["America/New_York", "Pacific/Honolulu"]),
    ),
    st.none()
    | st.builds(
        Consent,
        kind=st.sampled_from(ConsentKind),
        given_on=st.just(date(2026, 1, 1)),
        source=st.just("a form"),
    ),
    st.none()
    | st.builds(
        Relationship,
        kind=st.sampled_from(RelationshipKind),
        last_on=st.dates(date(2026, 1, 1), date(2026, 12, 1)),
    ),
)

# The second, naive oracle: the windows of sales calls to consumers by hand, state by state, as
# (Monday to Friday, Saturday, Sunday) in whole hours; a state left out keeps 8 to 21.
EVERY = {
    "FL MA MD OK OR WA WY": (8, 20),
    "MI MN NM PR": (9, 21),
    "CT NV": (9, 20),
    "KY": (10, 21),
}
HOURS: dict[str, tuple[tuple[float, float] | None, ...]] = {
    state: (hours, hours, hours) for states, hours in EVERY.items() for state in states.split()
}
HOURS |= dict.fromkeys(("AL", "LA", "MS"), ((8, 20), (8, 20), None))
HOURS |= {
    "RI": ((9, 18), (10, 17), None),
    "SD": ((9, 21), (9, 21), None),
    "TX": ((9, 21), (9, 21), (12, 21)),
    "UT": ((8, 21), (8, 21), None),
}
CANADA = ((9, 21.5), (10, 18), (10, 18))


def _days(text: str) -> frozenset[date]:
    """`2026: 1-19 2-16; 2027: 1-18`"""
    return frozenset(
        date(int(year), *map(int, day.split("-")))
        for part in text.split(";")
        for year, _, days in [part.partition(":")]
        for day in days.split()
    )


# From the calendars of these years, with the days observed for those that fall on a weekend.
COMMON = _days(
    "2026: 1-1 1-19 5-25 7-3 7-4 9-7 11-26 12-25;"
    "2027: 1-1 1-18 5-31 7-4 7-5 9-6 11-25 12-24 12-25 12-31"
)
PRESIDENTS = _days("2026: 2-16; 2027: 2-15")
GOOD_FRIDAY = _days("2026: 4-3; 2027: 3-26")
COLUMBUS_AND_VETERANS = _days("2026: 10-12 11-11; 2027: 10-11 11-11")
HOLIDAYS = {
    "AL": COMMON | PRESIDENTS,
    "LA": COMMON | GOOD_FRIDAY | _days("2026: 2-17; 2027: 2-9"),
    "PA": COMMON
    | PRESIDENTS
    | GOOD_FRIDAY
    | COLUMBUS_AND_VETERANS
    | _days("2026: 6-14 6-15 11-3; 2027: 6-14 11-2"),
    "RI": COMMON
    | PRESIDENTS
    | COLUMBUS_AND_VETERANS
    | _days("2026: 6-19 8-10; 2027: 6-18 6-19 8-9"),
    "UT": COMMON | PRESIDENTS | _days("2026: 7-24; 2027: 7-23 7-24"),
}


def texas_knows_the_person(facts: Facts, today: date) -> bool:
    """Requested calls, contracts and relationships are left to the federal window there."""
    if facts.consents:
        return True
    return any(
        {
            RelationshipKind.PURCHASE: 0 <= (today - dealing.last_on).days <= 540,
            RelationshipKind.INQUIRY: 0 <= (today - dealing.last_on).days <= 90
            and today <= months_later(dealing.last_on, 3),
            RelationshipKind.CONTRACT: today <= months_later(dealing.last_on, 18),
        }[dealing.kind]
        for dealing in facts.relationships
    )


def months_later(day: date, months: int) -> date:
    """The same day of a later month, or its last day."""
    years, month = divmod(day.month - 1 + months, 12)
    first = date(day.year + years, month + 1, 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return min(first + timedelta(days=day.day - 1), last)


def naively_open(facts: Facts, now: datetime) -> bool:
    """Whether every place the data indicate is open for sales calls: slow, plain, by hand."""
    code = RULEBOOK.area_codes.codes[facts.number[2:5]]
    states = set(code.states) | ({facts.stated.state} if facts.stated.state else set())
    zones = set(code.zones) | ({facts.stated.zone} if facts.stated.zone else set())
    if facts.stated.state:
        zones |= set(RULEBOOK.area_codes.states[facts.stated.state].zones)
    today_latest = max(now.astimezone(ZoneInfo(str(zone))).date() for zone in zones)
    for zone in zones:
        local = now.astimezone(ZoneInfo(str(zone)))
        hour = local.hour + local.minute / 60 + local.second / 3600
        column = {5: 1, 6: 2}.get(local.weekday(), 0)
        for state in states:
            hours: tuple[tuple[float, float] | None, ...] = ((8, 21),) * 3
            if RULEBOOK.area_codes.states[str(state)].country == "CA":
                hours = CANADA
            elif state == "PA":
                changed = local.date() >= date(2026, 10, 18)
                hours = ((9, 19), (9, 19), None) if changed else hours
            elif (state == "UT" and facts.consents) or (
                state == "TX" and texas_knows_the_person(facts, today_latest)
            ):
                hours = ((8, 21),) * 3
            else:
                hours = HOURS.get(str(state), hours)
            is_lifted = state == "UT" and bool(facts.consents)
            if local.date() in HOLIDAYS.get(str(state), ()) and not is_lifted:
                return False
            today = hours[column]
            if today is None or not today[0] <= hour < today[1]:
                return False
            if not 8 <= hour < 21:
                return False
    return True


@settings(max_examples=400, deadline=None)
@given(facts=calls, now=moments)
def test_no_permit_outside_any_applicable_window(facts: Facts, now: datetime) -> None:
    sales = replace(
        facts,
        purpose=Purpose.TELEMARKETING,
        method=Method.LIVE_MANUAL,
        party=Party.CONSUMER,
    )
    against = {v.rule for v in RULEBOOK.judge(sales, now) if v.ruling is not Ruling.ALLOW}
    by_time = {rule for rule in against if rule.endswith(("hours", "closed_day"))}
    assert (not by_time) is naively_open(sales, now), by_time


@settings(max_examples=200, deadline=None)
@given(facts=calls, now=moments)
def test_a_next_moment_is_allowed_and_a_second_earlier_is_not(facts: Facts, now: datetime) -> None:
    for verdict in RULEBOOK.judge(facts, now):
        moment = verdict.next_allowed_at
        if moment is None:
            continue
        assert moment > now
        at = {v.rule: v.ruling for v in RULEBOOK.judge(facts, moment)}
        before = {v.rule: v.ruling for v in RULEBOOK.judge(facts, moment - timedelta(seconds=1))}
        assert (at[verdict.rule], before[verdict.rule]) == (Ruling.ALLOW, Ruling.REFUSE)


@settings(max_examples=200, deadline=None)
@given(facts=calls, now=moments)
def test_a_request_to_stop_beats_every_permission(facts: Facts, now: datetime) -> None:
    stop = Suppression(
        kind=SuppressionKind.INTERNAL, source="an agent", registered_on=date(2026, 1, 1)
    )
    assert isinstance(issue(replace(facts, suppressions=(stop,)), now), Refusal)


@settings(max_examples=200, deadline=None)
@given(
    facts=calls,
    now=moments,
    number=st.sampled_from(["+18885550142", "+15005550142", "+19995550142", "+881612345678"]),
)
def test_an_unknown_place_never_permits(facts: Facts, now: datetime, number: str) -> None:
    decision = issue(replace(facts, number=E164(number), stated=StatedLocation()), now)
    assert isinstance(decision, Refusal)
    assert ("tz.unknown", Ruling.UNKNOWN) in {(v.rule, v.ruling) for v in decision.reasons}


@settings(max_examples=200, deadline=None)
@given(facts=calls, now=moments)
def test_judging_twice_gives_the_same(facts: Facts, now: datetime) -> None:
    assert ANOTHER.judge(facts, now) == RULEBOOK.judge(facts, now)

"""The gate against a second, naive reading of the law, by hand and independent of the data.

The oracle knows only local hours by state, minute by minute, and who asked to stop. It has one
side: what it forbids the gate must refuse; the gate may refuse more.
"""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from fairdial.core import permit
from fairdial.core.facts import Facts
from fairdial.rules import load_rulebook, read_files
from fairdial.rules.situations import facts_of

RULEBOOK = load_rulebook()
_FILES = read_files()
AREA_CODES: dict[str, dict[str, Any]] = tomllib.loads(_FILES["nanp/area_codes.toml"].decode())[
    "geographic"
]
STATES: dict[str, dict[str, Any]] = {
    code: row
    for country in ("us", "ca")
    for code, row in tomllib.loads(_FILES["nanp/states.toml"].decode())[country].items()
}
US = frozenset(tomllib.loads(_FILES["nanp/states.toml"].decode())["us"])

Hours = tuple[tuple[int, int] | None, tuple[int, int] | None, tuple[int, int] | None]
"""Monday to Friday, Saturday, Sunday: first and last-but-one minute of the day; None is closed."""


def _h(opens: float, closes: float) -> tuple[int, int]:
    return int(opens * 60), int(closes * 60)


FEDERAL: Hours = (_h(8, 21), _h(8, 21), _h(8, 21))
CANADA: Hours = (_h(9, 21.5), _h(10, 18), _h(10, 18))
SALES_HOURS: dict[str, Hours] = {
    "AL": (_h(8, 20), _h(8, 20), None),
    "CT": (_h(9, 20), _h(9, 20), _h(9, 20)),
    "FL": (_h(8, 20), _h(8, 20), _h(8, 20)),
    "KY": (_h(10, 21), _h(10, 21), _h(10, 21)),
    "LA": (_h(8, 20), _h(8, 20), None),
    "MA": (_h(8, 20), _h(8, 20), _h(8, 20)),
    "MD": (_h(8, 20), _h(8, 20), _h(8, 20)),
    "MI": (_h(9, 21), _h(9, 21), _h(9, 21)),
    "MN": (_h(9, 21), _h(9, 21), _h(9, 21)),
    "MS": (_h(8, 20), _h(8, 20), None),
    "NM": (_h(9, 21), _h(9, 21), _h(9, 21)),
    "NV": (_h(9, 20), _h(9, 20), _h(9, 20)),
    "OK": (_h(8, 20), _h(8, 20), _h(8, 20)),
    "OR": (_h(8, 20), _h(8, 20), _h(8, 20)),
    "PA": (_h(9, 19), _h(9, 19), None),
    "PR": (_h(9, 21), _h(9, 21), _h(9, 21)),
    "RI": (_h(9, 18), _h(10, 17), None),
    "SD": (_h(9, 21), _h(9, 21), None),
    "TX": (_h(9, 21), _h(9, 21), _h(12, 21)),
    "UT": (_h(8, 21), _h(8, 21), None),
    "WA": (_h(8, 20), _h(8, 20), _h(8, 20)),
    "WY": (_h(8, 20), _h(8, 20), _h(8, 20)),
}
"""Sales calls to consumers, as the statutes stand at the end of 2026."""
CONSENT_OPENS = frozenset({"TX", "UT"})
"""States whose own hours give way to the federal ones for who consented."""


def places(number: str, state: str | None) -> tuple[set[str], set[str]]:
    """The states and zones that a number and an address may mean: all of them."""
    code = AREA_CODES[number[2:5]]
    states = set(code["states"]) | ({state} if state else set())
    zones = set(code["zones"]) | (set(STATES[state]["zones"]) if state else set())
    return states, zones


def is_open(hours: Hours, now: datetime, zone: str) -> bool:
    local = now.astimezone(ZoneInfo(zone))
    span = hours[max(0, local.weekday() - 4)]
    return span is not None and span[0] <= local.hour * 60 + local.minute < span[1]


def forbids(facts: Facts, now: datetime) -> str | None:
    """Why the naive reading forbids a sales call to a consumer; None when it knows of nothing."""
    if any(entry.kind == "internal" for entry in facts.suppressions):
        return "asked to stop"
    states, zones = places(facts.number, facts.stated.state)
    own = states - CONSENT_OPENS if facts.consent is not None else states
    laws = [SALES_HOURS[s] for s in own if s in SALES_HOURS]
    laws += [FEDERAL if s in US else CANADA for s in states]
    for hours in laws:
        for zone in zones:
            if not is_open(hours, now, zone):
                return f"closed in {zone}"
    return None


_PLACED = sorted(code for code, row in AREA_CODES.items() if row["states"])
moments = st.builds(
    lambda day, second: (
        datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=second)
    ),
    st.dates(date(2026, 10, 20), date(2027, 12, 1)),
    st.integers(0, 86_399),
)
sales = st.fixed_dictionaries(
    {
        "number": st.sampled_from(_PLACED).map(lambda code: f"+1{code}5550142"),
        "state": st.none() | st.sampled_from(sorted(STATES)),
        "line_type": st.sampled_from(["landline", "wireless", "voip"]),
        "method": st.sampled_from(["live_manual", "live_autodialed", "prerecorded"]),
        "consent": st.sampled_from([None, "express 2026-10-19", "written 2026-10-19"]),
        "listed": st.sampled_from([[], [], ["internal 2026-10-19"], ["national 2020-01-01"]]),
    }
)


@given(sales, moments)
def test_no_permit_outside_any_window_that_may_apply_and_none_after_a_stop_request(
    given_: dict[str, Any], now: datetime
) -> None:
    facts = facts_of(given_, now)
    why = forbids(facts, now)
    if why is not None:
        judged = permit.judge(facts, RULEBOOK, now)
        assert not judged.is_allowed, why


@given(sales, moments)
def test_the_next_allowed_moment_is_one_that_the_naive_reading_allows_too(
    given_: dict[str, Any], now: datetime
) -> None:
    facts = facts_of(given_, now)
    then = permit.judge(facts, RULEBOOK, now).next_allowed_at
    if then is not None:
        assert forbids(facts, then) is None


@given(sales, moments, st.sampled_from(["prerecorded", "live_manual"]))
def test_a_stop_request_beats_every_permission(
    given_: dict[str, Any], now: datetime, method: str
) -> None:
    everything = given_ | {
        "method": method,
        "consent": "written 2026-10-19",
        "relationship": ["purchase 2026-10-19", "contract 2028-01-01"],
        "listed": ["internal 2026-10-19"],
        "reassigned": f"no {now.date()} since 2026-10-01",
    }
    for purpose in ("telemarketing", "survey", "collections", "political", "emergency"):
        facts = facts_of(everything | {"purpose": purpose}, now)
        assert not permit.judge(facts, RULEBOOK, now).is_allowed

"""Named days become dates as the statutes mean them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairdial.core.duties.calendar import (
    NamedDay,
    Observed,
    easter_sunday,
    is_closed,
    named_day,
)


@pytest.mark.parametrize(
    ("words", "day"),
    [
        ("january 1", date(2027, 1, 1)),
        ("third monday of january", date(2027, 1, 18)),
        ("last monday of may", date(2027, 5, 31)),
        ("first monday of september", date(2027, 9, 6)),
        ("fourth thursday of november", date(2027, 11, 25)),
        ("tuesday after first monday of november", date(2027, 11, 2)),
        ("good friday", date(2027, 3, 26)),
        ("easter monday", date(2027, 3, 29)),
        ("mardi gras", date(2027, 2, 9)),
        ("ascension day", date(2027, 5, 6)),
        ("whit monday", date(2027, 5, 17)),
        ("second monday of august", date(2027, 8, 9)),
    ],
)
def test_words_name_a_day(words: str, day: date) -> None:
    named = named_day(words)
    assert named is not None
    assert named.of(2027) == day


@pytest.mark.parametrize("words", ["", "fifth monday of may", "february 30", "easter", "Monday"])
def test_other_words_name_no_day(words: str) -> None:
    assert named_day(words) is None


def test_easter_falls_where_the_tables_say() -> None:
    known = {2024: (3, 31), 2025: (4, 20), 2026: (4, 5), 2027: (3, 28), 2038: (4, 25)}
    assert {year: easter_sunday(year) for year in known} == {
        year: date(year, *day) for year, day in known.items()
    }


CHRISTMAS = (NamedDay(text="december 25"), NamedDay(text="december 26"))
NEW_YEAR = (NamedDay(text="january 1"),)


def test_a_saturday_holiday_is_observed_on_the_friday_before_even_in_the_old_year() -> None:
    # 1 January 2028 is a Saturday.
    assert is_closed(date(2027, 12, 31), NEW_YEAR, Observed.NEAREST_WEEKDAY) == (
        "january 1, observed"
    )
    assert is_closed(date(2028, 1, 1), NEW_YEAR, Observed.NEAREST_WEEKDAY) == "january 1"
    assert is_closed(date(2027, 12, 31), NEW_YEAR, Observed.NEVER) is None


def test_two_holidays_on_one_weekend_take_two_weekdays() -> None:
    # 25 and 26 December 2027 are Saturday and Sunday.
    closed = [
        day
        for day in range(24, 31)
        if is_closed(date(2027, 12, day), CHRISTMAS, Observed.NEXT_WEEKDAY)
    ]
    assert closed == [25, 26, 27, 28]


def test_a_sunday_beside_a_weekday_holiday_moves_past_it() -> None:
    # 25 December 2033 is a Sunday, 26 a Monday: the substitute is Tuesday.
    closed = [
        day
        for day in range(23, 31)
        if is_closed(date(2033, 12, day), CHRISTMAS, Observed.NEXT_WEEKDAY)
    ]
    assert closed == [25, 26, 27]


@given(st.dates(date(2000, 1, 1), date(2100, 12, 31)))
def test_the_nearest_weekday_is_never_a_weekend_and_the_day_itself_stays_closed(day: date) -> None:
    named = named_day(f"{day:%B}".lower() + f" {day.day}")
    assert named is not None
    assert is_closed(day, (named,), Observed.NEAREST_WEEKDAY) is not None

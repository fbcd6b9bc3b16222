"""What a list says becomes E.164, or a sentence about what is wrong with it."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairdial.core.number import (
    TEXT_MAX,
    NumberFault,
    area_code,
    has_place,
    is_e164,
    is_fictional,
    is_nanp,
    national_digits,
    number_fault,
    parse_e164,
    region_of,
)


@pytest.mark.parametrize(
    "text",
    [
        "+13125550142",
        "13125550142",
        "3125550142",
        "312-555-0142",
        "(312) 555-0142",
        "(312)555-0142",
        "312.555.0142",
        "1-312-555-0142",
        "+1 (312) 555 0142",
        "  '312 555 0142; ",
        "tel:+1-312-555-0142",
        "３１２５５５０１４２",
        "＋１ ３１２ ５５５ ０１４２",
        "\u200e+1 312 555 0142\u202c",
        "011 1 312 555 0142",
    ],
)
def test_reads_the_spellings_people_use(text: str) -> None:
    assert parse_e164(text) == "+13125550142"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "there is no number in it"),
        ("--", "there is no number in it"),
        ("312-555-01AB", "it contains letters (AB)"),
        ("1-800-FLOWERS", "it contains letters (EFLORSW)"),
        ("312-555-0142 x12", "it has an extension; a dialer cannot reach extensions"),
        ("312-555-0142 ext. 7", "it has an extension; a dialer cannot reach extensions"),
        (
            "1.3125550142E+10",
            "a spreadsheet rounded it (1.3E+10); export the column as text and import again",
        ),
        (
            "312555014",
            "it is too short: 9 digits, a North American number has 10 (11 with the 1)",
        ),
        (
            "312555014200",
            "it is too long: 12 digits, a North American number has 10 (11 with the 1)",
        ),
        ("112-555-0142", "area code 112 starts with 1; area codes start with 2 to 9"),
        ("911-555-0142", "911 is a service code, not an area code"),
        ("555-555-0142", "555 is not an area code"),
        ("900-555-0142", "900 is a premium-rate number: whoever answers would pay for it"),
        ("312-155-0142", "exchange 155 starts with 1; exchanges start with 2 to 9"),
        ("999-555-0142", "area code 999 with exchange 555 is not in service"),
        ("+999 123456789", "its country code does not exist"),
        ("+44 207", "it is too short for a number of +44"),
        (
            "312-555-0142 / 312-555-0143",
            "20 digits are too many for one number; is it more than one?",
        ),
        ("9" * 65, "65 characters are too many for one number; 64 are the most"),
    ],
)
def test_says_what_is_wrong(text: str, why: str) -> None:
    assert parse_e164(text) == NumberFault(text=text[:TEXT_MAX], why=why)


def test_a_long_text_is_not_looked_into() -> None:
    fault = parse_e164("+13125550142" + " " * 10_000_000)
    assert isinstance(fault, NumberFault)
    assert len(fault.text) == TEXT_MAX


def test_a_number_without_a_plus_is_read_as_dialed_in_its_region() -> None:
    assert parse_e164("020 7946 0958", region="GB") == "+442079460958"
    assert parse_e164("+44 20 7946 0958") == "+442079460958"


def test_an_area_code_newer_than_the_metadata_is_taken_when_the_table_knows_it() -> None:
    assert isinstance(parse_e164("436-555-0142"), NumberFault)
    assert parse_e164("436-555-0142", area_codes={"436"}) == "+14365550142"


@pytest.mark.parametrize(
    ("number", "is_so"),
    [
        ("+13125550100", True),
        ("+13125550199", True),
        ("+13125550200", False),
        ("+13125550099", False),
        ("+13124550142", False),
        ("+442079460142", True),
        ("+442079461000", False),
        ("+442079459999", False),
        ("+441134960999", True),
        ("+441632960000", True),
        ("+441632961000", False),
        ("+447700900999", True),
        ("+447700901000", False),
        ("+442896496500", True),
        ("+448081570123", False),
        ("+61255500000", True),
        ("+61370109999", True),
        ("+61255490000", False),
        ("+61491570006", False),
        ("+611800160401", False),
        ("+49301234567", False),
        ("x", False),
    ],
)
def test_knows_the_numbers_of_fiction(number: str, is_so: bool) -> None:
    assert is_fictional(number) is is_so


def test_area_codes_are_north_american() -> None:
    assert area_code("+13125550142") == "312"
    assert area_code("+442079460958") is None
    assert not is_nanp("+131255501")


def test_countries_of_other_numbers() -> None:
    assert [region_of(n) for n in ("+442079460958", "+525512345678", "+881612345678", "x")] == [
        "GB",
        "MX",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("+13125550142", None),
        ("+442079460958", None),
        ("13125550142", "'13125550142' is not a number in E.164 form"),
        ("+1312555014", "'+1312555014' is not +1 and ten digits"),
        ("+11125550142", "area code 112 starts with 1; area codes start with 2 to 9"),
        ("+13120550142", "exchange 055 starts with 0; exchanges start with 2 to 9"),
        ("+19115550142", "911 is a service code, not an area code"),
        ("+15555550142", "555 is not an area code"),
        ("+19005550142", "900 is a premium-rate number: whoever answers would pay for it"),
        ("+999123456789", "'+999123456789' belongs to no country's numbering plan"),
        ("+881612345678", "'+881612345678' belongs to no country's numbering plan"),
        ("+449098790123", "it is a premium-rate number: whoever answers would pay for it"),
    ],
)
def test_says_why_a_number_cannot_be_called(number: str, why: str | None) -> None:
    assert number_fault(number) == why


@pytest.mark.parametrize(
    ("number", "is_so"),
    [
        ("+442079460958", True),
        ("+447700900123", True),
        ("+448081570123", False),
        ("+611800160401", False),
        ("+447012345678", False),
    ],
)
def test_knows_which_numbers_are_of_a_place(number: str, is_so: bool) -> None:
    assert has_place(number) is is_so


def test_national_digits_are_those_after_the_country_code() -> None:
    assert national_digits("+61255501234") == "255501234"
    assert national_digits("x") == ""


@given(npa=st.integers(200, 999), exchange=st.integers(200, 999), line=st.integers(0, 9999))
def test_the_fast_path_agrees_with_the_library(npa: int, exchange: int, line: int) -> None:
    text = f"({npa}) {exchange}-{line:04d}"
    # Premium numbers are valid to the library; we refuse them on purpose.
    library = npa != 900 and phonenumbers.is_valid_number(phonenumbers.parse(text, "US"))
    assert (parse_e164(text) == f"+1{npa}{exchange}{line:04d}") is library


@given(st.text(max_size=80))
def test_any_text_gives_a_number_or_a_reason(text: str) -> None:
    read = parse_e164(text)
    assert read.why if isinstance(read, NumberFault) else is_e164(read)

"""What one row of a list means, or why it cannot mean anything."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairdial.core.facts import Relationship, RelationshipKind, Restriction
from fairdial.core.ids import E164
from fairdial.core.intake import (
    CELL_CHARS_MAX,
    COLUMNS_MAX,
    ColumnMap,
    HeaderFault,
    NewLead,
    RejectedRow,
    RejectKind,
    Role,
    read_header,
    read_row,
    text_column_fault,
)
from fairdial.core.lead import ConsentKind, LineType, Party, StatedLocation

HEADER = (
    "Phone", "Name", "State", "Zip", "Time Zone", "Country", "Contact", "Business", "Consent",
    "Consent Date", "Last Purchase Date", "Last Inquiry", "Contract End Date", "Do not contact by",
    "Age", "Priority", "Lead Score",
)  # fmt: skip
PERSON = {"Phone": "(212) 555-0142", "Name": "Rosa Vale"}


def columns(*header: str) -> ColumnMap:
    found = read_header(header)
    assert isinstance(found, ColumnMap), found
    return found


def read(**changes: str) -> NewLead | RejectedRow:
    """Read a row of the standard columns with these cells changed; `_` stands for a space."""
    cells = {**PERSON, **{key.replace("_", " "): value for key, value in changes.items()}}
    return read_row([cells.get(name, "") for name in HEADER], columns(*HEADER), row=7)


def lead(**changes: str) -> NewLead:
    found = read(**changes)
    assert isinstance(found, NewLead), found
    return found


def why(**changes: str) -> str:
    found = read(**changes)
    assert isinstance(found, RejectedRow), found
    return found.why


def test_reads_a_whole_row() -> None:
    found = read(
        State="new york", Zip="10001-1234", Time_Zone="America/New_York", Country="USA",
        Contact="Cellular", Business="no", Consent="written", Consent_Date="2026-03-04", Age="41",
    )  # fmt: skip
    assert found == NewLead(
        number=E164("+12125550142"),
        name="Rosa Vale",
        location=StatedLocation(zone="America/New_York", postal="10001", state="NY", country="US"),
        party=Party.CONSUMER,
        line_type=LineType.WIRELESS,
        consent=ConsentKind.WRITTEN,
        consent_on=date(2026, 3, 4),
        attributes={"age": "41"},
        row=7,
    )


def test_a_row_with_only_a_number_leaves_everything_else_unknown() -> None:
    found = read_row(["2125550142"], columns("telephone"), row=2)
    assert found == NewLead(
        number=E164("+12125550142"),
        name="",
        location=StatedLocation(),
        party=Party.UNKNOWN,
        line_type=LineType.UNKNOWN,
        consent=None,
        consent_on=None,
        row=2,
    )


@pytest.mark.parametrize(
    ("priority", "score", "place"),
    [
        ("", "", 50),
        ("9", "", 90),
        ("0", "", 0),
        ("3.0", "100", 39),
        ("", "7.5", 50),
        ("", "40", 54),
    ],
)
def test_priority_and_score_are_the_place_in_the_hopper(
    priority: str, score: str, place: int
) -> None:
    found = read(Priority=priority, Lead_Score=score)
    assert isinstance(found, NewLead), found
    assert found.rank == place
    assert not found.attributes


@pytest.mark.parametrize("cell", ["high", "10", "-1", "4.5", "٣"])
def test_a_priority_that_cannot_be_read_rejects_the_row(cell: str) -> None:
    assert "is no whole number from 0 to 9" in why(Priority=cell)


@pytest.mark.parametrize("cell", ["A", "101", "-3", "100.5", "0,7", "1e2", "nan%", "."])
def test_a_score_that_cannot_be_read_rejects_the_row(cell: str) -> None:
    assert "is no number from 0 to 100" in why(Lead_Score=cell)


@pytest.mark.parametrize(
    "name", ["phone", "PHONE", "Phone_Number", "phoneNumber", " Telephone ", "mobile", "Number"]
)
def test_knows_the_phone_column_by_its_usual_names(name: str) -> None:
    assert columns("age", name).roles[Role.NUMBER] == 1


def test_of_two_phone_columns_the_better_known_name_wins() -> None:
    found = columns("Mobile", "Phone", "Number")
    assert (found.number_column, found.attributes) == ("Phone", {0: "mobile", 2: "number"})


def test_first_and_last_name_make_a_name() -> None:
    found = read_row(
        ["2125550142", " Rosa ", "Vale"], columns("phone", "first name", "last name"), row=2
    )
    assert isinstance(found, NewLead)
    assert found.name == "Rosa Vale"


def test_an_external_id_and_doubled_columns_become_attributes() -> None:
    found = read_row(
        ["2125550142", "C7", "a", "b", "c"], columns("phone", "id", "note", "Note", ""), row=2
    )
    assert isinstance(found, NewLead)
    assert found.attributes == {"note": "a", "note_4": "b", "column_5": "c", "external_id": "C7"}


def test_says_which_columns_it_found_when_none_holds_numbers() -> None:
    found = read_header(["who", "where"])
    assert isinstance(found, HeaderFault)
    assert "“who”, “where”" in found.why
    assert "phone, phone number" in found.why


def test_sees_that_the_first_line_is_data() -> None:
    found = read_header(["Rosa", "+12125550142"])
    assert isinstance(found, HeaderFault)
    assert "looks like data" in found.why


def test_refuses_more_columns_than_the_limit() -> None:
    assert isinstance(read_header(["phone", *["x"] * COLUMNS_MAX]), HeaderFault)
    assert isinstance(read_header(["phone", *["x"] * (COLUMNS_MAX - 1)]), ColumnMap)


@pytest.mark.parametrize(
    "number", ["", "n/a", "212-555-HELP", "555-0142", "212555014", "2125550142 ext. 7", "1.2E+10"]
)
def test_rejects_a_number_that_is_none(number: str) -> None:
    found = read(Phone=number)
    assert isinstance(found, RejectedRow)
    assert (found.kind, found.line, found.original[0]) == (RejectKind.NUMBER, 7, number)


def test_reads_a_number_that_a_data_tool_saved_with_a_fraction() -> None:
    assert lead(Phone="2125550142.0").number == "+12125550142"


def test_reads_a_national_number_in_the_country_of_its_row() -> None:
    found = lead(Phone="020 7946 0123", Country="UK", State="Kent", Zip="n1 1aa")
    assert found.number == "+442079460123"
    assert found.location == StatedLocation(postal="N1 1AA", country="GB")
    assert found.attributes == {"state": "Kent"}


def test_a_state_of_ours_is_kept_even_when_the_row_names_another_country() -> None:
    assert lead(State="FL", Country="GB", Phone="+12125550142").location.state == "FL"


@pytest.mark.parametrize(
    ("cell", "state"), [("ny", "NY"), ("N.Y.", "NY"), ("North Dakota", "ND"), ("Québec", None)]
)
def test_reads_states_by_code_and_name(cell: str, state: str | None) -> None:
    found = read(State=cell)
    if state is None:
        assert isinstance(found, RejectedRow)
        assert found.kind is RejectKind.LOCATION
    else:
        assert isinstance(found, NewLead)
        assert found.location.state == state


def test_an_unreadable_place_rejects_the_row_because_it_may_forbid_the_call() -> None:
    assert "“Bavaria”" in why(State="Bavaria")
    assert "America/Chicago" in why(Time_Zone="Central")
    assert "two letters" in why(Country="Utopia")
    assert "five digits" in why(Zip="1234567")


def test_restores_the_leading_zero_of_a_zip_only_where_the_state_has_one() -> None:
    assert lead(Zip="2134", State="MA").location.postal == "02134"
    assert "leading zeros" in why(Zip="2134", State="NY")


def test_reads_a_canadian_postal_code() -> None:
    assert lead(Zip="k1a0b1", State="ON").location.postal == "K1A 0B1"


def test_a_plain_yes_is_the_weaker_consent() -> None:
    assert lead(Consent="yes", Consent_Date="2026-03-04").consent is ConsentKind.EXPRESS


@pytest.mark.parametrize("cell", ["", "no", "N/A"])
def test_no_consent_is_no_consent(cell: str) -> None:
    found = lead(Consent=cell, Consent_Date="2026-03-04")
    assert (found.consent, found.consent_on) == (None, None)


@pytest.mark.parametrize(
    ("consent", "day", "reason"),
    [
        ("withdrawn", "2026-03-04", "do-not-call"),
        ("maybe", "2026-03-04", "not known"),
        ("written", "", "no date"),
        ("written", "03/04/2026", "2026-11-20"),
        ("written", "2026-02-30", "2026-11-20"),
        ("written", "2026-W10-3", "2026-11-20"),
    ],
)
def test_a_consent_that_proves_nothing_rejects_the_row(consent: str, day: str, reason: str) -> None:
    assert reason in why(Consent=consent, Consent_Date=day)


def test_reads_when_the_person_bought_asked_and_until_when_a_contract_runs() -> None:
    found = lead(
        Last_Purchase_Date="2026-03-04", Last_Inquiry="2026-10-01", Contract_End_Date="2027-01-31"
    )
    assert found.relationships == (
        Relationship(kind=RelationshipKind.PURCHASE, last_on=date(2026, 3, 4)),
        Relationship(kind=RelationshipKind.INQUIRY, last_on=date(2026, 10, 1)),
        Relationship(kind=RelationshipKind.CONTRACT, last_on=date(2027, 1, 31)),
    )
    assert lead(Last_Purchase_Date="n/a").relationships == ()


@pytest.mark.parametrize("column", ["Last_Purchase_Date", "Last_Inquiry", "Contract_End_Date"])
def test_a_dealing_on_a_day_that_cannot_be_read_rejects_the_row(column: str) -> None:
    found = read(**{column: "03/04/2026"})
    assert isinstance(found, RejectedRow)
    assert found.kind is RejectKind.RELATIONSHIP
    assert "write it as 2026-11-20" in found.why


def test_reads_what_forbids_calls() -> None:
    both = (Restriction.ATTORNEY, Restriction.WORK)
    assert lead(Do_not_contact_by="Lawyer; place of work").restrictions == both
    assert lead(Do_not_contact_by="work and attorney").restrictions == both
    assert lead(Do_not_contact_by="no").restrictions == ()


def test_a_restriction_that_is_not_known_rejects_the_row() -> None:
    found = read(Do_not_contact_by="attorney, after six")
    assert isinstance(found, RejectedRow)
    assert found.kind is RejectKind.RESTRICTION


def test_a_company_name_or_an_odd_line_type_is_kept_and_judged_strictly() -> None:
    found = lead(Business="Vale & Sons", Contact="by post")
    assert (found.party, found.line_type) == (Party.UNKNOWN, LineType.UNKNOWN)
    assert found.attributes == {"business": "Vale & Sons", "contact": "by post"}


def test_rejects_rows_with_too_few_or_too_many_cells() -> None:
    narrow = columns("phone", "name")
    for cells in (["2125550142"], ["2125550142", "Vale", " Jr."]):
        found = read_row(cells, narrow, row=3)
        assert isinstance(found, RejectedRow)
        assert (found.kind, found.original) == (RejectKind.CELL_COUNT, tuple(cells))


def test_empty_cells_after_the_last_column_do_not_count() -> None:
    assert isinstance(read_row(["2125550142", "", " "], columns("phone"), row=3), NewLead)


def test_an_over_long_cell_rejects_the_row_with_its_size_and_is_not_repeated() -> None:
    found = read(Age="z" * (CELL_CHARS_MAX + 1))
    assert isinstance(found, RejectedRow)
    assert found.why == "the cell “Age” has 4,097 characters; at most 4,096 fit."
    assert found.original == ()
    assert isinstance(read(Age="z" * CELL_CHARS_MAX), NewLead)


@pytest.mark.parametrize("control", ["\x07", "\x1b", "\x7f", "\x85"])
def test_refuses_control_characters_and_shows_their_code_only(control: str) -> None:
    assert why(Name=f"Rosa{control}") == (
        f"the cell “Name” holds a control character (U+{ord(control):04X}); remove it."
    )


def test_line_breaks_and_tabs_in_a_note_are_ordinary() -> None:
    assert lead(Age="first\nsecond\tthird").attributes == {"age": "first\nsecond\tthird"}


@given(cells=st.lists(st.text(max_size=60), min_size=1, max_size=14))
def test_never_raises_on_any_cells(cells: list[str]) -> None:
    found = read_row(cells, columns(*HEADER), row=5)
    assert (found.row if isinstance(found, NewLead) else found.line) == 5


def test_a_phone_column_of_text_is_named_with_the_column_that_has_the_numbers() -> None:
    rows = [("Rosa", f"212555{i:04d}") for i in range(100, 130)]
    fault = text_column_fault(rows, columns("phone", "who to ring"))
    assert fault is not None
    assert "“phone” holds text" in fault
    assert "look like numbers: “who to ring”" in fault


def test_a_column_with_a_tenth_of_good_numbers_is_read_row_by_row() -> None:
    rows = [("2125550142",)] * 3 + [("text",)] * 27
    assert text_column_fault(rows, columns("phone")) is None
    assert text_column_fault(rows[1:], columns("phone")) is not None


def test_nothing_is_concluded_from_a_short_list() -> None:
    assert text_column_fault([("text",)] * 19, columns("phone")) is None

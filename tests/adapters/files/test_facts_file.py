"""Files of facts: what is read of each kind, and that no row is ever skipped."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from fairdial.adapters.files.facts import read_facts
from fairdial.core.campaign import Purpose
from fairdial.core.facts import Reassigned, RelationshipKind, Restriction
from fairdial.core.ids import E164
from fairdial.core.lead import ConsentKind, LineType
from fairdial.core.ledger import (
    ConsentRecord,
    FactsKind,
    FactsRecord,
    LineTypeRecord,
    ReassignedRecord,
    RelationshipRecord,
    RestrictionRecord,
)
from fairdial.exceptions import UnusableList

DAY = date(2026, 11, 20)
ROSA, CASEY = E164("+12125550142"), E164("+13125550143")


def save(folder: Path, text: str) -> Path:
    path = folder / "facts.csv"
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, kind: FactsKind, text: str) -> list[FactsRecord]:
    with read_facts(save(folder, text), kind, source="crm", as_of=DAY) as reading:
        return list(reading)


def refusal(folder: Path, kind: FactsKind, text: str) -> str:
    with pytest.raises(UnusableList) as caught:
        read(folder, kind, text)
    assert str(folder) in str(caught.value)
    return str(caught.value)


def test_reads_a_consent_with_all_its_proof(tmp_path: Path) -> None:
    text = (
        "number,kind,given_at,expires_on,purposes,text,url,ip,user agent,signature,evidence,"
        "copy given\n"
        '212 555 0142,written,2026-06-01T10:00:00-04:00,2027-06-01,survey telemarketing,"I agree\n'
        'to be called.",https://shop.example/form,192.0.2.7,Firefox,Rosa Vale,scan 12,yes\n'
        "+13125550143,express,2026-06-02,,,,,,,,,\n"
    )
    assert read(tmp_path, FactsKind.CONSENTS, text) == [
        ConsentRecord(
            number=ROSA,
            kind=ConsentKind.WRITTEN,
            given_on=date(2026, 6, 1),
            given_at=datetime(2026, 6, 1, 14, tzinfo=UTC),
            source="crm, line 2",
            expires_on=date(2027, 6, 1),
            purposes=(Purpose.SURVEY, Purpose.TELEMARKETING),
            text_shown="I agree\nto be called.",
            place="https://shop.example/form",
            ip="192.0.2.7",
            user_agent="Firefox",
            signature="Rosa Vale",
            evidence="scan 12",
            copy_given=True,
        ),
        ConsentRecord(
            number=CASEY,
            kind=ConsentKind.EXPRESS,
            given_on=date(2026, 6, 2),
            source="crm, line 4",
        ),
    ]


@pytest.mark.parametrize(
    ("kind", "text", "record"),
    [
        (
            FactsKind.RELATIONSHIPS,
            "phone,kind,date\n2125550142,contract,2027-01-31\n",
            RelationshipRecord(
                number=ROSA, kind=RelationshipKind.CONTRACT, last_on=date(2027, 1, 31)
            ),
        ),
        (
            FactsKind.RESTRICTIONS,
            "number;restriction;ended on\n+12125550142;attorney;2026-12-01\n",
            RestrictionRecord(
                number=ROSA, restriction=Restriction.ATTORNEY, ended_on=date(2026, 12, 1)
            ),
        ),
        (
            FactsKind.LINE_TYPES,
            "Number,Line Type\n(212) 555-0142,Mobile\n",
            LineTypeRecord(number=ROSA, line_type=LineType.WIRELESS),
        ),
        (
            FactsKind.REASSIGNED,
            "number,date,response\n2125550142,20260601,no data\n",
            ReassignedRecord(
                number=ROSA,
                since_on=date(2026, 6, 1),
                asked_on=DAY,
                answer=Reassigned.NO_DATA,
            ),
        ),
    ],
)
def test_reads_each_kind(tmp_path: Path, kind: FactsKind, text: str, record: FactsRecord) -> None:
    assert read(tmp_path, kind, text) == [record]


@pytest.mark.parametrize(
    ("kind", "text", "complaint"),
    [
        (FactsKind.LINE_TYPES, "number,line type\n2125550142,pager\n", "line 2: the line type"),
        (FactsKind.LINE_TYPES, "number,line type\n212555,voip\n", "line 2: “212555”"),
        (FactsKind.LINE_TYPES, "number\n2125550142\n", "the column line_type is missing"),
        (FactsKind.LINE_TYPES, "number,line type,carrier\n", "no column “carrier”"),
        (FactsKind.LINE_TYPES, "number,phone,line type\n", "mean the same"),
        (FactsKind.LINE_TYPES, "number,line type\n", "no rows"),
        (FactsKind.LINE_TYPES, "number,line type\n2125550142\n", "1 cells, the header has 2"),
        (FactsKind.LINE_TYPES, 'number,"line type\n2125550142,voip\n', "quotes of the header"),
        (FactsKind.CONSENTS, "number,kind,date\n2125550142,oral,2026-06-01\n", "express, written"),
        (FactsKind.CONSENTS, "number,kind,date\n2125550142,written,01/06/2026\n", "2026-11-20"),
        (
            FactsKind.CONSENTS,
            "number,kind,given_at\n2125550142,written,2026-06-01 10:00\n",
            "with its zone",
        ),
        (
            FactsKind.CONSENTS,
            "number,kind,date\n2125550142,written,2026-11-21\n",
            "after the facts",
        ),
        (
            FactsKind.CONSENTS,
            "number,kind,date,revoked\n2125550142,written,2026-06-01,yes\n",
            "no column “revoked”",
        ),
        (
            FactsKind.RELATIONSHIPS,
            "number,kind,date\n2125550142,purchase,2026-12-01\n",
            "after the facts' day",
        ),
        (
            FactsKind.REASSIGNED,
            "number,date,response,asked on\n2125550142,2026-06-01,no,2026-05-01\n",
            "still to come",
        ),
    ],
)
def test_refuses_the_whole_file_and_says_where_and_why(
    tmp_path: Path, kind: FactsKind, text: str, complaint: str
) -> None:
    assert complaint in refusal(tmp_path, kind, text)


def test_a_row_that_repeats_another_is_left_out_and_one_that_contradicts_is_refused(
    tmp_path: Path,
) -> None:
    head = "number,line type\n2125550142,voip\n"
    with read_facts(
        save(tmp_path, head + "+1 212 555 0142,VoIP\n"),
        FactsKind.LINE_TYPES,
        source="lookups",
        as_of=DAY,
    ) as reading:
        assert len(list(reading)) == 1
        assert reading.repeated == 1
    found = refusal(tmp_path, FactsKind.LINE_TYPES, head + "2125550142,mobile\n")
    assert "line 3: of +12125550142 line 2 says otherwise" in found


def test_a_fault_at_the_end_of_the_file_is_found(tmp_path: Path) -> None:
    rows = "".join(f"21255501{n:02d},voip\n" for n in range(100))
    found = refusal(tmp_path, FactsKind.LINE_TYPES, f"number,line type\n{rows}x,voip\n")
    assert "line 102" in found

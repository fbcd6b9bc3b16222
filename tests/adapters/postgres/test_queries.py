"""Named queries: one verb, one comment, one statement each; mistakes are found when loading."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairdial.adapters.postgres import queries
from fairdial.adapters.postgres.queries import load

GOOD = """\
-- Leads and what happens to them.

-- name: claim_leads
-- The next due leads; nobody else gets them.
-- A second line of reasons.
SELECT id FROM lead
 -- in order; always
 WHERE note <> 'a;b' AND share < '50%%' AND campaign_id = %(campaign_id)s;

-- name: close_lead
-- The last word.
UPDATE lead SET closed = true WHERE id = %(id)s
"""


def test_loads_every_statement_under_its_name(tmp_path: Path) -> None:
    (tmp_path / "leads.sql").write_text(GOOD)
    (tmp_path / "lists.sql").write_text("-- name: count_lists\n-- How many.\nSELECT 1;\n")
    loaded = load(tmp_path)
    assert dict(loaded) == {
        "claim_leads": (
            "SELECT id FROM lead\n -- in order; always\n"
            " WHERE note <> 'a;b' AND share < '50%%' AND campaign_id = %(campaign_id)s"
        ),
        "close_lead": "UPDATE lead SET closed = true WHERE id = %(id)s",
        "count_lists": "SELECT 1",
    }
    assert loaded.close_lead == loaded["close_lead"]


def test_an_unknown_name_is_an_error(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    with pytest.raises(AttributeError, match="no query called open_lead"):
        _ = loaded.open_lead
    with pytest.raises(KeyError):
        _ = loaded["open_lead"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("SELECT 1;\n", r"bad\.sql:1: a statement before the first"),
        ("-- name:\n-- What.\nSELECT 1\n", "should be a name like claim_leads"),
        ("-- name: Get_Lead\n-- What.\nSELECT 1\n", "should be a name like claim_leads"),
        ("-- name: get_lead\nSELECT 1\n", r"bad\.sql:1: get_lead needs a comment line"),
        ("-- name: get_lead\n--\nSELECT 1\n", "needs a comment line"),
        ("-- name: get_lead\n", "needs a comment line"),
        ("-- name: get_lead\n-- What.\n\n", "has no statement"),
        ("-- name: get_lead\n-- What.\nSELECT 1; SELECT 2;\n", "more than one statement"),
        ("-- name: get_lead\n-- What.\nSELECT 1 % 2\n", "no %\\(name\\)s placeholder"),
        ("-- name: get_lead\n-- What.\nSELECT %s\n", "no %\\(name\\)s placeholder"),
        (
            "-- name: get_lead\n-- What.\nSELECT 1\n-- name: get_lead\n-- What.\nSELECT 2\n",
            r"bad\.sql:4: get_lead is already the name of the query at .*bad\.sql:1",
        ),
    ],
)
def test_refuses_a_file_that_an_auditor_could_not_read(
    tmp_path: Path, text: str, complaint: str
) -> None:
    (tmp_path / "bad.sql").write_text(text)
    with pytest.raises(ValueError, match=complaint):
        load(tmp_path)


def test_our_own_queries_load() -> None:
    assert len(load()) == sum(
        path.read_text(encoding="utf-8").count("-- name:") for path in queries.FOLDER.glob("*.sql")
    )

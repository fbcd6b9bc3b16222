"""Migrations run once, in order, whole or not at all, and a different past is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from fairdial.adapters.postgres import migrations
from fairdial.adapters.postgres.migrations import migrate
from fairdial.exceptions import StoreUnavailable

FIRST = "0001_before_leads"
SECOND = "0002_after_leads"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / f"{FIRST}.sql").write_text(
        "CREATE TABLE lead (id int); CREATE TABLE list (id int);"
    )
    (tmp_path / f"{SECOND}.sql").write_text("-- 100% of it.\nDROP TABLE list;\n")
    return tmp_path


def test_migrates_in_order_and_only_once(empty_database_url: str, folder: Path) -> None:
    assert migrate(empty_database_url, folder) == [FIRST, SECOND]
    assert migrate(empty_database_url, folder) == []
    assert _tables(empty_database_url) == {"lead", "schema_migration"}


def test_a_later_migration_runs_alone(empty_database_url: str, folder: Path) -> None:
    migrate(empty_database_url, folder)
    (folder / "0003_before_more.sql").write_text("CREATE TABLE more (id int)")
    assert migrate(empty_database_url, folder) == ["0003_before_more"]


def test_processes_that_start_at_once_migrate_once(empty_database_url: str, folder: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(lambda _: migrate(empty_database_url, folder), range(4)))
    assert sorted(runs) == [[], [], [], [FIRST, SECOND]]


def test_nothing_is_kept_of_a_migration_that_fails(empty_database_url: str, folder: Path) -> None:
    bad = folder / "0003_before_bad.sql"
    bad.write_text("CREATE TABLE half (id int); SELECT 1/0;")
    with pytest.raises(StoreUnavailable, match=r"0003_before_bad.*\n.*division by zero"):
        migrate(empty_database_url, folder)
    assert _tables(empty_database_url) == {"lead", "schema_migration"}
    bad.write_text("CREATE TABLE whole (id int)")
    assert migrate(empty_database_url, folder) == ["0003_before_bad"]


def test_refuses_a_migration_edited_after_it_ran(empty_database_url: str, folder: Path) -> None:
    migrate(empty_database_url, folder)
    (folder / f"{FIRST}.sql").write_text("CREATE TABLE lead (id bigint)")
    with pytest.raises(StoreUnavailable, match=f"{FIRST} is not what ran"):
        migrate(empty_database_url, folder)


def test_refuses_a_database_newer_than_the_code(empty_database_url: str, folder: Path) -> None:
    migrate(empty_database_url, folder)
    (folder / f"{SECOND}.sql").unlink()
    with pytest.raises(
        StoreUnavailable, match=f"{SECOND}, and this version of Fairdial knows only 1"
    ):
        migrate(empty_database_url, folder)


def test_refuses_a_journal_with_a_hole(empty_database_url: str, folder: Path) -> None:
    migrate(empty_database_url, folder)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("DELETE FROM schema_migration WHERE number = 1")
    with pytest.raises(StoreUnavailable, match=f"lacks migration {FIRST} but has {SECOND}"):
        migrate(empty_database_url, folder)


@pytest.mark.parametrize("name", ["0004_before_gap", "0002_before_double", "0003_sometime_x", "x"])
def test_refuses_a_file_out_of_order(folder: Path, name: str) -> None:
    (folder / f"{name}.sql").write_text("SELECT 1")
    with pytest.raises(StoreUnavailable, match=r"should be called 000[34]_before_<what>\.sql"):
        migrations.load(folder)


def test_a_database_that_is_not_there_is_named_with_a_remedy(folder: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"(?s)list of migrations.*What to do"):
        migrate(f"host={folder} user=fairdial dbname=nowhere", folder)


def test_our_own_migrations_are_well_formed() -> None:
    assert [migration.number for migration in migrations.load()] == list(
        range(1, len(list(migrations.FOLDER.glob("*.sql"))) + 1)
    )


def _tables(conninfo: str) -> set[str]:
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {name for (name,) in rows}

"""`fairdial rules` answers people in words, and with a status when something is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import fairdial.rules
from fairdial.cli.rules import rules_cli
from fairdial.cli.shell import EXIT_FAILED, EXIT_UNUSABLE

Ask = Callable[..., Any]


@pytest.fixture
def ask() -> Ask:
    """Type a command of `fairdial rules`."""
    runner = CliRunner()
    return lambda *words: runner.invoke(rules_cli, [str(word) for word in words])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the packaged rules, without the tables of places."""
    packaged = Path(fairdial.rules.__file__).parent
    skip = shutil.ignore_patterns("*.py", "__pycache__", "nanp", "places", "rulebook.toml")
    return shutil.copytree(packaged, tmp_path / "rules", ignore=skip)


def test_a_copy_of_the_rules_differs_in_nothing(ask: Ask, folder: Path) -> None:
    answer = ask("diff", folder, folder)
    assert (answer.exit_code, answer.output) == (
        0,
        "0 differences, 0 of them rewrite what was in force\n",
    )


def test_a_cap_that_was_raised_for_days_gone_by_fails(ask: Ask, folder: Path) -> None:
    newer = shutil.copytree(folder, folder.parent / "newer")
    rule = newer / "fr" / "freq.toml"
    rule.write_text(rule.read_text().replace("attempts_max = 4", "attempts_max = 5"))
    answer = ask("diff", folder, newer)
    assert answer.exit_code == EXIT_FAILED
    assert answer.output.startswith("fault: fr.freq: from 2026-01-01: “At most 4 attempts")
    assert "1 of them rewrite what was in force" in answer.output


def test_a_folder_that_cannot_be_read_says_which_file_and_why(ask: Ask, folder: Path) -> None:
    (folder / "fr" / "freq.toml").write_text('id = "fr.freq"')
    answer = ask("diff", folder, folder)
    assert answer.exit_code == EXIT_FAILED
    assert "fr/freq.toml (fr.freq): kind is missing" in answer.output
    assert "does not exist" in ask("diff", folder / "none").output


def test_coverage_counts_every_jurisdiction_and_lists_one(ask: Ask) -> None:
    everywhere = ask("coverage").output
    assert "au" in everywhere
    assert "us/fl" in everywhere
    assert "opposition register" in ask("coverage", "it").output


def test_a_jurisdiction_that_nobody_knows_is_an_unusable_argument(ask: Ask) -> None:
    answer = ask("coverage", "atlantis")
    assert answer.exit_code == EXIT_UNUSABLE
    assert "no jurisdiction is called 'atlantis'" in answer.output

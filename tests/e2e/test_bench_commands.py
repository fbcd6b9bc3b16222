"""Benchmarks are commands that people run: each works, at a size that takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .command import Installation

pytestmark = pytest.mark.wire


def figures_of(installation: Installation, *words: str) -> dict[str, Any]:
    command = installation.start("bench", *words)
    assert command.ended() == 0, command.complained
    figures: dict[str, Any] = json.loads(command.said)
    assert figures["machine"]["cores"] >= 1
    return figures


def test_the_gate_is_measured_by_permits_not_by_refusals(installation: Installation) -> None:
    figures = figures_of(installation, "gate", "--rate", "50", "--seconds", "2")
    # Maine wants an answer about reassigned numbers, which nobody asked for here.
    assert (figures["calls"], figures["permits"] > 90) == (100, True)
    assert 0 < figures["permit_ms"]["p50"] <= figures["permit_ms"]["p99"]
    assert figures["bare_transaction_ms"]["p50"] > 0


def test_the_chain_that_is_measured_holds(installation: Installation) -> None:
    figures = figures_of(installation, "audit", "--seconds", "1")
    assert figures["chain_verified"] is True
    for size in ("transactions_of_1", "transactions_of_10"):
        assert figures[size]["sealed_entries_per_s"] > 0
        assert figures[size]["plain_inserts_per_s"] > 0


def test_a_dispute_file_is_found_by_indexes_alone(installation: Installation) -> None:
    figures = figures_of(installation, "dispute", "--rows", "20000")
    assert figures["rows"]["audit_entry"] >= 20_000
    assert (figures["whole_tables_read"], figures["events"] > 0) == ([], True)


def test_a_registry_is_measured_beside_its_peers(installation: Installation) -> None:
    figures = figures_of(
        installation, "registry", "--numbers", "100000", "--list-rows", "10000", "--changes", "500"
    )
    listed = {figures[peer]["listed"] for peer in ("numpy", "duckdb")}
    assert listed == {figures["fairdial"]["screen"]["listed"]}
    assert 0 not in listed


def test_who_answers_is_measured_beside_asterisk(
    installation: Installation, asterisk_tree: Path
) -> None:
    installation.environ["FAIRDIAL_ASTERISK"] = str(asterisk_tree)
    figures = figures_of(installation, "detect", "--greetings", "40", "--peer-greetings", "10")
    ours, theirs = figures["fairdial"], figures["asterisk_amd"]
    assert (ours["people"], ours["machines"]) == (20, 20)
    # Far from the limits, so that forty greetings of chance cannot fail it; still, a detector that
    # has stopped working does.
    assert ours["false_machine_percent"] <= 10
    assert ours["machines_caught_percent"] >= 60
    assert (theirs["people"] + theirs["machines"], theirs["not_judged"]) == (10, 0)


def test_calls_are_set_up_and_ended_beside_sipp() -> None:
    program = Path(__file__).parents[2] / "benchmarks" / "calls.py"
    done = subprocess.run(
        [sys.executable, program, "--calls", "60", "--rate", "20"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    figures = json.loads(done.stdout)
    ours, peer = figures["fairdial"], figures["sipp"]
    assert (ours["answered"], ours["never_ended"], ours["not_dialed"]) == (60, 0, 0)
    assert ours["ended"] == {"we_hung_up": 60}
    assert peer["all_succeeded"] is True
    assert len(ours["curve"]) == 21

"""The audit chain: whoever touches an entry breaks it, and it says where."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairdial.core import audit
from fairdial.core.audit import AuditEntry, ChainFault

NOW = datetime(2026, 12, 1, 15, 40, tzinfo=UTC)


def a_chain(length: int = 5) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    for seq in range(1, length + 1):
        entries.append(
            audit.seal(
                seq=seq,
                at=NOW + timedelta(seconds=seq),
                kind="attempt.answered",
                subject=f"attempt-{seq}",
                actor="dialer",
                body={"number": "+12125550142", "n": seq},
                prev_hash=entries[-1].hash if entries else audit.GENESIS,
            )
        )
    return entries


def fault_of(entries: list[AuditEntry], *, last_seq: int = 5) -> ChainFault | None:
    walk = audit.ChainWalk()
    for entry in entries:
        fault = walk.see(entry)
        if fault is not None:
            return fault
    return walk.end(last_seq=last_seq)


def test_an_untouched_chain_holds() -> None:
    assert fault_of(a_chain()) is None


@pytest.mark.parametrize(
    "change",
    [
        {"body": {"number": "+12125550143", "n": 3}},
        {"at": NOW},
        {"kind": "attempt.busy"},
        {"subject": "attempt-4"},
        {"actor": "operator"},
    ],
)
def test_an_altered_entry_is_found_where_it_stands(change: dict[str, object]) -> None:
    chain = a_chain()
    chain[2] = replace(chain[2], **change)  # type: ignore[arg-type]
    fault = fault_of(chain)
    assert fault == ChainFault(seq=3, why="its content does not match its hash")


def test_an_altered_entry_with_a_new_hash_is_found_at_the_next_one() -> None:
    chain = a_chain()
    old = chain[2]
    chain[2] = audit.seal(
        seq=3,
        at=old.at,
        kind=old.kind,
        subject=old.subject,
        actor=old.actor,
        body={"forged": True},
        prev_hash=old.prev_hash,
    )
    fault = fault_of(chain)
    assert fault is not None
    assert fault.seq == 4


def test_a_removed_entry_is_found() -> None:
    chain = a_chain()
    del chain[1]
    fault = fault_of(chain)
    assert fault is not None
    assert fault.seq == 2


def test_a_cut_tail_is_found_against_the_head() -> None:
    fault = fault_of(a_chain()[:3])
    assert fault == ChainFault(seq=4, why="the chain ends at 3, its head says 5")


def test_reordered_entries_are_found() -> None:
    chain = a_chain()
    chain[1], chain[2] = chain[2], chain[1]
    assert fault_of(chain) is not None


@given(st.integers(0, 4), st.text(min_size=1))
def test_any_change_of_a_body_breaks_the_chain(place: int, text: str) -> None:
    chain = a_chain()
    chain[place] = replace(chain[place], body={**chain[place].body, "number": text})
    assert fault_of(chain) is not None


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        audit.stamp(datetime(2026, 12, 1, 15, 40))  # noqa: DTZ001 - the fault under test

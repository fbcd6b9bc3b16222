"""The audit chain: whoever touches an entry breaks it, and it says where."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairdial.core import audit
from fairdial.core.audit import AuditEntry, ChainFault, FaultKind

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


def faults_of(
    entries: list[AuditEntry], *, last_seq: int = 5, last_hash: str | None = None
) -> list[ChainFault]:
    walk = audit.ChainWalk()
    found = [walk.see(entry) for entry in entries]
    head = a_chain()[-1].hash if last_hash is None else last_hash
    return [f for f in found if f is not None] + walk.end(last_seq=last_seq, last_hash=head)


def places_of(entries: list[AuditEntry]) -> list[tuple[int, FaultKind]]:
    return [(fault.seq, fault.kind) for fault in faults_of(entries)]


def resealed(entry: AuditEntry, **changes: object) -> AuditEntry:
    """An entry changed by somebody who can make hashes."""
    return audit.seal(
        **{
            "seq": entry.seq,
            "at": entry.at,
            "kind": entry.kind,
            "subject": entry.subject,
            "actor": entry.actor,
            "body": entry.body,
            "prev_hash": entry.prev_hash,
            **changes,
        }  # type: ignore[arg-type]
    )


def test_an_untouched_chain_holds() -> None:
    assert faults_of(a_chain()) == []


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
    why = "its content does not match its hash"
    assert faults_of(chain) == [ChainFault(seq=3, kind=FaultKind.ALTERED, why=why)]


def test_an_altered_entry_with_a_new_hash_is_told_by_the_one_that_sealed_it() -> None:
    chain = a_chain()
    chain[2] = resealed(chain[2], body={"forged": True})
    assert places_of(chain) == [(3, FaultKind.ALTERED)]


def test_the_last_entry_with_a_new_hash_is_told_by_the_head() -> None:
    chain = a_chain()
    chain[4] = resealed(chain[4], body={"forged": True})
    assert places_of(chain) == [(5, FaultKind.ALTERED)]


def test_a_removed_entry_is_found() -> None:
    chain = a_chain()
    del chain[1]
    why = "entry 2 is missing: entry 3 follows entry 1"
    assert faults_of(chain) == [ChainFault(seq=2, kind=FaultKind.REMOVED, why=why)]


def test_the_first_entry_removed_is_found() -> None:
    assert places_of(a_chain()[1:]) == [(1, FaultKind.REMOVED)]


def test_a_removed_entry_is_found_though_the_others_were_numbered_anew() -> None:
    chain = a_chain()
    del chain[1]
    chain[1:] = [replace(entry, seq=entry.seq - 1) for entry in chain[1:]]
    found = faults_of(chain, last_seq=4)
    assert [(f.seq, f.kind) for f in found] == [(n, FaultKind.REORDERED) for n in (2, 3, 4)]
    assert "sealed as entry 3" in found[0].why


def test_an_inserted_entry_is_found() -> None:
    chain = a_chain()
    inserted = resealed(chain[2], body={"forged": True})
    assert places_of([*chain[:3], inserted, *chain[3:]]) == [(3, FaultKind.INSERTED)]


def test_a_cut_tail_is_found_against_the_head() -> None:
    why = "the chain ends at 3, its head says 5"
    assert faults_of(a_chain()[:3]) == [ChainFault(seq=4, kind=FaultKind.CUT_OFF, why=why)]


def test_entries_behind_the_head_are_found() -> None:
    chain = a_chain()
    found = faults_of(chain, last_seq=4, last_hash=chain[3].hash)
    assert [(f.seq, f.kind) for f in found] == [(5, FaultKind.INSERTED)]


def test_reordered_entries_are_found() -> None:
    chain = a_chain()
    chain[1], chain[2] = chain[2], chain[1]
    assert places_of(chain) == [(2, FaultKind.REORDERED)]


def test_entries_that_swapped_their_numbers_are_found() -> None:
    chain = a_chain()
    chain[1], chain[2] = replace(chain[2], seq=2), replace(chain[1], seq=3)
    assert places_of(chain) == [(2, FaultKind.REORDERED), (3, FaultKind.REORDERED)]


def test_a_back_dated_entry_is_found_though_its_hash_is_right() -> None:
    chain = a_chain(2)
    early = resealed(chain[1], at=NOW - timedelta(hours=3))
    third = resealed(a_chain()[2], prev_hash=early.hash)
    found = faults_of([chain[0], early, third], last_seq=3, last_hash=third.hash)
    assert found == [
        ChainFault(
            seq=2,
            kind=FaultKind.BACK_DATED,
            why="its time is 3:00:01 before that of an entry in front of it",
        )
    ]


def test_events_that_were_entered_a_little_late_are_no_fault() -> None:
    chain = a_chain(1)
    late = resealed(a_chain()[1], at=NOW - timedelta(minutes=4), prev_hash=chain[0].hash)
    assert faults_of([chain[0], late], last_seq=2, last_hash=late.hash) == []


def test_two_faults_are_both_found() -> None:
    chain = a_chain()
    chain[1] = replace(chain[1], actor="nobody")
    del chain[3]
    assert places_of(chain) == [(2, FaultKind.ALTERED), (4, FaultKind.REMOVED)]


@given(st.integers(0, 4), st.text(min_size=1))
def test_any_change_of_a_body_breaks_the_chain(place: int, text: str) -> None:
    chain = a_chain()
    chain[place] = replace(chain[place], body={**chain[place].body, "number": text})
    assert places_of(chain) == [(place + 1, FaultKind.ALTERED)]


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        audit.stamp(datetime(2026, 12, 1, 15, 40))  # noqa: DTZ001 - the fault under test

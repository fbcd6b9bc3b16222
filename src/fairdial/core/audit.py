"""The audit chain: every change that matters leaves an entry, and each entry seals the one before.

An entry's hash covers its sequence number, time, kind, subject, body and the former hash. Whoever
alters, removes, inserts or reorders an entry breaks the chain at that place. Entries are written in
the transaction of the change itself, so neither exists without the other. Whoever rewrites all of
it to the end is told by an older `checkpoint`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from enum import StrEnum
from typing import Any

from fairdial.core.ids import Instant

GENESIS = "0" * 64
"""What the first entry names as the hash before it."""

BACK_DATED_BY_MORE = timedelta(minutes=5)
"""How much earlier than the latest entry before it an entry may be.

An event is entered when it was handled, under the time at which it happened, and several dialers
write to one chain: seconds. A clock that was set back by more than this shows as a fault, once.
"""

MOVED_MAX = 8
"""How far away we look for the number under which a moved entry was sealed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did or decided what, when, and on which facts."""

    seq: int
    at: Instant
    kind: str
    """A dotted word in the past tense: `permit.issued`, `attempt.answered`."""
    subject: str
    """The id of the thing it is about."""
    actor: str
    """Who: `dialer:<id>`, `agent:<id>`, `operator`, `system`."""
    body: Mapping[str, Any]
    prev_hash: str
    hash: str


class FaultKind(StrEnum):
    """What was done to the record, as far as it shows."""

    ALTERED = "altered"
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    BACK_DATED = "back_dated"
    CUT_OFF = "cut_off"
    """The end is missing."""
    REWRITTEN = "rewritten"
    """It holds in itself and contradicts a checkpoint."""
    FORGED = "forged"
    """A checkpoint that none of our keys signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFault:
    """One place where the chain does not hold."""

    seq: int
    kind: FaultKind
    why: str


def canonical(body: Mapping[str, Any]) -> str:
    """One text for one body: keys sorted, no spaces, UTF-8 kept."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def seal(
    *,
    seq: int,
    at: Instant,
    kind: str,
    subject: str,
    actor: str,
    body: Mapping[str, Any],
    prev_hash: str,
) -> AuditEntry:
    """Make the entry that follows `prev_hash`. `at` is cut to microseconds in UTC by its text."""
    digest = hashlib.sha256(
        "\n".join((str(seq), stamp(at), kind, subject, actor, canonical(body), prev_hash)).encode()
    ).hexdigest()
    return AuditEntry(
        seq=seq,
        at=at,
        kind=kind,
        subject=subject,
        actor=actor,
        body=body,
        prev_hash=prev_hash,
        hash=digest,
    )


def stamp(at: Instant) -> str:
    """The one text form of a moment in a hash: UTC, microseconds always written."""
    if at.tzinfo is None:
        raise ValueError("an audit entry needs an aware time, this one has no zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


class ChainWalk:
    """Walks a chain in order, entry by entry, and says where it does not hold.

    After a fault it goes on from the entry as it stands, so that one change is one fault, and a
    second change further on is found as well.
    """

    def __init__(self) -> None:
        self.length = 0
        """How many entries were seen."""
        self.last_seq = 0
        self.last_hash = GENESIS
        self._latest: Instant | None = None
        self._is_known_bad = False
        self._missing: list[range] = []

    def see(self, entry: AuditEntry) -> ChainFault | None:
        """Hold the next entry against the ones before."""
        is_next = entry.seq == self.last_seq + 1
        fault = self._out_of_place(entry)
        if fault is None:
            fault = _content_fault(entry)
            is_bad = fault is not None
            if fault is None and is_next and entry.prev_hash != self.last_hash:
                fault = self._link_fault(entry)
            self._is_known_bad = is_bad
        if fault is None:
            fault = self._time_fault(entry)
        if fault is not None and fault.kind is FaultKind.BACK_DATED:
            self._latest = entry.at
        else:
            self._latest = entry.at if self._latest is None else max(self._latest, entry.at)
        self.length += 1
        if entry.seq > self.last_seq:
            self.last_seq, self.last_hash = entry.seq, entry.hash
        return fault

    def end(self, *, last_seq: int, last_hash: str) -> list[ChainFault]:
        """What is missing, now that all was seen, against the length that the head claims."""
        faults = [
            ChainFault(
                seq=gap.start,
                kind=FaultKind.REMOVED,
                why=f"{_entries(gap)} missing: entry {gap.stop} follows entry {gap.start - 1}",
            )
            for gap in self._missing
        ]
        if self.last_seq < last_seq:
            why = f"the chain ends at {self.last_seq}, its head says {last_seq}"
            faults.append(ChainFault(seq=self.last_seq + 1, kind=FaultKind.CUT_OFF, why=why))
        elif self.last_seq > last_seq:
            why = f"the chain goes on to {self.last_seq}, its head says {last_seq}"
            faults.append(ChainFault(seq=last_seq + 1, kind=FaultKind.INSERTED, why=why))
        elif self.last_hash != last_hash and not self._is_known_bad:
            why = "the head of the chain names another hash for it"
            faults.append(ChainFault(seq=last_seq, kind=FaultKind.ALTERED, why=why))
        return faults

    def _out_of_place(self, entry: AuditEntry) -> ChainFault | None:
        """Gaps are noted and told at the end: what is missing here may stand further on."""
        if entry.seq > self.last_seq:
            if entry.seq > self.last_seq + 1:
                self._missing.append(range(self.last_seq + 1, entry.seq))
            return None
        where = f"it stands after entry {self.last_seq}"
        for index, gap in enumerate(self._missing):
            if entry.seq in gap:
                parts = (range(gap.start, entry.seq), range(entry.seq + 1, gap.stop))
                self._missing[index : index + 1] = [part for part in parts if part]
                return ChainFault(seq=entry.seq, kind=FaultKind.REORDERED, why=where)
        why = f"{where}, and an entry of this number was there before"
        return ChainFault(seq=entry.seq, kind=FaultKind.INSERTED, why=why)

    def _link_fault(self, entry: AuditEntry) -> ChainFault | None:
        """The entry is whole, but sealed another one than the one that stands before it."""
        if self._is_known_bad:
            return None
        if self.last_seq == 0:
            why = "it is the first, and names the hash of an entry before it"
            return ChainFault(seq=entry.seq, kind=FaultKind.REMOVED, why=why)
        why = f"it is not the entry that entry {entry.seq} sealed: it was replaced, or put there"
        return ChainFault(seq=self.last_seq, kind=FaultKind.ALTERED, why=why)

    def _time_fault(self, entry: AuditEntry) -> ChainFault | None:
        if self._latest is None or entry.at >= self._latest - BACK_DATED_BY_MORE:
            return None
        why = f"its time is {self._latest - entry.at} before that of an entry in front of it"
        return ChainFault(seq=entry.seq, kind=FaultKind.BACK_DATED, why=why)


def _entries(gap: range) -> str:
    if len(gap) == 1:
        return f"entry {gap.start} is"
    return f"entries {gap.start} to {gap.stop - 1} are"


def _content_fault(entry: AuditEntry) -> ChainFault | None:
    """Whether the entry is what was sealed, and if not: was it sealed under another number?"""
    if is_as_sealed(entry):
        return None
    for seq in range(max(1, entry.seq - MOVED_MAX), entry.seq + MOVED_MAX + 1):
        if _sealed_as(entry, seq):
            why = f"it was sealed as entry {seq}: entries were moved, inserted or removed before it"
            return ChainFault(seq=entry.seq, kind=FaultKind.REORDERED, why=why)
    why = "its content does not match its hash"
    return ChainFault(seq=entry.seq, kind=FaultKind.ALTERED, why=why)


def is_as_sealed(entry: AuditEntry) -> bool:
    """Whether an entry's content makes its hash. Whether it stands where it stood is not asked."""
    return _sealed_as(entry, entry.seq)


def _sealed_as(entry: AuditEntry, seq: int) -> bool:
    remade = seal(
        seq=seq,
        at=entry.at,
        kind=entry.kind,
        subject=entry.subject,
        actor=entry.actor,
        body=entry.body,
        prev_hash=entry.prev_hash,
    )
    return remade.hash == entry.hash

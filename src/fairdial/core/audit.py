"""The audit chain: every change that matters leaves an entry, and each entry seals the one before.

An entry's hash covers its sequence number, time, kind, subject, body and the former hash. Whoever
alters, removes, inserts or reorders an entry breaks the chain at that place. Entries are written in
the transaction of the change itself, so neither exists without the other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from fairdial.core.ids import Instant

GENESIS = "0" * 64
"""What the first entry names as the hash before it."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFault:
    """The first place where the chain does not hold."""

    seq: int
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
    """Walks a chain in order, entry by entry, and says where it first fails."""

    def __init__(self) -> None:
        self.length = 0
        self._prev = GENESIS

    def see(self, entry: AuditEntry) -> ChainFault | None:
        """Hold the next entry against the one before. After a fault, walk no further."""
        expected = self.length + 1
        if entry.seq != expected:
            return ChainFault(
                seq=expected, why=f"entry {expected} is missing; entry {entry.seq} stands there"
            )
        if entry.prev_hash != self._prev:
            return ChainFault(seq=entry.seq, why="it does not name the hash of the entry before it")
        remade = seal(
            seq=entry.seq,
            at=entry.at,
            kind=entry.kind,
            subject=entry.subject,
            actor=entry.actor,
            body=entry.body,
            prev_hash=self._prev,
        )
        if remade.hash != entry.hash:
            return ChainFault(seq=entry.seq, why="its content does not match its hash")
        self._prev, self.length = entry.hash, expected
        return None

    def end(self, *, last_seq: int) -> ChainFault | None:
        """`last_seq` is the length that the chain's head claims; a shorter one lost its tail."""
        if self.length == last_seq:
            return None
        return ChainFault(
            seq=self.length + 1, why=f"the chain ends at {self.length}, its head says {last_seq}"
        )

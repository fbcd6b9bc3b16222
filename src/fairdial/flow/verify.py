"""Was it all as the record says? The record walked from its first entry. Changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

from fairdial.core.checkpoint import ChainHead, Checkpoint
from fairdial.core.proof import ProofFault, ProofWalk, RecordItem


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What the audit found."""

    entries: int
    judgements: int
    """Permits and refusals that the chain vouches for."""
    checkpoints: int
    foreign_checkpoints: int
    """Checkpoints of other chains, which say nothing about this one."""
    findings: tuple[ProofFault, ...]
    findings_untold: int
    """How many faults there are beyond those told one by one."""


def _no_key_is_known(_: Checkpoint) -> str:
    return "no key is known to check its signature by"


async def verify_audit(
    record: AsyncIterator[RecordItem],
    *,
    signature_fault: Callable[[Checkpoint], str | None] = _no_key_is_known,
    kept_elsewhere: Iterable[Checkpoint] = (),
) -> AuditReport:
    """Walk a record, of the database or of an exported file, and hold checkpoints against it.

    `kept_elsewhere` are the checkpoints from outside of the record. Read them before the record:
    one that is made in between would seem to speak of entries that are not there.
    """
    elsewhere = list(kept_elsewhere)
    walk = ProofWalk(signature_fault)
    head_seen = False
    async for item in record:
        # The record's own checkpoints come right behind its head, before anything else.
        if head_seen and not isinstance(item, Checkpoint):
            for checkpoint in elsewhere:
                walk.see_kept_elsewhere(checkpoint)
            elsewhere.clear()
            head_seen = False
        walk.see(item)
        head_seen = head_seen or isinstance(item, ChainHead)
    walk.end()
    return AuditReport(
        entries=walk.entries,
        judgements=walk.judgements,
        checkpoints=walk.checkpoints,
        foreign_checkpoints=walk.foreign_checkpoints,
        findings=tuple(walk.faults),
        findings_untold=walk.faults_untold,
    )

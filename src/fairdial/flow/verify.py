"""Was it all as the record says? The chain, and every permit, refusal and attempt against it."""

from __future__ import annotations

from dataclasses import dataclass

from fairdial.core.audit import ChainWalk
from fairdial.ports import AuditFinding, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What the audit found."""

    entries: int
    findings: tuple[AuditFinding, ...]


async def verify_audit(store: Store) -> AuditReport:
    """Walk the chain from its first entry and hold the tables against it. Changes nothing."""
    walk = ChainWalk()
    fault = None
    async for entry in store.audit_entries():
        fault = walk.see(entry)
        if fault is not None:
            break
    else:
        fault = walk.end(last_seq=await store.audit_head())
    found = [] if fault is None else [AuditFinding(what=f"entry {fault.seq}", why=fault.why)]
    return AuditReport(entries=walk.length, findings=(*found, *await store.audit_findings()))

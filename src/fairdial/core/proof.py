"""The proof: the whole record, walked once in order, and every place where it does not hold.

The record is the chain's head, the signed checkpoints, the rulebooks that judged, and the audit
entries, each permit or refusal right behind the entry that vouches for it. It comes from the
database or from an exported file, and is judged by the same walk. Nothing is kept of what was seen
but the checkpoints and the hashes of the rulebooks, so that its length does not matter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from fairdial.core import audit
from fairdial.core.audit import AuditEntry, ChainWalk, FaultKind
from fairdial.core.checkpoint import ChainHead, Checkpoint
from fairdial.core.ids import E164, CampaignId, Instant, LeadId

FAULTS_MAX = 200
"""How many faults are told one by one; the others are counted."""


class JudgementKind(StrEnum):
    """What was decided about one attempt."""

    PERMIT = "permit"
    REFUSAL = "refusal"


ENTRY_OF = {JudgementKind.PERMIT: "permit.issued", JudgementKind.REFUSAL: "refusal.recorded"}
"""The kind of audit entry that vouches for each."""
RULEBOOK_KEPT = "rulebook.kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptJudgement:
    """One permit or refusal as it was recorded."""

    kind: JudgementKind
    id: UUID
    at: Instant
    number: E164
    lead_id: LeadId
    campaign_id: CampaignId
    rulebook: str
    tzdata: str
    verdicts: Any
    """As JSON values; `record.read` makes verdicts of them."""
    facts: Any
    digest: str
    details: Mapping[str, Any]
    """What only a permit or only a refusal has, as JSON values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRulebook:
    """A rulebook that judged, with its files as they were."""

    hash: str
    tzdata: str
    files: Mapping[str, str]
    first_used_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordEnd:
    """The last item of a record: without it the file was cut off."""

    items: int
    """How many came before."""


RecordItem = ChainHead | Checkpoint | KeptRulebook | AuditEntry | KeptJudgement | RecordEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofFault:
    """One place where the record does not hold."""

    what: str
    """Which entry, permit, refusal, checkpoint or rulebook."""
    kind: FaultKind
    why: str


def digest_of(rulebook: str, tzdata: str, verdicts: str, facts: str) -> str:
    """The digest that ties a permit or refusal to its entry in the audit chain.

    `verdicts` and `facts` are their canonical texts. What is hashed is the canonical text of all
    four, put together here so that nothing is written twice.
    """
    body = (
        f'{{"facts":{facts},"rulebook":{json.dumps(rulebook)},'
        f'"tzdata":{json.dumps(tzdata)},"verdicts":{verdicts}}}'
    )
    return hashlib.sha256(body.encode()).hexdigest()


def digest_of_files(files: Mapping[str, str]) -> str:
    """The digest that ties a kept rulebook to its entry in the audit chain."""
    return hashlib.sha256(audit.canonical(files).encode()).hexdigest()


class ProofWalk:
    """Walks a record item by item. `signature_fault` says what is wrong with a checkpoint's."""

    def __init__(self, signature_fault: Callable[[Checkpoint], str | None]) -> None:
        self.faults: list[ProofFault] = []
        self.faults_untold = 0
        self.judgements = 0
        self.checkpoints = 0
        """How many checkpoints of this chain were held against it."""
        self.foreign_checkpoints = 0
        """Checkpoints of other chains; they say nothing about this one."""
        self._signature_fault = signature_fault
        self._chain = ChainWalk()
        self._head: ChainHead | None = None
        self._by_seq: dict[int, list[Checkpoint]] = {}
        self._rulebooks: dict[str, str] = {}
        self._awaited: AuditEntry | None = None
        self._agreed = 0
        self._contradicted = 0
        self._items = 0
        self._is_ended = False

    @property
    def entries(self) -> int:
        """How many audit entries were seen."""
        return self._chain.length

    def see(self, item: RecordItem) -> None:
        """Take the next item of the record."""
        if isinstance(item, RecordEnd):
            if item.items != self._items:
                why = f"it says {item.items} items, and {self._items} came before it"
                self._tell("the end of the record", FaultKind.ALTERED, why)
            self._is_ended = True
            return
        if self._is_ended:
            self._tell("the record", FaultKind.INSERTED, "something stands behind its end")
        self._items += 1
        if not isinstance(item, KeptJudgement):
            self._nothing_awaited()
        match item:
            case ChainHead():
                self._head = item
            case Checkpoint():
                self._take_checkpoint(item)
            case KeptRulebook():
                self._rulebooks[item.hash] = digest_of_files(item.files)
            case AuditEntry():
                self._see_entry(item)
            case KeptJudgement():
                self._see_judgement(item)

    def see_kept_elsewhere(self, checkpoint: Checkpoint) -> None:
        """A checkpoint from outside of the record. Call it before the entries come."""
        if self._head is not None and checkpoint.chain_id != self._head.chain_id:
            self.foreign_checkpoints += 1
            return
        if checkpoint in self._by_seq.get(checkpoint.seq, ()):
            return
        self._take_checkpoint(checkpoint)
        if self._signature_fault(checkpoint) is None:
            why = "it was kept elsewhere, and the record lacks it"
            self._tell(_name(checkpoint), FaultKind.REMOVED, why)

    def end(self) -> None:
        """Nothing more comes."""
        self._nothing_awaited()
        if self._head is None:
            self._tell("the record", FaultKind.CUT_OFF, "it does not say where its chain ends")
        else:
            for fault in self._chain.end(last_seq=self._head.seq, last_hash=self._head.hash):
                self._tell(f"entry {fault.seq}", fault.kind, fault.why)
        if not self._is_ended:
            self._tell("the record", FaultKind.CUT_OFF, "it breaks off before its end")
        if self._contradicted > 1:
            why = f"{self._contradicted - 1} later checkpoints contradict it too"
            self._tell("the chain", FaultKind.REWRITTEN, why)
        for seq in sorted(self._by_seq):
            for checkpoint in self._by_seq[seq]:
                is_inside = seq <= self._chain.last_seq
                kind = FaultKind.REMOVED if is_inside else FaultKind.CUT_OFF
                why = f"the chain, of {self._chain.last_seq} entries, has no entry {seq} any more"
                self._tell(_name(checkpoint), kind, why)
        for name in self._rulebooks:
            why = "the audit chain does not vouch for it"
            self._tell(f"rulebook {name}", FaultKind.INSERTED, why)

    def _take_checkpoint(self, checkpoint: Checkpoint) -> None:
        why = self._signature_fault(checkpoint)
        if why is None and self._head is not None and checkpoint.chain_id != self._head.chain_id:
            why = f"it speaks of the chain {checkpoint.chain_id}, not of this one"
        if why is not None:
            self._tell(_name(checkpoint), FaultKind.FORGED, why)
            return
        self.checkpoints += 1
        self._by_seq.setdefault(checkpoint.seq, []).append(checkpoint)

    def _see_entry(self, entry: AuditEntry) -> None:
        fault = self._chain.see(entry)
        if fault is not None:
            self._tell(f"entry {fault.seq}", fault.kind, fault.why)
        for checkpoint in self._by_seq.pop(entry.seq, ()):
            self._hold_against(checkpoint, entry)
        if entry.kind in ENTRY_OF.values():
            self._awaited = entry
        elif entry.kind == RULEBOOK_KEPT:
            digest = self._rulebooks.pop(entry.subject, None)
            if digest is None:
                why = f"entry {entry.seq} names it, it is gone"
                self._tell(f"rulebook {entry.subject}", FaultKind.REMOVED, why)
            elif digest != entry.body.get("digest"):
                why = f"its files are not those that entry {entry.seq} vouches for"
                self._tell(f"rulebook {entry.subject}", FaultKind.ALTERED, why)

    def _hold_against(self, checkpoint: Checkpoint, entry: AuditEntry) -> None:
        if checkpoint.hash == entry.hash:
            self._agreed = max(self._agreed, entry.seq)
            return
        self._contradicted += 1
        if self._contradicted == 1:
            self._tell(
                f"entries {self._agreed + 1} to {entry.seq}",
                FaultKind.REWRITTEN,
                f"entry {entry.seq} had another hash on {checkpoint.at:%Y-%m-%d %H:%M:%S} UTC, as "
                f"the checkpoint of key {checkpoint.key_id} states",
            )

    def _see_judgement(self, judgement: KeptJudgement) -> None:
        entry, self._awaited = self._awaited, None
        what = f"{judgement.kind.value} {judgement.id}"
        if (
            entry is None
            or entry.kind != ENTRY_OF[judgement.kind]
            or entry.subject != str(judgement.id)
        ):
            self._awaited = entry
            self._nothing_awaited()
            self._tell(what, FaultKind.INSERTED, "the audit chain does not vouch for it")
            return
        self.judgements += 1
        remade = digest_of(
            judgement.rulebook,
            judgement.tzdata,
            audit.canonical(judgement.verdicts),
            audit.canonical(judgement.facts),
        )
        if remade != judgement.digest:
            self._tell(what, FaultKind.ALTERED, "its content does not match its digest")
        elif remade != entry.body.get("digest"):
            why = f"it is not the one that entry {entry.seq} vouches for"
            self._tell(what, FaultKind.ALTERED, why)
        else:
            for name, have, should in _sayings(judgement, entry):
                if have != should:
                    why = f"its {name} is {have}, and the sealed record says {should}"
                    self._tell(what, FaultKind.ALTERED, why)

    def _nothing_awaited(self) -> None:
        if self._awaited is not None:
            entry, self._awaited = self._awaited, None
            kind = "permit" if entry.kind == ENTRY_OF[JudgementKind.PERMIT] else "refusal"
            why = f"entry {entry.seq} names it, it is gone"
            self._tell(f"{kind} {entry.subject}", FaultKind.REMOVED, why)

    def _tell(self, what: str, kind: FaultKind, why: str) -> None:
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(ProofFault(what=what, kind=kind, why=why))
        else:
            self.faults_untold += 1


def _sayings(judgement: KeptJudgement, entry: AuditEntry) -> list[tuple[str, Any, Any]]:
    """What the row says beside its digest, and what the sealed facts and entry say of it."""
    facts, body, details = judgement.facts, entry.body, judgement.details
    sayings = [
        ("number", judgement.number, facts.get("number")),
        ("campaign", str(judgement.campaign_id), facts.get("campaign_id")),
        ("time", audit.stamp(judgement.at), audit.stamp(entry.at)),
    ]
    sayings += [(name, details[name], facts.get(name)) for name in _IN_FACTS if name in details]
    sayings += [(name, details[name], body[name]) for name in _IN_ENTRY if name in body]
    if "lead" in body:
        sayings.append(("lead", str(judgement.lead_id), body["lead"]))
    return sayings


_IN_FACTS = ("caller_id", "method")
_IN_ENTRY = ("attempt", "expires_at", "reasons", "next_allowed_at")


def _name(checkpoint: Checkpoint) -> str:
    return f"checkpoint of entry {checkpoint.seq}"

"""A checkpoint: a signed statement that the chain had this hash at this entry.

The chain alone shows that one entry was changed; whoever can rewrite all entries to the end can
make it hold again. A checkpoint that was kept elsewhere then contradicts it. What is signed is one
fixed text; who signs, and where checkpoints are kept, is not known here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

from fairdial.core.audit import stamp
from fairdial.core.ids import Instant

EVERY = 1000
"""How many entries a run lets pass before the next checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """The end of a chain: which chain, how long, and the hash of its last entry."""

    chain_id: UUID
    seq: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """That the chain had this hash at this entry, signed."""

    chain_id: UUID
    seq: int
    hash: str
    at: Instant
    public_key: str
    """The key that signed: 32 bytes as hexadecimal digits (Ed25519)."""
    signature: str
    """64 bytes as hexadecimal digits, over `statement`."""

    @property
    def key_id(self) -> str:
        """The short name of the key."""
        return key_id(self.public_key)


def statement(*, head: ChainHead, at: Instant, public_key: str) -> bytes:
    """The text that is signed."""
    lines = (
        "fairdial checkpoint 1",
        f"chain {head.chain_id}",
        f"entry {head.seq}",
        f"hash {head.hash}",
        f"at {stamp(at)}",
        f"key {key_id(public_key)}",
    )
    return "\n".join(lines).encode()


def key_id(public_key: str) -> str:
    """A key's short name: the first 16 digits of its SHA-256."""
    return hashlib.sha256(public_key.encode()).hexdigest()[:16]


def head_of(checkpoint: Checkpoint) -> ChainHead:
    """The end of the chain that a checkpoint speaks of."""
    return ChainHead(chain_id=checkpoint.chain_id, seq=checkpoint.seq, hash=checkpoint.hash)

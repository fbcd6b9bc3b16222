"""The keys that sign checkpoints, and the file outside of the database that keeps them.

In the data folder: `audit-key.pem` (the private key, mode 0600, made on first use, or the file that
FAIRDIAL_AUDIT_KEY_FILE names), `audit-keys.pub` (every public key that ever signed here, one a
line, the newest last) and `checkpoints.jsonl`. Whoever can write to the database but not here can
forge no checkpoint. Signatures are Ed25519 (RFC 8032).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from fairdial.adapters.private_key import read_private_key
from fairdial.core import record
from fairdial.core.checkpoint import ChainHead, Checkpoint, head_of, statement
from fairdial.core.ids import Instant
from fairdial.core.permit import plain
from fairdial.exceptions import SettingsError, UnusableList

SETTING = "FAIRDIAL_AUDIT_KEY_FILE"
LINE_BYTES_MAX = 4096
"""A checkpoint's line has about 450; a longer one is none."""


class AuditKeys:
    """The signing key of one installation, and every public key that it ever had."""

    def __init__(self, folder: Path, key_file: Path | None = None) -> None:
        self._own = folder / "audit-key.pem"
        self._named = key_file
        self._known = folder / "audit-keys.pub"
        self.checkpoints_file = folder / "checkpoints.jsonl"

    def public_key(self) -> str:
        """The public key in force; makes the private one on first use."""
        key = _public(self._private())
        if key not in self.public_keys():
            _append(self._known, key)
        return key

    def public_keys(self) -> list[str]:
        """Every public key that ever signed here, the newest last."""
        try:
            return self._known.read_text(encoding="ascii").split()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"cannot read the public keys in {self._known}: {error}") from error

    def rotate(self) -> str:
        """Take a new key from now on; the old public one stays known, the old private one goes."""
        if self._named is not None:
            raise SettingsError(
                f"{SETTING} names the key {self._named}; to change it, put another key there or "
                "name another file"
            )
        self.public_key()
        _write_private(self._own, replace=True)
        return self.public_key()

    def sign(self, head: ChainHead, at: Instant) -> Checkpoint:
        """The checkpoint of a chain's end."""
        public_key = self.public_key()
        signature = self._private().sign(statement(head=head, at=at, public_key=public_key))
        return Checkpoint(
            chain_id=head.chain_id,
            seq=head.seq,
            hash=head.hash,
            at=at,
            public_key=public_key,
            signature=signature.hex(),
        )

    def keep(self, checkpoint: Checkpoint) -> None:
        """Append a checkpoint to the file outside of the database, and wait for the disk."""
        _append(self.checkpoints_file, json.dumps(plain(checkpoint)))

    def kept(self) -> list[Checkpoint]:
        """The checkpoints that the file outside of the database keeps."""
        path = self.checkpoints_file
        return list(read_checkpoints(path)) if path.exists() else []

    def signature_fault(self, checkpoint: Checkpoint) -> str | None:
        """What is wrong with a checkpoint's signature; None when a key of ours made it."""
        return signature_fault(checkpoint, self.public_keys())

    def _private(self) -> Ed25519PrivateKey:
        path = self._named or self._own
        if self._named is None and not path.exists():
            _write_private(path, replace=False)
        key = read_private_key(path, SETTING)
        if not isinstance(key, Ed25519PrivateKey):
            raise SettingsError(
                f"{SETTING}: {path} is no Ed25519 key; make one with "
                "`openssl genpkey -algorithm ed25519`"
            )
        return key


def signature_fault(checkpoint: Checkpoint, known: Iterable[str]) -> str | None:
    """What is wrong with a checkpoint's signature; None when one of the known keys made it."""
    if checkpoint.public_key not in known:
        return f"it is signed by {checkpoint.key_id}, which is none of our keys"
    signed = statement(head=head_of(checkpoint), at=checkpoint.at, public_key=checkpoint.public_key)
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(checkpoint.public_key))
        key.verify(bytes.fromhex(checkpoint.signature), signed)
    except (ValueError, InvalidSignature):
        return f"the signature by {checkpoint.key_id} does not fit what it says"
    return None


def read_public_key(text: str) -> str:
    """A public key as a person gives it: the key itself, as `fairdial audit key` prints it."""
    key = text.strip().lower()
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
    except ValueError as error:
        raise SettingsError(
            f"--key: {text!r} is no public key; it has 64 hexadecimal digits, as "
            "`fairdial audit key` prints it"
        ) from error
    return key


def read_checkpoints(path: Path) -> Iterator[Checkpoint]:
    """The checkpoints that a file keeps. Raises `UnusableList` with the line that is none."""
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(iter(lambda: lines.readline(LINE_BYTES_MAX), b""), 1):
                # The last line may lack its end: the power went while it was written.
                if line.endswith(b"\n"):
                    yield _checkpoint(path, number, line)
    except OSError as error:
        raise UnusableList(f"{path}: cannot read the checkpoints: {error.strerror}") from error


def _checkpoint(path: Path, number: int, line: bytes) -> Checkpoint:
    try:
        return record.read(Checkpoint, json.loads(line))
    except ValueError as error:
        raise UnusableList(
            f"{path}:{number}: this is no checkpoint: {error}; if a power loss cut the line short, "
            "remove that line"
        ) from error


def _public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()


def _write_private(path: Path, *, replace: bool) -> None:
    """Write a new key whole or not at all; of two processes that begin, one key stands."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            part.replace(path)
            return
        with suppress(FileExistsError):  # Another process was first; its key stands.
            path.hardlink_to(part)
        part.unlink()
    except OSError as error:
        part.unlink(missing_ok=True)
        raise SettingsError(f"cannot write the audit key {path}: {error.strerror}") from error


def _append(path: Path, line: str) -> None:
    """One line more, in one write, on disk when this returns."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            # A line that a power loss cut short must not take this one with it.
            is_whole = size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
            os.write(descriptor, f"{'' if is_whole else chr(10)}{line}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SettingsError(f"cannot write to {path}: {error.strerror}") from error

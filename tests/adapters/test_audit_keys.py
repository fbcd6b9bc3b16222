"""The keys that sign checkpoints: what they take, and what they say of what they cannot."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fairdial.adapters.audit_keys import AuditKeys, read_public_key, signature_fault
from fairdial.core.checkpoint import ChainHead
from fairdial.exceptions import SettingsError

HEAD = ChainHead(chain_id=UUID(int=7), seq=12, hash="ab" * 32)
AT = datetime(2026, 12, 1, 15, 40, tzinfo=UTC)


def pem(key: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def named(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    path.write_bytes(pem(Ed25519PrivateKey.generate()))
    return path


def test_what_it_signs_it_vouches_for_and_nobody_else_does(tmp_path: Path) -> None:
    keys, others = AuditKeys(tmp_path / "a"), AuditKeys(tmp_path / "b")
    checkpoint = keys.sign(HEAD, AT)
    assert signature_fault(checkpoint, [keys.public_key()]) is None
    assert "none of our keys" in str(signature_fault(checkpoint, [others.public_key()]))


def test_a_named_key_is_used_and_none_is_made(tmp_path: Path, named: Path) -> None:
    keys = AuditKeys(tmp_path / "data", named)
    assert keys.signature_fault(keys.sign(HEAD, AT)) is None
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["audit-keys.pub"]


def test_a_named_key_is_changed_by_naming_another(tmp_path: Path, named: Path) -> None:
    former = AuditKeys(tmp_path, named).public_key()
    with pytest.raises(SettingsError, match="put another key there"):
        AuditKeys(tmp_path, named).rotate()
    named.write_bytes(pem(Ed25519PrivateKey.generate()))
    keys = AuditKeys(tmp_path, named)
    assert keys.public_keys() == [former]
    assert keys.public_key() != former
    assert keys.public_keys() == [former, keys.public_key()]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file"),
        (b"not a key", "holds no plain private key"),
        (pem(X25519PrivateKey.generate()), "is no Ed25519 key"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_by_its_setting(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=rf"FAIRDIAL_AUDIT_KEY_FILE: .*{why}"):
        AuditKeys(tmp_path / "data", path).public_key()


def test_a_public_key_is_taken_as_it_is_printed(tmp_path: Path) -> None:
    public = AuditKeys(tmp_path).public_key()
    assert read_public_key(f" {public.upper()}\n") == public


@pytest.mark.parametrize("text", ["", "zz" * 32, "ab" * 31])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--key: .* is no public key"):
        read_public_key(text)

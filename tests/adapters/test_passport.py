"""The signature on a caller ID, checked as the called party's network checks it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.adapters.sip.sip_cast import permit

from fairdial.adapters.passport import PassportSigner
from fairdial.exceptions import SettingsError

URL = "https://certs.example.com/fairdial.pem"
AT = datetime(2026, 12, 1, 16, 0, tzinfo=UTC)

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def written(folder: Path, key: PrivateKey, *, mode: int = 0o600) -> Path:
    file = folder / "shaken.key"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    file.chmod(mode)
    return file


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_the_signature_holds_for_this_call_alone(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    allowed = permit()
    value = PassportSigner(written(tmp_path, key), URL, "A").sign(allowed, AT)
    token, info, alg, ppt = value.split(";")
    assert (info, alg, ppt) == (f"info=<{URL}>", "alg=ES256", "ppt=shaken")
    header, claims, signature = token.split(".")
    assert json.loads(decoded(header)) == {
        "alg": "ES256",
        "ppt": "shaken",
        "typ": "passport",
        "x5u": URL,
    }
    # RFC 8225, section 9: keys in order and no white space, for everybody signs the same bytes.
    assert decoded(claims).decode() == (
        f'{{"attest":"A","dest":{{"tn":["{allowed.number[1:]}"]}},"iat":{int(AT.timestamp())},'
        f'"orig":{{"tn":"{allowed.caller_id[1:]}"}},"origid":"{allowed.attempt_id}"}}'
    )
    raw = decoded(signature)
    assert len(raw) == 64
    told = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public = key.public_key()
    public.verify(told, f"{header}.{claims}".encode(), ec.ECDSA(SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(told, f"{header}.{claims}x".encode(), ec.ECDSA(SHA256()))


@pytest.mark.parametrize(
    "url", ["http://certs.example.com/a.pem", "certs", "https://a b", "https://a>"]
)
def test_refuses_an_address_nobody_fetches_from(tmp_path: Path, url: str) -> None:
    file = written(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(SettingsError, match="no https address"):
        PassportSigner(file, url, "A")


def test_refuses_an_attestation_that_is_none(tmp_path: Path) -> None:
    file = written(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(SettingsError, match="write A, B or C"):
        PassportSigner(file, URL, "D")


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        (ec.generate_private_key(ec.SECP384R1()), "no P-256 key"),
        (ed25519.Ed25519PrivateKey.generate(), "no P-256 key"),
    ],
)
def test_refuses_another_kind_of_key(tmp_path: Path, key: PrivateKey, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        PassportSigner(written(tmp_path, key), URL, "A")


def test_refuses_what_is_no_key_or_not_secret(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read"):
        PassportSigner(tmp_path / "none", URL, "A")
    noise = tmp_path / "noise"
    noise.write_text("not a key")
    with pytest.raises(SettingsError, match="holds no plain private key"):
        PassportSigner(noise, URL, "A")
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(SettingsError, match="chmod 600"):
        PassportSigner(written(tmp_path, key, mode=0o644), URL, "A")

"""Our own signature on the caller's number: a SHAKEN PASSporT with a key and certificate of yours.

The Identity header of RFC 8224 with the PASSporT of RFC 8225 and 8588. Carriers sign for most
companies; who has a certificate of its own (from an STI certification authority, or delegated by
its carrier, RFC 9060) signs here, and every engine passes the header on as it is.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from fairdial.adapters.private_key import read_private_key
from fairdial.core.ids import Instant
from fairdial.core.permit import Permit
from fairdial.exceptions import SettingsError

SETTING = "FAIRDIAL_SHAKEN_KEY_FILE"
_URL = re.compile(r"https://[\x21\x23-\x3b\x3d\x3f-\x7e]{1,500}", re.ASCII)


class PassportSigner:
    """Signs the caller ID of every call."""

    def __init__(self, key_file: Path, certificate_url: str, attestation: str) -> None:
        """Raises `SettingsError` for a key, an address or an attestation that cannot be used.

        `attestation` is A (the customer is known, and may use the number), B (the customer is
        known) or C (the call merely came in here); ATIS-1000074.
        """
        if not _URL.fullmatch(certificate_url):
            raise SettingsError(
                f"FAIRDIAL_SHAKEN_CERTIFICATE_URL={certificate_url!r} is no https address of a "
                "certificate; who is called fetches it from there"
            )
        if attestation not in ("A", "B", "C"):
            raise SettingsError(
                f"FAIRDIAL_SHAKEN_ATTESTATION={attestation!r}: write A, B or C, as your "
                "certificate's owner allows"
            )
        self._key = _read_key(key_file)
        self._url = certificate_url
        self._attestation = attestation

    def sign(self, permit: Permit, at: Instant) -> str:
        """The value of the Identity header for the call that a permit allows."""
        header = {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": self._url}
        claims = {
            "attest": self._attestation,
            "dest": {"tn": [permit.number.removeprefix("+")]},
            "iat": int(at.timestamp()),
            "orig": {"tn": permit.caller_id.removeprefix("+")},
            "origid": str(permit.attempt_id),
        }
        signed = f"{_part(header)}.{_part(claims)}"
        r, s = decode_dss_signature(self._key.sign(signed.encode("ascii"), ec.ECDSA(SHA256())))
        signature = _base64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        return f"{signed}.{signature};info=<{self._url}>;alg=ES256;ppt=shaken"


def _read_key(file: Path) -> ec.EllipticCurvePrivateKey:
    key = read_private_key(file, SETTING)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SettingsError(f"{SETTING}: {file} holds no P-256 key, and ES256 needs one (RFC 8225)")
    if file.stat().st_mode & 0o077:
        raise SettingsError(f"{SETTING}: other users can read {file}; chmod 600 it")
    return key


def _part(values: Mapping[str, object]) -> str:
    """A part of the token: its keys in order, nothing between them (RFC 8225, section 9)."""
    return _base64(json.dumps(values, separators=(",", ":"), sort_keys=True).encode("ascii"))


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")

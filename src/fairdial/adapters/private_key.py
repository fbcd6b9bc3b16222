"""Private keys that are kept in a file: PEM, without a password."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from fairdial.exceptions import SettingsError


def read_private_key(path: Path, setting: str) -> PrivateKeyTypes:
    """The key in a file. Raises `SettingsError`, which begins with the setting's name."""
    try:
        return load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise SettingsError(f"{setting}: cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"{setting}: {path} holds no plain private key: {error}") from error

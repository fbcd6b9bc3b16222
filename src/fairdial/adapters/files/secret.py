"""Passwords that are kept in a file of their own."""

from __future__ import annotations

from pathlib import Path

from fairdial.exceptions import SettingsError

_BYTES_MAX = 4_096


def read_secret(path: Path, where: str) -> str:
    """What a file with a password holds. Raises `SettingsError`, which begins with `where`."""
    try:
        with path.open("rb") as file:
            text = file.read(_BYTES_MAX).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{where} {path} cannot be read: {error}") from error
    if not text:
        raise SettingsError(f"{where} {path} is empty: write the password into it")
    return text

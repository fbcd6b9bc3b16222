"""Accounts of phones that register with us: a name and a password each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

REGISTERED_PREFIX = "phone:"
"""What stands before the name where a registered phone is meant: `phone:alice`."""
PASSWORD_CHARS_MIN = 12
PASSWORD_CHARS_MAX = 128

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_PASSWORD = re.compile(r"[!-~]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneAccount:
    """A phone that may register with us (RFC 3261 section 10)."""

    name: str
    password: str = field(repr=False)


def phone_fault(account: PhoneAccount) -> str | None:
    """What is wrong with an account, naming the key and the remedy, or None."""
    if _NAME.fullmatch(account.name) is None:
        return f"name is {account.name[:80]!r}: it must be letters, digits, . _ and -, at most 64"
    if not PASSWORD_CHARS_MIN <= len(account.password) <= PASSWORD_CHARS_MAX or (
        _PASSWORD.fullmatch(account.password) is None
    ):
        return (
            f"the password must be {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} visible ASCII "
            f"characters: whoever knows it can take calls as this phone"
        )
    return None


def registered_name(phone: str) -> str | None:
    """The account of a phone that is named as a registered one; None for any other phone."""
    name = phone.removeprefix(REGISTERED_PREFIX)
    if name == phone or _NAME.fullmatch(name) is None:
        return None
    return name

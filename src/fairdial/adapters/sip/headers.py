"""What sippy leaves of a header as text, or of a challenge undecided: read in one place."""

from __future__ import annotations

import re
from typing import Any

_NUMBER = re.compile(r"\s*([0-9]{1,9})\s*(?:[;(].*)?")


def number(message: Any, name: str) -> int | None:
    """The whole number of a message's header, before its parameters and comments; None without."""
    for header in message.getHFs(name):
        found = _NUMBER.fullmatch(str(header.body))
        if found is not None:
            return int(found[1])
    return None


def challenge(response: Any) -> tuple[Any, Any] | None:
    """The first challenge of a 401 or 407 that can be answered, and its quality of protection."""
    is_proxy = response.getSCode()[0] == 407
    for asked in response.getHFBodys("proxy-authenticate" if is_proxy else "www-authenticate"):
        is_known, qop = asked.supportedAlgorithm()
        if is_known:
            return asked, qop
    return None

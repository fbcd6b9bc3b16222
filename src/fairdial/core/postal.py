"""Postal codes: from what a record says to the states and zones that the code touches.

A code that straddles a boundary keeps both sides. A text that is no code of the country, or one
that nobody assigned, indicates nothing: whoever asks falls back to the wider set. Refuses to know
what else the record says (`jurisdiction`) and where the tables come from (`places`).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

CODE_CHARACTERS_MAX = 16
"""The longest text that is looked at; no country's code is longer."""

_DIGITS = re.compile(r"([0-9]{3,10})(?:[- ]?([0-9]{1,4}))?", re.ASCII)
_CANADIAN = re.compile(
    r"([ABCEGHJ-NPRSTVXY][0-9][ABCEGHJ-NPRSTV-Z])(?:[ -]?[0-9][ABCEGHJ-NPRSTV-Z][0-9])?", re.ASCII
)
_BRITISH = re.compile(r"([A-Z]{1,2})[0-9][A-Z0-9]?(?: ?[0-9][A-Z]{2})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Somewhere a person may be: a country, its states where known, and every zone it touches."""

    country: str
    """ISO 3166-1 alpha-2; territories of the United States are `US`."""
    states: tuple[str, ...]
    zones: tuple[str, ...]


class PostalTable(Protocol):
    """The postal codes of one country."""

    def find(self, text: str) -> Place | None:
        """The place of a code as people write it; None for what is no assigned code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostalBlocks:
    """Codes made of digits, as blocks that never overlap: the United States, Australia …"""

    digits: int
    suffix: int
    """How many more digits may follow (ZIP+4); they are not looked at."""
    firsts: tuple[int, ...] = field(repr=False)
    """The first code of each block, ascending."""
    lasts: tuple[int, ...] = field(repr=False)
    places: tuple[Place, ...] = field(repr=False)

    def find(self, text: str) -> Place | None:
        """The place of a code; a code between two blocks is not assigned."""
        code = text.strip()
        if len(code) > CODE_CHARACTERS_MAX or not code.isascii():
            return None
        match = _DIGITS.fullmatch(code)
        if match is None:
            return None
        head, tail = match[1], match[2] or ""
        if len(head) == self.digits + self.suffix and not tail and self.suffix:
            head = head[: self.digits]
        elif len(head) != self.digits or len(tail) not in (0, self.suffix):
            return None
        number = int(head)
        index = bisect_right(self.firsts, number) - 1
        if index < 0 or number > self.lasts[index]:
            return None
        return self.places[index]


@dataclass(frozen=True, slots=True, kw_only=True)
class CanadianCodes:
    """Canadian codes by their first three characters; the longest beginning counts."""

    prefixes: Mapping[str, Place] = field(repr=False)

    def find(self, text: str) -> Place | None:
        """The place of `K1A 0B1` or of its first half."""
        match = _CANADIAN.fullmatch(text.strip().upper()) if len(text) <= 16 else None
        if match is None:
            return None
        area = match[1]
        return self.prefixes.get(area) or self.prefixes.get(area[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class BritishCodes:
    """British codes by the letters of their area, those of the Crown dependencies among them."""

    areas: Mapping[str, Place] = field(repr=False)

    def find(self, text: str) -> Place | None:
        """The place of `N1 1AA` or of its first half."""
        match = _BRITISH.fullmatch(text.strip().upper()) if len(text) <= 16 else None
        return None if match is None else self.areas.get(match[1])

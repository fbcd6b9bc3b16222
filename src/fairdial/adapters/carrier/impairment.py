"""What a bad network does to packets: it loses, delays, shuffles and doubles them, by a seed.

Pure: for each packet it says after how long it arrives, once, twice or never. Loss comes in bursts,
as on real lines: a chain of two states (Gilbert), with the share that is lost and the mean length
of a burst.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Impairment:
    """How bad the audio's way is, each direction by itself. Shares are 0 to 1, times seconds."""

    loss: float = 0.0
    """The share of packets that is lost in the long run."""
    loss_burst: float = 1.0
    """How many packets in a row are lost, on average; 1 or more."""
    delay_s: float = 0.0
    jitter_s: float = 0.0
    """A packet is late by up to this much more, each by chance: so packets overtake each other."""
    duplicate: float = 0.0
    """The share of packets that comes twice."""

    @property
    def is_none(self) -> bool:
        """Whether every packet passes as it is."""
        return self == Impairment()


class Way:
    """One direction of one call's audio."""

    def __init__(self, impairment: Impairment, seed: str) -> None:
        self._impairment = impairment
        self._chance = Random(seed)  # noqa: S311 - a play, not a secret
        self._is_losing = False

    def arrivals(self) -> tuple[float, ...]:
        """The next packet's delays, seconds: none when it is lost, two when it comes twice."""
        bad, chance = self._impairment, self._chance
        if self._loses():
            return ()
        found = [bad.delay_s + chance.uniform(0.0, bad.jitter_s)]
        if chance.random() < bad.duplicate:
            found.append(bad.delay_s + chance.uniform(0.0, bad.jitter_s))
        return tuple(found)

    def _loses(self) -> bool:
        bad, chance = self._impairment, self._chance
        if bad.loss <= 0:
            return False
        if bad.loss >= 1:
            return True
        leave = 1 / max(1.0, bad.loss_burst)
        # The share of time in the losing state is enter / (enter + leave).
        enter = min(1.0, bad.loss * leave / (1 - bad.loss))
        stay = chance.random() >= leave if self._is_losing else chance.random() < enter
        self._is_losing = stay
        return stay

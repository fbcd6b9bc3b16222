"""How much risk of abandoning a campaign may take now: the allowance under its target rate.

Spent is what the law counts, in the law's window; granted is only what the live answers so far have
earned with 95 % confidence. A young campaign has earned nothing and dials as progressive does.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, sqrt

CONFIDENCE = 0.95
"""How sure we want to be that the campaign's true abandon rate is under its target."""
_Z = 1.6449
"""The normal quantile of CONFIDENCE."""
_RISK_AT_PAR = 0.05
"""The risk per call when exactly the allowance is spent. Only a start: the law below finds the risk
that a team's size and answer rate allow, from what was spent at it."""
_RISK_MAX = 0.2
_LEAN = 1.0
"""How strongly the risk follows the unspent allowance, per step of the target's own noise."""


_BURST_SHARE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The campaign's account with the law."""

    live_answers: int
    """In the legal window."""
    abandoned: int
    """In the legal window."""
    at_stake: float
    """Calls that wait with no agent in sight, at their chance to be abandoned."""
    target: float
    """The abandon rate to stay under, 0 to 1."""

    @property
    def granted(self) -> float:
        """How many abandoned calls the live answers have earned with 95 % confidence.

        The largest count whose upper Poisson limit, (sqrt(count + 1) + z/2)², stays below target x
        answers. Zero at some 116 answers for a target of 2.85 %. It is negative before, down to -1:
        without a single abandoned call, so few answers do not show yet that the rate is low.
        """
        root = sqrt(self.target * self.live_answers)
        return max(0.0, root - _Z / 2.0) ** 2 - 1.0


def risk(account: Account) -> float:
    """The chance, 0 to 0.2, that the next call placed may have of finding no agent when answered.

    A Lagrange multiplier: the same for all calls, moved slowly. The unspent allowance is the sum of
    all past deviations, so a function of it integrates (the rate has no offset) without a memory.
    Overspending leans back; it does not fall back, which would cost 10 to 25 points of utilisation.
    """
    earned = account.granted
    if earned <= 0.0:
        return 0.0
    noise = 1.0 + 0.5 * sqrt(account.target * account.live_answers)
    unspent = (earned - account.abandoned - account.at_stake) / noise
    lean = exp(_LEAN * max(-20.0, min(4.0, unspent)))
    return min(_RISK_MAX, min(1.0, earned) * _RISK_AT_PAR * lean)


def burst(account: Account) -> float:
    """How many abandoned calls may at most be expected of all calls in flight together.

    A quarter of what the target still leaves. In a large team one decision places hundreds of
    calls, and all of them are answered before the first abandoned one can teach anything.
    """
    left = account.target * account.live_answers - account.abandoned - account.at_stake
    return _BURST_SHARE * max(0.0, left)

"""The chance that one more pick-up finds no agent; pick-ups and free agents are both uncertain.

Small teams are computed by distribution (a team of two is not normal), large ones by normal tail.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import erfc, exp, sqrt

EXACT_AGENTS_MAX = 12
"""Up to so many agents the frees are convolved; the normal tail is good enough above about 10."""


def no_agent_normal(
    *, answers_mean: float, answers_var: float, agents_mean: float, agents_var: float
) -> float:
    """P(answers >= agents) by a normal with continuity correction."""
    sigma = sqrt(max(answers_var + agents_var, 1e-6))
    return 0.5 * erfc((agents_mean - 0.5 - answers_mean) / (sigma * 1.4142135623730951))


def expected_without_agent(
    *, answers_mean: float, answers_var: float, agents_mean: float, agents_var: float
) -> float:
    """E[answers - agents, where positive], by a normal: what a burst would abandon altogether."""
    sigma = sqrt(max(answers_var + agents_var, 1e-6))
    z = (agents_mean - answers_mean) / sigma
    density = exp(-0.5 * z * z) * 0.3989422804014327
    return sigma * (density - z * 0.5 * erfc(z / 1.4142135623730951))


def distribution(groups: Sequence[tuple[float, int]]) -> list[float]:
    """How many of some yes/no events happen (Poisson-binomial), given chance and number."""
    pmf = [1.0]
    for p, n in groups:
        for _ in range(n):
            none = 1.0 - p
            pmf = [none * a + p * b for a, b in zip([*pmf, 0.0], [0.0, *pmf], strict=True)]
    return pmf


def no_agent_exact(
    *, answers_mean: float, answers_squares: float, agents: int, frees: Sequence[float]
) -> float:
    """P(answers >= agents + frees), `frees` being a distribution and `agents` those ready now.

    The answers' distribution is the binomial with their mean and sum of squares: exact for equal
    chances, and close to the Poisson-binomial otherwise.
    """
    if answers_mean <= 1e-12:
        return sum(p for f, p in enumerate(frees) if agents + f <= 0)
    chance = min(0.999999, max(1e-9, answers_squares / answers_mean))
    trials = answers_mean / chance
    odds = chance / (1.0 - chance)
    term = (1.0 - chance) ** trials
    below = 0.0  # P(answers < need), as `need` grows by one per term.
    missed = 0.0
    need = 0
    most = agents + len(frees) - 1
    while need <= most:
        at = need - agents
        if at >= 0:
            missed += frees[at] * (1.0 - below)
        below = min(1.0, below + term)
        term = max(0.0, term * (trials - need) / (need + 1) * odds)
        need += 1
    if agents < 0:
        # With fewer than no agents (calls wait already) every such outcome misses for certain.
        missed += sum(frees[: min(-agents, len(frees))])
    return min(1.0, missed)

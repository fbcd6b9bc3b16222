"""The order of leads measured: sales in the first fifth of the calls, on a bank's real campaign.

The 41,188 calls of Moro, Cortez and Rita (2014) in the order of time. A model learns from calls
that were over and ranks those that came after. It sees what the list said of a person before the
call: not its length, nor how often it was tried, nor the month it was made in.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from fairdial.bench.machine import machine
from fairdial.core.score import Example, learn, rank_check
from fairdial.sandbox.leads import bank_data

KNOWN_BEFORE = (
    *("age", "job", "marital", "education", "housing", "loan", "contact"),
    *("previous", "poutcome"),
)
SPLITS = (0.3, 0.5, 0.7, 0.8)
BLOCK = 2_000
"""As it is used: learned anew before each block of so many calls."""
FIRST = 8_000


def run() -> dict[str, Any]:
    """Figures ready for JSON. Every order has the same calls to choose from."""
    examples = [
        Example(
            attributes={name: row[name] for name in KNOWN_BEFORE},
            is_goal=row["y"] == "yes",
        )
        for row in bank_data()
    ]
    begun = perf_counter()
    calls = len(examples)
    splits = [
        {"learned_from_share": share, **_ranked(examples, int(share * calls), calls)}
        for share in SPLITS
    ]
    blocks = [_ranked(examples, cut, cut + BLOCK) for cut in range(FIRST, calls - BLOCK + 1, BLOCK)]
    totals = {
        name: round(sum(block[name] for block in blocks), 1)
        for name in ("goals", "found", "found_in_order", "expected")
    }
    return {
        "measured_on": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine(),
        "calls": calls,
        "sales": sum(one.is_goal for one in examples),
        "one_split": splits,
        "learned_anew_each": BLOCK,
        "blocks": {
            "blocks": len(blocks),
            **totals,
            "lift": round(totals["found"] / totals["expected"], 2),
        },
        "seconds": round(perf_counter() - begun, 1),
    }


def _ranked(examples: list[Example], cut: int, end: int) -> dict[str, Any]:
    model = learn(examples[:cut])
    assert model is not None, "the bank sold enough in its first calls"
    check = rank_check(model, examples[cut:end])
    return {**asdict(check), "lift": round(check.lift, 2)}

"""Which leads are likely to reach the goal: a score learned from what became of earlier leads.

A logistic model on what the list says of each lead, one weight for each value of an attribute, so
that it can be read: "poutcome is success: 8.1 times the odds". Fitted by cyclic Newton steps with a
ridge (Genkin, Lewis and Madigan 2007), which needs no chance and gives the same model twice.
It never sees anything that is known only after a call.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

from fairdial.core.lead import SCORE_STEPS

LEARN_MAX = 200_000
"""The most leads to learn from; take the newest."""
GOALS_MIN = 30
"""With fewer leads that reached the goal nothing is learned."""
VALUE_LEADS_MIN = 20
"""A value that fewer leads have is read as `other`."""
VALUES_MAX = 100
"""An attribute with more values than this, none of them common, names somebody: it is left out."""
_NUMBER_SHARE = 0.9
_NUMBER_VALUES_MIN = 10
_NUMBER_BINS = 8
_RIDGE = 4.0
"""Pulls every weight to 0 as four leads would that contradict it."""
_ROUNDS = 12
_ENOUGH = 1e-3
_STEP_MAX = 2.0
FIRST_SHARE = 0.2
"""What a check looks at: the goals found in this first share of the calls."""
_TRAIN_SHARE = 0.7
_Z = 1.6449
"""The normal quantile of 95 %."""

OTHER, NOTHING = "(other)", "(nothing)"

Attributes = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One lead that was called to its end, oldest first wherever they come in a row."""

    attributes: Attributes
    is_goal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One value of one attribute and what it does to the odds."""

    attribute: str
    value: str
    weight: float
    """Natural logarithm of the factor on the odds."""
    leads: int
    """How many of the leads that were learned from have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """How one attribute is read: as a value or, when it is a number, as a range."""

    name: str
    edges: tuple[float, ...] | None
    """Where ranges of a number begin; None for values."""
    values: frozenset[str]

    def read(self, attributes: Attributes) -> str:
        text = attributes.get(self.name, "").strip()
        if not text:
            return NOTHING
        if self.edges is None:
            return text if text in self.values else OTHER
        number = _number(text)
        if number is None:
            return OTHER
        at = bisect_right(self.edges, number)
        if at == 0:
            return f"under {self.edges[0]:g}"
        if at == len(self.edges):
            return f"{self.edges[-1]:g} and over"
        return f"{self.edges[at - 1]:g} to {self.edges[at]:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreModel:
    """What was learned. Made by `learn`."""

    base: float
    """Log-odds before anything is known of the lead."""
    weights: Mapping[tuple[str, str], float]
    counts: Mapping[tuple[str, str], int]
    readers: tuple[_Reader, ...]
    examples: int
    goals: int

    def probability(self, attributes: Attributes) -> float:
        """The chance that a lead reaches the goal when it is called, 0 to 1."""
        odds_log = self.base
        for reader in self.readers:
            odds_log += self.weights.get((reader.name, reader.read(attributes)), 0.0)
        return _chance(odds_log)

    def factors(self, most: int = 10) -> list[Factor]:
        """What moves the odds most, strongest first."""
        found = [
            Factor(attribute=name, value=value, weight=weight, leads=self.counts[name, value])
            for (name, value), weight in self.weights.items()
        ]
        return sorted(found, key=lambda f: (-abs(f.weight), f.attribute, f.value))[:most]


def learn(examples: Sequence[Example], *, without: Iterable[str] = ()) -> ScoreModel | None:
    """Learn from leads that were called, oldest first; None when they are too few to learn from.

    Attributes named in `without` are not looked at.
    """
    goals = sum(one.is_goal for one in examples)
    if goals < GOALS_MIN or len(examples) - goals < GOALS_MIN:
        return None
    readers = _readers(examples, frozenset(without))
    margin = log(goals / (len(examples) - goals))
    members: dict[tuple[str, str], list[int]] = {}
    for index, one in enumerate(examples):
        for reader in readers:
            members.setdefault((reader.name, reader.read(one.attributes)), []).append(index)
    truth = [float(one.is_goal) for one in examples]
    margins = [margin] * len(examples)
    base, weights = margin, dict.fromkeys(sorted(members), 0.0)
    everyone = range(len(examples))
    for _ in range(_ROUNDS):
        step = _step(everyone, margins, truth, weight=0.0, ridge=1e-6)
        base += step
        largest = abs(step)
        for feature, weight in weights.items():
            step = _step(members[feature], margins, truth, weight=weight, ridge=_RIDGE)
            weights[feature] = weight + step
            largest = max(largest, abs(step))
        if largest < _ENOUGH:
            break
    return ScoreModel(
        base=base,
        weights=weights,
        counts={feature: len(of) for feature, of in members.items()},
        readers=readers,
        examples=len(examples),
        goals=goals,
    )


def _step(
    of: Sequence[int], margins: list[float], truth: Sequence[float], *, weight: float, ridge: float
) -> float:
    """One Newton step of one weight; the margins of its leads are moved by it."""
    slope, bend = -ridge * weight, ridge
    for index in of:
        chance = _chance(margins[index])
        slope += truth[index] - chance
        bend += chance * (1.0 - chance)
    step = max(-_STEP_MAX, min(_STEP_MAX, slope / bend))
    for index in of:
        margins[index] += step
    return step


def _chance(odds_log: float) -> float:
    return 1.0 / (1.0 + exp(-max(-30.0, min(30.0, odds_log))))


def _number(text: str) -> float | None:
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        return None
    return number if abs(number) < 1e15 else None


def _readers(examples: Sequence[Example], without: frozenset[str]) -> tuple[_Reader, ...]:
    values: dict[str, Counter[str]] = {}
    for one in examples:
        for name, value in one.attributes.items():
            text = value.strip()
            if text and name not in without:
                values.setdefault(name, Counter())[text] += 1
    found = []
    for name, counts in sorted(values.items()):
        numbers = sorted(
            (number, count)
            for text, count in counts.items()
            if (number := _number(text)) is not None
        )
        told = counts.total()
        as_numbers = sum(count for _, count in numbers)
        if as_numbers >= _NUMBER_SHARE * told and len(numbers) >= _NUMBER_VALUES_MIN:
            edges = _edges(numbers, as_numbers)
            if edges:
                found.append(_Reader(name=name, edges=edges, values=frozenset()))
            continue
        common = [text for text, count in counts.most_common(VALUES_MAX)
                  if count >= VALUE_LEADS_MIN]  # fmt: skip
        if sum(counts[text] for text in common) * 2 >= told:
            found.append(_Reader(name=name, edges=None, values=frozenset(common)))
    return tuple(found)


def _edges(numbers: Sequence[tuple[float, int]], told: int) -> tuple[float, ...]:
    """Where equal parts of the leads begin; equal numbers stay together."""
    edges: list[float] = []
    passed = 0
    for number, count in numbers:
        # The part that begins here, by how many have less.
        part = int(passed * _NUMBER_BINS / told)
        passed += count
        if int(passed * _NUMBER_BINS / told) > part and number > numbers[0][0]:
            edges.append(number)
    return tuple(edges)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How a model does on leads that came after those it learned from."""

    examples: int
    goals: int
    found: int
    """Goals in the first fifth of the calls when the likeliest are called first."""
    found_in_order: int
    """Goals in the first fifth of the calls in the order they were called in."""
    expected: float
    """What calling in any order finds in so many calls on average."""

    @property
    def lift(self) -> float:
        """Goals found over those that any order finds; 1 is no gain."""
        return self.found / self.expected if self.expected else 0.0

    @property
    def helps(self) -> bool:
        """Whether chance alone would find so many in fewer than 5 of 100 orders.

        By the normal limit of the hypergeometric distribution.
        """
        if self.examples < 2:
            return False
        others = 1.0 - self.goals / self.examples
        spread = self.expected * others * (1.0 - FIRST_SHARE)
        return self.found > self.expected + _Z * sqrt(spread)


def check(examples: Sequence[Example], *, without: Iterable[str] = ()) -> Check | None:
    """Learn from the older leads, rank the newer ones; None when they are too few.

    The newest 30 % are ranked and nothing of them is learned from, as it will be in use.
    """
    cut = int(_TRAIN_SHARE * len(examples))
    model = learn(examples[:cut], without=without)
    return None if model is None else rank_check(model, examples[cut:])


def rank_check(model: ScoreModel, later: Sequence[Example]) -> Check:
    """How a model ranks leads that it did not learn from."""
    first = int(FIRST_SHARE * len(later))
    chances = [model.probability(one.attributes) for one in later]
    best = sorted(range(len(later)), key=lambda at: (-chances[at], at))[:first]
    goals = sum(one.is_goal for one in later)
    return Check(
        examples=len(later),
        goals=goals,
        found=sum(later[at].is_goal for at in best),
        found_in_order=sum(one.is_goal for one in later[:first]),
        expected=goals * first / len(later) if later else 0.0,
    )


def steps(chances: Sequence[float]) -> list[int]:
    """The step of each lead's score among all, 0 to 9: a tenth of the leads has each.

    Equal chances have one step, so that a model that knows nothing changes no order.
    """
    ordered = sorted(chances)
    last = SCORE_STEPS - 1
    return [min(last, bisect_left(ordered, one) * SCORE_STEPS // len(ordered)) for one in chances]

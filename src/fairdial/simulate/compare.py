"""Several laws over several seeds on the same people, with bands: what a manager asks a simulator.

The people behind one seed are the same for every law, so a difference between two rows is one of
the dialing. A band is what nine of ten seeds fell into; a single day is one seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from math import ceil, sqrt

from fairdial.simulate.bounds import clairvoyant, oracle
from fairdial.simulate.laws import TARGET, laws
from fairdial.simulate.world import Floor, Outcome, World

SEEDS_MAX = 1_000
CEILING = 0.03
ORACLE, CLAIRVOYANT = "oracle", "clairvoyant"
BOUNDS = (ORACLE, CLAIRVOYANT)
"""No laws, but what a law could reach (`simulate.bounds`)."""
RISK_MIN, RISK_MAX = 0.005, 0.8
"""Between these the oracle's risk per call is looked for."""
RISK_HALVINGS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A figure over the seeds: the mean, and between which values nine of ten lay."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Band:
        """The band of at least one value."""
        ranked = sorted(values)
        last = len(ranked) - 1
        return cls(
            mean=sum(ranked) / len(ranked),
            low=ranked[int(0.05 * last)],
            high=ranked[ceil(0.95 * last)],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How one law did."""

    law: str
    seeds: int
    utilisation: Band
    """Talk and wrap-up over staffed time."""
    talk_minutes_per_hour: Band
    """Minutes of talk with persons per staffed agent-hour."""
    idle_s_per_talk: Band
    """Seconds that an agent waits between two calls."""
    abandon_rate: Band
    """With what the campaign did before, as the law counts."""
    worst_hour: Band
    """The worst 60 minutes in a row of the run alone."""
    under_ceiling: float
    """The share of the seeds that ended at or below 3 %."""
    connected: Band
    """Persons connected."""
    dials_per_connect: Band


def fault(world: World, names: Sequence[str]) -> str | None:
    """Why these laws cannot be played on this floor; None when they can."""
    known = (*laws(), *BOUNDS)
    for name in names:
        if name not in known:
            return f"there is no law {name!r}; there are: {', '.join(known)}"
    if ORACLE in names and world.shift != 1.0:
        return "the oracle knows one truth, and this floor's answer rate shifts"
    return None


def compare(
    world: World,
    names: Sequence[str],
    *,
    seeds: int,
    target: float = TARGET,
    workers: int = 1,
    say: Callable[[str], None] = lambda _: None,
) -> list[Row]:
    """Play every law over seeds `world.seed`, `world.seed + 1`, …; the same twice is the same.

    Raises `ValueError` for a law that is not known, for less than one seed, and for an oracle
    where the answer rate shifts.
    """
    if (why := fault(world, names)) is not None:
        raise ValueError(why)
    if not 1 <= seeds <= SEEDS_MAX:
        raise ValueError(f"seeds is {seeds}; it must be 1 to {SEEDS_MAX}")
    worlds = [replace(world, seed=world.seed + n) for n in range(seeds)]
    with ProcessPoolExecutor(workers) if workers > 1 else nullcontext() as pool:
        play = _Player(worlds, target, pool)
        rows = []
        for name in names:
            say(name)
            is_oracle = name == ORACLE
            rows.append(_best_oracle(world, play) if is_oracle else _row(world, name, play(name)))
    return rows


@dataclass(frozen=True, slots=True)
class _Player:
    """Plays one law over all seeds, in as many processes as there are."""

    worlds: Sequence[World]
    target: float
    pool: ProcessPoolExecutor | None

    def __call__(self, name: str, risk: float = 0.0) -> list[Outcome]:
        count = len(self.worlds)
        tasks = (self.worlds, [name] * count, [self.target] * count, [risk] * count)
        return list((self.pool.map if self.pool else map)(_play, *tasks))


def _best_oracle(world: World, play: _Player) -> Row:
    """The oracle at the risk that keeps it busiest at or below the ceiling, found by halving."""
    best = _row(world, ORACLE, play(ORACLE, RISK_MIN))
    low, high = RISK_MIN, RISK_MAX
    for _ in range(RISK_HALVINGS):
        middle = sqrt(low * high)
        row = _row(world, ORACLE, play(ORACLE, middle))
        if row.abandon_rate.mean > CEILING:
            high = middle
        else:
            low = middle
            best = max(best, row, key=lambda one: one.utilisation.mean)
    return best


def _play(world: World, name: str, target: float, risk: float) -> Outcome:
    if name == CLAIRVOYANT:
        return clairvoyant(world)
    if name == ORACLE:
        return oracle(world, risk)
    law = laws(target)[name]  # By its name: a law itself does not travel between processes.
    return Floor(world, law.pace, law.make()).run()


def _row(world: World, name: str, outcomes: Sequence[Outcome]) -> Row:
    rates = [
        (world.abandoned_before + o.abandoned)
        / max(1, world.live_answers_before + o.connected + o.abandoned)
        for o in outcomes
    ]
    return Row(
        law=name,
        seeds=len(outcomes),
        utilisation=Band.of([o.utilisation for o in outcomes]),
        talk_minutes_per_hour=Band.of([o.talk_minutes_per_hour for o in outcomes]),
        idle_s_per_talk=Band.of([o.idle_s_per_talk for o in outcomes]),
        abandon_rate=Band.of(rates),
        worst_hour=Band.of([o.worst_hour for o in outcomes]),
        under_ceiling=sum(rate <= CEILING for rate in rates) / len(rates),
        connected=Band.of([float(o.connected) for o in outcomes]),
        dials_per_connect=Band.of([o.dialled / max(1, o.connected) for o in outcomes]),
    )


def as_figures(rows: Sequence[Row]) -> list[dict[str, object]]:
    """The rows as JSON values."""
    return [asdict(row) for row in rows]

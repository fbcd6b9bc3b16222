"""Several laws over several seeds on the same people, with bands: what a manager asks a simulator.

The people behind one seed are the same for every law, so a difference between two rows is one of
the dialing. A band is what nine of ten seeds fell into; a single day is one seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from math import ceil

from fairdial.simulate.laws import TARGET, laws
from fairdial.simulate.world import Floor, Outcome, World

SEEDS_MAX = 1_000
CEILING = 0.03


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

    Raises `ValueError` for a law that is not known, and for less than one seed.
    """
    known = laws(target)
    for name in names:
        if name not in known:
            raise ValueError(f"there is no law {name!r}; there are: {', '.join(known)}")
    if not 1 <= seeds <= SEEDS_MAX:
        raise ValueError(f"seeds is {seeds}; it must be 1 to {SEEDS_MAX}")
    rows = []
    for name in names:
        say(name)
        tasks = [(replace(world, seed=world.seed + n), name, target) for n in range(seeds)]
        if workers > 1 and seeds > 1:
            with ProcessPoolExecutor(workers) as pool:
                outcomes = list(pool.map(_play, *zip(*tasks, strict=True)))
        else:
            outcomes = [_play(*task) for task in tasks]
        rows.append(_row(world, name, outcomes))
    return rows


def _play(world: World, name: str, target: float) -> Outcome:
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

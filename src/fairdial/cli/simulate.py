"""`fairdial simulate`: laws of pacing on the same simulated people, before anybody is called."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairdial.cli.shell import (
    PLAIN,
    AsJson,
    err,
    fail,
    guarded,
    out,
    print_json,
    settings_in_force,
    with_store,
)
from fairdial.exceptions import SettingsError

if TYPE_CHECKING:
    from fairdial.core.ids import Instant
    from fairdial.ports import Store
    from fairdial.simulate.compare import Band
    from fairdial.simulate.world import World

STANDARD = ("predictive", "progressive", "ratio 2", "vicidial tapered", "issabel")


def simulate(
    scenario: Annotated[
        Path | None, typer.Argument(readable=False, help="A scenario file (TOML).")
    ] = None,
    agents: Annotated[
        int | None, typer.Option("--agents", min=1, max=1000, help="In place of the file's.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=1, max=10_080, help="In place of the file's.")
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, max=1000, help="How many days are played.")
    ] = 10,
    seed: Annotated[int | None, typer.Option("--seed", help="The first seed.")] = None,
    law: Annotated[
        list[str] | None,
        typer.Option("--law", help="Which law of pacing; may be given several times; `all`."),
    ] = None,
    campaign: Annotated[
        str | None,
        typer.Option("--campaign", help="Play a campaign's own history in place of a file."),
    ] = None,
    wrap_up: Annotated[
        float | None,
        typer.Option("--wrap-up", min=0.1, max=600, help="Mean wrap-up, seconds."),
    ] = None,
    target: Annotated[
        float | None,
        typer.Option("--target", min=0.001, max=0.1, help="The abandon rate predictive aims at."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="Draw the rows into this file too (SVG)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Play a calling floor in virtual time under several laws of pacing, and compare them.

    The people behind a seed are the same for every law. Figures come with the band that nine of ten
    seeds fell into. Nothing rings. A database is needed for `--campaign` alone, which reads who
    answered when, and how long talks lasted, in the last 30 days.
    """
    from fairdial.simulate.compare import as_figures, compare, fault
    from fairdial.simulate.laws import TARGET, laws
    from fairdial.simulate.plot import svg
    from fairdial.simulate.scenario import read_world
    from fairdial.simulate.world import World

    if scenario is not None and campaign is not None:
        fail(SettingsError("give a scenario file or --campaign, not both"))
    if campaign is not None:
        world = _from_history(campaign)
    elif scenario is not None:
        world = guarded(lambda: read_world(scenario))
    else:
        world = World(agents=10)
    changes = {"agents": agents, "minutes": minutes, "seed": seed, "wrap_s": wrap_up}
    world = replace(world, **{key: value for key, value in changes.items() if value is not None})  # type: ignore[arg-type]  # the options have the fields' types
    names = list(law or STANDARD)
    if "all" in names:
        names = list(laws())
    if (why := fault(world, names)) is not None:
        fail(SettingsError(f"--law: {why}"))
    rows = compare(
        world,
        names,
        seeds=seeds,
        target=TARGET if target is None else target,
        workers=min(os.cpu_count() or 1, seeds),
        say=lambda name: err.print(f"{name} …", highlight=False),
    )
    floor = (
        f"{world.agents} agents for {world.minutes:g} minutes; persons answer "
        f"{world.person_rate:.0%} of calls, machines {world.machine_rate:.0%}"
    )
    if plot is not None:
        _draw(plot, svg(rows, floor))
    if as_json:
        print_json({"world": asdict(world), "rows": as_figures(rows)})
        return
    lines = [
        f"{floor}; {seeds} days, seeds {world.seed} to {world.seed + seeds - 1}",
        "",
        f"{'law':<20} {'utilisation':>15} {'talk':>6} {'wait':>6} {'abandoned':>17} "
        f"{'worst hour':>10} {'≤ 3 %':>6} {'dials':>6}",
    ]
    lines += [
        f"{row.law:<20} {_share(row.utilisation, 0):>15} {row.talk_minutes_per_hour.mean:>6.1f} "
        f"{row.idle_s_per_talk.mean:>6.1f} {_share(row.abandon_rate, 1):>17} "
        f"{100 * row.worst_hour.mean:>8.1f} % {100 * row.under_ceiling:>4.0f} % "
        f"{row.dials_per_connect.mean:>6.1f}"
        for row in rows
    ]
    lines += [
        "",
        "talk: minutes with persons per agent-hour; wait: seconds from ready to the next call;",
        "abandoned: of live answers, with what the campaign did before; ≤ 3 %: days that ended so;",
        "dials: per person connected. In brackets: what nine of ten days fell into.",
    ]
    out.print("\n".join(lines), **PLAIN)


def _draw(file: Path, picture: str) -> None:
    try:
        file.write_text(picture, encoding="utf-8")
    except OSError as error:
        fail(SettingsError(f"--plot: cannot write {file}: {error.strerror}"))


def _from_history(name: str) -> World:
    """The floor of a campaign, by its own history."""
    from fairdial.app import load_rules
    from fairdial.simulate.history import world_of

    settings = settings_in_force()
    rulebook = guarded(lambda: load_rules(settings))

    async def look(store: Store, now: Instant) -> World:
        async with store.transaction(durable=False) as tx:
            return await world_of(tx, name, rulebook, now)

    return with_store(look)


def _share(band: Band, digits: int) -> str:
    mean, low, high = (100 * value for value in (band.mean, band.low, band.high))
    return f"{mean:.{digits}f} % [{low:.{digits}f}–{high:.{digits}f}]"

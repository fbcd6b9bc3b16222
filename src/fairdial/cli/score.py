"""`fairdial score`: call first whom earlier calls say is likely to reach the goal."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, Annotated

import typer

from fairdial.cli.shell import PLAIN, AsJson, fail, out, print_json, with_store
from fairdial.exceptions import SettingsError

if TYPE_CHECKING:
    from fairdial.core.ids import Instant
    from fairdial.flow.score import Scored
    from fairdial.ports import Store


def score(
    campaign: Annotated[str, typer.Argument(help="The campaign's name.")],
    goal: Annotated[
        str, typer.Option("--goal", help="The disposition that a call is made for.")
    ] = "sale",
    without: Annotated[
        list[str] | None,
        typer.Option("--without", help="An attribute not to look at; may be given several times."),
    ] = None,
    trial: Annotated[
        bool, typer.Option("--trial", help="Learn and check; leave the order as it is.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Learn from finished leads, check on the newer ones, and put the likely ones first.

    The order changes only if the check finds more than chance would. The campaign may be running.
    """
    from fairdial.core.outcome import Disposition
    from fairdial.core.permit import plain
    from fairdial.flow.score import score_leads

    if goal not in set(Disposition):
        known = ", ".join(Disposition)
        fail(SettingsError(f"--goal {goal!r} is no disposition; there are: {known}"))

    async def learn(store: Store, now: Instant) -> Scored:
        return await score_leads(
            store,
            campaign,
            goal=Disposition(goal),
            without=without or (),
            now=now,
            is_trial=trial,
        )

    found = with_store(learn)
    if as_json:
        factors = [] if found.model is None else found.model.factors()
        print_json(
            {
                "finished": found.finished,
                "goals": found.goals,
                "check": None if found.check is None else plain(found.check),
                "lift": None if found.check is None else round(found.check.lift, 3),
                "factors": [plain(factor) for factor in factors],
                "leads": found.leads,
                "moved": found.moved,
            }
        )
        return
    out.print("\n".join(_words(found, goal, is_trial=trial)), **PLAIN)


def _words(found: Scored, goal: str, *, is_trial: bool) -> list[str]:
    from fairdial.core.score import GOALS_MIN

    lines = [f"{found.finished} leads are finished, {found.goals} of them with {goal}"]
    check = found.check
    if check is None:
        return [
            *lines,
            f"too few to learn from: {GOALS_MIN} with {goal} and as many without are needed among "
            "the older 70 %; the order stays as it is",
        ]
    lines.append(
        f"learned from the older 70 %, the first fifth of the newer {check.examples} would hold "
        f"{check.found} of {check.goals}; in the order they were called it held "
        f"{check.found_in_order}, by chance {check.expected:.0f}"
    )
    if found.model is None:
        return [*lines, "that is no more than chance may do: the order stays as it is"]
    lines += [
        f"  {exp(factor.weight):5.2f} × the odds: {factor.attribute} is {factor.value} "
        f"({factor.leads} leads)"
        for factor in found.model.factors()
    ]
    if is_trial:
        return [*lines, "a trial: the order stays as it is"]
    return [*lines, f"{found.leads} leads were placed, {found.moved} of them anew"]

"""`fairdial rules check`, `explain` and `preflight`: what the gate would say, without a call."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from fairdial.cli.rules import rules_cli
from fairdial.cli.shell import (
    AsJson,
    carry_out,
    err,
    fail,
    guarded,
    out,
    print_json,
    settings_in_force,
)
from fairdial.exceptions import SettingsError, UnusableList

if TYPE_CHECKING:
    from fairdial.core.campaign import Campaign
    from fairdial.core.preflight import PreflightCount
    from fairdial.core.rulebook import Rulebook
    from fairdial.flow.abandonment import RegulatorsFigure
    from fairdial.flow.ask import Explanation
    from fairdial.settings import Settings

CampaignName = Annotated[
    str | None,
    typer.Option("--campaign", help="The campaign's name; by default all, or the newest."),
]
AtTime = Annotated[
    str | None,
    typer.Option("--at", help="Judge at this time (2026-12-03T16:00:00Z) instead of now."),
]


@rules_cli.command("check")
def check(
    file: Annotated[Path, typer.Argument(readable=False, help="The situations, as CSV.")],
    with_house: Annotated[
        bool, typer.Option("--house", help="Judge by the house rules too, not by the law alone.")
    ] = False,
) -> None:
    """Judge a file of situations: one JSON object a line, in the order of the rows.

    No database is touched and no call is placed. The exit status is 0 when every row was judged,
    2 when the file itself cannot be used.
    """
    from fairdial.app import load_rules
    from fairdial.rules.batch import judge_rows, law_only

    settings = settings_in_force()
    rulebook = guarded(lambda: load_rules(settings))
    book = law_only(rulebook, with_house=with_house)

    def judge_all() -> None:
        with _opened(file) as lines:
            for judged in judge_rows(lines, book, name=str(file)):
                sys.stdout.write(json.dumps(judged.as_json(), ensure_ascii=False) + "\n")

    guarded(judge_all)


def _opened(file: Path) -> Any:
    try:
        if file.is_dir():
            raise UnusableList(f"{file} is a folder, not a file")
        return file.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise UnusableList(f"{file}: cannot be read: {error.strerror or error}") from error


def explain(
    number: Annotated[str, typer.Argument(help="The number, in any usual spelling.")],
    campaign: CampaignName = None,
    at: AtTime = None,
    as_json: AsJson = False,
) -> None:
    """Every verdict on calling a number now, and when it may next be called. Rings nobody.

    Judged for every campaign of this installation, or for the one that is named, as if an agent
    called by hand: with the facts that the database has.
    """
    from fairdial.app import load_rules
    from fairdial.core.number import NumberFault, parse_e164

    settings = settings_in_force()
    rulebook = guarded(lambda: load_rules(settings))
    known = parse_e164(number, area_codes=rulebook.area_codes)
    if isinstance(known, NumberFault):
        fail(UnusableList(f"{number!r} is no number: {known.why}"))

    async def ask() -> list[Explanation]:
        async with _gate(settings, rulebook, at) as (gate, campaigns):
            return [
                await gate.explain(known, one, _unlisted(one, known, gate.now))
                for one in _chosen(campaigns, campaign)
            ]

    explanations = carry_out(ask())
    if as_json:
        print_json([_plain(e) for e in explanations])
        return
    for explanation in explanations:
        _tell(explanation)


def preflight(campaign: CampaignName = None, at: AtTime = None, as_json: AsJson = False) -> None:
    """How many leads of a campaign can be called now, today, this week, and why not, by rule.

    Judges every lead that is not finished as the permit would. Nothing is recorded, nobody is rung.
    Without a name the newest campaign is looked at.
    """
    from fairdial.app import load_rules

    settings = settings_in_force()
    rulebook = guarded(lambda: load_rules(settings))

    async def look() -> tuple[Campaign, PreflightCount]:
        async with _gate(settings, rulebook, at) as (gate, campaigns):
            one = _chosen(campaigns, campaign)[0]

            def progress(leads: int) -> None:
                if err.is_terminal:
                    err.print(f"{leads} leads judged", end="\r", highlight=False)

            return one, await gate.preflight(one, progress)

    one, count = carry_out(look())
    if as_json:
        figures = {
            "campaign": one.name,
            "leads": count.leads,
            "callable": {when.value: n for when, n in count.callable_when.items()},
            "refused_by_rule": dict(count.refused_by_rule.most_common()),
            "of_these_unknown": dict(count.unknown_by_rule.most_common()),
            "only_by_rule": dict(count.only_by_rule.most_common()),
        }
        print_json(figures)
        return
    _tell_count(one, count)


def abandonment(campaign: CampaignName = None, at: AtTime = None, as_json: AsJson = False) -> None:
    """The abandonment of every campaign as each regulator measures it, from the one call log."""
    from fairdial.app import load_rules
    from fairdial.flow.abandonment import figures_by_rule

    settings = settings_in_force()
    rulebook = guarded(lambda: load_rules(settings))

    async def count() -> list[tuple[Campaign, list[RegulatorsFigure]]]:
        async with (
            _gate(settings, rulebook, at) as (gate, campaigns),
            gate.store.transaction(durable=False) as tx,
        ):
            return [
                (one, await figures_by_rule(tx, one.id, rulebook, gate.now))
                for one in _chosen(campaigns, campaign)
            ]

    counted = carry_out(count())
    if as_json:
        rows = [
            {"campaign": one.name, **_plain_figure(figure)}
            for one, figures in counted
            for figure in figures
        ]
        print_json(rows)
        return
    for one, figures in counted:
        _tell_figures(one, figures)


# --- what they share ------------------------------------------------------------------------------


def _gate(settings: Settings, rulebook: Rulebook, at: str | None) -> Any:
    from contextlib import asynccontextmanager

    from fairdial.app import open_store, record_time
    from fairdial.flow.ask import Gate

    moment = _moment(at)

    @asynccontextmanager
    async def opened() -> Any:
        async with open_store(settings, lambda _: None) as store:
            now = moment or await record_time(settings, store)
            async with store.transaction(durable=False) as tx:
                campaigns = await tx.all_campaigns()
            gate = Gate(store=store, rulebook=rulebook, now=now, is_sandbox=settings.sandbox)
            yield gate, campaigns

    return opened()


def _moment(at: str | None) -> datetime | None:
    if at is None:
        return None
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        fail(SettingsError(f"--at {at!r} is no time; write for example 2026-12-03T16:00:00Z"))
    if moment.tzinfo is None:
        fail(SettingsError(f"--at {at!r} has no zone; add Z for UTC, or an offset"))
    return moment.astimezone(UTC)


def _chosen(campaigns: list[Campaign], name: str | None) -> list[Campaign]:
    from fairdial.flow.campaigns import named

    if not campaigns:
        raise UnusableList(
            "no campaign was loaded yet; `fairdial run` or `fairdial demo` loads one"
        )
    return campaigns if name is None else [named(campaigns, name)]


def _unlisted(campaign: Campaign, number: Any, now: datetime) -> Any:
    """Somebody of whom nothing is known but the number: every doubt counts against the call."""
    from fairdial.core.ids import LeadId, ListId
    from fairdial.core.lead import Lead, LineType, Party, StatedLocation

    return Lead(
        id=LeadId(UUID(int=0)),
        campaign_id=campaign.id,
        list_id=ListId(UUID(int=0)),
        number=number,
        name="",
        location=StatedLocation(),
        party=Party.UNKNOWN,
        line_type=LineType.UNKNOWN,
        due_at=now,
        row=0,
    )


def _plain(explanation: Explanation) -> dict[str, Any]:
    from fairdial.core.permit import plain

    judged = explanation.judged
    return {
        "campaign": explanation.campaign.name,
        "number": explanation.lead.number,
        "is_on_list": explanation.is_on_list,
        "at": plain(explanation.facts.gathered_at),
        "is_allowed": judged.is_allowed,
        "next_allowed_at": plain(judged.next_allowed_at),
        "verdicts": plain(judged.verdicts),
        "told": [rule.id for rule in explanation.told],
        "facts": plain(explanation.facts),
    }


def _tell(explanation: Explanation) -> None:
    from rich.table import Table

    campaign, judged = explanation.campaign, explanation.judged
    lead = explanation.lead
    who = lead.name if explanation.is_on_list else "not on its list, so nothing is known of them"
    out.print(
        f"\n[bold]{lead.number}[/bold] for {campaign.name} of {campaign.seller_name}: {who}",
        highlight=False,
    )
    table = Table("", "rule", "why", "citation", box=None, pad_edge=False)
    signs = {"allow": "[green]allow[/green]", "refuse": "[red]refuse[/red]"}
    for verdict in sorted(judged.verdicts, key=lambda v: v.ruling.value == "allow"):
        sign = signs.get(verdict.ruling.value, "[yellow]unknown[/yellow]")
        table.add_row(sign, verdict.rule, verdict.why, verdict.citation)
    out.print(table)
    at = f"{explanation.facts.gathered_at:%Y-%m-%d %H:%M:%S} UTC"
    if judged.is_allowed:
        out.print(f"It may be called now ({at}).", highlight=False)
    elif judged.next_allowed_at is not None:
        then = f"{judged.next_allowed_at:%Y-%m-%d %H:%M:%S} UTC"
        out.print(f"It may not be called now ({at}); not before {then}.", highlight=False)
    else:
        out.print(f"It may not be called ({at}), and time alone does not mend it.", highlight=False)
    if explanation.told:
        out.print("Should it be called: " + ", ".join(rule.title for rule in explanation.told))


_WHEN = {
    "now": "can be called now",
    "later_today": "later today, where they are",
    "this_week": "within seven days",
    "later": "later",
    "not_by_time": "not until a fact changes",
}


def _tell_count(campaign: Campaign, count: PreflightCount) -> None:
    from rich.table import Table

    out.print(f"[bold]{campaign.name}[/bold] of {campaign.seller_name}", highlight=False)
    table = Table(show_header=False, box=None)
    table.add_column(justify="right", style="bold")
    table.add_column()
    table.add_row(str(count.leads), "leads that are not finished")
    for when, words in _WHEN.items():
        table.add_row(str(sum(n for k, n in count.callable_when.items() if k == when)), words)
    out.print(table)
    if count.refused_by_rule:
        rules = Table("leads", "rule", "alone", "for want of a fact", box=None)
        for rule, refused in count.refused_by_rule.most_common():
            rules.add_row(
                str(refused),
                rule,
                str(count.only_by_rule[rule] or ""),
                str(count.unknown_by_rule[rule] or ""),
            )
        out.print(rules)


def _plain_figure(figure: RegulatorsFigure) -> dict[str, Any]:
    from fairdial.core.permit import plain

    return {
        "rule": figure.rule.id,
        "measure": plain(figure.ceiling.measure),
        "live_answers": figure.record.live_answers,
        "abandoned": figure.record.abandoned,
        "rate": round(figure.record.rate, 5),
        "rate_max": figure.ceiling.rate_max,
        "is_over": figure.is_over,
    }


def _tell_figures(campaign: Campaign, figures: list[RegulatorsFigure]) -> None:
    from rich.table import Table

    out.print(f"[bold]{campaign.name}[/bold] of {campaign.seller_name}", highlight=False)
    table = Table("rule", "abandoned", "of", "rate", "at most", "measured", box=None)
    for figure in figures:
        measure = figure.ceiling.measure
        window = f"{measure.window_days} days" if measure.window_days else "calendar month"
        style = "[red]" if figure.is_over else ""
        table.add_row(
            figure.rule.id,
            str(figure.record.abandoned),
            str(figure.record.live_answers),
            f"{style}{figure.record.rate:.2%}",
            f"{figure.ceiling.rate_max:.1%}",
            f"{window}, {measure.connect_ms_max / 1000:g} s from {measure.clock_start.value},"
            f" over {measure.denominator.value}".replace("_", " "),
        )
    out.print(table)

"""The summary at the end of a run, for people."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from fairdial.run import Summary
from fairdial.settings import Settings


def show_summary(summary: Summary, settings: Settings, out: Console) -> None:
    """Print what came of a run: the figures, the refusals, the witness, the chain."""
    figures = summary.picture.figures
    table = Table(title="What came of it", show_header=False, title_justify="left", box=None)
    table.add_column(justify="right", style="bold")
    table.add_column()
    answers, abandoned = figures.live_answers, figures.abandoned
    rate = abandoned / answers if answers else 0.0
    for figure, meaning in (
        (figures.attempts, "attempts dialed, each under its own permit"),
        (figures.refused, "attempts refused before anything rang"),
        (figures.answered, "answered by somebody or something"),
        (figures.connected, "connected with an agent"),
        (abandoned, f"abandoned of {answers} live answers: {rate:.1%}, the ceiling is 3 %"),
    ):
        table.add_row(str(figure), meaning)
    if summary.first_connected_s is not None:
        table.add_row(f"{summary.first_connected_s:.1f}", "seconds to the first connected call")
    out.print()
    out.print(table)
    _counts(out, "refused by rule", figures.refused_by_rule)
    _counts(out, "outcomes", figures.outcomes)
    _counts(out, "dispositions", figures.dispositions)
    if summary.carrier is not None:
        _witness(out, summary)
    if summary.is_chain_verified:
        out.print(f"audit chain: {summary.audit_entries} entries, verified", highlight=False)
    else:
        out.print(f"[red]audit chain: {len(summary.findings)} faults[/red]", highlight=False)
        for finding in summary.findings[:10]:
            out.print(f"  {finding.what}: {finding.why}", highlight=False, markup=False)
    out.print(f"ended because: {summary.ended_because}", highlight=False, markup=False)
    where = f"data kept in {settings.data_dir}"
    if settings.database_url is not None:
        where += " and in the database of FAIRDIAL_DATABASE_URL"
    out.print(where, highlight=False, markup=False)


def _counts(out: Console, title: str, counts: Mapping[str, int]) -> None:
    text = ", ".join(f"{name} {count}" for name, count in counts.items())
    if text:
        out.print(f"{title}: {text}", highlight=False, markup=False)


def _witness(out: Console, summary: Summary) -> None:
    assert summary.carrier is not None, "only a simulated carrier keeps a log for us"
    seen, used = len(summary.carrier.invites), summary.picture.figures.permits_used
    agree = "agrees" if summary.does_witness_agree else "does NOT agree"
    out.print(
        f"the carrier's own log: {_counted(seen, 'call')} rang in, "
        f"{_counted(used, 'permit')} used: it {agree}",
        highlight=False,
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

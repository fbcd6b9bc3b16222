"""`fairdial rules`: the law that is judged before a call."""

from __future__ import annotations

from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from fairdial.cli.shell import EXIT_FAILED, fail, guarded, out, settings_in_force
from fairdial.exceptions import SettingsError

rules_cli = typer.Typer(no_args_is_help=True, help="The rulebook.")


@rules_cli.command("list")
def rules_list() -> None:
    """Every rule that is loaded, with its citation."""
    from rich.table import Table

    from fairdial.app import load_rules

    rulebook = guarded(lambda: load_rules(settings_in_force()))
    table = Table("rule", "kind", "title", "citation", "reviewed")
    for rule in rulebook.rules:
        table.add_row(
            rule.id, rule.kind.value, rule.title, rule.citation, rule.reviewed_on.isoformat()
        )
    out.print(table)
    out.print(f"rulebook {rulebook.hash}, time zones {rulebook.tzdata}", highlight=False)


@rules_cli.command("show")
def rules_show(rule: Annotated[str, typer.Argument(help="a rule's id, as us.tcpa.hours")]) -> None:
    """One rule in words: whom it covers, what it demands and since when, and why we believe it."""
    from rich.table import Table

    from fairdial.app import load_rules
    from fairdial.rules import read_files
    from fairdial.rules.pages import example_of, rule_lines
    from fairdial.rules.situations import read_situations

    rulebook = guarded(lambda: load_rules(settings_in_force()))
    found = next((r for r in rulebook.rules if r.id == rule), None)
    if found is None:
        near = ", ".join(get_close_matches(rule, [r.id for r in rulebook.rules], n=5)) or "none"
        fail(SettingsError(f"no rule has the id {rule!r}; the nearest: {near}"))
    example = example_of(found, guarded(lambda: read_situations(read_files())))
    table = Table.grid(padding=(0, 2))
    table.add_row("rule", f"{found.id} ({found.kind.value})")
    table.add_row("title", found.title)
    for label, text in rule_lines(found):
        table.add_row(label, text)
    if example is not None:
        table.add_row("example", example)
    out.print(table, highlight=False)


@rules_cli.command("coverage")
def rules_coverage(
    jurisdiction: Annotated[
        str | None, typer.Argument(help="us, us/fl, gb …; by default a count for each")
    ] = None,
) -> None:
    """Which duties of a law are rules here, which are not yet, and which need none."""
    from rich.table import Table

    from fairdial.rules import read_files
    from fairdial.rules.coverage import Status, read_coverage

    covered = guarded(lambda: read_coverage(read_files()))
    if jurisdiction is None:
        table = Table("jurisdiction", *(status.value for status in Status), "reviewed")
        for name, one in covered.items():
            counts = (str(one.count(status)) for status in Status)
            table.add_row(name, *counts, one.reviewed_on.isoformat())
        out.print(table, highlight=False)
        return
    if jurisdiction not in covered:
        fail(
            SettingsError(
                f"no jurisdiction is called {jurisdiction!r}; there are {', '.join(covered)}"
            )
        )
    table = Table("duty", "status", "rules", "note")
    for duty in covered[jurisdiction].duties:
        table.add_row(duty.duty, duty.status.value, "\n".join(duty.rules), duty.note or "")
    out.print(table, highlight=False)


@rules_cli.command("diff")
def rules_diff(
    old: Annotated[
        Path, typer.Argument(help="a folder of rules, laid out like src/fairdial/rules")
    ],
    new: Annotated[
        Path | None, typer.Argument(help="another; by default the rules of this installation")
    ] = None,
) -> None:
    """What two sets of rules say differently. Fails when the past was rewritten."""
    from fairdial.app import load_rules
    from fairdial.core.rule_diff import differences
    from fairdial.rules import load_folder

    before = guarded(lambda: load_folder(old))
    after = guarded(lambda: load_rules(settings_in_force()) if new is None else load_folder(new))
    found = differences(before, after, datetime.now(UTC).date())
    for one in found:
        mark = "fault: " if one.is_fault else ""
        out.print(f"{mark}{one.rule}: {one.what}", highlight=False, markup=False, soft_wrap=True)
    faults = sum(one.is_fault for one in found)
    out.print(
        f"{len(found)} differences, {faults} of them rewrite what was in force", highlight=False
    )
    if faults:
        raise typer.Exit(EXIT_FAILED)

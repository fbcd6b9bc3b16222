"""`fairdial rules`: the law that is judged before a call."""

from __future__ import annotations

import typer

from fairdial.cli.shell import guarded, out, settings_in_force

rules_cli = typer.Typer(no_args_is_help=True, help="The rulebook.")


@rules_cli.command("list")
def rules_list() -> None:
    """Every rule that is judged before a call, with its citation."""
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

"""The command line. Heavy parts are imported by the command that needs them."""

from __future__ import annotations

import logging
import sys

import typer

from fairdial import __version__
from fairdial.cli.asterisk import asterisk_cli
from fairdial.cli.audit import audit_cli
from fairdial.cli.bench import bench_cli
from fairdial.cli.calls import demo, run, suppress
from fairdial.cli.carrier import carrier
from fairdial.cli.judge import abandonment, explain, preflight
from fairdial.cli.ledger import consent_cli, emergency_cli, facts_cli
from fairdial.cli.recordings import recordings_cli
from fairdial.cli.registry import registry_cli
from fairdial.cli.rules import rules_cli
from fairdial.cli.score import score
from fairdial.cli.shell import EXIT_INTERRUPTED, EXIT_OUR_FAULT, err, out
from fairdial.cli.simulate import simulate

cli = typer.Typer(
    name="fairdial",
    help="Outbound calling for real: dialers, agents, and a permit before every ring.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (demo, run, score, simulate, carrier, suppress, explain, preflight, abandonment):
    cli.command()(command)
cli.add_typer(asterisk_cli, name="asterisk")
cli.add_typer(audit_cli, name="audit")
cli.add_typer(rules_cli, name="rules")
cli.add_typer(registry_cli, name="registry")
cli.add_typer(consent_cli, name="consent")
cli.add_typer(emergency_cli, name="emergency")
cli.add_typer(facts_cli, name="facts")
cli.add_typer(recordings_cli, name="recordings")
cli.add_typer(bench_cli, name="bench")


@cli.command()
def version() -> None:
    """The version of Fairdial."""
    out.print(f"fairdial {__version__}", highlight=False)


def main() -> None:
    """The entry point: no traceback reaches a person; it goes to the log."""
    try:
        cli(prog_name="fairdial")
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except Exception:
        logging.getLogger("fairdial").exception("a fault of ours")
        err.print(
            "[red]fairdial:[/red] this is a fault of Fairdial's own. The log in the data folder "
            "(fairdial.log) has the details; please report it with them."
        )
        sys.exit(EXIT_OUR_FAULT)

"""The command line. Heavy parts are imported by the command that needs them."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console

from fairdial import __version__
from fairdial.exceptions import FairdialError, SettingsError, UnusableList

T = TypeVar("T")

EXIT_FAILED = 1
EXIT_UNUSABLE = 2
"""A file, setting or argument that cannot be used."""
EXIT_OUR_FAULT = 70
EXIT_INTERRUPTED = 130
"""Ctrl-C outside of dialing. While dialing it is the ordinary end of a run."""

cli = typer.Typer(
    name="fairdial",
    help="Outbound calling for real: dialers, agents, and a permit before every ring.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
audit_cli = typer.Typer(no_args_is_help=True, help="The audit chain.")
rules_cli = typer.Typer(no_args_is_help=True, help="The rulebook.")
bench_cli = typer.Typer(no_args_is_help=True, help="Measure this machine; prints what it measured.")
cli.add_typer(audit_cli, name="audit")
cli.add_typer(rules_cli, name="rules")
cli.add_typer(bench_cli, name="bench")

out = Console()
err = Console(stderr=True)

Calls = Annotated[int, typer.Option("--calls", min=1, help="End after so many attempts.")]
Agents = Annotated[int | None, typer.Option("--agents", min=1, max=200, help="Simulated agents.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Do not open the live page.")]
NoPage = Annotated[bool, typer.Option("--no-page", help="Serve no live page at all.")]
SummaryFile = Annotated[Path | None, typer.Option("--summary", help="Write the figures as JSON.")]
Seed = Annotated[int, typer.Option("--seed", help="The seed of the simulated people and agents.")]
Scenario = Annotated[
    Path | None,
    typer.Option("--scenario", readable=False, help="A scenario file for the simulated carrier."),
]


@cli.command()
def demo(
    calls: Calls = 200,
    agents: Agents = None,
    no_browser: NoBrowser = False,
    summary: SummaryFile = None,
    seed: Seed = 1,
    leads: Annotated[int, typer.Option("--leads", min=20, help="Rows of the demo's list.")] = 2000,
) -> None:
    """Run a whole campaign in the sandbox: real SIP, real database, simulated people.

    The list is made from a real telephone campaign; the people and numbers are fictional. Nothing
    leaves this machine. The data stays in the data folder; another run goes on where this ended.
    """
    from fairdial.run import RunOptions

    settings = _settings()
    if not settings.sandbox or settings.trunk_host is not None:
        _fail(
            SettingsError(
                "the demo runs in the sandbox with its simulated carrier: unset "
                "FAIRDIAL_SANDBOX and FAIRDIAL_TRUNK_HOST"
            )
        )
    files = _guarded(lambda: _demo_files(settings.data_dir / "demo", leads, seed))
    options = RunOptions(
        attempts_max=calls,
        agents=agents,
        open_browser=not no_browser,
        people=files.people_csv,
        seed=seed,
        summary=summary,
    )
    _campaign_run(settings, files.campaign_toml, files.leads_csv, options)
    out.print(
        "\nWhat next: "
        "[bold]./fairdial demo[/bold] goes on with the rest of the list, "
        "[bold]./fairdial audit verify[/bold] checks the chain again, and "
        "[bold]./fairdial run examples/campaign.toml examples/leads.csv[/bold] "
        "takes your own files.",
        highlight=False,
    )


@cli.command()
def run(
    # Whoever reads a file says better than Typer what is wrong with it, so: not readable=True.
    campaign: Annotated[Path, typer.Argument(readable=False, help="The campaign file (TOML).")],
    leads: Annotated[Path, typer.Argument(readable=False, help="The list of leads (CSV).")],
    calls: Annotated[
        int | None, typer.Option("--calls", min=1, help="End after so many attempts.")
    ] = None,
    agents: Agents = None,
    browser: Annotated[bool, typer.Option("--browser", help="Open the live page.")] = False,
    no_page: NoPage = False,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.1, help="Stop after so many minutes.")
    ] = None,
    keep_running: Annotated[
        bool, typer.Option("--keep-running", help="Wait for leads that are due later.")
    ] = False,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="The list's encoding, if it is not UTF-8.")
    ] = None,
    summary: SummaryFile = None,
    people: Annotated[
        Path | None,
        typer.Option("--people", readable=False, help="Simulated people: number,talk_s,says."),
    ] = None,
    scenario: Scenario = None,
    seed: Seed = 1,
) -> None:
    """Dial a campaign from your own files, in the sandbox or over the trunk of your settings."""
    from fairdial.run import RunOptions

    options = RunOptions(
        attempts_max=calls,
        minutes_max=minutes,
        agents=agents,
        open_browser=browser,
        with_page=not no_page,
        keep_running=keep_running,
        encoding=encoding,
        people=people,
        scenario=scenario,
        seed=seed,
        summary=summary,
    )
    _campaign_run(_settings(), campaign, leads, options)


@audit_cli.command("verify")
def audit_verify() -> None:
    """Check the whole audit chain, and every permit, refusal and attempt against it."""
    from fairdial.app import open_store
    from fairdial.flow.verify import AuditReport
    from fairdial.flow.verify import verify_audit as verify

    settings = _settings()

    async def look() -> AuditReport:
        async with open_store(settings, lambda _: None) as store:
            return await verify(store)

    report = _run(look())
    for finding in report.findings:
        err.print(f"fault: {finding.what}: {finding.why}", highlight=False, markup=False)
    if report.findings:
        err.print(f"{len(report.findings)} faults in {report.entries} entries", highlight=False)
        raise typer.Exit(EXIT_FAILED)
    out.print(
        f"the chain of {report.entries} entries holds; permits and attempts agree with it",
        highlight=False,
    )


@rules_cli.command("list")
def rules_list() -> None:
    """Every rule that is judged before a call, with its citation."""
    from rich.table import Table

    from fairdial.app import load_rules

    rulebook = _guarded(lambda: load_rules(_settings()))
    table = Table("rule", "kind", "title", "citation", "reviewed")
    for rule in rulebook.rules:
        table.add_row(
            rule.id, rule.kind.value, rule.title, rule.citation, rule.reviewed_on.isoformat()
        )
    out.print(table)
    out.print(f"rulebook {rulebook.hash}, time zones {rulebook.tzdata}", highlight=False)


@bench_cli.command("permit")
def bench_permit(
    seconds: Annotated[float, typer.Option("--seconds", min=0.5, max=60)] = 3.0,
) -> None:
    """Permit decisions a second in one process, without I/O."""
    from fairdial.bench.permit import run as bench

    _print_json(bench(seconds))


@bench_cli.command("pacing")
def bench_pacing(
    minutes: Annotated[int, typer.Option("--minutes", min=5, max=600)] = 60,
) -> None:
    """Predictive pacing beside progressive and a fixed ratio, on the same simulated people."""
    from fairdial.bench.pacing import run as bench

    _print_json(bench(minutes))


@bench_cli.command("floor")
def bench_floor(
    agents: Annotated[int, typer.Option("--agents", min=1, max=200)] = 30,
    in_flight: Annotated[int, typer.Option("--in-flight", min=1, max=500)] = 90,
    minutes: Annotated[float, typer.Option("--minutes", min=0.5, max=120)] = 10.0,
    warm_up: Annotated[
        float, typer.Option("--warm-up", min=0, max=120, help="Minutes before it counts.")
    ] = 10.0,
) -> None:
    """A full floor over real SIP and RTP: audio gaps, answer to agent audio, abandonment."""
    from fairdial.bench.floor import run as bench

    work = bench(
        _settings(),
        agents=agents,
        in_flight=in_flight,
        minutes=minutes,
        warm_up_minutes=warm_up,
        out=err,
    )
    _print_json(_run(work))


@cli.command()
def suppress(
    number: Annotated[str, typer.Argument(help="The number that must not be called again.")],
    source: Annotated[
        str, typer.Option("--source", help="Who asked and how, for the record.")
    ] = "entered by an operator",
) -> None:
    """Never call a number again, for every seller: in force at once, also for a ringing phone."""
    from fairdial.app import load_rules, open_store, record_time
    from fairdial.core.number import NumberFault, parse_e164
    from fairdial.flow.stop_request import take_stop_request

    settings = _settings()
    area_codes = _guarded(lambda: load_rules(settings)).area_codes
    known = parse_e164(number, area_codes=area_codes)
    if isinstance(known, NumberFault):
        _fail(UnusableList(f"{number!r} is no number to suppress: {known.why}"))

    async def take() -> list[str]:
        async with open_store(settings, lambda _: None) as store:
            now = await record_time(settings, store)
            return await take_stop_request(store, known, source=source, now=now)

    sellers = _run(take())
    if not sellers:
        _fail(UnusableList("no campaign was loaded yet, so there is no seller to suppress it for"))
    out.print(f"{known} is never called again for {', '.join(sellers)}", highlight=False)


@cli.command()
def version() -> None:
    """The version of Fairdial."""
    out.print(f"fairdial {__version__}", highlight=False)


# --- what commands share --------------------------------------------------------------------------


def _demo_files(folder: Path, size: int, seed: int) -> Any:
    from datetime import UTC, datetime

    from fairdial.app import make_folder
    from fairdial.sandbox.leads import write_demo_files

    make_folder(folder)
    # The registry's copy is of today; the sandbox's morning is never before today.
    return write_demo_files(folder, size=size, seed=seed, as_of=datetime.now(UTC).date())


def _campaign_run(settings: Any, campaign: Path, leads: Path, options: Any) -> None:
    from fairdial.report import show_summary
    from fairdial.run import run_campaign, write_summary

    summary = _run(run_campaign(settings, campaign, leads, options, out))
    # The run is over, whoever asked for that how often; what is left to do takes no time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    show_summary(summary, settings, out)
    if options.summary is not None:
        _guarded(lambda: write_summary(options.summary, summary))
    if not (summary.is_chain_verified and summary.does_witness_agree):
        raise typer.Exit(EXIT_FAILED)


def _settings() -> Any:
    from fairdial.logs import log_to
    from fairdial.settings import read_settings

    def read() -> Any:
        settings = read_settings()
        log_to(settings.data_dir, settings.log_level)
        return settings

    return _guarded(read)


def _run(work: Coroutine[Any, Any, T]) -> T:
    # Whoever stops us with SIGTERM (systemd, Docker) gets the same good order as with Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        return _guarded(lambda: asyncio.run(work))
    except KeyboardInterrupt:
        err.print("fairdial: stopped on request; no call was up", highlight=False)
        raise typer.Exit(EXIT_INTERRUPTED) from None


def _guarded(act: Callable[[], T]) -> T:
    try:
        return act()
    except FairdialError as error:
        _fail(error)
    except BaseExceptionGroup as group:
        ours, others = group.split(FairdialError)
        if ours is None or others is not None:
            raise
        _fail(ours.exceptions[0])


def _fail(error: BaseException) -> NoReturn:
    if logging.getLogger().handlers:  # Not before there is a log file: it would be said twice.
        logging.getLogger("fairdial").error("%s", error)
    err.print("[red]fairdial:[/red] ", end="")
    err.print(str(error), highlight=False, markup=False, soft_wrap=True)
    unusable = isinstance(error, (SettingsError, UnusableList))
    raise typer.Exit(EXIT_UNUSABLE if unusable else EXIT_FAILED)


def _print_json(figures: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


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


if __name__ == "__main__":
    main()

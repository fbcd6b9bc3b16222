"""`fairdial demo`, `run` and `suppress`: calls, and a request for none."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from fairdial.cli.shell import (
    EXIT_FAILED,
    carry_out,
    fail,
    guarded,
    out,
    settings_in_force,
)
from fairdial.exceptions import SettingsError, UnusableList

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


def demo(
    calls: Calls = 200,
    agents: Agents = None,
    no_browser: NoBrowser = False,
    summary: SummaryFile = None,
    seed: Seed = 1,
    leads: Annotated[
        int, typer.Option("--leads", min=20, max=6000, help="Rows of the demo's list.")
    ] = 2000,
) -> None:
    """Run a whole campaign in the sandbox: real SIP, real database, simulated people.

    The list is made from a real telephone campaign; the people and numbers are fictional. Nothing
    leaves this machine. The data stays in the data folder; another run goes on where this ended.
    """
    from fairdial.run import RunOptions

    settings = settings_in_force()
    if not settings.sandbox or settings.trunks is not None:
        fail(
            SettingsError(
                "the demo runs in the sandbox with its simulated carrier: unset "
                "FAIRDIAL_SANDBOX and FAIRDIAL_TRUNKS"
            )
        )
    files = guarded(lambda: _demo_files(settings.data_dir / "demo", leads, seed))
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
    """Dial a campaign from your own files, in the sandbox or over the trunks of your settings."""
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
    _campaign_run(settings_in_force(), campaign, leads, options)


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

    settings = settings_in_force()
    area_codes = guarded(lambda: load_rules(settings)).area_codes
    known = parse_e164(number, area_codes=area_codes)
    if isinstance(known, NumberFault):
        fail(UnusableList(f"{number!r} is no number to suppress: {known.why}"))

    async def take() -> list[str]:
        async with open_store(settings, lambda _: None) as store:
            now = await record_time(settings, store)
            return await take_stop_request(store, known, source=source, now=now)

    sellers = carry_out(take())
    if not sellers:
        fail(UnusableList("no campaign was loaded yet, so there is no seller to suppress it for"))
    out.print(f"{known} is never called again for {', '.join(sellers)}", highlight=False)


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

    summary = carry_out(run_campaign(settings, campaign, leads, options, out))
    # The run is over, whoever asked for that how often; what is left to do takes no time.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    show_summary(summary, settings, out)
    if options.summary is not None:
        guarded(lambda: write_summary(options.summary, summary))
    if not (summary.is_chain_verified and summary.does_witness_agree):
        raise typer.Exit(EXIT_FAILED)

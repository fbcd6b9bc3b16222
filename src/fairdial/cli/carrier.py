"""`fairdial carrier`: the simulated phone network by itself, to try a set-up against."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairdial.cli.shell import carry_out, err, guarded, print_json, settings_in_force

if TYPE_CHECKING:
    from fairdial.adapters.carrier.witness import CarrierReport


def carrier(
    scenario: Annotated[
        Path | None,
        typer.Option("--scenario", readable=False, help="What happens, number by number."),
    ] = None,
    people: Annotated[
        Path | None,
        typer.Option("--people", readable=False, help="People: number,talk_s,says."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Which population.")] = 1,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="SIP, UDP.")] = 5070,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.01, help="End by itself after so long.")
    ] = None,
) -> None:
    """Run the simulated phone network until Ctrl-C, then say what it saw, as JSON.

    Name it as a trunk (host 127.0.0.1) and call it. It rings fictional numbers only, on this
    machine only. How bad it is, is yours to say: see the scenario files.
    """
    from fairdial.adapters.carrier.processes import CarrierProcess
    from fairdial.adapters.carrier.scenario import read_scenario
    from fairdial.adapters.carrier.witness import read_log
    from fairdial.app import make_folder, next_file

    if scenario is not None:
        guarded(lambda: read_scenario(scenario))
    folder = make_folder(settings_in_force().data_dir / "carrier")
    log_path = next_file(folder, "carrier", ".jsonl")

    async def work() -> CarrierReport:
        process = CarrierProcess(
            log_path=log_path, seed=seed, people=people, scenario=scenario, port=port
        )
        await process.start()
        err.print(f"calls to sip:+12125550142@127.0.0.1:{process.port} (UDP); Ctrl-C ends it")
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60 * minutes if minutes is not None else 10**9)
        finally:
            await process.stop()
        return await asyncio.to_thread(read_log, log_path)

    report = carry_out(work())
    print_json(
        {
            "calls": len(report.call_ids),
            "ringing": len(report.ringing),
            "answered": len(report.answered),
            "refused": {str(code): n for code, n in sorted(_by_code(report).items())},
            "packets_lost": sum(media.lost for media in report.media.values()),
            "log": str(log_path),
        }
    )


def _by_code(report: CarrierReport) -> dict[int, int]:
    found: dict[int, int] = {}
    for code in report.refused.values():
        found[code] = found.get(code, 0) + 1
    return found

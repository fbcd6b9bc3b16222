"""`fairdial bench`: figures of this machine, with the machine named beside them."""

from __future__ import annotations

from typing import Annotated

import typer

from fairdial.cli.shell import carry_out, err, fail, print_json, settings_in_force
from fairdial.exceptions import SettingsError

bench_cli = typer.Typer(no_args_is_help=True, help="Measure this machine; prints what it measured.")


@bench_cli.command("permit")
def bench_permit(
    seconds: Annotated[float, typer.Option("--seconds", min=0.5, max=60)] = 3.0,
) -> None:
    """Permit decisions a second in one process, without I/O."""
    from fairdial.bench.permit import run as bench

    print_json(bench(seconds))


@bench_cli.command("pacing")
def bench_pacing(
    minutes: Annotated[
        float, typer.Option("--minutes", min=5, max=600, help="Of a simulated day.")
    ] = 240.0,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=100, help="Days of each floor.")] = 4,
    agents: Annotated[
        list[int] | None,
        typer.Option("--agents", min=1, max=1000, help="A size; may be given several times."),
    ] = None,
    rate: Annotated[
        list[float] | None,
        typer.Option(
            "--rate",
            min=0.01,
            max=0.95,
            help="A share of calls that a person answers; may be given several times.",
        ),
    ] = None,
    law: Annotated[
        list[str] | None,
        typer.Option("--law", help="A law; may be given several times; by default all."),
    ] = None,
) -> None:
    """Predictive pacing beside other laws, by floor size and answer rate, on the same people."""
    from fairdial.bench.pacing import RATES, SIZES
    from fairdial.bench.pacing import run as bench
    from fairdial.simulate.compare import fault
    from fairdial.simulate.world import World

    if (why := fault(World(agents=1), law or ())) is not None:
        fail(SettingsError(f"--law: {why}"))
    print_json(
        bench(
            sizes=tuple(agents or SIZES),
            rates=tuple(rate or RATES),
            minutes=minutes,
            seeds=seeds,
            names=tuple(law or ()),
            say=lambda floor: err.print(floor, highlight=False),
        )
    )


@bench_cli.command("order")
def bench_order() -> None:
    """Sales in the first fifth of the calls when leads are scored, on a bank's real campaign."""
    from fairdial.bench.order import run as bench

    print_json(bench())


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
        settings_in_force(),
        agents=agents,
        in_flight=in_flight,
        minutes=minutes,
        warm_up_minutes=warm_up,
        out=err,
    )
    print_json(carry_out(work))


@bench_cli.command("detect")
def bench_detect(
    greetings: Annotated[
        int, typer.Option("--greetings", min=10, max=20_000, help="Greetings to be judged.")
    ] = 1000,
    peer_greetings: Annotated[
        int,
        typer.Option(
            "--peer-greetings", min=0, max=2_000, help="How many of them Asterisk hears as well."
        ),
    ] = 200,
) -> None:
    """Who answered: people and machines on held-out voices, beside Asterisk's AMD().

    Needs espeak-ng. Asterisk hears in real time, forty at once; it is that of FAIRDIAL_ASTERISK.
    """
    from fairdial.bench.detect import run as bench

    print_json(carry_out(bench(greetings, peer_greetings=peer_greetings)))


@bench_cli.command("registry")
def bench_registry(
    numbers: Annotated[
        int, typer.Option("--numbers", min=10_000, max=500_000_000, help="Listed numbers.")
    ] = 5_000_000,
    list_rows: Annotated[
        int, typer.Option("--list-rows", min=1000, max=50_000_000, help="Rows to be screened.")
    ] = 500_000,
    changes: Annotated[
        int, typer.Option("--changes", min=10, max=10_000_000, help="Rows of a daily change.")
    ] = 20_000,
    no_peers: Annotated[bool, typer.Option("--no-peers", help="Measure Fairdial alone.")] = False,
) -> None:
    """A registry: import, size, daily change, look-ups and screening, beside peers.

    The whole United States: --numbers 250000000 --list-rows 10000000 --changes 200000, which needs
    30 GB of disk and some 20 minutes.
    """
    from fairdial.app import make_folder
    from fairdial.bench.registry import PEERS, Size
    from fairdial.bench.registry import run as bench

    folder = make_folder(settings_in_force().data_dir)
    print_json(
        bench(
            Size(numbers=numbers, list_rows=list_rows, changes=changes),
            folder,
            peers=() if no_peers else PEERS,
            say=lambda what: err.print(f"· {what}", highlight=False),
        )
    )


@bench_cli.command("audit")
def bench_audit(
    seconds: Annotated[float, typer.Option("--seconds", min=0.5, max=60)] = 4.0,
    writers: Annotated[int, typer.Option("--writers", min=1, max=32)] = 8,
) -> None:
    """Audit entries sealed a second with durable commits, beside inserts without a chain."""
    from fairdial.bench.audit import bench

    print_json(carry_out(bench(settings_in_force(), writers=writers, seconds=seconds)))


@bench_cli.command("gate")
def bench_gate(
    rate: Annotated[float, typer.Option("--rate", min=1, max=1000)] = 200.0,
    seconds: Annotated[float, typer.Option("--seconds", min=1, max=60)] = 15.0,
) -> None:
    """How long a permit takes with facts from the database, at a rate, beside bare transactions."""
    from fairdial.bench.gate import bench

    print_json(carry_out(bench(settings_in_force(), rate=rate, seconds=seconds)))


@bench_cli.command("dispute")
def bench_dispute(
    rows: Annotated[int, typer.Option("--rows", min=1000, max=200_000_000)] = 2_000_000,
) -> None:
    """How long the dispute file of one number takes among so many audit entries."""
    from fairdial.bench.dispute import bench

    print_json(carry_out(bench(settings_in_force(), rows=rows, out=err)))

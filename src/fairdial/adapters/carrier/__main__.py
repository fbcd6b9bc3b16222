"""`python -m fairdial.adapters.carrier`: the simulated phone network as a process."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from fairdial.adapters.carrier import child
from fairdial.adapters.carrier.log import CarrierLog
from fairdial.adapters.carrier.network import CALLS_MAX, Network
from fairdial.adapters.carrier.population import read_people
from fairdial.adapters.carrier.scenario import Scenario, read_scenario


def main() -> int:
    """Run the network until standard input ends."""
    options = _options().parse_args()

    async def live(parent: child.Parent) -> None:
        scenario = read_scenario(options.scenario) if options.scenario else Scenario()
        people = read_people(options.people) if options.people else {}
        carrier_log = CarrierLog(options.log)
        network = Network(
            population=scenario.population(seed=options.seed, people=people),
            carrier_log=carrier_log,
            local_ip=options.local_ip,
            port=options.port,
            calls_max=options.calls_max,
            impairment=scenario.network,
            account=scenario.account,
        )
        port = await network.start()
        try:
            parent.listen()
            parent.tell(ready=True, port=port, pid=os.getpid(), sandbox=True)
            await parent.until_the_end(network.beat.run())
        finally:
            await network.stop()
            carrier_log.close()

    return child.run(live)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fairdial.adapters.carrier",
        description="The simulated phone network: SIP and RTP on this machine only.",
    )
    parser.add_argument("--log", type=Path, required=True, help="append what happens to this file")
    parser.add_argument("--port", type=int, default=0, help="SIP port (UDP); 0 takes a free one")
    parser.add_argument("--seed", type=int, default=None, help="which population (default 1)")
    parser.add_argument("--people", type=Path, help="CSV of number,talk_s,says")
    parser.add_argument("--scenario", type=Path, help="TOML script of what happens")
    parser.add_argument("--local-ip", default="127.0.0.1", help="a loopback address")
    parser.add_argument(
        "--calls-max", type=int, default=CALLS_MAX, help="more calls at a time get 503"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

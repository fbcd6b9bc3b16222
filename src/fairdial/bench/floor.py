"""A full floor over real SIP and RTP: many agents, many calls in flight, for minutes.

Runs the demo's campaign with a list and people sized for the load, and takes its figures from the
carrier's side, which measures what arrives there. The peer, in the same minutes on the same
machine, is one bare stream of packets that nobody relays.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from statistics import mean
from tempfile import mkdtemp

from rich.console import Console

from fairdial.adapters.carrier.figures import histogram_percentile
from fairdial.adapters.carrier.witness import MEASURED_PACKETS
from fairdial.app import open_store
from fairdial.bench.machine import family, machine, processor_seconds
from fairdial.flow.picture import Picture
from fairdial.run import RunOptions, Summary, run_campaign
from fairdial.sandbox.leads import SIZE_MAX, write_demo_files
from fairdial.settings import Settings

SEED = 5
PEOPLE = """\
# People who pick up seldom enough that so many phones ring at once.
[mix]
person = 0.17
early_hangup = 0.01
voicemail = 0.08
no_answer = 0.60
busy = 0.06
not_in_service = 0.06
congestion = 0.01
declined = 0.01
"""


async def run(
    settings: Settings, *, agents: int, in_flight: int, minutes: float, out: Console
) -> dict[str, object]:
    """Run the floor for `minutes` and return the figures. The data goes to a folder of its own."""
    folder = Path(mkdtemp(prefix="fairdial-bench-"))
    own = settings.model_copy(update={"data_dir": folder, "web_port": 0, "database_url": None})
    files = write_demo_files(
        folder / "demo", size=SIZE_MAX, seed=SEED, as_of=datetime.now(UTC).date(), talk_divisor=6.0
    )
    text = files.campaign_toml.read_text(encoding="utf-8")
    text = _set(text, "calls_in_flight_max", in_flight)
    text = _set(text, "dial_level_max", 12.0)
    files.campaign_toml.write_text(text, encoding="utf-8")
    scenario = folder / "people.toml"
    scenario.write_text(PEOPLE, encoding="utf-8")
    pictures: list[Picture] = []
    work = _Work(os.getpid())
    beat = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "fairdial.bench.heartbeat",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )

    def watch(picture: Picture) -> None:
        pictures.append(picture)
        work.look()

    try:
        summary = await run_campaign(
            own,
            files.campaign_toml,
            files.leads_csv,
            RunOptions(
                agents=agents,
                minutes_max=minutes,
                people=files.people_csv,
                scenario=scenario,
                seed=SEED,
                watch=watch,
            ),
            out,
        )
    finally:
        told, _ = await asyncio.wait_for(beat.communicate(), 10)
    bare = {int(gap): count for gap, count in json.loads(told).items()}
    return {
        "measured_on": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine(),
        "asked": {"agents": agents, "calls_in_flight": in_flight, "minutes": minutes},
        **await _figures(own, summary, pictures, bare),
        "processor_share_of_one_core": work.shares(),
        "data": str(folder),
    }


async def _figures(
    settings: Settings, summary: Summary, pictures: list[Picture], bare: dict[int, int]
) -> dict[str, object]:
    carrier = summary.carrier
    assert carrier is not None, "the bench runs with the simulated carrier"
    async with open_store(settings, lambda _: None) as store:
        at_once = {str(i) for i in await store.bridged_at_once(summary.picture.since)}
    measured = {
        call: media for call, media in carrier.media.items() if media.received >= MEASURED_PACKETS
    }
    free = [m.first_audio_ms for call, m in measured.items() if call in at_once]
    gap_p99 = histogram_percentile((m.gaps_ms for m in measured.values()), 0.99)
    bare_p99 = histogram_percentile([bare], 0.99)
    up = [len(p.calls) for p in pictures]
    full = [count for count in up if count >= 0.9 * max(up, default=0)]
    figures = summary.picture.figures
    return {
        "attempts": figures.attempts,
        "connected": figures.connected,
        "abandoned": figures.abandoned,
        "live_answers": figures.live_answers,
        "abandonment_rate": round(figures.abandoned / max(1, figures.live_answers), 4),
        "chain_verified": summary.is_chain_verified,
        "invites_equal_permits_used": len(carrier.invites) == figures.permits_used,
        "calls_up": {
            "mean": round(mean(up), 1) if up else 0,
            "max": max(up, default=0),
            "share_of_time_at_90_percent_of_max": round(len(full) / max(1, len(up)), 2),
        },
        "rtp_gap_ms": {
            "calls": len(measured),
            "p99": gap_p99,
            "p999": histogram_percentile((m.gaps_ms for m in measured.values()), 0.999),
            "max": max((m.gap_ms_max for m in measured.values()), default=None),
            "packets_lost": sum(m.lost for m in measured.values()),
            "bare_stream_p99": bare_p99,
            "ratio_to_bare_stream": None
            if not gap_p99 or not bare_p99
            else round(gap_p99 / bare_p99, 2),
        },
        "answer_to_agent_audio_ms": {
            "agent_free_at_pick_up": _spread(free),
            "all_calls": _spread([m.first_audio_ms for m in measured.values()]),
        },
    }


def _spread(values: list[float | None]) -> dict[str, float | int | None]:
    known = sorted(value for value in values if value is not None)

    def at(share: float) -> float | None:
        return round(known[ceil(share * len(known)) - 1], 1) if known else None

    return {"calls": len(known), "p50": at(0.5), "p99": at(0.99), "max": at(1.0)}


def _set(text: str, key: str, value: float) -> str:
    lines = [
        f"{key} = {value}" if line.startswith(f"{key} =") else line for line in text.splitlines()
    ]
    return "\n".join(lines) + "\n"


class _Work:
    """The processor time of our processes, by what they run."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._first: dict[int, tuple[str, float, float]] = {}
        self._last: dict[int, tuple[float, float]] = {}

    def look(self) -> None:
        now = asyncio.get_running_loop().time()
        for pid, name in family(self._root).items():
            spent = processor_seconds(pid)
            if spent is not None:
                self._first.setdefault(pid, (name, now, spent))
                self._last[pid] = (now, spent)

    def shares(self) -> dict[str, float]:
        by_name: dict[str, float] = {}
        for pid, (name, began, before) in self._first.items():
            ended, after = self._last[pid]
            if ended > began:
                by_name[name] = by_name.get(name, 0.0) + (after - before) / (ended - began)
        return {name: round(share, 3) for name, share in sorted(by_name.items())}

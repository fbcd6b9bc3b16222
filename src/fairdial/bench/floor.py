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
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from statistics import mean
from tempfile import mkdtemp

from rich.console import Console

from fairdial.adapters.carrier.figures import histogram_percentile
from fairdial.adapters.carrier.witness import MEASURED_PACKETS
from fairdial.app import open_store
from fairdial.bench.machine import family, machine, processor_seconds
from fairdial.core.agent import AgentState
from fairdial.flow.picture import Picture
from fairdial.run import RunOptions, Summary, run_campaign
from fairdial.sandbox.leads import SIZE_MAX, write_demo_files
from fairdial.settings import Settings

SEED = 5
PEOPLE = """\
# People who pick up seldom enough that so many phones ring at once.
[mix]
person = 0.13
early_hangup = 0.01
voicemail = 0.03
no_answer = 0.69
busy = 0.06
not_in_service = 0.06
congestion = 0.01
declined = 0.01
"""


async def run(
    settings: Settings,
    *,
    agents: int,
    in_flight: int,
    minutes: float,
    warm_up_minutes: float,
    out: Console,
) -> dict[str, object]:
    """Run the floor and return the figures of its last `minutes`.

    A campaign without a history dials as carefully as progressive; the warm-up gives it one.
    The data goes to a folder of its own.
    """
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
                minutes_max=warm_up_minutes + minutes,
                people=files.people_csv,
                scenario=scenario,
                seed=SEED,
                watch=watch,
            ),
            out,
        )
    finally:
        told, _ = await asyncio.wait_for(beat.communicate(b""), 10)
    bare = {int(gap): count for gap, count in json.loads(told).items()}
    return {
        "measured_on": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine(),
        "asked": {
            "agents": agents,
            "calls_in_flight": in_flight,
            "minutes": minutes,
            "warm_up_minutes": warm_up_minutes,
        },
        **await _figures(own, summary, _last(pictures, minutes), bare),
        "processor_share_of_one_core": work.shares(),
        "data": str(folder),
    }


async def _figures(
    settings: Settings, summary: Summary, pictures: list[Picture], bare: dict[int, int]
) -> dict[str, object]:
    carrier = summary.carrier
    assert carrier is not None, "the bench runs with the simulated carrier"
    async with open_store(settings, lambda _: None) as store:
        at_once = {str(i) for i in await store.bridged_at_once(pictures[0].at)}
    # Both clocks run beside each other: the carrier's Unix seconds and the sandbox's.
    began = max(carrier.answered.values()) - (pictures[-1].at - pictures[0].at).total_seconds()
    measured = {
        call: media
        for call, media in carrier.media.items()
        if media.received >= MEASURED_PACKETS and carrier.answered[call] >= began
    }
    free = [m.first_audio_ms for call, m in measured.items() if call in at_once]
    gap_p99 = histogram_percentile((m.gaps_ms for m in measured.values()), 0.99)
    bare_p99 = histogram_percentile([bare], 0.99)
    up = [len(p.calls) for p in pictures]
    full = [count for count in up if count >= 0.9 * max(up, default=0)]
    before, after = pictures[0].figures, pictures[-1].figures
    answers = after.live_answers - before.live_answers
    abandoned = after.abandoned - before.abandoned
    return {
        "attempts": after.attempts - before.attempts,
        "connected": after.connected - before.connected,
        "live_answers": answers,
        "abandoned": abandoned,
        "abandonment_rate": round(abandoned / max(1, answers), 4),
        "abandonment_rate_with_warm_up": round(summary.picture.abandon_rate_30d, 4),
        "talking_agents_mean": round(
            mean(sum(a.state is AgentState.TALKING for a in p.agents) for p in pictures), 1
        ),
        "chain_verified": summary.is_chain_verified,
        "invites_equal_permits_used": len(carrier.invites) == summary.picture.figures.permits_used,
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


def _last(pictures: list[Picture], minutes: float) -> list[Picture]:
    """The pictures of the measured minutes, without the winding down."""
    ends = pictures[-1].at - timedelta(seconds=2)
    begins = ends - timedelta(minutes=minutes) + timedelta(seconds=2)
    return [p for p in pictures if begins <= p.at <= ends]


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

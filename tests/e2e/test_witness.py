"""The witness: what rang by the carrier's own log equals what was permitted, through kill -9.

The carrier is a process of the test's own, so that it outlives every crash of the product. First
the telephony engine is killed in the middle of the calls and restarts by itself; then the whole
dialer is killed and started again.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from fairdial.adapters.audit_keys import AuditKeys
from fairdial.adapters.carrier.processes import CarrierProcess
from fairdial.adapters.carrier.witness import CarrierReport, read_log
from fairdial.adapters.postgres.server import EmbeddedPostgres, ensure_database
from fairdial.adapters.postgres.store import PostgresStore
from fairdial.adapters.registries.library import FileLibrary
from fairdial.bench.machine import family
from fairdial.flow.verify import verify_audit
from fairdial.sandbox.leads import write_demo_files

pytestmark = pytest.mark.wire

CALLS = 520
ENGINE_DIES_AT = 150
DIALER_DIES_AT = 330
QUICK_PEOPLE = """\
[mix]
person = 0.40
early_hangup = 0.03
voicemail = 0.02
no_answer = 0.04
busy = 0.28
not_in_service = 0.20
congestion = 0.02
declined = 0.01

[ring]
after_s_min = 0.0
after_s_max = 0.2
mean_s = 1.0
max_s = 4.0
voicemail_s = 2.0

[talk]
mean_s = 2.0
"""


@pytest.fixture
def folder(fast_folder: Path) -> Iterator[Path]:
    """A folder of this test's own that the database's user can pass through."""
    made = Path(tempfile.mkdtemp(prefix="fairdial-witness-", dir=fast_folder))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


async def test_what_rang_equals_what_was_permitted_through_two_kills(folder: Path) -> None:
    files = write_demo_files(
        folder / "list", size=1200, seed=11, as_of=date(2026, 11, 1), talk_divisor=100
    )
    campaign = files.campaign_toml.read_text(encoding="utf-8")
    for old, new in (
        ("ring_s = 20", "ring_s = 15"),
        ("wrap_up_s = 4", "wrap_up_s = 1"),
        ("calls_per_second_max = 10.0", "calls_per_second_max = 40.0"),
        ("count = 10", "count = 20"),
    ):
        assert old in campaign
        campaign = campaign.replace(old, new)
    files.campaign_toml.write_text(campaign, encoding="utf-8")
    scenario = folder / "people.toml"
    scenario.write_text(QUICK_PEOPLE, encoding="utf-8")
    data = folder / "data"
    carrier = CarrierProcess(log_path=folder / "carrier.jsonl", seed=11, scenario=scenario)
    await carrier.start()
    try:
        command = Run(data, carrier.port, files.campaign_toml, files.leads_csv)
        first = await command.start(calls=CALLS)
        await reached(carrier.log_path, ENGINE_DIES_AT, first)
        os.kill(process_of(first.pid, "fairdial.adapters.sip.worker"), signal.SIGKILL)
        await reached(carrier.log_path, DIALER_DIES_AT, first)
        first.kill()
        await first.wait()
        rang = len(read_log(carrier.log_path).invites)

        second = await command.start(calls=CALLS - rang)
        assert await asyncio.wait_for(second.wait(), 240) == 0, command.said()
        summary = json.loads(command.summary.read_text(encoding="utf-8"))
        assert summary["chain_verified"] is True
        report = read_log(carrier.log_path)
    finally:
        await carrier.stop()
    await hold_against_the_record(data, report)


async def hold_against_the_record(data: Path, report: CarrierReport) -> None:
    assert len(report.invites) >= 500
    twice = [call for call, n in Counter(i.call_id for i in report.invites).items() if n > 1]
    assert twice == [], "one permit never rings twice"
    with EmbeddedPostgres(data) as server:
        conninfo = ensure_database(server.start(), "fairdial_sandbox")
        async with PostgresStore(conninfo, FileLibrary(data / "registries")) as store:
            uses = await store.permit_uses()
            used = {str(attempt_id) for attempt_id, is_used in uses.items() if is_used}
            assert report.call_ids == used, "what rang is what was permitted and marked used"
            keys = AuditKeys(data)
            audited = await verify_audit(
                store.proof().record(),
                signature_fault=keys.signature_fault,
                kept_elsewhere=keys.kept(),
            )
            assert audited.checkpoints >= 1, "the last run made one at its end"
            assert audited.findings == ()
            async with store._connection() as conn:
                row = await (
                    await conn.execute(
                        "SELECT count(*) FILTER (WHERE state <> 'closed') AS open,"
                        " count(*) FILTER (WHERE cause = 'engine_lost') AS lost FROM attempt"
                    )
                ).fetchone()
            assert row is not None
            assert row["open"] == 0, "every attempt is closed"
            assert row["lost"] > 0, "the kills hit calls that were up, or this test shows nothing"


class Run:
    """The real command, started and started again on the same data."""

    def __init__(self, data: Path, port: int, campaign: Path, leads: Path) -> None:
        self.summary = data.parent / "summary.json"
        self._out = data.parent / "run.out"
        self._campaign, self._leads = campaign, leads
        trunks = data.with_name("trunks.toml")
        trunks.write_text(
            f'[[trunk]]\nname = "carrier"\nhost = "127.0.0.1"\nport = {port}\n'
            "calls_per_second = 200\n"
        )
        self._environment = {
            **os.environ,
            "FAIRDIAL_DATA_DIR": str(data),
            "FAIRDIAL_TRUNKS": str(trunks),
        }

    async def start(self, *, calls: int) -> asyncio.subprocess.Process:
        with self._out.open("ab") as out:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "fairdial", "run", self._campaign, self._leads),
                *("--calls", str(calls), "--no-page", "--summary", self.summary),
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def said(self) -> str:
        return self._out.read_text(encoding="utf-8", errors="replace")[-3000:]


async def reached(log_path: Path, invites: int, process: asyncio.subprocess.Process) -> None:
    """Wait until the carrier has seen so many INVITEs, three minutes at most."""
    async with asyncio.timeout(180):
        while len(read_log(log_path).invites) < invites:
            assert process.returncode is None, "the run ended before it was killed"
            await asyncio.sleep(0.1)


def process_of(root: int, module: str) -> int:
    found = [pid for pid, name in family(root).items() if name == module]
    assert len(found) == 1, f"one {module} below {root}, not {found}"
    return found[0]

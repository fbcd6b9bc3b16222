"""A registry's file is in force whole or not at all, for every process, whatever dies."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.flow.cast import Stage

from fairdial.adapters.clocks import TimeOrderedIds
from fairdial.adapters.postgres.store import PostgresStore
from fairdial.adapters.registries.library import FileLibrary
from fairdial.core.attempt import Attempt
from fairdial.core.audit import AuditEntry
from fairdial.core.facts import Registry, Suppression, SuppressionKind
from fairdial.core.ids import E164
from fairdial.core.permit import Refusal
from fairdial.core.registry import RegistryCopy, RegistryForm, RegistryOrder
from fairdial.exceptions import RegistryUnavailable, UnusableList
from fairdial.flow.place_call import place_call
from fairdial.flow.registries import RegistryImport, import_registry, retire_registry
from fairdial.flow.verify import verify_audit
from fairdial.ports import RegistryProgress

US = RegistryOrder(
    name="us-national",
    form=RegistryForm.US_FULL,
    as_of=date(2026, 11, 30),
    organization="77",
    subscription="1001-1",
    downloaded_by="mei",
)


@dataclass(slots=True, kw_only=True)
class Desk:
    """Where somebody imports registries."""

    stage: Stage
    folder: Path
    url: str

    @property
    def library(self) -> FileLibrary:
        return FileLibrary(self.folder / "registries")

    async def take(self, text: str, order: RegistryOrder = US, **more: Any) -> RegistryImport:
        path = self.folder / "download.txt"
        await asyncio.to_thread(path.write_text, text)
        return await import_registry(
            self.stage.store,
            self.library,
            self.stage.floor.ids,
            path,
            replace(order, **more),
            countries={"212": "US", "646": "US"},
            now=self.stage.clock.now(),
            is_sandbox=True,
        )

    async def copy(self) -> RegistryCopy | None:
        async with self.stage.store.transaction() as tx:
            return await tx.registry_copy("us-national")

    async def facts(self, number: str) -> tuple[list[Suppression], list[Registry]]:
        """What the rules are told of the US registry."""
        await placed(self.stage, number)
        facts = await self.stage.one(
            "SELECT facts FROM (SELECT facts, number FROM refusal UNION ALL"
            " SELECT facts, number FROM permit) AS d WHERE number = %s",
            number,
        )
        assert isinstance(facts, dict)
        return (
            [s for s in facts["suppressions"] if s["source"] == "us-national"],
            [r for r in facts["registries"] if r["name"] == "us-national"],
        )

    def files(self) -> list[str]:
        return sorted(
            p.name
            for p in self.library.folder.iterdir()
            if "us-national" in p.name and not p.name.endswith(".lock")
        )


@pytest.fixture
def desk(stage: Stage, tmp_path: Path, database_url: str) -> Desk:
    return Desk(stage=stage, folder=tmp_path, url=database_url)


async def placed(stage: Stage, number: str) -> Attempt | Refusal | None:
    """What comes of calling a number."""
    return await place_call(
        stage.floor, stage.lease, await stage.lead(number), is_agent_guaranteed=True
    )


async def refused_by(stage: Stage, number: str) -> set[str]:
    result = await placed(stage, number)
    assert isinstance(result, Refusal), result
    return {verdict.rule for verdict in result.reasons}


async def test_a_listed_number_is_refused_and_the_facts_name_the_version(desk: Desk) -> None:
    await desk.take("212,5550142\n")
    copy = await desk.copy()
    assert copy is not None
    suppressions, registries = await desk.facts("+12125550142")
    assert [s["country"] for s in suppressions] == ["US"]  # type: ignore[index]
    assert [(r["as_of"], r["version"]) for r in registries] == [  # type: ignore[index]
        ("2026-11-30", copy.mark)
    ]
    assert copy.mark == f"1 {copy.sha256[:12]}"


async def test_an_area_code_that_was_never_imported_refuses(desk: Desk) -> None:
    stage = desk.stage
    async with stage.store._connection() as conn:
        # Without the small national file of the stage, which covers every number.
        await conn.execute("DELETE FROM registry_area WHERE registry = 'national'")
    await desk.take("212,5550142\n", area_codes=frozenset({"212"}))
    assert await refused_by(stage, "+16465550143") == {"us.tcpa.dnc_stale"}
    allowed = await placed(stage, "+12125550143")
    assert isinstance(allowed, Attempt)


async def test_an_import_is_in_the_ledger_and_in_the_audit_chain(desk: Desk) -> None:
    done = await desk.take("212,5550142\n646,5550143\n")
    assert (done.version, done.entries, done.areas) == (1, 2, 2)
    ledger = await desk.stage.one(
        "SELECT to_jsonb(v) FROM registry_version AS v WHERE registry = 'us-national'"
    )
    assert isinstance(ledger, dict)
    expected = {
        "form": "us-full",
        "source_name": "download.txt",
        "source_size": 24,
        "organization": "77",
        "subscription": "1001-1",
        "downloaded_by": "mei",
        "as_of": "2026-11-30",
        "entries": 2,
        "added": 2,
        "removed": 0,
    }
    assert {key: ledger[key] for key in expected} == expected
    record = desk.stage.store.proof().record()
    entries = [item async for item in record if isinstance(item, AuditEntry)]
    (entry,) = [e for e in entries if e.kind == "registry.imported" and e.subject == "us-national"]
    assert (entry.actor, entry.body["source_sha256"]) == ("mei", ledger["source_sha256"])
    assert entry.body["areas"] == {"212": "2026-11-30", "646": "2026-11-30"}
    assert (await verify_audit(desk.stage.store.proof().record())).findings == ()


async def test_the_same_file_again_changes_nothing(desk: Desk) -> None:
    await desk.take("212,5550142\n")
    again = await desk.take("212,5550142\n")
    assert (again.version, again.draft) == (1, None)
    assert len(desk.files()) == 1


async def test_a_file_of_another_subscription_is_refused_unless_told_otherwise(desk: Desk) -> None:
    await desk.take("212,5550142\n")
    with pytest.raises(UnusableList, match="set up with the subscription 1001-1"):
        await desk.take("212,5550143\n", subscription="2002-1")
    with pytest.raises(UnusableList, match="--organization and --subscription"):
        await desk.take("212,5550143\n", subscription=None)
    with pytest.raises(UnusableList, match="it is a file of another registry"):
        await desk.take("4165550142\n", form=RegistryForm.CA_FULL)
    assert (await desk.copy()).version == 1  # type: ignore[union-attr]
    await desk.take("212,5550143\n", subscription="2002-1", may_change_subscription=True)
    assert (await desk.copy()).setup.subscription == "2002-1"  # type: ignore[union-attr]


async def test_a_refused_file_leaves_the_former_version_and_no_file(desk: Desk) -> None:
    await desk.take("212,5550142\n")
    before = desk.files()
    with pytest.raises(UnusableList, match="line 2"):
        await desk.take("212,5550143\n212,555\n")
    assert desk.files() == before
    assert (await desk.copy()).version == 1  # type: ignore[union-attr]


async def test_the_version_before_is_kept_and_older_ones_go(desk: Desk) -> None:
    for number in range(4):
        await desk.take(f"212,555014{number}\n", as_of=date(2026, 11, 27) + timedelta(number))
    assert [name[:16] for name in desk.files()] == ["us-national-0003", "us-national-0004"]


async def test_stop_requests_are_left_alone_by_imports(desk: Desk) -> None:
    stage = desk.stage
    async with stage.store.transaction() as tx:
        await tx.suppress(
            E164("+12125550177"),
            SuppressionKind.INTERNAL,
            source="a letter",
            seller_id=stage.campaign.seller_id,
            registered_on=date(2026, 11, 1),
            now=stage.clock.now(),
        )
    await desk.take("212,5550142\n")
    assert await stage.one("SELECT count(*) FROM suppression") == 1
    assert "suppression.internal" in await refused_by(stage, "+12125550177")


async def test_a_registry_whose_file_is_gone_is_never_taken_as_empty(desk: Desk) -> None:
    await desk.take("212,5550142\n")
    (desk.library.folder / desk.files()[0]).unlink()
    with pytest.raises(RegistryUnavailable, match="import that registry again"):
        await placed(desk.stage, "+12125550142")
    assert desk.stage.telephony.wire == []


async def test_a_retired_registry_neither_lists_nor_counts_as_looked_into(desk: Desk) -> None:
    await desk.take("212,5550142\n")
    now = desk.stage.clock.now()
    await retire_registry(desk.stage.store, "us-national", by="mei", why="misnamed", now=now)
    assert await desk.facts("+12125550142") == ([], [])
    assert await desk.stage.one(
        "SELECT actor || ': ' || (body ->> 'why') FROM audit_entry WHERE kind = 'registry.retired'"
    ) == ("mei: misnamed")
    with pytest.raises(UnusableList, match="no registry 'us-national' is in force"):
        await retire_registry(desk.stage.store, "us-national", by="mei", why="again", now=now)
    assert (await desk.take("212,5550142\n")).version == 2


async def test_a_litigator_list_refuses_by_its_own_kind(desk: Desk) -> None:
    order = RegistryOrder(
        name="litigators",
        form=RegistryForm.SIMPLE,
        kind=SuppressionKind.LITIGATOR,
        as_of=date(2026, 11, 30),
    )
    await desk.take("2125550166\n", order)
    await placed(desk.stage, "+12125550166")
    kinds = await desk.stage.one(
        "SELECT jsonb_path_query_array(facts, '$.suppressions[*].kind') FROM (SELECT facts, number"
        " FROM refusal UNION ALL SELECT facts, number FROM permit) AS d WHERE number = %s",
        "+12125550166",
    )
    assert kinds == ["litigator"]


# --- several processes ----------------------------------------------------------------------------

LOOKER = """
import asyncio, sys
from pathlib import Path
from fairdial.adapters.postgres.store import PostgresStore
from fairdial.adapters.registries.library import FileLibrary
from fairdial.core.ids import E164

async def main(url, folder):
    library = FileLibrary(Path(folder))
    async with PostgresStore(url, library) as store:
        for number in sys.stdin:
            async with store.transaction() as tx:
                copy = await tx.registry_copy("us-national")
            found = library.look(copy.file, copy.sha256, copy.setup.coverage, E164(number.strip()))
            print(copy.version, found.is_listed, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""

IMPORTER = """
import asyncio, json, sys, time
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from fairdial.adapters.clocks import TimeOrderedIds
from fairdial.adapters.postgres.store import PostgresStore
from fairdial.adapters.registries.library import FileLibrary
from fairdial.core.registry import RegistryForm, RegistryOrder
from fairdial.flow.registries import import_registry

class SlowAtTheEnd(FileLibrary):
    def build(self, *args, **more):
        draft = super().build(*args, **more)
        if sys.argv[4] == "built":
            wait()
        return draft

def wait():
    print("waiting", flush=True)
    time.sleep(60)

def say(progress):
    if progress.what == sys.argv[4]:
        wait()

async def main(url, folder, path, at):
    library = SlowAtTheEnd(Path(folder))
    order = RegistryOrder(name="us-national", form=RegistryForm.US_FULL, as_of=date(2026, 12, 1),
                          organization="77", subscription="1001-1")
    async with PostgresStore(url, library) as store:
        await import_registry(store, library, TimeOrderedIds(), Path(path), order, countries={},
                              now=datetime(2026, 12, 1, 15, 40, tzinfo=UTC), is_sandbox=True,
                              say=say)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_another_process_sees_the_new_version_at_its_next_look(desk: Desk) -> None:
    await desk.take("212,5550142\n")
    looker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LOOKER, desk.url, str(desk.library.folder)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert looker.stdin is not None
    assert looker.stdout is not None

    async def ask(number: str) -> str:
        assert looker.stdin is not None
        assert looker.stdout is not None
        looker.stdin.write(f"{number}\n".encode())
        return (await asyncio.wait_for(looker.stdout.readline(), 30)).decode().strip()

    assert await ask("+12125550142") == "1 True"
    await desk.take("212,5550143\n", as_of=date(2026, 12, 1))
    assert await ask("+12125550142") == "2 False"
    assert await ask("+12125550143") == "2 True"
    looker.stdin.close()
    assert await asyncio.wait_for(looker.wait(), 30) == 0


@pytest.mark.parametrize("at", ["reading", "writing", "built"])
async def test_an_import_killed_in_the_middle_leaves_the_former_version_in_force(
    desk: Desk, at: str
) -> None:
    await desk.take("212,5550142\n")
    path = desk.folder / "next.txt"
    await asyncio.to_thread(path.write_text, "212,5550143\n")
    importer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", IMPORTER, desk.url, str(desk.library.folder), str(path), at),
        stdout=subprocess.PIPE,
    )
    assert importer.stdout is not None
    assert await asyncio.wait_for(importer.stdout.readline(), 30) == b"waiting\n"
    with pytest.raises(RegistryUnavailable, match="another process is importing"):
        await desk.take("212,5550144\n")
    importer.send_signal(signal.SIGKILL)
    await importer.wait()

    copy = await desk.copy()
    assert copy is not None
    assert copy.version == 1
    assert desk.library.look(
        copy.file, copy.sha256, copy.setup.coverage, E164("+12125550142")
    ).is_listed
    assert len(desk.files()) == (1 if at == "reading" else 2), "what it left is still there"

    done = await desk.take("212,5550143\n", as_of=date(2026, 12, 1))
    assert done.version == 3
    assert [name[:16] for name in desk.files()] == ["us-national-0001", "us-national-0003"]
    states = await desk.stage.one(
        "SELECT json_agg(published_at IS NOT NULL ORDER BY version)::text FROM registry_version"
        " WHERE registry = 'us-national'"
    )
    assert json.loads(str(states)) == [True, False, True]


async def test_an_import_that_is_interrupted_ends_and_leaves_the_former_version(
    desk: Desk,
) -> None:
    await desk.take("212,5550142\n")
    many = "".join(f"212,{n}\n" for n in range(2_000_000, 2_700_000))
    path = desk.folder / "many.txt"
    await asyncio.to_thread(path.write_text, many)
    loop = asyncio.get_running_loop()

    def interrupt(_: RegistryProgress) -> None:
        loop.call_soon_threadsafe(importing.cancel)

    async with PostgresStore(desk.url, desk.library) as store:
        importing = asyncio.create_task(
            import_registry(
                store,
                desk.library,
                TimeOrderedIds(),
                path,
                replace(US, as_of=date(2026, 12, 1)),
                countries={},
                now=desk.stage.clock.now(),
                is_sandbox=True,
                say=interrupt,
            )
        )
        with pytest.raises(asyncio.CancelledError):
            await importing
    assert (await desk.copy()).version == 1  # type: ignore[union-attr]

"""Whoever touches the record is found, and where: in the database, and in a file made of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from tests.flow.cast import Stage

from fairdial.adapters.audit_keys import AuditKeys, read_checkpoints, signature_fault
from fairdial.adapters.files.proof_file import read_record, write_record
from fairdial.core import audit
from fairdial.core.audit import AuditEntry, FaultKind
from fairdial.core.checkpoint import Checkpoint
from fairdial.core.permit import plain
from fairdial.core.proof import RecordItem
from fairdial.exceptions import UnusableList
from fairdial.flow.checkpoints import keep_checkpoints, make_checkpoint
from fairdial.flow.verify import AuditReport, verify_audit

TRIGGERS = """
ALTER TABLE audit_entry DISABLE TRIGGER audit_append_only;
ALTER TABLE permit DISABLE TRIGGER permit_spent_once;
ALTER TABLE refusal DISABLE TRIGGER refusal_append_only;
ALTER TABLE checkpoint DISABLE TRIGGER checkpoint_append_only;
ALTER TABLE rulebook DISABLE TRIGGER rulebook_append_only;
ALTER TABLE attempt DROP CONSTRAINT IF EXISTS attempt_permit_id_fkey;
"""
"""What whoever owns the database can switch off."""

Found = list[tuple[str, FaultKind]]


@pytest.fixture
def keys(tmp_path: Path) -> AuditKeys:
    return AuditKeys(tmp_path / "data")


@pytest.fixture
async def kept(stage: Stage, keys: AuditKeys) -> Stage:
    """Seven entries: a registry, the rulebook, two permits with what followed, a refusal."""
    await stage.dialed("+12125550142")
    await make_checkpoint(stage.store, keys, stage.clock.now())
    stage.clock.move(minutes=10)
    await stage.place(await stage.lead("+12125550199"))
    await stage.dialed("+12125550143")
    await make_checkpoint(stage.store, keys, stage.clock.now())
    return stage


async def tamper(stage: Stage, statements: str) -> None:
    async with stage.store._connection() as conn:
        await conn.execute((TRIGGERS + statements).encode())


async def of_database(stage: Stage, keys: AuditKeys) -> AuditReport:
    return await verify_audit(
        stage.store.proof().record(),
        signature_fault=keys.signature_fault,
        kept_elsewhere=keys.kept(),
    )


async def of_export(stage: Stage, keys: AuditKeys, path: Path) -> AuditReport:
    """Of a file, with the public key and the checkpoints that an auditor was given before."""
    await write_record(path, stage.store.proof().record())
    return await of_file(path, keys)


async def of_file(path: Path, keys: AuditKeys) -> AuditReport:
    known = [keys.public_key()]
    return await verify_audit(
        read_record(path),
        signature_fault=lambda checkpoint: signature_fault(checkpoint, known),
        kept_elsewhere=read_checkpoints(keys.checkpoints_file),
    )


def places(report: AuditReport) -> Found:
    return [(fault.what, fault.kind) for fault in report.findings]


async def subject(stage: Stage, kind: str) -> str:
    query = "SELECT subject FROM audit_entry WHERE kind = %s ORDER BY seq LIMIT 1"
    return str(await stage.one(query, kind))


async def entries(stage: Stage) -> list[AuditEntry]:
    return [item async for item in stage.store.proof().record() if isinstance(item, AuditEntry)]


async def test_an_untouched_record_holds_in_the_database_and_in_a_file(
    kept: Stage, keys: AuditKeys, tmp_path: Path
) -> None:
    for report in (
        await of_database(kept, keys),
        await of_export(kept, keys, tmp_path / "record.jsonl"),
        await of_export(kept, keys, tmp_path / "record.jsonl.gz"),
    ):
        assert report == AuditReport(
            entries=7,
            judgements=3,
            checkpoints=2,
            foreign_checkpoints=0,
            findings=(),
            findings_untold=0,
        )


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (
            "UPDATE audit_entry SET actor = 'nobody' WHERE seq = 4",
            [("entry 4", FaultKind.ALTERED)],
        ),
        (
            "UPDATE audit_entry SET body = body || '{\"reasons\": []}' WHERE seq = 5",
            [("entry 5", FaultKind.ALTERED), ("REFUSAL", FaultKind.ALTERED)],
        ),
        (
            "DELETE FROM audit_entry WHERE seq = 3",
            [("entry 3", FaultKind.REMOVED), ("PERMIT 1", FaultKind.INSERTED)],
        ),
        (
            "DELETE FROM audit_entry WHERE seq = 4",
            [("entry 4", FaultKind.REMOVED), ("checkpoint of entry 4", FaultKind.REMOVED)],
        ),
        (
            "UPDATE audit_entry SET seq = -seq WHERE seq IN (4, 7);"
            "UPDATE audit_entry SET seq = CASE seq WHEN -4 THEN 7 ELSE 4 END WHERE seq < 0",
            [
                ("entry 4", FaultKind.REORDERED),
                ("entries 1 to 4", FaultKind.REWRITTEN),
                ("entry 7", FaultKind.REORDERED),
                ("the chain", FaultKind.REWRITTEN),
            ],
        ),
        (
            "UPDATE audit_entry SET at = at - interval '1 day' WHERE seq = 6",
            [("entry 6", FaultKind.ALTERED), ("PERMIT 2", FaultKind.ALTERED)],
        ),
        (
            "DELETE FROM audit_entry WHERE seq >= 6",
            [
                ("entry 6", FaultKind.CUT_OFF),
                ("checkpoint of entry 7", FaultKind.CUT_OFF),
                ("PERMIT 2", FaultKind.INSERTED),
            ],
        ),
        (
            "UPDATE permit SET facts = jsonb_set(facts, '{purpose}', '\"survey\"')"
            " WHERE number = '+12125550142'",
            [("PERMIT 1", FaultKind.ALTERED)],
        ),
        (
            "UPDATE permit SET caller_id = '+12025550199' WHERE number = '+12125550142'",
            [("PERMIT 1", FaultKind.ALTERED)],
        ),
        (
            "UPDATE permit SET expires_at = expires_at + interval '1 hour'"
            " WHERE number = '+12125550142'",
            [("PERMIT 1", FaultKind.ALTERED)],
        ),
        (
            "UPDATE refusal SET decided_at = decided_at - interval '1 hour'",
            [("REFUSAL", FaultKind.ALTERED)],
        ),
        ("UPDATE refusal SET reasons = '{house}'", [("REFUSAL", FaultKind.ALTERED)]),
        ("DELETE FROM refusal", [("REFUSAL", FaultKind.REMOVED)]),
        (
            "DELETE FROM permit WHERE number = '+12125550142'",
            [("PERMIT 1", FaultKind.REMOVED)],
        ),
        (
            'UPDATE rulebook SET files = files || \'{"us/federal/hours.toml": ""}\'',
            [("RULEBOOK", FaultKind.ALTERED)],
        ),
        ("DELETE FROM rulebook", [("RULEBOOK", FaultKind.REMOVED)]),
        (
            "DELETE FROM checkpoint WHERE seq = 4",
            [("checkpoint of entry 4", FaultKind.REMOVED)],
        ),
    ],
)
async def test_what_is_tampered_with_is_found_where_it_stands(
    kept: Stage, keys: AuditKeys, tmp_path: Path, statements: str, expected: Found
) -> None:
    names = {
        "PERMIT 1": f"permit {await subject(kept, 'permit.issued')}",
        "PERMIT 2": "permit "
        + str(await kept.one("SELECT subject FROM audit_entry WHERE seq = 6")),
        "REFUSAL": f"refusal {await subject(kept, 'refusal.recorded')}",
        "RULEBOOK": f"rulebook {await subject(kept, 'rulebook.kept')}",
    }
    await tamper(kept, statements)
    should = sorted((names.get(what, what), kind) for what, kind in expected)
    assert sorted(places(await of_database(kept, keys))) == should
    assert sorted(places(await of_export(kept, keys, tmp_path / "record.jsonl"))) == should


async def rewrite(stage: Stage, *, first: int, actor: str) -> None:
    """Change an entry and make every hash from there on again, as who has all rights can."""
    chain = await entries(stage)
    prev = chain[first - 2].hash
    statements = []
    for entry in chain[first - 1 :]:
        changed = replace(entry, actor=actor) if entry.seq == first else entry
        sealed = audit.seal(
            seq=changed.seq,
            at=changed.at,
            kind=changed.kind,
            subject=changed.subject,
            actor=changed.actor,
            body=changed.body,
            prev_hash=prev,
        )
        prev = sealed.hash
        statements.append(
            f"UPDATE audit_entry SET actor = '{sealed.actor}', prev_hash = '{sealed.prev_hash}',"
            f" hash = '{sealed.hash}' WHERE seq = {sealed.seq}"
        )
    statements.append(f"UPDATE audit_head SET hash = '{prev}'")
    await tamper(stage, ";".join(statements))


async def test_a_chain_rewritten_to_its_end_is_told_by_a_checkpoint(
    kept: Stage, keys: AuditKeys, tmp_path: Path
) -> None:
    await rewrite(kept, first=6, actor="nobody")
    should = [("entries 5 to 7", FaultKind.REWRITTEN)]
    assert places(await of_database(kept, keys)) == should
    assert places(await of_export(kept, keys, tmp_path / "record.jsonl")) == should


async def test_a_rewritten_chain_without_its_checkpoints_is_told_by_those_kept_elsewhere(
    kept: Stage, keys: AuditKeys, tmp_path: Path
) -> None:
    await rewrite(kept, first=3, actor="nobody")
    await tamper(kept, "DELETE FROM checkpoint")
    found = places(await of_database(kept, keys))
    assert ("entries 1 to 4", FaultKind.REWRITTEN) in found
    assert ("checkpoint of entry 4", FaultKind.REMOVED) in found
    assert places(await of_export(kept, keys, tmp_path / "record.jsonl")) == found


async def test_a_checkpoint_forged_with_a_key_of_their_own_is_found(
    kept: Stage, keys: AuditKeys, tmp_path: Path
) -> None:
    await tamper(kept, "DELETE FROM checkpoint")
    keys.checkpoints_file.unlink()
    await rewrite(kept, first=6, actor="nobody")
    await make_checkpoint(kept.store, AuditKeys(tmp_path / "theirs"), kept.clock.now())
    report = await of_database(kept, keys)
    assert places(report) == [("checkpoint of entry 7", FaultKind.FORGED)]
    assert "none of our keys" in report.findings[0].why


@pytest.mark.parametrize("change", ["seq = 2", "hash = repeat('a', 64)", "at = at + '1 s'"])
async def test_a_checkpoint_that_was_altered_is_found(
    kept: Stage, keys: AuditKeys, change: str
) -> None:
    keys.checkpoints_file.unlink()
    await tamper(kept, f"UPDATE checkpoint SET {change} WHERE seq = 4")
    ((what, kind),) = places(await of_database(kept, keys))
    assert what == ("checkpoint of entry 2" if "seq" in change else "checkpoint of entry 4")
    assert kind is FaultKind.FORGED


async def test_a_back_dated_entry_is_found_though_it_was_sealed_in_order(
    kept: Stage, keys: AuditKeys, tmp_path: Path
) -> None:
    async with kept.store.transaction() as tx:
        earlier = kept.clock.now() - timedelta(days=2)
        tx.audit("suppression.added", "+12125550142", {}, actor="operator", at=earlier)
    should = [("entry 8", FaultKind.BACK_DATED)]
    assert places(await of_database(kept, keys)) == should
    assert places(await of_export(kept, keys, tmp_path / "record.jsonl")) == should


async def test_another_chains_checkpoints_in_the_same_file_say_nothing(
    kept: Stage, keys: AuditKeys
) -> None:
    await tamper(kept, "UPDATE audit_head SET chain_id = gen_random_uuid()")
    await tamper(kept, "DELETE FROM checkpoint")
    report = await of_database(kept, keys)
    assert (report.findings, report.foreign_checkpoints) == ((), 2)


# --- a file that was tampered with after it was written -------------------------------------------


async def lines_of(stage: Stage, path: Path) -> list[str]:
    await write_record(path, stage.store.proof().record())
    return read_lines(path)


def read_lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines(keepends=True)


def place_of(lines: list[str], seq: int) -> int:
    return next(
        n
        for n, line in enumerate(lines)
        if json.loads(line).get("seq") == seq and '"what":"entry"' in line
    )


@pytest.mark.parametrize("name", ["altered", "removed", "inserted", "reordered", "cut", "torn"])
async def test_a_file_that_was_changed_is_found_out(
    kept: Stage, keys: AuditKeys, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "record.jsonl"
    lines = await lines_of(kept, path)
    fourth, seventh = place_of(lines, 4), place_of(lines, 7)
    end = ("the end of the record", FaultKind.ALTERED)
    should: Found
    match name:
        case "altered":
            lines[fourth] = lines[fourth].replace('"dialer"', '"nobody"')
            should = [("entry 4", FaultKind.ALTERED)]
        case "removed":
            del lines[fourth]
            should = [
                end,
                ("entry 4", FaultKind.REMOVED),
                ("checkpoint of entry 4", FaultKind.REMOVED),
            ]
        case "inserted":
            lines.insert(fourth, lines[fourth])
            should = [("entry 4", FaultKind.INSERTED), end]
        case "reordered":
            lines[fourth], lines[seventh] = lines[seventh], lines[fourth]
            should = []
        case "cut":
            del lines[seventh:]
            should = [
                ("entry 7", FaultKind.CUT_OFF),
                ("the record", FaultKind.CUT_OFF),
                ("checkpoint of entry 7", FaultKind.CUT_OFF),
            ]
        case _:
            lines[-1] = lines[-1][:9]
            should = [("the record", FaultKind.CUT_OFF)]
    path.write_text("".join(lines), encoding="utf-8")
    found = places(await of_file(path, keys))
    if name == "reordered":
        assert ("entry 4", FaultKind.REORDERED) in found
    else:
        assert found == should


async def test_a_packed_file_that_was_cut_off_is_found_out(
    kept: Stage, keys: AuditKeys, tmp_path: Path
) -> None:
    path = tmp_path / "record.jsonl.gz"
    await write_record(path, kept.store.proof().record())
    path.write_bytes(path.read_bytes()[:-2000])
    assert ("the record", FaultKind.CUT_OFF) in places(await of_file(path, keys))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no JSON"),
        (b"number,name\n", "no JSON"),
        (b'{"what": "something"}\n', "this is no record of version 1"),
        (b'{"version":1,"what":"fairdial record"}\n{"what":"poem"}\n', ":2: .* say what it is"),
        (b'{"version":1,"what":"fairdial record"}\n{"what":"end"}\n', ":2: RecordEnd: items is"),
    ],
)
async def test_a_file_that_is_no_record_is_refused_with_its_line(
    tmp_path: Path, content: bytes, why: str
) -> None:
    path = tmp_path / "other.jsonl"
    path.write_bytes(content)
    with pytest.raises(UnusableList, match=why):
        await verify_audit(read_record(path))


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*")}


async def test_a_failed_export_leaves_the_former_file_and_no_scraps(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    path.write_text("former")

    async def breaks_off() -> AsyncIterator[RecordItem]:
        raise UnusableList("the database went away")
        yield

    with pytest.raises(UnusableList):
        await write_record(path, breaks_off())
    assert contents(tmp_path) == {"record.jsonl": "former"}


# --- keys and checkpoints -------------------------------------------------------------------------


async def test_the_private_key_is_for_its_owner_only_and_made_once(tmp_path: Path) -> None:
    keys = AuditKeys(tmp_path / "data")
    public = keys.public_key()
    assert (tmp_path / "data" / "audit-key.pem").stat().st_mode & 0o777 == 0o600
    assert AuditKeys(tmp_path / "data").public_key() == public


async def test_checkpoints_of_a_former_key_are_still_believed(kept: Stage, keys: AuditKeys) -> None:
    former = keys.public_key()
    assert keys.rotate() != former
    await kept.dialed("+12125550144")
    await make_checkpoint(kept.store, keys, kept.clock.now())
    report = await of_database(kept, keys)
    assert (report.findings, report.checkpoints) == ((), 3)
    assert keys.public_keys()[0] == former


async def test_a_run_signs_every_so_many_entries(stage: Stage, keys: AuditKeys) -> None:
    beside = asyncio.create_task(keep_checkpoints(stage.floor, keys, every=3, look_s=0.01))
    try:
        for number in range(40, 44):
            await stage.dialed(f"+121255501{number}")
            await asyncio.sleep(0.05)
    finally:
        beside.cancel()
    signed = [checkpoint.seq for checkpoint in keys.kept()]
    assert signed, "nine entries came in all"
    assert all(later - former >= 3 for former, later in pairwise([0, *signed]))
    assert (await of_database(stage, keys)).findings == ()


async def test_the_same_end_is_signed_once(kept: Stage, keys: AuditKeys) -> None:
    assert await make_checkpoint(kept.store, keys, kept.clock.now()) is None
    assert len(keys.kept()) == 2


async def test_a_torn_last_line_of_checkpoints_costs_no_other(kept: Stage, keys: AuditKeys) -> None:
    whole = keys.checkpoints_file.read_bytes()
    keys.checkpoints_file.write_bytes(whole + b'{"seq": 7, "ha')
    assert len(keys.kept()) == 2
    await kept.dialed("+12125550144")
    made = await make_checkpoint(kept.store, keys, kept.clock.now())
    assert isinstance(made, Checkpoint)
    assert keys.checkpoints_file.read_text().splitlines()[-1] == json.dumps(plain(made))
    with pytest.raises(UnusableList, match=r"checkpoints.jsonl:3: .* remove that line"):
        keys.kept()


# --- durable --------------------------------------------------------------------------------------


async def test_a_sealed_transaction_is_on_disk_when_it_returns(
    stage: Stage, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        async with stage.store.transaction() as tx:
            # The tests' server does not wait for the disk of itself; a real one does.
            await tx._send()
            await tx._conn.execute("SET SESSION synchronous_commit = on")
            tx.audit("agent.logged_in", "x", {}, actor="test", at=stage.clock.now())
            before = conn.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
            assert before is not None
        on_disk = conn.execute("SELECT pg_current_wal_flush_lsn() > %s", before).fetchone()
        assert on_disk == (True,)


async def test_two_writers_at_once_make_one_chain(stage: Stage, keys: AuditKeys) -> None:
    async def write(n: int) -> None:
        async with stage.store.transaction() as tx:
            for part in range(3):
                tx.audit("bench.entry", f"{n}", {"part": part}, actor="t", at=stage.clock.now())

    await asyncio.gather(*(write(n) for n in range(20)))
    report = await of_database(stage, keys)
    assert (report.entries, report.findings) == (61, ()), "one was there before"
    (_, *chain) = await entries(stage)
    assert all(a.subject == b.subject for a, b in zip(chain[::3], chain[2::3], strict=True))

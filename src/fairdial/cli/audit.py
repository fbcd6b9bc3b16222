"""`fairdial audit`: was it all as the record says, and how is that shown to others?"""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairdial.cli.shell import EXIT_FAILED, carry_out, err, fail, guarded, out, settings_in_force
from fairdial.exceptions import SettingsError, UnusableList

if TYPE_CHECKING:
    from fairdial.core.checkpoint import Checkpoint
    from fairdial.core.ids import E164, Instant
    from fairdial.flow.dispute import Dispute
    from fairdial.flow.rejudge import Rejudged
    from fairdial.flow.verify import AuditReport
    from fairdial.settings import Settings

audit_cli = typer.Typer(no_args_is_help=True, help="The record: verify, export, show, judge again.")


def _quiet(_: str) -> None:
    """Commands about the record say what they found, not what they started."""


@audit_cli.command("verify")
def audit_verify(
    export: Annotated[
        Path | None,
        typer.Option("--export", readable=False, help="Check an exported file, not the database."),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", help="A public key that you trust; may be given several times."),
    ] = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            "--checkpoints",
            readable=False,
            help="Checkpoints that you kept elsewhere (JSON Lines).",
        ),
    ] = None,
) -> None:
    """Check the whole chain, and every checkpoint, permit, refusal and rulebook against it."""
    from fairdial.adapters.audit_keys import read_checkpoints, read_public_key

    trusted = guarded(lambda: [read_public_key(text) for text in key or ()])
    kept = [] if checkpoints is None else guarded(lambda: list(read_checkpoints(checkpoints)))
    if export is not None:
        report = _verify_export(export, trusted, kept)
    else:
        report = _verify_database(settings_in_force(), trusted, kept)
    for finding in report.findings:
        text = f"fault: {finding.what}: {finding.kind.value}: {finding.why}"
        err.print(text, highlight=False, markup=False, soft_wrap=True)
    if report.findings:
        count = len(report.findings) + report.findings_untold
        err.print(f"{count} faults in {report.entries} entries", highlight=False)
        raise typer.Exit(EXIT_FAILED)
    out.print(
        f"the chain of {report.entries} entries holds; permits and refusals ({report.judgements}) "
        f"and checkpoints ({report.checkpoints}) agree with it",
        highlight=False,
        soft_wrap=True,
    )
    if report.foreign_checkpoints:
        out.print(
            f"{report.foreign_checkpoints} checkpoints of other chains say nothing about this one",
            highlight=False,
        )


def _verify_database(settings: Settings, trusted: list[str], kept: list[Checkpoint]) -> AuditReport:
    from fairdial.adapters.audit_keys import signature_fault
    from fairdial.app import audit_keys, open_store
    from fairdial.flow.verify import verify_audit

    async def look() -> AuditReport:
        keys = audit_keys(settings)
        async with open_store(settings, _quiet) as store:
            # Ours first: a checkpoint that a run makes from now on is not in what is walked.
            elsewhere = [*kept, *keys.kept()]
            known = trusted or keys.public_keys()
            return await verify_audit(
                store.proof().record(),
                signature_fault=lambda checkpoint: signature_fault(checkpoint, known),
                kept_elsewhere=elsewhere,
            )

    return carry_out(look())


def _verify_export(path: Path, trusted: list[str], kept: list[Checkpoint]) -> AuditReport:
    from fairdial.adapters.audit_keys import signature_fault
    from fairdial.adapters.files.proof_file import read_record
    from fairdial.flow.verify import verify_audit

    seen: set[str] = set()

    def fault(checkpoint: Checkpoint) -> str | None:
        seen.add(checkpoint.public_key)
        return signature_fault(checkpoint, trusted or (checkpoint.public_key,))

    report = carry_out(verify_audit(read_record(path), signature_fault=fault, kept_elsewhere=kept))
    if not trusted and seen:
        out.print(
            "no --key was given: its checkpoints were checked by the keys that they name "
            f"themselves, {', '.join(sorted(seen))}; compare them with what you were given before",
            highlight=False,
            soft_wrap=True,
        )
    return report


@audit_cli.command("export")
def audit_export(
    file: Annotated[Path, typer.Argument(help="The file to write; packed if it ends in .gz.")],
) -> None:
    """Write the whole record to a file that can be checked anywhere, without the database."""
    from fairdial.adapters.files.proof_file import write_record
    from fairdial.app import open_store

    settings = settings_in_force()

    async def write() -> int:
        async with (
            open_store(settings, _quiet) as store,
            contextlib.aclosing(store.proof().record()) as record,
        ):
            return await write_record(file, record)

    items = carry_out(write())
    out.print(f"{items} items written to {file}", highlight=False, markup=False, soft_wrap=True)


@audit_cli.command("checkpoint")
def audit_checkpoint() -> None:
    """Sign the end of the chain as it is now, and print the statement, to be kept elsewhere."""
    from fairdial.app import audit_keys, open_store, record_time
    from fairdial.core.permit import plain
    from fairdial.flow.checkpoints import make_checkpoint

    settings = settings_in_force()

    async def make() -> Checkpoint | None:
        async with open_store(settings, _quiet) as store:
            now = await record_time(settings, store)
            return await make_checkpoint(store, audit_keys(settings), now)

    checkpoint = carry_out(make())
    if checkpoint is None:
        out.print("nothing new to sign since the last checkpoint", highlight=False)
    else:
        out.print(json.dumps(plain(checkpoint)), highlight=False, markup=False, soft_wrap=True)


@audit_cli.command("key")
def audit_key(
    rotate: Annotated[bool, typer.Option("--rotate", help="Take a new key from now on.")] = False,
) -> None:
    """Print the public key that signs checkpoints; former ones follow in brackets."""
    from fairdial.app import audit_keys
    from fairdial.core.checkpoint import key_id

    settings = settings_in_force()

    def take() -> tuple[str, list[str]]:
        keys = audit_keys(settings)
        now = keys.rotate() if rotate else keys.public_key()
        return now, [key for key in keys.public_keys() if key != now]

    now, former = guarded(take)
    out.print(f"{now} {key_id(now)}", highlight=False, markup=False, soft_wrap=True)
    for key in reversed(former):
        out.print(f"({key} {key_id(key)})", highlight=False, markup=False, soft_wrap=True)


@audit_cli.command("rejudge")
def audit_rejudge(
    since: Annotated[
        str | None, typer.Option("--since", help="From this day or moment on (UTC).")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Before this day or moment (UTC).")
    ] = None,
    number: Annotated[str | None, typer.Option("--number", help="Of this number only.")] = None,
) -> None:
    """Judge every permit and refusal again: by the rulebook of then, and by today's."""
    from fairdial.app import load_rules, open_store
    from fairdial.flow.rejudge import rejudge
    from fairdial.ports import Period

    settings = settings_in_force()
    today = guarded(lambda: load_rules(settings))
    period = Period(
        since=_moment("--since", since),
        until=_moment("--until", until),
        number=None if number is None else _number(settings, number),
    )

    async def judge() -> Rejudged:
        async with open_store(settings, _quiet) as store:
            return await rejudge(store.proof(), today, period)

    _show_rejudged(carry_out(judge()))


def _show_rejudged(came_of_it: Rejudged) -> None:
    def say(text: str) -> None:
        out.print(text, highlight=False, markup=False, soft_wrap=True)

    say(
        f"{came_of_it.judged} permits and refusals judged again; rulebooks: "
        f"{len(came_of_it.rulebooks)}"
    )
    say(f"{came_of_it.same} come out the same today, rule by rule")
    if came_of_it.reworded:
        say(f"{came_of_it.reworded} are worded otherwise by now, and ruled the same")
    say(
        f"{came_of_it.permits_now_refused} permits would be refused today, "
        f"{came_of_it.refusals_now_permitted} refusals permitted"
    )
    for difference in came_of_it.by_rule():
        say(f"{difference.rule}: {difference.was} → {difference.now}: {difference.count}")
        for example in difference.examples:
            say(
                f"    {example.kind.value} {example.id}, {example.number}, "
                f"{example.at:%Y-%m-%d %H:%M} UTC: {example.why}"
            )
    for fault in came_of_it.faults:
        err.print(f"fault: {fault}", highlight=False, markup=False, soft_wrap=True)
    if came_of_it.faults:
        count = len(came_of_it.faults) + came_of_it.faults_untold
        err.print(f"{count} faults: the rulebook of then does not bear them out", highlight=False)
        raise typer.Exit(EXIT_FAILED)


@audit_cli.command("dispute")
def audit_dispute(
    number: Annotated[str, typer.Argument(help="The number that the complaint is about.")],
    html: Annotated[
        Path | None, typer.Option("--html", help="Write it as one page to read and print.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the same as JSON.")
    ] = None,
) -> None:
    """Everything on record about one number, in order of time, with what proves it."""
    from fairdial.app import open_store
    from fairdial.core.permit import plain
    from fairdial.flow.dispute import make_dispute
    from fairdial.web.dispute_page import dispute_page

    settings = settings_in_force()
    known = _number(settings, number)

    async def gather() -> Dispute:
        async with open_store(settings, _quiet) as store:
            return await make_dispute(store.proof(), known, datetime.now(UTC))

    dispute = carry_out(gather())
    if html is not None:
        _write(html, dispute_page(dispute))
    if json_file is not None:
        _write(json_file, json.dumps(plain(dispute), indent=2, ensure_ascii=False) + "\n")
    counts = ", ".join(f"{name} {count}" for name, count in dispute.counts.items())
    out.print(f"{known}: {counts}", highlight=False, markup=False, soft_wrap=True)
    if html is None and json_file is None:
        for event in dispute.events:
            text = f"{event.at:%Y-%m-%d %H:%M:%S} {event.what}: {event.text}"
            out.print(text, highlight=False, markup=False, soft_wrap=True)
    if dispute.altered_entries:
        err.print(f"altered audit entries: {dispute.altered_entries}", highlight=False)
        raise typer.Exit(EXIT_FAILED)


def _write(path: Path, text: str) -> None:
    """Write a file for its owner only, whole or not at all: it is about a person."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.touch(mode=0o600)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        fail(SettingsError(f"cannot write {path}: {error.strerror}"))


def _number(settings: Settings, text: str) -> E164:
    from fairdial.app import load_rules
    from fairdial.core.number import NumberFault, parse_e164

    area_codes = guarded(lambda: load_rules(settings)).area_codes
    known = parse_e164(text, area_codes=area_codes)
    if isinstance(known, NumberFault):
        fail(UnusableList(f"{text!r} is no number: {known.why}"))
    return known


def _moment(option: str, text: str | None) -> Instant | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(SettingsError(f"{option}: {text!r} is no day or moment; write 2026-11-25"))
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)

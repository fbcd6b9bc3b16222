"""`fairdial consent`, `emergency` and `facts`: what is written down about people and places."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fairdial.cli.shell import (
    PLAIN,
    AsJson,
    err,
    fail,
    guarded,
    known_number,
    out,
    print_json,
    settings_in_force,
    with_store,
)
from fairdial.exceptions import SettingsError, UnusableList

if TYPE_CHECKING:
    from fairdial.adapters.postgres.store import PostgresStore
    from fairdial.core.ids import Instant
    from fairdial.core.ledger import DeclaredEmergency, FactsKind, KnownNumber, LedgerConsent

consent_cli = typer.Typer(no_args_is_help=True, help="Permissions that people gave or took back.")
emergency_cli = typer.Typer(no_args_is_help=True, help="Declared states of emergency.")
facts_cli = typer.Typer(no_args_is_help=True, help="Facts about numbers, with age and source.")

Number = Annotated[str, typer.Argument(help="The number, in any usual spelling.")]
SellerName = Annotated[
    str | None, typer.Option("--seller", help="Towards which seller; by default the only one.")
]

ROWS_BETWEEN_WORDS = 10_000


# --- consent --------------------------------------------------------------------------------------


@consent_cli.command("record")
def consent_record(
    number: Number,
    kind: Annotated[str, typer.Option("--kind", help="written (signed) or express.")],
    source: Annotated[str, typer.Option("--source", help="How it was given: form, call, letter.")],
    given: Annotated[
        str | None,
        typer.Option("--at", help="When: 2026-11-20T15:04:05Z, or the day alone; by default now."),
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", help="The exact words that the person agreed to.")
    ] = None,
    text_file: Annotated[
        Path | None,
        typer.Option("--text-file", readable=False, help="A file with these words (UTF-8)."),
    ] = None,
    place: Annotated[
        str | None, typer.Option("--place", help="Where: the page's address, a shop.")
    ] = None,
    ip: Annotated[str | None, typer.Option("--ip", help="From which IP address.")] = None,
    user_agent: Annotated[
        str | None, typer.Option("--user-agent", help="With which browser.")
    ] = None,
    signature: Annotated[
        str | None,
        typer.Option("--signature", help="The name as typed, or the signed document's id."),
    ] = None,
    evidence: Annotated[
        str | None, typer.Option("--evidence", help="Where the proof lies: a recording, a scan.")
    ] = None,
    purpose: Annotated[
        list[str] | None,
        typer.Option("--purpose", help="For this purpose only; may be given several times."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", help="The first day on which it no longer holds.")
    ] = None,
    copy_given: Annotated[
        bool, typer.Option("--copy-given", help="The person got a copy of it.")
    ] = False,
    seller: SellerName = None,
) -> None:
    """Keep a permission with its proof. It is never edited: a newer one is kept beside it."""
    from fairdial.core.campaign import Purpose
    from fairdial.core.lead import ConsentKind
    from fairdial.core.ledger import ConsentRecord
    from fairdial.flow.ledger import record_consent, seller_of

    known = known_number(number)
    strength = _member("--kind", kind, ConsentKind)
    purposes = tuple(_member("--purpose", name, Purpose) for name in purpose or ())
    expires_on = _day("--expires", expires) if expires else None
    words = _words(text, text_file)
    address = _address(ip)

    async def keep(store: PostgresStore, now: Instant) -> tuple[str, str]:
        given_at, given_on = _given(given, now)
        towards = await seller_of(store, seller)
        record = ConsentRecord(
            number=known,
            kind=strength,
            given_on=given_on,
            given_at=given_at,
            source=source,
            expires_on=expires_on,
            purposes=purposes,
            text_shown=words,
            place=place or "",
            ip=address,
            user_agent=user_agent or "",
            signature=signature or "",
            evidence=evidence or "",
            copy_given=copy_given,
        )
        return str(await record_consent(store, towards, record, now=now)), towards.name

    consent_id, name = with_store(keep)
    out.print(f"{known}: {strength.value} consent to {name} is kept as {consent_id}", **PLAIN)


@consent_cli.command("revoke")
def consent_revoke(
    number: Number,
    by: Annotated[
        str, typer.Option("--by", help="The channel: letter of 20 November, text message, agent.")
    ],
    at: Annotated[
        str | None,
        typer.Option("--at", help="When the person said so: 2026-11-20T15:04:05Z; by default now."),
    ] = None,
    seller: SellerName = None,
) -> None:
    """A person took every permission towards a seller back: in force at once.

    A phone that rings on the strength of one is taken back. `fairdial suppress` is for somebody who
    does not want to be called at all.
    """
    from fairdial.flow.ledger import revoke_consent, seller_of

    known = known_number(number)
    revoked_at = _moment("--at", at) if at else None

    async def revoke(store: PostgresStore, now: Instant) -> tuple[int, str]:
        towards = await seller_of(store, seller)
        ended = await revoke_consent(store, towards, known, by=by, revoked_at=revoked_at, now=now)
        return len(ended), towards.name

    ended, name = with_store(revoke)
    out.print(f"{known}: consent to {name} is revoked; {ended} on record ended with it", **PLAIN)


@consent_cli.command("show")
def consent_show(number: Number, seller: SellerName = None, as_json: AsJson = False) -> None:
    """Every permission of a number towards a seller, with its proof and its revocation."""
    from fairdial.core.permit import plain

    found = _look_up(number, seller)
    if as_json:
        print_json({k: plain(getattr(found, k)) for k in ("consents", "revocations")})
        return
    _tell_consents(found)


# --- emergencies ----------------------------------------------------------------------------------


@emergency_cli.command("declare")
def emergency_declare(
    jurisdiction: Annotated[str, typer.Argument(help="Where: us/la.")],
    source: Annotated[str, typer.Option("--source", help="Who declared it: the proclamation.")],
    begins: Annotated[
        str | None, typer.Option("--from", help="Since when: 2026-11-20T00:00:00Z; default now.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Until when; by default until somebody ends it.")
    ] = None,
) -> None:
    """Enter a state of emergency: calls that its jurisdiction forbids in one stop at once."""
    from fairdial.app import load_rules
    from fairdial.core.facts import Emergency
    from fairdial.flow.ledger import declare_emergency

    settings = settings_in_force()
    rulebook = guarded(lambda: load_rules(settings))
    from_at = _moment("--from", begins) if begins else None
    until_at = _moment("--until", until) if until else None

    async def declare(store: PostgresStore, now: Instant) -> DeclaredEmergency:
        emergency = Emergency(
            jurisdiction=jurisdiction, from_at=from_at or now, until_at=until_at, source=source
        )
        return await declare_emergency(store, rulebook, emergency, now=now)

    _tell_emergencies([with_store(declare)])


@emergency_cli.command("end")
def emergency_end(
    jurisdiction: Annotated[str, typer.Argument(help="Where: us/la.")],
    source: Annotated[str, typer.Option("--source", help="Who ended it: the proclamation.")],
    at: Annotated[
        str | None, typer.Option("--at", help="Since when: 2026-11-30T00:00:00Z; by default now.")
    ] = None,
) -> None:
    """A state of emergency is over."""
    from fairdial.flow.ledger import end_emergency

    until_at = _moment("--at", at) if at else None

    async def end(store: PostgresStore, now: Instant) -> list[DeclaredEmergency]:
        return await end_emergency(
            store, jurisdiction, until_at=until_at or now, source=source, now=now
        )

    _tell_emergencies(with_store(end))


@emergency_cli.command("list")
def emergency_list(as_json: AsJson = False) -> None:
    """Every emergency that was ever entered, the newest first."""
    from fairdial.core.permit import plain
    from fairdial.flow.ledger import list_emergencies

    async def look(store: PostgresStore, _: Instant) -> list[DeclaredEmergency]:
        return await list_emergencies(store)

    found = with_store(look)
    if as_json:
        print_json(plain(found))
        return
    _tell_emergencies(found)


# --- facts ----------------------------------------------------------------------------------------


@facts_cli.command("import")
def facts_import(
    kind: Annotated[
        str,
        typer.Argument(help="consents, relationships, restrictions, line-types or reassigned."),
    ],
    # Whoever reads a file says better than Typer what is wrong with it, so: not readable=True.
    file: Annotated[Path, typer.Argument(readable=False, help="The facts, as CSV.")],
    source: Annotated[str, typer.Option("--source", help="Who says so: the system, the provider.")],
    as_of: Annotated[str, typer.Option("--as-of", help="The day the facts are of: 2026-11-20.")],
    seller: SellerName = None,
) -> None:
    """Keep what a file says about numbers: every row, or none."""
    from fairdial.core.ledger import FactsKind
    from fairdial.flow.ledger import Import, import_facts, seller_of

    chosen = _member("KIND", kind, FactsKind)
    day = _day("--as-of", as_of)

    async def take_in(store: PostgresStore, now: Instant) -> tuple[Import, int]:
        towards = await seller_of(store, seller) if chosen.is_of_seller else None
        with _reading(file, chosen, source, day) as records:
            took = await import_facts(
                store,
                chosen,
                records,
                seller=towards,
                source=source,
                as_of=day,
                sha256=records.sha256,
                now=now,
            )
            return took, records.repeated

    if seller is not None and not chosen.is_of_seller:
        fail(UnusableList(f"{chosen.value} hold for every seller: leave --seller out"))
    took, repeated = with_store(take_in)
    out.print(
        f"{took.records} {chosen.value} taken in from {file.name}; {took.changed} of them new or "
        f"newer, {repeated} rows only repeated another",
        **PLAIN,
    )


@facts_cli.command("show")
def facts_show(number: Number, seller: SellerName = None, as_json: AsJson = False) -> None:
    """Everything that is known about a number towards a seller, with age and source."""
    from fairdial.core.permit import plain

    found = _look_up(number, seller)
    if as_json:
        print_json(plain(found))
        return
    _tell_consents(found)
    _tell_facts(found)


# --- what they share ------------------------------------------------------------------------------


def _reading(file: Path, kind: FactsKind, source: str, as_of: date) -> Any:
    from fairdial.adapters.files.facts import read_facts

    def progress(rows: int) -> None:
        if rows % ROWS_BETWEEN_WORDS == 0 and err.is_terminal:
            err.print(f"{rows} rows read", end="\r", highlight=False)

    return read_facts(file, kind, source=source, as_of=as_of, on_row=progress)


def _look_up(number: str, seller: str | None) -> KnownNumber:
    from fairdial.flow.ledger import look_up, seller_of

    known = known_number(number)

    async def look(store: PostgresStore, _: Instant) -> KnownNumber:
        return await look_up(store, await seller_of(store, seller), known)

    found: KnownNumber = with_store(look)
    return found


def _member(what: str, text: str, kind: Any) -> Any:
    try:
        return kind(text)
    except ValueError:
        choice = ", ".join(member.value for member in kind)
        fail(UnusableList(f"{what} {text!r} is not known: write one of {choice}"))


def _day(what: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        fail(UnusableList(f"{what} {text!r} is no day; write for example 2026-11-20"))


def _moment(what: str, text: str) -> Instant:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(UnusableList(f"{what} {text!r} is no time; write for example 2026-11-20T15:04:05Z"))
    if moment.tzinfo is None:
        fail(UnusableList(f"{what} {text!r} has no zone; add Z for UTC, or an offset"))
    return moment.astimezone(UTC)


def _given(text: str | None, now: Instant) -> tuple[Instant | None, date]:
    if text is None:
        return now, now.date()
    if len(text) <= len("2026-11-20"):
        return None, _day("--at", text)
    moment = _moment("--at", text)
    return moment, moment.date()


def _address(text: str | None) -> str:
    from ipaddress import ip_address

    try:
        return str(ip_address(text)) if text else ""
    except ValueError:
        fail(UnusableList(f"--ip {text!r} is no IP address"))


def _words(text: str | None, file: Path | None) -> str:
    if text is not None and file is not None:
        fail(SettingsError("give the words with --text or with --text-file, not both"))
    if file is None:
        return text or ""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(UnusableList(f"{file} cannot be read as UTF-8 text: {error}"))


def _tell_consents(found: KnownNumber) -> None:
    out.print(f"{found.number} towards {found.seller}", **PLAIN)
    if not found.consents:
        out.print("  no consent on record", **PLAIN)
    for consent in found.consents:
        for line in _consent_lines(consent):
            out.print(f"  {line}", **PLAIN)
    for revocation in found.revocations:
        out.print(
            f"  revoked {revocation.revoked_at:%Y-%m-%d %H:%M:%S} UTC by {revocation.revoked_by}",
            **PLAIN,
        )


def _consent_lines(consent: LedgerConsent) -> list[str]:
    record = consent.record
    when = f"{record.given_at:%Y-%m-%d %H:%M:%S} UTC" if record.given_at else str(record.given_on)
    standing = (
        f"revoked {consent.revoked_at:%Y-%m-%d %H:%M:%S} UTC by {consent.revoked_by}"
        if consent.revoked_at
        else f"until {record.expires_on}"
        if record.expires_on
        else "not revoked"
    )
    proof = {
        "for": ", ".join(purpose.value for purpose in record.purposes),
        "text": record.text_shown,
        "place": record.place,
        "IP": record.ip,
        "browser": record.user_agent,
        "signature": record.signature,
        "evidence": record.evidence,
        "copy given": "yes" if record.copy_given else "",
        "id": str(consent.id),
    }
    lines = [f"{record.kind.value} consent of {when}, {record.source}: {standing}"]
    return lines + [f"    {name}: {words}" for name, words in proof.items() if words]


def _tell_facts(found: KnownNumber) -> None:
    for dealing, said in found.relationships:
        out.print(f"  {dealing.kind.value} {dealing.last_on}{_told(said)}", **PLAIN)
    for record, said in found.restrictions:
        ended = f" until {record.ended_on}" if record.ended_on else ""
        out.print(f"  restriction {record.restriction.value}{ended}{_told(said)}", **PLAIN)
    if found.line_type is not None:
        line, said = found.line_type
        out.print(f"  line type {line.line_type.value}{_told(said)}", **PLAIN)
    for answer, said in found.reassigned:
        out.print(
            f"  reassigned since {answer.since_on}: {answer.answer.value}, asked on "
            f"{answer.asked_on}{_told(said)}",
            **PLAIN,
        )
    for entry, said in found.suppressions:
        since = f" since {entry.registered_on}" if entry.registered_on else ""
        out.print(f"  suppressed: {entry.kind.value}{since}{_told(said)}", **PLAIN)


def _told(said: Any) -> str:
    as_of = f", as of {said.as_of}" if said.as_of else ""
    return f" ({said.source}{as_of}; recorded {said.recorded_at:%Y-%m-%d})"


def _tell_emergencies(found: list[DeclaredEmergency]) -> None:
    if not found:
        out.print("no emergency was ever entered", **PLAIN)
    for one in found:
        emergency = one.emergency
        until = (
            f"{emergency.until_at:%Y-%m-%d %H:%M} UTC" if emergency.until_at else "somebody ends it"
        )
        out.print(
            f"{emergency.jurisdiction} from {emergency.from_at:%Y-%m-%d %H:%M} UTC until {until} "
            f"({emergency.source}{'; ended by ' + one.ended_by if one.ended_by else ''})",
            **PLAIN,
        )

"""`fairdial registry`: copies of do-not-call registries, imported, kept fresh, looked into."""

from __future__ import annotations

import getpass
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairdial.cli.shell import EXIT_FAILED, carry_out, err, fail, guarded, out, settings_in_force
from fairdial.core.facts import SuppressionKind
from fairdial.core.registry import RegistryForm, RegistryOrder
from fairdial.exceptions import RegistryUnavailable, UnusableList

if TYPE_CHECKING:
    from fairdial.core.registry import RegistryCopy
    from fairdial.core.rulebook import Rulebook
    from fairdial.flow.registries import RegistryImport
    from fairdial.ports import RegistryProgress

registry_cli = typer.Typer(no_args_is_help=True, help="Copies of do-not-call registries.")


@registry_cli.command("import")
def registry_import(
    file: Annotated[Path, typer.Argument(readable=False, help="The file as it was handed out.")],
    form: Annotated[RegistryForm, typer.Option("--form", help="The form of the file.")],
    registry: Annotated[str, typer.Option("--registry", help="Your name for it: us-national.")],
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="The day of this copy: 2026-11-20.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Changes: the first day that they hold.")
    ] = None,
    area_codes: Annotated[
        str | None, typer.Option("--area-codes", help="The area codes of the file: 212,646.")
    ] = None,
    all_area_codes: Annotated[
        bool, typer.Option("--all-area-codes", help="Changes: of every area code in force.")
    ] = False,
    kind: Annotated[
        SuppressionKind | None, typer.Option("--kind", help="What is listed, for the form simple.")
    ] = None,
    country: Annotated[
        str | None, typer.Option("--country", help="Whose national registry it is: US.")
    ] = None,
    state: Annotated[
        str | None, typer.Option("--state", help="Whose state list it is: FL.")
    ] = None,
    organization: Annotated[
        str | None, typer.Option("--organization", help="Your organization's id there.")
    ] = None,
    subscription: Annotated[
        str | None, typer.Option("--subscription", help="The subscription account number (SAN).")
    ] = None,
    downloaded_by: Annotated[
        str | None, typer.Option("--downloaded-by", help="Who downloaded it; you, if not said.")
    ] = None,
    change_subscription: Annotated[
        bool, typer.Option("--change-subscription", help="The subscription is another one now.")
    ] = False,
    may_shrink: Annotated[
        bool, typer.Option("--may-shrink", help="Much fewer numbers than before are right.")
    ] = False,
) -> None:
    """Put a registry's file in force, whole or not at all. The former version stays meanwhile."""
    from fairdial.adapters.clocks import TimeOrderedIds
    from fairdial.app import countries_of, library_of, load_rules, open_store, record_time
    from fairdial.flow.registries import import_registry

    settings = settings_in_force()
    order = guarded(
        lambda: RegistryOrder(
            name=registry,
            form=form,
            kind=kind,
            country=country,
            state=state,
            as_of=_day("--as-of", as_of),
            since=_day("--since", since),
            area_codes=_area_codes(area_codes),
            holds_all_area_codes=all_area_codes,
            organization=organization,
            subscription=subscription,
            downloaded_by=downloaded_by or getpass.getuser(),
            may_change_subscription=change_subscription,
            may_shrink=may_shrink,
        )
    )
    countries = countries_of(guarded(lambda: load_rules(settings)))

    async def take_in(say: Callable[[RegistryProgress], None]) -> RegistryImport:
        async with open_store(settings, lambda _: None) as store:
            return await import_registry(
                store,
                library_of(settings),
                TimeOrderedIds(),
                file,
                order,
                countries=countries,
                now=await record_time(settings, store),
                is_sandbox=settings.sandbox,
                say=say,
            )

    with _progress() as say:
        done = carry_out(take_in(say))
    _tell(registry, done)


def _tell(name: str, done: RegistryImport) -> None:
    draft = done.draft
    if draft is None:
        text = f"{name}: this file is in force already, as version {done.version}"
    else:
        text = (
            f"{name}: version {done.version} of {draft.as_of} is in force: {draft.entries:,} "
            f"numbers, {draft.added:,} added and {draft.removed:,} removed, "
            f"{draft.size / 1e6:,.1f} MB"
        )
        if draft.repeated:
            text += f"; {draft.repeated:,} stood in the file more than once"
        if draft.known:
            text += f"; {draft.known:,} of the additions were listed already"
    out.print(text, highlight=False, soft_wrap=True)


@registry_cli.command("list")
def registry_list(
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every file in force against its seal.")
    ] = False,
) -> None:
    """Every registry: its version, how many numbers, how old, and which area codes are stale."""
    from rich.table import Table

    from fairdial.app import library_of, load_rules, open_store, record_time

    settings = settings_in_force()
    rulebook = guarded(lambda: load_rules(settings))

    async def look() -> tuple[list[RegistryCopy], datetime]:
        async with open_store(settings, lambda _: None) as store:
            async with store.transaction() as tx:
                copies = await tx.registry_copies()
            return copies, await record_time(settings, store)

    copies, now = carry_out(look())
    table = Table("registry", "what", "version", "as of", "numbers", "area codes", "stale")
    for copy in copies:
        setup = copy.setup
        days_max = _days_max(rulebook, copy, now.date())
        stale = [
            area or "all of it"
            for area, was in sorted(copy.areas.items())
            if days_max is not None and (now.date() - was.as_of).days > days_max
        ]
        whose = setup.state or setup.country or ""
        table.add_row(
            setup.name,
            f"{setup.kind.value} {whose}".strip(),
            copy.mark,
            _days(copy),
            f"{copy.entries:,}",
            f"{len(copy.areas):,}" if "" not in copy.areas else "–",
            f"{len(stale)}: {_some(stale)}" if stale else "none",
        )
    out.print(table)
    if verify:
        library = library_of(settings)
        for copy in copies:
            try:
                library.verify(copy.file, copy.sha256)
            except RegistryUnavailable as error:
                err.print(str(error), highlight=False, markup=False, soft_wrap=True)
                raise typer.Exit(EXIT_FAILED) from None
        out.print(f"{len(copies)} files are what was written", highlight=False)


def _days_max(rulebook: Rulebook, copy: RegistryCopy, day: date) -> int | None:
    """How old the rules let a copy of this registry be; None when no rule asks."""
    from fairdial.core.duties import ListAge

    asked = [
        value.duty.days_max
        for rule in rulebook.rules
        if (value := rule.value_on(day)) is not None
        and isinstance(value.duty, ListAge)
        and value.duty.list is copy.setup.kind
        and value.duty.country in (None, copy.setup.country)
        and value.duty.state in (None, copy.setup.state)
    ]
    return min(asked, default=None)


def _days(copy: RegistryCopy) -> str:
    """The day of a copy, or the oldest and the newest of its area codes."""
    oldest = min(area.as_of for area in copy.areas.values())
    newest = max(area.as_of for area in copy.areas.values())
    return f"{newest}" if oldest == newest else f"{oldest} to {newest}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (" …" if len(names) > 8 else "")


@registry_cli.command("look")
def registry_look(
    number: Annotated[str, typer.Argument(help="The number to look for.")],
) -> None:
    """What every registry says about one number, and how old our copy of it is."""
    from fairdial.app import library_of, load_rules, open_store
    from fairdial.core.number import NumberFault, parse_e164
    from fairdial.core.registry import area_of

    settings = settings_in_force()
    area_codes = guarded(lambda: load_rules(settings)).area_codes
    known = parse_e164(number, area_codes=area_codes)
    if isinstance(known, NumberFault):
        fail(UnusableList(f"{number!r} is no number to look for: {known.why}"))

    async def look() -> tuple[list[RegistryCopy], bool]:
        async with open_store(settings, lambda _: None) as store, store.transaction() as tx:
            return await tx.registry_copies(), await tx.is_stop_requested(known)

    copies, is_stopped = carry_out(look())
    library = library_of(settings)
    if is_stopped:
        out.print(f"{known}: asked not to be called", highlight=False)
    for copy in copies:
        coverage = copy.setup.coverage
        listing = guarded(
            lambda copy=copy, coverage=coverage: library.look(  # type: ignore[misc]
                copy.file, copy.sha256, coverage, known
            )
        )
        age = copy.areas.get(area_of(known, coverage) or "none")
        if listing.is_listed:
            since = f" since {listing.registered_on}" if listing.registered_on else ""
            says = f"listed{since}"
        elif age is None or not listing.is_covered:
            says = "never looked into"
        else:
            says = "not listed"
        day = f", copy of {age.as_of}" if age is not None and listing.is_covered else ""
        out.print(
            f"{known}: {copy.setup.name}: {says}{day} (version {copy.mark})",
            highlight=False,
            soft_wrap=True,
        )
    if not copies and not is_stopped:
        out.print(f"{known}: no registry was imported yet", highlight=False)


@registry_cli.command("retire")
def registry_retire(
    registry: Annotated[str, typer.Argument(help="The registry's name.")],
    because: Annotated[str, typer.Option("--because", help="Why, for the record.")],
) -> None:
    """Take a registry out of force: what it lists counts no more, and neither does its age."""
    from fairdial.app import open_store, record_time
    from fairdial.flow.registries import retire_registry

    settings = settings_in_force()

    async def retire() -> None:
        async with open_store(settings, lambda _: None) as store:
            now = await record_time(settings, store)
            await retire_registry(store, registry, by=getpass.getuser(), why=because, now=now)

    carry_out(retire())
    out.print(f"{registry} is no longer in force", highlight=False)


@registry_cli.command("screen")
def registry_screen(
    leads: Annotated[Path, typer.Argument(readable=False, help="The list (CSV).")],
    out_file: Annotated[
        Path, typer.Option("--out", help="Where to write what stands against its numbers.")
    ],
    column: Annotated[
        str | None, typer.Option("--column", help="The column with the numbers.")
    ] = None,
) -> None:
    """Hold a whole list against every registry and stop request; millions of rows in seconds."""
    from fairdial.adapters.registries.screen import Screened, Source, screen
    from fairdial.app import countries_of, library_of, load_rules, open_store
    from fairdial.core.ids import E164

    settings = settings_in_force()
    countries = countries_of(guarded(lambda: load_rules(settings)))

    async def look() -> tuple[list[RegistryCopy], list[E164]]:
        async with open_store(settings, lambda _: None) as store, store.transaction() as tx:
            return await tx.registry_copies(), await tx.stop_requested()

    copies, stops = carry_out(look())
    library = library_of(settings)

    def act(say: Callable[[RegistryProgress], None]) -> Screened:
        sources = [Source(copy=c, file=library.opened(c.file, c.sha256)) for c in copies]
        return screen(leads, out_file, sources, stops, countries=countries, column=column, say=say)

    with _progress() as say:
        done = guarded(lambda: act(say))
    for reason, count in done.by_reason.most_common():
        out.print(f"{count:>12,}  {reason}", highlight=False, markup=False)
    out.print(
        f"{done.listed:,} of {done.rows:,} rows are in {out_file}; nothing known stands against "
        f"the other {done.rows - done.listed:,}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _day(option: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UnusableList(f"{option} {text!r}: write a day as 2026-11-20.") from None


def _area_codes(text: str | None) -> frozenset[str]:
    codes = frozenset(code.strip() for code in (text or "").split(",") if code.strip())
    for code in codes:
        if re.fullmatch("[2-9][0-9]{2}", code) is None:
            raise UnusableList(f"--area-codes: {code!r} is no area code; write 212,646.")
    return codes


@contextmanager
def _progress() -> Iterator[Callable[[RegistryProgress], None]]:
    """A bar with rate and time left, where somebody watches."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err) as bar:
        tasks: dict[str, TaskID] = {}
        begun = time.monotonic()

        def say(progress: RegistryProgress) -> None:
            if progress.what not in tasks:
                tasks[progress.what] = bar.add_task(progress.what, total=progress.total, rate="")
            rate = ""
            if progress.rows is not None:
                per_s = progress.rows / max(0.001, time.monotonic() - begun)
                rate = f"{progress.rows:,} rows, {per_s:,.0f} a second"
            bar.update(tasks[progress.what], completed=progress.done, rate=rate)

        yield say

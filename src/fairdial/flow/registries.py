"""A registry's file becomes the version in force, or changes nothing.

The version is built beside the one in force, which answers meanwhile. The pointer moves in one
transaction with its audit entry; whatever dies before that leaves the former version in force, and
what it left on the disk is cleared by the next import. Which file may follow which is decided in
`core.registry`; the file is made by the library.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from fairdial.core.ids import Instant
from fairdial.core.registry import RegistryCopy, RegistryOrder, RegistrySetup, file_of, setup_of
from fairdial.exceptions import RegistryUnavailable, UnusableList
from fairdial.ports import (
    Ids,
    RegistryDraft,
    RegistryEntry,
    RegistryLibrary,
    RegistryProgress,
    Store,
    Transaction,
)

VERSIONS_KEPT = 2
"""The version in force and the one before it, which a process may still be looking into."""

Say = Callable[[RegistryProgress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryImport:
    """What came of an import."""

    version: int
    as_of: date
    entries: int
    areas: int
    draft: RegistryDraft | None
    """None when this very file is in force already."""


async def import_registry(
    store: Store,
    library: RegistryLibrary,
    ids: Ids,
    path: Path,
    order: RegistryOrder,
    *,
    countries: Mapping[str, str | None],
    now: Instant,
    is_sandbox: bool,
    say: Say = lambda _: None,
) -> RegistryImport:
    """Put a registry's file in force. Raises `UnusableList`, and then nothing has changed."""
    with library.hold(order.name):
        size, sha256 = await asyncio.to_thread(library.checksum, path)
        async with store.transaction() as tx:
            setup = setup_of(order, await tx.registry_setup(order.name))
            copy = await tx.registry_copy(order.name)
        if copy is not None and _is_in_force(
            library, path, order, setup, copy, sha256, now, is_sandbox
        ):
            return RegistryImport(
                version=copy.version,
                as_of=copy.as_of,
                entries=copy.entries,
                areas=len(copy.areas),
                draft=None,
            )
        entry = RegistryEntry(
            setup=setup,
            order=order,
            source_name=path.name,
            source_size=size,
            source_sha256=sha256,
            now=now,
        )
        async with store.transaction() as tx:
            await _clear(tx, library, order.name, now)
            version = await tx.begin_registry_version(entry)
            file = file_of(order.name, version, ids.new().hex[-12:])
            await tx.name_registry_file(order.name, version, file)

        def build(say: Say) -> RegistryDraft:
            return library.build(
                path,
                order,
                setup,
                copy,
                file=file,
                countries=countries,
                today=now.date(),
                is_sandbox=is_sandbox,
                say=say,
            )

        try:
            draft = await _in_a_thread(build, say)
        except Exception:
            library.discard(file)
            async with store.transaction() as tx:
                await tx.discard_registry_file(file, now)
            raise
        async with store.transaction() as tx:
            was = None if copy is None else copy.version
            await tx.publish_registry_version(entry, version, draft, was=was)
            tx.audit(
                "registry.imported",
                order.name,
                _record(entry, version, draft),
                actor=order.downloaded_by or "operator",
                at=now,
            )
        async with store.transaction() as tx:
            await _clear(tx, library, order.name, now)
    return RegistryImport(
        version=version,
        as_of=draft.as_of,
        entries=draft.entries,
        areas=len(draft.areas),
        draft=draft,
    )


async def retire_registry(store: Store, name: str, *, by: str, why: str, now: Instant) -> None:
    """Take a registry out of force, with a reason on record: one that was misnamed, or given up.

    What it listed counts no more, and neither does its age. Raises `UnusableList`.
    """
    async with store.transaction() as tx:
        if not await tx.retire_registry(name):
            raise UnusableList(
                f"no registry {name!r} is in force; `fairdial registry list` names those that are."
            )
        tx.audit("registry.retired", name, {"why": why}, actor=by, at=now)


def _is_in_force(
    library: RegistryLibrary,
    path: Path,
    order: RegistryOrder,
    setup: RegistrySetup,
    copy: RegistryCopy,
    sha256: str,
    now: Instant,
    is_sandbox: bool,
) -> bool:
    """Whether the version in force was made of this very file, so that nothing is to be done."""
    if copy.source_sha256 != sha256 or copy.setup != setup:
        return False
    if not order.area_codes <= copy.areas.keys():
        return False
    if order.is_changes:
        return order.as_of in (None, copy.as_of)
    day = library.day_of(path, order, today=now.date(), is_sandbox=is_sandbox)
    return day == copy.as_of


async def _clear(tx: Transaction, library: RegistryLibrary, name: str, now: Instant) -> None:
    """Remove what crashed imports left, and versions that no process needs any more."""
    for file in await tx.spent_registry_files(name, keep=VERSIONS_KEPT):
        library.discard(file)
        await tx.discard_registry_file(file, now)


async def _in_a_thread(build: Callable[[Say], RegistryDraft], say: Say) -> RegistryDraft:
    """Build without holding anybody up. Whoever interrupts it ends it at its next step."""
    stopping = threading.Event()

    def tell(progress: RegistryProgress) -> None:
        if stopping.is_set():
            raise RegistryUnavailable("the import was stopped; the former version is in force")
        say(progress)

    try:
        return await asyncio.to_thread(build, tell)
    except asyncio.CancelledError:
        stopping.set()
        raise


def _record(entry: RegistryEntry, version: int, draft: RegistryDraft) -> dict[str, object]:
    """What the audit chain keeps of an import."""
    return {
        "version": version,
        "sha256": draft.sha256,
        "as_of": draft.as_of,
        "entries": draft.entries,
        "added": draft.added,
        "removed": draft.removed,
        "form": entry.order.form,
        "source": entry.source_name,
        "source_size": entry.source_size,
        "source_sha256": entry.source_sha256,
        "organization": entry.setup.organization,
        "subscription": entry.setup.subscription,
        "downloaded_by": entry.order.downloaded_by,
        "areas": {area: copy.as_of for area, copy in sorted(draft.areas.items())},
    }

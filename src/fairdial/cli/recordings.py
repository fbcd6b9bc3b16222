"""`fairdial recordings`: which calls were recorded, and where the files are."""

from __future__ import annotations

from typing import Annotated

import typer

from fairdial.cli.shell import (
    PLAIN,
    AsJson,
    known_number,
    out,
    print_json,
    settings_in_force,
    with_store,
)

recordings_cli = typer.Typer(no_args_is_help=True, help="Recordings of calls.")


@recordings_cli.command("list")
def recordings_list(
    number: Annotated[
        str | None, typer.Argument(help="Only calls with this number, in any usual spelling.")
    ] = None,
    most: Annotated[
        int, typer.Option("--most", min=1, max=10_000, help="How many, the newest first.")
    ] = 50,
    as_json: AsJson = False,
) -> None:
    """The recordings of calls, the newest first, with their files."""
    from fairdial.adapters.files.recordings import RecordingFolder
    from fairdial.app import RECORDINGS
    from fairdial.core.ids import Instant
    from fairdial.core.permit import plain
    from fairdial.ports import ListedRecording, Store

    known = None if number is None else known_number(number)
    shelf = RecordingFolder(settings_in_force().data_dir / RECORDINGS)

    async def look(store: Store, _: Instant) -> list[ListedRecording]:
        async with store.transaction(durable=False) as tx:
            return await tx.switchboard.listed_recordings(known, most=most)

    found = with_store(look)
    if as_json:
        print_json([plain(one) for one in found])
        return
    if not found:
        out.print("no recording", **PLAIN)
    for one in found:
        recording = one.recording
        what = (
            f"deleted {recording.deleted_at:%Y-%m-%d}"
            if recording.deleted_at is not None
            else "it runs"
            if recording.seconds is None
            else f"{recording.seconds:.1f} s  {shelf.path(recording.file)}"
        )
        fault = f"  ({recording.fault})" if recording.fault else ""
        out.print(
            f"{recording.started_at:%Y-%m-%d %H:%M:%S} UTC  "
            f"{'from' if one.is_inbound else 'to'} {one.number or 'withheld'}  "
            f"{one.agent_name}  {what}{fault}",
            **PLAIN,
        )

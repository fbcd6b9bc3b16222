"""What every command shares: the two consoles, exit statuses, and how an error reaches a person."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO, TypeVar

import typer
from rich.console import Console

from fairdial.exceptions import FairdialError, SettingsError, UnusableList

if TYPE_CHECKING:
    from fairdial.adapters.postgres.store import PostgresStore
    from fairdial.core.ids import E164, Instant
    from fairdial.settings import Settings

T = TypeVar("T")

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]
PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}
"""How lines are printed that people and programs read as they stand."""

EXIT_FAILED = 1
EXIT_UNUSABLE = 2
"""A file, setting or argument that cannot be used."""
EXIT_OUR_FAULT = 70
EXIT_INTERRUPTED = 130
"""Ctrl-C outside of dialing. While dialing it is the ordinary end of a run."""


class Words(Console):
    """A console whose reader may go away, as `head` does when it has seen enough."""

    def on_broken_pipe(self) -> None:
        """End work that is under way in good order; Rich would drop it where it stands."""
        if not _is_work_under_way():
            super().on_broken_pipe()
        self.quiet = True
        _silence(sys.stdout)
        signal.raise_signal(signal.SIGINT)


def _is_work_under_way() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


out = Words()
err = Console(stderr=True)


def settings_in_force() -> Settings:
    """Read the settings and open the log; a setting that cannot be used ends the command."""
    from fairdial.logs import log_to
    from fairdial.settings import read_settings

    def read() -> Settings:
        settings = read_settings()
        log_to(settings.data_dir, settings.log_level)
        return settings

    return guarded(read)


def carry_out(work: Coroutine[Any, Any, T]) -> T:
    """Run asynchronous work to its end; an expected error becomes a message and an exit status."""
    _obey()
    try:
        return guarded(lambda: asyncio.run(work))
    except KeyboardInterrupt:
        err.print("fairdial: stopped on request; no call was up", highlight=False)
        raise typer.Exit(EXIT_INTERRUPTED) from None


def _obey() -> None:
    """Whoever stops us in another way than by Ctrl-C gets the same good order."""
    # A shell lets the background jobs of a script ignore Ctrl-C, and with it all that follows.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # As `nohup` wants it.
        signal.signal(signal.SIGHUP, _terminal_closed)


def _terminal_closed(*_: object) -> None:
    """Nobody reads us any more: end in good order, and silently."""
    _silence(sys.stdout, sys.stderr)
    signal.raise_signal(signal.SIGINT)


def _silence(*streams: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def guarded(act: Callable[[], T]) -> T:
    """Do something; an error that people can mend becomes a message and an exit status."""
    try:
        return act()
    except FairdialError as error:
        fail(error)
    except BaseExceptionGroup as group:
        ours, others = group.split(FairdialError)
        if ours is None or others is not None:
            raise
        fail(ours.exceptions[0])


def fail(error: BaseException) -> NoReturn:
    """Say what is wrong, on the error stream and in the log, and end the command."""
    if logging.getLogger().handlers:  # Not before there is a log file: it would be said twice.
        logging.getLogger("fairdial").error("%s", error)
    err.print("[red]fairdial:[/red] ", end="")
    err.print(str(error), highlight=False, markup=False, soft_wrap=True)
    unusable = isinstance(error, (SettingsError, UnusableList))
    raise typer.Exit(EXIT_UNUSABLE if unusable else EXIT_FAILED)


def print_json(figures: Any) -> None:
    """Write figures for programs, on standard output alone."""
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


def with_store(work: Callable[[PostgresStore, Instant], Awaitable[T]]) -> T:
    """Open the database, do the work at the time of its record, close it."""
    from fairdial.app import open_store, record_time

    settings = settings_in_force()

    async def opened() -> T:
        async with open_store(settings, lambda _: None) as store:
            return await work(store, await record_time(settings, store))

    return carry_out(opened())


def known_number(text: str) -> E164:
    """A number as a person wrote it; ends the command with what is wrong with it."""
    from fairdial.app import load_rules
    from fairdial.core.number import NumberFault, parse_e164

    settings = settings_in_force()
    known = parse_e164(text, area_codes=guarded(lambda: load_rules(settings)).area_codes)
    if isinstance(known, NumberFault):
        fail(UnusableList(f"{text!r} is no number: {known.why}"))
    return known

"""The wire log: which INVITEs left this machine, kept where a killed engine cannot lose it.

One append-only file of JSON lines for each run of the engine, `wire-000001.jsonl` and so on. A line
is handed to the kernel before its INVITE is, so it survives the death of the process (`kill -9`);
it may not survive a crash of the machine, which is why the first line names the boot. From this
follow the two answers that matter after a crash: was this attempt dialed, and what still rings.

Unknown counts as dialed: a permit is rather counted as used than risked twice.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NAME = re.compile(r"wire-(\d{6,})\.jsonl")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LINE_BYTES_MAX = 65536
_RECENT_S = 3600.0
"""A permit lives for seconds, so only attempts of the last hour could come a second time."""
_LEFTOVER_RUNS_MAX = 10
"""How many earlier runs are searched for calls that were left behind."""
_RUN, _INVITE, _ANSWERED, _ENDED, _CLOSED = (
    f'{{"what":"{what}"'.encode() for what in ("run", "invite", "answered", "ended", "closed")
)
ORPHAN_S_MAX = 180.0
"""After this long no phone rings any more, seconds."""


def boot_id() -> str:
    """What tells this boot of the machine from any other."""
    return _BOOT_ID.read_text(encoding="ascii").strip()


def runs(folder: Path) -> list[tuple[int, Path]]:
    """The wire logs of a data folder, oldest first, with their numbers."""
    found = []
    for path in folder.glob("wire-*.jsonl"):
        name = _NAME.fullmatch(path.name)
        if name is not None:
            found.append((int(name[1]), path))
    return sorted(found)


class WireLog:
    """The log of one run, for writing. A failing write raises `OSError`: then nothing is sent."""

    def __init__(self, folder: Path) -> None:
        """Begin the next run's file in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.run = max((number for number, _ in runs(folder)), default=0) + 1
        self.path = folder / f"wire-{self.run:06d}.jsonl"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.open(self.path, flags, 0o600)
        self._write(what="run", boot=boot_id(), pid=os.getpid())

    def invite(self, leg: str, *, to: str, cancel: str, peer: tuple[str, int], call: bool) -> None:
        """An INVITE is about to leave. `cancel` is the CANCEL that would take it back."""
        kind = "invite" if call else "agent"
        self._write(what=kind, leg=leg, to=to, peer=list(peer), cancel=cancel)

    def answered(self, leg: str, *, bye: str, peer: tuple[str, int]) -> None:
        """The call was answered. `bye` is the BYE that would end it."""
        self._write(what="answered", leg=leg, peer=list(peer), bye=bye)

    def ended(self, leg: str, *, raw: str) -> None:
        """The call is over; nothing of it is left on the network."""
        self._write(what="ended", leg=leg, raw=raw)

    def close(self) -> None:
        """End the run in order: from now on the file is complete, whatever boot reads it."""
        self._write(what="closed")
        os.fsync(self._file)
        os.close(self._file)
        self._file = -1

    def _write(self, *, what: str, **values: Any) -> None:
        record = {"what": what, **values, "at": round(time.time(), 3)}
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        try:
            is_whole = len(line) <= _LINE_BYTES_MAX and os.write(self._file, line) == len(line)
        except OSError as failure:
            raise OSError(f"{self.path}: {failure.strerror}") from failure
        if not is_whole:
            raise OSError(f"{self.path}: a record of {len(line)} bytes could not be written whole")


def _lines(path: Path) -> Iterator[bytes | None]:
    """The lines of a run, one at a time; None for one that the engine did not write like this."""
    with path.open("rb") as file:
        while line := file.readline(_LINE_BYTES_MAX + 1):
            # Quotes within values are escaped, so a second start is a line that swallowed another.
            is_whole = line.rfind(b'{"what":"') == 0 and line.endswith(b"}\n")
            yield line if is_whole else None


def was_dialed(folder: Path, attempts: Collection[str], *, first_run: int = 1) -> dict[str, bool]:
    """For each attempt id: did an INVITE leave, as far as the runs from `first_run` on can say?

    False only if every one of those files is there, whole, and of this boot (or was closed in
    order); otherwise a line may be missing, and the answer is True.
    """
    answer = dict.fromkeys(attempts, False)
    if not answer:
        return answer
    here = f'{{"what":"run","boot":"{boot_id()}"'.encode()
    wanted = {attempt.encode(): attempt for attempt in attempts}
    files = [(number, path) for number, path in runs(folder) if number >= first_run]
    is_certain = bool(files) and [n for n, _ in files] == list(range(first_run, files[-1][0] + 1))
    for _, path in reversed(files):
        first: bytes | None = None
        last: bytes | None = None
        try:
            for last in _lines(path):
                if last is None:
                    is_certain = False
                    continue
                first = first or last
                if last.startswith(_INVITE) and (leg := _leg(last)) in wanted:
                    answer[wanted.pop(leg)] = True
        except OSError:
            is_certain = False
        is_of_now = first is not None and first.startswith(here)
        if not is_of_now and not (last is not None and last.startswith(_CLOSED)):
            is_certain = False
        if not wanted:
            break
    if not is_certain:
        answer.update(dict.fromkeys(wanted.values(), True))
    return answer


def _leg(line: bytes) -> bytes:
    """The leg that a whole line is about; empty when it is about none."""
    _, mark, rest = line.partition(b'"leg":"')
    return rest.partition(b'"')[0] if mark else b""


def _at(line: bytes) -> float:
    """The Unix time of a whole line, which is its last value; 0 when it cannot be read."""
    try:
        return float(line[line.rindex(b'"at":') + 5 : -2])
    except ValueError:
        return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A leg that an engine left behind when it died, and the message that ends it."""

    leg: str
    was_answered: bool
    message: str
    """The CANCEL, or for an answered one the BYE, ready to be sent."""
    peer: tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a new engine has to know of the runs before it."""

    dialed: frozenset[str]
    """Attempts that were dialed lately: never to be dialed again."""
    orphans: tuple[Orphan, ...]


def past(folder: Path, now: float) -> Past:
    """Read what earlier runs left behind, at the Unix time `now`. Damaged lines are passed over.

    A run may hold a million lines, so only those of legs that are still open are parsed.
    """
    here = f'{{"what":"run","boot":"{boot_id()}"'.encode()
    dialed: set[str] = set()
    open_legs: dict[bytes, bytes] = {}
    files = runs(folder)
    for place, (_, path) in enumerate(files):
        is_recent = now - path.stat().st_mtime < _RECENT_S
        if not is_recent and place < len(files) - _LEFTOVER_RUNS_MAX:
            continue
        is_here = False
        for line in _lines(path):
            if line is None:
                continue
            if line.startswith(_RUN):
                is_here = line.startswith(here)
                continue
            leg = _leg(line)
            if line.startswith(_INVITE) and now - _at(line) < _RECENT_S:
                dialed.add(leg.decode(errors="replace"))
            if is_here and line.startswith(_ENDED):
                open_legs.pop(leg, None)
            elif is_here and leg:
                open_legs[leg] = line
    found = [_orphan(line) for line in open_legs.values() if _may_still_live(line, now)]
    return Past(dialed=frozenset(dialed), orphans=tuple(o for o in found if o is not None))


def _may_still_live(line: bytes, now: float) -> bool:
    """An answered leg lives until somebody ends it; one that rings stops by itself."""
    return line.startswith(_ANSWERED) or now - _at(line) < ORPHAN_S_MAX


def _orphan(line: bytes) -> Orphan | None:
    try:
        record = json.loads(line)
        host, port = record["peer"]
        return Orphan(
            leg=str(record["leg"]),
            was_answered=record["what"] == "answered",
            message=str(record["bye" if record["what"] == "answered" else "cancel"]),
            peer=(str(host), int(port)),
        )
    except (ValueError, KeyError, TypeError):
        return None

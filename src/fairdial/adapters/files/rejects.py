"""The rows that were rejected, written down beside their list to be mended and imported again.

The file holds the line, the reason, and then the original cells exactly as they were; a row that
had too few cells still has too few, so that nothing slips in unmended. It appears complete under
its name or not at all.
"""

from __future__ import annotations

import contextlib
import csv
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

from fairdial.core.intake import REJECT_NOTE_HEADER, RejectedRow, RejectKind, header_key
from fairdial.exceptions import UnusableList

_LIST_SUFFIXES = frozenset({".csv", ".tsv", ".txt", ".tab"})


def rejects_path(list_path: Path) -> Path:
    """Where the rejected rows of a list go: `leads.csv` → `leads.rejected.csv`."""
    stem = list_path.stem if list_path.suffix.lower() in _LIST_SUFFIXES else list_path.name
    return list_path.with_name(f"{stem}.rejected.csv")


class RejectFile:
    """A reject file being written, row by row, so that a long one costs no memory.

    Use it with `with`: left normally, the file appears under `path` (an older one is replaced);
    left by an exception, or without any row, nothing appears and an older one stays.
    Raises `UnusableList` when it cannot be written (full disk, no permission).
    """

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self.path = path
        self.rows = 0
        # A reject file imported again has its notes in front; new ones take their place.
        noted = tuple(header_key(cell) for cell in header[:2]) == REJECT_NOTE_HEADER
        self._skip = len(REJECT_NOTE_HEADER) if noted else 0
        self._header = tuple(header)[self._skip :]

    def __enter__(self) -> RejectFile:
        try:
            handle, name = tempfile.mkstemp(
                prefix=f".{self.path.name}.", suffix=".part", dir=self.path.parent
            )
        except OSError as error:
            raise self._unwritable(error) from error
        self._part = Path(name)
        # With a byte order mark, so that spreadsheets show names as they are.
        self._text = os.fdopen(handle, "w", encoding="utf-8-sig", newline="")
        self._csv = csv.writer(self._text, lineterminator="\n")
        try:
            self._csv.writerow((*REJECT_NOTE_HEADER, *self._header))
        except OSError as error:
            self._discard()
            raise self._unwritable(error) from error
        return self

    def add(self, rejected: RejectedRow) -> None:
        """Write one rejected row."""
        # Where quotes do not pair, the one cell is the whole line: nothing can be taken off it.
        skip = 0 if rejected.kind is RejectKind.QUOTING else self._skip
        try:
            self._csv.writerow((rejected.line, rejected.why, *rejected.original[skip:]))
        except OSError as error:
            raise self._unwritable(error) from error
        self.rows += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None or self.rows == 0:
            self._discard()
            return
        try:
            self._text.flush()
            os.fsync(self._text.fileno())
            self._text.close()
            self._part.replace(self.path)
            _sync_folder(self.path.parent)
        except OSError as failure:
            self._discard()
            raise self._unwritable(failure) from failure

    def _discard(self) -> None:
        # A full disk fails again when the rest of the buffer is flushed; the file goes anyway.
        with contextlib.suppress(OSError):
            self._text.close()
        self._part.unlink(missing_ok=True)

    def _unwritable(self, error: OSError) -> UnusableList:
        reason = error.strerror or str(error)
        return UnusableList(
            f"{self.path}: the rejected rows cannot be written ({reason}). Make room, or give this "
            "user the permission to write into the folder, and import the list again."
        )


def write_rejects(path: Path, header: Sequence[str], rejected: Iterable[RejectedRow]) -> int:
    """Write all rejected rows of a list to `path`; answers how many. Without any, no file."""
    with RejectFile(path, header) as file:
        for row in rejected:
            file.add(row)
    return file.rows


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

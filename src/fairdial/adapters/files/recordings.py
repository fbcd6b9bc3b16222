"""The folder of recordings: one folder a day, one file a recording, for nobody but us to read."""

from __future__ import annotations

import hashlib
import wave
from datetime import date
from pathlib import Path

from fairdial.adapters.recording import PART, repair
from fairdial.exceptions import FairdialError, SettingsError
from fairdial.ports import FinishedRecording


class RecordingFolder:
    """The `RecordingShelf` port on a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place(self, name: str, day: date) -> str:
        file = f"{day:%Y-%m-%d}/{name}.wav"
        try:
            for folder in (self._folder, self.path(file).parent):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise SettingsError(
                f"cannot make the folder {self.path(file).parent} for recordings: {error.strerror}"
            ) from error
        return file

    def path(self, file: str) -> Path:
        return self._folder / file

    def finish(self, file: str) -> FinishedRecording | None:
        path = self.path(file)
        part = path.with_name(path.name + PART)
        try:
            was_cut = part.exists() and not path.exists()
            if was_cut:
                repair(part)
            with wave.open(str(path), "rb") as audio:
                seconds = audio.getnframes() / audio.getframerate()
            with path.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256")
        except (OSError, EOFError, wave.Error, FairdialError):
            return None
        return FinishedRecording(seconds=seconds, sha256=digest.hexdigest(), was_cut=was_cut)

    def delete(self, file: str) -> None:
        path = self.path(file)
        for found in (path, path.with_name(path.name + PART)):
            found.unlink(missing_ok=True)

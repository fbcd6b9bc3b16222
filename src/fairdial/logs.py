"""Structured logs: one JSON object a line, each with the attempt it is about."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

from fairdial.exceptions import SettingsError
from fairdial.flow.floor import current_attempt


class JsonLines(logging.Formatter):
    """A log record as one line of JSON, in real time (the sandbox's clock is in the tables)."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        attempt = current_attempt.get()
        if attempt is not None:
            line["attempt"] = attempt
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_to(folder: Path, level: str) -> Path:
    """Send all logs to `fairdial.log` in the data folder; returns the file."""
    path = folder / "fairdial.log"
    # Root's database runs as another user, who must be able to pass through to reach its files.
    mode = 0o711 if os.geteuid() == 0 else 0o700
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=mode)
        handler = logging.FileHandler(path, encoding="utf-8")
        path.chmod(0o600)
    except OSError as error:
        raise SettingsError(
            f"FAIRDIAL_DATA_DIR: cannot write to {folder}: {error.strerror}; name another folder"
        ) from error
    handler.setFormatter(JsonLines())
    # A full disk must not fill the terminal with the log's own troubles.
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    return path

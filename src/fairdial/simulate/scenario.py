"""A scenario file: one floor, its list and its people, as TOML.

Every key is one of `World`; what is left out is as in a plausible consumer campaign. Strict, so
that nobody reads a result of another floor than the one they meant.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import Field, fields
from math import isfinite
from pathlib import Path
from typing import Any

from fairdial.exceptions import SettingsError
from fairdial.simulate.world import World

FILE_BYTES_MAX = 100_000
AGENTS_MAX = 1_000
MINUTES_MAX = 60.0 * 24.0 * 7.0

_SHARES = frozenset(
    {"person_rate", "machine_rate", "busy_rate", "failed_rate", "refusal_share"},
)
_MAY_BE_ZERO = frozenset(
    {"pause_every_s", "live_answers_before", "abandoned_before", "wrap_s", *_SHARES}
)
_MOST = {
    "agents": float(AGENTS_MAX),
    "minutes": MINUTES_MAX,
    "shift": 100.0,
    "lines": 100_000.0,
    "live_answers_before": 1e7,
    "abandoned_before": 1e7,
}
SECONDS_MAX = 86_400.0


def read_world(path: Path) -> World:
    """Read a scenario file. Raises `SettingsError` naming the file, the key and what is right."""
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
        if len(raw) > FILE_BYTES_MAX:
            raise SettingsError(f"{path} is larger than {FILE_BYTES_MAX:,} bytes: no scenario file")
        told = tomllib.loads(raw.decode())
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{path} is no TOML: {error}") from error
    known = {f.name: f for f in fields(World) if not f.name.startswith("past_")}
    for key in told:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}"
            raise SettingsError(f"{path}: {key[:60]} is not known{hint}")
    if "agents" not in told:
        raise SettingsError(f"{path}: agents is missing: how many work on this floor")
    values = {key: _figure(path, known[key], value) for key, value in told.items()}
    world = World(**values)
    if world.person_rate + world.machine_rate > 1:
        raise SettingsError(f"{path}: person_rate and machine_rate together are over 1")
    if world.busy_rate + world.failed_rate > 1:
        raise SettingsError(f"{path}: busy_rate and failed_rate together are over 1")
    if world.abandoned_before > world.live_answers_before:
        raise SettingsError(f"{path}: abandoned_before is more than live_answers_before")
    return world


def _figure(path: Path, field: Field[Any], value: object) -> Any:
    """A value in its bounds."""
    name, is_whole = field.name, field.type == "int"
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        raise SettingsError(f"{path}: {name} must be a number, not {value!r:.60}")
    if is_whole and not isinstance(value, int):
        raise SettingsError(f"{path}: {name} must be a whole number, not {value}")
    most = 1.0 if name in _SHARES else _MOST.get(name, SECONDS_MAX)
    if name == "seed":
        return value
    if value < 0 or (value == 0 and name not in _MAY_BE_ZERO) or value > most:
        least = "0" if name in _MAY_BE_ZERO else "over 0"
        raise SettingsError(f"{path}: {name} is {value:g}; it must be {least} to {most:g}")
    return value if is_whole else float(value)

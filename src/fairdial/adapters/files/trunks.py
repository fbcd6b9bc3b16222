"""The files that say which trunks there are, and which phones may register: `trunks.toml`,
`phones.toml`.

Strict, as every file of ours: a key that is not known, or a value that cannot work, ends the
reading with the entry, the key and what would be right. Every key is described in
`docs/reference/trunks.md`.
"""

from __future__ import annotations

import difflib
import stat
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from fairdial.adapters.files.secret import read_secret
from fairdial.core.phone import PhoneAccount, phone_fault
from fairdial.core.trunk import TrunkSettings, is_loopback, trunk_fault
from fairdial.exceptions import SettingsError

FILE_BYTES_MAX = 1_000_000
TRUNKS_MAX = 100
PHONES_MAX = 2_000

_Entry = TypeVar("_Entry", TrunkSettings, PhoneAccount)


def read_trunks(path: Path, *, is_sandbox: bool) -> tuple[TrunkSettings, ...]:
    """The trunks of a file, in its order. Raises `SettingsError`."""
    trunks = _read(path, "trunk", TrunkSettings, trunk_fault, most=TRUNKS_MAX)
    for trunk in trunks:
        if is_sandbox and not is_loopback(trunk.host):
            raise SettingsError(
                f"{path}: trunk {trunk.name}: host is {trunk.host}, which is not on this machine, "
                f"and the sandbox never leaves it; for real calls set FAIRDIAL_SANDBOX=false"
            )
    return trunks


def read_phones(path: Path) -> tuple[PhoneAccount, ...]:
    """The accounts of phones that may register with us. Raises `SettingsError`."""
    return _read(path, "phone", PhoneAccount, phone_fault, most=PHONES_MAX)


def _read(
    path: Path,
    kind: str,
    entry: type[_Entry],
    fault: Callable[[_Entry], str | None],
    *,
    most: int,
) -> tuple[_Entry, ...]:
    content = _content(path)
    for key in content:
        if key != kind:
            raise SettingsError(f"{path}: {key} is not known here: each entry is a [[{kind}]]")
    tables = content.get(kind, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise SettingsError(f"{path}: {kind} must be written as [[{kind}]], once for each")
    if not tables:
        raise SettingsError(f"{path} names no {kind}: write a [[{kind}]] with its name")
    if len(tables) > most:
        raise SettingsError(f"{path} has {len(tables)} {kind}s: {most} are the most")
    found: list[_Entry] = []
    for number, table in enumerate(tables, 1):
        where = f"{path}: {kind} {table.get('name', number)}"
        one = _entry(path, where, table, entry)
        if (why := fault(one)) is not None:
            raise SettingsError(f"{where}: {why}")
        if any(other.name == one.name for other in found):
            raise SettingsError(f"{where}: the name is given twice; choose another")
        found.append(one)
    if any("password" in table for table in tables):
        _check_mode(path)
    return tuple(found)


def _content(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) > FILE_BYTES_MAX:
        raise SettingsError(f"{path} has over {FILE_BYTES_MAX:,} bytes: it is no such file")
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None


def _entry(path: Path, where: str, table: Mapping[str, Any], entry: type[_Entry]) -> _Entry:
    hints: dict[str, Any] = get_type_hints(entry)
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key == "password_file":
            if "password" in table:
                raise SettingsError(f"{where}: password and password_file: give one of them")
            values["password"] = _password(path, where, value)
        elif key in hints:
            values[key] = _value(where, key, value, hints[key])
        else:
            near = difflib.get_close_matches(key, [*hints, "password_file"], n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(hints)}"
            raise SettingsError(f"{where}: {key} is not known{hint}")
    for field in fields(entry):
        is_needed = field.default is MISSING and field.default_factory is MISSING
        if is_needed and field.name not in values:
            raise SettingsError(f"{where}: {field.name} is missing")
    return entry(**values)


def _value(where: str, key: str, value: object, kind: Any) -> Any:
    """A value as its field wants it; a whole number is a number, and true is none."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        names = [member.value for member in kind]
        if value not in names:
            raise SettingsError(f"{where}: {key} is {value!r}: it must be one of {_list(names)}")
        return kind(value)
    if kind is bool:
        good, what = isinstance(value, bool), "true or false"
    elif kind is int:
        good, what = is_number and isinstance(value, int), "a whole number"
    elif kind is float:
        good, what = is_number, "a number"
    elif kind == tuple[str, ...]:
        good = isinstance(value, list) and all(isinstance(one, str) for one in value)
        what = "a list of texts in quotes"
    else:
        good, what = isinstance(value, str), "a text in quotes"
    if not good:
        raise SettingsError(f"{where}: {key} is {value!r}: it must be {what}")
    if isinstance(value, list):
        return tuple(value)
    return float(value) if kind is float and isinstance(value, int) else value


def _password(path: Path, where: str, name: object) -> str:
    if not isinstance(name, str) or not name:
        raise SettingsError(f"{where}: password_file is {name!r}: it must be a file's name")
    return read_secret(path.parent / name, f"{where}: password_file")


def _check_mode(path: Path) -> None:
    """A file with passwords is nobody else's to read."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o007:
        raise SettingsError(
            f"{path} holds passwords and every user of this machine may read it "
            f"(mode {mode:03o}): chmod 600 it, or name a password_file"
        )


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)

"""Reading back what `permit.plain` wrote: JSON values into facts and verdicts, by their types.

Strict: a key that is not a field, a word that is no member of its set and a value of another type
each raise `ValueError` with the path to it. A field that is missing takes its default, so that
records from before the field was there can still be read; without a default it raises too.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast
from uuid import UUID

T = TypeVar("T")


def read(kind: type[T], value: Any, *, path: str = "") -> T:
    """`value` as a `kind`. `read(type(x), plain(x)) == x` for everything that is recorded."""
    return cast(T, _read(kind, value, path or getattr(kind, "__name__", str(kind))))


def _read(kind: Any, value: Any, path: str) -> Any:
    kind = getattr(kind, "__supertype__", kind)  # A NewType is its supertype.
    origin = typing.get_origin(kind)
    if origin in (Union, types.UnionType):
        return _read_choice(typing.get_args(kind), value, path)
    if origin is tuple:
        return _read_tuple(typing.get_args(kind), value, path)
    if origin is not None and issubclass(origin, Mapping):
        keys, values = typing.get_args(kind)
        return {
            _read(keys, key, f"{path}.{key}"): _read(values, item, f"{path}.{key}")
            for key, item in _expect(dict, value, path).items()
        }
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _read_fields(cast(type, kind), _expect(dict, value, path), path)
    return _read_plain(kind, value, path)


def _read_choice(choices: tuple[Any, ...], value: Any, path: str) -> Any:
    """What is recorded is `X | None`; more choices would need a mark of which was written."""
    if value is None and type(None) in choices:
        return None
    left = [choice for choice in choices if choice is not type(None)]
    if len(left) != 1:
        raise ValueError(f"{path}: the record does not say which of {left} it is")
    return _read(left[0], value, path)


def _read_tuple(kinds: tuple[Any, ...], value: Any, path: str) -> Any:
    if len(kinds) != 2 or kinds[1] is not Ellipsis:
        raise ValueError(f"{path}: only lists of one type are recorded")
    items = _expect(list, value, path)
    return tuple(_read(kinds[0], item, f"{path}[{n}]") for n, item in enumerate(items))


def _read_fields(kind: type, value: Mapping[str, Any], path: str) -> Any:
    hints, defaulted = _fields(kind)
    unknown = value.keys() - hints.keys()
    if unknown:
        raise ValueError(f"{path}: {kind.__name__} has no {', '.join(sorted(unknown))}")
    missing = hints.keys() - value.keys() - defaulted
    if missing:
        raise ValueError(f"{path}: {', '.join(sorted(missing))} is missing")
    given = {name: _read(hints[name], item, f"{path}.{name}") for name, item in value.items()}
    return kind(**given)


@cache
def _fields(kind: type) -> tuple[dict[str, Any], frozenset[str]]:
    """The types of a dataclass's fields, and which of them have a default."""
    hints = typing.get_type_hints(kind)
    fields = [field for field in dataclasses.fields(kind) if field.init]
    defaulted = frozenset(
        f.name
        for f in fields
        if f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING
    )
    return {f.name: hints[f.name] for f in fields}, defaulted


def _read_plain(kind: Any, value: Any, path: str) -> Any:
    if kind in (datetime, date, UUID) or issubclass(kind, Enum):
        return _read_text(kind, _expect(str, value, path), path)
    if kind is timedelta:
        return timedelta(seconds=_expect((int, float), value, path))
    if kind is float and type(value) is int:
        return float(value)  # JSON writes 2.0 as it likes.
    if type(value) is not kind:
        raise ValueError(f"{path}: {value!r} is no {getattr(kind, '__name__', kind)}")
    return value


def _read_text(kind: Any, text: str, path: str) -> Any:
    try:
        read = kind.fromisoformat(text) if kind in (datetime, date) else kind(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if isinstance(read, datetime) and read.tzinfo is None:
        raise ValueError(f"{path}: {text} says no zone")
    return read


def _expect(kind: Any, value: Any, path: str) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        # One kind of error for whatever a record may hold, so that its reader needs to know one.
        raise ValueError(f"{path}: {value!r} is not of the recorded type")  # noqa: TRY004
    return value

"""The scenario file: a TOML script of the simulated network, so that a test knows what will happen.

Strict on purpose: a misspelt key would leave a test believing in a script that nobody follows.
Every error names the file and the key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from fairdial.adapters.carrier.account import EXPIRES_S_MAX, AccountSettings
from fairdial.adapters.carrier.impairment import Impairment
from fairdial.adapters.carrier.population import (
    DEFAULT_MIX,
    REFUSALS,
    Behaviour,
    Decision,
    Known,
    Oddity,
    Override,
    Population,
    RingHabits,
    TalkHabits,
    is_fictional,
)
from fairdial.exceptions import SettingsError
from fairdial.media.digits import DIGITS

SECONDS_MAX = 36_000.0
NUMBER_KEYS = tuple(f.name for f in fields(Override))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What a scenario file says; what it leaves out is as if there were no file."""

    seed: int = 1
    mix: Mapping[Behaviour, float] = field(default_factory=lambda: DEFAULT_MIX)
    ring: RingHabits = field(default_factory=RingHabits)
    talk: TalkHabits = field(default_factory=TalkHabits)
    overrides: Mapping[str, Override] = field(default_factory=dict)
    network: Impairment = field(default_factory=Impairment)
    account: AccountSettings | None = None
    """Whose calls are taken; None takes anybody's."""

    def population(self, *, seed: int | None, people: Mapping[str, Known]) -> Population:
        """The population that this script describes; `seed` given on the command line wins."""
        return Population(
            seed=self.seed if seed is None else seed,
            mix=self.mix,
            people=people,
            overrides=self.overrides,
            ring=self.ring,
            talk=self.talk,
        )


def read_scenario(path: Path) -> Scenario:
    """Read a scenario file. Raises `SettingsError` naming the file and the key."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: the scenario cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: the scenario cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: this is not TOML: {error}") from error
    return _Reader(path).scenario(data)


Word = TypeVar("Word", bound=StrEnum)
Habits = TypeVar("Habits", RingHabits, TalkHabits)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one file; knows its name for the errors."""

    path: Path

    def scenario(self, data: Mapping[str, Any]) -> Scenario:
        self._only_known(data, ("seed", "mix", "ring", "talk", "network", "account", "number"), "")
        seed = data.get("seed", 1)
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise self._fault("seed", f"must be a whole number, not {seed!r}")
        return Scenario(
            seed=seed,
            mix=self._mix(data["mix"]) if "mix" in data else DEFAULT_MIX,
            ring=self._ring(self._habits(RingHabits, data.get("ring", {}), "ring")),
            talk=self._talk(self._habits(TalkHabits, data.get("talk", {}), "talk")),
            overrides=self._numbers(data.get("number", [])),
            network=self._impairment(data.get("network", {})),
            account=self._account(data["account"]) if "account" in data else None,
        )

    def _account(self, table: object) -> AccountSettings:
        entries = self._table(table, "account")
        self._only_known(entries, tuple(f.name for f in fields(AccountSettings)), "account.")
        for key in ("username", "password"):
            if not isinstance(entries.get(key), str) or not entries[key]:
                raise self._fault(f"account.{key}", "must be text in quotes")
        must_register = entries.get("must_register", False)
        if not isinstance(must_register, bool):
            raise self._fault("account.must_register", "must be true or false")
        expires = entries.get("expires_s_max", EXPIRES_S_MAX)
        if not isinstance(expires, int) or not 1 <= expires <= EXPIRES_S_MAX:
            raise self._fault("account.expires_s_max", f"must be 1 to {EXPIRES_S_MAX} seconds")
        return AccountSettings(
            username=entries["username"],
            password=entries["password"],
            must_register=must_register,
            expires_s_max=expires,
        )

    def _impairment(self, table: object) -> Impairment:
        entries = self._table(table, "network")
        self._only_known(entries, tuple(f.name for f in fields(Impairment)), "network.")
        most = {"loss": 1.0, "duplicate": 1.0, "loss_burst": 1000.0}
        bad = Impairment(
            **{
                name: self._figure(value, f"network.{name}", most=most.get(name, 10.0))
                for name, value in entries.items()
            }
        )
        if bad.loss_burst < 1:
            raise self._fault("network.loss_burst", "must be 1 or more packets")
        return bad

    def _mix(self, table: object) -> dict[Behaviour, float]:
        """The whole mix: behaviours that are not named do not happen."""
        entries = self._table(table, "mix")
        self._only_known(entries, tuple(b.value for b in Behaviour), "mix.")
        mix = {
            Behaviour(name): self._figure(share, f"mix.{name}", most=1.0)
            for name, share in entries.items()
        }
        total = sum(mix.values())
        if abs(total - 1) > 1e-6:
            raise self._fault("mix", f"the shares must sum to 1, they sum to {total:g}")
        return mix

    def _habits(self, kind: type[Habits], table: object, key: str) -> Habits:
        entries = self._table(table, key)
        self._only_known(entries, tuple(f.name for f in fields(kind)), f"{key}.")
        return kind(**{name: self._figure(v, f"{key}.{name}") for name, v in entries.items()})

    def _ring(self, ring: RingHabits) -> RingHabits:
        if ring.after_s_max < ring.after_s_min:
            raise self._fault("ring.after_s_max", "must not be under ring.after_s_min")
        if not 0 < ring.shape <= 100:
            raise self._fault("ring.shape", "must be over 0 and at most 100")
        if ring.mean_s <= 0:
            raise self._fault("ring.mean_s", "must be over 0")
        return ring

    def _talk(self, talk: TalkHabits) -> TalkHabits:
        if talk.mean_s <= 0:
            raise self._fault("talk.mean_s", "must be over 0")
        if talk.cv > 10:
            raise self._fault("talk.cv", "must be at most 10")
        if talk.patience_s_mean <= 0:
            raise self._fault("talk.patience_s_mean", "must be over 0")
        if talk.yes + talk.stop > 1:
            raise self._fault("talk.yes", "and talk.stop are shares and must not sum to over 1")
        return talk

    def _numbers(self, tables: object) -> dict[str, Override]:
        if not isinstance(tables, list):
            raise self._fault("number", "must be written as [[number]] tables")
        overrides: dict[str, Override] = {}
        for position, table in enumerate(tables, start=1):
            number, override = self._number(self._table(table, "number"), position)
            if number in overrides:
                raise self._fault(f"number[{position}].number", f"{number} is scripted twice")
            overrides[number] = override
        return overrides

    def _number(self, entry: Mapping[str, Any], position: int) -> tuple[str, Override]:
        here = f"number[{position}]."
        self._only_known(entry, ("number", *NUMBER_KEYS), here)
        number = entry.get("number")
        if not isinstance(number, str) or not is_fictional(number):
            raise self._fault(
                f"{here}number", f"must be a fictional number, such as +12125550142, not {number!r}"
            )
        does = self._word(Behaviour, entry.get("does"), f"{here}does")
        code = entry.get("code")
        if code is not None:
            if does not in REFUSALS:
                raise self._fault(
                    f"{here}code", f"only calls that are refused have one, not {does}"
                )
            if not isinstance(code, int) or isinstance(code, bool) or not 400 <= code <= 699:
                raise self._fault(f"{here}code", f"must be a status from 400 to 699, not {code!r}")
        says = entry.get("says")
        return number, Override(
            does=does,
            ring_s=self._optional(entry, "ring_s", here),
            talk_s=self._optional(entry, "talk_s", here),
            says=None if says is None else self._word(Decision, says, f"{here}says"),
            code=code,
            patience_s=self._optional(entry, "patience_s", here),
            greeting_s=self._optional(entry, "greeting_s", here),
            presses=self._key(entry["presses"], does, here) if "presses" in entry else None,
            odd=self._word(Oddity, entry["odd"], f"{here}odd") if "odd" in entry else None,
        )

    def _key(self, value: object, does: Behaviour, here: str) -> str:
        if does is not Behaviour.PERSON:
            raise self._fault(f"{here}presses", f"only a person has a finger for it, not {does}")
        if not isinstance(value, str) or len(value) != 1 or value not in DIGITS:
            raise self._fault(f"{here}presses", f"must be one key of {DIGITS}, not {value!r}")
        return value

    def _optional(self, entry: Mapping[str, Any], name: str, here: str) -> float | None:
        return self._figure(entry[name], f"{here}{name}") if name in entry else None

    def _figure(self, value: object, key: str, *, most: float = SECONDS_MAX) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            raise self._fault(key, f"must be a number from 0 to {most:g}, not {value!r}")
        return float(value)

    def _word(self, kind: type[Word], value: object, key: str) -> Word:
        words = [w.value for w in kind]
        if value not in words:
            raise self._fault(key, f"must be one of {', '.join(words)}, not {value!r}")
        return kind(value)

    def _table(self, value: object, key: str) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self._fault(key, "must be a table")
        return value

    def _only_known(self, entries: Mapping[str, Any], known: tuple[str, ...], here: str) -> None:
        for name in entries:
            if name not in known:
                raise self._fault(f"{here}{name}", f"is not known here; known: {', '.join(known)}")

    def _fault(self, key: str, what: str) -> SettingsError:
        return SettingsError(f"{self.path}: {key} {what}")

"""Rule files: strict reading of law as data, with the file and the rule in every complaint.

What it does not understand it does not trust: an unknown key or kind, a missing citation or review
date, overlapping values, a zone that does not exist. Next stop: `rulebook.Rulebook`.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

from fairdial.core.campaign import Method, Purpose
from fairdial.core.duties import (
    AbandonCeiling,
    AttemptCap,
    Ban,
    CallerIdDuty,
    CallingWindow,
    ClosedDay,
    ConsentDuty,
    Disclosure,
    Duty,
    EmergencyBan,
    ListAge,
    NumberValidity,
    OneLineDuty,
    ReassignedDuty,
    RestPeriod,
    RestrictionDuty,
    Retention,
    RevocationDuty,
    RingTime,
    SuppressionDuty,
    Told,
)
from fairdial.core.jurisdiction import AreaCodeTable
from fairdial.core.lead import LineType, Party
from fairdial.core.places import PACKAGED, PLACE_FILES, STATES, read_places
from fairdial.core.rulebook import GUARD_CITATIONS, Rulebook
from fairdial.core.rules import Applies, Confidence, DatedValue, Rule, RuleKind
from fairdial.core.toml_table import Table
from fairdial.exceptions import RulebookError

FORMAT = "rulebook.toml"
BESIDE_THE_RULES = ("coverage.toml", "situations.toml")
"""Files that speak about rules and judge nothing; they are no part of the hash."""


def parse(files: Mapping[str, bytes], tzdata: str) -> Rulebook:
    """Make a rulebook of rule files (path inside the rules folder → content).

    Raises `RulebookError`, naming the file and the rule, for anything that it does not understand:
    an unknown key or kind, a missing citation or review date, overlapping values, a zone that does
    not exist, low confidence without the stricter reading, old time-zone data.
    """
    tables = {
        path: _toml(path, content)
        for path, content in sorted(files.items())
        if path.rsplit("/", 1)[-1] not in BESIDE_THE_RULES
    }
    for needed in (FORMAT, *PACKAGED):
        if needed not in tables:
            raise RulebookError(f"{needed} is missing; without it no rulebook can be loaded")
    _check_tzdata(Table(FORMAT, tables[FORMAT]), tzdata)
    places = read_places(tables)
    rules: dict[str, Rule] = {}
    homes: dict[str, str] = {}
    shared: dict[Duty | Told, Duty | Told] = {}
    for path, table in tables.items():
        if path == FORMAT or path in PLACE_FILES:
            continue
        rule = read_rule(path, table, places.area_codes, shared)
        if rule.id in rules:
            raise RulebookError(f"{path}: rule {rule.id} is already in {homes[rule.id]}")
        rules[rule.id], homes[rule.id] = rule, path
    if not rules:
        raise RulebookError("there is not a single rule file")
    return Rulebook(
        hash=_hash(tables),
        tzdata=tzdata,
        rules=tuple(rules[name] for name in sorted(rules)),
        places=places,
    )


def _toml(path: str, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RulebookError(f"{path}: this is not TOML in UTF-8: {error}") from error


def _hash(tables: Mapping[str, Mapping[str, Any]]) -> str:
    text = json.dumps(tables, sort_keys=True, separators=(",", ":"), default=_written)
    return hashlib.sha256(text.encode()).hexdigest()


def _written(value: object) -> str:
    """TOML's own types that JSON lacks, as text."""
    if isinstance(value, date):
        return value.isoformat()
    raise RulebookError(f"a rule file holds {value!r}; times of day are written as text, '08:00'")


def _check_tzdata(table: Table, tzdata: str) -> None:
    least = table.text("tzdata_least")
    table.done()
    if _tz_order(table, tzdata) < _tz_order(table, least):
        raise RulebookError(
            f"{FORMAT}: the time-zone data is {tzdata}, the rules need {least} or newer; "
            "upgrade the tzdata package"
        )


def _tz_order(table: Table, version: str) -> tuple[int, int, str]:
    match = re.fullmatch(r"([0-9]{4})([a-z]{1,2})", version)
    if match is None:
        raise table.fault(f"{version!r} is not a time-zone data version such as 2026f")
    return int(match[1]), len(match[2]), match[2]


def read_rule(
    path: str,
    content: Mapping[str, Any],
    area_codes: AreaCodeTable,
    shared: dict[Duty | Told, Duty | Told],
) -> Rule:
    """Read one rule's file. Raises `RulebookError` for anything that it does not understand.

    `shared` keeps equal duties one object, so that a case judges them once.
    """
    rule_id = content.get("id")
    table = Table(f"{path} ({rule_id})" if isinstance(rule_id, str) else path, content)
    name = table.text("id")
    if re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+", name) is None:
        raise table.fault("an id is made of small words joined by dots: us.fl.hours")
    if name in GUARD_CITATIONS:
        raise table.fault("this id belongs to a guard that is not data")
    kind = table.one_of("kind", RuleKind)
    confidence = table.one_of("confidence", Confidence)
    stricter = table.text_or_none("stricter_reading")
    if confidence is Confidence.LOW and stricter is None:
        raise table.fault("confidence is low, so stricter_reading must say which way it decides")
    jurisdiction = table.text("jurisdiction")
    _check_home(table, path, jurisdiction, area_codes)
    rule = Rule(
        id=name,
        title=table.text("title"),
        kind=kind,
        jurisdiction=jurisdiction,
        applies=_applies(table),
        citation=table.text("citation"),
        confidence=confidence,
        stricter_reading=stricter,
        reviewed_on=table.day("reviewed_on"),
        values=_values(table, kind, shared),
    )
    table.done()
    return rule


def _check_home(table: Table, path: str, jurisdiction: str, area_codes: AreaCodeTable) -> None:
    """The folder says the jurisdiction too, so that nobody files Texas under Florida."""
    folder = path.rpartition("/")[0]
    home = folder.removesuffix("/federal")
    if home != jurisdiction:
        raise table.fault(f"jurisdiction is {jurisdiction!r}, but the file lies in {folder!r}")
    country, _, state = jurisdiction.partition("/")
    if state and (
        state.upper() not in area_codes.states
        or area_codes.states[state.upper()].country.lower() != country
    ):
        raise table.fault(f"{jurisdiction!r} is no state of {STATES}")
    if not state and country not in ("world", "house") and not re.fullmatch("[a-z]{2}", country):
        raise table.fault(f"{jurisdiction!r} is neither a country, world nor house")


def _applies(table: Table) -> Applies:
    """Closed lists; an absent one means all. `unknown` is implied and therefore not written."""
    section = table.table("applies")
    applies = _scope(section)
    if section.has("also"):
        more = section.table("also")
        applies = replace(applies, also=_scope(more))
        more.done()
    section.done()
    return applies


def _scope(section: Table) -> Applies:
    purposes = section.some_of("purposes", Purpose)
    methods = section.some_of_or_all("methods", Method)
    parties = section.some_of_or_all("parties", Party, never=Party.UNKNOWN)
    lines = section.some_of_or_all("line_types", LineType, never=LineType.UNKNOWN)
    return Applies(purposes=purposes, methods=methods, parties=parties, line_types=lines)


def _values(
    table: Table, kind: RuleKind, shared: dict[Duty | Told, Duty | Told]
) -> tuple[DatedValue, ...]:
    values: list[DatedValue] = []
    for row in table.tables("value"):
        from_on, until_on = row.day("from"), row.day_or_none("until")
        if until_on is not None and until_on <= from_on:
            raise row.fault(f"it ends on {until_on}, before it begins")
        duty = None if row.truth("no_duty") else _DUTIES[kind](row)
        if duty is not None:
            duty = shared.setdefault(duty, duty)
        row.done()
        values.append(DatedValue(from_on=from_on, until_on=until_on, duty=duty))
    if not values:
        raise table.fault("it has no [[value]]")
    values.sort(key=lambda v: v.from_on)
    for earlier, later in pairwise(values):
        if earlier.until_on is None or earlier.until_on > later.from_on:
            raise table.fault(
                f"the value from {earlier.from_on} overlaps the one from {later.from_on}; "
                "give the earlier one an until"
            )
    return tuple(values)


_DUTIES: dict[RuleKind, Callable[[Table], Duty | Told]] = {
    RuleKind.NUMBER_VALIDITY: NumberValidity.read,
    RuleKind.CALLER_ID: CallerIdDuty.read,
    RuleKind.CALLING_WINDOW: CallingWindow.read,
    RuleKind.CLOSED_DAY: ClosedDay.read,
    RuleKind.SUPPRESSION: SuppressionDuty.read,
    RuleKind.LIST_AGE: ListAge.read,
    RuleKind.REASSIGNED: ReassignedDuty.read,
    RuleKind.ATTEMPT_CAP: AttemptCap.read,
    RuleKind.REST_PERIOD: RestPeriod.read,
    RuleKind.CONSENT: ConsentDuty.read,
    RuleKind.BAN: Ban.read,
    RuleKind.EMERGENCY_BAN: EmergencyBan.read,
    RuleKind.RESTRICTION: RestrictionDuty.read,
    RuleKind.REVOCATION: RevocationDuty.read,
    RuleKind.ONE_LINE: OneLineDuty.read,
    RuleKind.RING_TIME: RingTime.read,
    RuleKind.ABANDON_CEILING: AbandonCeiling.read,
    RuleKind.DISCLOSURE: Disclosure.read,
    RuleKind.RETENTION: Retention.read,
}

"""Registries: what an import of one must agree with before it may come into force.

A registry's copy is as old as its file, and in North America each area code has an age of its own,
because subscriptions are by area code: one that was never imported was never looked into. Here is
decided which file may follow which, and which copy a called number was held against. Refuses to
know files and tables. Next stop of an accepted file: a version in force.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from fairdial.core.facts import SuppressionKind
from fairdial.core.number import area_code
from fairdial.exceptions import UnusableList

SHRINK_MAX = 0.1
"""The share of an area code's numbers that may be gone in its next full file."""
SHRINK_LEAST = 1000
"""Losses of fewer numbers than this are never suspicious."""
DAYS_KEPT = 60
"""How long the day of a registration is kept: the longest that a rule counts is 28 days."""
WHOLE = ""
"""Stands in the place of an area code where a copy is of one age throughout."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


class RegistryForm(StrEnum):
    """The form in which a registry hands its numbers out."""

    US_FULL = "us-full"
    US_CHANGES = "us-changes"
    STATE = "state"
    CA_FULL = "ca-full"
    CA_CHANGES = "ca-changes"
    UK = "uk"
    AU = "au"
    """The register itself."""
    AU_WASHED = "au-washed"
    """A list of ours as the register gave it back: each number with its answer."""
    SIMPLE = "simple"
    """Ours: one number per line, perhaps with the day it was registered."""


class Coverage(StrEnum):
    """What a copy of a registry was asked about, so that *not listed* means something."""

    AREA_CODES = "area codes"
    """Only the area codes that were imported."""
    WHOLE = "whole"
    NUMBERS = "numbers"
    """Only the numbers that were washed."""


_BY_AREA_CODE = frozenset(
    {RegistryForm.US_FULL, RegistryForm.US_CHANGES, RegistryForm.CA_FULL, RegistryForm.CA_CHANGES}
)
_COUNTRY = {
    RegistryForm.US_FULL: "US",
    RegistryForm.US_CHANGES: "US",
    RegistryForm.CA_FULL: "CA",
    RegistryForm.CA_CHANGES: "CA",
    RegistryForm.UK: "GB",
    RegistryForm.AU: "AU",
    RegistryForm.AU_WASHED: "AU",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySetup:
    """What a registry is, since its first import."""

    name: str
    """Ours: `us-national`."""
    kind: SuppressionKind
    coverage: Coverage
    country: str | None
    """Whose national registry it is (ISO 3166-1); None stands for the called number's own."""
    state: str | None
    organization: str | None
    """The organization's id with the registry."""
    subscription: str | None
    """The subscription account number (SAN)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaCopy:
    """Our copy of one area code, or of the whole registry."""

    as_of: date
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryCopy:
    """The version of a registry that is in force."""

    setup: RegistrySetup
    version: int
    file: str
    sha256: str
    as_of: date
    """The newest day of any of it."""
    entries: int
    source_sha256: str
    """Of the file that it was imported from."""
    areas: Mapping[str, AreaCopy]
    """By area code; or one alone, named `WHOLE`."""

    @property
    def mark(self) -> str:
        """How facts name this version: its number, and the beginning of its seal."""
        return version_mark(self.version, self.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryOrder:
    """What somebody asks to be imported, and what they say about it."""

    name: str
    form: RegistryForm
    kind: SuppressionKind | None = None
    """None: what the form says; national for our own form."""
    country: str | None = None
    state: str | None = None
    as_of: date | None = None
    since: date | None = None
    """For changes: the first day that they hold. None: the earliest day in the file."""
    area_codes: frozenset[str] = frozenset()
    """The area codes that the file holds, when it must hold no others and may hold none of one."""
    holds_all_area_codes: bool = False
    """For changes: they are of every area code in force, also where nothing changed."""
    organization: str | None = None
    subscription: str | None = None
    downloaded_by: str = ""
    may_change_subscription: bool = False
    may_shrink: bool = False

    @property
    def is_changes(self) -> bool:
        return self.form in (RegistryForm.US_CHANGES, RegistryForm.CA_CHANGES)


def version_mark(version: int, sha256: str) -> str:
    return f"{version} {sha256[:12]}"


def file_of(name: str, version: int, token: str) -> str:
    """The name of a version's file, which no other version of anybody has."""
    return f"{name}-{version:04d}-{token}.dnc"


def name_from_file(text: str) -> str:
    """A registry's name made of a file's: for the do-not-call file that a campaign names."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).lstrip("._-")[:64] or "do-not-call"


def area_of(number: str, coverage: Coverage) -> str | None:
    """The name under which the age of a number's copy stands; None when the copy has none of it."""
    return area_code(number) if coverage is Coverage.AREA_CODES else WHOLE


def setup_of(order: RegistryOrder, known: RegistrySetup | None) -> RegistrySetup:
    """What the registry is from now on. Raises `UnusableList` for an order that is not of it."""
    if _NAME.fullmatch(order.name) is None:
        raise UnusableList(
            f"{order.name!r} cannot be the name of a registry: use small letters, digits, dots and "
            "dashes, such as us-national."
        )
    kind = order.kind or (
        SuppressionKind.STATE if order.form is RegistryForm.STATE else SuppressionKind.NATIONAL
    )
    if kind is SuppressionKind.INTERNAL:
        raise UnusableList("your own list is kept as stop requests, not as a registry.")
    if (kind is SuppressionKind.STATE) != (order.state is not None):
        raise UnusableList(
            f"registry {order.name}: a state's list, and only that, says whose it is: --state FL."
        )
    asked = RegistrySetup(
        name=order.name,
        kind=kind,
        coverage=_coverage(order.form),
        country=order.country or _COUNTRY.get(order.form),
        state=order.state,
        organization=order.organization,
        subscription=order.subscription,
    )
    if order.form in _BY_AREA_CODE and not (order.subscription and order.organization):
        raise UnusableList(
            f"registry {order.name}: the form {order.form} is handed out to subscribers: say whose "
            "copy it is with --organization and --subscription."
        )
    if known is None:
        return asked
    for what, is_now, was in (
        ("kind", asked.kind, known.kind),
        ("coverage", asked.coverage, known.coverage),
        ("country", asked.country, known.country),
        ("state", asked.state, known.state),
    ):
        if is_now != was:
            raise UnusableList(
                f"registry {order.name} has the {what} {was}, and this file would have {is_now}: "
                "it is a file of another registry. Import it under a name of its own."
            )
    for what, is_now, was in (
        ("organization", asked.organization, known.organization),
        ("subscription", asked.subscription, known.subscription),
    ):
        if is_now != was and not order.may_change_subscription:
            raise UnusableList(
                f"registry {order.name} was set up with the {what} {was or '(none)'}, and this "
                f"file is of {is_now or '(none)'}. If your {what} has changed, say so with "
                "--change-subscription."
            )
    return asked


def _coverage(form: RegistryForm) -> Coverage:
    if form in _BY_AREA_CODE:
        return Coverage.AREA_CODES
    return Coverage.NUMBERS if form is RegistryForm.AU_WASHED else Coverage.WHOLE


def full_fault(
    order: RegistryOrder,
    copy: RegistryCopy | None,
    counts: Mapping[str, int],
    *,
    as_of: date,
    today: date,
) -> str | None:
    """Why a full file with so many numbers of each area must not come into force, or None."""
    fault = _future(as_of, today)
    if fault is not None or copy is None:
        return fault
    for area, count in sorted(counts.items()):
        was = copy.areas.get(area)
        if was is None:
            continue
        of = f"area code {area}" if area else "the registry"
        if as_of < was.as_of:
            return (
                f"it is of {as_of}, and the copy of {of} in force is of {was.as_of}: it is older. "
                "Download it again."
            )
        gone = was.entries - count
        if gone >= SHRINK_LEAST and gone > was.entries * SHRINK_MAX and not order.may_shrink:
            return (
                f"it lists {count:,} numbers of {of}, and the copy in force lists {was.entries:,}: "
                "is it cut off? Download it again; if it is right, say so with --may-shrink."
            )
    return None


def changes_fault(
    copy: RegistryCopy, touched: Iterable[str], *, since: date, as_of: date, today: date
) -> str | None:
    """Why changes of these days and area codes cannot follow the copy in force, or None."""
    fault = _future(as_of, today)
    if fault is not None:
        return fault
    for area in sorted(touched):
        was = copy.areas.get(area)
        if was is None:
            return (
                f"area code {area} was never imported in full, so changes to it mean nothing. "
                "Import its full file first."
            )
        if as_of <= was.as_of:
            return (
                f"it is of {as_of}, and the copy of area code {area} in force is of {was.as_of}: "
                "these changes are in it already, or were left behind."
            )
        if since > was.as_of + timedelta(days=1):
            return (
                f"it begins on {since}, and the copy of area code {area} in force is of "
                f"{was.as_of}: the days between are missing. Import the changes of those days "
                "first, or the full file; if nothing changed on them, say since when the file "
                "holds changes with --since."
            )
    return None


def _future(as_of: date, today: date) -> str | None:
    if as_of > today + timedelta(days=1):
        return f"it is of {as_of}, and today is {today}: that day is still to come."
    return None

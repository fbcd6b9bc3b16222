"""Situations: examples beside the rules that a lawyer can read, and their reading.

A situation says what is given, when the call would start by whose clock, and which rules stand
against it (none: the call is allowed). They prove the rules on every change and are run by tests;
nothing here decides about a call.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fairdial.core.abandon import (
    AbandonFigure,
    AbandonMeasure,
    AbandonRecord,
    ClockStart,
    Denominator,
    WindowKind,
)
from fairdial.core.campaign import Method, Purpose
from fairdial.core.facts import (
    Consent,
    Emergency,
    Facts,
    PastAttempt,
    Reassigned,
    ReassignedAnswer,
    Registry,
    Relationship,
    RelationshipKind,
    Restriction,
    Revocation,
    Suppression,
    SuppressionKind,
)
from fairdial.core.ids import E164, CampaignId, Instant, SellerId
from fairdial.core.lead import ConsentKind, LineType, Party, StatedLocation
from fairdial.core.outcome import Disposition, Outcome
from fairdial.core.rules import Rule
from fairdial.exceptions import RulebookError

CALLER_ID = E164("+12025550100")
"""Shown by every situation that does not say otherwise."""

REGISTRIES = ("US", "CA", "GB", "AU", "IT", "BR")
"""The countries whose national registries an ordinary call was checked against."""

_CAMPAIGN = CampaignId(UUID(int=1))
_SELLER = SellerId(UUID(int=2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One example: facts, a moment, and the rules that stand against the call."""

    file: str
    name: str
    facts: Facts
    at: Instant
    refused_by: frozenset[str]
    """Exactly the rules whose verdict is not *allow*; empty means that the call is allowed."""
    told: Mapping[str, str] | None = None
    """The rules that are told for this call, with their words; None: it does not say."""
    words: Mapping[str, Any] = field(default_factory=dict)
    """The situation as it is written, for pages that show it."""

    def says_of(self, rule: Rule) -> bool:
        """Whether it says if a rule is told: each of its own jurisdiction, and those it names.

        So the example of a state need not repeat what federal law tells beside it.
        """
        if self.told is None:
            return False
        home = self.file.rpartition("/")[0].removesuffix("/federal")
        return rule.jurisdiction == home or rule.id in self.told


def read_situations(files: Mapping[str, bytes]) -> tuple[Situation, ...]:
    """All situations among rule files, in order of file. Raises `RulebookError` for a bad one."""
    found: list[Situation] = []
    for path, content in sorted(files.items()):
        if path.rsplit("/", 1)[-1] == "situations.toml":
            file = tomllib.loads(content.decode())
            for number, row in enumerate(file.pop("situation"), start=1):
                try:
                    found += _situations(path, file, row)
                except (KeyError, ValueError, TypeError) as error:
                    name = row.get("name", number)
                    raise RulebookError(f"{path}: situation {name!r}: {error!r}") from error
    return tuple(found)


EACH = ("purpose", "method", "party", "line_type")
"""What may be given as a list: the situation holds for each of them."""


def _situations(path: str, file: Mapping[str, Any], row: dict[str, Any]) -> list[Situation]:
    """One situation, or one for each of several moments, purposes, methods, parties, line types.

    What stands at the head of the file holds for each situation that does not say otherwise.
    """
    given = {**file.get("given", {}), **row.get("given", {})}
    several = [key for key in EACH if isinstance(given.get(key), list)]
    moments = row["when"] if isinstance(row["when"], list) else [row["when"]]
    found = []
    for when, *values in product(moments, *(given[key] for key in several)):
        one = {
            **file,
            **row,
            "when": when,
            "given": {**given, **dict(zip(several, values, strict=True))},
        }
        each = [str(when)] * (len(moments) > 1) + values
        found.append(_situation(path, one, ", ".join(each)))
    return found


def _situation(path: str, row: dict[str, Any], each: str) -> Situation:
    unknown = row.keys() - {"name", "when", "zone", "fold", "given", "allow", "refused_by", "told"}
    if unknown:
        raise ValueError(f"unknown key: {', '.join(sorted(unknown))}")
    if ("allow" in row) == ("refused_by" in row) or row.get("allow") is False:
        raise ValueError("it needs either allow = true or refused_by")
    local = row["when"].replace(tzinfo=ZoneInfo(row["zone"]), fold=row.get("fold", 0))
    at = local.astimezone(UTC)
    return Situation(
        file=path,
        name=f"{row['name']} ({each})" if each else row["name"],
        facts=facts_of(row.get("given", {}), at),
        at=at,
        refused_by=frozenset(row.get("refused_by", ())),
        told=row.get("told"),
        words=row,
    )


def facts_of(given: Mapping[str, Any], at: Instant) -> Facts:
    """The facts of a situation: what is given, and else an ordinary sales call that harms nobody.

    Left out, a call is live telemarketing to a consumer's landline in the sandbox, checked three
    days ago against every registry in the list below, with no consent and no history.
    """
    left = dict(given)
    take = left.pop
    revocation = _revocation(take("revoked", None))
    consents = _consents(take("consent", ()), revocation)
    relationship = take("relationship", ())
    age, checked = take("list_age_days", 3), take("checked", REGISTRIES)
    facts = Facts(
        number=E164(take("number", "+13125550142")),
        campaign_id=_CAMPAIGN,
        seller_id=_SELLER,
        seller_name="Example Seller",
        caller_id=E164(take("caller_id", CALLER_ID)),
        purpose=Purpose(take("purpose", "telemarketing")),
        method=Method(take("method", "live_manual")),
        party=Party(take("party", "consumer")),
        line_type=LineType(take("line_type", "landline")),
        stated=StatedLocation(
            zone=take("zone", None),
            postal=take("postal", None),
            state=take("state", None),
            country=take("country", None),
        ),
        suppressions=tuple(
            Suppression(
                kind=SuppressionKind(text.split()[0]),
                source="the list",
                registered_on=_day_or_none(text.split()[1]),
                state=[*text.split(), None][2],
            )
            for text in take("listed", ())
        ),
        registries=()
        if age == "never"
        else tuple(
            Registry(
                kind=SuppressionKind.NATIONAL,
                name=f"{country} national registry",
                as_of=(at - timedelta(days=age)).date(),
                country=country,
            )
            for country in checked
        ),
        consents=consents,
        revocation=revocation,
        relationships=tuple(
            _relationship(text)
            for text in ((relationship,) if isinstance(relationship, str) else relationship)
        ),
        restrictions=tuple(Restriction(text) for text in take("restrictions", ())),
        reassigned=_reassigned(take("reassigned", None)),
        emergencies=tuple(
            Emergency(
                jurisdiction=place,
                from_at=at - timedelta(days=1),
                until_at=None,
                source="the governor",
            )
            for place in take("emergencies", ())
        ),
        past_attempts=tuple(
            sorted((_attempt(text) for text in take("past", ())), key=lambda a: a.at, reverse=True)
        ),
        abandon_figures=tuple(_abandon_figure(row) for row in take("abandoned", ())),
        other_lines_open=take("other_lines_open", 0),
        is_agent_guaranteed=take("agent_guaranteed", True),
        ring_s=take("ring_s", 20),
        is_sandbox=take("sandbox", True),
        gathered_at=at,
    )
    if left:
        raise ValueError(f"given has unknown keys: {', '.join(sorted(left))}")
    return facts


def _revocation(day: date | None) -> Revocation | None:
    if day is None:
        return None
    return Revocation(revoked_at=datetime(day.year, day.month, day.day, 15, tzinfo=UTC))


def _consents(texts: str | Iterable[str], revocation: Revocation | None) -> tuple[Consent, ...]:
    """One or several, newest first, or `none`; a revocation ends all given until its day."""
    given = [
        _consent(text, revocation)
        for text in ((texts,) if isinstance(texts, str) else texts)
        if text != "none"
    ]
    return tuple(sorted(given, key=lambda consent: consent.given_on, reverse=True))


def _consent(text: str, revocation: Revocation | None) -> Consent:
    """`written 2026-10-01`, `express 2026-10-01 survey`, `… until 2026-12-01`"""
    kind, day, *more = text.split()
    given_on = date.fromisoformat(day)
    expires_on = date.fromisoformat(more[-1]) if more[-2:-1] == ["until"] else None
    return Consent(
        kind=ConsentKind(kind),
        given_on=given_on,
        source="a form",
        revoked_at=None
        if revocation is None or given_on > revocation.revoked_at.date()
        else revocation.revoked_at,
        expires_on=expires_on,
        purposes=tuple(Purpose(name) for name in (more if expires_on is None else more[:-2])),
    )


def _day_or_none(text: str) -> date | None:
    """`2019-05-01`, or `undated` where the registry does not say since when."""
    return None if text == "undated" else date.fromisoformat(text)


def _reassigned(text: str | None) -> ReassignedAnswer | None:
    """`no 2026-11-20 since 2026-06-01`"""
    if text is None:
        return None
    answer, asked_on, _, since_on = text.split()
    return ReassignedAnswer(
        answer=Reassigned(answer),
        asked_on=date.fromisoformat(asked_on),
        since_on=date.fromisoformat(since_on),
    )


def _abandon_figure(row: Mapping[str, Any]) -> AbandonFigure:
    """`{ days = 30, clock_start = "greeting_end", abandoned = 4, of = 100 }`"""
    days = row.get("days", 0)
    return AbandonFigure(
        measure=AbandonMeasure(
            clock_start=ClockStart(row["clock_start"]),
            connect_ms_max=row.get("connect_ms_max", 2000),
            denominator=Denominator(row.get("denominator", "live_answers")),
            window=WindowKind.ROLLING_DAYS if days else WindowKind.CALENDAR_MONTH,
            window_days=days,
        ),
        record=AbandonRecord(live_answers=row["of"], abandoned=row["abandoned"]),
    )


def _relationship(text: str) -> Relationship:
    """`purchase 2025-06-11`"""
    kind, day = text.split()
    return Relationship(kind=RelationshipKind(kind), last_on=date.fromisoformat(day))


def _attempt(text: str) -> PastAttempt:
    """`2026-12-03T14:00:00Z no_answer`, `… open`, `… connected machine`, `… for another`."""
    moment, outcome, *said = text.split()
    is_of_seller = said[-2:] != ["for", "another"]
    if not is_of_seller:
        said = said[:-2]
    return PastAttempt(
        at=datetime.fromisoformat(moment),
        campaign_id=_CAMPAIGN,
        outcome=None if outcome == "open" else Outcome(outcome),
        disposition=Disposition(said[0]) if said else None,
        is_of_seller=is_of_seller,
    )

"""Situations in bulk: the CSV of a compliance officer, judged row by row without any database.

A row says who would be called, how, when and what is known; the answer is what the permit would
say. What a row cannot say is assumed to be in order: caller ID, scripts, abandonment, agents, no
emergency, no lawyer, a fresh answer about reassigned numbers. House rules are left out unless asked
for: a row is judged by the law. A row that cannot be read is a no, and says why.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from fairdial.core import permit
from fairdial.core.abandon import AbandonFigure, AbandonRecord
from fairdial.core.campaign import Method, Purpose
from fairdial.core.facts import (
    Consent,
    Facts,
    PastAttempt,
    Reassigned,
    ReassignedAnswer,
    Registry,
    Relationship,
    RelationshipKind,
    Revocation,
    Suppression,
    SuppressionKind,
)
from fairdial.core.ids import E164, CampaignId, Instant, SellerId
from fairdial.core.lead import ConsentKind, LineType, Party, StatedLocation
from fairdial.core.number import is_fictional
from fairdial.core.outcome import Disposition, Outcome
from fairdial.core.rulebook import Rulebook
from fairdial.core.rules import RuleKind
from fairdial.core.verdict import Verdict
from fairdial.exceptions import UnusableList

COLUMNS = (
    "id",
    "called_number",
    "contact_state",
    "contact_postal",
    "call_purpose",
    "call_method",
    "line_type",
    "business_or_consumer",
    "consent",
    "relationship",
    "dnc_flags",
    "recent_attempts",
    "now_utc",
)
UNREADABLE = "input.unreadable"
CELL_CHARS_MAX = 100_000
"""The longest cell that is read; longer ones make their row unreadable."""

_NOBODY = UUID(int=0)
_RING_S = 20

_Member = TypeVar("_Member", bound=StrEnum)

_OUTCOMES: Mapping[str, tuple[Outcome, Disposition | None]] = {
    "no_answer": (Outcome.NO_ANSWER, None),
    "voicemail": (Outcome.MESSAGE_LEFT, Disposition.MACHINE),
    "answered_message": (Outcome.MESSAGE_LEFT, None),
    "conversation": (Outcome.CONNECTED, None),
    "busy": (Outcome.BUSY, None),
    "abandoned": (Outcome.ABANDONED, None),
}


class UnreadableRow(ValueError):
    """A row that cannot be read; the message names the column and what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The answer to one row."""

    id: str
    is_allowed: bool
    reasons: tuple[Verdict, ...]
    """Every verdict that stands against the call; empty when it is allowed."""
    unreadable: str | None
    """Why the row could not be read; None when it could."""
    rulebook: str
    next_allowed_at: Instant | None

    def as_json(self) -> dict[str, object]:
        """The one form in which the answer is written."""
        reasons: list[dict[str, object]] = [
            {
                "rule": verdict.rule,
                "citation": verdict.citation,
                "verdict": verdict.ruling.value,
                "why": verdict.why,
            }
            for verdict in self.reasons
        ]
        if self.unreadable is not None:
            reasons = [
                {
                    "rule": UNREADABLE,
                    "citation": "Fairdial: what cannot be read is not judged",
                    "verdict": "unknown",
                    "why": self.unreadable,
                }
            ]
        return {
            "id": self.id,
            "decision": "allow" if self.is_allowed else "deny",
            "reasons": reasons,
            "rulebook": self.rulebook,
            "next_allowed_at": None
            if self.next_allowed_at is None
            else self.next_allowed_at.isoformat().replace("+00:00", "Z"),
        }


def judge_rows(lines: Iterable[str], rulebook: Rulebook, *, name: str) -> Iterator[Judged]:
    """Judge every row of a CSV in its order. `name` is what complaints call the file.

    Raises `UnusableList` when the file is no such CSV: empty, without the columns, not text.
    """
    csv.field_size_limit(max(csv.field_size_limit(), CELL_CHARS_MAX * 10))
    rows = csv.reader(lines, strict=False)
    try:
        header = [cell.strip().removeprefix("\ufeff").lower() for cell in next(rows, [])]
        if not header:
            raise UnusableList(f"{name}: it is empty; the first line must name the columns")
        places = _places(header, name)
        for cells in rows:
            if any(cell.strip() for cell in cells):
                yield judge_row(_row(cells, places), rulebook, has_cells=len(cells) >= len(header))
    except UnicodeDecodeError as error:
        raise UnusableList(f"{name}: it is not UTF-8 (byte {error.start}); save it as UTF-8") from (
            error
        )
    except csv.Error as error:
        raise UnusableList(f"{name}, line {rows.line_num}: it is no CSV: {error}") from error


def _places(header: Sequence[str], name: str) -> dict[str, int]:
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise UnusableList(f"{name}: the columns {', '.join(missing)} are missing")
    doubled = [column for column in COLUMNS if header.count(column) > 1]
    if doubled:
        raise UnusableList(f"{name}: the columns {', '.join(doubled)} are there twice")
    return {column: header.index(column) for column in COLUMNS}


def _row(cells: Sequence[str], places: Mapping[str, int]) -> dict[str, str]:
    return {c: cells[p].strip() if p < len(cells) else "" for c, p in places.items()}


def judge_row(row: Mapping[str, str], rulebook: Rulebook, *, has_cells: bool = True) -> Judged:
    """Judge one row. Never raises on its content."""
    try:
        _check_cells(row, has_cells=has_cells)
        now = _moment("now_utc", row["now_utc"])
        facts = facts_of_row(row, now, rulebook)
    except UnreadableRow as error:
        return Judged(
            id=row["id"],
            is_allowed=False,
            reasons=(),
            unreadable=str(error),
            rulebook=rulebook.hash,
            next_allowed_at=None,
        )
    judged = permit.judge(facts, rulebook, now)
    return Judged(
        id=row["id"],
        is_allowed=judged.is_allowed,
        reasons=judged.reasons,
        unreadable=None,
        rulebook=rulebook.hash,
        next_allowed_at=judged.next_allowed_at,
    )


def _check_cells(row: Mapping[str, str], *, has_cells: bool) -> None:
    if not has_cells:
        raise UnreadableRow("the row has fewer cells than the header")
    for column in COLUMNS:
        if len(row[column]) > CELL_CHARS_MAX:
            raise UnreadableRow(f"{column}: the cell has over {CELL_CHARS_MAX} characters")


def law_only(rulebook: Rulebook, *, with_house: bool = False) -> Rulebook:
    """The rulebook as rows are judged by it: caller ID is assumed valid, house rules left out."""
    return rulebook.only(
        lambda rule: (
            (with_house or rule.jurisdiction != "house") and rule.kind is not RuleKind.CALLER_ID
        )
    )


def facts_of_row(row: Mapping[str, str], now: Instant, rulebook: Rulebook) -> Facts:
    """The facts that a row states. Raises `UnreadableRow` naming the column."""
    number = E164(row["called_number"])
    method = _member("call_method", row["call_method"], Method)
    stated = StatedLocation(
        state=row["contact_state"] or None, postal=row["contact_postal"] or None
    )
    suppressions, as_of = _dnc_flags(row["dnc_flags"], now)
    consent = _consent(row["consent"])
    countries = {
        name.split("/")[0].upper() for name in rulebook.locate(number, stated).jurisdiction_names
    }
    nothing_abandoned = AbandonRecord(live_answers=0, abandoned=0)
    return Facts(
        number=number,
        campaign_id=CampaignId(_NOBODY),
        seller_id=SellerId(_NOBODY),
        seller_name="the seller",
        caller_id=E164(""),
        purpose=_member("call_purpose", row["call_purpose"], Purpose),
        method=method,
        party=_party(row["business_or_consumer"]),
        line_type=_member("line_type", row["line_type"] or "unknown", LineType),
        stated=stated,
        suppressions=suppressions,
        registries=()
        if as_of is None
        else tuple(
            Registry(kind=kind, name="the list", as_of=as_of, country=country)
            for country in sorted(countries)
            for kind in (SuppressionKind.NATIONAL, SuppressionKind.STATE)
        ),
        consents=() if consent is None else (consent,),
        revocation=None
        if consent is None or consent.revoked_at is None
        else Revocation(revoked_at=consent.revoked_at),
        relationships=_relationships(row["relationship"]),
        reassigned=None
        if consent is None
        else ReassignedAnswer(answer=Reassigned.NO, asked_on=now.date(), since_on=consent.given_on),
        past_attempts=_past_attempts(row["recent_attempts"]),
        abandon_figures=tuple(
            AbandonFigure(measure=measure, record=nothing_abandoned)
            for measure in rulebook.abandon_measures(now.date())
        ),
        is_agent_guaranteed=method is Method.LIVE_MANUAL,
        ring_s=_RING_S,
        is_sandbox=is_fictional(number),
        gathered_at=now,
    )


def _member(column: str, text: str, kind: type[_Member]) -> _Member:
    try:
        return kind(text.lower())
    except ValueError:
        choice = ", ".join(member.value for member in kind)
        raise UnreadableRow(f"{column}: {text[:40]!r} is none of {choice}") from None


def _party(text: str) -> Party:
    return _member("business_or_consumer", text or "unknown", Party)


def _day(column: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        try:
            return datetime.fromisoformat(text).date()
        except ValueError:
            raise UnreadableRow(f"{column}: {text[:40]!r} is no date such as 2026-10-01") from None


def _moment(column: str, text: str) -> Instant:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UnreadableRow(
            f"{column}: {text[:40]!r} is no time such as 2026-12-03T16:00:00Z"
        ) from None
    # The columns are UTC by their name; a time without a zone is taken as they say.
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise UnreadableRow(f"{column}: {text[:40]!r} is outside of the calendar") from None


def _pair(column: str, text: str, sign: str) -> tuple[str, str]:
    kind, found, value = text.partition(sign)
    if not found or not kind.strip() or not value.strip():
        raise UnreadableRow(f"{column}: {text[:40]!r} is not of the form name{sign}value")
    return kind.strip().lower(), value.strip()


def _consent(text: str) -> Consent | None:
    if text.lower() in ("", "none"):
        return None
    kind, value = _pair("consent", text, ":")
    day = _day("consent", value)
    if kind == "revoked":
        return Consent(
            # How strong it was no longer matters.
            kind=ConsentKind.EXPRESS,
            given_on=day,
            source="the row",
            revoked_at=datetime(day.year, day.month, day.day, tzinfo=UTC),
        )
    return Consent(kind=_member("consent", kind, ConsentKind), given_on=day, source="the row")


def _relationships(text: str) -> tuple[Relationship, ...]:
    if text.lower() in ("", "none"):
        return ()
    kind, value = _pair("relationship", text, ":")
    return (
        Relationship(
            kind=_member("relationship", kind, RelationshipKind),
            last_on=_day("relationship", value),
        ),
    )


def _dnc_flags(text: str, now: Instant) -> tuple[tuple[Suppression, ...], date | None]:
    """The entries, and the day of our copy of the lists; None when they were never looked into."""
    entries: list[Suppression] = []
    as_of: date | None = None
    is_unscrubbed = False
    for flag in filter(None, (part.strip() for part in text.split("|"))):
        if flag.lower() == "unscrubbed":
            is_unscrubbed = True
            continue
        if flag.lower() == "none":
            continue
        name, value = _pair("dnc_flags", flag, "=")
        if name == "scrub_age_days":
            if not value.isdecimal() or len(value) > 5:
                raise UnreadableRow(f"dnc_flags: scrub_age_days={value[:20]} is no number of days")
            as_of = now.date() - timedelta(days=int(value))
        elif name == "national":
            entries.append(_entry(SuppressionKind.NATIONAL, value))
        elif name == "internal":
            entries.append(_entry(SuppressionKind.INTERNAL, value))
        elif name == "state":
            state, day = _pair("dnc_flags", value, ":")
            entries.append(_entry(SuppressionKind.STATE, day, state.upper()))
        else:
            raise UnreadableRow(f"dnc_flags: {flag[:40]!r} is not known")
    return tuple(entries), None if is_unscrubbed else as_of


def _entry(kind: SuppressionKind, day: str, state: str | None = None) -> Suppression:
    return Suppression(
        kind=kind, source="the row", registered_on=_day("dnc_flags", day), state=state
    )


def _past_attempts(text: str) -> tuple[PastAttempt, ...]:
    attempts = []
    for part in filter(None, (part.strip() for part in text.split("|"))):
        if part.lower() == "none":
            continue
        at, outcome = _pair_of_moment(part)
        if outcome not in _OUTCOMES:
            choice = ", ".join(_OUTCOMES)
            raise UnreadableRow(f"recent_attempts: {outcome[:40]!r} is none of {choice}")
        seen, disposition = _OUTCOMES[outcome]
        attempts.append(
            PastAttempt(
                at=_moment("recent_attempts", at),
                campaign_id=CampaignId(_NOBODY),
                outcome=seen,
                disposition=disposition,
            )
        )
    return tuple(sorted(attempts, key=lambda attempt: attempt.at, reverse=True))


def _pair_of_moment(text: str) -> tuple[str, str]:
    at, found, outcome = text.partition("=")
    if not found:
        raise UnreadableRow(f"recent_attempts: {text[:40]!r} is not of the form time=outcome")
    return at.strip(), outcome.strip().lower()

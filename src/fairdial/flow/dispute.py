"""The dispute file: everything on record about one number, in order of time, to be shown.

For whoever answers a complaint: each permit and refusal with every verdict in words and the rule's
text as it was, each attempt with its moments, what the person permitted and took back, and the
audit entries with what proves them. It says what is recorded and decides nothing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from fairdial.core import audit
from fairdial.core.audit import AuditEntry
from fairdial.core.checkpoint import Checkpoint
from fairdial.core.ids import E164, Instant
from fairdial.core.proof import JudgementKind, KeptJudgement, KeptRulebook
from fairdial.ports import NumberRecord, Proof

Details = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownVerdict:
    """One rule's answer, with what the rule demanded at that time."""

    rule: str
    title: str
    ruling: str
    why: str
    citation: str
    value_in_force: str
    """The dated value, as the file has it; empty for the guards that are not data."""
    rulebook: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEvent:
    """One thing that happened or was noted."""

    at: Instant
    is_day_only: bool
    """The record has the day, not the hour."""
    what: str
    text: str
    details: Details = ()
    verdicts: tuple[ShownVerdict, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRule:
    """A rule as it stood in a rulebook that judged a call to this number."""

    rulebook: str
    first_used_at: Instant
    id: str
    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """Everything about one number."""

    number: E164
    made_at: Instant
    is_sandbox: bool
    counts: Mapping[str, int]
    events: tuple[ShownEvent, ...]
    leads: tuple[Mapping[str, Any], ...]
    entries: tuple[AuditEntry, ...]
    altered_entries: tuple[int, ...]
    """The numbers of those whose content does not match their hash; there should be none."""
    checkpoint_before: Checkpoint | None
    checkpoint_after: Checkpoint | None
    rules: tuple[ShownRule, ...]
    rulebooks_not_kept: tuple[str, ...]


async def make_dispute(proof: Proof, number: E164, now: Instant) -> Dispute:
    """Gather the dispute file of one number. A number nobody ever met gives an empty one."""
    known = await proof.about(number)
    shelf: dict[str, _Opened] = {}
    missing: list[str] = []
    for name in dict.fromkeys(judgement.rulebook for judgement in known.judgements):
        kept = await proof.rulebook(name)
        if kept is None:
            missing.append(name)
        else:
            shelf[name] = _Opened(kept)
    events = sorted(_events(known, shelf), key=lambda event: event.at)
    return Dispute(
        number=number,
        made_at=now,
        is_sandbox=known.is_sandbox,
        counts=_counts(known),
        events=tuple(events),
        leads=known.leads,
        entries=known.entries,
        altered_entries=tuple(e.seq for e in known.entries if not audit.is_as_sealed(e)),
        checkpoint_before=known.checkpoint_before,
        checkpoint_after=known.checkpoint_after,
        rules=tuple(_rules_used(known, shelf)),
        rulebooks_not_kept=tuple(missing),
    )


class _Opened:
    """A kept rulebook with its rules found by id."""

    def __init__(self, kept: KeptRulebook) -> None:
        self.kept = kept
        self.rules: dict[str, tuple[str, Mapping[str, Any]]] = {}
        for path, text in kept.files.items():
            table = tomllib.loads(text)
            if isinstance(table.get("id"), str):
                self.rules[table["id"]] = (path, table)

    def title(self, rule: str) -> str:
        found = self.rules.get(rule)
        return "" if found is None else str(found[1].get("title", ""))

    def value_on(self, rule: str, at: Instant) -> str:
        """The values in force around a moment; the called party's day may be one off ours."""
        found = self.rules.get(rule)
        if found is None:
            return ""
        first, last = at.date() - timedelta(days=1), at.date() + timedelta(days=1)
        return "; ".join(
            _value(value)
            for value in found[1].get("value", ())
            if value["from"] <= last and ("until" not in value or first < value["until"])
        )


def _value(value: Mapping[str, Any]) -> str:
    until = f" until {value['until']}" if "until" in value else ""
    rest = ", ".join(f"{k} = {_word(v)}" for k, v in value.items() if k not in ("from", "until"))
    return f"in force from {value['from']}{until}" + (f": {rest}" if rest else "")


def _counts(known: NumberRecord) -> dict[str, int]:
    permits = sum(j.kind is JudgementKind.PERMIT for j in known.judgements)
    return {
        "permits": permits,
        "refusals": len(known.judgements) - permits,
        "attempts dialed": sum(a["dialed_at"] is not None for a in known.attempts),
        "answered": sum(a["answered_at"] is not None for a in known.attempts),
        "abandoned": sum(bool(a["is_abandoned"]) for a in known.attempts),
        "consents": len(known.consents),
        "suppressions": len(known.suppressions),
        "audit entries": len(known.entries),
    }


def _events(known: NumberRecord, shelf: Mapping[str, _Opened]) -> Iterator[ShownEvent]:
    for judgement in known.judgements:
        yield _judged(judgement, shelf.get(judgement.rulebook))
    for attempt in known.attempts:
        yield from _attempted(attempt)
    for consent in known.consents:
        yield from _consented(consent)
    for row in known.suppressions:
        stop = row["kind"] == "internal"
        yield ShownEvent(
            at=_moment(row["added_at"]),
            is_day_only=False,
            what="stop request" if stop else "suppression",
            text=f"not to be called for {row['seller']} any more: {row['source']}"
            if stop
            else f"listed: {row['kind']}, {row['source']}",
            details=_details(row),
        )
    for what, rows, when in (
        ("relationship", known.relationships, "recorded_at"),
        ("restriction", known.restrictions, "recorded_at"),
        ("line type", known.line_types, "as_of"),
        ("reassigned-numbers query", known.reassigned, "asked_on"),
    ):
        for row in rows:
            yield _noted(row, row[when], what=what, text="noted from the source below")


def _judged(judgement: KeptJudgement, opened: _Opened | None) -> ShownEvent:
    is_permit = judgement.kind is JudgementKind.PERMIT
    verdicts = tuple(
        ShownVerdict(
            rule=v["rule"],
            title="" if opened is None else opened.title(v["rule"]),
            ruling=v["ruling"],
            why=v["why"],
            citation=v["citation"],
            value_in_force="" if opened is None else opened.value_on(v["rule"], judgement.at),
            rulebook=judgement.rulebook,
        )
        for v in judgement.verdicts
    )
    against = [v.rule for v in verdicts if v.ruling != "allow"]
    text = f"all {len(verdicts)} rules that apply allow the call"
    if not is_permit:
        text = f"no call was made: {', '.join(against) or 'no rule applies'}"
        if judgement.details.get("next_allowed_at"):
            text += f"; it might be allowed from {judgement.details['next_allowed_at']}"
    facts = judgement.facts
    return ShownEvent(
        at=judgement.at,
        is_day_only=False,
        what=judgement.kind.value,
        text=text,
        details=(
            (f"{judgement.kind.value} id", str(judgement.id)),
            *_details(judgement.details),
            ("rulebook", judgement.rulebook),
            ("time-zone data", judgement.tzdata),
            ("digest", judgement.digest),
            *(
                (name.replace("_", " "), _word(value))
                for name, value in facts.items()
                if name not in _NOT_SHOWN and value not in (None, [], {}, "")
            ),
            *_registries(facts),
        ),
        verdicts=verdicts,
    )


def _registries(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for registry in facts.get("registries", ()):
        yield "registry copy", f"{registry['kind']}, {registry['name']}, of {registry['as_of']}"


_NOT_SHOWN = frozenset({"number", "registries", "campaign_id", "seller_id", "gathered_at"})


def _attempted(row: Mapping[str, Any]) -> Iterator[ShownEvent]:
    about = (
        ("attempt id", str(row["id"])),
        ("campaign", str(row["campaign"])),
        ("seller", str(row["seller"])),
    )
    agent = f" by agent {row['agent']}" if row["agent"] else ""
    for column, what, text in (
        ("dialed_at", "dialed", "the call left for the network"),
        ("ringing_at", "ringing", "the phone rang"),
        ("answered_at", "answered", "somebody or something picked up"),
        ("bridged_at", "connected", f"the talk began{agent}"),
        ("ended_at", "ended", _ended(row)),
        ("closed_at", "closed", f"recorded as {_word(row['disposition'] or row['outcome'])}"),
    ):
        if row[column] is not None:
            yield ShownEvent(
                at=_moment(row[column]), is_day_only=False, what=what, text=text, details=about
            )


def _ended(row: Mapping[str, Any]) -> str:
    outcome = _word(row["outcome"])
    if row["is_abandoned"]:
        outcome += ", counted as an abandoned call"
    cause = f" ({row['cause']}{', ' + row['raw'] if row['raw'] else ''})" if row["cause"] else ""
    return f"outcome {outcome}{cause}"


def _consented(row: Mapping[str, Any]) -> Iterator[ShownEvent]:
    text = f"{row['kind']} consent to {row['seller']}"
    yield _noted(row, row.get("given_at") or row["given_on"], what="consent", text=text)
    if row["revoked_at"] is not None:
        channel = f" by {row['revoked_by']}" if row.get("revoked_by") else ""
        yield ShownEvent(
            at=_moment(row["revoked_at"]),
            is_day_only=False,
            what="consent withdrawn",
            text=f"{text} of {row['given_on']} was withdrawn{channel}",
        )


def _noted(row: Mapping[str, Any], when: str, *, what: str, text: str) -> ShownEvent:
    return ShownEvent(
        at=_moment(when), is_day_only=len(when) == 10, what=what, text=text, details=_details(row)
    )


def _rules_used(known: NumberRecord, shelf: Mapping[str, _Opened]) -> Iterator[ShownRule]:
    used = {(j.rulebook, v["rule"]) for j in known.judgements for v in j.verdicts}
    for name, opened in shelf.items():
        for rule, (path, _) in sorted(opened.rules.items()):
            if (name, rule) in used:
                yield ShownRule(
                    rulebook=name,
                    first_used_at=opened.kept.first_used_at,
                    id=rule,
                    path=path,
                    text=opened.kept.files[path],
                )


def _details(row: Mapping[str, Any]) -> Details:
    return tuple(
        (name.replace("_", " "), _word(value))
        for name, value in row.items()
        if value not in (None, "", [], {})
    )


def _word(value: Any) -> str:
    """A recorded value for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_word(v)}" for k, v in value.items() if v not in (None, "", []))
    if isinstance(value, (list, tuple)):
        return "; ".join(_word(item) for item in value)
    return str(value)


def _moment(text: str) -> Instant:
    """A moment of the record; a day stands for its beginning."""
    if len(text) == 10:
        return datetime.combine(date.fromisoformat(text), time.min, UTC)
    return datetime.fromisoformat(text).astimezone(UTC)

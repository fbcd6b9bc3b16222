"""A rule as people read it: the lines that terminal and documentation show, made of the data.

Nothing is written down twice: sentences come from the parameters that judge, examples from the
situations that are tested. Refuses to know Markdown and terminals.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from fairdial.core.campaign import Method, Purpose
from fairdial.core.duties.words import in_words
from fairdial.core.jurisdiction import Places
from fairdial.core.lead import LineType, Party
from fairdial.core.rules import Applies, Rule
from fairdial.rules.situations import Situation

NAMES = {
    "world": "Every number",
    "house": "House policy",
    "us": "United States, federal",
    "ca": "Canada",
    "eu": "European Union",
}
"""What people call a jurisdiction that is in no table of places."""


def jurisdiction_name(jurisdiction: str, places: Places) -> str:
    """What people call a jurisdiction."""
    if jurisdiction in NAMES:
        return NAMES[jurisdiction]
    code = jurisdiction.rpartition("/")[2].upper()
    known = (
        places.area_codes.states.get(code) if "/" in jurisdiction else places.countries.get(code)
    )
    return known.name if known is not None else code


def rule_lines(rule: Rule) -> tuple[tuple[str, str], ...]:
    """Everything a rule says, as pairs of a label and a text."""
    values = [
        (
            f"{value.from_on}" + (f" until {value.until_on}" if value.until_on else " on"),
            in_words(value.duty) if value.duty is not None else "No such duty.",
        )
        for value in rule.values
    ]
    stricter = (
        [("stricter reading", rule.stricter_reading)] if rule.stricter_reading is not None else []
    )
    return (
        ("applies to", applies_in_words(rule.applies)),
        *values,
        ("citation", rule.citation),
        ("confidence", f"{rule.confidence.value}, reviewed on {rule.reviewed_on}"),
        *stricter,
    )


def applies_in_words(applies: Applies) -> str:
    """`telemarketing; live manual, live autodialed; consumer`; what is not narrowed is left out."""
    if applies.purposes == frozenset(Purpose):
        parts = ["calls of every purpose"]
    else:
        parts = [_names(applies.purposes)]
    if applies.methods != frozenset(Method):
        parts.append(_names(applies.methods))
    if not applies.parties >= {Party.CONSUMER, Party.BUSINESS}:
        parts.append(_names(applies.parties))
    if not applies.line_types >= frozenset(LineType) - {LineType.UNKNOWN}:
        parts.append(_names(applies.line_types))
    words = "; ".join(parts)
    return words if applies.also is None else f"{words}. Also: {applies_in_words(applies.also)}"


def _names(members: Iterable[StrEnum]) -> str:
    """The members in the order of their definition."""
    return ", ".join(m.value.replace("_", " ") for m in sorted(members, key=_order))


def _order(member: StrEnum) -> int:
    defined: list[StrEnum] = list(type(member))
    return defined.index(member)


def example_of(rule: Rule, situations: Iterable[Situation]) -> str | None:
    """The first situation that the rule stands against, or in which it is told, in words."""
    for situation in situations:
        if rule.id in situation.refused_by or rule.id in (situation.told or {}):
            return example(situation)
    return None


def example(situation: Situation) -> str:
    """`a second before eight: 2026-12-03 07:59:59, Europe/London, refused by uk.hours_code`."""
    when = f"{situation.words['when']}, {situation.words['zone']}"
    if not situation.refused_by:
        answer = "allowed"
    else:
        answer = f"refused by {', '.join(sorted(situation.refused_by))}"
    return f"{situation.words['name']}: {when}, {answer}"

"""Judging the record again: under the rulebook of then, and under today's.

Under the rulebook of then each permit and refusal must come out as it is recorded, from the facts
and the moment that are recorded: else the record or the program is at fault. Under today's it may
differ, and the differences are counted by rule. Nothing is changed, nothing is dialed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from fairdial.core import record
from fairdial.core.facts import Facts
from fairdial.core.ids import E164, Instant
from fairdial.core.proof import JudgementKind, KeptJudgement
from fairdial.core.rule_file import parse
from fairdial.core.rulebook import Rulebook
from fairdial.core.verdict import Ruling, Verdict
from fairdial.exceptions import RulebookError
from fairdial.ports import Period, Proof

EXAMPLES_MAX = 3
RULEBOOKS_MAX = 4
"""How many former rulebooks are held at once; the record changes them seldom."""
FAULTS_MAX = 200

NO_RULE = "nothing"
"""What a rule says that was not judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One recorded decision."""

    kind: JudgementKind
    id: str
    number: E164
    at: Instant
    why: str
    """The sentence of now."""


@dataclass(slots=True, kw_only=True)
class Difference:
    """What one rule says otherwise now, and how often."""

    rule: str
    was: str
    now: str
    count: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Rejudged:
    """What came of judging the record again."""

    judged: int = 0
    same: int = 0
    """Decided the same under today's rulebook, rule by rule."""
    reworded: int = 0
    """The same under the rulebook of then, and the sentence is another by now."""
    permits_now_refused: int = 0
    refusals_now_permitted: int = 0
    differences: dict[tuple[str, str, str], Difference] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    faults_untold: int = 0
    rulebooks: set[str] = field(default_factory=set)

    def fault(self, why: str) -> None:
        """Note what is wrong; the first ones in words, the others in number."""
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(why)
        else:
            self.faults_untold += 1

    def by_rule(self) -> list[Difference]:
        """The differences, the most frequent first."""
        return sorted(self.differences.values(), key=lambda d: (-d.count, d.rule))


async def rejudge(proof: Proof, today: Rulebook, period: Period) -> Rejudged:
    """Judge every recorded permit and refusal of a period again."""
    came_of_it = Rejudged()
    shelf = _Shelf(proof, today)
    async for judgement in proof.judgements(period):
        what = f"{judgement.kind.value} {judgement.id}"
        try:
            facts = record.read(Facts, judgement.facts)
            verdicts = record.read(tuple[Verdict, ...], judgement.verdicts)
        except ValueError as error:
            came_of_it.fault(f"{what} cannot be read: {error}")
            continue
        came_of_it.judged += 1
        came_of_it.rulebooks.add(judgement.rulebook)
        then = await shelf.take(judgement.rulebook)
        if isinstance(then, str):
            came_of_it.fault(f"{what} cannot be judged as it was then: {then}")
        else:
            _hold_against(came_of_it, what, judgement, facts, verdicts, then)
        _compare(came_of_it, judgement, verdicts, today.judge(facts, judgement.at))
    return came_of_it


class _Shelf:
    """The rulebooks of then, made of their files when they are needed."""

    def __init__(self, proof: Proof, today: Rulebook) -> None:
        self._proof = proof
        self._today = today
        self._made: OrderedDict[str, Rulebook | str] = OrderedDict()

    async def take(self, name: str) -> Rulebook | str:
        """The rulebook of a hash, or why there is none."""
        if name == self._today.hash:
            return self._today
        if name not in self._made:
            if len(self._made) >= RULEBOOKS_MAX:
                self._made.popitem(last=False)
            self._made[name] = await self._make(name)
        self._made.move_to_end(name)
        return self._made[name]

    async def _make(self, name: str) -> Rulebook | str:
        kept = await self._proof.rulebook(name)
        if kept is None:
            return f"its rulebook {name[:16]} was not kept"
        try:
            files = {path: text.encode() for path, text in kept.files.items()}
            made = parse(files, self._today.tzdata)
        except RulebookError as error:
            return f"this version cannot read its rulebook {name[:16]}: {error}"
        if made.hash != name:
            return f"the files kept for its rulebook {name[:16]} make {made.hash[:16]}"
        return made


def _hold_against(
    came_of_it: Rejudged,
    what: str,
    judgement: KeptJudgement,
    facts: Facts,
    recorded: tuple[Verdict, ...],
    then: Rulebook,
) -> None:
    """The rulebook of then must rule now as it did."""
    again = then.judge(facts, judgement.at)
    have, should = _rulings(recorded), _rulings(again)
    for rule in sorted(have.keys() | should.keys()):
        was, now = have.get(rule, NO_RULE), should.get(rule, NO_RULE)
        if was != now:
            zones = ""
            if judgement.tzdata != then.tzdata:
                zones = f"; time zones {judgement.tzdata} were in force, these are {then.tzdata}"
            came_of_it.fault(
                f"{what}: {rule} is recorded as {was}; the same rulebook says {now} of the same "
                f"facts{zones}"
            )
            return
    is_permit = judgement.kind is JudgementKind.PERMIT
    if is_permit != all(v.ruling is Ruling.ALLOW for v in recorded):
        came_of_it.fault(f"{what}: its verdicts do not amount to a {judgement.kind.value}")
        return
    came_of_it.reworded += [v.why for v in recorded] != [v.why for v in again]


def _compare(
    came_of_it: Rejudged,
    judgement: KeptJudgement,
    recorded: tuple[Verdict, ...],
    today: tuple[Verdict, ...],
) -> None:
    was, now = _rulings(recorded), _rulings(today)
    if was == now:
        came_of_it.same += 1
        return
    would_permit = bool(today) and all(v.ruling is Ruling.ALLOW for v in today)
    if judgement.kind is JudgementKind.PERMIT and not would_permit:
        came_of_it.permits_now_refused += 1
    if judgement.kind is JudgementKind.REFUSAL and would_permit:
        came_of_it.refusals_now_permitted += 1
    whys = {v.rule: v.why for v in (*recorded, *today)}
    for rule in sorted(was.keys() | now.keys()):
        key = (rule, was.get(rule, NO_RULE), now.get(rule, NO_RULE))
        if key[1] == key[2]:
            continue
        found = came_of_it.differences.setdefault(
            key, Difference(rule=rule, was=key[1], now=key[2])
        )
        found.count += 1
        if len(found.examples) < EXAMPLES_MAX:
            found.examples.append(
                Example(
                    kind=judgement.kind,
                    id=str(judgement.id),
                    number=judgement.number,
                    at=judgement.at,
                    why=whys[rule],
                )
            )


def _rulings(verdicts: tuple[Verdict, ...]) -> Mapping[str, str]:
    return {verdict.rule: verdict.ruling.value for verdict in verdicts}

"""The record judged again: the rulebook of then bears it out, and today's may differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.flow.cast import RULEBOOK, Stage

from fairdial.core.proof import JudgementKind
from fairdial.core.rulebook import Rulebook
from fairdial.flow.rejudge import Rejudged, rejudge
from fairdial.ports import Period
from fairdial.rules import load_rulebook_and_files, read_files

HOURS = read_files()["house/hours.toml"].decode()
ALL = Period()


@pytest.fixture
def stricter(tmp_path: Path) -> Rulebook:
    """Today's rulebook: the house calls from eleven on."""
    return edited(tmp_path, HOURS.replace("08:00-21:00", "11:00-21:00"))[0]


def edited(folder: Path, hours: str) -> tuple[Rulebook, dict[str, str]]:
    (folder / "hours.toml").write_text(hours)
    return load_rulebook_and_files(folder)


async def judged(stage: Stage) -> None:
    """A permit and a refusal, by the rulebook of the floor."""
    await stage.dialed("+12125550142")
    await stage.place(await stage.lead("+12125550199"))


def came_out(result: Rejudged) -> dict[tuple[str, str, str], int]:
    return {(d.rule, d.was, d.now): d.count for d in result.by_rule()}


async def test_the_record_comes_out_the_same_under_the_same_rulebook(stage: Stage) -> None:
    await judged(stage)
    result = await rejudge(stage.store.proof(), RULEBOOK, ALL)
    assert (result.judged, result.same, result.reworded, result.faults) == (2, 2, 0, [])
    assert came_out(result) == {}


async def test_todays_stricter_rule_is_told_with_its_count_and_an_example(
    stage: Stage, stricter: Rulebook
) -> None:
    await judged(stage)
    result = await rejudge(stage.store.proof(), stricter, ALL)
    assert result.faults == [], "the rulebook of then was kept and bears both out"
    assert (result.permits_now_refused, result.refusals_now_permitted) == (1, 0)
    assert came_out(result) == {("house.hours", "allow", "refuse"): 2}
    (example, _) = result.by_rule()[0].examples
    assert (example.kind, example.number) == (JudgementKind.PERMIT, "+12125550142")
    assert "10:40" in example.why


async def test_a_rulebook_of_then_that_is_gone_today_is_made_of_its_kept_files(
    stage: Stage, tmp_path: Path, stricter: Rulebook
) -> None:
    former, files = edited(tmp_path, HOURS.replace("08:00-21:00", "08:00-20:30"))
    stage.floor.rulebook, stage.floor.rule_files = former, files
    await judged(stage)
    result = await rejudge(stage.store.proof(), stricter, ALL)
    assert (result.faults, result.rulebooks) == ([], {former.hash})
    assert await stage.one("SELECT count(*) FROM rulebook") == 1


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (
            "UPDATE permit SET facts = jsonb_set(facts, '{stated,state}', '\"HI\"')",
            "is recorded as",
        ),
        ("UPDATE permit SET facts = facts - 'purpose'", "Facts: purpose is missing"),
        ("UPDATE permit SET verdicts = '[]'", "is recorded as nothing"),
        ("DELETE FROM rulebook", "was not kept"),
        (
            'UPDATE rulebook SET files = files || \'{"house/hours.toml": ""}\'',
            "cannot read its rulebook",
        ),
        ("UPDATE rulebook SET files = files - 'house/hours.toml'", "the files kept for its"),
    ],
)
async def test_a_record_that_the_rulebook_of_then_does_not_bear_out_is_a_fault(
    stage: Stage, stricter: Rulebook, statement: str, why: str
) -> None:
    await stage.dialed("+12125550142")
    async with stage.store._connection() as conn:
        await conn.execute("ALTER TABLE permit DISABLE TRIGGER permit_spent_once")
        await conn.execute("ALTER TABLE rulebook DISABLE TRIGGER rulebook_append_only")
        await conn.execute(statement.encode())
    (fault,) = (await rejudge(stage.store.proof(), stricter, ALL)).faults
    assert why in fault


async def test_a_period_and_a_number_choose_what_is_judged_again(stage: Stage) -> None:
    begin = stage.clock.now()
    await stage.dialed("+12125550142")
    stage.clock.move(minutes=5)
    await stage.place(await stage.lead("+12125550199"))
    later = stage.clock.now()

    async def count(**period: object) -> int:
        return (
            await rejudge(stage.store.proof(), RULEBOOK, Period(**period))  # type: ignore[arg-type]
        ).judged

    assert await count(since=begin) == 2
    assert await count(since=later) == 1
    assert await count(until=later) == 1
    assert await count(number="+12125550199") == 1
    assert await count(number="+12125550199", until=later) == 0

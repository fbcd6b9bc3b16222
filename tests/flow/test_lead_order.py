"""Who is called first: callbacks, priority, score, and what is due longest."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.flow.cast import Stage, a_person

from fairdial.core.attempt import Attempt, EndCause
from fairdial.core.hopper import Again
from fairdial.core.lead import Lead, rank
from fairdial.core.outcome import Disposition
from fairdial.exceptions import SettingsError
from fairdial.flow import agent_desk
from fairdial.flow.score import Scored, score_leads

GOOD, POOR = "returning", "cold"


async def load(stage: Stage, *leads: tuple[str, int, dict[str, str]]) -> None:
    """A list of numbers with their rank and attributes, in this order."""
    await stage.add_list(
        a_person(number, row=row, rank=place, attributes=attributes)
        for row, (number, place, attributes) in enumerate(leads, start=2)
    )


async def claim(stage: Stage, most: int = 100) -> list[Lead]:
    async with stage.store.transaction() as tx:
        return await tx.claim_due(stage.campaign.id, most=most, now=stage.clock.now())


def number(n: int) -> str:
    # The registry of the stage lists …99.
    return f"+1{(212, 315, 646)[n // 90]}55501{n % 90:02}"


async def test_priority_comes_before_score_and_score_before_the_row(stage: Stage) -> None:
    await load(
        stage,
        (number(1), rank(None, None), {}),
        (number(2), rank(None, 95.0), {}),
        (number(3), rank(9, None), {}),
        (number(4), rank(None, 95.0), {}),
        (number(5), rank(0, 100.0), {}),
    )
    first = await claim(stage, most=2)
    rest = await claim(stage)
    assert [lead.number for lead in first] == [number(3), number(2)]
    assert [lead.number for lead in rest] == [number(4), number(1), number(5)]


async def test_a_callback_comes_first_and_a_retry_in_its_turn(stage: Stage) -> None:
    await load(stage, *((number(n), rank(9 if n == 3 else None, None), {}) for n in range(1, 5)))
    claimed = {str(lead.number): lead for lead in await claim(stage)}
    now = stage.clock.now()
    later = now + timedelta(minutes=5)
    steps = {
        number(1): Again(at=now, why="busy: retry plan"),
        number(2): Again(at=later, why="callback agreed", is_callback=True),
        number(3): Again(at=later, why="busy: retry plan"),
        number(4): Again(at=now - timedelta(hours=1), why="busy: retry plan"),
    }
    async with stage.store.transaction() as tx:
        for told, step in steps.items():
            await tx.save_next_step(claimed[told].id, step)
    # What is due later is not taken, whatever its rank.
    soon = await claim(stage)
    assert [lead.number for lead in soon] == [number(4), number(1)]
    stage.clock.move(minutes=6)
    found = await claim(stage)
    assert [(lead.number, lead.is_callback) for lead in found] == [
        (number(2), True),
        (number(3), False),
    ]
    # Refused for the hour, a callback stays one; after a call that nobody answered it is none.
    for keeps in (None, False):
        async with stage.store.transaction() as tx:
            step = Again(at=stage.clock.now(), why="…", is_callback=keeps)
            await tx.save_next_step(found[0].id, step)
        (again,) = await claim(stage)
        assert again.is_callback is (keeps is None)


async def finish(stage: Stage, count: int, *, helps: bool = True) -> None:
    """So many talks: of the returning half buy nine of ten, of the cold one of ten."""
    session = await stage.agent()
    kinds = [GOOD if n % 2 else POOR for n in range(count)]
    await load(stage, *((number(n), 50, {"history": kinds[n]}) for n in range(count)))
    for n, lead in enumerate(await claim(stage, most=count)):
        attempt = await stage.place(lead)
        assert isinstance(attempt, Attempt), attempt
        await stage.settle()
        stage.clock.move(seconds=4)
        stage.telephony.pick_up(attempt.id)
        await stage.settle()
        stage.clock.move(seconds=20)
        stage.telephony.end(attempt.id, EndCause.CALLED_PARTY_HUNG_UP)
        await stage.settle()
        good = lead.attributes["history"] == GOOD
        sells = n // 2 % 10 < ((9 if good else 1) if helps else 5)
        said = Disposition.SALE if sells else Disposition.NOT_INTERESTED
        await agent_desk.dispose(stage.floor, session.id, said)
        async with stage.store.transaction() as tx:
            await tx.renew_campaign(stage.lease, now=stage.clock.now(), life=timedelta(hours=1))


async def score(stage: Stage, *, is_trial: bool = False, without: tuple[str, ...] = ()) -> Scored:
    return await score_leads(
        stage.store,
        stage.campaign.name,
        goal=Disposition.SALE,
        without=without,
        now=stage.clock.now(),
        is_trial=is_trial,
    )


async def test_who_is_likely_is_called_first_and_some_by_lot(stage: Stage) -> None:
    await finish(stage, 120)
    waiting = [(number(120 + n), 70, {"history": GOOD if n % 2 else POOR}) for n in range(40)]
    await load(stage, *waiting)

    trial = await score(stage, is_trial=True)
    assert (trial.finished, trial.goals, trial.leads) == (120, 60, 0)
    assert trial.model is not None
    assert await stage.one("SELECT count(*) FROM lead WHERE rank <> rank / 10 * 10") == 0

    found = await score(stage)
    assert found.check is not None
    assert found.check.found > 1.3 * found.check.expected
    assert found.leads == 40
    claimed = await claim(stage)
    by_lot = [lead for lead in claimed if lead.id.int % 10 == 0]
    ordered = [lead for lead in claimed if lead not in by_lot]
    half = sum(lead.attributes["history"] == GOOD for lead in ordered)
    assert all(lead.attributes["history"] == GOOD for lead in ordered[:half])
    # The priority is the list's own.
    assert {lead.rank // 10 for lead in claimed} == {7}
    assert await stage.one("SELECT count(*) FROM audit_entry WHERE kind = 'leads.scored'") == 1
    # The same again moves nobody.
    for lead in claimed:
        async with stage.store.transaction() as tx:
            await tx.save_next_step(lead.id, Again(at=stage.clock.now(), why="…"))
    assert (await score(stage)).moved == 0


async def test_what_does_not_help_changes_nothing(stage: Stage) -> None:
    await finish(stage, 100, helps=False)
    await load(stage, (number(100), 50, {"history": GOOD}))
    found = await score(stage)
    assert found.check is not None
    assert found.model is None
    assert await stage.one("SELECT count(*) FROM lead WHERE rank <> 50") == 0
    with pytest.raises(SettingsError, match="no finished lead has an attribute 'age'"):
        await score(stage, without=("age",))


async def test_too_little_is_said_to_be_so(stage: Stage) -> None:
    assert (await score(stage)).check is None
    with pytest.raises(SettingsError, match="no campaign 'Another'"):
        await score_leads(
            stage.store,
            "Another",
            goal=Disposition.SALE,
            without=(),
            now=stage.clock.now(),
            is_trial=True,
        )

"""Who answers is decided by seed, number and how often it was called; the mix is kept."""

from collections import Counter
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairdial.adapters.carrier.population import (
    DEFAULT_MIX,
    Behaviour,
    Decision,
    Known,
    Override,
    Population,
    is_fictional,
    read_people,
)
from fairdial.core import number as number_plan
from fairdial.exceptions import SettingsError

NUMBERS = [f"+1{area}55501{line:02}" for area in range(201, 281) for line in range(100)]
numbers = st.sampled_from(NUMBERS)


@given(st.integers(), numbers, st.integers(0, 50))
def test_the_same_call_always_meets_the_same_persona(seed: int, number: str, nth: int) -> None:
    assert Population(seed=seed).persona(number, nth) == Population(seed=seed).persona(number, nth)


@given(st.integers(), numbers, st.integers(0, 50))
def test_every_persona_can_be_played(seed: int, number: str, nth: int) -> None:
    persona = Population(seed=seed).persona(number, nth)
    assert 0.3 <= persona.ring_after_s <= 1.5
    assert persona.ring_s >= 0
    assert (persona.ring_s == inf) is (persona.does is Behaviour.NO_ANSWER)
    assert persona.answers is (persona.code == 200)
    assert min(persona.greeting_s, persona.patience_s, persona.talk_s) > 0
    if persona.does is Behaviour.PERSON:
        assert persona.ring_s <= 18
    if persona.does is Behaviour.VOICEMAIL:
        assert 3 <= persona.greeting_s <= 6
        assert persona.ring_s == 0 or 14 < persona.ring_s < 26
    if persona.does is Behaviour.EARLY_HANGUP:
        assert 1 <= persona.hangs_up_after_s <= 3


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_mix_is_kept(seed: int) -> None:
    population = Population(seed=seed)
    seen = Counter(population.persona(number).does for number in NUMBERS)
    # Chi-square with 7 degrees of freedom exceeds 24.3 once in a thousand fair draws.
    expected = {b: share * len(NUMBERS) for b, share in DEFAULT_MIX.items()}
    assert sum((seen[b] - e) ** 2 / e for b, e in expected.items()) < 24.3


def test_the_mix_is_kept_over_repeated_calls() -> None:
    population = Population(seed=9)
    seen = Counter(population.persona(n, nth).does for n in NUMBERS[:2000] for nth in range(4))
    shares = {b: seen[b] / 8000 for b in Behaviour}
    assert shares == pytest.approx(dict(DEFAULT_MIX), abs=0.02)


def test_a_dead_number_stays_dead_and_others_change() -> None:
    population = Population(seed=4)
    fates = {n: {population.persona(n, nth).does for nth in range(6)} for n in NUMBERS[:300]}
    dead = {n for n, seen in fates.items() if Behaviour.NOT_IN_SERVICE in seen}
    assert dead
    assert {frozenset(fates[n]) for n in dead} == {frozenset({Behaviour.NOT_IN_SERVICE})}
    assert any(len(seen) > 1 for seen in fates.values())


def test_decisions_and_ring_times_are_as_described() -> None:
    people = [Population(seed=5).persona(number) for number in NUMBERS]
    said = Counter(p.says for p in people)
    assert {d: said[d] / len(people) for d in Decision} == pytest.approx(
        {Decision.YES: 0.12, Decision.NO: 0.85, Decision.STOP: 0.03}, abs=0.01
    )
    rings = [p.ring_s for p in people if p.does is Behaviour.PERSON]
    assert sum(rings) / len(rings) == pytest.approx(6.8, abs=0.4)
    assert sum(p.talk_s for p in people) / len(people) == pytest.approx(30, abs=1.5)
    at_once = [p.ring_s == 0 for p in people if p.does is Behaviour.VOICEMAIL]
    assert sum(at_once) / len(at_once) == pytest.approx(0.2, abs=0.04)


def test_a_people_file_decides_talk_and_answer_and_nothing_else() -> None:
    number = NUMBERS[7]
    drawn = Population(seed=1).persona(number)
    known = Population(seed=1, people={number: Known(talk_s=91.5, says=Decision.STOP)})
    assert known.persona(number) == replace(drawn, talk_s=91.5, says=Decision.STOP)


def test_a_script_wins_over_the_draw() -> None:
    number = NUMBERS[8]
    script = Override(does=Behaviour.BUSY, ring_s=2.0, code=600)
    persona = Population(overrides={number: script}).persona(number, 3)
    assert (persona.does, persona.ring_s, persona.code) == (Behaviour.BUSY, 2.0, 600)


@given(st.text(max_size=14))
def test_only_numbers_set_aside_for_fiction_are_fictional(text: str) -> None:
    assert is_fictional(text) is (text in ALL_FICTIONAL)


ALL_FICTIONAL = (
    {f"+1{area}55501{line:02}" for area in range(200, 1000) for line in range(100)}
    | {
        f"+44{range_}{line:03}"
        for range_ in (
            *(1134960, 1144960, 1154960, 1164960, 1174960, 1184960),
            *(1214960, 1314960, 1414960, 1514960),
            *(1914980, 2079460, 2896496, 2920180, 1632960, 7700900),
        )
        for line in range(1000)
    }
    | {
        f"+61{area}{block}{line:04}"
        for area in "2378"
        for block in ("5550", "7010")
        for line in range(10_000)
    }
)


def test_the_gate_too_knows_every_one_of_them_as_fiction() -> None:
    assert [number for number in ALL_FICTIONAL if not number_plan.is_fictional(number)] == []


@pytest.mark.parametrize(
    "number",
    [
        "+12125550200",
        "+12125550099",
        "+11125550100",
        "12125550100",
        "+121255501000",
        "+12125550１00",
        "+442079461000",
        "+61455501234",
    ],
)
def test_refuses_numbers_that_are_nearly_fictional(number: str) -> None:
    assert not is_fictional(number)


def test_a_mix_must_sum_to_one() -> None:
    with pytest.raises(SettingsError, match=r"sum to 1, these sum to 0\.5"):
        Population(mix={Behaviour.PERSON: 0.5})


def test_reads_a_people_file(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("number,talk_s,says\n+12125550100,12.5,yes\n+12125550101,3,stop\n")
    assert read_people(file) == {
        "+12125550100": Known(talk_s=12.5, says=Decision.YES),
        "+12125550101": Known(talk_s=3.0, says=Decision.STOP),
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1: the columns must be number,talk_s,says, not nothing"),
        ("number,says\n", "line 1: the columns must be"),
        ("number,talk_s,says\n+442079461000,1,no\n", "line 2: .* is not a fictional number"),
        ("number,talk_s,says\n+12125550100,nan,no\n", "line 2: talk_s must be seconds"),
        ("number,talk_s,says\n+12125550100,-1,no\n", "line 2: talk_s must be seconds"),
        ("number,talk_s,says\n+12125550100,1,maybe\n", "line 2: says must be yes, no or stop"),
        ("number,talk_s,says\n+12125550100,1\n", "line 2: needs three values"),
        (
            "number,talk_s,says\n+12125550100,1,no\n+12125550100,1,no\n",
            r"line 3: \+12125550100 is there twice",
        ),
    ],
)
def test_refuses_a_people_file_and_says_where(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "people.csv"
    file.write_text(text)
    with pytest.raises(SettingsError, match=f"people.csv, {complaint}"):
        read_people(file)


def test_a_missing_people_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nobody\.csv: the people file cannot be read"):
        read_people(tmp_path / "nobody.csv")

"""A scenario is followed to the letter, or refused with the key that is wrong."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairdial.adapters.carrier.population import (
    Behaviour,
    Decision,
    Known,
    Override,
    RingHabits,
    TalkHabits,
)
from fairdial.adapters.carrier.scenario import Scenario, read_scenario
from fairdial.exceptions import SettingsError

WHOLE = """
seed = 7
[mix]
person = 0.75
busy = 0.25
[ring]
after_s_min = 0
after_s_max = 0.1
mean_s = 2
[talk]
mean_s = 5.5
stop = 0.5
[[number]]
number = "+12125550142"
does = "person"
ring_s = 1
talk_s = 2.5
says = "stop"
patience_s = 9
presses = "9"
[[number]]
number = "+12125550143"
does = "declined"
code = 607
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "scenario.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_reads_everything_that_can_be_said(tmp_path: Path) -> None:
    assert read_scenario(write(tmp_path, WHOLE)) == Scenario(
        seed=7,
        mix={Behaviour.PERSON: 0.75, Behaviour.BUSY: 0.25},
        ring=RingHabits(after_s_min=0.0, after_s_max=0.1, mean_s=2.0),
        talk=TalkHabits(mean_s=5.5, stop=0.5),
        overrides={
            "+12125550142": Override(
                does=Behaviour.PERSON,
                ring_s=1.0,
                talk_s=2.5,
                says=Decision.STOP,
                patience_s=9.0,
                presses="9",
            ),
            "+12125550143": Override(does=Behaviour.DECLINED, code=607),
        },
    )


def test_an_empty_scenario_changes_nothing(tmp_path: Path) -> None:
    assert read_scenario(write(tmp_path, "")) == Scenario()


def test_the_population_is_the_scripted_one(tmp_path: Path) -> None:
    scenario = read_scenario(write(tmp_path, WHOLE))
    people = {"+12125550142": Known(talk_s=50, says=Decision.YES)}
    population = scenario.population(seed=None, people=people)
    persona = population.persona("+12125550142")
    assert (population.seed, persona.ring_s, persona.talk_s, persona.says) == (
        7,
        1.0,
        2.5,
        Decision.STOP,
    )
    assert scenario.population(seed=11, people={}).seed == 11


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("seed = 'x'", "seed must be a whole number, not 'x'"),
        (
            "colour = 1",
            "colour is not known here; known: seed, mix, ring, talk, network, account, number",
        ),
        ("[account]\nusername = 'a'", r"account\.password must be text in quotes"),
        ("[account]\nuser = 'a'", r"account\.user is not known here"),
        (
            "[account]\nusername = 'a'\npassword = 'b'\nmust_register = 1",
            r"account\.must_register must be true or false",
        ),
        (
            "[account]\nusername = 'a'\npassword = 'b'\nexpires_s_max = 0",
            r"account\.expires_s_max must be 1 to 3600",
        ),
        ("[mix]\npersn = 1", "mix.persn is not known here; known: person,"),
        ("[mix]\nperson = 0.6", r"mix the shares must sum to 1, they sum to 0\.6"),
        ("[mix]\nperson = 2", r"mix\.person must be a number from 0 to 1, not 2"),
        ("mix = 3", "mix must be a table"),
        ("[ring]\nmean_s = 0", r"ring\.mean_s must be over 0"),
        ("[ring]\nmean_s = nan", r"ring\.mean_s must be a number from 0 to 36000, not nan"),
        ("[ring]\nafter_s_min = 3", r"ring\.after_s_max must not be under ring\.after_s_min"),
        ("[talk]\nyes = 0.9\nstop = 0.2", r"talk\.yes and talk\.stop are shares"),
        ("[talk]\nlength = 1", r"talk\.length is not known here"),
        ("number = 1", r"number must be written as \[\[number\]\] tables"),
        ("[[number]]\ndoes = 'busy'", r"number\[1\]\.number must be a fictional number"),
        (
            "[[number]]\nnumber = '+442079461000'\ndoes = 'busy'",
            r"number\[1\]\.number must be a fictional number, .* not '\+442079461000'",
        ),
        (
            "[[number]]\nnumber = '+12125550142'",
            r"number\[1\]\.does must be one of person, .* not None",
        ),
        (
            "[[number]]\nnumber = '+12125550142'\ndoes = 'person'\ncode = 486",
            r"number\[1\]\.code only calls that are refused have one, not person",
        ),
        (
            "[[number]]\nnumber = '+12125550142'\ndoes = 'busy'\ncode = 200",
            r"number\[1\]\.code must be a status from 400 to 699, not 200",
        ),
        (
            "[[number]]\nnumber = '+12125550142'\ndoes = 'busy'\nrings_s = 2",
            r"number\[1\]\.rings_s is not known here",
        ),
        (
            "[[number]]\nnumber = '+12125550142'\ndoes = 'busy'\nring_s = true",
            r"number\[1\]\.ring_s must be a number",
        ),
        (
            "[[number]]\nnumber = '+12125550142'\ndoes = 'person'\npresses = '99'",
            r"number\[1\]\.presses must be one key of 0123456789\*#ABCD, not '99'",
        ),
        (
            "[[number]]\nnumber = '+12125550142'\ndoes = 'person'\npresses = 9",
            r"number\[1\]\.presses must be one key of 0123456789\*#ABCD, not 9",
        ),
        (
            "[[number]]\nnumber = '+12125550142'\ndoes = 'voicemail'\npresses = '9'",
            r"number\[1\]\.presses only a person has a finger for it, not voicemail",
        ),
        (
            "[[number]]\nnumber = '+12125550142'\ndoes = 'busy'\n" * 2,
            r"number\[2\]\.number \+12125550142 is scripted twice",
        ),
        ("seed =", "this is not TOML"),
    ],
)
def test_names_the_file_and_the_key_that_is_wrong(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(SettingsError, match=rf"scenario\.toml: {complaint}"):
        read_scenario(write(tmp_path, text))


def test_a_missing_scenario_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: the scenario cannot be read"):
        read_scenario(tmp_path / "none.toml")


@given(text=st.text(max_size=80))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = write(tmp_path_factory.getbasetemp(), text)
    with suppress(SettingsError):
        assert isinstance(read_scenario(file), Scenario)


def test_the_example_of_the_manual_is_a_scenario(tmp_path: Path) -> None:
    manual = Path(__file__).parents[3] / "docs" / "reference" / "carrier.md"
    example = manual.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    scenario = read_scenario(write(tmp_path, example))
    assert (scenario.seed, scenario.mix[Behaviour.PERSON], len(scenario.overrides)) == (7, 0.9, 4)
    assert (scenario.ring.mean_s, scenario.talk) == (RingHabits().mean_s, TalkHabits())

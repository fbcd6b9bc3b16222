"""Comparisons: replayable, on the same people, read from a file that must be right."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from fairdial.cli import cli
from fairdial.exceptions import SettingsError
from fairdial.simulate.compare import Band, compare
from fairdial.simulate.plot import svg
from fairdial.simulate.scenario import read_world
from fairdial.simulate.world import World

EXAMPLE = Path(__file__).parents[2] / "examples" / "floor.toml"
SMALL = World(agents=4, minutes=30, seed=3)


def test_the_same_seeds_give_the_same_figures_however_they_are_played() -> None:
    names = ("predictive", "vicidial average")
    alone = compare(SMALL, names, seeds=3)
    assert compare(SMALL, names, seeds=3, workers=2) == alone
    assert [row.law for row in alone] == list(names)


def test_progressive_is_the_calmest_and_a_high_ratio_the_busiest() -> None:
    rows = {row.law: row for row in compare(SMALL, ("progressive", "ratio 6"), seeds=4)}
    assert rows["progressive"].abandon_rate.high == 0
    assert rows["progressive"].under_ceiling == 1
    assert rows["ratio 6"].utilisation.low > rows["progressive"].utilisation.high
    assert rows["ratio 6"].idle_s_per_talk.mean < rows["progressive"].idle_s_per_talk.mean
    assert rows["ratio 6"].worst_hour.mean >= rows["ratio 6"].abandon_rate.mean


def test_the_bounds_stand_above_every_law() -> None:
    floor = World(agents=3, minutes=40, person_rate=0.3, machine_rate=0.0, seed=5)
    names = ("progressive", "predictive", "oracle", "clairvoyant")
    rows = compare(floor, names, seeds=1)
    utilisation = [row.utilisation.mean for row in rows]
    assert utilisation == sorted(utilisation)
    progressive, _, oracle, clairvoyant = rows
    assert oracle.utilisation.mean > progressive.utilisation.mean + 0.02
    assert oracle.abandon_rate.mean <= 0.03
    assert clairvoyant.utilisation.low > 0.98
    assert clairvoyant.abandon_rate.high == 0
    assert clairvoyant.dials_per_connect.mean == 1


def test_a_clairvoyant_on_a_dead_list_waits_to_the_end() -> None:
    (row,) = compare(World(agents=3, minutes=10, person_rate=0.0), ["clairvoyant"], seeds=1)
    assert (row.utilisation.mean, row.connected.mean) == (0, 0)


def test_the_oracle_knows_one_truth_only() -> None:
    with pytest.raises(ValueError, match="knows one truth"):
        compare(World(agents=3, shift=2.0), ["oracle"], seeds=1)


def test_the_picture_shows_every_row_and_the_ceiling() -> None:
    rows = compare(SMALL, ("predictive", "ratio 6"), seeds=2)
    drawn = ElementTree.fromstring(svg(rows, "A & B < C"))
    texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"A & B < C", "predictive", "ratio 6", "ceiling 3%"} <= set(texts)
    bars = list(drawn.iter("{http://www.w3.org/2000/svg}rect"))[1:]
    widths = [float(bar.get("width") or 0) for bar in bars]
    assert len(bars) == 4
    assert widths[2] / widths[0] == pytest.approx(
        rows[1].utilisation.mean / rows[0].utilisation.mean, rel=0.01
    )
    assert bars[3].get("fill") != bars[2].get("fill"), "over the ceiling is red"


def test_a_picture_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    options = ["--agents", "2", "--minutes", "1", "--seeds", "1", "--law", "progressive"]
    target = tmp_path / "none" / "floor.svg"
    result = CliRunner().invoke(cli, ["simulate", *options, "--plot", str(target)])
    assert result.exit_code == 2
    assert "cannot write" in result.output


def test_a_band_holds_nine_of_ten() -> None:
    band = Band.of([float(n) for n in range(21)])
    assert (band.mean, band.low, band.high) == (10.0, 1.0, 19.0)
    assert Band.of([2.0]) == Band(mean=2.0, low=2.0, high=2.0)


@pytest.mark.parametrize(("seeds", "law"), [(0, "predictive"), (1, "hope")])
def test_what_cannot_be_played_is_said(seeds: int, law: str) -> None:
    with pytest.raises(ValueError, match=r"seeds is 0|no law 'hope'"):
        compare(SMALL, (law,), seeds=seeds)


def test_reads_the_example() -> None:
    world = read_world(EXAMPLE)
    assert (world.agents, world.minutes, world.person_rate) == (12, 480.0, 0.12)
    assert (world.live_answers_before, world.abandoned_before) == (2000, 40)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "agents is missing"),
        ("agents = 0", "agents is 0; it must be over 0 to 1000"),
        ("agents = 2.5", "agents must be a whole number"),
        ("agents = true", "agents must be a number, not True"),
        ("agents = 5\ntalk_s = -3", "talk_s is -3; it must be over 0"),
        ("agents = 5\nperson_rate = 1.5", "person_rate is 1.5; it must be 0 to 1"),
        ("agents = 5\nperson_rate = nan", "person_rate must be a number, not nan"),
        ("agents = 5\nperson_rate = 0.6\nmachine_rate = 0.6", "together are over 1"),
        ("agents = 5\nabandoned_before = 3", "abandoned_before is more than"),
        ("agents = 5\ntalks = 3", "talks is not known; did you mean talk_s?"),
        ("agents = ", "is no TOML"),
    ],
)
def test_a_scenario_that_is_wrong_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "floor.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"floor\.toml") as refused:
        read_world(path)
    assert complaint in str(refused.value)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_lists_that_nobody_or_everybody_answers_are_played_to_the_end(rate: float) -> None:
    world = World(agents=3, minutes=10, person_rate=rate, machine_rate=0.0)
    for row in compare(world, ("predictive", "vicidial tapered", "issabel overcommit"), seeds=1):
        assert 0 <= row.utilisation.mean <= 1
        assert (row.connected.mean > 0) is (rate > 0)


def test_the_command_prints_a_table_or_json(tmp_path: Path) -> None:
    scenario = tmp_path / "floor.toml"
    scenario.write_text("agents = 3\nminutes = 20.0\n")
    run = CliRunner().invoke
    table = run(cli, ["simulate", str(scenario), "--seeds", "2", "--law", "issabel"])
    assert table.exit_code == 0, table.output
    assert "issabel" in table.output
    assert "3 agents for 20 minutes" in table.output
    told = run(cli, ["simulate", str(scenario), "--seeds", "1", "--law", "progressive", "--json"])
    (row,) = json.loads(told.stdout)["rows"]
    assert row["abandon_rate"]["mean"] == 0
    wrong = run(cli, ["simulate", "--law", "hope"])
    assert wrong.exit_code != 0
    assert "there are: predictive" in wrong.output

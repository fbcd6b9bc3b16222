"""The demo's list: the same every time, fictional throughout, and mixed as it says."""

from __future__ import annotations

import csv
import resource
import wave
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fairdial.adapters.files.campaign import read_campaign
from fairdial.adapters.files.lists import read_list
from fairdial.adapters.registries.simple import read_simple
from fairdial.cli import cli
from fairdial.core.intake import NewLead, RejectedRow, RejectKind
from fairdial.core.lead import ConsentKind, LineType, StatedLocation
from fairdial.core.number import is_fictional
from fairdial.exceptions import SettingsError
from fairdial.sandbox.leads import (
    SHARES,
    SIZE_MAX,
    SIZE_MIN,
    DemoFiles,
    Kind,
    bank_data,
    write_demo_files,
)

DAY = date(2026, 11, 20)
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoFiles:
    return write_demo_files(tmp_path_factory.mktemp("demo"), seed=7, as_of=DAY)


@pytest.fixture(scope="module")
def read(demo: DemoFiles) -> list[NewLead | RejectedRow]:
    return list(read_list(demo.leads_csv))


@pytest.fixture(scope="module")
def leads(read: list[NewLead | RejectedRow]) -> dict[int, NewLead]:
    return {r.row: r for r in read if isinstance(r, NewLead)}


def people(demo: DemoFiles) -> list[dict[str, str]]:
    with demo.people_csv.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def of_kind(demo: DemoFiles, kind: Kind) -> list[int]:
    return [line for line, its in demo.kinds.items() if its is kind]


def test_one_seed_gives_one_set_of_files(tmp_path: Path) -> None:
    def contents(name: str, seed: int) -> dict[str, bytes]:
        write_demo_files(tmp_path / name, size=300, seed=seed, as_of=DAY)
        return {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}

    first = contents("first", 7)
    assert contents("again", 7) == first
    assert contents("other", 8)["leads.csv"] != first["leads.csv"]


def test_a_full_disk_is_said_and_leaves_the_former_files_whole(tmp_path: Path) -> None:
    write_demo_files(tmp_path, size=300, seed=7, as_of=DAY)
    former = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        # The disk is as good as full: no file may be longer than the list begins.
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        with pytest.raises(SettingsError) as caught:
            write_demo_files(tmp_path, size=300, seed=8, as_of=DAY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(tmp_path) in str(caught.value)
    assert "FAIRDIAL_DATA_DIR" in str(caught.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == former


@pytest.mark.parametrize(("size", "limit"), [(SIZE_MIN - 1, SIZE_MIN), (SIZE_MAX + 1, SIZE_MAX)])
def test_the_demo_refuses_a_list_that_it_cannot_make(size: int, limit: int) -> None:
    result = CliRunner().invoke(cli, ["demo", "--leads", f"{size}"])
    assert result.exit_code == 2
    assert f"equal to {limit}" in result.output


def test_every_kind_has_its_share_and_the_first_rows_are_good(demo: DemoFiles) -> None:
    counts = Counter(demo.kinds.values())
    assert sum(counts.values()) == 2_000
    assert {kind: counts[kind] for kind in SHARES} == {
        kind: round(share * 2_000) for kind, share in SHARES.items()
    }
    assert {demo.kinds[line] for line in (2, 3, 4)} == {Kind.ORDINARY}


@pytest.mark.parametrize("kind", [k for k in SHARES if SHARES[k] >= 0.01])
def test_each_kind_is_spread_from_the_start_to_the_end(demo: DemoFiles, kind: Kind) -> None:
    lines = of_kind(demo, kind)
    quarters = Counter(min(3, (line - 2) // 500) for line in lines)
    assert all(abs(quarters[q] - len(lines) / 4) <= 2 for q in range(4)), quarters


def test_exactly_the_bad_rows_are_rejected(
    demo: DemoFiles, read: list[NewLead | RejectedRow]
) -> None:
    kinds = {r.line: r.kind for r in read if isinstance(r, RejectedRow)}
    expected = {
        Kind.MALFORMED: RejectKind.NUMBER,
        Kind.BROKEN: RejectKind.CELL_COUNT,
        Kind.DUPLICATE: RejectKind.DUPLICATE,
    }
    assert kinds == {line: expected[k] for line, k in demo.kinds.items() if k in expected}


def test_every_number_is_fictional_and_toll_free_ones_have_no_place(
    demo: DemoFiles, leads: dict[int, NewLead]
) -> None:
    assert all(is_fictional(lead.number) for lead in leads.values())
    toll_free = [leads[line] for line in of_kind(demo, Kind.TOLL_FREE)]
    assert {lead.number[2:4] for lead in toll_free} <= {"80", "83", "84", "85", "86", "87", "88"}
    assert {lead.location for lead in toll_free} == {StatedLocation()}


def test_the_do_not_call_files_hold_exactly_their_rows(
    demo: DemoFiles, leads: dict[int, NewLead]
) -> None:
    for path, kind in (
        (demo.do_not_call, Kind.NATIONAL),
        (demo.internal_do_not_call, Kind.INTERNAL),
    ):
        reading = read_simple(path)
        assert {entry.number for entry in reading} == {
            leads[line].number for line in of_kind(demo, kind)
        }
        assert reading.is_for_sandbox


def test_states_that_want_written_consent_stand_alone_and_without_it(
    demo: DemoFiles, leads: dict[int, NewLead]
) -> None:
    strict = {line for line, x in leads.items() if x.location.state in ("FL", "OK", "MD", "CT")}
    assert strict == set(of_kind(demo, Kind.WRITTEN_STATE))
    assert {leads[line].consent for line in strict} == {None}
    mobile = [leads[line] for line in of_kind(demo, Kind.MOBILE_BAN)]
    assert {(x.location.state, x.line_type) for x in mobile} <= {
        ("AZ", LineType.WIRELESS),
        ("NJ", LineType.WIRELESS),
    }


def test_a_tenth_has_given_written_consent_before_the_day(leads: dict[int, NewLead]) -> None:
    given = [x for x in leads.values() if x.consent is ConsentKind.WRITTEN]
    assert 0.06 < len(given) / len(leads) < 0.13
    assert all(x.consent_on is not None and x.consent_on < DAY for x in given)


def test_the_statistics_are_those_of_the_whole_data_file(
    demo: DemoFiles, leads: dict[int, NewLead]
) -> None:
    data = bank_data()
    assert (len(data), sum(row["y"] == "yes" for row in data)) == (41_188, 4_640)
    says = Counter(person["says"] for person in people(demo))
    assert says["stop"] == round(0.03 * says.total())
    assert 0.08 < says["yes"] / says.total() < 0.14
    mobiles = sum(x.line_type is LineType.WIRELESS for x in leads.values())
    assert 0.60 < mobiles / len(leads) < 0.68


def test_people_stand_behind_every_lead_once_and_talk_within_bounds(
    demo: DemoFiles, leads: dict[int, NewLead]
) -> None:
    them = people(demo)
    assert Counter(p["number"] for p in them) == Counter(x.number for x in leads.values())
    talks = [float(p["talk_s"]) for p in them]
    assert (min(talks), max(talks)) == (3.0, 90.0)
    assert 20 < sum(talks) / len(talks) < 30


def test_the_campaign_file_is_sound(demo: DemoFiles) -> None:
    found = read_campaign(demo.campaign_toml)
    assert found.warnings == ()
    assert found.do_not_call == demo.do_not_call
    assert found.internal_do_not_call == demo.internal_do_not_call
    assert found.abandoned_message == demo.abandoned_wav


def test_the_recording_fits_a_telephone_line(demo: DemoFiles) -> None:
    with wave.open(str(demo.abandoned_wav), "rb") as sound:
        assert (sound.getframerate(), sound.getsampwidth(), sound.getnchannels()) == (8_000, 2, 1)
        assert sound.getnframes() <= 12 * 8_000
    assert demo.abandoned_wav.stat().st_size <= 200_000


@pytest.mark.parametrize("size", [20, SIZE_MAX])
def test_the_smallest_and_the_largest_demo_have_every_kind(tmp_path: Path, size: int) -> None:
    files = write_demo_files(tmp_path, size=size, seed=1, as_of=DAY)
    assert set(files.kinds.values()) == set(Kind)


@pytest.mark.parametrize(
    ("size", "divisor"), [(19, 10.0), (SIZE_MAX + 1, 10.0), (100, 0.0), (100, float("nan"))]
)
def test_refuses_sizes_and_divisors_out_of_bounds(
    tmp_path: Path, size: int, divisor: float
) -> None:
    with pytest.raises(ValueError):
        write_demo_files(tmp_path, size=size, seed=1, as_of=DAY, talk_divisor=divisor)
    assert list(tmp_path.iterdir()) == []


def test_the_examples_are_ready_to_run(demo: DemoFiles) -> None:
    campaign = read_campaign(EXAMPLES / "campaign.toml")
    assert campaign.warnings == ()
    # A campaign is known by its name: the demo's list would be dialed with the example.
    assert campaign.name != read_campaign(demo.campaign_toml).name
    reading = read_list(EXAMPLES / "leads.csv")
    found = list(reading)
    assert (reading.summary.leads, reading.summary.rejected) == (58, 8)
    assert all(is_fictional(x.number) for x in found if isinstance(x, NewLead))
    listed = {e.number for e in read_simple(EXAMPLES / "national-do-not-call.csv")}
    assert listed <= {x.number for x in found if isinstance(x, NewLead)}

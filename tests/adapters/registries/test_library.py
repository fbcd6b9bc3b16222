"""A registry's file becomes a version, or is refused with its line; never something in between."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairdial.adapters.registries.library import FileLibrary
from fairdial.core.ids import E164
from fairdial.core.registry import (
    AreaCopy,
    Coverage,
    RegistryCopy,
    RegistryForm,
    RegistryOrder,
    setup_of,
)
from fairdial.exceptions import RegistryUnavailable, UnusableList
from fairdial.ports import RegistryDraft, RegistryProgress

MONDAY = date(2026, 11, 23)
TUESDAY, WEDNESDAY = MONDAY + timedelta(1), MONDAY + timedelta(2)
COUNTRIES: Mapping[str, str | None] = {"212": "US", "646": "US", "917": "US", "416": "CA"}
US = RegistryOrder(
    name="us-national", form=RegistryForm.US_FULL, organization="77", subscription="1001-1"
)
STATE = RegistryOrder(name="us-fl", form=RegistryForm.STATE, state="FL", as_of=MONDAY)
_numbers = itertools.count(1)


class Shelf:
    """A library in a folder, with the version in force of one registry."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.library = FileLibrary(folder / "registries")
        self.copy: RegistryCopy | None = None
        self.draft: RegistryDraft | None = None

    def take(self, text: str, order: RegistryOrder, today: date = WEDNESDAY) -> RegistryDraft:
        """Import a file; its version is then in force."""
        path = self.folder / "download.txt"
        path.write_text(text, encoding="utf-8")
        setup = setup_of(order, None if self.copy is None else self.copy.setup)
        number = next(_numbers)
        draft = self.library.build(
            path,
            order,
            setup,
            self.copy,
            file=f"{order.name}-{number}.dnc",
            countries=COUNTRIES,
            today=today,
            is_sandbox=False,
            say=lambda _: None,
        )
        self.copy = RegistryCopy(
            setup=setup,
            version=number,
            file=draft.file,
            sha256=draft.sha256,
            as_of=draft.as_of,
            entries=draft.entries,
            source_sha256="",
            areas=draft.areas,
        )
        self.draft = draft
        return draft

    def full(self, text: str, day: date = MONDAY, **more: object) -> RegistryDraft:
        return self.take(text, replace(US, as_of=day, **more))  # type: ignore[arg-type]

    def changes(self, text: str, **more: object) -> RegistryDraft:
        return self.take(text, replace(US, form=RegistryForm.US_CHANGES, **more))  # type: ignore[arg-type]

    def has(self, number: str) -> bool:
        assert self.copy is not None
        return self.library.look(
            self.copy.file, self.copy.sha256, self.copy.setup.coverage, E164(number)
        ).is_listed

    def day(self, number: str) -> date | None:
        assert self.copy is not None
        return self.library.look(
            self.copy.file, self.copy.sha256, self.copy.setup.coverage, E164(number)
        ).registered_on

    def files(self) -> list[str]:
        return sorted(p.name for p in self.library.folder.iterdir())


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_a_full_file_lists_its_numbers_and_the_age_of_each_area_code(shelf: Shelf) -> None:
    draft = shelf.full("212,5550142\n212,5550143\n646,5550144\n")
    assert dict(draft.areas) == {
        "212": AreaCopy(as_of=MONDAY, entries=2),
        "646": AreaCopy(as_of=MONDAY, entries=1),
    }
    assert (draft.entries, draft.added, draft.removed, draft.rows) == (3, 3, 0, 3)
    assert shelf.has("+12125550142")
    assert not shelf.has("+12125550144")


def test_a_file_of_one_area_code_leaves_the_others_as_they_are(shelf: Shelf) -> None:
    shelf.full("212,5550142\n646,5550144\n")
    draft = shelf.full("646,5550145\n", TUESDAY)
    assert dict(draft.areas) == {
        "212": AreaCopy(as_of=MONDAY, entries=1),
        "646": AreaCopy(as_of=TUESDAY, entries=1),
    }
    assert (draft.added, draft.removed) == (1, 1)
    assert [shelf.has(f"+1{n}") for n in ("2125550142", "6465550144", "6465550145")] == [
        True,
        False,
        True,
    ]


def test_an_area_code_without_any_number_is_covered_when_the_order_says_so(shelf: Shelf) -> None:
    draft = shelf.full("212,5550142\n", area_codes=frozenset({"212", "917"}))
    assert draft.areas["917"] == AreaCopy(as_of=MONDAY, entries=0)


def test_changes_add_and_delete_and_make_their_area_codes_younger(shelf: Shelf) -> None:
    shelf.full("212,5550142\n212,5550143\n646,5550144\n")
    draft = shelf.changes("212,5550145,2026-11-24,A\n212,5550142,2026-11-24,D\n")
    assert (draft.added, draft.removed, draft.as_of) == (1, 1, TUESDAY)
    assert dict(draft.areas) == {
        "212": AreaCopy(as_of=TUESDAY, entries=2),
        "646": AreaCopy(as_of=MONDAY, entries=1),
    }
    assert [shelf.has(f"+1212555014{n}") for n in (2, 3, 5)] == [False, True, True]
    assert shelf.day("+12125550145") == TUESDAY


def test_changes_of_all_area_codes_make_those_younger_in_which_nothing_changed(
    shelf: Shelf,
) -> None:
    shelf.full("212,5550142\n646,5550144\n")
    draft = shelf.changes("212,5550145,2026-11-24,A\n", holds_all_area_codes=True)
    assert {area.as_of for area in draft.areas.values()} == {TUESDAY}


def test_a_number_deleted_and_added_again_is_listed_as_its_last_day_says(shelf: Shelf) -> None:
    shelf.full("212,5550142\n")
    shelf.changes(
        "212,5550142,2026-11-25,A\n212,5550142,2026-11-24,D\n"
        "212,5550143,2026-11-24,A\n212,5550143,2026-11-25,D\n"
    )
    assert shelf.has("+12125550142")
    assert not shelf.has("+12125550143")


def test_what_a_change_file_repeats_from_before_may_add_and_never_delete(shelf: Shelf) -> None:
    shelf.full("212,5550142\n", TUESDAY)
    draft = shelf.changes(
        "212,5550142,2026-11-23,D\n212,5550143,2026-11-23,A\n212,5550144,2026-11-25,A\n"
    )
    assert [shelf.has(f"+1212555014{n}") for n in (2, 3, 4)] == [True, True, True]
    assert draft.added == 2


def test_an_addition_of_what_is_listed_is_counted(shelf: Shelf) -> None:
    shelf.full("212,5550142\n")
    draft = shelf.changes("212,5550142,2026-11-24,A\n")
    assert (draft.known, draft.added) == (1, 0)


def test_undated_changes_need_their_days_said(shelf: Shelf) -> None:
    shelf.full("212,5550142\n")
    with pytest.raises(UnusableList, match="--since and --as-of"):
        shelf.changes("212,5550143,A\n")
    shelf.changes("212,5550143,A\n", since=TUESDAY, as_of=TUESDAY)
    assert shelf.has("+12125550143")


@pytest.mark.parametrize(
    ("text", "more", "reason"),
    [
        ("212,5550143,2026-11-22,A\n", {}, "these changes are in it already"),
        ("212,5550143,2026-11-23,A\n", {}, "these changes are in it already"),
        ("212,5550143,2026-11-25,A\n", {}, "the days between are missing"),
        ("917,5550143,2026-11-24,A\n", {}, "917 was never imported in full"),
        ("212,5550149,2026-11-24,D\n", {}, r"line 1: it takes \+12125550149 off"),
        (
            "212,5550143,2026-11-24,A\n212,5550143,2026-11-24,D\n",
            {},
            r"line 2: \+12125550143 was changed in line 1 already",
        ),
        ("212,5550143,2026-11-27,A\n", {"since": TUESDAY}, "that day is still to come"),
        ("212,5550143,2026-11-25,A\n", {"as_of": TUESDAY, "since": TUESDAY}, "after the day of"),
        ("646,5550143,2026-11-24,A\n", {"area_codes": frozenset({"212"})}, "none of the area"),
        ("area code,number,day,mark\n", {}, "holds no change"),
    ],
)
def test_changes_that_cannot_follow_change_nothing(
    shelf: Shelf, text: str, more: dict[str, object], reason: str
) -> None:
    shelf.full("212,5550142\n646,5550144\n")
    before = shelf.files()
    with pytest.raises(UnusableList, match=reason):
        shelf.changes(text, **more)
    assert shelf.files() == before


def test_days_without_a_change_are_no_gap_when_somebody_says_so(shelf: Shelf) -> None:
    shelf.full("212,5550142\n")
    shelf.changes("212,5550143,2026-11-25,A\n", since=TUESDAY)
    assert shelf.has("+12125550143")


def test_changes_to_nothing_are_refused(shelf: Shelf) -> None:
    with pytest.raises(UnusableList, match="import its full file first"):
        shelf.changes("212,5550143,2026-11-25,A\n")


@pytest.mark.parametrize(
    ("text", "more", "reason"),
    [
        ("212,5550142\n646,5550143\n212,5550142\n", {}, "line 3: .*in the file twice"),
        ("212,5550142\n", {"area_codes": frozenset({"646"})}, "line 1: .*none of the area codes"),
        ("area code,number\n", {}, "lists no number"),
        ("212,5550142\n", {"as_of": None}, "the day of this copy is not stated"),
        ("212,5550142\n", {"as_of": WEDNESDAY + timedelta(2)}, "still to come"),
    ],
)
def test_a_full_file_that_cannot_be_right_is_refused(
    shelf: Shelf, text: str, more: dict[str, object], reason: str
) -> None:
    with pytest.raises(UnusableList, match=reason):
        shelf.take(text, replace(US, **{"as_of": MONDAY, **more}))  # type: ignore[arg-type]
    assert not shelf.library.folder.exists()


def test_a_repeated_number_is_found_across_pieces_of_a_file(shelf: Shelf) -> None:
    many = "".join(f"212,{n}\n" for n in range(2_000_000, 2_400_000))
    with pytest.raises(UnusableList, match=r"line 400001: “212,2000007”: .*twice"):
        shelf.full(many + "212,2000007\n")


def test_an_older_full_file_is_refused(shelf: Shelf) -> None:
    shelf.full("212,5550142\n", TUESDAY)
    with pytest.raises(UnusableList, match="it is older"):
        shelf.full("212,5550143\n", MONDAY)


def test_an_area_code_that_lost_many_numbers_looks_cut_off(shelf: Shelf) -> None:
    many = [f"212,{n}\n" for n in range(2_000_000, 2_020_000)]
    shelf.full("".join(many))
    with pytest.raises(UnusableList, match=r"lists 17,900 numbers of area code 212.*--may-shrink"):
        shelf.full("".join(many[:17_900]), TUESDAY)
    assert shelf.full("".join(many[:17_900]), TUESDAY, may_shrink=True).removed == 2_100
    assert shelf.full("".join(many[:17_000]), WEDNESDAY).removed == 900


def test_a_state_list_may_name_a_number_twice_and_it_is_counted(shelf: Shelf) -> None:
    draft = shelf.take("2125550142,2026-11-20\n2125550142,2026-11-21\n2125550143,\n", STATE)
    assert (draft.entries, draft.repeated) == (2, 1)
    assert shelf.day("+12125550142") is None, "two days are none: taken as long ago"


def test_only_days_that_a_rule_may_count_from_are_kept(shelf: Shelf) -> None:
    shelf.take("2125550142,2026-11-20\n2125550143,2019-05-06\n", STATE)
    assert shelf.day("+12125550142") == date(2026, 11, 20)
    assert shelf.day("+12125550143") is None


def test_a_registration_after_the_day_of_the_file_is_refused(shelf: Shelf) -> None:
    with pytest.raises(UnusableList, match=r"line 1: .*after the day of the file"):
        shelf.take("2125550142,2026-11-24\n", STATE)


def test_a_washed_list_covers_its_own_numbers_and_no_others(shelf: Shelf) -> None:
    order = RegistryOrder(name="au-washed", form=RegistryForm.AU_WASHED, as_of=MONDAY)
    draft = shelf.take("0291234567,Y\n0491570156,N\n", order)
    assert shelf.copy is not None
    assert draft.entries == 1
    seen = [
        shelf.library.look(draft.file, draft.sha256, Coverage.NUMBERS, E164(number))
        for number in ("+61291234567", "+61491570156", "+61491570157")
    ]
    assert [(s.is_listed, s.is_covered) for s in seen] == [
        (True, True),
        (False, True),
        (False, False),
    ]


def test_a_second_import_of_a_registry_at_once_is_refused(shelf: Shelf) -> None:
    other = FileLibrary(shelf.library.folder)
    with (
        shelf.library.hold("us-national"),
        pytest.raises(RegistryUnavailable, match="another process is importing"),
        other.hold("us-national"),
    ):
        pass
    with other.hold("us-national"), shelf.library.hold("us-fl"):
        pass


def test_progress_rises_to_the_end_of_the_file(shelf: Shelf) -> None:
    path = shelf.folder / "download.txt"
    path.write_text("".join(f"212,{n}\n" for n in range(2_000_000, 2_400_000)), encoding="ascii")
    seen: list[RegistryProgress] = []
    order = replace(US, as_of=MONDAY)
    shelf.library.build(
        path,
        order,
        setup_of(order, None),
        None,
        file="a.dnc",
        countries=COUNTRIES,
        today=WEDNESDAY,
        is_sandbox=False,
        say=seen.append,
    )
    reading = [p for p in seen if p.what == "reading"]
    assert [p.done for p in reading] == sorted(p.done for p in reading)
    assert (reading[-1].done, reading[-1].rows) == (reading[-1].total, 400_000)
    assert len(reading) > 1


LOCAL = st.integers(5_550_100, 5_550_115)
DAYS = st.lists(
    st.dictionaries(st.tuples(st.sampled_from(["212", "646"]), LOCAL), st.booleans(), min_size=1),
    max_size=4,
)


@settings(max_examples=25, deadline=None)
@given(full=st.sets(st.tuples(st.sampled_from(["212", "646"]), LOCAL)), days=DAYS)
def test_days_of_changes_lead_to_what_a_set_would_hold(
    tmp_path_factory: pytest.TempPathFactory,
    full: set[tuple[str, int]],
    days: list[dict[tuple[str, int], bool]],
) -> None:
    shelf = Shelf(tmp_path_factory.mktemp("days"))
    both = frozenset({"212", "646"})
    shelf.full("".join(f"{a},{n}\n" for a, n in full) or "a,b\n", area_codes=both)
    listed = set(full)
    for count, wanted in enumerate(days, start=1):
        day = MONDAY + timedelta(count)
        changes = {key: is_on for key, is_on in wanted.items() if is_on or key in listed}
        text = "".join(f"{a},{n},{day},{'A' if on else 'D'}\n" for (a, n), on in changes.items())
        shelf.take(
            text or "area code,number,day,mark\n",
            replace(
                US,
                form=RegistryForm.US_CHANGES,
                as_of=day,
                since=day,
                holds_all_area_codes=True,
            ),
            today=day,
        )
        listed |= {key for key, is_on in changes.items() if is_on}
        listed -= {key for key, is_on in changes.items() if not is_on}
    for area in ("212", "646"):
        for local in range(5_550_100, 5_550_116):
            assert shelf.has(f"+1{area}{local}") == ((area, local) in listed)

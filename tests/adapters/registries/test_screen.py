"""Screening passes over no row, whatever the list looks like."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date
from pathlib import Path
from random import Random

import pytest

from fairdial.adapters.registries.library import FileLibrary
from fairdial.adapters.registries.screen import Screened, Source, screen
from fairdial.core.registry import RegistryCopy, RegistryForm, RegistryOrder, setup_of
from fairdial.exceptions import UnusableList

DAY = date(2026, 11, 24)
COUNTRIES = {"212": "US", "646": "US", "917": "US", "416": "CA"}


def source(folder: Path, text: str, order: RegistryOrder) -> Source:
    path = folder / "download.txt"
    path.write_text(text, encoding="utf-8")
    library, setup = FileLibrary(folder), setup_of(order, None)
    draft = library.build(
        path,
        order,
        setup,
        None,
        file=f"{order.name}.dnc",
        countries=COUNTRIES,
        today=DAY,
        is_sandbox=False,
        say=lambda _: None,
    )
    copy = RegistryCopy(
        setup=setup,
        version=1,
        file=draft.file,
        sha256=draft.sha256,
        as_of=DAY,
        entries=draft.entries,
        source_sha256="",
        areas=draft.areas,
    )
    return Source(copy=copy, file=library.opened(draft.file, draft.sha256))


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    us = RegistryOrder(
        name="us-national",
        form=RegistryForm.US_FULL,
        as_of=DAY,
        organization="77",
        subscription="1001-1",
    )
    fl = RegistryOrder(name="us-fl", form=RegistryForm.STATE, state="FL", as_of=DAY)
    return [
        source(tmp_path, "212,5550142\n646,5550143\n", us),
        source(tmp_path, "2125550142\n4165550199\n", fl),
    ]


def screened(
    folder: Path, text: str, sources: list[Source], **more: object
) -> tuple[Screened, list[list[str]]]:
    path, out = folder / "list.csv", folder / "out.csv"
    path.write_text(text, encoding="utf-8")
    done = screen(
        path,
        out,
        sources,
        ["+12125550177"],
        countries=COUNTRIES,
        **more,  # type: ignore[arg-type]
    )
    with out.open(encoding="utf-8", newline="") as file:
        return done, list(csv.reader(file))[1:]


def test_every_row_gets_every_reason(tmp_path: Path, sources: list[Source]) -> None:
    done, rows = screened(
        tmp_path,
        "name,phone,city\nRosa Vale,2125550142,New York\nKim,+1 (646) 555-0143,x\n"
        "Lee,2125550100,y\nSam,9175550100,z\nAda,12125550177,w\nMax,call me,v\nEve,\n"
        "Zoë,+14165550199,u\n",
        sources,
    )
    assert sorted(rows) == [
        ["", "no number that can be read"],
        ["+12125550142", "us-national | us-fl"],
        ["+12125550177", "stop request"],
        ["+14165550199", "us-fl"],
        ["+16465550143", "us-national"],
        ["+19175550100", "never looked into us-national"],
        ["call me", "no number that can be read"],
    ]
    assert (done.rows, done.listed) == (8, 7)
    assert done.by_reason == Counter(
        {
            "us-national": 2,
            "us-fl": 2,
            "stop request": 1,
            "never looked into us-national": 1,
            "no number that can be read": 2,
        }
    )


def test_quoted_cells_with_separators_and_line_breaks_are_read_as_csv(
    tmp_path: Path, sources: list[Source]
) -> None:
    done, rows = screened(
        tmp_path,
        'name,phone\nKim,2125550100\n"Vale, Rosa\nof New York",2125550142\n"Lee","6465550143"\n',
        sources,
    )
    assert rows == [["+12125550142", "us-national | us-fl"], ["+16465550143", "us-national"]]
    assert done.rows == 3


def test_a_list_without_column_names_is_screened_too(tmp_path: Path, sources: list[Source]) -> None:
    done, rows = screened(tmp_path, "2125550142\n2125550100", sources)
    assert (done.rows, rows) == (2, [["+12125550142", "us-national | us-fl"]])


def test_the_column_can_be_named(tmp_path: Path, sources: list[Source]) -> None:
    text = "phone,second\n2125550100,6465550143\n"
    assert screened(tmp_path, text, sources)[1] == []
    assert screened(tmp_path, text, sources, column="second")[1] == [
        ["+16465550143", "us-national"]
    ]
    with pytest.raises(UnusableList, match="has no column 'third'"):
        screened(tmp_path, text, sources, column="third")


def test_a_file_without_numbers_is_refused_and_writes_nothing(
    tmp_path: Path, sources: list[Source]
) -> None:
    with pytest.raises(UnusableList, match="say which with --column"):
        screened(tmp_path, "name,city\nKim,Boston\n", sources)
    assert not (tmp_path / "out.csv").exists()


def test_agrees_with_a_set_on_many_rows_in_many_spellings(
    tmp_path: Path, sources: list[Source]
) -> None:
    chance = Random(5)
    numbers = [
        f"{chance.choice(('212', '646'))}55501{chance.randrange(40, 45)}" for _ in range(999)
    ]
    spellings = ("{0}", "1{0}", "+1{0}", "({1}) {2}-{3}", "{1}.{2}.{3}", " {0} ")
    text = "number,note\n" + "".join(
        chance.choice(spellings).format(n, n[:3], n[3:6], n[6:]) + ",x\n" for n in numbers
    )
    listed = {"2125550142", "6465550143"}
    done, rows = screened(tmp_path, text, sources)
    assert rows
    assert Counter(row[0] for row in rows) == Counter(f"+1{n}" for n in numbers if n in listed)
    assert done.rows == 999

"""The file of a version lists exactly what was gathered, and says so when it is not whole."""

from __future__ import annotations

import itertools
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairdial.adapters.registries.block_file import SPARSE_MAX, BlockFile, write_file
from fairdial.adapters.registries.blocks import Bulk, Gathering, Numbers
from fairdial.exceptions import RegistryUnavailable

DAY = date(2026, 11, 20)
NO_DAYS = (b"", b"")
_file = itertools.count()

NUMBERS = st.one_of(
    st.integers(1_212_555_0100, 1_212_555_0199).map(lambda n: n % 10**10 + 10**10),
    st.integers(12_000_000_000, 12_002_000_010),
    st.integers(10_000_000, 999_999_999_999_999),
)


def write(folder: Path, gathering: Gathering, days: tuple[bytes, bytes] = NO_DAYS) -> BlockFile:
    path = folder / f"{next(_file)}.dnc"
    blocks = (b for key in gathering.keys() if (b := gathering.block(key)) is not None)  # noqa: SIM118
    write_file(path, name="us-national", as_of=DAY, blocks=blocks, days=days, marks_from=10**10)
    return BlockFile(path)


def array(numbers: object) -> Numbers:
    return np.array(list(numbers), np.uint64)  # type: ignore[call-overload]


@settings(max_examples=60, deadline=None)
@given(
    begun=st.lists(NUMBERS, max_size=60),
    then=st.lists(st.tuples(st.booleans(), st.lists(NUMBERS, max_size=30)), max_size=4),
    asked=st.lists(NUMBERS, max_size=30),
)
def test_lists_what_a_set_would_through_additions_deletions_and_a_former_version(
    tmp_path_factory: pytest.TempPathFactory,
    begun: list[int],
    then: list[tuple[bool, list[int]]],
    asked: list[int],
) -> None:
    folder = tmp_path_factory.mktemp("blocks")
    expected: set[int] = set()
    gathering = Gathering()
    repeated = gathering.add(array(begun))
    assert set(repeated.tolist()) == {n for n in begun if begun.count(n) > 1}
    expected |= set(begun)
    gathering = Gathering(Bulk(write(folder, gathering)))
    for is_added, numbers in then:
        unique = set(numbers)
        if is_added:
            known = gathering.add(array(unique))
            assert set(known.tolist()) == unique & expected
            expected |= unique
        else:
            strange = gathering.remove(array(unique))
            assert set(strange.tolist()) == unique - expected
            expected -= unique
        assert gathering.has(array(asked)).tolist() == [n in expected for n in asked]
    file = write(folder, gathering)
    everything = [*asked, *expected, *(n + 1 for n in expected)]
    assert [file.has(n) for n in everything] == [n in expected for n in everything]
    assert Bulk(file).has(array(everything)).tolist() == [n in expected for n in everything]
    assert file.entries == len(expected)
    file.verify()


def test_a_block_changes_between_offsets_and_bitmap_without_losing_a_number(
    tmp_path: Path,
) -> None:
    few, many = SPARSE_MAX - 1, SPARSE_MAX + 100
    numbers = array(12_000_000_000 + 7 * n for n in range(many))
    gathering = Gathering()
    gathering.add(numbers[:few])
    small = write(tmp_path, gathering)
    gathering.add(numbers[few:])
    large = write(tmp_path, gathering)
    gathering.remove(numbers[few:])
    again = write(tmp_path, gathering)
    assert (small.entries, large.entries, again.entries) == (few, many, few)
    assert small.sha256 == again.sha256
    assert all(large.has(int(n)) for n in numbers)
    assert not any(large.has(int(n) + 1) for n in numbers)
    assert len(large.map) - len(small.map) < 125_000


def test_an_empty_version_lists_nothing(tmp_path: Path) -> None:
    file = write(tmp_path, Gathering())
    assert not file.has(12125550142)
    assert not Bulk(file).has(array([12125550142])).any()


def test_keeps_the_days_that_it_was_given(tmp_path: Path) -> None:
    gathering = Gathering()
    gathering.add(array([12125550142, 12125550143]))
    days = (array([12125550143]).tobytes(), np.array([DAY.toordinal()], np.uint32).tobytes())
    file = write(tmp_path, gathering, days)
    assert file.registered_on(12125550143) == DAY
    assert file.registered_on(12125550142) is None


def test_an_open_version_stays_readable_when_its_file_is_removed(tmp_path: Path) -> None:
    gathering = Gathering()
    gathering.add(array([12125550142]))
    file = write(tmp_path, gathering)
    file.path.unlink()
    assert file.has(12125550142)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    gathering = Gathering()
    gathering.add(array(range(12125550100, 12125550199)))
    return write(tmp_path, gathering).path


def test_refuses_a_file_that_is_cut_off(whole: Path) -> None:
    content = whole.read_bytes()
    for length in (0, 100, 4096, len(content) - 1):
        whole.write_bytes(content[:length])
        with pytest.raises(RegistryUnavailable, match=r"import that registry again"):
            BlockFile(whole)


def test_refuses_a_file_whose_header_was_altered(whole: Path) -> None:
    content = bytearray(whole.read_bytes())
    content[20] ^= 1
    whole.write_bytes(content)
    with pytest.raises(RegistryUnavailable, match="its header is none"):
        BlockFile(whole)


def test_refuses_another_version_than_the_one_that_was_published(whole: Path) -> None:
    with pytest.raises(RegistryUnavailable, match="another version"):
        BlockFile(whole, sha256="0" * 64)


def test_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RegistryUnavailable, match="cannot be opened"):
        BlockFile(tmp_path / "gone.dnc")


def test_verifying_finds_a_single_altered_bit(whole: Path) -> None:
    content = bytearray(whole.read_bytes())
    content[4100] ^= 1
    whole.write_bytes(content)
    with pytest.raises(RegistryUnavailable, match="not what was written"):
        BlockFile(whole).verify()

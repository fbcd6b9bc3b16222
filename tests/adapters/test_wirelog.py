"""The wire log answers truthfully what left the machine; where it cannot know, it says yes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fairdial.adapters import wirelog
from fairdial.adapters.wirelog import Orphan, Past, WireLog

PEER = ("127.0.0.1", 5060)
DIALED, NEVER = "0198-dialed", "0198-never"


@pytest.fixture
def log(tmp_path: Path) -> WireLog:
    """A run in which one attempt was dialed."""
    log = WireLog(tmp_path)
    _invite(log, DIALED)
    return log


def _invite(log: WireLog, leg: str) -> None:
    log.invite(leg, to="+12125550142", cancel=f"CANCEL {leg}", peer=PEER, call=True)


def _answers(folder: Path) -> dict[str, bool]:
    return wirelog.was_dialed(folder, [DIALED, NEVER])


KNOWN = {DIALED: True, NEVER: False}
UNSURE = {DIALED: True, NEVER: True}


def _rewrite(log: WireLog, old: str, new: str) -> None:
    text = log.path.read_text()
    assert old in text
    log.path.write_text(text.replace(old, new))


def test_knows_what_was_dialed_in_this_boot(log: WireLog, tmp_path: Path) -> None:
    assert _answers(tmp_path) == KNOWN
    WireLog(tmp_path)
    assert _answers(tmp_path) == KNOWN


def test_is_unsure_of_another_boot_unless_the_run_was_closed(log: WireLog, tmp_path: Path) -> None:
    _rewrite(log, wirelog.boot_id(), "00000000-0000-0000-0000-000000000000")
    assert _answers(tmp_path) == UNSURE
    WireLog(tmp_path)
    assert _answers(tmp_path) == UNSURE
    log.close()
    assert _answers(tmp_path) == KNOWN


def test_is_unsure_of_a_lost_file(log: WireLog, tmp_path: Path) -> None:
    second = WireLog(tmp_path)
    _invite(second, DIALED)
    log.path.unlink()
    assert _answers(tmp_path) == UNSURE


def test_is_unsure_without_any_file(tmp_path: Path) -> None:
    assert _answers(tmp_path) == {DIALED: True, NEVER: True}


@pytest.mark.parametrize("damage", [b"\0\0\0\0\n", b'{"what":"invite","leg":"x', b"x" * 70_000])
def test_is_unsure_of_a_damaged_file(log: WireLog, tmp_path: Path, damage: bytes) -> None:
    with log.path.open("ab") as file:
        file.write(damage)
    assert _answers(tmp_path) == UNSURE
    log.close()
    assert _answers(tmp_path) == UNSURE


def test_is_unsure_of_an_emptied_file(log: WireLog, tmp_path: Path) -> None:
    log.path.write_bytes(b"")
    assert _answers(tmp_path) == UNSURE


def test_damage_to_earlier_runs_says_nothing_of_later_attempts(
    log: WireLog, tmp_path: Path
) -> None:
    log.path.write_bytes(b"\0")
    second = WireLog(tmp_path)
    _invite(second, DIALED)
    assert _answers(tmp_path) == UNSURE
    assert wirelog.was_dialed(tmp_path, [DIALED, NEVER], first_run=second.run) == KNOWN


def test_nothing_asked_is_nothing_answered(tmp_path: Path) -> None:
    assert wirelog.was_dialed(tmp_path, []) == {}


def test_finds_what_a_dead_engine_left_behind(log: WireLog, tmp_path: Path) -> None:
    _invite(log, "talks")
    log.answered("talks", bye="BYE talks", peer=("127.0.0.1", 5070))
    _invite(log, "over")
    log.ended("over", raw="our BYE")
    log.invite("an-agent", to="agent1", cancel="CANCEL an-agent", peer=PEER, call=False)
    with log.path.open("ab") as file:
        file.write(b"damaged\n")
    assert wirelog.past(tmp_path, time.time()) == Past(
        dialed=frozenset({DIALED, "talks", "over"}),
        orphans=(
            Orphan(leg=DIALED, was_answered=False, message=f"CANCEL {DIALED}", peer=PEER),
            Orphan(leg="talks", was_answered=True, message="BYE talks", peer=("127.0.0.1", 5070)),
            Orphan(leg="an-agent", was_answered=False, message="CANCEL an-agent", peer=PEER),
        ),
    )
    # Another engine ended one of them already.
    WireLog(tmp_path).ended("talks", raw="ended by the next engine")
    legs = {orphan.leg for orphan in wirelog.past(tmp_path, time.time()).orphans}
    assert legs == {DIALED, "an-agent"}


def test_what_rang_long_ago_rings_no_more(log: WireLog, tmp_path: Path) -> None:
    later = time.time() + wirelog.ORPHAN_S_MAX + 1
    assert wirelog.past(tmp_path, later) == Past(dialed=frozenset({DIALED}), orphans=())
    assert wirelog.past(tmp_path, later + 3600) == Past(dialed=frozenset(), orphans=())


def test_another_boot_left_nobody_behind(log: WireLog, tmp_path: Path) -> None:
    _rewrite(log, wirelog.boot_id(), "00000000-0000-0000-0000-000000000000")
    assert wirelog.past(tmp_path, time.time()) == Past(dialed=frozenset({DIALED}), orphans=())


def test_a_record_that_cannot_be_written_stops_the_call(log: WireLog) -> None:
    log.close()
    with pytest.raises(OSError):
        _invite(log, "late")

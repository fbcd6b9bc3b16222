"""What several Asterisks say of one trunk, put together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from fairdial.adapters.asterisk.node import Node
from fairdial.adapters.asterisk.trunks import Trunks
from fairdial.core.trunk import TrunkSettings


@dataclass(eq=False)
class Heard:
    """As much of a node as a trunk's health is read from."""

    is_up: bool = True
    trunk_faults: dict[str, str] = field(default_factory=dict)


def trunks() -> tuple[Trunks, list[tuple[str, bool]]]:
    told: list[tuple[str, bool]] = []
    board = Trunks(
        (TrunkSettings(name="exchange", host="127.0.0.1"),),
        on_change=lambda name, is_up, _why: told.append((name, is_up)),
    )
    return board, told


def checked(board: Trunks, node: Heard, *others: Heard) -> bool:
    nodes = [cast(Node, one) for one in (node, *others)]
    board.checked("exchange", nodes[0], nodes, "OPTIONS")
    return board.status()[0].is_up


def test_a_good_word_while_the_connection_is_being_made_takes_no_trunk_down() -> None:
    board, told = trunks()
    assert checked(board, Heard(is_up=False))
    assert told == []


def test_a_trunk_is_up_where_any_node_reaches_it() -> None:
    board, told = trunks()
    broken = Heard(trunk_faults={"exchange": "OPTIONS: no answer"})
    assert checked(board, broken, Heard())
    assert not checked(board, broken, Heard(is_up=False))
    broken.trunk_faults.clear()
    assert checked(board, broken)
    assert told == [("exchange", False), ("exchange", True)]

"""The trunks behind Asterisk: `core.trunk` chooses, Asterisk's health checks say which are up.

Asterisk registers and sends the OPTIONS, on each node by itself. A trunk is up as long as one node
reaches it; a call goes to a trunk that its own node reaches.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from fairdial.adapters.asterisk.node import Node
from fairdial.adapters.trunk_board import TrunkBoard
from fairdial.core.trunk import NoTrunk, TrunkChoice, TrunkSettings, TrunkState, register


class Trunks(TrunkBoard):
    """All trunks, with what each carries."""

    def __init__(
        self, settings: Sequence[TrunkSettings], *, on_change: Callable[[str, bool, str], None]
    ) -> None:
        """`on_change` is told the name, whether it is up, and why."""
        states = [
            register(TrunkState(settings=trunk), "Asterisk keeps the registration")
            for trunk in settings
        ]
        super().__init__(states, on_change=on_change)

    def choose_for(
        self, node: Node, *, until: float, tried: Collection[str]
    ) -> TrunkChoice | NoTrunk:
        """The trunk for a call of a node, as the node reaches them."""
        states = [
            replace(state, passes_checks=False, check_why=node.trunk_faults[name])
            if name in node.trunk_faults
            else state
            for name, state in self.states.items()
        ]
        return self.choose_of(states, until=until, tried=tried)

    def checked(self, name: str, node: Node, nodes: Collection[Node], why: str) -> None:
        """`node`'s health check changed its mind: the trunk is up where any node reaches it.

        A node may say so while its connection is still being made, so it counts in any case.
        """
        if name not in self:
            return
        heard = (other for other in nodes if other.is_up or other is node)
        is_up = any(name not in other.trunk_faults for other in heard)
        state = self.states[name]
        self.put(replace(state, passes_checks=is_up, checks_failed=0, check_why=why))

"""The trunks behind Asterisk: `core.trunk` chooses, Asterisk's health checks say which are up.

Asterisk registers and sends the OPTIONS, on each node by itself. A trunk is up as long as one node
reaches it; a call goes to a trunk that its own node reaches.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from fairdial.adapters.asterisk.node import Node
from fairdial.core.trunk import (
    NoTrunk,
    TrunkChoice,
    TrunkSettings,
    TrunkState,
    call_begun,
    call_ended,
    check_failed,
    check_passed,
    choose,
    down_why,
    pause,
    register,
    up_why,
)
from fairdial.ports import TrunkStatus

CONGESTED_S = 5.0
"""How long a trunk that refused with a 503 is left alone, seconds."""


class Trunks:
    """All trunks, with what each carries."""

    def __init__(
        self, settings: Sequence[TrunkSettings], *, on_change: Callable[[str, bool, str], None]
    ) -> None:
        """`on_change` is told the name, whether it is up, and why."""
        self._states = {
            trunk.name: register(TrunkState(settings=trunk), "Asterisk keeps the registration")
            for trunk in settings
        }
        self._on_change = on_change
        self._told = dict.fromkeys(self._states, True)

    def settings(self, name: str) -> TrunkSettings:
        """A trunk as its file describes it."""
        return self._states[name].settings

    def __contains__(self, name: str) -> bool:
        return name in self._states

    def choose(self, node: Node, *, until: float, tried: Collection[str]) -> TrunkChoice | NoTrunk:
        """The trunk for a call of a node; times by the loop's clock. The call counts as begun."""
        now = asyncio.get_running_loop().time()
        states = [
            replace(state, passes_checks=False, check_why=node.trunk_faults[name])
            if name in node.trunk_faults
            else state
            for name, state in self._states.items()
        ]
        draw = random.random()  # noqa: S311 - a share of calls, not a secret
        choice = choose(states, now=now, until=until, draw=draw, tried=tried)
        if isinstance(choice, TrunkChoice):
            self._states[choice.name] = call_begun(self._states[choice.name], choice.start_at)
        return choice

    def begun(self, name: str) -> None:
        """A call came to us over a trunk."""
        self._states[name] = call_begun(self._states[name])

    def ended(self, name: str) -> None:
        """A call of a trunk is over."""
        self._states[name] = call_ended(self._states[name])

    def answered(self, name: str, why: str) -> None:
        """It said something about a call: it lives."""
        self._states[name] = check_passed(self._states[name], why)
        self._tell(name)

    def silent(self, name: str) -> None:
        """A call got no reply at all."""
        now = asyncio.get_running_loop().time()
        why = "no reply to our INVITE"
        self._states[name] = check_failed(self._states[name], why, now)
        self._tell(name)

    def congested(self, name: str, why: str) -> None:
        """It refused a call with a 503: others are tried for a while."""
        until = asyncio.get_running_loop().time() + CONGESTED_S
        self._states[name] = pause(self._states[name], until, why)
        self._tell(name)
        asyncio.get_running_loop().call_later(CONGESTED_S + 0.01, self._tell, name)

    def checked(self, name: str, nodes: Collection[Node], why: str) -> None:
        """A node's health check changed its mind: the trunk is up where any node reaches it."""
        if name not in self._states:
            return
        state = self._states[name]
        is_up = any(name not in node.trunk_faults for node in nodes if node.is_up)
        fresh = replace(state, passes_checks=is_up, checks_failed=0, check_why=why)
        self._states[name] = fresh
        self._tell(name)

    def status(self) -> tuple[TrunkStatus, ...]:
        """All of them, in the order in which they are tried."""
        now = asyncio.get_running_loop().time()
        found = []
        for state in sorted(self._states.values(), key=lambda state: state.settings.order):
            why = down_why(state, now)
            found.append(
                TrunkStatus(
                    name=state.settings.name,
                    is_up=why is None,
                    why=up_why(state) if why is None else why,
                    calls=state.calls,
                    calls_max=state.settings.calls_max,
                    calls_per_second=state.settings.calls_per_second,
                )
            )
        return tuple(found)

    def _tell(self, name: str) -> None:
        why = down_why(self._states[name], asyncio.get_running_loop().time())
        if self._told[name] is not (why is None):
            self._told[name] = why is None
            self._on_change(name, why is None, up_why(self._states[name]) if why is None else why)

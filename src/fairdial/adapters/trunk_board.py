"""The trunks of one engine as they stand: `core.trunk` decides, what happens is noted here.

Each engine finds out in its own way whether a trunk lives; what follows from it is the same.
Times are of the monotonic clock. Runs in asyncio's thread.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection, Sequence

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
    congested,
    down_why,
    up_why,
)
from fairdial.ports import TrunkStatus


class TrunkBoard:
    """All trunks, with what each carries."""

    def __init__(
        self, states: Sequence[TrunkState], *, on_change: Callable[[str, bool, str], None]
    ) -> None:
        """`on_change` is told the name, whether it is up, and why."""
        self.states = {state.settings.name: state for state in states}
        self._on_change = on_change
        self._told = {
            name: down_why(state, time.monotonic()) is None for name, state in self.states.items()
        }

    def settings(self, name: str) -> TrunkSettings:
        """A trunk as its file describes it."""
        return self.states[name].settings

    def __contains__(self, name: str) -> bool:
        return name in self.states

    def states_for_choice(self) -> Sequence[TrunkState]:
        """What `choose` looks at."""
        return tuple(self.states.values())

    def choose(self, *, until: float, tried: Collection[str] = ()) -> TrunkChoice | NoTrunk:
        """The trunk for a call that must start before `until`; the call counts as begun."""
        return self.choose_of(self.states_for_choice(), until=until, tried=tried)

    def choose_of(
        self, states: Sequence[TrunkState], *, until: float, tried: Collection[str]
    ) -> TrunkChoice | NoTrunk:
        """As `choose`, by states that a part of the engine sees in its own way."""
        draw = random.random()  # noqa: S311 - a share of calls, not a secret
        choice = choose(states, now=time.monotonic(), until=until, draw=draw, tried=tried)
        if isinstance(choice, TrunkChoice):
            self.states[choice.name] = call_begun(self.states[choice.name], choice.start_at)
        return choice

    def begun(self, name: str) -> None:
        """A call came to us over a trunk."""
        self.states[name] = call_begun(self.states[name])

    def ended(self, name: str) -> None:
        """A call of a trunk is over."""
        self.states[name] = call_ended(self.states[name])

    def alive(self, name: str, why: str) -> None:
        """It said something: it lives."""
        self.put(check_passed(self.states[name], why))

    def silent(self, name: str, why: str) -> None:
        """It did not reply, or as one that cannot work."""
        self.put(check_failed(self.states[name], why, time.monotonic()))
        self._tell_after_pause(name)

    def congested(self, name: str, why: str, retry_after_s: float | None = None) -> None:
        """It refused a call with a 503: others may be tried for a while."""
        now = time.monotonic()
        self.put(congested(self.states[name], why, now, retry_after_s=retry_after_s))
        self._tell_after_pause(name)

    def put(self, state: TrunkState) -> None:
        """How a trunk stands from now on."""
        self.states[state.settings.name] = state
        self._tell(state.settings.name)

    def status(self) -> tuple[TrunkStatus, ...]:
        """All of them, in the order in which they are tried."""
        now = time.monotonic()
        found = []
        for state in sorted(self.states.values(), key=lambda state: state.settings.order):
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

    def _tell_after_pause(self, name: str) -> None:
        left_s = self.states[name].paused_until - time.monotonic()
        if left_s > 0:
            asyncio.get_running_loop().call_later(left_s + 0.01, self._tell, name)

    def _tell(self, name: str) -> None:
        state = self.states[name]
        why = down_why(state, time.monotonic())
        if self._told[name] is not (why is None):
            self._told[name] = why is None
            self._on_change(name, why is None, up_why(state) if why is None else why)

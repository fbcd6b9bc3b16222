"""The permit, seen from the act: the last look before anything can ring, the same in every engine.

The gate is `core.permit`. Here a permit is held against the engine that is asked to act on it: is
it live at this moment, unused, of this installation, and for the number that will be dialed? It is
a fence of its own, and judges no rule.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from fairdial.core.ids import AttemptId, Instant, PermitId
from fairdial.core.permit import Permit
from fairdial.core.trunk import is_loopback
from fairdial.exceptions import PermitMisused

_PERMITS_KEPT = 10_000
_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_FICTIONAL = re.compile(
    r"\+1[2-9][0-9]{2}55501[0-9]{2}"
    r"|\+44(?:11[3-8]4960|1[2-5]14960|1914980|2079460|2896496|2920180|1632960|7700900)[0-9]{3}"
    r"|\+61[2378](?:5550|7010)[0-9]{4}",
    re.ASCII,
)
"""What is kept for fiction: 555-0100 to 555-0199 in each North American area code, Ofcom's and
ACMA's ranges for drama. A fence of its own, beside the gate's."""


class PermitCheck:
    """Which permits were used here, and whether the next may be."""

    def __init__(self, *, is_sandbox: bool, hosts: Collection[str]) -> None:
        """`hosts` are all the places that a call could be sent to from here."""
        self._is_sandbox = is_sandbox
        self._hosts = tuple(hosts)
        self._used: dict[PermitId, AttemptId] = {}
        self._handed_over: set[AttemptId] = set()

    @property
    def handed_over(self) -> Collection[AttemptId]:
        """The attempts whose permit was used here, as long as one could come again."""
        return self._handed_over

    def is_resend(self, permit: Permit) -> bool:
        """Whether this very permit was used for its attempt already: then nothing is to be done."""
        return self._used.get(permit.id) == permit.attempt_id

    def use(self, permit: Permit) -> None:
        """Remember the permit and the attempt, as long as either could come again."""
        self._used[permit.id] = permit.attempt_id
        self._handed_over.add(permit.attempt_id)
        while len(self._used) > _PERMITS_KEPT:
            # The oldest expired long ago: thousands of permits of a few seconds' life lie since.
            self._handed_over.discard(self._used.pop(next(iter(self._used))))

    def check(self, permit: Permit, now: Instant) -> None:
        """Raise `PermitMisused` unless this permit may make this phone ring at this moment."""
        about = f"attempt {permit.attempt_id}"
        if permit.id in self._used:
            raise PermitMisused(
                f"{about}: permit {permit.id} was used for attempt {self._used[permit.id]}; "
                f"ask for a new one"
            )
        if permit.attempt_id in self._handed_over:
            raise PermitMisused(f"{about} was dialed before, with another permit")
        if not permit.is_live(now):
            raise PermitMisused(
                f"{about}: permit {permit.id} was live from {permit.issued_at.isoformat()} to "
                f"{permit.expires_at.isoformat()}, and it is {now.isoformat()}; ask for a new one"
            )
        facts = permit.facts
        if (facts.number, facts.caller_id) != (permit.number, permit.caller_id):
            raise PermitMisused(f"{about}: the permit and the facts it rests on name two numbers")
        for number in (permit.number, permit.caller_id):
            if _E164.fullmatch(number) is None:
                raise PermitMisused(f"{about}: {number!r} is no number in E.164 form")
        if facts.is_sandbox is not self._is_sandbox:
            raise PermitMisused(
                f"{about}: a permit of the {'sandbox' if facts.is_sandbox else 'live system'} "
                f"came to an engine of the other"
            )
        self._check_fiction(permit, about)

    def _check_fiction(self, permit: Permit, about: str) -> None:
        """Fiction is for the sandbox alone, and the sandbox for fiction."""
        is_fictional = _FICTIONAL.fullmatch(permit.number) is not None
        if not self._is_sandbox:
            if is_fictional:
                raise PermitMisused(f"{about}: {permit.number} is fictional; live calls are not")
            return
        if not is_fictional:
            raise PermitMisused(
                f"{about}: {permit.number} may be somebody's; the sandbox rings fiction only"
            )
        if not all(is_loopback(host) for host in self._hosts):
            raise PermitMisused(f"{about}: the sandbox's trunk would lead out of this machine")

"""Numbers: the called one is in service, and the shown one can be called back."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fairdial.core.duties.case import Case, Finding, allowed
from fairdial.core.number import is_fictional, number_fault
from fairdial.core.toml_table import Table
from fairdial.core.verdict import Ruling


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberValidity:
    """The number has the form of one in service, and test and live worlds never meet.

    In the sandbox only fictional numbers may be called; outside of it they never may.
    """

    @classmethod
    def read(cls, row: Table) -> NumberValidity:  # noqa: ARG003 - it has no parameters
        return cls()

    def judge(self, case: Case) -> Finding:
        number, is_sandbox = case.facts.number, case.facts.is_sandbox
        fault = number_fault(number, case.table)
        if fault is not None:
            return Finding(Ruling.REFUSE, fault)
        if is_sandbox and not is_fictional(number):
            return Finding(
                Ruling.REFUSE, "in the sandbox only numbers of fiction (555-01xx …) may be called"
            )
        if not is_sandbox and is_fictional(number):
            return Finding(Ruling.REFUSE, "it is a number of fiction, which reaches nobody")
        return allowed("the number has the form of one in service")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerIdDuty:
    """The called party sees a number that can be called back, and that is not their own."""

    prefixes: tuple[str, ...] = ()
    """What the number must begin with, where a law sets number series aside for such calls."""

    @classmethod
    def read(cls, row: Table) -> CallerIdDuty:
        prefixes = row.texts("prefixes") if row.has("prefixes") else ()
        for prefix in prefixes:
            if re.fullmatch(r"\+[0-9]{1,14}", prefix) is None:
                raise row.fault(f'prefixes must be like "+91140": {prefix!r}')
        return cls(prefixes=prefixes)

    def judge(self, case: Case) -> Finding:
        shown, called = case.facts.caller_id, case.facts.number
        if not shown:
            return Finding(Ruling.REFUSE, "no caller ID is set")
        fault = number_fault(shown, case.table)
        if fault is not None:
            return Finding(Ruling.REFUSE, f"the caller ID is unusable: {fault}")
        if shown == called:
            return Finding(Ruling.REFUSE, "the caller ID is the called number itself")
        if is_fictional(shown) and not case.facts.is_sandbox:
            return Finding(
                Ruling.REFUSE, "the caller ID is a number of fiction, which reaches nobody"
            )
        if self.prefixes and not shown.startswith(self.prefixes):
            series = ", ".join(self.prefixes)
            return Finding(Ruling.REFUSE, f"the caller ID is not of the series {series}")
        return _CALLER_ID_SHOWN


_CALLER_ID_SHOWN = allowed("a caller ID that can be called back is shown")

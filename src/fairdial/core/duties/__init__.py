"""Duties: the kinds of rule, each a few typed parameters, their reading, and one judgement.

A rule file picks one kind and gives its parameters; here is what a kind *means*. A judged duty
answers for one `Case` with a `Finding`; an exemption lifts only its own duty. Refuses to know of
any law by name. Next stop: `rulebook.Rulebook.judge` makes verdicts of it.
"""

from __future__ import annotations

from fairdial.core.duties.caps import AttemptCap as AttemptCap
from fairdial.core.duties.caps import RestPeriod as RestPeriod
from fairdial.core.duties.case import Case as Case
from fairdial.core.duties.case import Finding as Finding
from fairdial.core.duties.case import case_of as case_of
from fairdial.core.duties.case import first_instant as first_instant
from fairdial.core.duties.conduct import AbandonCeiling as AbandonCeiling
from fairdial.core.duties.conduct import Disclosure as Disclosure
from fairdial.core.duties.conduct import Retention as Retention
from fairdial.core.duties.conduct import RingTime as RingTime
from fairdial.core.duties.hours import CallingWindow as CallingWindow
from fairdial.core.duties.hours import ClosedDay as ClosedDay
from fairdial.core.duties.lists import ListAge as ListAge
from fairdial.core.duties.lists import ReassignedDuty as ReassignedDuty
from fairdial.core.duties.lists import SuppressionDuty as SuppressionDuty
from fairdial.core.duties.numbers import CallerIdDuty as CallerIdDuty
from fairdial.core.duties.numbers import NumberValidity as NumberValidity
from fairdial.core.duties.permission import Ban as Ban
from fairdial.core.duties.permission import ConsentDuty as ConsentDuty
from fairdial.core.duties.permission import EmergencyBan as EmergencyBan
from fairdial.core.duties.permission import OneLineDuty as OneLineDuty
from fairdial.core.duties.permission import RestrictionDuty as RestrictionDuty
from fairdial.core.duties.permission import RevocationDuty as RevocationDuty

Duty = (
    NumberValidity
    | CallerIdDuty
    | CallingWindow
    | ClosedDay
    | SuppressionDuty
    | ListAge
    | ReassignedDuty
    | AttemptCap
    | RestPeriod
    | ConsentDuty
    | Ban
    | EmergencyBan
    | RestrictionDuty
    | OneLineDuty
    | RevocationDuty
    | RingTime
    | AbandonCeiling
)
"""Duties that are judged: `judge(case)` answers for one case and never raises on facts."""

Told = Disclosure | Retention
"""Duties that are told to people and judged by nobody before a call."""

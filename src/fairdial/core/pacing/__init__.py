"""Pacing: how many calls to place now, as a pure function of what is seen and learned.

`decide(snapshot)` answers for one campaign at one moment, with a reason in words. It refuses to
know leads, lines, time of day and telephony: `flow` fills the snapshot, and `room` is how far lines
and calls per second allow. The statistics are values too; each update returns a new one.
The method is explained in `docs/why/pacing.md`.
"""

from fairdial.core.pacing.decision import decide
from fairdial.core.pacing.snapshot import Decision, Snapshot
from fairdial.core.pacing.statistics import Statistics

__all__ = ["Decision", "Snapshot", "Statistics", "decide"]

"""When the sandbox's clock starts: a weekday morning where the demo's people live.

10:40 in New York: the Eastern and Central states are within every calling window, while it is too
early from the Pacific coast on, so that a run shows refusals by the hour whenever it is started.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from fairdial.core.ids import Instant

CALLED_ZONE = "America/New_York"
STARTS_AT = time(10, 40)
_SATURDAY = 5


def sandbox_morning(today: date, newest: Instant | None) -> Instant:
    """The next weekday morning from `today` on, and after everything the sandbox knows of.

    Its time never goes back: a second run starts on the next weekday after the first one's data.
    """
    zone = ZoneInfo(CALLED_ZONE)
    day = today
    if newest is not None:
        day = max(day, newest.astimezone(zone).date() + timedelta(days=1))
    while day.weekday() >= _SATURDAY:
        day += timedelta(days=1)
    return datetime.combine(day, STARTS_AT, zone).astimezone(UTC)

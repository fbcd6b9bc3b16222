"""What lives as long as the process is put aside, so that clearing memory never holds up a call.

Python looks through all objects once in a while to find rings of garbage. With the rulebook, the
numbering plan and a hundred modules among them that takes tens of milliseconds, in which nothing
else happens. What is there before the first call stays for good and need not be looked through.
"""

from __future__ import annotations

import gc


def put_aside_what_stays() -> None:
    """Call it once, when everything that lasts is loaded and before the first call."""
    gc.collect()
    gc.freeze()

"""`python -m fairdial`, which is what the shim at the root starts.

What the command line needs takes a moment to load. Until it can say something about Ctrl-C, Ctrl-C
ends the process as it ends any program: without a word, and without a traceback.
"""

from __future__ import annotations

import signal

is_ours_to_say = signal.getsignal(signal.SIGINT) is signal.default_int_handler
if is_ours_to_say:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from fairdial.cli import main  # noqa: E402 - after Ctrl-C is settled

if is_ours_to_say:
    signal.signal(signal.SIGINT, signal.default_int_handler)

main()

"""The peer of the audio figures: one bare stream of packets on the loopback, relayed by nobody.

A packet every 20 ms to our own socket, arrivals stamped by the kernel: the gaps that this machine
makes by itself in the same minutes. Prints its histogram as JSON when its standard input ends.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time

PERIOD_S = 0.02
_SO_TIMESTAMPNS = 35


def main() -> None:
    """Beat until standard input ends, an hour at most."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    receiver.setblocking(False)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    gaps: dict[int, int] = {}
    last: float | None = None
    due = time.monotonic()
    ends = due + 3600
    while due < ends:
        due += PERIOD_S
        wait = max(0.0, due - time.monotonic())
        if select.select([sys.stdin], [], [], wait)[0]:
            break
        sender.sendto(bytes(172), receiver.getsockname())
        try:
            _, ancillary, _, _ = receiver.recvmsg(256, 64)
        except BlockingIOError:
            continue
        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
        at = seconds + nanoseconds / 1e9
        if last is not None:
            gap_ms = max(1, round((at - last) * 1000))
            gaps[gap_ms] = gaps.get(gap_ms, 0) + 1
        last = at
    sys.stdout.write(json.dumps(gaps) + "\n")


if __name__ == "__main__":
    main()

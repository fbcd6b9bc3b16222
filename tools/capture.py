"""Keep what goes over the loopback as UDP while a command runs, as a capture for the tests.

    sudo .venv/bin/python tools/capture.py tests/media/captures/name.pcap -- COMMAND …

For captures as fixtures: real messages and real packets of whichever SIP stacks the command starts.
Only this machine's own traffic is seen; it needs the right to open a packet socket (root).
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import struct
import sys
import time
from pathlib import Path

_ALL_IP = 0x0800
"""With this protocol a frame is seen once, as it arrives."""
_UDP = 17
_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
"""The classic format, little-endian, of Ethernet frames."""


def is_kept(frame: bytes) -> bool:
    """Whether a frame is UDP over IPv4."""
    return len(frame) > 42 and frame[12:14] == b"\x08\x00" and frame[23] == _UDP


async def capture(command: list[str], path: Path, *, most: int) -> int:
    """Run a command and write what it sent; returns its exit status."""
    loop = asyncio.get_running_loop()
    with (
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_IP)) as tap,
        path.open("wb") as file,
    ):
        tap.bind(("lo", _ALL_IP))
        tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_000_000)
        tap.setblocking(False)
        file.write(_HEADER)

        def read() -> None:
            while True:
                try:
                    frame = tap.recv(65_535)
                except BlockingIOError:
                    return
                if is_kept(frame) and file.tell() < most:
                    at = time.time()
                    head = struct.pack("<IIII", int(at), int(at % 1 * 1e6), len(frame), len(frame))
                    file.write(head + frame)

        loop.add_reader(tap, read)
        process = await asyncio.create_subprocess_exec(*command)
        status = await process.wait()
        read()
        loop.remove_reader(tap)
    return status


def main() -> int:
    """Run the command, and say how much was kept."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("file", type=Path)
    options.add_argument("--most", type=int, default=400_000, help="bytes at which it ends")
    options.add_argument("command", nargs="+")
    asked = options.parse_args()
    status = asyncio.run(capture(asked.command, asked.file, most=asked.most))
    sys.stderr.write(f"{asked.file}: {asked.file.stat().st_size:,} bytes\n")
    return status


if __name__ == "__main__":
    sys.exit(main())

"""One end of an RTP stream, and the beat that all ends of a process are served by.

A `Line` owns a UDP socket; nothing waits on it. The `Beat` visits every line each 20 ms, which
first drains what arrived and then sends one frame. The kernel stamps each packet's arrival, so
being visited late does not falsify what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from ipaddress import ip_address
from time import time

from fairdial.adapters.carrier.figures import ArrivalCounter, MediaFigures
from fairdial.adapters.carrier.impairment import Impairment, Way
from fairdial.media import g711, rtp, sdp

DRAIN_MAX = 16
"""Packets read at one visit: 320 ms of audio. A flood waits in the socket and is cut there."""
SO_TIMESTAMPNS = 35
"""Linux: let the kernel stamp arrivals. Python 3.11's socket module has no name for it."""
_STAMP = struct.Struct("qq")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_STAMP.size)


def is_loopback(address: str) -> bool:
    """Whether an address, as text, is one of this machine's own that no packet leaves by."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


class Line:
    """A called party's or agent's end of the audio: PCMU, 20 ms, symmetric RTP (RFC 4961)."""

    __slots__ = (
        "_away",
        "_event_type",
        "_home",
        "_key_timestamp",
        "_packet",
        "_remote",
        "_seq",
        "_socket",
        "_ssrc",
        "_timestamp",
        "arrivals",
        "foreign",
        "local_ip",
        "port",
        "sent",
    )

    def __init__(self, local_ip: str, impairment: Impairment | None = None, seed: str = "") -> None:
        """Open a line on a free port. Raises OSError when this machine has none left.

        With an `impairment`, packets are lost and late in both directions, by the seed.
        """
        bad = impairment is not None and not impairment.is_none
        self._away = Way(impairment, f"{seed}:away") if bad and impairment else None
        self._home = Way(impairment, f"{seed}:home") if bad and impairment else None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((local_ip, 0))
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        except OSError:
            self._socket.close()
            raise
        self.local_ip = local_ip
        self.port: int = self._socket.getsockname()[1]
        self._remote: tuple[str, int] | None = None
        self._ssrc = secrets.randbits(32)
        self._seq = secrets.randbits(16)
        self._timestamp = secrets.randbits(32)
        self._packet = bytearray(rtp.HEADER_BYTES + g711.FRAME_SAMPLES)
        self._event_type: int | None = None
        self._key_timestamp = 0
        self.sent = 0
        self.foreign = 0
        self.arrivals = ArrivalCounter()

    def answer_sdp(self, *, event_type: int | None = None) -> str:
        """The answer to an offer of PCMU: this line's address.

        With `event_type`, the offer's number for telephone events, keys are taken as well.
        """
        types = (sdp.PCMU,) if event_type is None else (sdp.PCMU, event_type)
        return sdp.build(
            ip=self.local_ip,
            port=self.port,
            session_id=secrets.randbits(48),
            payload_types=types,
            event_type=event_type or sdp.TELEPHONE_EVENT,
        )

    def aim(self, remote: sdp.Sdp) -> None:
        """Send to, and listen to, the address that the other side's description names."""
        self._remote = (remote.ip, remote.port)
        self._event_type = remote.event_type

    def send(self, frame: bytes) -> None:
        """Send one frame of 160 mu-law samples. A full or refusing socket loses the packet."""
        packet = self._packet
        packet[rtp.HEADER_BYTES :] = frame
        self._send(packet, payload_type=sdp.PCMU, marker=self.sent == 0, timestamp=self._timestamp)

    def send_key(self, event: bytes, *, is_first: bool) -> None:
        """Send 20 ms of a key being pressed, if the other side takes telephone events.

        All packets of a press carry the timestamp of its first (RFC 4733, section 2.5.1).
        """
        if is_first:
            self._key_timestamp = self._timestamp
        if self._event_type is not None:
            packet = bytearray(rtp.HEADER_BYTES) + event
            self._send(
                packet,
                payload_type=self._event_type,
                marker=is_first,
                timestamp=self._key_timestamp,
            )

    def _send(self, packet: bytearray, *, payload_type: int, marker: bool, timestamp: int) -> None:
        if self._remote is None:
            return
        rtp.restamp(
            packet,
            payload_type=payload_type,
            marker=marker,
            seq=self._seq,
            timestamp=timestamp,
            ssrc=self._ssrc,
        )
        self._seq += 1
        self._timestamp += g711.FRAME_SAMPLES
        self.sent += 1
        if self._away is None:
            self._put(packet)
            return
        for delay_s in self._away.arrivals():
            if delay_s <= 0:
                self._put(packet)
            else:
                loop = asyncio.get_running_loop()
                loop.call_later(delay_s, self._put, bytes(packet))

    def _put(self, packet: bytes | bytearray) -> None:
        # UDP promises nothing, and neither do we: the receiver counts it as lost.
        with contextlib.suppress(OSError):
            if self._remote is not None and self._socket.fileno() >= 0:
                self._socket.sendto(packet, self._remote)

    def drain(self) -> list[bytes]:
        """The audio of the packets that arrived since the last visit, oldest first."""
        heard = []
        for _ in range(DRAIN_MAX):
            try:
                data, ancillary, _, source = self._socket.recvmsg(
                    rtp.PACKET_BYTES_MAX, _ANCILLARY_BYTES
                )
            except BlockingIOError:
                break
            except OSError:
                continue  # A packet of ours met a closed port; the queue behind it is sound.
            packet = rtp.parse(data)
            if packet is None or source != self._remote:
                self.foreign += 1
                continue
            if self._home is not None and not self._home.arrivals():
                continue  # Lost on the way here. Delays on this way change nothing that we do.
            self.arrivals.arrived(at=_stamp(ancillary), seq=packet.seq, ssrc=packet.ssrc)
            if packet.payload_type == sdp.PCMU:
                heard.append(packet.payload)
        return heard

    def figures(self, answered_at: float) -> MediaFigures:
        """What was sent and received since the 200 left at the Unix time `answered_at`."""
        return self.arrivals.figures(sent=self.sent, foreign=self.foreign, answered_at=answered_at)

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()


def _stamp(ancillary: list[tuple[int, int, bytes]]) -> float:
    """The kernel's arrival time, or now where a kernel gives none."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) >= _STAMP.size:
            seconds, nanoseconds = _STAMP.unpack_from(data)
            return float(seconds + nanoseconds / 1e9)
    return time()


Visit = Callable[[], None]


class Beat:
    """Visits each of its members every 20 ms, without drift, from one task.

    The members are spread over four quarters of the 20 ms, so that a hundred lines do not all send
    in the same instant.
    """

    QUARTERS = 4
    BEHIND_S_MAX = 1.0
    """A process that was stopped for longer goes on from now; missed frames are not sent."""

    def __init__(self) -> None:
        self._quarters: list[dict[Visit, None]] = [{} for _ in range(self.QUARTERS)]
        self._has_members = asyncio.Event()
        self.lost_quarters = 0
        """How many quarter beats were skipped because the process was stopped too long."""

    def add(self, visit: Visit) -> None:
        """Visit from now on, in the emptiest quarter."""
        min(self._quarters, key=len)[visit] = None
        self._has_members.set()

    def remove(self, visit: Visit) -> None:
        """Visit no more. Unknown visits are ignored: a call may end twice."""
        for quarter in self._quarters:
            quarter.pop(visit, None)
        if not any(self._quarters):
            self._has_members.clear()

    async def run(self) -> None:
        """Beat until cancelled."""
        loop = asyncio.get_running_loop()
        step = g711.FRAME_S / self.QUARTERS
        start = loop.time()
        count = 0
        while True:
            if not self._has_members.is_set():
                await self._has_members.wait()  # An idle network costs nothing.
                start, count = loop.time(), 0
            late = loop.time() - (start + count * step)
            if late > self.BEHIND_S_MAX:
                missed = int(late / step)
                self.lost_quarters += missed
                count += missed
            await asyncio.sleep(max(0.0, -late))
            for visit in tuple(self._quarters[count % self.QUARTERS]):
                try:
                    visit()
                except Exception:
                    # One broken call must not silence the others; its own silence shows it.
                    traceback.print_exc(file=sys.stderr)
                    self.remove(visit)
            count += 1

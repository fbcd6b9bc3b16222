"""Read the carrier's log: what the network saw, to be held against what Fairdial says it did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from fairdial.adapters.carrier import log
from fairdial.adapters.carrier.figures import MediaFigures, histogram_percentile
from fairdial.exceptions import FairdialError

MEASURED_PACKETS = 100
"""Calls with fewer packets (2 s of media) are left out of the percentiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """One INVITE transaction that reached the network. `at` is Unix seconds."""

    serial: int
    """Counts the INVITEs of one run of the carrier; tells calls of one Call-ID apart."""
    at: float
    call_id: str
    to: str
    from_: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an answered call ended."""

    at: float
    call_id: str
    by: str
    """`caller`, `called_party` or `carrier`."""
    why: str
    media: MediaFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierReport:
    """Everything that the network saw, in order."""

    invites: tuple[Invite, ...]
    ringing: Mapping[str, float]
    """Call-ID to the Unix time of its first ring."""
    answered: Mapping[str, float]
    """Call-ID to the Unix time of its 200."""
    refused: Mapping[str, int]
    """Call-ID to SIP status."""
    cancelled: frozenset[str]
    endings: tuple[Ending, ...]

    @property
    def call_ids(self) -> frozenset[str]:
        """Every Call-ID that reached the network."""
        return frozenset(invite.call_id for invite in self.invites)

    @property
    def media(self) -> dict[str, MediaFigures]:
        """The media figures of each answered call that has ended, by Call-ID."""
        return {ending.call_id: ending.media for ending in self.endings}

    @property
    def gap_ms_p99(self) -> float | None:
        """99 of 100 gaps between two packets were at most this long, milliseconds."""
        return histogram_percentile((m.gaps_ms for m in self._measured()), 0.99)

    @property
    def first_audio_ms_p99(self) -> float | None:
        """99 of 100 calls had their first packet this soon after the 200, milliseconds."""
        waits = sorted(m.first_audio_ms for m in self._measured() if m.first_audio_ms is not None)
        return waits[ceil(0.99 * len(waits)) - 1] if waits else None

    def _measured(self) -> tuple[MediaFigures, ...]:
        return tuple(e.media for e in self.endings if e.media.received >= MEASURED_PACKETS)


def read_log(path: Path) -> CarrierReport:
    """Read a carrier's log, also of a carrier that still runs or was killed.

    Half a line is tolerated where a kill leaves one: at the end, or before a restart. Anything else
    that is not a line of ours raises `FairdialError` naming the file and the line.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise FairdialError(f"the carrier's log {path} cannot be read: {error}") from error
    invites: list[Invite] = []
    ringing: dict[str, float] = {}
    answered: dict[str, float] = {}
    refused: dict[str, int] = {}
    cancelled: set[str] = set()
    endings: list[Ending] = []
    for position, raw in enumerate(lines):
        if not raw:
            continue
        entry = _entry(raw)
        if entry is None:
            following = next((x for x in lines[position + 1 :] if x), None)
            if following is None or _is_start(following):
                continue
            raise FairdialError(f"{path}, line {position + 1}: this is not a line of a carrier log")
        try:
            event, at = entry["event"], float(entry["at"])
            if event == log.INVITE:
                invites.append(
                    Invite(
                        serial=int(entry["serial"]),
                        at=at,
                        call_id=str(entry["call_id"]),
                        to=str(entry["to"]),
                        from_=str(entry["from"]),
                    )
                )
            elif event == log.RINGING:
                ringing.setdefault(str(entry["call_id"]), at)
            elif event == log.ANSWERED:
                answered.setdefault(str(entry["call_id"]), at)
            elif event == log.REFUSED:
                refused[str(entry["call_id"])] = int(entry["code"])
            elif event == log.CANCELLED:
                cancelled.add(str(entry["call_id"]))
            elif event == log.ENDED:
                endings.append(
                    Ending(
                        at=at,
                        call_id=str(entry["call_id"]),
                        by=str(entry["by"]),
                        why=str(entry["why"]),
                        media=MediaFigures.from_json(entry["media"]),
                    )
                )
            elif event not in log.WITHOUT_A_CALL:
                raise ValueError(f"the event {event!r} is not known")  # noqa: TRY301
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FairdialError(
                f"{path}, line {position + 1}: this is not a line of a carrier log: {error!r}"
            ) from error
    return CarrierReport(
        invites=tuple(invites),
        ringing=ringing,
        answered=answered,
        refused=refused,
        cancelled=frozenset(cancelled),
        endings=tuple(endings),
    )


def _entry(raw: bytes) -> dict[str, Any] | None:
    """The line as an object; None for half a line."""
    try:
        entry = json.loads(raw)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _is_start(raw: bytes) -> bool:
    entry = _entry(raw)
    return entry is not None and entry.get("event") == log.STARTED

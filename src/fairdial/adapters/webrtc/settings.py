"""What the gateway for browsers is told once, at its start."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fairdial.exceptions import SettingsError

OFFER_BYTES_MAX = 32_768
"""The longest offer that is read; those of browsers for one audio line are under 5,000 bytes."""
LEGS_MAX = 500
"""Browsers at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebRtcSettings:
    """One address for browsers. STUN and TURN servers are asked only when they are named."""

    data_dir: Path
    """Where the gateway's own log is kept."""
    ip: str = "127.0.0.1"
    """The IPv4 address of this machine that browsers send their audio to."""
    stun_url: str | None = None
    """`stun:host:port`, for a machine that does not know its own address."""
    turn_url: str | None = None
    """`turn:host:port`, where browsers cannot reach us directly."""
    turn_username: str | None = None
    turn_password: str | None = None
    legs_max: int = LEGS_MAX
    connect_s: float = 15.0
    """How long a browser may take from its offer to its first audio, seconds."""
    return_s: float = 8.0
    """How long a leg waits for its browser to come back, seconds; a live call goes on meanwhile."""

    def check(self) -> None:
        """Raise `SettingsError` for what could not work, naming the setting and the remedy."""
        try:
            own = ipaddress.IPv4Address(self.ip)
        except ValueError as failure:
            raise SettingsError(
                f"webrtc ip is {self.ip!r}: it must be an IPv4 address of this machine"
            ) from failure
        if own.is_unspecified:
            raise SettingsError(
                "webrtc ip is 0.0.0.0: name the one address that browsers reach this machine at"
            )
        if self.stun_url is not None and not self.stun_url.startswith(("stun:", "stuns:")):
            raise SettingsError(f"{self.stun_url!r} is no STUN server: write stun:host:port")
        if self.turn_url is not None and not self.turn_url.startswith(("turn:", "turns:")):
            raise SettingsError(f"{self.turn_url!r} is no TURN server: write turn:host:port")

    def to_wire(self) -> dict[str, Any]:
        """As JSON values, for the worker's first line."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return values | {"data_dir": str(self.data_dir)}

    @classmethod
    def from_wire(cls, values: Mapping[str, Any]) -> WebRtcSettings:
        """What `to_wire` wrote."""
        return cls(**{**values, "data_dir": Path(values["data_dir"])})

"""What the adapter for Asterisk is told once, at its start."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from fairdial.core.trunk import TrunkSettings, is_loopback, trunks_fault
from fairdial.exceptions import SettingsError
from fairdial.ports import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class AsteriskSettings:
    """Its nodes, its trunks, its times. The trunks are those that its files were written from."""

    urls: tuple[str, ...]
    """The REST interface of each node: `ws://host:8088`, or `wss://` behind TLS."""
    password: str = field(repr=False)
    trunks: tuple[TrunkSettings, ...]
    is_sandbox: bool
    data_dir: Path
    """Where the wire log is kept, and the sounds that Asterisk plays: it must see this folder
    under the same path."""
    messages: Mapping[Message, Path]
    """WAV files, 8 kHz, mono, 16-bit."""
    caller_name: str
    calls_max: int
    user: str = "fairdial"
    app: str = "fairdial"
    """One dialer has one application, and an Asterisk serves one dialer."""
    media_ip: str = "127.0.0.1"
    """Our address that Asterisk sends audio to, for recordings and ears."""
    agent_ring_s: float = 30.0
    """How long an agent's phone may ring, seconds."""
    inbound_ring_s: float = 60.0
    """How long a call to us may ring before it is refused, seconds."""
    after_message_s: float = 3.0
    """How long a message leaves time for a key to be pressed after its last word, seconds."""
    clear_s: float = 2.0
    """How long to wait for the end of a leg that we end before it counts as ended, seconds."""
    away_s: float = 2.0
    """How long a node may be away before its calls count as lost, seconds. It is less than what
    the dial plan waits for us."""

    def check(self) -> None:
        """Raise `SettingsError` for what could not work, naming the setting and the remedy."""
        if not self.urls:
            raise SettingsError("urls is empty: name at least one Asterisk")
        for url in self.urls:
            parts = urlsplit(url)
            if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.username:
                raise SettingsError(f"{url} is no address of an Asterisk: write ws://host:8088")
            if parts.scheme == "ws" and not self.is_sandbox and not _is_near(parts.hostname):
                raise SettingsError(
                    f"{url} would send the password over the network as it is: use wss://, or a "
                    f"private address"
                )
            if self.is_sandbox and not is_loopback(parts.hostname):
                raise SettingsError(
                    f"{url} is not on this machine, and the sandbox never leaves it"
                )
        if (fault := trunks_fault(self.trunks, is_sandbox=self.is_sandbox)) is not None:
            raise SettingsError(fault)
        if not self.password:
            raise SettingsError("the password of Asterisk's REST interface is empty")
        if self.calls_max < 1:
            raise SettingsError(f"calls_max is {self.calls_max}: it must be 1 or more")
        if Message.ABANDONED not in self.messages:
            raise SettingsError("messages has no file for 'abandoned': record one")


def _is_near(host: str) -> bool:
    """Whether a host is on this machine or in a private network; a name without dots is one, too,
    as in a network of containers."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host

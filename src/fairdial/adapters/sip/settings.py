"""What the embedded SIP engine is told once, at its start."""

from __future__ import annotations

import ipaddress
import wave
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from fairdial.core.phone import PhoneAccount, phone_fault
from fairdial.core.trunk import (
    NumberFormat,
    Transport,
    TrunkSettings,
    trunks_fault,
)
from fairdial.exceptions import SettingsError
from fairdial.media import g711
from fairdial.ports import Message

MESSAGE_S_MAX = 120
"""The longest recorded message, seconds."""
AFTER_MESSAGE_S_MAX = 30.0
"""The longest silence behind it, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SipSettings:
    """Trunks, phones, one set of ports, one data folder. IPv4 and UDP only."""

    trunks: tuple[TrunkSettings, ...]
    """In the sandbox they are on this machine."""
    phones: tuple[PhoneAccount, ...] = ()
    """Who may register with us."""
    local_ip: str
    """The address of this machine that carriers and phones send to; never 0.0.0.0."""
    sip_port: int
    """Our SIP port; 0 takes any free one."""
    rtp_port_min: int
    rtp_port_max: int
    """A pair of ports, RTP and RTCP, is used for each leg: calls and agents together."""
    is_sandbox: bool
    data_dir: Path
    """Where the wire log and the engine's own log are kept."""
    messages: Mapping[Message, Path]
    """WAV files, 8 kHz, mono, 16-bit."""
    caller_name: str
    """What is shown with the caller ID."""
    calls_max: int
    no_response_s: float = 5.0
    """How long to wait for any reply to an INVITE, seconds."""
    agent_ring_s: float = 30.0
    """How long an agent's phone may ring, seconds."""
    inbound_ring_s: float = 60.0
    """How long a call to us may ring before it is refused, seconds."""
    media_lost_s: float = 10.0
    """How long an answered call, or an agent's phone, may stay without audio, seconds."""
    after_message_s: float = 3.0
    """How long a message leaves time for a key to be pressed after its last word, seconds."""
    clear_s: float = 2.0
    """How long to wait for the reply to our CANCEL before the call counts as ended, seconds."""

    join_tone: bool = True
    """Whether two short beeps tell an agent that somebody is on the line."""
    hold_music: Path | None = None
    """A WAV file like those of `messages`, looped for who is on hold; None plays our own."""

    def check(self) -> None:
        """Raise `SettingsError` for what could not work, naming the setting and the remedy."""
        if (fault := trunks_fault(self.trunks, is_sandbox=self.is_sandbox)) is not None:
            raise SettingsError(fault)
        for trunk in self.trunks:
            if trunk.transport is not Transport.UDP:
                raise SettingsError(
                    f"trunk {trunk.name}: transport is {trunk.transport.value}, and the embedded "
                    f"engine speaks UDP alone: let Asterisk carry this trunk "
                    f"(FAIRDIAL_ENGINE=asterisk)"
                )
        for phone in self.phones:
            if (fault := phone_fault(phone)) is not None:
                raise SettingsError(f"phone {phone.name[:80]}: {fault}")
        try:
            local = ipaddress.IPv4Address(self.local_ip)
        except ValueError as failure:
            raise SettingsError(
                f"local_ip is {self.local_ip!r}: it must be an IPv4 address of this machine"
            ) from failure
        if local.is_unspecified:
            raise SettingsError(
                "local_ip is 0.0.0.0: name the one address that the carrier reaches us at"
            )
        if not 1024 <= self.rtp_port_min <= self.rtp_port_max <= 65535:
            raise SettingsError(
                f"rtp_port_min..rtp_port_max is {self.rtp_port_min}..{self.rtp_port_max}: "
                f"it must be a range within 1024..65535"
            )
        if not 0 <= self.sip_port < 65536:
            raise SettingsError(
                f"sip_port is {self.sip_port}: ports are 1 to 65535, and 0 takes any free one"
            )
        if self.calls_max < 1:
            raise SettingsError(f"calls_max is {self.calls_max}: it must be 1 or more")
        if not 0 <= self.after_message_s <= AFTER_MESSAGE_S_MAX:
            raise SettingsError(
                f"after_message_s is {self.after_message_s:g}: "
                f"it must be 0 to {AFTER_MESSAGE_S_MAX:g} seconds"
            )
        if Message.ABANDONED not in self.messages:
            raise SettingsError("messages has no file for 'abandoned': record one")
        for path in self.messages.values():
            load_message(path)
        if self.hold_music is not None:
            load_message(self.hold_music)

    def to_wire(self) -> dict[str, Any]:
        """As JSON values, for the engine's process."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["data_dir"] = str(self.data_dir)
        values["hold_music"] = None if self.hold_music is None else str(self.hold_music)
        values["messages"] = {m.value: str(path) for m, path in self.messages.items()}
        values["trunks"] = [asdict(trunk) for trunk in self.trunks]
        values["phones"] = [asdict(phone) for phone in self.phones]
        return values

    @classmethod
    def from_wire(cls, values: Mapping[str, Any]) -> SipSettings:
        """Read what `to_wire` wrote."""
        messages = {Message(m): Path(path) for m, path in values["messages"].items()}
        music = values["hold_music"]
        paths = {
            "data_dir": Path(values["data_dir"]),
            "hold_music": None if music is None else Path(music),
        }
        lines = {
            "trunks": tuple(_trunk(trunk) for trunk in values["trunks"]),
            "phones": tuple(PhoneAccount(**phone) for phone in values["phones"]),
        }
        return cls(**{**values, **paths, **lines, "messages": messages})


def _trunk(values: Mapping[str, Any]) -> TrunkSettings:
    return TrunkSettings(
        **{
            **values,
            "transport": Transport(values["transport"]),
            "number_format": NumberFormat(values["number_format"]),
            "numbers": tuple(values["numbers"]),
            "inbound_from": tuple(values["inbound_from"]),
        }
    )


def load_message(path: Path) -> bytes:
    """The message's audio as mu-law. Raises `SettingsError` with what is wrong with the file."""
    try:
        with wave.open(str(path), "rb") as file:
            shape = (file.getframerate(), file.getnchannels(), file.getsampwidth())
            if shape != (g711.SAMPLE_RATE, 1, 2):
                raise SettingsError(
                    f"{path} has {shape[0]} Hz, {shape[1]} channels, {8 * shape[2]} bits: "
                    f"convert it to 8000 Hz, mono, 16 bits"
                )
            pcm = file.readframes(g711.SAMPLE_RATE * (MESSAGE_S_MAX + 1))
            seconds = len(pcm) / 2 / g711.SAMPLE_RATE
            if not 0 < seconds <= MESSAGE_S_MAX:
                raise SettingsError(
                    f"{path} lasts {seconds:.1f} s: a message has 1 to {MESSAGE_S_MAX} s"
                )
    except (OSError, EOFError, wave.Error) as failure:
        raise SettingsError(
            f"{path} cannot be read as a WAV file ({failure}): record it as 8000 Hz, mono, 16 bits"
        ) from failure
    return g711.encode_ulaw(g711.samples_from_pcm(pcm))

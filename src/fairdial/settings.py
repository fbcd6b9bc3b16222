"""The settings: typed, frozen, read once from the environment, loud about what it cannot use.

Each is an environment variable `FAIRDIAL_<NAME>`. A variable that looks like ours and is none is an
error.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from fairdial.exceptions import SettingsError

PREFIX = "FAIRDIAL_"
SHIM_VARIABLES = frozenset(
    {
        "FAIRDIAL_ASTERISK",
        "FAIRDIAL_VENV",
        "FAIRDIAL_PYTHON",
        "FAIRDIAL_POSTGRES_BIN",
        "FAIRDIAL_STARTED_AT",
    }
)
"""Variables that others than this module read."""


def default_data_dir() -> Path:
    """Where data is kept when nothing is said: the user's own data folder."""
    base = os.environ.get("XDG_DATA_HOME")
    home = Path(os.environ.get("HOME") or "/var/lib")
    return (Path(base) if base else home / ".local" / "share") / "fairdial"


class Settings(BaseSettings):
    """What an installation may set."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    data_dir: Path = Field(default_factory=default_data_dir)
    """The folder for everything that Fairdial keeps."""
    database_url: SecretStr | None = None
    """A PostgreSQL server of yours (15 or newer); without it an embedded one is started."""
    sandbox: bool = True
    """Test mode: only fictional numbers, only this machine. False means real calls."""
    trunks: Path | None = None
    """The file with your trunks; without it the sandbox starts its simulated carrier."""
    phones: Path | None = None
    """The file with the phones that may register with us."""
    engine: Literal["embedded", "asterisk"] = "embedded"
    """Who carries SIP and RTP: our own process, or your Asterisk."""
    asterisk_urls: str | None = None
    """The REST interface of each Asterisk, separated by commas: `ws://10.0.0.5:8088`."""
    asterisk_password_file: Path | None = None
    """The file with the password of that interface; `fairdial asterisk config` writes one."""
    asterisk_media_ip: str = "127.0.0.1"
    """Our address that Asterisk sends audio to, for recordings and ears."""
    sip_ip: str = "127.0.0.1"
    """The address our SIP and RTP use."""
    sip_port: int = Field(default=0, ge=0, le=65535)
    """Our SIP port; 0 takes a free one."""
    rtp_port_min: int = Field(default=20000, ge=1024, le=65535)
    rtp_port_max: int = Field(default=24999, ge=1024, le=65535)
    webrtc_ip: str = "127.0.0.1"
    """The address that agents' browsers send their audio to."""
    webrtc_stun_url: str | None = None
    """A STUN server (`stun:host:port`) for browsers and for us; without it none is asked."""
    webrtc_turn_url: str | None = None
    """A TURN server (`turn:host:port`) for browsers that cannot reach us directly."""
    webrtc_turn_username: str | None = None
    webrtc_turn_password: SecretStr | None = None
    web_host: str = "127.0.0.1"
    web_port: int = Field(default=8420, ge=0, le=65535)
    """The port of the page; 0 takes a free one."""
    shaken_key_file: Path | None = None
    """The private key (P-256, PEM) that signs the caller ID of each call (STIR/SHAKEN)."""
    shaken_certificate_url: str | None = None
    """Where whoever is called finds the certificate of that key."""
    shaken_attestation: str | None = None
    """A, B or C: what you vouch for."""
    audit_key_file: Path | None = None
    """The private key that signs checkpoints; without it one is made in the data folder."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings once. Raises `SettingsError` naming the variable and the remedy."""
    seen = os.environ if environ is None else environ
    known = {PREFIX + name.upper() for name in Settings.model_fields} | SHIM_VARIABLES
    for name in seen:
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SettingsError(f"{name} is not a setting of Fairdial{hint}")
    values = {
        name: seen[PREFIX + name.upper()]
        for name in Settings.model_fields
        if PREFIX + name.upper() in seen
    }
    for name, value in values.items():
        if not value.strip():
            # An empty folder would be the current one; an empty address, no trunk at all.
            raise SettingsError(
                f"{PREFIX}{name.upper()} is set, but empty: give it a value, or unset it"
            )
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + str(first["loc"][0]).upper() if first["loc"] else "the settings"
        raise SettingsError(f"{name}: {first['msg']} (it is {first['input']!r})") from error
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    if settings.rtp_port_max - settings.rtp_port_min < 10:
        raise SettingsError(
            "FAIRDIAL_RTP_PORT_MIN and FAIRDIAL_RTP_PORT_MAX leave no room for media; "
            "two ports are used for each call"
        )
    if settings.engine == "asterisk":
        for name, value in (
            ("ASTERISK_URLS", settings.asterisk_urls),
            ("ASTERISK_PASSWORD_FILE", settings.asterisk_password_file),
            ("TRUNKS", settings.trunks),
        ):
            if value is None:
                raise SettingsError(
                    f"FAIRDIAL_ENGINE=asterisk needs FAIRDIAL_{name}: "
                    f"`fairdial asterisk config` writes what belongs together"
                )
    shaken = {
        "SHAKEN_KEY_FILE": settings.shaken_key_file,
        "SHAKEN_CERTIFICATE_URL": settings.shaken_certificate_url,
        "SHAKEN_ATTESTATION": settings.shaken_attestation,
    }
    if 0 < sum(value is not None for value in shaken.values()) < len(shaken):
        (missing, *_) = (name for name, value in shaken.items() if value is None)
        raise SettingsError(
            f"FAIRDIAL_{missing} is not set: a signature needs key, certificate and attestation"
        )
    if settings.sandbox and not _is_loopback(settings.webrtc_ip):
        raise SettingsError(
            f"FAIRDIAL_WEBRTC_IP={settings.webrtc_ip} is not on this machine alone, and the "
            "sandbox never leaves it; for real calls set FAIRDIAL_SANDBOX=false"
        )
    for name, url in (("STUN", settings.webrtc_stun_url), ("TURN", settings.webrtc_turn_url)):
        if settings.sandbox and url is not None:
            raise SettingsError(
                f"FAIRDIAL_WEBRTC_{name}_URL={url} leads out of this machine, and the sandbox "
                "never leaves it; for real calls set FAIRDIAL_SANDBOX=false"
            )
    if settings.web_host != "localhost" and not _is_loopback(settings.web_host):
        raise SettingsError(
            f"FAIRDIAL_WEB_HOST={settings.web_host}: the live page has no log-in and shows people, "
            "so it is served on this machine alone; use 127.0.0.1 and, from afar, an SSH tunnel"
        )
    if not settings.sandbox and settings.trunks is None:
        raise SettingsError(
            "FAIRDIAL_SANDBOX=false means real calls and needs a carrier: name the file with your "
            "trunks in FAIRDIAL_TRUNKS"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

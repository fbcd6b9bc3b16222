"""The configuration files of an Asterisk that serves one dialer, written from its trunks.

Asterisk carries SIP and RTP; every decision stays with the dialer. So the dial plan does three
things only: it hands calls to our Stasis application, waits a moment when that is away, and hangs
up what nobody takes. Modules are named one by one: what is not needed is not loaded.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fairdial.core.phone import PhoneAccount, phone_fault
from fairdial.core.trunk import Transport, TrunkSettings, trunk_fault
from fairdial.exceptions import SettingsError
from fairdial.media.sounds import hold_music

MARK = "; Written by `fairdial asterisk config`."
"""The beginning of every file of ours; a file without it is somebody's and is not touched."""
PASSWORD_FILE = "ari-password"  # noqa: S105 - a file's name
USER = "fairdial"
"""Who the dialer is to the REST interface."""
MUSIC = "music"
TRUNK_PREFIX = "trunk-"
"""Trunks and phones are both endpoints of Asterisk; this keeps their names apart."""
ANY_PHONE = "any-phone"
"""The endpoint through which phones are called by their SIP URI."""
OURS, INBOUND = "fairdial-leg", "fairdial-inbound"
"""The contexts of the dial plan: legs that we originate, calls that come to us."""
AWAY_S = 3.0
"""How long an answered call waits for a dialer that is away for a moment, seconds."""

_SECRET = re.compile(r"[!-:<-~]{8,128}", re.ASCII)
_MODULES = [
    "app_exec",
    "app_playback",
    "app_stasis",
    "bridge_builtin_features",
    "bridge_native_rtp",
    "bridge_simple",
    "bridge_softmix",
    "chan_bridge_media",
    "chan_pjsip",
    "chan_rtp",
    "codec_alaw",
    "codec_resample",
    "codec_ulaw",
    "format_pcm",
    "format_wav",
    "func_callerid",
    "func_channel",
    "func_logic",
    "func_timeout",
    "pbx_config",
    "res_ari",
    "res_ari_applications",
    "res_ari_asterisk",
    "res_ari_bridges",
    "res_ari_channels",
    "res_ari_endpoints",
    "res_ari_events",
    "res_ari_model",
    "res_ari_playbacks",
    "res_http_websocket",
    "res_musiconhold",
    "res_mutestream",
    "res_pjproject",
    "res_pjsip",
    "res_pjsip_acl",
    "res_pjsip_authenticator_digest",
    "res_pjsip_caller_id",
    "res_pjsip_dtmf_info",
    "res_pjsip_endpoint_identifier_ip",
    "res_pjsip_endpoint_identifier_user",
    "res_pjsip_header_funcs",
    "res_pjsip_nat",
    "res_pjsip_outbound_authenticator_digest",
    "res_pjsip_outbound_registration",
    "res_pjsip_pubsub",
    "res_pjsip_registrar",
    "res_pjsip_rfc3326",
    "res_pjsip_sdp_rtp",
    "res_pjsip_session",
    "res_rtp_asterisk",
    "res_rtp_multicast",
    "res_sorcery_astdb",
    "res_sorcery_config",
    "res_sorcery_memory",
    "res_srtp",
    "res_stasis",
    "res_stasis_answer",
    "res_stasis_playback",
    "res_stasis_recording",
    "res_stasis_snoop",
    "res_timing_timerfd",
    "res_websocket_client",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AsteriskDirectories:
    """Where an Asterisk of ours finds its parts. The default is what Debian's package uses."""

    modules: Path = Path("/usr/lib/x86_64-linux-gnu/asterisk/modules")
    data: Path = Path("/usr/share/asterisk")
    state: Path = Path("/var/lib/asterisk")
    """What it keeps, its folder of contacts among it."""
    run: Path = Path("/var/run/asterisk")
    spool: Path = Path("/var/spool/asterisk")
    log: Path = Path("/var/log/asterisk")


@dataclass(frozen=True, slots=True, kw_only=True)
class AsteriskSetup:
    """All that the files are written from."""

    trunks: tuple[TrunkSettings, ...]
    phones: tuple[PhoneAccount, ...] = ()
    app: str = "fairdial"
    user: str = USER
    password: str = field(default="", repr=False)
    """The password of the REST interface; empty draws one. There is no other default."""
    sip_ip: str = "0.0.0.0"  # noqa: S104 - a carrier has to reach us
    sip_port: int = 5060
    tls_port: int = 5061
    tls_certificate: Path | None = None
    """Our certificate and key, for carriers that call us over TLS."""
    tls_key: Path | None = None
    tls_authorities: Path = Path("/etc/ssl/certs/ca-certificates.crt")
    """Who vouches for carriers' certificates."""
    rtp_port_min: int = 20000
    rtp_port_max: int = 29999
    """Asterisk takes two ports for each leg."""
    http_ip: str = "127.0.0.1"
    http_port: int = 8088
    calls_max: int = 500
    name: str = "fairdial"
    """The system name; each node has its own."""
    media_lost_s: float = 10.0
    no_response_s: float = 6.4
    directories: AsteriskDirectories = AsteriskDirectories()
    more_modules: tuple[str, ...] = ()
    more_dialplan: str = ""
    more_files: Mapping[str, str] = field(default_factory=dict)
    """For what is measured beside us: nothing of ours needs any of it."""

    def check(self) -> None:
        """Raise `SettingsError` for what could not work."""
        for trunk in self.trunks:
            if (fault := trunk_fault(trunk)) is not None:
                raise SettingsError(f"trunk {trunk.name}: {fault}")
            if trunk.password is not None and _SECRET.fullmatch(trunk.password) is None:
                raise SettingsError(
                    f"trunk {trunk.name}: its password cannot be written into a file of Asterisk: "
                    f"8 to 128 visible characters, no ; and no blanks"
                )
        names = [trunk.name for trunk in self.trunks] + [phone.name for phone in self.phones]
        for name in names:
            if names.count(name) > 1:
                raise SettingsError(f"the name {name} is given twice among trunks and phones")
        for phone in self.phones:
            is_ours = phone.name == ANY_PHONE or phone.name.startswith(TRUNK_PREFIX)
            if (fault := phone_fault(phone)) is not None:
                raise SettingsError(f"phone {phone.name[:80]}: {fault}")
            if is_ours:
                raise SettingsError(
                    f"phone {phone.name}: its name must not begin with {TRUNK_PREFIX!r}, nor be "
                    f"{ANY_PHONE!r}"
                )
            if _SECRET.fullmatch(phone.password) is None:
                raise SettingsError(
                    f"phone {phone.name}: its password must have no ; for Asterisk's files"
                )
        if self.password and _SECRET.fullmatch(self.password) is None:
            raise SettingsError("the password has 8 to 128 visible characters, no ; and no blanks")
        if not 1024 <= self.rtp_port_min < self.rtp_port_max <= 65535:
            raise SettingsError(
                f"the RTP ports are {self.rtp_port_min} to {self.rtp_port_max}: "
                f"they must be a range within 1024 to 65535"
            )
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise SettingsError("a certificate and its key belong together: name both")


def write_config(setup: AsteriskSetup, folder: Path) -> tuple[Path, ...]:
    """Write all files into `folder`; returns them. Raises `SettingsError`, and then wrote none.

    A file that is there and is not ours is never overwritten. A password that was drawn before is
    kept.
    """
    setup.check()
    password = setup.password or _password_of(folder) or secrets.token_urlsafe(24)
    files = {name: f"{MARK}\n{text}" for name, text in _files(setup, password, folder).items()}
    for name in files:
        path = folder / name
        if path.exists() and not _is_ours(path):
            raise SettingsError(
                f"{path} was not written by Fairdial, so it is left as it is: name an empty "
                f"folder, or move that file away"
            )
    try:
        (folder / MUSIC).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            _write(folder / name, text.encode())
        _write(folder / PASSWORD_FILE, f"{password}\n".encode())
        _write(folder / MUSIC / "hold.ulaw", hold_music())
    except OSError as failure:
        raise SettingsError(f"{folder} cannot be written: {failure}") from failure
    return tuple(folder / name for name in (*files, PASSWORD_FILE))


def _password_of(folder: Path) -> str | None:
    try:
        return (folder / PASSWORD_FILE).read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(MARK)) == MARK.encode()
    except OSError:
        return False


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all: some hold passwords."""
    draft = path.with_name(f".{path.name}.part")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    draft.replace(path)


def _files(setup: AsteriskSetup, password: str, folder: Path) -> dict[str, str]:
    """The files by name."""
    wanted = (*_MODULES, *setup.more_modules)
    modules = "".join(f"load = {module}.so\n" for module in wanted)
    return {
        "asterisk.conf": _asterisk_conf(setup, folder),
        "modules.conf": f"[modules]\nautoload = no\n{modules}",
        "http.conf": _section(
            "general",
            enabled="yes",
            bindaddr=setup.http_ip,
            bindport=setup.http_port,
            sessionlimit=100,
            enable_static="no",
        ),
        "ari.conf": _section("general", enabled="yes", pretty="no")
        + _section(setup.user, type="user", read_only="no", password=password),
        "rtp.conf": _section(
            "general",
            rtpstart=setup.rtp_port_min,
            rtpend=setup.rtp_port_max,
            strictrtp="yes",
            icesupport="no",
        ),
        "logger.conf": "[general]\ndateformat = %F %T.%3q\n[logfiles]\n"
        "messages = notice,warning,error,verbose\n",
        "musiconhold.conf": _section("default", mode="files", directory=folder / MUSIC),
        "extensions.conf": _extensions_conf(setup),
        "pjsip.conf": "\n".join(_pjsip_conf(setup)),
        # Without these, Asterisk complains at each start about files that it can do without.
        **{f"{name}.conf": "[general]\n" for name in ("acl", "ccss", "udptl", "websocket_client")},
        **{f"{name}.conf": _section("general", enable="no") for name in ("cdr", "cel")},
        "manager.conf": _section("general", enabled="no"),
        "pjproject.conf": _section("startup", type="startup", log_level=2),
        "features.conf": "[general]\n",
        **setup.more_files,
        "indications.conf": "[general]\ncountry = us\n[us]\ndescription = United States\n"
        "ringcadence = 2000,4000\nring = 440+480/2000,0/4000\nbusy = 480+620/500,0/500\n"
        "congestion = 480+620/250,0/250\n",
    }


def _section(name: str, /, **values: object) -> str:
    lines = "".join(f"{key} = {value}\n" for key, value in values.items() if value is not None)
    return f"[{name}]\n{lines}"


def _asterisk_conf(setup: AsteriskSetup, folder: Path) -> str:
    d = setup.directories
    places = {
        "astetcdir": folder,
        "astmoddir": d.modules,
        "astvarlibdir": d.data,
        "astdatadir": d.data,
        "astdbdir": d.state,
        "astkeydir": d.state,
        "astagidir": d.state,
        "astspooldir": d.spool,
        "astrundir": d.run,
        "astlogdir": d.log,
    }
    directories = "".join(f"{key} => {path}\n" for key, path in places.items())
    return f"[directories]\n{directories}" + _section(
        "options",
        systemname=setup.name,
        # Two legs for each call, and for a recording or an ear four channels more.
        maxcalls=4 * setup.calls_max,
        maxfiles=max(4096, 24 * setup.calls_max),
        transmit_silence="yes",
        nocolor="yes",
        defaultlanguage="en",
    )


def _extensions_conf(setup: AsteriskSetup) -> str:
    """Everything goes to the application; what it cannot take waits a moment, and is hung up."""
    tries = round(AWAY_S / 0.1)
    return f"""[globals]
[{OURS}]
; Somebody answered. While the dialer is away, its application is tried again: who answered hears
; the recorded message after {AWAY_S:g} s, and is never left in silence.
exten = leg,1,Stasis({setup.app},leg)
 same = n,GotoIf($["${{STASISSTATUS}}" = "FAILED"]?away,1)
 same = n,Hangup()
exten = away,1,Set(TRIES=$[0${{TRIES}} + 1])
 same = n,GotoIf($[${{TRIES}} > {tries}]?gone,1)
 same = n,Wait(0.1)
 same = n,Goto(leg,1)
exten = gone,1,ExecIf($["${{FAIRDIAL_MESSAGE}}" != ""]?Playback(${{FAIRDIAL_MESSAGE}}))
 same = n,Hangup()
[{INBOUND}]
exten = _[+0-9*#a-zA-Z].,1,Stasis({setup.app},inbound,${{FAIRDIAL_TRUNK}},${{EXTEN}})
 same = n,Hangup(41)
exten = _[+0-9*#a-zA-Z],1,Goto(${{EXTEN}}0,1)
[fairdial-none]
exten = _[+0-9*#a-zA-Z].,1,Hangup(21)
{setup.more_dialplan}"""


def _pjsip_conf(setup: AsteriskSetup) -> Iterator[str]:
    """The transports, the trunks, the phones."""
    yield _section(
        "global",
        type="global",
        user_agent="Fairdial",
        # A phone and a trunk may come from one address: a name says more than an address.
        endpoint_identifier_order="username,auth_username,ip",
        keep_alive_interval=60,
        # Nobody who is unknown is told more than a challenge.
        default_outbound_endpoint=ANY_PHONE,
    )
    # No reply at all within `timer_b` ends an INVITE; RFC 3261 would wait 32 s.
    timer_t1 = max(100, round(setup.no_response_s * 1000 / 64))
    yield _section("system", type="system", timer_t1=timer_t1, timer_b=64 * timer_t1)
    yield from _transports(setup)
    for trunk in setup.trunks:
        yield from _trunk(trunk, setup)
    yield from _phones(setup)


def _transports(setup: AsteriskSetup) -> Iterator[str]:
    used = {trunk.transport for trunk in setup.trunks}
    bind = f"{setup.sip_ip}:{setup.sip_port}"
    yield _section("transport-udp", type="transport", protocol="udp", bind=bind)
    if Transport.TCP in used:
        yield _section("transport-tcp", type="transport", protocol="tcp", bind=bind)
    if Transport.TLS in used:
        yield _section(
            "transport-tls",
            type="transport",
            protocol="tls",
            bind=f"{setup.sip_ip}:{setup.tls_port}",
            method="tlsv1_2",
            ca_list_file=setup.tls_authorities,
            cert_file=setup.tls_certificate,
            priv_key_file=setup.tls_key,
            verify_server="yes",
        )


def _trunk(trunk: TrunkSettings, setup: AsteriskSetup) -> Iterator[str]:
    """A trunk: its endpoint, where it is, who it is by its address, how we prove who we are."""
    name = f"{TRUNK_PREFIX}{trunk.name}"
    suffix = "" if trunk.transport is Transport.UDP else f"\\;transport={trunk.transport.value}"
    uri = f"sip:{trunk.host}:{trunk.port}{suffix}"
    auth = f"{name}-auth" if trunk.username is not None else None
    yield _section(
        name,
        type="endpoint",
        transport=f"transport-{trunk.transport.value}",
        context=INBOUND if trunk.accepts_inbound else "fairdial-none",
        set_var=f"FAIRDIAL_TRUNK={trunk.name}",
        aors=name,
        outbound_auth=auth,
        from_domain=trunk.from_domain,
        send_pai="yes" if trunk.asserts_identity else "no",
        # The dialer says who calls. A name is shown only where the carrier is to show it.
        trust_id_outbound="yes",
        timers="yes" if trunk.has_session_timer else "no",
        timers_sess_expires=trunk.session_expires_s if trunk.has_session_timer else None,
        **_audio(setup),
    )
    yield _section(
        name,
        type="aor",
        contact=uri,
        qualify_frequency=round(trunk.options_s),
        qualify_timeout="3.0",
        qualify_2xx_only="no",
    )
    hosts = [trunk.host, *trunk.inbound_from]
    matches = "".join(f"match = {host}\n" for host in hosts)
    yield _section(name, type="identify", endpoint=name) + matches
    if auth is not None:
        yield _section(
            auth,
            type="auth",
            auth_type="digest",
            username=trunk.username,
            password=trunk.password,
        )
    if trunk.registers:
        yield _section(
            name,
            type="registration",
            transport=f"transport-{trunk.transport.value}",
            outbound_auth=auth,
            server_uri=uri,
            client_uri=f"sip:{trunk.username}@{trunk.host}:{trunk.port}",
            expiration=trunk.register_s,
            retry_interval=30,
            forbidden_retry_interval=300,
            max_retries=1_000_000,
            endpoint=name,
            line="yes",
        )


def _phones(setup: AsteriskSetup) -> Iterator[str]:
    shared: Mapping[str, object] = {
        "type": "endpoint",
        "transport": "transport-udp",
        # Phones only listen for us: what they dial themselves leads nowhere.
        "context": "fairdial-none",
        "send_pai": "no",
        **_audio(setup),
    }
    yield _section(ANY_PHONE, **shared)
    for phone in setup.phones:
        auth = f"{phone.name}-auth"
        yield _section(
            phone.name,
            **shared,
            aors=phone.name,
            auth=auth,
            rtp_symmetric="yes",
            force_rport="yes",
            rewrite_contact="yes",
        )
        yield _section(
            phone.name,
            type="aor",
            max_contacts=1,
            remove_existing="yes",
            qualify_frequency=30,
            default_expiration=120,
        )
        yield _section(
            auth, type="auth", auth_type="digest", username=phone.name, password=phone.password
        )


def _audio(setup: AsteriskSetup) -> dict[str, object]:
    """How every leg sounds: G.711 through Asterisk, keys as RFC 4733, some audio always."""
    return {
        "disallow": "all",
        "allow": "ulaw,alaw",
        "direct_media": "no",
        "dtmf_mode": "rfc4733",
        # A leg that nobody speaks to still sends something, so that nothing on its way closes.
        "rtp_keepalive": 5,
        "rtp_timeout": round(setup.media_lost_s),
        "rtp_timeout_hold": round(6 * setup.media_lost_s),
    }

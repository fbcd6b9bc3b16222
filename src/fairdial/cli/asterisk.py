"""`fairdial asterisk`: the files of an Asterisk that carries calls for us."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fairdial.cli.shell import guarded, out, settings_in_force
from fairdial.exceptions import SettingsError

asterisk_cli = typer.Typer(no_args_is_help=True, help="An Asterisk that carries the calls.")


@asterisk_cli.callback()
def _group() -> None:
    """Keeps `config` a word of its own."""


@asterisk_cli.command("config")
def asterisk_config(
    folder: Annotated[Path, typer.Argument(help="Where the files go, such as /etc/asterisk.")],
    sip_ip: Annotated[
        str, typer.Option("--sip-ip", help="The address for SIP and RTP.")
    ] = "0.0.0.0",  # noqa: S104 - carriers have to reach it
    sip_port: Annotated[int, typer.Option("--sip-port", min=1, max=65535)] = 5060,
    tls_port: Annotated[int, typer.Option("--tls-port", min=1, max=65535)] = 5061,
    tls_certificate: Annotated[
        Path | None, typer.Option("--tls-certificate", readable=False, help="For TLS trunks: PEM.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", readable=False, help="Its private key.")
    ] = None,
    rtp_port_min: Annotated[int, typer.Option("--rtp-port-min", min=1024, max=65535)] = 20000,
    rtp_port_max: Annotated[int, typer.Option("--rtp-port-max", min=1024, max=65535)] = 29999,
    http_ip: Annotated[
        str, typer.Option("--http-ip", help="The address of its REST interface.")
    ] = "127.0.0.1",
    http_port: Annotated[int, typer.Option("--http-port", min=1, max=65535)] = 8088,
    calls: Annotated[int, typer.Option("--calls", min=1, max=2000, help="The most at once.")] = 500,
    name: Annotated[str, typer.Option("--name", help="The name of this node.")] = "fairdial",
    modules: Annotated[
        Path | None, typer.Option("--modules", readable=False, help="The folder of its modules.")
    ] = None,
) -> None:
    """Write the configuration of an Asterisk 22 from FAIRDIAL_TRUNKS and FAIRDIAL_PHONES.

    A file that Fairdial did not write is left alone. The password of the REST interface is drawn
    once and kept.
    """
    from fairdial.adapters.asterisk.config import (
        PASSWORD_FILE,
        AsteriskDirectories,
        AsteriskSetup,
        write_config,
    )
    from fairdial.adapters.files.trunks import read_phones, read_trunks

    settings = settings_in_force()

    def write() -> tuple[Path, ...]:
        if settings.trunks is None:
            raise SettingsError(
                "FAIRDIAL_TRUNKS names no file: the trunks are what Asterisk is told first"
            )
        places = AsteriskDirectories() if modules is None else AsteriskDirectories(modules=modules)
        setup = AsteriskSetup(
            trunks=read_trunks(settings.trunks, is_sandbox=settings.sandbox),
            phones=() if settings.phones is None else read_phones(settings.phones),
            sip_ip=sip_ip,
            sip_port=sip_port,
            tls_port=tls_port,
            tls_certificate=tls_certificate,
            tls_key=tls_key,
            rtp_port_min=rtp_port_min,
            rtp_port_max=rtp_port_max,
            http_ip=http_ip,
            http_port=http_port,
            calls_max=calls,
            name=name,
            directories=places,
        )
        return write_config(setup, folder)

    written = guarded(write)
    out.print(f"{len(written)} files are in {folder}.", highlight=False)
    out.print(
        f"Restart Asterisk, and give Fairdial:\n"
        f"  FAIRDIAL_ENGINE=asterisk\n"
        f"  FAIRDIAL_ASTERISK_URLS=ws://{http_ip}:{http_port}\n"
        f"  FAIRDIAL_ASTERISK_PASSWORD_FILE={folder / PASSWORD_FILE}",
        highlight=False,
        soft_wrap=True,
    )

"""A campaign whose calls a real Asterisk carries, from generated files to closed attempts."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from fairdial.adapters.asterisk.server import AsteriskServer
from fairdial.adapters.files.trunks import read_trunks

from .command import HERE, Carrier, Installation

pytestmark = pytest.mark.wire

TALKS = 'does = "person"\nring_s = 0.2\ntalk_s = 1.0\npatience_s = 20.0'
BUSY = 'does = "busy"'
NUMBERS = ("+12125550101", "+12125550102", "+12125550103", "+12125550104")


def test_a_campaign_over_asterisk(
    installation: Installation, asterisk_tree: Path, tmp_path: Path
) -> None:
    installation.write_campaign(agents=2)
    installation.write_leads(NUMBERS)
    does = {**dict.fromkeys(NUMBERS, TALKS), NUMBERS[-1]: BUSY}
    with Carrier(tmp_path, installation.write_scenario(does)) as carrier:
        trunks = installation.write_trunk(carrier.port)
        server = AsteriskServer(asterisk_tree, trunks=read_trunks(trunks, is_sandbox=True))
        asyncio.run(server.start())
        try:
            password = installation.folder / "ari-password"
            password.write_text(server.password)
            command = installation.dial(
                settings={
                    "engine": "asterisk",
                    "asterisk_urls": server.url,
                    "asterisk_password_file": password,
                    "trunks": trunks,
                }
            )
            assert (command.ended(), command.complained) == (0, "")
        finally:
            asyncio.run(server.stop())
        # Each lead was dialed once, and nothing rang without its permit.
        invited = Counter(line["to"] for line in carrier.events("invite"))
        assert invited == Counter(NUMBERS)
        assert (len(carrier.events("answered")), carrier.up()) == (3, set())
    figures = installation.summary
    assert figures["attempts"] == len(NUMBERS)
    assert figures["outcomes"] == {"connected": 3, "busy": 1}
    audit = installation.audit()
    assert (audit.process.returncode, audit.complained) == (0, "")
    assert installation.processes() == {}


@pytest.mark.parametrize("missing", ["asterisk_urls", "asterisk_password_file", "trunks"])
def test_what_belongs_together_is_asked_for(installation: Installation, missing: str) -> None:
    given: dict[str, object] = {
        "engine": "asterisk",
        "asterisk_urls": f"ws://{HERE}:9",
        "asterisk_password_file": "password",
        "trunks": "trunks.toml",
    }
    del given[missing]
    command = installation.start("explain", "+12125550142", settings=given)
    assert command.ended() == 2
    assert f"FAIRDIAL_{missing.upper()}" in command.complained


def test_the_files_of_an_asterisk_are_written_once_and_never_over_others(
    installation: Installation, tmp_path: Path
) -> None:
    trunks = installation.write_trunk(5070)
    folder = tmp_path / "asterisk"
    command = installation.start("asterisk", "config", str(folder), settings={"trunks": trunks})
    assert (command.ended(), command.complained) == (0, "")
    assert "FAIRDIAL_ASTERISK_URLS=ws://127.0.0.1:8088" in command.said
    pjsip = (folder / "pjsip.conf").read_text()
    assert f"contact = sip:{HERE}:5070" in pjsip
    password = (folder / "ari-password").read_text()
    assert {path.stat().st_mode & 0o077 for path in folder.glob("*.conf")} == {0}
    # Again: the password is kept.
    again = installation.start("asterisk", "config", str(folder), settings={"trunks": trunks})
    assert again.ended() == 0
    assert (folder / "ari-password").read_text() == password
    (folder / "pjsip.conf").write_text("; mine\n")
    refused = installation.start("asterisk", "config", str(folder), settings={"trunks": trunks})
    assert refused.ended() == 2
    assert "was not written by Fairdial" in refused.complained
    assert (folder / "pjsip.conf").read_text() == "; mine\n"

"""The files of trunks and phones: what they say, and what is refused with the entry and the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairdial.adapters.files.trunks import read_phones, read_trunks
from fairdial.core.trunk import NumberFormat, Transport, TrunkSettings
from fairdial.exceptions import SettingsError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that nobody else may read."""
    path = tmp_path / "trunks.toml"
    path.touch(mode=0o600)
    return path


WHOLE = """
[[trunk]]
name = "north"
host = "sip.carrier.example"
port = 5070
transport = "tls"
username = "alder"
password_file = "north.password"
registers = true
register_s = 600
options_s = 15
calls_max = 40
calls_per_second = 2
order = 2
weight = 3
asserts_identity = true
is_private = false
from_domain = "alder.example"
has_session_timer = false
session_expires_s = 900
prefix = "9"
number_format = "national"
country = "US"
accepts_inbound = true
numbers = ["+13125550199"]
inbound_from = ["192.0.2.0/24"]

[[trunk]]
name = "south"
host = "198.51.100.7"
"""


def test_every_key_is_read(file: Path) -> None:
    file.write_text(WHOLE)
    file.with_name("north.password").write_text("correct horse\n")
    north, south = read_trunks(file, is_sandbox=False)
    assert north == TrunkSettings(
        name="north",
        host="sip.carrier.example",
        port=5070,
        transport=Transport.TLS,
        username="alder",
        password="correct horse",
        registers=True,
        register_s=600,
        options_s=15.0,
        calls_max=40,
        calls_per_second=2.0,
        order=2,
        weight=3,
        asserts_identity=True,
        from_domain="alder.example",
        has_session_timer=False,
        session_expires_s=900,
        prefix="9",
        number_format=NumberFormat.NATIONAL,
        accepts_inbound=True,
        numbers=("+13125550199",),
        inbound_from=("192.0.2.0/24",),
    )
    assert south == TrunkSettings(name="south", host="198.51.100.7")
    assert "correct horse" not in repr(north)


ENTRY = '[[trunk]]\nname = "north"\nhost = "127.0.0.1"\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "names no trunk"),
        ("[trunk]\nname = 'x'\n", "once for each"),
        ("[[trunks]]\nname = 'x'\n", "trunks is not known here"),
        ("[[trunk]\n", "is not TOML"),
        ('[[trunk]]\nname = "north"\n', "trunk north: host is missing"),
        ('[[trunk]]\nhost = "127.0.0.1"\n', "trunk 1: name is missing"),
        (ENTRY + 'hots = "x"\n', "hots is not known; did you mean host?"),
        (ENTRY + 'port = "5060"\n', "port is '5060': it must be a whole number"),
        (ENTRY + "port = true\n", "port is True: it must be a whole number"),
        (ENTRY + "port = 70000\n", "port is 70000: it must be 1 to 65535"),
        (ENTRY + 'calls_per_second = "5"\n', "calls_per_second is '5': it must be a number"),
        (ENTRY + "registers = 1\n", "registers is 1: it must be true or false"),
        (ENTRY + 'transport = "sctp"\n', "it must be one of udp, tcp, tls"),
        (ENTRY + 'numbers = "+13125550199"\n', "it must be a list of texts in quotes"),
        (ENTRY + 'username = "alder"\n', "username and password belong together"),
        (ENTRY + 'password_file = "none"\n', "password_file .* cannot be read"),
        (ENTRY + 'password = "x"\npassword_file = "y"\n', "give one of them"),
        (ENTRY + ENTRY, "the name is given twice"),
        ('[[trunk]]\nname = "north"\nhost = "192.0.2.1"\n', "the sandbox never leaves it"),
    ],
)
def test_what_cannot_work_is_refused_by_entry_and_key(file: Path, text: str, why: str) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError, match=why) as refused:
        read_trunks(file, is_sandbox=True)
    assert str(file) in str(refused.value)


def test_a_file_with_passwords_is_nobody_else_s_to_read(file: Path) -> None:
    file.write_text(ENTRY + 'username = "a"\npassword = "b"\n')
    file.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        read_trunks(file, is_sandbox=True)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(SettingsError, match="cannot be read"):
            read_trunks(path, is_sandbox=True)
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(SettingsError, match="not UTF-8"):
        read_trunks(tmp_path / "latin.toml", is_sandbox=True)


def test_phones_have_a_name_and_a_long_password(file: Path) -> None:
    file.write_text('[[phone]]\nname = "alice"\npassword = "four-random-words"\n')
    (alice,) = read_phones(file)
    assert (alice.name, alice.password) == ("alice", "four-random-words")
    assert "four-random-words" not in repr(alice)
    file.write_text('[[phone]]\nname = "alice"\npassword = "alice"\n')
    with pytest.raises(SettingsError, match="phone alice: the password must be 12 to 128"):
        read_phones(file)

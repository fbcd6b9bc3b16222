"""Phones of ours that register: who may, where they are called, and what a thief can do."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from fairdial.core.ids import SessionId
from fairdial.core.phone import PhoneAccount
from fairdial.ports import AgentLegDown, AgentLegUp

from .raw_peer import Message, RawPeer, raw_peer
from .sip_cast import HERE, Line, OpenLine

pytestmark = pytest.mark.wire

PASSWORD = "four-random-words"
ALICE = PhoneAccount(name="alice", password=PASSWORD)


@pytest.fixture
async def phone() -> AsyncIterator[RawPeer]:
    """A phone that picks up at once."""
    async with raw_peer() as peer:
        peer.script = peer.pick_up
        yield peer


@pytest.fixture
async def line(open_line: OpenLine) -> AsyncIterator[Line]:
    """An engine that lets alice register."""
    async with open_line(phones=(ALICE,)) as line:
        yield line


def port_of(line: Line) -> int:
    """The SIP port of an engine."""
    return line.telephony._settings.sip_port


class Registering:
    """A phone's side of REGISTER."""

    def __init__(self, phone: RawPeer, line: Line, *, user: str = "alice") -> None:
        self.phone = phone
        self.to = (HERE, port_of(line))
        self.user = user
        self.cseq = 0
        self.call_id = str(uuid4())

    async def send(self, *headers: str, expires: int = 300) -> Message:
        """One REGISTER; its response."""
        self.cseq += 1
        known = self.phone.count("SIP/2.0")
        self.phone.request(
            "REGISTER",
            f"sip:{HERE}",
            self.to,
            f"From: <sip:{self.user}@{HERE}>;tag=a{self.cseq}",
            f"To: <sip:{self.user}@{HERE}>",
            f"Call-ID: {self.call_id}",
            f"Contact: <sip:{self.user}-here@{HERE}:{self.phone.port}>",
            f"Expires: {expires}",
            *headers,
            cseq=self.cseq,
        )
        return await self.phone.until("SIP/2.0", count=known + 1)

    def proof(
        self, challenge: str, *, password: str = PASSWORD, user: str = "", nc: int = 1
    ) -> str:
        """The Authorization header that answers a challenge (RFC 7616 section 3.4)."""
        said = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
        user = user or self.user
        make = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[said["algorithm"]]

        def digest(text: str) -> str:
            return make(text.encode()).hexdigest()

        uri = f"sip:{HERE}"
        secret = digest(f"{user}:{said['realm']}:{password}")
        wish = digest(f"REGISTER:{uri}")
        count = f"{nc:08x}"
        response = digest(f"{secret}:{said['nonce']}:{count}:c0ffee:auth:{wish}")
        return (
            f'Authorization: Digest username="{user}", realm="{said["realm"]}", '
            f'nonce="{said["nonce"]}", uri="{uri}", response="{response}", '
            f'algorithm={said["algorithm"]}, cnonce="c0ffee", nc={count}, qop=auth'
        )

    async def register(self, *, algorithm: str = "SHA-256", expires: int = 300) -> Message:
        """Register, as phones do: ask, prove, be in."""
        asked = await self.send(expires=expires)
        assert asked.status == 401
        challenge = next(c for c in asked.headers("WWW-Authenticate") if algorithm in c)
        return await self.send(self.proof(challenge), expires=expires)


async def connected(line: Line, phone: str = "phone:alice") -> tuple[str, SessionId]:
    """What became of nailing up a phone: up, or why not."""
    session = SessionId(uuid4())
    await line.telephony.connect_agent(session, phone)
    event = await line.until(
        lambda e: isinstance(e, AgentLegUp | AgentLegDown) and e.session_id == session
    )
    return ("up" if isinstance(event, AgentLegUp) else getattr(event, "why", "")), session


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
async def test_a_registered_phone_is_called_where_it_is(
    line: Line, phone: RawPeer, algorithm: str
) -> None:
    registered = await Registering(phone, line).register(algorithm=algorithm)
    assert registered.status == 200
    assert registered.header("Contact").endswith(";expires=300")
    assert (await connected(line))[0] == "up"
    invite = await phone.until("INVITE")
    assert invite.start == f"INVITE sip:alice-here@{HERE}:{phone.port} SIP/2.0"


async def test_a_phone_that_is_not_there_is_said(line: Line) -> None:
    why, _ = await connected(line)
    assert why.startswith("the phone alice is not registered: look at its account")


async def test_a_phone_leaves(line: Line, phone: RawPeer) -> None:
    registering = Registering(phone, line)
    await registering.register()
    assert (await registering.register(expires=0)).status == 200
    assert "not registered" in (await connected(line))[0]


async def test_a_wrong_password_and_an_unknown_name_get_the_same_no(
    line: Line, phone: RawPeer
) -> None:
    said = []
    for user, password in (("alice", "a guess or two"), ("mallory", PASSWORD)):
        registering = Registering(phone, line, user=user)
        asked = await registering.send()
        proof = registering.proof(asked.header("WWW-Authenticate"), password=password)
        said.append((await registering.send(proof)).start)
    assert said == ["SIP/2.0 403 Forbidden"] * 2
    assert "not registered" in (await connected(line))[0]


async def test_nobody_registers_with_another_s_password(line: Line, phone: RawPeer) -> None:
    registering = Registering(phone, line, user="bob")
    asked = await registering.send()
    proof = registering.proof(asked.header("WWW-Authenticate"), user="alice")
    assert (await registering.send(proof)).status == 403


async def test_what_was_overheard_cannot_be_sent_again(line: Line, phone: RawPeer) -> None:
    registering = Registering(phone, line)
    asked = await registering.send()
    proof = registering.proof(asked.header("WWW-Authenticate"))
    assert (await registering.send(proof)).status == 200
    again = await registering.send(proof)
    assert again.status == 401
    assert "stale=true" in again.header("WWW-Authenticate")
    higher = registering.proof(asked.header("WWW-Authenticate"), nc=2)
    assert (await registering.send(higher)).status == 200


async def test_a_nonce_of_nobody_is_no_nonce(line: Line, phone: RawPeer) -> None:
    registering = Registering(phone, line)
    made_up = 'Digest realm="fairdial", nonce="bm90IG91cnM=", algorithm=SHA-256, qop="auth"'
    assert (await registering.send(registering.proof(made_up))).status == 403


async def test_guessing_ends(line: Line, phone: RawPeer) -> None:
    registering = Registering(phone, line)
    asked = await registering.send()
    for guess in range(20):
        proof = registering.proof(asked.header("WWW-Authenticate"), password=f"guess {guess}")
        assert (await registering.send(proof)).status == 403
    right = registering.proof(asked.header("WWW-Authenticate"))
    assert (await registering.send(right)).status == 403


async def test_too_short_a_time_is_too_short(line: Line, phone: RawPeer) -> None:
    brief = await Registering(phone, line).register(expires=10)
    assert (brief.status, brief.header("Min-Expires")) == (423, "60")


async def test_a_registered_phone_cannot_call_through_us(line: Line, phone: RawPeer) -> None:
    registering = Registering(phone, line)
    await registering.register()
    known = phone.count("SIP/2.0")
    phone.request(
        "INVITE",
        f"sip:+12125550142@{HERE}",
        registering.to,
        f"From: <sip:alice@{HERE}>;tag=x",
        f"To: <sip:+12125550142@{HERE}>",
        f"Call-ID: {uuid4()}",
        f"Contact: <sip:alice@{HERE}:{phone.port}>",
    )
    refused = await phone.until("SIP/2.0", count=known + 1)
    assert refused.start == "SIP/2.0 403 Forbidden"


async def test_without_accounts_nobody_registers(open_line: OpenLine, phone: RawPeer) -> None:
    async with open_line() as line:
        assert (await Registering(phone, line).send()).status == 405

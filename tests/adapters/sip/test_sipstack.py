"""sippy in its thread: quiet, exclusive on its port, and not to be upset by what comes in."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fairdial.adapters.sipstack import SipStack
from fairdial.exceptions import EngineUnavailable

from .sip_cast import HERE

pytestmark = pytest.mark.wire

OPTIONS = (
    "OPTIONS sip:{here}:{port} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {here}:{our_port};branch=z9hG4bK{n}\r\n"
    "From: <sip:a@{here}>;tag=a\r\nTo: <sip:b@{here}>\r\n"
    "Call-ID: {n}@test\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


def _stack(port: int = 0, status: int = 200) -> SipStack:
    def answer(request: Any, _transaction: Any) -> Any:
        return request.genResponse(status, "OK"), None, None

    return SipStack(local_ip=HERE, port=port, user_agent="test", on_request=answer)


@pytest.fixture
async def stack() -> AsyncIterator[SipStack]:
    """A stack that answers every request with 200."""
    stack = _stack()
    await stack.start()
    yield stack
    await stack.stop()


class Peer:
    """A UDP socket that asks and waits for the answer."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HERE, 0))
        self.socket.setblocking(False)
        self._n = 0

    async def ask(self, port: int) -> str:
        """The status line of the reply to OPTIONS."""
        self._n += 1
        our_port = self.socket.getsockname()[1]
        request = OPTIONS.format(here=HERE, port=port, our_port=our_port, n=self._n)
        self.socket.sendto(request.encode(), (HERE, port))
        loop = asyncio.get_running_loop()
        reply = await asyncio.wait_for(loop.sock_recv(self.socket, 4096), 5)
        return reply.decode().splitlines()[0]


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    """Somebody who asks."""
    peer = Peer()
    yield peer
    peer.socket.close()


async def test_answers_on_a_free_port_that_it_found(stack: SipStack, peer: Peer) -> None:
    assert stack.port > 0
    assert await peer.ask(stack.port) == "SIP/2.0 200 OK"


async def test_two_stacks_share_the_thread_but_not_the_calls(stack: SipStack, peer: Peer) -> None:
    other = _stack(status=486)
    await other.start()
    assert await peer.ask(other.port) == "SIP/2.0 486 OK"
    assert len([t for t in threading.enumerate() if t.name == "sippy"]) == 1
    await other.stop()
    assert await peer.ask(stack.port) == "SIP/2.0 200 OK"


async def test_a_port_in_use_is_refused_with_a_remedy(stack: SipStack) -> None:
    with pytest.raises(EngineUnavailable) as refusal:
        await _stack(stack.port).start()
    assert str(refusal.value) == (
        f"SIP port 127.0.0.1:{stack.port} (UDP) is already in use: stop the program that holds it "
        f"(`ss -ulpn` names it) or choose another SIP port (0 takes any free one)"
    )


async def test_an_address_of_another_machine_is_refused() -> None:
    elsewhere = SipStack(
        local_ip="192.0.2.1", port=0, user_agent="test", on_request=lambda *_: None
    )
    with pytest.raises(EngineUnavailable, match=r"192\.0\.2\.1 is no address of this machine"):
        await elsewhere.start()


async def test_a_port_is_free_again_after_the_stop(peer: Peer) -> None:
    first = _stack()
    port = await first.start()
    await first.stop()
    second = _stack(port)
    assert await second.start() == port
    assert await peer.ask(port) == "SIP/2.0 200 OK"
    await second.stop()


async def test_what_raises_in_sippy_s_thread_is_raised_here(stack: SipStack) -> None:
    with pytest.raises(ZeroDivisionError):
        await stack.call(lambda: 1 // 0)
    assert await stack.call(threading.current_thread) is not threading.main_thread()


async def test_a_stopped_stack_says_so(stack: SipStack) -> None:
    stopped = _stack()
    with pytest.raises(EngineUnavailable, match="not running"):
        await stopped.call(lambda: None)


async def test_garbage_neither_upsets_nor_is_printed(
    stack: SipStack, peer: Peer, capfd: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(1)
    request = OPTIONS.format(here=HERE, port=stack.port, our_port=9, n="x").encode()
    for _ in range(300):
        damaged = bytearray(request)
        for _ in range(dice.randint(1, 8)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        peer.socket.sendto(damaged, (HERE, stack.port))
        peer.socket.sendto(b"SIP/2.0 200 OK\r\n" + damaged, (HERE, stack.port))
        peer.socket.sendto(dice.randbytes(dice.randint(0, 400)), (HERE, stack.port))
    await asyncio.sleep(0.3)
    fresh = Peer()
    assert await fresh.ask(stack.port) == "SIP/2.0 200 OK"
    fresh.socket.close()
    assert capfd.readouterr() == ("", "")

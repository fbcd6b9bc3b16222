"""The trunks of the embedded engine: their addresses, health checks and registrations.

`core.trunk` decides which trunk takes a call; this asks each one whether it lives (OPTIONS), keeps
our registration there (REGISTER) and knows which addresses its calls come from. One task for each.
Runs in asyncio's thread.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sippy.SipAddress import SipAddress
from sippy.SipContact import SipContact
from sippy.SipCSeq import SipCSeq
from sippy.SipFrom import SipFrom
from sippy.SipHeader import SipHeader
from sippy.SipRequest import SipRequest
from sippy.SipTo import SipTo
from sippy.SipURL import SipURL

from fairdial.adapters.sip import headers
from fairdial.adapters.sip.resolve import resolve
from fairdial.adapters.sipstack import SipStack
from fairdial.adapters.trunk_board import TrunkBoard
from fairdial.core.trunk import TrunkSettings, TrunkState, register, unregister
from fairdial.exceptions import EngineUnavailable

_log = logging.getLogger("fairdial.sip")

REPLY_S = 6.0
"""How long to wait for the reply to an OPTIONS or a REGISTER, seconds."""
RESOLVE_AGAIN_S = 300.0
"""How often a trunk's name is looked up again, seconds."""
RETRY_S = (5.0, 10.0, 30.0, 60.0, 120.0)
"""Pauses between attempts to register, or to find a name, that failed, seconds."""
_OURS_MAX = 20
"""Trips that one registration may take: challenges, longer intervals."""


class Trunks(TrunkBoard):
    """All trunks of this process."""

    def __init__(
        self,
        settings: Sequence[TrunkSettings],
        stack: SipStack,
        *,
        on_change: Callable[[str, bool, str], None],
        on_known: Callable[[str], None],
    ) -> None:
        """`on_known` is told each address that a trunk sends from."""
        super().__init__([TrunkState(settings=trunk) for trunk in settings], on_change=on_change)
        self._stack = stack
        self._on_known = on_known
        self._addresses: dict[str, tuple[str, int]] = {}
        self._networks = [
            (ipaddress.IPv4Network(network), trunk.name)
            for trunk in settings
            for network in trunk.inbound_from
        ]
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Find every trunk. Raises `EngineUnavailable` when none can be found."""
        faults = await asyncio.gather(*(self._find(name) for name in self.states))
        found = [fault for fault in faults if fault is not None]
        if found and len(found) == len(self.states):
            raise EngineUnavailable("; ".join(found))
        for name, state in self.states.items():
            self._tasks.append(asyncio.create_task(self._watch(name)))
            if state.settings.registers:
                self._tasks.append(asyncio.create_task(self._keep_registered(name)))

    async def stop(self) -> None:
        """Ask no more, and take our registrations back, for a second at most."""
        for task in self._tasks:
            task.cancel()
        kept = [name for name, state in self.states.items() if state.is_registered]
        leaving = [self._register(name, 0, within_s=1.0) for name in kept]
        await asyncio.gather(*self._tasks, *leaving, return_exceptions=True)

    def address(self, name: str) -> tuple[str, int]:
        """Where a trunk is. Only one that was found is chosen."""
        return self._addresses[name]

    def source(self, ip: str) -> TrunkSettings | None:
        """The trunk whose calls to us come from an address; None when none's do."""
        for name, address in self._addresses.items():
            if address[0] == ip and self.settings(name).accepts_inbound:
                return self.settings(name)
        try:
            number = ipaddress.IPv4Address(ip)
        except ValueError:
            return None
        for network, name in self._networks:
            if number in network and self.settings(name).accepts_inbound:
                return self.settings(name)
        return None

    async def _find(self, name: str) -> str | None:
        """Look a trunk's name up; what went wrong, or None."""
        trunk = self.settings(name)
        try:
            address = await resolve(trunk.host, trunk.port)
        except EngineUnavailable as failure:
            why = f"trunk {name}: {failure}"
            if name not in self._addresses:
                self.put(replace(self.states[name], passes_checks=False, check_why=why))
            return why
        if name not in self._addresses:
            self.put(replace(self.states[name], passes_checks=True, check_why="found"))
        self._addresses[name] = address
        self._on_known(address[0])
        return None

    async def _watch(self, name: str) -> None:
        """Ask the trunk whether it lives, and now and then where it is."""
        trunk = self.settings(name)
        loop = asyncio.get_running_loop()
        look_at = loop.time() + RESOLVE_AGAIN_S
        failed = 0
        while True:
            if name not in self._addresses:
                await asyncio.sleep(_pause_s(failed))
                failed = failed + 1 if await self._find(name) else 0
                continue
            if trunk.options_s:
                await self._check(name)
            # Not all at once: many trunks, or many dialers, would ask in the same moment.
            pause_s = (trunk.options_s or RESOLVE_AGAIN_S) * random.uniform(0.9, 1.1)  # noqa: S311
            await asyncio.sleep(pause_s)
            if loop.time() > look_at:
                look_at = loop.time() + RESOLVE_AGAIN_S
                await self._find(name)

    async def _check(self, name: str) -> None:
        """One health check. Whatever a trunk replies, it lives; unless it says that it cannot."""
        trunk = self.settings(name)

        def build() -> Any:
            return self._request("OPTIONS", trunk, user=None)

        response = await self._stack.request(build, within_s=min(REPLY_S, trunk.options_s))
        if response is None:
            self.silent(name, "no reply to our OPTIONS")
            return
        status, reason = response.getSCode()
        if status == 503:
            self.silent(name, f"SIP 503 {reason} to our OPTIONS")
        else:
            self.alive(name, f"SIP {status} to our OPTIONS")

    async def _keep_registered(self, name: str) -> None:
        failed = 0
        while True:
            if name not in self._addresses:
                await asyncio.sleep(1.0)
                continue
            seconds = await self._register(name, self.settings(name).register_s)
            if seconds is None:
                await asyncio.sleep(_pause_s(failed))
                failed += 1
            else:
                failed = 0
                # Renewed in good time: one lost packet, or two, must not end it.
                await asyncio.sleep(max(seconds * 0.8 - 5.0, seconds / 2, 1.0))

    async def _register(self, name: str, seconds: int, *, within_s: float = REPLY_S) -> int | None:
        """Register for `seconds` (0 takes it back); for how long it holds, or None."""
        trunk = self.settings(name)
        answer: tuple[str, Any] | None = None
        for _ in range(_OURS_MAX):

            def build(seconds: int = seconds, answer: tuple[str, Any] | None = answer) -> Any:
                request = self._request("REGISTER", trunk, user=trunk.username)
                request.appendHeader(SipHeader(name="expires", bodys=str(seconds)))
                if answer is not None:
                    request.appendHeader(SipHeader(name=answer[0], body=answer[1]))
                return request

            response = await self._stack.request(build, within_s=within_s)
            if response is None:
                self.put(unregister(self.states[name], "no reply to our REGISTER"))
                return None
            status, reason = response.getSCode()
            if 200 <= status < 300:
                held = _held_s(response, seconds)
                if seconds:
                    self.put(register(self.states[name], f"registered for {held} s"))
                return held
            if status in (401, 407) and answer is None:
                answer = _answer(response, trunk)
                if answer is not None:
                    continue
            longer = headers.number(response, "min-expires") or 0
            if status == 423 and longer > seconds > 0:
                seconds = longer
                continue
            why = f"SIP {status} {reason} to our REGISTER"
            _log.warning("trunk %s: %s", name, why)
            self.put(unregister(self.states[name], why))
            return None
        return None

    def _request(self, method: str, trunk: TrunkSettings, *, user: str | None) -> Any:
        """A request to a trunk, outside of any call. In sippy's thread."""
        host = trunk.from_domain or trunk.host
        ours = SipURL(username=user, host=host)
        ours.port = ours.transport = None
        sender = SipFrom(address=SipAddress(url=ours.getCopy(), hadbrace=True))
        sender.genTag()
        contact = SipURL(username=user, host=self._stack.local_ip, port=self._stack.port)
        contact.transport = None
        uri = _uri(trunk)
        return SipRequest(
            method=method,
            ruri=uri,
            fr0m=sender,
            to=SipTo(address=SipAddress(url=ours if user else uri.getCopy(), hadbrace=True)),
            contact=SipContact(address=SipAddress(url=contact, hadbrace=True)),
            cseq=SipCSeq.genRandCSeq(),
            user_agent=self._stack.user_agent,
            target=(self._addresses[trunk.name], "udp"),
        )


def _answer(response: Any, trunk: TrunkSettings) -> tuple[str, Any] | None:
    """The header that answers a challenge; None for one that we cannot answer."""
    found = headers.challenge(response)
    if found is None:
        return None
    challenge, qop = found
    name = "proxy-authorization" if response.getSCode()[0] == 407 else "authorization"
    return name, challenge.genAuthHF(
        trunk.username, trunk.password, "REGISTER", str(_uri(trunk)), qop=qop
    )


def _uri(trunk: TrunkSettings) -> Any:
    """The request URI of what is asked of a trunk itself."""
    uri = SipURL(host=trunk.host, port=trunk.port if trunk.port != 5060 else None)
    uri.transport = None
    return uri


def _held_s(response: Any, asked: int) -> int:
    """For how long a registration holds, by its 200 (RFC 3261 section 10.2.4)."""
    for header in response.getHFs("contact"):
        text = str(header.body).lower()
        _, mark, rest = text.partition("expires=")
        digits = "".join(c for c in rest[:9].split(";")[0].split(",")[0] if c.isdigit())
        if mark and digits:
            return min(int(digits), asked) or asked
    return min(headers.number(response, "expires") or asked, asked)


def _pause_s(failed: int) -> float:
    return RETRY_S[min(failed, len(RETRY_S) - 1)]

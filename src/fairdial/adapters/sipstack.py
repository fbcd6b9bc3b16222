"""The SIP stack (sippy) in a thread of its own, seen from asyncio.

Both sides of the sandbox use it: the engine to place calls, the simulated carrier and the phones to
take them. sippy has one event loop per process; every `SipStack` of a process shares that one
thread, each with a UDP port of its own. Code about SIP messages runs in sippy's thread (`run`);
whatever it finds out is handed to asyncio (`post`).

What of sippy 2.5.0 is set right here, and only here:

- A peer whose Contact says `;transport=UDP` in capitals, or any other transport, is still answered
  over UDP, the only transport there is. sippy itself would raise and never clear such a call.
- A UDP port that is in use is an error. sippy's own check loses its flags on the way and would
  silently share the port with the other program (SO_REUSEPORT).
- The ACK of a final response leaves before the BYE or INVITE that the response gives rise to.
- Messages leave at once and in order, where sippy hands them to three racing threads, and all of
  them leave before the port closes.
- Nothing is written to /var/log, stdout or stderr: reports go to the log `fairdial.sip`.
- A message that no parser can read, or that is larger than any real one, is dropped and counted.
  What sippy remembers of single messages has a bound, whatever is sent to the port.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import logging
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from hashlib import md5
from signal import SIGURG
from typing import Any, Protocol, TypeVar

import sippy.Core.Exceptions
import sippy.SipMsg
import sippy.SipTransactionManager
import sippy.SipURL
import sippy.UacStateRinging
import sippy.UacStateTrying
import sippy.UaStateConnected
from elperiodic.ElPeriodic import ElPeriodic  # type: ignore[import-untyped]
from sippy.Core.EventDispatcher import ED2
from sippy.SipResponse import SipResponse
from sippy.SipTransactionManager import TERMINATED, SipTransactionManager
from sippy.Udp_server import Udp_server, Udp_server_opts

from fairdial.exceptions import EngineUnavailable

_log = logging.getLogger("fairdial.sip")

T = TypeVar("T")

_TICKS_PER_S = 100.0
"""How often sippy looks at its timers. It wakes at once for packets and for `run`."""
MESSAGE_BYTES_MAX = 8_191
"""A larger message is dropped: sippy reads no more of it, and real ones have under 4,000 bytes."""
_REMEMBERED_MAX = 20_000
"""Messages whose repetition is recognised; sippy forgets by time alone, and floods have little."""
_PORT_TRIES = 50
_STOP_S = 5.0
_RECEIVE_BUFFER_BYTES = 4_194_304
"""Asked of the kernel for the SIP port; it gives what `net.core.rmem_max` allows."""


class _Report:
    """Where sippy's printed reports go: our log, at most a few a minute.

    Anybody can send us garbage on a UDP port; it must not be able to fill a disk.
    """

    _PER_MINUTE = 6

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces = threading.local()
        self._minute = 0
        self._count = 0

    def write(self, text: str) -> None:
        """Collect a piece of a report."""
        pieces: list[str] = self._pieces.__dict__.setdefault("pieces", [])
        if len(pieces) < 200:
            pieces.append(text)

    def flush(self) -> None:
        """The report is complete: log it."""
        pieces: list[str] = self._pieces.__dict__.pop("pieces", [])
        self.log("".join(pieces))

    def log(self, text: str) -> None:
        """Log one report, unless there were too many in this minute."""
        with self._lock:
            minute = int(time.monotonic() // 60)
            if minute != self._minute:
                self._minute, self._count = minute, 0
            self._count += 1
            if self._count > self._PER_MINUTE:
                return
        _log.warning("sippy: %s", text[:4000].rstrip())

    def print(self, *values: object, **_: object) -> None:
        """Take the place of `print` in sippy's modules."""
        self.log(" ".join(str(value) for value in values))


_REPORT = _Report()
# The default argument was bound to stdout when sippy was imported; all of sippy reports through it.
sippy.Core.Exceptions.dump_exception.__defaults__ = (_REPORT, None)
for _module in (
    sippy.SipMsg,
    sippy.SipTransactionManager,
    sippy.SipURL,
    sippy.UacStateTrying,
    sippy.UacStateRinging,
    sippy.UaStateConnected,
):
    vars(_module)["print"] = _REPORT.print


class _NoLog:
    """sippy's message log, switched off."""

    def write(self, *_: object, **__: object) -> None:
        """Write nothing."""


class _ServerOptions(Udp_server_opts):  # type: ignore[misc]  # sippy is untyped
    """One worker, so that messages keep their order, and the port for us alone."""

    nworkers = 1
    flags = 0

    def getSockOpts(self) -> list[tuple[int, int, int]]:  # noqa: N802  # sippy's name
        """Room for what arrives while one message is worked on, a flood of strangers included."""
        return [
            *super().getSockOpts(),
            (socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES),
        ]


class _Server(Udp_server):  # type: ignore[misc]  # sippy is untyped
    """A UDP port that sends at once, and sends everything before it closes."""

    def send_to(self, data: str | bytes, address: tuple[str, int], delayed: bool = False) -> None:
        """Hand the message to the kernel now. Only a host's name waits for its resolution."""
        try:
            socket.inet_pton(socket.AF_INET, address[0])
        except OSError:
            super().send_to(data, address, delayed)
            return
        with contextlib.suppress(OSError):  # UDP: what cannot be sent counts as lost on the way.
            self.skt.sendto(data.encode() if isinstance(data, str) else data, address)

    def shutdown(self) -> None:
        """Send what waits, then close. sippy would close first and lose the last BYE."""
        self.sendqueue.put(None)
        for sender in self.asenders:
            sender.join(_STOP_S)
        super().shutdown()


class Gate(Protocol):
    """Who may send us messages, and how many. Both calls come in sippy's thread."""

    def admits(self, data: bytes, source: tuple[str, int], /) -> bool:
        """Whether a message is looked at; before it is parsed."""

    def unreadable(self, source: tuple[str, int], failure: Exception, /) -> None:
        """A message could not be read, or not be answered."""


class _Transactions(SipTransactionManager):  # type: ignore[misc]  # sippy is untyped
    """sippy's transaction layer with the corrections named at the top of this module."""

    model_udp_server = (_Server, _ServerOptions)

    def __init__(
        self,
        config: dict[str, Any],
        on_request: Callable[[Any, Any], Any],
        on_stray: Callable[[Any], None] | None,
        gate: Gate | None,
    ) -> None:
        self._on_stray = on_stray
        self._gate = gate
        self._held_back: list[tuple[Any, ...]] | None = None
        super().__init__(config, on_request)

    def newTransaction(self, msg: Any, *args: Any, **named: Any) -> Any:  # noqa: N802  # sippy's
        """Send a request over UDP, whatever transport the peer's Contact named."""
        address, _ = msg.getTarget()
        msg.setTarget((address, "udp"))
        return super().newTransaction(msg, *args, **named)

    def handleIncoming(  # noqa: N802  # sippy's
        self, data_in: bytes, ra: Any, server: Any, rtime: Any
    ) -> None:
        """Read a message, unless it is none, or more than its sender may send."""
        source = (str(ra.address[0]), int(ra.address[1]))
        if self._gate is not None and not self._gate.admits(data_in, source):
            return
        if len(self.l1rcache) > _REMEMBERED_MAX:
            self.rCachePurge()
        try:
            self._read(data_in, ra, server, rtime)
        except Exception as failure:  # a parser of foreign text raises anything
            if self._gate is None:
                raise
            self._gate.unreadable(source, failure)

    def _read(self, data_in: bytes, ra: Any, server: Any, rtime: Any) -> None:
        """Let `on_stray` see final responses to an INVITE that no transaction waits for."""
        if (
            self._on_stray is not None
            and data_in[:8] == b"SIP/2.0 "
            and data_in[8:9] >= b"2"
            and b"INVITE" in data_in
        ):
            stray = self._stray(data_in)
            if stray is not None:
                stray.setSource(ra)
                self._on_stray(stray)
                return
        super().handleIncoming(data_in, ra, server, rtime)

    def _stray(self, data: bytes) -> Any | None:
        """The response in `data`, if it is a final one to an INVITE that is none of ours."""
        checksum = md5(data, usedforsecurity=False).digest()
        if checksum in self.l1rcache or checksum in self.l2rcache:
            return None
        try:
            response = SipResponse(data.decode())
            tid = response.getTId(True, True)
            call_id = str(response.getHFBody("call-id"))
            tag = response.getHFBody("to").getTag()
        except Exception:  # a parser of foreign text raises anything
            return None
        transaction = self.tclient.get(tid)
        if tid[3] != "INVITE" or (transaction is not None and transaction.state is not TERMINATED):
            return None
        for consumer in self.req_consumers.get(call_id, ()):
            uri = consumer.cobj.rUri
            if uri is not None and uri.getTag() == tag:
                return None  # A repetition within a dialog that stands.
        return response

    def incomingResponse(self, msg: Any, t: Any, checksum: Any) -> None:  # noqa: N802  # sippy's
        """Acknowledge the final response to an INVITE before sending what follows from it.

        sippy tells its caller first. A BYE, or an INVITE with a digest, would overtake the ACK.
        """
        tell = t.resp_cb
        if not t.needack or tell is None or msg.getSCode()[0] < 200:
            super().incomingResponse(msg, t, checksum)
            return
        held_back: list[tuple[Any, ...]] = []

        def tell_and_hold_back(*args: Any) -> None:
            self._held_back = held_back
            try:
                tell(*args)
            finally:
                self._held_back = None

        t.resp_cb = tell_and_hold_back
        try:
            super().incomingResponse(msg, t, checksum)
        finally:
            for args in held_back:
                self.transmitData(*args)

    def transmitData(  # noqa: N802  # sippy's
        self, userv: Any, data: Any, address: Any, cachesum: Any = None, lossemul: int = 0
    ) -> None:
        """Send, unless an ACK goes first, or the stack was shut down meanwhile."""
        if self._held_back is not None:
            self._held_back.append((userv, data, address, cachesum, lossemul))
        elif self.global_config is not None:
            super().transmitData(userv, data, address, cachesum, lossemul)

    def unregConsumer(self, *args: Any) -> None:  # noqa: N802  # sippy's
        """Forget a dialog; after the shutdown there is nothing to forget."""
        if self.req_consumers is not None:
            super().unregConsumer(*args)

    def shutdown(self) -> None:
        """Close the port, and cancel the timers that sippy would leave behind."""
        for transaction in [*self.tclient.values(), *self.tserver.values()]:
            for name in ("teA", "teB", "teC", "teD", "teE", "teF", "teG"):
                timer = getattr(transaction, name, None)
                if timer is not None:
                    timer.cancel()
        super().shutdown()


class _Thread:
    """sippy's one event loop, running as long as any stack of this process needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._thread: threading.Thread | None = None

    def enter(self) -> None:
        """Start the loop for its first user."""
        with self._lock:
            self._users += 1
            if self._users > 1:
                return
            ready = threading.Event()
            self._thread = threading.Thread(
                target=self._main, args=(ready,), name="sippy", daemon=True
            )
            self._thread.start()
        if not ready.wait(_STOP_S):
            raise EngineUnavailable("sippy's thread did not start within 5 s: restart the engine")

    def leave(self) -> None:
        """End the loop with its last user. Bounded to a few seconds."""
        with self._lock:
            self._users -= 1
            if self._users > 0 or self._thread is None:
                return
            ED2.callFromThread(ED2.breakLoop)
            self._thread.join(_STOP_S)
            self._thread = None

    @staticmethod
    def _main(ready: threading.Event) -> None:
        # sippy binds its clock and its thread to whoever imports it first; both move here.
        ED2.my_ident = threading.get_ident()
        _keep_forever(ED2.elp)
        ED2.elp = ticker = ElPeriodic(_TICKS_PER_S)
        ticker.CFT_enable(SIGURG)
        _keep_forever(ticker)
        ED2.tlisteners.clear()
        ED2.callFromThread(ready.set)
        ED2.loop()
        ED2.tlisteners.clear()
        ticker._hndl = None  # From now on a late call raises instead of signalling a dead thread.


def _keep_forever(ticker: Any) -> None:
    """Never free a ticker: freed outside of its own thread, its library crashes the process.

    It leaks some hundred bytes for each start of the thread, which is once in a process's life.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(ticker))


_THREAD = _Thread()


class SipStack:
    """A UDP port that speaks SIP. `config` is what sippy's user agents want as `global_config`."""

    def __init__(
        self,
        *,
        local_ip: str,
        port: int,
        user_agent: str,
        on_request: Callable[[Any, Any], Any],
        on_stray: Callable[[Any], None] | None = None,
        gate: Gate | None = None,
    ) -> None:
        """Describe the port; nothing is opened before `start`. Port 0 means any free one.

        `on_request(request, transaction)` is called in sippy's thread for requests outside of
        dialogs and returns sippy's `(response, cancel_cb, noack_cb)`. `on_stray(response)` is
        called in sippy's thread for final responses to INVITEs that no call here sent.
        """
        self.local_ip = local_ip
        self.port = port
        self.user_agent = user_agent
        self.config: dict[str, Any] = {
            "_sip_address": local_ip,
            "_sip_logger": _NoLog(),
            "_sip_ua": user_agent,
        }
        self._on_request = on_request
        self._on_stray = on_stray
        self._gate = gate
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_up = False

    async def start(self) -> int:
        """Open the port and return its number. Raises `EngineUnavailable` if it cannot be had."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(_THREAD.enter)
        self._is_up = True
        try:
            self.port = await self.call(self._open)
        except BaseException:
            self._is_up = False
            await asyncio.to_thread(_THREAD.leave)
            raise
        return self.port

    async def stop(self) -> None:
        """Close the port. What was still to be sent is sent first; calls are not ended."""
        if not self._is_up:
            return
        try:
            await self.call(self.config["_sip_tm"].shutdown)
        finally:
            self._is_up = False
            await asyncio.to_thread(_THREAD.leave)

    def run(self, fn: Callable[..., object], *args: object) -> None:
        """Run `fn` in sippy's thread, after what was given before. Callable from any thread.

        Does nothing before `start` and after `stop`.
        """
        if self._is_up:
            ED2.callFromThread(fn, *args)

    def post(self, fn: Callable[..., object], *args: object) -> None:
        """Run `fn` in the asyncio loop that started this stack. Callable from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(partial(fn, *args))

    async def call(self, fn: Callable[..., T], *args: object) -> T:
        """Run `fn` in sippy's thread and return what it returns, or raise what it raises.

        Raises `EngineUnavailable` when the stack is not running.
        """
        if not self._is_up:
            raise EngineUnavailable("the SIP stack is not running: start it first")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, failure: BaseException | None) -> None:
            if future.done():
                return
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(result)  # type: ignore[arg-type]  # None only if T allows it

        def work() -> None:
            try:
                result = fn(*args)
            except BaseException as failure:  # handed on, not swallowed
                loop.call_soon_threadsafe(settle, None, failure)
            else:
                loop.call_soon_threadsafe(settle, result, None)

        self.run(work)
        return await asyncio.wait_for(future, 2 * _STOP_S)

    async def request(self, build: Callable[[], Any], *, within_s: float) -> Any | None:
        """Send a request outside of any call; its final response, or None when there is none.

        `build` is called in sippy's thread and returns the request.
        """
        loop = asyncio.get_running_loop()
        replied: asyncio.Future[Any] = loop.create_future()

        def settle(response: Any) -> None:
            if not replied.done():
                replied.set_result(response)

        def take(response: Any) -> None:
            # sippy makes a 408 of its own when nothing came; that one came from nowhere.
            if response.getSCode()[0] >= 200:
                self.post(settle, response if response.source is not None else None)

        def start() -> None:
            self.config["_sip_tm"].newTransaction(build(), resp_cb=take)

        await self.call(start)
        try:
            return await asyncio.wait_for(replied, within_s)
        except TimeoutError:
            return None

    def send(self, message: str, address: tuple[str, int]) -> None:
        """Send a message as it stands, outside of any transaction. In sippy's thread only."""
        self.config["_sip_tm"].l4r.getServer(address).send_to(message, address)

    def _open(self) -> int:
        """In sippy's thread: claim the port and start the transaction layer on it."""
        for tries_left in reversed(range(_PORT_TRIES if self.port == 0 else 1)):
            port = _claim(self.local_ip, self.port)
            self.config["_sip_port"] = port
            try:
                self.config["_sip_tm"] = _Transactions(
                    self.config, self._on_request, self._on_stray, self._gate
                )
            except OSError as failure:
                # Between our claim and sippy's bind somebody else took a free port.
                if tries_left == 0 or failure.errno != errno.EADDRINUSE:
                    raise _unavailable(self.local_ip, port, failure) from failure
            else:
                return port
        raise AssertionError("the last try either returns or raises")


def _claim(ip: str, port: int) -> int:
    """A UDP port that can be bound right now: `port`, or a free one for 0."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((ip, port))
        except (OSError, OverflowError) as failure:
            raise _unavailable(ip, port, failure) from failure
        return int(probe.getsockname()[1])


def _unavailable(ip: str, port: int, failure: Exception) -> EngineUnavailable:
    """Say which port cannot be had, why, and what to do about it."""
    number = getattr(failure, "errno", None)
    if number == errno.EADDRINUSE:
        return EngineUnavailable(
            f"SIP port {ip}:{port} (UDP) is already in use: stop the program that holds it "
            f"(`ss -ulpn` names it) or choose another SIP port (0 takes any free one)"
        )
    if number == errno.EADDRNOTAVAIL:
        return EngineUnavailable(
            f"SIP port {ip}:{port} (UDP) cannot be opened: {ip} is no address of this machine; "
            f"set the local address to one that `ip addr` shows"
        )
    if number == errno.EACCES:
        return EngineUnavailable(
            f"SIP port {ip}:{port} (UDP) may not be opened by this user: choose one above 1023"
        )
    return EngineUnavailable(f"SIP port {ip}:{port} (UDP) cannot be opened: {failure}")

"""The dialer's half of the gateway for browsers: its process, and what becomes of each browser.

Used by whichever adapter speaks with the phone network: it gets a plain RTP port on loopback for
each session, and aims it at a port of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairdial.adapters.webrtc.settings import OFFER_BYTES_MAX, WebRtcSettings
from fairdial.adapters.worker_process import Line, Watcher, WorkerProcess
from fairdial.exceptions import EngineUnavailable

_CONNECT_S = 10.0
"""How long an answer may take: gathering asks STUN and TURN servers, where there are any."""


class BrowserGateway:
    """Browsers as phones. Commands raise `EngineUnavailable` while the process is down."""

    def __init__(
        self,
        settings: WebRtcSettings,
        *,
        on_up: Callable[[str, float], None],
        on_down: Callable[[str, str], None],
    ) -> None:
        """Describe the gateway; nothing runs before `start`.

        `on_up(session, at)`: a browser's audio flows, again after each reconnect; `at` is Unix
        time. `on_down(session, why)`: the session has no browser, and its port is closed.
        """
        self._settings = settings
        self._on_up = on_up
        self._on_down = on_down
        self._ports: dict[str, int] = {}
        self._up: set[str] = set()
        self._worker = WorkerProcess(
            module="fairdial.adapters.webrtc.worker",
            name="the gateway for browsers",
            log_path=settings.data_dir / "webrtc.log",
            watcher=Watcher(
                settings=settings.to_wire,
                on_up=lambda _hello: None,
                on_said=self._said,
                on_down=self._process_down,
            ),
        )

    @property
    def pid(self) -> int | None:
        """The id of its process; None while none runs."""
        return self._worker.pid

    async def start(self) -> None:
        """Start the process. Raises `SettingsError` and `EngineUnavailable`."""
        self._settings.check()
        await self._worker.start()

    async def stop(self) -> None:
        """End every connection and the process. Bounded to a few seconds; tells of nothing."""
        self._ports.clear()
        self._up.clear()
        await self._worker.stop()

    async def connect(self, session: str, offer: str, rtp_ip: str) -> tuple[str, int]:
        """Answer a browser's offer; returns the answer and the session's RTP port on `rtp_ip`.

        Offered again for the same session, the new connection takes the place of the old one, and
        the port stays. Raises `EngineUnavailable`, also for an offer that cannot be used.
        """
        if len(offer.encode()) > OFFER_BYTES_MAX:
            raise EngineUnavailable(
                f"the browser's offer is longer than {OFFER_BYTES_MAX} bytes: offer one audio line"
            )
        told: dict[str, Any] = await self._worker.command(
            "connect",
            {"session": session, "offer": offer, "ip": rtp_ip},
            within_s=_CONNECT_S,
        )
        self._ports[session] = told["port"]
        return told["answer"], told["port"]

    async def aim(self, session: str, ip: str, port: int) -> None:
        """Send the browser's audio there as plain RTP, and hear that address only."""
        await self._worker.command("aim", {"session": session, "ip": ip, "port": port})

    async def disconnect(self, session: str) -> None:
        """End a browser's connection and close its port; nothing is told of it."""
        self._ports.pop(session, None)
        self._up.discard(session)
        await self._worker.command("disconnect", {"session": session})

    def port(self, session: str) -> int | None:
        """The RTP port of a session; None when it has no browser."""
        return self._ports.get(session)

    def is_up(self, session: str) -> bool:
        """Whether a browser's audio flowed for this session, and its leg stands."""
        return session in self._up

    def _said(self, said: Line) -> None:
        session = said["session"]
        if session not in self._ports and said["event"] == "browser_down":
            return
        match said["event"]:
            case "browser_up":
                self._up.add(session)
                self._on_up(session, said["at"])
            case "browser_down":
                self._forget(session, said["why"])
            case unknown:
                raise ValueError(f"unknown event {unknown!r}")

    def _process_down(self, why: str, _is_final: bool) -> None:
        for session in list(self._ports):
            self._forget(session, why)

    def _forget(self, session: str, why: str) -> None:
        self._ports.pop(session, None)
        self._up.discard(session)
        self._on_down(session, why)

"""One Asterisk: its connection, which is kept, and what it says, which goes to whoever it is about.

A connection that breaks is made again at once, then ever more slowly. Calls in Asterisk outlive it.
If it is back within `away_s`, whoever has a channel there is told whether it still exists; if not,
the node counts as lost with all its calls, and what it still carries when it comes back is hung up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import quote

from fairdial.adapters.asterisk.ari import GONE, Ari, AriAddress, AriRefused, Said
from fairdial.adapters.asterisk.config import TRUNK_PREFIX
from fairdial.exceptions import EngineUnavailable, SettingsError

_log = logging.getLogger("fairdial.asterisk")

_BACKOFF_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0)
_IN_STASIS_S = 3.0
_OURS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NOT_HEARD = (
    *("ChannelVarset", "ChannelDialplan", "ChannelCallerId", "ChannelConnectedLine"),
    *("ChannelCreated", "ChannelHangupRequest", "ChannelEnteredBridge", "ChannelLeftBridge"),
    *("BridgeCreated", "BridgeDestroyed", "BridgeMerged", "PlaybackStarted", "PlaybackContinuing"),
    *("DeviceStateChanged", "PeerStatusChange"),
)
"""Events that nobody here needs. A list of those that are needed would silence replies, too."""


class Owner(Protocol):
    """Whoever has a channel."""

    def on_said(self, said: Said) -> None:
        """Asterisk said something about the channel."""

    def on_missing(self) -> None:
        """The channel ended while nobody listened."""

    def on_found(self, channel: Said) -> None:
        """The channel still exists after a gap, in this state."""


class Node:
    """One Asterisk."""

    def __init__(
        self,
        name: str,
        address: AriAddress,
        *,
        away_s: float,
        on_inbound: Callable[[Node, Said], None],
        on_trunk: Callable[[Node, str, bool, str], None],
        on_up: Callable[[Node], None],
        on_lost: Callable[[Node, str], None],
        on_replaced: Callable[[Node], None],
    ) -> None:
        """Describe it; nothing runs before `start`."""
        self.name = name
        self.is_draining = False
        self.owners: dict[str, Owner] = {}
        """Who has which channel or playback."""
        self.is_up = False
        """Whether it can be worked with, or is away for a moment only."""
        self.trunk_faults: dict[str, str] = {}
        """Trunks that it cannot reach, and why."""
        self._address = address
        self._away_s = away_s
        self._on_inbound = on_inbound
        self._on_trunk = on_trunk
        self._on_up = on_up
        self._on_lost = on_lost
        self._on_replaced = on_replaced
        self._ari: Ari | None = None
        self._back = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._arrivals: dict[str, asyncio.Future[None]] = {}
        self._lost: asyncio.Future[str] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- the connection ---------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect for the first time. Raises `EngineUnavailable`; it is tried again all the same,
        and `on_up` tells. Raises `SettingsError` for a wrong password, and then it is not."""
        failed: EngineUnavailable | None = None
        try:
            await self._connect(is_new=True)
        except EngineUnavailable as failure:
            failed = failure
        self._keeping = asyncio.create_task(self._keep())
        if failed is not None:
            raise failed

    async def stop(self) -> None:
        """Disconnect."""
        keeping, self._keeping = self._keeping, None
        for task in (keeping, *self._tasks):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, EngineUnavailable):
                    await task
        if self._ari is not None:
            await self._ari.close()
        self.is_up = False
        self._back.clear()

    async def _connect(self, *, is_new: bool) -> None:
        """Connect and put right what was missed. `is_new`: nothing that lives there is ours."""
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def on_lost(why: str) -> None:
            if not lost.done():
                lost.set_result(why)

        ari = Ari(self._address, on_event=self._on_event, on_lost=on_lost)
        await ari.open()
        try:
            events = [{"type": kind} for kind in _NOT_HEARD]
            path = f"applications/{self._address.app}/eventFilter"
            await ari.request("PUT", path, body={"disallowed": events})
            await self._reconcile(ari, is_new=is_new)
        except (EngineUnavailable, AriRefused) as failure:
            await ari.close()
            raise EngineUnavailable(f"{self._address.url}: {failure}") from failure
        self._ari, self._lost = ari, lost
        self._back.set()
        was_up, self.is_up = self.is_up, True
        if not was_up:
            self._on_up(self)

    async def _keep(self) -> None:
        """Be connected, for as long as this runs."""
        loop = asyncio.get_running_loop()
        while True:
            if self._lost is not None:
                why = await self._lost
                self._lost, self._ari = None, None
                self._back.clear()
                _log.warning("Asterisk %s is away: %s", self._address.url, why)
                until = loop.time() + self._away_s
            else:
                why, until = "it was never reached", loop.time()
            await self._connect_again(why, until)

    async def _connect_again(self, why: str, until: float) -> None:
        """Try until it is there; past `until`, what it carried is lost."""
        loop = asyncio.get_running_loop()
        for attempt in range(1_000_000_000):
            try:
                within = until - loop.time() if self.is_up else None
                async with asyncio.timeout(None if within is None else max(0.01, within)):
                    await self._connect(is_new=not self.is_up)
            except (EngineUnavailable, SettingsError, TimeoutError) as failure:
                _log.debug("Asterisk %s: %s", self._address.url, failure)
            else:
                return
            pause = _BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)]
            if self.is_up and loop.time() + pause >= until:
                await asyncio.sleep(max(0.0, until - loop.time()))
                self.is_up = False
                self.owners.clear()
                self._fail_arrivals()
                self._on_lost(self, why)
            await asyncio.sleep(pause)

    async def _reconcile(self, ari: Ari, *, is_new: bool) -> None:
        """Tell owners what became of their channels, and hang up what nobody owns."""
        channels: dict[str, Said] = {c["id"]: c for c in await ari.request("GET", "channels")}
        if not is_new:
            for channel_id, owner in list(self.owners.items()):
                if channel_id.startswith("playback-"):
                    continue
                if channel_id in channels:
                    owner.on_found(channels[channel_id])
                else:
                    self.owners.pop(channel_id, None)
                    owner.on_missing()
        for channel_id, channel in channels.items():
            if (is_new or channel_id not in self.owners) and _is_fairdials(channel):
                _log.warning("hanging up %s, which nobody knows", channel.get("name"))
                with contextlib.suppress(AriRefused):
                    await ari.request("DELETE", f"channels/{quote(channel_id)}")
        for bridge in await ari.request("GET", "bridges") if is_new else ():
            if _OURS.search(bridge["id"]):
                with contextlib.suppress(AriRefused):
                    await ari.request("DELETE", f"bridges/{quote(bridge['id'])}")

    # --- requests ---------------------------------------------------------------------------------

    async def ask(self, method: str, path: str, **values: Any) -> Any:
        """Make a request, waiting for a node that is away for a moment.

        Raises `AriRefused`, and `EngineUnavailable` when the node is lost or does not answer.
        """
        return await (await self.present()).request(method, path, **values)

    async def present(self) -> Ari:
        """The connection, once it is there. Raises `EngineUnavailable` when it is not soon."""
        if (ari := self._ari) is not None and ari.is_open:
            return ari
        if self.is_up:
            # `_back` is cleared by the keeper, which may not have run since the connection broke.
            await asyncio.sleep(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._back.wait(), self._away_s)
        if (ari := self._ari) is None or not ari.is_open:
            raise EngineUnavailable(f"Asterisk {self._address.url} is down")
        return ari

    async def settle(self) -> None:
        """Wait a moment for what was to be made without waiting."""
        if self._tasks and self._ari is not None:
            await asyncio.wait(self._tasks, timeout=1.0)

    async def do(self, method: str, path: str, **values: Any) -> bool:
        """Make a request about a leg that may be gone by now; whether it was carried out."""
        try:
            await self.ask(method, path, **values)
        except AriRefused as refused:
            if refused.status not in GONE:
                _log.warning("%s", refused)
            return False
        return True

    def later(self, method: str, path: str, **values: Any) -> None:
        """Make such a request without waiting for its reply, which may be logged."""

        async def made() -> None:
            try:
                await self.do(method, path, **values)
            except EngineUnavailable as failure:
                _log.warning("%s", failure)

        self.spawn(made())

    def spawn(self, work: Any) -> None:
        """Run something on the side, until `stop`."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def arrival(self, channel_id: str, asking: Any) -> None:
        """Make the request that makes a channel, and wait until it is in our application.

        Raises `AriRefused` or `EngineUnavailable`.
        """
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrivals[channel_id] = arrived
        try:
            await asking
            await asyncio.wait_for(arrived, _IN_STASIS_S)
        except TimeoutError as failure:
            raise EngineUnavailable(f"Asterisk did not hand over channel {channel_id}") from failure
        finally:
            self._arrivals.pop(channel_id, None)

    async def open_media(self, channel_id: str, *, to: str, app: str) -> None:
        """A channel in our application that speaks plain RTP, mu-law, with `to` (`ip:port`).

        Raises `AriRefused` or `EngineUnavailable`.
        """
        asking = self.ask(
            "POST",
            "channels/externalMedia",
            channelId=channel_id,
            app=app,
            external_host=to,
            format="ulaw",
            direction="both",
        )
        await self.arrival(channel_id, asking)

    # --- what it says -----------------------------------------------------------------------------

    def _on_event(self, said: Said) -> None:
        kind = said["type"]
        if kind == "ApplicationReplaced":
            self._on_replaced(self)
            return
        if kind == "ContactStatusChange":
            self._contact(said)
            return
        if kind == "PlaybackFinished":
            owner = self.owners.pop(said["playback"]["id"], None)
            if owner is not None:
                owner.on_said(said)
            return
        channel = said.get("peer" if kind == "Dial" else "channel")
        if channel is None:
            return
        channel_id = channel["id"]
        if kind == "StasisStart":
            arrived = self._arrivals.pop(channel_id, None)
            if arrived is not None and not arrived.done():
                arrived.set_result(None)
            if said["args"][:1] == ["inbound"] and channel_id not in self.owners:
                self._on_inbound(self, said)
                return
        owner = self.owners.get(channel_id)
        if kind == "ChannelDestroyed":
            self.owners.pop(channel_id, None)
            arrived = self._arrivals.pop(channel_id, None)
            if arrived is not None and not arrived.done():
                arrived.set_exception(EngineUnavailable(f"channel {channel_id} ended at once"))
        if owner is not None:
            owner.on_said(said)

    def _contact(self, said: Said) -> None:
        """A trunk's health check changed its mind."""
        resource = said["endpoint"]["resource"]
        if not resource.startswith(TRUNK_PREFIX):
            return
        trunk = resource.removeprefix(TRUNK_PREFIX)
        status = said["contact_info"]["contact_status"]
        if status in ("Reachable", "NonQualified"):
            self.trunk_faults.pop(trunk, None)
            self._on_trunk(self, trunk, True, f"OPTIONS: {status}")
        elif status == "Unreachable":
            self.trunk_faults[trunk] = "OPTIONS: no answer"
            self._on_trunk(self, trunk, False, "OPTIONS: no answer")

    def _fail_arrivals(self) -> None:
        for arrived in self._arrivals.values():
            if not arrived.done():
                arrived.set_exception(EngineUnavailable("Asterisk was lost meanwhile"))


def _is_fairdials(channel: Said) -> bool:
    """Whether a channel was made by us, or came in for us: others in that Asterisk are left be."""
    context = str(channel.get("dialplan", {}).get("context", ""))
    return _OURS.search(channel["id"]) is not None or context.startswith("fairdial-")

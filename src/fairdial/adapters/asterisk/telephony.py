"""`Telephony` by Asterisk 22: one or more of them, driven over their REST interface.

This half lives in the dialer and carries no audio but that of recordings and ears. It looks at
every permit once more, writes each call into the wire log before the request leaves, and turns what
Asterisk says into events. A connection that is back within `away_s` costs no call; after that, the
node's calls are told as lost, and `EngineDown` is told when no node is left.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import wave
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from fairdial.adapters import wirelog
from fairdial.adapters.asterisk.ari import AriAddress, Said
from fairdial.adapters.asterisk.board import Board, log
from fairdial.adapters.asterisk.calls import CallLeg, InboundLeg, OutsideLeg
from fairdial.adapters.asterisk.conversation import Seated
from fairdial.adapters.asterisk.node import Node
from fairdial.adapters.asterisk.phones import BrowserLeg, PhoneLeg
from fairdial.adapters.asterisk.settings import AsteriskSettings
from fairdial.adapters.asterisk.tapes import Tapes
from fairdial.adapters.asterisk.trunks import Trunks
from fairdial.adapters.permit_check import PermitCheck
from fairdial.adapters.webrtc.browsers import Browsers
from fairdial.adapters.webrtc.settings import WebRtcSettings
from fairdial.adapters.wirelog import WireLog
from fairdial.core.conversation import Part
from fairdial.core.ids import AttemptId, CallId, InboundId, LegId, RecordingId, SessionId
from fairdial.core.permit import Permit
from fairdial.exceptions import EngineUnavailable, SettingsError
from fairdial.media import g711
from fairdial.media.sounds import join_tone, line_tone
from fairdial.ports import (
    CallNotDialed,
    Clock,
    EndCause,
    EngineDown,
    EngineUp,
    LiveLegs,
    Message,
    TelephonyEvent,
    TrunkChanged,
    TrunkStatus,
    is_browser,
)

__all__ = ["AsteriskSettings", "AsteriskTelephony"]

_KEYS = re.compile(r"[0-9*#A-D]{1,64}", re.ASCII)
_STOP_S = 4.0
_EVENTS_MAX = 50_000
"""Events that the flow does not read. Beyond that it is stuck, and dialing must end."""


class AsteriskTelephony:
    """Asterisk as the flow sees it. See `fairdial.ports.Telephony` for the promises."""

    def __init__(
        self, settings: AsteriskSettings, clock: Clock, browsers: WebRtcSettings | None = None
    ) -> None:
        """Describe the engine; nothing runs before `start`.

        Without `browsers`, agents can have browsers as phones on this machine only.
        """
        self._settings = settings
        self._clock = clock
        self._events: asyncio.Queue[TelephonyEvent | None] = asyncio.Queue()
        hosts = [trunk.host for trunk in settings.trunks]
        self._permits = PermitCheck(is_sandbox=settings.is_sandbox, hosts=hosts)
        self._nodes: list[Node] = []
        self._board: Board | None = None
        self._tapes = Tapes(clock, tell=self._put)
        self._browsers = Browsers(
            browsers or WebRtcSettings(data_dir=settings.data_dir),
            self,
            settings.media_ip,
        )
        self._down_why = "it was not started"
        self._is_up = False
        self._first_run: int | None = None

    # --- from start to stop -----------------------------------------------------------------------

    async def start(self) -> None:
        """Connect to every node and return when calls can be placed.

        Raises `SettingsError` for settings that cannot work and `EngineUnavailable` when no node
        can be reached. A node that is not there yet is waited for in the background.
        """
        if self._board is not None:
            return
        settings = self._settings
        settings.check()
        try:
            sounds = self._write_sounds()
            wire = WireLog(settings.data_dir)
        except OSError as failure:
            raise EngineUnavailable(
                f"{settings.data_dir} cannot be written: {failure}"
            ) from failure
        self._first_run = self._first_run or wire.run
        self._board = Board(
            settings,
            self._clock,
            wire=wire,
            trunks=Trunks(settings.trunks, on_change=self._on_trunk_change),
            sounds=sounds,
            tell=self._put,
            on_over=self._tapes.end,
        )
        self._nodes = [self._node(n, url) for n, url in enumerate(settings.urls, start=1)]
        started = await asyncio.gather(
            *(node.start() for node in self._nodes), return_exceptions=True
        )
        failures = [said for said in started if isinstance(said, BaseException)]
        for failed in failures:
            log.warning("an Asterisk could not be reached: %s", failed)
            if not isinstance(failed, EngineUnavailable) or len(failures) == len(self._nodes):
                await self.stop()
                raise failed

    async def stop(self) -> None:
        """End every call cleanly (CANCEL, BYE), then the connections. Bounded to a few seconds."""
        board, self._board = self._board, None
        if board is None:
            return
        self._down_why = "it was stopped"
        for call in list(board.calls.values()):
            call.hang_up()
        for phone in list(board.phones.values()):
            phone.take_down("taken down by us")
        for _ in range(round(_STOP_S / 0.02)):
            if not board.calls:
                break
            await asyncio.sleep(0.02)
        for call in list(board.calls.values()):
            call.finish(EndCause.ENGINE_LOST, "the engine was stopped")
        await self._browsers.stop()
        await self._tapes.stop()
        for node in self._nodes:
            await node.settle()
            await node.stop()
        self._is_up = False
        board.wire.close()
        self._put(None)

    def _node(self, number: int, url: str) -> Node:
        settings = self._settings
        address = AriAddress(
            url=url, user=settings.user, password=settings.password, app=settings.app
        )
        return Node(
            f"node-{number}",
            address,
            away_s=settings.away_s,
            on_inbound=self._on_inbound,
            on_trunk=self._on_trunk,
            on_up=self._on_up,
            on_lost=self._on_lost,
            on_replaced=self._on_replaced,
        )

    def _write_sounds(self) -> Path:
        """Put what is played where Asterisk finds it: the messages, and the tone for agents."""
        folder = self._settings.data_dir / "sounds"
        folder.mkdir(parents=True, exist_ok=True)
        for message, path in self._settings.messages.items():
            _check_wav(path)
            shutil.copyfile(path, folder / f"{message.value}.wav")
        for name, tone in (("joined", join_tone()), ("line", line_tone())):
            with wave.open(str(folder / f"{name}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(g711.SAMPLE_RATE)
                file.writeframes(g711.pcm_from_samples(tone.tolist()))
        return folder

    # --- commands ---------------------------------------------------------------------------------

    async def dial(
        self, permit: Permit, *, ring_s: int, detect: bool = False, identity: str = ""
    ) -> None:
        """Place the call that `permit` allows. A resend of the same permit changes nothing.

        Raises `PermitMisused` for an expired, foreign or used permit: nothing rings.
        """
        if not 1 <= ring_s <= 300:
            raise ValueError(f"ring_s is {ring_s}: a phone rings for 1 to 300 seconds")
        if self._permits.is_resend(permit):
            return
        self._permits.check(permit, self._clock.now())
        board = self._up()
        node = await self._node_for_call(board)
        if self._permits.is_resend(permit):
            return
        # A node that was away was waited for; meanwhile the permit may have ended.
        self._permits.check(permit, self._clock.now())
        self._permits.use(permit)
        if len(board.calls) >= self._settings.calls_max:
            most = self._settings.calls_max
            why = f"the engine carries its most, {most} calls at once"
            now = self._clock.now()
            self._put(CallNotDialed(attempt_id=permit.attempt_id, at=now, why=why))
            return
        leg = CallLeg(board, node, permit, ring_s=ring_s, detect=detect, identity=identity)
        board.calls[permit.attempt_id] = leg
        await leg.dial()

    async def connect_agent(self, session_id: SessionId, phone: str) -> None:
        """Nail up the agent's leg to `phone`; `AgentLegUp` or `AgentLegDown` follows."""
        if is_browser(phone):
            # The leg waits for its browser; after the loss of a node, one may be there.
            self._up()
            await self._browsers.attach(str(session_id))
            return
        board = self._up()
        if session_id in board.phones:
            return
        node = self._node_for_phone(board)
        board.phones[session_id] = leg = PhoneLeg(board, node, session_id)
        await leg.connect(phone[:512])

    def _node_for_phone(self, board: Board) -> Node:
        """The node with the fewest phones of ours."""
        loads = {node: 0 for node in self._nodes if node.is_up and not node.is_draining}
        for leg in board.phones.values():
            if leg.node in loads:
                loads[leg.node] += 1
        if not loads:
            raise EngineUnavailable("every Asterisk is down or being drained")
        return min(loads, key=lambda node: loads[node])

    async def connect_browser(self, session_id: SessionId, offer: str) -> str:
        """Nail up the leg to a browser; returns our answer to its offer."""
        self._up()
        return await self._browsers.connect(str(session_id), offer)

    async def open_browser(self, session: str, port: int) -> tuple[str, int]:
        """The gateway has a browser: its leg in an Asterisk. For `Browsers`."""
        board, session_id = self._up(), SessionId(UUID(session))
        leg = board.phones.get(session_id)
        if leg is None:
            node = self._node_for_phone(board)
            leg = BrowserLeg(board, node, session_id, self._browsers.let_go)
            board.phones[session_id] = leg
        if not isinstance(leg, BrowserLeg):
            raise EngineUnavailable("this session has a SIP phone already")
        return await leg.open(port)

    async def browser_up(self, session: str) -> None:
        """The browser's audio flows. For `Browsers`."""
        leg = self._up().phones.get(SessionId(UUID(session)))
        if isinstance(leg, BrowserLeg):
            leg.come_up()

    async def browser_down(self, session: str, why: str) -> None:
        """The session has no browser any more. For `Browsers`."""
        leg = self._up().phones.get(SessionId(UUID(session)))
        if isinstance(leg, BrowserLeg):
            leg.take_down(why)

    async def disconnect_agent(self, session_id: SessionId) -> None:
        """Take the leg of a phone of ours down."""
        leg = self._up().phones.get(session_id)
        if leg is not None:
            leg.take_down("taken down by us")

    async def answer(self, inbound_id: InboundId) -> None:
        """Answer a call that is offered to us."""
        leg = self._up().calls.get(inbound_id)
        if isinstance(leg, InboundLeg):
            await leg.answer()

    async def join(self, call_id: CallId, leg_id: LegId, part: Part) -> None:
        """Give a leg a part in a conversation; `CallBridged` or `InboundBridged` may follow."""
        board = self._up()
        call = board.calls.get(call_id)
        if call is None or not call.is_answered or call.conversation is None:
            return
        if leg_id == call_id:
            await call.conversation.place(call, part)
            return
        leg = board.phones.get(SessionId(leg_id))
        if leg is None or not leg.is_up:
            return
        if leg.node is not call.node:
            log.error("leg %s and call %s are in different Asterisks", leg_id, call_id)
            return
        other = leg.conversation
        if other is not None and other is not call.conversation:
            await other.remove(leg)
        await call.conversation.place(leg, part)

    async def leave(self, call_id: CallId, leg_id: LegId) -> None:
        """Take a phone of ours out of a conversation."""
        board = self._up()
        call, leg = board.calls.get(call_id), board.phones.get(SessionId(leg_id))
        if call is not None and leg is not None and leg.conversation is call.conversation:
            assert leg.conversation is not None, "a leg in a conversation knows it"
            await leg.conversation.remove(leg)

    async def play(self, call_id: CallId, message: Message) -> None:
        """Play a recorded message to an answered call; `MessagePlayed` follows."""
        call = self._up().calls.get(call_id)
        if call is not None and message in self._settings.messages:
            await call.play(message)

    async def send_digits(self, leg_id: LegId, digits: str) -> None:
        """Press keys on an answered leg. Raises `ValueError` for what is no key."""
        if _KEYS.fullmatch(digits) is None:
            raise ValueError("keys are 1 to 64 of 0-9, *, #, A-D")
        board = self._up()
        call, phone = board.calls.get(AttemptId(leg_id)), board.phones.get(SessionId(leg_id))
        leg: Seated | None = call if call is not None and call.is_answered else None
        if phone is not None and phone.is_up:
            leg = phone
        if leg is not None:
            path = f"channels/{leg.channel}/dtmf"
            await leg.node.do("POST", path, dtmf=digits, between=60, duration=120)

    async def record(self, call_id: CallId, recording_id: RecordingId, path: Path) -> None:
        """Record an answered call into a WAV file of two channels; `RecordingEnded` follows."""
        call = self._up().calls.get(call_id)
        if call is not None:
            settings = self._settings
            await self._tapes.begin(
                call, recording_id, path, ip=settings.media_ip, app=settings.app
            )

    async def pause_recording(self, call_id: CallId) -> None:
        """Record silence from now on."""
        self._up()
        self._tapes.pause(call_id, is_paused=True)

    async def resume_recording(self, call_id: CallId) -> None:
        """Record again."""
        self._up()
        self._tapes.pause(call_id, is_paused=False)

    async def stop_recording(self, call_id: CallId) -> None:
        """End the recording before the call does."""
        self._up()
        self._tapes.end(call_id)

    async def hang_up(self, call_id: CallId) -> None:
        """CANCEL, BYE or a refusal as the call stands; `CallEnded` or `InboundEnded` follows."""
        call = self._up().calls.get(call_id)
        if call is not None:
            call.hang_up()

    # --- questions --------------------------------------------------------------------------------

    async def trunks(self) -> tuple[TrunkStatus, ...]:
        """The trunks in the order in which they are tried."""
        return self._up().trunks.status()

    async def live(self) -> LiveLegs:
        """What the engine holds right now, to reconcile after a gap."""
        board = self._up()
        calls = board.calls
        return LiveLegs(
            attempts=frozenset(AttemptId(i) for i, c in calls.items() if isinstance(c, CallLeg)),
            inbound=frozenset(InboundId(i) for i, c in calls.items() if isinstance(c, InboundLeg)),
            sessions=frozenset(board.phones),
        )

    async def was_dialed(self, attempts: Collection[AttemptId]) -> dict[AttemptId, bool]:
        """For each attempt, by the wire log that outlives the engine: did an INVITE leave?

        It is written before the request to Asterisk leaves. Works while Asterisk is down.
        """
        asked = {str(attempt): attempt for attempt in attempts}
        # An attempt that went through our own hands can only be in the runs since our start;
        # damage to older ones says nothing about it.
        ours = {a for a, attempt in asked.items() if attempt in self._permits.handed_over}
        if self._first_run is None:
            ours = set()
        folder, first_run = self._settings.data_dir, self._first_run or 1
        found = await asyncio.to_thread(wirelog.was_dialed, folder, ours, first_run=first_run)
        found |= await asyncio.to_thread(wirelog.was_dialed, folder, asked.keys() - ours)
        return {asked[attempt]: answer for attempt, answer in found.items()}

    async def events(self) -> AsyncIterator[TelephonyEvent]:
        """Everything that happens, in order, until `stop`. One consumer."""
        while (event := await self._events.get()) is not None:
            yield event

    # --- nodes ------------------------------------------------------------------------------------

    def drain(self, url: str, *, is_draining: bool = True) -> None:
        """Give a node no new call and no new phone; what it carries goes on to its end.

        Phones of ours that are in no conversation are let go: they are connected elsewhere.
        Raises `SettingsError` for an address that is none of ours.
        """
        if url not in self._settings.urls:
            raise SettingsError(f"{url} is none of the nodes: {', '.join(self._settings.urls)}")
        node = self._nodes[self._settings.urls.index(url)]
        node.is_draining = is_draining
        if is_draining and self._board is not None:
            for phone in list(self._board.phones.values()):
                if phone.node is node and phone.conversation is None:
                    phone.take_down("its Asterisk is being drained")

    async def _node_for_call(self, board: Board) -> Node:
        """The node with agents, and of those the one with the fewest calls."""
        able = [node for node in self._nodes if node.is_up and not node.is_draining]
        if not able:
            raise EngineUnavailable("every Asterisk is down or being drained")
        staffed = {phone.node for phone in board.phones.values() if phone.is_up}
        loads = {node: 0 for node in able if node in staffed} or dict.fromkeys(able, 0)
        for call in board.calls.values():
            if call.node in loads:
                loads[call.node] += 1
        node = min(loads, key=lambda node: loads[node])
        await node.present()
        return node

    def _up(self) -> Board:
        if self._board is None or not self._is_up:
            raise EngineUnavailable(f"the telephony engine is down: {self._down_why}")
        return self._board

    def _on_up(self, node: Node) -> None:  # noqa: ARG002 - a node's callback
        if not self._is_up and self._board is not None:
            self._is_up = True
            self._put(EngineUp(at=self._clock.now()))

    def _on_lost(self, node: Node, why: str) -> None:
        """A node and all that it carried is gone."""
        board = self._board
        if board is None:
            return
        others = any(other.is_up for other in self._nodes if other is not node)
        if not others:
            self._is_up = False
            self._down_why = f"no Asterisk can be reached ({why})"
            self._put(EngineDown(at=self._clock.now(), why=self._down_why))
        self._drop_legs(board, node, tells=others)

    def _drop_legs(self, board: Board, node: Node, *, tells: bool) -> None:
        """Forget the legs of a lost node. With the last one, `EngineDown` has told it of all."""
        calls: list[OutsideLeg] = [call for call in board.calls.values() if call.node is node]
        phones = [phone for phone in board.phones.values() if phone.node is node]
        for phone in phones:
            phone.lost(tells=tells)
        for call in calls:
            call.lost(tells=tells)

    def _on_replaced(self, node: Node) -> None:
        """Somebody else connected under our name: two dialers on one Asterisk."""
        log.error("another dialer took the place of this one on %s", node.name)
        self._is_up = False
        self._down_why = "another dialer took its place: an Asterisk serves one dialer"
        self._put(EngineDown(at=self._clock.now(), why=self._down_why, is_final=True))

    def _on_inbound(self, node: Node, said: Said) -> None:
        board = self._board
        channel = said["channel"]["id"]
        if board is None or len(said["args"]) < 3 or said["args"][1] not in board.trunks:
            node.later("DELETE", f"channels/{channel}", reason="congestion")
            return
        inbound_id = InboundId(UUID(str(uuid5(NAMESPACE_URL, f"{node.name}/{channel}"))))
        leg = InboundLeg(board, node, inbound_id, said)
        board.calls[inbound_id] = leg
        node.spawn(leg.offer())

    def _on_trunk(self, node: Node, trunk: str, is_up: bool, why: str) -> None:  # noqa: ARG002
        if self._board is not None:
            self._board.trunks.checked(trunk, node, self._nodes, why)

    def _on_trunk_change(self, trunk: str, is_up: bool, why: str) -> None:
        self._put(TrunkChanged(trunk=trunk, is_up=is_up, why=why, at=self._clock.now()))

    def _put(self, event: TelephonyEvent | None) -> None:
        self._events.put_nowait(event)
        if self._events.qsize() == _EVENTS_MAX:
            log.error("nobody reads the telephony events; no more is dialed")
            self._is_up = False
            self._down_why = f"{_EVENTS_MAX} events lie unread"


def _check_wav(path: Path) -> None:
    """Raise `SettingsError` for a message that Asterisk could not play as it is."""
    try:
        with wave.open(str(path), "rb") as file:
            shape = (file.getframerate(), file.getnchannels(), file.getsampwidth())
    except (OSError, EOFError, wave.Error) as failure:
        raise SettingsError(
            f"{path} cannot be read as a WAV file ({failure}): record it as 8000 Hz, mono, 16 bits"
        ) from failure
    if shape != (g711.SAMPLE_RATE, 1, 2):
        raise SettingsError(
            f"{path} has {shape[0]} Hz, {shape[1]} channels, {8 * shape[2]} bits: "
            f"convert it to 8000 Hz, mono, 16 bits"
        )

"""A conversation in Asterisk: `core.conversation` says who hears whom, bridges carry it out.

Whoever talks or listens sits in the call's bridge, a listener muted. Who is on hold is taken out of
it and hears music. Who whispers sits in a bridge of its own, together with a snoop on each phone of
ours: the snoop takes the whisper to that phone alone, and brings back all that the phone hears and
says. Every change is worked out anew and only the difference is asked for.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING

from fairdial.adapters.asterisk.ari import AriRefused, Said
from fairdial.adapters.asterisk.node import Node
from fairdial.core.conversation import Member, Part
from fairdial.core.ids import LegId, SessionId
from fairdial.exceptions import EngineUnavailable

if TYPE_CHECKING:
    from fairdial.adapters.asterisk.board import Board
    from fairdial.adapters.asterisk.calls import OutsideLeg


class Seat(StrEnum):
    """Where a leg's channel is."""

    ALONE = "alone"
    BRIDGE = "bridge"
    """In the call's bridge; a flag of its own says whether muted."""
    BACK = "back"
    """In the bridge of those who whisper."""
    MUSIC = "music"


class Seated:
    """A leg that can have a seat."""

    id: LegId

    def __init__(self, node: Node, channel: str) -> None:
        self.node = node
        self.channel = channel
        self.seat = Seat.ALONE
        self.is_muted = False
        self.conversation: Conversation | None = None


class _Snoop:
    """The owner of a snoop's channel: it only has to be somebody's."""

    def on_said(self, said: Said) -> None:
        """Nothing of it matters."""

    def on_missing(self) -> None:
        """Its leg is gone, too."""

    def on_found(self, channel: Said) -> None:
        """It is where it was."""


_SNOOP = _Snoop()


class Conversation:
    """Who takes part in one answered call."""

    def __init__(self, board: Board, outside: OutsideLeg) -> None:
        """A call with nobody of ours yet."""
        self.outside = outside
        self._board = board
        self._node = outside.node
        self._bridge = f"{outside.id}-talk"
        self._back = f"{outside.id}-whisper"
        self._made: set[str] = set()
        self._legs: dict[LegId, Seated] = {outside.id: outside}
        self._members: dict[LegId, Member] = {outside.id: Member(part=Part.TALK, is_ours=False)}
        self._snoops: dict[LegId, tuple[str, str]] = {}
        """The snoop on each phone of ours: what it brings back, and its channel."""
        self._lock = asyncio.Lock()
        self._is_over = False

    async def place(self, leg: Seated, part: Part) -> None:
        """Give a leg a part, or change the part it has. Raises `EngineUnavailable`."""
        is_outside = leg.id == self.outside.id
        comes_in = leg.id not in self._members and part is Part.TALK
        is_first = comes_in and not any(
            member.is_ours and member.part is Part.TALK for member in self._members.values()
        )
        self._legs[leg.id] = leg
        self._members[leg.id] = Member(part=part, is_ours=not is_outside)
        if not is_outside:
            leg.conversation = self
            self.outside.stop_message()
        await self._arrange()
        if is_first and leg.seat is Seat.BRIDGE and not self._is_over:
            session_id = SessionId(leg.id)
            self._board.tell(self.outside.bridged(session_id))
            self._node.later(
                "POST", f"channels/{leg.channel}/play", media=f"sound:{self._board.joined}"
            )

    async def remove(self, leg: Seated) -> None:
        """A phone of ours is out; the call goes on. Raises `EngineUnavailable`."""
        self.forget(leg)
        async with self._lock:
            await self._move(leg, Seat.ALONE, is_muted=False)
        await self._arrange()

    def forget(self, leg: Seated) -> None:
        """A phone of ours is gone, or goes to another conversation."""
        self._members.pop(leg.id, None)
        self._legs.pop(leg.id, None)
        if leg.conversation is self:
            leg.conversation = None

    async def rearrange(self) -> None:
        """After a leg was forgotten. Raises `EngineUnavailable`."""
        await self._arrange()

    async def close(self) -> None:
        """The call is over: everybody of ours is let go, and the bridges with them."""
        self._is_over = True
        async with self._lock:
            ours = [leg for leg in self._legs.values() if leg is not self.outside]
            self._members.clear()
            self._legs.clear()
            try:
                await self._whisper({})
                for leg in ours:
                    if leg.conversation is self:
                        leg.conversation = None
                        await self._move(leg, Seat.ALONE, is_muted=False)
                for bridge in self._made:
                    await self._node.do("DELETE", f"bridges/{bridge}")
            except EngineUnavailable:
                return  # With the node, all of it is gone.

    async def _arrange(self) -> None:
        async with self._lock:
            if self._is_over:
                return
            seats = self._seats()
            together = [
                leg
                for leg, (seat, is_muted) in seats
                if seat is Seat.BRIDGE and leg.seat in (Seat.ALONE,) and leg.is_muted is is_muted
            ]
            if len(together) > 1:
                await self._seat_together(together)
            for leg, (seat, is_muted) in seats:
                await self._move(leg, seat, is_muted=is_muted)
            await self._whisper(dict(self._snoops_wanted()))

    def _seats(self) -> list[tuple[Seated, tuple[Seat, bool]]]:
        """Where each leg belongs. Nobody is bridged with nobody."""
        hears_whispers = any(m.is_ours and _is_in(m.part) for m in self._members.values())
        has_company = sum(m.part is not Part.HOLD for m in self._members.values()) > 1
        seats = []
        for leg_id, member in self._members.items():
            seat, is_muted = Seat.BRIDGE, member.part is not Part.TALK
            if member.part is Part.HOLD:
                seat, is_muted = Seat.MUSIC, False
            elif member.part is Part.WHISPER and hears_whispers:
                seat, is_muted = Seat.BACK, False
            elif not has_company and leg_id == self.outside.id:
                seat = Seat.ALONE
            seats.append((self._legs[leg_id], (seat, is_muted)))
        return seats

    async def _move(self, leg: Seated, seat: Seat, *, is_muted: bool) -> None:
        """Take a leg from where it is to where it belongs."""
        node, channel = self._node, f"channels/{leg.channel}"
        if leg.is_muted is not is_muted:
            leg.is_muted = is_muted
            await node.do("POST" if is_muted else "DELETE", f"{channel}/mute", direction="in")
        was, leg.seat = leg.seat, seat
        if was is seat:
            return
        if was is Seat.MUSIC:
            await node.do("DELETE", f"{channel}/moh")
        match seat:
            case Seat.BRIDGE | Seat.BACK:
                bridge = await self._made_bridge(seat)
                if not await node.do("POST", f"bridges/{bridge}/addChannel", channel=leg.channel):
                    leg.seat = Seat.ALONE
            case Seat.ALONE | Seat.MUSIC:
                if was in (Seat.BRIDGE, Seat.BACK):
                    bridge = self._bridge if was is Seat.BRIDGE else self._back
                    await node.do("POST", f"bridges/{bridge}/removeChannel", channel=leg.channel)
                if seat is Seat.MUSIC:
                    await node.do("POST", f"{channel}/moh")

    async def _seat_together(self, legs: list[Seated]) -> None:
        """The usual case in one request: a call and its agent. Each alone if that is refused."""
        bridge = await self._made_bridge(Seat.BRIDGE)
        channels = ",".join(leg.channel for leg in legs)
        if await self._node.do("POST", f"bridges/{bridge}/addChannel", channel=channels):
            for leg in legs:
                leg.seat = Seat.BRIDGE

    async def _made_bridge(self, seat: Seat) -> str:
        bridge = self._bridge if seat is Seat.BRIDGE else self._back
        if bridge not in self._made:
            # `dtmf_events`: keys are told of in a talk, too.
            await self._node.do("POST", f"bridges/{bridge}", type="mixing,dtmf_events")
            self._made.add(bridge)
        return bridge

    def _snoops_wanted(self) -> list[tuple[LegId, str]]:
        """Which phones of ours have a snoop, and what it brings back to who whispers.

        One brings back all that its phone hears and says, best of one that talks; the others would
        only double it.
        """
        if not any(leg.seat is Seat.BACK for leg in self._legs.values()):
            return []
        ours = [i for i, m in self._members.items() if m.is_ours and _is_in(m.part)]
        ours.sort(key=lambda leg_id: self._members[leg_id].part is not Part.TALK)
        ours = [leg_id for leg_id in ours if self._legs[leg_id].seat is Seat.BRIDGE]
        return [
            (leg_id, ("none" if n else "both") if self._is_talking(leg_id) else "out")
            for n, leg_id in enumerate(ours)
        ]

    def _is_talking(self, leg_id: LegId) -> bool:
        return self._members[leg_id].part is Part.TALK

    async def _whisper(self, wanted: dict[LegId, str]) -> None:
        """Have exactly these snoops in the bridge of those who whisper."""
        for leg_id, (spy, channel) in list(self._snoops.items()):
            if wanted.get(leg_id) != spy:
                del self._snoops[leg_id]
                await self._node.do("DELETE", f"channels/{channel}")
        for leg_id, spy in wanted.items():
            if leg_id not in self._snoops:
                await self._snoop(leg_id, spy)

    async def _snoop(self, leg_id: LegId, spy: str) -> None:
        node, leg = self._node, self._legs[leg_id]
        channel = f"{leg.channel}-{spy}-{len(self._made)}{len(self._snoops)}{id(leg) % 997}"
        asking = node.ask(
            "POST",
            f"channels/{leg.channel}/snoop",
            spy=spy,
            whisper="out",
            app=self._board.settings.app,
            snoopId=channel,
        )
        node.owners[channel] = _SNOOP
        try:
            await node.arrival(channel, asking)
        except AriRefused:
            node.owners.pop(channel, None)  # The leg is gone; so is the wish.
            return
        self._snoops[leg_id] = (spy, channel)
        await node.do("POST", f"bridges/{self._back}/addChannel", channel=channel)


def _is_in(part: Part) -> bool:
    """Whether a leg hears the conversation without whispering into it."""
    return part in (Part.TALK, Part.LISTEN)

"""The conversations of one engine: `core.conversation` says who hears whom, here it is carried out.

A leg that hears exactly one other gets its packets as they come; one that hears several gets a mix;
one on hold gets music. Every change sets all of that anew, and each leg's stream goes on unbroken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from fairdial.adapters.recording import Recording
from fairdial.adapters.sip.media import AudioPort, Track
from fairdial.adapters.sip.mixer import Mixer
from fairdial.core.conversation import Member, Part, heard_by


class Conversation:
    """Who takes part in one answered call."""

    def __init__(self, outside: AudioPort, *, music: bytes) -> None:
        """A call with nobody of ours yet: `outside` is the called party, or who called in."""
        self.outside = outside
        self.members = {outside: Member(part=Part.TALK, is_ours=False)}
        self.recording: Recording | None = None
        self._music = music
        self._mixer = Mixer()

    @property
    def has_talker(self) -> bool:
        """Whether a phone of ours talks."""
        return any(m.is_ours and m.part is Part.TALK for m in self.members.values())

    def place(self, port: AudioPort, part: Part) -> None:
        """Give a leg a part, or change the part it has."""
        self.members[port] = Member(part=part, is_ours=port is not self.outside)
        self.arrange()

    def remove(self, port: AudioPort) -> None:
        """A phone of ours is out; the call goes on."""
        del self.members[port]
        _let_go(port)
        self.arrange()

    def end(self) -> None:
        """The call is over; phones of ours hear nobody."""
        self.stop_recording()
        self._mixer.set({})
        for port in self.members:
            _let_go(port)
        self.members.clear()

    def record(self, recording: Recording) -> None:
        """Record from now on."""
        self.recording = recording
        self.arrange()

    def stop_recording(self) -> None:
        """End the recording, if there is one."""
        if self.recording is not None:
            self.recording.stop(asyncio.get_running_loop().time())
            self.recording = None
            self.arrange()

    def arrange(self) -> None:
        """Set who is passed whose packets, who is mixed for whom, and who hears music."""
        heard = {port: heard_by(port, self.members) for port in self.members}
        mixes = {port: speakers for port, speakers in heard.items() if len(speakers) > 1}
        for port, member in self.members.items():
            port.sinks = tuple(
                listener for listener, speakers in heard.items() if speakers == {port}
            )
            port.mixed_sinks = tuple(
                listener for listener, speakers in mixes.items() if port in speakers
            )
            port.play_music(self._music if member.part is Part.HOLD else None)
            port.track = self._track_of(port, member)
        self.outside.message_track = (
            None if self.recording is None else self.recording.track("messages", is_ours=True)
        )
        self._mixer.set(mixes)

    def _track_of(self, port: AudioPort, member: Member) -> Track | None:
        """Where a leg is recorded: where everybody hears it, so no whisper and nobody on hold."""
        if self.recording is None or member.part is not Part.TALK:
            return None
        return self.recording.track(port, is_ours=member.is_ours)


def _let_go(port: AudioPort) -> None:
    """This leg is in no conversation any more."""
    port.sinks = port.mixed_sinks = ()
    port.track = port.message_track = None
    port.play_music(None)


class Conversations:
    """Every conversation of this engine, by its call."""

    def __init__(self, *, music: bytes) -> None:
        self._music = music
        self._by_call: dict[str, Conversation] = {}
        self._of: dict[AudioPort, tuple[str, Conversation]] = {}

    def open(self, call: str, outside: AudioPort) -> Conversation:
        """The conversation of an answered call; it begins when it is first asked for."""
        if call not in self._by_call:
            conversation = Conversation(outside, music=self._music)
            self._by_call[call] = conversation
            self._of[outside] = (call, conversation)
        return self._by_call[call]

    def __iter__(self) -> Iterator[Conversation]:
        """All that stand."""
        return iter(list(self._by_call.values()))

    def find(self, call: str) -> Conversation | None:
        """The conversation of a call, if it has begun."""
        return self._by_call.get(call)

    def join(self, call: str, port: AudioPort, part: Part) -> None:
        """Give a phone of ours a part; it leaves the conversation that it was in."""
        conversation = self._by_call[call]
        _, other = self._of.get(port, (call, conversation))
        if other is not conversation:
            other.remove(port)
        self._of[port] = (call, conversation)
        conversation.place(port, part)

    def leave(self, call: str, port: AudioPort) -> None:
        """Take a phone of ours out of a conversation, if it is in it."""
        where, conversation = self._of.get(port, ("", None))
        if conversation is not None and where == call and port is not conversation.outside:
            del self._of[port]
            conversation.remove(port)

    def drop(self, port: AudioPort) -> None:
        """A leg is gone: a phone of ours is out, and without who is outside the call is over."""
        call, conversation = self._of.pop(port, ("", None))
        if conversation is None:
            return
        if port is not conversation.outside:
            conversation.remove(port)
            return
        for member in conversation.members:
            self._of.pop(member, None)
        del self._by_call[call]
        conversation.end()

"""The conversation: who hears whom while a call is up, as one table for every engine.

A conversation belongs to one call. Its members are legs: the called party's own, and phones of
ours (the agent's, a supervisor's, a colleague's to whom the call is passed on). Hold, mute, park,
transfer, three-way conference, listen, whisper and barge are all the same thing: a leg has a part.
Nothing is decided here about who may take which part, and nothing is known of audio.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

Leg = TypeVar("Leg")


class Part(StrEnum):
    """What a leg does in a conversation."""

    TALK = "talk"
    """Hears everybody and is heard by everybody: a talk, a conference, a supervisor's barge."""
    LISTEN = "listen"
    """Hears everybody and is heard by nobody: an agent who is muted, a supervisor who monitors."""
    WHISPER = "whisper"
    """Hears everybody and is heard by our own legs only: a supervisor who prompts an agent."""
    HOLD = "hold"
    """Hears music and is heard by nobody: on hold, or parked when no agent is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A leg's place in a conversation."""

    part: Part
    is_ours: bool
    """A phone of ours; False is the called party, or who called in."""


def hears(listener: Member, speaker: Member) -> bool:
    """Whether what `speaker` says reaches `listener`. Nobody hears themselves; not asked here."""
    if listener.part is Part.HOLD:
        return False
    match speaker.part:
        case Part.TALK:
            return True
        case Part.WHISPER:
            return listener.is_ours
        case Part.LISTEN | Part.HOLD:
            return False


def heard_by(listener: Leg, members: Mapping[Leg, Member]) -> frozenset[Leg]:
    """The legs whose audio `listener` gets, of a conversation that it is a member of."""
    mine = members[listener]
    return frozenset(
        leg for leg, member in members.items() if leg != listener and hears(mine, member)
    )

"""What answered a call, as far as its sound tells: a guess with a confidence, never a certainty.

A person taken for a machine is hung up on, which is the costlier error; so there is a third
answer, `UNSURE`, and what is unsure is treated as a person. The sounds themselves are judged in
`fairdial.media`; what follows from a judgement is for `core.attempt`.
"""

from __future__ import annotations

from enum import StrEnum


class AnswerKind(StrEnum):
    """Who or what answered."""

    PERSON = "person"
    MACHINE = "machine"
    """No person: an answering machine, a voice mailbox, a call screener, an announcement of the
    network, a fax."""
    UNSURE = "unsure"


class Tone(StrEnum):
    """Tones of the network and of machines, told as they are recognised."""

    BUSY = "busy"
    """480 and 620 Hz (425 Hz elsewhere), half a second on and off: the line is engaged."""
    CONGESTION = "congestion"
    """The same tones in quarter seconds (reorder): the network has no way through."""
    SIT_INTERCEPT = "sit_intercept"
    """Special information tones: the number was changed or is not in use."""
    SIT_VACANT = "sit_vacant"
    """Special information tones: there is no such number."""
    SIT_NO_CIRCUIT = "sit_no_circuit"
    """Special information tones: every circuit is busy; a later call may get through."""
    SIT_REORDER = "sit_reorder"
    """Special information tones: the network failed or did not get the whole number."""
    SIT = "sit"
    """Special information tones that do not say which: those of most countries outside of North
    America (ITU-T E.180), and codes that are reserved."""
    FAX = "fax"
    """CED 2100 Hz of a fax that answers, or CNG 1100 Hz of one that calls."""
    BEEP = "beep"
    """The beep after which an answering machine records, told when it is over."""

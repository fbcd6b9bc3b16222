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
    """A greeting that was recorded: an answering machine, a voice mailbox, a call screener."""
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
    SIT_REORDER = "sit_reorder"
    FAX = "fax"
    """CED 2100 Hz of a fax that answers, or CNG 1100 Hz of one that calls."""
    BEEP = "beep"
    """The beep after which an answering machine records."""

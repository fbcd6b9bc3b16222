"""The two words for how an attempt went: what the system saw, and what the agent recorded."""

from enum import StrEnum


class Outcome(StrEnum):
    """What the system observed of an attempt."""

    CONNECTED = "connected"
    """The called party and an agent could hear each other."""
    ABANDONED = "abandoned"
    """A live answer not connected by the connect deadline, or that hung up while waiting."""
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    INVALID = "invalid"
    """The network says that this number reaches nobody (404, 410, 484, 604)."""
    REJECTED = "rejected"
    """The called party's side declined (603, 403, 607)."""
    CONGESTION = "congestion"
    """The carrier could not take the call (5xx, 480 with no ringing)."""
    FAILED = "failed"
    """The call broke for a reason of ours or the network's, none of the above."""
    CANCELLED = "cancelled"
    """We took it back before anybody answered: a stop, an operator, a suppression."""
    NOT_DIALED = "not_dialed"
    """Permitted, but nothing was sent to the network. Uses no cap."""
    MACHINE = "machine"
    """A machine answered, and was hung up on without a message."""
    MESSAGE_LEFT = "message_left"
    """A recorded message was played to its end (broadcast, voicemail drop)."""


class Disposition(StrEnum):
    """What the agent recorded about the conversation; or a stop request made by a key."""

    SALE = "sale"
    NOT_INTERESTED = "not_interested"
    CALLBACK = "callback"
    WRONG_PERSON = "wrong_person"
    MACHINE = "machine"
    STOP_CALLING = "stop_calling"
    """The person asked not to be called again, an agent or by a key: a suppression at once."""
    HUNG_UP = "hung_up"
    """The person hung up before the purpose could be said."""
    NO_DISPOSITION = "no_disposition"
    """The agent left, or the wrap-up time ended, without one."""

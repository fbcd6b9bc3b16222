"""The names of things. Every id is a UUID made at the edge (core draws no random numbers)."""

from datetime import datetime
from typing import NewType
from uuid import UUID

CampaignId = NewType("CampaignId", UUID)
SellerId = NewType("SellerId", UUID)
ListId = NewType("ListId", UUID)
LeadId = NewType("LeadId", UUID)
PermitId = NewType("PermitId", UUID)
AttemptId = NewType("AttemptId", UUID)
"""Also the Call-ID on the wire, so a resend is harmless and live calls match open attempts."""
AgentId = NewType("AgentId", UUID)
SessionId = NewType("SessionId", UUID)
"""One agent session: one agent's time at the desk."""
DialerId = NewType("DialerId", UUID)
InboundId = NewType("InboundId", UUID)
"""A call that somebody makes to us, mostly back to a caller ID of ours."""
TransferId = NewType("TransferId", UUID)
MonitorId = NewType("MonitorId", UUID)
"""A supervisor who listens to an agent; also the id of the supervisor's leg."""
RecordingId = NewType("RecordingId", UUID)
ConsentId = NewType("ConsentId", UUID)
EmergencyId = NewType("EmergencyId", UUID)

CallId = AttemptId | InboundId
"""A call with somebody outside: one that we made, or one that was made to us."""
LegId = AttemptId | InboundId | SessionId
"""One end of a conversation: the leg of a call, or a phone of ours."""

E164 = NewType("E164", str)
"""A telephone number in E.164 form, plus sign included: `+12125550142`."""

Instant = datetime
"""A moment, always aware and in UTC. Naive datetimes are a fault of ours wherever they appear."""

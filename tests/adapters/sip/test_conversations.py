"""Conversations over real RTP: who hears whom, told by the tones that they speak in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import pairwise
from random import Random
from typing import NamedTuple
from uuid import uuid4

import pytest

from fairdial.core.ids import AttemptId, SessionId
from fairdial.media import mixing, rtcp, sounds
from fairdial.media.digits import EVENT_BYTES, DigitEar
from fairdial.media.rtp import RtpPacket
from fairdial.ports import AgentLegDown, CallBridged, CallEnded, Message, MessagePlayed, Part

from .parties import LOUDNESS, Party, agent_leg, called_leg, is_one_stream, tones_in
from .sip_cast import HERE, Ear, Line, OpenEar, OpenLine, PlaySipp

pytestmark = pytest.mark.wire

CALLED, AGENT, SUPERVISOR = 600, 1000, 1500
EVERYBODY = (CALLED, AGENT, SUPERVISOR)


class Floor(NamedTuple):
    """One call, an agent who talks to it, and a supervisor with an own phone."""

    line: Line
    attempt: AttemptId
    session: SessionId
    supervisor_session: SessionId
    called: Party
    agent: Party
    supervisor: Party

    async def heard(self) -> tuple[set[int], set[int], set[int]]:
        """What called party, agent and supervisor hear while all three speak."""
        async with (
            self.called.speaking(CALLED),
            self.agent.speaking(AGENT),
            self.supervisor.speaking(SUPERVISOR),
        ):
            parties = (self.called, self.agent, self.supervisor)
            called, agent, supervisor = await asyncio.gather(
                *(party.tones(*EVERYBODY) for party in parties)
            )
        return called, agent, supervisor

    async def join(self, part: Part, leg: SessionId | AttemptId | None = None) -> None:
        """Give the supervisor a part, or another leg."""
        leg = leg or self.supervisor_session
        await self.line.telephony.join(self.attempt, leg, part)


@pytest.fixture
async def floor(line: Line, sipp: PlaySipp, ear: OpenEar) -> Floor:
    session, agent = await agent_leg(line, sipp, ear)
    supervisor_session, supervisor = await agent_leg(line, sipp, ear)
    attempt, called = await called_leg(line, sipp, ear)
    await line.telephony.join(attempt, session, Part.TALK)
    return Floor(line, attempt, session, supervisor_session, called, agent, supervisor)


async def test_in_a_conference_each_hears_the_two_others(floor: Floor) -> None:
    await floor.join(Part.TALK)
    assert await floor.heard() == (
        {AGENT, SUPERVISOR},
        {CALLED, SUPERVISOR},
        {CALLED, AGENT},
    )
    for party in (floor.called, floor.agent, floor.supervisor):
        assert is_one_stream(party.ear.heard)
    assert floor.line.story(floor.attempt).count("CallBridged") == 1


async def test_a_supervisor_listens_whispers_barges_and_leaves(floor: Floor) -> None:
    await floor.join(Part.LISTEN)
    assert await floor.heard() == ({AGENT}, {CALLED}, {CALLED, AGENT})
    await floor.join(Part.WHISPER)
    assert await floor.heard() == ({AGENT}, {CALLED, SUPERVISOR}, {CALLED, AGENT})
    await floor.join(Part.TALK)
    assert await floor.heard() == ({AGENT, SUPERVISOR}, {CALLED, SUPERVISOR}, {CALLED, AGENT})
    await floor.line.telephony.leave(floor.attempt, floor.supervisor_session)
    assert await floor.heard() == ({AGENT}, {CALLED}, set())
    for party in (floor.called, floor.agent, floor.supervisor):
        assert is_one_stream(party.ear.heard)


async def test_an_agent_who_is_muted_hears_and_is_not_heard(floor: Floor) -> None:
    await floor.join(Part.LISTEN, floor.session)
    assert await floor.heard() == (set(), {CALLED}, set())
    await floor.join(Part.TALK, floor.session)
    assert await floor.heard() == ({AGENT}, {CALLED}, set())


async def test_who_is_on_hold_hears_music_and_nobody_hears_them(floor: Floor) -> None:
    await floor.join(Part.HOLD, floor.attempt)
    start = len(floor.called.ear.heard)
    assert await floor.heard() == (set(), set(), set())
    music = set(sounds.frames(sounds.hold_music(), b""))
    payloads = [packet.payload for packet in floor.called.ear.heard[start + 2 :]]
    assert len(payloads) > 20
    assert set(payloads) <= music
    await floor.join(Part.TALK, floor.attempt)
    assert await floor.heard() == ({AGENT}, {CALLED}, set())
    assert is_one_stream(floor.called.ear.heard)


async def test_a_parked_call_is_picked_up_by_another_agent(floor: Floor) -> None:
    await floor.join(Part.HOLD, floor.attempt)
    await floor.line.telephony.leave(floor.attempt, floor.session)
    assert await floor.heard() == (set(), set(), set())
    await floor.join(Part.TALK, floor.attempt)
    await floor.join(Part.TALK)
    bridged = await floor.line.until_told(CallBridged, floor.attempt, count=2)
    assert bridged.session_id == floor.supervisor_session
    assert await floor.heard() == ({SUPERVISOR}, set(), {CALLED})


async def test_a_phone_of_ours_is_in_one_conversation_at_a_time(
    floor: Floor, sipp: PlaySipp, ear: OpenEar
) -> None:
    await floor.line.telephony.hang_up(floor.attempt)
    await floor.line.until_told(CallEnded, floor.attempt)
    await floor.called.sipp.played()
    first, called = await called_leg(floor.line, sipp, ear)
    await floor.line.telephony.join(first, floor.session, Part.TALK)
    await floor.line.telephony.join(first, floor.supervisor_session, Part.LISTEN)
    other = AttemptId(uuid4())
    await floor.line.telephony.join(other, floor.supervisor_session, Part.TALK)
    again = floor._replace(attempt=first, called=called)
    assert await again.heard() == ({AGENT}, {CALLED}, {CALLED, AGENT})


async def test_a_leg_that_is_lost_leaves_and_the_others_talk_on(floor: Floor) -> None:
    await floor.join(Part.TALK)
    await floor.line.telephony.disconnect_agent(floor.session)
    await floor.line.until_told(AgentLegDown, floor.session)
    async with floor.called.speaking(CALLED), floor.supervisor.speaking(SUPERVISOR):
        assert await floor.called.tones(*EVERYBODY) == {SUPERVISOR}
        assert await floor.supervisor.tones(*EVERYBODY) == {CALLED}


async def test_when_the_called_party_is_gone_the_conversation_ends_and_phones_stay(
    floor: Floor,
) -> None:
    await floor.join(Part.TALK)
    await floor.line.telephony.hang_up(floor.attempt)
    await floor.line.until_told(CallEnded, floor.attempt)
    async with floor.agent.speaking(AGENT), floor.supervisor.speaking(SUPERVISOR):
        assert await floor.agent.tones(*EVERYBODY) == set()
        assert await floor.supervisor.tones(*EVERYBODY) == set()
    sessions = {floor.session, floor.supervisor_session}
    assert (await floor.line.telephony.live()).sessions == sessions


async def test_the_mixer_copes_with_loss_reorder_doubles_and_jitter(floor: Floor) -> None:
    random = Random(3)

    def bad_network(packets: list[RtpPacket]) -> Iterable[RtpPacket]:
        sent = [packet for packet in packets if random.random() > 0.1]
        at = random.randrange(len(sent) - 1)
        sent[at : at + 2] = reversed(sent[at : at + 2])
        return [*sent, sent[-1]]

    await floor.join(Part.TALK)
    async with floor.called.speaking(CALLED, bad_network), floor.agent.speaking(AGENT):
        assert await floor.supervisor.tones(*EVERYBODY, seconds=1.5) == {CALLED, AGENT}
    heard = floor.supervisor.ear.heard
    assert is_one_stream(heard)
    steps = {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(heard[-50:])}
    assert steps == {160}


async def test_a_law_is_mixed_with_mu_law(line: Line, sipp: PlaySipp, ear: OpenEar) -> None:
    session, agent = await agent_leg(line, sipp, ear)
    supervisor_session, supervisor = await agent_leg(line, sipp, ear)
    attempt, called = await called_leg(line, sipp, ear, codecs="8 101")
    for leg in (session, supervisor_session):
        await line.telephony.join(attempt, leg, Part.TALK)
    floor = Floor(line, attempt, session, supervisor_session, called, agent, supervisor)
    assert await floor.heard() == ({AGENT, SUPERVISOR}, {CALLED, SUPERVISOR}, {CALLED, AGENT})
    assert {packet.payload_type for packet in called.ear.heard} == {8}


async def test_two_beeps_tell_the_agent_alone_and_cost_no_word(
    open_line: OpenLine, sipp: PlaySipp, ear: OpenEar
) -> None:
    async with open_line(join_tone=True) as line:
        session, agent = await agent_leg(line, sipp, ear)
        attempt, called = await called_leg(line, sipp, ear)
        async with called.speaking(CALLED), agent.speaking(AGENT):
            await asyncio.sleep(0.1)
            start, theirs = len(agent.ear.heard), len(called.ear.heard)
            await line.telephony.join(attempt, session, Part.TALK)
            await asyncio.sleep(0.7)
        heard = agent.audio(start)[: 160 * 25]
        # The called party is heard from the first frame on, through both beeps.
        assert tones_in(heard[: 160 * 12], CALLED) == {CALLED}
        peaks = [int(abs(frame).max()) for frame in heard.reshape(-1, 160)]
        beeps = [n for n, peak in enumerate(peaks) if peak > LOUDNESS + sounds.JOIN_LOUDNESS // 2]
        assert beeps
        assert beeps[-1] - beeps[0] in range(5, 12)
        assert max(peaks[13:]) < LOUDNESS + 500
        assert int(abs(called.audio(theirs)).max()) < LOUDNESS + 500
        assert is_one_stream(agent.ear.heard)


async def test_the_beeps_come_to_a_silent_line_as_well(
    open_line: OpenLine, sipp: PlaySipp, ear: OpenEar
) -> None:
    async with open_line(join_tone=True) as line:
        session, agent = await agent_leg(line, sipp, ear)
        attempt, _ = await called_leg(line, sipp, ear)
        await line.telephony.join(attempt, session, Part.TALK)
        await asyncio.sleep(0.6)
        loud = int((abs(agent.audio()) > sounds.JOIN_LOUDNESS // 2).sum())
        whole = int((abs(sounds.join_tone()) > sounds.JOIN_LOUDNESS // 2).sum())
        assert abs(loud - whole) <= whole // 10
        assert is_one_stream(agent.ear.heard)


async def test_joining_cuts_a_message_short(line: Line, sipp: PlaySipp, ear: OpenEar) -> None:
    session, agent = await agent_leg(line, sipp, ear)
    attempt, called = await called_leg(line, sipp, ear)
    await line.telephony.play(attempt, Message.ABANDONED)
    await asyncio.sleep(0.2)
    await line.telephony.join(attempt, session, Part.TALK)
    await line.until_told(CallBridged, attempt)
    assert await called.hears(await agent.says("A"))
    await asyncio.sleep(0.5)
    assert not [event for event in line.told if isinstance(event, MessagePlayed)]


async def test_a_message_to_who_is_on_hold_is_heard_and_music_goes_on(floor: Floor) -> None:
    await floor.join(Part.HOLD, floor.attempt)
    await floor.line.telephony.play(floor.attempt, Message.ABANDONED)
    await floor.line.until_told(MessagePlayed, floor.attempt)
    start = len(floor.called.ear.heard)
    await asyncio.sleep(0.3)
    music = set(sounds.frames(sounds.hold_music(), b""))
    assert {packet.payload for packet in floor.called.ear.heard[start + 1 :]} <= music
    assert is_one_stream(floor.called.ear.heard)


async def test_keys_go_out_as_telephone_events(line: Line, sipp: PlaySipp, ear: OpenEar) -> None:
    attempt, called = await called_leg(line, sipp, ear)
    await line.telephony.send_digits(attempt, "19*#D")
    await asyncio.sleep(1.6)
    events = [packet for packet in called.ear.heard if packet.payload_type == 101]
    presses: dict[int, list[RtpPacket]] = {}
    for packet in events:
        assert len(packet.payload) == EVENT_BYTES
        presses.setdefault(packet.timestamp, []).append(packet)
    assert [packets[0].payload[0] for packets in presses.values()] == [1, 9, 10, 11, 15]
    for packets in presses.values():
        durations = [int.from_bytes(packet.payload[2:], "big") for packet in packets]
        assert durations == [160, 320, 480, 640, 800, 800, 800]
        assert [packet.payload[1] >> 7 for packet in packets] == [0, 0, 0, 0, 1, 1, 1]
        assert [packet.marker for packet in packets] == [True] + [False] * 6
    starts = list(presses)
    assert all((b - a) & 0xFFFFFFFF >= 800 + 640 for a, b in pairwise(starts))
    ear_of_carrier = DigitEar()
    told = [ear_of_carrier.hear(p.payload, ssrc=p.ssrc, timestamp=p.timestamp) for p in events]
    assert [digit for digit in told if digit] == list("19*#D")
    assert len({packet.ssrc for packet in called.ear.heard}) == 1
    numbers = [packet.seq for packet in called.ear.heard]
    assert all((b - a) & 0xFFFF == 1 for a, b in pairwise(numbers))


async def test_keys_go_out_as_tones_where_the_peer_takes_no_events(
    line: Line, sipp: PlaySipp, ear: OpenEar
) -> None:
    attempt, called = await called_leg(line, sipp, ear, codecs="8")
    await line.telephony.send_digits(attempt, "5")
    await asyncio.sleep(0.5)
    heard = called.audio()
    loud = [frame for frame in heard[: len(heard) // 160 * 160].reshape(-1, 160) if frame.any()]
    tone = mixing.decode(sounds.key_tone("5"), 0).astype(int)
    said = [sample for frame in loud for sample in frame if abs(frame).max() > 500]
    assert len(said) == len(tone)
    assert max(abs(a - int(b)) for a, b in zip(tone, said, strict=True)) < 1100


async def test_a_key_pressed_in_a_conference_reaches_the_others_whole(floor: Floor) -> None:
    await floor.join(Part.TALK)
    async with floor.agent.speaking(AGENT), floor.supervisor.speaking(SUPERVISOR):
        await asyncio.sleep(0.2)
        await floor.called.presses("7", seq=100)
        await asyncio.sleep(0.5)
    for party in (floor.agent, floor.supervisor):
        events = [packet for packet in party.ear.heard if packet.payload_type == 101]
        assert [packet.payload[0] for packet in events] == [7] * 7
        assert len({packet.timestamp for packet in events}) == 1


async def test_comfort_noise_keeps_a_leg_alive_and_is_not_passed_on(
    open_line: OpenLine, sipp: PlaySipp, ear: OpenEar
) -> None:
    async with open_line(media_lost_s=1.0) as line:
        session, agent = await agent_leg(line, sipp, ear)
        noise = [b"\x40"]
        for n in range(8):
            await agent.ear.say(noise, to=agent.ours, payload_type=13, seq=n)
            await asyncio.sleep(0.3)
        assert (await line.telephony.live()).sessions == {session}


async def test_a_peer_is_told_how_its_audio_arrives(
    line: Line, sipp: PlaySipp, ear: OpenEar
) -> None:
    _, agent = await agent_leg(line, sipp, ear)
    loop = asyncio.get_running_loop()
    transport, reports = await loop.create_datagram_endpoint(
        Ear, local_addr=(HERE, agent.ear.port + 1)
    )
    try:
        async with agent.speaking(AGENT, lambda packets: packets[1:]):
            for _ in range(100):
                if reports.reports:
                    break
                await asyncio.sleep(0.1)
    finally:
        transport.close()
    [report] = rtcp.parse(reports.reports[0])
    assert report.ssrc == agent.ear.heard[0].ssrc
    assert report.sent_at != 0
    [block] = report.blocks
    assert block.ssrc == agent.ear.port
    assert 0.05 < block.fraction_lost < 0.15
    assert block.lost > 5

"""Audio over real RTP: who hears whom, told by what the packets say."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from uuid import uuid4

import pytest

from fairdial.core.ids import SessionId
from fairdial.media import digits, g711
from fairdial.ports import (
    AgentLegDown,
    AgentLegUp,
    CallAnswered,
    CallBridged,
    CallDigit,
    CallEnded,
    LiveLegs,
    Message,
    MessagePlayed,
    Part,
)

from .parties import Party, agent_leg, called_leg, is_one_stream
from .sip_cast import HERE, Ear, Line, OpenEar, OpenLine, PlaySipp, free_port, words

pytestmark = pytest.mark.wire


async def test_bridged_parties_hear_each_other_and_no_one_else(
    line: Line, sipp: PlaySipp, ear: OpenEar
) -> None:
    session, agent = await agent_leg(line, sipp, ear)
    attempt, called = await called_leg(line, sipp, ear)
    alone = await agent.says("X")
    assert called.heard_nothing_of(alone)

    await line.telephony.join(attempt, session, Part.TALK)
    bridged = await line.until_told(CallBridged, attempt)
    assert bridged.session_id == session
    question, answer = await called.says("C"), await agent.says("A", seq=10)
    assert await agent.hears(question)
    assert await called.hears(answer)

    stranger: Ear = await ear()
    intrusion = words("S", 5)
    await stranger.say(intrusion, to=agent.ours)
    await stranger.say(intrusion, to=called.ours)
    await asyncio.sleep(0.1)
    assert agent.heard_nothing_of(intrusion)
    assert called.heard_nothing_of(intrusion)
    assert stranger.heard == []
    assert is_one_stream(agent.ear.heard)
    assert is_one_stream(called.ear.heard)


async def test_an_agent_s_leg_stays_up_from_one_call_to_the_next(
    line: Line, sipp: PlaySipp, ear: OpenEar
) -> None:
    session, agent = await agent_leg(line, sipp, ear)
    first, leaving = await called_leg(line, sipp, ear)
    await line.telephony.join(first, session, Part.TALK)
    assert await agent.hears(await leaving.says("F"))
    await line.telephony.hang_up(first)
    await line.until_told(CallEnded, first)
    await leaving.sipp.played()
    assert await line.telephony.live() == LiveLegs(
        attempts=frozenset(), sessions=frozenset({session})
    )

    between = await agent.says("X")
    second, called = await called_leg(line, sipp, ear)
    await line.telephony.join(second, session, Part.TALK)
    assert await agent.hears(await called.says("S"))
    assert await called.hears(await agent.says("A", seq=20))
    assert called.heard_nothing_of(between)
    assert is_one_stream(agent.ear.heard)
    assert line.story(session) == ["AgentLegUp"]


async def test_the_first_packet_of_each_talk_is_marked(
    line: Line, sipp: PlaySipp, ear: OpenEar
) -> None:
    session, agent = await agent_leg(line, sipp, ear)
    attempt, called = await called_leg(line, sipp, ear)
    await line.telephony.join(attempt, session, Part.TALK)
    said = await called.says("C")
    assert await agent.hears(said)
    marks = {packet.payload: packet.marker for packet in agent.ear.heard}
    assert [marks[word] for word in said] == [True] + [False] * 9


async def test_a_law_and_mu_law_understand_each_other(
    line: Line, sipp: PlaySipp, ear: OpenEar
) -> None:
    session, agent = await agent_leg(line, sipp, ear)
    attempt, called = await called_leg(line, sipp, ear, codecs="8 101")
    await line.telephony.join(attempt, session, Part.TALK)
    said = await called.says("C", payload_type=8)
    assert await agent.hears([word.translate(g711.ALAW_TO_ULAW) for word in said])
    reply = await agent.says("A")
    assert await called.hears([word.translate(g711.ULAW_TO_ALAW) for word in reply])
    assert {packet.payload_type for packet in called.ear.heard} == {8}
    assert {packet.payload_type for packet in agent.ear.heard} == {0}


async def test_keys_pressed_pass_through(line: Line, sipp: PlaySipp, ear: OpenEar) -> None:
    session, agent = await agent_leg(line, sipp, ear)
    attempt, called = await called_leg(line, sipp, ear)
    await line.telephony.join(attempt, session, Part.TALK)
    await called.says("C")
    key_five = b"\x05\x8a\x03\x20"
    await called.ear.say([key_five], to=called.ours, payload_type=101, seq=10)
    assert await agent.hears([key_five])
    assert agent.ear.heard[-1].payload_type == 101


async def test_a_key_is_told_once_for_each_press(line: Line, sipp: PlaySipp, ear: OpenEar) -> None:
    attempt, called = await called_leg(line, sipp, ear)
    await called.says("C")
    for n, digit in enumerate("9*99"):
        await called.presses(digit, seq=100 + 50 * n)
    await line.until_told(CallDigit, attempt, count=4)
    await called.presses("#", seq=1000)
    last = await line.until_told(CallDigit, attempt, count=5)
    assert last.digit == "#"
    assert [e.digit for e in line.told if isinstance(e, CallDigit)] == list("9*99#")
    assert line.story(attempt)[-5:] == ["CallDigit"] * 5


async def test_a_key_numbered_as_in_our_offer_is_heard_even_if_the_answer_is_silent_on_it(
    line: Line, sipp: PlaySipp, ear: OpenEar
) -> None:
    attempt, called = await called_leg(line, sipp, ear, codecs="0")
    await called.presses("9", seq=100)
    assert (await line.until_told(CallDigit, attempt)).digit == "9"


async def test_a_key_is_told_while_a_message_plays_and_while_an_agent_listens(
    line: Line, sipp: PlaySipp, ear: OpenEar
) -> None:
    session, agent = await agent_leg(line, sipp, ear)
    attempt, called = await called_leg(line, sipp, ear)
    await called.says("C")
    await line.telephony.play(attempt, Message.ABANDONED)
    await called.presses("9", seq=100)
    assert (await line.until_told(CallDigit, attempt)).digit == "9"
    await line.telephony.join(attempt, session, Part.TALK)
    await line.until_told(CallBridged, attempt)
    await called.presses("5", seq=200)
    assert (await line.until_told(CallDigit, attempt, count=2)).digit == "5"
    assert await agent.hears(list(digits.press("5")))
    assert line.story(attempt)[-3:] == ["CallDigit", "CallBridged", "CallDigit"]


async def test_keys_of_an_agent_and_of_a_stranger_are_not_told(
    line: Line, sipp: PlaySipp, ear: OpenEar
) -> None:
    session, agent = await agent_leg(line, sipp, ear)
    attempt, called = await called_leg(line, sipp, ear)
    await called.says("C")
    await agent.says("A")
    await line.telephony.join(attempt, session, Part.TALK)
    await agent.presses("9", seq=100)
    stranger = Party(ear=await ear(), ours=called.ours, sipp=called.sipp)
    await stranger.presses("9", seq=100)
    await called.presses("1", seq=100)
    assert (await line.until_told(CallDigit)).digit == "1"


async def test_a_message_is_played_whole_and_in_time(
    line: Line, sipp: PlaySipp, ear: OpenEar
) -> None:
    attempt, called = await called_leg(line, sipp, ear)
    await line.telephony.play(attempt, Message.ABANDONED)
    await line.telephony.play(attempt, Message.ABANDONED)
    played = await line.until_told(MessagePlayed, attempt)
    assert played.message is Message.ABANDONED
    frames = [
        g711.encode_ulaw([250 * n + 100] * g711.FRAME_SAMPLES)
        for n in range(25)  # Half a second.
    ]
    assert await called.hears(frames)
    heard = [packet for packet in called.ear.heard if packet.payload in frames]
    assert [packet.payload for packet in heard] == frames
    steps = [(after.timestamp - before.timestamp) & 0xFFFFFFFF for before, after in pairwise(heard)]
    assert steps == [160] * 24
    answered = await line.until_told(CallAnswered, attempt)
    # Half a second of message, and three seconds to press a key.
    assert 3.48 <= (played.at - answered.at).total_seconds() <= 6
    assert line.story(attempt)[-2:] == ["CallAnswered", "MessagePlayed"]


async def test_a_leg_that_nobody_talks_to_is_kept_alive(
    line: Line, sipp: PlaySipp, ear: OpenEar
) -> None:
    _, agent = await agent_leg(line, sipp, ear)
    heard = await agent.ear.until_heard(3)
    assert {packet.payload for packet in heard} == {g711.SILENCE_ULAW}
    assert is_one_stream(heard)


async def test_a_phone_that_hangs_up_takes_the_agent_s_leg_down(line: Line, sipp: PlaySipp) -> None:
    session, port = SessionId(uuid4()), free_port()
    phone = sipp("hangs_up", port=port)
    await line.telephony.connect_agent(session, f"sip:agent1@{HERE}:{port}")
    down = await line.until_told(AgentLegDown, session)
    assert down.why == "the phone hung up (SIP BYE)"
    await phone.played()
    assert line.story(session) == ["AgentLegUp", "AgentLegDown"]


async def test_an_agent_s_leg_can_be_taken_down_and_come_back(line: Line, sipp: PlaySipp) -> None:
    session, port = SessionId(uuid4()), free_port()
    for count in (1, 2):
        phone = sipp("answers", port=port)
        await line.telephony.connect_agent(session, f"sip:agent1@{HERE}:{port}")
        await line.telephony.connect_agent(session, f"sip:agent1@{HERE}:{port}")
        await line.until_told(AgentLegUp, session, count=count)
        await line.telephony.disconnect_agent(session)
        await line.until_told(AgentLegDown, session, count=count)
        await phone.played()
    assert line.story(session) == ["AgentLegUp", "AgentLegDown"] * 2


@pytest.mark.parametrize(
    ("phone", "why"),
    [
        ("sip:agent1@127.0.0.1:9", "the phone did not reply within 2 s"),
        (
            "agent1",
            "'agent1' is no phone that can be called: write it as sip:name@host, "
            "sip:name@host:port (UDP), or phone:name for one that registers",
        ),
        (
            "sip:a@h:0",
            "'sip:a@h:0' is no phone that can be called: write it as sip:name@host, "
            "sip:name@host:port (UDP), or phone:name for one that registers",
        ),
    ],
)
async def test_a_phone_that_cannot_be_reached_is_said(line: Line, phone: str, why: str) -> None:
    session = SessionId(uuid4())
    await line.telephony.connect_agent(session, phone)
    down = await line.until_told(AgentLegDown, session)
    assert down.why == why


async def test_a_busy_phone_is_said(line: Line, sipp: PlaySipp) -> None:
    session, port = SessionId(uuid4()), free_port()
    sipp("refuses", port=port, status="486 Busy Here")
    await line.telephony.connect_agent(session, f"sip:agent1@{HERE}:{port}")
    assert (await line.until_told(AgentLegDown, session)).why == "SIP 486 Busy Here"


async def test_a_phone_that_has_gone_silent_takes_no_live_answer(
    open_line: OpenLine, sipp: PlaySipp, ear: OpenEar
) -> None:
    async with open_line(media_lost_s=0.5) as line:
        session, _ = await agent_leg(line, sipp, ear)
        down = await line.until_told(AgentLegDown, session)
        assert down.why == "the phone sent no audio for 0.5 s"
        assert (await line.telephony.live()).sessions == frozenset()

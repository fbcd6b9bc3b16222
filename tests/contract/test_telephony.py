"""The contract of `fairdial.ports.Telephony`: every engine keeps it, and these tests are it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from tests.adapters.sip.sip_cast import permit

from fairdial.core.answer import AnswerKind, Tone
from fairdial.core.attempt import EndCause, Message
from fairdial.core.conversation import Part
from fairdial.core.ids import AttemptId, InboundId, SessionId
from fairdial.exceptions import PermitMisused
from fairdial.ports import (
    AgentLegDown,
    AgentLegUp,
    AnswerJudged,
    CallAnswered,
    CallBridged,
    CallDialed,
    CallDigit,
    CallEnded,
    InboundBridged,
    InboundDigit,
    InboundEnded,
    InboundOffered,
    InboundPlayed,
    LiveLegs,
    MessagePlayed,
    RecordingEnded,
    ToneHeard,
)

from .worlds import CALLER, CAUSE_OF, OURS, Words, World, new_recording

# --- a call that we make --------------------------------------------------------------------------


async def test_tells_each_step_of_a_call_once_and_in_order(world: World) -> None:
    attempt = await world.answered()
    await world.telephony.hang_up(attempt)
    ended = await world.until(CallEnded, attempt)
    assert ended.cause is EndCause.WE_HUNG_UP
    await world.is_gone(attempt)
    assert world.story(attempt) == ["CallDialed", "CallRinging", "CallAnswered", "CallEnded"]


@pytest.mark.parametrize("status", CAUSE_OF)
async def test_says_in_our_words_why_a_call_was_refused(world: World, status: int) -> None:
    attempt = await world.ringing()
    await world.refuse(attempt, status)
    ended = await world.until(CallEnded, attempt)
    assert ended.cause is CAUSE_OF[status]
    assert str(status) in ended.raw


async def test_the_called_party_hangs_up(world: World) -> None:
    attempt = await world.answered()
    await world.hang_up(attempt)
    ended = await world.until(CallEnded, attempt)
    assert ended.cause is EndCause.CALLED_PARTY_HUNG_UP


async def test_takes_a_ringing_call_back(world: World) -> None:
    attempt = await world.ringing()
    await world.telephony.hang_up(attempt)
    ended = await world.until(CallEnded, attempt)
    assert ended.cause is EndCause.CANCELLED
    await world.is_gone(attempt)


async def test_dials_an_attempt_once_however_often_it_is_told(world: World) -> None:
    granted = world.permit()
    for _ in range(3):
        await world.telephony.dial(granted, ring_s=20)
    await world.until(CallDialed, granted.attempt_id)
    await world.ring(granted)
    await world.settle()
    assert world.rang(granted) == 1
    assert world.story(granted.attempt_id).count("CallDialed") == 1


async def test_an_expired_permit_rings_nobody(world: World) -> None:
    expired = permit(issued_at=datetime.now(UTC) - timedelta(minutes=1))
    with pytest.raises(PermitMisused):
        await world.telephony.dial(expired, ring_s=20)
    await world.settle()
    assert world.rang(expired) == 0
    assert await world.telephony.was_dialed([expired.attempt_id]) == {expired.attempt_id: False}


async def test_knows_what_was_dialed(world: World) -> None:
    attempt, never = await world.ringing(), AttemptId(uuid4())
    said = await world.telephony.was_dialed([attempt, never])
    assert said == {attempt: True, never: False}


async def test_knows_what_is_live(world: World) -> None:
    attempt, session = await world.talk()
    inbound = await world.call_in()
    assert await world.telephony.live() == LiveLegs(
        attempts=frozenset({attempt}), sessions=frozenset({session}), inbound=frozenset({inbound})
    )


async def test_commands_about_legs_that_are_gone_do_nothing(world: World) -> None:
    gone, nobody = AttemptId(uuid4()), SessionId(uuid4())
    told = list(world.told)
    await world.telephony.hang_up(gone)
    await world.telephony.answer(InboundId(uuid4()))
    await world.telephony.join(gone, nobody, Part.TALK)
    await world.telephony.leave(gone, nobody)
    await world.telephony.play(gone, Message.ABANDONED)
    await world.telephony.send_digits(gone, "1")
    await world.telephony.pause_recording(gone)
    await world.telephony.resume_recording(gone)
    await world.telephony.stop_recording(gone)
    await world.telephony.disconnect_agent(nobody)
    await world.settle()
    assert world.told == told


async def test_the_trunk_is_up_and_counts_its_calls(world: World) -> None:
    (before,) = await world.telephony.trunks()
    await world.ringing()
    (during,) = await world.telephony.trunks()
    assert before.is_up
    assert (before.calls, during.calls) == (0, 1)
    assert during.calls_max > 1


# --- phones of ours -------------------------------------------------------------------------------


async def test_an_answered_call_and_an_agent_hear_each_other(world: World) -> None:
    attempt, session = await world.talk()
    bridged = await world.until(CallBridged, attempt)
    assert bridged.session_id == session


async def test_nobody_hears_anybody_before_they_are_joined(world: World) -> None:
    session, attempt = await world.agent(), await world.answered()
    await world.hears(session, set())
    await world.hears(attempt, set())


async def test_an_agents_leg_stays_up_from_call_to_call(world: World) -> None:
    attempt, session = await world.talk()
    await world.hang_up(attempt)
    await world.until(CallEnded, attempt)
    await world.hears(session, set())
    following = await world.answered()
    await world.telephony.join(following, session, Part.TALK)
    await world.hears(session, {"called"})
    assert world.story(session) == ["AgentLegUp"]


async def test_an_agent_who_hangs_up_leaves_the_called_party_on_the_line(world: World) -> None:
    attempt, session = await world.talk()
    await world.lose(session)
    await world.until(AgentLegDown, session)
    await world.hears(attempt, set())
    assert "CallEnded" not in world.story(attempt)


async def test_an_agent_is_taken_off_the_line(world: World) -> None:
    attempt, session = await world.talk()
    await world.telephony.disconnect_agent(session)
    await world.until(AgentLegDown, session)
    assert (await world.telephony.live()).sessions == frozenset()
    assert (await world.telephony.live()).attempts == {attempt}


async def test_a_leg_is_nailed_up_once(world: World) -> None:
    session = await world.agent()
    await world.telephony.connect_agent(session, "sip:agent@127.0.0.1:5")
    await world.settle()
    assert world.story(session) == ["AgentLegUp"]


async def test_a_phone_that_is_none_is_told(world: World) -> None:
    session = SessionId(uuid4())
    await world.telephony.connect_agent(session, "tel:not-a-phone")
    down = await world.until(AgentLegDown, session)
    assert down.why


# --- who hears whom -------------------------------------------------------------------------------


async def test_a_muted_agent_hears_and_is_not_heard(world: World) -> None:
    attempt, session = await world.talk()
    await world.telephony.join(attempt, session, Part.LISTEN)
    await world.hears(attempt, set())
    await world.hears(session, {"called"})
    await world.telephony.join(attempt, session, Part.TALK)
    await world.hears(attempt, {"agent"})
    assert world.story(attempt).count("CallBridged") == 1


async def test_on_hold_a_called_party_hears_music_and_is_not_heard(world: World) -> None:
    attempt, session = await world.talk()
    await world.telephony.join(attempt, attempt, Part.HOLD)
    await world.hears(attempt, {"music"})
    await world.hears(session, set())
    await world.telephony.join(attempt, attempt, Part.TALK)
    await world.hears(attempt, {"agent"})
    await world.hears(session, {"called"})


async def test_three_in_a_conference_hear_the_two_others(world: World) -> None:
    attempt, session = await world.talk()
    colleague = await world.agent("colleague")
    await world.telephony.join(attempt, colleague, Part.TALK)
    await world.hears(attempt, {"agent", "colleague"})
    await world.hears(session, {"called", "colleague"})
    await world.hears(colleague, {"called", "agent"})


async def test_who_listens_hears_both_and_is_heard_by_nobody(world: World) -> None:
    attempt, session = await world.talk()
    boss = await world.agent("boss")
    await world.telephony.join(attempt, boss, Part.LISTEN)
    await world.hears(boss, {"called", "agent"})
    await world.hears(attempt, {"agent"})
    await world.hears(session, {"called"})


async def test_a_whisper_reaches_the_agent_and_never_the_called_party(world: World) -> None:
    attempt, session = await world.talk()
    boss = await world.agent("boss")
    await world.telephony.join(attempt, boss, Part.WHISPER)
    await world.hears(session, {"called", "boss"})
    await world.hears(attempt, {"agent"})
    await world.hears(boss, {"called", "agent"})
    await world.telephony.join(attempt, boss, Part.TALK)
    await world.hears(attempt, {"agent", "boss"})


async def test_a_supervisor_who_leaves_is_not_missed(world: World) -> None:
    attempt, session = await world.talk()
    boss = await world.agent("boss")
    await world.telephony.join(attempt, boss, Part.TALK)
    await world.hears(attempt, {"agent", "boss"})
    await world.telephony.leave(attempt, boss)
    await world.hears(attempt, {"agent"})
    await world.hears(boss, set())
    await world.hears(session, {"called"})


async def test_a_consulted_colleague_and_the_agent_talk_while_the_called_party_is_on_hold(
    world: World,
) -> None:
    attempt, session = await world.talk()
    colleague = await world.agent("colleague")
    await world.telephony.join(attempt, attempt, Part.HOLD)
    await world.telephony.join(attempt, colleague, Part.TALK)
    await world.hears(session, {"colleague"})
    await world.hears(colleague, {"agent"})
    await world.hears(attempt, {"music"})
    await world.telephony.join(attempt, attempt, Part.TALK)
    await world.telephony.leave(attempt, session)
    await world.hears(attempt, {"colleague"})
    await world.hears(colleague, {"called"})
    await world.hears(session, set())


async def test_a_parked_call_is_picked_up_by_another_agent(world: World) -> None:
    attempt, session = await world.talk()
    await world.telephony.join(attempt, attempt, Part.HOLD)
    await world.telephony.leave(attempt, session)
    await world.hears(attempt, {"music"})
    await world.hears(session, set())
    colleague = await world.agent("colleague")
    await world.telephony.join(attempt, colleague, Part.TALK)
    await world.telephony.join(attempt, attempt, Part.TALK)
    await world.hears(attempt, {"colleague"})
    second = await world.until(CallBridged, attempt, count=2)
    assert second.session_id == colleague


async def test_an_agent_is_in_one_conversation_at_a_time(world: World) -> None:
    first, session = await world.talk()
    second = await world.answered()
    await world.telephony.join(second, session, Part.TALK)
    await world.hears(second, {"agent"})
    await world.hears(first, set())
    await world.hears(session, {"called"})


# --- messages and keys ----------------------------------------------------------------------------


async def test_a_message_is_played_to_its_end(world: World) -> None:
    attempt = await world.answered()
    await world.telephony.play(attempt, Message.ABANDONED)
    played = await world.until(MessagePlayed, attempt)
    assert played.message is Message.ABANDONED


async def test_keys_of_the_called_party_are_told_one_by_one(world: World) -> None:
    attempt = await world.answered()
    await world.press(attempt, "9")
    assert (await world.until(CallDigit, attempt)).digit == "9"
    await world.press(attempt, "#")
    assert (await world.until(CallDigit, attempt, count=2)).digit == "#"


async def test_keys_that_we_press_reach_the_called_party(world: World) -> None:
    attempt, session = await world.talk()
    await world.telephony.send_digits(attempt, "42#")
    await world.eventually(lambda: world.keys(attempt) == "42#", lambda: world.keys(attempt))
    assert world.keys(session) == ""
    await world.hears(attempt, {"agent"})


# --- recordings -----------------------------------------------------------------------------------


async def test_a_recording_holds_the_outside_left_and_ours_right(
    world: World, tmp_path: Path
) -> None:
    attempt, session = await world.talk()
    boss = await world.agent("boss")
    recording, path = new_recording(), tmp_path / "call.wav"
    await world.telephony.join(attempt, boss, Part.TALK)
    await world.hears(session, {"called", "boss"})
    await world.telephony.record(attempt, recording, path)
    await world.live_on(1.5)
    await world.telephony.stop_recording(attempt)
    ended = await world.until(RecordingEnded, attempt)
    assert (ended.recording_id, ended.path, ended.fault) == (recording, path, "")
    assert world.taped(ended, 0) in (None, {"called"})
    assert world.taped(ended, 1) in (None, {"agent", "boss"})


async def test_a_recording_ends_with_its_call(world: World, tmp_path: Path) -> None:
    attempt, _ = await world.talk()
    recording = new_recording()
    await world.telephony.record(attempt, recording, tmp_path / "call.wav")
    await world.live_on(0.5)
    await world.hang_up(attempt)
    ended = await world.until(RecordingEnded, attempt)
    assert ended.recording_id == recording


# --- calls to us ----------------------------------------------------------------------------------


async def test_who_rings_us_up_is_offered_and_joined_with_an_agent(world: World) -> None:
    session, inbound = await world.agent(), await world.call_in()
    offered = await world.until(InboundOffered, inbound)
    assert (offered.caller, offered.called) == (CALLER, OURS)
    await world.telephony.answer(inbound)
    await world.telephony.join(inbound, session, Part.TALK)
    bridged = await world.until(InboundBridged, inbound)
    assert bridged.session_id == session
    await world.hears(session, {"called"})
    await world.hears(inbound, {"agent"})
    await world.give_up(inbound)
    ended = await world.until(InboundEnded, inbound)
    assert ended.cause is EndCause.CALLED_PARTY_HUNG_UP
    await world.hears(session, set())


async def test_who_gives_up_before_we_answer_is_told(world: World) -> None:
    inbound = await world.call_in()
    await world.give_up(inbound)
    await world.until(InboundEnded, inbound)
    assert world.story(inbound) == ["InboundOffered", "InboundEnded"]


async def test_we_decline_a_call_to_us(world: World) -> None:
    inbound = await world.call_in()
    await world.telephony.hang_up(inbound)
    await world.until(InboundEnded, inbound)
    assert (await world.telephony.live()).inbound == frozenset()


async def test_who_rings_us_up_hears_music_a_message_and_is_understood(world: World) -> None:
    inbound = await world.call_in()
    await world.telephony.answer(inbound)
    await world.telephony.join(inbound, inbound, Part.HOLD)
    await world.hears(inbound, {"music"})
    await world.telephony.join(inbound, inbound, Part.TALK)
    await world.telephony.play(inbound, Message.ABANDONED)
    await world.press(inbound, "9")
    assert (await world.until(InboundDigit, inbound)).digit == "9"
    assert (await world.until(InboundPlayed, inbound)).message is Message.ABANDONED


# --- the end --------------------------------------------------------------------------------------


async def test_stopping_ends_every_call_cleanly(world: World) -> None:
    attempt, _ = await world.talk()
    ringing = await world.ringing()
    await world.telephony.stop()
    await world.until(CallEnded, attempt)
    await world.until(CallEnded, ringing)
    await world.is_gone(attempt)
    await world.is_gone(ringing)


async def test_an_answer_and_a_leg_are_told_with_their_moment(world: World) -> None:
    attempt, session = await world.talk()
    up = await world.until(AgentLegUp, session)
    answered = await world.until(CallAnswered, attempt)
    assert up.at <= answered.at <= datetime.now(UTC) + timedelta(seconds=1)


# --- who, or what, answers ---


async def test_a_person_is_told_from_a_machine(world: World) -> None:
    attempt = await world.ringing(detect=True)
    await world.pick_up_saying(attempt, Words.HELLO)
    judged = await world.until(AnswerJudged, attempt)
    assert judged.kind is AnswerKind.PERSON
    assert 0.5 < judged.confidence <= 1
    assert judged.why


async def test_a_machine_is_told_and_so_is_its_beep(world: World) -> None:
    attempt = await world.ringing(detect=True)
    await world.pick_up_saying(attempt, Words.GREETING_AND_BEEP)
    judged = await world.until(AnswerJudged, attempt)
    assert judged.kind is AnswerKind.MACHINE
    beep = await world.until(ToneHeard, attempt)
    assert beep.tone is Tone.BEEP
    assert world.story(attempt).count("AnswerJudged") == 1


async def test_a_busy_tone_after_the_answer_is_told(world: World) -> None:
    attempt = await world.ringing(detect=True)
    await world.pick_up_saying(attempt, Words.BUSY_TONE)
    tone = await world.until(ToneHeard, attempt)
    assert tone.tone is Tone.BUSY
    judged = await world.until(AnswerJudged, attempt)
    assert judged.kind is AnswerKind.MACHINE


async def test_nobody_is_judged_who_was_not_to_be(world: World) -> None:
    attempt = await world.ringing()
    await world.pick_up_saying(attempt, Words.HELLO)
    await world.live_on(2.5)
    assert "AnswerJudged" not in world.story(attempt)

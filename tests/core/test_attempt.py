"""The attempt machine: in whatever order the network speaks, an attempt ends once and truly."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairdial.core import attempt as line
from fairdial.core import talk
from fairdial.core.answer import AnswerKind, Tone
from fairdial.core.attempt import IGNORED, OVERTAKING, TRANSITIONS, Attempt, AttemptState, EndCause
from fairdial.core.campaign import MachinePolicy
from fairdial.core.ids import E164, AttemptId, CampaignId, LeadId, PermitId, SessionId
from fairdial.core.outcome import Disposition, Outcome
from fairdial.exceptions import ImpossibleEvent

NOW = datetime(2026, 12, 1, 15, 40, tzinfo=UTC)
ADA = SessionId(UUID(int=70))
BELA = SessionId(UUID(int=71))
NETWORK: tuple[line.Event, ...] = (
    line.Dialed(),
    line.Rang(),
    line.Answered(session_id=None),
    line.Answered(session_id=ADA),
    *(line.Judged(kind=kind) for kind in AnswerKind),
    *(line.Heard(tone=tone) for tone in Tone),
    line.Bridged(),
    line.MessagePlayed(),
    line.OptedOut(),
    *(line.LegEnded(cause=cause, raw="SIP") for cause in EndCause),
)
OURS: tuple[line.Event, ...] = (
    line.NotDialed(why="engine down"),
    line.AgentReserved(session_id=ADA),
    line.DeadlinePassed(),
    line.HangUpAsked(),
    line.MessageLeft(),
    line.AgentLost(),
    line.Disposed(disposition=Disposition.SALE),
    line.NothingToRecord(),
    talk.Held(),
    talk.Unheld(),
    talk.Parked(),
    talk.HandedOver(session_id=BELA),
    talk.PassedOn(),
    talk.Noted(disposition=Disposition.NO_DISPOSITION),
    line.AgentLost(session_id=BELA),
)
EVENT_TYPES = {type(event) for event in NETWORK + OURS}


def an_attempt() -> Attempt:
    return Attempt(
        id=AttemptId(UUID(int=1)),
        permit_id=PermitId(UUID(int=2)),
        lead_id=LeadId(UUID(int=3)),
        campaign_id=CampaignId(UUID(int=4)),
        number=E164("+12125550142"),
        state=AttemptState.PERMITTED,
        permitted_at=NOW,
        ring_s=20,
        connect_ms_max=2000,
    )


def after(*events: line.Event) -> tuple[Attempt, list[line.Action]]:
    attempt = an_attempt()
    actions: list[line.Action] = []
    for seconds, event in enumerate(events):
        step = line.step(attempt, event, NOW + timedelta(seconds=seconds))
        attempt = step.attempt
        actions += step.actions
    return attempt, actions


def test_a_call_that_goes_well_is_connected_and_closed_by_the_disposition() -> None:
    attempt, actions = after(
        line.Dialed(),
        line.Rang(),
        line.Answered(session_id=ADA),
        line.Bridged(),
        line.LegEnded(cause=EndCause.CALLED_PARTY_HUNG_UP, raw="BYE"),
        line.Disposed(disposition=Disposition.SALE),
    )
    assert (attempt.state, attempt.outcome, attempt.disposition) == (
        AttemptState.CLOSED,
        Outcome.CONNECTED,
        Disposition.SALE,
    )
    assert actions == [
        line.MarkPermitUsed(),
        line.Bridge(session_id=ADA),
        line.ConnectAgent(session_id=ADA),
        line.StartWrapUp(session_id=ADA),
    ]


def test_nobody_free_by_the_connect_deadline_is_abandoned_and_hears_the_message() -> None:
    attempt, actions = after(
        line.Dialed(), line.Rang(), line.Answered(session_id=None), line.DeadlinePassed()
    )
    assert attempt.state is AttemptState.MESSAGE
    assert attempt.is_abandoned
    assert actions[-1] == line.PlayMessage(message=line.Message.ABANDONED)


ANSWERED = (line.Dialed(), line.Rang(), line.Answered(session_id=None))
HUNG_UP = line.LegEnded(cause=EndCause.WE_HUNG_UP, raw="our BYE")


def judged_first(policy: MachinePolicy, *events: line.Event) -> tuple[Attempt, list[line.Action]]:
    """An answered call whose answer is judged before anything else, and what follows."""
    attempt = replace(an_attempt(), machines=policy)
    actions: list[line.Action] = []
    for seconds, event in enumerate((*ANSWERED, *events)):
        step = line.step(attempt, event, NOW + timedelta(seconds=seconds))
        attempt = step.attempt
        actions += step.actions
    return attempt, actions[1:]


@pytest.mark.parametrize("kind", [AnswerKind.PERSON, AnswerKind.UNSURE])
def test_whoever_is_no_machine_waits_for_an_agent_from_the_greeting_s_end(kind: AnswerKind) -> None:
    ended_at = NOW + timedelta(seconds=2.2)
    judged = line.Judged(kind=kind, greeting_started_at=NOW, greeting_ended_at=ended_at)
    attempt, actions = judged_first(MachinePolicy.HANG_UP, judged)
    assert attempt.state is AttemptState.WAITING
    assert attempt.deadline_at == ended_at + timedelta(seconds=2)
    assert (attempt.greeting_started_at, attempt.greeting_ended_at) == (NOW, ended_at)
    assert actions == []


def test_a_judgement_that_never_comes_makes_nobody_wait() -> None:
    attempt, _ = judged_first(MachinePolicy.HANG_UP, line.DeadlinePassed())
    assert attempt.state is AttemptState.WAITING


def test_a_machine_is_hung_up_on_and_is_not_abandoned() -> None:
    judged = line.Judged(kind=AnswerKind.MACHINE)
    attempt, actions = judged_first(MachinePolicy.HANG_UP, judged, HUNG_UP)
    assert actions == [line.HangUp(), line.Close()]
    assert (attempt.outcome, attempt.disposition) == (Outcome.MACHINE, Disposition.MACHINE)
    assert not attempt.is_abandoned


def test_a_message_is_left_after_the_beep_and_not_before() -> None:
    judged, beep = line.Judged(kind=AnswerKind.MACHINE), line.Heard(tone=Tone.BEEP)
    waits, before = judged_first(MachinePolicy.LEAVE_MESSAGE, judged)
    assert (waits.state, before) == (AttemptState.MACHINE, [])
    attempt, actions = judged_first(
        MachinePolicy.LEAVE_MESSAGE, judged, beep, line.MessagePlayed(), HUNG_UP
    )
    assert actions == [
        line.PlayMessage(message=line.Message.VOICEMAIL),
        line.HangUp(),
        line.Close(),
    ]
    assert (attempt.outcome, attempt.is_abandoned) == (Outcome.MESSAGE_LEFT, False)


def test_a_beep_that_gave_the_machine_away_is_the_one_to_speak_after() -> None:
    beep, judged = line.Heard(tone=Tone.BEEP), line.Judged(kind=AnswerKind.MACHINE)
    attempt, actions = judged_first(MachinePolicy.LEAVE_MESSAGE, beep, judged)
    assert attempt.state is AttemptState.MESSAGE
    assert actions == [line.PlayMessage(message=line.Message.VOICEMAIL)]


def test_without_a_beep_no_message_is_left() -> None:
    judged = line.Judged(kind=AnswerKind.MACHINE)
    attempt, actions = judged_first(
        MachinePolicy.LEAVE_MESSAGE, judged, line.DeadlinePassed(), HUNG_UP
    )
    assert actions == [line.HangUp(), line.Close()]
    assert attempt.outcome is Outcome.MACHINE


@pytest.mark.parametrize(
    ("tone", "outcome"),
    [
        (Tone.BUSY, Outcome.BUSY),
        (Tone.CONGESTION, Outcome.CONGESTION),
        (Tone.SIT_VACANT, Outcome.INVALID),
        (Tone.FAX, Outcome.INVALID),
    ],
)
def test_a_tone_ends_the_call_and_says_what_it_was(tone: Tone, outcome: Outcome) -> None:
    heard = (line.Heard(tone=tone), line.Judged(kind=AnswerKind.MACHINE), HUNG_UP)
    attempt, actions = judged_first(MachinePolicy.LEAVE_MESSAGE, *heard)
    assert set(actions) == {line.HangUp(), line.Close()}
    assert (attempt.outcome, attempt.is_abandoned) == (outcome, False)
    cancelled = line.LegEnded(cause=EndCause.CANCELLED, raw="our CANCEL")
    early, _ = after(line.Dialed(), line.Heard(tone=tone), cancelled)
    assert early.outcome is outcome


def test_a_person_who_hangs_up_while_being_judged_counts_as_abandoned() -> None:
    ended = line.LegEnded(cause=EndCause.CALLED_PARTY_HUNG_UP, raw="BYE")
    attempt, _ = judged_first(MachinePolicy.HANG_UP, ended)
    assert (attempt.outcome, attempt.is_abandoned) == (Outcome.ABANDONED, True)


def hears_the_message(*more: line.Event) -> tuple[Attempt, list[line.Action]]:
    """Nobody was free; then what comes while the message plays."""
    start = (line.Dialed(), line.Rang(), line.Answered(session_id=None), line.DeadlinePassed())
    _, before = after(*start)
    attempt, actions = after(*start, *more)
    return attempt, actions[len(before) :]


def test_the_key_of_the_message_is_a_stop_request_and_ends_the_call_at_once() -> None:
    attempt, actions = hears_the_message(line.OptedOut())
    assert attempt.disposition is Disposition.STOP_CALLING
    assert actions == [line.RecordStopRequest(), line.HangUp()]


def test_a_call_that_ends_by_the_key_is_abandoned_all_the_same() -> None:
    ended = line.LegEnded(cause=EndCause.WE_HUNG_UP, raw="our BYE")
    attempt, actions = hears_the_message(line.OptedOut(), ended, line.NothingToRecord())
    assert (attempt.state, attempt.outcome, attempt.disposition, attempt.is_abandoned) == (
        AttemptState.CLOSED,
        Outcome.ABANDONED,
        Disposition.STOP_CALLING,
        True,
    )
    assert actions[-1] == line.Close()


def test_the_key_pressed_again_and_again_is_one_stop_request() -> None:
    _, actions = hears_the_message(line.OptedOut(), line.OptedOut(), line.MessagePlayed())
    assert actions.count(line.RecordStopRequest()) == 1


def test_the_key_in_the_seconds_after_the_message_still_counts() -> None:
    attempt, _ = hears_the_message(line.MessagePlayed(), line.OptedOut())
    assert attempt.disposition is Disposition.STOP_CALLING


@pytest.mark.parametrize(
    "before",
    [
        (),
        (line.Dialed(),),
        (line.Dialed(), line.Rang()),
        (line.Dialed(), line.Answered(session_id=None)),
        (line.Dialed(), line.Answered(session_id=ADA)),
        (line.Dialed(), line.Answered(session_id=ADA), line.Bridged()),
        (line.Dialed(), line.LegEnded(cause=EndCause.BUSY, raw="")),
    ],
)
def test_the_key_means_nothing_while_no_message_plays(before: tuple[line.Event, ...]) -> None:
    attempt, _ = after(*before)
    assert line.step(attempt, line.OptedOut(), NOW) == line.Step(attempt=attempt)


def test_the_connect_deadline_is_kept_on_the_attempt() -> None:
    attempt, _ = after(line.Dialed(), line.Answered(session_id=None))
    assert attempt.answered_at is not None
    assert attempt.deadline_at == attempt.answered_at + timedelta(milliseconds=2000)


def test_an_agent_who_becomes_free_within_the_deadline_saves_the_call() -> None:
    attempt, actions = after(
        line.Dialed(), line.Answered(session_id=None), line.AgentReserved(session_id=ADA)
    )
    assert attempt.state is AttemptState.BRIDGING
    assert actions[-1] == line.Bridge(session_id=ADA)


def test_a_person_who_hangs_up_while_waiting_counts_as_abandoned() -> None:
    attempt, actions = after(
        line.Dialed(),
        line.Answered(session_id=None),
        line.LegEnded(cause=EndCause.CALLED_PARTY_HUNG_UP, raw="BYE"),
    )
    assert (attempt.outcome, attempt.is_abandoned) == (Outcome.ABANDONED, True)
    assert actions[-1] == line.Close()


def test_an_answer_that_crosses_our_cancel_is_hung_up_and_counts_as_abandoned() -> None:
    attempt, actions = after(
        line.Dialed(), line.Rang(), line.HangUpAsked(), line.Answered(session_id=ADA)
    )
    assert attempt.is_abandoned
    assert actions[-2:] == [line.ReleaseAgent(session_id=ADA), line.HangUp()]


def test_an_agent_lost_before_the_talk_leaves_the_call_waiting_for_another() -> None:
    attempt, _ = after(line.Dialed(), line.Answered(session_id=ADA), line.AgentLost())
    assert (attempt.state, attempt.session_id) == (AttemptState.WAITING, None)


def test_nothing_sent_voids_the_permit_and_uses_no_attempt() -> None:
    attempt, actions = after(line.NotDialed(why="engine down"))
    assert (attempt.state, attempt.outcome) == (AttemptState.ENDED, Outcome.NOT_DIALED)
    assert actions == [line.VoidPermit(), line.Close()]


def test_an_answer_that_overtakes_everything_still_marks_the_permit_used() -> None:
    attempt, actions = after(line.Answered(session_id=ADA))
    assert attempt.state is AttemptState.BRIDGING
    assert actions == [line.MarkPermitUsed(), line.Bridge(session_id=ADA)]


@pytest.mark.parametrize(
    ("cause", "outcome"),
    [
        (EndCause.BUSY, Outcome.BUSY),
        (EndCause.NO_ANSWER, Outcome.NO_ANSWER),
        (EndCause.INVALID, Outcome.INVALID),
        (EndCause.REJECTED, Outcome.REJECTED),
        (EndCause.CONGESTION, Outcome.CONGESTION),
        (EndCause.CANCELLED, Outcome.CANCELLED),
        (EndCause.NO_RESPONSE, Outcome.FAILED),
        (EndCause.ENGINE_LOST, Outcome.FAILED),
    ],
)
def test_an_unanswered_end_has_its_outcome(cause: EndCause, outcome: Outcome) -> None:
    attempt, _ = after(line.Dialed(), line.Rang(), line.LegEnded(cause=cause, raw=""))
    assert attempt.outcome is outcome


def test_an_impossible_event_says_so_and_changes_nothing() -> None:
    before, _ = after(line.Dialed())
    with pytest.raises(ImpossibleEvent, match="dialing and cannot have Bridged"):
        line.step(before, line.Bridged(), NOW)


def test_every_pair_of_state_and_network_event_is_decided_on_purpose() -> None:
    undecided = {
        (state, kind)
        for state in AttemptState
        for kind in {type(event) for event in NETWORK}
        if (state, kind) not in TRANSITIONS
        and (state, kind) not in IGNORED
        and (state, kind) not in OVERTAKING
    }
    # A joined leg or a finished message before an answer would be the engine lying to us.
    assert undecided == {
        (state, kind)
        for state in (AttemptState.PERMITTED, AttemptState.DIALING, AttemptState.RINGING)
        for kind in (line.Bridged, line.MessagePlayed, line.Judged)
    } | {
        (state, kind)
        for state in (AttemptState.LISTENING, AttemptState.MACHINE)
        for kind in (line.Bridged, line.MessagePlayed)
    } | {
        (AttemptState.WAITING, line.Bridged),
        (AttemptState.WAITING, line.MessagePlayed),
        (AttemptState.BRIDGING, line.MessagePlayed),
    }


def test_no_pair_is_both_handled_and_ignored() -> None:
    assert not set(TRANSITIONS) & IGNORED
    assert {kind for _, kind in TRANSITIONS} == EVENT_TYPES


@given(st.lists(st.sampled_from(NETWORK + OURS), max_size=30))
def test_any_order_of_events_ends_once_and_truthfully(events: list[line.Event]) -> None:
    attempt = an_attempt()
    used = voided = closes = stops = 0
    for seconds, event in enumerate(events):
        try:
            step = line.step(attempt, event, NOW + timedelta(seconds=seconds))
        except ImpossibleEvent:
            continue
        before, attempt = attempt, step.attempt
        used += step.actions.count(line.MarkPermitUsed())
        voided += step.actions.count(line.VoidPermit())
        closes += step.actions.count(line.Close())
        stops += step.actions.count(line.RecordStopRequest())
        if line.RecordStopRequest() in step.actions:
            # Never without ending the call, and only while a message has the line.
            assert before.state in (AttemptState.MESSAGE, AttemptState.PARKED)
            assert line.HangUp() in step.actions
        if before.state in (AttemptState.ENDED, AttemptState.CLOSED):
            # An ended attempt never rings, plays or joins anything again.
            assert not step.actions
            assert (attempt.outcome, attempt.ended_at) == (before.outcome, before.ended_at)
        if before.is_abandoned:
            assert attempt.is_abandoned
            assert attempt.bridged_at == before.bridged_at
    assert used <= 1
    assert voided <= 1
    assert not (used and voided)
    assert closes <= 1
    assert stops <= 1
    if stops:
        # Nobody was free for the call, or nobody came back to it.
        assert attempt.is_abandoned or attempt.bridged_at is not None
        assert attempt.disposition is not None
    ended = attempt.state in (AttemptState.ENDED, AttemptState.CLOSED)
    assert ended == (attempt.outcome is not None)
    if attempt.dialed_at is not None:
        assert used == 1
    if ended:
        assert used or voided
    if attempt.state in (
        AttemptState.BRIDGING,
        AttemptState.TALKING,
        AttemptState.PARKED,
        AttemptState.TRANSFERRED,
    ):
        assert attempt.session_id is not None
    if attempt.state is AttemptState.PARKED:
        # Music with a limit: nobody is left on hold for good.
        assert attempt.is_held
        assert attempt.deadline_at is not None
    if attempt.state in (AttemptState.DIALING, AttemptState.RINGING, AttemptState.WAITING):
        assert attempt.deadline_at is not None


@given(
    st.lists(st.sampled_from(NETWORK), min_size=1, max_size=12).flatmap(
        lambda events: st.tuples(st.just(events), st.permutations(events + events))
    )
)
def test_doubled_and_shuffled_network_events_never_undo_an_end(
    drawn: tuple[list[line.Event], list[line.Event]],
) -> None:
    _, events = drawn
    attempt = an_attempt()
    ended_at = None
    for seconds, event in enumerate(events):
        try:
            attempt = line.step(attempt, event, NOW + timedelta(seconds=seconds)).attempt
        except ImpossibleEvent:
            continue
        if ended_at is not None:
            assert attempt.ended_at == ended_at
        ended_at = attempt.ended_at


TALKS = (line.Dialed(), line.Answered(session_id=ADA), line.Bridged())


def test_a_called_party_on_hold_is_not_hung_up_on_when_the_agent_is_lost() -> None:
    attempt, actions = after(*TALKS, talk.Held(), line.AgentLost(session_id=ADA))
    assert attempt.state is AttemptState.PARKED
    assert actions[-2:] == [talk.Hold(), talk.EndTalk(session_id=ADA)]


def test_an_agent_lost_ends_a_talk_only_if_it_is_theirs() -> None:
    handed_over = (*TALKS, talk.HandedOver(session_id=BELA))
    attempt, _ = after(*handed_over, line.AgentLost(session_id=ADA))
    assert (attempt.state, attempt.hang_up_asked) == (AttemptState.TALKING, False)
    attempt, actions = after(*handed_over, line.AgentLost(session_id=BELA))
    assert actions[-1] == line.HangUp()


def test_a_parked_call_that_nobody_picks_up_hears_the_message_and_stays_connected() -> None:
    attempt, actions = after(*TALKS, talk.Parked(), line.DeadlinePassed())
    assert actions[-2:] == [talk.Unhold(), line.PlayMessage(message=line.Message.ABANDONED)]
    ended = line.step(attempt, line.LegEnded(cause=EndCause.WE_HUNG_UP, raw=""), NOW)
    assert (ended.attempt.outcome, ended.attempt.is_abandoned) == (Outcome.CONNECTED, False)
    assert ended.actions == (line.StartWrapUp(session_id=ADA),)


def test_what_was_noted_stands_unless_the_last_agent_says_more() -> None:
    noted = (*TALKS, talk.HandedOver(session_id=BELA), talk.Noted(disposition=Disposition.SALE))
    ended = (*noted, line.LegEnded(cause=EndCause.CALLED_PARTY_HUNG_UP, raw=""))
    silent, _ = after(*ended, line.Disposed(disposition=Disposition.NO_DISPOSITION))
    assert silent.disposition is Disposition.SALE
    last, _ = after(*ended, line.Disposed(disposition=Disposition.NOT_INTERESTED))
    assert last.disposition is Disposition.NOT_INTERESTED


def test_a_stop_request_that_was_noted_stands_whatever_comes_after() -> None:
    attempt, _ = after(
        *TALKS,
        talk.HandedOver(session_id=BELA),
        talk.Noted(disposition=Disposition.STOP_CALLING),
        line.LegEnded(cause=EndCause.CALLED_PARTY_HUNG_UP, raw=""),
        line.Disposed(disposition=Disposition.SALE),
    )
    assert attempt.disposition is Disposition.STOP_CALLING

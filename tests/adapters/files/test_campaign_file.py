"""Campaign files: everything is read, and nothing wrong is quietly ignored."""

from __future__ import annotations

import re
import wave
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairdial.adapters.files.campaign import CampaignFile, read_campaign
from fairdial.core.attempt import Message
from fairdial.core.caller_id import CallerIdPool
from fairdial.core.campaign import (
    DialMode,
    InboundAnswer,
    InboundPlan,
    MachinePolicy,
    Method,
    Pace,
    Purpose,
    RetryPlan,
    RetryRule,
)
from fairdial.core.ids import E164
from fairdial.core.outcome import Disposition, Outcome
from fairdial.core.recording import RecordingPlan, RecordingPolicy
from fairdial.exceptions import SettingsError

CAMPAIGN = """\
[campaign]
name = "Spring offer"
seller = "Meridian Savings Bank"
purpose = "telemarketing"
method = "live_autodialed"
caller_id = "+12025550123"
caller_name = "Meridian"
ring_s = 25
connect_ms_max = 1500
wrap_up_s = 10
script = "My name is {agent}, calling for Meridian Savings Bank about our offer."

[dialing]
mode = "predictive"
dial_level = 2
dial_level_max = 4.5
abandon_rate_target = 0.02
calls_in_flight_max = 40
calls_per_second_max = 5

[lists]
do_not_call = "national.txt"
do_not_call_as_of = 2026-11-20
internal_do_not_call = "lists/own.txt"

[agents]
count = 8
phones = ["sip:ada@192.0.2.10", "sip:bela@192.0.2.10:5070"]
dispositions = ["sale", "stop_calling"]

[messages]
abandoned = "sorry.wav"

[retry.busy]
after_minutes = 15
attempts_max = 5
"""


def save(folder: Path, text: str | bytes = CAMPAIGN) -> Path:
    """A campaign file with the files that it names."""
    (folder / "lists").mkdir(exist_ok=True)
    (folder / "national.txt").write_text("2125550142\n")
    (folder / "lists" / "own.txt").write_text("2125550143\n")
    record(folder / "sorry.wav")
    path = folder / "campaign.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def record(path: Path, *, rate: int = 8_000, seconds: float = 1.0) -> None:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(b"\0\0" * int(rate * seconds))


def refusal(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        read_campaign(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def with_line(line: str, *, under: str) -> str:
    """The campaign with one line replaced (or added) under a section."""
    key = line.split("=")[0].strip()
    head, section, rest = CAMPAIGN.partition(f"[{under}]\n")
    body, mark, tail = rest.partition("\n\n")
    body = re.sub(rf"^{re.escape(key)} =.*\n?", "", body + "\n", flags=re.MULTILINE)
    return f"{head}{section}{line}\n{body}{mark}{tail}"


def test_reads_everything(tmp_path: Path) -> None:
    path = save(tmp_path)
    assert read_campaign(path) == CampaignFile(
        path=path,
        name="Spring offer",
        seller="Meridian Savings Bank",
        purpose=Purpose.TELEMARKETING,
        method=Method.LIVE_AUTODIALED,
        caller_id=E164("+12025550123"),
        caller_name="Meridian",
        ring_s=25,
        connect_ms_max=1500,
        wrap_up_s=10,
        script="My name is {agent}, calling for Meridian Savings Bank about our offer.",
        pace=Pace(
            mode=DialMode.PREDICTIVE,
            dial_level=2.0,
            dial_level_max=4.5,
            abandon_rate_target=0.02,
            calls_in_flight_max=40,
            calls_per_second_max=5.0,
        ),
        retry=RetryPlan(
            rules={Outcome.BUSY: RetryRule(after=timedelta(minutes=15), attempts_max=5)}
        ),
        do_not_call=tmp_path / "national.txt",
        do_not_call_as_of=date(2026, 11, 20),
        internal_do_not_call=tmp_path / "lists/own.txt",
        agents=8,
        phones=("sip:ada@192.0.2.10", "sip:bela@192.0.2.10:5070"),
        dispositions=(Disposition.SALE, Disposition.STOP_CALLING),
        machines=MachinePolicy.CONNECT,
        pool=None,
        recording=None,
        inbound=None,
        transfer={},
        messages={},
        abandoned_message=tmp_path / "sorry.wav",
        warnings=(),
    )


def test_a_retry_rule_may_wait_longer_each_time(tmp_path: Path) -> None:
    found = read_campaign(
        save(tmp_path, with_line("after_minutes = [15, 60, 1440]", under="retry.busy"))
    )
    assert found.retry.rules[Outcome.BUSY] == RetryRule(
        after=timedelta(minutes=15),
        attempts_max=5,
        then=(timedelta(hours=1), timedelta(days=1)),
    )


def test_the_smallest_campaign_has_careful_defaults(tmp_path: Path) -> None:
    text = """[campaign]
name = "Survey"
seller = "Meridian"
purpose = "survey"
method = "live_autodialed"
caller_id = "202-555-0123"
script = "I am {agent}, calling for Meridian about our service."
"""
    found = read_campaign(save(tmp_path, text))
    assert (found.pace, found.ring_s, found.connect_ms_max) == (Pace(), 20, 2_000)
    assert (found.caller_name, found.agents, found.dispositions) == ("Meridian", 1, ())
    assert (found.retry, found.do_not_call, found.warnings) == (RetryPlan(), None, ())


@pytest.mark.parametrize(
    ("line", "under", "complaint"),
    [
        ("ring_s = 14", "campaign", r"line 2: campaign.ring_s is 14; .*47 CFR 64.1200\(a\)\(6\)"),
        ("connect_ms_max = 2001", "campaign", r"connect_ms_max is 2001; .*64.1200\(a\)\(7\)"),
        ("ring_s = true", "campaign", "ring_s must be a whole number, not true or false"),
        ("ring_s = 20.0", "campaign", "must be a whole number, not a number with a fraction"),
        ("wrap_up_s = -1", "campaign", "wrap_up_s is -1; it must be 0 to 600"),
        ("wrapup_s = 4", "campaign", "wrapup_s is not known. Did you mean wrap_up_s?"),
        ('purpose = "sales"', "campaign", 'purpose is "sales"; it must be one of telemarketing'),
        ('method = "live"', "campaign", "method is .live."),
        ('caller_id = "12"', "campaign", "caller_id is .12.: it is too short.*12025550123"),
        ("caller_id = 12025550123", "campaign", "caller_id must be text in quotes"),
        ('name = "  "', "campaign", "name must not be empty"),
        ('script = ""', "campaign", "script must not be empty"),
        ('seller = "a\\u0007"', "campaign", "seller holds a control character"),
        ('mode = "preditive"', "dialing", "line 14: .*Did you mean predictive?"),
        ("dial_level_max = nan", "dialing", "dial_level_max is nan"),
        ("dial_level = 0.5", "dialing", "dial_level is 0.5; it must be 1 to 10"),
        ("abandon_rate_target = 0.031", "dialing", r"0.001 to 0.03 \(47 CFR 64.1200\(a\)\(7\)"),
        ("calls_in_flight_max = 0", "dialing", "calls_in_flight_max is 0"),
        ("calls_per_second_max = 0", "dialing", "calls_per_second_max is 0"),
        ("count = 201", "agents", "count is 201; it must be 1 to 200"),
        ('dispositions = ["sale"]', "agents", "needs stop_calling"),
        ('dispositions = ["stop_calling", "stop_calling"]', "agents", "twice"),
        ('dispositions = "sale"', "agents", "must be a list"),
        ("dispositions = [1]", "agents", "is a whole number; it must be one of sale"),
        ('do_not_call = "nowhere.txt"', "lists", "there is no file .*nowhere.txt"),
        ('do_not_call_as_of = "soon"', "lists", "must be a date: 2026-11-20"),
        ('do_not_call_as_of = "2026-02-30"', "lists", "a day that does not exist"),
        ('abandoned = "national.txt"', "messages", "is no WAV recording"),
        ("after_minutes = 0", "retry.busy", "retry.busy.after_minutes is 0; it must be 1 to 86400"),
        ("after_minutes = []", "retry.busy", "must be a number or a list of 1 to 20 numbers"),
        ("after_minutes = [5, 0]", "retry.busy", "after_minutes is 0; it must be 1 to 86400"),
        ("after_minutes = [5, true]", "retry.busy", "must be a whole number, not true or false"),
        ("after = 5", "retry.busy", "retry.busy.after is not known"),
    ],
)  # fmt: skip
def test_names_the_key_the_line_and_what_would_be_right(
    tmp_path: Path, line: str, under: str, complaint: str
) -> None:
    said = refusal(save(tmp_path, with_line(line, under=under)))
    assert re.search(complaint, said), said
    assert re.search(r"campaign\.toml, line \d+: ", said)


@pytest.mark.parametrize("key", ["name", "seller", "purpose", "method", "caller_id", "script"])
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    text = re.sub(rf"^{key} = .*\n", "", CAMPAIGN, flags=re.MULTILINE)
    assert f"campaign.{key} is missing" in refusal(save(tmp_path, text))


def test_unknown_sections_and_outcomes_are_named_with_their_nearest(tmp_path: Path) -> None:
    assert "line 34: dialling is not known. Did you mean dialing?" in refusal(
        save(tmp_path, CAMPAIGN.replace("[retry.busy]", "[dialling]"))
    )
    assert "retry.bussy is not known. Did you mean busy?" in refusal(
        save(tmp_path, CAMPAIGN.replace("retry.busy", "retry.bussy"))
    )
    assert "the section [campaign] is missing" in refusal(save(tmp_path, ""))


def test_automatic_dialing_must_not_call_itself_manual(tmp_path: Path) -> None:
    text = with_line('method = "live_manual"', under="campaign")
    assert 'write method = "live_autodialed"' in refusal(save(tmp_path, text))


def test_predictive_sales_calls_need_a_message_for_abandoned_calls(tmp_path: Path) -> None:
    silent = CAMPAIGN.replace('[messages]\nabandoned = "sorry.wav"\n', "")
    assert "messages.abandoned is missing" in refusal(save(tmp_path, silent))
    progressive = silent.replace('"predictive"', '"progressive"')
    assert read_campaign(save(tmp_path, progressive)).warnings == (
        "No recording is named for calls that no agent can take.",
    )


def test_refuses_a_recording_that_telephone_lines_do_not_carry(tmp_path: Path) -> None:
    path = save(tmp_path)
    record(tmp_path / "sorry.wav", rate=44_100)
    assert "44100 Hz" in refusal(path)
    record(tmp_path / "sorry.wav", seconds=31)
    assert "31.0 s long" in refusal(path)


def test_warns_of_a_script_that_does_not_say_who_for_whom_and_why(tmp_path: Path) -> None:
    text = with_line('script = "Hello, how are you today?"', under="campaign")
    assert [w[:30] for w in read_campaign(save(tmp_path, text)).warnings] == [
        "The script does not name the s",
        "The script does not say who ca",
        "The script does not say why we",
    ]


def test_warns_of_sales_calls_without_a_registry_copy(tmp_path: Path) -> None:
    text = CAMPAIGN.replace('do_not_call = "national.txt"\n', "", 1)
    assert any("registry" in w for w in read_campaign(save(tmp_path, text)).warnings)


def test_refuses_files_that_are_no_campaign(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nowhere.toml")
    assert "is a folder" in refusal(tmp_path)
    assert "no valid TOML" in refusal(save(tmp_path, "name: Spring\n"))
    assert "at line 2" in refusal(save(tmp_path, "[campaign]\nname = Spring\n"))
    assert "not UTF-8" in refusal(save(tmp_path, b"# \xff\n"))
    assert "larger than" in refusal(save(tmp_path, b"#" * 1_000_001))
    assert "nested too deeply" in refusal(save(tmp_path, "a = " + "[" * 5_000))


@settings(max_examples=150, deadline=None)
@given(
    key=st.sampled_from(re.findall(r"^(\w+) =", CAMPAIGN, flags=re.MULTILINE)),
    value=st.one_of(
        st.integers().map(str), st.floats().map(repr), st.booleans().map(lambda b: str(b).lower()),
        st.sampled_from(['""', "[]", "{}", "[[1]]", "{a = 1}", "2026-01-01", "07:00:00", '"x"']),
    ),
)  # fmt: skip
def test_any_value_is_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: str
) -> None:
    text = re.sub(rf"^{key} = .*$", f"{key} = {value}", CAMPAIGN, flags=re.MULTILINE)
    path = save(tmp_path_factory.getbasetemp(), text)
    try:
        read_campaign(path)
        said = f"{path}: read"
    except SettingsError as refused:
        said = str(refused)
    assert str(path) in said


MORE = """
[machines]
policy = "leave_message"

[inbound]
answer = "agents"
queue_s = 45

[caller_id]
numbers = ["+1 212 555 0111", "+13125550111"]
local_presence = true
calls_a_day_max = 80

[recording]
policy = "all"
notice = "This call is recorded."
keep_days = 30

[transfer]
closers = "phone:closers"
billing = "sip:billing@192.0.2.10"
"""


def with_recordings(folder: Path, *keys: str) -> Path:
    """The campaign with machines, calls to us and destinations, and these recordings."""
    lines = "".join(f'{key} = "{key}.wav"\n' for key in keys)
    for key in keys:
        record(folder / f"{key}.wav")
    return save(folder, CAMPAIGN.replace("[messages]\n", f"[messages]\n{lines}") + MORE)


def test_reads_machines_calls_to_us_and_destinations(tmp_path: Path) -> None:
    file = read_campaign(with_recordings(tmp_path, "voicemail", "call_back", "opted_out"))
    assert file.machines is MachinePolicy.LEAVE_MESSAGE
    assert file.inbound == InboundPlan(answer=InboundAnswer.AGENTS, queue_s_max=45)
    assert file.pool == CallerIdPool(
        numbers=(E164("+12125550111"), E164("+13125550111")),
        local_presence=True,
        calls_a_day_max=80,
    )
    assert file.recording == RecordingPlan(
        policy=RecordingPolicy.ALL, notice="This call is recorded.", keep=timedelta(days=30)
    )
    assert file.transfer == {"closers": "phone:closers", "billing": "sip:billing@192.0.2.10"}
    assert file.messages == {
        Message.VOICEMAIL: tmp_path / "voicemail.wav",
        Message.CALL_BACK: tmp_path / "call_back.wav",
        Message.OPTED_OUT: tmp_path / "opted_out.wav",
    }


@pytest.mark.parametrize("missing", ["voicemail", "call_back", "opted_out"])
def test_a_promise_needs_its_recording(tmp_path: Path, missing: str) -> None:
    keys = [key for key in ("voicemail", "call_back", "opted_out") if key != missing]
    assert f"messages.{missing} is missing" in refusal(with_recordings(tmp_path, *keys))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('policy = "leave_message"', 'policy = "sing"', "machines.policy"),
        ('policy = "leave_message"', 'polcy = "hang_up"', "machines.polcy"),
        ('answer = "agents"', 'answer = "nobody"', "inbound.answer"),
        ("queue_s = 45", "queue_s = 1", "inbound.queue_s"),
        ('closers = "phone:closers"', 'closers = "browser"', "transfer.closers"),
        ('closers = "phone:closers"', "closers = 7", "transfer.closers"),
        ('numbers = ["+1 212 555 0111", "+13125550111"]', "numbers = []", "caller_id.numbers must"),
        ('"+13125550111"]', '"12125550111"]', "names one of its numbers twice"),
        ('"+13125550111"]', '"+12025550123"]', "which is campaign.caller_id"),
        ('"+13125550111"]', '"+442079460123"]', "of GB, and campaign.caller_id is of US"),
        ('"+13125550111"]', '"+1312"]', 'caller_id.numbers holds "+1312"'),
        ("local_presence = true", "local_presence = 1", "must be true or false"),
        ('policy = "all"', 'policy = "some"', "recording.policy"),
        ('notice = "This call is recorded."', "", "recording.notice is missing"),
        ("keep_days = 30", "keep_days = 0", "recording.keep_days is 0; it must be 1 to 3660"),
        ("calls_a_day_max = 80", "calls_a_day_max = -1", "it must be 0 to 10000"),
    ],
)
def test_names_what_is_wrong_with_them(tmp_path: Path, old: str, new: str, why: str) -> None:
    path = with_recordings(tmp_path, "voicemail", "call_back", "opted_out")
    path.write_text(path.read_text().replace(old, new))
    assert why in refusal(path)

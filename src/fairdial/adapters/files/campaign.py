"""Campaign files: one TOML file that says who calls whom, why, and how.

Strict: a key that is not known, a value out of its range or a file that is not there ends the
reading with its name, its line and what would be right, because a setting that is quietly ignored
is a promise broken at the first call. Every key is described in `docs/reference/campaign-file.md`.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from fairdial.core.attempt import OPT_OUT_KEY, Message
from fairdial.core.caller_id import CALLS_A_DAY_MAX, NUMBERS_MAX, CallerIdPool
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
from fairdial.core.number import NumberFault, parse_e164, region_of
from fairdial.core.outcome import Disposition, Outcome
from fairdial.core.phone import REGISTERED_PREFIX
from fairdial.core.recording import RecordingPlan, RecordingPolicy
from fairdial.exceptions import SettingsError
from fairdial.ports import BROWSER

FILE_BYTES_MAX = 1_000_000
RING_S_MIN = 15
"""A phone rings at least 15 seconds or four rings: 47 CFR 64.1200(a)(6)."""
CONNECT_MS_TELEMARKETING_MAX = 2_000
"""An answered sales call reaches an agent within two seconds: 47 CFR 64.1200(a)(7)."""
ABANDON_RATE_TELEMARKETING_MAX = 0.03
"""At most 3 % of the answered sales calls of a campaign may be abandoned: same place."""
AGENTS_MAX = 200
WAITS_MAX = 20
"""The most waits that one retry rule may name, one for each attempt."""
MESSAGE_S_MAX = 30.0
"""The longest message that is played to somebody who was promised a person, seconds."""

_PHONE = re.compile(
    r"sip:[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?"
    rf"|{BROWSER}(:[A-Za-z0-9._+-]{{1,64}})?"
    rf"|{REGISTERED_PREFIX}[A-Za-z0-9][A-Za-z0-9._-]{{0,63}}"
)

_Member = TypeVar("_Member", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignFile:
    """Everything that a campaign file says; ids are given to it where it is stored."""

    path: Path
    name: str
    seller: str
    """The company on whose behalf we call."""
    purpose: Purpose
    method: Method
    caller_id: E164
    caller_name: str
    ring_s: int
    connect_ms_max: int
    wrap_up_s: int
    script: str
    pace: Pace
    retry: RetryPlan
    do_not_call: Path | None
    """The file with our copy of the national registry."""
    do_not_call_as_of: date | None
    """The day of that copy, when it is given here and not in the file itself."""
    internal_do_not_call: Path | None
    agents: int
    """How many agents are expected at their desks."""
    phones: tuple[str, ...]
    """The agents' own phones, SIP URIs or browsers; none means simulated agents, which only the
    sandbox has."""
    dispositions: tuple[Disposition, ...]
    machines: MachinePolicy
    pool: CallerIdPool | None
    recording: RecordingPlan | None
    inbound: InboundPlan | None
    transfer: Mapping[str, str]
    messages: Mapping[Message, Path]
    """Recordings beside that for abandoned calls."""
    abandoned_message: Path | None
    """The recording for a call that no agent could take: WAV, 8 kHz, 16 bit, mono.

    It has to name the opt-out key, which nobody but a listener can check.
    """
    warnings: tuple[str, ...]
    """What a careful colleague would ask about; nothing that forbids the campaign."""


def read_campaign(path: Path) -> CampaignFile:
    """Read and check a campaign file. Raises `SettingsError` at the first thing that is wrong."""
    text = _file_text(path)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is no valid TOML: {error}.") from None
    except RecursionError:
        raise SettingsError(f"{path} is no campaign file: it is nested too deeply.") from None
    top = _Section(path, text, (), tables)
    campaign = top.section("campaign", needed=True)
    name = campaign.text("name", chars_max=100)
    seller = campaign.text("seller", chars_max=100)
    purpose = campaign.choice("purpose", Purpose)
    method = campaign.choice("method", Method)
    caller_id = campaign.number("caller_id")
    caller_name = campaign.text("caller_name", chars_max=40, default=seller[:40])
    telemarketing = purpose is Purpose.TELEMARKETING
    ring_s = campaign.whole(
        "ring_s", RING_S_MIN, 120, default=20, why="47 CFR 64.1200(a)(6) asks for 15 s or 4 rings"
    )
    connect_ms_max = campaign.whole(
        "connect_ms_max",
        100,
        CONNECT_MS_TELEMARKETING_MAX if telemarketing else 10_000,
        default=CONNECT_MS_TELEMARKETING_MAX,
        why="47 CFR 64.1200(a)(7) gives a sales call 2 s" if telemarketing else "",
    )
    wrap_up_s = campaign.whole("wrap_up_s", 0, 600, default=30)
    is_live = method in (Method.LIVE_MANUAL, Method.LIVE_AUTODIALED)
    script = campaign.text("script", chars_max=20_000, default=None if is_live else "")
    campaign.done()

    pace = _pace(top.section("dialing"), method, telemarketing=telemarketing)
    retry = _retry_plan(top.section("retry"))

    lists = top.section("lists")
    do_not_call = lists.file("do_not_call")
    do_not_call_as_of = lists.day("do_not_call_as_of")
    internal_do_not_call = lists.file("internal_do_not_call")
    lists.done()

    desks = top.section("agents")
    agents = desks.whole("count", 1, AGENTS_MAX, default=1)
    phones = desks.phones("phones")
    dispositions = desks.choices("dispositions", Disposition)
    if dispositions and Disposition.STOP_CALLING not in dispositions:
        raise desks.error(
            "dispositions", "needs stop_calling: agents must be able to record that request."
        )
    desks.done()

    messages = top.section("messages")
    abandoned = messages.file("abandoned")
    if abandoned is not None:
        _check_recording(messages, "abandoned", abandoned)
    elif telemarketing and pace.mode is not DialMode.PROGRESSIVE:
        raise messages.error(
            "abandoned",
            f"is missing: {pace.mode} dialing of sales calls needs a recording for calls that no "
            "agent can take, with the seller's name and how to opt out, by the key "
            f"{OPT_OUT_KEY} and by a number to call (47 CFR 64.1200(a)(7)).",
        )
    on_machines = top.section("machines")
    machines = on_machines.choice("policy", MachinePolicy, default=MachinePolicy.CONNECT)
    on_machines.done()
    inbound = _inbound(top.section("inbound"))
    plan = _recording_plan(top.section("recording"))
    pool = _pool(top.section("caller_id"), caller_id)
    recordings = {
        message: recording
        for message, key in _RECORDINGS.items()
        if (recording := messages.file(key)) is not None
    }
    for message, recording in recordings.items():
        _check_recording(messages, _RECORDINGS[message], recording)
    needed: list[Message] = []
    if machines is MachinePolicy.LEAVE_MESSAGE:
        needed.append(Message.VOICEMAIL)
    if inbound is not None:
        needed += [Message.CALL_BACK, Message.OPTED_OUT]
    for message in needed:
        if message not in recordings:
            raise messages.error(_RECORDINGS[message], _WHY_NEEDED[message])
    messages.done()
    transfer = top.section("transfer").destinations()
    top.done()

    return CampaignFile(
        path=path,
        name=name,
        seller=seller,
        purpose=purpose,
        method=method,
        caller_id=caller_id,
        caller_name=caller_name,
        ring_s=ring_s,
        connect_ms_max=connect_ms_max,
        wrap_up_s=wrap_up_s,
        script=script,
        pace=pace,
        retry=retry,
        do_not_call=do_not_call,
        do_not_call_as_of=do_not_call_as_of,
        internal_do_not_call=internal_do_not_call,
        agents=agents,
        phones=phones,
        dispositions=dispositions,
        machines=machines,
        pool=pool,
        recording=plan,
        inbound=inbound,
        transfer=transfer,
        messages=recordings,
        abandoned_message=abandoned,
        warnings=_warnings(
            seller=seller,
            script=script,
            has_message=abandoned is not None,
            has_registry=do_not_call is not None,
            telemarketing=telemarketing,
            is_live=is_live,
            retry=retry,
        ),
    )


_RECORDINGS = {
    Message.VOICEMAIL: "voicemail",
    Message.CALL_BACK: "call_back",
    Message.OPTED_OUT: "opted_out",
}
"""The recordings by the keys that name them."""
_WHY_NEEDED = {
    Message.VOICEMAIL: "is missing: machines.policy is leave_message, and that is the message.",
    Message.CALL_BACK: (
        "is missing: who rings back must hear who called, for whom, and that the key "
        f"{OPT_OUT_KEY} stops the calls."
    ),
    Message.OPTED_OUT: "is missing: who presses that key must hear that it worked.",
}


def _inbound(section: _Section) -> InboundPlan | None:
    """What becomes of calls to us; None where the table is left out."""
    if not section.table:
        return None
    plan = InboundPlan(
        answer=section.choice("answer", InboundAnswer),
        queue_s_max=section.whole("queue_s", 5, 600, default=60),
    )
    section.done()
    return plan


def _recording_plan(section: _Section) -> RecordingPlan | None:
    """How talks are recorded; None where the table is left out."""
    if not section.table:
        return None
    plan = RecordingPlan(
        policy=section.choice("policy", RecordingPolicy),
        notice=section.text("notice", chars_max=300),
        keep=timedelta(days=section.whole("keep_days", 1, 3_660, default=90)),
    )
    section.done()
    return plan


def _pool(section: _Section, caller_id: E164) -> CallerIdPool | None:
    """More numbers to show; None where the table is left out."""
    if not section.table:
        return None
    numbers = section.numbers("numbers")
    country = region_of(caller_id)
    for number in numbers:
        if number == caller_id:
            raise section.error("numbers", f"names {number}, which is campaign.caller_id: omit it.")
        if region_of(number) != country:
            # Abandonment ceilings and inbound lines go by the country of the caller ID.
            raise section.error(
                "numbers",
                f"has {number} of {region_of(number)}, and campaign.caller_id is of {country}: "
                "make a campaign for each country.",
            )
    pool = CallerIdPool(
        numbers=numbers,
        local_presence=section.flag("local_presence", default=False),
        calls_a_day_max=section.whole("calls_a_day_max", 0, CALLS_A_DAY_MAX, default=0) or None,
    )
    section.done()
    return pool


def _pace(dialing: _Section, method: Method, *, telemarketing: bool) -> Pace:
    standard = Pace()
    mode = dialing.choice("mode", DialMode, default=standard.mode)
    if method is Method.LIVE_MANUAL:
        # Rules on automatic dialing follow the method, so the method must not be understated.
        raise dialing.error(
            "mode",
            f"is {mode}, which dials automatically, but method is live_manual: write "
            'method = "live_autodialed".',
        )
    pace = Pace(
        mode=mode,
        dial_level=dialing.real("dial_level", 1.0, 10.0, default=standard.dial_level),
        dial_level_max=dialing.real("dial_level_max", 1.0, 50.0, default=standard.dial_level_max),
        abandon_rate_target=dialing.real(
            "abandon_rate_target",
            0.001,
            ABANDON_RATE_TELEMARKETING_MAX if telemarketing else 0.1,
            default=standard.abandon_rate_target,
            why="47 CFR 64.1200(a)(7) allows 3 %" if telemarketing else "",
        ),
        calls_in_flight_max=dialing.whole(
            "calls_in_flight_max", 1, 2_000, default=standard.calls_in_flight_max
        ),
        calls_per_second_max=dialing.real(
            "calls_per_second_max", 0.1, 100.0, default=standard.calls_per_second_max
        ),
    )
    dialing.done()
    return pace


def _retry_plan(retry: _Section) -> RetryPlan:
    rules: dict[Outcome, RetryRule] = {}
    for outcome in Outcome:
        if outcome.value not in retry.table:
            continue
        rule = retry.section(outcome.value)
        first, *then = rule.wholes("after_minutes", 1, 60 * 24 * 60, most_of_them=WAITS_MAX)
        rules[outcome] = RetryRule(
            after=timedelta(minutes=first),
            attempts_max=rule.whole("attempts_max", 1, 50),
            then=tuple(timedelta(minutes=minutes) for minutes in then),
        )
        rule.done()
    retry.done([outcome.value for outcome in Outcome])
    return RetryPlan(rules=rules)


def _warnings(
    *,
    seller: str,
    script: str,
    has_message: bool,
    has_registry: bool,
    telemarketing: bool,
    is_live: bool,
    retry: RetryPlan,
) -> tuple[str, ...]:
    said = script.lower()
    found: list[str] = []
    if is_live and seller.split(" (")[0].lower() not in said:
        found.append("The script does not name the seller for whom we call.")
    if is_live and not re.search(r"\{agent\}|my name is|this is|i am|i'm", said):
        found.append("The script does not say who calls: write {agent} where the name belongs.")
    if is_live and not re.search(r"call(ing)? (you )?(about|because|to|for|regarding)", said):
        found.append("The script does not say why we call (“calling about …”).")
    if telemarketing and not has_registry:
        found.append(
            "No copy of the national do-not-call registry is named (lists.do_not_call): calls to "
            "consumers will be refused."
        )
    if telemarketing and not has_message:
        found.append("No recording is named for calls that no agent can take.")
    if Outcome.CONNECTED in retry.rules:
        found.append("People who were talked to will be called again (retry.connected).")
    return tuple(found)


def _check_recording(section: _Section, key: str, path: Path) -> None:
    try:
        with wave.open(str(path), "rb") as sound:
            shape = (sound.getframerate(), sound.getsampwidth(), sound.getnchannels())
            seconds = sound.getnframes() / max(1, sound.getframerate())
    except (wave.Error, EOFError, OSError) as error:
        raise section.error(key, f"{path} is no WAV recording: {error}.") from None
    if shape != (8_000, 2, 1):
        rate, width, channels = shape
        raise section.error(
            key,
            f"{path} has {rate} Hz, {8 * width} bit and {channels} channel(s): convert it to "
            "8000 Hz, 16 bit, mono, as telephone lines carry it.",
        )
    if not 0.5 <= seconds <= MESSAGE_S_MAX:
        raise section.error(
            key, f"{path} is {seconds:.1f} s long: make it 0.5 to {MESSAGE_S_MAX:.0f} s."
        )


class _Section:
    """One table of the file, being read key by key; `done` finds the keys nobody asked for."""

    def __init__(
        self, path: Path, text: str, keys: tuple[str, ...], table: Mapping[str, Any]
    ) -> None:
        self.path = path
        self.table = table
        self._text = text
        self._keys = keys
        self._asked: set[str] = set()

    def error(self, key: str, why: str) -> SettingsError:
        """A complaint about one key, with its place."""
        line = _line_of(self._text, self._keys, key)
        place = f"{self.path}, line {line}" if line else str(self.path)
        return SettingsError(f"{place}: {'.'.join((*self._keys, key))} {why}")

    def section(self, key: str, *, needed: bool = False) -> _Section:
        """A table inside this one; empty when it is absent."""
        self._asked.add(key)
        if needed and key not in self.table:
            raise SettingsError(
                f"{self.path}: the section [{key}] is missing. Every campaign file has one."
            )
        value = self.table.get(key, {})
        if not isinstance(value, dict):
            raise self.error(key, f"must be a section: [{'.'.join((*self._keys, key))}].")
        return _Section(self.path, self._text, (*self._keys, key), value)

    def text(self, key: str, *, chars_max: int, default: str | None = None) -> str:
        """A text that says something; without a default it must be there."""
        value = self._value(key, default)
        if not isinstance(value, str):
            raise self.error(key, f"must be text in quotes, not {_kind(value)}.")
        value = value.strip()
        if not value and default != "":
            raise self.error(key, "must not be empty.")
        if len(value) > chars_max:
            raise self.error(key, f"has {len(value):,} characters; at most {chars_max:,} fit.")
        if any(not c.isprintable() and c not in "\n\t" for c in value):
            raise self.error(key, "holds a control character.")
        return value

    def whole(
        self, key: str, least: int, most: int, *, default: int | None = None, why: str = ""
    ) -> int:
        """A whole number within bounds."""
        return self._whole(key, self._value(key, default), least, most, why)

    def _whole(self, key: str, value: object, least: int, most: int, why: str = "") -> int:
        # In Python true is a number; in a campaign file it is a mistake.
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(key, f"must be a whole number, not {_kind(value)}.")
        if not least <= value <= most:
            raise self.error(key, f"is {value}; it must be {least} to {most}{_because(why)}.")
        return value

    def wholes(self, key: str, least: int, most: int, *, most_of_them: int) -> list[int]:
        """A whole number within bounds, or a list of them."""
        value = self._value(key, None)
        if not isinstance(value, list):
            return [self.whole(key, least, most)]
        if not 1 <= len(value) <= most_of_them:
            raise self.error(key, f"must be a number or a list of 1 to {most_of_them} numbers.")
        return [self._whole(key, item, least, most) for item in value]

    def real(self, key: str, least: float, most: float, *, default: float, why: str = "") -> float:
        """A number within bounds."""
        value = self._value(key, default)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise self.error(key, f"must be a number, not {_kind(value)}.")
        # Written so that `nan` fails it too.
        if not least <= value <= most:
            raise self.error(key, f"is {value}; it must be {least:g} to {most:g}{_because(why)}.")
        return float(value)

    def choice(
        self, key: str, members: type[_Member], *, default: _Member | None = None
    ) -> _Member:
        """One word of a closed set."""
        return self._member(key, self._value(key, default), members)

    def choices(self, key: str, members: type[_Member]) -> tuple[_Member, ...]:
        """Several words of a closed set, once each; none when the key is absent."""
        values = self._value(key, ())
        if not isinstance(values, (list, tuple)):
            raise self.error(key, f'must be a list, such as ["{next(iter(members)).value}"].')
        found = tuple(self._member(key, value, members) for value in values)
        if len(set(found)) != len(found):
            raise self.error(key, "names one of its words twice.")
        return found

    def destinations(self) -> dict[str, str]:
        """Names of destinations, each with a phone: a SIP URI or one that registers."""
        found: dict[str, str] = {}
        for name, phone in self.table.items():
            self._asked.add(name)
            is_phone = isinstance(phone, str) and _PHONE.fullmatch(phone) is not None
            if not is_phone or phone.partition(":")[0] == BROWSER:
                raise self.error(
                    name,
                    f'is {phone!r:.60}; a destination looks like "sip:desk@192.0.2.10:5060" or '
                    '"phone:desk".',
                )
            found[name] = phone
        return found

    def phones(self, key: str) -> tuple[str, ...]:
        """SIP URIs and browsers, once each; none when the key is absent. `browser` without a name
        may come several times."""
        values = self._value(key, ())
        if not isinstance(values, (list, tuple)) or len(values) > AGENTS_MAX:
            raise self.error(key, f"must be a list of at most {AGENTS_MAX} phones.")
        for value in values:
            if not isinstance(value, str) or not _PHONE.fullmatch(value):
                raise self.error(
                    key,
                    f'holds {value!r:.60}; a phone looks like "sip:alice@192.0.2.10:5060", '
                    '"phone:alice" or "browser:alice".',
                )
        named = [value for value in values if value != BROWSER]
        if len(set(named)) != len(named):
            raise self.error(key, "names one of its phones twice.")
        return tuple(values)

    def _member(self, key: str, value: object, members: type[_Member]) -> _Member:
        words = [member.value for member in members]
        if isinstance(value, str) and value in words:
            return members(value)
        said = f'is "{value[:60]}"' if isinstance(value, str) else f"is {_kind(value)}"
        near = _nearest(value, words) if isinstance(value, str) else ""
        raise self.error(key, f"{said}; it must be one of {', '.join(words)}.{near}")

    def number(self, key: str) -> E164:
        """A telephone number."""
        return self._number(key, self.text(key, chars_max=64), "is")

    def numbers(self, key: str) -> tuple[E164, ...]:
        """Telephone numbers, once each."""
        values = self._value(key, None)
        if not isinstance(values, list) or not 1 <= len(values) <= NUMBERS_MAX:
            raise self.error(key, f"must be a list of 1 to {NUMBERS_MAX} telephone numbers.")
        found = tuple(self._number(key, str(value), "holds") for value in values)
        if len(set(found)) != len(found):
            raise self.error(key, "names one of its numbers twice.")
        return found

    def _number(self, key: str, text: str, verb: str) -> E164:
        number = parse_e164(text)
        if isinstance(number, NumberFault):
            raise self.error(key, f'{verb} "{text[:64]}": {number.why}. Write it as +12025550123.')
        return number

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise self.error(key, f"must be true or false, not {_kind(value)}.")
        return value

    def day(self, key: str) -> date | None:
        """A date, as TOML writes it or in quotes."""
        value = self._value(key, "")
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        if value == "":
            return None
        if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value, re.ASCII):
            try:
                return date.fromisoformat(value)
            except ValueError:
                raise self.error(key, f'is "{value}", a day that does not exist.') from None
        raise self.error(key, "must be a date: 2026-11-20.")

    def file(self, key: str) -> Path | None:
        """The path of a file that is there, relative to the campaign file; None when absent."""
        if key not in self.table:
            self._asked.add(key)
            return None
        name = self.text(key, chars_max=1_000)
        found = self.path.parent / name
        if not found.is_file():
            raise self.error(
                key,
                f'names "{name}", but there is no file {found}. Paths begin at the folder of the '
                "campaign file.",
            )
        return found

    def done(self, known: list[str] | None = None) -> None:
        """Refuse every key that was not asked for."""
        words = sorted(self._asked | set(known or ()))
        for key in self.table:
            if key not in self._asked:
                raise self.error(
                    key,
                    f"is not known.{_nearest(key, words)} Known here: {', '.join(words)}.",
                )

    def _value(self, key: str, default: object) -> Any:
        self._asked.add(key)
        if key in self.table:
            return self.table[key]
        if default is None:
            raise SettingsError(
                f"{self.path}: {'.'.join((*self._keys, key))} is missing. Add it under "
                f"[{'.'.join(self._keys)}]."
            )
        return default


def _file_text(path: Path) -> str:
    try:
        if path.is_dir():
            raise SettingsError(f"{path} is a folder: name the campaign file inside it.")
        if path.exists() and not path.is_file():
            raise SettingsError(f"{path} is no regular file: save the campaign to a file first.")
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise SettingsError(f"{path} does not exist: check the spelling and the folder.") from None
    except PermissionError:
        raise SettingsError(
            f"{path} must not be read by this user: give the account that runs Fairdial the "
            "permission to read it."
        ) from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from error
    if len(raw) > FILE_BYTES_MAX:
        raise SettingsError(f"{path} is larger than {FILE_BYTES_MAX:,} bytes: no campaign file.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{path}, byte offset {error.start}: not UTF-8 text. Save the file as UTF-8."
        ) from None


def _line_of(text: str, keys: tuple[str, ...], key: str) -> int | None:
    """The line of a key, found in the text because the TOML reader does not keep places.

    Finds the usual spellings (`key =` under `[section]`, and `[section.key]`); else None.
    """
    here: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\s*([\w.\s\"'-]+?)\s*\]", line)
        if header:
            here = tuple(part.strip().strip("\"'") for part in header[1].split("."))
            if here == (*keys, key):
                return number
        elif here == keys and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line):
            return number
    return None


def _nearest(word: str, words: list[str]) -> str:
    near = difflib.get_close_matches(word[:100], words, n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else ""


def _because(why: str) -> str:
    return f" ({why})" if why else ""


_KINDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number with a fraction",
    str: "text",
    date: "a date",
    datetime: "a date with a time",
    list: "a list",
    dict: "a section",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), type(value).__name__)

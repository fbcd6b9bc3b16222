"""Trunks: which one takes the next call, and when.

Every trunk has a state: whether its health checks and its registration hold, how many calls it
carries, when the last ones started. `choose` picks by order, weight, health and limits. Pure:
clock and dice are the caller's, and nothing is known of SIP messages. Times are seconds of one
monotonic clock.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from fairdial.core.number import NumberFault, is_e164, national_digits, parse_e164

CHECKS_FAILED_MAX = 3
"""Checks that must fail in a row until a trunk counts as down: one lost packet is nothing."""
CHECKS_PASSED_MIN = 2
"""Checks that must pass in a row until a trunk that was down is used again."""
PAUSE_S_MAX = 600.0
"""The longest that a trunk's own wish (Retry-After) keeps us away, seconds."""
CONGESTED_MAX = 3
"""Calls in a row that a trunk refuses with a 503 until it is left alone. One may mean that a single
destination has no circuit, and without a Retry-After it counts as a 500 (RFC 3261, 21.5.4)."""
CONGESTED_S = 5.0
"""How long it is left alone then, seconds."""
SILENT_PAUSE_S = 30.0
"""How long a trunk without health checks is left alone after it answered nothing, seconds."""
CALLS_PER_SECOND_MAX = 1_000.0
CALLS_MAX = 2_000

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)
_USER = re.compile(r"[!-~]{1,128}", re.ASCII)
_PREFIX = re.compile(r"[0-9*#+]{0,16}", re.ASCII)


class Transport(StrEnum):
    """What SIP travels over."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class NumberFormat(StrEnum):
    """How a trunk wants numbers written."""

    E164 = "e164"
    """+13125550142"""
    E164_WITHOUT_PLUS = "e164_without_plus"
    """13125550142"""
    NATIONAL = "national"
    """3125550142, for numbers of the trunk's own country; others as in E.164 without plus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkSettings:
    """One trunk as its file describes it."""

    name: str
    host: str
    """The carrier's address or name."""
    port: int = 5060
    transport: Transport = Transport.UDP
    username: str | None = None
    """For a trunk that asks for a digest (401, 407)."""
    password: str | None = field(default=None, repr=False)
    registers: bool = False
    """Whether we register there (REGISTER); then it is up only while the registration holds."""
    register_s: int = 300
    """The validity that is asked for, seconds."""
    options_s: float = 30.0
    """Seconds between two health checks (OPTIONS); 0 asks nothing."""
    calls_max: int = 100
    """The most calls at once, both directions together."""
    calls_per_second: float = 5.0
    """The most calls of ours that start in any second."""
    order: int = 1
    """Lower is tried first."""
    weight: int = 1
    """The share among trunks of the same order."""
    asserts_identity: bool = False
    """Whether the caller ID is also sent as P-Asserted-Identity (RFC 3325)."""
    is_private: bool = False
    """Whether the carrier is asked not to show the caller ID (`Privacy: id`)."""
    from_domain: str | None = None
    """The host of the From header; None is our own address."""
    has_session_timer: bool = True
    """Whether session timers (RFC 4028) are offered."""
    session_expires_s: int = 1800
    prefix: str = ""
    """Digits in front of every called number."""
    number_format: NumberFormat = NumberFormat.E164
    country: str = "US"
    """ISO 3166-1: what national numbers of this trunk belong to."""
    accepts_inbound: bool = False
    """Whether calls that come from there are offered to us."""
    numbers: tuple[str, ...] = ()
    """Numbers of ours that may be called over it, E.164; empty means any."""
    inbound_from: tuple[str, ...] = ()
    """More addresses or networks that its calls come from, beside `host`."""


def trunks_fault(trunks: Sequence[TrunkSettings], *, is_sandbox: bool) -> str | None:
    """What is wrong with an engine's trunks, naming the trunk and the remedy, or None."""
    if not trunks:
        return "trunks is empty: name at least one"
    for trunk in trunks:
        if (fault := trunk_fault(trunk)) is not None:
            return f"trunk {trunk.name[:80]}: {fault}"
        if is_sandbox and not is_loopback(trunk.host):
            return (
                f"trunk {trunk.name} leads to {trunk.host}: the sandbox calls only a simulated "
                f"carrier on this machine, so it must be a loopback address such as 127.0.0.1"
            )
    names = [trunk.name for trunk in trunks]
    if len(set(names)) < len(names):
        return f"two trunks have one name, of {', '.join(names)}: choose another"
    return None


def trunk_fault(trunk: TrunkSettings) -> str | None:
    """What is wrong with a trunk's settings, naming the key and the remedy, or None."""
    whole = {
        "port": (trunk.port, 1, 65535),
        "register_s": (trunk.register_s, 60, 86_400),
        "calls_max": (trunk.calls_max, 1, CALLS_MAX),
        "order": (trunk.order, 0, 1000),
        "weight": (trunk.weight, 1, 1000),
        "session_expires_s": (trunk.session_expires_s, 90, 86_400),
    }
    for key, (value, least, most) in whole.items():
        if not least <= value <= most:
            return f"{key} is {value}: it must be {least} to {most}"
    if not 0.1 <= trunk.calls_per_second <= CALLS_PER_SECOND_MAX:
        return (
            f"calls_per_second is {trunk.calls_per_second:g}: "
            f"it must be 0.1 to {CALLS_PER_SECOND_MAX:g}"
        )
    if trunk.options_s != 0 and not 1 <= trunk.options_s <= 3600:
        return f"options_s is {trunk.options_s:g}: it must be 0 (no checks) or 1 to 3600 seconds"
    texts = {
        "name": (trunk.name, _NAME, "small letters, digits, - and _, at most 32"),
        "host": (trunk.host, _HOST, "a name or an IPv4 address, without sip: and port"),
        "from_domain": (trunk.from_domain, _HOST, "a name or an IPv4 address"),
        "username": (trunk.username, _USER, "visible ASCII, at most 128"),
        "prefix": (trunk.prefix, _PREFIX, "digits, *, # and +, at most 16"),
    }
    for key, (text, form, what) in texts.items():
        if text is not None and form.fullmatch(text) is None:
            return f"{key} is {text[:80]!r}: it must be {what}"
    if (trunk.username is None) != (trunk.password is None):
        return "username and password belong together: set both"
    if trunk.registers and trunk.username is None:
        return "registers is true: it needs a username and a password"
    if trunk.is_private and not trunk.asserts_identity:
        return "is_private is true: the carrier still needs the caller ID, so set asserts_identity"
    for number in trunk.numbers:
        if not is_e164(number):
            return f"numbers has {number[:40]!r}: write it in E.164 form, such as +13125550142"
    for network in trunk.inbound_from:
        if not _is_network(network):
            return (
                f"inbound_from has {network[:40]!r}: "
                f"write an IPv4 address or network (192.0.2.0/24)"
            )
    return None


def _is_network(text: str) -> bool:
    try:
        ipaddress.IPv4Network(text)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether `host` never leaves this machine. Names other than localhost are not trusted to."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def as_dialed(trunk: TrunkSettings, number: str) -> str:
    """A called number (E.164) as this trunk wants it."""
    return trunk.prefix + as_shown(trunk, number)


def as_shown(trunk: TrunkSettings, number: str) -> str:
    """A caller ID (E.164) as this trunk wants it."""
    match trunk.number_format:
        case NumberFormat.E164:
            return number
        case NumberFormat.E164_WITHOUT_PLUS:
            return number.removeprefix("+")
        case NumberFormat.NATIONAL:
            national = national_digits(number)
            # Reading the digits back in the trunk's country tells whether they say the same.
            if parse_e164(national, region=trunk.country) == number:
                return national
            return number.removeprefix("+")


def as_e164(trunk: TrunkSettings, text: str) -> str:
    """A number as it came over this trunk, in E.164 where it reads as one; else as it came."""
    if is_e164(text):
        return text
    if text.isascii() and text.isdigit():
        for spelling in (f"+{text}", text):
            found = parse_e164(spelling, region=trunk.country)
            if not isinstance(found, NumberFault):
                return found
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkState:
    """What is known of a trunk at a moment."""

    settings: TrunkSettings
    calls: int = 0
    starts: tuple[float, ...] = ()
    """When its last calls started, or will; oldest first, as many as its limit looks back."""
    passes_checks: bool = True
    checks_failed: int = 0
    """Checks in a row that failed."""
    checks_passed: int = 0
    """Checks in a row that passed."""
    congested: int = 0
    """Calls in a row that it refused with a 503 and no Retry-After."""
    check_why: str = "not checked yet"
    is_registered: bool = False
    register_why: str = "not registered yet"
    paused_until: float = 0.0
    pause_why: str = ""


def down_why(state: TrunkState, now: float) -> str | None:
    """Why no call may go to it, its limits aside; None when it is up."""
    if state.settings.registers and not state.is_registered:
        return state.register_why
    if not state.passes_checks:
        return state.check_why
    if now < state.paused_until:
        return state.pause_why
    return None


def up_why(state: TrunkState) -> str:
    """What vouches for a trunk that is up."""
    return state.register_why if state.settings.registers else state.check_why


def check_passed(state: TrunkState, why: str) -> TrunkState:
    """A health check, or anything that the trunk said, shows that it lives."""
    passed = state.checks_passed + 1
    is_well = state.passes_checks or passed >= CHECKS_PASSED_MIN
    return replace(
        state,
        passes_checks=is_well,
        checks_failed=0,
        congested=0,
        checks_passed=min(passed, CHECKS_PASSED_MIN),
        check_why=why if is_well else state.check_why,
    )


def check_failed(state: TrunkState, why: str, now: float) -> TrunkState:
    """A health check, or an INVITE, got no answer, or one that says the trunk cannot work.

    Without health checks nothing would tell that it is back, so it is only left alone for a while.
    """
    failed = state.checks_failed + 1
    if failed < CHECKS_FAILED_MAX:
        return replace(state, checks_failed=failed, checks_passed=0)
    if state.settings.options_s == 0:
        rested = replace(state, checks_failed=0, checks_passed=0)
        return pause(rested, now + SILENT_PAUSE_S, why)
    return replace(
        state,
        passes_checks=False,
        checks_failed=CHECKS_FAILED_MAX,
        checks_passed=0,
        check_why=why,
    )


def register(state: TrunkState, why: str) -> TrunkState:
    """The registration holds."""
    return replace(state, is_registered=True, register_why=why)


def unregister(state: TrunkState, why: str) -> TrunkState:
    """The registration is refused, expired or not answered."""
    return replace(state, is_registered=False, register_why=why)


def congested(
    state: TrunkState, why: str, now: float, *, retry_after_s: float | None = None
) -> TrunkState:
    """It refused a call with a 503, and may have said for how long."""
    if retry_after_s is not None:
        return pause(state, now + min(retry_after_s, PAUSE_S_MAX), why)
    in_a_row = state.congested + 1
    if in_a_row < CONGESTED_MAX:
        return replace(state, congested=in_a_row)
    return pause(replace(state, congested=0), now + CONGESTED_S, why)


def pause(state: TrunkState, until: float, why: str) -> TrunkState:
    """Nothing goes there until then."""
    return replace(state, paused_until=max(state.paused_until, until), pause_why=why)


def call_begun(state: TrunkState, start_at: float | None = None) -> TrunkState:
    """It carries one call more. `start_at` is when ours starts; None for one that came to us."""
    if start_at is None:
        return replace(state, calls=state.calls + 1)
    most, _ = _window(state.settings)
    return replace(state, calls=state.calls + 1, starts=(*state.starts, start_at)[-most:])


def call_ended(state: TrunkState) -> TrunkState:
    """It carries one call less."""
    return replace(state, calls=max(0, state.calls - 1))


def _window(trunk: TrunkSettings) -> tuple[int, float]:
    """How many calls may start within how many seconds: whole calls, so that no second has more."""
    most = max(1, int(trunk.calls_per_second))
    return most, most / trunk.calls_per_second


def earliest_start(state: TrunkState, now: float) -> float:
    """When the next call of ours may start."""
    most, seconds = _window(state.settings)
    if len(state.starts) < most:
        return now
    return max(now, state.starts[-most] + seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkChoice:
    """The trunk that takes the call, and when it may start."""

    name: str
    start_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoTrunk:
    """No trunk can take the call in time."""

    why: str


def choose(
    states: Sequence[TrunkState],
    *,
    now: float,
    until: float,
    draw: float,
    tried: Container[str] = (),
) -> TrunkChoice | NoTrunk:
    """The trunk for a call that must start before `until`; `draw` is a random number of [0, 1).

    Trunks that are down, full or in `tried` are left out. Of those that can start it at once, the
    lowest order wins, and its weights among equals; a later order takes what an earlier one cannot
    carry. When all of them are at their rate, the call waits for the one that is free first.
    """
    whys: list[str] = []
    able: list[tuple[float, TrunkState]] = []
    for state in states:
        name = state.settings.name
        if name in tried:
            whys.append(f"{name}: it was tried")
        elif (why := down_why(state, now)) is not None:
            whys.append(f"{name}: {why}")
        elif state.calls >= state.settings.calls_max:
            whys.append(f"{name}: it carries its most, {state.settings.calls_max} calls")
        elif (start_at := earliest_start(state, now)) >= until:
            whys.append(
                f"{name}: {state.settings.calls_per_second:g} calls a second are its most, "
                f"and the permit would end first"
            )
        else:
            able.append((start_at, state))
    if not able:
        return NoTrunk(why="no trunk can take the call: " + "; ".join(whys))
    ready = [state for start_at, state in able if start_at <= now]
    if not ready:
        start_at, state = min(able, key=lambda one: (one[0], one[1].settings.order))
        return TrunkChoice(name=state.settings.name, start_at=start_at)
    first = min(state.settings.order for state in ready)
    equals = [state.settings for state in ready if state.settings.order == first]
    rest = draw * sum(trunk.weight for trunk in equals)
    for trunk in equals:
        rest -= trunk.weight
        if rest < 0:
            return TrunkChoice(name=trunk.name, start_at=now)
    return TrunkChoice(name=equals[-1].name, start_at=now)

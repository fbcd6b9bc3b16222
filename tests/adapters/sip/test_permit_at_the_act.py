"""The engine looks at every permit once more. Whatever is wrong with it, nothing rings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from fairdial.adapters.sip.telephony import SipSettings, SipTelephony
from fairdial.core.ids import E164, AttemptId, PermitId
from fairdial.core.permit import PERMIT_LIFE, Permit
from fairdial.core.phone import PhoneAccount
from fairdial.core.trunk import Transport
from fairdial.exceptions import EngineUnavailable, PermitMisused, SettingsError
from fairdial.ports import Message

from .sip_cast import RealClock, permit, trunk

REAL = "+12125551234"
"""Not of the numbers kept for fiction; nothing here calls it."""


async def test_a_good_permit_gets_as_far_as_the_engine(settings: SipSettings) -> None:
    # The engine is not started: a permit that passes ends here, the others before.
    with pytest.raises(EngineUnavailable, match="it was not started"):
        await SipTelephony(settings, RealClock()).dial(permit(), ring_s=20)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (lambda: permit(issued_at=datetime.now(UTC) - PERMIT_LIFE), "was live from"),
        (lambda: permit(issued_at=datetime.now(UTC) + timedelta(seconds=2)), "was live from"),
        (lambda: permit(REAL), "may be somebody's"),
        (lambda: permit(is_sandbox=False), "permit of the live system"),
        (lambda: permit("12125550142"), "no number in E.164 form"),
        (lambda: permit("+12125550142\r\nX: y"), "no number in E.164 form"),
        (lambda: permit(caller_id="+1312@evil.example"), "no number in E.164 form"),
        (lambda: replace(permit(), number=E164("+12125550143")), "name two numbers"),
    ],
)
async def test_refuses_in_the_sandbox(
    settings: SipSettings, bad: Callable[[], Permit], why: str
) -> None:
    with pytest.raises(PermitMisused, match=why):
        await SipTelephony(settings, RealClock()).dial(bad(), ring_s=20)


@pytest.mark.parametrize("host", ["192.0.2.1", "sip.example.com"])
async def test_a_sandbox_never_leaves_the_machine(settings: SipSettings, host: str) -> None:
    away = SipTelephony(replace(settings, trunks=(trunk(5060, host=host),)), RealClock())
    with pytest.raises(SettingsError, match="must be a loopback address"):
        await away.start()
    with pytest.raises(PermitMisused, match="would lead out of this machine"):
        await away.dial(permit(), ring_s=20)


async def test_live_calls_are_not_fictional(settings: SipSettings) -> None:
    live = SipTelephony(replace(settings, is_sandbox=False), RealClock())
    with pytest.raises(PermitMisused, match="is fictional"):
        await live.dial(permit(is_sandbox=False), ring_s=20)
    with pytest.raises(PermitMisused, match="permit of the sandbox"):
        await live.dial(permit(), ring_s=20)
    with pytest.raises(EngineUnavailable):
        await live.dial(permit(REAL, is_sandbox=False), ring_s=20)


@pytest.mark.wire
async def test_a_permit_is_used_once(settings: SipSettings) -> None:
    engine = SipTelephony(settings, RealClock())
    await engine.start()
    try:
        used = permit()
        await engine.dial(used, ring_s=20)
        with pytest.raises(PermitMisused, match="was used for attempt"):
            await engine.dial(replace(used, attempt_id=AttemptId(uuid4())), ring_s=20)
        with pytest.raises(PermitMisused, match="with another permit"):
            await engine.dial(replace(used, id=PermitId(uuid4())), ring_s=20)
    finally:
        await engine.stop()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"local_ip": "0.0.0.0"}, "local_ip is 0.0.0.0"),
        ({"local_ip": "here"}, "local_ip is 'here'"),
        ({"rtp_port_min": 80}, "rtp_port_min"),
        ({"rtp_port_min": 30000}, "rtp_port_min"),
        ({"trunks": ()}, "trunks is empty"),
        ({"trunks": (trunk(0),)}, "trunk carrier: port is 0"),
        ({"trunks": (trunk(5060), trunk(5070))}, "two trunks have one name"),
        ({"trunks": (trunk(5060, transport=Transport.TLS),)}, "speaks UDP alone"),
        ({"trunks": (trunk(5060, username="dialer"),)}, "belong together"),
        ({"phones": (PhoneAccount(name="alice", password="short"),)}, "phone alice: the password"),
        ({"calls_max": 0}, "calls_max is 0"),
        ({"messages": {}}, "no file for 'abandoned'"),
    ],
)
async def test_refuses_settings_that_cannot_work(
    settings: SipSettings, changes: dict[str, object], why: str
) -> None:
    with pytest.raises(SettingsError, match=why):
        await SipTelephony(replace(settings, **changes), RealClock()).start()  # type: ignore[arg-type]  # the changes are wrong on purpose


async def test_refuses_a_message_that_cannot_be_played(settings: SipSettings) -> None:
    path = settings.messages[Message.ABANDONED]
    whole = path.read_bytes()
    for content, why in (
        (whole[:24] + (16000).to_bytes(4, "little") + whole[28:], "16000 Hz"),
        (whole[:44], "lasts"),
        (b"a song", "cannot be read as a WAV file"),
    ):
        path.write_bytes(content)
        with pytest.raises(SettingsError, match=why):
            settings.check()
    path.unlink()
    with pytest.raises(SettingsError, match="cannot be read as a WAV file"):
        settings.check()


async def test_refuses_a_ring_time_out_of_bounds(settings: SipSettings) -> None:
    for ring_s in (0, 301):
        with pytest.raises(ValueError, match="1 to 300 seconds"):
            await SipTelephony(settings, RealClock()).dial(permit(), ring_s=ring_s)

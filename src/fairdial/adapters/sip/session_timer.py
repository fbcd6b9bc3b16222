"""Session timers (RFC 4028): a call whose other end has vanished does not stay up for ever.

The two ends agree who refreshes, in the answer. If it is us, a re-INVITE with the same description
is sent at half the interval; if it is the peer and it stops doing so, the call is ended. An end
that knows no timers leaves the call as it is: then only silence ends it. Runs in sippy's thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sippy.SipHeader import SipHeader
from sippy.Time.Timeout import Timeout

from fairdial.adapters.sip import headers

SESSION_S_MIN = 90
"""The shortest interval that the standard allows, seconds."""
SESSION_S_MAX = 86_400

_VALUE = re.compile(r"\s*(\d{1,9})\s*(?:;.*?refresher\s*=\s*(uac|uas))?", re.ASCII | re.IGNORECASE)
_GONE = (408, 481)
"""Replies to a refresh that say that the call does not exist any more (RFC 4028 section 10)."""


def offer(seconds: int) -> tuple[Any, ...]:
    """The headers of an INVITE that offers a timer."""
    return (
        SipHeader(name="supported", bodys="timer"),
        SipHeader(name="session-expires", bodys=str(seconds)),
        SipHeader(name="min-se", bodys=str(SESSION_S_MIN)),
    )


def interval(message: Any) -> tuple[int, bool | None] | None:
    """What a message agrees on: seconds, and whether its sender's side names the UAC as refresher
    (None when it names nobody); None without a timer."""
    for header in message.getHFs("session-expires"):
        found = _VALUE.match(str(header.body))
        if found is not None:
            seconds = min(max(int(found[1]), SESSION_S_MIN), SESSION_S_MAX)
            return seconds, None if found[2] is None else found[2].lower() == "uac"
    return None


def least(response: Any) -> int:
    """What a 422 asks for at least, seconds; 0 when it does not say."""
    return min(headers.number(response, "min-se") or 0, SESSION_S_MAX)


class SessionTimer:
    """The timer of one answered call."""

    def __init__(self, ua: Any, *, seconds: int, is_ours: bool, end: Callable[[], None]) -> None:
        """Refresh every `seconds` / 2 if that `is_ours` to do, else `end` when nobody does."""
        self._ua = ua
        self._seconds = seconds
        self._is_ours = is_ours
        self._end = end
        self._timer: Any = None
        self._asked_for_password = False
        self._wait()

    def refreshed(self) -> None:
        """The peer sent a request within the call: it is there."""
        if not self._is_ours:
            self._wait()

    def stop(self) -> None:
        """The call is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self.stop()
        # The end that does not refresh gives up a little before the interval does (section 10).
        grace_s = min(32.0, self._seconds / 3)
        wait_s = self._seconds / 2 if self._is_ours else self._seconds - grace_s
        self._timer = Timeout(self._refresh if self._is_ours else self._end, wait_s)

    def _refresh(self, challenge: Any = None) -> None:
        self._timer = None
        ua = self._ua
        if not ua.isConnected():
            return
        more = (
            SipHeader(name="supported", bodys="timer"),
            SipHeader(name="session-expires", bodys=f"{self._seconds};refresher=uac"),
        )
        request = ua.genRequest("INVITE", ua.lSDP, challenge, extra_headers=more)
        # sippy keeps INVITEs for its own answers to challenges; this one is ours alone.
        ua.reqs.clear()
        ua.newTransaction(request, resp_cb=self._replied)

    def _replied(self, response: Any) -> None:
        status = response.getSCode()[0]
        if status < 200 or not self._ua.isConnected():
            return
        if status in (401, 407) and not self._asked_for_password:
            challenge = None if self._ua.username is None else headers.challenge(response)
            if challenge is not None:
                self._asked_for_password = True
                self._refresh(challenge)
                return
        self._asked_for_password = False
        if status in _GONE:
            self._end()
        else:
            self._wait()

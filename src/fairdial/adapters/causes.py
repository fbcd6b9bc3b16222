"""A SIP status in our words. The raw word always travels beside it."""

from __future__ import annotations

from fairdial.ports import EndCause

_CAUSES = {
    403: EndCause.REJECTED,
    404: EndCause.INVALID,
    408: EndCause.NO_ANSWER,
    410: EndCause.INVALID,
    480: EndCause.NO_ANSWER,
    484: EndCause.INVALID,
    486: EndCause.BUSY,
    487: EndCause.NO_ANSWER,
    600: EndCause.BUSY,
    603: EndCause.REJECTED,
    604: EndCause.INVALID,
    607: EndCause.REJECTED,
    608: EndCause.REJECTED,
}
"""RFC 3261 section 21; 607 (RFC 8197) and 608 (RFC 8688) are said by people and their guards."""

TRUNK_FAULTS = frozenset({500, 502, 503, 504})
"""Final responses by which a trunk says that it cannot, before anything rang: another may."""


def cause(status: int) -> EndCause:
    """Why a call that got the final status `status` ended.

    A redirection is a rejection: a permit names one number, so a call never moves to another. What
    is left of 4xx means that the trunk and we do not understand each other (401, 488, …).
    """
    known = _CAUSES.get(status)
    if known is not None:
        return known
    if 300 <= status < 400:
        return EndCause.REJECTED
    if 500 <= status < 600:
        return EndCause.CONGESTION
    return EndCause.FAILED


def raw(status: int, reason: str, more: str | None = None) -> str:
    """The network's own word: `SIP 486 Busy Here`, with its Reason header if it sent one."""
    text = f"SIP {status} {reason}" + (f"; {more}" if more else "")
    return "".join(c if c.isprintable() else " " for c in text)[:200]

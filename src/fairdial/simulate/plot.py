"""The rows of a comparison as a picture: utilisation and abandon rate side by side, with bands.

Plain SVG, so that it stands in a page, a mail or a slide as it is, and needs no library.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from fairdial.simulate.compare import BOUNDS, CEILING, Band, Row

WIDTH = 900
_ROW = 30
_TOP = 84
_BOTTOM = 44
_NAMES = 170
_GAP = 60
_PANEL = (WIDTH - _NAMES - _GAP - 20) // 2
_INK, _FAINT, _OURS, _OTHERS, _BOUND, _OVER = (
    "#1f2430",
    "#c9ced8",
    "#1f6feb",
    "#7d8797",
    "#b9a26b",
    "#c62828",
)
_RATE_AXIS_MIN = 0.06
"""The axis of the abandon rate reaches this far at least: twice the ceiling."""


def svg(rows: Sequence[Row], title: str) -> str:
    """A drawing of at least one row. Rates over the ceiling are red; the line is the ceiling."""
    height = _TOP + _ROW * len(rows) + _BOTTOM
    most = max(_RATE_AXIS_MIN, *(row.abandon_rate.high for row in rows))
    rate_axis = next(step for step in (0.06, 0.1, 0.2, 0.4, 0.6, 1.0) if step >= min(1.0, most))
    left, right = _NAMES, _NAMES + _PANEL + _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" font-family="sans-serif" '
        f'font-size="13" fill="{_INK}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="26" font-size="15" font-weight="bold">{escape(title)}</text>',
        f'<text x="{left}" y="{_TOP - 26}">utilisation</text>',
        f'<text x="{right}" y="{_TOP - 26}">abandoned of live answers</text>',
        *_axis(left, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0), len(rows)),
        *_axis(right, rate_axis, tuple(rate_axis * n / 4 for n in range(5)), len(rows)),
    ]
    for number, row in enumerate(rows):
        y = _TOP + _ROW * number
        hue = _OURS if row.law == "predictive" else _BOUND if row.law in BOUNDS else _OTHERS
        parts.append(
            f'<text x="{left - 10}" y="{y + 19}" text-anchor="end">{escape(row.law)}</text>'
        )
        parts += _bar(left, y, row.utilisation, 1.0, hue)
        over = row.abandon_rate.mean > CEILING
        parts += _bar(right, y, row.abandon_rate, rate_axis, _OVER if over else hue)
    at = right + _PANEL * CEILING / rate_axis
    bottom = _TOP + _ROW * len(rows)
    parts += [
        f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP - 4}" y2="{bottom}" stroke="{_OVER}" '
        'stroke-dasharray="4 3"/>',
        f'<text x="{at:.1f}" y="{bottom + 34}" fill="{_OVER}" text-anchor="middle">'
        f"ceiling {CEILING:.0%}</text>",
        f'<text x="16" y="{bottom + 34}" font-size="11">bars: means; thin lines: nine of ten '
        "days</text>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _axis(x: float, most: float, ticks: Sequence[float], rows: int) -> list[str]:
    bottom = _TOP + _ROW * rows
    parts = []
    for tick in ticks:
        at = x + _PANEL * tick / most
        digits = 0 if most >= 0.2 else 1
        parts += [
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP - 4}" y2="{bottom}" stroke="{_FAINT}"/>',
            f'<text x="{at:.1f}" y="{_TOP - 9}" font-size="11" text-anchor="middle">'
            f"{100 * tick:.{digits}f} %</text>",
        ]
    return parts


def _bar(x: float, y: float, band: Band, most: float, hue: str) -> list[str]:
    mean, low, high = (
        _PANEL * min(1.0, value / most) for value in (band.mean, band.low, band.high)
    )
    return [
        f'<rect x="{x}" y="{y + 6}" width="{mean:.1f}" height="18" fill="{hue}"/>',
        f'<line x1="{x + low:.1f}" x2="{x + high:.1f}" y1="{y + 15}" y2="{y + 15}" '
        f'stroke="{_INK}" stroke-width="1.5"/>',
    ]

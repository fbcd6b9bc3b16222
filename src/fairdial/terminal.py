"""The live view of a running campaign for a terminal, and one line of it for a log.

Shows what the page shows, in as many lines as the terminal has: what a person must see first (that
this is the sandbox, what the dialer does and why, the abandonment figure) never makes way for a
table row. Texts from users' lists are printed as they are, never read as markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.text import Text

from fairdial.flow.picture import Picture
from fairdial.web.shown import AgentRow, Count, RefusalRow, ShownPicture, show, words

SANDBOX = "SANDBOX – simulated carrier, fictional numbers, nothing leaves this machine"
WIDTH_MIN = 40
STATE_LINES_MAX = 3

_STATE_STYLES = {
    "ready": "green",
    "talking": "bright_blue",
    "reserved": "magenta",
    "bridging": "magenta",
    "wrap_up": "yellow",
    "connecting": "yellow",
    "waiting": "red",
    "message": "red",
    "abandoned": "red",
    "stop_calling": "red",
    "sale": "green",
    "connected": "green",
}


def render(
    picture: Picture, *, url: str | None, width: int | None = None, zone: str = "UTC"
) -> TerminalView:
    """The picture for `rich.Live`; fits itself into the console's width and height.

    `width` bounds it further, in columns; `zone` (IANA) is where times are told.
    """
    return render_shown(show(picture, zone=zone), url=url, width=width)


def render_shown(shown: ShownPicture, *, url: str | None, width: int | None = None) -> TerminalView:
    """The same from what the API answers with."""
    return TerminalView(shown=shown, url=url, width=width)


def plain_line(picture: Picture, *, zone: str = "UTC") -> str:
    """The picture as one line, for a log or a pipe."""
    p = show(picture, zone=zone)
    rate = p.abandonment_30d
    agents = ", ".join(f"{c.count} {words(c.name)}" for c in p.agents_by_state)
    return " | ".join(
        [
            ("SANDBOX " if p.is_sandbox else "") + _clock(p.at, zone),
            f"{p.progress.done} of {p.progress.of} {p.progress.what}",
            f"{p.in_flight} in flight, {p.answered} answered, {p.connected} connected",
            f"{p.abandoned} abandoned ({rate.rate:.1%} of {rate.ceiling:.1%} allowed)",
            f"{p.refused} refused",
            f"agents: {agents}",
            p.state if p.is_engine_up else f"ENGINE DOWN: {p.state}",
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalView:
    """A picture that draws itself into the room that a console gives it."""

    shown: ShownPicture
    url: str | None
    width: int | None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw, at most as high as the console less one line for the cursor."""
        columns = options.max_width if self.width is None else min(self.width, options.max_width)
        lines = _lines(
            self.shown, url=self.url, width=max(WIDTH_MIN, columns), height=options.size.height - 1
        )
        for line in lines:
            line.truncate(columns, overflow="ellipsis")
            yield from line.render(console)
            yield Segment.line()


def _lines(p: ShownPicture, *, url: str | None, width: int, height: int) -> list[Text]:
    """The view, line by line; tables share what the fixed lines leave."""
    head = [*_banner(p, width), *_title(p, width), *_state(p, width)]
    middle = [_progress(p, width), *_figures(p, width), _agents_by_state(p)]
    foot = [_styled(f"Live page: {url}", "dim")] if url else []
    room = max(0, height - len(head) - len(middle) - len(foot))
    tables = _tables(p, width=width, room=room)
    return [*head, *middle, *tables, *foot]


# --- what never makes way -------------------------------------------------------------------------


def _banner(p: ShownPicture, width: int) -> list[Text]:
    if not p.is_sandbox:
        return [_styled(" LIVE – real calls ".center(width), "bold white on red")]
    clock = f"{_day(p.at, p.zone)} {_clock(p.at, p.zone)} {_place(p.zone)}"
    style = "bold #1a1400 on #ffcf33"
    if width >= len(SANDBOX) + len(clock) + 6:
        gap = width - len(SANDBOX) - len(clock) - 2
        return [_styled(f" {SANDBOX}{' ' * gap}{clock} ", style)]
    return [_styled(set_cell_size(line, width), style) for line in _wrap(f" {SANDBOX}", width)]


def _title(p: ShownPicture, width: int) -> list[Text]:
    # The first line stays whole in a narrow terminal; the clock has a line of its own there.
    title = _styled(p.campaign, "bold")
    title.append(f" for {p.seller}")
    clock = f"{_clock(p.at, p.zone)} {_place(p.zone)}"
    level = f" {p.dial_level:.1f}/agent" if p.dial_level else ""
    facts = f"{p.purpose}, {p.dial_mode}{level}, from {p.caller_id}"
    if width >= 110:
        title.append(f" · {facts}", style="dim")
        return [title]
    return [title, _ends(_styled(facts, "dim"), _styled(clock, "bold"), width)]


def _state(p: ShownPicture, width: int) -> list[Text]:
    sentence = p.state if p.is_engine_up else f"ENGINE DOWN – {p.state}"
    style = "cyan" if p.is_engine_up else "bold red"
    wrapped = _wrap(f"▸ {sentence}", width)
    if len(wrapped) > STATE_LINES_MAX:
        last = " ".join(wrapped[STATE_LINES_MAX - 1 :])
        wrapped = [*wrapped[: STATE_LINES_MAX - 1], _fit(last, width)]
    return [_styled(line, style) for line in wrapped]


def _progress(p: ShownPicture, width: int) -> Text:
    done, of = p.progress.done, p.progress.of
    share = min(1.0, done / of) if of > 0 else 0.0
    label = f" {done:,} of {of:,} {p.progress.what} {share:4.0%}"
    size = max(8, width - len(label))
    return _bar(share, size, "bright_blue").append(label, style="bold")


def _figures(p: ShownPicture, width: int) -> list[Text]:
    rate = p.abandonment_30d
    style = "bold red" if rate.is_over else "bold green"
    first = Text()
    for name, value in (
        ("in flight", p.in_flight),
        ("waiting", p.waiting),
        ("answered", p.answered),
        ("connected", p.connected),
        ("refused", p.refused),
    ):
        first.append(f"{value:,}", style="bold").append(f" {name}   ", style="dim")
    second = _styled(f"{p.abandoned:,}", "bold").append(" abandoned   ", style="dim")
    second.append(f"{rate.rate:.1%}", style=style)
    verdict = "OVER" if rate.is_over else "under"
    second.append(f" {verdict} the {rate.ceiling:.0%} ceiling ", style=style)
    scale = max(rate.ceiling / 0.6, rate.rate, 1e-9)
    second.append_text(_meter(rate.rate / scale, rate.ceiling / scale, 12, style))
    second.append(f" 30 days: {rate.abandoned:,} of {rate.live_answers:,}", style="dim")
    if first.cell_len + second.cell_len <= width:
        return [first.append_text(second)]
    return [first, second]


def _agents_by_state(p: ShownPicture) -> Text:
    line = _styled("Agents", "bold").append(f" {len(p.agents)}: ")
    for index, c in enumerate(p.agents_by_state):
        line.append("" if index == 0 else ", ")
        line.append(f"{c.count} {words(c.name)}", style=_STATE_STYLES.get(c.name, ""))
    return line


# --- what shares the room that is left ------------------------------------------------------------


def _tables(p: ShownPicture, *, width: int, room: int) -> list[Text]:
    """Agents and calls side by side, then counts, then the newest refusals."""
    if room < 2:
        return []
    counts_most = max(len(p.refused_by_rule), len(p.outcomes), len(p.dispositions), 1) + 1
    refused_most = 1 + 2 * len(p.refusals) if p.refusals else 0
    floor_most = max(len(p.agents), len(p.calls), 1) + 1
    # Each table first gets enough to be of use, then the rest goes round in this order.
    floor = min(floor_most, 4, room)
    counts = min(counts_most, 4, room - floor)
    refused = min(refused_most, 3, room - floor - counts)
    spare = room - floor - counts - refused
    more = min(spare, floor_most - floor)
    floor, spare = floor + more, spare - more
    more = min(spare, counts_most - counts)
    counts, spare = counts + more, spare - more
    refused = min(refused_most, refused + spare)
    return [
        *_floor(p, width, floor),
        *_counts(p, width, counts),
        *_refusals(p, width, refused),
    ]


def _floor(p: ShownPicture, width: int, height: int) -> list[Text]:
    left = width * 45 // 100 if width < 110 else width * 40 // 100
    right = width - left - 2
    name, state = (10, 10) if width < 110 else (14, 11)
    agents = [
        _columns(
            [
                (a.name, name, "bold"),
                (words(a.state), state, _STATE_STYLES.get(a.state, "dim")),
                (_duration(a.state_s), 5, ""),
                (_on(a), left - name - state - 8, "dim"),
            ]
        )
        for a in p.agents
    ]
    agents_head = f"{'Agent':{name}} {'state':{state}} {'for':>5} on"
    calls = [
        _columns(
            [
                (c.number, 15, ""),
                (c.name, right - 15 - 9 - 5 - 3, "dim"),
                (words(c.state), 9, _STATE_STYLES.get(c.state, "dim")),
                (_duration(c.state_s), 5, ""),
            ]
        )
        for c in p.calls
    ]
    return _side_by_side(
        [
            (_titled(agents_head, agents, height, "nobody is logged in"), left),
            (_titled("Live calls", calls, height, "no call is up"), right),
        ],
        height,
    )


def _on(agent: AgentRow) -> str:
    """Whom the agent is joined with, and whether a break comes next."""
    return ", ".join(filter(None, [agent.on, "pause next" if agent.pause_asked else None]))


def _counts(p: ShownPicture, width: int, height: int) -> list[Text]:
    each = (width - 4) // 3

    def listed(title: str, counts: Iterable[Count], none: str, name: Callable[[str], str]) -> Block:
        rows = [
            _columns([(name(c.name), each - 7, _STATE_STYLES.get(c.name, "")), (c.count, 6, "")])
            for c in counts
        ]
        return _titled(title, rows, height, none), each

    return _side_by_side(
        [
            listed("Refused by rule", p.refused_by_rule, "no call was refused", str),
            listed("Outcomes", p.outcomes, "no call has ended", words),
            listed("Dispositions", p.dispositions, "none recorded", words),
        ],
        height,
    )


def _refusals(p: ShownPicture, width: int, height: int) -> list[Text]:
    lines = [_styled("Newest refusals: nothing rang", "bold underline")]
    for r in p.refusals:
        who = _styled(_clock(r.at, p.zone), "dim").append(f" {r.number} ")
        who.append(r.name, style="bold").append(f"  {_next_allowed(r, p)}", style="dim")
        why = "; ".join(f"{reason.why} ({reason.rule})" for reason in r.reasons)
        lines += [who, _styled(f"  {_fit(why, width - 2)}", "red")]
    # A person's name without the reason says nothing: refusals are shown whole or not at all.
    whole = height if height % 2 else height - 1
    return lines[:whole] if whole >= 3 else []


# --- pieces ---------------------------------------------------------------------------------------

Block = tuple[list[Text], int]
"""Lines and the width that they take."""


def _styled(text: str, style: str) -> Text:
    """A text whose style ends with it: what is appended later has a style of its own."""
    return Text().append(text, style=style)


def _titled(title: str, rows: Sequence[Text], height: int, none: str) -> list[Text]:
    """A heading and as many rows as fit; the last one says how many do not."""
    if height < 1:
        return []
    body = list(rows) or [_styled(none, "dim")]
    if len(body) > height - 1 > 0:
        hidden = len(body) - (height - 2)
        body = [*body[: height - 2], _styled(f"… and {hidden} more", "dim")]
    return [_styled(title, "bold underline"), *body[: height - 1]]


def _side_by_side(blocks: Sequence[Block], height: int) -> list[Text]:
    most = min(height, max((len(lines) for lines, _ in blocks), default=0))
    joined = []
    for index in range(most):
        line = Text()
        for position, (lines, width) in enumerate(blocks):
            part = lines[index].copy() if index < len(lines) else Text()
            part.truncate(width, overflow="ellipsis", pad=position < len(blocks) - 1)
            line.append("  " if position else "").append_text(part)
        joined.append(line)
    return joined


def _columns(cells: Iterable[tuple[str | int, int, str]]) -> Text:
    """One row: each cell cut or padded to its width; figures and times stand to the right."""
    row = Text()
    for index, (value, width, style) in enumerate(cells):
        text = f"{value:,}" if isinstance(value, int) else value
        is_figure = isinstance(value, int) or (":" in text and text.replace(":", "").isdecimal())
        padded = text.rjust(width) if is_figure else _pad(text, width)
        row.append(" " if index else "").append(_fit(padded, width), style=style or None)
    return row


def _ends(left: Text, right: Text, width: int) -> Text:
    room = width - right.cell_len - 1
    left.truncate(max(0, room), overflow="ellipsis", pad=True)
    return left.append(" ").append_text(right)


def _bar(share: float, size: int, style: str) -> Text:
    full = round(share * size)
    return _styled("━" * full, style).append("━" * (size - full), style="bright_black")


def _meter(share: float, mark: float, size: int, style: str) -> Text:
    full, at = round(min(1.0, share) * size), min(size - 1, round(mark * size))
    meter = Text()
    for k in range(size):
        if k == at:
            meter.append("┃", style="bold")
        else:
            meter.append("━", style=style if k < full else "bright_black")
    return meter


def _wrap(text: str, width: int) -> list[str]:
    """Break at spaces; a word longer than a line is cut."""
    lines, line = [], ""
    for word in text.split(" "):
        candidate = f"{line} {word}" if line else word
        if cell_len(candidate) <= width:
            line = candidate
        else:
            if line:
                lines.append(line)
            line = _fit(word, width)
    return [*lines, line]


def _fit(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)) + "…" if width > 0 else ""


def _pad(text: str, width: int) -> str:
    return text + " " * max(0, width - cell_len(text))


def _duration(seconds: float) -> str:
    s = int(seconds)
    if s < 3600:
        return f"{s // 60}:{s % 60:02d}"
    return f"{s // 3600}:{s % 3600 // 60:02d}:{s % 60:02d}" if s < 36000 else f"{s // 3600} h"


def _local(at: datetime, zone: str) -> datetime:
    return at.astimezone(ZoneInfo(zone))


def _clock(at: datetime, zone: str) -> str:
    return f"{_local(at, zone):%H:%M:%S}"


def _day(at: datetime, zone: str) -> str:
    return f"{_local(at, zone):%a %d %b}"


def _place(zone: str) -> str:
    return zone.rpartition("/")[2].replace("_", " ")


def _next_allowed(refusal: RefusalRow, p: ShownPicture) -> str:
    if refusal.next_allowed_at is None:
        return "time alone will not mend it"
    then, now = _local(refusal.next_allowed_at, p.zone), _local(p.at, p.zone)
    day = "" if then.date() == now.date() else f"{then:%a %d %b}, "
    return f"next allowed {day}{then:%H:%M}"

"""The dispute file as one page of HTML that needs nothing else: to read, to print, to hand over.

Every recorded word is escaped; there is no script, no picture and no link to anywhere. What is
shown is decided by `flow.dispute`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from fairdial.core.audit import canonical, stamp
from fairdial.core.checkpoint import Checkpoint, head_of, statement
from fairdial.core.ids import Instant
from fairdial.flow.dispute import Details, Dispute, ShownEvent, ShownRule, ShownVerdict

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 Georgia, 'Times New Roman', serif; color: #1a1a1a; background: #fff;
  max-width: 62rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; }
h2 { margin-top: 2.5rem; border-bottom: 2px solid #333; }
h3 { margin: 1.6rem 0 .2rem; font-size: 1.05rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; font-size: .88em; }
th, td { text-align: left; vertical-align: top; padding: .25rem .5rem;
  border-bottom: 1px solid #ccc; overflow-wrap: anywhere; }
th { background: #f2f2f2; }
.facts th { width: 14rem; font-weight: normal; }
code, pre { font: .85em/1.4 ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; background: #f7f7f7; padding: .6rem; border: 1px solid #ddd; }
th, td.allow, td.refuse, td.unknown { overflow-wrap: normal; }
.refuse, .unknown { color: #9b1c1c; font-weight: bold; }
.allow { color: #1d6b36; }
.what { font-variant: small-caps; letter-spacing: .03em; }
.event { border-left: 3px solid #999; padding-left: .8rem; margin: .8rem 0; }
.permit { border-color: #1d6b36; }
.refusal { border-color: #9b1c1c; }
.note { background: #fff6d6; border: 1px solid #d8c26a; padding: .5rem .8rem; }
@media print {
  body { margin: 0; max-width: none; font-size: 10.5pt; }
  h2 { break-before: page; } h2.first { break-before: auto; }
  tr, pre { break-inside: avoid; } thead { display: table-header-group; }
}
"""


def dispute_page(dispute: Dispute) -> str:
    """The page of one number's dispute file."""
    number = escape(dispute.number)
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Record of calls to {number}</title><style>{STYLE}</style></head><body>",
            f"<h1>Record of calls to {number}</h1>",
            f"<p>Made on {_when(dispute.made_at)} by Fairdial from its record. All times are UTC; "
            "sentences of the rules name the called party's own time.</p>",
            *_notes(dispute),
            '<h2 class="first">In short</h2>',
            _table((), ((name, str(count)) for name, count in dispute.counts.items()), "facts"),
            *_leads(dispute),
            "<h2>What happened, in order of time</h2>",
            *(_event(event) for event in dispute.events),
            "<h2>The sealed entries</h2>",
            "<p>Each entry seals the one before: its hash covers its own content and the hash of "
            "its predecessor. The entries between these concern other numbers.</p>",
            _table(
                ("entry", "time", "kind", "about", "by", "content", "hash before", "hash"),
                (
                    (
                        str(e.seq),
                        stamp(e.at),
                        e.kind,
                        e.subject,
                        e.actor,
                        canonical(e.body),
                        e.prev_hash,
                        e.hash,
                    )
                    for e in dispute.entries
                ),
            ),
            *_checkpoints(dispute),
            *_how_to_verify(dispute),
            "<h2>The rules as they stood</h2>",
            *(_rule(rule) for rule in dispute.rules),
            "</body></html>\n",
        )
    )


def _notes(dispute: Dispute) -> Iterator[str]:
    if dispute.is_sandbox:
        yield _note("This is sandbox data: a fictional number, simulated people. No phone rang.")
    if not dispute.events:
        yield _note("Nothing about this number is on record.")
    if dispute.altered_entries:
        numbers = ", ".join(map(str, dispute.altered_entries))
        yield _note(
            f"These audit entries do not match their hashes: {numbers}. They were altered after "
            "they were sealed."
        )
    for name in dispute.rulebooks_not_kept:
        yield _note(f"The texts of the rulebook {name} were not kept.")


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def _leads(dispute: Dispute) -> Iterator[str]:
    if dispute.leads:
        yield "<h3>Where the number came from</h3>"
        yield _table(
            ("list", "row", "imported", "campaign", "name", "state", "zone", "party", "line"),
            (
                tuple(
                    _text(lead[name])
                    for name in ("list", "row", "imported_at", "campaign", "name", "region")
                )
                + tuple(_text(lead[name]) for name in ("zone", "party", "line_type"))
                for lead in dispute.leads
            ),
        )


def _event(event: ShownEvent) -> str:
    when = f"{event.at:%Y-%m-%d}" if event.is_day_only else _when(event.at)
    parts = [
        f'<section class="event {escape(event.what)}">',
        f'<h3><time>{when}</time> <span class="what">{escape(event.what)}</span></h3>',
        f"<p>{escape(event.text)}</p>",
    ]
    if event.verdicts:
        parts.append(
            "<table><thead><tr><th>ruling</th><th>rule</th><th>why</th><th>citation and value"
            "</th></tr></thead><tbody>"
        )
        parts += [_verdict(verdict) for verdict in event.verdicts]
        parts.append("</tbody></table>")
    parts.append(_details(event.details))
    return "\n".join((*parts, "</section>"))


def _verdict(verdict: ShownVerdict) -> str:
    ruling, rule = escape(verdict.ruling), escape(verdict.rule)
    title = f"<br>{escape(verdict.title)}" if verdict.title else ""
    value = f"<br>{escape(verdict.value_in_force)}" if verdict.value_in_force else ""
    return (
        f'<tr><td class="{ruling}">{ruling}</td><td><code>{rule}</code>{title}</td>'
        f"<td>{escape(verdict.why)}</td><td>{escape(verdict.citation)}{value}</td></tr>"
    )


def _details(details: Details) -> str:
    return _table((), details, "facts") if details else ""


def _checkpoints(dispute: Dispute) -> Iterator[str]:
    yield "<h3>The signed checkpoints around them</h3>"
    for name, checkpoint in (
        ("before", dispute.checkpoint_before),
        ("behind, which seals them", dispute.checkpoint_after),
    ):
        if checkpoint is None:
            yield f"<p>{escape(name.capitalize())}: none.</p>"
        else:
            yield f"<p>{escape(name.capitalize())}:</p>" + _checkpoint(checkpoint)


def _checkpoint(checkpoint: Checkpoint) -> str:
    signed = statement(head=head_of(checkpoint), at=checkpoint.at, public_key=checkpoint.public_key)
    return (
        f"<pre>{escape(signed.decode())}</pre>"
        f"<p>Ed25519 public key <code>{escape(checkpoint.public_key)}</code><br>"
        f"signature <code>{escape(checkpoint.signature)}</code></p>"
    )


def _how_to_verify(dispute: Dispute) -> Iterator[str]:
    yield "<h2>How to verify this</h2><ol>"
    yield (
        "<li>An entry's hash is the SHA-256 of seven lines joined by line feeds: entry, time, "
        "kind, about, by, content, hash before, exactly as printed above. Anybody can make it "
        "again.</li>"
    )
    yield (
        "<li>A checkpoint's signature is Ed25519 over the text in its box, by the public key "
        "below it. Compare that key with the one that the caller published or handed over "
        "earlier (<code>fairdial audit key</code>).</li>"
    )
    yield (
        "<li>A permit's or refusal's digest stands in its audit entry. It is the SHA-256 of its "
        "rulebook, time-zone data, verdicts and facts, which the export below has in full.</li>"
    )
    yield (
        "<li>That the entries stand where they stood, and that none is missing, is shown by the "
        "whole chain: <code>fairdial audit export record.jsonl.gz</code> writes it, and "
        "<code>fairdial audit verify --export record.jsonl.gz --key PUBLIC-KEY</code> checks it "
        "on any machine, without the database.</li>"
    )
    yield (
        "<li>That the rules say so today too, or what would differ: "
        f"<code>fairdial audit rejudge --number {escape(dispute.number)}</code>.</li></ol>"
    )


def _rule(rule: ShownRule) -> str:
    return (
        f"<h3><code>{escape(rule.id)}</code></h3><p>{escape(rule.path)} of rulebook "
        f"<code>{escape(rule.rulebook)}</code>, first used on {_when(rule.first_used_at)}.</p>"
        f"<pre>{escape(rule.text.strip())}</pre>"
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], style: str = "") -> str:
    parts = [f'<table class="{style}">']
    if head:
        cells = "".join(f"<th>{escape(name)}</th>" for name in head)
        parts.append(f"<thead><tr>{cells}</tr></thead>")
    parts.append("<tbody>")
    for row in rows:
        first = "td" if head else "th"
        cells = f"<{first}>{escape(row[0])}</{first}>"
        parts.append(f"<tr>{cells}{''.join(f'<td>{escape(cell)}</td>' for cell in row[1:])}</tr>")
    parts.append("</tbody></table>")
    return "\n".join(parts)


def _when(at: Instant) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _text(value: Any) -> str:
    return "" if value is None else str(value)

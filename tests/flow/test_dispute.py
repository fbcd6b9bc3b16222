"""The dispute file: everything about one number, nothing of others, readable and escaped."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.flow.cast import Stage

from fairdial.adapters.audit_keys import AuditKeys
from fairdial.core.attempt import EndCause
from fairdial.core.ids import E164
from fairdial.core.permit import plain
from fairdial.flow.checkpoints import make_checkpoint
from fairdial.flow.dispute import Dispute, make_dispute
from fairdial.flow.stop_request import take_stop_request
from fairdial.web.dispute_page import dispute_page

NUMBER = E164("+12125550142")


@pytest.fixture
async def dispute(stage: Stage, tmp_path: Path) -> Dispute:
    """A talk, a stop request by letter, and a call that was refused for it; and a stranger's."""
    keys = AuditKeys(tmp_path / "data")
    await stage.dialed("+12125550143")
    await make_checkpoint(stage.store, keys, stage.clock.now())
    attempt, _ = await stage.talking(NUMBER)
    stage.clock.move(seconds=90)
    stage.telephony.end(attempt.id, EndCause.CALLED_PARTY_HUNG_UP)
    await stage.settle()
    stage.clock.move(minutes=5)
    source = "letter <script>alert('&')</script>"
    await take_stop_request(stage.store, NUMBER, source=source, now=stage.clock.now())
    stage.clock.move(minutes=5)
    await stage.place(await stage.lead(NUMBER))
    await make_checkpoint(stage.store, keys, stage.clock.now())
    return await make_dispute(stage.store.proof(), NUMBER, stage.clock.now())


def test_it_tells_what_happened_in_order_of_time(dispute: Dispute) -> None:
    told = [event.what for event in dispute.events]
    assert told[0] == "permit"
    assert [
        w for w in told if w in ("permit", "connected", "ended", "stop request", "refusal")
    ] == [
        "permit",
        "connected",
        "ended",
        "stop request",
        "refusal",
    ]
    connected = next(event for event in dispute.events if event.what == "connected")
    assert connected.text == "the talk began by agent Ada"
    assert ("seller", "Meridian Savings Bank") in connected.details


def test_every_verdict_comes_with_citation_and_the_value_in_force(dispute: Dispute) -> None:
    permit = dispute.events[0]
    hours = next(v for v in permit.verdicts if v.rule == "us.tcpa.hours")
    assert hours.ruling == "allow"
    assert "47 CFR 64.1200(c)(1)" in hours.citation
    assert hours.value_in_force == "in force from 2026-01-01: every_day = 08:00-21:00"
    refusal = next(event for event in dispute.events if event.what == "refusal")
    assert "suppression.internal" in refusal.text
    texts = {rule.id: rule.text for rule in dispute.rules}
    assert 'every_day = "08:00-21:00"' in texts["us.tcpa.hours"]


def test_its_entries_are_sealed_between_two_signed_checkpoints(dispute: Dispute) -> None:
    before, after = dispute.checkpoint_before, dispute.checkpoint_after
    assert before is not None
    assert after is not None
    assert before.seq < dispute.entries[0].seq <= dispute.entries[-1].seq <= after.seq
    assert dispute.altered_entries == ()


def test_nothing_about_another_number_is_in_it(dispute: Dispute) -> None:
    assert "+12125550143" not in json.dumps(plain(dispute))
    assert "+12125550143" not in dispute_page(dispute)


class Reader(HTMLParser):
    """Notes the elements and the text of a page, and refuses one that is not well nested."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_is_whole_escaped_and_needs_nothing_else(dispute: Dispute) -> None:
    page = dispute_page(dispute)
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert not reader.seen & {"script", "img", "link", "iframe", "a"}
    assert "http" not in page
    assert "letter <script>alert('&')</script>" in "".join(reader.text)


def test_the_page_says_whatever_the_json_says(dispute: Dispute) -> None:
    reader = Reader()
    reader.feed(dispute_page(dispute))
    text = "".join(reader.text)
    for event in dispute.events:
        assert event.text in text
        for verdict in event.verdicts:
            assert verdict.why in text
            assert verdict.value_in_force in text
        for _, value in event.details:
            assert value in text
    for entry in dispute.entries:
        assert entry.hash in text
    for rule in dispute.rules:
        assert rule.text.strip() in text


async def test_an_altered_entry_is_pointed_out(stage: Stage, dispute: Dispute) -> None:
    seq = dispute.entries[1].seq
    async with stage.store._connection() as conn:
        await conn.execute("ALTER TABLE audit_entry DISABLE TRIGGER audit_append_only")
        await conn.execute("UPDATE audit_entry SET actor = 'nobody' WHERE seq = %s", [seq])
    again = await make_dispute(stage.store.proof(), NUMBER, stage.clock.now())
    assert again.altered_entries == (seq,)
    assert f"do not match their hashes: {seq}." in dispute_page(again)


async def test_a_number_that_nobody_met_gives_an_empty_file(stage: Stage) -> None:
    empty = await make_dispute(stage.store.proof(), E164("+12125550177"), stage.clock.now())
    assert (empty.events, empty.entries, empty.rules) == ((), (), ())
    assert "Nothing about this number is on record." in dispute_page(empty)

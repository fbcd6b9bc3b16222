"""A campaign from its files to its summary: what `fairdial run` and `fairdial demo` both do.

Starts what is needed, dials, shows the live picture, stops on Ctrl-C by ending every call, and
counts at the end what the tables, the audit chain and the carrier's own log say.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
import webbrowser
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape

from fairdial import app, terminal
from fairdial.adapters.audit_keys import AuditKeys
from fairdial.adapters.carrier.processes import PhonesProcess
from fairdial.adapters.carrier.witness import CarrierReport, read_log
from fairdial.adapters.files.campaign import CampaignFile, read_campaign
from fairdial.adapters.files.rejects import rejects_path
from fairdial.adapters.postgres.store import PostgresStore
from fairdial.core import abandon
from fairdial.core.ids import Instant
from fairdial.core.proof import ProofFault
from fairdial.exceptions import SettingsError, StoreUnavailable
from fairdial.flow import agent_desk
from fairdial.flow.agent_picture import BrowserDesks
from fairdial.flow.checkpoints import keep_checkpoints, make_checkpoint
from fairdial.flow.dialer import Dialer
from fairdial.flow.floor import Floor, log
from fairdial.flow.intake import Intake
from fairdial.flow.picture import Picture, take_picture
from fairdial.flow.recover import recover_all
from fairdial.flow.verify import verify_audit
from fairdial.ports import BROWSER, is_browser
from fairdial.sandbox.agents import SimulatedAgents
from fairdial.sandbox.morning import CALLED_ZONE, sandbox_morning
from fairdial.settings import Settings
from fairdial.web.pages import create_app
from fairdial.web.phone_page import IceServer, PhonePage
from fairdial.web.server import WebServer, look_at_port

LOOK_S = 0.5
PLAIN_LINE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a person may ask of one run."""

    attempts_max: int | None = None
    minutes_max: float | None = None
    """Stop after so long, ending the calls that are up."""
    agents: int | None = None
    """Simulated agents; None takes the campaign file's count."""
    open_browser: bool = False
    with_page: bool = True
    keep_running: bool = False
    encoding: str | None = None
    people: Path | None = None
    scenario: Path | None = None
    seed: int = 1
    summary: Path | None = None
    watch: Callable[[Picture], None] | None = None
    """Is shown every picture too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What came of a run; `as_json` is what `--summary` writes."""

    picture: Picture
    intake: Intake
    first_connected_s: float | None
    carrier: CarrierReport | None
    audit_entries: int
    findings: tuple[ProofFault, ...]
    ended_because: str

    @property
    def is_chain_verified(self) -> bool:
        """Whether the audit found nothing wrong."""
        return not self.findings

    @property
    def does_witness_agree(self) -> bool:
        """Whether the carrier saw as many calls as permits were used; True without a witness."""
        used = self.picture.figures.permits_used
        return self.carrier is None or len(self.carrier.invites) == used

    def as_json(self) -> dict[str, Any]:
        """The figures by name."""
        figures = self.picture.figures
        run = abandon.AbandonRecord(live_answers=figures.live_answers, abandoned=figures.abandoned)
        return {
            "sandbox": self.picture.is_sandbox,
            "campaign": self.picture.campaign,
            "ended_because": self.ended_because,
            "list": {
                "accepted": self.intake.accepted,
                "rejected": self.intake.rejected,
                "rejected_by_reason": self.intake.rejected_by_kind,
                "known_already": self.intake.known,
            },
            "attempts": figures.attempts,
            "permits": figures.permits_issued,
            "permits_used": figures.permits_used,
            "permits_void": figures.permits_void,
            "refused": figures.refused,
            "refusals_by_rule": dict(figures.refused_by_rule),
            "answered": figures.answered,
            "live_answers": figures.live_answers,
            "connected": figures.connected,
            "abandoned": figures.abandoned,
            "abandonment_rate": round(run.rate, 5),
            "abandonment_rate_30d": round(self.picture.abandon_rate_30d, 5),
            "outcomes": dict(figures.outcomes),
            "dispositions": dict(figures.dispositions),
            "seconds_to_first_connected_call": self.first_connected_s,
            "invites_seen_by_carrier": None if self.carrier is None else len(self.carrier.invites),
            "witness_agrees": self.does_witness_agree,
            "audit_entries": self.audit_entries,
            "audit_findings": [f"{f.what}: {f.why}" for f in self.findings],
            "chain_verified": self.is_chain_verified,
        }


async def run_campaign(
    settings: Settings, campaign_path: Path, lead_list: Path, options: RunOptions, out: Console
) -> Summary:
    """Dial a campaign until it is done or stopped. Raises `FairdialError` for what cannot be."""
    file = read_campaign(campaign_path)
    app.look_at_list(settings, lead_list, encoding=options.encoding)
    app.look_at_lines(settings)
    app.look_at_script(settings, people=options.people, scenario=options.scenario)
    if options.summary is not None:
        look_at_summary(options.summary)
    if options.with_page:
        await look_at_port(settings.web_host, settings.web_port)

    def say(what: str) -> None:
        out.print(f"[dim]·[/dim] {escape(what)} …", highlight=False)

    async with (
        app.open_store(settings, say) as store,
        _at_work(settings, store, file, options, say) as (floor, lines, phones),
    ):
        keys = app.audit_keys(settings)
        await make_checkpoint(store, keys, floor.clock.now())
        await recover_all(floor)
        say(f"reading {lead_list.name}")
        campaign, intake = await app.take_in(
            floor, app.library_of(settings), file, lead_list, encoding=options.encoding
        )
        _tell_intake(out, intake, lead_list)
        for warning in file.warnings:
            out.print("note: " + warning, style="yellow", highlight=False, markup=False)
        dialer = Dialer(
            floor=floor,
            campaign=campaign,
            attempts_max=options.attempts_max,
            keep_running=options.keep_running,
        )
        since = floor.clock.now()
        if floor.is_sandbox:
            out.print(
                f"[black on yellow] SANDBOX [/] simulated people, fictional numbers; its clock "
                f"starts on {since:%A %d %B %Y at %H:%M} UTC, a weekday morning where they live",
                highlight=False,
            )
        try:
            await _dial(settings, dialer, keys, file, phones, options, since, out)
        except StoreUnavailable as error:
            raise StoreUnavailable(
                f"{error}\nEvery call was ended. Once the database works, start again: what was "
                "under way is recovered."
            ) from error
        return await _sum_up(store, dialer, keys, intake, lines, since)


@asynccontextmanager
async def _at_work(
    settings: Settings,
    store: PostgresStore,
    file: CampaignFile,
    options: RunOptions,
    say: app.Say,
) -> AsyncIterator[tuple[Floor, app.Lines, PhonesProcess | None]]:
    """Everything with a process of its own: carrier, agents' phones, engine."""
    clock = await app.make_clock(settings, store, sandbox_morning)
    if not settings.sandbox and not file.phones:
        raise SettingsError(
            f"{file.path}: [agents] phones is missing; real calls need agents with real phones "
            '(phones = ["sip:alice@192.0.2.10"]), simulated agents work in the sandbox only'
        )
    async with (
        app.open_lines(
            settings, say, people=options.people, scenario=options.scenario, seed=options.seed
        ) as lines,
        _simulated_phones(file, options, say) as phones,
    ):
        say("starting the telephony engine")
        async with app.open_floor(settings, store, clock, lines, file) as floor:
            yield floor, lines, phones


@asynccontextmanager
async def _simulated_phones(
    file: CampaignFile, options: RunOptions, say: app.Say
) -> AsyncIterator[PhonesProcess | None]:
    if file.phones:
        yield None
        return
    count = options.agents or file.agents
    say(f"starting {count} simulated agents")
    phones = PhonesProcess(count=count)
    await phones.start()
    try:
        yield phones
    finally:
        await phones.stop()


async def _dial(
    settings: Settings,
    dialer: Dialer,
    keys: AuditKeys,
    file: CampaignFile,
    phones: PhonesProcess | None,
    options: RunOptions,
    since: Instant,
    out: Console,
) -> None:
    page, url = await _open_page(settings, dialer, file, since, options, out)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, dialer, "stopped on request")
    if options.minutes_max is not None:
        loop.call_later(60 * options.minutes_max, _stop, dialer, "the time asked for is over")
    team = asyncio.create_task(_staff(dialer, file, phones, options))
    view = asyncio.create_task(_show(dialer, since, url, options, out))
    notary = asyncio.create_task(keep_checkpoints(dialer.floor, keys))
    dialing = asyncio.create_task(dialer.run())
    try:
        await asyncio.wait({dialing, team}, return_when=asyncio.FIRST_COMPLETED)
        if team.done() and not dialing.done():
            # Without agents nobody may be called; their failure is the run's.
            dialer.stopping.set()
        await dialing
        if team.done():
            team.result()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            # An impatient second Ctrl-C must not cost the summary, or the order of ending.
            loop.add_signal_handler(number, _is_ending)
        for task in (team, view, notary, dialing):
            task.cancel()
        await asyncio.gather(team, view, notary, dialing, return_exceptions=True)
        if page is not None:
            await page.stop()


def _is_ending() -> None:
    log.info("asked to stop again while ending")


def _stop(dialer: Dialer, why: str) -> None:
    dialer.state = why
    dialer.stopping.set()


async def _staff(
    dialer: Dialer, file: CampaignFile, phones: PhonesProcess | None, options: RunOptions
) -> None:
    """Put agents at the desks: simulated ones, or people at their own SIP phones."""
    await dialer.started.wait()
    if phones is not None:
        await SimulatedAgents(
            floor=dialer.floor,
            campaign=dialer.campaign,
            phones=phones,
            count=options.agents or file.agents,
            seed=options.seed,
            wrap_up_s_max=float(dialer.campaign.wrap_up_s),
        ).run()
        return
    for name, phone in agents_of(file.phones):
        await agent_desk.log_in(dialer.floor, dialer.campaign, name=name, phone=phone)
    await asyncio.Event().wait()


def agents_of(phones: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The name of each agent, by the phone: SIP user, or name behind `browser:`, or a number."""
    unnamed = 0
    for phone in phones:
        if phone == BROWSER:
            unnamed += 1
            yield f"{BROWSER} {unnamed}", phone
        else:
            yield phone.partition(":")[2].partition("@")[0], phone


async def _open_page(
    settings: Settings,
    dialer: Dialer,
    file: CampaignFile,
    since: Instant,
    options: RunOptions,
    out: Console,
) -> tuple[WebServer | None, str | None]:
    if not options.with_page:
        return None, None

    async def look() -> Picture:
        return await take_picture(dialer, since)

    page = WebServer()
    zone = CALLED_ZONE if settings.sandbox else "UTC"
    phone = None
    if any(is_browser(phone) for phone in file.phones):
        phone = PhonePage(
            BrowserDesks(floor=dialer.floor, campaign=dialer.campaign), _ice_servers(settings)
        )
    web = create_app(look, zone=zone, phone=phone)
    url = await page.start(web, settings.web_host, settings.web_port)
    out.print(f"[dim]·[/dim] live page: [link={url}]{url}[/link]", highlight=False)
    if phone is not None:
        desk = f"{url}phone"
        out.print(f"[dim]·[/dim] agents' phone: [link={desk}]{desk}[/link]", highlight=False)
    if options.open_browser and (os.environ.get("DISPLAY") or sys.platform == "darwin"):
        await asyncio.to_thread(webbrowser.open, url)
    return page, url


def _ice_servers(settings: Settings) -> list[IceServer]:
    """What the agents' browsers are told to ask."""
    servers = []
    if settings.webrtc_stun_url is not None:
        servers.append(IceServer(urls=settings.webrtc_stun_url))
    if settings.webrtc_turn_url is not None:
        password = settings.webrtc_turn_password
        servers.append(
            IceServer(
                urls=settings.webrtc_turn_url,
                username=settings.webrtc_turn_username,
                credential=None if password is None else password.get_secret_value(),
            )
        )
    return servers


async def _show(
    dialer: Dialer, since: Instant, url: str | None, options: RunOptions, out: Console
) -> None:
    """The live picture in the terminal, or a line now and then where there is none."""
    await dialer.started.wait()
    zone = CALLED_ZONE if dialer.floor.is_sandbox else "UTC"
    with contextlib.ExitStack() as stack:
        live = None
        if out.is_terminal:
            live = stack.enter_context(Live(console=out, auto_refresh=False))
        told = 0.0
        while True:
            with contextlib.suppress(StoreUnavailable):
                picture = await take_picture(dialer, since)
                if options.watch is not None:
                    options.watch(picture)
                if live is not None:
                    live.update(terminal.render(picture, url=url, zone=zone), refresh=True)
                elif time.monotonic() - told >= PLAIN_LINE_S:
                    told = time.monotonic()
                    out.print(
                        terminal.plain_line(picture, zone=zone),
                        highlight=False,
                        markup=False,
                        soft_wrap=True,
                    )
            await asyncio.sleep(LOOK_S)


def _tell_intake(out: Console, intake: Intake, lead_list: Path) -> None:
    leads = "lead" if intake.accepted == 1 else "leads"
    text = f"[bold]{intake.accepted}[/bold] {leads} taken in from {escape(intake.source)}"
    if intake.known:
        text += f", {intake.known} known already"
    if intake.rejected:
        why = ", ".join(f"{count} {kind}" for kind, count in intake.rejected_by_kind.items())
        rows = "row" if intake.rejected == 1 else "rows"
        rejects = escape(rejects_path(lead_list).name)
        text += f"; {intake.rejected} {rows} rejected ({why}), see {rejects}"
    out.print(f"[dim]·[/dim] {text}", highlight=False)


async def _sum_up(
    store: PostgresStore,
    dialer: Dialer,
    keys: AuditKeys,
    intake: Intake,
    lines: app.Lines,
    since: Instant,
) -> Summary:
    picture = await take_picture(dialer, since)
    first = picture.figures.first_connected_at
    first_connected_s = None
    if first is not None:
        ago_s = (dialer.floor.clock.now() - first).total_seconds()
        first_connected_s = round(time.time() - started_at() - ago_s, 2)
    carrier = None
    if lines.carrier is not None:
        carrier = await asyncio.to_thread(read_log, lines.carrier.log_path)
    await make_checkpoint(store, keys, dialer.floor.clock.now())
    kept = await asyncio.to_thread(keys.kept)
    audited = await verify_audit(
        store.proof().record(), signature_fault=keys.signature_fault, kept_elsewhere=kept
    )
    return Summary(
        picture=picture,
        intake=intake,
        first_connected_s=first_connected_s,
        carrier=carrier,
        audit_entries=audited.entries,
        findings=audited.findings,
        ended_because=dialer.state,
    )


def started_at() -> float:
    """When the command was given, Unix seconds: the shim says so, installs included."""
    try:
        return float(os.environ["FAIRDIAL_STARTED_AT"])
    except (KeyError, ValueError):
        return _IMPORTED_AT


def look_at_summary(path: Path) -> None:
    """Find out before a campaign, not after it, that its figures cannot be kept there."""
    if path.is_dir():
        raise SettingsError(f"--summary: {path} is a folder: name a file in it")
    _write_whole(path, None)


def write_summary(path: Path, summary: Summary) -> None:
    """Write the figures as JSON, whole or not at all."""
    _write_whole(path, json.dumps(summary.as_json(), indent=2) + "\n")


def _write_whole(path: Path, text: str | None) -> None:
    """Write a file, or without a text only see whether that could be done."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text or "", encoding="utf-8")
        if text is None:
            part.unlink()
        else:
            part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise SettingsError(
            f"--summary: cannot write {path}: {error.strerror}; make room, or name a file in a "
            "folder that is there and may be written to"
        ) from error


_IMPORTED_AT = time.time()

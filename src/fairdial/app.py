"""The composition root: the one place that joins the story of a call with the world.

It starts what a run needs (database, simulated carrier, engine), hands out the floor, and ends
everything in the right order, whatever happens in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psycopg

from fairdial.adapters.asterisk.settings import AsteriskSettings
from fairdial.adapters.asterisk.telephony import AsteriskTelephony
from fairdial.adapters.audit_keys import AuditKeys
from fairdial.adapters.carrier.population import read_people
from fairdial.adapters.carrier.processes import CarrierProcess
from fairdial.adapters.carrier.scenario import read_scenario
from fairdial.adapters.clocks import SandboxClock, SystemClock, TimeOrderedIds
from fairdial.adapters.files.campaign import CampaignFile
from fairdial.adapters.files.lists import read_list
from fairdial.adapters.files.recordings import RecordingFolder
from fairdial.adapters.files.rejects import RejectFile, rejects_path
from fairdial.adapters.files.secret import read_secret
from fairdial.adapters.files.trunks import read_phones, read_trunks
from fairdial.adapters.passport import PassportSigner
from fairdial.adapters.postgres.migrations import migrate
from fairdial.adapters.postgres.server import EmbeddedPostgres, ensure_database
from fairdial.adapters.postgres.store import PostgresStore
from fairdial.adapters.registries.library import FileLibrary
from fairdial.adapters.registries.simple import read_simple
from fairdial.adapters.sip.settings import SipSettings
from fairdial.adapters.sip.telephony import SipTelephony
from fairdial.adapters.webrtc.settings import WebRtcSettings
from fairdial.core.campaign import Campaign
from fairdial.core.ids import CampaignId, Instant, SellerId
from fairdial.core.registry import RegistryForm, RegistryOrder, name_from_file
from fairdial.core.rulebook import Rulebook
from fairdial.core.trunk import CALLS_MAX, CALLS_PER_SECOND_MAX, TrunkSettings
from fairdial.exceptions import (
    EngineUnavailable,
    SettingsError,
    StoreUnavailable,
    UnusableList,
)
from fairdial.flow.floor import Floor
from fairdial.flow.intake import Intake, take_in_list, take_in_stop_requests
from fairdial.flow.registries import import_registry
from fairdial.memory import put_aside_what_stays
from fairdial.ports import Clock, Message, Signer, Telephony
from fairdial.rules import load_rulebook_and_files
from fairdial.settings import Settings

CONNECT_S = 10
"""How long a database of yours may take to let us in, seconds."""

RECORDINGS = "recordings"
"""The folder of recordings in the data folder."""

Say = Callable[[str], None]
"""Tells the person at the terminal what is being done."""

SandboxStart = Callable[[date, Instant | None], Instant]
"""From today and the newest moment on record: when the sandbox's clock starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Where calls go."""

    trunks: tuple[TrunkSettings, ...]
    carrier: CarrierProcess | None
    """The simulated carrier, if that is where they go."""


@asynccontextmanager
async def open_store(settings: Settings, say: Say) -> AsyncIterator[PostgresStore]:
    """The database: the server that is named, or an embedded one in the data folder."""
    with contextlib.ExitStack() as stack:
        if settings.database_url is not None:
            url = settings.database_url.get_secret_value()
            await _try_database(url)
        else:
            say("starting PostgreSQL")
            make_folder(settings.data_dir)
            server = EmbeddedPostgres(settings.data_dir)
            conninfo = await _start(server)
            stack.callback(server.stop)
            name = "fairdial_sandbox" if settings.sandbox else "fairdial_live"
            url = await asyncio.to_thread(ensure_database, conninfo, name)
        await asyncio.to_thread(migrate, url)
        async with PostgresStore(url, library_of(settings)) as store:
            yield store


async def _start(server: EmbeddedPostgres) -> str:
    """Start the server; whoever interrupts that leaves none behind."""
    starting = asyncio.create_task(asyncio.to_thread(server.start))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # A thread cannot be called off: it starts the server all the same.
        with contextlib.suppress(StoreUnavailable):
            await starting
            await asyncio.to_thread(server.stop)
        raise


async def _try_database(url: str) -> None:
    """Connect once, so that a wrong address is told by its setting's name and not in the middle.

    Raises `SettingsError` or `StoreUnavailable`. Neither repeats the address, which may hold a
    password.
    """
    name = "FAIRDIAL_DATABASE_URL"
    try:
        connection = await psycopg.AsyncConnection.connect(url, connect_timeout=CONNECT_S)
    except psycopg.OperationalError as error:
        raise StoreUnavailable(
            f"{name}: cannot connect: {error}\nWhat to do: check the address, the user and the "
            "password, and that the server runs and lets this machine in."
        ) from error
    except psycopg.Error as error:
        raise SettingsError(
            f"{name} is no address of a PostgreSQL database; it looks like "
            "postgresql://user:password@host:5432/database"
        ) from error
    await connection.close()


async def make_clock(settings: Settings, store: PostgresStore, start: SandboxStart) -> Clock:
    """Real time, or the sandbox's; the database is claimed for the one or the other."""
    real = SystemClock().now()
    clock: Clock = SystemClock()
    if settings.sandbox:
        clock = SandboxClock(start(real.date(), await store.newest_moment()))
    await store.claim_installation(is_sandbox=settings.sandbox, now=clock.now())
    return clock


async def record_time(settings: Settings, store: PostgresStore) -> Instant:
    """The time to put into a record from outside a run; the sandbox's stands between runs."""
    if settings.sandbox:
        newest = await store.newest_moment()
        if newest is not None:
            return newest
    return SystemClock().now()


@asynccontextmanager
async def open_lines(
    settings: Settings,
    say: Say,
    *,
    people: Path | None = None,
    scenario: Path | None = None,
    seed: int = 1,
) -> AsyncIterator[Lines]:
    """The trunks of the settings, or a simulated carrier in a process of its own."""
    if settings.trunks is not None:
        trunks = read_trunks(settings.trunks, is_sandbox=settings.sandbox)
        yield Lines(trunks=trunks, carrier=None)
        return
    say("starting the simulated carrier")
    folder = make_folder(settings.data_dir / "carrier")
    carrier = CarrierProcess(
        log_path=next_file(folder, "carrier", ".jsonl"), seed=seed, people=people, scenario=scenario
    )
    await carrier.start()
    try:
        trunk = TrunkSettings(
            name="simulated",
            host="127.0.0.1",
            port=carrier.port,
            calls_max=CALLS_MAX,
            calls_per_second=CALLS_PER_SECOND_MAX,
            accepts_inbound=True,
        )
        yield Lines(trunks=(trunk,), carrier=carrier)
    finally:
        await carrier.stop()


@asynccontextmanager
async def open_floor(
    settings: Settings, store: PostgresStore, clock: Clock, lines: Lines, file: CampaignFile
) -> AsyncIterator[Floor]:
    """The floor with its engine running. On the way out every call is ended."""
    if file.abandoned_message is None:
        raise SettingsError(
            f"{file.path}: [messages] abandoned is missing; a person who answers and finds no "
            "agent must hear who called and how to opt out (47 CFR 64.1200(a)(7)), in every mode"
        )
    messages = {**file.messages, Message.ABANDONED: file.abandoned_message}
    telephony = _telephony(settings, clock, lines, file, messages)
    rulebook, rule_files = load_rules_and_files(settings)
    floor = Floor(
        store=store,
        telephony=telephony,
        clock=clock,
        ids=TimeOrderedIds(),
        shelf=RecordingFolder(settings.data_dir / RECORDINGS),
        rulebook=rulebook,
        rule_files=rule_files,
        is_sandbox=settings.sandbox,
        signer=_signer(settings),
    )
    put_aside_what_stays()
    try:
        await telephony.start()
    except EngineUnavailable as error:
        raise EngineUnavailable(f"{error}\n{_in_force(settings, lines)}") from error
    try:
        yield floor
    finally:
        await telephony.stop()


def _signer(settings: Settings) -> Signer | None:
    """Who signs the caller IDs; None when the carrier does. Raises `SettingsError`."""
    key_file, url = settings.shaken_key_file, settings.shaken_certificate_url
    attestation = settings.shaken_attestation
    if key_file is None or url is None or attestation is None:
        return None
    return PassportSigner(key_file, url, attestation)


def _telephony(
    settings: Settings,
    clock: Clock,
    lines: Lines,
    file: CampaignFile,
    messages: Mapping[Message, Path],
) -> Telephony:
    """The engine of the settings. Raises `SettingsError`."""
    folder = make_folder(settings.data_dir / "engine")
    if settings.engine == "asterisk":
        assert settings.asterisk_urls is not None, "checked with the settings"
        assert settings.asterisk_password_file is not None, "checked with the settings"
        return AsteriskTelephony(
            AsteriskSettings(
                urls=tuple(url.strip() for url in settings.asterisk_urls.split(",")),
                password=read_secret(
                    settings.asterisk_password_file, "FAIRDIAL_ASTERISK_PASSWORD_FILE:"
                ),
                trunks=lines.trunks,
                is_sandbox=settings.sandbox,
                data_dir=folder,
                messages=messages,
                caller_name=file.caller_name,
                calls_max=file.pace.calls_in_flight_max,
                media_ip=settings.asterisk_media_ip,
            ),
            clock,
            browsers_of(settings),
        )
    return SipTelephony(
        SipSettings(
            trunks=lines.trunks,
            phones=() if settings.phones is None else read_phones(settings.phones),
            local_ip=settings.sip_ip,
            sip_port=settings.sip_port,
            rtp_port_min=settings.rtp_port_min,
            rtp_port_max=settings.rtp_port_max,
            is_sandbox=settings.sandbox,
            data_dir=folder,
            messages=messages,
            caller_name=file.caller_name,
            calls_max=file.pace.calls_in_flight_max,
        ),
        clock,
        browsers_of(settings),
    )


def _in_force(settings: Settings, lines: Lines) -> str:
    """The settings that an engine which does not start has to do with."""
    to = ", ".join(f"{trunk.host}:{trunk.port}" for trunk in lines.trunks)
    if settings.engine == "asterisk":
        return (
            f"The settings in force: FAIRDIAL_ENGINE=asterisk, "
            f"FAIRDIAL_ASTERISK_URLS={settings.asterisk_urls}, calls to {to}."
        )
    return (
        f"The settings in force: FAIRDIAL_SIP_IP={settings.sip_ip}, "
        f"FAIRDIAL_SIP_PORT={settings.sip_port}, calls to {to}."
    )


def browsers_of(settings: Settings) -> WebRtcSettings:
    """What the gateway for agents' browsers is told."""
    password = settings.webrtc_turn_password
    return WebRtcSettings(
        data_dir=settings.data_dir / "engine",
        ip=settings.webrtc_ip,
        stun_url=settings.webrtc_stun_url,
        turn_url=settings.webrtc_turn_url,
        turn_username=settings.webrtc_turn_username,
        turn_password=None if password is None else password.get_secret_value(),
    )


def look_at_list(settings: Settings, lead_list: Path, *, encoding: str | None = None) -> None:
    """Read the beginning of a list, before anything is started for one that cannot be used.

    Raises `UnusableList`. What is wrong further down is found when it is taken in.
    """
    area_codes = load_rules(settings).area_codes
    with contextlib.closing(read_list(lead_list, encoding, area_codes=area_codes)):
        pass


def look_at_lines(settings: Settings) -> None:
    """Read the files of trunks and phones, before anything is started for them.

    Raises `SettingsError`.
    """
    if settings.trunks is not None:
        read_trunks(settings.trunks, is_sandbox=settings.sandbox)
    if settings.phones is not None:
        read_phones(settings.phones)


def look_at_script(settings: Settings, *, people: Path | None, scenario: Path | None) -> None:
    """Read what the simulated carrier is to play, before anything is started for it.

    Raises `SettingsError`, also when calls go to a trunk, which plays nothing of it.
    """
    if settings.trunks is not None and (people, scenario) != (None, None):
        raise SettingsError(
            "--people and --scenario are for the simulated carrier, and calls go to the trunks of "
            f"FAIRDIAL_TRUNKS={settings.trunks}: leave them out, or unset the variable"
        )
    if scenario is not None:
        read_scenario(scenario)
    if people is not None:
        read_people(people)


def load_rules(settings: Settings) -> Rulebook:
    """The packaged rulebook with the house's own rules, if the data folder has any."""
    return load_rules_and_files(settings)[0]


def load_rules_and_files(settings: Settings) -> tuple[Rulebook, dict[str, str]]:
    """The same, with the text of the files that it was made of."""
    house = settings.data_dir / "rules"
    return load_rulebook_and_files(house if house.is_dir() else None)


def audit_keys(settings: Settings) -> AuditKeys:
    """Who signs checkpoints for this installation, and keeps them in the data folder."""
    return AuditKeys(make_folder(settings.data_dir), settings.audit_key_file)


def countries_of(rulebook: Rulebook) -> dict[str, str | None]:
    """Whose each area code is; None for those that are of no country, such as toll-free ones."""
    return {code: known.country for code, known in rulebook.area_codes.codes.items()}


def library_of(settings: Settings) -> FileLibrary:
    """The folder with the versions of registries."""
    return FileLibrary(settings.data_dir / "registries")


async def take_in(
    floor: Floor,
    library: FileLibrary,
    file: CampaignFile,
    lead_list: Path,
    *,
    encoding: str | None = None,
) -> tuple[Campaign, Intake]:
    """Keep the campaign, its do-not-call files and its leads. Raises for files it cannot use."""
    campaign = campaign_of(file, floor)
    async with floor.store.transaction() as tx:
        campaign = await tx.save_campaign(campaign, floor.clock.now())
    floor.campaigns[campaign.id] = campaign
    if file.do_not_call is not None:
        await import_registry(
            floor.store,
            library,
            floor.ids,
            file.do_not_call,
            RegistryOrder(
                name=name_from_file(file.do_not_call.name),
                form=RegistryForm.SIMPLE,
                as_of=file.do_not_call_as_of,
                downloaded_by="campaign file",
            ),
            countries=countries_of(floor.rulebook),
            now=floor.clock.now(),
            is_sandbox=floor.is_sandbox,
        )
    if file.internal_do_not_call is not None:
        with contextlib.closing(read_simple(file.internal_do_not_call)) as reading:
            await take_in_stop_requests(
                floor,
                campaign,
                ((entry.number, entry.registered_on) for entry in reading),
                source=file.internal_do_not_call.name,
                as_of=reading.as_of or floor.clock.now().date(),
            )
    area_codes = floor.rulebook.area_codes
    with (
        contextlib.closing(read_list(lead_list, encoding, area_codes=area_codes)) as rows,
        RejectFile(rejects_path(lead_list), rows.header) as rejects,
    ):
        intake = await take_in_list(
            floor, campaign, rows, source=lead_list.name, reject=rejects.add
        )
    if not intake.accepted and not intake.known:
        raise UnusableList(
            f"{lead_list}: no row can be called, all {intake.rejected} were rejected; mend them by "
            f"the reasons in {rejects_path(lead_list)} and import that file"
        )
    return campaign, intake


def campaign_of(file: CampaignFile, floor: Floor) -> Campaign:
    """The campaign that a file describes; the store gives it the ids that stand."""
    return Campaign(
        id=CampaignId(floor.ids.new()),
        name=file.name,
        seller_id=SellerId(floor.ids.new()),
        seller_name=file.seller,
        purpose=file.purpose,
        method=file.method,
        caller_id=file.caller_id,
        caller_name=file.caller_name,
        pace=file.pace,
        retry=file.retry,
        ring_s=file.ring_s,
        connect_ms_max=file.connect_ms_max,
        wrap_up_s=file.wrap_up_s,
        script=file.script,
        dispositions=file.dispositions,
        inbound=file.inbound,
        transfer=file.transfer,
        machines=file.machines,
        pool=file.pool,
        recording=file.recording,
        has_voicemail=Message.VOICEMAIL in file.messages,
    )


def make_folder(folder: Path) -> Path:
    """A private folder for our files. Raises `SettingsError` naming it and the remedy."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        what = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
        raise SettingsError(
            f"cannot make the folder {folder}: {what}; name another one in FAIRDIAL_DATA_DIR"
        ) from error
    return folder


def next_file(folder: Path, stem: str, suffix: str) -> Path:
    """The next unused file name: `carrier-0001.jsonl`, `carrier-0002.jsonl`, …"""
    taken = [
        int(number)
        for path in folder.glob(f"{stem}-*{suffix}")
        if (number := path.name.removeprefix(f"{stem}-").removesuffix(suffix)).isdigit()
    ]
    return folder / f"{stem}-{max(taken, default=0) + 1:04d}{suffix}"

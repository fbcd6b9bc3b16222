"""Bad input and bad days, through the real command.

Whatever is wrong, `fairdial run` says what, where and what to do, ends with a code that is not
zero, and leaves nothing half done. Whenever it ends, no phone rings on and no process is left.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .command import HERE, Carrier, Command, Installation, Pipe, Window

pytestmark = pytest.mark.wire

NUMBERS = tuple(f"+1{area}55501{n:02}" for area in (212, 646, 718) for n in range(100))
SOME = NUMBERS[:3]
TALKS = 'does = "person"\nring_s = 0.3\ntalk_s = 60.0\npatience_s = 60.0'
RINGS = 'does = "no_answer"'
BUSY = 'does = "busy"'
ALL_ENDED_S = 10.0
"""Within so many seconds of a Ctrl-C every call has ended, by the carrier's own log."""
LOSS_NOTICED_S = 10.0
"""How long the database may be away before a run gives it up."""
UNUSABLE, FAILED, INTERRUPTED = 2, 1, 130


@pytest.fixture
def ready(installation: Installation) -> Installation:
    """An installation whose campaign and list are fine."""
    installation.write_campaign(agents=4)
    installation.write_leads(SOME)
    return installation


def assert_refused(command: Command, exit_code: int, *words: str | Path) -> None:
    """It ended with this code and said once, in words for people, what is wrong."""
    assert command.ended() == exit_code, command.complained
    assert command.complained.startswith("fairdial: ")
    assert command.complained.count("fairdial: ") == 1
    assert "Traceback" not in command.complained
    assert [word for word in words if str(word) not in command.complained] == []


def assert_nothing_began(installation: Installation) -> None:
    """No database, carrier or engine was started for it, and nothing was written."""
    kept = {path.name for path in installation.data_dir.glob("*")}
    assert (installation.processes(), kept - {"fairdial.log"}) == ({}, set())
    assert not installation.summary_file.exists()
    assert not installation.rejects.exists()


# --- lists ----------------------------------------------------------------------------------------


def _gone(leads: Path) -> None:
    leads.unlink()


def _folder(leads: Path) -> None:
    leads.unlink()
    leads.mkdir()


def _latin1(leads: Path) -> None:
    leads.write_bytes("name,phone\nJosé,+12125550101\n".encode("iso-8859-1"))


def _no_phones(leads: Path) -> None:
    leads.write_text("name,street\nCasey,Elm Street\n")


def _words_for_phones(leads: Path) -> None:
    leads.write_text("name,phone\n" + "Casey,call me maybe\n" * 30)


def _empty(leads: Path) -> None:
    leads.write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_gone, ("does not exist", "check the spelling")),
        (_folder, ("is a folder", "name the file inside")),
        (_latin1, ("line 2, byte offset 14", "not UTF-8", "--encoding cp1252")),
        (_no_phones, ("line 1", "“name”, “street”", "Name it one of: phone")),
        (_words_for_phones, ("“phone” holds text", "30 are unreadable", "call me maybe")),
        (_empty, ("is empty (0 bytes)", "export the list again")),
    ],
    ids=["missing", "a folder", "wrong encoding", "no phones", "text for phones", "empty"],
)
def test_a_list_that_is_none_is_refused_before_anything_starts(
    ready: Installation, spoil: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    spoil(ready.leads)
    assert_refused(ready.dial(), UNUSABLE, ready.leads, *words)
    assert_nothing_began(ready)


def test_a_list_that_this_user_must_not_read_is_refused(ready: Installation) -> None:
    ready.leads.chmod(0)
    command = ready.dial(before=_give_up_reading_everything)
    assert_refused(command, UNUSABLE, ready.leads, "must not be read by this user", "permission")
    assert_nothing_began(ready)


def _give_up_reading_everything() -> None:
    """Root may read what it must not; without these two capabilities it is as anybody else."""
    if os.geteuid() == 0:
        drop, dac_override, dac_read_search = 24, 1, 2
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (dac_override, dac_read_search):
            if libc.prctl(drop, capability, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "prctl(PR_CAPBSET_DROP)")


def test_a_list_that_breaks_far_down_leaves_nothing_behind(ready: Installation) -> None:
    ready.write_leads(NUMBERS)
    good = ready.leads.read_bytes()
    ready.leads.write_bytes(good + "José,+19145550100,landline,NY\n".encode("iso-8859-1"))
    assert_refused(ready.dial(), UNUSABLE, ready.leads, "line 302", "not UTF-8", "--encoding")
    assert (ready.processes(), ready.rejects.exists()) == ({}, False)
    assert ready.at_carrier("invite") == []

    ready.leads.write_bytes(good)
    scenario = ready.write_scenario(dict.fromkeys(NUMBERS, BUSY))
    assert ready.dial("--calls", "1", "--scenario", scenario).ended() == 0
    assert (ready.summary["list"]["accepted"], ready.summary["list"]["known_already"]) == (300, 0)


def test_a_cell_of_a_million_characters_costs_its_own_row_only(ready: Installation) -> None:
    # A name as browsers give it to a second download; brackets are also how Rich marks text up.
    ready.leads = ready.folder / "leads [copy].csv"
    ready.leads.write_text(
        "name,phone,line_type,state\n"
        f"Casey,{SOME[0]},landline,NY\n{'x' * 1_000_000},{SOME[1]},landline,NY\n"
        f"Robin,{SOME[2]},landline,NY\n"
    )
    command = ready.dial("--scenario", ready.write_scenario(dict.fromkeys(SOME, BUSY)))
    assert (command.ended(), command.complained) == (0, "")
    said = " ".join(command.said.split())
    assert "2 leads taken in from leads [copy].csv; 1 row rejected (" in said
    assert f"see {ready.rejects.name}" in said
    assert (ready.summary["list"]["accepted"], ready.summary["list"]["rejected"]) == (2, 1)
    assert sorted(line["to"] for line in ready.at_carrier("invite")) == [SOME[0], SOME[2]]
    (rejected,) = ready.rejects.read_text(encoding="utf-8-sig").splitlines()[1:]
    assert rejected.startswith("3,")
    assert len(rejected) < 1000


# --- campaigns and settings -----------------------------------------------------------------------


def test_a_campaign_with_an_unknown_key_is_refused_with_its_line(ready: Installation) -> None:
    ready.write_campaign(head="ring_sec = 30")
    line = ready.campaign.read_text().splitlines().index("ring_sec = 30") + 1
    words = (f"{ready.campaign}, line {line}", "campaign.ring_sec", "Did you mean ring_s?")
    assert_refused(ready.dial(), UNUSABLE, *words)
    assert_nothing_began(ready)


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("trunk", "trunks.toml", ("FAIRDIAL_TRUNK ", "did you mean FAIRDIAL_TRUNKS?")),
        ("sip_port", "99999", ("FAIRDIAL_SIP_PORT", "99999")),
        ("trunks", "no-such.toml", ("no-such.toml cannot be read",)),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(
    ready: Installation, setting: str, value: str, words: tuple[str, ...]
) -> None:
    assert_refused(ready.dial(settings={setting: value}), UNUSABLE, *words)
    assert_nothing_began(ready)


def test_the_sandbox_calls_no_trunk_elsewhere(ready: Installation) -> None:
    trunks = ready.write_trunk(5060, host="203.0.113.5")
    command = ready.dial(settings={"trunks": trunks})
    assert_refused(command, UNUSABLE, "trunk carrier", "203.0.113.5", "FAIRDIAL_SANDBOX=false")
    assert_nothing_began(ready)


@pytest.mark.parametrize(
    ("option", "file", "words"),
    [
        (
            "--summary",
            "none/summary.json",
            ("No such file or directory", "name a file in a folder"),
        ),
        ("--summary", "campaign.toml/summary.json", ("Not a directory", "name a file in a folder")),
        ("--summary", ".", ("is a folder",)),
        ("--scenario", "none.toml", ("No such file or directory",)),
        ("--scenario", "leads.csv", ("not TOML",)),
        ("--people", "none.csv", ("No such file or directory",)),
        ("--people", "leads.csv", ("line 1", "number,talk_s,says")),
    ],
)
def test_an_option_that_cannot_be_is_refused_before_anything_starts(
    ready: Installation, option: str, file: str, words: tuple[str, ...]
) -> None:
    command = ready.dial(option, ready.folder / file)
    assert_refused(command, UNUSABLE, ready.folder / file, *words)
    assert_nothing_began(ready)


def test_a_script_for_the_simulated_carrier_is_refused_beside_a_trunk(ready: Installation) -> None:
    trunks = ready.write_trunk(5060)
    command = ready.dial("--scenario", ready.write_scenario({}), settings={"trunks": trunks})
    assert_refused(command, UNUSABLE, "--scenario", f"FAIRDIAL_TRUNKS={trunks}")
    assert_nothing_began(ready)


@pytest.mark.parametrize(
    ("url", "exit_code", "words"),
    [
        (
            f"postgresql://fairdial:s3cret@{HERE}:9/fairdial",
            FAILED,
            ("cannot connect", "check the"),
        ),
        ("postgres//fairdial:s3cret@db/fairdial", UNUSABLE, ("is no address", "postgresql://user")),
    ],
    ids=["nobody there", "no address"],
)
def test_a_wrong_database_is_told_by_its_setting_and_without_its_password(
    ready: Installation, url: str, exit_code: int, words: tuple[str, ...]
) -> None:
    command = ready.dial(settings={"database_url": url})
    assert_refused(command, exit_code, "FAIRDIAL_DATABASE_URL", *words)
    log = (ready.data_dir / "fairdial.log").read_text()
    assert "s3cret" not in command.complained + command.said + log
    assert_nothing_began(ready)


@pytest.mark.parametrize(
    ("setting", "kind", "exit_code"),
    [
        ("web_port", socket.SOCK_STREAM, UNUSABLE),
        ("sip_port", socket.SOCK_DGRAM, FAILED),
    ],
)
def test_a_port_in_use_is_told_by_its_setting_and_nobody_is_called(
    ready: Installation, setting: str, kind: socket.SocketKind, exit_code: int
) -> None:
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind((HERE, 0))
        if kind is socket.SOCK_STREAM:
            holder.listen()
        port = holder.getsockname()[1]
        command = ready.dial(page=True, settings={"web_port": 0, setting: port})
        name = f"FAIRDIAL_{setting.upper()}"
        assert_refused(command, exit_code, name, str(port), "0 takes a")
    assert (ready.processes(), ready.at_carrier("invite")) == ({}, [])
    assert not ready.summary_file.exists()


# --- bad days -------------------------------------------------------------------------------------


def test_a_database_that_dies_ends_every_call_and_the_next_run_recovers(
    ready: Installation,
) -> None:
    numbers = NUMBERS[:4]
    ready.write_leads(numbers)
    does = {**dict.fromkeys(numbers, TALKS), numbers[-1]: RINGS}
    command = ready.dial("--scenario", ready.write_scenario(does))
    command.until(lambda: len(ready.at_carrier("answered")) == 3)
    command.until(lambda: len(ready.at_carrier("ringing")) == 4)
    database = ready.processes(of=ready.cluster)
    assert len(database) > 3, "the server and its children"
    died_at = time.time()
    for pid in database:
        os.kill(pid, signal.SIGKILL)

    words = ("the database", "Every call was ended", "start again", "recovered")
    assert_refused(command, FAILED, *words)
    ended = ready.ends_at_carrier()
    assert (len(ended), ready.up_at_carrier()) == (4, set())
    assert max(ended.values()) - died_at < LOSS_NOTICED_S + 2.0
    assert (ready.processes(), ready.summary_file.exists()) == ({}, False)

    again = ready.dial("--scenario", ready.write_scenario(dict.fromkeys(numbers, BUSY)))
    assert (again.ended(), again.complained) == (0, "")
    # The retry plan has no rule for calls that broke, so nobody is called twice.
    assert (ready.at_carrier("invite"), ready.summary["list"]["known_already"]) == ([], 4)
    audit = ready.audit()
    assert (audit.process.returncode, audit.complained) == (0, "")


def test_a_disk_that_fills_up_ends_every_call_and_the_next_run_recovers(
    ready: Installation, tmp_path: Path
) -> None:
    ready.write_campaign(agents=10, more="[dialing]\ncalls_per_second_max = 20.0\n")
    ready.write_leads(NUMBERS)
    # Most are busy, so that there is always something to write.
    does = {number: {0: TALKS, 5: RINGS}.get(n % 10, BUSY) for n, number in enumerate(NUMBERS)}
    # The carrier is another company: its disk is another one.
    with _small_disk(ready) as disk, Carrier(tmp_path, ready.write_scenario(does)) as carrier:
        trunk = {"trunks": ready.write_trunk(carrier.port)}
        command = ready.dial(settings=trunk)
        command.until(lambda: len(carrier.events("answered")) >= 3)
        full_at = time.time()
        disk.fill()
        assert_refused(command, FAILED, disk.complaint, "Every call was ended", "start again")
        ended = carrier.ends()
        assert (carrier.up(), ready.processes()) == (set(), {})
        assert max(ended.values()) - full_at < LOSS_NOTICED_S + 2.0
        assert not ready.summary_file.exists()
        before = {line["to"] for line in carrier.events("invite")}

        disk.free()
        again = ready.dial("--calls", "1", settings=trunk)
        again.until(lambda: len(carrier.events("invite")) > len(before))
        again.interrupt()
        assert (again.ended(), again.complained) == (0, "")
        called = [line["to"] for line in carrier.events("invite")]
        assert len(called) == len(set(called)), "nobody is called twice"
        audit = ready.audit()
        assert (audit.process.returncode, audit.complained) == (0, "")


def test_a_disk_that_is_full_from_the_start_is_said_and_costs_nothing(ready: Installation) -> None:
    with _small_disk(ready) as disk:
        disk.fill()
        command = ready.dial(before=disk.limit)
        assert_refused(command, FAILED, ready.data_dir, disk.word, "What to do")
        assert ready.processes() == {}
        disk.free()
        ready.write_leads(SOME[:1])
        scenario = ready.write_scenario({SOME[0]: BUSY})
        assert ready.dial("--scenario", scenario).ended() == 0


class _Tmpfs:
    """A disk of a hundred megabytes, for real."""

    complaint = "the database's disk is full"
    word = "No space left on device"

    def __init__(self, installation: Installation) -> None:
        self._folder = installation.data_dir
        self._folder.mkdir(mode=0o711)
        options = "size=100m,mode=711"
        self.is_there = os.geteuid() == 0 and _quiet(
            "mount", "-t", "tmpfs", "-o", options, "tmpfs", self._folder
        )

    def limit(self) -> None:
        """Nothing to do in the new process: the disk is full for everybody."""

    def fill(self) -> None:
        size = 1 << 20
        with (self._folder / "ballast").open("wb", buffering=0) as ballast:
            while size:
                try:
                    ballast.write(b"\0" * size)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 2

    def free(self) -> None:
        (self._folder / "ballast").unlink()

    def take_away(self) -> None:
        assert _quiet("umount", self._folder)


class _Limits:
    """Where nothing can be mounted: the kernel refuses the database's writes, file by file."""

    complaint = "the database"
    word = "File too large"

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._is_full = False

    def limit(self) -> None:
        if self._is_full:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))

    def fill(self) -> None:
        self._is_full = True
        for pid in self._installation.processes(of=self._installation.cluster):
            owner = Path(f"/proc/{pid}").stat()
            # Root may be no more than an ordinary user in this; the owner always may.
            words = ["setpriv", f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}"]
            words = [*words, "--clear-groups"] if os.geteuid() == 0 else []
            assert _quiet(*words, "prlimit", f"--pid={pid}", "--fsize=0:0")

    def free(self) -> None:
        self._is_full = False

    def take_away(self) -> None:
        pass


@contextmanager
def _small_disk(installation: Installation) -> Iterator[_Tmpfs | _Limits]:
    """A disk for the data folder that can be filled."""
    tmpfs = _Tmpfs(installation)
    disk = tmpfs if tmpfs.is_there else _Limits(installation)
    try:
        yield disk
    finally:
        installation.clear()
        disk.take_away()


def _quiet(*words: str | Path) -> bool:
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


# --- Ctrl-C ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "moment",
    ["starting PostgreSQL", "starting the simulated carrier", "starting the telephony engine"],
)
def test_ctrl_c_while_starting_leaves_no_process_behind(ready: Installation, moment: str) -> None:
    command = ready.dial()
    command.until(lambda: moment in command.said)
    command.interrupt()
    assert_refused(command, INTERRUPTED, "stopped on request", "no call was up")
    assert (ready.processes(), ready.at_carrier("invite")) == ({}, [])
    assert not ready.summary_file.exists()


def _deaf_to_ctrl_c() -> None:
    """As a shell starts the background jobs of a script."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def test_a_background_job_of_a_script_can_be_stopped_while_it_starts(ready: Installation) -> None:
    command = ready.dial(before=_deaf_to_ctrl_c)
    command.until(lambda: "starting PostgreSQL" in command.said)
    command.process.terminate()
    assert_refused(command, INTERRUPTED, "stopped on request", "no call was up")
    assert ready.processes() == {}


@pytest.mark.parametrize("kind", [Window, Pipe], ids=["terminal", "pipe"])
def test_whoever_reads_us_goes_and_every_call_ends_cleanly_with_a_summary(
    ready: Installation, kind: type[Window]
) -> None:
    window = kind()
    scenario = ready.write_scenario(dict.fromkeys(SOME, TALKS))
    command = ready.dial("--scenario", scenario, window=window)
    command.until(lambda: len(ready.logged("talking")) == len(SOME))
    closed_at = time.time()
    window.close()
    assert (command.ended(), ready.troubles, ready.processes()) == (0, [], {})
    assert max(ready.ends_at_carrier().values()) - closed_at < ALL_ENDED_S
    assert {(line["by"], line["why"]) for line in ready.at_carrier("ended")} == {("caller", "BYE")}
    assert (ready.summary["outcomes"], ready.summary["chain_verified"]) == ({"connected": 3}, True)


def _ctrl_c(command: Command) -> None:
    command.interrupt()


def _impatient_ctrl_c(command: Command) -> None:
    for _ in range(8):
        if command.process.poll() is None:
            command.interrupt()
            time.sleep(0.1)


def _docker_stop(command: Command) -> None:
    command.process.terminate()


def _timeout(command: Command) -> None:
    os.killpg(command.process.pid, signal.SIGTERM)


@pytest.mark.parametrize(
    ("does", "state", "outcome", "stop"),
    [
        (RINGS, "ringing", "cancelled", _ctrl_c),
        (TALKS, "talking", "connected", _ctrl_c),
        (TALKS, "talking", "connected", _impatient_ctrl_c),
        (TALKS, "talking", "connected", _docker_stop),
        (TALKS, "talking", "connected", _timeout),
    ],
    ids=["phones ring", "people talk", "pressed again and again", "docker stop", "timeout"],
)
def test_a_stop_ends_every_call_cleanly_with_a_summary(
    ready: Installation, does: str, state: str, outcome: str, stop: Callable[[Command], None]
) -> None:
    command = ready.dial("--scenario", ready.write_scenario(dict.fromkeys(SOME, does)))
    # Whoever has answered is not yet talking: an agent is joined a moment later.
    command.until(lambda: len(ready.logged(state)) == len(SOME))
    stopped_at = time.time()
    stop(command)
    assert (command.ended(), command.complained, ready.processes()) == (0, "", {})

    ended = ready.ends_at_carrier()
    assert (len(ended), ready.up_at_carrier()) == (len(SOME), set())
    assert max(ended.values()) - stopped_at < ALL_ENDED_S
    # An answered call ends with our BYE, not because somebody noticed that we are gone.
    assert {(line["by"], line["why"]) for line in ready.at_carrier("ended")} <= {("caller", "BYE")}
    summary = ready.summary
    assert (summary["outcomes"], summary["ended_because"]) == ({outcome: 3}, "stopped on request")
    assert (summary["permits_used"], summary["invites_seen_by_carrier"]) == (3, 3)
    assert summary["chain_verified"] is True

"""The sandbox's list: invented people, joined with the real statistics of a bank's phone campaign.

Writes the files that a real campaign would bring: a lead list with the faults that lists have, the
people behind the numbers (for the simulated phone network), two do-not-call files, a campaign and
the recording for abandoned calls. The same arguments always give the same bytes. Every number is
one of those kept free for fiction. Where the statistics come from: `data/ATTRIBUTION.md`.
"""

from __future__ import annotations

import csv
import io
import lzma
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from pathlib import Path
from random import Random

from fairdial.exceptions import SettingsError

SIZE_MIN = 20
SIZE_MAX = 6_000
"""An area code has 100 fictional numbers, and the tables below hold no more area codes."""
TALK_S_MIN = 3.0
TALK_S_MAX = 90.0
STOP_SHARE = 0.03
"""The share of people who ask not to be called again."""
WRITTEN_CONSENT_SHARE = 0.10
SELLER = "Meridian Savings Bank (fictional)"
CALLER_ID = "+12025550123"


class Kind(StrEnum):
    """What a row of the demo list is there to show."""

    ORDINARY = "ordinary"
    MOUNTAIN = "mountain"
    """Mountain time: 8:40 when it is 10:40 in New York."""
    NIGHT = "night"
    """Pacific time and further west: before 8:00 when it is 10:40 in New York."""
    WRITTEN_STATE = "written_state"
    """A state that wants written consent, which this person has not given."""
    MOBILE_BAN = "mobile_ban"
    """A mobile phone in a state that forbids unasked sales calls to mobile phones."""
    NATIONAL = "national"
    """On the national do-not-call registry."""
    INTERNAL = "internal"
    """On the company's own do-not-call list."""
    TOLL_FREE = "toll_free"
    """A toll-free number: nothing says where the person is."""
    MALFORMED = "malformed"
    """A number that is none."""
    BROKEN = "broken"
    """A row with a cell too many or too few."""
    DUPLICATE = "duplicate"
    """A number that an earlier row already has."""


SHARES: dict[Kind, float] = {
    Kind.MALFORMED: 0.02,
    Kind.BROKEN: 0.01,
    Kind.DUPLICATE: 0.01,
    Kind.NATIONAL: 0.03,
    Kind.INTERNAL: 0.01,
    Kind.TOLL_FREE: 0.005,
    Kind.WRITTEN_STATE: 0.015,
    Kind.MOBILE_BAN: 0.005,
    Kind.NIGHT: 0.06,
    Kind.MOUNTAIN: 0.06,
}
"""The share of each kind of row; the rest is ordinary."""

_BAD = frozenset({Kind.MALFORMED, Kind.BROKEN, Kind.DUPLICATE})

# Ordinary people live where, at 10:40 in New York, an automatically dialed sales call on an
# ordinary weekday is open to discussion at all: Eastern and Central states without a general
# demand for written consent. A few codes each of states with lists of their own are among them.
_ORDINARY_CODES = {
    "AL": "205 251 256 334", "AR": "479 501 870", "DE": "302", "GA": "404 706 770 912",
    "IA": "319 515 563 712", "IL": "217 309 312 618 630 708 773 815 847", "IN": "317",
    "KS": "316 913", "MA": "617", "MI": "248 313 517 616 734",
    "MN": "218 507 612 651 763 952", "MO": "314", "MS": "601 662",
    "NC": "336 704 828 910 919", "ND": "701", "NE": "402", "NH": "603",
    "NY": "212 315 518 585 607 646 716 914", "OH": "216 330 419 513 614 937",
    "PA": "215 412", "SC": "803 843 864", "TN": "615", "VA": "540 703 757 804", "VT": "802",
    "WI": "262 414 608 715 920", "WV": "304",
}  # fmt: skip
_CODES: dict[Kind, dict[str, str]] = {
    Kind.MOUNTAIN: {"CO": "303", "MT": "406", "NM": "505", "UT": "385 435 801"},
    Kind.NIGHT: {
        "AK": "907", "CA": "213 415 510 619 916", "HI": "808", "NV": "702", "OR": "503",
        "WA": "206 509",
    },
    Kind.WRITTEN_STATE: {"CT": "203", "FL": "305 813", "MD": "410", "OK": "405"},
    Kind.MOBILE_BAN: {"AZ": "602", "NJ": "201"},
    Kind.TOLL_FREE: {"": "800 833 844 855 866 877 888"},
}  # fmt: skip

HEADER = (
    "id", "first_name", "last_name", "phone", "state", "contact", "consent", "consent_date",
    "age", "job", "marital", "education", "housing", "loan", "previous", "poutcome",
)  # fmt: skip
"""The columns of the demo list."""

_SPELLINGS: tuple[Callable[[str], str], ...] = (
    lambda n: f"+{n}",
    lambda n: n[1:],
    lambda n: f"({n[1:4]}) {n[4:7]}-{n[7:]}",
    lambda n: f"{n[1:4]}-{n[4:7]}-{n[7:]}",
    lambda n: f"1 {n[1:4]} {n[4:7]} {n[7:]}",
)
_MISSPELLINGS: tuple[Callable[[str], str], ...] = (
    lambda n: f"{n[1:4]}-{n[4:7]}-HELP",
    lambda n: f"{n[4:7]}-{n[7:]}",
    lambda n: n[1:10],
    lambda n: f"{n[1:4]}-{n[4:7]}-{n[7:]} ext. 7",
    lambda _: "",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoFiles:
    """The files of one demo campaign, all in one folder."""

    leads_csv: Path
    people_csv: Path
    """`number,talk_s,says` for the simulated phone network: who picks up, and what they say."""
    do_not_call: Path
    internal_do_not_call: Path
    campaign_toml: Path
    abandoned_wav: Path
    kinds: dict[int, Kind] = field(repr=False)
    """What each line of the list is there to show; the header is line 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    line: int
    kind: Kind
    digits: str
    """Eleven digits of the number that is meant, the leading 1 included."""
    state: str
    bank: dict[str, str]


def write_demo_files(
    folder: Path, *, size: int = 2_000, seed: int, as_of: date, talk_divisor: float = 10.0
) -> DemoFiles:
    """Write a demo campaign of `size` rows into `folder`, which is made if it is missing.

    `as_of` is the day before which people were put on the do-not-call lists; the copies themselves
    are always as old as the sandbox's day. `talk_divisor` shortens the real talk times. Raises
    `ValueError` for a size outside `SIZE_MIN` to `SIZE_MAX` or a divisor that is not positive, and
    `SettingsError` when the files cannot be written.
    """
    if not SIZE_MIN <= size <= SIZE_MAX:
        raise ValueError(f"a demo list has {SIZE_MIN} to {SIZE_MAX} rows, not {size}")
    if not talk_divisor > 0:
        raise ValueError(f"talk_divisor must be positive, not {talk_divisor}")
    # Not for secrets: a seed makes every run the same.
    random = Random(seed)  # noqa: S311
    rows = _rows(random, size)
    files = DemoFiles(
        leads_csv=folder / "leads.csv",
        people_csv=folder / "people.csv",
        do_not_call=folder / "national-do-not-call.csv",
        internal_do_not_call=folder / "internal-do-not-call.csv",
        campaign_toml=folder / "campaign.toml",
        abandoned_wav=folder / "abandoned.wav",
        kinds={row.line: row.kind for row in rows},
    )
    leads = _csv(HEADER, _leads(random, rows, as_of))
    people = _csv(("number", "talk_s", "says"), _people(random, rows, talk_divisor))
    national = _do_not_call(random, rows, Kind.NATIONAL, as_of=as_of, years=15)
    internal = _do_not_call(random, rows, Kind.INTERNAL, as_of=as_of, years=2)
    contents = {
        files.leads_csv: leads.encode(),
        files.people_csv: people.encode(),
        files.do_not_call: national.encode(),
        files.internal_do_not_call: internal.encode(),
        files.campaign_toml: _campaign(files).encode(),
        files.abandoned_wav: _data("abandoned.wav"),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            _write_whole(path, content)
    except OSError as error:
        raise SettingsError(
            f"the demo's files cannot be written to {folder}: {error.strerror}; make room there, "
            "or name another folder in FAIRDIAL_DATA_DIR"
        ) from error
    return files


def _rows(random: Random, size: int) -> list[_Row]:
    """The rows of the list in order, bad ones included."""
    kinds = _kinds(size)
    pools = {kind: _numbers(random, codes) for kind, codes in _CODES.items()}
    ordinary = _numbers(random, _ORDINARY_CODES)
    banks = _bank_rows(random, size)
    rows: list[_Row] = []
    seen: list[_Row] = []
    for line, (kind, bank) in enumerate(zip(kinds, banks, strict=True), start=2):
        if kind is Kind.DUPLICATE:
            earlier = random.choice(seen)
            row = _Row(
                line=line, kind=kind, digits=earlier.digits, state=earlier.state, bank=earlier.bank
            )
        else:
            digits, state = next(pools.get(kind, ordinary))
            contact = "cellular" if kind is Kind.MOBILE_BAN else bank["contact"]
            row = _Row(
                line=line, kind=kind, digits=digits, state=state, bank={**bank, "contact": contact}
            )
        rows.append(row)
        if kind not in _BAD:
            seen.append(row)
    return rows


def _kinds(size: int) -> list[Kind]:
    """The kind of each row: every kind spread evenly from the first rows on."""
    slots: list[Kind | None] = [None] * size
    for order, (kind, share) in enumerate(SHARES.items()):
        count = max(1, round(share * size))
        # Early phases, so that each kind is met soon, and different ones, so that they mix.
        phase = 0.05 + 0.5 * order / len(SHARES)
        for index in range(count):
            wanted = 3 + int((index + phase) * (size - 3) / count)
            free = next(i for i in (*range(wanted, size), *range(size)) if slots[i] is None)
            slots[free] = kind
    return [kind or Kind.ORDINARY for kind in slots]


def _numbers(random: Random, codes: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Fictional numbers with their states, in a random order, none twice."""
    pool = [
        (f"1{code}55501{line:02d}", state)
        for state, of_state in codes.items()
        for code in of_state.split()
        for line in range(100)
    ]
    random.shuffle(pool)
    return iter(pool)


def _bank_rows(random: Random, size: int) -> list[dict[str, str]]:
    """Rows of the bank's data, evenly from its first year to its last, then mixed.

    The data are in the order of time, and the share of people who agreed changed a lot over it.
    """
    data = bank_data()
    rows = [data[int((i + random.random()) * len(data) / size)] for i in range(size)]
    random.shuffle(rows)
    return rows


@lru_cache(maxsize=1)
def bank_data() -> tuple[dict[str, str], ...]:
    """All 41,188 rows of the bank's data, in the order of time."""
    text = lzma.decompress(_data("bank-marketing.csv.xz")).decode()
    return tuple(csv.DictReader(io.StringIO(text)))


def _leads(random: Random, rows: list[_Row], as_of: date) -> Iterator[list[str]]:
    first_names = _data("first-names.txt").decode().split()
    last_names = _data("last-names.txt").decode().split()
    bad = 0
    for number, row in enumerate(rows, start=1):
        first, last = random.choice(first_names), random.choice(last_names)
        phone = random.choice(_SPELLINGS)(row.digits)
        # Written consent would lift the very refusals that the other kinds are there to show.
        may_consent = row.kind in (Kind.ORDINARY, Kind.MOUNTAIN)
        consents = random.random() < WRITTEN_CONSENT_SHARE and may_consent
        consent_on = as_of - timedelta(days=random.randint(10, 360))
        if row.kind is Kind.MALFORMED:
            phone = _MISSPELLINGS[bad % len(_MISSPELLINGS)](row.digits)
            bad += 1
        cells = [
            f"C{number:05d}", first, last, phone, row.state, row.bank["contact"],
            "written" if consents else "", consent_on.isoformat() if consents else "",
            *(row.bank[name] for name in HEADER[8:]),
        ]  # fmt: skip
        if row.kind is Kind.BROKEN:
            # As by a comma that nobody quoted, or a separator that got lost.
            cells[2:3] = [last, " Jr."] if number % 2 else []
        yield cells


def _people(random: Random, rows: list[_Row], talk_divisor: float) -> list[list[str]]:
    """One person for each number of the list that can be called."""
    people = [row for row in rows if row.kind not in _BAD]
    stops = set(random.sample(range(len(people)), round(STOP_SHARE * len(people))))
    found = []
    for index, row in enumerate(people):
        talk_s = min(max(int(row.bank["duration"]) / talk_divisor, TALK_S_MIN), TALK_S_MAX)
        says = "stop" if index in stops else row.bank["y"]
        found.append([f"+{row.digits}", f"{talk_s:.1f}", says])
    return found


def _do_not_call(random: Random, rows: list[_Row], kind: Kind, *, as_of: date, years: int) -> str:
    """A do-not-call file with every row of one kind, oldest entry `years` back."""
    listed = [row for row in rows if row.kind is kind]
    lines = ["# as_of: sandbox", "number,registered_on"]
    for row in listed:
        registered_on = as_of - timedelta(days=random.randint(1, 365 * years))
        lines.append(f"+{row.digits},{registered_on}")
    return "\n".join(lines) + "\n"


def _campaign(files: DemoFiles) -> str:
    return f'''# A demo campaign. Every key is explained in docs/reference/campaign-file.md.

[campaign]
name = "Term deposit offer"
seller = "{SELLER}"
purpose = "telemarketing"
method = "live_autodialed"
caller_id = "{CALLER_ID}"
caller_name = "Meridian Savings"
ring_s = 20
connect_ms_max = 2000
wrap_up_s = 4
script = """
Good morning, my name is {{agent}}. I am calling for Meridian Savings Bank with a sales offer: our
term deposit. May I speak with {{name}}?

I am calling about a savings account that keeps your money for twelve months at a fixed rate.
May I tell you more? If you would rather not be called again, I note that at once.
"""

[dialing]
mode = "predictive"
dial_level_max = 20.0
abandon_rate_target = 0.0285
calls_in_flight_max = 60
calls_per_second_max = 10.0

[lists]
do_not_call = "{files.do_not_call.name}"
internal_do_not_call = "{files.internal_do_not_call.name}"

[agents]
count = 10
dispositions = [
  "sale", "not_interested", "callback", "wrong_person", "machine", "stop_calling", "hung_up",
]

[messages]
abandoned = "{files.abandoned_wav.name}"

[retry.no_answer]
after_minutes = 120
attempts_max = 4

[retry.busy]
after_minutes = 15
attempts_max = 5

[retry.congestion]
after_minutes = 10
attempts_max = 5

[retry.failed]
after_minutes = 30
attempts_max = 3

[retry.abandoned]
after_minutes = 4320
attempts_max = 2
'''


def _csv(header: Sequence[str], rows: Iterator[list[str]] | list[list[str]]) -> str:
    text = io.StringIO(newline="")
    out = csv.writer(text, lineterminator="\n")
    out.writerow(header)
    out.writerows(rows)
    return text.getvalue()


def _write_whole(path: Path, content: bytes) -> None:
    """A file that is complete under its name, or not there: what was there before stays."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def demo_message(folder: Path) -> Path:
    """The demo's recording for calls that no agent could take, written into a folder."""
    path = folder / "abandoned.wav"
    path.write_bytes(_data("abandoned.wav"))
    return path


def _data(name: str) -> bytes:
    return resources.files("fairdial.sandbox").joinpath("data", name).read_bytes()

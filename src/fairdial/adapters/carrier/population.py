"""The people behind the numbers: who answers, how, after how long, and what they say.

Pure and seeded. A number's persona follows from (seed, number, how often it was called before), so
the same run can be walked again, and a test can know beforehand who will pick up. It knows nothing
of SIP, sockets or clocks: `network` plays the parts that are written here.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import log, sqrt
from pathlib import Path
from random import Random
from types import MappingProxyType

from fairdial.exceptions import SettingsError

FICTIONAL = re.compile(
    r"\+1[2-9][0-9]{2}55501[0-9]{2}"
    r"|\+44(?:11[3-8]4960|1[2-5]14960|1914980|2079460|2896496|2920180|1632960|7700900)[0-9]{3}"
    r"|\+61[2378](?:5550|7010)[0-9]{4}"
)
"""The numbers that ring here, all set aside for fiction: 555-0100 to 555-0199 in any North American
area code; what Ofcom (+44 20 7946 0XXX, +44 7700 900XXX …) and ACMA (+61 2 5550 XXXX …) keep for
drama."""

PEOPLE_MAX = 200_000
"""More rows than there are fictional numbers; a longer people file is a mistake."""

VOICEMAIL_AT_ONCE = 0.2
"""The share of voicemails that answer without ringing (phone switched off)."""


class Behaviour(StrEnum):
    """What happens when the number is called."""

    PERSON = "person"
    """A person answers, and talks if a voice is there."""
    EARLY_HANGUP = "early_hangup"
    """A person answers and hangs up after one to three seconds, whoever speaks."""
    VOICEMAIL = "voicemail"
    """A greeting, a beep, then a silent recording of 30 s."""
    NO_ANSWER = "no_answer"
    """Rings until the caller gives up."""
    BUSY = "busy"
    NOT_IN_SERVICE = "not_in_service"
    """A dead number. It is dead at every call."""
    CONGESTION = "congestion"
    DECLINED = "declined"


class Oddity(StrEnum):
    """What the carrier does wrong, or in an unusual way, in a call to one number."""

    SILENT = "silent"
    """No reply to the INVITE at all."""
    RETRY_LATER = "retry_later"
    """503 with Retry-After."""
    REDIRECTS = "redirects"
    """302 to another number."""
    EARLY_MEDIA = "early_media"
    """183 with a description, and a ringing tone in the audio, in place of 180."""
    FORKS = "forks"
    """Two early dialogs with different tags; the second answers."""
    NO_DESCRIPTION = "no_description"
    """200 without a description of audio."""
    BROKEN_DESCRIPTION = "broken_description"
    """200 with one that nobody can use."""
    BYE_AT_ONCE = "bye_at_once"
    """Hangs up in the moment of the answer."""
    MOVES = "moves"
    """Moves its audio to another port a second after the answer (re-INVITE)."""


class Decision(StrEnum):
    """What a person answers to the offer, in the end."""

    YES = "yes"
    NO = "no"
    STOP = "stop"
    """Stop calling me."""


REFUSALS: Mapping[Behaviour, int] = MappingProxyType(
    {
        Behaviour.BUSY: 486,
        Behaviour.NOT_IN_SERVICE: 404,
        Behaviour.CONGESTION: 503,
        Behaviour.DECLINED: 603,
    }
)
"""The SIP status of the behaviours that end without an answer."""

DEFAULT_MIX: Mapping[Behaviour, float] = MappingProxyType(
    {
        Behaviour.PERSON: 0.26,
        Behaviour.EARLY_HANGUP: 0.02,
        Behaviour.VOICEMAIL: 0.20,
        Behaviour.NO_ANSWER: 0.34,
        Behaviour.BUSY: 0.07,
        Behaviour.NOT_IN_SERVICE: 0.08,
        Behaviour.CONGESTION: 0.02,
        Behaviour.DECLINED: 0.01,
    }
)
"""A consumer list of fair quality: 28 in 100 calls are picked up by a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RingHabits:
    """How long phones take to ring, and people to pick them up. Seconds."""

    after_s_min: float = 0.3
    """The soonest that a phone rings after the INVITE."""
    after_s_max: float = 1.5
    shape: float = 3.0
    """Of the gamma distribution of ringing before a person answers."""
    mean_s: float = 7.0
    max_s: float = 18.0
    """A person who did not answer by then answers now; later ones are `no_answer`."""
    voicemail_s: float = 20.0
    """About how long it rings before voicemail takes the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkHabits:
    """How long people talk, and how they decide, where no people file says so."""

    mean_s: float = 30.0
    cv: float = 0.8
    """Standard deviation over mean of the lognormal talk length."""
    yes: float = 0.12
    """The share of conversations that end in yes."""
    stop: float = 0.03
    """The share that ends in a request to stop calling; the rest says no."""
    patience_s_min: float = 1.0
    patience_s_mean: float = 6.0
    """How long silence is borne after the hello: the least, plus exponential with this mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a people file says of one number."""

    talk_s: float
    says: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What a scenario scripts for one number; None leaves it as drawn."""

    does: Behaviour
    ring_s: float | None = None
    talk_s: float | None = None
    says: Decision | None = None
    code: int | None = None
    patience_s: float | None = None
    greeting_s: float | None = None
    presses: str | None = None
    odd: Oddity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """One number at one call: everything that will happen, decided beforehand. Seconds."""

    number: str
    does: Behaviour
    ring_after_s: float
    """From the INVITE to the first ring (180)."""
    ring_s: float
    """From the first ring to the answer or the refusal; infinite for those who never answer."""
    code: int
    """The final SIP status: 200 for those who answer, 487 for those who ring until CANCEL."""
    greeting_s: float
    """The hello of a person, the announcement of a voicemail."""
    patience_s: float
    """How long a person bears silence after the hello."""
    talk_s: float
    """How long a person talks once a voice was heard."""
    says: Decision
    hangs_up_after_s: float
    """For an early hang-up: from the answer."""
    voice: int
    """Which of the voices speaks; the same at every call."""
    presses: str | None = None
    """The key that a person presses when a voice has spoken for a while, in place of talking."""
    odd: Oddity | None = None
    """What the carrier does in an unusual way."""

    @property
    def answers(self) -> bool:
        """Whether this call gets a 200 if the caller waits long enough."""
        return self.does in (Behaviour.PERSON, Behaviour.EARLY_HANGUP, Behaviour.VOICEMAIL)


def is_fictional(number: str) -> bool:
    """Whether a number is one that the simulated network may ring."""
    return FICTIONAL.fullmatch(number) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Everybody who can be called."""

    seed: int = 1
    mix: Mapping[Behaviour, float] = field(default_factory=lambda: DEFAULT_MIX)
    """The share of calls that each behaviour gets; sums to 1."""
    people: Mapping[str, Known] = field(default_factory=dict)
    """What the people file knows, by number."""
    overrides: Mapping[str, Override] = field(default_factory=dict)
    """What the scenario scripts, by number."""
    ring: RingHabits = field(default_factory=RingHabits)
    talk: TalkHabits = field(default_factory=TalkHabits)

    def __post_init__(self) -> None:
        total = sum(self.mix.values())
        if abs(total - 1) > 1e-6 or min(self.mix.values(), default=-1) < 0:
            raise SettingsError(
                f"the mix of behaviours must be shares that sum to 1, these sum to {total:g}"
            )

    def persona(self, number: str, nth: int = 0) -> Persona:
        """Who is at `number` at the call after `nth` earlier ones. The same answer every time."""
        lasting = Random(f"{self.seed}:{number}")  # noqa: S311 - a play, not a secret
        passing = Random(f"{self.seed}:{number}:{nth}")  # noqa: S311 - a play, not a secret
        # Every figure is drawn in a fixed order, used or not, so that one figure's use does not
        # shift the others.
        does = self._behaviour(lasting, passing)
        voice = lasting.randrange(1 << 16)
        decided = lasting.random()
        talk_s = _lognormal(lasting, mean=self.talk.mean_s, cv=self.talk.cv)
        ring_after_s = passing.uniform(self.ring.after_s_min, self.ring.after_s_max)
        person_ring_s = min(
            self.ring.max_s,
            passing.gammavariate(self.ring.shape, self.ring.mean_s / self.ring.shape),
        )
        voicemail_ring_s = passing.gauss(self.ring.voicemail_s, 1.0)
        voicemail_at_once = passing.random() < VOICEMAIL_AT_ONCE
        hello_s = min(2.5, _lognormal(passing, mean=1.2, cv=0.3))
        announcement_s = passing.uniform(3.0, 6.0)
        patience_s = self.talk.patience_s_min + passing.expovariate(1 / self.talk.patience_s_mean)
        hangs_up_after_s = passing.uniform(1.0, 3.0)

        override = self.overrides.get(number)
        if override is not None:
            does = override.does
        if does is Behaviour.VOICEMAIL:
            ring_s = 0.0 if voicemail_at_once else max(0.0, voicemail_ring_s)
        elif does is Behaviour.NO_ANSWER:
            ring_s = float("inf")
        elif does is Behaviour.DECLINED:
            ring_s = person_ring_s
        elif does in REFUSALS:
            ring_s = 0.0
        else:
            ring_s = person_ring_s
        if decided < self.talk.stop:
            says = Decision.STOP
        elif decided < self.talk.stop + self.talk.yes:
            says = Decision.YES
        else:
            says = Decision.NO
        known = self.people.get(number)
        drawn = Persona(
            number=number,
            does=does,
            ring_after_s=ring_after_s,
            ring_s=ring_s,
            code=_final_code(does),
            greeting_s=announcement_s if does is Behaviour.VOICEMAIL else hello_s,
            patience_s=patience_s,
            talk_s=known.talk_s if known else talk_s,
            says=known.says if known else says,
            hangs_up_after_s=hangs_up_after_s,
            voice=voice,
        )
        return drawn if override is None else _scripted(drawn, override)

    def _behaviour(self, lasting: Random, passing: Random) -> Behaviour:
        """Draw what happens. A dead number is dead for good; everything else may change."""
        dead = self.mix.get(Behaviour.NOT_IN_SERVICE, 0.0)
        is_dead = lasting.random() < dead
        point = passing.random() * (1 - dead)
        if is_dead:
            return Behaviour.NOT_IN_SERVICE
        living = [b for b in Behaviour if b is not Behaviour.NOT_IN_SERVICE and self.mix.get(b)]
        for behaviour in living:
            point -= self.mix[behaviour]
            if point < 0:
                return behaviour
        # Rounding may leave a hair's breadth at the end; a mix of dead numbers only, everything.
        return living[-1] if living else Behaviour.NOT_IN_SERVICE


def _final_code(does: Behaviour) -> int:
    if does is Behaviour.NO_ANSWER:
        return 487
    return REFUSALS.get(does, 200)


def _scripted(drawn: Persona, override: Override) -> Persona:
    """The persona with a scenario's words put over what was drawn."""
    return replace(
        drawn,
        ring_s=drawn.ring_s if override.ring_s is None else override.ring_s,
        talk_s=drawn.talk_s if override.talk_s is None else override.talk_s,
        says=drawn.says if override.says is None else override.says,
        code=drawn.code if override.code is None else override.code,
        patience_s=drawn.patience_s if override.patience_s is None else override.patience_s,
        greeting_s=drawn.greeting_s if override.greeting_s is None else override.greeting_s,
        presses=override.presses,
        odd=override.odd,
    )


def _lognormal(random: Random, *, mean: float, cv: float) -> float:
    """A lognormal draw by its mean and coefficient of variation."""
    sigma2 = log(1 + cv * cv)
    return random.lognormvariate(log(mean) - sigma2 / 2, sqrt(sigma2))


def read_people(path: Path) -> dict[str, Known]:
    """Read a people file: CSV with the columns `number,talk_s,says`.

    Raises `SettingsError` naming the file and line for anything that is not exactly that.
    """
    people: dict[str, Known] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            if header != ["number", "talk_s", "says"]:
                raise SettingsError(
                    f"{path}, line 1: the columns must be number,talk_s,says, "
                    f"not {','.join(header) or 'nothing'}"
                )
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                number, known = _person(row, where)
                if number in people:
                    raise SettingsError(f"{where}: {number} is there twice; keep one line")
                if len(people) >= PEOPLE_MAX:
                    raise SettingsError(f"{where}: more than {PEOPLE_MAX} people; use fewer")
                people[number] = known
    except OSError as error:
        raise SettingsError(f"{path}: the people file cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{path}: the people file cannot be read: {error}") from error
    return people


def _person(row: list[str], where: str) -> tuple[str, Known]:
    if len(row) != 3:
        raise SettingsError(f"{where}: needs three values (number,talk_s,says), has {len(row)}")
    number, talk, says = row
    if not is_fictional(number):
        raise SettingsError(f"{where}: {number!r} is not a fictional number, such as +12125550142")
    try:
        talk_s = float(talk)
    except ValueError:
        talk_s = -1.0
    if not 0 <= talk_s <= 36_000:
        raise SettingsError(f"{where}: talk_s must be seconds from 0 to 36000, not {talk!r}")
    if says not in {d.value for d in Decision}:
        raise SettingsError(f"{where}: says must be yes, no or stop, not {says!r}")
    return number, Known(talk_s=talk_s, says=Decision(says))

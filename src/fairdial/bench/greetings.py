"""Greetings of people and of machines as a telephone network would carry them, made from a seed.

Nobody's voice is recorded for this: Debian's `espeak-ng` speaks the sentences of `greetings.toml`
in many voices. A voice, and a sentence, belongs to training or to testing, never to both. What a
line does follows: the band from 300 to 3400 Hz, level, noise, comfort noise, G.711 and lost
packets. The voices are synthetic and clean in diction, so figures from here compare detectors and
guard against regressions; they are no promise for real lines.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tomllib
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from math import log
from random import Random
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fairdial.core.answer import AnswerKind
from fairdial.media import g711

Audio = npt.NDArray[np.float32]
Part = Literal["train", "test"]

RATE = g711.SAMPLE_RATE
SECONDS_MAX = 20.0
"""Nothing lasts longer; both detectors have decided by then."""
FULL_SCALE_DB = 90.31
"""20 log10(32768): from decibels of 16-bit samples to dBov."""

VARIANTS: dict[Part, tuple[str, ...]] = {
    "train": (
        *("m1", "m3", "m5", "m7", "f1", "f3", "f5", "Alex", "Andy", "Annie", "belinda", "david"),
        *("Denis", "ed", "Henrique", "Hugo", "john", "linda", "marcelo", "michel", "paul", "steph"),
        *("klatt", "klatt3"),
    ),
    "test": (
        *("m2", "m4", "m6", "m8", "f2", "f4", "adam", "Alicia", "Andrea", "antonio", "aunty"),
        *("benjamin", "caleb", "Gene", "Lee", "Marco", "Michael", "miguel", "rob", "steph2"),
        *("klatt2", "klatt4"),
    ),
}
"""Speakers of espeak-ng: the shapes of a throat. Robots, whispers and jokes are left out."""
ACCENTS = (
    "en-us",
    "en-us",
    "en-us",
    "en-gb",
    "en-gb-scotland",
    "en-gb-x-rp",
    "en-us-nyc",
    "en-029",
)


class NoSpeaker(Exception):
    """espeak-ng is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What is heard after one answer."""

    kind: AnswerKind
    """The truth: person or machine."""
    scene: str
    speaker: str
    frames: tuple[bytes | None, ...]
    """One mu-law frame each 20 ms; None where the packet was lost."""
    greeting_s: float
    """How long the first words last, with the pauses in them."""
    beep_ended_s: float | None
    """When a machine's beep is over, after the answer."""

    @property
    def audio(self) -> bytes:
        """As a file would hold it: lost packets are silence."""
        return b"".join(frame or g711.SILENCE_ULAW for frame in self.frames)


@dataclass(slots=True)
class _Speaker:
    """One voice."""

    variant: str
    accent: str
    speed: int
    pitch: int

    def say(self, text: str) -> Audio:
        """A sentence at 8 kHz in the telephone band, loudest part about 1; silences cut off."""
        language, colon, rest = text.partition(":")
        if colon and len(language) == 2:
            return _spoken(rest, f"{language}+{self.variant}", self.speed, self.pitch)
        return _spoken(text, f"{self.accent}+{self.variant}", self.speed, self.pitch)


def greetings(part: Part, count: int, *, seed: int = 20261126) -> Iterator[Greeting]:
    """`count` greetings, people and machines by turns. Raises `NoSpeaker` without espeak-ng."""
    data = _data()
    chance = Random(f"{part}:{seed}")  # noqa: S311 - a play, not a secret
    scenes = {
        kind: [scene for scene in data["scene"] if scene["kind"] == kind.value]
        for kind in (AnswerKind.PERSON, AnswerKind.MACHINE)
    }
    for index in range(count):
        kind = AnswerKind.MACHINE if index % 2 else AnswerKind.PERSON
        shares = [scene["share"] for scene in scenes[kind]]
        (scene,) = chance.choices(scenes[kind], shares)
        yield _Stage(part, scene, chance).play()


@dataclass(slots=True)
class _Stage:
    """Where one greeting is made."""

    part: Part
    scene: dict[str, Any]
    chance: Random
    speaker: _Speaker = field(init=False)

    def __post_init__(self) -> None:
        self.speaker = self._anybody()

    def _anybody(self) -> _Speaker:
        chance = self.chance
        slow, fast = (140, 185) if self.scene["kind"] == "machine" else (145, 215)
        return _Speaker(
            chance.choice(VARIANTS[self.part]),
            chance.choice(ACCENTS),
            chance.randint(slow, fast),
            chance.randint(30, 70),
        )

    def play(self) -> Greeting:
        is_machine = self.scene["kind"] == "machine"
        text = self.chance.choice(self.scene[self.part])
        speech = self._spoken(text)
        greeting_s = len(speech) / RATE
        voice_db = _db(speech) if speech.any() else -20.0
        start = self._silence_before()
        parts = [_silence(start), speech]
        beep_ended_s = None
        if is_machine:
            if self.chance.random() < self.scene.get("beep", 0.0):
                parts += [_silence(self.chance.uniform(0.15, 1.2)), self._beep()]
                beep_ended_s = sum(map(len, parts)) / RATE
            parts.append(_silence(3.0))
        else:
            # Who hears nobody asks again, and again.
            for _ in range(2):
                parts.append(_silence(self.chance.uniform(1.3, 2.8)))
                parts.append(self._spoken("Hello?"))
            parts.append(_silence(2.0))
        audio = np.concatenate(parts)[: round(SECONDS_MAX * RATE)]
        if self.scene.get("old_machine"):
            audio = self._old_machine(audio, start)
        if beep_ended_s is not None and beep_ended_s > SECONDS_MAX - 0.5:
            beep_ended_s = None
        return Greeting(
            kind=AnswerKind(self.scene["kind"]),
            scene=self.scene["name"],
            speaker=f"{self.speaker.accent}+{self.speaker.variant}",
            frames=self._over_the_line(audio, voice_db),
            greeting_s=greeting_s,
            beep_ended_s=beep_ended_s,
        )

    def _spoken(self, text: str) -> Audio:
        """Words and silences; names and numbers are put in."""
        chance, data = self.chance, _data()
        text = text.replace("{name}", chance.choice(data["names"][self.part]))
        text = text.replace("{company}", chance.choice(data["companies"][self.part]))
        digits = f"5 5 5, 0 1 {chance.randrange(10)} {chance.randrange(10)}"
        text = text.replace("{digits}", digits)
        language = f"{text[:2]}:" if text[2:3] == ":" else ""
        parts: list[Audio] = []
        speaker = self.speaker
        for piece in text[len(language) :].split("<"):
            pause, bracket, words = piece.partition(">")
            if bracket:
                parts.append(_silence(int(pause) / 1000 * chance.uniform(0.8, 1.25)))
                if self.scene.get("second_voice"):
                    speaker = self._anybody()
            else:
                words = piece
            if words.strip():
                parts.append(speaker.say(language + words.strip()))
        return np.concatenate(parts)

    def _silence_before(self) -> float:
        """Seconds from the answer to the first word."""
        chance = self.chance
        if self.scene.get("late"):
            return chance.uniform(1.5, 3.2)
        if self.scene.get("old_machine"):
            return chance.uniform(0.6, 2.0)
        if self.scene["kind"] == "machine":
            return chance.uniform(0.1, 1.3)
        # The phone is on its way to the ear.
        return min(1.8, max(0.1, chance.lognormvariate(log(0.55), 0.45)))

    def _beep(self) -> Audio:
        chance = self.chance
        hertz = chance.choice((440, 500, 620, 800, 852, 1000, 1000, 1000, 1400, 1633, 2000))
        seconds = chance.choice((0.15, 0.2, 0.3, 0.4, 0.5, 0.8, 1.0))
        time = np.arange(round(seconds * RATE), dtype=np.float32) / RATE
        tone = np.sin(2 * np.pi * hertz * chance.uniform(0.97, 1.03) * time)
        return (tone * chance.uniform(0.25, 0.6)).astype(np.float32)

    def _old_machine(self, audio: Audio, start: float) -> Audio:
        """A click as it picks up, and the hiss of its tape while it plays."""
        audio = audio.copy()
        begin = round(max(0.0, start - self.chance.uniform(0.2, 0.5)) * RATE)
        rng = self._rng()
        hiss = rng.normal(size=len(audio) - begin) * 10 ** (self.chance.uniform(-42, -30) / 20)
        audio[begin:] += hiss.astype(np.float32)
        audio[begin : begin + 160] += rng.normal(size=160).astype(np.float32) * 0.3
        return audio

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng(self.chance.randrange(2**32))

    # --- the line ---------------------------------------------------------------------------------

    def _over_the_line(self, audio: Audio, voice_db: float) -> tuple[bytes | None, ...]:
        """Level, noise, G.711 and loss."""
        chance = self.chance
        level_db = min(-14.0, max(-34.0, chance.gauss(-22.0, 4.0)))
        gain = 10 ** ((level_db - voice_db) / 20)
        audio = audio * np.float32(gain)
        audio = audio + self._noise(len(audio), level_db)
        samples = np.clip(audio * 32768, -32768, 32767).astype(np.int16)
        coded = _ulaw_codes()[samples.astype(np.uint16)].tobytes()
        if chance.random() < 0.2:
            coded = coded.translate(g711.ULAW_TO_ALAW).translate(g711.ALAW_TO_ULAW)
        size = g711.FRAME_SAMPLES
        frames = [coded[i : i + size] for i in range(0, len(coded) - size + 1, size)]
        return tuple(self._lose(frames))

    def _noise(self, size: int, level_db: float) -> Audio:
        """What is heard beside the voice: nothing, comfort noise, a line, a room, a car, people."""
        chance, rng = self.chance, self._rng()
        if self.scene.get("babble"):
            return self._babble(size, level_db - chance.uniform(8, 20))
        kinds = ("none", "comfort", "line", "room", "car", "babble")
        weights = (2, 3, 2, 2, 1, 0 if self.scene["kind"] == "machine" else 1)
        (kind,) = chance.choices(kinds, weights)
        if kind == "none":
            return np.zeros(size, np.float32)
        if kind == "babble":
            return self._babble(size, level_db - chance.uniform(14, 26))
        white = rng.normal(size=size)
        if kind == "comfort":
            return _levelled(_banded(white), chance.uniform(-66, -54))
        noise_db = max(-66.0, level_db - chance.uniform(10, 30))
        if kind == "line":
            return _levelled(_banded(white), noise_db)
        tilt = 0.5 if kind == "room" else 1.0
        return _levelled(_banded(white, tilt=tilt), noise_db)

    def _babble(self, size: int, noise_db: float) -> Audio:
        """Three people or a television in the background, without a pause."""
        texts = [
            "so I told him that we would never go there again and he just laughed at me",
            "coming up next the weather for the weekend and all the sports of the day",
            "give it back, it is mine, I had it first, no you did not, yes I did",
            "and then add the onions and let everything simmer for about twenty minutes",
        ]
        mixed = np.zeros(size, np.float32)
        for _ in range(self.chance.choice((1, 2, 3))):
            said = self._anybody().say(self.chance.choice(texts))
            mixed += np.resize(np.roll(said, self.chance.randrange(len(said))), size)
        return _levelled(mixed, noise_db)

    def _lose(self, frames: list[bytes]) -> Iterator[bytes | None]:
        """Lose none in most calls, up to 5 percent in others, sometimes several in a row."""
        chance = self.chance
        rate = 0.0 if chance.random() < 0.6 else chance.uniform(0.002, 0.05)
        left = 0
        for frame in frames:
            if left == 0 and chance.random() < rate:
                left = chance.choice((1, 1, 1, 2, 4))
            yield None if left else frame
            left = max(0, left - 1)


# --- sound ----------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    text = files("fairdial.bench").joinpath("greetings.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@lru_cache(maxsize=1)
def _ulaw_codes() -> npt.NDArray[np.uint8]:
    """The mu-law byte of each of the 65,536 samples, at the sample as unsigned 16 bits."""
    codes = g711.encode_ulaw([*range(32768), *range(-32768, 0)])
    return np.frombuffer(codes, np.uint8)


@lru_cache(maxsize=4096)
def _spoken(text: str, voice: str, speed: int, pitch: int) -> Audio:
    program = shutil.which("espeak-ng")
    if program is None:
        raise NoSpeaker("espeak-ng is not installed: apt-get install espeak-ng")
    done = subprocess.run(  # noqa: S603 - our own words
        [program, "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", "--", text],
        capture_output=True,
        timeout=30,
        check=True,
    )
    with wave.open(io.BytesIO(_mended(done.stdout))) as spoken:
        rate = spoken.getframerate()
        raw = np.frombuffer(spoken.readframes(spoken.getnframes()), np.int16)
    audio = raw.astype(np.float64) / 32768
    spectrum = np.fft.rfft(audio)
    hertz = np.fft.rfftfreq(len(audio), 1 / rate)
    spectrum *= _band(hertz)
    size = round(len(audio) * RATE / rate)
    resampled = np.fft.irfft(spectrum[: size // 2 + 1], size) * size / len(audio)
    loud = np.abs(resampled).max()
    resampled = resampled / loud if loud else resampled
    heard = np.flatnonzero(np.abs(resampled) > 0.02)
    cut = resampled[heard[0] : heard[-1] + 1] if len(heard) else resampled
    heard_part: Audio = cut.astype(np.float32)
    return heard_part


def _mended(wav: bytes) -> bytes:
    """espeak-ng writes to a pipe, so its header does not know the length."""
    body = wav[44:]
    return (
        wav[:4]
        + (len(body) + 36).to_bytes(4, "little")
        + wav[8:40]
        + len(body).to_bytes(4, "little")
        + body
    )


def _band(hertz: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """The telephone band, with slopes of 100 and 300 Hz."""
    return np.clip((hertz - 200) / 100, 0, 1) * np.clip((3700 - hertz) / 300, 0, 1)


def _banded(noise: npt.NDArray[np.float64], *, tilt: float = 0.0) -> Audio:
    """Noise in the band; `tilt` 0.5 falls by 3 dB an octave, 1.0 by 6 dB."""
    spectrum = np.fft.rfft(noise)
    hertz = np.fft.rfftfreq(len(noise), 1 / RATE)
    spectrum *= _band(hertz) / np.maximum(hertz, 100) ** tilt
    shaped: Audio = np.fft.irfft(spectrum, len(noise)).astype(np.float32)
    return shaped


def _levelled(audio: Audio, level_db: float) -> Audio:
    return audio * np.float32(10 ** ((level_db - _db(audio)) / 20))


def _db(audio: Audio) -> float:
    """Level of what is loud of it, in dBov: silences do not count."""
    power = audio.astype(np.float64) ** 2
    loud = power[power > power.max() * 1e-4]
    return float(10 * np.log10(loud.mean())) if len(loud) else -100.0


def _silence(seconds: float) -> Audio:
    return np.zeros(round(seconds * RATE), np.float32)

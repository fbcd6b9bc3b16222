"""When somebody speaks on one line: words, pauses, and the greeting they make, frame by frame.

A frame is voice when it stands out of the noise floor, which follows the line's own noise. Sound
of less than 80 ms is a click and no word. Everything is counted in frames of 20 ms since the
answer; `answer_model` judges what is measured here.
"""

from __future__ import annotations

from collections import deque
from math import log10
from typing import Final

from fairdial.media import g711
from fairdial.media.ear_settings import DetectorSettings

FRAME_S: Final = g711.FRAME_S
LEVEL_MIN: Final = -64.0
"""dBov; softer is as good as silence."""

_WORD_FRAMES: Final = 4
"""A word lasts 80 ms at least."""
_GAP_FRAMES: Final = 4
"""A gap of 80 ms parts two words."""
_PHRASE_GAP_FRAMES: Final = 12
"""A pause of 240 ms parts two phrases."""
_BLOCK_FRAMES: Final = 8
_BLOCKS: Final = 4
"""The floor is the softest frame of the last four blocks of 160 ms, and of the one that runs."""
_SMOOTHING: Final = 0.3
"""The share that a frame has in the smoothed level: syllables stay, single frames do not count."""
_SOFT_FRAME: Final = 26.0
"""dB below the loudest voice at which a frame is silence, whatever was before it."""
_HELD_FRAMES: Final = 3
"""A lost frame sounds as the one before it for so long."""


class VoiceActivity:
    """What was spoken on one line since the answer. All attributes count frames."""

    __slots__ = (
        "_block",
        "_block_frames",
        "_blocks",
        "_burst_end",
        "_burst_start",
        "_floor",
        "_held",
        "_is_word",
        "_peak",
        "_rise",
        "_settings",
        "_smoothed",
        "_was_voice",
        "end",
        "longest_pause",
        "phrase_start",
        "phrases",
        "position",
        "start",
        "voiced",
        "words",
    )

    def __init__(self, settings: DetectorSettings) -> None:
        self._settings = settings
        self._rise = settings.floor_rise_s * FRAME_S
        self.begin()

    def begin(self) -> None:
        """The call was answered: another line is heard, so the noise floor begins anew, too."""
        # Until there was a silence, a voice must stand out of this.
        self._floor = self._settings.floor_max
        self._blocks: deque[float] = deque(maxlen=_BLOCKS)
        self._block = 0.0
        self._block_frames = 0
        self.position = 0
        """Frames since the answer."""
        self.start: int | None = None
        """The frame with which the first word began."""
        self.end = 0
        """The frame after the last of voice."""
        self.words = 0
        self.voiced = 0
        """Frames of voice."""
        self.longest_pause = 0
        """The longest silence between two words."""
        self.phrases = 0
        self.phrase_start = 0
        self._burst_start: int | None = None
        self._burst_end = 0
        self._is_word = False
        self._was_voice = False
        self._held = 0
        self._peak = LEVEL_MIN
        self._smoothed = _power(LEVEL_MIN)

    @property
    def pause(self) -> int:
        """Frames since somebody last spoke; 0 while nobody has."""
        return 0 if self.start is None else self.position - self.end

    @property
    def floor(self) -> float:
        """The noise floor, dBov."""
        return self._floor

    @property
    def peak(self) -> float:
        """The loudest voice, smoothed over 60 ms or so, dBov."""
        return self._peak

    def hear(self, level: float, *, is_tone: bool) -> None:
        """A frame with its level in dBov; a tone is neither voice nor noise."""
        self._held = 0
        if is_tone:
            self._step(is_voice=False)
            return
        level = max(level, LEVEL_MIN)
        self._follow_floor(level)
        s = self._settings
        limit = max(self._floor + s.voice_above_floor, s.voice_level_min, self._peak - _SOFT_FRAME)
        # Syllables rise and fall by 20 dB, so a background is known by its smoothed level.
        self._smoothed += _SMOOTHING * (_power(level) - self._smoothed)
        smoothed = 10 * log10(self._smoothed)
        is_voice = level >= limit and smoothed >= self._peak - s.voice_below_peak
        if is_voice:
            self._peak = max(self._peak, smoothed)
        self._step(is_voice=is_voice)

    def miss(self) -> None:
        """A frame was lost: what was heard before goes on for 60 ms, then it is silence."""
        self._held += 1
        self._step(is_voice=self._was_voice and self._held <= _HELD_FRAMES)

    def _follow_floor(self, level: float) -> None:
        """Softer at once, louder slowly."""
        if self._block_frames == 0 or level < self._block:
            self._block = level
        self._block_frames += 1
        softest = self._block
        if self._blocks:
            softest = min(softest, *self._blocks)
        if self._block_frames == _BLOCK_FRAMES:
            self._blocks.append(self._block)
            self._block_frames = 0
        self._floor = min(softest, self._floor + self._rise, self._settings.floor_max)

    def _step(self, *, is_voice: bool) -> None:
        position = self.position
        self.position = position + 1
        self._was_voice = is_voice
        if not is_voice:
            if self._burst_start is not None and position - self._burst_end >= _GAP_FRAMES:
                self._burst_start = None
            return
        if self._burst_start is None:
            self._burst_start = position
            self._is_word = False
        self._burst_end = position + 1
        if self._is_word:
            self.voiced += 1
            self.end = position + 1
        elif position + 1 - self._burst_start >= _WORD_FRAMES:
            self._word(self._burst_start)

    def _word(self, begun: int) -> None:
        """A burst is long enough to be a word."""
        self._is_word = True
        if self.start is None:
            self.start = begun
            self.phrases, self.phrase_start = 1, begun
        else:
            pause = begun - self.end
            self.longest_pause = max(self.longest_pause, pause)
            if pause >= _PHRASE_GAP_FRAMES:
                self.phrases += 1
                self.phrase_start = begun
        self.words += 1
        self.voiced += _WORD_FRAMES
        self.end = self.position


def _power(level: float) -> float:
    """From dBov to power."""
    return float(10 ** (level / 10))

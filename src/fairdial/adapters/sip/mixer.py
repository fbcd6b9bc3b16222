"""The mixer of one conversation: for each leg that hears several others, the sum of what they say.

It runs only while somebody needs it. Whoever speaks is decoded once, from a jitter buffer of their
own, however many hear them.
"""

from __future__ import annotations

from collections.abc import Mapping

from fairdial.adapters.sip.beat import Beat
from fairdial.adapters.sip.media import AudioPort
from fairdial.media.jitter import JitterBuffer
from fairdial.media.mixing import mix


class Mixer:
    """Feeds each listener with the sum of its speakers, every 20 ms."""

    def __init__(self) -> None:
        self._mixes: dict[AudioPort, frozenset[AudioPort]] = {}
        self._beat: Beat | None = None
        self._number = 0

    def set(self, mixes: Mapping[AudioPort, frozenset[AudioPort]]) -> None:
        """From now on, who hears which speakers; speakers that stay keep their buffers."""
        speakers = frozenset().union(*mixes.values())
        for gone in frozenset().union(*self._mixes.values()) - speakers:
            gone.buffer = None
        for speaker in speakers:
            if speaker.buffer is None:
                speaker.buffer = JitterBuffer()
        self._mixes = dict(mixes)
        if mixes and self._beat is None:
            self._beat = Beat(self._step)
        elif not mixes and self._beat is not None:
            self._beat.stop()
            self._beat = None

    def _step(self) -> None:
        speakers = frozenset().union(*self._mixes.values())
        said = {
            speaker: samples
            for speaker in speakers
            if speaker.buffer is not None and (samples := speaker.buffer.take()) is not None
        }
        for listener, heard in self._mixes.items():
            voices = [said[speaker] for speaker in heard if speaker in said]
            listener.send_mix(mix(voices) if voices else None, number=self._number, feed=self)
        self._number += 1

"""What a leg hears that nobody says: a recorded message, music on hold, keys that we press."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from fairdial.adapters.sip.beat import Beat
from fairdial.media import digits, g711, sdp, sounds

if TYPE_CHECKING:
    from fairdial.adapters.sip.media import AudioPort

PAUSE_FRAMES = 4
"""Silence behind each key: 80 ms. Exchanges want 40 ms at least (ITU-T Q.24)."""
KEYS_MAX = 256
"""Keys that wait to be pressed on one leg; more are not taken."""


class Playback:
    """Audio (mu-law) on its way to one leg, once or in a loop, 20 ms at a time."""

    def __init__(
        self,
        port: AudioPort,
        audio: bytes,
        *,
        on_end: Callable[[], None] | None,
        on_frame: Callable[[int, bytes], None] | None = None,
    ) -> None:
        """Play; without `on_end` again and again. `on_frame` is told of each frame, in mu-law."""
        self._port = port
        self._frames = sounds.frames(audio, g711.SILENCE_ULAW)
        self._on_end = on_end
        self.on_frame = on_frame
        self._sent = 0
        self._beat = Beat(self._step)

    def stop(self) -> None:
        """Send nothing more; `on_end` is not called."""
        self._beat.stop()

    def _step(self) -> None:
        number = self._sent
        if number >= len(self._frames) and self._on_end is not None:
            self.stop()
            self._on_end()
            return
        self._sent += 1
        frame = self._frames[number % len(self._frames)]
        if self.on_frame is not None:
            self.on_frame(number * g711.FRAME_SAMPLES, frame)
        if self._port.payload_type == sdp.PCMA:
            frame = frame.translate(g711.ULAW_TO_ALAW)
        self._port.send_made(frame, number=number, feed=self)


class Keys:
    """Keys being pressed on one leg: telephone events where its peer takes them, else tones."""

    def __init__(self, port: AudioPort, on_end: Callable[[], None]) -> None:
        self._port = port
        self._on_end = on_end
        self._waiting: deque[str] = deque(maxlen=KEYS_MAX)
        self._press: deque[tuple[bytes, bool, bool]] = deque()
        """What is left of this key: payload, whether it is an event, whether it is the first."""
        self._seq = 0
        self._timestamp = 0
        self._started = 0
        self._beat = Beat(self._step)

    def press(self, keys: str) -> None:
        """Press these after what waits already; what there is no room for is left out."""
        self._waiting.extend(keys[: KEYS_MAX - len(self._waiting)])

    def stop(self) -> None:
        """Press no more."""
        self._beat.stop()

    def _step(self) -> None:
        if not self._press:
            if not self._waiting:
                self.stop()
                self._on_end()
                return
            self._press.extend(self._parts_of(self._waiting.popleft()))
            self._started = self._timestamp
        payload, is_event, is_first = self._press.popleft()
        port = self._port
        if is_event and port.event_type is not None:
            # All packets of a press carry the timestamp of its first (RFC 4733, section 2.5.1).
            port.send_packet(
                payload,
                payload_type=port.event_type,
                marker=is_first,
                seq=self._seq,
                timestamp=self._started,
                feed=self,
            )
        elif not is_event:
            if port.payload_type == sdp.PCMA:
                payload = payload.translate(g711.ULAW_TO_ALAW)
            port.send_packet(
                payload,
                payload_type=port.payload_type,
                marker=is_first,
                seq=self._seq,
                timestamp=self._timestamp,
                feed=self,
            )
        self._seq += 1
        self._timestamp += g711.FRAME_SAMPLES

    def _parts_of(self, key: str) -> list[tuple[bytes, bool, bool]]:
        """A key, frame by frame, and the silence behind it."""
        if self._port.event_type is not None:
            press = [(event, True, n == 0) for n, event in enumerate(digits.press(key))]
        else:
            tone = sounds.frames(sounds.key_tone(key), g711.SILENCE_ULAW)
            press = [(frame, False, n == 0) for n, frame in enumerate(tone)]
        return [*press, *[(g711.SILENCE_ULAW, False, False)] * PAUSE_FRAMES]

"""Every threshold by which sound is judged, each with its unit.

The defaults were set on the training voices of `fairdial.bench.greetings` and on the tones as the
recommendations give them; docs/reference/answer-detection.md has sources and figures. Levels are in
dBov: decibels below the loudest square wave that 16 bits hold.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSettings:
    """How a call's sound is judged. Raises `ValueError` for what makes no sense."""

    limit_s: float = 9.0
    """Seconds after the answer at which a judgement comes at the latest."""
    silence_s_max: float = 3.0
    """Seconds after the answer at which a judgement comes if nobody has spoken; it is unsure."""
    pause_s_min: float = 0.8
    """Seconds of silence after which somebody who has spoken may be judged to be a person."""
    pause_s_max: float = 1.6
    """Seconds of silence after a greeting at which a judgement comes at the latest: whoever has
    spoken is not kept waiting. A machine's beep comes sooner, as a rule."""
    machine_confidence: float = 0.996
    """Probability of a machine from which on the judgement is machine."""
    person_confidence: float = 0.88
    """Probability of a person from which on the judgement is person."""
    machine_share: float = 0.5
    """Share of machines among what answers, as far as it is known: the model is trained on
    one to one. Between 0.01 and 0.99."""

    voice_level_min: float = -46.0
    """dBov; nothing softer is a voice."""
    voice_above_floor: float = 8.0
    """dB by which a voice stands above the noise floor."""
    voice_below_peak: float = 10.0
    """dB below the loudest voice so far at which sound, over 60 ms or so, is background: a
    television, or people in the same room."""
    floor_max: float = -36.0
    """dBov; a louder noise floor is not believed."""
    floor_rise_s: float = 12.0
    """dB a second at which the noise floor follows rising noise; it falls at once."""

    tone_level_min: float = -46.0
    """dBov; softer tones are not looked for."""
    tone_share_min: float = 0.80
    """Share of the energy that one tone, or a pair, must have."""
    second_share_max: float = 0.05
    """Share of the energy that a second frequency may have beside a single tone; keys (DTMF) with
    a twist of 12 dB stay above."""
    beep_s_min: float = 0.11
    """Seconds that a beep lasts at least."""
    beep_s_max: float = 2.0
    """Seconds that a beep lasts at most."""
    beep_hz_min: float = 390.0
    """Hz; a beep is not lower."""
    beep_hz_max: float = 2520.0
    """Hz; a beep is not higher."""
    cadence_repeats: int = 2
    """How often busy or congestion must repeat its cadence before it is told."""
    fax_s_min: float = 0.6
    """Seconds of 2100 Hz that make a fax, where no voice was heard."""

    def __post_init__(self) -> None:
        shares = (self.machine_confidence, self.person_confidence, self.machine_share)
        if not all(0.01 <= share < 1 for share in shares) or self.machine_share > 0.99:
            raise ValueError(
                "machine_confidence and person_confidence must be 0.01 to below 1,"
                f" machine_share 0.01 to 0.99; they are {shares}"
            )
        if self.machine_confidence + self.person_confidence <= 1:
            raise ValueError(
                "machine_confidence and person_confidence must add up to more than 1, or one call"
                " could be judged both ways"
            )
        if not 0 < self.pause_s_min <= self.pause_s_max or not 0.5 <= self.limit_s <= 60:
            raise ValueError(
                "limit_s must be 0.5 to 60 seconds, pause_s_min above 0 and not over pause_s_max;"
                f" they are {self.limit_s}, {self.pause_s_min} and {self.pause_s_max}"
            )
        if not 0 < self.beep_s_min < self.beep_s_max or self.cadence_repeats < 1:
            raise ValueError("beep_s_min must be below beep_s_max, and cadence_repeats at least 1")

"""What is kept of each turn of a call, and of each call: the facts from which all figures are made. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

import numpy as np
import pybase64
from pydantic import PlainSerializer, PlainValidator

from audio.formats import Samples
from server.client.load.hearing.words import WordsHeard

GAP_MS = 15.0
"""Silence in the middle of an answer, because nothing had come, from which it is called a gap."""


class TurnKind(StrEnum):
    """What was expected."""

    RESPOND = "respond"
    TYPED = "typed"
    STOP = "stop"
    IGNORE = "ignore"
    NOTHING = "nothing"
    LINE = "line"
    """The connection is lost, or falls silent."""


class Outcome(StrEnum):
    """What became of an expectation."""

    HELD = "held"
    MISSED = "missed"
    """No answer was heard in time, or it did not stop."""
    FALSE = "false"
    """Something was heard, or fell silent, that should not have."""
    DISCARDED = "discarded"
    """Nothing can be said; `reason` says why."""


def _write_audio(samples: Samples | None) -> str | None:
    return None if samples is None else pybase64.b64encode(samples.astype("<i2").tobytes()).decode()


def _read_audio(written: Any) -> Samples | None:
    """Samples, or base64 of them. Raises ValueError."""
    if isinstance(written, str):
        return np.frombuffer(pybase64.b64decode(written, validate=True), "<i2")
    if written is None or isinstance(written, np.ndarray):
        return written
    raise ValueError("must be base64")


@dataclass(slots=True)
class Turn:
    """One expectation. Times are seconds of the run, the rest milliseconds; None is what was not measured."""

    call: int
    scenario: str
    step: int
    kind: TurnKind
    said_s: tuple[float, float]
    """From the first to the last voiced sample, at the microphone."""
    outcome: Outcome = Outcome.HELD
    reason: str = ""
    v2v_ms: float | None = None
    """From the last voiced sample to the first sound that is heard."""
    first_packet_ms: float | None = None
    first_sound_packet_ms: float | None = None
    leading_silence_ms: float | None = None
    stop_ms: float | None = None
    """From the first voiced sample of the interruption to the last sound of the answer."""
    duck_ms: float | None = None
    resume_ms: float | None = None
    """From the first byte to a server that can be reached again until what was missed is there."""
    outage_silence_ms: float | None = None
    """Silence in the answer meanwhile."""
    has_missed_tool: bool = False
    """The tool that was expected was not called."""
    expected_words: str | None = None
    says_name: bool = False
    """Whether what was said or expected has the caller's name."""
    words: WordsHeard | None = None
    """What was heard of the words, where they are marked."""
    is_early: bool = False
    """The answer began before the person had ended."""
    dry_ms: list[float] = field(default_factory=list)
    """Silences in the answer, because nothing had come."""
    answer_ms: float | None = None
    """From its first to its last sound."""
    was_cut: bool = False
    audio: Annotated[Samples | None, PlainValidator(_read_audio), PlainSerializer(_write_audio)] = None
    """What was heard, where that is kept."""
    rate_hz: int = 0

    packets: list[tuple[float, float]] = field(default_factory=list)
    """When each packet of the answer came, and how many ms of it were waiting then, where the audio is kept."""
    marks: list[tuple[float, str]] = field(default_factory=list)
    """What the server told of the turn meanwhile, and when."""

    def shift(self, seconds: float) -> None:
        """Make times of a call times of the run: the call began so late."""
        self.said_s = (self.said_s[0] + seconds, self.said_s[1] + seconds)
        self.packets = [(at_s + seconds, ms) for at_s, ms in self.packets]
        self.marks = [(at_s + seconds, name) for at_s, name in self.marks]

    @property
    def gaps_ms(self) -> list[float]:
        """Of these silences, those that are long enough to be called gaps."""
        return [ms for ms in self.dry_ms if ms >= GAP_MS]


class Ending(StrEnum):
    """How a call came to its end."""

    DONE = "done"
    HUNG_UP = "hung_up"
    CUT = "cut"
    LOST = "lost"
    """The server, or the network, ended it."""
    REFUSED = "refused"
    STOPPED = "stopped"
    """The run was over."""


@dataclass(slots=True)
class CallRecord:
    """The record of one call."""

    number: int
    scenario: str
    intended_s: float
    """When it was to begin."""
    connected_s: float | None = None
    ended_s: float | None = None
    ending: Ending = Ending.STOPPED
    why: str = ""
    turns: list[Turn] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    """What the server complained of."""
    false_answers: int = 0
    """Answers to nothing said, where the scenario expects none."""
    extra_answers: int = 0
    """Answers that belong to no turn: a greeting, or one more than was asked for."""
    is_canary: bool = False
    """Whether it is one of the few that are the same beside every load."""

"""One way to find the ends of turns, played over a trial: the endpointer, and what witnesses tell it in the pause."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import numpy as np
from turn_trials import PAUSES_MS, Trial

from audio.endpoint import Endpointer, SoftEnd, SpeechEnded, SpeechResumed
from audio.endpoint_config import EndpointConfig
from audio.formats import SPEECH_HZ, Samples
from audio.framing import Framer
from audio.pause import Pause, Rise
from server.turntaking.endpointing import EAGERNESS, PauseEvidence, silence_ms
from stages.providers.smart_turn import SmartTurnModel
from stages.providers.whisper.recogniser import StretchModel
from stages.providers.whisper.segments import Segment

T = TypeVar("T")
Place = tuple[str, int | None, int]

CONFIG = EndpointConfig(soft_end_ms=60)
LIMITS = EAGERNESS["auto"]
CAPTION_BEFORE = SPEECH_HZ * 2 // 5
"""So many samples before a soft end the newest caption was read, on average: a reading begins with what is known."""
HOPEFUL_PAUSE_MS = 600
"""Pauses up to here should cut nobody off."""


def ms(samples: float) -> float:
    """Samples as milliseconds."""
    return samples * 1000 / SPEECH_HZ


def percent(flags: Sequence[bool]) -> str:
    """The share of true ones."""
    return f"{100 * np.mean(flags):.1f} %" if len(flags) else "-"


def spread(values: Sequence[float]) -> str:
    """The middle and the bad end."""
    return "{:.0f} / {:.0f}".format(*np.percentile(values, (50, 95))) if len(values) else "-"


# --- what is known in a pause -----------------------------------------------------------------------------


class Asked(Protocol):
    """Whoever knows what the witnesses say."""

    def evidence(self, trial: Trial, at: int, *, text: bool, model: bool) -> list[tuple[int, PauseEvidence]]:
        """What comes to light when, in samples, after a soft end at `at`."""


@dataclass
class Witnesses:
    """The recogniser and the end-of-turn model, asked once about each place and remembered with what it took."""

    recogniser: StretchModel
    turn_model: SmartTurnModel
    texts: dict[Place, tuple[int, str]] = field(default_factory=dict)
    verdicts: dict[Place, tuple[int, float]] = field(default_factory=dict)

    def evidence(self, trial: Trial, at: int, *, text: bool, model: bool) -> list[tuple[int, PauseEvidence]]:
        """What comes to light when, in samples, after a soft end at `at`."""
        place = (trial.name, trial.snr_db, round(trial.place(at) / 1_000))
        heard = trial.samples[max(0, trial.began - 4_800) : at]
        if text and place not in self.texts:
            early = self.recogniser.transcribe(heard[:-CAPTION_BEFORE]) or ()
            self.texts[place] = timed(lambda: self._read(heard, early))
        if model and place not in self.verdicts:
            self.verdicts[place] = timed(lambda: self.turn_model.probability(heard))
        finished = self.verdicts[place] if model else (0, None)
        if not text:
            return [(at + finished[0], PauseEvidence(finished=finished[1]))]
        words = self.texts[place]
        return [
            (at + finished[0], PauseEvidence(finished=finished[1])),
            (at + max(words[0], finished[0]), PauseEvidence(words[1], finished=finished[1])),
        ]

    def _read(self, heard: Samples, early: Sequence[Segment]) -> str:
        segments = self.recogniser.transcribe(heard, known=early) or ()
        return " ".join(segment.reading.text for segment in segments)


def timed(call: Callable[[], T]) -> tuple[int, T]:
    """How long a call took, in samples of CPU time so that a busy machine changes little, and what it returned."""
    began = time.process_time()
    result = call()
    return int((time.process_time() - began) * SPEECH_HZ), result


# --- one way to find ends ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """One row: a detector, and which witnesses are asked; with none, silence of a fixed length decides."""

    vad: str
    text: bool = False
    model: bool = False
    silence_ms: int = 500

    @property
    def name(self) -> str:
        """As the table has it."""
        witnesses = [name for name, asked in (("transcript", self.text), ("model", self.model)) if asked]
        return f"{self.vad}, {' + '.join(witnesses) or f'{self.silence_ms} ms of silence'}"

    @property
    def config(self) -> EndpointConfig:
        """Of the endpointer."""
        return replace(CONFIG, silence_duration_ms=self.silence_ms)


@dataclass
class Found:
    """What came out of one trial; positions in samples."""

    soft: list[int] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)


def find_ends(trial: Trial, scores: Sequence[float], frame: int, way: Way, witnesses: Asked) -> Found:
    """Play the scores of a trial to an endpointer and tell it what the witnesses say, when they say it."""
    endpointer, pause, found = Endpointer(way.config), Pause(), Found()
    coming: list[tuple[int, PauseEvidence]] = []
    for heard, score in zip(Framer(frame).push(trial.samples), scores, strict=True):
        while coming and coming[0][0] <= endpointer.position:
            endpointer.confirm_after(silence_ms(coming.pop(0)[1], LIMITS))
        is_rising = endpointer.is_pausing and pause.hear(heard) > Rise.NONE
        match endpointer.push(score, frame, is_rising):
            case SoftEnd(at_sample=at):
                pause.begin()
                found.soft.append(at)
                if way.text or way.model:
                    endpointer.confirm_after(silence_ms(PauseEvidence(), LIMITS))
                    coming = witnesses.evidence(trial, at, text=way.text, model=way.model)
            case SpeechResumed():
                coming = []
            case SpeechEnded(end_sample=end):
                found.confirmed.append(end)
                coming = []
    return found


@dataclass
class Tally:
    """The outcomes of one way at one ratio of speech to noise."""

    cut: dict[int, list[bool]] = field(default_factory=lambda: defaultdict(list))
    missed: list[bool] = field(default_factory=list)
    soft_ends: list[int] = field(default_factory=list)
    soft_ms: list[float] = field(default_factory=list)
    confirmed_ms: list[float] = field(default_factory=list)

    def add(self, trial: Trial, found: Found) -> None:
        """Count one trial. An end before the voice has ended is a cut-off; no end after the pause is missed."""
        if trial.pause_ms:
            self.cut[trial.pause_ms].append(any(end < trial.ended for end in found.confirmed))
        ends = [end for end in found.confirmed if end >= trial.ended]
        self.missed.append(not any(end >= trial.resumed for end in found.confirmed))
        self.soft_ends.append(len(found.soft))
        if ends:
            self.confirmed_ms.append(ms(ends[0] - trial.ended))
            self.soft_ms += [ms(at - trial.ended) for at in found.soft if at < ends[0]][-1:]

    def row(self) -> list[str]:
        """Its cells, as `END_COLUMNS` names them."""
        hopeful = [cut for pause, cuts in self.cut.items() if pause <= HOPEFUL_PAUSE_MS for cut in cuts]
        cuts = " / ".join(f"{100 * np.mean(self.cut[pause]):.0f}" for pause in PAUSES_MS)
        return [
            percent(hopeful),
            cuts,
            percent(self.missed),
            f"{np.mean(self.soft_ends):.1f}",
            spread(self.soft_ms),
            spread(self.confirmed_ms),
        ]


END_COLUMNS = [
    f"cut off, pauses ≤ {HOPEFUL_PAUSE_MS} ms",
    f"cut off at {' / '.join(map(str, PAUSES_MS))} ms, %",
    "missed",
    "soft ends a trial",
    "soft end, ms",
    "confirmed end, ms",
]

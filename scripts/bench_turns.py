"""Turn taking on recorded speech: false cut-offs, delays, false starts and barge-ins, as markdown tables.

Runs in samples time: the endpointer hears each trial as fast as it can, and what a model finds out comes as many
samples after the soft end as the model needed on this machine.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import anyio
import numpy as np
from turn_trials import PAUSES_MS, SNRS_DB, Trial, read_clip, trials

from audio.endpoint import EndpointConfig, Endpointer, SoftEnd, SpeechEnded, SpeechResumed, SpeechStarted
from audio.formats import SPEECH_HZ, Samples
from audio.framing import Framer
from audio.resample import Resampler
from audio.vad import Vad, WebRtcVad
from stages.endpointing import EAGERNESS, Evidence, silence_ms
from stages.models import model_dir
from stages.providers.hibari import RATE_HZ as VOICE_HZ
from stages.providers.hibari import EmbeddedVoice
from stages.providers.silero import SileroModel
from stages.providers.smart_turn import SmartTurnModel
from stages.providers.whisper_model import MODEL_NAME, WhisperModel
from tests.support.audio_maker import brown_noise, clicks, join, pink_noise, silence, white_noise

SPEECH = Path(__file__).parents[1] / "tests" / "data" / "speech"
CONFIG = EndpointConfig(soft_end_ms=60)
LIMITS = EAGERNESS["auto"]
HOPEFUL_PAUSE_MS = 600
"""Pauses up to here should cut nobody off."""
BACKCHANNELS = ("Mm-hm.", "Yeah.", "Okay.", "Right.", "Uh-huh.", "I see.")
NOISES = {
    "hiss": lambda: white_noise(30_000, -40),
    "room": lambda: pink_noise(30_000, -35),
    "wind": lambda: brown_noise(30_000, -30),
    "keys": lambda: clicks(30_000),
}
T = TypeVar("T")
Place = tuple[str, int | None, int]


def ms(samples: float) -> float:
    """Samples as milliseconds."""
    return samples * 1000 / SPEECH_HZ


# --- what is known in a pause -----------------------------------------------------------------------------


@dataclass
class Witnesses:
    """The recogniser and the end-of-turn model, asked once about each place and remembered with what it took."""

    recogniser: WhisperModel
    turn_model: SmartTurnModel
    texts: dict[Place, tuple[int, str]] = field(default_factory=dict)
    verdicts: dict[Place, tuple[int, float]] = field(default_factory=dict)

    def evidence(self, trial: Trial, at: int, *, text: bool, model: bool) -> list[tuple[int, Evidence]]:
        """What comes to light when, in samples, after a soft end at `at`."""
        place = (trial.name, trial.snr_db, round(trial.place(at) / 1_000))
        heard = trial.samples[max(0, trial.began - 4_800) : at]
        if text and place not in self.texts:
            self.texts[place] = timed(lambda: self._read(heard))
        if model and place not in self.verdicts:
            self.verdicts[place] = timed(lambda: self.turn_model.probability(heard))
        finished = self.verdicts[place] if model else (0, None)
        if not text:
            return [(at + finished[0], Evidence(finished=finished[1]))]
        words = self.texts[place]
        return [
            (at + finished[0], Evidence(finished=finished[1])),
            (at + max(words[0], finished[0]), Evidence(words[1], finished=finished[1])),
        ]

    def _read(self, heard: Samples) -> str:
        segments = self.recogniser.transcribe(heard) or ()
        return " ".join(segment.reading.text for segment in segments)


def timed(call: Callable[[], T]) -> tuple[int, T]:
    """How long a call took, in samples, and what it returned."""
    began = time.perf_counter()
    result = call()
    return int((time.perf_counter() - began) * SPEECH_HZ), result


# --- one way to find ends ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """One row: a detector, and which witnesses are asked; with none, silence of a fixed length decides."""

    vad: str
    text: bool
    model: bool

    @property
    def name(self) -> str:
        """As the table has it."""
        witnesses = [name for name, asked in (("transcript", self.text), ("model", self.model)) if asked]
        return f"{self.vad}, {' + '.join(witnesses) or f'{CONFIG.silence_duration_ms} ms of silence'}"


@dataclass
class Found:
    """What came out of one trial; positions in samples."""

    soft: list[int] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)


def find_ends(trial: Trial, scores: Sequence[float], frame: int, way: Way, witnesses: Witnesses) -> Found:
    """Play the scores of a trial to an endpointer and tell it what the witnesses say, when they say it."""
    endpointer, found = Endpointer(CONFIG), Found()
    coming: list[tuple[int, Evidence]] = []
    for score in scores:
        while coming and coming[0][0] <= endpointer.position:
            endpointer.confirm_after(silence_ms(coming.pop(0)[1], LIMITS))
        match endpointer.push(score, frame):
            case SoftEnd(at_sample=at):
                found.soft.append(at)
                if way.text or way.model:
                    endpointer.confirm_after(silence_ms(Evidence(), LIMITS))
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


# --- one detector -----------------------------------------------------------------------------------------


def score(vad: Vad, samples: Samples) -> list[float]:
    """The scores of all its frames, by a detector that has heard nothing before."""
    vad.reset()
    return [vad.score(frame) for frame in Framer(vad.frame_samples).push(samples)]


def starts(vad: Vad, samples: Samples, *, over_agent: bool) -> list[int]:
    """When speech was said to begin (not: since when), in samples."""
    endpointer = Endpointer(CONFIG)
    endpointer.agent_is_audible = over_agent
    found = []
    for value in score(vad, samples):
        if isinstance(endpointer.push(value, vad.frame_samples), SpeechStarted):
            found.append(endpointer.position)
    return found


def hits(trial: Trial, scores: Sequence[float], frame: int) -> list[bool]:
    """Whether each frame that lies within voice counts as voiced."""
    return [
        value >= CONFIG.threshold * 0.7
        for i, value in enumerate(scores)
        if trial.began <= i * frame < trial.paused - frame or trial.resumed <= i * frame < trial.ended - frame
    ]


def detector_row(vad: Vad, tried: Sequence[Trial], backchannels: Sequence[Samples]) -> list[str]:
    """The cells of one detector, as `VAD_COLUMNS` names them."""
    began = time.process_time()
    scored = [(trial, score(vad, trial.samples)) for trial in tried]
    frames = sum(len(scores) for _, scores in scored)
    cost_us = (time.process_time() - began) * 1e6 / frames
    by_snr = [
        percent([hit for t, s in scored if t.snr_db == snr for hit in hits(t, s, vad.frame_samples)])
        for snr in SNRS_DB
    ]
    delays = []
    for trial in tried:
        barge_ins = starts(vad, trial.samples, over_agent=True)
        delays += [ms(at - trial.began) for at in barge_ins[:1]]
    noise = [(make(), over_agent) for make in NOISES.values() for over_agent in (False, True)]
    minutes = sum(len(samples) for samples, over in noise if over) / SPEECH_HZ / 60
    false = [
        sum(len(starts(vad, n, over_agent=over)) for n, over in noise if over is kind)
        for kind in (False, True)
    ]
    interrupting = sum(bool(starts(vad, samples, over_agent=True)) for samples in backchannels)
    return [
        f"{cost_us:.0f} ({ms(vad.frame_samples):.0f} ms)",
        " / ".join(by_snr),
        f"{false[0] / minutes:.1f}",
        spread(delays),
        f"{false[1] / minutes:.1f}",
        f"{interrupting} of {len(backchannels)}",
    ]


VAD_COLUMNS = [
    "µs a frame",
    "hit rate clean / 20 / 10 dB",
    "false starts a minute of noise",
    "barge-in, ms after the first voice",
    "false barge-ins a minute of noise",
    "backchannels that interrupt",
]


# --- all of it --------------------------------------------------------------------------------------------


def percent(flags: Sequence[bool]) -> str:
    """The share of true ones."""
    return f"{100 * np.mean(flags):.1f} %" if len(flags) else "-"


def spread(values: Sequence[float]) -> str:
    """The middle and the bad end."""
    return "{:.0f} / {:.0f}".format(*np.percentile(values, (50, 95))) if len(values) else "-"


def table(title: str, columns: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Print one in markdown."""
    print(f"\n| {title} | " + " | ".join(columns) + " |\n" + "| --- " * (len(columns) + 1) + "|")
    for name, cells in rows:
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


async def speak_backchannels() -> list[Samples]:
    """Short words of assent, by the embedded voice."""
    voice = EmbeddedVoice.load(model_dir("hibari-heart"))
    spoken = []
    for text in BACKCHANNELS:
        parts = [speech.samples async for speech in voice.stream(text)]
        at_16_khz = Resampler(VOICE_HZ, SPEECH_HZ).process(np.concatenate(parts), last=True)
        spoken.append(join([silence(500), at_16_khz, silence(500)]))
    await anyio.to_thread.run_sync(voice.close)
    return spoken


def main(paths: Sequence[Path]) -> None:
    """Measure and print."""
    clips = [clip for path in paths if (clip := read_clip(path))]
    tried = [trial for clip in clips for trial in trials(clip)]
    minutes = sum(len(trial.samples) for trial in tried) / SPEECH_HZ / 60
    print(
        f"{len(clips)} recordings, {sum(len(clip.gaps) for clip in clips)} places for a pause, "
        f"{len(tried)} trials, {minutes:.0f} minutes of sound"
    )
    vads: dict[str, Vad] = {"WebRTC": WebRtcVad(), "Silero": SileroModel.load(model_dir("silero-vad")).open()}
    backchannels = anyio.run(speak_backchannels)
    rows = [(name, detector_row(vad, tried, backchannels)) for name, vad in vads.items()]
    table("detector", VAD_COLUMNS, rows)

    witnesses = Witnesses(
        WhisperModel.load(model_dir(MODEL_NAME), threads=1), SmartTurnModel.load(model_dir("smart-turn"))
    )
    ways = [Way(vad, text, model) for vad in vads for text in (False, True) for model in (False, True)]
    tallies: dict[tuple[int | None, Way], Tally] = defaultdict(Tally)
    for trial in tried:
        for name, vad in vads.items():
            scores = score(vad, trial.samples)
            for way in ways:
                if way.vad == name:
                    found = find_ends(trial, scores, vad.frame_samples, way, witnesses)
                    tallies[trial.snr_db, way].add(trial, found)
    for snr_db in SNRS_DB:
        title = "clean" if snr_db is None else f"{snr_db} dB"
        table(title, END_COLUMNS, [(way.name, tallies[snr_db, way].row()) for way in ways])
    for name, cache in (("transcript", witnesses.texts), ("model", witnesses.verdicts)):
        print(
            f"\n{name}: {spread([ms(took) for took, _ in cache.values()])} ms a call (p50 / p95), {len(cache)} calls"
        )


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or sorted(SPEECH.glob("*.wav")))

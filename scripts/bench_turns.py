"""Turn taking on recorded speech: false cut-offs, delays, false starts and barge-ins, as markdown tables.

Runs in samples time: the endpointer hears each trial as fast as it can, and what a model finds out comes as many
samples after the soft end as the model needed of this machine's CPU.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import numpy as np
from turn_ends import CONFIG, END_COLUMNS, Tally, Way, Witnesses, find_ends, ms, percent, spread
from turn_trials import SNRS_DB, Trial, read_clip, trials

from audio.endpoint import Endpointer, SpeechStarted
from audio.endpoint_config import EndpointConfig
from audio.formats import SPEECH_HZ, Samples
from audio.framing import Framer
from audio.resample import Resampler
from audio.vad import Vad, WebRtcVad
from server.turntaking.hearing import FIRST_SIGN_MS
from stages.providers.hibari.voice import EmbeddedVoice
from stages.providers.moonshine.engine import MODEL_NAME
from stages.providers.moonshine.model import MoonshineModel
from stages.providers.phonetic import RATE_HZ as VOICE_HZ
from stages.providers.silero import SileroModel
from stages.providers.smart_turn import SmartTurnModel
from stages.runtime.models import model_dir
from tests.support.audio_maker import brown_noise, clicks, join, pink_noise, silence, white_noise

SPEECH = Path(__file__).parents[1] / "tests" / "data" / "speech"
BACKCHANNELS = ("Mm-hm.", "Yeah.", "Okay.", "Right.", "Uh-huh.", "I see.")


# --- one detector -----------------------------------------------------------------------------------------


def score(vad: Vad, samples: Samples) -> list[float]:
    """The scores of all its frames, by a detector that has heard nothing before."""
    vad.reset()
    return [vad.score(frame) for frame in Framer(vad.frame_samples).push(samples)]


LOWERS = replace(CONFIG, barge_in_threshold=CONFIG.threshold, barge_in_min_speech_ms=FIRST_SIGN_MS)
"""For clients that can lower the voice: the first sign does."""


def starts(vad: Vad, samples: Samples, over_agent: EndpointConfig | None) -> list[int]:
    """When speech was said to begin (not: since when), in samples; over an agent that is heard, with its settings."""
    endpointer = Endpointer(over_agent or CONFIG)
    endpointer.agent_is_audible = over_agent is not None
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
    noises = [white_noise(30_000, -40), pink_noise(30_000, -35), brown_noise(30_000, -30), clicks(30_000)]
    minutes = sum(len(noise) for noise in noises) / SPEECH_HZ / 60
    settings = (None, LOWERS, CONFIG)
    false = [sum(len(starts(vad, noise, over)) for noise in noises) / minutes for over in settings]
    delays: list[list[float]] = [
        [ms(at - trial.began) for trial in tried for at in starts(vad, trial.samples, over)[:1]]
        for over in (LOWERS, CONFIG)
    ]
    interrupting = sum(bool(starts(vad, samples, CONFIG)) for samples in backchannels)
    return [
        f"{cost_us:.0f} ({ms(vad.frame_samples):.0f} ms)",
        " / ".join(by_snr),
        spread(delays[0]),
        spread(delays[1]),
        " / ".join(f"{each:.1f}" for each in false),
        f"{interrupting} of {len(backchannels)}",
    ]


VAD_COLUMNS = [
    "µs a frame",
    "hit rate clean / 20 / 10 dB",
    "voice lowered, ms after the first voice",
    "interrupted (stock clients), ms",
    "false a minute of noise: starts / lowered / interrupted",
    "backchannels that interrupt",
]


# --- all of it --------------------------------------------------------------------------------------------


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
    compare_ends(tried, vads)


def compare_ends(tried: Sequence[Trial], vads: Mapping[str, Vad]) -> None:
    """The tables of how ends are found, for each level of noise, and what the witnesses cost."""
    witnesses = Witnesses(
        MoonshineModel.load(model_dir(MODEL_NAME), threads=1), SmartTurnModel.load(model_dir("smart-turn"))
    )
    witnessed = ((False, True), (True, False), (True, True))
    ways = [
        way
        for vad in vads
        for way in (
            Way(vad),
            Way(vad, silence_ms=650),
            *(Way(vad, text=text, model=model) for text, model in witnessed),
        )
    ]
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

"""How sure recognisers are of hums and of words: the threshold below which a short sound over an answer is a hum.

The hums are made by the embedded voice, at three speeds; the words are recordings of one person, of Debian's
`asterisk-core-sounds-en-g722` (digits, letters, days, the alphabet of radio), which hold no hum. For each recogniser a
line for each threshold: which hums would interrupt, and which rightly read words would be taken for hums.

`scripts/bench-hums` installs what it needs: PyAV for the recordings, CTranslate2 for Whisper.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio
import numpy as np
import soundfile
import soxr
from word_set import LETTERS, WORDS, manifest

from audio.formats import SPEECH_HZ, Samples
from server.turntaking.interruption import InterruptionPolicy, OverlapEvidence, OverlapVerdict, judge
from stages.providers.hibari.voice import EmbeddedVoice
from stages.providers.moonshine.model import MoonshineModel
from stages.providers.whisper.model import WhisperModel
from stages.providers.whisper.multilingual import MODEL_NAME as WHISPER_BASE
from stages.providers.whisper.multilingual import MultilingualRecogniser
from stages.providers.whisper.recogniser import StretchModel
from stages.runtime.models import model_dir
from stages.testing.wer import heard_words
from tests.support.audio_maker import silence

MODELS: dict[str, Callable[[], StretchModel]] = {
    "Moonshine base-en": lambda: MoonshineModel.load(model_dir("moonshine-base-en"), threads=1),
    "Whisper tiny.en": lambda: WhisperModel.load(model_dir("whisper-tiny.en"), threads=1),
    "Whisper base": lambda: MultilingualRecogniser.of_languages(model_dir(WHISPER_BASE), ["en"]).model,
}
HUMS = (
    "Mhm.", "Mm-hmm.", "Mmm.", "Hmm.", "Hm.", "Mm.", "Uh-huh.", "Uh.", "Um.", "Ah.", "Oh.", "Aha.", "Huh.",
    "Er.", "Eh.",
    "Hmm, hmm.", "Mm, mm.", "Mhm, mhm.", "Ooh.", "Mm?",
)  # fmt: skip
SPEEDS = (0.8, 1.0, 1.25)
THRESHOLDS = (-0.2, -0.3, -0.4, -0.5, -0.6, -0.7, -0.8, -1.0, -1.2, -1.3, -1.4, -1.6)


@dataclass(frozen=True)
class Heard:
    """What a recogniser made of a sound, and how sure it was of it."""

    said: str
    text: str
    log_probability: float

    def interrupts(self, threshold: float) -> bool:
        """Whether it takes the floor."""
        evidence = OverlapEvidence(
            500, self.text, 500, is_over=True, log_probability=self.log_probability, unclear_below=threshold
        )
        return judge(evidence, InterruptionPolicy()) is OverlapVerdict.INTERRUPT


async def hums() -> list[tuple[str, Samples]]:
    """The sounds that listeners make, with quiet around."""
    voice = await anyio.to_thread.run_sync(lambda: EmbeddedVoice.load(model_dir("hibari-heart"), threads=1))
    made = []
    try:
        for text in HUMS:
            spoken = np.concatenate([speech.samples async for speech in voice.stream(text)])
            for speed in SPEEDS:
                sound = soxr.resample(spoken, voice.rate_hz * speed, SPEECH_HZ)
                made.append((text, np.concatenate([silence(200), sound, silence(200)]).astype(np.int16)))
    finally:
        await anyio.to_thread.run_sync(voice.close)
    return made


def words() -> list[tuple[str, Samples]]:
    """Single words, recorded, and what they are."""
    found = []
    with manifest().open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["set"] in (WORDS, LETTERS):
                samples, _ = soundfile.read(manifest().parent / row["file"], dtype="int16")
                found.append((row["transcript"], samples))
    return found


def heard(model: StretchModel, sounds: Sequence[tuple[str, Samples]]) -> list[Heard]:
    """All of them read."""
    found = []
    for said, samples in sounds:
        readings = [segment.reading for segment in model.transcribe(samples) or ()]
        text = " ".join(reading.text for reading in readings if reading.text)
        found.append(Heard(said, text, min((reading.log_probability for reading in readings), default=0.0)))
    return found


def main() -> None:
    """Print the lines."""
    sounds, spoken = anyio.run(hums), words()
    for name, load in MODELS.items():
        model = load()
        hummed = heard(model, sounds)
        right = [one for one in heard(model, spoken) if heard_words(one.said) == heard_words(one.text)]
        right = [one for one in right if one.interrupts(-9.0)]
        print(
            f"\n{name}: {len(hummed)} hums, {len(right)} of {len(spoken)} words read rightly that interrupt"
        )
        for threshold in THRESHOLDS:
            kept = sum(one.interrupts(threshold) for one in hummed)
            lost = sum(not one.interrupts(threshold) for one in right)
            print(f"| {threshold} | hums that interrupt: {kept} | words lost: {lost} |", flush=True)
        for one in hummed:
            if one.interrupts(-9.0):
                print(f"   {one.said} -> {one.text} {one.log_probability:.2f}")


if __name__ == "__main__":
    main()

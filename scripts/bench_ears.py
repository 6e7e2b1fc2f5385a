"""Recognisers side by side on recorded speech: word errors, complete numbers, words in noise and time, as a table.

The sets are `tests/data/speech`, with `--words` single words and letters by several people (`scripts/word_set.py`), and
those of a manifest (columns set, file, transcript; it lies beside its recordings of 16 kHz), if one is named. Numbers
in groups are made by the embedded voice, with pauses. Levels of telephones and noise are made of both. Times are
seconds of CPU on this machine, one thread. Each recording is followed by quiet, as an utterance is in the server.

Where a word stands by itself nobody can tell "four" from "for" or "U" from "you" by the sound: in brackets are the
errors that are left when what the embedded voice says with the same phonemes counts as the same.
"""

import argparse
import csv
import re
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import anyio
import numpy as np
import soundfile
import soxr
import word_set
from hibari.g2p import G2P

from audio.formats import SPEECH_HZ, Samples
from stages.ports import Expects
from stages.providers.hibari.engine import Words
from stages.providers.hibari.voice import EmbeddedVoice
from stages.providers.moonshine.model import MoonshineModel
from stages.providers.whisper.model import WhisperModel
from stages.providers.whisper.recogniser import StretchModel
from stages.runtime.models import model_dir
from stages.testing.wer import heard_words, word_errors
from tests.support.audio_maker import brown_noise, clicks, clips, pink_noise, silence, tone, white_noise

MODELS: dict[str, Callable[[], StretchModel]] = {
    "Whisper tiny.en": lambda: WhisperModel.load(model_dir("whisper-tiny.en"), threads=1),
    "Moonshine base-en": lambda: MoonshineModel.load(model_dir("moonshine-base-en"), threads=1),
}
TELEPHONE_DBFS = -35.0
NUMBERS = (
    "415 555 2671", "0776 772 7045", "160 560 7274", "29 34 07", "800 263 1190", "07 11 95 42", "5555 0101 7788",
    "613 20 44 9",
)  # fmt: skip
LEAD_INS = ("My number is", "The code is", "The account number is")
GROUP_PAUSES_MS = (250, 500, 800)
QUIET_AFTER_MS = 200
"""About what the server has heard when it asks for the text."""
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class Spoken:
    """One recording and what is said in it."""

    samples: Samples
    text: str


def text_of(model: StretchModel, samples: Samples) -> str:
    """What it makes of an utterance."""
    segments = model.transcribe(np.concatenate([samples, silence(QUIET_AFTER_MS)])) or []
    return " ".join(segment.reading.text for segment in segments if segment.reading.text)


def recorded(manifests: Sequence[Path]) -> dict[str, list[Spoken]]:
    """The recordings by set."""
    sets: dict[str, list[Spoken]] = {"recordings": [Spoken(clip.read(), clip.transcript) for clip in clips()]}
    for manifest in manifests:
        with manifest.open(encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                samples, _ = soundfile.read(manifest.parent / row["file"], dtype="int16")
                sets.setdefault(row["set"], []).append(Spoken(samples, row["transcript"]))
    return sets


def at_dbfs(spoken: Spoken, dbfs: float) -> Spoken:
    """The same as a telephone has it: 300 to 3,400 Hz about, quiet, with the line's noise."""
    narrow = soxr.resample(soxr.resample(spoken.samples.astype(np.float32), SPEECH_HZ, 8000), 8000, SPEECH_HZ)
    loud = np.percentile(np.abs(narrow), 95) / 2
    quiet = narrow * (32768 * 10 ** (dbfs / 20) / max(loud, 1.0))
    noise = white_noise(len(quiet) * 1000 // SPEECH_HZ + 1, dbfs - 35)[: len(quiet)]
    return Spoken((quiet + noise).clip(-32768, 32767).astype(np.int16), spoken.text)


async def numbers() -> list[Spoken]:
    """Telephone and account numbers, digit by digit, with pauses between the groups."""
    voice = await anyio.to_thread.run_sync(lambda: EmbeddedVoice.load(model_dir("hibari-heart"), threads=1))
    made = []
    try:
        for at, number in enumerate(NUMBERS):
            lead = LEAD_INS[at % len(LEAD_INS)]
            groups = [" ".join(_DIGITS[int(digit)] for digit in group) for group in number.split()]
            for pause_ms in GROUP_PAUSES_MS:
                parts = []
                for piece in (lead, *groups):
                    sound = [speech.samples async for speech in voice.stream(piece)]
                    parts += [
                        soxr.resample(np.concatenate(sound), voice.rate_hz, SPEECH_HZ),
                        silence(pause_ms),
                    ]
                made.append(Spoken(np.concatenate(parts), f"{lead} {' '.join(groups)}"))
    finally:
        await anyio.to_thread.run_sync(voice.close)
    return made


def noises() -> list[Samples]:
    """What nobody said."""
    made = [white_noise(3000, level, seed) for level in (-25, -40, -55) for seed in range(4)]
    made += [pink_noise(3000, level, seed) for level in (-25, -40) for seed in range(4)]
    made += [brown_noise(3000, level, seed) for level in (-25, -40) for seed in range(4)]
    return [*made, silence(3000), tone(440, 2000), tone(100, 2000), clicks(3000)]


def digits_of(text: str) -> str:
    """Its digits in a row."""
    plain = " ".join(
        str(_DIGITS.index(word)) if word in _DIGITS else word
        for word in heard_words(re.sub("[-,]", " ", text))
    )
    return re.sub(r"\D", "", plain)


def sound_of(text: str) -> str:
    """The phonemes of a text without stress, letters by their names."""
    spelled = re.sub(r"\b[a-z]\b", lambda match: f"{match[0].upper()}.", " ".join(heard_words(text)))
    return re.sub("[ˈˌ ]", "", pronunciation()(spelled))


@cache
def pronunciation() -> Callable[[str], str]:
    """The embedded voice's."""
    return Words(G2P(british=False))


def words_wrong(model: StretchModel, spoken: Sequence[Spoken], errors: bool = False) -> str:
    """Percentage of words, and seconds of CPU an utterance; `errors` prints what was misread."""
    began = time.process_time()
    heard = [text_of(model, one.samples) for one in spoken]
    took = (time.process_time() - began) / max(len(spoken), 1)
    said = [one.text for one in spoken]
    found = word_errors(said, heard)
    alike = [
        one if sound_of(one) == sound_of(other) else other for one, other in zip(said, heard, strict=True)
    ]
    for one, other in zip(said, alike, strict=True):
        if errors and word_errors([one], [other]).errors:
            print(f"  {one!r} was read as {other!r}")
    left = word_errors(said, alike)
    return f"{100 * found.rate:.1f} % ({100 * left.rate:.1f} %) of {found.words}, {took:.2f} s"


def row(
    model: StretchModel, sets: dict[str, list[Spoken]], groups: Sequence[Spoken], errors: bool
) -> dict[str, str]:
    """The column of one model, by what is measured."""
    found = {f"word errors, {name}": words_wrong(model, spoken, errors) for name, spoken in sets.items()}
    for name in (word_set.LETTERS, word_set.OTHER_LETTERS):
        if name in sets:
            asked = model.expecting(Expects.EMAIL) if isinstance(model, MoonshineModel) else None
            found[f"word errors, {name}, asked for"] = (
                words_wrong(asked, sets[name], errors) if asked else "-"
            )
    loudest = "prompts" if "prompts" in sets else "recordings"
    far = [at_dbfs(one, TELEPHONE_DBFS) for one in sets[loudest]]
    found[f"word errors, {loudest} by telephone at {TELEPHONE_DBFS:.0f} dBFS"] = words_wrong(model, far)
    whole = sum(digits_of(text_of(model, one.samples)) == digits_of(one.text) for one in groups)
    found["numbers in groups, complete"] = f"{whole} of {len(groups)}"
    quiet = noises()
    found["noises with words"] = f"{sum(bool(text_of(model, one)) for one in quiet)} of {len(quiet)}"
    long = np.concatenate([one.samples for one in sets["recordings"]])[: 11 * SPEECH_HZ]
    for name, samples in (("0.8 s", long[: SPEECH_HZ * 4 // 5]), ("11 s", long)):
        began = time.process_time()
        text_of(model, samples)
        found[f"CPU for {name} of speech"] = f"{time.process_time() - began:.2f} s"
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", nargs="?", type=Path, help="recordings of your own")
    parser.add_argument(
        "--words", action="store_true", help="single words and letters too, out of Debian's packages"
    )
    parser.add_argument("--only", choices=MODELS, help="one model, so that the memory is its own")
    parser.add_argument("--errors", action="store_true", help="print each misread recording too")
    arguments = parser.parse_args()
    manifests = [word_set.manifest()] if arguments.words else []
    manifests += [arguments.manifest] if arguments.manifest else []
    sets, groups = recorded(manifests), anyio.run(numbers)
    names = [arguments.only] if arguments.only else list(MODELS)
    columns = []
    for name in names:
        began = time.perf_counter()
        model = MODELS[name]()
        load_s = time.perf_counter() - began
        columns.append(row(model, sets, groups, arguments.errors) | {"loaded in": f"{load_s:.1f} s"})
    print("| |", " | ".join(names), "|\n| --- |" + " --- |" * len(names))
    for what in columns[0]:
        print(f"| {what} |", " | ".join(column[what] for column in columns), "|")
    print(
        f"\nRSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:.0f} MB at most, with all of them."
    )


if __name__ == "__main__":
    main()

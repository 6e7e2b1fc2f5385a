"""What words that are due change: word errors of the embedded recognisers untold, told the words of each set among 20
names that are in none, and told the names only; words in noise; and seconds of CPU a recording.

The sets are `tests/data/speech`, and single words of `scripts/word_set.py`, which fetches them: of other people, where
every other word is due, and of the first speaker, where none of them is.
"""

import csv
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import soundfile
import word_set
from bench_ears import Spoken, noises, text_of

from stages.ports import Expects
from stages.providers.moonshine.model import MoonshineModel
from stages.providers.whisper.model import WhisperModel
from stages.providers.whisper.multilingual import MODEL_NAME as WHISPER_BASE
from stages.providers.whisper.multilingual import MultilingualRecogniser
from stages.providers.whisper.recogniser import StretchModel
from stages.runtime.models import model_dir
from stages.testing.wer import word_errors
from tests.support.audio_maker import clips

_NAMES = """
Kowalski Reykjavik Siobhan invoice router Nguyen Anchorage Okonkwo Fitzgerald Zürich Marguerite Bartholomew
Tallahassee Worcester Schneider ibuprofen quetzal Hawthorne Leicester Thibodeaux
"""
NAMES = tuple(_NAMES.split())
_OTHERS_READ, _FIRST_EVERY = 77, 4

Telling = Callable[[tuple[str, ...]], StretchModel]
"""A model that is told phrases."""


def moonshine() -> Telling:
    """Moonshine base-en."""
    model = MoonshineModel.load(model_dir("moonshine-base-en"), threads=1)
    return lambda phrases: model.expecting(Expects.FREE, phrases)


def whisper_tiny() -> Telling:
    """Whisper tiny.en."""
    return WhisperModel.load(model_dir("whisper-tiny.en"), threads=1).listening_for


def whisper_base() -> Telling:
    """Whisper base, told that it is English."""
    model = MultilingualRecogniser.of_languages(model_dir(WHISPER_BASE), ["en"]).model
    assert isinstance(model, WhisperModel)
    return model.listening_for


@dataclass(frozen=True)
class DueSet:
    """Recordings, and the words of them that are due."""

    name: str
    spoken: Sequence[Spoken]
    due: tuple[str, ...]


def sets() -> Iterator[DueSet]:
    """The sets of the table."""
    recordings = [Spoken(clip.read(), clip.transcript) for clip in clips()]
    yield DueSet("recordings", recordings, ("clubs", "ill-disposed", "Dashwood"))
    manifest = word_set.manifest()
    with manifest.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    words = {
        name: [
            Spoken(soundfile.read(manifest.parent / row["file"], dtype="int16")[0], row["transcript"])
            for row in rows
            if row["set"] == name
        ]
        for name in (word_set.OTHER_WORDS, word_set.WORDS)
    }
    others = words[word_set.OTHER_WORDS][:_OTHERS_READ]
    due = tuple(dict.fromkeys(one.text for one in others))[::2]
    yield DueSet(word_set.OTHER_WORDS, others, due)
    yield DueSet("words, none of them due", words[word_set.WORDS][::_FIRST_EVERY], due)


def measured(telling: Telling, one: DueSet) -> str:
    """Errors untold, told, and told names only; and seconds of CPU a recording of the first two."""
    said = [spoken.text for spoken in one.spoken]
    found, took = [], []
    for phrases in ((), (*one.due, *NAMES), NAMES):
        model = telling(phrases)
        began = time.process_time()
        heard = [text_of(model, spoken.samples) for spoken in one.spoken]
        took.append((time.process_time() - began) / len(said))
        found.append(word_errors(said, heard))
    errors = ", ".join(str(result.errors) for result in found)
    return f"{errors} of {found[0].words} ({took[0]:.2f} s, {took[1]:.2f} s)"


def main() -> None:
    """Print the table."""
    made = list(sets())
    print("| model |", " | ".join(one.name for one in made), "| noises with words |")
    print("| --- |" + " --- |" * (len(made) + 1))
    for load in (moonshine, whisper_tiny, whisper_base):
        telling = load()
        cells = [measured(telling, one) for one in made]
        quiet = noises()
        worded = sum(bool(text_of(telling(NAMES), noise)) for noise in quiet)
        print(f"| {load.__doc__} |", " | ".join(cells), f"| {worded} of {len(quiet)} |", flush=True)


if __name__ == "__main__":
    main()

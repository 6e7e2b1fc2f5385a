"""Single words and letters by several people, for the recognisers: what is hardest to hear, as no sentence helps.

They are recordings of Debian (CC BY-SA and GPL, see each package), fetched by `apt-get download` into the cache at the
first time and never into the repository. Those of G.722 want PyAV: `pip install av`, as `scripts/bench-hums` and
`scripts/bench-ears --words` do.
"""

import csv
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from turn_set import decode, transcripts, unpack

from audio.formats import SPEECH_HZ, Samples

PROMPTS = ("asterisk-core-sounds-en-g722", "asterisk-core-sounds-en")
OTHERS = ("klettres-data", "ktuberling-data", "tuxpaint-stamps-default")
"""Letters by two people and short words by the same, words by a third, letters by a fourth."""

WORDS, LETTERS = "words", "letters"
OTHER_WORDS, OTHER_LETTERS = "words, other people", "letters, other people"

_WORD = re.compile(r"[A-Za-z]+")
_NO_SPEECH = re.compile(r"beep|tone|music|sound of|laugh|monkey|silence")
_MISSPELT = {"fourtieth": "fortieth", "broccolli": "broccoli", "sphynx": "sphinx"}
_NO_WORDS = {"ch", "th"}
"""Sounds of the alphabet."""


def manifest() -> Path:
    """The list of the recordings (columns set, file, transcript), which lies beside them; made at the first time."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stageflow-voice" / "word-set"
    listed = folder / "manifest.tsv"
    if not listed.exists():
        folder.mkdir(parents=True, exist_ok=True)
        rows = []
        with tempfile.TemporaryDirectory() as unpacked:
            root = Path(unpacked)
            for package in (*PROMPTS, *OTHERS):
                unpack(package, root)
            for number, (name, text, samples) in enumerate(_recordings(root)):
                file = f"{number:03}.wav"
                soundfile.write(folder / file, samples, SPEECH_HZ, subtype="PCM_16")
                rows.append((name, file, text))
        with listed.open("w", encoding="utf-8", newline="") as table:
            csv.writer(table, delimiter="\t", quoting=csv.QUOTE_NONE).writerows(
                [("set", "file", "transcript"), *rows]
            )
    return listed


def _recordings(root: Path) -> Iterator[tuple[str, str, Samples]]:
    """Set, text and sound of each."""
    shared = root / "usr/share"
    for name, text in transcripts(root, "en").items():
        path = shared / f"asterisk/sounds/en_US_f_Allison/{name}.g722"
        folder = name.rpartition("/")[0]
        if (
            not path.exists()
            or folder not in ("", "digits", "letters", "phonetic")
            or _NO_SPEECH.search(name)
        ):
            continue
        if _WORD.fullmatch(text):
            yield LETTERS if folder == "letters" else WORDS, _MISSPELT.get(text, text), decode(path)[0]
    for language in ("en", "en_GB"):
        for path in sorted((shared / "klettres" / language).glob("*/*.ogg")):
            if path.stem not in _NO_WORDS:
                is_letter = path.parent.name == "alpha"
                yield OTHER_LETTERS if is_letter else OTHER_WORDS, path.stem.lower(), _read(path)
    for path in sorted((shared / "ktuberling/sounds/en").glob("*.ogg")):
        text = path.stem.rpartition("_")[2]
        yield OTHER_WORDS, _MISSPELT.get(text, text), _read(path)
    alphabet = shared / "tuxpaint/stamps/symbols/alphabets/english/filled/uppercase"
    for path in sorted(alphabet.glob("*_en_GB.ogg")):
        yield OTHER_LETTERS, path.stem[0].lower(), _read(path)


def _read(path: Path) -> Samples:
    """A recording at 16 kHz, its channels mixed."""
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    mixed: NDArray[np.float32] = soxr.resample(samples.mean(axis=1), rate_hz, SPEECH_HZ)
    return (mixed * 32767).clip(-32768, 32767).astype(np.int16)


def main() -> None:
    """Fetch the set and say what it holds."""
    counts: dict[str, int] = {}
    with manifest().open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            counts[row["set"]] = counts.get(row["set"], 0) + 1
    print(manifest(), counts)


if __name__ == "__main__":
    main()

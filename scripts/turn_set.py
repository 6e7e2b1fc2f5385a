"""The set for ends of turns: prompts of seven speakers in four languages, with the pauses that they made themselves.

They are recordings of Debian (CC BY-SA and the like, see each package), fetched by `apt-get download` into the
cache and never into the repository. Taken are whole sentences, cut at the silences between them, so that a silence
within one is a pause and the one after it an end. Half of the first speakers' prompts and all of one speaker are for
tuning, with the recordings of `tests/data/speech`; the other half and two speakers that tuning has not heard are for
the test.
"""

import argparse
import gzip
import os
import re
import subprocess
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import soundfile
from turn_trials import Clip, clip_of, read_clip

from audio.files import read_audio
from audio.formats import SPEECH_HZ, Samples
from audio.resample import Resampler
from stages.providers.whisper.quiet import FRAME_SAMPLES

Half = Literal["tune", "test"]

RECORDINGS = Path(__file__).parents[1] / "tests" / "data" / "speech"
LEAST_PAUSE_FRAMES = 6
"""120 ms, in frames of 20: a closure is shorter. From 200 ms on it is a pause that anybody hears."""
CLEARLY_WIDER = 1.4
"""So many times as wide as the widest pause within them are the silences between sentences, or it is not plain."""
LEAST_WORDS, MOST_WORDS = 3, 60
MOST_PAUSES = 8
LONGEST_SAMPLES = 20 * SPEECH_HZ
_NO_SENTENCE = re.compile(r"[\[<(]|\d{3,}")
_NOT_SPOKEN = re.compile("beep|tone|music|laugh|monkey|silence")


@dataclass(frozen=True)
class Speaker:
    """One package of prompts by one person."""

    package: str
    language: str
    folder: str
    kind: Literal["g722", "gsm", "wav"]
    use: Half | Literal["both"] = "both"
    """What for; both: half of the prompts each."""


SPEAKERS = (
    Speaker("asterisk-core-sounds-en-g722", "en", "en_US_f_Allison", "g722"),
    Speaker("asterisk-core-sounds-es-g722", "es", "es_MX_f_Allison", "g722"),
    Speaker("asterisk-core-sounds-fr-g722", "fr", "fr_CA_f_June", "g722"),
    Speaker("asterisk-core-sounds-it-g722", "it", "it_IT_m_Carlo", "g722"),
    Speaker("asterisk-prompt-es-co", "es", "es", "gsm", use="test"),
    Speaker("asterisk-prompt-fr-armelle", "fr", "fr", "gsm", use="tune"),
    Speaker("asterisk-prompt-it-menardi-wav", "it", "it_IT_f_Menardi", "wav", use="test"),
)


@dataclass(frozen=True)
class Utterance:
    """One of the set: a clip, whose gaps are its pauses."""

    clip: Clip
    language: str
    speaker: str
    half: Half


def utterances(folder: Path) -> Iterator[Utterance]:
    """All of the set, out of `folder`, which is filled first if need be."""
    for path in sorted(RECORDINGS.glob("*.wav")):
        if clip := read_clip(path):
            yield Utterance(with_pauses(clip), "en", path.stem.split("_")[0], "tune")
    for speaker in SPEAKERS:
        for path, n_sentences in prompts(folder, speaker):
            by_chance: Half = "tune" if zlib.crc32(path.stem.encode()) % 2 == 0 else "test"
            half = by_chance if speaker.use == "both" else speaker.use
            for clip in read_sentences(path, n_sentences):
                yield Utterance(clip, speaker.language, speaker.package, half)


def read_sentences(path: Path, n_sentences: int) -> Iterator[Clip]:
    """The sentences of a prompt, each a clip; none where it is not plain by the silences which is where."""
    samples, rate_hz = read_audio(path)
    if rate_hz != SPEECH_HZ:
        samples = Resampler(rate_hz, SPEECH_HZ).process(samples, last=True)
    whole = clip_of(path.stem, samples, most_gaps=99)
    if whole is None:
        return
    gaps = sorted(whole.gaps, key=lambda gap: gap[0] - gap[1])
    widths = [stop - start for start, stop in gaps] + [0] * n_sentences
    between = n_sentences - 1
    if between and widths[between - 1] < max(LEAST_PAUSE_FRAMES, CLEARLY_WIDER * widths[between]):
        return
    cuts = [0, *sorted((start + stop) // 2 * FRAME_SAMPLES for start, stop in gaps[:between]), len(samples)]
    for start, stop in pairwise(cuts):
        part = clip_of(f"{path.stem}-{start}", samples[start:stop], most_gaps=MOST_PAUSES)
        if part is not None and stop - start <= LONGEST_SAMPLES:
            yield with_pauses(part)


def with_pauses(clip: Clip) -> Clip:
    """The clip with those of its gaps that are pauses."""
    gaps = tuple(gap for gap in clip.gaps if gap[1] - gap[0] >= LEAST_PAUSE_FRAMES)
    return replace(clip, gaps=gaps)


def prompts(folder: Path, speaker: Speaker) -> list[tuple[Path, int]]:
    """The recordings of a speaker at 16 or 8 kHz, and how many sentences each is; fetched at the first time."""
    kept = folder / speaker.package
    if not kept.exists():
        with tempfile.TemporaryDirectory() as unpacked:
            root = Path(unpacked)
            packages = {
                speaker.package,
                f"asterisk-core-sounds-{speaker.language}",
                "asterisk-core-sounds-en",
            }
            for package in sorted(packages):
                unpack(package, root)
            staged = root / "kept"
            staged.mkdir()
            for name, n_sentences in sentences(root, speaker.language).items():
                source = root / "usr/share/asterisk/sounds" / speaker.folder / f"{name}.{speaker.kind}"
                if source.exists():
                    samples, rate_hz = decode(source)
                    soundfile.write(staged / f"{name.replace('/', '_')}.{n_sentences}.wav", samples, rate_hz)
            kept.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-r", staged, kept], check=True)
    return [(path, int(path.stem.rpartition(".")[2])) for path in sorted(kept.glob("*.wav"))]


def unpack(package: str, root: Path) -> None:
    """Download a Debian package and unpack it below `root`."""
    subprocess.run(["apt-get", "-q", "download", package], cwd=root, check=True, capture_output=True)
    (archive,) = root.glob(f"{package}_*.deb")
    subprocess.run(["dpkg-deb", "-x", archive, root], check=True)


def sentences(root: Path, language: str) -> dict[str, int]:
    """The prompts that are whole sentences, and how many. Those that are joined with others at the telephone
    ("You are entering conference number") have no stop at their end in English, and are no ends of turns."""
    english, texts = transcripts(root, "en"), transcripts(root, language)
    found = {}
    for name, text in texts.items():
        parts = [part for part in re.split(r"[.!?;…:]+(?:\s+|$)", text) if part]
        is_whole = english.get(name, "")[-1:] in (".", "!", "?") and not _NO_SENTENCE.search(text)
        if is_whole and LEAST_WORDS <= len(text.split()) <= MOST_WORDS and not _NOT_SPOKEN.search(name):
            found[name] = len(parts)
    return found


def transcripts(root: Path, language: str) -> dict[str, str]:
    """What the prompts of a language say, by their names."""
    listed = root / f"usr/share/doc/asterisk-core-sounds-{language}/core-sounds-{language}.txt.gz"
    with gzip.open(listed, "rt", encoding="utf-8", errors="replace") as lines:
        pairs = [line.strip().partition(":") for line in lines]
    return {name: text.strip().strip('“”"').strip() for name, _, text in pairs if text}


def decode(path: Path) -> tuple[Samples, int]:
    """The samples of a prompt and their rate."""
    if path.suffix == ".g722":
        return decode_g722(path), SPEECH_HZ
    raw = (
        {"format": "RAW", "subtype": "GSM610", "samplerate": 8000, "channels": 1}
        if path.suffix == ".gsm"
        else {}
    )
    samples, rate_hz = soundfile.read(path, dtype="int16", **raw)
    return samples, rate_hz


def decode_g722(path: Path) -> Samples:
    """By PyAV, which `scripts/bench-turn-set` installs."""
    import av  # nothing else needs it
    import numpy as np

    with av.open(str(path), format="g722") as container:
        parts = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    return np.concatenate(parts).astype(np.int16)


def cache_folder() -> Path:
    """Where the set is kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stageflow-voice" / "turn-set"


def main(arguments: Sequence[str] | None = None) -> None:
    """Fetch the set and say what it holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args(arguments)
    counts: dict[tuple[str, str, Half], list[int]] = {}
    for one in utterances(cache_folder()):
        count = counts.setdefault((one.language, one.speaker, one.half), [0, 0])
        count[0] += 1
        count[1] += len(one.clip.gaps)
    for (language, speaker, half), (ends, pauses) in counts.items():
        print(f"{language} {half} {speaker}: {ends} ends, {pauses} pauses")


if __name__ == "__main__":
    main()

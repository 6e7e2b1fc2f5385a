"""What the witnesses say in each silence of the set for ends of turns, asked once and kept in the cache.

A silence is an end or a pause of `turn_set`, in a quiet room or in noise, made long: the same answers do for a
pause of any length. The detector finds its soft end as in a session, the recogniser reads what was said until then,
and each version of Smart Turn looks at it there and a little later. `scripts/fit_turns.py` decides on what this writes.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from turn_ends import CAPTION_BEFORE, CONFIG, ms, timed
from turn_set import Half, Utterance, cache_folder, utterances
from turn_trials import Trial, trial

from audio.endpoint import Endpointer, SoftEnd
from audio.formats import SPEECH_HZ, Samples, ms_to_samples
from audio.framing import Framer
from stages.providers.moonshine.engine import MODEL_NAME as MOONSHINE
from stages.providers.moonshine.model import MoonshineModel
from stages.providers.silero import SileroModel
from stages.providers.smart_turn import SmartTurnModel
from stages.providers.whisper.multilingual import MODEL_NAME as WHISPER
from stages.providers.whisper.multilingual import MultilingualRecogniser
from stages.providers.whisper.recogniser import StretchModel
from stages.runtime.models import model_dir
from stages.runtime.onnx import open_session

PAUSE_MS = 1_500
LOOKS_MS = (0, 200, -64, -32)
"""After the soft end; below 0 the model hears so much less of the silence."""
MOST_ENDS, MOST_PAUSES = 50, 80
"""Of a speaker in a half."""
NOISY = {None: ("en", "es", "fr", "it"), 10: ("en",)}
"""The ratios of speech to noise, in dB, and the languages that are tried at them."""

_WHEELS = {
    "v3.0": ("0.0.95", "smart-turn-v3.0.onnx", "07a133aba31e2d0b523f17f8c2e4e65efe6d8f685efd12ca4fe21ebf4e798991"),
    "v3.1": ("0.0.98", "smart-turn-v3.1-cpu.onnx", "fb68d55c2d542ce79e44b12013bfd571e90df8594ab096d757198e851b0c6594"),
}  # fmt: skip
"""Of pipecat-ai, which earlier versions of the model came with: version, file, and its hash."""


@dataclass(frozen=True)
class Silence:
    """One end or pause, and what is known in it; times are in ms."""

    name: str
    language: str
    speaker: str
    half: Half
    is_end: bool
    snr_db: int | None
    recorded_ms: float
    """How long it lasts in the recording; 0 for an end."""
    soft_ms: float | None
    """When the soft end comes, after the last voiced sample; None if it does not."""
    text: str = ""
    text_took_ms: float = 0.0
    look_took_ms: float = 0.0
    looks: dict[str, list[float]] | None = None
    """Of each version of the model its probability at each of `LOOKS_MS`."""


def load(path: Path) -> list[Silence]:
    """What was written so far."""
    if not path.exists():
        return []
    return [Silence(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def silences(tried: Utterance, snr_db: int | None) -> Iterator[tuple[Trial, float, bool]]:
    """The trial of each pause and of the end, how long it is in the recording, and whether it is the end."""
    clip = tried.clip
    for start, stop in clip.gaps:
        yield trial(clip, PAUSE_MS, snr_db, start, stop), (stop - start) * 20.0, False
    yield trial(clip, 0, snr_db, clip.last // 320, clip.last // 320), 0.0, True


def soft_end(made: Trial, scores: Sequence[float], frame: int, began: int) -> int | None:
    """Where, in samples, the soft end of the silence is that begins at `began`: the last one in it."""
    endpointer, found = Endpointer(CONFIG), None
    for score in scores:
        if endpointer.position > began + ms_to_samples(PAUSE_MS, SPEECH_HZ):
            break
        endpointer.confirm_after(PAUSE_MS * 2)
        match endpointer.push(score, frame, False):
            case SoftEnd(at_sample=at) if at > began - ms_to_samples(100, SPEECH_HZ):
                found = at
    return found


class Asked:
    """The detector, the recogniser of a language and all versions of the model."""

    def __init__(self, language: str) -> None:
        self._recogniser: StretchModel = (
            MoonshineModel.load(model_dir(MOONSHINE), threads=1)
            if language == "en"
            else MultilingualRecogniser.of_languages(model_dir(WHISPER), [language]).model
        )
        self._vad = SileroModel.load(model_dir("silero-vad")).open()
        self._models = {version: earlier_model(version) for version in _WHEELS}
        self._models["v3.2"] = SmartTurnModel.load(model_dir("smart-turn"))

    def about(self, tried: Utterance, made: Trial, recorded_ms: float, is_end: bool) -> Silence:
        """What all of them say."""
        self._vad.reset()
        scores = [self._vad.score(frame) for frame in Framer(self._vad.frame_samples).push(made.samples)]
        began = made.ended if is_end else made.paused
        at = soft_end(made, scores, self._vad.frame_samples, began)
        known: dict[str, Any] = {
            "name": made.name, "language": tried.language, "speaker": tried.speaker, "half": tried.half,
            "is_end": is_end, "snr_db": made.snr_db, "recorded_ms": recorded_ms,
        }  # fmt: skip
        if at is None:
            return Silence(**known, soft_ms=None)
        first = max(0, made.began - 4_800)
        heard = made.samples[first:at]
        early = self._recogniser.transcribe(heard[:-CAPTION_BEFORE]) or ()
        took, segments = timed(lambda: self._recogniser.transcribe(heard, known=early) or ())
        looks, look_took = self._look(made.samples, first, at)
        return Silence(
            **known,
            soft_ms=ms(at - began),
            text=" ".join(segment.reading.text for segment in segments),
            text_took_ms=ms(took),
            look_took_ms=look_took,
            looks=looks,
        )

    def _look(self, samples: Samples, first: int, at: int) -> tuple[dict[str, list[float]], float]:
        looks: dict[str, list[float]] = {}
        took = 0
        for version, model in self._models.items():
            for later_ms in LOOKS_MS if version != "v3.0" else LOOKS_MS[:1]:
                upto = at + ms_to_samples(later_ms, SPEECH_HZ)
                took, probability = timed(lambda: model.probability(samples[first:upto]))  # noqa: B023
                looks.setdefault(version, []).append(round(probability, 5))
        return looks, ms(took)


def earlier_model(version: str) -> SmartTurnModel:
    """An earlier version of the end-of-turn model, fetched at the first time."""
    release, name, sha256 = _WHEELS[version]
    path = cache_folder() / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "-d",
            path.parent,
        ]
        subprocess.run([*command, f"pipecat-ai=={release}"], check=True)
        (wheel,) = path.parent.glob(f"pipecat_ai-{release}-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(f"pipecat/audio/turn/smart_turn/data/{name}")
        if hashlib.sha256(data).hexdigest() != sha256:
            raise SystemExit(f"{name} of pipecat-ai {release} is not the file that is known")
        path.write_bytes(data)
        wheel.unlink()
    return SmartTurnModel(open_session(version, path, threads=1))


def chosen(found: Iterable[Utterance], language: str) -> list[Utterance]:
    """Those of a language, by chance: of a speaker in a half `MOST_ENDS`, and more with pauses up to `MOST_PAUSES`."""
    by_speaker: dict[tuple[str, Half], list[Utterance]] = {}
    for one in found:
        if one.language == language:
            by_speaker.setdefault((one.speaker, one.half), []).append(one)
    kept = []
    for ones in by_speaker.values():
        ones.sort(key=lambda one: zlib.crc32(one.clip.name[::-1].encode()))
        pauses = 0
        for at, one in enumerate(ones):
            if at < MOST_ENDS or (one.clip.gaps and pauses < MOST_PAUSES):
                kept.append(one)
                pauses += len(one.clip.gaps)
    return kept


def main() -> None:
    """Ask, for each silence that has not been asked about before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--languages", nargs="+", default=["en", "es", "fr", "it"])
    arguments = parser.parse_args()
    path = cache_folder() / "silences.jsonl"
    done = {(one.name, one.is_end, one.snr_db) for one in load(path)}
    found = list(utterances(cache_folder()))
    for snr_db, language in ((snr_db, language) for snr_db, spoken in NOISY.items() for language in spoken):
        if language in arguments.languages:
            asked = Asked(language)
            for tried in chosen(found, language):
                for made, recorded_ms, is_end in silences(tried, snr_db):
                    if (made.name, is_end, snr_db) not in done:
                        answer = asked.about(tried, made, recorded_ms, is_end)
                        with path.open("a", encoding="utf-8") as file:
                            file.write(json.dumps(asdict(answer), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()

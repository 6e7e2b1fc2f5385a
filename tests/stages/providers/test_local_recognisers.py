"""Recognisers on a model folder of the user's: the contract, what is read when, and what a wrong folder is told."""

import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import numpy as np
import pytest

from audio.formats import SPEECH_HZ
from stages.errors import ModelFileError, ProviderError
from stages.ports import Partial, SpeechHints
from stages.providers.faster_whisper import FasterWhisper, FasterWhisperSettings
from stages.providers.sherpa_onnx import SherpaOnnx, SherpaSettings
from stages.testing.contracts import check_recogniser
from tests.support.patience import PATIENCE_S

RNG = np.random.default_rng(1)
SPEECH = RNG.integers(-3000, 3000, 3 * SPEECH_HZ).astype(np.int16)
SILENCE = np.zeros(SPEECH_HZ, np.int16)
WORDS = ["one", "two", "three", "four"]
STEP = SPEECH_HZ // 2


@dataclass
class Word:
    word: str
    start: float
    end: float
    probability: float = 0.9


@dataclass
class Segment:
    text: str
    no_speech_prob: float = 0.1
    avg_logprob: float = -0.2
    words: list[Word] = field(default_factory=list)


@dataclass
class Info:
    language: str = "de"


class Whisper:
    """Hears its text in whatever is loud, and makes some up in noise."""

    def __init__(self, fails: bool = False) -> None:
        self.asked: list[dict[str, Any]] = []
        self._fails = fails

    def transcribe(self, audio: Any, **options: Any) -> tuple[Any, Info]:
        assert audio.dtype == np.float32
        assert np.abs(audio).max(initial=0) <= 1.0
        self.asked.append(options)
        if self._fails:
            raise RuntimeError("out of memory")
        said = Segment(" Guten Tag.", words=[Word(" Guten", 0.1, 0.4), Word(" Tag.", 0.4, 0.8)])
        return iter([said, Segment(" Untertitel", no_speech_prob=0.9, avg_logprob=-1.5)]), Info()


class Stream:
    def __init__(self) -> None:
        self.samples = 0
        self.decoded = 0

    def accept_waveform(self, rate_hz: int, audio: Any) -> None:
        assert rate_hz == SPEECH_HZ
        self.samples += len(audio)


class Transducer:
    """A word a half second, once a tenth more than that has come: it looks ahead."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.steps = 0

    def create_stream(self) -> Stream:
        self.streams.append(Stream())
        return self.streams[-1]

    def is_ready(self, stream: Stream) -> bool:
        return stream.samples >= (stream.decoded + 1) * STEP + STEP // 5

    def decode_stream(self, stream: Stream) -> None:
        stream.decoded += 1
        self.steps += 1

    def get_result(self, stream: Stream) -> str:
        return " " + " ".join(WORDS[: stream.decoded])


def whisper(engine: Whisper, language: str | None = None) -> FasterWhisper:
    return FasterWhisper(engine, FasterWhisperSettings(model_dir=Path(), language=language))


async def test_faster_whisper_keeps_the_contract() -> None:
    recogniser = whisper(Whisper())
    await check_recogniser(recogniser, SPEECH, "Guten Tag.")
    await anyio.to_thread.run_sync(recogniser.close)


async def test_sherpa_keeps_the_contract() -> None:
    recogniser = SherpaOnnx(Transducer())
    await check_recogniser(recogniser, SPEECH[: 2 * SPEECH_HZ], " ".join(WORDS))
    await anyio.to_thread.run_sync(recogniser.close)


async def test_whisper_s_words_have_times_and_what_it_made_up_is_none() -> None:
    engine = Whisper()
    recogniser = whisper(engine, "de")
    recognition = recogniser.open(hints=SpeechHints(language="fr", phrases=("Tegel",)))
    recognition.push(SPEECH)
    transcript = await recognition.final()
    recognition.push(SILENCE)
    assert await recognition.final() == transcript
    recognition.close()
    await anyio.to_thread.run_sync(recogniser.close)
    assert (transcript.text, transcript.language) == ("Guten Tag.", "de")
    assert [(word.text, word.start_ms, word.end_ms) for word in transcript.words] == [
        ("Guten", 100, 400),
        ("Tag.", 400, 800),
    ]
    [asked] = engine.asked
    assert (asked["language"], asked["hotwords"]) == ("fr", "Tegel")


async def test_an_engine_that_fails_is_a_provider_error() -> None:
    recogniser = whisper(Whisper(fails=True))
    recognition = recogniser.open()
    recognition.push(SPEECH)
    with pytest.raises(ProviderError, match="out of memory"):
        await recognition.final()
    recognition.close()
    await anyio.to_thread.run_sync(recogniser.close)


async def test_a_transducer_hears_each_sample_once_and_tells_words_while_they_come() -> None:
    engine, partials, told = Transducer(), list[Partial](), anyio.Event()

    def on_partial(partial: Partial) -> None:
        partials.append(partial)
        if partial.text == "one two":
            told.set()

    recogniser = SherpaOnnx(engine)
    recognition = recogniser.open(on_partial)
    for frame in np.split(SPEECH[: SPEECH_HZ * 6 // 5], 60):
        recognition.push(frame)
        await anyio.sleep(0.001)
    with anyio.fail_after(PATIENCE_S):
        await told.wait()
    assert (await recognition.final()).text == "one two three"
    assert len(engine.streams) == 1
    recognition.push(SPEECH[: SPEECH_HZ // 2])
    assert (await recognition.final()).text == "one two three four"
    steps = engine.steps
    recognition.push(SILENCE)
    assert (await recognition.final()).text == "one two three four"
    assert engine.steps == steps, "silence is not read again"
    recognition.close()
    await anyio.to_thread.run_sync(recogniser.close)


def test_the_packages_take_what_they_are_given_where_they_are_installed() -> None:
    sherpa = pytest.importorskip(
        "sherpa_onnx", reason="scripts/setup sherpa brings it; a fake stands for it here"
    )
    taken = inspect.signature(sherpa.OnlineRecognizer.from_transducer).parameters
    assert {"tokens", "encoder", "decoder", "joiner", "num_threads", "sample_rate"} <= taken.keys()
    whisper = pytest.importorskip("faster_whisper", reason="scripts/setup faster-whisper brings it")
    taken = inspect.signature(whisper.WhisperModel.transcribe).parameters
    assert {
        "language",
        "beam_size",
        "word_timestamps",
        "condition_on_previous_text",
        "hotwords",
    } <= taken.keys()


def test_a_wrong_folder_is_told_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="there is no folder"):
        FasterWhisper.from_settings(FasterWhisperSettings(model_dir=tmp_path / "none"))
    (tmp_path / "model.bin").touch()
    with pytest.raises(ModelFileError, match=r"has no config\.json, tokenizer\.json"):
        FasterWhisper.from_settings(FasterWhisperSettings(model_dir=tmp_path))
    with pytest.raises(ModelFileError, match=r"has no tokens\.txt"):
        SherpaOnnx.from_settings(SherpaSettings(model_dir=tmp_path))
    (tmp_path / "tokens.txt").touch()
    with pytest.raises(ModelFileError, match=r"has no encoder\*\.onnx"):
        SherpaOnnx.from_settings(SherpaSettings(model_dir=tmp_path))

"""Moonshine from samples to text: what it does with answers by script, and what it hears by real speech."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from audio.formats import SPEECH_HZ, Samples
from stages.errors import ModelFileError, ProviderError
from stages.providers.moonshine.decode import Hypothesis
from stages.providers.moonshine.engine import MODEL_NAME, MoonshineEngine
from stages.providers.moonshine.model import LEVEL_DBFS, MoonshineModel, at_level
from stages.runtime.models import FileState, ModelStore, model_dir
from stages.runtime.onnx import Floats
from stages.testing.wer import word_errors
from tests.support.audio_maker import (
    brown_noise,
    clicks,
    clip,
    clips,
    dbfs,
    mix,
    pink_noise,
    silence,
    tone,
    voice,
    white_noise,
)
from tests.support.moonshine import ScriptedEngine, text_of

SHORT_CLIPS = [clip for clip in clips() if clip.file != "two_cities.wav"]

CORPUS_WER = 0.06
CLIP_WER = 0.25


def test_a_sure_answer_is_taken_and_costs_its_length() -> None:
    engine = ScriptedEngine(("yes please do", -0.1, True))
    assert text_of(MoonshineModel(engine).transcribe(voice(2000))) == "yes please do"
    assert engine.lengths_ms == [2400]


@pytest.mark.parametrize(
    "doubtful",
    [
        ("four, four, four", -0.1, True),
        ("no no no no", -0.1, False),
        ("pardon", -2.0, True),
        ("", -0.1, True),
    ],
    ids=["thrice", "loop", "improbable", "nothing"],
)
def test_a_doubtful_answer_is_read_again_with_other_silence(doubtful: tuple[str, float, bool]) -> None:
    engine = ScriptedEngine(doubtful, ("what I said", -0.2, True))
    assert text_of(MoonshineModel(engine).transcribe(voice(1500))) == "what I said"
    assert len(engine.lengths_ms) == 2
    assert engine.lengths_ms[0] != engine.lengths_ms[1]


def test_seconds_of_speech_that_are_nothing_as_a_whole_are_read_in_halves() -> None:
    engine = ScriptedEngine(*[("", -0.05, True)] * 4, ("it was the age of wisdom", -0.1, True))
    assert text_of(MoonshineModel(engine).transcribe(voice(5000))) == "it was the age of wisdom"
    assert max(engine.lengths_ms[3:]) < 4000
    unsure = ScriptedEngine(*[("", -0.05, True)] * 4, ("thank you", -0.5, True))
    assert text_of(MoonshineModel(unsure).transcribe(voice(5000))) == ""


def test_who_says_no_three_times_is_believed_when_it_is_read_so_twice() -> None:
    engine = ScriptedEngine(("No, no, no.", -0.1, True), ("", -0.6, False), ("No no no", -0.1, True))
    assert text_of(MoonshineModel(engine).transcribe(voice(800))) in ("No, no, no.", "No no no")


def test_one_short_word_is_not_believed_to_be_three() -> None:
    engine = ScriptedEngine(("Wednesday, Wednesday, Wednesday", -0.1, True), ("Wednesday", -0.3, True))
    assert text_of(MoonshineModel(engine).transcribe(voice(600))) == "Wednesday"
    loop = ScriptedEngine(*[("Wednesday, Wednesday, Wednesday", -0.1, True)] * 2, ("Wednesday", -0.4, True))
    assert text_of(MoonshineModel(loop).transcribe(voice(600))) == "Wednesday"


def test_what_stays_doubtful_is_read_in_parts() -> None:
    """Far fewer words than there is voice, however it is read as a whole."""
    engine = ScriptedEngine(
        *[("my number", -0.1, True)] * 3, ("four one five six", -0.2, True), ("two six", -0.2, True)
    )
    spoken = np.concatenate([voice(4000), silence(500), voice(1500)])
    assert text_of(MoonshineModel(engine).transcribe(spoken)) == "four one five six two six"


def test_who_is_told_to_stop_stops_before_the_next_reading() -> None:
    engine = ScriptedEngine(("", -0.1, True))
    left = [True]
    assert MoonshineModel(engine).transcribe(voice(2000), lambda: bool(left) and left.pop()) is None
    assert len(engine.lengths_ms) == 2


def test_what_was_read_before_is_the_guess_of_the_next_reading() -> None:
    engine = ScriptedEngine(("yes", -0.1, True), ("yes please", -0.1, True))
    model, spoken = MoonshineModel(engine), voice(1500)
    early = model.transcribe(spoken[: SPEECH_HZ // 2])
    assert early is not None
    model.transcribe(spoken, known=early)
    assert engine.guesses == [(), (0,)]


def test_silence_costs_nothing() -> None:
    engine = ScriptedEngine()
    assert text_of(MoonshineModel(engine).transcribe(silence(3000))) == ""
    assert text_of(MoonshineModel(engine).transcribe(silence(0))) == ""
    assert engine.lengths_ms == []


@pytest.mark.parametrize("gain_db", [-30, -12, 3])
def test_speech_comes_to_the_model_at_one_level(gain_db: int) -> None:
    quiet = (voice(1000).astype(np.float32) * 10 ** (gain_db / 20)).astype(np.int16)
    leveled = (at_level(quiet) * 32767).astype(np.int16)
    assert abs(dbfs(leveled) - LEVEL_DBFS) < 5


def test_an_engine_that_fails_is_a_provider_error() -> None:
    class Failing(ScriptedEngine):
        def read(
            self, wave: Floats, most_tokens: int, guess: Sequence[int], keep_going: Callable[[], bool]
        ) -> Hypothesis | None:
            raise RuntimeError("out of memory")

    with pytest.raises(ProviderError, match="the embedded recogniser failed: out of memory"):
        MoonshineModel(Failing()).transcribe(voice(500))


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(ModelFileError, match=r"moonshine-base-en"):
        MoonshineModel.load(tmp_path, threads=1)


# --- with the real one ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> MoonshineModel:
    store = ModelStore.from_environment()
    if store.inspect(store.model(MODEL_NAME)).state is FileState.ABSENT:
        pytest.skip(
            f"{MODEL_NAME} WAS NOT TESTED: `stageflow-voice models fetch {MODEL_NAME}` has not made it"
        )
    return MoonshineModel.load(model_dir(MODEL_NAME), threads=1)


@pytest.mark.models
def test_few_words_of_recorded_speech_are_wrong(model: MoonshineModel) -> None:
    heard = {clip.file: text_of(model.transcribe(clip.read())) for clip in clips()}
    for one in clips():
        found = word_errors([one.transcript], [heard[one.file]])
        assert found.errors <= max(1, CLIP_WER * found.words), (one.file, heard[one.file])
    total = word_errors([c.transcript for c in SHORT_CLIPS], [heard[c.file] for c in SHORT_CLIPS])
    assert total.rate <= CORPUS_WER, total


@pytest.mark.models
def test_a_reading_with_a_guess_is_the_same_in_fewer_steps(model: MoonshineModel) -> None:
    speech = clip("librivox_0870").read()
    early = model.transcribe(speech[: 6 * SPEECH_HZ])
    assert early is not None
    plain, guessed = model.transcribe(speech), model.transcribe(speech, known=early)
    assert text_of(guessed) == text_of(plain)
    assert guessed is not None
    assert len(guessed[0].reading.written) > len(early[0].reading.written) > 15


@pytest.mark.models
def test_a_reading_leaves_nothing_to_the_next(model: MoonshineModel) -> None:
    speech = clip("ps_goforward").read()
    first = model.transcribe(speech)
    model.transcribe(clip("librivox_0870").read()[: 2 * SPEECH_HZ])
    assert model.transcribe(speech) == first


@pytest.mark.models
@pytest.mark.parametrize("gain_db", [-40, -25, 6])
def test_loudness_does_not_matter(model: MoonshineModel, gain_db: int) -> None:
    speech = clip("ps_goforward").read() * 10 ** (gain_db / 20)
    text = text_of(model.transcribe(np.clip(speech, -32_768, 32_767).astype(np.int16)))
    assert word_errors(["go forward ten meters"], [text]).errors == 0


@pytest.mark.models
@pytest.mark.parametrize(
    "sound",
    [
        silence(2000), white_noise(2000, -25), white_noise(2000, -40), white_noise(20_000, -60), pink_noise(2000, -30),
        brown_noise(2000, -30), tone(440, 2000), tone(100, 2000), mix(tone(350, 2000), tone(440, 2000)), clicks(2000),
        voice(2000),
    ],
    ids=[
        "silence", "loud-white", "white", "soft-white", "pink", "brown", "tone", "hum", "dial-tone", "typing", "buzz",
    ],
)  # fmt: skip
def test_what_is_no_speech_has_no_words(model: MoonshineModel, sound: Samples) -> None:
    assert text_of(model.transcribe(sound)) == ""


@pytest.mark.models
def test_what_was_heard_last_is_read_as_if_it_were_heard_anew() -> None:
    words = [at_level(clip(name).read()) for name in ("cards_001", "cards_002")]
    engine, other = (MoonshineEngine(model_dir(MODEL_NAME), threads=1) for _ in range(2))
    for wave in (*words, words[0]):
        first = engine.read(wave, 20)
        beginnings = engine.read_openings(wave, 20, 3, 5.0)
        assert first == engine.read(wave, 20) == other.read(wave, 20)
        other.read(words[1], 20)
        assert beginnings == other.read_openings(wave, 20, 3, 5.0)

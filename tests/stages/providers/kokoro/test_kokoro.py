"""Kokoro as a voice: how it is cancelled, measured and chosen, by a scripted engine; how it sounds, by the real one."""

import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import numpy as np
import pytest
import soxr

from audio.formats import SPEECH_HZ, Samples
from audio.levels import loud_dbfs
from server.config.choice import choose
from server.config.environment import load_settings
from stages.errors import ModelFileError, ProviderError
from stages.ports import Speech, VoiceOption
from stages.providers.kokoro.engine import MODEL_NAME, KokoroEngine
from stages.providers.kokoro.phonemes import apart, in_pieces, phonemizer
from stages.providers.kokoro.voice import KokoroSettings, KokoroVoice, judge
from stages.providers.kokoro.voices import LANGUAGES
from stages.providers.phonetic import RATE_HZ, Clip
from stages.providers.whisper.multilingual import MODEL_NAME as WHISPER_BASE
from stages.providers.whisper.multilingual import MultilingualRecogniser
from stages.runtime.models import FileState, ModelStore, model_dir
from stages.runtime.onnx import RunOptions
from stages.runtime.worker import Worker
from stages.testing.contracts import check_synthesiser
from stages.testing.wer import word_errors
from tests.support.spoken import words

pytest.importorskip("piper_plus_g2p", reason="KOKORO WAS NOT TESTED: scripts/setup dev")
pytest.importorskip("pypinyin", reason="KOKORO WAS NOT TESTED: scripts/setup dev")

SENTENCES = {
    "en": "I would like to book a table for four people tomorrow evening.",
    "es": "Quisiera reservar una mesa para cuatro personas mañana por la noche.",
    "zh": "房间里有免费的无线网络和早餐。",
}
TWO = (VoiceOption("af_heart", "one"), VoiceOption("bm_george", "another"))


class Stop:
    """As onnxruntime has it."""

    log_severity_level = 4

    def __init__(self) -> None:
        self.said = threading.Event()

    @property
    def terminate(self) -> bool:
        return self.said.is_set()

    @terminate.setter
    def terminate(self, wanted: bool) -> None:
        assert wanted
        self.said.set()


class ToneEngine:
    """Speaks 70 ms of tone for each letter, at a pitch of the voice's own; "hold" lasts until it is ended."""

    def __init__(self) -> None:
        self.spoken: list[tuple[str, str]] = []
        self.begun = threading.Event()
        self.ended = threading.Event()

    def phonemize(self, text: str, voice: str) -> list[str]:
        return [text] if any(map(str.isalnum, text)) else []

    def speak(self, phonemes: str, *, voice: str, speed: float, stop: RunOptions) -> Clip:
        self.begun.set()
        if "hold" in phonemes:
            assert isinstance(stop, Stop)
            if stop.said.wait(60):
                self.ended.set()
            raise RuntimeError("terminated")
        if "fail" in phonemes:
            raise RuntimeError("no voice today")
        self.spoken.append((voice, phonemes))
        samples = round(0.07 * RATE_HZ / speed)
        pitch = 0.1 if voice == "af_heart" else 0.2
        tone = np.sin(np.arange(samples * len(phonemes)) * pitch).astype(np.float32) * np.float32(0.2)
        return Clip(tone, tuple(at * samples for at in range(len(phonemes) + 1)))

    def new_stop(self) -> Stop:
        return Stop()


@asynccontextmanager
async def speaking(engine: Any) -> AsyncIterator[KokoroVoice]:
    voice = KokoroVoice(engine, Worker("voice"), {"en": TWO})
    try:
        yield voice
    finally:
        await anyio.to_thread.run_sync(voice.close)


async def speeches(voice: KokoroVoice, text: str, name: str | None = None) -> list[Speech]:
    async with aclosing(voice.stream(text, voice=name)) as stream:
        return [speech async for speech in stream]


async def say(voice: KokoroVoice, text: str, name: str | None = None) -> Samples:
    return np.concatenate([speech.samples for speech in await speeches(voice, text, name)])


# --- with a scripted engine -----------------------------------------------------------------------------


async def test_it_keeps_the_contract_of_a_voice() -> None:
    async with speaking(ToneEngine()) as voice:
        await check_synthesiser(voice)


async def test_a_sentence_that_is_not_wanted_any_more_is_broken_off() -> None:
    engine = ToneEngine()
    async with speaking(engine) as voice:
        async with anyio.create_task_group() as group:
            group.start_soon(speeches, voice, "Please hold the line.")
            assert await anyio.to_thread.run_sync(engine.begun.wait, 20)
            group.cancel_scope.cancel()
        assert await anyio.to_thread.run_sync(engine.ended.wait, 20)
    assert engine.spoken == []


async def test_it_speaks_sentence_by_sentence_in_the_voice_that_is_asked_for() -> None:
    engine = ToneEngine()
    async with speaking(engine) as voice:
        assert (
            len(await speeches(voice, "This is the first sentence. And this is the second one.", "bm_george"))
            == 2
        )
        await speeches(voice, "Nobody of that name.", "zf_nobody")
        with pytest.raises(ProviderError, match="no voice today"):
            await speeches(voice, "It will fail.")
    assert [name for name, _ in engine.spoken] == ["bm_george", "bm_george", "af_heart"]


# --- whether the CPU keeps up ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cpu_s", "too_slow", "level"),
    [(0.3, "refuse", logging.INFO), (0.8, "refuse", logging.WARNING), (1.4, "warn", logging.WARNING)],
)
def test_how_long_it_takes_is_said(
    cpu_s: float, too_slow: str, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        judge(cpu_s, too_slow)
    (record,) = caplog.records
    assert record.levelno == level
    assert f"{cpu_s:.2f} s of this CPU for a second of sound" in record.getMessage()


def test_a_cpu_that_does_not_keep_up_is_refused() -> None:
    with pytest.raises(
        ModelFileError, match=r"1\.40 s of this CPU .* choose another voice.*too_slow = \"warn\""
    ):
        judge(1.4, "refuse")


# --- how it is chosen -----------------------------------------------------------------------------------


def test_the_language_of_the_server_is_its_own() -> None:
    settings = load_settings({"language": "es", "tts": "kokoro"}, env_file=None)
    chosen = choose(settings, env_file=None)
    assert chosen.faults == ()
    assert chosen.providers["tts"].settings.model_dump()["language"] == ("es",)
    chosen = choose(load_settings({"language": "de", "tts": "kokoro"}, env_file=None), env_file=None)
    assert any("language" in fault and "'en', 'es' or 'zh'" in fault for fault in chosen.faults), (
        chosen.faults
    )


def test_a_voice_of_another_language_is_refused_with_a_list() -> None:
    with pytest.raises(
        ModelFileError, match=r"'af_heart' does not speak es: choose from ef_dora, em_alex, em_santa"
    ):
        KokoroVoice.from_settings(KokoroSettings(language=("es",), voice="af_heart"))


# --- phonemes -------------------------------------------------------------------------------------------


def test_each_voice_pronounces_as_its_people_do() -> None:
    assert phonemizer("af_heart")("tomato") != phonemizer("bf_emma")("tomato")
    assert phonemizer("ef_dora")("Perro y pero, mucho.") == "p\u02c8ero i p\u02c8e\u027eo, m\u02c8u\u02a7o."


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("你好，", "ni↗xau↓,"),
        ("不是。", "pu↗ʂɨ↘."),
        ("一个人一起一天", "i↗kɤ↘ ɻə↗n i↘ʨʰi↓ i↘ tʰjɛ→n"),
        ("第一，一百一十一！", "ti↘ i→, i↘pai↓ i→ ʂɨ↗ i→!"),
        ("银行长大", "i↗nxa↗ŋ ꭧa↓ŋta↘"),
        ("女儿、绿色？", "ny↓ɚ↗, ly↘ sɤ↘?"),
        ("嗯，哦。", "ə↘n, ɔ→."),
    ],
)
def test_mandarin_is_read_with_its_tones(text: str, phonemes: str) -> None:
    assert phonemizer("zf_xiaoxiao")(text) == phonemes


def test_latin_words_in_mandarin_are_english() -> None:
    assert phonemizer("zf_xiaoxiao")("用iPhone吧") == f"jʊ↘ŋ {phonemizer('af_heart')('iPhone')} pa"


def test_a_text_in_mandarin_is_put_apart_into_words_and_others_are_left() -> None:
    assert apart("您好，请问有什么可以帮您？", "zf_xiaoxiao") == "您 好， 请 问 有 什么 可以 帮 您？"
    assert apart("Hello there.", "zf_xiaoxiao") == "Hello there."
    assert apart("一二", "af_heart") == "一二"


def test_long_phonemes_are_cut_between_words() -> None:
    assert in_pieces("aa bb cc", 5) == ["aa bb", "cc"]
    assert in_pieces("a" * 7, 3) == ["aaa", "aaa", "a"]
    assert in_pieces("", 5) == []


def test_a_third_tone_before_another_rises_also_behind_a_word_of_one_character() -> None:
    mandarin = pytest.importorskip("stages.providers.kokoro.mandarin")
    assert mandarin.phonemes("里有费", str).split()[:2] == ["li↗", "jou↓"]


# --- the real one ---------------------------------------------------------------------------------------


def directory_of(name: str) -> Path:
    store = ModelStore.from_environment()
    if store.inspect(store.model(name)).state is FileState.ABSENT:
        pytest.skip(f"{name} WAS NOT TESTED: `stageflow-voice models fetch {name}`")
    return model_dir(name)


@pytest.fixture(scope="module")
def engine() -> KokoroEngine:
    return KokoroEngine(directory_of(MODEL_NAME), 1)


@pytest.fixture
def voice(engine: KokoroEngine, request: pytest.FixtureRequest) -> Iterator[KokoroVoice]:
    language = getattr(request, "param", "en")
    voice = KokoroVoice(engine, Worker("voice"), {language: LANGUAGES[language]})
    yield voice
    voice.close()


@pytest.mark.models
def test_every_voice_has_a_file_and_nothing_else_is_fetched() -> None:
    files = {path.stem for path in directory_of(MODEL_NAME).glob("*.bin")}
    assert files == {voice.name for voices in LANGUAGES.values() for voice in voices}


@pytest.mark.models
@pytest.mark.parametrize("voice", list(LANGUAGES), indirect=True)
async def test_what_it_says_is_heard(voice: KokoroVoice) -> None:
    (language,) = voice.capabilities.languages
    spoken = await say(voice, SENTENCES[language])
    assert -26 < loud_dbfs(spoken) < -10
    recogniser = await anyio.to_thread.run_sync(
        lambda: MultilingualRecogniser.of_languages(directory_of(WHISPER_BASE), [language])
    )
    try:
        recognition = recogniser.open()
        recognition.push(soxr.resample(spoken, voice.rate_hz, SPEECH_HZ))
        heard = await recognition.final()
        recognition.close()
    finally:
        await anyio.to_thread.run_sync(recogniser.close)
    said, read = (" ".join(words(text)) for text in (SENTENCES[language], heard.text))
    assert word_errors([said], [read]).errors <= 1, heard.text


@pytest.mark.models
async def test_its_words_lie_where_they_sound(voice: KokoroVoice) -> None:
    (speech,) = await speeches(voice, "Yes, we are open.")
    assert [word.text for word in speech.words] == ["Yes,", "we", "are", "open."]
    starts = [word.start_sample for word in speech.words]
    assert starts == sorted(starts)
    assert all(0 <= word.start_sample < word.end_sample <= len(speech.samples) for word in speech.words)
    first, second = speech.words[:2]
    pause = speech.samples[first.end_sample : second.start_sample]
    assert len(pause) == 0 or loud_dbfs(pause) < loud_dbfs(speech.samples[: first.end_sample])


@pytest.mark.models
def test_a_call_that_is_ended_fails_before_it_has_computed_all(engine: KokoroEngine) -> None:
    phonemes = engine.phonemize(SENTENCES["en"] * 4, "af_heart")[0]
    stop = engine.new_stop()
    stop.terminate = True
    with pytest.raises(Exception, match="terminate"):
        engine.speak(phonemes, voice="af_heart", speed=1.0, stop=stop)

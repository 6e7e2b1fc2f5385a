"""A conversation in Mandarin by a real socket: the person is another voice, the answers are written beforehand."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import numpy as np
import pytest

from audio.formats import SPEECH_HZ, Samples
from audio.resample import Resampler
from server import VoiceServer
from server.client.client import WIRE_HZ, RealtimeClient
from server.config.languages import PHRASES
from stages.providers.kokoro.engine import MODEL_NAME
from stages.providers.kokoro.voice import KokoroVoice
from stages.providers.kokoro.voices import LANGUAGES
from stages.providers.whisper.multilingual import MODEL_NAME as WHISPER_BASE
from stages.providers.whisper.multilingual import MultilingualRecogniser
from stages.runtime.models import FileState, ModelStore, model_dir
from stages.testing.fakes import ScriptedModel
from stages.testing.wer import word_errors
from stages.text.speakable import speakable
from tests.support.live_server import ask
from tests.support.patience import PATIENCE_S
from tests.support.spoken import words
from tests.support.trace_checker import check_trace

pytestmark = [pytest.mark.e2e, pytest.mark.models]
pytest.importorskip("pypinyin", reason="MANDARIN WAS NOT TESTED: scripts/setup dev")

PERSON = "zm_yunjian"
QUESTION = "请问你们早上几点开门？"
ANSWER = "我们早上9:00开门，晚上6点半关门。"
LONG = "当然可以。" + "我们有很多不同的房间，每个房间都很安静，也很干净。" * 4


@pytest.fixture(scope="module", autouse=True)
def fetched() -> None:
    store = ModelStore.from_environment()
    for name in (MODEL_NAME, WHISPER_BASE):
        if store.inspect(store.model(name)).state is FileState.ABSENT:
            pytest.skip(f"MANDARIN WAS NOT TESTED: `stageflow-voice models fetch {name}`")


class Talk:
    """One server, one person, and what both speak and hear with."""

    def __init__(
        self, client: RealtimeClient, voice: KokoroVoice, recogniser: MultilingualRecogniser
    ) -> None:
        self.client = client
        self._voice = voice
        self._recogniser = recogniser

    async def say(self, text: str, silence_s: float = 0.8) -> None:
        speeches = [speech async for speech in self._voice.stream(text, voice=PERSON)]
        spoken = np.concatenate([speech.samples for speech in speeches])
        await self.client.speak(spoken, self._voice.rate_hz)
        await self.client.stay_silent(silence_s)

    async def heard(self, samples: Samples) -> str:
        """What the recogniser makes of the answer."""
        recognition = self._recogniser.open()
        recognition.push(Resampler(WIRE_HZ, SPEECH_HZ).process(samples, last=True))
        text = (await recognition.final()).text
        recognition.close()
        return text


@asynccontextmanager
async def talk(answers: Sequence[str], *, voice_v1: bool = False, **settings: object) -> AsyncIterator[Talk]:
    voice = await anyio.to_thread.run_sync(
        lambda: KokoroVoice.load(model_dir(MODEL_NAME), {"zh": LANGUAGES["zh"]})
    )
    recogniser = await anyio.to_thread.run_sync(
        lambda: MultilingualRecogniser.of_languages(model_dir(WHISPER_BASE), ["zh"])
    )
    made = VoiceServer(stt=recogniser, llm=ScriptedModel(*answers), tts=voice, language="zh", **settings)  # type: ignore[arg-type]
    try:
        async with made.listening(port=0) as server, RealtimeClient(server.url, voice=voice_v1) as client:
            yield Talk(client, voice, recogniser)
    finally:
        await anyio.to_thread.run_sync(voice.close)
        await anyio.to_thread.run_sync(recogniser.close)


def errors(said: str, heard: str) -> float:
    """Share of characters, numbers as they are said."""
    return word_errors(*([" ".join(words(speakable(text, "zh")))] for text in (said, heard))).rate


async def test_a_question_is_heard_and_answered_aloud() -> None:
    async with talk([ANSWER]) as one:
        client = one.client
        await client.show_transcripts()
        await one.say(QUESTION)
        done = await client.receive_until("response.done", timeout_s=PATIENCE_S)
        assert done.event["response"]["status"] == "completed"
        call = client.call
        asked = call.texts("conversation.item.input_audio_transcription.completed", "transcript")
        assert errors(QUESTION, asked[0]) <= 0.2, asked
        assert call.texts("response.output_audio_transcript.done", "transcript") == [ANSWER]
        told = call.texts("response.output_audio_transcript.delta", "delta")
        assert "".join(told) == ANSWER
        assert len(told) > 5, "characters are told as they are spoken"
        heard = await one.heard(call.samples())
        assert errors(ANSWER, heard) <= 0.2, heard
        check_trace(call.events(), ended=False)


async def test_each_character_has_its_place_in_the_sound() -> None:
    async with talk([ANSWER], voice_v1=True) as one:
        client = one.client
        await ask(client, QUESTION)
        added = await client.receive_until("response.output_item.added", timeout_s=PATIENCE_S)
        await client.receive_until("response.done", timeout_s=PATIENCE_S)
        placed = client.call.words(added.event["item"]["id"])
    assert "".join(word.text for word in placed) == ANSWER
    assert [word.text for word in placed][:4] == ["我", "们", "早", "上"]
    starts = [word.start_sample for word in placed]
    assert starts == sorted(starts)


async def test_a_word_stops_the_answer() -> None:
    async with talk([LONG]) as one:
        client = one.client
        await ask(client, QUESTION)
        await client.receive_until("response.output_audio.delta", timeout_s=PATIENCE_S)
        await one.say("等一下。", 0.5)
        done = await client.receive_until("response.done", timeout_s=PATIENCE_S)
    assert done.event["response"]["status"] == "cancelled"
    assert done.event["response"]["status_details"]["reason"] == "turn_detected"


async def test_what_is_blocked_is_refused_in_mandarin() -> None:
    async with talk(["好的。"], guard_words=["炸弹"]) as one:
        await ask(one.client, "我想要一个炸弹")
        await one.client.receive_until("response.done", timeout_s=PATIENCE_S)
        said = one.client.call.texts("response.output_audio_transcript.done", "transcript")
    assert said == [PHRASES["zh"].refusal]

"""Transcriptions and speech over HTTP against their fake: what is heard and spoken, and every fault."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import numpy as np
import pytest
from pydantic import SecretStr

from stages.errors import ErrorKind, ProviderBusy, ProviderError, ProviderRejected, ProviderTimeout
from stages.ports import Partial, Speech, SpeechHints
from stages.providers.openai.speech import OpenAIVoice, Pcm, SpeechSettings
from stages.providers.openai.transcriptions import OpenAITranscriber, TranscriptionSettings
from stages.testing.contracts import check_recogniser, check_synthesiser
from stages.testing.servers.coded import CodedWords, said
from stages.testing.servers.faults import NONE, Faults
from stages.testing.servers.http import FakeHttpServer, serving_http
from stages.testing.servers.openai_audio import KEY, AudioService
from tests.support.hosted import SENTENCE, hear, sound
from tests.support.patience import PATIENCE_S

CODED = CodedWords(SENTENCE)

ERRORS = [
    (Faults(refuse_status=401), ProviderRejected, ErrorKind.AUTH),
    (Faults(refuse_status=429, retry_after_s=7), ProviderBusy, ErrorKind.RATE),
    (Faults(refuse_status=500), ProviderError, ErrorKind.SERVER),
    (Faults(silent=True), ProviderTimeout, ErrorKind.TIMEOUT),
    (Faults(cut_after=0), ProviderError, ErrorKind.NETWORK),
    (Faults(cut_after=2), ProviderError, ErrorKind.NETWORK),
]


@asynccontextmanager
async def listener(
    service: AudioService, faults: Faults = NONE, **settings: Any
) -> AsyncIterator[tuple[OpenAITranscriber, FakeHttpServer]]:
    async with serving_http(service, faults) as server:
        where = {"base_url": f"{server.url}/v1", "api_key": SecretStr(KEY), "model": "fake-ear"}
        recogniser = OpenAITranscriber(TranscriptionSettings(**where | settings))
        try:
            yield recogniser, server
        finally:
            await recogniser.close()


@asynccontextmanager
async def speaker(
    service: AudioService, faults: Faults = NONE, **settings: Any
) -> AsyncIterator[tuple[OpenAIVoice, FakeHttpServer]]:
    async with serving_http(service, faults) as server:
        where = {
            "base_url": f"{server.url}/v1",
            "api_key": SecretStr(KEY),
            "model": "fake-voice",
            "voice": "calm",
        }
        voice = OpenAIVoice(SpeechSettings(**where | settings))
        try:
            yield voice, server
        finally:
            await voice.close()


async def speak(synthesiser: OpenAIVoice, text: str, **how: Any) -> list[Speech]:
    async with aclosing(synthesiser.stream(text, **how)) as stream:
        return [speech async for speech in stream]


# --- hearing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answers", ["streamed", "json", "text"])
async def test_it_keeps_the_contract_of_a_recogniser(answers: Any) -> None:
    async with listener(AudioService(CODED, answers)) as (recogniser, _):
        await check_recogniser(recogniser, CODED.samples(), SENTENCE)


async def test_a_streamed_text_is_told_while_it_comes() -> None:
    partials: list[Partial] = []
    async with listener(AudioService(CODED)) as (recogniser, _):
        await hear(recogniser, CODED.samples(), partials)
    assert Partial("What time is") in partials


async def test_times_of_words_come_where_they_are_wanted() -> None:
    async with listener(AudioService(CODED), word_times=True) as (recogniser, _):
        transcript = await hear(recogniser, CODED.samples())
    assert [word.text for word in transcript.words] == SENTENCE.split()
    assert [word.start_ms for word in transcript.words] == list(range(0, 1100, 100))
    assert transcript.no_speech == pytest.approx(0.1)
    assert transcript.log_probability == pytest.approx(-0.2)
    assert transcript.language == "en"


async def test_what_is_known_of_the_speech_is_said() -> None:
    async with listener(AudioService(CODED), prompt="Travel.") as (recogniser, server):
        recognition = recogniser.open(hints=SpeechHints("de", ("Reykjavik",)))
        recognition.push(CODED.samples())
        assert (await recognition.final()).language == "de"
    form = {name: content.decode("utf-8", "replace") for name, _, content in server.asked[0].parts()}
    assert (form["language"], form["prompt"]) == ("de", "Travel., Reykjavik")


@pytest.mark.parametrize("field", ["stream", "prompt", "language", "response_format"])
async def test_a_field_that_is_refused_is_left_out_from_then_on(field: str) -> None:
    service = AudioService(CODED, refuses=field)
    async with listener(service, prompt="Travel.", language="en") as (recogniser, server):
        for requests in (2, 3):
            assert (await hear(recogniser, CODED.samples())).text == SENTENCE
            assert len(server.asked) == requests


async def test_nothing_is_sent_twice_and_silence_never() -> None:
    async with listener(AudioService(CODED)) as (recogniser, server):
        recognition = recogniser.open()
        recognition.push(np.zeros(16_000, np.int16))
        assert (await recognition.final()).text == ""
        assert not server.asked
        recognition.push(CODED.samples("What time"))
        for _ in range(2):
            assert (await recognition.final()).text == "What time"
        recognition.push(np.zeros(8_000, np.int16))
        assert (await recognition.final()).text == "What time"
        assert len(server.asked) == 1
        recognition.push(CODED.samples("is it"))
        assert (await recognition.final()).text == "What time is it"
        assert len(server.asked) == 2


async def test_speech_that_goes_on_ends_the_request() -> None:
    async with listener(AudioService(CODED), Faults(silent=True, connections=1)) as (recogniser, server):
        recognition = recogniser.open()
        recognition.push(CODED.samples("What time"))
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(recognition.final)
                await server.until(lambda it: bool(it.asked))
                tasks.cancel_scope.cancel()
            await server.hung_up.wait()
        recognition.push(CODED.samples("is it"))
        assert (await recognition.final()).text == "What time is it"


@pytest.mark.parametrize(
    ("faults", "error", "kind"), [*ERRORS, (Faults(garbage_after=0), ProviderError, ErrorKind.PROTOCOL)]
)
async def test_every_fault_of_hearing_is_an_error_with_its_kind(
    faults: Faults, error: type[ProviderError], kind: ErrorKind
) -> None:
    async with listener(AudioService(CODED), faults, silence_s=0.5) as (recogniser, server):
        with anyio.fail_after(PATIENCE_S), pytest.raises(ProviderError) as caught:
            await hear(recogniser, CODED.samples())
    assert (type(caught.value), caught.value.kind) == (error, kind)
    assert caught.value.retry_after_s == faults.retry_after_s
    assert KEY not in f"{caught.value}{caught.value.__cause__}"
    assert server.open_connections == 0


async def test_a_text_has_its_deadline_however_much_is_sent() -> None:
    async with listener(AudioService(CODED), Faults(delay_s=0.2), final_s=0.5) as (recogniser, _):
        with pytest.raises(ProviderTimeout, match=r"no text in 0\.5 s"):
            await hear(recogniser, CODED.samples())


async def test_a_retired_model_is_told_in_words() -> None:
    async with listener(AudioService(CODED), model="whisper-0") as (recogniser, _):
        with pytest.raises(ProviderRejected, match="retired"):
            await hear(recogniser, CODED.samples())


# --- speaking -----------------------------------------------------------------------------------------------


async def test_it_keeps_the_contract_of_a_voice() -> None:
    async with speaker(AudioService(CODED), voices=("lively",)) as (voice, _):
        await check_synthesiser(voice)


@pytest.mark.parametrize("piece_bytes", [None, 1, 333, 65_536])
@pytest.mark.parametrize("has_header", [False, True])
async def test_samples_are_whole_however_they_come(piece_bytes: int | None, *, has_header: bool) -> None:
    service = AudioService(CODED, has_header=has_header)
    async with speaker(service, Faults(piece_bytes=piece_bytes)) as (voice, _):
        assert said(sound(await speak(voice, SENTENCE)), rate_hz=24_000) == SENTENCE


async def test_how_to_speak_is_said_where_it_is_wanted() -> None:
    async with speaker(AudioService(CODED), instructions="Whisper.") as (voice, server):
        await speak(voice, "Yes.", voice="unheard of", speed=1.2)
    assert server.asked[0].data == {
        "model": "fake-voice",
        "input": "Yes.",
        "voice": "calm",
        "response_format": "pcm",
        "speed": 1.2,
        "instructions": "Whisper.",
    }


async def test_a_long_text_is_cut_between_words() -> None:
    text = "word " * 1000
    async with speaker(AudioService(CODED, rate_hz=8000), rate_hz=8000) as (voice, server):
        await speak(voice, text)
    assert "".join(asked.data["input"] for asked in server.asked) == text
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("faults", "error", "kind"), [*ERRORS, (Faults(zero_audio=True), ProviderError, ErrorKind.NO_AUDIO)]
)
async def test_every_fault_of_speaking_is_an_error_with_its_kind(
    faults: Faults, error: type[ProviderError], kind: ErrorKind
) -> None:
    async with speaker(AudioService(CODED), faults, silence_s=0.5) as (voice, server):
        with anyio.fail_after(PATIENCE_S), pytest.raises(ProviderError) as caught:
            await speak(voice, SENTENCE)
    assert (type(caught.value), caught.value.kind) == (error, kind)
    assert caught.value.retry_after_s == faults.retry_after_s
    assert server.open_connections == 0


@pytest.mark.parametrize(
    ("service", "words"),
    [
        (AudioService(CODED, rate_hz=22_050, has_header=True), "set tts.rate_hz"),
        (AudioService(CODED, speech_type="audio/mpeg"), "audio/mpeg although pcm"),
        (AudioService(CODED, speech_type="application/json"), "it failed"),
    ],
)
async def test_what_is_no_speech_is_never_played(service: AudioService, words: str) -> None:
    async with speaker(service) as (voice, _):
        with pytest.raises(ProviderError, match=words):
            await speak(voice, "Yes.")


async def test_closing_the_stream_hangs_up() -> None:
    async with speaker(AudioService(CODED), Faults(delay_s=0.05)) as (voice, server):
        stream = voice.stream(SENTENCE)
        await anext(stream)
        await stream.aclose()
        with anyio.fail_after(PATIENCE_S):
            await server.hung_up.wait()
        assert server.hung_up.is_set()


def test_samples_that_look_like_a_header_are_samples() -> None:
    pcm = Pcm(24_000)
    assert len(pcm.push(b"R")) == 0
    assert pcm.push(b"Ixx").tobytes() == b"RIxx"
    with pytest.raises(ProviderError, match="without samples"):
        Pcm(24_000).push(b"RIFF\0\0\0\0WAVELIST\xff\xff\0\0")


@pytest.mark.parametrize("answers", ["streamed", "json", "text"])
async def test_one_connection_serves_many_utterances(answers: Any) -> None:
    async with listener(AudioService(CODED, answers=answers)) as (recogniser, server):
        for _ in range(3):
            assert (await hear(recogniser, CODED.samples())).text == SENTENCE
    assert server.connections == 1


async def test_one_connection_serves_many_answers() -> None:
    async with speaker(AudioService(CODED)) as (voice, server):
        for _ in range(3):
            assert await speak(voice, "Yes.")
    assert server.connections == 1

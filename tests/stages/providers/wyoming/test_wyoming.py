"""Wyoming's recogniser and voice against their fake: what is heard and spoken, and every fault."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import pytest
from pydantic import ValidationError

from stages.errors import ErrorKind, ProviderError, ProviderTimeout
from stages.ports import Partial, Speech, SpeechHints
from stages.providers.wyoming.stt import WyomingRecogniser, WyomingRecogniserSettings
from stages.providers.wyoming.tts import WyomingVoice, WyomingVoiceSettings
from stages.testing.contracts import check_recogniser, check_synthesiser
from stages.testing.servers.coded import CodedWords, said
from stages.testing.servers.faults import Faults
from stages.testing.servers.wyoming import FakeWyoming, serving_wyoming
from tests.support.hosted import SENTENCE, hear, sound
from tests.support.patience import PATIENCE_S

CODED = CodedWords(SENTENCE)

ERRORS = [
    (Faults(refuse_in_band=True), ProviderError, ErrorKind.SERVER),
    (Faults(silent=True), ProviderTimeout, ErrorKind.TIMEOUT),
    (Faults(cut_after=0), ProviderError, ErrorKind.NETWORK),
    (Faults(cut_after=3), ProviderError, ErrorKind.NETWORK),
    (Faults(garbage_after=0), ProviderError, ErrorKind.PROTOCOL),
    (Faults(garbage_after=3), ProviderError, ErrorKind.PROTOCOL),
]


@asynccontextmanager
async def listener(
    fake: FakeWyoming, **settings: Any
) -> AsyncIterator[tuple[WyomingRecogniser, FakeWyoming]]:
    async with serving_wyoming(fake) as server:
        yield WyomingRecogniser(WyomingRecogniserSettings(uri=server.uri, **settings)), server
        with anyio.fail_after(PATIENCE_S):
            await server.left_alone()


@asynccontextmanager
async def speaker(fake: FakeWyoming, **settings: Any) -> AsyncIterator[tuple[WyomingVoice, FakeWyoming]]:
    async with serving_wyoming(fake) as server:
        yield WyomingVoice(WyomingVoiceSettings(uri=server.uri, **settings)), server
        with anyio.fail_after(PATIENCE_S):
            await server.left_alone()


async def speak(synthesiser: WyomingVoice, text: str, **how: Any) -> list[Speech]:
    async with aclosing(synthesiser.stream(text, **how)) as stream:
        return [speech async for speech in stream]


@pytest.mark.parametrize("streams", [True, False])
async def test_it_keeps_the_contract_of_a_recogniser(*, streams: bool) -> None:
    async with listener(FakeWyoming(CODED, streams=streams)) as (recogniser, _):
        await check_recogniser(recogniser, CODED.samples(), SENTENCE)


async def test_a_streamed_text_is_told_while_it_comes() -> None:
    partials: list[Partial] = []
    async with listener(FakeWyoming(CODED)) as (recogniser, _):
        await hear(recogniser, CODED.samples(), partials)
    assert Partial("What time is") in partials


async def test_the_language_and_the_model_are_said() -> None:
    async with listener(FakeWyoming(CODED), model="base", language="en") as (recogniser, server):
        recognition = recogniser.open(hints=SpeechHints("de"))
        recognition.push(CODED.samples())
        await recognition.final()
    assert server.events[0].data == {"name": "base", "language": "de"}


@pytest.mark.parametrize(("faults", "error", "kind"), ERRORS)
async def test_every_fault_of_hearing_is_an_error_with_its_kind(
    faults: Faults, error: type[ProviderError], kind: ErrorKind
) -> None:
    async with listener(FakeWyoming(CODED, faults=faults), final_s=1.0) as (recogniser, _):
        with anyio.fail_after(PATIENCE_S), pytest.raises(ProviderError) as caught:
            await hear(recogniser, CODED.samples())
    assert (type(caught.value), caught.value.kind) == (error, kind)


async def test_it_keeps_the_contract_of_a_voice() -> None:
    async with speaker(FakeWyoming(CODED), voice="calm", voices=("lively",)) as (voice, _):
        await check_synthesiser(voice)


@pytest.mark.parametrize("piece_bytes", [None, 1, 333, 65_536])
async def test_samples_are_whole_however_they_come(piece_bytes: int | None) -> None:
    async with speaker(FakeWyoming(CODED, faults=Faults(piece_bytes=piece_bytes))) as (voice, _):
        assert said(sound(await speak(voice, SENTENCE)), rate_hz=22_050) == SENTENCE


async def test_a_server_of_another_rate_is_resampled() -> None:
    async with speaker(FakeWyoming(CODED, voice_hz=16_000), rate_hz=24_000) as (voice, _):
        samples = sound(await speak(voice, SENTENCE))
    assert abs(len(samples) - len(SENTENCE) * 24_000 // 20) < 24


async def test_without_a_voice_the_server_has_its_own() -> None:
    async with speaker(FakeWyoming(CODED)) as (voice, server):
        await speak(voice, "Yes.", voice="unheard of")
        assert [option.name for option in voice.voices] == ["server"]
    assert server.events[0].data == {"text": "Yes."}


@pytest.mark.parametrize(
    ("faults", "error", "kind"), [*ERRORS, (Faults(zero_audio=True), ProviderError, ErrorKind.NO_AUDIO)]
)
async def test_every_fault_of_speaking_is_an_error_with_its_kind(
    faults: Faults, error: type[ProviderError], kind: ErrorKind
) -> None:
    async with speaker(FakeWyoming(CODED, faults=faults), silence_s=1.0) as (voice, _):
        with anyio.fail_after(PATIENCE_S), pytest.raises(ProviderError) as caught:
            await speak(voice, SENTENCE)
    assert (type(caught.value), caught.value.kind) == (error, kind)


async def test_nobody_there() -> None:
    async with serving_wyoming(FakeWyoming(CODED)) as server:
        uri = server.uri
    with pytest.raises(ProviderError) as caught:
        await hear(WyomingRecogniser(WyomingRecogniserSettings(uri=uri)), CODED.samples())
    assert caught.value.kind is ErrorKind.NETWORK


@pytest.mark.parametrize("uri", ["localhost", "http://localhost:10300", "tcp://localhost", "unix://"])
def test_a_place_must_be_one(uri: str) -> None:
    with pytest.raises(ValidationError, match="tcp://HOST:PORT"):
        WyomingVoiceSettings(uri=uri)

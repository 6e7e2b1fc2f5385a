"""Transcription over the Realtime socket against its fakes: what is heard, and every fault."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio
import numpy as np
import pytest
from pydantic import SecretStr

from stages.errors import ErrorKind, ProviderError
from stages.ports import Partial, SpeechHints
from stages.providers.openai.realtime import (
    OpenAIRealtimeTranscriber,
    RealtimeProtocol,
    RealtimeSettings,
    beginning,
)
from stages.providers.sockets.hearing import Final, Finalised, Guess
from stages.providers.sockets.listening import SocketRecogniser
from stages.testing.contracts import check_recogniser
from stages.testing.servers.coded import CodedWords
from stages.testing.servers.faults import EVERY_FAULT, NONE, Faults
from stages.testing.servers.line import FakeServer
from stages.testing.servers.openai_realtime import KEY, MODEL, FakeRealtime, FakeVllm
from stages.testing.servers.serving import serving
from tests.support.hosted import SENTENCE, hear, outcome
from tests.support.patience import PATIENCE_S, deadline_s

Dialect = Literal["openai", "vllm"]

CODED = {"openai": CodedWords(SENTENCE, rate_hz=24_000), "vllm": CodedWords(SENTENCE)}
DIALECTS: tuple[Dialect, ...] = ("openai", "vllm")


@asynccontextmanager
async def session(
    dialect: Dialect, faults: Faults = NONE, **settings: Any
) -> AsyncIterator[tuple[SocketRecogniser, FakeServer]]:
    service = FakeVllm(CODED[dialect]) if dialect == "vllm" else FakeRealtime(CODED[dialect])
    async with serving(service, faults) as server:
        url = server.url.replace("ws:", "http:") + "/v1"
        where = {"base_url": url, "api_key": SecretStr(KEY), "model": MODEL, "dialect": dialect}
        provider = OpenAIRealtimeTranscriber(RealtimeSettings(**where | settings))
        async with provider.session() as recogniser:
            yield recogniser, server
        with anyio.fail_after(PATIENCE_S):
            await server.left_alone()


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_contract(dialect: Dialect) -> None:
    async with session(dialect) as (recogniser, _):
        await check_recogniser(recogniser, CODED[dialect].samples(), SENTENCE)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_text_is_told_while_it_comes(dialect: Dialect) -> None:
    partials: list[Partial] = []
    async with session(dialect) as (recogniser, server):
        for _ in range(3):
            assert (await hear(recogniser, CODED[dialect].samples(), partials)).text == SENTENCE
        assert len(server.openings) == 1
    assert Partial("What time is") in partials


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_utterance_that_is_dropped_is_not_heard_in_the_next(dialect: Dialect) -> None:
    async with session(dialect) as (recogniser, _):
        dropped = recogniser.open()
        dropped.push(CODED[dialect].samples("Reykjavik noon"))
        await anyio.sleep(0.1)
        dropped.close()
        assert (await hear(recogniser, CODED[dialect].samples())).text == SENTENCE


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_what_is_said_after_a_text_is_added_to_it(dialect: Dialect) -> None:
    coded = CODED[dialect]
    async with session(dialect) as (recogniser, _):
        recognition = recogniser.open()
        recognition.push(coded.samples("What time"))
        assert (await recognition.final()).text == "What time"
        recognition.push(coded.samples("is it"))
        assert (await recognition.final()).text == "What time is it"
        recognition.close()


async def test_too_little_sound_has_no_words() -> None:
    async with session("openai") as (recogniser, _):
        assert (await hear(recogniser, np.zeros(1200, np.int16))).text == ""
        assert (await hear(recogniser, CODED["openai"].samples())).text == SENTENCE


FAILS = {
    "refused 401": "ProviderRejected auth",
    "refused 429": "ProviderBusy rate",
    "refused 500": "ProviderError server",
    "refused in band": "ProviderRejected auth",
    "silent": "ProviderTimeout timeout",
    "reset always": "ProviderError network",
    "garbage": "ProviderError protocol",
    "no acknowledgement": "ProviderTimeout timeout",
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", EVERY_FAULT)
async def test_every_fault_ends_in_the_text_or_in_a_typed_error_in_time(name: str, dialect: Dialect) -> None:
    final_s = deadline_s(FAILS.get(name, ""), 2.0)
    async with session(dialect, EVERY_FAULT[name], final_s=final_s, connect_s=0.5) as (recogniser, _):
        with anyio.fail_after(PATIENCE_S):
            assert await outcome(recogniser, CODED[dialect]) == FAILS.get(name, SENTENCE)


async def test_a_retired_model_is_told_in_words() -> None:
    async with session("openai", model="whisper-0") as (recogniser, _):
        with pytest.raises(ProviderError, match="retired") as caught:
            await hear(recogniser, CODED["openai"].samples())
    assert caught.value.kind is ErrorKind.BAD_REQUEST


def test_texts_are_told_in_the_order_of_the_commits() -> None:
    protocol = RealtimeProtocol()
    what = "conversation.item.input_audio_transcription"

    def told(**data: object) -> list[object]:
        return list(protocol.read(json.dumps(data)))

    told(type="input_audio_buffer.committed", item_id="a")
    told(type="input_audio_buffer.committed", item_id="b")
    assert told(type=f"{what}.completed", item_id="b", transcript="second") == []
    assert told(type=f"{what}.delta", item_id="a", delta="fir") == [Guess("fir")]
    first = [Final("first"), Finalised(), Final("second"), Finalised()]
    assert told(type=f"{what}.completed", item_id="a", transcript="first") == first
    assert told(type=f"{what}.completed", item_id="a", transcript="first") == []


def test_where_the_socket_is() -> None:
    assert RealtimeSettings(model="m").url == "wss://api.openai.com/v1/realtime?intent=transcription"
    local = RealtimeSettings(model="m", base_url="http://localhost:8000/v1/", dialect="vllm")
    assert local.url == "ws://localhost:8000/v1/realtime"


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("gpt-realtime-whisper", {}),
        ("gpt-live-transcribe", {"keywords": ["DAHDI", "Zap"]}),
        ("whisper-large", {"prompt": "DAHDI, Zap"}),
    ],
)
def test_words_are_told_in_the_field_that_the_model_takes(model: str, told: dict[str, object]) -> None:
    settings = RealtimeSettings(model=model)
    assert OpenAIRealtimeTranscriber(settings).capabilities.phrases is bool(told)
    hello = beginning(settings, SpeechHints(phrases=("DAHDI", "Zap")))
    assert json.loads(hello)["session"]["audio"]["input"]["transcription"] == {"model": model} | told

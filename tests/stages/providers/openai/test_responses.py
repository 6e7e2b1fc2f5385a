"""The Responses interface against its fake: what is asked and answered, and every fault."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from stageflow.context import Message
from stageflow.tools import Tool, ToolCall
from stages.errors import ErrorKind, ProviderBusy, ProviderError, ProviderRejected, ProviderTimeout
from stages.ports import Finished, ModelEvent, OneTool, TextDelta, Thought, Usage
from stages.providers.openai.responses import OpenAIResponsesModel, ResponsesSettings
from stages.testing.contracts import check_language_model
from stages.testing.servers.chat_stream import ARGUMENTS, TEXT
from stages.testing.servers.faults import NONE, Faults
from stages.testing.servers.http import FakeHttpServer, serving_http
from stages.testing.servers.responses import CALLS, CUT_SHORT, ERROR, FAILS, KEY, ResponsesService, says
from tests.support.patience import PATIENCE_S


@Tool.of
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@asynccontextmanager
async def answering(
    events: Sequence[Mapping[str, Any]], faults: Faults = NONE, **settings: Any
) -> AsyncIterator[tuple[OpenAIResponsesModel, FakeHttpServer]]:
    async with serving_http(ResponsesService(events), faults) as server:
        where = {"base_url": f"{server.url}/v1", "api_key": SecretStr(KEY), "model": "fake-chat"}
        model = OpenAIResponsesModel(ResponsesSettings(**where | settings))
        try:
            yield model, server
        finally:
            await model.close()


async def ask(model: OpenAIResponsesModel, messages: Sequence[Message] = (), **how: Any) -> list[ModelEvent]:
    asked = messages or (Message(role="user", content="Hello."),)
    async with aclosing(model.stream(asked, **how)) as events:
        return [event async for event in events]


async def test_the_answer_comes_piece_by_piece_with_its_usage() -> None:
    async with answering(says(TEXT)) as (model, _):
        events = await ask(model)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == TEXT
    assert events[0] == Thought("They greet me.")
    assert events[-1] == Finished("stop", Usage(9, 8))


async def test_a_call_is_called() -> None:
    async with answering(CALLS) as (model, _):
        events = await ask(model, tools=[add])
    assert [event for event in events if not isinstance(event, Thought)] == [
        ToolCall("c1", "add", ARGUMENTS),
        Finished("tool_calls", Usage(9, 8)),
    ]


async def test_an_answer_that_was_cut_short_says_so() -> None:
    async with answering(CUT_SHORT) as (model, _):
        assert (await ask(model))[-1] == Finished("length", Usage(9, 8))


async def test_the_request_says_all_there_is_to_say() -> None:
    messages = (
        Message(role="system", content="Be brief."),
        Message(role="user", content="Hello."),
        Message(role="assistant", content="", tool_calls=(ToolCall("c1", "add", {"a": 1}),)),
        Message(role="tool", content="3", tool_call_id="c1"),
    )
    async with answering(says(TEXT), reasoning_effort="low") as (model, server):
        await ask(model, messages, tools=[add], tool_choice=OneTool("add"), max_tokens=1)
    request = server.asked[0].data
    assert request["store"] is False
    assert request["max_output_tokens"] == 16
    assert request["reasoning"] == {"effort": "low"}
    assert request["tool_choice"] == {"type": "function", "name": "add"}
    assert request["tools"][0]["parameters"]["required"] == ["a", "b"]
    assert request["input"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello."},
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a": 1}'},
        {"type": "function_call_output", "call_id": "c1", "output": "3"},
    ]


@pytest.mark.parametrize(("events", "error"), [(FAILS, ProviderError), (ERROR, ProviderBusy)])
async def test_a_failing_server_is_an_error_in_its_words(
    events: Sequence[Mapping[str, Any]], error: type[ProviderError]
) -> None:
    async with answering(events) as (model, _):
        with pytest.raises(error, match="it broke"):
            await ask(model)


@pytest.mark.parametrize(
    ("faults", "error", "kind"),
    [
        (Faults(refuse_status=401), ProviderRejected, ErrorKind.AUTH),
        (Faults(refuse_status=429, retry_after_s=7), ProviderBusy, ErrorKind.RATE),
        (Faults(refuse_status=500), ProviderError, ErrorKind.SERVER),
        (Faults(silent=True), ProviderTimeout, ErrorKind.TIMEOUT),
        (Faults(cut_after=3), ProviderError, ErrorKind.NETWORK),
        (Faults(garbage_after=3), ProviderError, ErrorKind.PROTOCOL),
    ],
)
async def test_every_fault_is_an_error_with_its_kind(
    faults: Faults, error: type[ProviderError], kind: ErrorKind
) -> None:
    async with answering(says(TEXT), faults, silence_s=0.5) as (model, server):
        with anyio.fail_after(PATIENCE_S), pytest.raises(ProviderError) as caught:
            await ask(model)
    assert (type(caught.value), caught.value.kind) == (error, kind)
    assert caught.value.retry_after_s == faults.retry_after_s
    assert server.open_connections == 0


async def test_a_stream_that_ends_without_an_end_is_an_error() -> None:
    async with answering(says(TEXT)[:-1]) as (model, _):
        with pytest.raises(ProviderError, match="broke off"):
            await ask(model)


async def test_a_retired_model_is_told_in_words() -> None:
    async with answering(says(TEXT), model="old") as (model, _):
        with pytest.raises(ProviderRejected, match="retired"):
            await ask(model)


@pytest.mark.parametrize(
    "said",
    [
        {"code": "model_not_found"},
        {"code": "model_deprecated"},
        {"code": None, "type": "invalid_request_error"},
    ],
)
@pytest.mark.parametrize("is_response", [True, False])
async def test_a_retired_model_is_told_in_words_in_the_stream_too(
    said: Mapping[str, Any], is_response: bool
) -> None:
    fault = {"message": "The model has been retired.", **said}
    failed = {"type": "response.failed", "response": {"status": "failed", "error": fault}}
    async with answering([failed if is_response else {"type": "error", "error": fault}]) as (model, _):
        with pytest.raises(ProviderRejected, match="retired") as caught:
            await ask(model)
    assert caught.value.kind is ErrorKind.BAD_REQUEST


async def test_it_keeps_the_contract_of_a_language_model() -> None:
    async with answering(says(TEXT), Faults(delay_s=0.005)) as (model, _):
        await check_language_model(model)

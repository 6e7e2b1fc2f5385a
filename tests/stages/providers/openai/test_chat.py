"""The chat-model adapter against a real HTTP server: asking, understanding, and every way to fail."""

import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager

import anyio
import pytest

from stageflow.context import Message
from stageflow.tools import Tool, ToolCall
from stages.errors import ProviderBusy, ProviderError, ProviderRejected, ProviderTimeout
from stages.ports import Finished, ModelEvent, OneTool, TextDelta, Thought, ToolChoice, Usage
from stages.providers.openai.chat import OpenAIChatModel
from stages.testing.contracts import check_language_model
from tests.support.patience import PATIENCE_S
from tests.support.sse_server import Reply, SseServer, sse_server

HELLO = (Message(role="user", content="Hello."),)


def chunk(content: object = None, *, finish: str | None = None, **delta: object) -> Mapping[str, object]:
    said = {"content": content, **delta}
    return {
        "id": "1",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": said, "finish_reason": finish}],
    }


def call_piece(arguments: object = None, name: str | None = None, **fields: object) -> Mapping[str, object]:
    return chunk(tool_calls=[{**fields, "function": {"name": name, "arguments": arguments}}])


USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}}
GREETING = Reply([chunk("", role="assistant"), chunk("Hello"), chunk(" there."), chunk(finish="stop"), USAGE])


@asynccontextmanager
async def chatting(
    *replies: Reply, silence_s: float = 5.0
) -> AsyncIterator[tuple[OpenAIChatModel, SseServer]]:
    async with sse_server(*replies) as server:
        model = OpenAIChatModel("test-model", api_key="secret", base_url=server.url, silence_s=silence_s)
        try:
            yield model, server
        finally:
            await model.close()


async def ask(
    model: OpenAIChatModel,
    messages: Sequence[Message] = HELLO,
    tools: Sequence[Tool] = (),
    max_tokens: int | None = None,
) -> list[ModelEvent]:
    async with aclosing(model.stream(messages, tools=tools, max_tokens=max_tokens)) as events:
        return [event async for event in events if not isinstance(event, Thought)]


async def answers(*events: Mapping[str, object] | str) -> list[ModelEvent]:
    async with chatting(Reply(events)) as (model, _):
        return await ask(model)


# --- asking -----------------------------------------------------------------------------------------------


@Tool.of
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def test_the_request_says_all_there_is_to_say() -> None:
    messages = (
        Message(role="developer", content="Be brief."),
        *HELLO,
        Message(role="assistant", content=""),
        Message(role="assistant", tool_calls=(ToolCall("c1", "add", {"a": 1, "b": 2}),)),
        Message(role="tool", content="3", tool_call_id="c1"),
    )
    async with chatting(GREETING) as (model, server):
        await ask(model, messages, [add], max_tokens=50)
    (request,) = server.requests
    assert server.headers[0]["authorization"] == "bearer secret"
    assert request["model"] == "test-model"
    assert request["stream"] is True
    assert request["stream_options"] == {"include_usage": True}
    assert request["max_tokens"] == 50
    function = {"name": "add", "arguments": '{"a": 1, "b": 2}'}
    assert request["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello."},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "content": "3", "tool_call_id": "c1"},
    ]
    (tool,) = request["tools"]
    assert tool["type"] == "function"
    assert tool["function"]["name"] == "add"
    assert tool["function"]["parameters"]["required"] == ["a", "b"]


async def test_nothing_is_sent_that_was_not_asked_for() -> None:
    async with chatting(GREETING) as (model, server):
        await ask(model)
    assert {"tools", "tool_choice", "max_tokens", "max_completion_tokens"}.isdisjoint(server.requests[0])


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("required", "required"),
        ("none", "none"),
        (OneTool("add"), {"type": "function", "function": {"name": "add"}}),
    ],
)
async def test_the_choice_of_a_tool_is_passed_on(choice: ToolChoice, sent: object) -> None:
    async with chatting(GREETING) as (model, server):
        async for _ in model.stream(HELLO, tools=[add], tool_choice=choice):
            pass
    assert server.requests[0]["tool_choice"] == sent


async def test_an_empty_result_of_a_tool_is_a_result() -> None:
    call = Message(role="assistant", tool_calls=(ToolCall("c1", "add"),))
    async with chatting(GREETING) as (model, server):
        await ask(model, (*HELLO, call, Message(role="tool", content="", tool_call_id="c1")))
    assert server.requests[0]["messages"][-1] == {
        "role": "tool",
        "content": "",
        "tool_call_id": "c1",
    }


async def test_the_limit_has_the_name_that_the_server_knows() -> None:
    async with sse_server(GREETING) as server:
        model = OpenAIChatModel("m", base_url=server.url, max_tokens_name="max_completion_tokens")
        await ask(model, max_tokens=9)
        await model.close()
    assert server.requests[0]["max_completion_tokens"] == 9


async def test_one_connection_serves_many_questions() -> None:
    async with chatting(GREETING) as (model, server):
        for _ in range(3):
            await ask(model)
    assert len(server.requests) == 3


# --- answers ----------------------------------------------------------------------------------------------


async def test_an_answer_comes_piece_by_piece_with_its_usage() -> None:
    async with chatting(GREETING) as (model, _):
        assert await ask(model) == [TextDelta("Hello"), TextDelta(" there."), Finished("stop", Usage(7, 2))]


@pytest.mark.parametrize("cut_bytes", [1, 7, 64])
async def test_it_does_not_matter_where_the_stream_is_cut(cut_bytes: int) -> None:
    events = [chunk("Grüße, "), chunk("Welt 🎉"), chunk(finish="stop")]
    async with chatting(Reply(events, cut_bytes=cut_bytes)) as (model, _):
        assert await ask(model) == [TextDelta("Grüße, "), TextDelta("Welt 🎉"), Finished("stop")]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("eos", "stop"),
        ("tool_calls", "stop"),
    ],
)
async def test_why_an_answer_ended(given: str, reason: str) -> None:
    *_, last = await answers(chunk("Hi"), chunk(finish=given))
    assert isinstance(last, Finished)
    assert last.reason == reason


@pytest.mark.parametrize("cut_bytes", [None, 5])
async def test_a_server_that_gives_no_reason_but_is_done_has_answered(cut_bytes: int | None) -> None:
    async with chatting(Reply([chunk("Hello"), USAGE], cut_bytes=cut_bytes)) as (model, _):
        assert await ask(model) == [TextDelta("Hello"), Finished("stop", Usage(7, 2))]
    call = call_piece("{}", "now", index=0, id="x")
    assert await answers(call) == [ToolCall("x", "now", "{}"), Finished("tool_calls")]


async def test_to_speak_of_being_done_is_not_to_be_done() -> None:
    async with chatting(Reply([chunk("data: [DONE]")], "break-off")) as (model, _):
        with pytest.raises(ProviderError, match="connection"):
            await ask(model)


async def test_thoughts_are_not_spoken() -> None:
    events = await answers(
        chunk(None, reasoning_content="They greet me."),
        chunk(None, reasoning="So I greet back."),
        chunk("<thi"),
        chunk("nk>Or should"),
        chunk(" I?</think>\n\n"),
        chunk("Hello."),
        chunk(finish="stop"),
    )
    assert events == [TextDelta("Hello."), Finished("stop")]


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": []},
        {"choices": None},
        {"choices": [{"index": 0}]},
        {"choices": [{"index": 0, "delta": None}]},
        {"choices": [{"index": 0, "delta": {}}]},
        {"object": "unheard of"},
        {},
        chunk(None, role="assistant", tool_calls=None),
        chunk([]),
        chunk(finish=None, refusal=None, audio=None),
    ],
)
async def test_odd_chunks_are_passed_over(odd: Mapping[str, object]) -> None:
    assert await answers(odd, chunk("Hi"), odd, chunk(finish="stop"), odd) == [
        TextDelta("Hi"),
        Finished("stop"),
    ]


async def test_content_in_parts_is_read() -> None:
    events = await answers(
        chunk([{"type": "text", "text": "Hi"}, {"type": "thinking"}]), chunk(finish="stop")
    )
    assert events == [TextDelta("Hi"), Finished("stop")]


async def test_a_last_half_tag_is_said() -> None:
    assert await answers(chunk("1 <"), chunk(finish="stop")) == [
        TextDelta("1 "),
        TextDelta("<"),
        Finished("stop"),
    ]


ADD = '{"a": 1, "b": 2}'


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        (
            [
                call_piece("", "add", index=0, id="x"),
                call_piece(ADD[:5], index=0),
                call_piece(ADD[5:], index=0),
            ],
            [ToolCall("x", "add", ADD)],
        ),
        ([call_piece(ADD, "add", index=0, id="x")], [ToolCall("x", "add", ADD)]),
        ([call_piece(ADD, "add")], [ToolCall("c00000000", "add", ADD)]),
        ([call_piece(ADD[:5], "add"), call_piece(ADD[5:])], [ToolCall("c00000000", "add", ADD)]),
        (
            [call_piece(ADD, "add"), call_piece("{}", "now")],
            [ToolCall("c00000000", "add", ADD), ToolCall("c00000001", "now", "{}")],
        ),
        (
            [call_piece(ADD, "add", index=0, id="x"), call_piece("{}", "now", index=0, id="y")],
            [ToolCall("x", "add", ADD), ToolCall("y", "now", "{}")],
        ),
        (
            [
                call_piece("", "add", index=0, id="x"),
                call_piece("", "now", index=1, id="y"),
                call_piece(ADD, index=0),
            ],
            [ToolCall("x", "add", ADD), ToolCall("y", "now", "{}")],
        ),
        ([call_piece({"a": 1}, "add", index=0)], [ToolCall("c00000000", "add", '{"a": 1}')]),
        ([call_piece(None, "now", index=0, id="x")], [ToolCall("x", "now", "{}")]),
    ],
)
async def test_tool_calls_are_put_together_however_they_come(
    pieces: Sequence[Mapping[str, object]], calls: Sequence[ToolCall]
) -> None:
    for finish in ("tool_calls", "stop"):  # which some servers say instead
        assert await answers(*pieces, chunk(finish=finish)) == [*calls, Finished("tool_calls")]


async def test_words_before_a_call_are_said_first() -> None:
    events = await answers(
        chunk("One moment."), call_piece("{}", "now", index=0, id="x"), chunk(finish="tool_calls")
    )
    assert events == [TextDelta("One moment."), ToolCall("x", "now", "{}"), Finished("tool_calls")]


# --- failures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, None, ProviderRejected),
        (401, "invalid_api_key", ProviderRejected),
        (403, None, ProviderRejected),
        (404, "model_not_found", ProviderRejected),
        (422, None, ProviderRejected),
        (429, "insufficient_quota", ProviderRejected),
        (429, "rate_limit_exceeded", ProviderBusy),
        (408, None, ProviderError),
        (500, None, ProviderError),
        (503, None, ProviderError),
    ],
)
async def test_a_refused_request_says_whether_to_try_again(
    status: int, code: str | None, kind: type[ProviderError]
) -> None:
    body = {"error": {"message": "because", "code": code}}
    async with chatting(Reply(status=status, body=body)) as (model, server):
        with pytest.raises(ProviderError, match=f"test-model.*{status}.*because") as caught:
            await ask(model)
    assert type(caught.value) is kind
    assert len(server.requests) == 1  # to try again is not for the adapter to decide


async def test_a_silent_server_times_out() -> None:
    async with chatting(Reply([chunk("Hello")], "hang"), silence_s=0.1) as (model, _):
        with pytest.raises(ProviderTimeout, match=r"nothing for 0\.1 s"):
            await ask(model)


async def test_a_server_that_is_not_there_is_an_error() -> None:
    async with sse_server(GREETING) as server:
        url = server.url
    model = OpenAIChatModel("test-model", base_url=url.replace("//", "//me:secret@"))
    with pytest.raises(ProviderError, match=f"test-model: the connection was lost .{url}: .+"):
        await ask(model)
    await model.close()


async def test_an_answer_that_breaks_off_is_an_error() -> None:
    async with chatting(Reply([chunk("Hello")], "break-off")) as (model, _):
        with pytest.raises(ProviderError):
            await ask(model)


async def test_an_answer_of_nothing_is_an_error_though_the_server_is_done() -> None:
    async with chatting(Reply([chunk("", role="assistant")])) as (model, _):
        with pytest.raises(ProviderError, match="broke off"):
            await ask(model)


@pytest.mark.parametrize("garbage", ["{not json", '{"error": {"message": "out of memory"}}'])
async def test_an_error_in_the_middle_of_an_answer_is_an_error(garbage: str) -> None:
    async with chatting(Reply([chunk("Hello"), garbage])) as (model, _):
        with pytest.raises(ProviderError, match=r"JSON|out of memory"):
            await ask(model)


async def test_errors_do_not_tell_the_key() -> None:
    async with chatting(Reply(status=401, body={"error": {"message": "no"}})) as (model, _):
        with pytest.raises(ProviderRejected) as caught:
            await ask(model)
    assert "secret" not in str(caught.value)


# --- leaving ------------------------------------------------------------------------------------------------


async def test_closing_the_stream_hangs_up() -> None:
    async with chatting(Reply([chunk("Hello")], "hang")) as (model, server):
        stream = model.stream(HELLO)
        assert await anext(stream) == TextDelta("Hello")
        await stream.aclose()
        with anyio.fail_after(PATIENCE_S):
            await server.hung_up.wait()


async def test_cancelling_hangs_up_at_once() -> None:
    async with chatting(Reply([chunk("Hello")], "hang")) as (model, server):
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask, model)
                while not server.requests:  # noqa: ASYNC110  # it is asked over a socket
                    await anyio.sleep(0.01)
                tasks.cancel_scope.cancel()
            await server.hung_up.wait()
        assert len(server.requests) == 1


async def test_it_keeps_the_contract_of_a_language_model() -> None:
    async with chatting(GREETING) as (model, _):
        await check_language_model(model)


def test_the_client_is_not_imported_before_it_is_used() -> None:
    """It takes most of a second, which nobody without a chat model should wait for."""
    code = "import sys, stages.providers.openai.chat; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""The chat model against servers that speak nearly as OpenAI's does: what is said, called, thought, and put again."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import anyio
import pytest
from pydantic import SecretStr, ValidationError

from stageflow.context import Message
from stageflow.tools import Tool, ToolCall
from stages.errors import ErrorKind, ProviderBusy, ProviderError, ProviderRejected, ProviderTimeout
from stages.ports import Finished, ModelEvent, TextDelta, Thought
from stages.providers.openai.chat import ChatSettings, OpenAIChatModel
from stages.testing.contracts import check_language_model
from stages.testing.servers.chat import ChatMode, ChatService
from stages.testing.servers.chat_modes import CALLING, FAILING, SAYING, mode_of
from stages.testing.servers.chat_stream import ARGUMENTS, CALLS, SECRET, STOP, TEXT, call, delta
from stages.testing.servers.faults import NONE, Faults
from stages.testing.servers.http import FakeHttpServer, serving_http
from stages.testing.session_contracts import check_sessions
from tests.support.patience import PATIENCE_S

KEY = "fake-key"
PLAIN = {"text, bare", "text, fenced", "text, in code"}
"""Calls that may be an answer where there is no tool."""


@Tool.of
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


CONVERSATION = (
    Message(role="system", content="Be brief."),
    Message(role="system", content="Speak of tables."),
    Message(role="assistant", content="This is the restaurant."),
    Message(role="user", content="Hello."),
    Message(role="user", content="Are you there?"),
)


@asynccontextmanager
async def chatting(
    mode: ChatMode, faults: Faults = NONE, *, silence_s: float = 10.0, model: str = "fake-chat"
) -> AsyncIterator[tuple[OpenAIChatModel, FakeHttpServer]]:
    async with serving_http(ChatService(mode), faults) as server:
        chat = OpenAIChatModel(model, api_key=KEY, base_url=f"{server.url}/v1", silence_s=silence_s)
        try:
            yield chat, server
        finally:
            await chat.close()


async def ask(
    model: OpenAIChatModel, messages: Sequence[Message] = CONVERSATION, tools: Sequence[Tool] = (add,)
) -> list[ModelEvent]:
    async with aclosing(model.stream(messages, tools=tools, max_tokens=99)) as events:
        return [event async for event in events]


def text_of(events: Sequence[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def calls_of(events: Sequence[ModelEvent]) -> list[tuple[str, object]]:
    return [(event.name, event.arguments) for event in events if isinstance(event, ToolCall)]


@pytest.mark.parametrize("name", SAYING)
async def test_the_answer_is_said_and_nothing_else(name: str) -> None:
    async with chatting(SAYING[name]) as (model, _):
        for _ in range(2):
            events = await ask(model)
            assert text_of(events) == TEXT
            assert calls_of(events) == []
            assert isinstance(events[-1], Finished)


@pytest.mark.parametrize("name", CALLING)
async def test_the_tool_is_called_and_nothing_is_said(name: str) -> None:
    async with chatting(CALLING[name]) as (model, _):
        events = await ask(model)
    assert text_of(events).strip() == ""
    assert calls_of(events) == [("add", ARGUMENTS)]
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "tool_calls"


@pytest.mark.parametrize("name", sorted(name for name in set(CALLING) - PLAIN if "text, " in name))
async def test_a_call_as_text_is_not_read_aloud_where_no_tool_was_offered(name: str) -> None:
    async with chatting(CALLING[name]) as (model, _):
        events = await ask(model, tools=())
    assert text_of(events).strip() == ""
    assert calls_of(events) == []


@pytest.mark.parametrize("name", FAILING)
async def test_a_failing_server_is_an_error_in_its_words(name: str) -> None:
    async with chatting(FAILING[name]) as (model, _):
        with pytest.raises(ProviderError) as caught:
            await ask(model)
    if "error " in name:
        assert "it broke" in str(caught.value)


async def test_words_before_a_call_as_text_are_said() -> None:
    events = [
        delta("Let me see. <tool_call>"),
        delta(f'{{"name": "add", "arguments": {ARGUMENTS}}}</tool_call>'),
    ]
    async with chatting(mode_of([*events, STOP])) as (model, _):
        answered = await ask(model)
    assert text_of(answered) == "Let me see. "
    assert calls_of(answered) == [("add", ARGUMENTS)]


@pytest.mark.parametrize(
    "pieces",
    [
        [call(ARGUMENTS, "add", index=0, id="x"), call('{"a": 3}', "add", index=0, id="y")],
        [call(ARGUMENTS, "add", index=0), call('{"a": 3}', "add", index=0)],
        [call(ARGUMENTS, "add", index=0, id="x"), call('{"a": 3}', "add", index=1, id="x")],
        [call(ARGUMENTS + '{"a": 3}', "add", index=0, id="x")],
    ],
)
async def test_two_calls_stay_two_with_ids_of_their_own(pieces: Sequence[dict[str, object]]) -> None:
    async with chatting(mode_of([*pieces, CALLS])) as (model, _):
        events = await ask(model)
    assert calls_of(events) == [("add", ARGUMENTS), ("add", '{"a": 3}')]
    assert len({event.id for event in events if isinstance(event, ToolCall)}) == 2


async def test_another_name_begins_another_call_though_it_has_no_id() -> None:
    pieces = [call(ARGUMENTS, "add", index=0), call("{}", "now", index=0)]
    async with chatting(mode_of([*pieces, CALLS])) as (model, _):
        assert calls_of(await ask(model)) == [("add", ARGUMENTS), ("now", "{}")]


async def test_ids_that_are_made_up_are_never_used_twice() -> None:
    async with chatting(CALLING["no id"]) as (model, _):
        ids = [event.id for _ in range(3) for event in await ask(model) if isinstance(event, ToolCall)]
    assert len(set(ids)) == 3
    assert all(len(one) == 9 and one.isalnum() for one in ids)


@pytest.mark.parametrize("name", ["think", "reasoning beside", "channels", "no opening tag"])
async def test_thoughts_are_signs_of_life(name: str) -> None:
    async with chatting(SAYING[name]) as (model, _):
        events = await ask(model)
    first = next(at for at, event in enumerate(events) if isinstance(event, TextDelta))
    assert any(isinstance(event, Thought) for event in events[:first])
    assert SECRET in "".join(event.text for event in events if isinstance(event, Thought))


async def test_a_model_that_left_the_tag_out_is_known_from_then_on() -> None:
    mode = mode_of([delta("Let me think."), delta("</think>"), delta(TEXT), STOP])
    async with chatting(mode) as (model, _):
        await ask(model)
        assert text_of(await ask(model)) == TEXT


# --- asking again -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "requests"),
    [
        ("as OpenAI", 1),
        ("refuses stream_options", 2),
        ("refuses max_tokens", 2),
        ("refuses tools", 2),
        ("one system message", 1),
        ("alternating roles", 2),
        ("no system message", 2),
    ],
)
async def test_what_is_refused_once_is_left_out_from_then_on(
    name: str, requests: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with chatting(SAYING[name]) as (model, server):
        await ask(model)
        assert len(server.asked) == requests
        await ask(model)
        assert len(server.asked) == requests + 1
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == requests - 1


async def test_all_instructions_become_one_system_message() -> None:
    async with chatting(SAYING["as OpenAI"]) as (model, server):
        await ask(model)
    messages = server.asked[0].data["messages"]
    assert messages[0] == {"role": "system", "content": "Be brief.\n\nSpeak of tables."}
    assert [one["role"] for one in messages[1:]] == ["assistant", "user", "user"]


async def test_nothing_is_lost_where_roles_must_alternate() -> None:
    async with chatting(SAYING["no system message"]) as (model, server):
        await ask(model)
    messages = server.asked[-1].data["messages"]
    assert [one["role"] for one in messages] == ["user", "assistant", "user"]
    whole = "\n".join(one["content"] for one in messages)
    for message in CONVERSATION:
        assert message.content in whole


async def test_what_is_refused_for_good_is_not_asked_again() -> None:
    async with chatting(SAYING["as OpenAI"], model="gpt-old") as (model, server):
        with pytest.raises(ProviderRejected, match="retired") as caught:
            await ask(model)
    assert caught.value.kind is ErrorKind.BAD_REQUEST
    assert len(server.asked) == 1


# --- faults -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("faults", "error", "kind"),
    [
        (Faults(refuse_status=401), ProviderRejected, ErrorKind.AUTH),
        (Faults(refuse_status=402), ProviderRejected, ErrorKind.QUOTA),
        (Faults(refuse_status=429, retry_after_s=7), ProviderBusy, ErrorKind.RATE),
        (Faults(refuse_status=500), ProviderError, ErrorKind.SERVER),
        (Faults(silent=True), ProviderTimeout, ErrorKind.TIMEOUT),
        (Faults(cut_after=0), ProviderError, ErrorKind.NETWORK),
        (Faults(cut_after=3), ProviderError, ErrorKind.NETWORK),
        (Faults(garbage_after=0), ProviderError, ErrorKind.PROTOCOL),
        (Faults(garbage_after=3), ProviderError, ErrorKind.PROTOCOL),
    ],
)
async def test_every_fault_is_an_error_with_its_kind(
    faults: Faults, error: type[ProviderError], kind: ErrorKind
) -> None:
    async with chatting(SAYING["as OpenAI"], faults, silence_s=0.5) as (model, server):
        with anyio.fail_after(PATIENCE_S), pytest.raises(ProviderError) as caught:
            await ask(model)
    assert type(caught.value) is error
    assert caught.value.kind is kind
    assert caught.value.retry_after_s == faults.retry_after_s
    assert KEY not in f"{caught.value}{caught.value.__cause__}"
    assert server.open_connections == 0


async def test_a_slow_server_is_waited_for() -> None:
    async with chatting(SAYING["as OpenAI"], Faults(delay_s=0.02)) as (model, _):
        assert text_of(await ask(model)) == TEXT


async def test_the_next_request_works_after_a_fault() -> None:
    async with chatting(SAYING["as OpenAI"], Faults(cut_after=2, connections=1)) as (model, _):
        with pytest.raises(ProviderError):
            await ask(model)
        assert text_of(await ask(model)) == TEXT


async def test_half_a_character_in_the_conversation_is_sent_as_one_that_was_lost() -> None:
    async with chatting(SAYING["as OpenAI"]) as (model, server):
        assert text_of(await ask(model, [Message(role="user", content="Half \ud83d of one.")])) == TEXT
        assert server.asked[-1].data["messages"][-1]["content"] == "Half \ufffd of one."


async def test_one_connection_serves_many_answers() -> None:
    async with chatting(SAYING["as OpenAI"]) as (model, server):
        for _ in range(3):
            await ask(model)
        assert server.connections == 1


async def test_a_key_that_the_server_repeats_is_not_told() -> None:
    mode = ChatMode((), refuses="model", refusal=f"Bad key {KEY}, model gone")
    async with chatting(mode) as (model, _):
        with pytest.raises(ProviderRejected, match="model gone") as caught:
            await ask(model)
    assert KEY not in str(caught.value)


async def test_a_session_begins_with_a_connection_that_its_first_question_finds() -> None:
    async with chatting(SAYING["as OpenAI"]) as (model, server):
        async with model.session() as view:
            with anyio.fail_after(PATIENCE_S):
                await server.until(lambda server: server.answered == 1)
            await anyio.sleep(0.5)  # for the client to have read it as well
            assert text_of(await ask(view)) == TEXT
        assert [asked.path for asked in server.asked] == ["/v1/models", "/v1/chat/completions"]
        assert server.connections == 1
        await check_sessions(model, check_language_model)


@pytest.mark.parametrize("faults", [Faults(silent=True), Faults(refuse_status=401), Faults(cut_after=0)])
async def test_a_connection_that_does_not_open_holds_no_session_up(faults: Faults) -> None:
    async with chatting(SAYING["as OpenAI"], faults) as (model, server):
        with anyio.fail_after(PATIENCE_S):
            async with model.session():
                await server.until(lambda server: bool(server.asked))
        assert {asked.path for asked in server.asked} == {"/v1/models"}


@pytest.mark.parametrize("key", ["sk-näher", "sk-1\nsk-2", "sk\x00"])
def test_a_key_that_no_header_can_hold_is_told_and_not_shown(key: str) -> None:
    with pytest.raises(ProviderRejected, match="cannot be sent") as caught:
        OpenAIChatModel("m", api_key=key)
    assert key not in str(caught.value)
    with pytest.raises(ValidationError, match="cannot be sent") as wrong:
        ChatSettings(model="m", api_key=SecretStr(key))
    assert key not in str(wrong.value)


async def test_it_keeps_the_contract_of_a_language_model() -> None:
    async with chatting(SAYING["as OpenAI"], Faults(delay_s=0.005)) as (model, _):
        await check_language_model(model)

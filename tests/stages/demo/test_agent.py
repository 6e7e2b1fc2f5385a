"""The scripted agent as a language model: its stream, its reading of histories, and with the real sentence
model, how well it understands phrasings that it has never seen."""

import json
import tomllib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import numpy as np
import pytest

from stageflow.context import Message
from stageflow.tools import Tool, ToolCall, ToolRegistry
from stages.client_tools import client_tool
from stages.demo.agent import DemoAgent, DemoSettings
from stages.demo.booking import TableBook
from stages.demo.script import SCRIPT
from stages.demo.skills import build_skills
from stages.ports import NOTHING_SAID, Expects, Finished, ModelEvent, TextDelta
from stages.providers.minilm.embedder import Floats
from stages.providers.minilm.intents import Intents
from stages.testing.contracts import check_language_model
from stages.text.plain import plain

PHRASES = tomllib.loads((Path(__file__).parents[2] / "data" / "agent_phrases.toml").read_text())
TUESDAY = datetime.fromisoformat("2026-11-24 10:00+01:00")


def user(text: str) -> Message:
    return Message(role="user", content=text)


async def answer(agent: DemoAgent, *messages: Message, tools: Sequence[Tool] = ()) -> list[ModelEvent]:
    async with aclosing(agent.stream(messages, tools=tools)) as events:
        return [event async for event in events]


def text_of(events: Sequence[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


# --- with made-up sentence vectors ------------------------------------------------------------------------

LABELS = [intent for intent, texts in SCRIPT["intents"].items() for _ in texts]
EXAMPLES = [plain(text) for texts in SCRIPT["intents"].values() for text in texts]
VECTORS = np.eye(len(EXAMPLES), dtype=np.float32)


def embed_known(texts: Sequence[str]) -> Floats:
    """Only the examples themselves are like anything: like themselves."""
    index = {text: row for row, text in enumerate(EXAMPLES)}
    return np.stack([VECTORS[index[t]] if t in index else 0 * VECTORS[0] for t in texts]).astype(np.float32)


@asynccontextmanager
async def scripted(calls: list[Sequence[str]] | None = None) -> AsyncIterator[DemoAgent]:
    def embed(texts: Sequence[str]) -> Floats:
        if calls is not None:
            calls.append(texts)
        return embed_known(texts)

    agent = DemoAgent(Intents(embed, LABELS, VECTORS))
    agent.now = lambda: TUESDAY
    try:
        yield agent
    finally:
        await anyio.to_thread.run_sync(agent.close)


@asynccontextmanager
async def all_skills() -> AsyncIterator[ToolRegistry]:
    book = TableBook()
    try:
        yield build_skills(now=lambda: TUESDAY, remind=lambda _, __: lambda: None, bookings=book)
    finally:
        await anyio.to_thread.run_sync(book.close)


async def test_tools_of_others_and_their_results_are_passed_over() -> None:
    theirs = client_tool("weather", "How the weather is.", {"type": "object"})
    history = (
        user("What is twelve times seven?"),
        Message(role="assistant", tool_calls=(ToolCall("c1", "weather", "{}"),)),
        Message(role="tool", content="sunny", tool_call_id="c1", name="weather"),
        user("Hello."),
    )
    async with scripted() as agent:
        events = await answer(agent, *history, tools=[theirs])
    assert text_of(events)
    assert not [event for event in events if isinstance(event, ToolCall)]


async def test_an_answer_is_streamed_word_by_word() -> None:
    async with scripted() as agent:
        events = await answer(agent, user("hello"))
    assert len(events) > 3
    assert all(isinstance(event, TextDelta) for event in events[:-1])
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "stop"
    assert text_of(events).startswith("H")


async def test_an_answer_can_be_cut_at_so_many_words() -> None:
    async with scripted() as agent, aclosing(agent.stream([user("hello")], max_tokens=2)) as stream:
        events = [event async for event in stream]
    assert [type(event) for event in events] == [TextDelta, TextDelta, Finished]
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "length"


async def test_with_a_question_it_says_what_it_expects_unless_the_question_is_cut() -> None:
    wish = [user("i'd like to book a table")]
    async with scripted() as agent:
        *_, whole = await answer(agent, *wish)
        async with aclosing(agent.stream(wish, max_tokens=2)) as stream:
            *_, cut = [event async for event in stream]
        *_, greeting = await answer(agent, user("hello"))
    ends = [event.expects for event in (whole, cut, greeting) if isinstance(event, Finished)]
    assert ends == [Expects.NUMBER, None, None]


async def test_the_same_question_gets_the_same_answer_at_the_same_place_and_another_later() -> None:
    async with scripted() as agent:
        first = text_of(await answer(agent, user("tell me a joke")))
        again = text_of(await answer(agent, user("tell me a joke")))
        told = Message(role="assistant", content=first)
        later = text_of(await answer(agent, user("tell me a joke"), told, user("tell me a joke")))
    assert first == again
    assert later != first


async def test_a_tool_is_called_and_its_result_put_into_words() -> None:
    async with scripted() as agent, all_skills() as skills:
        question = [user("What is twelve times seven?")]
        call, finished = await answer(agent, *question, tools=skills.tools)
        assert isinstance(call, ToolCall)
        assert finished == Finished("tool_calls")
        result = await skills.execute(call)
        asked = Message(role="assistant", tool_calls=(call,))
        told = Message(role="tool", content=result.text, tool_call_id=call.id)
        assert "84" in text_of(await answer(agent, *question, asked, told))


@pytest.mark.parametrize("content", ["The tool failed.", "", "[]", "null", '{"unexpected": true}'])
async def test_a_tools_failure_is_told(content: str) -> None:
    call = ToolCall("1", "clock")
    async with scripted() as agent:
        said = text_of(
            await answer(
                agent,
                user("what time is it"),
                Message(role="assistant", tool_calls=(call,)),
                Message(role="tool", content=content, tool_call_id="1"),
            )
        )
    assert "sorry" in said.lower()


async def test_an_interrupted_question_still_gets_its_answer_understood() -> None:
    async with scripted() as agent, all_skills() as skills:
        said = text_of(
            await answer(
                agent,
                Message(role="system", content="Be kind."),
                user("i'd like to book a table"),
                Message(role="assistant", content="For how many [interrupted by the user]"),
                user("Four."),
                tools=skills.tools,
            )
        )
    assert "day" in said


async def test_without_tools_it_says_so_and_without_messages_it_greets() -> None:
    async with scripted() as agent:
        assert "can't do that" in text_of(await answer(agent, user("what time is it")))
        assert text_of(await answer(agent)) == "Hello! What can I do for you?"
        assert text_of(await answer(agent, user(NOTHING_SAID))) == "Hello! What can I do for you?"


async def test_it_says_what_it_is() -> None:
    async with scripted() as agent:
        said = text_of(await answer(agent, user("are you a language model")))
    assert "script" in said
    assert "no" in said


async def test_what_was_judged_once_is_not_judged_again() -> None:
    calls: list[Sequence[str]] = []
    async with scripted(calls) as agent:
        await answer(agent, user("hello"))
        await answer(agent, user("hello"), Message(role="assistant", content="Hi."), user("tell me a joke"))
    assert calls == [["hello"], ["tell me a joke"]]


async def test_cancelling_ends_at_once() -> None:
    async with scripted() as agent:
        stream = agent.stream([user("what can you do")])
        await anext(stream)
        await stream.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_sessions_do_not_mix() -> None:
    async with scripted() as agent:
        answers: dict[int, str] = {}

        async def ask(index: int, text: str) -> None:
            answers[index] = text_of(await answer(agent, user(text)))

        async with anyio.create_task_group() as sessions:
            for index, text in enumerate(["hello", "tell me a joke", "thank you", "goodbye"]):
                sessions.start_soon(ask, index, text)
        for index, text in enumerate(["hello", "tell me a joke", "thank you", "goodbye"]):
            assert answers[index] == text_of(await answer(agent, user(text)))


# --- with the real one: phrasings it has never seen -------------------------------------------------------


@pytest.fixture(scope="module")
def agent() -> Iterator[DemoAgent]:
    agent = DemoAgent.from_settings(DemoSettings())
    agent.now = lambda: TUESDAY
    yield agent
    agent.close()


def judged(agent: DemoAgent, phrases: Mapping[str, Any]) -> tuple[int, int, int]:
    """Phrasings understood rightly, phrasings understood wrongly, strangers taken for something."""
    right = wrong = 0
    for intent, texts in phrases["intents"].items():
        for text in texts:
            found = agent.intent_of(text)
            right += found == intent
            wrong += found not in (intent, None)
    return right, wrong, sum(agent.intent_of(text) is not None for text in phrases["strangers"])


def test_held_back_phrasings_are_held_back() -> None:
    """None is an example, so that what is measured is understanding and not memory."""
    for part in PHRASES.values():
        texts = {plain(text) for texts in part["intents"].values() for text in texts}
        texts |= {plain(text) for text in part["strangers"]}
        assert len(texts) >= 100
        strangers = {plain(text) for text in SCRIPT["strangers"]["examples"]}
        assert not texts & {*EXAMPLES, *strangers}


@pytest.mark.models
@pytest.mark.parametrize("part", ["choose", "judge"])
def test_unseen_phrasings_are_understood_and_strangers_are_not(agent: DemoAgent, part: str) -> None:
    phrases = PHRASES[part]
    asked = sum(len(texts) for texts in phrases["intents"].values())
    right, wrong, accepted = judged(agent, phrases)
    print(f"{part}: {right}/{asked} right, {wrong} wrong, {accepted}/{len(phrases['strangers'])} strangers")
    assert asked >= 60
    assert len(phrases["strangers"]) >= 40
    assert right / asked >= 0.92
    assert wrong / asked <= 0.03
    assert accepted / len(phrases["strangers"]) <= 0.05


TALK = (
    "Hello.",
    "I'd like to reserve a table.",
    "For two.",
    "Tomorrow.",
    "Half past seven.",
    "Miller.",
    "Yes, please.",
)


async def turn_of(agent: DemoAgent, skills: ToolRegistry, history: Sequence[Message]) -> str:
    """What the agent says in the end, when the tools it calls are run."""
    messages = list(history)
    while True:
        events = await answer(agent, *messages, tools=skills.tools)
        calls = tuple(event for event in events if isinstance(event, ToolCall))
        if not calls:
            return text_of(events)
        messages.append(Message(role="assistant", tool_calls=calls))
        for call in calls:
            result = await skills.execute(call)
            messages.append(Message(role="tool", content=result.text, tool_call_id=call.id))


@pytest.mark.models
async def test_it_keeps_the_contract_of_a_language_model(agent: DemoAgent) -> None:
    await check_language_model(agent)


@pytest.mark.models
async def test_a_table_is_booked_in_a_conversation(agent: DemoAgent) -> None:
    history: list[Message] = []
    said: list[str] = []
    async with all_skills() as skills:
        for text in TALK:
            history.append(user(text))
            said.append(await turn_of(agent, skills, history))
            history.append(Message(role="assistant", content=said[-1]))
        cancelled = await skills.execute(ToolCall("1", "cancel_booking", {"name": "Miller"}))
    assert "Miller" in said[-1]
    booking = json.loads(cancelled.text)
    assert (booking["when"], booking["people"]) == ("tomorrow at 7:30 pm", 2)

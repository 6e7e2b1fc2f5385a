"""Chat servers that are odd in more ways: nothing is said that is not for the person, and nothing is lost."""

import itertools
from collections.abc import Sequence

import pytest

from stageflow.tools import ToolCall
from stages.ports import Finished, ModelEvent, TextDelta, Thought
from stages.providers.openai.answer import Answer
from stages.testing.servers.chat_stream import ARGUMENTS, CALLS, SECRET, STOP, TEXT, Event, call, delta
from stages.testing.servers.odd_chats import ODD_CALLING, ODD_SAYING
from tests.stages.providers.openai.test_chat_modes import ask, calls_of, chatting, text_of


def answered(*chunks: Event, tools: Sequence[str] = ("add",)) -> list[ModelEvent]:
    ids = itertools.count()
    answer = Answer(tools, lambda: f"c{next(ids)}")
    events = [event for chunk in chunks for event in answer.push(chunk)]
    return [*events, *answer.end(is_complete=True)]


@pytest.mark.parametrize("name", ODD_SAYING)
async def test_the_answer_is_said_and_nothing_else(name: str) -> None:
    async with chatting(ODD_SAYING[name]) as (model, _):
        events = await ask(model)
    assert text_of(events).strip() == TEXT
    assert calls_of(events) == []
    assert SECRET not in text_of(events)


@pytest.mark.parametrize("name", ODD_CALLING)
async def test_the_tool_is_called_once_and_nothing_is_said(name: str) -> None:
    async with chatting(ODD_CALLING[name]) as (model, _):
        events = await ask(model)
        alone = await ask(model, tools=())
    assert text_of(events).strip() == ""
    assert calls_of(events) == [("add", ARGUMENTS)]
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "tool_calls"
    if name.startswith("text, "):
        assert text_of(alone).strip() == ""


@pytest.mark.parametrize("name", ["channels without tokens", "parts", "details of reasoning"])
async def test_thoughts_are_signs_of_life(name: str) -> None:
    async with chatting(ODD_SAYING[name]) as (model, _):
        events = await ask(model)
    first = next(at for at, event in enumerate(events) if isinstance(event, TextDelta))
    assert any(isinstance(event, Thought) for event in events[:first])


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (["Hi \ud83d", "\ude00 you"], "Hi 😀 you"),
        (["Hi \ud83d", " you"], "Hi \ufffd you"),
        (["Hi \ude00 you \ud83d"], "Hi \ufffd you \ufffd"),
    ],
)
def test_halves_of_a_letter_are_joined_or_replaced(pieces: Sequence[str], said: str) -> None:
    text = text_of(answered(*map(delta, pieces), STOP))
    assert text == said
    assert text.encode()


@pytest.mark.parametrize("nothing", ["", "null", "None"])
def test_a_call_without_arguments_has_an_empty_object(nothing: str) -> None:
    assert calls_of(answered(call(nothing, "add", index=0, id="x"), CALLS)) == [("add", "{}")]


def test_the_same_call_twice_on_purpose_is_two() -> None:
    twice = [call(ARGUMENTS, "add", index=at, id=str(at)) for at in range(2)]
    assert calls_of(answered(*twice, CALLS)) == 2 * [("add", ARGUMENTS)]


def test_of_two_calls_in_the_text_the_one_that_is_not_in_the_field_is_kept() -> None:
    text = "".join(
        f'<tool_call>{{"name": "add", "arguments": {arguments}}}</tool_call>'
        for arguments in (ARGUMENTS, '{"a": 3}')
    )
    events = answered(delta(text), call(ARGUMENTS, "add", index=0, id="c0"), CALLS)
    assert calls_of(events) == [("add", ARGUMENTS), ("add", '{"a": 3}')]
    assert len({event.id for event in events if isinstance(event, ToolCall)}) == 2


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("SAFETY", "content_filter"),
        ("end_turn", "stop"),
    ],
)
def test_reasons_of_other_houses_are_understood(reason: str, expected: str) -> None:
    finished = answered(delta(TEXT), delta(finish=reason))[-1]
    assert isinstance(finished, Finished)
    assert finished.reason == expected


def test_what_an_answer_cost_may_stand_beside_it() -> None:
    beside = {"choices": [], "x_groq": {"usage": {"prompt_tokens": 9, "completion_tokens": 8}}}
    finished = answered(delta(TEXT), beside, STOP)[-1]
    assert isinstance(finished, Finished)
    assert finished.usage.output_tokens == 8

"""What every language model must do: `stages.ports.LanguageModel` as checks."""

from collections.abc import Sequence
from contextlib import aclosing, suppress

from stageflow.context import Message
from stageflow.tools import Tool, ToolCall, ToolRegistry
from stages.errors import ProviderError
from stages.ports import (
    Finished,
    HasTools,
    LanguageModel,
    ModelCapabilities,
    ModelEvent,
    OneTool,
    TextDelta,
    Thought,
    ToolChoice,
)
from stages.testing.cancelling import (
    Stopwatch,
    cancel_at_every_wait,
    cancel_under_way,
    is_quick,
    twice_at_once,
)
from stages.testing.kit import Check

GREETING = (Message(role="user", content="Hello, what can you do for me?"),)
_ODD_CONVERSATIONS: Sequence[tuple[Message, ...]] = (
    (),
    (Message(role="user", content=""),),
    (Message(role="assistant", content="I spoke last."),),
    (Message(role="user", content="\u0000 \U0001f389 שלום 你好 " + "long " * 200),),
)
_HUGE_CHARS = 200_000


async def lookup(city: str) -> str:
    """The weather in a city."""
    return f"It rains in {city}."


_CLOSE_WITHIN_S = 0.25
"""So soon a stream that nobody reads any more is closed."""

_TOOL = Tool.of(lookup, effect="none")
_ASKING = (Message(role="user", content="What is the weather in Paris?"),)


async def check_language_model(model: LanguageModel) -> None:
    """A greeting must be answered in words, by a stream that ends with exactly one `Finished`.

    Raises AssertionError with the first fault; `stages.testing.kit` finds all of them, and more.
    """
    for check in model_checks():
        if check.name != "tools":  # which a model of one script cannot pass
            await check.run(model)


def model_checks() -> tuple[Check[LanguageModel], ...]:
    """All checks of a language model."""
    return (
        Check("answers", "a greeting, in words and with one `Finished` at the end", _answers),
        Check("at_once", "two conversations at once", _two_at_once),
        Check("cancel", "cancelled wherever it waits, it ends at once", _cancelled),
        Check("closing", "closed in the middle, it ends at once and gives nothing more", _closed),
        Check("odd", "no words, no messages, any script: an answer or a ProviderError", _odd),
        Check("huge", "a message of 200,000 characters: an answer or a ProviderError", _huge, may_hold=True),
        Check(
            "tools", "calls of tools, if it declares that it can: of tools there are, with arguments", _tools
        ),
        Check("no_tools", "no call where there are no tools or `tool_choice` is none", _no_tools),
    )


async def _answer(model: LanguageModel) -> str:
    return _text([event async for event in model.stream(GREETING)])


async def _answers(model: LanguageModel) -> None:
    assert (await _answer(model)).strip(), "a greeting was answered with nothing"


async def _two_at_once(model: LanguageModel) -> None:
    async def answer() -> str:
        return await _answer(model)

    assert all(text.strip() for text in await twice_at_once(answer)), "two at once: one got nothing"


async def _cancelled(model: LanguageModel) -> None:
    async def answer() -> None:
        async with aclosing(model.stream(GREETING)) as events:
            async for _ in events:
                pass

    await cancel_under_way(answer, "the stream")
    await cancel_at_every_wait(answer, "the stream")
    assert (await _answer(model)).strip(), "after a cancelled one, a greeting was answered with nothing"


async def _closed(model: LanguageModel) -> None:
    async def close() -> float:
        stream = model.stream(GREETING)
        await anext(stream)
        since = Stopwatch()
        await stream.aclose()
        took_s = since.took_s()
        assert await anext(stream, None) is None, "an event came after the stream was closed"
        return took_s

    await is_quick(close, _CLOSE_WITHIN_S, "closing the stream waited")


async def _odd(model: LanguageModel) -> None:
    for odd in _ODD_CONVERSATIONS:
        try:
            _text([event async for event in model.stream(odd, max_tokens=1)])
        except ProviderError:
            continue


async def _huge(model: LanguageModel) -> None:
    words = "word " * (_HUGE_CHARS // 5)
    with suppress(ProviderError):
        _text([event async for event in model.stream((Message(role="user", content=words),), max_tokens=1)])
    assert (await _answer(model)).strip(), "after a huge one, a greeting was answered with nothing"


async def _tools(model: LanguageModel) -> None:
    able = getattr(model, "capabilities", ModelCapabilities(tools=False))
    if not able.tools or isinstance(model, HasTools):  # which calls its own, and no others
        return
    for choice in ("required", OneTool(_TOOL.name)):
        events = await _asked(model, _ASKING, (_TOOL,), choice)
        calls = [event for event in events if isinstance(event, ToolCall)]
        assert calls, f"tool_choice={choice} was answered without a call"
        for call in calls:
            assert call.name == _TOOL.name, f"it called {call.name!r}, which there is not"
            result = await ToolRegistry([_TOOL]).execute(call)
            assert result.ok, f"its arguments are none of the tool's: {call.arguments!r}: {result.text}"
        assert len({call.id for call in calls}) == len(calls), "two calls have the same id"
        reason = next(event.reason for event in events if isinstance(event, Finished))
        assert reason == "tool_calls", f"after a call the reason is tool_calls, not {reason}"


async def _no_tools(model: LanguageModel) -> None:
    for tools, choice in (((), "auto"), ((_TOOL,), "none")):
        events = await _asked(model, _ASKING, tools, choice)  # type: ignore[arg-type]
        calls = [event for event in events if isinstance(event, ToolCall)]
        assert not calls, f"it called {calls[0].name!r} with {len(tools)} tools and tool_choice={choice}"


async def _asked(
    model: LanguageModel, messages: Sequence[Message], tools: Sequence[Tool], choice: ToolChoice
) -> list[ModelEvent]:
    events = [event async for event in model.stream(messages, tools=tools, tool_choice=choice)]
    _text(events)
    return events


def _text(events: Sequence[ModelEvent]) -> str:
    """The answer in these events."""
    finished = [at for at, event in enumerate(events) if isinstance(event, Finished)]
    assert finished == [len(events) - 1], (
        f"Finished came at {finished} of {len(events)} events, not once at the end"
    )
    given: Sequence[object] = events
    strange = [event for event in given if not isinstance(event, TextDelta | ToolCall | Thought | Finished)]
    assert not strange, f"{strange[0]!r} is no event of a model"
    usage = events[-1].usage if isinstance(events[-1], Finished) else None
    assert usage is None or min(usage.input_tokens, usage.output_tokens) >= 0, f"{usage} counts backwards"
    return "".join(event.text for event in events if isinstance(event, TextDelta))

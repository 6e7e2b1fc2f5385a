"""Tools: what a function becomes, and that whatever a model asks for ends in a result that it can read."""

from typing import Annotated, Any

import anyio
import pytest
from pydantic import Field

from stageflow import Tool, ToolCall, ToolDeclarationError, ToolRegistry
from stages.testing.virtual_time import virtual


async def add(a: int, b: Annotated[int, Field(ge=0)] = 1) -> int:
    """Add two numbers."""
    return a + b


async def wait() -> None:
    """Wait for long."""
    await anyio.sleep(1000)


async def breaks() -> None:
    """Break."""
    raise ValueError("no luck")


async def is_late_itself() -> None:
    """Wait for somebody who is late."""
    raise TimeoutError("the kitchen did not answer")


TOOLS = ToolRegistry((add, Tool.of(wait, effect="none", timeout_s=3), breaks, is_late_itself))


def test_a_typed_function_becomes_a_tool() -> None:
    tool = TOOLS.get("add")
    assert tool is not None
    assert (tool.name, tool.description, tool.effect) == ("add", "Add two numbers.", "irreversible")
    assert tool.parameters["required"] == ["a"]
    assert tool.parameters["additionalProperties"] is False


CALLS: dict[str, tuple[ToolCall, str | None, str]] = {
    "json": (ToolCall("1", "add", '{"a": 2, "b": 5}'), None, "7"),
    "a mapping": (ToolCall("1", "add", {"a": 2}), None, "3"),
    "a number in words": (ToolCall("1", "add", '{"a": "2"}'), None, "3"),
    "no number": (
        ToolCall("1", "add", '{"a": "x"}'),
        "bad_arguments",
        "add do not fit: a: Input should be a valid",
    ),
    "below the limit": (
        ToolCall("1", "add", '{"a": 1, "b": -1}'),
        "bad_arguments",
        "b: Input should be greater",
    ),
    "too little": (ToolCall("1", "add", ""), "bad_arguments", "a: Field required"),
    "too much": (
        ToolCall("1", "add", '{"a": 1, "c": 1}'),
        "bad_arguments",
        "c: Extra inputs are not permitted",
    ),
    "no json": (ToolCall("1", "add", '{"a"'), "bad_arguments", "not valid JSON"),
    "no object": (ToolCall("1", "add", "[1]"), "bad_arguments", "a JSON object is needed, not list"),
    "unknown": (ToolCall("1", "subtract"), "unknown_tool", "There are: add, breaks, is_late_itself, wait."),
    "an exception": (ToolCall("1", "breaks"), "exception", "breaks failed: ValueError: no luck"),
    "its own timeout": (
        ToolCall("1", "is_late_itself"),
        "exception",
        "TimeoutError: the kitchen did not answer",
    ),
    "our timeout": (ToolCall("1", "wait"), "timeout", "wait did not answer within 3 s."),
}
"""What a model asks for, and the kind of failure and a part of the text that it gets."""


@pytest.mark.parametrize(("call", "error", "text"), CALLS.values(), ids=CALLS)
def test_every_call_ends_in_a_result(call: ToolCall, error: str | None, text: str) -> None:
    @virtual
    async def run() -> None:
        result = await TOOLS.execute(call)
        assert (result.call_id, result.name, result.ok, result.error) == (
            "1",
            call.name,
            error is None,
            error,
        )
        assert text in result.text
        assert anyio.current_time() == (3 if error == "timeout" else 0)

    run()


@virtual
async def test_a_late_tool_that_changes_the_world_leaves_doubt() -> None:
    result = await ToolRegistry((Tool.of(wait, timeout_s=1),)).execute(ToolCall("1", "wait"))
    assert result.text.endswith("It may have taken effect all the same.")


@virtual
async def test_cancellation_is_no_result() -> None:
    with anyio.move_on_after(1) as scope:
        await TOOLS.execute(ToolCall("1", "wait"))
    assert scope.cancelled_caught


async def untyped(x) -> None:  # type: ignore[no-untyped-def]
    """Take anything."""


async def undescribed(x: int) -> None: ...


async def variadic(*x: int) -> None:
    """Take many."""


def synchronous() -> None:
    """Block."""


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (untyped, "tool 'untyped': parameter 'x' needs an annotation"),
        (undescribed, "tool 'undescribed' has no description: .* write a docstring"),
        (variadic, "tool 'variadic': parameter 'x' cannot be named by a model"),
        (synchronous, "tool 'synchronous' must be an `async def`; send blocking work"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_what_cannot_be_a_tool_is_told_why(function: Any, said: str) -> None:
    with pytest.raises(ToolDeclarationError, match=said):
        Tool.of(function)


def test_two_tools_of_one_name() -> None:
    with pytest.raises(ToolDeclarationError, match="given twice: add"):
        ToolRegistry((add, Tool.of(add)))

"""What every tool must do: it is told to models, called by them, and its result is read by them."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from stageflow.tools import Tool, ToolCall, ToolFunction, ToolRegistry, ToolResult
from stages.testing.cancelling import cancel_at_every_wait, twice_at_once
from stages.testing.kit import Check

HUGE_CHARS = 200_000
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What chat models take for the name of a tool."""
_NO_ARGUMENTS = ("not JSON", "[]", '"text"', '{"no such argument": 1}')


def tool_checks(
    calls: Mapping[str, Mapping[str, object]], secrets: Sequence[str] = ()
) -> tuple[Check[Sequence[Tool]], ...]:
    """All checks of some tools, with arguments by the tool's name with which a call goes well; no result may hold a
    secret."""
    checks = _Checks(calls, tuple(secrets))
    return (
        Check("told", "names and schemas that a model can be told, and what each is for", checks.told),
        Check("calls", "a call of each goes well, and says something", checks.called),
        Check("again", "another call of each goes well too, also at the same time", checks.again),
        Check("cancel", "cancelled wherever it waits, it ends at once", checks.cancelled),
        Check("wrong", "no arguments, others, no JSON: the model is told what is wrong", checks.wrong),
        Check("huge", f"texts of {HUGE_CHARS} characters: it comes to its end", checks.huge, may_hold=True),
    )


@dataclass(frozen=True)
class _Checks:
    calls: Mapping[str, Mapping[str, object]]
    secrets: tuple[str, ...]

    async def told(self, tools: Sequence[Tool]) -> None:
        assert tools, "there are no tools"
        twice = [name for name, count in Counter(tool.name for tool in tools).items() if count > 1]
        assert not twice, f"two tools are called {', '.join(twice)}"
        for tool in tools:
            assert _NAME.fullmatch(tool.name), (
                f"{tool.name!r} is no name: letters, digits, _ and -, 64 at most"
            )
            assert tool.description.strip(), f"{tool.name} does not say what it is for"
            schema = _plain(tool.parameters)
            try:
                json.dumps(schema)
            except (TypeError, ValueError) as error:
                raise AssertionError(f"{tool.name}: its schema is no JSON: {error}") from error
            assert schema.get("type") == "object", f"{tool.name}: its schema is not one of an object"
            unknown = set(schema.get("required", ())) - set(schema.get("properties", ()))
            assert not unknown, (
                f"{tool.name} requires {', '.join(sorted(unknown))}, which it does not describe"
            )

    async def called(self, tools: Sequence[Tool]) -> None:
        for tool in tools:
            self._went_well(await _call(tools, tool.name, self._of(tool)))

    async def again(self, tools: Sequence[Tool]) -> None:
        for tool in tools:
            self._went_well(await _call(tools, tool.name, self._of(tool)))
            for result in await twice_at_once(partial(_call, tools, tool.name, self._of(tool))):
                self._went_well(result)

    async def cancelled(self, tools: Sequence[Tool]) -> None:
        for tool in tools:
            call = partial(_call, tools, tool.name, self._of(tool))
            await cancel_at_every_wait(call, f"a call of {tool.name}")

    async def wrong(self, tools: Sequence[Tool]) -> None:
        for tool in tools:
            missing = "{}" if _plain(tool.parameters).get("required") else "not JSON"
            for arguments in (*_NO_ARGUMENTS, missing):
                result = await _call(tools, tool.name, arguments)
                self._look(result)
                told = f"{tool.name} was called with {arguments!r}, and the model is"
                assert not result.ok, f"{told} told that it went well: {result.text}"
                assert result.error == "bad_arguments", f"{told} not told that they are wrong: {result.text}"

    async def huge(self, tools: Sequence[Tool]) -> None:
        for tool in tools:
            arguments = {
                name: "word " * (HUGE_CHARS // 5) if isinstance(value, str) else value
                for name, value in self._of(tool).items()
            }
            result = await _call(tools, tool.name, arguments)
            self._look(result)
            assert result.error != "timeout", f"{tool.name}: {result.text}"

    def _of(self, tool: Tool) -> Mapping[str, object]:
        takes = _plain(tool.parameters).get("required")
        assert tool.name in self.calls or not takes, (
            f"{tool.name} takes {', '.join(takes or ())}: say in `calls` with what a call goes well"
        )
        return self.calls.get(tool.name, {})

    def _went_well(self, result: ToolResult) -> None:
        self._look(result)
        assert result.ok, f"a call of {result.name} fails: {result.text}"
        assert result.text.strip(), f"a call of {result.name} says nothing"
        assert " object at 0x" not in result.text, (
            f"{result.name} gives what no model can read: {result.text}"
        )

    def _look(self, result: ToolResult) -> None:
        shown = any(secret in result.text for secret in self.secrets if secret)
        assert not shown, f"what {result.name} says has a secret in it"


def made_tool(one: Tool | ToolFunction) -> Tool:
    """A function as the server makes a tool of it: as `@server.tool` marked it. Raises ToolDeclarationError."""
    made = one if isinstance(one, Tool) else getattr(one, "__tool__", None)
    return made if isinstance(made, Tool) else Tool.of(cast("ToolFunction", one))


async def _call(tools: Iterable[Tool], name: str, arguments: str | Mapping[str, object]) -> ToolResult:
    registry = ToolRegistry(tools)
    call = ToolCall("call_1", name, arguments)
    await registry.wait_ready(call)
    return await registry.execute(call)


def _plain(schema: Any) -> Any:
    """The same in the types that JSON has; read-only ones are no fault of the tool's."""
    if isinstance(schema, Mapping):
        return {key: _plain(value) for key, value in schema.items()}
    return [_plain(value) for value in schema] if isinstance(schema, tuple | list) else schema

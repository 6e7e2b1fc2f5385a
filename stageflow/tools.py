"""What an agent may call: `Tool`, declared from a typed function, and the `ToolRegistry` that runs one safely.

A tool call is a stranger's data: the model wrote it. So arguments are validated by pydantic against the function's
annotations, and whatever goes wrong becomes a `ToolResult` that the model can read; only cancellation is raised.
pydantic is imported when the first tool is declared, never with the package: pipelines without tools do not need it.
"""

import inspect
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, Self

import anyio

from stageflow.errors import StageUsageError, ToolDeclarationError
from stageflow.frozen import freeze_items

# What a tool does to the world: nothing, the same however often it runs, or something that cannot be undone.
Effect = Literal["none", "idempotent", "irreversible"]
ToolError = Literal["unknown_tool", "bad_arguments", "exception", "timeout", "limit"]  # "limit" is a turn's
ToolFunction = Callable[..., Awaitable[object]]
# Turns the model's arguments into the function's keywords; raises ValueError with a text for the model.
Validate = Callable[[Mapping[str, object]], Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What the model asks for. `arguments` is JSON text or a mapping, just as the model gave it."""

    id: str
    name: str
    arguments: str | Mapping[str, object] = "{}"

    def __post_init__(self) -> None:
        if not isinstance(self.arguments, str):
            frozen = freeze_items(self.arguments, StageUsageError, f"arguments of the call of {self.name!r}")
            object.__setattr__(self, "arguments", frozen)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """How a call went. `text` is for the model, whether it went well or not; `error` names the kind of failure."""

    call_id: str
    name: str
    ok: bool
    text: str
    error: ToolError | None = None

    @classmethod
    def failed(cls, call: ToolCall, error: ToolError, text: str) -> Self:
        return cls(call.id, call.name, False, text, error)


@dataclass(frozen=True, slots=True)
class Tool:
    """One callable of the agent's: `Tool.of` a function, or by hand, from a schema that somebody published."""

    name: str
    description: str
    parameters: Mapping[str, object]  # the JSON schema of its arguments, as models want it
    function: ToolFunction
    effect: Effect = "irreversible"  # unless it says otherwise: so nothing runs too early by oversight
    timeout_s: float = 10.0  # a person waits: ten seconds of silence is already a broken conversation
    validate: Validate | None = None  # without it, the function gets the arguments as they came
    before: Callable[[], Awaitable[object]] | None = None  # awaited before it runs; not counted as its time

    @classmethod
    def of(cls, function: ToolFunction, *, effect: Effect = effect, timeout_s: float = timeout_s) -> Self:
        """A tool from an async function with annotated parameters and a docstring. Raises ToolDeclarationError."""
        name = str(getattr(function, "__name__", type(function).__name__))
        if not inspect.iscoroutinefunction(function):
            remedy = "send blocking work through anyio.to_thread.run_sync"
            raise ToolDeclarationError(f"tool {name!r} must be an `async def`; {remedy}")
        if not (text := inspect.cleandoc(function.__doc__ or "")):
            lack = "has no description: the model decides by it"
            raise ToolDeclarationError(f"tool {name!r} {lack}; write a docstring")
        parameters, validate = _arguments_of(function, name)
        return cls(name, text, parameters, function, effect, timeout_s, validate)


def _arguments_of(function: ToolFunction, name: str) -> tuple[dict[str, object], Validate]:
    """The JSON schema of a function's parameters, and what validates arguments against it."""
    from pydantic import ConfigDict, TypeAdapter, ValidationError
    from typing_extensions import TypedDict

    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        here = f"tool {name!r}: parameter {parameter.name!r}"
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ToolDeclarationError(f"{here} cannot be named by a model; use plain parameters")
        if (hint := parameter.annotation) is parameter.empty:
            raise ToolDeclarationError(f"{here} needs an annotation")
        fields[parameter.name] = hint if parameter.default is parameter.empty else NotRequired[hint]
    make: Any = TypedDict  # a type made at run time, from the signature
    arguments_type = make(name, fields)
    arguments_type.__pydantic_config__ = ConfigDict(extra="forbid")
    adapter: TypeAdapter[dict[str, object]] = TypeAdapter(arguments_type)

    def validate(arguments: Mapping[str, object]) -> dict[str, object]:
        try:
            return adapter.validate_python(dict(arguments))
        except ValidationError as error:
            faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise ValueError("; ".join(faults)) from error

    return adapter.json_schema(), validate


class ToolRegistry:
    """The tools of an agent by name. Holds no state: whoever runs a turn keeps to `max_calls_per_turn`."""

    def __init__(self, tools: Iterable[Tool | ToolFunction] = (), max_calls_per_turn: int = 8) -> None:
        """Plain functions become tools as `Tool.of` makes them. Raises ToolDeclarationError."""
        self.tools = tuple(one if isinstance(one, Tool) else Tool.of(one) for one in tools)
        self.max_calls_per_turn = max_calls_per_turn
        names = Counter(tool.name for tool in self.tools)
        if twice := [name for name, count in names.items() if count > 1]:
            raise ToolDeclarationError(f"tools must have names of their own; given twice: {', '.join(twice)}")

    def get(self, name: str) -> Tool | None:
        return next((tool for tool in self.tools if tool.name == name), None)

    async def wait_ready(self, call: ToolCall) -> None:
        """Return when the tool may run, for whoever has a limit of their own on its time. Cancel-safe."""
        if (tool := self.get(call.name)) is not None and tool.before is not None:
            await tool.before()

    async def execute(self, call: ToolCall) -> ToolResult:
        """Run one call; whatever goes wrong is a result. Cancel-safe: cancels the tool; what that has done, is done."""
        tool = self.get(call.name)
        if tool is None:
            known = ", ".join(sorted(one.name for one in self.tools)) or "none"
            text = f"There is no tool {call.name!r}. There are: {known}."
            return ToolResult.failed(call, "unknown_tool", text)
        try:
            given = call.arguments
            arguments = json.loads(given or "{}") if isinstance(given, str) else given
            if not isinstance(arguments, Mapping):
                raise ValueError(f"a JSON object is needed, not {type(arguments).__name__}")
            keywords = arguments if tool.validate is None else tool.validate(arguments)
        except ValueError as error:
            why = f"not valid JSON ({error})" if isinstance(error, json.JSONDecodeError) else error
            text = f"The arguments of {call.name} do not fit: {why}."
            return ToolResult.failed(call, "bad_arguments", text)
        await self.wait_ready(call)
        try:
            with anyio.move_on_after(tool.timeout_s):
                value = await tool.function(**keywords)
                text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
                return ToolResult(call.id, call.name, True, text)
        except Exception as error:  # noqa: BLE001  # a tool is anybody's code; the model must hear of it and go on
            text = f"{call.name} failed: {type(error).__name__}: {error}"
            return ToolResult.failed(call, "exception", text)
        doubt = "" if tool.effect == "none" else " It may have taken effect all the same."
        text = f"{call.name} did not answer within {tool.timeout_s:g} s.{doubt}"
        return ToolResult.failed(call, "timeout", text)

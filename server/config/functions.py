"""Functions that an operator names or hands over: tools, and where they are called.

One that is not async is called in a thread, another on the event loop of its package: neither can hold all sessions.
"""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial, wraps
from typing import Any, TypeVar, overload

import anyio.to_thread

from stageflow.errors import ToolDeclarationError
from stageflow.tools import Effect, Tool
from stages.providers.registry import find_provider, known_names
from stages.runtime.plug_in_loops import apart as runs_there
from stages.runtime.plug_in_loops import contained, runs_apart

F = TypeVar("F", bound=Callable[..., object])


@overload
def tool(function: F) -> F: ...
@overload
def tool(*, effect: Effect = ..., timeout_s: float = ..., apart: bool = ...) -> Callable[[F], F]: ...
def tool(
    function: F | None = None,
    *,
    effect: Effect = "irreversible",
    timeout_s: float = 10.0,
    apart: bool = True,
) -> F | Callable[[F], F]:
    """Mark a function as a tool, and say what a call of it does to the world: `none`, `idempotent` or `irreversible`.
    The function stays what it is; one that is not async is called in a thread, another on an event loop beside that of
    all sessions, unless `apart` is False. A call fails after `timeout_s`, and in an answer after `AgentLimits.tool_s`
    (15 s) at the latest. Raises ToolDeclarationError."""

    def mark(marked: F) -> F:
        marked.apart = apart  # type: ignore[attr-defined]  # what `runs_apart` asks for
        marked.__tool__ = Tool.of(in_thread(marked), effect=effect, timeout_s=timeout_s)  # type: ignore[attr-defined]
        return marked

    return mark if function is None else mark(function)


def tools_of(one: Any) -> tuple[Tool, ...]:
    """One tool, or those of an installed package by its name."""
    is_package = isinstance(one, str) and one in known_names("tools")
    found = find_provider("tools", one).made_by().tools() if is_package else (as_tool(one),)
    return tuple(_off_our_loop(made) for made in found)


def _off_our_loop(made: Tool) -> Tool:
    """A plug-in's async tool on a loop of its own, as long as it does not say `apart = False`."""
    is_async = inspect.iscoroutinefunction(inspect.unwrap(made.function))
    if not is_async or not runs_apart(made.function):
        return made
    return replace(made, function=_apart(made.function))


_apart = cache(runs_there)
"""The same for the same function: by that it is known that two agents name one tool."""


def as_tool(one: Any) -> Tool:
    """A tool from what an operator wrote. Raises ValueError and ToolDeclarationError, which say what is wrong."""
    if isinstance(one, str):
        if ":" not in one:
            raise ValueError(
                f"there is no tool {one!r}; name one of the server's, a server of tools, or write `module:function`"
            )
        one = imported(one)
    if isinstance(one, Tool):
        return one
    marked = getattr(one, "__tool__", None)
    if isinstance(marked, Tool):
        return marked
    if not callable(one):
        raise ValueError(f"{one!r} is no function")
    try:
        return Tool.of(in_thread(one))
    except ToolDeclarationError:
        raise
    except Exception as error:  # whatever pydantic makes of annotations that are no types
        why = str(error).partition("\n")[0].partition(". ")[0]
        name = getattr(one, "__name__", one)
        raise ValueError(
            f"tool {name!r} cannot be told to a model ({why}): use str, int, float, bool, lists, dicts, enums or models"
        ) from error


@cache
def in_thread(function: Any) -> Any:
    """An async function as it is; another as one that calls it in a thread, where it may block. When that is cancelled
    the call goes on there, and nobody waits for it."""
    if inspect.iscoroutinefunction(function) or not inspect.isfunction(function):
        return function

    @wraps(function)
    async def call(*values: Any, **named: Any) -> Any:
        with contained():
            return await anyio.to_thread.run_sync(partial(function, *values, **named), abandon_on_cancel=True)

    return call


def imported(path: str) -> Any:
    """What `module:attribute` names. Raises ValueError, which says what is wrong."""
    module, _, attribute = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:
        raise ValueError(f"{path}: cannot import {module!r} ({error})") from error
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise ValueError(f"{path}: {module!r} has no {attribute!r}")
    return found

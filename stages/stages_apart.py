"""Runs stages of plug-ins on an event loop of their own (`stages.runtime.plug_in_loops`), with what they are given.

What a stage may use of the run belongs to the loop of all sessions: streams, `send_token` and the like, providers and
tools of its ports. It finds something in their place there that asks over here and awaits the answer. What it only
reads comes as it is, and so does what an operator has put into `db` and `extra`.
"""

import asyncio
import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import fields, replace
from enum import Enum, auto
from functools import partial
from typing import Any, Self, cast

from stageflow.core import StageContext
from stageflow.errors import StageUsageError
from stageflow.events import show
from stageflow.pipeline import Pipeline
from stageflow.stages.ports import StagePorts
from stageflow.streams import Channel, StreamWriter
from stageflow.tools import Tool
from stages.runtime.arrivals import Arrivals
from stages.runtime.loop_line import LoopLine
from stages.runtime.plug_in_loops import loop_of, runs_apart

_KEEPS_OPEN = frozenset({"open", "open_turns", "session", "utterance", "session_tools"})
"""What of a provider gives something that lives on the loop of all sessions."""


def stages_apart(pipeline: Pipeline) -> Pipeline:
    """The pipeline with the stages of plug-ins on loops of their own, as far as they have not said `apart = False`.

    What derives from a stage of ours, or holds one, stays: it has providers that live on the loop of all sessions."""
    return Pipeline(
        tuple(
            replace(spec, stage=_apart(spec.stage)) if _may_leave(spec.stage) else spec
            for spec in pipeline.stages
        )
    )


def _may_leave(stage: Any) -> bool:
    execute = inspect.unwrap(getattr(stage, "execute", stage))
    if not runs_apart(stage) or not inspect.iscoroutinefunction(execute):
        return False
    bases = (stage if isinstance(stage, type) else type(stage)).__mro__
    held = vars(stage).values() if hasattr(stage, "__dict__") else ()
    return not any(_is_our_stage(one) for one in (*bases, *map(type, held)))


def _is_our_stage(one: type) -> bool:
    return one.__module__.partition(".")[0] == "stages" and hasattr(one, "execute")


def _apart(stage: Any) -> Any:
    """The same kind of stage: a class, an object with `execute`, or a function."""
    if isinstance(stage, type):
        execute = _there(stage, cast("Any", stage).execute)
        return type(stage)(stage.__name__, (stage,), {"execute": execute, "__module__": stage.__module__})
    return _StageApart(stage) if hasattr(stage, "execute") else _there(stage, stage)


class _StageApart:
    """A stage that all runs share."""

    def __init__(self, stage: Any) -> None:
        self._stage = stage
        self.__name__ = type(stage).__name__
        self.execute = _there(stage, stage.execute)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_stage":
            raise AttributeError(name)
        return getattr(self._stage, name)


def _there(stage: Any, execute: Callable[..., Any]) -> Callable[..., Any]:
    """The stage's function, or its method, on its loop; the context is its last argument."""

    @functools.wraps(execute)
    async def call(*given: Any) -> Any:
        if (loop := loop_of(stage)) is None:
            return await execute(*given)
        here = LoopLine(asyncio.get_running_loop())
        readings = {name: _Reading(one, here) for name, one in given[-1].inputs.streams.items()}
        try:
            return await loop.of(execute(*given[:-1], _from_there(given[-1], here, readings)))
        finally:
            for reading in readings.values():
                reading.leave()

    return call


def _from_there(ctx: StageContext, here: LoopLine, readings: Mapping[str, "_Reading"]) -> StageContext:
    """A stage's context for use on another loop."""
    streams = {name: cast("Channel", one) for name, one in readings.items()}
    inputs = replace(ctx.inputs, ports=_ports(ctx.ports, here), streams=streams)
    config = dict(ctx.config)
    if (sink := config.get("event_sink")) is not None:
        config["event_sink"] = _Sink(sink, here)
    stream = cast("StreamWriter", _Sending(ctx.stream, here))
    return replace(ctx, inputs=inputs, stream=stream, config=config)


def _ports(ports: StagePorts, here: LoopLine) -> StagePorts:
    def over(part: Any) -> Any:
        given = {field.name: getattr(part, field.name) for field in fields(part) if field.name != "db"}
        return replace(part, **{name: _over(name, one, here) for name, one in given.items()})

    return replace(ports, core=over(ports.core), llm=over(ports.llm), audio=over(ports.audio))


def _over(name: str, port: Any, here: LoopLine) -> Any:
    """A port for use on another loop: a function that sends, or a service."""
    if port is None or isinstance(port, str | int | float | bool):
        return port
    if inspect.isroutine(port) or isinstance(port, partial):
        return _function(name, port, here)
    return _Service(name, port, here)


def _function(name: str, function: Any, here: LoopLine) -> Any:
    """A function of ours that may be called there: async, or one that gives an async iterator."""
    called = name.rpartition(".")[2]
    if called in _KEEPS_OPEN and called != name:
        raise StageUsageError(
            f"{name} cannot be used by a stage that runs on an event loop of its own: give the stage `apart = False`"
        )

    def call(*values: Any, **named: Any) -> Any:
        if inspect.isasyncgenfunction(function):
            return here.stream(partial(function, *values, **named))
        made = function(*values, **named)
        if inspect.isasyncgen(made):
            return here.stream(lambda: cast("AsyncGenerator[Any, None]", made))
        return here.of(made) if inspect.iscoroutine(made) else _tools_over(made, here)

    return call


def _tools_over(value: Any, here: LoopLine) -> Any:
    """Tools of ours, for an agent that puts them into a registry of its own, or calls them itself."""
    if isinstance(value, tuple):
        return tuple(_tools_over(one, here) for one in value)
    if not isinstance(value, Tool):
        return value
    before = value.before and _function(value.name, value.before, here)
    return replace(value, function=_function(value.name, value.function, here), before=before)


class _Service:
    """A provider or the tools of a port."""

    def __init__(self, name: str, service: Any, here: LoopLine) -> None:
        self._name, self._service, self._here = name, service, here

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self._service, name)
        if inspect.isroutine(found):
            return _function(f"{self._name}.{name}", found, self._here)
        return _tools_over(found, self._here)


class _Sink:
    """Where events of the stage are shown."""

    def __init__(self, sink: Any, here: LoopLine) -> None:
        self._sink, self._here = sink, here

    def emit(self, event: object) -> None:
        """Show it, after those before it and before the stage's end."""
        self._here.soon(show, self._sink, event)


class _End(Enum):
    """How a stage has come to the end of a stream that it reads, if it has."""

    NONE = auto()
    READ = auto()
    LEFT = auto()


class _Reading:
    """A stream that the stage reads; stands in for its `Channel`, and is as cancel-safe."""

    def __init__(self, channel: Channel, here: LoopLine) -> None:
        self._channel, self._here = channel, here
        self._arrivals: Arrivals[Any] | None = None
        self._end = _End.NONE

    @property
    def state(self) -> str:
        """Where the stream stands for who reads it: some of it may be on its way still."""
        state = self._channel.state
        return "closed" if state == "exhausted" and self._end is not _End.READ else state

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if self._end is _End.LEFT:  # by a task that the stage has left behind
            raise StopAsyncIteration
        if self._arrivals is None:
            self._arrivals = self._here.arrivals(partial(_items, self._channel))
        try:
            return await anext(self._arrivals)
        except StopAsyncIteration:
            self._end = _End.READ
            raise

    def leave(self) -> None:
        """The stage reads no more of it."""
        if self._end is _End.NONE:
            self._end = _End.LEFT
        if self._arrivals is not None:
            self._arrivals.leave()


async def _items(channel: Channel) -> Any:
    async for item in channel:
        yield item


class _Sending:
    """The stream that the stage sends; stands in for its `StreamWriter`."""

    def __init__(self, stream: StreamWriter, here: LoopLine) -> None:
        self._stream, self._here = stream, here

    @property
    def wanted(self) -> bool:
        """Whether anybody reads it."""
        return self._stream.wanted

    @property
    def sent(self) -> int:
        """Items so far."""
        return self._stream.sent

    async def send(self, item: Any) -> None:
        """Give every consumer the item, when the slowest has room."""
        await self._here.of(self._stream.send(item))

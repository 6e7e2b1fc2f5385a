"""Tools that run in this process, seen through a session's door: a replay runs none of them."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from server.journal.door import Door
from server.journal.seams import DoorModel
from stageflow.tools import Tool, ToolRegistry
from stages.ports import HasTools, LanguageModel, Remind


def door_tools(door: Door, key: str, look: Callable[[], Sequence[Tool]]) -> tuple[Tool, ...]:
    """The tools that there are now, as the record describes them."""
    live: Sequence[Tool] = look() if door.notes.is_live else ()
    described = door.notes.read(f"tools.{key}", lambda: [_described(tool) for tool in live])
    return tuple(_DoorTool(door, live[n] if live else None).tool(*one) for n, one in enumerate(described))


def _described(tool: Tool) -> list[Any]:
    parameters = json.loads(json.dumps(tool.parameters, default=dict))
    return [tool.name, tool.description, parameters, tool.effect, tool.timeout_s, tool.before is not None]


class _DoorTool:
    def __init__(self, door: Door, live: Tool | None) -> None:
        self._door = door
        self._live: Any = live

    def tool(
        self, name: str, description: str, parameters: Any, effect: Any, timeout_s: float, waits: bool
    ) -> Tool:
        """The tool as the session has it."""
        run = partial(self._call, name)
        before = partial(self._door.call, f"tool {name}: ready", self._ready) if waits else None
        return Tool(name, description, parameters, run, effect, timeout_s, self._validate, before)

    async def _call(self, name: str, **arguments: Any) -> object:
        return await self._door.call(f"tool {name}", partial(self._run, arguments))

    async def _run(self, arguments: Mapping[str, Any]) -> str:
        """As text, which is what becomes of it: a record holds no objects of others."""
        value = await self._live.function(**arguments)
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)

    async def _ready(self) -> None:
        await self._live.before()

    def _validate(self, arguments: Mapping[str, object]) -> Mapping[str, object]:
        return self._door.notes.live(lambda: self._valid(arguments)) or {}

    def _valid(self, arguments: Mapping[str, object]) -> Mapping[str, object]:
        if self._live is None or self._live.validate is None:
            return arguments
        valid: Mapping[str, object] = self._live.validate(arguments)
        return valid


class DoorModelWithTools(DoorModel):
    """A model that brings tools of its own. Implements `HasTools`."""

    def __init__(self, door: Door, model: LanguageModel | None) -> None:
        super().__init__(door, model)
        self.confirmed_tools: tuple[str, ...] = door.notes.read(
            "model.confirmed_tools", lambda: tuple(sorted(getattr(model, "confirmed_tools", ())))
        )

    def session_tools(self, remind: Remind, owner: str) -> ToolRegistry:
        through = self._door.notes.reminder(remind)
        return ToolRegistry(
            door_tools(self._door, "model", lambda: self._model.session_tools(through, owner).tools)
        )


def door_model(door: Door, model: LanguageModel | None) -> DoorModel:
    """The model as what it is: one with tools of its own, or without."""
    has_tools = door.notes.read("model.has_tools", lambda: isinstance(model, HasTools))
    return DoorModelWithTools(door, model) if has_tools else DoorModel(door, model)

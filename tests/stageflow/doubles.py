"""Stages for tests: a function as a stage, and a few that misbehave."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from stageflow import StageContext, StageKind, StageOutput

Returned = StageOutput | dict[str, Any] | None


class Do:
    """A stage that does what a function says."""

    def __init__(
        self,
        act: Callable[[StageContext], Awaitable[Returned]] | None = None,
        kind: StageKind = StageKind.TRANSFORM,
        name: str = "stage",
    ) -> None:
        self.name = name
        self.kind = kind
        self._act = act

    async def execute(self, ctx: StageContext) -> Returned:
        return None if self._act is None else await self._act(ctx)


def gives(kind: StageKind = StageKind.TRANSFORM, /, after_s: float = 0.0, **data: Any) -> Do:
    """A stage that waits and gives this data."""

    async def act(ctx: StageContext) -> Returned:
        if after_s:
            await anyio.sleep(after_s)
        return StageOutput.ok(data)

    return Do(act, kind)


def returns(output: Returned, after_s: float = 0.0, kind: StageKind = StageKind.TRANSFORM) -> Do:
    """A stage that waits and returns this."""

    async def act(ctx: StageContext) -> Returned:
        if after_s:
            await anyio.sleep(after_s)
        return output

    return Do(act, kind)


def raises(error: BaseException, after_s: float = 0.0) -> Do:
    """A stage that waits and raises this."""

    async def act(ctx: StageContext) -> Returned:
        if after_s:
            await anyio.sleep(after_s)
        raise error

    return Do(act)


def sends(*items: Any, every_s: float = 0.0, then: Returned = None) -> Do:
    """A stage that sends items into its stream, and then returns."""

    async def act(ctx: StageContext) -> Returned:
        for item in items:
            if every_s:
                await anyio.sleep(every_s)
            await ctx.stream.send(item)
        return then

    return Do(act, StageKind.AGENT)


def collects(producer: str, every_s: float = 0.0) -> Do:
    """A stage that reads a stream and gives all items, with the moments at which they came."""

    async def act(ctx: StageContext) -> Returned:
        items, moments = [], []
        async for item in ctx.inputs.stream(producer):
            items.append(item)
            moments.append(anyio.current_time())
            if every_s:
                await anyio.sleep(every_s)
        return StageOutput.ok(items=items, moments=moments)

    return Do(act)


class Log(list[str]):
    """What happened, in order; `waits` is a stage that notes its end, however it ends."""

    def waits(self, name: str, seconds: float = 1000.0, cleanup_s: float = 0.0) -> Do:
        """A stage that waits; if cancelled, it takes `cleanup_s`, shielded, to end."""

        async def act(ctx: StageContext) -> Returned:
            try:
                await anyio.sleep(seconds)
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(cleanup_s)
                self.append(f"{name} cancelled")
                raise
            self.append(f"{name} done")
            return None

        return Do(act)

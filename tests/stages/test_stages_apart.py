"""Plug-ins run beside the loop of all sessions: it goes round while they block, and they find what they would find on
it."""

import asyncio
import functools
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from server.config.agents import Composition, assemble
from server.config.functions import tool
from server.telemetry.loop_watch import LoopWatch
from server.telemetry.task_watch import FAREWELL_S, TaskWatch
from stageflow import Pipeline, RetryPolicy, StageContext, StageKind, StageOutput
from stageflow.context import ContextSnapshot
from stageflow.errors import StageFailed
from stageflow.stages.ports import AudioPorts, CorePorts, LLMPorts, StagePorts
from stageflow.testing import CollectingEventSink
from stageflow.tools import Tool, ToolCall, ToolRegistry
from stages.ports import ModelCapabilities
from stages.providers.apart import ModelApart
from stages.providers.configured import configure
from stages.providers.registry import provider_of
from stages.router import Route, RouterStage
from stages.runtime.plug_in_loops import loops_apart, path_of, plug_ins_apart, runs_apart
from stages.stages_apart import stages_apart
from stages.testing.fakes import EchoModel, ScriptedModel, ScriptedRecogniser

TURNS = 20
"""So often our loop goes round while a plug-in holds its own."""


class Hold:
    """Holds the thread that is in it until it is let go."""

    def __init__(self) -> None:
        self.is_in, self.is_free = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.is_in.set()
        return "let go" if self.is_free.wait(30) else "held everybody"

    async def let_go_after_turns(self) -> None:
        await anyio.to_thread.run_sync(self.is_in.wait)
        for _ in range(TURNS):  # which our loop can do only if it is not held
            await anyio.lowlevel.checkpoint()
        self.is_free.set()


@asynccontextmanager
async def letting_go() -> AsyncIterator[Hold]:
    hold = Hold()
    async with plug_ins_apart(), anyio.create_task_group() as tasks:
        tasks.start_soon(hold.let_go_after_turns)
        yield hold
        tasks.cancel_scope.cancel()
    assert not loops_apart()


async def test_a_tool_that_blocks_holds_nobody() -> None:
    async with letting_go() as hold:

        async def look_up(day: str) -> str:
            """Look it up."""
            return f"{day}: {hold()}"

        crew, faults = assemble(Composition(tools=(look_up,)))
        result = await ToolRegistry(crew.tools).execute(ToolCall("1", "look_up", {"day": "today"}))
    assert (faults, result.text) == ((), "today: let go")


@pytest.mark.parametrize("form", ["function", "class", "object"])
async def test_a_stage_that_blocks_holds_nobody(form: str) -> None:
    async with letting_go() as hold:

        async def function(ctx: StageContext) -> StageOutput:
            return StageOutput.ok(did=hold())

        class Holding:
            kind = StageKind.ENRICH

            async def execute(self, ctx: StageContext) -> StageOutput:
                return await function(ctx)

        stage: Any = {"function": function, "class": Holding, "object": Holding()}[form]
        graph = stages_apart(Pipeline().with_stage("holding", stage)).build()
        results = await graph.run(ContextSnapshot())
    assert results.data("holding") == {"did": "let go"}


class Filter:
    """Uses all that a stage has of a run."""

    kind = StageKind.TRANSFORM

    async def execute(self, ctx: StageContext) -> StageOutput:
        ctx.emit_event("began", {"of": ctx.snapshot.input_text})
        ctx.add_artifact("chart", {"bars": 3})
        async for word in ctx.inputs.stream("words"):
            await ctx.stream.send(word.upper())
        await ctx.ports.send_status("filter", "completed", {})
        said = [event async for event in ctx.ports.llm_provider.stream(ctx.snapshot.messages)]
        looked = await ctx.ports.tool_registry.execute(ToolCall("1", "nothing"))
        return StageOutput.ok(
            all=ctx.inputs.get_from("words", "count"), said=len(said), looked=looked.error, db=ctx.ports.db
        )


async def words(ctx: StageContext) -> StageOutput:
    for number in range(30):
        await ctx.stream.send(f"word{number} ")
    return StageOutput.ok(count=30)


async def seen(filtering: Any) -> tuple[Any, ...]:
    """All that can be seen of a run with it."""
    got, told, threads = list[str](), list[Any](), set[int]()

    async def read(ctx: StageContext) -> StageOutput:
        async for word in ctx.inputs.stream("filter"):
            got.append(word)
        return StageOutput.ok()

    async def send_status(*status: Any) -> None:
        threads.add(threading.get_ident())
        told.append(status)

    pipeline = (
        Pipeline()
        .with_stage("words", words)
        .with_stage("filter", filtering, streams=("words",))
        .with_stage("read", read, streams=("filter",))
    )
    ports = StagePorts(
        core=CorePorts(db="theirs", send_status=send_status),
        llm=LLMPorts(llm_provider=ScriptedModel("So it is."), tool_registry=ToolRegistry()),
    )
    sink = CollectingEventSink()
    results = (
        await stages_apart(pipeline)
        .build()
        .run(ContextSnapshot(input_text="x"), ports=ports, event_sink=sink)
    )
    output = results["filter"]
    events = [event.type for event in sink.events if event.type == "began"]
    assert threads == {threading.get_ident()}
    return (
        got,
        told,
        results.data("filter"),
        events,
        output.artifacts,
        [event.type for event in output.events],
    )


async def test_a_stage_finds_apart_what_it_finds_here() -> None:
    class Here(Filter):
        apart = False

    here = await seen(Here())
    async with plug_ins_apart():
        assert await seen(Filter()) == here
        assert [loop.name for loop in loops_apart()] == ["tests"]
    assert here[0] == [f"WORD{number} " for number in range(30)]
    assert here[2] == {"all": 30, "said": 4, "looked": "unknown_tool", "db": "theirs"}


async def heard_by(reading: Any) -> list[Any]:
    """What a stage reads of one that sends a word when it is asked for."""
    asked = asyncio.Event()

    async def slow(ctx: StageContext) -> StageOutput:
        for word in ("one", "two"):
            await asked.wait()
            asked.clear()
            await ctx.stream.send(word)
        return StageOutput.ok()

    async def send_token(_: str) -> None:
        asked.set()

    slow.apart = False  # type: ignore[attr-defined]
    pipeline = Pipeline().with_stage("slow", slow)
    pipeline = pipeline.with_stage("reading", reading, streams=("slow",), retry=RetryPolicy(max_attempts=2))
    graph = stages_apart(pipeline).build()
    results = await graph.run(ContextSnapshot(), ports=LLMPorts(send_token=send_token))
    return list(results.data("reading")["heard"])


@pytest.mark.parametrize("is_apart", [True, False])
async def test_a_stage_that_waits_no_longer_for_an_item_gets_it_next_time(is_apart: bool) -> None:
    async def reading(ctx: StageContext) -> StageOutput:
        words, heard = ctx.inputs.stream("slow"), list[str]()
        with anyio.move_on_after(0.01):  # nobody has asked for a word: it waits for good
            heard.append(await anext(words))
        await ctx.ports.send_token("")
        heard.append(await anext(words))
        assert not ctx.inputs.has_output("slow")  # its stream has not been read to the end
        await ctx.ports.send_token("")
        heard += [word async for word in words]
        assert ctx.inputs.has_output("slow")
        return StageOutput.ok(heard=heard)

    reading.apart = is_apart  # type: ignore[attr-defined]
    async with plug_ins_apart():
        assert await heard_by(reading) == ["one", "two"]


async def test_a_second_attempt_gets_what_the_first_waited_for() -> None:
    attempts = list[int]()

    async def reading(ctx: StageContext) -> StageOutput:
        attempts.append(1)
        words, heard = ctx.inputs.stream("slow"), list[str]()
        if len(attempts) == 1:
            with anyio.move_on_after(0.01):
                await anext(words)
            return StageOutput.retry("it took too long", after_s=0.0)
        for _ in range(2):
            await ctx.ports.send_token("")
            heard.append(await anext(words))
        return StageOutput.ok(heard=heard)

    async with plug_ins_apart():
        assert await heard_by(reading) == ["one", "two"]


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_plug_in_that_exits_costs_its_call(is_async: bool) -> None:
    async def leave() -> str:
        """Leave."""
        raise SystemExit(3)

    def leave_in_a_thread() -> str:
        """Leave."""
        raise SystemExit(3)

    async def stay() -> str:
        """Stay."""
        return "still here"

    async with plug_ins_apart():
        crew, _ = assemble(Composition(tools=(leave if is_async else leave_in_a_thread, stay)))
        registry = ToolRegistry(crew.tools)
        left = await registry.execute(ToolCall("1", crew.tools[0].name))
        stayed = await registry.execute(ToolCall("2", "stay"))
    assert left.error == "exception"
    assert "would have ended the process: SystemExit(3)" in left.text
    assert stayed.text == "still here"


async def test_who_uses_what_another_loop_has_made_is_told_what_to_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pool = asyncio.Semaphore(0)
    with anyio.move_on_after(0.01):
        await pool.acquire()  # so it is bound to this loop

    async def query() -> str:
        """Query."""
        await pool.acquire()
        return ""

    async with plug_ins_apart():
        crew, _ = assemble(Composition(tools=(query,)))
        result = await ToolRegistry(crew.tools).execute(ToolCall("1", "query"))
    assert result.error == "exception"
    assert "tests uses what was made on another event loop" in caplog.text
    assert "`apart = False`" in caplog.text


async def test_what_lives_on_our_loop_is_refused_there() -> None:
    async def opens(ctx: StageContext) -> StageOutput:
        ctx.ports.stt_provider.open()
        return StageOutput.ok()

    graph = stages_apart(Pipeline().with_stage("opens", opens)).build()
    async with plug_ins_apart():
        with pytest.raises(StageFailed, match=r"stt_provider\.open cannot be used .* `apart = False`"):
            await graph.run(ContextSnapshot(), ports=AudioPorts(stt_provider=ScriptedRecogniser("a")))


@pytest.mark.parametrize("way", ["by itself", "own registry"])
async def test_an_agent_apart_runs_tools_where_they_belong(way: str) -> None:
    opened, threads = asyncio.Event(), set[int]()

    async def book() -> str:
        """Book a table."""
        threads.add(threading.get_ident())
        return "booked"

    async def agent(ctx: StageContext) -> StageOutput:
        registry = ctx.ports.tool_registry
        await ctx.ports.send_token("")  # lets the tool run, later
        if way == "by itself":
            tool = registry.get("book")
            await tool.before()
            return StageOutput.ok(said=await tool.function())
        result = await ToolRegistry(registry.tools).execute(ToolCall("1", "book"))
        return StageOutput.ok(said=result.text)

    async def send_token(_: str) -> None:
        asyncio.get_running_loop().call_later(0.01, opened.set)

    tools = ToolRegistry((replace(Tool.of(book), before=opened.wait),))
    graph = stages_apart(Pipeline().with_stage("agent", agent)).build()
    async with plug_ins_apart():
        results = await graph.run(
            ContextSnapshot(), ports=LLMPorts(send_token=send_token, tool_registry=tools)
        )
    assert results.data("agent") == {"said": "booked"}
    assert threads == {threading.get_ident()}


async def test_who_is_cancelled_does_not_wait() -> None:
    hold = Hold()

    async def holding(ctx: StageContext) -> StageOutput:
        return StageOutput.ok(did=hold())

    graph = stages_apart(Pipeline().with_stage("holding", holding)).build()
    async with plug_ins_apart():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(graph.run, ContextSnapshot())
            await anyio.to_thread.run_sync(hold.is_in.wait)
            tasks.cancel_scope.cancel()
        assert not hold.is_free.is_set()
        hold.is_free.set()


def test_what_stays_on_our_loop() -> None:
    class Ours(RouterStage):
        pass

    class Around:
        kind = StageKind.ROUTE

        def __init__(self) -> None:
            self.inner = RouterStage((Route("a"),), "a")

        async def execute(self, ctx: StageContext) -> StageOutput:
            return await self.inner.execute(ctx)

    @tool(apart=False)
    async def here() -> str:
        """Stay."""
        return ""

    pipeline = (
        Pipeline()
        .with_stage("a", Ours((Route("a"),), "a"))
        .with_stage("b", Around())
        .with_stage("c", RouterStage((Route("a"),), "a"))
    )
    assert stages_apart(pipeline) == pipeline

    async def inner() -> None: ...

    @functools.wraps(inner)
    async def around() -> None: ...

    around.apart = False  # type: ignore[attr-defined]
    assert not runs_apart(here)
    assert not runs_apart(around)
    assert not runs_apart(ScriptedModel)


class Model:
    """A plug-in's model, which says nothing of where it runs."""

    interface = 1
    capabilities = ModelCapabilities(tools=False)

    async def stream(self, messages: Any, **options: Any) -> AsyncGenerator[Any, None]:
        for _ in ():
            yield


class Here(Model):
    apart = False


class Keeping(Model):
    def session(self) -> Any: ...


class KeepingAlone:
    """Gives nothing but what is for one session."""

    interface = 1
    capabilities = ModelCapabilities(tools=False)

    def session(self) -> Any: ...


class OfTurns(Model):
    def __init__(self) -> None:
        self.turns = None


@pytest.mark.parametrize(
    ("made_by", "is_apart"),
    [
        (Model, True),
        (Here, False),
        (Keeping, True),
        (KeepingAlone, False),
        (OfTurns, False),
        (EchoModel, False),
    ],
)
async def test_a_provider_runs_apart_if_it_is_a_plug_ins_and_can(made_by: type, is_apart: bool) -> None:
    configured, _ = configure(provider_of("llm", made_by), {}, {})
    assert configured is not None
    made = configured.make()
    assert isinstance(made, ModelApart) is is_apart
    assert path_of(made) == f"{made_by.__module__}.{made_by.__qualname__}"
    if is_apart:
        await made.close()


async def test_who_holds_a_loop_of_its_own_is_named(caplog: pytest.LogCaptureFixture) -> None:
    hold = Hold()

    async def holding() -> str:
        """Hold."""
        return hold()

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            hold.is_free.set()

    ear, logger = Ear(), logging.getLogger("server.telemetry.loop_watch")
    logger.addHandler(ear)
    try:
        async with plug_ins_apart(), anyio.create_task_group() as tasks:
            tasks.start_soon(LoopWatch().watch)
            crew, _ = assemble(Composition(tools=(holding,)))
            assert await crew.tools[0].function() == "let go"
            tasks.cancel_scope.cancel()
    finally:
        logger.removeHandler(ear)
    (line,) = [record.getMessage() for record in caplog.records if record.name == logger.name]
    assert line.startswith(
        "the event loop of tests has been held for 120 ms or more, and its callers with it: "
    )
    assert "test_stages_apart" in line


async def test_who_leaves_a_task_there_is_named(caplog: pytest.LogCaptureFixture) -> None:
    left = list[Any]()

    async def leaving() -> str:
        """Leave a task behind."""
        left.append(asyncio.create_task(asyncio.sleep(3600)))  # noqa: TID251  # what a plug-in should not do
        return "left"

    watch = TaskWatch()
    async with plug_ins_apart():
        with watch.watching(), watch.session():
            crew, _ = assemble(Composition(tools=(leaving,)))
            assert await crew.tools[0].function() == "left"
        await anyio.sleep(FAREWELL_S + 0.1)
    assert "a task outlives its session" in caplog.text
    assert "leaving" in caplog.text
    assert left[0].cancelled()

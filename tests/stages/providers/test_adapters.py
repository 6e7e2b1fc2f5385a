"""What is asked of every adapter that speaks to a service: a barge-in goes out at once, and sessions leave nothing."""

from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from stageflow.context import ContextSnapshot
from stageflow.core import StageContext, StageKind, StageOutput
from stageflow.pipeline import Pipeline, PipelineGraph
from stages.ports import HasSessions
from stages.providers.openai.http import Server, authorities
from stages.testing.servers.serving import serving
from stages.tts import TtsStage
from tests.support.adapter_turns import provider_of, session
from tests.support.adapters import ADAPTERS, Adapter
from tests.support.hosted import barge_in
from tests.support.listener import Listener
from tests.support.patience import PATIENCE_S

each = pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: f"{adapter.kind} {adapter.name}")
each_voice = pytest.mark.parametrize(
    "adapter",
    [one for one in ADAPTERS if one.kind == "tts" and one.serve is serving],
    ids=lambda adapter: adapter.name,
)


@each_voice
async def test_a_barge_in_reaches_the_service_in_a_few_turns_of_the_loop(adapter: Adapter) -> None:
    async with serving(adapter.fake()) as server, adapter.make(server.url).session() as voice:
        assert await barge_in(voice, server, lambda frame: True) < 20


@each_voice
async def test_a_run_that_is_cancelled_tells_the_service_in_a_few_turns_of_the_loop(adapter: Adapter) -> None:
    writer, listener, scope = Endless(), Listener(), anyio.CancelScope()
    async with serving(adapter.fake()) as server, adapter.make(server.url).session() as voice:
        graph = Pipeline().with_stage("agent", writer)
        graph = graph.with_stage("tts", TtsStage(voice), streams=("agent",))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_in, scope, graph.build(), listener)
            await listener.heard.wait()
            before, turns = len(server.sent()), 0
            scope.cancel()  # as the floor does, with nothing in between
            while len(server.sent()) == before and turns < 1000:
                await anyio.lowlevel.checkpoint()
                turns += 1
    assert turns <= 8


class Endless:
    """Stands in for an agent that has begun to write."""

    name = "agent"
    kind = StageKind.AGENT

    async def execute(self, ctx: StageContext) -> StageOutput:
        await ctx.stream.send("A long sentence that is cut short. " * 5)
        await anyio.sleep_forever()
        return StageOutput.ok()


async def run_in(scope: anyio.CancelScope, graph: PipelineGraph, listener: Listener) -> None:
    with scope:
        await graph.run(ContextSnapshot(), ports=listener.ports())


@each
async def test_sessions_that_come_and_go_leave_no_connection(adapter: Adapter) -> None:
    async with adapter.serve(adapter.fake()) as server:
        url = getattr(server, "uri", "") or server.url
        async with provider_of(adapter, url) as provider:
            assert isinstance(provider, HasSessions) or adapter.serve is not serving
            for takes_turn in (True, True, False):
                async with AsyncExitStack() as stack:
                    some = [await stack.enter_async_context(session(adapter, provider)) for _ in range(4)]
                    async with anyio.create_task_group() as turns:
                        for turn in some if takes_turn else ():
                            turns.start_soon(turn)
                        await anyio.lowlevel.checkpoint()
        with anyio.fail_after(PATIENCE_S):
            await server.left_alone()


def test_clients_of_many_servers_read_the_authorities_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Server("first", base_url="https://127.0.0.1/v1")
    read = authorities()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "no-such-file.pem"))
    Server("second", base_url="https://127.0.0.1/v1")  # would fail at the file, if it were read
    assert authorities() is read

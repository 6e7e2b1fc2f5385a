"""What is asked of every adapter that speaks to a service: a barge-in goes out at once, and sessions leave nothing."""

from contextlib import AsyncExitStack

import anyio
import anyio.lowlevel
import pytest

from stages.ports import HasSessions
from stages.testing.servers.serving import serving
from tests.support.adapters import ADAPTERS, Adapter
from tests.support.hosted import barge_in

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


@each
async def test_sessions_that_come_and_go_leave_no_connection(adapter: Adapter) -> None:
    async with adapter.serve(adapter.fake()) as server:
        provider = adapter.make(getattr(server, "uri", "") or server.url)
        assert isinstance(provider, HasSessions) or adapter.serve is not serving
        for _ in range(3):
            async with AsyncExitStack() as stack:
                for _ in range(5):
                    if isinstance(provider, HasSessions):
                        await stack.enter_async_context(provider.session())
                await anyio.lowlevel.checkpoint()
        if hasattr(provider, "close"):
            await provider.close()
        with anyio.fail_after(30):
            await server.left_alone()

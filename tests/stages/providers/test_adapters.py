"""What is asked of every adapter that speaks to a service: a barge-in goes out at once, and sessions leave nothing."""

from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from stages.ports import HasSessions
from stages.providers.openai.http import Server
from stages.testing.servers.serving import serving
from tests.support.adapter_turns import provider_of, session
from tests.support.adapters import ADAPTERS, Adapter
from tests.support.hosted import barge_in
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
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "no-such-file.pem"))
    Server("second", base_url="https://127.0.0.1/v1")  # would fail at the file, if it were read

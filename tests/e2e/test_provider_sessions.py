"""Providers that keep something open for a session have it open as long as the session lasts, and no longer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from server.client.client import RealtimeClient
from stageflow.tools import Tool
from stages.testing.fakes import ScriptedModel, ScriptedVoice
from tests.support.live_server import ask, live_server

pytestmark = pytest.mark.e2e


class ConnectingModel(ScriptedModel):
    """Answers only inside of a session."""

    def __init__(self) -> None:
        super().__init__("Not in a session.")
        self.open = 0

    @asynccontextmanager
    async def session(self) -> AsyncIterator[ScriptedModel]:
        self.open += 1
        async with anyio.create_task_group() as tasks:  # as one that keeps a connection does
            tasks.start_soon(anyio.sleep_forever)
            yield ScriptedModel("In a session.")
            tasks.cancel_scope.cancel()
        self.open -= 1


async def test_a_session_has_its_own_view_of_a_provider() -> None:
    model = ConnectingModel()
    async with live_server(model) as server:
        for _ in range(2):
            async with RealtimeClient(server.url) as client:
                await ask(client, modality="text")
                await client.receive_until("response.done")
                assert client.call.texts("response.output_text.done", "text") == ["In a session."]
                assert model.open == 1
            await server.until_sessions(0)
    assert model.open == 0


async def test_a_chat_model_has_no_tools_but_those_that_are_named() -> None:
    model = ScriptedModel("Yes.")
    async with live_server(model, ScriptedVoice()) as server, RealtimeClient(server.url) as client:
        await ask(client, "recommend me a book", modality="text")
        await client.receive_until("response.done")
    tools: tuple[Tool, ...] = model.requests[0].tools
    assert tools == ()
    assert not any("restaurant" in message.content for message in model.requests[0].messages)

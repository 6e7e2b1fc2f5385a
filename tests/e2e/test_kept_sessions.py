"""A client that knows nothing of resuming opens another session with the id of the last, and what was said is there."""

import json
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
import pytest

from server.client.client import RealtimeClient
from stages.testing.fakes import ScriptedModel
from tests.support.live_server import LiveServer, ask, live_server
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.e2e


async def opened(client: RealtimeClient) -> dict[str, Any]:
    session = (await client.receive_until("session.created")).event["session"]
    assert isinstance(session, dict)
    return session


async def answered(client: RealtimeClient, text: str) -> None:
    await ask(client, text, "text")
    await client.receive_until("response.done")


@asynccontextmanager
async def after_a_session(**settings: object) -> AsyncIterator[tuple[LiveServer, ScriptedModel, str]]:
    """A server whose one session is over, what its model was told, and the id of that session."""
    model = ScriptedModel("It is noon.", "You asked for the time.")
    async with live_server(model, **settings) as server:
        async with RealtimeClient(server.url, api_key="one") as client:
            session = await opened(client)
            await answered(client, "what time is it")
        await server.until_sessions(0)
        yield server, model, session["id"]


async def test_the_conversation_goes_on_in_another_session_with_the_id_of_the_first() -> None:
    async with (
        after_a_session() as (server, model, session_id),
        RealtimeClient(f"{server.url}?session_id={session_id}") as client,
    ):
        session = await opened(client)
        assert session["id"] == session_id
        question, answer = session["x_restored"]
        await client.send("conversation.item.retrieve", item_id=answer)
        item = (await client.receive_until("conversation.item.retrieved")).event["item"]
        assert item["content"][0]["text"] == "It is noon."
        await answered(client, "what did I ask")
        told = [message.content for message in model.requests[-1].messages]
        assert told[-3:] == ["what time is it", "It is noon.", "what did I ask"]
        assert question != answer


@pytest.mark.parametrize("case", ["another key", "not kept", "unknown"])
async def test_what_is_not_to_be_had_is_told_and_a_new_session_begins(case: str) -> None:
    keep_s = 0.0 if case == "not kept" else 300.0
    async with after_a_session(api_keys="one,two", keep_s=keep_s) as (server, _, kept_id):
        session_id = "sess_guessed" if case == "unknown" else kept_id
        key = "two" if case == "another key" else "one"
        async with RealtimeClient(f"{server.url}?session_id={session_id}", api_key=key) as client:
            session = await opened(client)
            assert session["id"] != session_id
            assert "x_restored" not in session
            assert [setting["param"] for setting in session["x_ignored"]] == ["session_id"]
            await answered(client, "hello")


async def test_a_session_that_is_open_still_is_taken_over_with_a_client_secret_of_the_same_key() -> None:
    async with live_server(ScriptedModel("It is noon."), api_keys="one,two") as server:
        async with RealtimeClient(server.url, api_key="one") as first:
            session_id = (await opened(first))["id"]
            await answered(first, "what time is it")
            secret = await client_secret(server.port, "one")
            async with RealtimeClient(f"{server.url}?session_id={session_id}", api_key=secret) as second:
                assert len((await opened(second))["x_restored"]) == 2
                while await first.receive() is not None:
                    pass
                assert first.close_code == 4409
                await answered(second, "and now")


async def test_a_server_that_is_full_does_not_end_the_session_that_another_is_to_go_on_with() -> None:
    async with (
        live_server(ScriptedModel("It is noon."), limits={"max_sessions": 1}) as server,
        RealtimeClient(server.url) as first,
    ):
        session_id = (await opened(first))["id"]
        async with RealtimeClient(f"{server.url}?session_id={session_id}") as second:
            while await second.receive() is not None:
                pass
            assert second.close_code == 1013
        await answered(first, "what time is it")


async def client_secret(port: int, key: str) -> str:
    def fetch() -> str:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/realtime/client_secrets",
            data=b"{}",
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return str(json.load(answer)["value"])

    return await anyio.to_thread.run_sync(fetch)

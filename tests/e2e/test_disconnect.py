"""A client that goes, politely or not, leaves nothing behind, whoever had the floor."""

import asyncio
import gc
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, closing
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from server.client.client import WIRE_HZ, RealtimeClient
from server.conversation.memory import Conversation
from server.conversation.utterance import Utterance
from server.output.outbound import Outbound
from server.response.run import ResponseRun
from server.session.session import Session
from stageflow.context import Message
from stageflow.executor import Run
from stageflow.tools import Tool, ToolCall, ToolRegistry
from stages.demo.booking import TableBook
from stages.demo.skills import build_skills
from stages.ports import Finished, ModelEvent, Remind, ToolChoice
from stages.testing.fakes import Conduct, Said, ScriptedModel
from stages.testing.virtual_time import tasks_left
from tests.support.live_server import LONG, LiveServer, ask, live_server
from tests.support.stage import voiced

pytestmark = pytest.mark.e2e

HANDSHAKE = (
    b"GET /v1/realtime HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

OF_A_SESSION = (Session, ResponseRun, Conversation, Outbound, Utterance, Run)


class CallingModel:
    """Wants a tool, and tells when it has said so."""

    def __init__(self, bookings: TableBook) -> None:
        self.has_called = anyio.Event()
        self.asked = 0
        self._bookings = bookings

    def session_tools(self, remind: Remind, owner: str) -> ToolRegistry:
        return build_skills(now=datetime.now, remind=remind, bookings=self._bookings, owner=owner)

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        self.asked += 1
        yield ToolCall("call_1", "cancel_booking", {"name": "Smith"})
        self.has_called.set()
        yield Finished("tool_calls")


async def hearing(client: RealtimeClient) -> None:
    await client.speak(voiced(1.0), WIRE_HZ)
    await client.receive_until("input_audio_buffer.speech_started")


async def thinking(client: RealtimeClient) -> None:
    await ask(client)
    await client.receive_until("response.created")


async def speaking(client: RealtimeClient) -> None:
    await ask(client)
    await client.receive_until("response.output_audio.delta")


async def cancelled(client: RealtimeClient) -> None:
    await speaking(client)
    await client.send("response.cancel")
    await client.receive_until("response.done")


async def listening(client: RealtimeClient) -> None:
    await client.receive_until("session.created")


STATES: dict[str, tuple[Said, Callable[[RealtimeClient], Awaitable[None]]]] = {
    "listening": (Said("Yes."), listening),
    "hearing": (Said("Yes."), hearing),
    "thinking": (Said("late", conduct=Conduct(hangs=True)), thinking),
    "speaking": (Said(LONG), speaking),
    "cancelled": (Said(LONG), cancelled),
}


def alive() -> Counter[str]:
    """What there is of each kind of which a session has some."""
    gc.collect()
    kinds: Counter[str] = Counter(
        type(thing).__name__ for thing in gc.get_objects() if issubclass(type(thing), OF_A_SESSION)
    )
    return kinds


async def check_is_as_before(server: LiveServer, before: Counter[str], tasks: set[asyncio.Task[Any]]) -> None:
    await server.until_sessions(0)
    assert await tasks_left() == tasks
    assert alive() == before


@pytest.mark.parametrize("vanishes", [False, True], ids=["says good-bye", "vanishes"])
@pytest.mark.parametrize("state", STATES)
async def test_nothing_is_left_of_clients_that_go(state: str, vanishes: bool) -> None:
    said, get_there = STATES[state]

    async def come_and_go(url: str) -> None:
        async with RealtimeClient(url) as client:
            await get_there(client)
            if vanishes:
                client.vanish()

    async with live_server(ScriptedModel(said, keep_requests=0)) as server:
        await come_and_go(server.url)  # the first one warms up what is made once
        await server.until_sessions(0)
        before, tasks = alive(), await tasks_left()
        async with anyio.create_task_group() as clients:
            for _ in range(5):
                clients.start_soon(come_and_go, server.url)
        await check_is_as_before(server, before, tasks)


async def test_who_hangs_up_before_its_turn_has_come_gets_no_session(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "server.reception")
    clients = 30

    async def come_and_go(port: int) -> None:
        stream = await anyio.connect_tcp("127.0.0.1", port)
        async with stream:
            await stream.send(HANDSHAKE)
            assert (await stream.receive()).startswith(b"HTTP/1.1 101")

    async with live_server() as server:
        tasks = await tasks_left()
        async with anyio.create_task_group() as group:
            for _ in range(clients):
                group.start_soon(come_and_go, server.port)
        await server.until_sessions(0)
        async with RealtimeClient(server.url) as client:
            await ask(client, "hello")
            await client.receive_until("response.done")  # the next one is served
        await server.until_sessions(0)
        assert await tasks_left() == tasks
    told = Counter(record.getMessage() for record in caplog.records)
    left = told["a client has left before its session was opened"]
    assert left >= 1, "one session is opened in a turn of the loop, and they hang up within a few"
    assert told["session started"] == told["session ended"] == clients - left + 1


async def test_nothing_is_left_of_a_client_that_goes_during_a_tool_call(tmp_path: Path) -> None:
    """The tool waits for a database that somebody else has locked."""
    path = tmp_path / "bookings.db"
    bookings = TableBook(path)
    model = CallingModel(bookings)
    async with live_server(model, confirmed_tools=()) as server:
        await server.sessions()
        before, tasks = alive(), await tasks_left()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            async with RealtimeClient(server.url) as client:
                await ask(client)
                await model.has_called.wait()
                await anyio.wait_all_tasks_blocked()
                assert model.asked == 1, "the tool's answer is still to come"
                client.vanish()
            await check_is_as_before(server, before, tasks)
            other.execute("ROLLBACK")
    await anyio.to_thread.run_sync(bookings.close)


async def test_a_server_that_stops_says_so_to_everybody() -> None:
    async with AsyncExitStack() as clients:
        async with live_server(ScriptedModel(LONG)) as server:
            quiet = await clients.enter_async_context(RealtimeClient(server.url))
            await listening(quiet)
            answered = await clients.enter_async_context(RealtimeClient(server.url))
            await speaking(answered)
        for client in (quiet, answered):
            while await client.receive():
                pass
            assert (client.close_code, client.close_reason) == (1001, "the server is stopping")

"""A conversation goes on over as many sockets as it takes: nothing is lost, nothing doubled, nothing heard twice."""

import json
import os
import random
import statistics
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import anyio
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from server.client.client import AUDIO_FRAME, RealtimeClient
from server.dialects.voice.frames import Stream, pack_frame
from tests.support.cutting_proxy import Cut, How, cutting_proxy
from tests.support.live_server import LONG, ask, live_server
from tests.support.patience import PATIENCE_S

CUTS = int(os.environ.get("RESUME_CUTS", "60"))
"""As many cuts as the test makes; `scripts/bench-resume` makes more."""

CALLS = 6
"""At once."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300 + 2 * CUTS)]


def random_cuts(chance: random.Random) -> Callable[[], Cut]:
    """Early ones, in the handshake and the greeting, and late ones, in the middle of the voice.

    The first connection of each call lives until its session has begun: before that there is nothing to come back to.
    """
    connections = 0

    def next_cut() -> Cut:
        nonlocal connections
        connections += 1
        if connections <= CALLS:
            return Cut("down", int(10 ** chance.uniform(4.0, 5.0)), "reset")
        ways: tuple[How, ...] = ("reset", "end", "silent")
        how = chance.choices(ways, (5, 3, 2))[0]
        if chance.random() < 0.3:
            return Cut("up", int(10 ** chance.uniform(2.0, 4.5)), how)
        return Cut("down", int(10 ** chance.uniform(2.0, 5.0)), how)

    return next_cut


async def microphone(client: RealtimeClient) -> None:
    """Silence, in real time, numbered."""
    sent = 0
    while True:
        await client.send_raw(pack_frame(Stream.MICROPHONE, 0, sent, bytes(1920)))
        sent += 960
        await anyio.sleep(0.04)


async def call(url: str, is_enough: Callable[[], bool], returns_s: list[float]) -> int:
    """One conversation under cuts, checked; how many events it had."""
    async with RealtimeClient(url, voice=True, heartbeat_s=0.25) as client:
        await client.receive_until("session.created", timeout_s=PATIENCE_S)
        asked = 0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(microphone, client)
            while not is_enough():
                await ask(client, f"number {asked} of the words")
                asked += 1
                await client.receive_until("response.done", timeout_s=PATIENCE_S)
            await client.send("x_ping")
            await client.receive_until("x_pong", timeout_s=PATIENCE_S)
            tasks.cancel_scope.cancel()
    check(client.call.events(), asked)
    returns_s += client.line.returns_s
    return len(client.call.events())


def check(events: list[dict[str, Any]], asked: int) -> None:
    told = [event for event in events if event["type"] != AUDIO_FRAME]
    assert [event["event_id"] for event in told] == [f"event_{n}" for n in range(1, len(told) + 1)]
    assert [event for event in told if event["type"] == "error"] == [], (
        "the microphone has no gap, no command is doubled"
    )
    assert sum(event["type"] == "response.created" for event in told) == asked
    assert sum(event["type"] == "response.done" for event in told) == asked
    answers: dict[str, list[tuple[int, int]]] = {}
    item_id = ""
    for event in events:
        if event["type"] == "response.output_item.added":
            item_id = event["item"]["id"]
        elif event["type"] == AUDIO_FRAME:
            answers.setdefault(item_id, []).append((event["offset_samples"], event["samples"]))
    assert len(answers) == asked
    for frames in answers.values():
        assert frames[0][0] == 0
        assert all(later == offset + samples for (offset, samples), (later, _) in pairwise(frames))


async def test_cuts_at_random_lose_and_double_nothing() -> None:
    chance = random.Random(20)
    returns_s: list[float] = []
    events = 0

    async def one(url: str) -> None:
        nonlocal events
        seen = await call(url, lambda: proxy.cuts >= CUTS, returns_s)
        events += seen

    async with (
        live_server(resume_grace_s=300.0) as server,
        cutting_proxy(server.port, lambda: cut() if proxy.cuts < CUTS else None) as proxy,
    ):
        cut = random_cuts(chance)
        async with anyio.create_task_group() as tasks:
            for _ in range(CALLS):
                tasks.start_soon(one, f"ws://127.0.0.1:{proxy.port}/v1/realtime")
        await server.until_sessions(0)
    assert returns_s
    if "RESUME_CUTS" in os.environ:
        ms = np.array(returns_s) * 1000
        print(
            f"cuts={proxy.cuts} resumed={len(ms)} events={events} lost=0 doubled=0 "
            f"resume_ms p50={statistics.median(ms):.1f} p99={np.percentile(ms, 99):.1f} max={ms.max():.1f}",
            file=sys.stderr,
        )


# --- tokens -----------------------------------------------------------------------------------------------


async def open_voice(url: str, *offers: str, key: str | None = None) -> ClientConnection:
    headers = {"Authorization": f"Bearer {key}"} if key else None
    spoken = [Subprotocol(offer) for offer in ("voice.v1", *offers)]
    return await connect(url, subprotocols=spoken, additional_headers=headers, compression=None)


async def next_event(socket: ClientConnection) -> dict[str, Any]:
    while True:
        frame = await socket.recv()
        if isinstance(frame, str):
            event: dict[str, Any] = json.loads(frame)
            return event


async def first_token(socket: ClientConnection) -> str:
    return str((await next_event(socket))["x_resume"]["token"])


async def refusal(url: str, offer: str, key: str | None = None) -> int | None:
    socket = await open_voice(url, offer, key=key)
    with pytest.raises(ConnectionClosed):
        await socket.recv()
    return socket.close_code


async def test_a_second_connection_takes_over_and_each_token_is_used_once() -> None:
    async with live_server(resume_grace_s=300.0) as server:
        first = await open_voice(server.url)
        token = await first_token(first)
        second = await open_voice(server.url, f"x-resume.1.{token}")
        greeting = await next_event(second)
        assert (greeting["type"], greeting["received_events"], greeting["microphone_offset"]) == (
            "x_resumed",
            0,
            0,
        )
        assert greeting["resume"]["token"] != token
        assert (await next_event(second))["type"] == "x_voices", "the first frame that was not there"
        await first.wait_closed()
        assert first.close_code == 4409
        third = await open_voice(server.url, f"x-resume.2.{token}")
        assert (await next_event(third))["type"] == "x_resumed", "the answer to the first may have been lost"
        await third.send(json.dumps({"type": "x_ping"}))
        assert (await next_event(third))["type"] == "x_pong"
        assert await refusal(server.url, f"x-resume.1.{token}") == 4404
        assert await refusal(server.url, f"x-resume.1.{greeting['resume']['token']}") == 4404, (
            "it was replaced"
        )
        assert await refusal(server.url, "x-resume.1.nonsense") == 4404
        assert await refusal(server.url, "x-resume.nonsense") == 4404
        assert await server.sessions() == 1
        await third.close()
        await second.wait_closed()
        await server.until_sessions(0)


async def test_a_token_is_of_no_use_with_another_key() -> None:
    async with live_server(resume_grace_s=300.0, api_keys="one,two") as server:
        socket = await open_voice(server.url, key="one")
        token = await first_token(socket)
        assert await refusal(server.url, f"x-resume.1.{token}", key="two") == 4404
        await socket.close()


async def test_a_client_that_says_goodbye_is_not_waited_for() -> None:
    async with live_server(resume_grace_s=300.0) as server:
        socket = await open_voice(server.url)
        token = await first_token(socket)
        await socket.close()
        await server.until_sessions(0)
        assert await refusal(server.url, f"x-resume.1.{token}") == 4404


async def test_a_session_is_over_when_nobody_comes_back_in_time() -> None:
    async with live_server(resume_grace_s=0.3) as server:
        socket = await open_voice(server.url)
        token = await first_token(socket)
        socket.transport.abort()
        await server.until_sessions(0)
        assert await refusal(server.url, f"x-resume.1.{token}") == 4404


async def test_frames_that_are_not_there_are_a_clear_refusal() -> None:
    async with live_server(resume_grace_s=300.0) as server:
        socket = await open_voice(server.url)
        token = await first_token(socket)
        assert await refusal(server.url, f"x-resume.1000.{token}") == 4410
        await socket.wait_closed()
        assert socket.close_code == 4410
        await server.until_sessions(0)


async def test_a_process_keeps_so_many_sessions_without_a_connection() -> None:
    async with live_server(resume_grace_s=300.0, limits={"max_detached": 1}) as server:
        sockets = [await open_voice(server.url) for _ in range(2)]
        tokens = []
        for socket in sockets:
            tokens.append(await first_token(socket))
            socket.transport.abort()
        await server.until_sessions(1)
        assert await refusal(server.url, f"x-resume.1.{tokens[1]}") == 4404, (
            "there was no place for the second"
        )


async def test_a_place_of_its_key_is_enough_to_come_back() -> None:
    async with live_server(resume_grace_s=300.0, api_keys="one", quotas={"sessions_per_key": 1}) as server:
        socket = await open_voice(server.url, key="one")
        token = await first_token(socket)
        socket.transport.abort()
        back = await open_voice(server.url, f"x-resume.1.{token}", key="one")
        assert (await next_event(back))["type"] == "x_resumed"
        await back.close()
        await server.until_sessions(0)


async def test_the_voice_goes_on_in_the_middle_of_a_word() -> None:
    async with live_server(resume_grace_s=300.0) as server, RealtimeClient(server.url, voice=True) as client:
        await ask(client, LONG[:150])
        await client.receive_until(AUDIO_FRAME)
        client.vanish()
        await client.receive_until("response.done")
        check(client.call.events(), 1)
        assert len(client.line.outages_s) == 1

"""A conversation goes on at another node: what was said is there, and the rest of the answer is heard."""

import json
import os
import random
import sys
from contextlib import suppress

import anyio
import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from server.client.client import AUDIO_FRAME, WIRE_HZ
from server.cluster.opening import open_store
from server.dialects.voice.frames import Stream, pack_frame
from stages.testing.fakes import ScriptedModel
from tests.support.live_server import ask
from tests.support.patience import PATIENCE_S
from tests.support.stage import voiced
from tests.support.two_nodes import Caller, two_nodes

MOVES = int(os.environ.get("NODE_MOVES", "4"))
"""As many as the test makes; `scripts/bench-resume` makes more."""

CALLS = 4
"""At once."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300 + 5 * MOVES)]


COUNT = "One two three four five six seven eight."


def event_ids(client: Caller) -> list[str]:
    return [event["event_id"] for event in client.call.events() if event["type"] != AUDIO_FRAME]


async def test_a_client_that_comes_to_another_node_loses_no_event_and_no_word() -> None:
    model = ScriptedModel("It is noon.", "You asked for the time.")
    async with two_nodes(model) as nodes, Caller(nodes.urls[0]) as client:
        session = (await client.receive_until("session.created")).event["session"]
        await ask(client, "what time is it", "text")
        await client.receive_until("response.done")
        await client.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
        client.lead_to(nodes.urls[1])
        updated = await client.receive_until("session.updated")
        assert updated.event["session"]["id"] == session["id"]
        await ask(client, "what did I ask", "text")
        await client.receive_until("response.done")
        told = [message.content for message in model.requests[-1].messages]
        assert told[-3:] == ["what time is it", "It is noon.", "what did I ask"]
        assert event_ids(client) == [f"event_{n}" for n in range(1, len(event_ids(client)) + 1)]
        assert len(client.line.returns_s) == 1
        client.lead_to(nodes.urls[0])
        await client.send("x_ping")
        await client.receive_until("x_pong")


@pytest.mark.parametrize("is_told", [False, True], ids=["while it is made", "when all of it was told"])
async def test_an_answer_goes_on_at_the_other_node_with_the_word_after_the_last_that_was_heard(
    is_told: bool,
) -> None:
    lead = {"lead_ms": 1500} if is_told else {}
    async with two_nodes(ScriptedModel(COUNT), **lead) as nodes, Caller(nodes.urls[0]) as client:
        await ask(client, "count")
        item_id = (await client.receive_until("response.output_item.added")).event["item"]["id"]
        for _ in range(8):
            await client.receive_until(AUDIO_FRAME)
        if is_told:
            await client.receive_until("response.done")
        heard = client.call.words(item_id)[:2]
        client.lead_to(nodes.urls[1])
        await client.send("x_playback", item_id=item_id, played_samples=heard[-1].end_sample)
        if not is_told:
            done = (await client.receive_until("response.done")).event["response"]
            assert done["status"] == "cancelled"
        last = (await client.receive_until("response.done")).event["response"]
        assert last["status"] == "completed"
        rest = last["output"][0]["content"][0]["transcript"]
        before = "".join(word.text for word in heard)
        assert (before.strip() + " " + rest.strip()).split() == COUNT.split()
        types = [event["type"] for event in client.call.events()]
        assert types.index("x_flush") < len(types) - types[::-1].index("response.done")


async def test_a_node_that_stops_sends_its_clients_away_at_the_end_of_their_turns() -> None:
    async with (
        two_nodes(ScriptedModel("One two three."), drain_s=300.0) as nodes,
        Caller(nodes.urls[0]) as client,
        Caller(nodes.urls[0], voice=False) as stock,
        anyio.create_task_group() as tasks,
    ):
        for one in (client, stock):
            await ask(one, "count")
            await one.receive_until("response.created")
        client.find_at(nodes.urls[1])
        tasks.start_soon(nodes.apps[0].drain)
        for one in (client, stock):
            done = (await one.receive_until("response.done")).event["response"]
            assert done["status"] == "completed", "no turn is cut"
        asked = await client.receive_until("x_move")
        assert 0 < asked.event["time_left_ms"] <= 300_000, "what is left of the time to drain"
        while await stock.receive() is not None:
            pass
        assert (stock.close_code, stock.call.count("x_move")) == (1001, 0)
        await ask(client, "and once more")
        await client.receive_until("response.done")
        assert event_ids(client) == [f"event_{n}" for n in range(1, len(event_ids(client)) + 1)]
        assert client.call.count("error") == 0


async def test_a_question_that_crosses_with_the_word_to_move_is_answered_once_and_by_the_other_node() -> None:
    async with two_nodes(drain_s=300.0) as nodes, Caller(nodes.urls[0]) as client:
        await ask(client, "one")
        await client.receive_until("response.done")
        await client.receive_until("x_turn")
        client.find_at(nodes.urls[1])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(nodes.apps[0].drain)
            await anyio.sleep(1.0)  # it is told to move, and does not read it yet
            await ask(client, "two")
            await client.receive_until("response.created")
            done = (await client.receive_until("response.done")).event["response"]
        assert done["status"] == "completed"
        assert [client.call.count(type) for type in ("response.created", "x_move", "error")] == [2, 1, 0]
        assert event_ids(client) == [f"event_{n}" for n in range(1, len(event_ids(client)) + 1)]


async def test_a_stock_client_goes_on_at_the_other_node_by_the_id_of_its_session() -> None:
    async with two_nodes(ScriptedModel("It is noon.")) as nodes, Caller(nodes.urls[0], voice=False) as first:
        session_id = (await first.receive_until("session.created")).event["session"]["id"]
        await ask(first, "what time is it", "text")
        await first.receive_until("response.done")
        async with Caller(f"{nodes.urls[1]}?session_id={session_id}", voice=False) as second:
            session = (await second.receive_until("session.created")).event["session"]
            assert (session["id"], len(session["x_restored"])) == (session_id, 2)
            while await first.receive() is not None:
                pass
            assert first.close_code == 4409


async def test_a_client_that_hangs_up_while_its_session_moves_finds_it_where_it_went() -> None:
    voice = Subprotocol("voice.v1")
    async with two_nodes() as nodes:
        first = await connect(nodes.urls[0], subprotocols=[voice])
        token = json.loads(await first.recv())["x_resume"]["token"]
        back = [voice, Subprotocol(f"x-resume.1.{token}")]
        hasty = await connect(nodes.urls[1], subprotocols=back)
        hasty.transport.abort()
        greeting = None
        with anyio.fail_after(PATIENCE_S):
            await first.wait_closed()  # handed over
            while greeting is None:  # and perhaps not there yet
                async with connect(nodes.urls[1], subprotocols=back) as again:
                    with suppress(ConnectionClosed):
                        greeting = json.loads(await again.recv())
        assert greeting["type"] == "x_resumed"


async def test_a_store_that_was_lost_learns_what_it_has_missed() -> None:
    async with two_nodes(ScriptedModel("It is noon.")) as nodes, Caller(nodes.urls[0]) as client:
        await client.receive_until("session.created")
        await nodes.store.stop()
        await ask(client, "what time is it", "text")
        await client.receive_until("response.done")
        client.lead_to(nodes.urls[1])  # where nobody knows it, until the store is back
        await nodes.store.start()
        await ask(client, "and now", "text")
        await client.receive_until("response.done")
        assert client.call.count("session.created") == 1
        assert client.call.count("response.done") == 2


async def test_moves_at_random_lose_and_double_no_event() -> None:
    chance = random.Random(20)
    returns_s: list[float] = []
    moved = 0

    async def call(urls: tuple[str, str]) -> None:
        nonlocal moved
        async with Caller(urls[0]) as client, anyio.create_task_group() as tasks:
            await client.receive_until("session.created")

            async def wander() -> None:
                nonlocal moved
                while moved < MOVES:
                    await anyio.sleep(chance.uniform(0.05, 0.8))
                    moved += 1
                    client.lead_to(urls[moved % 2])

            tasks.start_soon(wander)
            asked = 0
            while moved < MOVES or not asked:
                await ask(client, "one two three")
                asked += 1
                while (await client.receive_until("response.done")).event["response"][
                    "status"
                ] != "completed":
                    pass
            tasks.cancel_scope.cancel()
            assert event_ids(client) == [f"event_{n}" for n in range(1, len(event_ids(client)) + 1)]
            assert client.call.count("error") == 0
            assert client.call.count("session.created") == 1
            returns_s.extend(client.line.returns_s)

    async with two_nodes() as nodes, anyio.create_task_group() as tasks:
        for _ in range(CALLS):
            tasks.start_soon(call, nodes.urls)
    assert returns_s
    if "NODE_MOVES" in os.environ:
        ms = np.array(returns_s) * 1000
        print(
            f"moves={moved} resumed={len(ms)} lost=0 doubled=0 "
            f"resume_ms p50={np.median(ms):.1f} p99={np.percentile(ms, 99):.1f} max={ms.max():.1f}",
            file=sys.stderr,
        )


async def test_what_the_person_was_saying_is_heard_whole_at_the_other_node() -> None:
    sound = np.concatenate([voiced(1.6), np.zeros(WIRE_HZ, np.int16)])
    frames = [sound[start : start + 480] for start in range(0, len(sound), 480)]
    async with two_nodes(ScriptedModel("I see.")) as nodes, Caller(nodes.urls[0]) as client:
        await client.show_transcripts()
        await client.receive_until("session.updated")
        async with anyio.create_task_group() as tasks:

            async def speak() -> None:
                for number, frame in enumerate(frames):
                    await client.send_raw(pack_frame(Stream.MICROPHONE, 0, number * 480, frame.tobytes()))
                    await anyio.sleep(0.02)
                    if number == 40:
                        client.lead_to(nodes.urls[1])

            tasks.start_soon(speak)
            heard = await client.receive_until("conversation.item.input_audio_transcription.completed")
            await client.receive_until("response.done")
        assert heard.event["transcript"] == "hello there"
        assert 1.5 < heard.event["usage"]["seconds"] < 3
        assert client.call.count("input_audio_buffer.committed") == 1
        assert client.call.count("error") == 0


async def test_nonsense_in_the_mailbox_of_a_node_harms_nobody() -> None:
    async with two_nodes(ScriptedModel("It is noon.")) as nodes, Caller(nodes.urls[0]) as client:
        await client.receive_until("session.created")
        async with open_store(nodes.store.url) as store:
            for node in nodes.apps:
                for message in (
                    b"{",
                    b"[" * 50_000,
                    b"[]",
                    b'{"call": 1}',
                    b'{"call": []}',
                    b'{"call": "1", "session": []}',
                ):
                    with anyio.fail_after(PATIENCE_S):
                        while not await store.tell(f"node:{node.node}", message):  # noqa: ASYNC110 - nobody tells
                            await anyio.sleep(0.1)  # on a busy machine it counts as lost for a moment
        client.lead_to(nodes.urls[1])
        await ask(client, "what time is it", "text")
        done = await client.receive_until("response.done")
        assert done.event["response"]["status"] == "completed"

"""Three nodes behind HAProxy behave as one server, and the loss of one, or of the store, ends nobody's session."""

import json
import math
import os
import signal
import statistics
import sys
import urllib.request
from collections.abc import Callable
from contextlib import suppress

import anyio
import anyio.to_thread
import pytest
from websockets.exceptions import InvalidStatus

from server.client.client import RealtimeClient
from tests.support.live_server import ask
from tests.support.nodes import KEY, Nodes, three_nodes
from tests.support.patience import PATIENCE_S
from tests.support.two_nodes import two_nodes

CALLS = int(os.environ.get("NODES_CALLS", "6"))
"""Conversations at once, when nodes are lost; `scripts/bench-resume` has more."""

pytestmark = pytest.mark.e2e


async def talk(client: RealtimeClient, text: str = "one two three") -> None:
    """One turn, heard to its end."""
    await ask(client, text)
    await client.receive_until("response.done")


async def counted(nodes: Nodes, number: int) -> list[int]:
    """How many sessions each node has, once all of them are counted: a handshake is over before."""
    with anyio.fail_after(PATIENCE_S):
        while sum(counts := await sessions(nodes)) != number:  # noqa: ASYNC110  # other processes tell of no event
            await anyio.sleep(0.05)
    return counts


async def sessions(nodes: Nodes) -> list[int]:
    """How many sessions each node has; -1 for one that is gone."""
    counts = []
    for node in nodes.each:
        if node.process.returncode is not None:
            counts.append(-1)
            continue
        count = (await node.status("/healthz"))[1]["sessions"]
        assert isinstance(count, int)
        counts.append(count)
    return counts


def caller(nodes: Nodes, key: str = KEY, query: str = "") -> RealtimeClient:
    return RealtimeClient(nodes.url + query, api_key=key)


async def mint(port: int) -> str:
    """A client secret, ordered at this port."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/realtime/client_secrets",
        data=b"{}",
        headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
    )

    def fetch() -> str:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return str(json.load(answer)["value"])

    return await anyio.to_thread.run_sync(fetch)


async def test_quotas_hold_for_all_nodes_together_and_a_caller_who_comes_back_reaches_the_same_one() -> None:
    async with three_nodes(QUOTAS__SESSIONS_PER_KEY="4") as nodes:
        async with caller(nodes) as one, caller(nodes) as two, caller(nodes) as three:
            for client in (one, two, three):
                await talk(client)
            assert sorted(await sessions(nodes)) == [1, 1, 1], "without a session's name callers are spread"
            async with caller(nodes, query="?sid=mine"):
                with pytest.raises(InvalidStatus) as refused:
                    async with caller(nodes):
                        pass
                assert refused.value.response.status_code == 429
                before = await counted(nodes, 4)
            while True:  # the session that has just ended counts until all of it is over
                with suppress(InvalidStatus):
                    async with caller(nodes, query="?sid=mine"):
                        assert await counted(nodes, 4) == before, "the same name leads to the same node"
                        return
                await anyio.sleep(0.05)


async def test_a_client_secret_opens_a_session_on_any_node() -> None:
    """What nodes know of secrets is in their store, so two in this process do as well."""
    async with two_nodes(api_keys=KEY) as nodes:
        secret = await mint(nodes.ports[0])
        for url in nodes.urls:
            async with RealtimeClient(url, api_key=secret) as client:
                await talk(client)
        with pytest.raises(InvalidStatus):
            async with RealtimeClient(nodes.urls[1], api_key="ek_guessed"):
                pass


class Conversation:
    """One caller, who asks and is answered over and over, whatever becomes of the nodes."""

    def __init__(self, url: str) -> None:
        self.client = RealtimeClient(url, api_key=KEY, voice=True, heartbeat_s=1.0)
        self.turns = 0
        self.said_again = 0
        """Answers that were broken off, and of which the rest was said by another node."""
        self.lost_items = 0
        """That the client was told of, and that nobody has any more."""

    async def go_on(self, is_enough: Callable[[], bool]) -> None:
        """Talk until it is enough."""
        async with self.client:
            while not is_enough():
                await self.turn()
            await self.count_items()
        assert self.client.call.count("session.created") == 1, "it never began anew"

    async def turn(self) -> None:
        await ask(self.client, str(self.turns))
        while True:
            done = await self.client.receive_until("response.done")
            if done.event["response"]["status"] == "completed":
                break
            self.said_again += 1
        await self.client.receive_until("x_turn")  # it was played to its end
        await anyio.sleep(0.2)  # a person breathes, and a node that stops has a moment to say so
        await self.client.send("x_ping")
        await self.client.receive_until("x_pong")
        self.turns += 1

    async def count_items(self) -> None:
        seen = self.client.call.received
        told = {one.event["item"]["id"] for one in seen if one.type.endswith("item.done")}
        deleted = {one.event["item_id"] for one in seen if one.type == "conversation.item.deleted"}
        for item_id in told - deleted:
            await self.client.send("conversation.item.retrieve", item_id=item_id)
            answer = await self.client.receive_until("conversation.item.retrieved", "error")
            self.lost_items += answer.type == "error"


async def test_one_node_killed_and_one_drained_and_the_store_started_anew_every_conversation_goes_on() -> (
    None
):
    conversations: list[Conversation] = []
    enough_at = math.inf
    async with three_nodes(RESUME_GRACE_S="300") as nodes, anyio.create_task_group() as tasks:
        for _ in range(CALLS):
            conversations.append(Conversation(nodes.url))
            tasks.start_soon(conversations[-1].go_on, lambda: least() >= enough_at)

        def least() -> int:
            return min(one.turns for one in conversations)

        async def all_have_gone_on() -> None:
            goals = [one.turns + 1 for one in conversations]
            with anyio.fail_after(2 * PATIENCE_S):
                for one, goal in zip(conversations, goals, strict=True):
                    while one.turns < goal:  # noqa: ASYNC110 - many tasks, and none of them waits for another
                        await anyio.sleep(0.02)

        await all_have_gone_on()
        await nodes.store.stop()
        await nodes.store.start()
        await all_have_gone_on()
        await nodes.store.until_kept(CALLS)
        before = await sessions(nodes)
        nodes.each[0].process.kill()
        await nodes.each[0].process.wait()
        await all_have_gone_on()
        nodes.each[1].process.send_signal(signal.SIGTERM)
        await all_have_gone_on()
        assert await nodes.each[1].ended() == 0, "its sessions have left it"
        assert (await sessions(nodes))[2] == CALLS
        enough_at = least() + 1
    killed, returns_s = before[0], [s for one in conversations for s in one.client.line.returns_s]
    lost = sum(one.lost_items for one in conversations)
    again = sum(one.said_again for one in conversations)
    outages_s = [s for one in conversations for s in one.client.line.outages_s]
    print(
        f"conversations={CALLS} on_the_killed_node={killed} turns={sum(one.turns for one in conversations)} "
        f"moves={len(returns_s)} sessions_lost=0 items_lost={lost} answers_said_again={again} "
        f"outage_ms p50={statistics.median(outages_s) * 1000:.0f} max={max(outages_s) * 1000:.0f}",
        file=sys.stderr,
    )
    assert lost <= killed, "at most what was being said is lost"
    assert again <= killed, "and no answer is cut by a node that stops"


async def states(nodes: Nodes) -> list[dict[str, object]]:
    """What each node says of itself."""
    return [(await node.status("/readyz"))[1] for node in nodes.each]


async def test_the_store_is_killed_and_comes_back_and_no_session_ends() -> None:
    async with three_nodes(QUOTAS__SESSIONS_PER_KEY="100") as nodes, caller(nodes) as client:
        await talk(client)
        await nodes.store.stop()
        async with caller(nodes) as new:
            await talk(new)
            await talk(client)
            assert {"status": "ready", "store": "lost"} in await states(nodes)
            await nodes.store.start()
            with anyio.fail_after(PATIENCE_S):  # they look every second
                while await states(nodes) != [{"status": "ready", "store": "reached"}] * 3:
                    await talk(new)
                    await talk(client)


async def test_a_client_whose_line_is_lost_comes_back_to_its_node_by_the_balancer() -> None:
    async with three_nodes() as nodes, RealtimeClient(nodes.url, api_key=KEY, voice=True) as client:
        await client.receive_until("session.created")
        before = await sessions(nodes)
        for _ in range(6):  # by chance alone a third of them would find it
            client.vanish()
            await talk(client)
        assert await sessions(nodes) == before
        assert len(client.line.returns_s) == 6

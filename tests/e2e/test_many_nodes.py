"""Three nodes behind HAProxy behave as one server, and the loss of one, or of the store, ends nobody else's session."""

import json
import signal
import urllib.request

import anyio
import anyio.to_thread
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server.client.client import RealtimeClient
from tests.support.live_server import ask
from tests.support.nodes import KEY, Nodes, three_nodes

pytestmark = pytest.mark.e2e


async def talk(client: RealtimeClient, text: str = "one two three") -> None:
    """One turn, heard to its end."""
    await ask(client, text)
    await client.receive_until("response.done")


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
        with urllib.request.urlopen(request, timeout=5) as answer:
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
                before = await sessions(nodes)
            async with caller(nodes, query="?sid=mine"):
                assert await sessions(nodes) == before, "the same name leads to the same node"


async def test_a_client_secret_opens_a_session_on_any_node() -> None:
    async with three_nodes() as nodes:
        secret = await mint(nodes.each[0].port)
        for node in nodes.each:
            async with RealtimeClient(node.url, api_key=secret) as client:
                await talk(client)
        with pytest.raises(InvalidStatus):
            async with RealtimeClient(nodes.each[1].url, api_key="ek_guessed"):
                pass


async def test_one_node_killed_and_one_drained_the_others_sessions_go_on_and_new_ones_open() -> None:
    async with three_nodes() as nodes, caller(nodes) as one, caller(nodes) as two, caller(nodes) as three:
        clients = (one, two, three)
        for client in clients:
            await talk(client)
        nodes.each[0].process.kill()
        await nodes.each[0].process.wait()
        nodes.each[1].process.send_signal(signal.SIGTERM)
        await nodes.until_balanced(1)
        gone, alive = 0, []
        for client in clients:
            try:
                await talk(client)
                alive.append(client)
            except (ConnectionError, ConnectionClosed):
                gone += 1
        assert (gone, len(alive)) == (1, 2), (
            "only the killed node's session is lost; the drained one's is answered"
        )
        for _ in range(4):
            async with caller(nodes) as new:
                await talk(new)


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
            with anyio.fail_after(20):  # they look every second
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

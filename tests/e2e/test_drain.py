"""A server that is told to stop takes no more sessions, and lets those that run go on for a while."""

import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from subprocess import STDOUT

import anyio
import pytest
from websockets.exceptions import InvalidStatus

from server.client.client import RealtimeClient
from tests.support.live_server import ask
from tests.support.served import Served, served
from tests.support.store_server import store_server
from tests.support.trace_checker import check_trace
from tests.support.two_nodes import Caller

pytestmark = pytest.mark.e2e

STOPPING = {
    "error": {
        "message": "The server is stopping: try again.",
        "type": "server_error",
        "code": "server_stopping",
        "param": None,
    }
}


async def test_after_sigterm_new_sessions_are_refused_and_the_one_that_runs_is_answered_to_its_end() -> None:
    async with served(DRAIN_S="600") as server:
        async with RealtimeClient(server.url) as client:
            await ask(client, "one two three four five six")
            await client.receive_until("response.output_audio.delta")
            server.process.send_signal(signal.SIGTERM)
            await server.until_said("no more sessions")
            await is_refused(server)
            await is_answered(client)
            await ask(client, "and once more")  # it is a whole session still
            await is_answered(client)
            check_trace(client.call.events())
        assert await server.ended() == 0


HARMLESS = [getattr(signal, name) for name in ("SIGHUP", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)]


async def test_signals_that_ask_for_no_end_cut_no_answer() -> None:
    async with served(DRAIN_S="600") as server, RealtimeClient(server.url) as client:
        await ask(client, "one two three four five six")
        await client.receive_until("response.output_audio.delta")
        for number in HARMLESS:
            server.process.send_signal(number)
        await is_answered(client)
        assert server.process.returncode is None


async def test_a_server_whose_output_nobody_reads_any_more_drains_all_the_same() -> None:
    async with served(DRAIN_S="600") as server:
        async with RealtimeClient(server.url) as client:
            await ask(client, "one two three four five six")
            await client.receive_until("response.output_audio.delta")
            assert server.process.stdout is not None
            await server.process.stdout.aclose()
            server.process.send_signal(signal.SIGTERM)
            await is_answered(client)
        assert await server.ended() == 0


async def is_answered(client: RealtimeClient) -> None:
    done = await client.receive_until("response.done")
    assert done.event["response"]["status"] == "completed"


async def is_refused(server: Served) -> None:
    """Whoever comes now is told to come again, whatever they want, and the server lives."""
    assert (await server.status("/healthz"))[0] == 200
    assert await server.status("/readyz") == (503, {"status": "draining"}, "5")
    assert await server.status("/v1/realtime/client_secrets", "POST") == (503, STOPPING, "5")
    with pytest.raises(InvalidStatus) as refused:
        async with RealtimeClient(server.url):
            pass
    response = refused.value.response
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert json.loads(response.body or b"") == STOPPING


async def test_a_session_that_goes_on_for_too_long_is_told_that_the_server_stops() -> None:
    async with served(DRAIN_S="0.5") as server, RealtimeClient(server.url) as client:
        await client.receive_until("session.created")
        server.process.send_signal(signal.SIGTERM)
        assert await client.receive() is None
        assert (client.close_code, client.close_reason) == (1001, "the server is stopping")
        assert await server.ended() == 0


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]])
async def test_ctrl_c_or_a_second_signal_stops_it_at_once(signals: list[signal.Signals]) -> None:
    async with served(DRAIN_S="600") as server, RealtimeClient(server.url) as client:
        await client.receive_until("session.created")
        first, *more = signals
        server.process.send_signal(first)
        for second in more:
            await server.until_said("no more sessions")
            server.process.send_signal(second)
        assert await client.receive() is None
        assert client.close_code == 1001
        assert await server.ended() == 0


def drain(server: Served, *more: str) -> list[str]:
    return [sys.executable, "-m", "server", "drain", f"http://127.0.0.1:{server.port}", *more]


async def drained(server: Served, *more: str) -> tuple[int, str]:
    """The code of `stageflow-voice drain`, and what it says."""
    done = await anyio.run_process(drain(server, *more), check=False, stderr=STDOUT)
    return done.returncode, done.stdout.decode()


async def test_the_command_drains_a_server_waits_for_its_end_and_hurries_nobody() -> None:
    async with served(DRAIN_S="600") as server:
        pid = server.process.pid
        begun = f"process {pid} takes no more sessions; it has 1\n"
        async with RealtimeClient(server.url) as client:
            await client.receive_until("session.created")
            assert await drained(server) == (0, begun)
            await server.until_said("no more sessions")
            late = f"process {pid} has not ended yet; it has 1\n"
            assert await drained(server, "--wait", "--timeout", "0") == (3, begun + late)
            waiting = await anyio.open_process(drain(server, "--wait", "--pid", str(pid)))
            assert waiting.stdout is not None
            said = (await waiting.stdout.receive()).decode()
            await ask(client, "and once more")
            await is_answered(client)
        async with waiting:
            async for data in waiting.stdout:
                said += data.decode()
        assert waiting.returncode == 0
        assert said.startswith(begun)
        assert said.endswith(f"process {pid} has ended\n")
        assert await server.ended() == 0
        code, said = await drained(server)
        assert (code, "cannot be reached: [Errno" in said) == (1, True)


COUNT = "one two three four five six seven eight nine ten"


@asynccontextmanager
async def two_served() -> AsyncIterator[tuple[Served, Served]]:
    """Two nodes in processes of their own, which give their sessions no time when they stop."""
    async with store_server() as store:
        shared = {"STORE": store.url, "DRAIN_S": "0", "RESUME_GRACE_S": "30"}
        async with served(**shared) as one, served(**shared) as other:
            yield one, other


def lost_nothing(client: Caller) -> bool:
    """It was told of every event, and of none twice; and its session is the one it began with."""
    told = [event["event_id"] for event in client.call.events() if "event_id" in event]
    is_whole = told == [f"event_{number}" for number in range(1, len(told) + 1)]
    return is_whole and client.call.count("session.created") == 1 and client.call.count("error") == 0


async def test_who_is_away_while_a_node_stops_and_who_is_just_answered_go_on_at_another() -> None:
    async with two_served() as (one, other), Caller(one.url) as away, Caller(one.url) as spoken_to:
        await ask(away, "what time is it", "text")
        await away.receive_until("response.output_item.added")
        away.vanish()  # and it does not look whether anybody is there before it is asked to
        await ask(spoken_to, COUNT)
        item_id = (await spoken_to.receive_until("response.output_item.added")).event["item"]["id"]
        while len(spoken_to.call.words(item_id)) < 2:  # "You said:"
            await spoken_to.receive()
        one.process.send_signal(signal.SIGTERM)
        assert await one.ended() == 0
        for client in (away, spoken_to):
            client.find_at(other.url)
        heard = spoken_to.call.words(item_id)[1]
        await spoken_to.send("x_playback", item_id=item_id, played_samples=heard.end_sample)
        await is_answered(away)
        await ask(away, "and now", "text")
        await is_answered(away)
        done = (await spoken_to.receive_until("response.done")).event["response"]
        assert done["status"] == "cancelled"
        done = (await spoken_to.receive_until("response.done")).event["response"]
        assert done["status"] == "completed"
        assert done["output"][0]["content"][0]["transcript"] == COUNT
        assert lost_nothing(away)
        assert lost_nothing(spoken_to)

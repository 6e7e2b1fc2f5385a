"""A server that is told to stop takes no more sessions, and lets those that run go on for a while."""

import json
import signal

import pytest
from websockets.exceptions import InvalidStatus

from server.client.client import RealtimeClient
from tests.support.live_server import ask
from tests.support.served import Served, served
from tests.support.trace_checker import check_trace

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
    async with served(DRAIN_S="30") as server:
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
    async with served(DRAIN_S="30") as server, RealtimeClient(server.url) as client:
        await ask(client, "one two three four five six")
        await client.receive_until("response.output_audio.delta")
        for number in HARMLESS:
            server.process.send_signal(number)
        await is_answered(client)
        assert server.process.returncode is None


async def test_a_server_whose_output_nobody_reads_any_more_drains_all_the_same() -> None:
    async with served(DRAIN_S="30") as server:
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

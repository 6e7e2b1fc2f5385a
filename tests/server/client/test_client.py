"""The client of the terminal and of the tests sends audio in real time, neither faster nor slower."""

import anyio
import pytest

from server.client.client import PAUSE_S, WIRE_HZ, RealtimeClient, SendingPace
from tests.support.live_server import live_server


def test_calls_that_return_late_do_not_add_up() -> None:
    pace, now_s = SendingPace(), 0.1
    for _ in range(1000):
        assert pace.begin(now_s) <= now_s
        for _ in range(5):
            now_s = max(now_s, pace.sent(WIRE_HZ // 50)) + 0.003  # the loop is late, each time
    assert now_s == pytest.approx(100.1, abs=0.01)


def test_a_pause_between_two_calls_is_not_caught_up() -> None:
    pace = SendingPace()
    pace.begin(100.0)
    assert pace.sent(WIRE_HZ) == 101.0
    assert pace.begin(101.0 + PAUSE_S / 2) == 101.0
    assert pace.begin(101.0 + PAUSE_S * 2) == 101.0 + PAUSE_S * 2


@pytest.mark.parametrize("call_s", [0.01, 0.1, 0.33])
async def test_silence_takes_as_long_as_it_is(call_s: float) -> None:
    async with live_server() as server, RealtimeClient(server.url) as client:
        started_s = anyio.current_time()
        for _ in range(round(0.99 / call_s)):
            await client.stay_silent(call_s)
        assert anyio.current_time() - started_s >= 0.985

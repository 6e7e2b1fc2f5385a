"""A caller and the reference agent, ready for a call: voices are tones, everything is in samples."""

import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import wraps
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ParamSpec

import pytest

from server.client.load.calls import clock
from server.client.load.calls.caller import Caller, Manner
from server.client.load.calls.turns import CallRecord
from server.client.load.hearing.mouth import Voicebox
from server.client.load.hearing.utterance import hush, join, music, noise, prepare
from server.client.load.reference.agent import RATE_HZ, Conduct, ReferenceAgent, tone
from server.client.load.reference.theatre import hold_call
from server.client.load.script import Scenario
from server.client.load.targets import Voice
from stages.testing.virtual_time import virtual_loop
from tests.support.virtual_network import on_virtual_network

P = ParamSpec("P")
_LOAD = "server.client.load."

WORDS = {"question": join([tone(700), 200, tone(333)], RATE_HZ), "mhm": tone(150), "stop": tone(900)}


def scenario(*steps: dict[str, Any], **fields: Any) -> Scenario:
    """A conversation of these steps; texts are the names of `WORDS`."""
    return Scenario.model_validate({"name": "test", "steps": steps, **fields})


def voicebox(*scenarios: Scenario) -> Voicebox:
    """What callers say in them."""
    steps = {}
    for one in scenarios:
        for number, step in enumerate(one.steps):
            told = step.model_dump()
            said = told.get("say") or (told.get("barge_in") or told.get("backchannel") or {}).get("say")
            if said is not None:
                steps[one.name, number] = prepare(Voice, WORDS[said], RATE_HZ)
            elif "noise_ms" in told:
                sound = noise(RATE_HZ, told["noise_ms"], told["level_dbfs"], number)
                steps[one.name, number] = prepare(Voice, sound, RATE_HZ)
            elif "music_ms" in told:
                sound = music(RATE_HZ, told["music_ms"], told["level_dbfs"], number)
                steps[one.name, number] = prepare(Voice, sound, RATE_HZ)
    return Voicebox(hush(Voice, 1), steps)


def call(one: Scenario, conduct: Conduct = Conduct(), **manner: Any) -> CallRecord:  # noqa: B008  # it is frozen
    """The whole call, in no time."""
    record = CallRecord(0, one.name, 0.0)
    caller = Caller(Voice(), one, voicebox(one), record, Manner(**manner))
    return hold_call(caller, ReferenceAgent(conduct))


def virtual_calls(function: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make an async test of calls over connections run in virtual time: no machine is too busy for it."""

    @on_virtual_network
    @wraps(function)
    async def with_its_clock(*args: P.args, **kwargs: P.kwargs) -> None:
        with pytest.MonkeyPatch.context() as patch:
            real, modules = clock.now, [one for name, one in sys.modules.items() if name.startswith(_LOAD)]
            for module in modules:
                if getattr(module, "now", None) is real:
                    patch.setattr(module, "now", virtual_loop().time)
            await function(*args, **kwargs)

    return with_its_clock


SAY = {"say": "question"}
TALKS = scenario(
    SAY,
    SAY,
    {"backchannel": {"say": "mhm", "after_ms": 200}, "within_ms": 700},
    SAY,
    {"barge_in": {"say": "stop", "after_ms": 700}},
    {"noise_ms": 800, "level_dbfs": -45},
    {"silence_ms": 1500, "expect": "nothing"},
)


@contextmanager
def web_page(
    status: int, body: bytes = b"", keys: list[str | None] | None = None, elsewhere: str = ""
) -> Iterator[str]:
    """A web server that answers everything like this, or names another page, and notes the keys it is shown."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if keys is not None:
                keys.append(self.headers["Authorization"])
            self.send_response(status)
            if elsewhere:
                self.send_header("Location", elsewhere)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()

"""The tier by itself: who is let in, what it answers, what it does with what it does not understand."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from stages.errors import ProviderBusy
from stages.ports import Recognition
from stages.providers.remote.stt import RemoteRecogniser, RemoteRecogniserSettings
from stages.providers.remote.wire import MAX_UTTERANCES
from stages.testing.fakes import ScriptedVoice
from stages.testing.servers.coded import CodedWords
from stages.tier.__main__ import main, url_here
from stages.tier.asgi import EngineApp, Event
from stages.tier.engine import EngineChoice, TierEngine
from stages.tier.plain import serving
from tests.support.hosted import SENTENCE, hear
from tests.support.tier import KEY, CodedRecogniser

CODED = CodedWords(SENTENCE)


@asynccontextmanager
async def tier(max_streams: int = 64, key: str | None = KEY) -> AsyncIterator[str]:
    engines = {
        "stt": TierEngine(EngineChoice("stt", "scripted", max_streams=max_streams), CodedRecogniser(CODED)),
        "tts": TierEngine(EngineChoice("tts", "scripted", max_streams=max_streams), ScriptedVoice()),
    }
    async with serving(engines, key=key) as port:
        yield f"ws://127.0.0.1:{port}"


def stream(url: str, kind: str, key: str = KEY) -> connect:
    headers = {"Authorization": f"Bearer {key}"}
    return connect(f"{url}/v1/{kind}", additional_headers=headers, compression=None)


async def get(url: str, path: str) -> str:
    host, _, port = url.removeprefix("ws://").partition(":")
    async with await anyio.connect_tcp(host, int(port)) as line:
        await line.send(f"GET {path} HTTP/1.1\r\nHost: tier\r\nConnection: close\r\n\r\n".encode())
        told = b""
        async for part in line:
            told += part
    return told.decode()


async def test_the_key_opens_the_streams_and_nothing_else_does() -> None:
    async with tier() as url:
        for key in ("", "another"):
            with pytest.raises(InvalidStatus):
                async with stream(url, "stt", key):
                    pass
        async with stream(url, "stt") as connection:
            assert json.loads(await connection.recv())["rate_hz"] == 16_000


async def test_how_it_does_is_told_over_http() -> None:
    async with tier() as url, stream(url, "tts") as connection:
        await connection.recv()
        health = json.loads((await get(url, "/healthz")).partition("\r\n\r\n")[2])
        assert health["engines"]["tts"] == {"engine": "scripted", "streams": 1, "full": False}
        assert 'model_tier_streams{kind="tts",engine="scripted"} 1\n' in await get(url, "/metrics")
        assert "404" in (await get(url, "/elsewhere")).partition("\r\n")[0]


async def test_a_full_replica_says_so_and_a_server_can_ask_another_provider() -> None:
    async with tier(max_streams=1) as url:
        settings = RemoteRecogniserSettings(url=url, api_key=SecretStr(KEY))
        recogniser = RemoteRecogniser(settings)
        async with recogniser.session() as first, recogniser.session() as second:
            assert (await hear(first, CODED.samples())).text == SENTENCE
            with pytest.raises(ProviderBusy):
                await hear(second, CODED.samples())
        async with recogniser.session() as third:
            assert (await hear(third, CODED.samples())).text == SENTENCE


@pytest.mark.parametrize(
    ("kind", "message", "told"),
    [
        ("stt", "{", "message: "),
        ("stt", '{"type": "sing", "id": 1}', "'sing'"),
        ("stt", '{"type": "listen", "id": -1}', "listen.id: Input should be greater than or equal to 0"),
        ("stt", b"abc", "a number of 4 bytes"),
        ("tts", '{"type": "speak", "id": 1, "speed": 0}', "speak.speed: Input should be greater than 0"),
        ("tts", '{"type": "text", "id": 1, "text": 5}', "text.text: Input should be a valid string"),
        ("tts", b"abcd", "a voice takes no audio"),
    ],
)
async def test_what_is_not_understood_is_answered_and_the_stream_goes_on(
    kind: str, message: str | bytes, told: str
) -> None:
    async with tier() as url, stream(url, kind) as connection:
        await connection.recv()
        await connection.send(message)
        fault = json.loads(await connection.recv())
        assert (fault["type"], fault["kind"]) == ("fault", "bad_request")
        assert told in fault["text"]
        for known in _goes_on(kind):
            await connection.send(json.dumps(known))
        assert (await _next_text(connection))["type"] in ("heard", "spoken")


def _goes_on(kind: str) -> list[dict[str, Any]]:
    if kind == "stt":
        return [{"type": "listen", "id": 7}, {"type": "final", "id": 7, "ask": 1}]
    return [{"type": "speak", "id": 7}, {"type": "text", "id": 7, "text": "Yes."}]


async def _next_text(connection: ClientConnection) -> dict[str, Any]:
    while not isinstance(message := await connection.recv(), str):
        pass
    return dict(json.loads(message))


async def test_too_many_utterances_are_refused_and_the_others_go_on() -> None:
    async with tier() as url, stream(url, "stt") as connection:
        await connection.recv()
        for number in range(9):
            await connection.send(json.dumps({"type": "listen", "id": number}))
        assert "more than 8" in json.loads(await connection.recv())["text"]
        await connection.send(json.dumps({"type": "final", "id": 0, "ask": 1}))
        assert json.loads(await connection.recv())["type"] == "heard"


# --- as an ASGI application ---------------------------------------------------------------------------------


class Asked:
    """A server of applications, by script: what comes in, and what was sent."""

    def __init__(self, *events: Event) -> None:
        self._events = list(events)
        self.sent: list[Event] = []

    async def receive(self) -> Event:
        await anyio.lowlevel.checkpoint()
        return self._events.pop(0) if self._events else {"type": "websocket.disconnect"}

    async def send(self, event: Event) -> None:
        self.sent.append(event)


async def asked(app: EngineApp, scope: dict[str, Any], *events: Event) -> list[Event]:
    server = Asked(*events)
    await app({"headers": [], "path": "/v1/stt", **scope}, server.receive, server.send)
    return server.sent


async def test_an_application_serves_streams_and_tells_how_it_does() -> None:
    engine = TierEngine(EngineChoice("stt", "scripted", max_streams=1), CodedRecogniser(CODED))
    app, here = EngineApp(engine, KEY), {"headers": [(b"authorization", f"Bearer {KEY}".encode())]}
    opening: Event = {"type": "websocket.connect"}
    refused = await asked(app, {"type": "websocket"}, opening)
    assert [(event["type"], event["code"]) for event in refused] == [("websocket.close", 1008)]
    served = await asked(app, {"type": "websocket", **here}, opening)
    assert [event["type"] for event in served] == ["websocket.accept", "websocket.send"]
    engine.figures.streams = 1
    busy = await asked(app, {"type": "websocket", **here}, opening)
    assert busy[-1] == {"type": "websocket.close", "code": 1013, "reason": "full"}
    told = await asked(app, {"type": "http", "path": "/v1/stt/healthz"})
    assert json.loads(told[1]["body"])["engines"]["stt"]["full"]
    lived = await asked(
        app, {"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}
    )
    assert [event["type"] for event in lived] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_provider_that_breaks_ends_its_own_stream() -> None:
    class Broken(CodedRecogniser):
        def open(self, *_: Any, **__: Any) -> Any:
            raise ZeroDivisionError

    engine = TierEngine(EngineChoice("stt", "broken"), Broken(CODED))
    async with serving({"stt": engine}) as port, connect(f"ws://127.0.0.1:{port}/v1/stt") as connection:
        await connection.recv()
        await connection.send(json.dumps({"type": "listen", "id": 1}))
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1011


# --- what can be asked for ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--stt", "none", "--tts", "none"], "neither a recogniser nor a voice"),
        (["--stt", "remote", "--tts", "none"], "the tier would ask a tier"),
        (["--stt", "embeded", "--tts", "none"], "Did you mean 'embedded'?"),
        (["--host", "0.0.0.0"], "set MODEL_TIER_KEY"),
        (["--address", "127.0.0.1:6379"], "set MODEL_TIER_KEY"),
        (["--stt", "soniox_turns", "--tts", "none"], "finds the ends of turns itself"),
        (["--config", "/nowhere.toml"], "--config: "),
    ],
)
def test_what_cannot_be_served_is_said_before_anything_starts(
    words: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MODEL_TIER_KEY", raising=False)
    assert main(words) == 2
    assert told in capsys.readouterr().err


def test_a_port_that_is_taken_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["--plain", "--stt", "scripted", "--tts", "none", "--port", port]) == 1
    assert "models-tier: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "ws://127.0.0.1:8500"),
        ("0.0.0.0", "ws://127.0.0.1:8500"),
        ("::", "ws://127.0.0.1:8500"),
        ("::1", "ws://[::1]:8500"),
    ],
)
def test_where_it_is_reached_from_this_machine(host: str, url: str) -> None:
    assert url_here(host, 8500) == url


async def test_a_session_that_has_many_utterances_open_gets_the_text_of_each() -> None:
    async with tier() as url:
        recogniser = RemoteRecogniser(RemoteRecogniserSettings(url=url, api_key=SecretStr(KEY)))
        async with recogniser.session() as hearing:
            utterances = [hearing.open() for _ in range(MAX_UTTERANCES + 4)]
            texts = list[str]()

            async def read(utterance: Recognition) -> None:
                texts.append((await utterance.final()).text)
                utterance.close()

            for utterance in utterances:
                utterance.push(CODED.samples())
            async with anyio.create_task_group() as tasks:
                for utterance in utterances:
                    tasks.start_soon(read, utterance)
            assert texts == [SENTENCE] * len(utterances)

"""One port for everything: secrets, pages and metrics of a real server, beside its sessions."""

import json
import urllib.error
import urllib.request
from typing import Any

import anyio.to_thread
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from server.dialects.voice.frames import Stream, unpack_frame
from tests.support.live_server import LiveServer, live_server
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.e2e


async def fetch(
    server: LiveServer, path: str, body: object = None, key: str | None = None
) -> tuple[int, str]:
    """One request; a body makes it a POST."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}"} if key else {},
    )

    def ask() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()

    return await anyio.to_thread.run_sync(ask)


def browser_protocols(secret: str, *names: str) -> list[Subprotocol]:
    return [Subprotocol(name) for name in (*names, f"openai-insecure-api-key.{secret}")]


async def test_a_browser_with_a_secret_gets_the_session_that_was_ordered() -> None:
    async with live_server(api_keys="real-key") as server:
        order = {"session": {"type": "realtime", "instructions": "Sell shoes."}, "x_locked": ["instructions"]}
        assert (await fetch(server, "/v1/realtime/client_secrets", order))[0] == 401
        status, body = await fetch(server, "/v1/realtime/client_secrets", order, "real-key")
        assert status == 200
        secret = json.loads(body)["value"]
        async with connect(server.url, subprotocols=browser_protocols(secret, "realtime")) as client:
            assert client.subprotocol == "realtime"
            created = json.loads(await client.recv())
            assert created["session"]["instructions"] == "Sell shoes."
            update = {"type": "session.update", "session": {"type": "realtime", "instructions": "Sell hats."}}
            await client.send(json.dumps(update))
            error = json.loads(await client.recv())["error"]
            assert (error["code"], error["param"]) == ("setting_locked", "session.instructions")
        with pytest.raises(InvalidStatus):
            async with connect(server.url, subprotocols=browser_protocols("ek_wrong", "realtime")):
                pass


async def test_without_keys_whoever_is_on_this_machine_gets_a_secret() -> None:
    async with live_server() as server:
        status, body = await fetch(server, "/v1/realtime/client_secrets", {})
        assert (status, json.loads(body)["value"][:3]) == (200, "ek_")


async def test_a_full_server_is_alive_and_not_ready_and_counts_what_happens() -> None:
    async with live_server(limits={"max_sessions": 1}) as server:
        assert (await fetch(server, "/readyz"))[0] == 200
        async with connect(server.url) as client:
            await client.recv()
            assert await fetch(server, "/readyz") == (503, '{"status": "full"}')
            assert (await fetch(server, "/healthz"))[0] == 200
            assert "stageflow_voice_sessions 1.0" in (await fetch(server, "/metrics"))[1]
        await server.until_sessions(0)
        assert 'stageflow_voice_sessions_ended_total{code="1000"} 1.0' in (await fetch(server, "/metrics"))[1]


async def test_voice_v1_is_preferred_and_speaks_in_binary_frames() -> None:
    async with live_server() as server:
        offer = [Subprotocol("realtime"), Subprotocol("voice.v1")]
        async with connect(server.url, subprotocols=offer) as client:
            assert client.subprotocol == "voice.v1"
            item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
            await client.send(json.dumps({"type": "conversation.item.create", "item": item}))
            await client.send(json.dumps({"type": "response.create"}))
            told: list[dict[str, Any]] = []
            samples = 0
            while not told or told[-1]["type"] != "x_metrics":
                frame = await client.recv()
                if isinstance(frame, bytes):
                    audio = unpack_frame(frame)
                    assert (audio.stream, audio.epoch, audio.offset_samples) == (Stream.ANSWER, 0, samples)
                    samples += len(audio.data) // 2
                else:
                    told.append(json.loads(frame))
    assert samples > 0
    assert "response.output_audio.delta" not in {event["type"] for event in told}

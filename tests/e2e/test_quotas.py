"""Over real sockets: what one address, one key or one session may have, what it is told then, and that others go on."""

import base64
import json
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.live_server import LiveServer, live_server

pytestmark = pytest.mark.e2e

FAR, OTHER, KEY = "198.51.100.1", "203.0.113.9", "k-0123456789abcdef"


async def opened(server: LiveServer, address: str, key: str = KEY) -> ClientConnection:
    """A session from behind a proxy on this machine."""
    headers = {"X-Forwarded-For": address, "Authorization": f"Bearer {key}"}
    return await connect(server.url, additional_headers=headers)


async def refusal(server: LiveServer, address: str, key: str = KEY) -> tuple[int, str, bool]:
    """The status, the reason, and whether it is said when to come back."""
    with pytest.raises(InvalidStatus) as refused:
        await opened(server, address, key)
    response = refused.value.response
    error = json.loads(response.body or b"")["error"]
    return response.status_code, error["code"], "Retry-After" in response.headers


async def until(client: ClientConnection, kind: str) -> dict[str, Any]:
    while True:
        event: dict[str, Any] = json.loads(await client.recv())
        if event["type"] == kind:
            return event


async def test_an_address_has_so_many_sessions_and_gets_the_next_when_one_is_over() -> None:
    quotas = {"sessions_per_address": 2}
    async with live_server(api_keys=KEY, trusted_proxies="127.0.0.1", quotas=quotas) as server:
        async with AsyncExitStack() as stack:
            for _ in range(2):
                await stack.enter_async_context(await opened(server, FAR))
            assert await refusal(server, FAR) == (429, "session_quota_reached", True)
            await stack.enter_async_context(await opened(server, OTHER))
        await server.until_sessions(0)
        async with await opened(server, FAR) as client:
            await until(client, "session.created")


async def test_a_forwarded_address_counts_only_from_a_trusted_proxy() -> None:
    async with live_server(api_keys=KEY, quotas={"sessions_per_address": 1}) as server:
        async with await opened(server, FAR), await opened(server, FAR) as client:
            await until(client, "session.created")
            assert await server.sessions() == 2, "whatever the header says, the address is this machine's"


async def test_wrong_keys_make_their_address_wait_and_nobody_else() -> None:
    quotas = {"wrong_keys_per_min": 3}
    async with live_server(api_keys=KEY, trusted_proxies="127.0.0.1", quotas=quotas) as server:
        for number in range(3):
            assert await refusal(server, FAR, f"guess-{number}") == (401, "invalid_api_key", False)
        assert await refusal(server, FAR, KEY) == (429, "too_many_wrong_keys", True)
        async with await opened(server, OTHER) as client:
            await until(client, "session.created")
        page = await server.metrics(KEY)
        assert 'refusals_total{reason="invalid_api_key",status="401"} 3.0' in page
        assert 'refusals_total{reason="too_many_wrong_keys",status="429"} 1.0' in page


async def test_a_session_that_asks_for_too_many_answers_is_told_and_goes_on() -> None:
    async with live_server(limits={"max_responses_per_min": 1}) as server, connect(server.url) as client:
        ask = {"type": "response.create", "response": {"conversation": "none", "output_modalities": ["text"]}}
        await client.send(json.dumps(ask))
        await until(client, "response.done")
        await client.send(json.dumps({**ask, "event_id": "mine"}))
        error = (await until(client, "error"))["error"]
        assert (error["code"], error["event_id"]) == ("rate_limit_exceeded", "mine")
        await client.send(json.dumps({"type": "session.update", "session": {"type": "realtime"}}))
        await until(client, "session.updated")


async def test_a_key_has_limits_of_its_own_on_the_wire() -> None:
    """Sessions are refused before the upgrade; audio beyond the share is told in the session, and it goes on."""
    shop, till = "k-of-the-shop-00000", "k-of-the-till-00000"
    limits = {"shop": {"sessions": 1, "audio_s_per_hour": 60}}
    async with live_server(api_keys=f"{shop},{till}", key_names="shop,till", keys=limits) as server:
        async with await opened(server, FAR, shop) as client:
            assert await refusal(server, FAR, shop) == (429, "session_quota_reached", True)
            async with await opened(server, FAR, till) as other:
                await until(other, "session.created")
            second = base64.b64encode(bytes(48_000)).decode()
            update = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
            await client.send(json.dumps({"type": "session.update", "session": update}))
            for _ in range(62):
                await client.send(json.dumps({"type": "input_audio_buffer.append", "audio": second}))
            error = (await until(client, "error"))["error"]
            assert (error["code"], error["type"]) == ("audio_quota_reached", "rate_limit_error")
            await client.send(json.dumps({"type": "input_audio_buffer.clear"}))
            await until(client, "input_audio_buffer.cleared")


@pytest.mark.parametrize("limit", ["max_idle_s", "max_unused_s"])
async def test_a_client_that_sends_nothing_is_told_and_closed(limit: str) -> None:
    async with live_server(limits={limit: 1}) as server, connect(server.url) as client:
        assert (await until(client, "error"))["error"]["code"] == "session_idle"
        with pytest.raises(ConnectionClosed):
            await until(client, "never")
        assert client.close_code == 1001

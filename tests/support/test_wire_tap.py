"""The tap hears both sides and changes nothing."""

import pytest

from server.client.client import RealtimeClient
from stages.testing.fakes import ScriptedModel
from tests.support.live_server import ask, live_server
from tests.support.wire_tap import wire_tap

pytestmark = pytest.mark.e2e


async def test_both_sides_are_written_down_in_order() -> None:
    async with live_server(ScriptedModel("All right.")) as server, wire_tap(server.port) as tap:
        async with RealtimeClient(tap.url, api_key="mine") as client:
            await ask(client, "x" * 70_000)  # a frame that does not come in one piece
            await client.receive_until("response.done")
            received = client.call.events()
        call = tap.calls[0]
        assert call.events()[: len(received)] == received  # the client has not waited for the rest
        assert call.types("client") == ["conversation.item.create", "response.create"]
        assert len(str(call.events("client")[0])) > 70_000
        assert "Authorization: Bearer mine" in call.heads["client"]
        assert call.heads["server"][0] == "HTTP/1.1 101 Switching Protocols"

"""Over real sockets on both sides: a client, our server, and a real MCP server."""

import subprocess
import sys
from typing import Any

import anyio
import anyio.to_thread
import pytest
from openai import AsyncOpenAI
from openai.types.realtime import RealtimeMcpApprovalRequest, RealtimeMcpListTools, RealtimeMcpToolCall

from server.client.client import RealtimeClient
from stageflow.tools import ToolCall
from stages.providers.mcp_client import McpServers
from stages.testing.fakes import Said, ScriptedModel
from tests.support.live_server import ask, live_server
from tests.support.mcp_server import mcp_server
from tests.support.patience import PATIENCE_S
from tests.support.trace_checker import check_trace

pytestmark = pytest.mark.e2e

STOCK = ToolCall("call_0", "stock", '{"what": "shoes"}')
BUY = ToolCall("call_0", "buy", '{"what": "shoes"}')


@pytest.fixture(scope="module")
def mcp() -> McpServers:
    return McpServers()


def tool(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "mcp", "server_label": "shop", "server_url": url, "authorization": "s3cret", **more}


async def test_tools_of_an_mcp_server_are_listed_called_and_spoken_about(mcp: McpServers) -> None:
    model = ScriptedModel(Said("One moment.", (STOCK,)), Said(calls=(BUY,)), "It is yours.")
    async with mcp_server() as shop, live_server(model, None, mcp, mcp_servers=(shop.url,)) as server:
        async with RealtimeClient(server.url) as client:
            approval = {"never": {"read_only": True}}
            session = {"type": "realtime", "tools": [tool(shop.url, require_approval=approval)]}
            await client.send("session.update", session=session)
            await client.receive_until("mcp_list_tools.completed")
            await ask(client, "Are there shoes?")
            await client.receive_until("response.mcp_call.completed")
            await client.send("response.create")
            request = None
            while request is None or request["item"]["type"] != "mcp_approval_request":
                request = (await client.receive_until("conversation.item.done")).event
            await client.receive_until("response.done")
            answer = {
                "type": "mcp_approval_response",
                "approval_request_id": request["item"]["id"],
                "approve": True,
            }
            await client.send("conversation.item.create", item=answer)
            await client.receive_until("response.mcp_call.completed")
            await client.send("response.create")
            await client.receive_until("response.done")
            await client.receive_until("rate_limits.updated")
    events = client.call.events()
    check_trace(events)
    done = [event["item"] for event in events if event["type"] == "conversation.item.done"]
    assert [item["output"] for item in done if item["type"] == "mcp_call"] == ["7 shoes", "bought shoes"]
    assert client.call.texts("response.output_audio_transcript.done", "transcript") == [
        "One moment.",
        "It is yours.",
    ]
    assert [message.content for message in model.requests[-1].messages if message.role == "tool"] == [
        "7 shoes",
        "bought shoes",
    ]
    assert {headers["authorization"] for headers in shop.headers} == {"Bearer s3cret"}
    assert "s3cret" not in str(events)


async def test_the_official_client_asks_for_a_call_approves_of_it_and_hears_the_answer(
    mcp: McpServers,
) -> None:
    model = ScriptedModel(Said(calls=(BUY,)), "It is yours.")
    async with mcp_server() as shop, live_server(model, None, mcp, mcp_servers=(shop.url,)) as server:
        openai = AsyncOpenAI(api_key="any", base_url=f"http://127.0.0.1:{server.port}/v1")
        async with openai, openai.realtime.connect(model="any") as connection:

            async def until(type: str) -> Any:
                with anyio.fail_after(PATIENCE_S):
                    while (event := await connection.recv()).type != type:
                        pass
                return event

            session: Any = {"type": "realtime", "output_modalities": ["text"], "tools": [tool(shop.url)]}
            await connection.session.update(session=session)
            await until("mcp_list_tools.completed")
            listing: Any = (await until("conversation.item.done")).item
            assert isinstance(listing, RealtimeMcpListTools)
            assert [one.name for one in listing.tools] == ["stock", "buy"]
            await connection.response.create(
                response={"tool_choice": {"type": "mcp", "server_label": "shop", "name": "buy"}}
            )
            asked = (await until("response.mcp_call_arguments.done")).item_id
            request: Any = (await until("conversation.item.done")).item
            assert isinstance(request, RealtimeMcpApprovalRequest)
            await until("response.done")
            answer: Any = {
                "type": "mcp_approval_response",
                "approval_request_id": request.id,
                "approve": True,
            }
            await connection.conversation.item.create(item=answer)
            assert (await until("response.mcp_call.completed")).item_id == asked
            made: Any = (await until("conversation.item.done")).item
            assert isinstance(made, RealtimeMcpToolCall)
            assert (made.output, made.approval_request_id) == ("bought shoes", request.id)
            await connection.response.create(response={"tool_choice": "none"})
            assert (await until("response.output_text.done")).text == "It is yours."


async def test_a_server_that_is_down_or_not_allowed_costs_only_its_tools(mcp: McpServers) -> None:
    async with live_server(None, None, mcp, mcp_servers=("http://127.0.0.1:1/mcp",)) as server:
        async with RealtimeClient(server.url) as client:
            await client.send(
                "session.update", session={"type": "realtime", "tools": [tool("http://127.0.0.1:2/mcp")]}
            )
            error = (await client.receive_until("error")).event["error"]
            assert error["code"] == "mcp_server_not_allowed"
            await client.send(
                "session.update", session={"type": "realtime", "tools": [tool("http://127.0.0.1:1/mcp")]}
            )
            await client.receive_until("mcp_list_tools.failed")
            listing = (await client.receive_until("conversation.item.done")).event["item"]
            assert listing["x_error"] == "the server cannot be reached"
            await ask(client, "hello")
            await client.receive_until("response.done")
            await client.receive_until("rate_limits.updated")
    check_trace(client.call.events())


async def test_without_the_sdk_the_remedy_is_named() -> None:
    program = (
        "import sys; sys.modules['mcp'] = None\n"
        "from server.config.providers import load_providers\n"
        "from server.config.environment import load_settings\n"
        "import anyio\n"
        "async def main():\n"
        "    given = dict(stt='scripted', agent='scripted', tts='scripted', vad='webrtc', end_of_turn='none')\n"
        "    settings = load_settings({**given, 'mcp_servers': ('http://127.0.0.1/mcp',)}, env_file=None)\n"
        "    async with load_providers(settings, lambda text: None): pass\n"
        "anyio.run(main)\n"
    )

    def run() -> str:
        return subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S
        ).stderr

    said = await anyio.to_thread.run_sync(run)
    assert "ConfigError" in said
    assert "pip install 'stageflow-voice[mcp]'" in said

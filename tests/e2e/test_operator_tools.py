"""Tools of the operator's own MCP servers, with a real one: in every session, by agent, gone and back."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from server import Agent, Route, ToolServer, VoiceServer
from server.client.client import RealtimeClient
from server.config.configuration import load_configuration
from server.domain.errors import ConfigError
from stageflow.tools import ToolCall
from stages.testing.fakes import Said, ScriptedModel, ScriptedRecogniser, ScriptedVoice
from tests.support.live_server import ask
from tests.support.mcp_server import mcp_server
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.e2e

STOCK = ToolCall("call_0", "shop__stock", '{"what": "shoes"}')


def served(model: ScriptedModel, url: str, **parts: Any) -> VoiceServer:
    return VoiceServer(
        stt=ScriptedRecogniser(),
        llm=model,
        tts=ScriptedVoice(),
        vad="webrtc",
        end_of_turn="none",
        tool_servers=[ToolServer(name="shop", url=url, key="s3cret", **parts.pop("server", {}))],
        **parts,
    )


async def answered(client: RealtimeClient, text: str) -> None:
    await ask(client, text)
    await client.receive_until("response.done", timeout_s=PATIENCE_S)


def results(model: ScriptedModel) -> list[str]:
    return [message.content for message in model.requests[-1].messages if message.role == "tool"]


async def test_every_session_has_them() -> None:
    model = ScriptedModel(Said(calls=(STOCK,)), "Seven.")
    async with mcp_server() as shop:
        async with served(model, shop.url).listening(port=0) as server:
            for _ in range(2):
                async with RealtimeClient(server.url) as client:
                    await answered(client, "Are there shoes?")
                assert not [event for event in client.call.events() if event["type"].startswith("mcp_")]
                assert results(model) == ["7 shoes"]
                assert {tool.name: tool.effect for tool in model.requests[-2].tools} == {
                    "shop__stock": "none",
                    "shop__buy": "irreversible",
                }
        assert {headers["authorization"] for headers in shop.headers} == {"Bearer s3cret"}


async def test_an_agent_has_those_that_it_names() -> None:
    model = ScriptedModel("All right.")
    agents = [Agent(name="sales", tools=("shop",)), Agent(name="chat", tools=())]
    routes = [Route(agent="sales", keywords=("buy",)), Route(agent="chat", default=True)]
    async with mcp_server() as shop:
        app = served(model, shop.url, server={"tools": ("buy",)}, agents=agents, routes=routes)
        async with app.listening(port=0) as server, RealtimeClient(server.url) as client:
            await answered(client, "Hello.")
            await answered(client, "I want to buy shoes.")
    assert [[tool.name for tool in request.tools] for request in model.requests] == [[], ["shop__buy"]]


async def test_a_server_that_goes_is_told_of_and_the_call_goes_on() -> None:
    model = ScriptedModel("Hello.", Said(calls=(STOCK,)), "It is away.")
    async with AsyncExitStack() as stack:
        shop = await stack.enter_async_context(mcp_server())
        server = await stack.enter_async_context(served(model, shop.url).listening(port=0))
        client = await stack.enter_async_context(RealtimeClient(server.url))
        await answered(client, "Hello.")
        shop.stop.set()
        await shop.stopped.wait()
        await answered(client, "Are there shoes?")
    (told,) = results(model)
    assert told.startswith("shop__stock failed: ToolServerError:")


async def test_one_that_is_not_there_costs_its_tools_only() -> None:
    model = ScriptedModel("Hello.")
    async with served(model, "http://127.0.0.1:9/mcp").listening(port=0) as server:
        async with RealtimeClient(server.url) as client:
            await answered(client, "Hello.")
    assert model.requests[-1].tools == ()


def test_what_is_wrong_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "stageflow-voice.toml"
    path.write_text("""
[[tools.servers]]
name = "shop"
url = "shop.example"
[[tools.servers]]
name = "shop"
url = "http://127.0.0.1:9/mcp"
key_file = "nowhere"
[[agents]]
tools = ["shopp"]
""")
    with pytest.raises(ConfigError) as refused:
        load_configuration(path=path, env_file=None)
    told = str(refused.value)
    assert "tools.servers: 2 are called 'shop'" in told
    assert "tools.servers.shop.url: 'shop.example' is neither a URL" in told
    assert "tools.servers.shop.key_file: cannot be read" in told
    assert "agents.assistant.tools: there is no tool 'shopp'" in told

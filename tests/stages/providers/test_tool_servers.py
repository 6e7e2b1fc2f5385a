"""Servers of tools: the scripted ones and the MCP client hold one contract; the client, against a real server."""

import anyio
import pytest

from stageflow.tools import Tool
from stages.errors import ProviderError, ToolServerError
from stages.providers.mcp_client import McpServers
from stages.testing.contracts import check_tool_servers
from stages.testing.fake_tools import ScriptedToolServer, ScriptedToolServers
from stages.testing.fakes import Conduct
from tests.support.mcp_server import McpServer, mcp_server
from tests.support.patience import PATIENCE_S


async def stock(what: str) -> str:
    """How many there are."""
    if what == "hats":
        raise ValueError("we have no hats")
    if what == "nothing":
        await anyio.sleep_forever()
    return f"7 {what}"


async def buy(what: str) -> str:
    """Buy one."""
    return f"bought {what}"


TOOLS = (Tool.of(stock, effect="none"), Tool.of(buy))


@pytest.fixture(scope="module")
def real() -> McpServers:
    return McpServers()


@pytest.mark.parametrize("conduct", [Conduct(), Conduct(delay_s=0.02)])
async def test_scripted_servers_hold_the_contract(conduct: Conduct) -> None:
    servers = ScriptedToolServers(shop=ScriptedToolServer(TOOLS, conduct, conduct))
    await check_tool_servers(servers, "http://shop/mcp", "http://nowhere/mcp")


@pytest.mark.parametrize("json_response", [False, True])
async def test_a_real_server_holds_the_contract(real: McpServers, json_response: bool) -> None:
    async with mcp_server(json_response=json_response) as server:
        await check_tool_servers(real, server.url, "http://127.0.0.1:1/mcp")


async def test_a_scripted_server_that_is_lost_ends_the_block() -> None:
    server = ScriptedToolServer(TOOLS)
    servers = ScriptedToolServers(shop=server)

    async def lose() -> None:
        async with servers.connect("http://shop/mcp", {}):
            server.lose()
            await anyio.sleep_forever()

    with pytest.raises(ToolServerError, match="gone"):
        await lose()
    assert server.connections == 0


async def test_a_real_server_that_is_lost_ends_the_block_and_the_calls(real: McpServers) -> None:
    failed: list[str] = []

    async def lose(server: McpServer) -> None:
        async with anyio.create_task_group() as tasks, real.connect(server.url, {}) as shop:

            async def call() -> None:
                try:
                    await shop.call("buy", {"what": "shoes"})
                except ProviderError as error:
                    failed.append(str(error))

            await shop.tools()
            server.stop.set()
            await server.stopped.wait()
            tasks.start_soon(call)
            await anyio.sleep_forever()

    async with mcp_server() as server:
        with anyio.fail_after(PATIENCE_S), pytest.raises(ExceptionGroup) as caught:
            await lose(server)
    assert caught.group_contains(ToolServerError, match="cannot be reached")
    assert failed == ["Connection closed"]


async def test_what_the_server_wants_to_see_is_brought_along(real: McpServers) -> None:
    async with mcp_server() as server, real.connect(server.url, {"Authorization": "Bearer s3cret"}) as shop:
        await shop.tools()
    assert {headers["authorization"] for headers in server.headers} == {"Bearer s3cret"}


async def test_a_redirect_to_another_host_is_not_followed(real: McpServers) -> None:
    async with mcp_server() as server:
        with pytest.raises(ToolServerError, match="not followed"):
            async with real.connect(server.url.replace("/mcp", "/away"), {"Authorization": "Bearer s3cret"}):
                pass


async def test_a_redirect_to_elsewhere_on_the_same_host_is_not_followed(real: McpServers) -> None:
    """The address that was allowed is `/moved/mcp`, and `/mcp` is somebody else's."""
    async with mcp_server() as server:
        with pytest.raises(ToolServerError, match="RemoteProtocolError"):
            async with real.connect(server.url.replace("/mcp", "/moved/mcp"), {}):
                pass
        assert len(server.headers) == 1


async def test_a_redirect_below_the_address_is_followed(real: McpServers) -> None:
    async with mcp_server() as server, real.connect(f"{server.url}/slash", {}) as shop:
        assert await shop.tools()


async def test_an_answer_that_is_packed_is_not_unpacked(real: McpServers) -> None:
    async with mcp_server() as server:
        with pytest.raises(ToolServerError, match="RemoteProtocolError"):
            async with real.connect(server.url.replace("/mcp", "/packed"), {}):
                pass


@pytest.mark.parametrize("json_response", [False, True])
async def test_an_answer_that_is_too_large_fails_and_the_connection_goes_on(
    real: McpServers, json_response: bool
) -> None:
    async with mcp_server(json_response=json_response) as server, real.connect(server.url, {}) as shop:
        with pytest.raises(ToolServerError, match=r"1048576"):
            await shop.call("stock", {"what": "everything"})
        assert (await shop.call("stock", {"what": "shoes"})).text == "7 shoes"


async def test_what_is_no_mcp_server_is_an_error(real: McpServers) -> None:
    async with mcp_server() as server:
        with pytest.raises(ToolServerError):
            async with real.connect(server.url.replace("/mcp", "/nothing"), {}):
                pass

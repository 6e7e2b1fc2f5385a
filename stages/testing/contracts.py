"""What every recogniser, language model, voice and server of tools must do, fake or real: `stages.ports` as checks.

Each takes a provider and raises AssertionError with what it got wrong first. They run in real time, because real models
compute in threads; a provider has several tries at being quick, because machines are shared. `stages.testing.kit` runs
the same checks one by one, and watches what else a provider does.
"""

from stages.errors import ProviderError, ProviderRejected
from stages.ports import ToolConnection, ToolOutput, ToolServers
from stages.testing.cancelling import CANCEL_WITHIN_S, cancel_under_way, twice_at_once
from stages.testing.model_checks import check_language_model
from stages.testing.recogniser_checks import check_recogniser
from stages.testing.voice_checks import check_synthesiser

__all__ = [
    "CANCEL_WITHIN_S",
    "check_language_model",
    "check_recogniser",
    "check_synthesiser",
    "check_tool_servers",
]

# --- servers of tools -------------------------------------------------------------------------------------


async def check_tool_servers(servers: ToolServers, url: str, nowhere: str) -> None:
    """At `url` there are `stock` (read-only; has no "hats", and is slow about "nothing") and `buy`; at `nowhere` is
    no server."""
    async with servers.connect(url, {}) as shop:
        await _check_offer(shop)
        await _check_calls(shop)
        await cancel_under_way(lambda: shop.call("stock", {"what": "nothing"}), "a call")
        assert (await shop.call("buy", {"what": "shoes"})).text == "bought shoes", (
            "after one that was cancelled"
        )
    try:
        await shop.call("buy", {"what": "shoes"})
    except ProviderError:
        pass
    else:
        raise AssertionError("a call went out over a connection that is closed")
    try:
        async with servers.connect(url, {}):
            raise ProviderRejected("mine")
    except ProviderRejected as error:
        said = str(error)
    assert said == "mine", "an error of the block's own leaves it as it is"
    said = ""
    try:
        async with servers.connect(nowhere, {}):
            raise AssertionError("connected to nothing")
    except ProviderError as error:
        said = str(error)
    assert said, "an error says what is wrong"


async def _check_offer(shop: ToolConnection) -> None:
    tools = {tool.name: tool for tool in await shop.tools()}
    assert set(tools) == {"stock", "buy"}
    assert tools["stock"].description == "How many there are."
    assert (tools["stock"].read_only, tools["buy"].read_only) == (True, False)
    for tool in tools.values():
        assert tool.parameters["type"] == "object", "parameters are a JSON schema of an object"
        assert tool.annotations.get("readOnlyHint", False) == tool.read_only


async def _check_calls(shop: ToolConnection) -> None:
    async def shoes() -> ToolOutput:
        return await shop.call("stock", {"what": "shoes"})

    for output in await twice_at_once(shoes):
        assert output == ToolOutput("7 shoes")
    hats = await shop.call("stock", {"what": "hats"})
    assert hats.failed, "the tool has failed"
    assert "no hats" in hats.text, "a model must be told why"
    for name in ("stock", "no such tool"):
        try:
            output = await shop.call(name, {})
        except ProviderError:
            continue
        assert output.failed, f"{name} without arguments cannot go well"

"""Tools of the type `mcp` on the wire: what a client may name, what it is told, and what nobody is."""

import json
from typing import Any

import pytest

from server.dialects.realtime.dialect import RealtimeDialect
from server.dialects.realtime.limits import RealtimeLimits
from server.dialects.realtime.locks import Pinned
from server.dialects.realtime.mcp_tools import MAX_HEADERS, MAX_SERVERS
from server.dialects.realtime.secrets import read_order, render_secret
from server.domain.commands import AddItem, Configure, CreateResponse
from server.domain.errors import ClientError
from server.domain.events import SessionConfigured
from server.domain.mcp_tools import (
    Approval,
    McpChoice,
    McpServer,
    McpTool,
    ToolFilter,
    choice_among,
    model_name,
    offer_of,
)
from server.domain.values import Item, SessionConfig
from server.tools.mcp_policy import SETTING, McpPolicy, entry_fault
from stages.ports import OneTool, ServerTool

POLICY = McpPolicy(("https://mcp.example.com/shops", "weather=https://weather.example.com/mcp?key=1"))
URL = "https://mcp.example.com/shops/shoes"
MCP = {"type": "mcp", "server_label": "shop", "server_url": URL}


def dialect(policy: McpPolicy = POLICY, pinned: Pinned | None = None) -> RealtimeDialect:
    return RealtimeDialect(SessionConfig(), RealtimeLimits(hosting=policy), pinned=pinned)


def update(*tools: dict[str, Any], speaker: RealtimeDialect | None = None, **session: Any) -> SessionConfig:
    event = {"type": "session.update", "event_id": "c1", "session": {"tools": tools, **session}}
    command = (speaker or dialect()).decode(json.dumps(event))
    assert isinstance(command, Configure)
    return command.config


def refused(*tools: dict[str, Any], policy: McpPolicy = POLICY, **session: Any) -> ClientError:
    with pytest.raises(ClientError) as caught:
        update(*tools, speaker=dialect(policy), **session)
    assert caught.value.ref == "c1"
    return caught.value


# --- which servers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", [URL, "https://mcp.example.com/shops", "https://MCP.example.com:443/shops/?a=b"]
)
def test_what_lies_under_an_allowed_address_may_be_named(url: str) -> None:
    assert update({**MCP, "server_url": url}).mcp == (McpServer("shop", url),)


@pytest.mark.parametrize(
    "url",
    [
        "https://mcp.example.com/shopsandmore",
        "https://mcp.example.com/shops/../admin",
        "https://mcp.example.com/shops/%2e%2e/admin",
        "https://mcp.example.com/shops/..%2fadmin",
        "https://mcp.example.com/shops/..;/admin",
        "https://mcp.example.com/shops/..%3b/admin",
        "https://mcp.example.com/shops/..;a=b/admin",
        "https://mcp.example.com/shops;/../admin",
        "https://mcp.example.com/shops/%252e%252e/admin",
        "https://mcp.example.com/shops/..%5cadmin",
        "https://mcp.example.com/shops//admin",
        "https://mcp.example.com/",
        "http://mcp.example.com/shops",
        "https://mcp.example.com:8443/shops",
        "https://mcp.example.com.evil.net/shops",
        "https://mcp.example.com@evil.net/shops",
        "https://user:pass@mcp.example.com/shops",
        "https://mcp.example.com\\@evil.net/shops",
        "https://mcp.example.com/sho\tps",
        "https://mcp.example.com:x/shops",
        "https://[::1/shops",
        "file:///etc/passwd",
        "http://169.254.169.254/latest",
        "",
    ],
)
def test_any_other_address_is_refused(url: str) -> None:
    error = refused({**MCP, "server_url": url})
    assert (error.code, error.param) == ("mcp_server_not_allowed", "session.tools[0].server_url")
    assert SETTING in error.message


def test_a_label_stands_for_the_operators_address() -> None:
    named = {"type": "mcp", "server_label": "weather"}
    (server,) = update(named).mcp
    assert server.url == "https://weather.example.com/mcp?key=1"
    assert update({**named, "server_url": server.url}).mcp == (server,)
    assert (
        refused({**named, "server_url": "https://weather.example.com/mcp"}).code == "mcp_server_not_allowed"
    )
    assert refused({**named, "server_label": "shop"}).code == "mcp_server_not_allowed"


def test_without_a_list_hosted_tools_are_refused_and_the_session_is_as_it_was() -> None:
    speaker = dialect(McpPolicy())
    with pytest.raises(ClientError, match=f"switched off: {SETTING}"):
        update(MCP, speaker=speaker, instructions="Be rude.")
    assert speaker.config == SessionConfig()


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("https://mcp.example.com", None),
        ("shop=http://127.0.0.1:8000/mcp", None),
        ("shop", "neither a URL nor label=URL"),
        ("https://me:secret@mcp.example.com", "a user or a password"),
        ("ftp://mcp.example.com", "http:// or https://"),
        ("https://mcp.example.com:x", "neither"),
    ],
)
def test_an_operators_entry_is_checked(entry: str, fault: str | None) -> None:
    found = entry_fault(entry)
    assert found is None if fault is None else fault in (found or "")
    assert "secret" not in (found or "")


# --- how they are used ------------------------------------------------------------------------------------

LOOK = ServerTool("look", read_only=True)
ACT = ServerTool("act")


@pytest.mark.parametrize(
    ("setting", "look", "act"),
    [
        ({}, True, True),
        ({"require_approval": "always"}, True, True),
        ({"require_approval": "never"}, False, False),
        ({"require_approval": {"never": {"read_only": True}}}, False, True),
        ({"require_approval": {"never": {"tool_names": ["act"]}}}, True, False),
        ({"require_approval": {"always": {"tool_names": ["act"]}}}, False, True),
        (
            {"require_approval": {"always": {"read_only": False}, "never": {"tool_names": ["act"]}}},
            False,
            False,
        ),
    ],
)
def test_who_needs_approval(setting: dict[str, Any], look: bool, act: bool) -> None:
    (server,) = update({**MCP, **setting}).mcp
    assert (server.needs_approval(LOOK), server.needs_approval(ACT)) == (look, act)


@pytest.mark.parametrize(
    ("allowed", "look", "act"),
    [
        (["look"], True, False),
        ([], False, False),
        ({"read_only": True}, True, False),
        ({"tool_names": ["look", "act"], "read_only": False}, False, True),
        (None, True, True),
    ],
)
def test_which_tools_are_allowed(allowed: object, look: bool, act: bool) -> None:
    (server,) = update({**MCP, "allowed_tools": allowed}).mcp
    assert (server.allowed.matches(LOOK), server.allowed.matches(ACT)) == (look, act)


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"server_label": "my shop"}, "session.tools[0].server_label"),
        ({"server_url": 7}, "session.tools[0].server_url"),
        ({"allowed_tools": "look"}, "session.tools[0].allowed_tools"),
        ({"require_approval": "sometimes"}, "session.tools[0].require_approval"),
        (
            {"require_approval": {"always": {"tool_names": "x"}}},
            "session.tools[0].require_approval.always.tool_names",
        ),
        ({"authorization": "two words"}, "session.tools[0].authorization"),
        ({"authorization": ""}, "session.tools[0].authorization"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "session.tools[0].headers"),
        ({"headers": {"X A": "a"}}, "session.tools[0].headers"),
        ({"headers": {"Host": "a"}}, "session.tools[0].headers"),
        ({"headers": {f"X-{n}": "a" for n in range(MAX_HEADERS + 1)}}, "session.tools[0].headers"),
        ({"connector_id": "connector_gmail"}, "session.tools[0].connector_id"),
    ],
)
def test_a_wrong_field_is_named(wrong: dict[str, Any], param: str) -> None:
    error = refused({**MCP, **wrong})
    assert (error.code, error.param) == ("invalid_value", param)


def test_there_are_not_too_many_servers_and_none_twice() -> None:
    many = [{**MCP, "server_label": f"shop{n}"} for n in range(MAX_SERVERS + 1)]
    assert len(update(*many[1:]).mcp) == MAX_SERVERS
    assert f"the limit is {MAX_SERVERS}" in refused(*many).message
    assert "given twice: shop" in refused(MCP, MCP).message


def test_tools_are_replaced_as_a_whole_and_one_response_may_have_its_own() -> None:
    speaker = dialect()
    update(MCP, speaker=speaker)
    create = {"type": "response.create", "response": {"tools": [{**MCP, "server_label": "other"}]}}
    command = speaker.decode(json.dumps(create))
    assert isinstance(command, CreateResponse)
    assert command.options.over(speaker.config).mcp == (McpServer("other", URL),)
    assert update(speaker=speaker).mcp == ()


def test_a_choice_must_be_among_the_servers() -> None:
    choice = {"type": "mcp", "server_label": "shop", "name": "look"}
    assert update(MCP, tool_choice=choice).tool_choice == McpChoice("shop", "look")
    assert refused(MCP, tool_choice={**choice, "server_label": "bank"}).param == "session.tool_choice"
    assert refused(MCP, tool_choice={"type": "mcp"}).param == "session.tool_choice"


# --- what nobody is shown ---------------------------------------------------------------------------------

SECRET = {**MCP, "authorization": "s3cret", "headers": {"X-Key": "s3cret2", "authorization": "s3cret3"}}


def test_secrets_go_to_the_server_alone() -> None:
    speaker = dialect()
    config = update(SECRET, speaker=speaker)
    (server,) = config.mcp
    assert dict(server.headers) == {"X-Key": "s3cret2", "Authorization": "Bearer s3cret"}
    (frame,) = speaker.encode(SessionConfigured(config))
    assert json.loads(frame)["session"]["tools"] == [MCP]
    assert "s3cret" not in repr(config)


def test_no_fault_shows_a_secret() -> None:
    for tool in ({**SECRET, "server_url": "https://evil.net"}, {**MCP, "headers": {"X-Key": "s3cret\n"}}):
        assert "s3cret" not in refused(tool).message
    assert "s3cret" not in refused({**MCP, "authorization": "s3cret with blanks"}).message


def test_a_client_secret_may_hold_servers_and_their_secrets() -> None:
    body = json.dumps({"session": {"tools": [SECRET]}, "x_locked": ["tools"]}).encode()
    order = read_order(body, SessionConfig(), POLICY)
    assert "s3cret" not in json.dumps(render_secret("ek_1", order, 0))
    speaker = dialect(pinned=order.pinned)
    assert dict(speaker.config.mcp[0].headers)["Authorization"] == "Bearer s3cret"
    with pytest.raises(ClientError) as caught:
        update({**MCP, "authorization": "mine"}, speaker=speaker)
    assert caught.value.code == "setting_locked"
    with pytest.raises(ClientError) as caught:
        read_order(body, SessionConfig(), McpPolicy())
    assert caught.value.code == "mcp_server_not_allowed"


# --- approvals --------------------------------------------------------------------------------------------


def created(**item: Any) -> Any:
    event = {
        "type": "conversation.item.create",
        "event_id": "c1",
        "item": {"type": "mcp_approval_response", **item},
    }
    return dialect().decode(json.dumps(event))


def test_an_approval_is_an_item() -> None:
    command = created(id="mine", approval_request_id="item_1", approve=False, reason="No.")
    assert command == AddItem(
        Item("mine", "tool", kind="approval", detail=Approval("item_1", False, "No.")), None, "c1"
    )


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"approve": True}, "item.approval_request_id"),
        ({"approval_request_id": "item_1"}, "item.approve"),
        ({"approval_request_id": "item_1", "approve": "yes"}, "item.approve"),
        ({"approval_request_id": "item_1", "approve": True, "reason": "x" * 1001}, "item.reason"),
    ],
)
def test_an_approval_that_lacks_something_is_refused(item: dict[str, Any], param: str) -> None:
    with pytest.raises(ClientError) as caught:
        created(**item)
    assert caught.value.param == param


def test_a_response_cannot_be_about_an_approval() -> None:
    item = {"type": "mcp_approval_response", "approval_request_id": "item_1", "approve": True}
    with pytest.raises(ClientError, match="in the conversation only"):
        dialect().decode(json.dumps({"type": "response.create", "response": {"input": [item]}}))


# --- the names that the model knows -----------------------------------------------------------------------


def test_names_are_what_chat_models_take_and_none_comes_twice() -> None:
    shop, bank = McpServer("shop", URL), McpServer("bank", URL)
    tools = [
        McpTool(shop, ServerTool("look.up/all")),
        McpTool(bank, ServerTool("look_up_all")),
        McpTool(bank, ServerTool("look_up_all")),  # there twice, even with its label
        McpTool(bank, ServerTool("pay")),
        McpTool(bank, ServerTool("x" * 100)),
    ]
    offer = offer_of(tools, ["pay"])
    assert list(offer) == ["look_up_all", "bank__look_up_all", "bank__pay", "x" * 64]
    assert model_name("") == "_"
    assert choice_among(offer, McpChoice("bank", "pay")) == OneTool("bank__pay")
    assert choice_among(offer, McpChoice("bank")) == "required"
    assert choice_among(offer, McpChoice("bank", "steal")) == "auto"
    assert choice_among(offer, "none") == "none"
    assert ToolFilter().matches(LOOK)

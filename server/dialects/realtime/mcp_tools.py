"""Tools of the type `mcp`, as clients of the Realtime protocol name them, and the items that come of them.

`authorization` and `headers` are for the server of tools alone: they are in no echo, and in no message about a fault.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, JsonValue, ValidationError

from server.dialects.realtime.fields import WireObject
from server.dialects.realtime.setting_checks import Json, wrong
from server.domain.errors import ClientError
from server.domain.mcp_tools import (
    Approval,
    ApprovalRequest,
    CallError,
    McpCall,
    McpServer,
    ToolFilter,
    ToolListing,
)
from server.domain.values import Item
from server.tools.mcp_policy import McpPolicy
from stages.ports import ServerTool

MAX_SERVERS = 8
"""That one session, or one response, may name."""

MAX_HEADERS = 16

SECRETS = ("authorization", "headers")
"""What nobody is shown again."""

_OURS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding"}
)
"""Headers that belong to the request and not to the client."""


def _headers(value: object) -> object:
    if not isinstance(value, dict):
        return value
    if len(value) > MAX_HEADERS:
        raise wrong(f"has {len(value)} headers; the limit is {MAX_HEADERS}")
    for name, text in value.items():
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}", str(name)) or name.lower() in _OURS:
            raise wrong(f"{str(name)[:64]!r} cannot be set")
        if not isinstance(text, str) or not re.fullmatch(r"[\x20-\x7e]{0,8192}", text):
            raise wrong(f"{name!r} must have a text of printable ASCII characters, at most 8192")
    return value


Names = Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=256)]
Secret = Annotated[str, Field(min_length=1, max_length=8192, pattern=r"^[\x21-\x7e]+$")]


class _Filter(WireObject):
    tool_names: Names | None = None
    read_only: bool | None = None


class _ApprovalFilter(WireObject):
    always: _Filter | None = None
    never: _Filter | None = None


def _simple_filter(value: object) -> object:
    return {"tool_names": value} if isinstance(value, list) else value


def _simple_approval(value: object) -> object:
    if isinstance(value, str):
        if value not in ("always", "never"):
            raise wrong('must be "always", "never" or an object')
        return {"never": {}} if value == "never" else {}
    return value


class _McpTool(WireObject):
    type: Literal["mcp"]
    server_label: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    server_url: str | None = Field(default=None, max_length=2048)
    authorization: Secret | None = None
    headers: Annotated[dict[str, str] | None, BeforeValidator(_headers)] = None
    allowed_tools: Annotated[_Filter | None, BeforeValidator(_simple_filter)] = None
    require_approval: Annotated[_ApprovalFilter | None, BeforeValidator(_simple_approval)] = None
    connector_id: str | None = None
    tunnel_id: str | None = None


def mcp_servers(
    tools: Sequence[Mapping[str, Any]] | None, param: str, policy: McpPolicy, ref: str | None
) -> tuple[McpServer, ...]:
    """The servers among a client's checked tools. Raises ClientError for those that it may not name."""
    servers = [
        _server(tool, f"{param}[{n}]", policy, ref)
        for n, tool in enumerate(tools or ())
        if tool["type"] == "mcp"
    ]
    labels = [server.label for server in servers]
    if len(servers) > MAX_SERVERS:
        message = f"{param}: names {len(servers)} servers; the limit is {MAX_SERVERS}"
        raise ClientError("invalid_value", message, param=param, ref=ref)
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        message = f"{param}: servers must have labels of their own; given twice: {', '.join(twice)}"
        raise ClientError("invalid_value", message, param=param, ref=ref)
    return tuple(servers)


def _server(tool: Mapping[str, Any], param: str, policy: McpPolicy, ref: str | None) -> McpServer:
    try:
        part = _McpTool.model_validate(tool)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join([param, *map(str, fault["loc"][:4])])
        raise ClientError("invalid_value", f"{place}: {fault['msg']}", param=place, ref=ref) from None
    for name in ("connector_id", "tunnel_id"):
        if getattr(part, name) is not None:
            message = f"{param}.{name}: there are none here; give a server_url"
            raise ClientError("invalid_value", message, param=f"{param}.{name}", ref=ref)
    try:
        url = policy.address(part.server_label, part.server_url)
    except ValueError as error:
        place = f"{param}.server_url"
        raise ClientError("mcp_server_not_allowed", f"{place}: {error}", param=place, ref=ref) from None
    approval = part.require_approval or _ApprovalFilter()
    return McpServer(
        part.server_label,
        url,
        _secrets(part),
        _filter(part.allowed_tools) or ToolFilter(),
        _filter(approval.always),
        _filter(approval.never),
    )


def _secrets(part: _McpTool) -> tuple[tuple[str, str], ...]:
    headers = dict(part.headers or {})
    if part.authorization is not None:
        headers = {name: text for name, text in headers.items() if name.lower() != "authorization"}
        headers["Authorization"] = f"Bearer {part.authorization}"
    return tuple(sorted(headers.items()))


def _filter(part: _Filter | None) -> ToolFilter | None:
    if part is None:
        return None
    return ToolFilter(None if part.tool_names is None else frozenset(part.tool_names), part.read_only)


def without_secrets(tools: list[Json]) -> list[JsonValue]:
    """A client's tools as they may be shown again."""
    return [
        {name: value for name, value in tool.items() if name not in SECRETS}
        if tool["type"] == "mcp"
        else tool
        for tool in tools
    ]


# --- items ------------------------------------------------------------------------------------------------

_ERRORS = {"tool": "tool_execution_error", "protocol": "protocol_error", "http": "http_error"}


def render_mcp(item: Item) -> Json:
    """An item that has to do with MCP tools. The protocol has no field for why a listing failed: `x_error`."""
    head: Json = {"id": item.id}
    match item.detail:
        case ToolListing(server=server, tools=tools, error=error):
            listing: Json = {"server_label": server, "tools": [_render_tool(tool) for tool in tools]}
            return {**head, "type": "mcp_list_tools", **listing, **({"x_error": error} if error else {})}
        case ApprovalRequest(server=server):
            call: Json = {"server_label": server, "name": item.name, "arguments": item.text}
            return {**head, "type": "mcp_approval_request", **call}
        case Approval(request_id=request_id, approve=approve, reason=reason):
            answer: Json = {"approval_request_id": request_id, "approve": approve}
            return {
                **head,
                "type": "mcp_approval_response",
                **answer,
                **({"reason": reason} if reason else {}),
            }
        case McpCall() as made:
            return {**head, "type": "mcp_call", **_render_call(item, made)}
        case None:
            raise AssertionError("an item of MCP tools says what it is")


def _render_call(item: Item, made: McpCall) -> Json:
    call: Json = {
        "server_label": made.server,
        "name": item.name,
        "arguments": item.text,
        "output": made.output,
    }
    if made.request_id is not None:
        call["approval_request_id"] = made.request_id
    if made.error is not None:
        call["error"] = _render_error(made.error)
    return call


def _render_error(error: CallError) -> Json:
    code: Json = {} if error.kind == "tool" else {"code": error.code}
    return {"type": _ERRORS[error.kind], **code, "message": error.message}


def _render_tool(tool: ServerTool) -> Any:
    shown = {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
    return {**shown, "annotations": tool.annotations} if tool.annotations else shown

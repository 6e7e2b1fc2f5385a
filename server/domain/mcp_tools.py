"""MCP tools as values: the servers that a client names, what they offer, and the calls that are made there.

The client says which servers; this server lists their tools, offers them to the model, and runs what it calls.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from stageflow.tools import Tool
from stages.client_tools import client_tool
from stages.ports import OneTool, ServerTool, ToolChoice


@dataclass(frozen=True, slots=True)
class ToolFilter:
    """Some of a server's tools; without conditions, all."""

    names: frozenset[str] | None = None
    read_only: bool | None = None

    def matches(self, tool: ServerTool) -> bool:
        """Whether the tool is one of them."""
        by_name = self.names is None or tool.name in self.names
        return by_name and (self.read_only is None or tool.read_only == self.read_only)


@dataclass(frozen=True, slots=True)
class McpServer:
    """A server of tools, as a client wants it used."""

    label: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """What only the server may see; nobody is shown it again."""
    allowed: ToolFilter = ToolFilter()
    always: ToolFilter | None = None
    """Tools that the client must approve of, call by call. If neither this nor `never` is given, all."""
    never: ToolFilter | None = None
    """Tools that need no approval, whatever `always` says."""

    def needs_approval(self, tool: ServerTool) -> bool:
        """Whether the client must approve of each call."""
        if self.never is not None and self.never.matches(tool):
            return False
        return self.always is None or self.always.matches(tool)


@dataclass(frozen=True, slots=True)
class McpTool:
    """A tool and the server that has it."""

    server: McpServer
    tool: ServerTool

    @property
    def needs_approval(self) -> bool:
        """Whether the client must approve of each call."""
        return self.server.needs_approval(self.tool)

    @property
    def may_start_early(self) -> bool:
        """Whether a call may run before it is certain that the answer is wanted."""
        return self.tool.read_only and not self.needs_approval


@dataclass(frozen=True, slots=True)
class McpChoice:
    """The model must call a tool of this server, of this name if there is one."""

    server: str
    name: str | None = None


# --- what items of a conversation hold beside their text ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallError:
    """Why a call gave nothing: the tool failed, or its server did."""

    kind: Literal["tool", "protocol", "http"]
    message: str
    code: int = 0


@dataclass(frozen=True, slots=True)
class McpCall:
    """A call of an MCP tool: on which server, and what came of it."""

    server: str
    output: str | None = None
    error: CallError | None = None
    request_id: str | None = None
    """The item that asked for approval."""

    @property
    def result(self) -> str | None:
        """What a model is told; None while the call is on its way."""
        if self.error is not None:
            return f"The call failed: {self.error.message}"
        return self.output


@dataclass(frozen=True, slots=True)
class ToolListing:
    """What a server offers; nothing as long as it has not been asked."""

    server: str
    tools: tuple[ServerTool, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """The request for the client's approval of a call that waits for it."""

    server: str


@dataclass(frozen=True, slots=True)
class Approval:
    """The client's answer to an `ApprovalRequest`."""

    request_id: str
    approve: bool
    reason: str | None = None


Detail = McpCall | ToolListing | ApprovalRequest | Approval

# --- what the model is offered --------------------------------------------------------------------------------

Offer = Mapping[str, McpTool]
"""MCP tools by the names that the model knows them by."""

MAX_NAME_CHARS = 64
"""What chat models take for the name of a tool."""


def model_name(name: str) -> str:
    """A tool's name in the letters that chat models take."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:MAX_NAME_CHARS] or "_"


def offer_of(tools: Sequence[McpTool], taken: Collection[str]) -> Offer:
    """Names for the tools, none of them `taken`; the server's label goes before a name that is there twice."""
    offer: dict[str, McpTool] = {}
    for one in tools:
        for name in (model_name(one.tool.name), model_name(f"{one.server.label}__{one.tool.name}")):
            if name not in offer and name not in taken:
                offer[name] = one
                break
    return offer


def tools_of(offer: Offer) -> tuple[Tool, ...]:
    """The same as tools for a model to read; they run elsewhere, as the client's do."""
    return tuple(client_tool(name, one.tool.description, one.tool.parameters) for name, one in offer.items())


def choice_among(offer: Offer, choice: ToolChoice | McpChoice) -> ToolChoice:
    """The choice by the names that the model knows; "auto" when there is no such tool."""
    if not isinstance(choice, McpChoice):
        return choice
    names = [
        name
        for name, one in offer.items()
        if one.server.label == choice.server and choice.name in (None, one.tool.name)
    ]
    if not names:
        return "auto"
    return "required" if choice.name is None else OneTool(names[0])

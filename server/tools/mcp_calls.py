"""Calls of MCP tools: started, approved of, and told, whatever becomes of the answer that made them.

A call belongs to the session, not to its answer: somebody who talks over the answer does not end it, and what came of
it is in the conversation when the next answer begins. What only looks (`read_only`) may start before it is certain that
the answer is wanted; it is cancelled if it is not.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import anyio

from server.conversation.memory import Conversation, Entry
from server.domain.errors import ClientError, Fault
from server.domain.events import ItemDone, McpCallEnded, McpCallStarted
from server.domain.mcp_tools import Approval, CallError, McpCall, McpServer, McpTool, Offer, offer_of
from server.domain.session_parts import ClientEvents, Tasks
from server.tools.mcp_servers import SessionMcpServers
from stages.errors import ProviderError, ToolServerError
from stages.ports import ToolOutput

log = logging.getLogger(__name__)

MAX_RUNNING = 16
"""Calls of one session at once."""

MAX_WAITING = 64
"""Calls that wait for approval; beyond that the oldest have failed."""

MAX_OUTPUT_CHARS = 32 << 10
"""Of what came of a call: the model reads it with every request that follows."""

Outcome = ToolOutput | CallError


@dataclass(slots=True)
class RunningCall:
    """A call that has been started."""

    tool: McpTool
    arguments: str
    outcome: Outcome | None = None
    done: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """A call as the conversation has it, and its number among the items of its response."""

    entry: Entry
    index: int
    tool: McpTool
    running: RunningCall | None = None
    """If it was started before."""
    request_id: str | None = None
    """The item that asks for approval, if it needs it."""


class McpCalls:
    """The calls of one session. Plain calls; each runs in a task of the session's."""

    def __init__(
        self,
        servers: SessionMcpServers,
        conversation: Conversation,
        client: ClientEvents,
        tasks: Tasks,
        call_s: float,
    ) -> None:
        """`call_s` is how long a call may take."""
        self._servers = servers
        self._call_s = call_s
        self._conversation = conversation
        self._client = client
        self._tasks = tasks
        self._waiting: dict[str, PlacedCall] = {}
        self._running = 0

    def configure(self, servers: Sequence[McpServer]) -> None:
        """These are the session's servers from now on."""
        self._servers.configure(servers, self._in_use())

    async def offer(self, servers: Sequence[McpServer], taken: Sequence[str]) -> Offer:
        """What a response may call, by names that are not `taken`; waits for servers that are still listing."""
        return offer_of(await self._servers.tools(servers, self._in_use()), taken) if servers else {}

    def start(self, tool: McpTool, arguments: str) -> RunningCall:
        """Run a call."""
        call = RunningCall(tool, arguments)
        if self._running < MAX_RUNNING:
            self._running += 1
            self._tasks.start(self._run, call)
        else:
            _settle(call, CallError("protocol", f"at most {MAX_RUNNING} calls run at once"))
        return call

    def made(self, placed: PlacedCall) -> None:
        """The client knows of the call: run it, or wait for approval."""
        if placed.request_id is None:
            self._follow(placed)
            return
        self._waiting[placed.request_id] = placed
        if len(self._waiting) > MAX_WAITING:
            oldest = self._waiting.pop(next(iter(self._waiting)))
            self._tell(oldest, CallError("tool", f"at most {MAX_WAITING} calls wait for approval"))

    def check(self, approval: Approval) -> None:
        """Raises ClientError when no call waits for this."""
        if approval.request_id not in self._waiting:
            message = f"No call waits for the approval of {approval.request_id[:64]!r}."
            raise ClientError(Fault.INVALID_VALUE, message, param="item.approval")

    def decide(self, approval: Approval) -> None:
        """Run the call that waited, or end it."""
        placed = self._waiting.pop(approval.request_id)
        placed.entry.detail = replace(_detail(placed.entry), request_id=approval.request_id)
        if approval.approve:
            self._follow(placed)
        else:
            why = f": {approval.reason}" if approval.reason else ""
            self._tell(placed, CallError("tool", f"the user has declined it{why}"))

    def _follow(self, placed: PlacedCall) -> None:
        self._client.put(McpCallStarted(placed.entry.id, placed.index))
        call = placed.running or self.start(placed.tool, placed.entry.generated)
        self._tasks.start(self._wait, placed, call)

    async def _wait(self, placed: PlacedCall, call: RunningCall) -> None:
        await call.done.wait()
        assert call.outcome is not None, "a call is cancelled only before it is followed"
        self._tell(placed, call.outcome)

    def _tell(self, placed: PlacedCall, outcome: Outcome) -> None:
        entry, detail = placed.entry, _detail(placed.entry)
        if isinstance(outcome, CallError):
            fields = {
                "tool": entry.name,
                "server": detail.server,
                "kind": outcome.kind,
                "pii.error": outcome.message,
            }
            log.warning("a call of a MCP tool failed", extra=fields)
            entry.detail = replace(detail, error=outcome)
        else:
            entry.detail = replace(detail, output=outcome.text)
        self._client.put(McpCallEnded(entry.id, placed.index, ok=not isinstance(outcome, CallError)))
        if self._conversation.find(entry.id) is not None:
            self._client.put(ItemDone(entry.item(), self._conversation.previous_id(entry.id)))

    async def _run(self, call: RunningCall) -> None:
        try:
            with call.scope:
                _settle(call, await self._outcome(call))
        finally:
            self._running -= 1

    async def _outcome(self, call: RunningCall) -> Outcome:
        arguments = _parsed(call.arguments)
        if arguments is None:
            return CallError("protocol", "the arguments are not a JSON object", -32602)
        held = self._servers.borrow(call.tool.server)
        if held is None or held.connection is None:
            return CallError("http", "there is no connection to the server")
        try:
            with anyio.move_on_after(self._call_s):
                output = await held.connection.call(call.tool.tool.name, arguments)
                return _of_output(output)
        except ProviderError as error:
            return _of_error(error)
        except Exception:
            log.exception("the connection to a server of tools failed in a way that it must not")
            return CallError("http", "the server failed to make the call")
        finally:
            self._servers.give_back(held)
        return CallError(
            "http", f"no answer within {self._call_s:g} s; it may have taken effect all the same"
        )

    def _in_use(self) -> list[McpServer]:
        return [placed.tool.server for placed in self._waiting.values()]


def _settle(call: RunningCall, outcome: Outcome) -> None:
    call.outcome = outcome
    call.done.set()


def _detail(entry: Entry) -> McpCall:
    assert isinstance(entry.detail, McpCall)
    return entry.detail


def _parsed(arguments: str) -> Mapping[str, object] | None:
    try:
        value = json.loads(arguments or "{}")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _of_output(output: ToolOutput) -> Outcome:
    text = output.text
    if len(text) > MAX_OUTPUT_CHARS:
        text = f"{text[:MAX_OUTPUT_CHARS]}\n[cut: these are the first {MAX_OUTPUT_CHARS} of {len(text)} characters]"
    return CallError("tool", text) if output.failed else ToolOutput(text)


def _of_error(error: ProviderError) -> CallError:
    code = error.code if isinstance(error, ToolServerError) else 0
    is_protocol = code != 0 and isinstance(error, ToolServerError) and not error.is_http
    return CallError("protocol" if is_protocol else "http", str(error)[:1000], code)

"""The servers of tools that one session uses: each a connection of the session's, and an item that says what it offers.

A connection lives in one task of the session's and is closed with it. A server that fails is not offered to the model;
naming it again, in the session's settings or for a response, tries again. One that was lost later is tried by the next
response, and then by one every so often.
"""

import json
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import anyio

from server.conversation.memory import Conversation, Entry
from server.domain.events import ItemAdded, ItemDone, ListingEnded, ListingStarted
from server.domain.mcp_tools import McpServer, McpTool, ToolListing
from server.domain.session_parts import ClientEvents, Tasks
from stages.errors import ProviderError, ProviderRejected
from stages.ports import ServerTool, ToolConnection, ToolServers

log = logging.getLogger(__name__)

LISTING_S = 10.0
"""To connect and to list, together; responses wait for it, so it is less than an answer may take to begin."""

RETRY_S = 15.0
"""Between two tries to reach a server that was lost."""

MAX_CONNECTIONS = 16
"""Of one session at once: those of its settings, those of a response, and those whose calls wait for approval."""

MAX_OPENINGS = 200
"""Of one session in all: its client must not make of this server a means to knock at others' doors."""

MAX_LISTING_CHARS = 128 << 10
"""JSON of all tools of one server: the model reads it with every request, and the client is shown it."""

MAX_REASON_CHARS = 500
"""Of what a server says about its failure."""


class Standing(StrEnum):
    """Where a session stands with a server of tools."""

    LISTING = "listing"
    READY = "ready"
    FAILED = "failed"
    """It never answered."""
    LOST = "lost"
    """It answered once, and is gone."""
    LEAVING = "leaving"
    """Nobody wants it any more; its last calls are still running."""


@dataclass(slots=True)
class Held:
    """A server of tools that a session uses, and its connection."""

    server: McpServer
    entry: Entry
    """The item that says what it offers."""
    retry_at: float = math.inf
    """When a response may try it again by itself, if it cannot be reached."""
    standing: Standing = Standing.LISTING
    settled: anyio.Event = field(default_factory=anyio.Event)
    """Set when the listing is over, one way or the other."""
    tools: tuple[ServerTool, ...] = ()
    connection: ToolConnection | None = None
    calls: int = 0
    """How many are running."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class SessionMcpServers:
    """Opens, lists and closes the servers of tools of one session. Plain calls, but for the waiting."""

    def __init__(
        self,
        session_id: str,
        hosts: ToolServers | None,
        conversation: Conversation,
        client: ClientEvents,
        tasks: Tasks,
    ) -> None:
        """Without `hosts` no server can be reached."""
        self._session_id = session_id
        self._hosts = hosts
        self._conversation = conversation
        self._client = client
        self._tasks = tasks
        self._wanted: tuple[McpServer, ...] = ()
        self._held: dict[McpServer, Held] = {}
        self._openings = 0

    def configure(self, servers: Sequence[McpServer], in_use: Iterable[McpServer]) -> None:
        """These are the session's servers from now on; `in_use` may be let go later."""
        self._wanted = tuple(servers)
        self._need(servers, in_use, is_named=True)

    async def tools(self, servers: Sequence[McpServer], in_use: Iterable[McpServer]) -> list[McpTool]:
        """What they offer to a response, once each has answered or failed. Cancel-safe."""
        self._need(servers, in_use, is_named=servers != self._wanted)
        offered = []
        for held in [self._held[server] for server in servers]:
            await held.settled.wait()
            if held.standing is Standing.READY:
                offered += [McpTool(held.server, tool) for tool in held.tools]
        return offered

    def borrow(self, server: McpServer) -> Held | None:
        """The server for one call, to be given back; None when there is no connection."""
        held = self._held.get(server)
        if held is None or held.connection is None:
            return None
        held.calls += 1
        return held

    def give_back(self, held: Held) -> None:
        """The call is over."""
        held.calls -= 1
        if held.standing is Standing.LEAVING and not held.calls:
            held.scope.cancel()

    def _need(self, servers: Sequence[McpServer], in_use: Iterable[McpServer], *, is_named: bool) -> None:
        """Open what is not open, and let go of the rest; `is_named` if somebody asks for these servers now."""
        kept = dict.fromkeys((*servers, *self._wanted, *in_use))
        kept = dict.fromkeys([*kept][:MAX_CONNECTIONS])
        now, due = anyio.current_time(), []
        for server, held in [*self._held.items()]:
            is_down = held.standing in (Standing.FAILED, Standing.LOST)
            if server not in kept:
                self._let_go(self._held.pop(server))
            elif server in servers and is_down and (is_named or now >= held.retry_at):
                due.append(server)
        for server in servers:
            if server not in self._held or server in due:
                self._open(server, was_lost=server in due and self._held[server].standing is Standing.LOST)

    def _let_go(self, held: Held) -> None:
        if held.calls:
            held.standing = Standing.LEAVING
        else:
            held.scope.cancel()

    def _open(self, server: McpServer, *, was_lost: bool) -> None:
        entry = Entry(
            self._conversation.ids.new("item"), "system", kind="listing", detail=ToolListing(server.label)
        )
        retry_at = anyio.current_time() + RETRY_S if was_lost else math.inf
        held = self._held[server] = Held(server, entry, retry_at)
        previous = self._conversation.add(entry)
        self._client.put(ItemAdded(entry.item(), previous))
        self._client.put(ListingStarted(entry.id))
        self._openings += 1
        self._tasks.start(self._keep, held)

    async def _keep(self, held: Held) -> None:
        """The life of one connection."""
        late = False
        try:
            with held.scope:
                with anyio.CancelScope(deadline=anyio.current_time() + LISTING_S) as patience:
                    await self._converse(held, patience)
                late = patience.cancelled_caught
        except ProviderError as error:
            self._failed(held, str(error) or type(error).__name__)
        except Exception:
            log.exception("the connection to a server of tools failed in a way that it must not")
            self._failed(held, "the connection failed")
        else:
            self._failed(held, f"it did not answer within {LISTING_S:g} s" if late else "it was let go")

    async def _converse(self, held: Held, patience: anyio.CancelScope) -> None:
        if self._hosts is None:
            raise ProviderRejected("this server cannot reach servers of tools")
        if self._openings > MAX_OPENINGS:
            raise ProviderRejected(f"this session has opened {MAX_OPENINGS} connections; that is the limit")
        server = held.server
        async with self._hosts.connect(server.url, dict(server.headers)) as connection:
            held.tools = _checked(tool for tool in await connection.tools() if server.allowed.matches(tool))
            patience.deadline = math.inf
            held.connection, held.standing = connection, Standing.READY
            self._tell(held, ToolListing(server.label, held.tools))
            await anyio.sleep_forever()

    def _failed(self, held: Held, why: str) -> None:
        held.connection = None
        if held.standing is Standing.LISTING:
            held.standing = Standing.FAILED if held.retry_at == math.inf else Standing.LOST
            self._tell(held, ToolListing(held.server.label, error=why[:MAX_REASON_CHARS]))
        elif held.standing is Standing.READY:
            held.standing, held.retry_at = Standing.LOST, anyio.current_time()
        fields = {"session": self._session_id, "server": held.server.label, "pii.error": why}
        log.info("a server of tools is gone", extra=fields)

    def _tell(self, held: Held, listing: ToolListing) -> None:
        entry = held.entry
        entry.detail = listing
        held.settled.set()
        self._client.put(ListingEnded(entry.id, ok=listing.error is None))
        if self._conversation.find(entry.id) is not None:
            self._client.put(ItemDone(entry.item(), self._conversation.previous_id(entry.id)))


def _checked(tools: Iterable[ServerTool]) -> tuple[ServerTool, ...]:
    found = tuple(tools)
    try:
        shown = json.dumps(
            [[one.description, one.parameters, one.annotations] for one in found], allow_nan=False
        )
    except ValueError:  # a number that JSON does not have would go out to the client as it came
        raise ProviderRejected("its tools cannot be told in JSON") from None
    if len(shown) > MAX_LISTING_CHARS:
        raise ProviderRejected(f"its tools have {len(shown)} characters; the limit is {MAX_LISTING_CHARS}")
    return found

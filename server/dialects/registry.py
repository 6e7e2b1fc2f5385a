"""Which dialect is spoken where: a table of path and subprotocol, and of who may open the session and how it begins."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from server.dialects.realtime.address import REALTIME_PATHS, addressed
from server.dialects.realtime.dialect import RealtimeDialect
from server.dialects.realtime.limits import RealtimeLimits
from server.dialects.realtime.locks import Pinned
from server.dialects.voice.dialect import VoiceDialect
from server.dialects.voice.frames import SUBPROTOCOL as VOICE_SUBPROTOCOL
from server.domain.ids import Ids
from server.domain.values import Abilities, IgnoredSetting, SessionConfig
from server.domain.wire import Dialect
from server.tools.mcp_policy import McpPolicy


class SessionDialect(Dialect, Protocol):
    """A dialect that has been made for a session, with what it has made of the session's settings."""

    @property
    def config(self) -> SessionConfig:
        """What the session begins with."""

    @property
    def ignored(self) -> Sequence[IgnoredSetting]:
        """What of the address that opened the session changes nothing."""


class OpenedBy(Enum):
    """What opens a session, where the server has keys at all."""

    KEY = "key"
    """A key of the server's alone: for dialects that cannot hold a client to what its secret fixes."""
    KEY_OR_SECRET = "key or secret"
    """A key, or a client secret."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a dialect is made with, for one session."""

    config: SessionConfig
    """What the session begins with, if no client secret fixes it."""
    abilities: Abilities = field(default_factory=Abilities)
    max_clips_s: float = 60.0
    """Recorded audio that one event may bring, all clips together."""
    hosting: McpPolicy = McpPolicy()
    """Which servers of tools a client may name."""
    pinned: Pinned | None = None
    """What the client secret fixes that opened the session; never where a key is needed."""
    ids: Ids = field(default_factory=Ids)
    """Where the session's ids come from."""
    address: str = ""
    """What the client has opened the session with: the path, and the query."""
    not_honoured: tuple[IgnoredSetting, ...] = ()
    """What of that changes nothing, beside what the dialect finds."""


def _same(config: SessionConfig, target: str) -> SessionConfig:
    return config


@dataclass(frozen=True, slots=True)
class DialectRoute:
    """One row: a dialect, and where it is spoken."""

    paths: Collection[str]
    """Of the address, without a slash at the end."""
    subprotocol: str | None
    """None: for clients that offer none of the path's others."""
    make: Callable[[Opening], SessionDialect]
    opened_by: OpenedBy = OpenedBy.KEY
    defaults: Callable[[SessionConfig, str], SessionConfig] = _same
    """The server's settings and the address of the session, to what the session begins with."""


class DialectTable:
    """The dialects of one server. Of two routes that a client could take the earlier is chosen."""

    def __init__(self, routes: Sequence[DialectRoute]) -> None:
        self._routes = {
            (path, route.subprotocol): route for route in reversed(routes) for path in route.paths
        }
        self._subprotocols = dict.fromkeys(route.subprotocol for route in routes)
        self.paths = frozenset(path for path, _ in self._routes)

    def choose(self, path: str, offered: Collection[str]) -> str | None:
        """The subprotocol to answer with: browsers give up when they offer something and nothing is chosen."""
        known = (name for name in self._subprotocols if name is not None and name in offered)
        return next((name for name in known if (path, name) in self._routes), None)

    def find(self, path: str, subprotocol: str | None) -> DialectRoute | None:
        """The route of a path and the subprotocol that was chosen; None where nothing is spoken."""
        return self._routes.get((path, subprotocol))


def _realtime(opening: Opening) -> RealtimeDialect:
    limits = RealtimeLimits(max_clips_s=opening.max_clips_s, hosting=opening.hosting)
    dialect = RealtimeDialect(
        opening.config,
        limits,
        pinned=opening.pinned,
        abilities=opening.abilities,
        ids=opening.ids,
        address=opening.address,
    )
    dialect.ignored = (*dialect.ignored, *opening.not_honoured)
    return dialect


def _voice(opening: Opening) -> VoiceDialect:
    return VoiceDialect(_realtime(opening))


BUILT_IN = (
    DialectRoute(REALTIME_PATHS, VOICE_SUBPROTOCOL, _voice, OpenedBy.KEY_OR_SECRET, addressed),
    DialectRoute(REALTIME_PATHS, "realtime", _realtime, OpenedBy.KEY_OR_SECRET, addressed),
    DialectRoute(REALTIME_PATHS, None, _realtime, OpenedBy.KEY_OR_SECRET, addressed),
)
"""What the server speaks, the richer one first."""

DIALECTS = DialectTable(BUILT_IN)

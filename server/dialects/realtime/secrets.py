"""`POST /v1/realtime/client_secrets`: what a backend asks for, and what it gets to hand to a browser."""

from dataclasses import asdict, dataclass, replace
from typing import Literal

from pydantic import Field

from server.dialects.realtime.checking import RawEvent, checked
from server.dialects.realtime.commands import check_choice
from server.dialects.realtime.decode import json_of
from server.dialects.realtime.fields import SessionPart, WireObject
from server.dialects.realtime.ignored import IgnoredSettings
from server.dialects.realtime.locks import LOCKABLE, Pinned
from server.dialects.realtime.mcp_tools import mcp_servers
from server.dialects.realtime.session import WireSession, merge, render_session
from server.dialects.realtime.setting_checks import Json
from server.dialects.realtime.unknown import unknown_keys
from server.domain.errors import ClientError
from server.domain.ids import new_id
from server.domain.values import Abilities, IgnoredSetting, SessionConfig
from server.tools.mcp_policy import McpPolicy


class _Expiry(WireObject):
    anchor: Literal["created_at"] = "created_at"
    seconds: int = Field(default=600, ge=10, le=7200)


class _PinnedPart(SessionPart):
    model: str | None = Field(default=None, min_length=1, max_length=256)


class _Order(WireObject):
    expires_after: _Expiry | None = None
    session: _PinnedPart | None = None
    x_locked: list[Literal[LOCKABLE]] = Field(default_factory=list, max_length=len(LOCKABLE))  # type: ignore[valid-type]  # the tuple is the list of literals


@dataclass(frozen=True, slots=True)
class SecretOrder:
    """A client secret as it was asked for, checked."""

    pinned: Pinned
    lifetime_s: int
    ignored: tuple[IgnoredSetting, ...] = ()
    """What of the order is not known, or not held."""


def read_order(
    body: bytes,
    defaults: SessionConfig,
    hosting: McpPolicy = McpPolicy(),
    abilities: Abilities | None = None,
) -> SecretOrder:
    """The body of a request; an empty one asks for a session as the server has it. Without `abilities` no wish is
    beyond the server. Raises ClientError."""
    body_object = _object(body)
    order = checked(_Order, body_object)
    part = order.session or _PinnedPart()
    config = replace(defaults, model=part.model or defaults.model)
    mcp = mcp_servers(part.tools, "session.tools", hosting, None)
    session = merge(WireSession(config), part, config, mcp)
    if "tool_choice" in part.model_fields_set:
        check_choice(session.config, "session.tool_choice", None)
    lifetime_s = order.expires_after.seconds if order.expires_after else _Expiry().seconds
    ignored = (
        *unknown_keys(body_object, _Order),
        *IgnoredSettings(abilities or Abilities()).of_order(part, session.config),
    )
    return SecretOrder(Pinned(session, tuple(dict.fromkeys(order.x_locked))), lifetime_s, ignored)


@dataclass(slots=True)
class SecretOrders:
    """Reads orders as the server is configured."""

    hosting: McpPolicy
    """Which servers of tools a client may name."""
    defaults: SessionConfig
    """What a session begins with where the order says nothing else; those of the configuration in use."""
    abilities: Abilities

    def read(self, body: bytes) -> SecretOrder:
        """See `read_order`."""
        return read_order(body, self.defaults, self.hosting, self.abilities)

    def opened_by(self, body: bytes) -> tuple[Pinned, float]:
        """What a secret for this order opens, and for how many seconds. Raises ClientError."""
        order = self.read(body)
        return order.pinned, order.lifetime_s


def render_secret(value: str, order: SecretOrder, expires_at_s: int) -> Json:
    """The answer; `expires_at_s` in Unix seconds."""
    session = order.pinned.session
    ignored: Json = {"x_ignored": [asdict(setting) for setting in order.ignored]} if order.ignored else {}
    return {
        "value": value,
        "expires_at": expires_at_s,
        "session": render_session(session, session.config, new_id("sess"), expires_at_s),
        "x_locked": list(order.pinned.locked),
        **ignored,
    }


def _object(body: bytes) -> RawEvent:
    if not body.strip():
        return {}
    try:
        event = json_of(body.decode(), len(body))
    except ValueError as error:
        raise ClientError("invalid_json", f"The body is not JSON: {error}.") from None
    if not isinstance(event, dict):
        raise ClientError("invalid_json", "The body is not a JSON object.")
    return event

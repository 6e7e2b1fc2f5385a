"""The plain-HTTP side of the port: the health of the server, a page for people, and who may open a session.

`decide` looks at a request and gives the page to answer with, or None to go on with the WebSocket handshake;
`FrontDoor` puts it into the hooks of `websockets.serve`. Every answer that is no page is JSON, an error in
the shape that clients of the Realtime protocol know.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from server.handshake import (
    choose_subprotocol,
    is_key_accepted,
    is_origin_allowed,
    presented_key,
    wants_beta_shape,
)

REALTIME_PATHS = frozenset({"/v1/realtime", "/realtime", "/openai/v1/realtime"})
"""Where sessions are opened; the second and third for clients that build the address their own way."""

Health = Callable[[], Mapping[str, object]]
"""What `/healthz` tells, now: `status` ("ok", or why there is no service), `sessions` and whatever else."""


@dataclass(frozen=True, slots=True)
class DoorRules:
    """Who may come in."""

    api_keys: tuple[str, ...] = ()
    """Any of them opens a session; without any, everybody may."""
    allowed_origins: tuple[str, ...] = ()
    """Pages that may connect although they come from elsewhere, as browsers write them; "*" for all."""


@dataclass(frozen=True, slots=True)
class Page:
    """An HTTP answer."""

    status: int
    body: str
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    policy: str = "default-src 'none'; frame-ancestors 'none'"
    """The Content-Security-Policy."""


def error_page(status: int, code: str, message: str, *headers: tuple[str, str]) -> Page:
    """An error as clients of the protocol read it."""
    error = {"message": message, "type": "invalid_request_error", "code": code, "param": None}
    return Page(status, json.dumps({"error": error}), headers=headers)


def decide(method: str, target: str, headers: Headers, rules: DoorRules, health: Health) -> Page | None:
    """The answer to a request, or None when it may become a WebSocket."""
    path = _path(target)
    if path in REALTIME_PATHS:
        return _decide_session(method, target, headers, rules)
    if path not in ("/", "/healthz"):
        return error_page(404, "not_found", f"There is nothing here; sessions are at {_SESSIONS}.")
    if method not in ("GET", "HEAD"):
        return error_page(405, "method_not_allowed", "Only GET and HEAD.", ("Allow", "GET, HEAD"))
    if path == "/healthz":
        state = health()
        return Page(200 if state.get("status") == "ok" else 503, json.dumps(state))
    return _start_page(headers)


_SESSIONS = "/v1/realtime"


def _decide_session(method: str, target: str, headers: Headers, rules: DoorRules) -> Page | None:
    query = parse_qs(urlsplit(target).query)
    if method != "GET":
        return error_page(405, "method_not_allowed", "Only GET.", ("Allow", "GET"))
    if "upgrade" not in headers:
        return error_page(426, "upgrade_required", "This is a WebSocket endpoint.", ("Upgrade", "websocket"))
    if not is_origin_allowed(headers, rules.allowed_origins, has_keys=bool(rules.api_keys)):
        return error_page(
            403, "origin_not_allowed", "Pages from this origin may not connect: see allowed_origins."
        )
    if not is_key_accepted(presented_key(headers), rules.api_keys):
        return error_page(
            401, "invalid_api_key", "The API key is missing or wrong.", ("WWW-Authenticate", "Bearer")
        )
    if "call_id" in query:
        return error_page(404, "not_found", "There is no such call: this server takes no phone calls.")
    if query.get("intent", ["conversation"])[0] == "transcription":
        return error_page(400, "unsupported_intent", "Transcription-only sessions are not supported.")
    if wants_beta_shape(headers):
        return error_page(
            400,
            "beta_api_shape_disabled",
            "The beta shape of the protocol is not supported: leave the OpenAI-Beta header out.",
        )
    return None


def requested_model(target: str) -> str | None:
    """The `model` of a session's address: the name of an agent, if the client asks for one."""
    return parse_qs(urlsplit(target).query).get("model", [None])[0]


def _path(target: str) -> str:
    try:
        path = urlsplit(target).path
    except ValueError:
        return ""
    return path.rstrip("/") or "/"


# --- the page ---------------------------------------------------------------------------------------------

_TEMPLATE = (resources.files("server") / "web" / "index.html").read_text("utf-8")
_STYLE = re.search(r"<style>(.*?)</style>", _TEMPLATE, re.DOTALL)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE[1].encode() if _STYLE else b"").digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HOST = re.compile(r"[A-Za-z0-9.\-]{1,253}(:\d{1,5})?|\[[0-9a-fA-F:.]{2,45}\](:\d{1,5})?")


def _start_page(headers: Headers) -> Page:
    """The page for people, with the address under which they see us in its examples."""
    hosts = headers.get_all("Host")
    host = hosts[0] if len(hosts) == 1 and _HOST.fullmatch(hosts[0]) else "127.0.0.1:8080"
    secure = "s" if headers.get_all("X-Forwarded-Proto") == ["https"] else ""
    body = _TEMPLATE.replace("{host}", escape(host)).replace("{s}", secure)
    return Page(200, body, "text/html; charset=utf-8", policy=_POLICY)


# --- the hooks --------------------------------------------------------------------------------------------


class FrontDoor:
    """The rules of one server, for `websockets.serve(process_request=..., select_subprotocol=...)`."""

    def __init__(self, rules: DoorRules, health: Health) -> None:
        self._rules = rules
        self._health = health

    def process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a request, or let it become a WebSocket."""
        method = getattr(request, "method", "GET")  # before websockets 17 nothing else got here
        page = decide(method, request.path, request.headers, self._rules, self._health)
        return None if page is None else _respond(connection, page, with_body=method != "HEAD")

    def select_subprotocol(
        self, connection: ServerConnection, offered: Sequence[Subprotocol]
    ) -> Subprotocol | None:
        """Choose what the client offers, if we speak it; never the token that carries its key."""
        chosen = choose_subprotocol(offered)
        return None if chosen is None else Subprotocol(chosen)


def _respond(connection: ServerConnection, page: Page, *, with_body: bool) -> Response:
    response = connection.respond(page.status, page.body)
    for name, value in (
        ("Content-Type", page.content_type),
        ("Content-Security-Policy", page.policy),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
        *page.headers,
    ):
        if name in response.headers:
            del response.headers[name]
        response.headers[name] = value
    if not with_body:
        response.body = b""
    return response

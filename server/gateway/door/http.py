"""The plain-HTTP side of the port: health, metrics, the page for people, secrets for clients, and who may come in.

`FrontDoor.decide` looks at a request and gives the page to answer with, or None to go on with the WebSocket
handshake; `process_request` and `select_subprotocol` are its hooks for `websockets.serve`. Errors have the
shape that clients of the Realtime protocol know.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from server.dialects.realtime.address import REALTIME_PATHS
from server.dialects.realtime.errors import TYPES, code_of, param_of
from server.dialects.registry import DIALECTS, DialectTable, OpenedBy
from server.domain.errors import ClientError
from server.gateway.door.admission import Admission, Visitor
from server.gateway.door.backstage import Backstage, Secrets, Unready
from server.gateway.door.quotas import HOLDER_CHARS
from server.gateway.door.readiness import STOPPING, not_now, readiness
from server.gateway.page.web_pages import PATHS, file_page
from server.gateway.requests.addresses import Network, client_address
from server.gateway.requests.handshake import (
    is_host_trusted,
    is_https,
    is_key_accepted,
    is_origin_allowed,
    offered_subprotocols,
    presented_key,
    wants_beta_shape,
)
from server.gateway.requests.pages import Page, error_page, json_page, respond
from server.gateway.returns.returning import resume_claim
from server.gateway.sockets.connection import GuardedConnection
from server.gateway.sockets.request_body import MAX_BODY_BYTES, BodyFault
from server.telemetry.metrics import CONTENT_TYPE as METRICS_TYPE

log = logging.getLogger(__name__)

SECRETS_PATHS = frozenset(f"{path}/client_secrets" for path in REALTIME_PATHS)


@dataclass(frozen=True, slots=True)
class DoorRules:
    """The rules by which a client may come in."""

    api_keys: tuple[str, ...] = ()
    """Any of them opens a session; without any, everybody may."""
    allowed_origins: tuple[str, ...] = ()
    """Pages that may connect although they come from elsewhere, as browsers write them; "*" for all."""
    trusted_proxies: tuple[Network, ...] = ()
    """Whose word on the client's address is taken."""


@dataclass(frozen=True, slots=True)
class PlainRequest:
    """One HTTP request."""

    method: str
    target: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    fault: BodyFault | None = None
    """Why the body could not be read."""
    is_encrypted: bool = False
    """Whether it came over TLS of our own."""

    @property
    def path(self) -> str:
        """What `path_of` finds in the target."""
        return path_of(self.target)


class FrontDoor:
    """The rules of one server, for `websockets.serve(process_request=..., select_subprotocol=...)`."""

    def __init__(
        self,
        rules: DoorRules,
        backstage: Backstage,
        secrets: Secrets,
        admission: Admission,
        dialects: DialectTable = DIALECTS,
    ) -> None:
        self._rules = rules
        self._dialects = dialects
        self._keyed_paths = dialects.paths | SECRETS_PATHS | {"/metrics"}
        self._backstage = backstage
        self._secrets = secrets
        self._admission = admission

    async def process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a request, or let it become a WebSocket."""
        body, fault = b"", None
        if isinstance(connection, GuardedConnection):
            body, fault = connection.request_body.body, connection.request_body.fault
        is_encrypted = connection.transport.get_extra_info("sslcontext") is not None
        plain = PlainRequest(request.method, request.path, request.headers, body, fault, is_encrypted)
        page = await self._answer(connection, plain)
        return None if page is None else respond(connection, page, with_body=plain.method != "HEAD")

    def visitor(self, connection: ServerConnection, headers: Headers) -> Visitor:
        """Whose connection this is, once it has been let in."""
        keys, key = self._rules.api_keys, presented_key(headers)
        opens = bool(keys) and is_key_accepted(key, keys)
        owner = None if opens else self._secrets.owner_of(key)
        address, is_secret = self._address(connection, headers), owner is not None
        made_by = None if owner is None else owner[:HOLDER_CHARS]
        return Visitor(address, key if opens or is_secret else None, is_secret, made_by)

    def select_subprotocol(
        self, connection: ServerConnection, offered: Sequence[Subprotocol]
    ) -> Subprotocol | None:
        """Choose what the client offers, if we speak it; never the token that carries its key."""
        path = path_of(connection.request.path) if connection.request else ""
        chosen = self._dialects.choose(path, offered)
        return None if chosen is None else Subprotocol(chosen)

    def decide(self, request: PlainRequest) -> Page | None:
        """The answer to a request, or None when it may become a WebSocket."""
        path = request.path
        if path in self._dialects.paths:
            return self._decide_session(request)
        if path in SECRETS_PATHS:
            return self._mint(request)
        if path not in _STATUS_PATHS and path != "/" and path not in PATHS:
            return error_page(404, "not_found", "There is nothing here; sessions are at /v1/realtime.")
        if request.method not in ("GET", "HEAD"):
            return error_page(405, "method_not_allowed", "Only GET and HEAD.", ("Allow", "GET, HEAD"))
        if path in _STATUS_PATHS:
            return self._tell_status(request)
        is_secure = request.is_encrypted or is_https(request.headers)
        return file_page(path, request.headers, urlsplit(request.target).query, is_secure=is_secure)

    async def _answer(self, connection: ServerConnection, request: PlainRequest) -> Page | None:
        """What `decide` says, within the quotas; whoever is refused is counted."""
        headers, admission = request.headers, self._admission
        address = self._address(connection, headers)
        with_key = request.path in self._keyed_paths and presented_key(headers) is not None
        page = await admission.turned_away(address) if with_key else None
        if page is not None and self._is_origin_allowed(request):
            page = replace(page, headers=(*page.headers, *_cors(headers)))
        elif page is None:
            if request.path in self._dialects.paths:
                await self._secrets.learn(presented_key(headers))
            page = self.decide(request)
            if request.path in SECRETS_PATHS:
                await self._secrets.share()
            if with_key and page is not None and page.code == _WRONG_KEY.code:
                await admission.note_wrong_key(address)
        if page is None and resume_claim(headers) is None:  # who comes back has its place
            page = await admission.admit(self.visitor(connection, headers), str(connection.id))
        if (
            page is not None and page.status in _REFUSALS and request.path != "/readyz"
        ):  # that is what it tells
            admission.count(page.status, page.code)
            log.info("refused: %s", page.code, extra={"status": page.status, "address": address})
        return page

    def _address(self, connection: ServerConnection, headers: Headers) -> str:
        try:
            peer = connection.remote_address
        except ValueError:  # uvloop's word for a client that has left while its request waited
            peer = None
        return client_address(str(peer[0]) if peer else "", headers, self._rules.trusted_proxies)

    # --- sessions -----------------------------------------------------------------------------------------

    def _decide_session(self, request: PlainRequest) -> Page | None:
        headers, query = request.headers, parse_qs(urlsplit(request.target).query)
        if request.method != "GET":
            return error_page(405, "method_not_allowed", "Only GET.", ("Allow", "GET"))
        if "upgrade" not in headers:
            return error_page(
                426, "upgrade_required", "This is a WebSocket endpoint.", ("Upgrade", "websocket")
            )
        if not self._is_origin_allowed(request):
            return _WRONG_ORIGIN
        chosen = self._dialects.choose(request.path, offered_subprotocols(headers))
        route = self._dialects.find(request.path, chosen)
        if route is None:
            return error_page(400, "unknown_subprotocol", "None of the subprotocols is spoken at this path.")
        by_secret = route.opened_by is OpenedBy.KEY_OR_SECRET
        key = presented_key(headers)
        if not is_key_accepted(key, self._rules.api_keys) and not (
            by_secret and self._secrets.owner_of(key) is not None
        ):
            return _WRONG_KEY
        if "call_id" in query:
            return error_page(404, "not_found", "There is no such call: this server takes no phone calls.")
        if wants_beta_shape(headers):
            return error_page(
                400,
                "beta_api_shape_disabled",
                "The beta shape of the protocol is not supported: leave the OpenAI-Beta header out.",
            )
        if resume_claim(headers) is None:
            return not_now(self._backstage)
        # Where there are other nodes, one of them is to have the session.
        is_draining = self._backstage.unready() is Unready.DRAINING
        return STOPPING if is_draining and self._backstage.store() is not None else None

    def _is_origin_allowed(self, request: PlainRequest) -> bool:
        rules = self._rules
        return is_origin_allowed(request.headers, rules.allowed_origins, has_keys=bool(rules.api_keys))

    # --- client secrets -----------------------------------------------------------------------------------

    def _mint(self, request: PlainRequest) -> Page:
        if not self._is_origin_allowed(request):
            return _WRONG_ORIGIN
        page = self._answer_order(request)  # whatever it is, the page that asks may read it
        return replace(page, headers=(*page.headers, *_cors(request.headers)))

    def _answer_order(self, request: PlainRequest) -> Page:
        if request.method == "OPTIONS":  # a browser asks before a page of another origin may ask
            allowed = ("Access-Control-Allow-Methods", "POST")
            known = ("Access-Control-Allow-Headers", "authorization, api-key, content-type")
            return Page(204, "", headers=(allowed, known))
        if request.method != "POST":
            return error_page(405, "method_not_allowed", "Only POST.", ("Allow", "POST"))
        if not is_key_accepted(presented_key(request.headers), self._rules.api_keys):
            return _WRONG_KEY
        if request.fault is BodyFault.TOO_LONG:
            return error_page(413, "body_too_long", f"The body may have {MAX_BODY_BYTES} bytes.")
        if request.fault is BodyFault.NO_LENGTH:
            return error_page(411, "length_required", "Send the body with a Content-Length.")
        if self._backstage.unready() is Unready.DRAINING:  # a secret would not outlive the server
            return STOPPING
        try:
            return json_page(200, self._backstage.mint(request.body, presented_key(request.headers) or ""))
        except ClientError as error:
            status = 429 if error.blame == "limit" else 400
            return error_page(
                status, code_of(error), error.message, param=param_of(error), type=TYPES[error.blame]
            )

    # --- status -------------------------------------------------------------------------------------------

    def _tell_status(self, request: PlainRequest) -> Page:
        if request.path == "/healthz":
            return json_page(200, self._backstage.health())
        if request.path == "/readyz":
            return readiness(self._backstage)
        if not is_key_accepted(presented_key(request.headers), self._rules.api_keys):
            return _WRONG_KEY  # who speaks how much is not everybody's business
        rules = self._rules
        if not rules.api_keys and not is_host_trusted(request.headers, rules.allowed_origins):
            return _WRONG_HOST
        return Page(200, self._backstage.metrics(), METRICS_TYPE)


_STATUS_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
_REFUSALS = frozenset({401, 403, 429, 503})
_WRONG_ORIGIN = error_page(
    403, "origin_not_allowed", "Pages from this origin may not connect: see allowed_origins."
)
_WRONG_HOST = error_page(
    403,
    "host_not_allowed",
    "Without a key, figures are told under an address or localhost: see allowed_origins.",
)
_WRONG_KEY = error_page(
    401, "invalid_api_key", "The API key is missing or wrong.", ("WWW-Authenticate", "Bearer")
)


def _cors(headers: Headers) -> tuple[tuple[str, str], ...]:
    """Let the page that asks read the answer; its origin has been checked."""
    origins = headers.get_all("Origin")
    vary = ("Vary", "Origin")
    if not origins:
        return (vary,)
    exposed = ("Access-Control-Expose-Headers", "Retry-After")
    return ("Access-Control-Allow-Origin", origins[0]), exposed, vary


@lru_cache(maxsize=64)  # asked for eight times a connection
def path_of(target: str) -> str:
    """The path of a request's target, without the query and a slash at the end; empty when there is none."""
    try:
        path = urlsplit(target).path
    except ValueError:
        return ""
    return path.rstrip("/") or "/"

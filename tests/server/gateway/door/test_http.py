"""The plain-HTTP side of the port: pure decisions first, then real requests and handshakes."""

import asyncio
import gzip
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from server.cluster.store import MemoryStore
from server.dialects.realtime.dialect import RealtimeDialect
from server.domain.commands import CreateResponse
from server.domain.errors import ClientError
from server.domain.events import Event, SessionStarted
from server.domain.values import Response
from server.gateway.door.admission import Admission
from server.gateway.door.backstage import Overload, Unready
from server.gateway.door.http import DoorRules, FrontDoor, PlainRequest
from server.gateway.door.quotas import Quotas
from server.gateway.requests.pages import Page
from server.gateway.sockets.connection import GuardedConnection
from server.gateway.sockets.meter import IntakeLimits
from server.gateway.sockets.request_body import MAX_BODY_BYTES, BodyFault
from tests.support.patience import PATIENCE_S
from tests.support.realtime_story import CONFIG, whole_response

KEYED = DoorRules(api_keys=("secret",))
UPGRADE = Headers([("Host", "127.0.0.1:8080"), ("Upgrade", "websocket")])


SECRET = "ek_a-valid-one"


@dataclass
class Server:
    """What is behind the door: one node with three sessions, and the one secret that was made."""

    why_unready: Unready | None = None
    is_late: bool = False

    def would_be_late(self) -> bool:
        return self.is_late

    def health(self) -> dict[str, object]:
        return {"status": "ok", "sessions": 3}

    def unready(self) -> Unready | None:
        return self.why_unready

    def overload(self) -> Overload:
        return Overload("models", 3.25, 4)

    def store(self) -> None:
        return None

    def metrics(self) -> str:
        return "sessions 3\n"

    def mint(self, body: bytes, key: str) -> dict[str, object]:
        if body == b"bad":
            raise ClientError("invalid_json", "The body is not JSON.", param="session")
        if body == b"more":
            raise ClientError("too_many_client_secrets", "later", blame="limit")
        return {"value": SECRET, "body": body.decode()}

    def owner_of(self, value: str | None) -> str | None:
        return "0" * 64 if value == SECRET else None

    async def learn(self, value: str | None) -> None:
        """There is one node."""

    async def share(self) -> None:
        """There is one node."""

    def refused(self, status: int, reason: str) -> None:
        """Nobody counts."""


def door_of(rules: DoorRules, *, unready: Unready | None = None, is_late: bool = False) -> FrontDoor:
    server = Server(unready, is_late)
    admission = Admission(Quotas(), MemoryStore(), refusals=server, now=lambda: 0.0)
    return FrontDoor(rules, server, server, admission)


def decide(method: str, target: str, headers: Headers, rules: DoorRules, body: bytes = b"") -> Page | None:
    return door_of(rules).decide(PlainRequest(method, target, headers, body))


def answer(
    method: str, target: str, *headers: tuple[str, str], keyed: bool = False, body: bytes = b""
) -> Page:
    page = decide(method, target, Headers(headers), KEYED if keyed else DoorRules(), body)
    assert page is not None
    return page


# --- decisions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("POST", "/", 405),
        ("GET", "/healthz", 200),
        ("GET", "/healthz/?verbose", 200),
        ("DELETE", "/healthz", 405),
        ("GET", "/readyz", 200),
        ("GET", "/metrics", 200),
        ("POST", "/metrics", 405),
        ("GET", "/index.html", 200),
        ("POST", "/index.html", 405),
        ("POST", "/v1/realtime/client_secrets", 200),
        ("POST", "/realtime/client_secrets", 200),
        ("GET", "/v1/realtime", None),
        ("GET", "/v1/realtime?model=gpt-realtime-2.1", None),
        ("GET", "/v1/realtime/", None),
        ("GET", "/realtime?model=x", None),
        ("GET", "/openai/v1/realtime", None),
        ("POST", "/v1/realtime", 405),
        ("GET", "/v1/realtime?call_id=c1", 404),
        ("GET", "/v1/realtime?intent=transcription", None),
        ("GET", "/v1/realtime?intent=conversation", None),
        ("GET", "/v1/models", 404),
        ("GET", "/v1/realtime/calls", 404),
        ("GET", "/../etc/passwd", 404),
        ("GET", "//[", 404),
        ("GET", "*", 404),
    ],
)
def test_every_request_has_its_answer(method: str, target: str, status: int | None) -> None:
    page = decide(method, target, UPGRADE, DoorRules())
    assert (page.status if page else None) == status
    if page is not None and status is not None and status >= 400:
        assert set(json.loads(page.body)["error"]) == {"message", "type", "code", "param"}


def test_a_plain_request_for_a_session_is_told_what_it_should_be() -> None:
    page = decide("GET", "/v1/realtime", Headers(), DoorRules())
    assert page is not None
    assert page.status == 426
    assert ("Upgrade", "websocket") in page.headers


@pytest.mark.parametrize("reason", Unready)
def test_a_server_that_takes_no_more_sessions_is_alive_and_not_ready(reason: Unready) -> None:
    door = door_of(KEYED, unready=reason)
    page = door.decide(PlainRequest("GET", "/readyz"))
    assert page is not None
    why = {"cause": "models", "wait_ms": 3250} if reason is Unready.OVERLOADED else {}
    assert (page.status, json.loads(page.body)) == (503, {"status": reason} | why)
    assert ("Retry-After", "4" if reason is Unready.OVERLOADED else "5") in page.headers
    alive = door.decide(PlainRequest("GET", "/healthz"))
    assert alive is not None
    assert alive.status == 200


def test_a_server_that_is_about_to_stop_opens_no_session_and_one_that_is_full_says_so_inside() -> None:
    session = PlainRequest("GET", "/v1/realtime", UPGRADE)
    page = door_of(DoorRules(), unready=Unready.DRAINING).decide(session)
    assert page is not None
    assert (page.status, json.loads(page.body)["error"]["code"]) == (503, "server_stopping")
    assert ("Retry-After", "5") in page.headers
    late = door_of(DoorRules(), unready=Unready.OVERLOADED).decide(session)
    assert late is not None
    assert (late.status, dict(late.headers)["Retry-After"]) == (503, "4")
    assert "try again in 4 s" in json.loads(late.body)["error"]["message"]
    assert door_of(DoorRules(), unready=Unready.FULL).decide(session) is None


def test_who_would_make_others_wait_is_refused_although_the_server_is_ready() -> None:
    door = door_of(DoorRules(), is_late=True)
    late = door.decide(PlainRequest("GET", "/v1/realtime", UPGRADE))
    assert late is not None
    assert (late.status, json.loads(late.body)["error"]["code"]) == (503, "server_overloaded")
    ready = door.decide(PlainRequest("GET", "/readyz"))
    assert ready is not None
    assert ready.status == 200


def test_a_wrong_key_is_wrong_however_the_server_is() -> None:
    page = door_of(KEYED, unready=Unready.DRAINING).decide(PlainRequest("GET", "/v1/realtime", UPGRADE))
    assert page is not None
    assert page.status == 401


def test_metrics_want_a_key_where_there_is_one() -> None:
    page = answer("GET", "/metrics")
    assert (page.status, page.body) == (200, "sessions 3\n")
    assert page.content_type.startswith("text/plain; version=0.0.4")
    assert answer("GET", "/metrics", keyed=True).status == 401
    assert answer("GET", "/metrics", ("Authorization", "Bearer secret"), keyed=True).status == 200
    assert answer("GET", "/metrics", ("Authorization", f"Bearer {SECRET}"), keyed=True).status == 401


@pytest.mark.parametrize("host", ["evil.example:8080", "evil.example", "localhost.evil.example", "[", ""])
def test_metrics_without_a_key_are_not_told_under_a_name_that_was_pointed_at_us(host: str) -> None:
    assert answer("GET", "/metrics", ("Host", host)).status == 403
    key = ("Authorization", "Bearer secret")
    assert answer("GET", "/metrics", ("Host", host), key, keyed=True).status == 200


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080", "voice.example"])
def test_metrics_without_a_key_are_told_under_our_own_names(host: str) -> None:
    rules = DoorRules(allowed_origins=("https://voice.example",))
    page = decide("GET", "/metrics", Headers([("Host", host)]), rules)
    assert page is not None
    assert page.status == 200


# --- client secrets ---------------------------------------------------------------------------------------

MINT = "/v1/realtime/client_secrets"


def test_a_real_key_buys_a_secret_and_a_secret_does_not() -> None:
    page = answer("POST", MINT, ("Authorization", "Bearer secret"), keyed=True, body=b"{}")
    assert (page.status, json.loads(page.body)) == (200, {"value": SECRET, "body": "{}"})
    for headers in ([], [("Authorization", "Bearer wrong")], [("Authorization", f"Bearer {SECRET}")]):
        assert answer("POST", MINT, *headers, keyed=True).status == 401


def test_without_keys_local_pages_may_have_secrets_and_foreign_ones_may_not() -> None:
    local = ("Origin", "http://localhost:5173")
    page = answer("POST", MINT, local)
    assert page.status == 200
    assert ("Access-Control-Allow-Origin", "http://localhost:5173") in page.headers
    assert answer("OPTIONS", MINT, local).status == 204
    for method in ("POST", "OPTIONS"):
        page = answer(method, MINT, ("Origin", "https://evil.example"))
        assert page.status == 403
        assert "Access-Control-Allow-Origin" not in dict(page.headers)


@pytest.mark.parametrize(
    ("method", "body", "status", "fault"),
    [("POST", b"{}", 401, None), ("GET", b"", 405, None), ("POST", b"bad", 400, None),
     ("POST", b"more", 429, None), ("POST", b"", 413, BodyFault.TOO_LONG), ("POST", b"", 411, BodyFault.NO_LENGTH)],
)  # fmt: skip
def test_a_page_that_may_ask_may_read_every_refusal(
    method: str, body: bytes, status: int, fault: BodyFault | None
) -> None:
    headers = Headers([("Origin", "http://localhost:5173"), ("Authorization", "Bearer secret")])
    if status == 401:
        headers["api-key"] = "wrong"
        del headers["Authorization"]
    page = door_of(KEYED).decide(PlainRequest(method, MINT, headers, body, fault))
    assert page is not None
    assert page.status == status
    assert ("Access-Control-Allow-Origin", "http://localhost:5173") in page.headers


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [(b"bad", 400, "invalid_json"), (b"more", 429, "too_many_client_secrets")],
)
def test_an_order_that_cannot_be_met_says_why(body: bytes, status: int, code: str) -> None:
    page = answer("POST", MINT, body=body)
    assert (page.status, json.loads(page.body)["error"]["code"]) == (status, code)


@pytest.mark.parametrize(("fault", "status"), [(BodyFault.TOO_LONG, 413), (BodyFault.NO_LENGTH, 411)])
def test_a_body_that_could_not_be_read_is_told_of(fault: BodyFault, status: int) -> None:
    page = door_of(DoorRules()).decide(PlainRequest("POST", MINT, fault=fault))
    assert page is not None
    assert page.status == status


def test_only_post_makes_secrets() -> None:
    page = answer("GET", MINT)
    assert (page.status, ("Allow", "POST") in page.headers) == (405, True)


# --- the page ---------------------------------------------------------------------------------------------


def page_for(*headers: tuple[str, str], path: str = "/connect.html") -> str:
    body = answer("GET", path, *headers).body
    assert isinstance(body, bytes)
    return body.decode()


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ([("Host", "192.168.1.5:9000")], "ws://192.168.1.5:9000/v1/realtime"),
        ([("Host", "[::1]:9000")], "ws://[::1]:9000/v1/realtime"),
        ([("Host", "v.example"), ("X-Forwarded-Proto", "https")], "wss://v.example/v1/realtime"),
        ([("Host", "v.example"), ("X-Forwarded-Proto", "HTTPS, http")], "wss://v.example/v1/realtime"),
        ([("Host", "v.example"), ("Forwarded", 'for=1.2.3.4;proto="https"')], "wss://v.example/v1/realtime"),
        ([("Host", "v.example"), ("Sec-Fetch-Mode", "navigate")], "wss://v.example/v1/realtime"),
        ([("Host", "localhost:80"), ("Sec-Fetch-Mode", "navigate")], "ws://localhost:80/v1/realtime"),
        (
            [("Host", "v.example"), ("Sec-Fetch-Mode", "navigate"), ("X-Forwarded-Proto", "http")],
            "ws://v.example/v1/realtime",
        ),
        ([], "ws://127.0.0.1:8080/v1/realtime"),
        ([("Host", '"><script>alert(1)</script>')], "ws://127.0.0.1:8080/v1/realtime"),
        ([("Host", "a"), ("Host", "b")], "ws://127.0.0.1:8080/v1/realtime"),
    ],
)
def test_the_page_shows_the_address_under_which_it_was_found(
    headers: list[tuple[str, str]], address: str
) -> None:
    body = page_for(*headers)
    assert f"<pre>{address}</pre>" in body
    assert body.count("<script") == 1
    assert "alert" not in body
    assert "{host}" not in body


@pytest.mark.parametrize("path", ["/", "/connect.html"])
def test_the_pages_need_nothing_from_elsewhere_and_have_no_code_or_style_within(path: str) -> None:
    page = re.sub(r"<pre.*?</pre>", "", page_for(path=path), flags=re.DOTALL)  # which is of others
    links = set(re.findall(r'(?:src|href|action)="([^"]*)"', page)) - {"data:,"}
    assert links
    for link in links:
        assert answer("GET", f"/{link.lstrip('/')}").status == 200
    assert not re.search(r"<style|<script(?! type=\"module\" src=)| style=| on[a-z]+=\"", page)


def test_a_file_is_sent_compressed_to_whoever_takes_it() -> None:
    plain = answer("GET", "/app.js")
    assert "Content-Encoding" not in dict(plain.headers)
    small = answer("GET", "/app.js", ("Accept-Encoding", "br, GZIP , deflate"))
    assert dict(small.headers)["Content-Encoding"] == "gzip"
    assert isinstance(small.body, bytes)
    assert gzip.decompress(small.body) == plain.body
    assert len(small.body) < len(plain.body) / 2
    assert dict(small.headers)["Vary"] == dict(plain.headers)["Vary"] == "Accept-Encoding"
    refused = answer("GET", "/app.js", ("Accept-Encoding", "gzip;q=0"))
    assert refused.body == plain.body


@pytest.mark.parametrize(
    ("path", "is_shared"), [("/voice.js", True), ("/", False), ("/readyz", True), ("/healthz", False)]
)
def test_pages_of_other_origins_may_load_the_scripts_and_ask_whether_we_are_ready(
    path: str, is_shared: bool
) -> None:
    headers = dict(answer("GET", path, ("Origin", "https://shop.example")).headers)
    assert headers.get("Access-Control-Allow-Origin") == ("*" if is_shared else None)


def test_a_file_is_sent_again_only_when_it_has_changed() -> None:
    page = answer("GET", "/index.html")
    headers = dict(page.headers)
    assert (page.status, headers["Cache-Control"]) == (200, "no-cache")
    for seen in (headers["ETag"], f'"other", W/{headers["ETag"]}'):
        again = answer("GET", "/index.html", ("If-None-Match", seen))
        assert (again.status, again.body) == (304, b"")
    assert answer("GET", "/index.html", ("If-None-Match", '"other"')).status == 200


def test_what_a_page_loads_is_one_file_of_a_kind_and_is_kept_for_good() -> None:
    for path, most in (("/", 2), ("/connect.html", 2)):
        names = re.findall(
            r'<(?:link|script)[^>]* (?:src|href)="([\w-]+\.(?:js|css)[^"]*)"',
            str(answer("GET", path).body),
        )
        assert len(names) == most
        for name in names:
            page = answer("GET", f"/{name}")
            assert "immutable" in dict(page.headers)["Cache-Control"], "its name changes with it"
            assert not re.search(r"(?<=\\n)@?import ", str(page.body))
    assert dict(answer("GET", "/app.js?v=old").headers)["Cache-Control"] == "no-cache"
    assert dict(answer("GET", "/voice.js").headers)["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "target",
    ["/../pyproject.toml", "/..%2f..%2fetc/passwd", "/%2e%2e/http.py", "/../server/gateway/door/http.py", "/http.py",
     "//etc/passwd", "/index.html/../http.py", "/index.html%00.js", "/.hidden.html", "/web/index.html"],
)  # fmt: skip
def test_nothing_but_the_files_of_the_page_is_served(target: str) -> None:
    assert answer("GET", target).status == 404


# --- real sockets -----------------------------------------------------------------------------------------


async def session(connection: ServerConnection) -> None:
    """As little of a session as the example on the page needs: it answers when asked to."""
    dialect = RealtimeDialect(CONFIG)

    async def tell(*events: Event) -> None:
        for event in events:
            for frame in dialect.encode(event):
                await connection.send(frame)

    await tell(SessionStarted("sess_1", "conv_1", CONFIG, 0))
    try:
        async for frame in connection:
            if isinstance(dialect.decode(frame), CreateResponse):
                await tell(*whole_response(Response("resp_1", config=CONFIG), "item_a", None))
    except ConnectionClosed:
        pass


@asynccontextmanager
async def serving(rules: DoorRules | None = None) -> AsyncIterator[int]:
    door = door_of(rules or DoorRules())
    server = serve(
        session,
        "127.0.0.1",
        0,
        process_request=door.process_request,
        select_subprotocol=door.select_subprotocol,
        server_header=None,
        compression=None,
        create_connection=GuardedConnection.with_limits(IntakeLimits()),
    )
    async with server as running:
        yield running.sockets[0].getsockname()[1]


async def fetch(port: int, request: str) -> tuple[int, Headers, str]:
    """One plain HTTP request; the answer's status, headers and body."""
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(request.encode())
        answer = b""
        with anyio.fail_after(PATIENCE_S):
            while True:
                try:
                    answer += await stream.receive()
                except anyio.EndOfStream:
                    break
    head, _, body = answer.decode().partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    return int(status.split()[1]), Headers([(name, value) for name, value in pairs]), body


def get(path: str, method: str = "GET") -> str:
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


async def test_health_is_json_and_every_answer_has_the_security_headers() -> None:
    async with serving(KEYED) as port:
        status, headers, body = await fetch(port, get("/healthz"))
        assert (status, json.loads(body)) == (200, Server().health())
        assert headers["Content-Type"] == "application/json"
        for path in ("/healthz", "/", "/nowhere", "/v1/realtime"):
            _, headers, _ = await fetch(port, get(path))
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Cache-Control"] == ("no-cache" if path == "/" else "no-store")
            assert headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert "Server" not in headers


async def test_the_page_is_served_with_a_policy_that_allows_nothing_within_or_from_elsewhere() -> None:
    async with serving() as port:
        status, headers, body = await fetch(port, get("/"))
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert int(headers["Content-Length"]) == len(body.encode())
    policy = headers["Content-Security-Policy"]
    assert "style-src 'self';" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


async def test_other_methods_than_get_are_answered() -> None:
    async with serving() as port:
        status, headers, body = await fetch(port, get("/healthz", "HEAD"))
        assert (status, headers["Content-Length"], body) == (200, str(len(json.dumps(Server().health()))), "")
        status, headers, _ = await fetch(port, get("/healthz", "PUT"))
        assert (status, headers["Allow"]) == (405, "GET, HEAD")


def post(body: bytes, *headers: str) -> str:
    head = "\r\n".join([f"POST {MINT} HTTP/1.1", "Host: 127.0.0.1", *headers])
    return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n{body.decode()}"


async def test_a_post_with_a_body_is_answered_however_it_is_cut() -> None:
    request = post(b'{"session": {}}').encode()
    async with serving() as port:
        for size in (len(request), 1, 7):
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                for start in range(0, len(request), size):
                    await stream.send(request[start : start + size])
                with anyio.fail_after(PATIENCE_S):
                    answer = await stream.receive()
            assert answer.startswith(b"HTTP/1.1 200"), answer
            assert b'{\\"session\\": {}}' in answer


async def test_bodies_that_are_too_long_or_of_no_length_are_refused() -> None:
    async with serving() as port:
        status, _, _ = await fetch(port, post(b"x" * (MAX_BODY_BYTES + 1)))
        assert status == 413
        head = f"POST {MINT} HTTP/1.1\r\nHost: a\r\n"
        for length in ("Transfer-Encoding: chunked", "Content-Length: many"):
            status, _, _ = await fetch(port, f"{head}{length}\r\n\r\n")
            assert status == 411


async def test_a_secret_opens_a_session_where_a_key_is_wanted() -> None:
    async with serving(KEYED) as port:
        url = f"ws://127.0.0.1:{port}/v1/realtime"
        protocols = [Subprotocol("realtime"), Subprotocol(f"openai-insecure-api-key.{SECRET}")]
        async with connect(url, subprotocols=protocols) as client:
            assert client.subprotocol == "realtime"
            await client.recv()


@pytest.mark.parametrize(
    ("headers", "subprotocols"),
    [
        ({"Authorization": "Bearer secret"}, None),
        ({"api-key": "secret"}, None),
        ({}, ["realtime", "openai-insecure-api-key.secret", "openai-agents-sdk.0.20.0"]),
        ({"Authorization": "Bearer secret"}, ["openai-agents-sdk.0.20.0", "realtime"]),
    ],
)
async def test_a_client_with_a_key_gets_in_and_gets_its_subprotocol(
    headers: dict[str, str], subprotocols: list[Subprotocol] | None
) -> None:
    async with serving(KEYED) as port:
        url = f"ws://127.0.0.1:{port}/v1/realtime?model=m"
        async with connect(url, additional_headers=headers, subprotocols=subprotocols) as client:
            assert client.subprotocol == ("realtime" if subprotocols else None)
            assert json.loads(await client.recv())["type"] == "session.created"


async def refused(port: int, **headers: str) -> InvalidStatus:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(f"ws://127.0.0.1:{port}/v1/realtime", additional_headers=headers):
            pass
    return caught.value


async def test_a_wrong_key_is_refused_before_the_upgrade() -> None:
    async with serving(KEYED) as port:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"api-key": ""}):
            response = (await refused(port, **headers)).response
            assert response.status_code == 401
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert json.loads(response.body or b"") == {
                "error": {
                    "message": "The API key is missing or wrong.",
                    "type": "invalid_request_error",
                    "code": "invalid_api_key",
                    "param": None,
                }
            }


async def test_a_foreign_page_is_refused() -> None:
    async with serving(DoorRules(allowed_origins=("https://app.example",))) as port:
        assert (await refused(port, Origin="https://evil.example")).response.status_code == 403
        url = f"ws://127.0.0.1:{port}/v1/realtime"
        async with connect(url, additional_headers={"Origin": "https://app.example"}) as client:
            await client.recv()


async def test_a_client_of_the_beta_is_told_why_it_cannot_come_in() -> None:
    async with serving() as port:
        response = (await refused(port, **{"OpenAI-Beta": "realtime=v1"})).response
    assert json.loads(response.body or b"")["error"]["code"] == "beta_api_shape_disabled"


async def test_the_python_example_of_the_page_works_as_it_stands(tmp_path: Path) -> None:
    async with serving() as port:
        _, _, body = await fetch(port, f"GET /connect.html HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")
        example = re.search(r'<pre id="python">(.*?)</pre>', body, re.DOTALL)
        assert example is not None
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            unescape(example[1]),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        with anyio.fail_after(PATIENCE_S):
            out, err = await process.communicate()
    assert out.decode().strip() == "It is noon.", err.decode()
    assert (tmp_path / "answer.wav").stat().st_size == 44 + 2 * 960

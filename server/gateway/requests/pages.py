"""HTTP answers as values, and how they are written onto a connection."""

import json
from dataclasses import dataclass, replace

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Response

NOTHING_ALLOWED = "default-src 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of whatever is no page."""

FOR_ALL = ("Access-Control-Allow-Origin", "*")
"""The header with which pages of any origin may read an answer."""


@dataclass(frozen=True, slots=True)
class Page:
    """An HTTP answer."""

    status: int
    body: str | bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    policy: str = NOTHING_ALLOWED
    """The Content-Security-Policy."""
    code: str = ""
    """Of an error: what it is, for those who count."""


def json_page(status: int, value: object, *headers: tuple[str, str]) -> Page:
    """An answer for programs."""
    return Page(status, json.dumps(value), headers=headers)


def error_page(
    status: int,
    code: str,
    message: str,
    *headers: tuple[str, str],
    param: str | None = None,
    type: str = "invalid_request_error",
) -> Page:
    """An error as clients of the protocol read it."""
    error = {"message": message, "type": type, "code": code, "param": param}
    return replace(json_page(status, {"error": error}, *headers), code=code)


def respond(connection: ServerConnection, page: Page, *, with_body: bool) -> Response:
    """The answer with the headers that every answer has."""
    body = page.body.encode() if isinstance(page.body, str) else page.body
    response = connection.respond(page.status, "")
    for name, value in (
        ("Content-Type", page.content_type),
        ("Content-Length", str(len(body))),
        ("Content-Security-Policy", page.policy),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
        *page.headers,
    ):
        if name in response.headers:
            del response.headers[name]
        response.headers[name] = value
    if page.status in (204, 304):  # they have no body, and so no length
        del response.headers["Content-Length"]
    response.body = body if with_body else b""
    return response

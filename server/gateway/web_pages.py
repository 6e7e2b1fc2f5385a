"""The page for people, as answers to HTTP requests: which file is at a path, and what a browser may do with it."""

import re
from html import escape
from importlib import resources

from websockets.datastructures import Headers

from server.gateway.pages import FOR_ALL, Page
from server.gateway.web_files import WebFile, read_files

FILES = read_files(resources.files("server.gateway") / "web")
_INDEX = "/index.html"
_CONNECT = "/connect.html"
_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; "
    "img-src 'self' data:; media-src 'self' blob:; font-src 'self'; manifest-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SHARED = (".js", ".css")
"""Pages of other origins may load these, to embed us; who may hold a session is another question."""
_HOST = re.compile(r"[A-Za-z0-9.\-]{1,253}(:\d{1,5})?|\[[0-9a-fA-F:.]{2,45}\](:\d{1,5})?")


def file_page(path: str, asked: Headers) -> Page:
    """The file at `path`, one of `FILES` or "/"; without its body for a client that has it already."""
    path = _INDEX if path == "/" else path
    file = _connect_page(asked) if path == _CONNECT else FILES[path]
    headers = [("Cache-Control", "no-cache"), ("ETag", file.etag)]  # asked for each time, sent when changed
    if path.endswith(_SHARED):
        headers.append(FOR_ALL)
    seen = ",".join(asked.get_all("If-None-Match"))
    if file.etag in (tag.strip().removeprefix("W/") for tag in seen.split(",")):
        return Page(304, b"", file.content_type, tuple(headers), _POLICY)
    headers.append(("Vary", "Accept-Encoding"))
    accepted = [word.strip().lower() for word in ",".join(asked.get_all("Accept-Encoding")).split(",")]
    body = file.body
    if "gzip" in accepted and file.gzipped is not None:
        body = file.gzipped
        headers.append(("Content-Encoding", "gzip"))
    return Page(200, body, file.content_type, tuple(headers), _POLICY)


def _connect_page(headers: Headers) -> WebFile:
    """The page for people who write clients, with the address under which they see us in its examples."""
    hosts = headers.get_all("Host")
    host = hosts[0] if len(hosts) == 1 and _HOST.fullmatch(hosts[0]) else "127.0.0.1:8080"
    secure = "s" if headers.get_all("X-Forwarded-Proto") == ["https"] else ""
    page = FILES[_CONNECT]
    body = page.body.replace(b"{host}", escape(host).encode()).replace(b"{s}", secure.encode())
    return WebFile(body, page.content_type)

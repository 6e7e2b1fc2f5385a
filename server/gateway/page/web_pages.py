"""The page for people, as answers to HTTP requests: which file is at a path, and what a browser may do with it.

What a browser begins with, modules and style sheets, is sent with all that it imports in one file. The pages name these
files by their content, so that a browser that has been here asks for none of them again.
"""

import re
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib import resources
from urllib.parse import parse_qs

from websockets.datastructures import Headers

from server.gateway.page.bundling import bundle, bundle_styles
from server.gateway.page.web_files import WebFile, read_files
from server.gateway.requests.pages import FOR_ALL, Page

_INDEX = "/index.html"
_CONNECT = "/connect.html"
_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; "
    "img-src 'self' data:; media-src 'self' blob:; font-src 'self'; manifest-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_MODULES = ("app.js", "connect.js", "voice.js", "voice-client.js")
_STYLES = ("page.css",)
_EACH_TIME = "no-cache"
"""Asked for each time, sent when changed."""
_FOREVER = "public, max-age=31536000, immutable"
_SHARED = (".js", ".css")
"""Pages of other origins may load these, to embed us; who may hold a session is another question."""
_NAMED = re.compile(r'(<(?:link|script)[^>]* (?:src|href)=")([\w-]+\.(?:js|css))"')
"""What a page of ours loads."""
_HOST = re.compile(r"[A-Za-z0-9.\-]{1,253}(:\d{1,5})?|\[[0-9a-fA-F:.]{2,45}\](:\d{1,5})?")


def built(files: Mapping[str, WebFile]) -> Mapping[str, WebFile]:
    """The files as they are sent: each that a browser begins with is one with what it imports, and our pages name it
    with its version."""
    texts = {path[1:]: file.body.decode() for path, file in files.items() if path.endswith(_SHARED)}
    made = {f"/{name}": bundle(name, texts) for name in _MODULES}
    made |= {f"/{name}": bundle_styles(name, texts) for name in _STYLES}
    found = {
        **files,
        **{path: WebFile(text.encode(), files[path].content_type) for path, text in made.items()},
    }

    def with_version(match: re.Match[str]) -> str:
        return f'{match[1]}{match[2]}?v={found["/" + match[2]].version}"'

    for path in (_INDEX, _CONNECT):
        text = _NAMED.sub(with_version, files[path].body.decode())
        found[path] = WebFile(text.encode(), files[path].content_type)
    for file in found.values():
        _ = file.gzipped, file.etag  # now, and not while somebody waits
    return found


_READ = read_files(resources.files("server.gateway") / "web")
PATHS = frozenset(_READ)


@cache
def files() -> Mapping[str, WebFile]:
    """What is at `PATHS`. Making it takes 40 ms, the first time: `serve` has it made when the port is open."""
    return built(_READ)


def file_page(path: str, asked: Headers, query: str = "", *, is_secure: bool = False) -> Page:
    """The file at `path`, one of `PATHS` or "/"; without its body for a client that has it already. With a `query`
    that names its version a browser may keep it for good; `is_secure` is whether it has come over TLS."""
    path = _INDEX if path == "/" else path
    file = _connect_page(asked, is_secure=is_secure) if path == _CONNECT else files()[path]
    is_named = parse_qs(query).get("v") == [file.version]
    headers = [("Cache-Control", _FOREVER if is_named else _EACH_TIME), ("ETag", file.etag)]
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


def _connect_page(headers: Headers, *, is_secure: bool) -> WebFile:
    """The page for people who write clients, with the address under which they see us in its examples."""
    hosts = headers.get_all("Host")
    host = hosts[0] if len(hosts) == 1 and _HOST.fullmatch(hosts[0]) else "127.0.0.1:8080"
    secure = b"s" if is_secure else b""
    page = files()[_CONNECT]
    body = page.body.replace(b"{host}", escape(host).encode()).replace(b"{s}", secure)
    return WebFile(body, page.content_type)

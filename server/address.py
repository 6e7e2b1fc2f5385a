"""Where a server is, as a person writes it, and why there is no session with it."""

import json
from urllib.parse import urlsplit, urlunsplit

from websockets.exceptions import InvalidStatus

from server.errors import ServerError

SESSIONS_PATH = "/v1/realtime"
_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


def session_url(text: str) -> str:
    """Where sessions are, by that or by the address that the server prints for browsers. Raises ServerError."""
    try:
        parts = urlsplit(text)
        if parts.scheme not in _SCHEMES or not parts.hostname or parts.port == 0:
            raise ValueError(text)
    except ValueError:
        raise ServerError(
            f"--url: {text!r} is not the address of a server, such as ws://127.0.0.1:8080/v1/realtime"
        ) from None
    path = SESSIONS_PATH if parts.path in ("", "/") else parts.path
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, parts.query, ""))


def unreachable(url: str, error: Exception) -> ServerError:
    """Why there is no session at `url`, for the person who asked for one."""
    if not isinstance(error, InvalidStatus):
        return ServerError(f"no server at {url} ({error}); start one with scripts/serve")
    try:
        said = json.loads(error.response.body or b"")["error"]["message"]
    except (ValueError, LookupError, TypeError):
        said = error.response.reason_phrase
    return ServerError(f"the server at {url} refused: {error.response.status_code} {said}")

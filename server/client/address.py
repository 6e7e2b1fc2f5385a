"""Where a server is, as a person writes it, and why there is no session with it."""

import json
import re
import secrets
from http import HTTPStatus
from ssl import SSLCertVerificationError, SSLError
from urllib.parse import urlencode, urlsplit, urlunsplit

from websockets.exceptions import InvalidMessage, InvalidStatus
from websockets.http11 import Response

from server.domain.errors import ServerError

SESSIONS_PATH = "/v1/realtime"
_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_HOST_AND_PORT = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}")
_A_PAGE = (HTTPStatus.OK, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
"""What a web server says of a page that it has, or has not."""
_OTHER_NAME = (62, 64)
"""OpenSSL's codes for a certificate that names another host, or another IP address."""


def session_url(text: str) -> str:
    """Where sessions are, by that, by the address that the server prints for browsers, or by `host:port`.

    Raises ServerError.
    """
    try:
        parts = urlsplit(f"ws://{text}" if _HOST_AND_PORT.fullmatch(text) else text)
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
    match error:
        case InvalidStatus() if error.response.status_code in _A_PAGE and not _message(error.response):
            said = f"{error.response.status_code} {error.response.reason_phrase}"
            return ServerError(
                f"the server at {url} answers HTTP ({said}), and opens no WebSocket; is the path right?"
            )
        case InvalidStatus():
            return ServerError(f"the server at {url} refused: {_refusal(error.response)}")
        case SSLCertVerificationError() if error.verify_code in _OTHER_NAME:
            fault = f"the certificate of the server at {url} is not for this address ({error.verify_message})"
            return ServerError(f"{fault}; name it in the certificate: docs/clients.md")
        case SSLCertVerificationError():
            fault = f"the certificate of the server at {url} is not trusted ({error.verify_message})"
            return ServerError(
                f"{fault}; if it is yours, trust it: SSL_CERT_FILE=cert.pem before the command"
            )
        case InvalidMessage() if isinstance(
            error.__cause__, ValueError
        ):  # an answer, but none to a handshake
            said = "".join(
                one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in str(error.__cause__)
            )
            return ServerError(f"what answers at {url} opens no WebSocket ({said})")
        case InvalidMessage() if url.startswith("ws:"):
            fault = f"the server at {url} does not answer without TLS"
            return ServerError(f"{fault}; try wss{url.removeprefix('ws')}")
        case ConnectionResetError() | SSLError() if url.startswith("wss:"):
            fault = f"the server at {url} does not speak TLS"
            return ServerError(f"{fault}; try ws{url.removeprefix('wss')}")
    why = getattr(error, "strerror", None) or error
    return ServerError(f"no server at {url} ({why}); start one with scripts/serve")


def _refusal(response: Response) -> str:
    said = _message(response) or response.reason_phrase
    remedy = " Give it with --api-key." if response.status_code == HTTPStatus.UNAUTHORIZED else ""
    return f"{response.status_code} {said}{remedy}"


def _message(response: Response) -> str:
    """What a server of sessions says itself; empty of any other."""
    try:
        return str(json.loads(response.body or b"")["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return ""


def named_url(url: str) -> str:
    """The address with a name for the session in it, by which a load balancer finds its node again. No secret."""
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, urlencode({"sid": secrets.token_urlsafe(9)})) if part)
    return parts._replace(query=query).geturl()

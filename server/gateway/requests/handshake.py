"""Who may open a session: keys, origins and subprotocols, as plain functions of the request's headers.

Clients present a key in one of three places, looked at in this order: `Authorization: Bearer <key>`, the
header `api-key`, and, for browsers, which can set no headers, a subprotocol that carries it. Without a
configured key everybody is let in, because the server is then bound to loopback.

Browsers let any page open a WebSocket to any server and only say whose page it is (`Origin`). A page may
connect if it came from this machine, from this server, or from an origin that is configured. "This server"
is taken on trust from the header `Host`; where no key protects us, only as a literal address, so that no
foreign page gets in by a DNS name that was pointed at us afterwards.
"""

import hmac
import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from websockets.datastructures import Headers

_KEY_SUBPROTOCOL = "openai-insecure-api-key."
_BETA_SUBPROTOCOL = "openai-beta.realtime-v1"
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
"""Browsers leave them out of `Origin`; some proxies and clients write them."""


def presented_key(headers: Headers) -> str | None:
    """The key in the first of the three places that has one."""
    for value in headers.get_all("Authorization"):
        scheme, _, key = value.strip().partition(" ")
        if scheme.lower() == "bearer":
            return key.strip()
    for value in headers.get_all("api-key"):
        return value.strip()
    for offer in offered_subprotocols(headers):
        if offer.startswith(_KEY_SUBPROTOCOL):
            return offer.removeprefix(_KEY_SUBPROTOCOL)
    return None


def is_key_accepted(presented: str | None, keys: Sequence[str]) -> bool:
    """Whether the key opens the door; takes the same time for every wrong key of the same length."""
    if not keys:
        return True
    given = (presented or "").encode(errors="surrogateescape")
    return sum(hmac.compare_digest(given, key.encode()) for key in keys) > 0  # not any(): no early end


def offered_subprotocols(headers: Headers) -> list[str]:
    """What the client offers, in its order."""
    values = headers.get_all("Sec-WebSocket-Protocol")
    return [offer.strip() for value in values for offer in value.split(",")]


def wants_beta_shape(headers: Headers) -> bool:
    """Whether this is a client of the retired beta protocol, whose events have other names."""
    if any("realtime=v1" in value for value in headers.get_all("OpenAI-Beta")):
        return True
    return _BETA_SUBPROTOCOL in offered_subprotocols(headers)


def is_origin_allowed(headers: Headers, allowed: Sequence[str], *, has_keys: bool) -> bool:
    """Whether the page that opens the connection may do so; programs send no origin and always may."""
    origins = headers.get_all("Origin")
    if not origins or "*" in allowed:
        return True
    if len(origins) > 1:
        return False
    if origins[0] in allowed:
        return True
    scheme, host, port = _origin(origins[0])
    if host is None:
        return False
    if is_local(host) or (scheme, host, port) in map(_origin, allowed):
        return True
    same = [(host, port)] == [_host(value, scheme) for value in headers.get_all("Host")]
    return same and (has_keys or _is_address(host))


def is_host_trusted(headers: Headers, allowed: Sequence[str]) -> bool:
    """Whether a request names us by an address or a name that nobody else can point at us.

    A page may have any name that its owner points at this machine; to the browser our answers are then its own. Names
    of allowed origins are trusted too. Programs that name no host are no browsers.
    """
    known = {_origin(origin)[1] for origin in allowed}
    names = [_host(value, "http")[0] for value in headers.get_all("Host")]
    return all(name is not None and (is_local(name) or _is_address(name) or name in known) for name in names)


def is_https(headers: Headers) -> bool:
    """Whether the client has come over TLS that somebody before us has taken off.

    Proxies say so. Where none does, a browser lets it be seen: it says `Sec-Fetch-Mode` over TLS only, or to its own
    machine.
    """
    told = ",".join(headers.get_all("X-Forwarded-Proto")) or ",".join(
        re.findall(r'proto="?(\w+)', ",".join(headers.get_all("Forwarded")), re.IGNORECASE)
    )
    if told:
        return told.split(",")[0].strip().lower() == "https"
    names = [_host(value, "http")[0] for value in headers.get_all("Host")]
    is_elsewhere = bool(names) and all(name is not None and not is_local(name) for name in names)
    return is_elsewhere and "Sec-Fetch-Mode" in headers


def is_local(host: str) -> bool:
    """Whether a host name means this machine."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _origin(text: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port; without a port, the scheme's own. The host is None where the text is no origin."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return "", None, None
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS.get(parts.scheme)


def _host(text: str, scheme: str) -> tuple[str | None, int | None]:
    """Host and port of the header `Host`, for a page that was fetched by the scheme."""
    return _origin(f"{scheme}://{text}")[1:]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

"""Where a service is, and how to behave there: what an adapter says of it before any connection."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from stages.errors import ErrorKind
from stages.providers.sockets.failures import RetryPolicy

Message = str | bytes


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a service is, and how to behave there."""

    service: str
    """Its name, for errors."""
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """They go with the handshake and nowhere else: this is where keys belong."""
    hello: Message | None = field(default=None, repr=False)
    """What every connection is sent before anything else, where settings, or the key, do not go with the handshake."""
    speaks_first: bool = False
    """Whether the service says something before it is sent more; until then the connection is not ready."""
    keep_alive: Message | None = None
    """What is sent when nothing has been for `keep_alive_s`; for silence see `ProviderSocket.keep_alive`."""
    keep_alive_s: float = 4.0
    connect_s: float = 5.0
    """The deadline of the handshake, and of the first word of a service that speaks first."""
    close_codes: Mapping[int | str, ErrorKind] = field(default_factory=dict)
    """The service's own, see `faults.close_fault`."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    def is_like(self, other: "Endpoint") -> bool:
        """Whether a connection to one serves for the other."""
        return (self.url, self.hello) == (other.url, other.hello)


@cache
def tls() -> ssl.SSLContext:
    """The machine's authorities. Reads files: an adapter calls it once when it is made, which is not on a loop."""
    return ssl.create_default_context()

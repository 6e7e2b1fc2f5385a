"""Which address a request comes from: the connection's own, or, behind proxies that are trusted, what they say of it.

Pure. `X-Forwarded-For` is anybody's to write, so it is read from its end, and only as far as each address that passed
the request on is a trusted proxy's.
"""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # whoever only reads the settings has no need of what serves sockets
    from websockets.datastructures import Headers

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def read_networks(names: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and networks, as in "10.0.0.0/8". Raises ValueError that names the one that is none."""
    return tuple(ipaddress.ip_network(name) for name in names)


def client_address(peer: str, headers: "Headers", trusted: Sequence[Network]) -> str:
    """The address that quotas are counted for; of IPv6 the network of 64 bits that one subscriber has. "" for a peer
    that has no address."""
    address = _peer(peer)
    said = [name for value in headers.get_all("X-Forwarded-For") for name in value.split(",")]
    while address is not None and said and any(address in network for network in trusted):
        before = _address(said.pop())
        if before is None:
            break  # what a trusted proxy does not understand either
        address = before
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((address, 64), strict=False))
    return "" if address is None else str(address)


@lru_cache(maxsize=4096)  # asked for three times a connection
def is_this_machine(address: str) -> bool:
    """Whether a client's address means this machine: itself, or a proxy on it that is not trusted to say more."""
    return address in ("", "::/64") or ipaddress.ip_network(address).is_loopback


@lru_cache(maxsize=4096)  # asked for three times a connection
def _peer(name: str) -> _Address | None:
    return _address(name)


def _address(name: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(name.strip().partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address

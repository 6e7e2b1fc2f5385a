"""A forwarded address counts as far as trusted proxies vouch for it, and no further."""

import pytest
from websockets.datastructures import Headers

from server.gateway.requests.addresses import client_address, is_this_machine, read_networks

PROXIES = read_networks(("10.0.0.0/8", "::1", "192.0.2.7"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.5", (), "203.0.113.5"),
        ("203.0.113.5", ("198.51.100.1",), "203.0.113.5"),
        ("10.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", ("1.2.3.4, 198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", ("1.2.3.4, 198.51.100.1, 10.9.9.9",), "198.51.100.1"),
        ("10.0.0.1", ("1.2.3.4", "198.51.100.1, 192.0.2.7"), "198.51.100.1"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("nonsense",), "10.0.0.1"),
        ("::ffff:10.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("::1", ("2001:db8:1:2:3:4:5:6",), "2001:db8:1:2::/64"),
        ("fe80::1%eth0", (), "fe80::/64"),
        ("", ("198.51.100.1",), ""),
    ],
)
def test_whose_address_counts(peer: str, forwarded: tuple[str, ...], address: str) -> None:
    headers = Headers([("X-Forwarded-For", value) for value in forwarded])
    assert client_address(peer, headers, PROXIES) == address


@pytest.mark.parametrize(
    ("peer", "ours"),
    [("127.0.0.1", True), ("::1", True), ("", True), ("10.0.0.1", False), ("2001:db8::1", False)],
)
def test_this_machine(peer: str, ours: bool) -> None:
    assert is_this_machine(client_address(peer, Headers(), ())) is ours


def test_what_is_no_network_is_named() -> None:
    with pytest.raises(ValueError, match="proxy"):
        read_networks(("proxy",))

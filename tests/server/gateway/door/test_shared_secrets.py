"""A client secret that one node has made opens a session on another, and the store holds none of them in clear."""

from dataclasses import dataclass

import pytest

from server.cluster.store import MemoryStore
from server.domain.errors import ClientError
from server.gateway.door.client_secrets import ClientSecrets
from server.gateway.door.quotas import HOLDER_CHARS, holder_of
from server.gateway.door.shared_secrets import SharedSecrets


class Watched(MemoryStore):
    """A store that shows what is written and counts what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.reads = 0

    async def write(self, key: str, value: bytes, lease_s: float, now: float) -> None:
        self.written += [key.encode(), value]
        await super().write(key, value, lease_s, now)

    async def read(self, key: str, now: float) -> bytes | None:
        self.reads += 1
        return await super().read(key, now)


@dataclass(frozen=True)
class Orders:
    """Any body opens itself, on a node that understands it."""

    understands: bool

    def opened_by(self, body: bytes) -> tuple[bytes, float]:
        if not self.understands:
            raise ClientError("invalid_value", "no such voice here")
        return body, 600.0


class Nodes:
    """Several nodes, one store, one clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.store = Watched()

    def node(self, *, understands: bool = True) -> SharedSecrets[bytes]:
        orders = Orders(understands)
        return SharedSecrets(
            ClientSecrets[bytes](), self.store, orders, lambda: self.now, lambda: 1e9 + self.now
        )


async def test_another_node_learns_what_one_has_made() -> None:
    nodes = Nodes()
    one, two = nodes.node(), nodes.node()
    value = one.mint(b'{"x": "\xff"}', "key")
    assert one.find(value) == b'{"x": "\xff"}'
    await two.learn(value)
    assert two.find(value) is None, "it was not shared yet"
    await one.share()
    await two.learn(value)
    assert two.find(value) == b'{"x": "\xff"}'


async def test_all_nodes_know_whose_key_a_secret_was_ordered_with() -> None:
    nodes = Nodes()
    one, two = nodes.node(), nodes.node()
    value = one.mint(b"{}", "shop-key")
    await one.share()
    await two.learn(value)
    owners = [node.owner_of(value) for node in (one, two)]
    assert owners[0] == owners[1]
    assert (owners[0] or "")[:HOLDER_CHARS] == holder_of("shop-key")
    assert one.owner_of("ek_unknown") is None


async def test_it_is_valid_everywhere_as_long_as_it_was_ordered() -> None:
    nodes = Nodes()
    one, two = nodes.node(), nodes.node()
    value = one.mint(b"order", "key")
    await one.share()
    for nodes.now in (0.0, 100.0, 599.0):
        await two.learn(value)
        assert two.find(value) == b"order"
    nodes.now = 601.0
    await two.learn(value)
    assert two.find(value) is None


async def test_the_store_holds_neither_secret_nor_key() -> None:
    nodes = Nodes()
    one = nodes.node()
    value = one.mint(b"order", "the-key")
    await one.share()
    assert not any(value.encode() in text or b"the-key" in text for text in nodes.store.written)


@pytest.mark.parametrize("key", [None, "", "sk-real-key", "ek_unknown"])
async def test_what_is_no_secret_is_asked_for_once_at_most(key: str | None) -> None:
    nodes = Nodes()
    node = nodes.node()
    await node.learn(key)
    assert node.find(key) is None
    assert nodes.store.reads == (key == "ek_unknown")


async def test_a_node_that_cannot_honour_the_order_knows_no_such_secret() -> None:
    nodes = Nodes()
    one, other = nodes.node(), nodes.node(understands=False)
    value = one.mint(b"order", "key")
    await one.share()
    await other.learn(value)
    assert other.find(value) is None

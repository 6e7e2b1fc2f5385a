"""Client secrets that every node of a server knows: one node makes a secret, and any may be asked to open a session.

What is shared is the order that a secret was made from, under the secret's digest: whoever reads the store learns no
secret. A node that is shown one it does not know asks the store once, and forgets it again soon.
"""

import hashlib
import json
import logging
from typing import Generic, Protocol, TypeVar

from server.cluster.store import Store
from server.domain.clock import Now
from server.domain.errors import ClientError
from server.gateway.door.client_secrets import PREFIX, ClientSecrets

log = logging.getLogger(__name__)

_LEARNT_S = 60.0
"""How long a node keeps what another has made, before it asks again."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class OrderReader(Protocol[T_co]):
    """What clients order, as the dialect has it whose secrets these are."""

    def opened_by(self, body: bytes) -> tuple[T_co, float]:
        """What a secret for this order opens, and for how many seconds. Raises ClientError."""


class SharedSecrets(Generic[T]):
    """The secrets of one node, and those of the others by the store."""

    def __init__(
        self,
        secrets: ClientSecrets[T],
        store: Store,
        orders: OrderReader[T],
        now: Now,
        unix_time_s: Now,
    ) -> None:
        """`now` is this node's clock, `unix_time_s` that of all nodes."""
        self._secrets = secrets
        self._store = store
        self._orders = orders
        self._now = now
        self._unix_time_s = unix_time_s
        self._unshared: list[tuple[str, bytes, str, float]] = []

    def find(self, value: str | None) -> T | None:
        """What a secret opens, as far as this node knows."""
        return self._secrets.find(value, self._now())

    def owner_of(self, value: str | None) -> str | None:
        """The digest of the key that a valid secret was ordered with, as far as this node knows; None if it is none."""
        return self._secrets.owner_of(value, self._now())

    def mint(self, body: bytes, owner: str) -> str:
        """A new secret for an order. Raises ClientError. Only `share` makes it known to the others."""
        opens, lifetime_s = self._orders.opened_by(body)
        owner = _digest(owner)
        value = self._secrets.add(opens, lifetime_s, self._now(), owner, len(body))
        self._unshared.append((value, body, owner, lifetime_s))
        return value

    async def share(self) -> None:
        """Make known to the other nodes what was made since the last time."""
        fresh, self._unshared = self._unshared, []
        for value, body, owner, lifetime_s in fresh:
            order = body.decode(errors="surrogateescape")
            until = self._unix_time_s() + lifetime_s
            note = json.dumps({"order": order, "owner": owner, "until": until})
            await self._store.write(_name(value), note.encode(), lifetime_s, self._now())

    async def learn(self, value: str | None) -> None:
        """Know a secret that another node has made, if it is one and still valid."""
        if value is None or not value.startswith(PREFIX) or self.find(value) is not None:
            return
        kept = await self._store.read(_name(value), self._now())
        if kept is None:
            return
        note = json.loads(kept)
        try:
            opens, _ = self._orders.opened_by(note["order"].encode(errors="surrogateescape"))
        except ClientError as error:
            log.warning("a client secret of another node means nothing to this one: %s", error.message)
            return
        lifetime_s = min(note["until"] - self._unix_time_s(), _LEARNT_S)
        self._secrets.keep(value, opens, lifetime_s, self._now(), note["owner"], len(kept))


def _name(value: str) -> str:
    return f"secret:{_digest(value)}"


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode(errors="surrogateescape")).hexdigest()

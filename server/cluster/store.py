"""Budgets that refill, places that are taken and values that are kept for a while: the store, and the memory behind it.

Every entry is small and expires by itself, so that a shared store needs no sweeping either: of a budget the moment at
which it will be full again, of a place its holder and the end of its lease, of a value its bytes. `now` is any
clock in seconds that those who share the store agree on. A store with a clock of its own uses that.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import anyio

OnMessage = Callable[[bytes], None]
"""Is told each message that comes into a mailbox."""


@dataclass(frozen=True, slots=True)
class Budget:
    """So much in so many seconds: refilled at a steady rate, all of it may be spent at once."""

    amount: float
    per_s: float

    def spend(self, full_at: float, amount: float, now: float) -> tuple[float, float]:
        """When the budget will be full again once `amount` is taken, and 0; or, when it does not hold that much, the
        same moment as before, and the seconds to wait until it does. More than all of it needs it full."""
        missing = max(0.0, full_at - now) / self.per_s * self.amount
        wanted = min(amount, self.amount)
        if missing + wanted > self.amount + 1e-9:
            return full_at, (missing + wanted - self.amount) / self.amount * self.per_s
        return max(full_at, now) + amount / self.amount * self.per_s, 0.0


MAX_VALUE_BYTES = 1 << 20
"""Of one value: a conversation of the longest kind fits, a recording does not."""


class Store(Protocol):
    """What the nodes of a server share. Every method is one round trip, atomic, and cancel-safe: at worst an amount is
    spent or a place is taken for nothing until it expires."""

    async def spend(self, key: str, budget: Budget, amount: float, now: float) -> float:
        """Take `amount` out of the budget `key` and return 0, or nothing and the seconds to wait. An amount of 0 asks
        whether anything is left: it costs nothing, and is refused when less than one is."""

    async def claim(self, key: str, holder: str, places: int, lease_s: float, now: float) -> float:
        """Take one of the `places` under `key`, or keep the one that the holder has, for `lease_s` from now: 0, or the
        seconds until one will be free at the latest."""

    async def release(self, key: str, holder: str) -> None:
        """Give the place back, if the holder has one."""

    async def write(self, key: str, value: bytes, lease_s: float, now: float) -> None:
        """Keep a value for `lease_s` from now, in place of the one before. Raises ValueError beyond MAX_VALUE_BYTES."""

    async def read(self, key: str, now: float) -> bytes | None:
        """The value of that key, unless it has expired."""

    async def take(self, key: str, now: float) -> bytes | None:
        """The same, and nobody gets it again: of several that ask at once, one."""

    async def tell(self, mailbox: str, message: bytes) -> bool:
        """Hand a short message to whoever listens there now, which nobody keeps: whether anybody does."""

    async def listen(self, mailbox: str, heard: OnMessage) -> None:
        """Have every message heard that is told there from now on. Returns only when cancelled."""


def check_size(key: str, value: bytes) -> None:
    """Raises ValueError for a value that no store keeps."""
    if len(value) > MAX_VALUE_BYTES:
        raise ValueError(f"{key} has {len(value)} bytes; the limit is {MAX_VALUE_BYTES}")


SWEPT_EVERY_S = 60.0
"""How often what has expired, and nobody has asked for, is looked for when something is written."""


class Values:
    """The values of one process. Bounded: beyond `max_bytes` what expires first is forgotten."""

    def __init__(self, max_bytes: int = 64 << 20) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: dict[str, tuple[bytes, float]] = {}
        self._swept_at = 0.0

    def __len__(self) -> int:
        return len(self._kept)

    def write(self, key: str, value: bytes, lease_s: float, now: float) -> None:
        """See `Store.write`."""
        check_size(key, value)
        if now - self._swept_at >= SWEPT_EVERY_S:
            self._sweep(now)
        self._drop(key)
        self._kept[key] = value, now + lease_s
        self._bytes += len(value)
        if self._bytes > self._max_bytes:
            self._forget()

    def read(self, key: str, now: float) -> bytes | None:
        """See `Store.read`."""
        value, until = self._kept.get(key, (b"", now))
        if until <= now:
            self._drop(key)
            return None
        return value

    def take(self, key: str, now: float) -> bytes | None:
        """See `Store.take`."""
        value = self.read(key, now)
        self._drop(key)
        return value

    def _drop(self, key: str) -> None:
        value, _ = self._kept.pop(key, (b"", 0.0))
        self._bytes -= len(value)

    def _sweep(self, now: float) -> None:
        self._swept_at = now
        for key in [key for key, (_, until) in self._kept.items() if until <= now]:
            self._drop(key)

    def _forget(self) -> None:
        for key in sorted(self._kept, key=lambda key: self._kept[key][1]):
            self._drop(key)
            if self._bytes <= self._max_bytes * 9 // 10:
                return


class Ledger:
    """The budgets and places of one process. Bounded: beyond `max_keys` what expires first is forgotten, which favours
    the client."""

    def __init__(self, max_keys: int = 100_000) -> None:
        self._max_keys = max_keys
        self._full_at: dict[str, float] = {}
        self._leases: dict[str, dict[str, float]] = {}

    def __len__(self) -> int:
        return len(self._full_at) + len(self._leases)

    def spend(self, key: str, budget: Budget, amount: float, now: float) -> float:
        """See `Store.spend`."""
        full_at = self._full_at.get(key, now)
        if amount == 0:
            return budget.spend(full_at, 1, now)[1]
        full_at, wait_s = budget.spend(full_at, amount, now)
        if wait_s == 0:
            self._full_at[key] = full_at
            self._forget(now)
        return wait_s

    def claim(self, key: str, holder: str, places: int, lease_s: float, now: float) -> float:
        """See `Store.claim`."""
        leases = self._leases.setdefault(key, {})
        for gone in [other for other, until in leases.items() if until <= now]:
            del leases[gone]
        if holder not in leases and len(leases) >= places:
            return min(leases.values()) - now
        leases[holder] = now + lease_s
        self._forget(now)
        return 0.0

    def release(self, key: str, holder: str) -> None:
        """See `Store.release`."""
        leases = self._leases.get(key, {})
        leases.pop(holder, None)
        if not leases:
            self._leases.pop(key, None)

    def _forget(self, now: float) -> None:
        if len(self) <= self._max_keys:
            return
        self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        self._leases = {key: leases for key, leases in self._leases.items() if max(leases.values()) > now}
        for key in list(self._first_to_expire(len(self) - self._max_keys * 9 // 10)):
            self._full_at.pop(key, None)

    def _first_to_expire(self, how_many: int) -> Iterator[str]:
        if len(self) > self._max_keys:
            yield from sorted(self._full_at, key=self._full_at.__getitem__)[:how_many]


class MemoryStore:
    """The store of a server of one process; implements `Store` and never waits."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._ledger = ledger or Ledger()
        self._values = Values()
        self._listeners: dict[str, OnMessage] = {}

    async def spend(self, key: str, budget: Budget, amount: float, now: float) -> float:
        """See `Store.spend`."""
        return self._ledger.spend(key, budget, amount, now)

    async def claim(self, key: str, holder: str, places: int, lease_s: float, now: float) -> float:
        """See `Store.claim`."""
        return self._ledger.claim(key, holder, places, lease_s, now)

    async def release(self, key: str, holder: str) -> None:
        """See `Store.release`."""
        self._ledger.release(key, holder)

    async def write(self, key: str, value: bytes, lease_s: float, now: float) -> None:
        """See `Store.write`."""
        self._values.write(key, value, lease_s, now)

    async def read(self, key: str, now: float) -> bytes | None:
        """See `Store.read`."""
        return self._values.read(key, now)

    async def take(self, key: str, now: float) -> bytes | None:
        """See `Store.take`."""
        return self._values.take(key, now)

    async def tell(self, mailbox: str, message: bytes) -> bool:
        """See `Store.tell`."""
        heard = self._listeners.get(mailbox)
        if heard is not None:
            heard(message)
        return heard is not None

    async def listen(self, mailbox: str, heard: OnMessage) -> None:
        """See `Store.listen`."""
        self._listeners[mailbox] = heard
        try:
            await anyio.sleep_forever()
        finally:
            del self._listeners[mailbox]

"""Budgets that refill, and places that are taken for a while: the interface of the store, and the memory behind it.

Every entry is one small value that expires by itself, so that a shared store needs no sweeping either: of a budget the
moment at which it will be full again, of a place its holder and the end of its lease. The arithmetic is pure; `now` is
any clock in seconds that those who share the store agree on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


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


class Store(Protocol):
    """What the quotas are kept in. Every method is one round trip, atomic, and cancel-safe: at worst an amount is spent
    or a place is taken for nothing until it expires."""

    async def spend(self, key: str, budget: Budget, amount: float, now: float) -> float:
        """Take `amount` out of the budget `key` and return 0, or nothing and the seconds to wait. An amount of 0 asks
        whether anything is left: it costs nothing, and is refused when less than one is."""

    async def claim(self, key: str, holder: str, places: int, lease_s: float, now: float) -> float:
        """Take one of the `places` under `key`, or keep the one that the holder has, for `lease_s` from now: 0, or the
        seconds until one will be free at the latest."""

    async def release(self, key: str, holder: str) -> None:
        """Give the place back, if the holder has one."""


class Ledger:
    """The entries of one process; everything the memory store decides. Bounded: beyond `max_keys` what expires first
    is forgotten, which favours the client."""

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

    async def spend(self, key: str, budget: Budget, amount: float, now: float) -> float:
        """See `Store.spend`."""
        return self._ledger.spend(key, budget, amount, now)

    async def claim(self, key: str, holder: str, places: int, lease_s: float, now: float) -> float:
        """See `Store.claim`."""
        return self._ledger.claim(key, holder, places, lease_s, now)

    async def release(self, key: str, holder: str) -> None:
        """See `Store.release`."""
        self._ledger.release(key, holder)

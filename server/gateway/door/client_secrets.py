"""Client secrets: keys that open sessions for a while, for clients that cannot be trusted with a real one.

They live in the memory of this process and end with it; `shared_secrets` makes them known to other nodes.
Only their digests are kept, so that neither a look into the store nor the time that a lookup takes says
anything about a secret that is valid.
"""

import hashlib
import heapq
import hmac
import secrets
from collections import Counter
from dataclasses import dataclass
from typing import Generic, TypeVar

from server.domain.errors import ClientError

PREFIX = "ek_"
"""Clients of the Realtime protocol know by it that a key may be in a browser."""

_SECRET_BYTES = 32

KEPT_BYTES = 600
"""What a secret takes beside what it opens, roughly."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    digest: bytes
    opens: T
    expires_at: float
    owner: str
    size_bytes: int


class ClientSecrets(Generic[T]):
    """The secrets that are valid, and what each of them opens. `now` is any clock in seconds.

    The limit is for each owner, in bytes: of secrets that open a session as the server has it there may be tens of
    thousands. Whoever orders too many is refused, and nobody else.
    """

    def __init__(self, max_bytes_per_owner: int = 64 << 20) -> None:
        self._max_bytes = max_bytes_per_owner
        self._kept: dict[bytes, _Kept[T]] = {}
        self._held_bytes = Counter[str]()
        self._ends: list[tuple[float, bytes]] = []
        """A heap; of a secret that was learnt again the first entry means nothing."""

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, opens: T, lifetime_s: float, now: float, owner: str = "", size_bytes: int = 0) -> str:
        """A new secret, ordered with the key `owner` by a body of so many bytes. Raises ClientError when those that are
        valid of that key take too much."""
        self._forget(now)
        if self._held_bytes[owner] + size_bytes + KEPT_BYTES > self._max_bytes:
            raise ClientError(
                "too_many_client_secrets",
                f"The valid client secrets of this key hold {self._held_bytes[owner]} bytes, and {self._max_bytes} is"
                " the limit; pin less in each, let them expire sooner, or try again later.",
                blame="limit",
            )
        value = PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        self.keep(value, opens, lifetime_s, now, owner, size_bytes)
        return value

    def keep(
        self, value: str, opens: T, lifetime_s: float, now: float, owner: str, size_bytes: int = 0
    ) -> None:
        """Keep a secret that was made elsewhere."""
        self._forget(now)
        digest = _digest(value)
        kept = _Kept(digest, opens, now + lifetime_s, owner, size_bytes + KEPT_BYTES)
        self._drop(digest[:8])
        self._kept[digest[:8]] = kept
        self._held_bytes[owner] += kept.size_bytes
        heapq.heappush(self._ends, (kept.expires_at, digest[:8]))

    def _forget(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            at, key = heapq.heappop(self._ends)
            if key in self._kept and self._kept[key].expires_at == at:
                self._drop(key)

    def _drop(self, key: bytes) -> None:
        kept = self._kept.pop(key, None)
        if kept is None:
            return
        self._held_bytes[kept.owner] -= kept.size_bytes
        if not self._held_bytes[kept.owner]:
            del self._held_bytes[kept.owner]

    def find(self, value: str | None, now: float) -> T | None:
        """What a secret opens, while it is valid. The time this takes depends on its first digest bytes only."""
        kept = self._valid(value, now)
        return None if kept is None else kept.opens

    def owner_of(self, value: str | None, now: float) -> str | None:
        """Who ordered a secret that is valid; None if it is not."""
        kept = self._valid(value, now)
        return None if kept is None else kept.owner

    def _valid(self, value: str | None, now: float) -> _Kept[T] | None:
        digest = _digest(value or "")
        kept = self._kept.get(digest[:8])
        if kept is None or not hmac.compare_digest(kept.digest, digest) or kept.expires_at <= now:
            return None
        return kept


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode(errors="surrogateescape")).digest()

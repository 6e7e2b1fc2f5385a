"""Client secrets: keys that open sessions for a while, for clients that cannot be trusted with a real one.

They live in the memory of this process and end with it; `shared_secrets` makes them known to other nodes.
Only their digests are kept, so that neither a look into the store nor the time that a lookup takes says
anything about a secret that is valid.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Generic, TypeVar

from server.domain.errors import ClientError

PREFIX = "ek_"
"""Clients of the Realtime protocol know by it that a key may be in a browser."""

_SECRET_BYTES = 32

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    digest: bytes
    opens: T
    expires_at: float
    owner: str


class ClientSecrets(Generic[T]):
    """The secrets that are valid, and what each of them opens. `now` is any clock in seconds.

    The limit is for each owner: whoever orders too many is refused, and nobody else.
    """

    def __init__(self, max_secrets: int = 1000) -> None:
        """With bodies of at most 64 KiB, an owner's thousand secrets stay below 100 MB whatever they hold."""
        self._max_secrets = max_secrets
        self._kept: dict[bytes, _Kept[T]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, opens: T, lifetime_s: float, now: float, owner: str = "") -> str:
        """A new secret, ordered with the key `owner`. Raises ClientError when too many of that key's are valid."""
        if self._held_by(owner) >= self._max_secrets:
            self._kept = {key: kept for key, kept in self._kept.items() if kept.expires_at > now}
        if self._held_by(owner) >= self._max_secrets:
            raise ClientError(
                "too_many_client_secrets",
                f"{self._max_secrets} client secrets of this key are valid, and that is the limit; try again later.",
                type="rate_limit_error",
            )
        value = PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        self.keep(value, opens, lifetime_s, now, owner)
        return value

    def keep(self, value: str, opens: T, lifetime_s: float, now: float, owner: str) -> None:
        """Know a secret that was made elsewhere."""
        digest = _digest(value)
        self._kept[digest[:8]] = _Kept(digest, opens, now + lifetime_s, owner)

    def _held_by(self, owner: str) -> int:
        return sum(kept.owner == owner for kept in self._kept.values())

    def find(self, value: str | None, now: float) -> T | None:
        """What a secret opens, while it is valid. The time this takes depends on its first digest bytes only."""
        digest = _digest(value or "")
        kept = self._kept.get(digest[:8])
        if kept is None or not hmac.compare_digest(kept.digest, digest) or kept.expires_at <= now:
            return None
        return kept.opens


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode(errors="surrogateescape")).digest()

"""The store that several nodes share: Valkey, or Redis, which speak the same protocol.

What has to be atomic is a script that the store runs by itself; the clock is the store's, so that nodes need not agree
on theirs. No key lives longer than what it stands for. `TTL`s are rounded up to a second of slack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from server.cluster.store import Budget, OnMessage, check_size

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

SCHEMES = ("valkey", "valkeys", "redis", "rediss")
"""Of the addresses of such a store; those that end in s are encrypted."""

LISTEN_S = 2.0
"""How long nothing may be heard of the store before it is asked for life, and how long it may take to answer: many a
network forgets a connection over which nothing goes, and tells nobody."""

_PREFIX = "stageflow-voice:"

_NOW = "local t = redis.call('TIME') local now = t[1] + t[2] / 1e6 "

_SPEND = (
    _NOW
    + """
local amount, per_s, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local asks = wanted == 0
if asks then wanted = 1 end
local full_at = tonumber(redis.call('GET', KEYS[1]) or now)
local missing = math.max(0, full_at - now) / per_s * amount
local held = math.min(wanted, amount)
if missing + held > amount + 1e-9 then
  return string.format('%.6f', (missing + held - amount) / amount * per_s)
end
if not asks then
  full_at = math.max(full_at, now) + wanted / amount * per_s
  redis.call('SET', KEYS[1], string.format('%.6f', full_at), 'PX', math.ceil((full_at - now + 1) * 1000))
end
return '0'
"""
)
"""As `Budget.spend` has it."""

_CLAIM = (
    _NOW
    + """
local holder, places, lease_s = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if not redis.call('ZSCORE', KEYS[1], holder) and redis.call('ZCARD', KEYS[1]) >= places then
  local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  return string.format('%.6f', math.max(0.001, tonumber(first[2]) - now))
end
redis.call('ZADD', KEYS[1], string.format('%.6f', now + lease_s), holder)
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIRE', KEYS[1], math.ceil((tonumber(last[2]) - now + 1) * 1000))
return '0'
"""
)
"""A place is a member of a sorted set whose score is the end of its lease."""


class ValkeyStore:
    """Implements `Store` over the connections of one client; `now` is the store's own, whatever is handed in.

    Raises what its library raises when the store cannot be reached: see `server.cluster.shared`.
    """

    def __init__(self, client: Redis, listen_s: float = LISTEN_S) -> None:
        self._client = client
        self._listen_s = listen_s
        self._spend: Any = client.register_script(_SPEND)
        self._claim: Any = client.register_script(_CLAIM)

    @classmethod
    def at(cls, url: str, timeout_s: float, listen_s: float = LISTEN_S) -> ValkeyStore:
        """The store at an address; connected to when first asked. Raises ImportError without the extra `cluster`."""
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        scheme, rest = url.split("://", 1)
        address = f"{scheme.replace('valkey', 'redis')}://{rest}"
        client = Redis.from_url(
            address,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(
                NoBackoff(), 1
            ),  # a connection that the store has closed in the meantime is made anew, once
            client_name="stageflow-voice",
            driver_info=None,  # else each connection reads the library's version from disk
        )
        return cls(client, listen_s)

    async def spend(self, key: str, budget: Budget, amount: float, now: float) -> float:
        """See `Store.spend`."""
        return float(await self._spend(keys=[_PREFIX + key], args=[budget.amount, budget.per_s, amount]))

    async def claim(self, key: str, holder: str, places: int, lease_s: float, now: float) -> float:
        """See `Store.claim`."""
        return float(await self._claim(keys=[_PREFIX + key], args=[holder, places, lease_s]))

    async def release(self, key: str, holder: str) -> None:
        """See `Store.release`."""
        await self._client.zrem(_PREFIX + key, holder)

    async def write(self, key: str, value: bytes, lease_s: float, now: float) -> None:
        """See `Store.write`."""
        check_size(key, value)
        await self._client.set(_PREFIX + key, value, px=max(1, round(lease_s * 1000)))

    async def read(self, key: str, now: float) -> bytes | None:
        """See `Store.read`."""
        value = await self._client.get(_PREFIX + key)
        return value if isinstance(value, bytes) else None

    async def take(self, key: str, now: float) -> bytes | None:
        """See `Store.take`."""
        value = await self._client.getdel(_PREFIX + key)
        return value if isinstance(value, bytes) else None

    async def tell(self, mailbox: str, message: bytes) -> bool:
        """See `Store.tell`."""
        return bool(await self._client.publish(_PREFIX + mailbox, message))

    async def listen(self, mailbox: str, heard: OnMessage) -> None:
        """See `Store.listen`. Raises as the others do."""
        line: PubSub = self._client.pubsub(ignore_subscribe_messages=True)
        try:
            await line.subscribe(_PREFIX + mailbox)
            await self._hear(line, heard)
        finally:
            with anyio.move_on_after(self._listen_s, shield=True):  # else its socket stays open
                await line.aclose()  # type: ignore[no-untyped-call]

    async def _hear(self, line: PubSub, heard: OnMessage) -> None:
        is_asked = False
        while True:
            message = await line.get_message(timeout=self._listen_s)
            if message is None and is_asked:
                raise TimeoutError(f"nothing was heard of the store for {2 * self._listen_s:g} s")
            is_asked = message is None
            if message is None:
                await line.ping()
            elif message["type"] == "message":
                heard(message["data"])

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()
